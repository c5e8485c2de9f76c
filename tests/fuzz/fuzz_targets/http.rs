//! Any bytes on a connection, whole and cut in three: the replies are the same, each of them is a
//! sound HTTP response, and nothing is answered that was not asked.

#![no_main]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cloakroom::clock::{ManualClock, Millis};
use cloakroom::config::HttpLimits;
use cloakroom::engine::{Engine, EngineConfig};
use cloakroom::model::{Keys, Randomness};
use cloakroom::net::http::dialect::{Dialect, DialectSettings};
use cloakroom::net::log_watch::LogWatch;
use cloakroom::net::http::replies_to;
use cloakroom::net::service::{HeldBytes, OpenConnections, Service, StopSignal};
use libfuzzer_sys::fuzz_target;

/// The same bytes in every run.
struct Counted(AtomicU64);

impl Randomness for Counted {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let next = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            *byte = (next >> 32).to_le_bytes()[0];
        }
    }
}

fn service() -> Service {
    let config = EngineConfig {
        token_shards: 1,
        name_shards: 1,
        ..EngineConfig::default()
    };
    let random = Box::new(Counted(AtomicU64::new(1)));
    Service {
        engine: Arc::new(Engine::new(&config, Keys::new([7; 32]), random)),
        clock: Arc::new(ManualClock::new(Millis(1_795_161_703_019))),
        settings: DialectSettings::default(),
        limits: HttpLimits::default(),
        access_log: false,
        access_keys: None,
        log: LogWatch::memory_only(),
        durability: None,
        held: HeldBytes::default(),
        connections: OpenConnections::default(),
        started: Millis(1_795_161_703_019),
            run: 1,
        stop: StopSignal::default(),
    }
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes
        .windows(word.len())
        .any(|window| window.eq_ignore_ascii_case(word))
}

/// Counts the responses in `replies`, which must hold nothing else.
fn count(mut replies: &[u8]) -> usize {
    let mut count = 0;
    while !replies.is_empty() {
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut fields);
        let head = match response.parse(replies).expect("a sound response") {
            httparse::Status::Complete(head) => head,
            httparse::Status::Partial => panic!("a whole response"),
        };
        let length: usize = response
            .headers
            .iter()
            .find(|field| field.name == "Content-Length")
            .map(|field| std::str::from_utf8(field.value).expect("digits"))
            .map_or(0, |digits| digits.parse().expect("a number"));
        replies = &replies[head + length..];
        count += 1;
    }
    count
}

fuzz_target!(|data: &[u8]| {
    let [selector, first, second, bytes @ ..] = data else {
        return;
    };
    // A head that comes in pieces is not judged before it ends, so let it end.
    let bytes = &[bytes, b"\r\n\r\n"].concat()[..];
    let dialect = match selector % 4 {
        0 => None,
        1 => Some(Dialect::RestSessions),
        2 => Some(Dialect::Tarantool),
        _ => Some(Dialect::BackSession),
    };
    let whole = replies_to(&service(), dialect, &[bytes]);
    // Whether a go-ahead is sent, and how a refused body ends, depends on what has come by then.
    if !contains(bytes, b"100-continue") {
        let first = usize::from(*first) * bytes.len() / 256;
        let second = first + usize::from(*second) * (bytes.len() - first) / 256;
        let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
        let cut = replies_to(&service(), dialect, &pieces);
        assert_eq!(
            String::from_utf8_lossy(&cut),
            String::from_utf8_lossy(&whole),
            "cut at {first} and {second}"
        );
    }
    if !contains(bytes, b"head") {
        let ends = bytes.iter().filter(|byte| **byte == b'\n').count();
        assert!(count(&whole) <= ends + 1, "more replies than requests");
    }
});
