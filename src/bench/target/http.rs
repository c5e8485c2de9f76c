//! The HTTP target: one of the three dialects, or a plain GET of one path.

use clap::ValueEnum;

use crate::bench::stopwatch::SECOND;
use crate::bench::target::http_reply;
use crate::bench::target::template::Template;
use crate::bench::target::{Contents, Frame, Life, Malformed, Meaning, Reply, Request};
use crate::bench::target::{Target, Verb, back_session, rest_sessions, tarantool};

/// Bytes of the largest reply that is accepted.
pub(in crate::bench) const REPLY_BYTES: usize = 16 << 20;

/// The dialect of HTTP that the server under load speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(in crate::bench) enum Dialect {
    /// smrchy/rest-sessions
    RestSessions,
    /// 0x1991/sessions on Tarantool
    Tarantool,
    /// snikiforov55/back-session
    BackSession,
}

impl Dialect {
    pub(in crate::bench) fn name(self) -> &'static str {
        match self {
            Self::RestSessions => "rest-sessions",
            Self::Tarantool => "tarantool",
            Self::BackSession => "back-session",
        }
    }
}

/// What the requests of an HTTP target are made of.
#[derive(Clone, Debug)]
pub(in crate::bench) struct HttpSettings {
    pub(in crate::bench) dialect: Dialect,
    /// Value of the `Host` field.
    pub(in crate::bench) host: String,
    /// App of rest-sessions.
    pub(in crate::bench) app: String,
    /// Path of [`Verb::Fetch`].
    pub(in crate::bench) path: String,
    /// Bytes of a session's data.
    pub(in crate::bench) data_bytes: usize,
    /// Life of a session in seconds, where it is not the service's own.
    pub(in crate::bench) ttl: Option<u64>,
}

impl HttpSettings {
    /// A JSON object of `data_bytes` bytes with one member `d`.
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

    /// A request without a body.
    pub(super) fn bare(&self, method_and_target: &str) -> Template {
        Template::new(&format!(
            "{method_and_target} HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.host
        ))
    }

    /// A request with a JSON body, whose length with its holes filled is `length`.
    pub(super) fn with_json(&self, method_and_target: &str, body: &str, length: usize) -> Template {
        Template::new(&format!(
            "{method_and_target} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}",
            self.host
        ))
    }
}

/// Prepared requests of one dialect.
pub(super) struct Prepared {
    pub(super) create: Template,
    pub(super) get: Template,
    pub(super) set: Template,
    /// One for each slot of the dialect.
    pub(super) marked_sets: Vec<Template>,
    pub(super) kill: Template,
}

/// A service behind HTTP/1.1.
pub(in crate::bench) struct HttpTarget {
    dialect: Dialect,
    prepared: Prepared,
    fetch: Template,
    ttl: Option<u64>,
}

impl HttpTarget {
    pub(in crate::bench) fn new(settings: &HttpSettings) -> Self {
        let prepared = match settings.dialect {
            Dialect::RestSessions => rest_sessions::prepare(settings),
            Dialect::Tarantool => tarantool::prepare(settings),
            Dialect::BackSession => back_session::prepare(settings),
        };
        Self {
            dialect: settings.dialect,
            prepared,
            fetch: settings.bare(&format!("GET {}", settings.path)),
            ttl: settings.ttl,
        }
    }
}

impl Target for HttpTarget {
    fn write(&self, request: &Request<'_>, out: &mut Vec<u8>) {
        let prepared = &self.prepared;
        let marked = request.mark.and_then(|m| prepared.marked_sets.get(m.slot));
        let template = match request.verb {
            Verb::Create => &prepared.create,
            Verb::Get => &prepared.get,
            Verb::Set => marked.unwrap_or(&prepared.set),
            Verb::Kill => &prepared.kill,
            Verb::Fetch => &self.fetch,
        };
        template.write(request, out);
    }

    fn read<'i>(&self, input: &'i [u8]) -> Result<Option<Reply<'i>>, Malformed> {
        http_reply::read(input)
    }

    fn meaning<'f>(&self, verb: Verb, frame: &'f Frame<'_>) -> Meaning<'f> {
        if verb == Verb::Fetch {
            return match frame.status {
                200..300 => Meaning::Served,
                status => Meaning::Refused(status),
            };
        }
        match self.dialect {
            Dialect::RestSessions => rest_sessions::meaning(verb, frame),
            Dialect::Tarantool => tarantool::meaning(verb, frame),
            Dialect::BackSession => back_session::meaning(verb, frame),
        }
    }

    fn contents(&self, body: &[u8]) -> Option<Contents> {
        let value: serde_json::Value = serde_json::from_slice(body).ok()?;
        match self.dialect {
            Dialect::RestSessions => rest_sessions::contents(&value),
            Dialect::Tarantool => tarantool::contents(&value),
            Dialect::BackSession => back_session::contents(&value),
        }
    }

    fn token_bytes(&self) -> usize {
        match self.dialect {
            Dialect::RestSessions | Dialect::BackSession => 64,
            Dialect::Tarantool => 36,
        }
    }

    fn slots(&self) -> usize {
        self.prepared.marked_sets.len()
    }

    fn life(&self) -> Life {
        let (default, sliding, lag) = match self.dialect {
            // The service records an access only when the one before is two seconds old.
            Dialect::RestSessions => (rest_sessions::TTL, true, 2),
            Dialect::Tarantool => (tarantool::TTL, true, 1),
            Dialect::BackSession => (back_session::TTL, false, 0),
        };
        Life {
            span: self.ttl.unwrap_or(default).saturating_mul(SECOND),
            sliding,
            lag: lag * SECOND,
            rounding: SECOND,
        }
    }
}

/// The text behind `"name":"` in a JSON text that a service wrote without blanks.
pub(super) fn text_member<'b>(body: &'b [u8], name: &str) -> Option<&'b [u8]> {
    let key = memchr::memmem::find(body, name.as_bytes())?;
    let after = body.get(key + name.len()..)?.strip_prefix(b"\":\"")?;
    let end = memchr::memchr(b'"', after)?;
    after.get(..end)
}

/// The value of a mark as it was written by a template; 0 when there is none.
pub(super) fn mark_value(value: Option<&serde_json::Value>) -> u32 {
    value
        .and_then(serde_json::Value::as_str)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// The reply to a create whose body carries the token under `name`.
pub(super) fn created<'f>(frame: &'f Frame<'_>, name: &str) -> Meaning<'f> {
    match frame.status {
        200 => text_member(&frame.body, name).map_or(Meaning::Refused(200), Meaning::Created),
        status => Meaning::Refused(status),
    }
}
