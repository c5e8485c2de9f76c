//! Requests and replies of rest-sessions.

use serde_json::Value;

use crate::bench::target::http::{self, HttpSettings, Prepared};
use crate::bench::target::template::VALUE_DIGITS;
use crate::bench::target::{Contents, Frame, Meaning, SLOTS, Verb};

/// Seconds that a session lives when its create names none.
pub(super) const TTL: u64 = 7_200;

/// Members of `d` that marks are written to.
const MARKS: [&str; SLOTS] = ["m0", "m1", "m2", "m3"];

pub(super) fn prepare(settings: &HttpSettings) -> Prepared {
    let app = &settings.app;
    let ttl = settings
        .ttl
        .map(|s| format!("&ttl={s}"))
        .unwrap_or_default();
    let create = format!("PUT /{app}/create/user{{user}}?ip={{address}}{ttl}");
    let set = format!("POST /{app}/set/{{token}}");
    let object = settings.object();
    let marked = |name: &&str| {
        let body = settings.object_with_mark(name);
        let length = body.len() - "{value}".len() + VALUE_DIGITS;
        settings.with_json(&set, &body, length)
    };
    Prepared {
        create: if settings.data_bytes == 0 {
            settings.bare(&create)
        } else {
            settings.with_json(&create, &object, object.len())
        },
        get: settings.bare(&format!("GET /{app}/get/{{token}}")),
        set: settings.with_json(&set, &object, object.len()),
        marked_sets: MARKS.iter().map(marked).collect(),
        kill: settings.bare(&format!("DELETE /{app}/kill/{{token}}")),
    }
}

pub(super) fn meaning<'f>(verb: Verb, frame: &'f Frame<'_>) -> Meaning<'f> {
    match (verb, frame.status, &*frame.body) {
        (Verb::Create, ..) => http::created(frame, "token"),
        (Verb::Get | Verb::Set, 200, b"{}") | (Verb::Kill, 200, br#"{"kill":0}"#) => {
            Meaning::Missing
        }
        (Verb::Kill, 200, _) => Meaning::Killed,
        (Verb::Get | Verb::Set | Verb::Fetch, 200, _) => Meaning::Served,
        (Verb::Get | Verb::Set | Verb::Kill | Verb::Fetch, status, _) => Meaning::Refused(status),
    }
}

pub(super) fn contents(body: &Value) -> Option<Contents> {
    let data = body.get("d");
    Some(Contents {
        reads: Some(body.get("r")?.as_u64()?),
        slots: MARKS.map(|name| http::mark_value(data.and_then(|d| d.get(name)))),
    })
}
