//! Looks ahead in a buffer of pipelined requests, so that the cache misses of their sessions are
//! waited for together and not one request after the other.
//!
//! A guess and nothing more: what it finds is used only for the request that stands at the very same
//! place, and a request that it did not understand is answered without it.

use std::collections::VecDeque;

use memchr::memmem;

use crate::engine::{Ahead, Engine, Located};
use crate::net::http::dialect::Dialect;

/// Requests looked at ahead.
const REQUESTS: usize = 16;
/// Two requests do not fit into less.
const WORTHWHILE_BYTES: usize = 64;

/// The sessions that requests of the present buffer will read.
#[derive(Default)]
pub(in crate::net) struct Foresight {
    /// Where each request begins, and its session; in the order of the buffer.
    ahead: VecDeque<(usize, Located)>,
    /// Everything before this place has been looked at.
    looked_to: usize,
}

impl Foresight {
    /// Forgets all: another buffer begins.
    pub(super) fn clear(&mut self) {
        self.ahead.clear();
        self.looked_to = 0;
    }

    /// The session that the request at place `at` of `input` reads, if it was foreseen. Looks ahead
    /// when it has come to the end of what it knows.
    pub(super) fn take(
        &mut self,
        at: usize,
        input: &[u8],
        dialect: Option<Dialect>,
        engine: &Engine,
    ) -> Option<Located> {
        if at >= self.looked_to {
            self.ahead.clear();
            self.look(at, input, dialect, engine);
        }
        while let Some((start, located)) = self.ahead.pop_front() {
            match start.cmp(&at) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Some(located),
                std::cmp::Ordering::Greater => {
                    self.ahead.push_front((start, located));
                    break;
                }
            }
        }
        None
    }

    fn look(&mut self, from: usize, input: &[u8], dialect: Option<Dialect>, engine: &Engine) {
        let mut at = from;
        for _ in 0..REQUESTS {
            let rest = input.get(at..).unwrap_or_default();
            if at == from && rest.len() < WORTHWHILE_BYTES {
                break;
            }
            // Only a GET, whose head is all there is, tells where the next request begins.
            let Some(line) = rest.strip_prefix(b"GET ") else {
                break;
            };
            let Some(end) = memmem::find(rest, b"\r\n\r\n") else {
                break;
            };
            let next = at + end + 4;
            if at == from && next >= input.len() {
                break;
            }
            let path = line
                .split(|b| matches!(b, b' ' | b'?'))
                .next()
                .unwrap_or_default();
            let dialect = dialect.unwrap_or_else(|| Dialect::of_path(path));
            if let Some((app, token)) = dialect.foresee(path)
                && let Some(located) = engine.locate(app, token)
            {
                self.ahead.push_back((at, located));
            }
            at = next;
        }
        self.looked_to = at.max(from + 1);
        if self.ahead.len() > 1 {
            engine.warm(
                self.ahead.iter().map(|(_, located)| located),
                Ahead::Replies,
            );
        }
    }
}
