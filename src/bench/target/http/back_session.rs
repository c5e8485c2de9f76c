//! Requests and replies of back-session.

use serde_json::Value;

use crate::bench::target::http::{self, Prepared, bare, with_json};
use crate::bench::target::settings::mark_value;
use crate::bench::target::{Contents, Frame, Meaning, SLOTS, TargetSettings, Verb};

/// Seconds that a session lives from its create, unless `SESSION_EXP_SEC` says otherwise: 365 days.
pub(super) const TTL: u64 = 31_536_000;

/// Attributes that marks are written to.
const MARKS: [&str; SLOTS] = ["auth_code", "access_token", "refresh_token", "user_email"];

/// The data of a session goes into `device_id`, the only attribute that lists show;
/// it is never empty, because a PATCH of empty attributes is an error of the service.
pub(super) fn prepare(settings: &TargetSettings) -> Prepared {
    let device = "x".repeat(settings.data_bytes.max(1));
    let create = format!(r#"{{"user_id":"user{{user}}","device_id":"{device}"}}"#);
    let set = |attributes: &str| {
        let body = format!(r#"{{"session_id":"{{token}}","session_attributes":{attributes}}}"#);
        with_json(settings, "PATCH /a01/session", &body)
    };
    let marked = |name: &&str| {
        let attributes = format!(r#"{{"device_id":"{device}","{name}":"{{value}}"}}"#);
        set(&attributes)
    };
    Prepared {
        create: with_json(settings, "POST /a01/session", &create),
        get: bare(settings, "GET /a01/session/{token}"),
        set: set(&format!(r#"{{"device_id":"{device}"}}"#)),
        marked_sets: MARKS.iter().map(marked).collect(),
        kill: bare(settings, "DELETE /a01/session/{token}"),
    }
}

/// An empty 404 is a missing session, one with a text an unknown path. An unknown session of a
/// PATCH is a 400.
pub(super) fn meaning<'f>(verb: Verb, frame: &'f Frame<'_>) -> Meaning<'f> {
    match (verb, frame.status) {
        (Verb::Create, _) => http::created(frame, "session_id"),
        (Verb::Get | Verb::Kill, 404) if frame.body.is_empty() => Meaning::Missing,
        (Verb::Set, 400) => Meaning::Missing,
        (Verb::Kill, 200) => Meaning::Killed,
        (Verb::Get | Verb::Touch | Verb::Set | Verb::Rotate | Verb::List | Verb::Fetch, 200) => {
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
        ) => http::refused(status),
    }
}

pub(super) fn contents(body: &Value) -> Option<Contents> {
    let attributes = body.as_object()?;
    Some(Contents {
        reads: None,
        version: None,
        slots: MARKS.map(|name| mark_value(attributes.get(name))),
    })
}
