//! The dialect on a real engine, without a socket: one request in, one whole answer out.

use cloakroom::clock::Millis;
use cloakroom::engine::{Engine, EngineConfig, OsRandomness};
use cloakroom::model::Keys;
use cloakroom::net::http::date::DateCache;
use cloakroom::net::http::dialect::{Context, Dialect, DialectSettings, Handled};
use cloakroom::net::http::request::{Head, Request};
use cloakroom::net::http::response::Response;
use serde_json::Value;

/// A moment at the start of a second.
pub(crate) const START: u64 = 1_795_000_000_000;

pub(crate) struct Server {
    pub(crate) engine: Engine,
    pub(crate) settings: DialectSettings,
    pub(crate) now: Millis,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    pub(crate) slices: usize,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::with(&EngineConfig::default())
    }

    pub(crate) fn with(config: &EngineConfig) -> Self {
        let random = Box::new(OsRandomness::new());
        Self {
            engine: Engine::new(config, Keys::new([7; 32]), random),
            settings: DialectSettings::default(),
            now: Millis(START),
        }
    }

    pub(crate) fn advance(&mut self, millis: u64) {
        self.now = self.now.plus(millis);
    }

    pub(crate) fn send(&self, method: &str, target: &str, json: Option<&str>) -> Answer {
        let body = json.unwrap_or_default().as_bytes();
        let length = body.len().to_string();
        let fields = [
            field("Content-Type", "application/json"),
            field("Content-Length", &length),
        ];
        let fields = if json.is_some() { &fields[..] } else { &[] };
        let (mut out, mut scratch) = (Vec::new(), Vec::new());
        let slices = self.answer(
            &request(method, target, fields, body),
            &mut out,
            &mut scratch,
        );
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
            slices,
        }
    }

    /// Handles one request to its end and tells in how many slices.
    pub(crate) fn answer(
        &self,
        request: &Request<'_>,
        out: &mut Vec<u8>,
        scratch: &mut Vec<u8>,
    ) -> usize {
        let date = DateCache::new(Millis(START));
        let cx = Context {
            engine: &self.engine,
            now: self.now,
            settings: &self.settings,
            located: None,
        };
        let mut reply = Response::new(out, scratch, &date, 1, false);
        reply.set_head_only(request.head.method == "HEAD");
        match Dialect::RestSessions.handle(&cx, request, &mut reply) {
            Handled::Done(_) => 1,
            Handled::InSlices(mut work) => {
                assert_eq!(
                    reply.status(),
                    0,
                    "nothing is written before the last slice"
                );
                2 + (0..100_000)
                    .position(|_| work.slice(&cx, &mut reply).is_some())
                    .unwrap()
            }
        }
    }

    pub(crate) fn json(&self, method: &str, target: &str, json: Option<&str>) -> Value {
        let answer = self.send(method, target, json);
        assert_eq!(answer.status, 200, "{method} {target}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    pub(crate) fn create(&self, target: &str) -> String {
        let token = &self.json("PUT", target, None)["token"];
        token.as_str().unwrap().to_owned()
    }

    pub(crate) fn error(&self, method: &str, target: &str, json: Option<&str>) -> (u16, String) {
        let answer = self.send(method, target, json);
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        (answer.status, body["name"].as_str().unwrap().to_owned())
    }
}

pub(crate) fn field<'a>(name: &'a str, value: &'a str) -> httparse::Header<'a> {
    let value = value.as_bytes();
    httparse::Header { name, value }
}

pub(crate) fn request<'a>(
    method: &'a str,
    target: &'a str,
    fields: &'a [httparse::Header<'a>],
    body: &'a [u8],
) -> Request<'a> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let head = Head {
        method,
        target: target.as_bytes(),
        path: path.as_bytes(),
        query: query.as_bytes(),
        minor_version: 1,
        fields,
    };
    Request { head, body }
}
