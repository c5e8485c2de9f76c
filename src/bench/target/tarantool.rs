//! Requests and replies of 0x1991/sessions on Tarantool.

use serde_json::Value;

use crate::bench::target::http::{self, HttpSettings, Prepared};
use crate::bench::target::template::VALUE_DIGITS;
use crate::bench::target::{Contents, Frame, Meaning, Verb};

/// Seconds without use that a session lives: 180 days.
pub(super) const TTL: u64 = 15_552_000;

/// The member of `extra` that marks are written to. A get with a body replaces all of `extra`, so
/// there is one slot only.
const MARK: &str = "m0";

pub(super) fn prepare(settings: &HttpSettings) -> Prepared {
    let create = "POST /new?user_id={user}&ip={address}";
    let set = "POST /get?token={token}";
    let object = settings.object();
    let marked = settings.object_with_mark(MARK);
    let marked_length = marked.len() - "{value}".len() + VALUE_DIGITS;
    Prepared {
        create: if settings.data_bytes == 0 {
            settings.bare("GET /new?user_id={user}&ip={address}")
        } else {
            settings.with_json(create, &object, object.len())
        },
        get: settings.bare("GET /get?token={token}"),
        set: settings.with_json(set, &object, object.len()),
        marked_sets: vec![settings.with_json(set, &marked, marked_length)],
        kill: settings.bare("GET /del?token={token}"),
    }
}

/// Errors have status 200 as well; they are known by the start of their body.
pub(super) fn meaning<'f>(verb: Verb, frame: &'f Frame<'_>) -> Meaning<'f> {
    let body: &[u8] = &frame.body;
    if frame.status != 200 {
        return Meaning::Refused(frame.status);
    }
    if body.starts_with(br#"{"status":"error""#) {
        let missing = memchr::memmem::find(body, b"token_not_found").is_some();
        return if missing {
            Meaning::Missing
        } else {
            Meaning::Refused(200)
        };
    }
    match verb {
        Verb::Create => http::created(frame, "token"),
        Verb::Kill => Meaning::Killed,
        Verb::Get | Verb::Set | Verb::Fetch => Meaning::Served,
    }
}

pub(super) fn contents(body: &Value) -> Option<Contents> {
    let extra = body.get("data")?.get("extra")?;
    let mut contents = Contents::default();
    if let Some(first) = contents.slots.first_mut() {
        *first = http::mark_value(extra.get(MARK));
    }
    Some(contents)
}
