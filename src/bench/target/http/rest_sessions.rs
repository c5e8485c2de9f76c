//! Requests and replies of rest-sessions.

use serde_json::Value;

use crate::bench::target::http::{self, Prepared, bare, with_json};
use crate::bench::target::settings::{MARKS, mark_value};
use crate::bench::target::{Contents, Frame, Meaning, TargetSettings, Verb};

/// Seconds that a session lives when its create names none.
pub(super) const TTL: u64 = 7_200;

pub(super) fn prepare(settings: &TargetSettings) -> Prepared {
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
        with_json(settings, &set, &body)
    };
    Prepared {
        create: if settings.data_bytes == 0 {
            bare(settings, &create)
        } else {
            with_json(settings, &create, &object)
        },
        get: bare(settings, &format!("GET /{app}/get/{{token}}")),
        set: with_json(settings, &set, &object),
        marked_sets: MARKS.iter().map(marked).collect(),
        kill: bare(settings, &format!("DELETE /{app}/kill/{{token}}")),
    }
}

pub(super) fn meaning<'f>(verb: Verb, frame: &'f Frame<'_>) -> Meaning<'f> {
    match (verb, frame.status, &*frame.body) {
        (Verb::Create, ..) => http::created(frame, "token"),
        (Verb::Get | Verb::Set, 200, b"{}") | (Verb::Kill, 200, br#"{"kill":0}"#) => {
            Meaning::Missing
        }
        (Verb::Kill, 200, _) => Meaning::Killed,
        (Verb::Get | Verb::Touch | Verb::Set | Verb::Rotate | Verb::List | Verb::Fetch, 200, _) => {
            Meaning::Served
        }
        (
            Verb::Get
            | Verb::Touch
            | Verb::Set
            | Verb::Rotate
            | Verb::Kill
            | Verb::List
            | Verb::Fetch,
            status,
            _,
        ) => http::refused(status),
    }
}

pub(super) fn contents(body: &Value) -> Option<Contents> {
    let data = body.get("d");
    Some(Contents {
        reads: Some(body.get("r")?.as_u64()?),
        version: None,
        slots: MARKS.map(|name| mark_value(data.and_then(|d| d.get(name)))),
    })
}
