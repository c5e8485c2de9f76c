//! The dialect without a network: one request in, one answer out.

use std::sync::atomic::{AtomicU64, Ordering};

use cloakroom::clock::Millis;
use cloakroom::engine::{Engine, EngineConfig};
use cloakroom::model::{Keys, Randomness};
use cloakroom::net::http::date::DateCache;
use cloakroom::net::http::dialect::{
    BodyProblem, BodyRule, Context, Dialect, DialectSettings, Handled,
};
use cloakroom::net::http::request::{Head, Request};
use cloakroom::net::http::response::Response;

/// Numbers that do not repeat within a test.
struct Sequence(AtomicU64);

impl Randomness for Sequence {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let x = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            *byte = ((x ^ x >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56) as u8;
        }
    }
}

pub(crate) struct Service {
    engine: Engine,
    pub(crate) now: Millis,
    settings: DialectSettings,
}

pub(crate) const START: Millis = Millis(1_795_163_283_400);
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";
pub(crate) const JSON: &str = "application/json";
pub(crate) const NOT_FOUND: &str =
    r#"{"status":"error","message":"token not found","code":"token_not_found"}"#;
pub(crate) const BAD_IP: &str = r#"{"status":"error","message":"invalid ip","code":"invalid_ip"}"#;
pub(crate) const BAD_NEW_USER: &str =
    r#"{"status":"error","message":"invalid userId","code":"invalid_user_id"}"#;
pub(crate) const BAD_LISTED_USER: &str =
    r#"{"status":"error","message":"invalid user id","code":"invalid_user_id"}"#;

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        let status = self.head.split(' ').nth(1).unwrap();
        status.parse().unwrap()
    }

    pub(crate) fn token(&self) -> String {
        self.tokens().remove(0)
    }

    /// All tokens of the body, in order.
    pub(crate) fn tokens(&self) -> Vec<String> {
        let pieces = self.body.split("\"token\":\"").skip(1);
        pieces
            .map(|piece| piece.get(..36).unwrap().to_owned())
            .collect()
    }

    /// Whether a text stands in the body.
    pub(crate) fn shows(&self, member: &str) -> bool {
        self.body.contains(member)
    }
}

impl Service {
    pub(crate) fn new() -> Self {
        Self::with(EngineConfig::default())
    }

    pub(crate) fn with(config: EngineConfig) -> Self {
        let random = Box::new(Sequence(AtomicU64::new(1)));
        Self {
            engine: Engine::new(&config, Keys::new([7; 32]), random),
            now: START,
            settings: DialectSettings::default(),
        }
    }

    pub(crate) fn send(
        &self,
        method: &str,
        target: &str,
        content_type: &str,
        body: &[u8],
    ) -> Answer {
        let mut buffers = Buffers::default();
        self.send_into(&mut buffers, method, target, content_type, body);
        buffers.answer()
    }

    pub(crate) fn send_into(
        &self,
        buffers: &mut Buffers,
        method: &str,
        target: &str,
        content_type: &str,
        body: &[u8],
    ) {
        let fields = [httparse::Header {
            name: "Content-Type",
            value: content_type.as_bytes(),
        }];
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let head = Head {
            method,
            target: target.as_bytes(),
            path: path.as_bytes(),
            query: query.as_bytes(),
            minor_version: 1,
            fields: fields.get(usize::from(content_type.is_empty())..).unwrap(),
        };
        let date = DateCache::new(self.now);
        buffers.out.clear();
        let mut reply = Response::new(&mut buffers.out, &mut buffers.scratch, &date, 1, false);
        reply.set_head_only(method == "HEAD");
        let cx = Context {
            engine: &self.engine,
            now: self.now,
            settings: &self.settings,
            located: None,
        };
        let dialect = Dialect::Tarantool;
        let body = match dialect.body_rule(&head) {
            BodyRule::Collect { limit, .. } if body.len() > limit => {
                return dialect.refuse_body(BodyProblem::TooLarge, &head, &mut reply);
            }
            BodyRule::Collect { .. } => body,
            BodyRule::Ignore => &[],
        };
        let handled = dialect.handle(&cx, &Request { head, body }, &mut reply);
        if let Handled::InSlices(mut work) = handled {
            while work.slice(&cx, &mut reply).is_none() {}
        }
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.send("GET", target, "", b"")
    }

    pub(crate) fn form(&self, target: &str, body: &str) -> Answer {
        self.send("POST", target, FORM, body.as_bytes())
    }

    pub(crate) fn json(&self, target: &str, body: &str) -> Answer {
        self.send("POST", target, JSON, body.as_bytes())
    }

    pub(crate) fn create(&self, user: &str, ip: &str) -> String {
        self.get(&format!("/new?user_id={user}&ip={ip}")).token()
    }
}

/// What a connection keeps between two requests.
#[derive(Default)]
pub(crate) struct Buffers {
    out: Vec<u8>,
    scratch: Vec<u8>,
}

impl Buffers {
    pub(crate) fn answer(&self) -> Answer {
        let text = String::from_utf8(self.out.clone()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(head.matches("HTTP/1.1 ").count(), 1, "{head}");
        Answer {
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }
}
