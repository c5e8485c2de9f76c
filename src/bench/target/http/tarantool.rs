//! Requests and replies of 0x1991/sessions on Tarantool.

use serde_json::Value;

use crate::bench::target::http::{self, Prepared, bare, with_json};
use crate::bench::target::settings::mark_value;
use crate::bench::target::{Contents, Frame, Meaning, TargetSettings, Verb};

/// Seconds without use that a session lives: 180 days.
pub(super) const TTL: u64 = 15_552_000;

/// The member of `extra` that marks are written to. A get with a body replaces all of `extra`, so
/// there is one slot only.
const MARK: &str = "m0";

pub(super) fn prepare(settings: &TargetSettings) -> Prepared {
    let create = "POST /new?user_id={user}&ip={address}";
    let set = "POST /get?token={token}";
    let object = settings.object();
    let marked = settings.object_with_mark(MARK);
    Prepared {
        create: if settings.data_bytes == 0 {
            bare(settings, "GET /new?user_id={user}&ip={address}")
        } else {
            with_json(settings, create, &object)
        },
        get: bare(settings, "GET /get?token={token}"),
        set: with_json(settings, set, &object),
        marked_sets: vec![with_json(settings, set, &marked)],
        kill: bare(settings, "GET /del?token={token}"),
    }
}

/// Errors have status 200 as well; they are known by the start of their body.
pub(super) fn meaning<'f>(verb: Verb, frame: &'f Frame<'_>) -> Meaning<'f> {
    let body: &[u8] = &frame.body;
    if frame.status != 200 {
        return http::refused(frame.status);
    }
    if body.starts_with(br#"{"status":"error""#) {
        let missing = memchr::memmem::find(body, b"token_not_found").is_some();
        return if missing {
            Meaning::Missing
        } else {
            http::refused(200)
        };
    }
    match verb {
        Verb::Create => http::created(frame, "token"),
        Verb::Kill => Meaning::Killed,
        Verb::Get | Verb::Touch | Verb::Set | Verb::Rotate | Verb::List | Verb::Fetch => {
            Meaning::Served
        }
    }
}

pub(super) fn contents(body: &Value) -> Option<Contents> {
    let extra = body.get("data")?.get("extra")?;
    let mut contents = Contents::default();
    if let Some(first) = contents.slots.first_mut() {
        *first = mark_value(extra.get(MARK));
    }
    Some(contents)
}
