//! What the requests of all targets are made of.

use serde_json::Value;

use crate::bench::target::SLOTS;
use crate::bench::target::http::Dialect;
use crate::config::ShownKey;

/// Members of JSON data that marks are written to.
pub(super) const MARKS: [&str; SLOTS] = ["m0", "m1", "m2", "m3"];

/// The marks in JSON data, which may be empty; `None` when it is no JSON.
pub(super) fn marks_in(data: &[u8]) -> Option<[u32; SLOTS]> {
    let data: Value = match data {
        [] => Value::Null,
        text => serde_json::from_slice(text).ok()?,
    };
    Some(MARKS.map(|name| mark_value(data.get(name))))
}

/// The value of a mark as it was written by a template; 0 when there is none.
pub(super) fn mark_value(value: Option<&Value>) -> u32 {
    value
        .and_then(Value::as_str)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// Choices of the command line that shape requests.
#[derive(Clone, Debug)]
pub(in crate::bench) struct TargetSettings {
    /// Which of the HTTP services.
    pub(in crate::bench) dialect: Dialect,
    /// Value of HTTP's `Host` field.
    pub(in crate::bench) host: String,
    /// App of the sessions, where there are apps.
    pub(in crate::bench) app: String,
    /// What admits the load tester, where the server asks for a key.
    pub(in crate::bench) access_key: Option<ShownKey>,
    /// Path of HTTP's [`Verb::Fetch`](crate::bench::target::Verb::Fetch).
    pub(in crate::bench) path: String,
    /// Bytes of a session's data.
    pub(in crate::bench) data_bytes: usize,
    /// Every reply is checked.
    pub(in crate::bench) verify: bool,
    /// Life of a session in seconds, where it is not the service's own.
    pub(in crate::bench) ttl: Option<u64>,
}

impl TargetSettings {
    /// A JSON object of `data_bytes` bytes with one member `d`; nothing when there are to be none.
    pub(super) fn data(&self) -> String {
        if self.data_bytes == 0 {
            String::new()
        } else {
            self.object()
        }
    }

    /// A JSON object of `data_bytes` bytes with one member `d`, or the smallest such object.
    pub(super) fn object(&self) -> String {
        const FRAME: usize = r#"{"d":""}"#.len();
        let filler = "x".repeat(self.data_bytes.saturating_sub(FRAME));
        format!(r#"{{"d":"{filler}"}}"#)
    }

    /// The same with one more member, whose value is a hole.
    pub(super) fn object_with_mark(&self, name: &str) -> String {
        let object = self.object();
        let members = object.strip_suffix('}').unwrap_or_default();
        format!(r#"{members},"{name}":"{{value}}"}}"#)
    }
}
