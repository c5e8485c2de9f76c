//! The dialect without a socket: one request in, one answer out, at any moment.

use std::sync::atomic::{AtomicU64, Ordering};

use cloakroom::clock::Millis;
use cloakroom::engine::{Engine, EngineConfig};
use cloakroom::model::{Keys, Randomness};
use cloakroom::net::http::date::DateCache;
use cloakroom::net::http::dialect::{Context, Dialect, DialectSettings, Handled};
use cloakroom::net::http::request::{Head, Request};
use cloakroom::net::http::response::Response;
use serde_json::{Value, json};

pub(crate) const START: Millis = Millis(1_795_161_703_019);
pub(crate) const START_TEXT: &str = "2026-11-20 08:01:43.019 +0000 UTC";

/// Numbers in a row, mixed so that they do not look it.
struct Counted(AtomicU64);

impl Randomness for Counted {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let x = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            let [.., mixed] = (x ^ x >> 29)
                .wrapping_mul(0xbf58_476d_1ce4_e5b9)
                .to_le_bytes();
            *byte = mixed;
        }
    }
}

pub(crate) struct Door {
    pub(crate) engine: Engine,
    pub(crate) settings: DialectSettings,
    pub(crate) now: Millis,
    pub(crate) date: DateCache,
}

#[derive(PartialEq, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    /// Turns it took.
    pub(crate) slices: usize,
}

impl Door {
    pub(crate) fn new() -> Self {
        Self::with(&EngineConfig::default())
    }

    pub(crate) fn with(config: &EngineConfig) -> Self {
        let random = Box::new(Counted(AtomicU64::new(1)));
        Self {
            engine: Engine::new(config, Keys::new([7; 32]), random),
            settings: DialectSettings::default(),
            now: START,
            date: DateCache::new(START),
        }
    }

    pub(crate) fn living(seconds: i64) -> Self {
        Self {
            settings: DialectSettings {
                back_session_seconds: seconds,
            },
            ..Self::new()
        }
    }

    pub(crate) fn handle(&self, request: &Request<'_>, reply: &mut Response<'_>) -> usize {
        let cx = Context {
            engine: &self.engine,
            now: self.now,
            settings: &self.settings,
            located: None,
        };
        match Dialect::BackSession.handle(&cx, request, reply) {
            Handled::Done(_) => 1,
            Handled::InSlices(mut work) => {
                let mut slices = 2;
                while work.slice(&cx, reply).is_none() {
                    slices += 1;
                }
                slices
            }
        }
    }

    pub(crate) fn send(&self, method: &str, target: &str, body: &str) -> Answer {
        let (mut out, mut scratch) = (Vec::new(), Vec::new());
        let mut reply = Response::new(&mut out, &mut scratch, &self.date, 1, false);
        let slices = self.handle(&request(method, target, body), &mut reply);
        let status = reply.status();
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Answer {
            status,
            head: head.to_string(),
            body: body.to_string(),
            slices,
        }
    }

    pub(crate) fn json(&self, method: &str, target: &str, body: &str) -> Value {
        let answer = self.send(method, target, body);
        assert_eq!(answer.status, 200, "{method} {target} {body}");
        assert!(
            answer
                .head
                .contains("\r\nCache-Control: no-cache, no-store\r\n")
        );
        assert!(
            answer
                .head
                .contains("\r\nContent-Type: application/json\r\n")
        );
        serde_json::from_str(&answer.body).unwrap()
    }

    pub(crate) fn status(&self, method: &str, target: &str, body: &str) -> u16 {
        let answer = self.send(method, target, body);
        if answer.status != 200 {
            assert_eq!(answer.body, "", "{method} {target} {body}");
            assert!(!answer.head.contains("Content-Type"), "{}", answer.head);
        }
        answer.status
    }

    pub(crate) fn create(&self, user: &str, device: &str) -> String {
        let body = json!({"user_id": user, "device_id": device}).to_string();
        let created = self.json("POST", "/a01/session", &body);
        created["session_id"].as_str().unwrap().to_string()
    }

    pub(crate) fn patch(&self, id: &str, attributes: Value) -> Answer {
        let body = json!({"session_id": id, "session_attributes": attributes});
        self.send("PATCH", "/a01/session", &body.to_string())
    }

    pub(crate) fn session(&self, id: &str) -> Value {
        self.json("GET", &format!("/a01/session/{id}"), "")
    }
}

pub(crate) fn request<'a>(method: &'a str, target: &'a str, body: &'a str) -> Request<'a> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Request {
        head: Head {
            method,
            target: target.as_bytes(),
            path: path.as_bytes(),
            query: query.as_bytes(),
            minor_version: 1,
            fields: &[],
        },
        body: body.as_bytes(),
    }
}
