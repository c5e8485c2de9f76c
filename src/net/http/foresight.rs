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
/// What a head ends with.
const HEAD_END: &[u8] = b"\r\n\r\n";
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
            let Some(end) = memmem::find(rest, HEAD_END) else {
                break;
            };
            let next = at + end + HEAD_END.len();
            if at == from && next >= input.len() {
                break;
            }
            if let Some(located) = session_of(line, dialect, engine) {
                self.ahead.push_back((at, located));
            }
            at = next;
        }
        self.looked_to = at.max(from + 1);
        if self.ahead.len() > 1 {
            engine.warm(
                self.ahead.iter().map(|(_, located)| located.tag()),
                Ahead::Replies,
            );
        }
    }
}

/// The session that `bytes` ask for, if they are one GET and nothing else.
pub(super) fn lone_read(
    bytes: &[u8],
    dialect: Option<Dialect>,
    engine: &Engine,
) -> Option<Located> {
    let line = bytes.strip_prefix(b"GET ")?;
    let end = memmem::find(line, HEAD_END)?;
    if end + HEAD_END.len() == line.len() {
        session_of(line, dialect, engine)
    } else {
        None
    }
}

/// The session that the path at the front of `line` names.
fn session_of(line: &[u8], dialect: Option<Dialect>, engine: &Engine) -> Option<Located> {
    let path = line.split(|b| matches!(b, b' ' | b'?')).next()?;
    let dialect = dialect.unwrap_or_else(|| Dialect::of_path(path));
    let (app, token) = dialect.foresee(path)?;
    engine.locate(app, token)
}
