//! The access log: one line per request, without anything that could be a token.

use std::fmt::Write;
use std::time::Duration;

use tokio::time::Instant;

use crate::net::http::request::Head;
use crate::net::stream::Peer;
use crate::net::timer::now;

/// Longer path segments and query names may be tokens. The longest app name of a path fits.
const SHOWN_BYTES: usize = 20;

/// What is known of a request before it is answered.
#[derive(Debug)]
pub(super) struct LogEntry {
    method: String,
    path: String,
    since: Instant,
}

impl LogEntry {
    /// Notes a request that begins to be answered.
    pub(super) fn begin(head: &Head<'_>) -> Self {
        Self {
            method: head.method.chars().take(SHOWN_BYTES).collect(),
            path: redacted(head.path, head.query),
            since: now(),
        }
    }

    /// Notes a request that could not be read.
    pub(super) fn of_malformed_request() -> Self {
        Self {
            method: "-".to_owned(),
            path: "-".to_owned(),
            since: now(),
        }
    }

    /// Writes the line of a request whose reply has `bytes` bytes.
    pub(super) fn end(self, peer: &Peer, status: u16, bytes: usize) {
        let elapsed: Duration = now().saturating_duration_since(self.since);
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        tracing::info!(
            target: "access",
            method = self.method,
            path = self.path,
            status,
            bytes,
            micros,
            %peer,
        );
    }
}

/// Path and query with everything replaced by `***` that may be a token or somebody's data: long
/// or escaped path segments, and all values of the query.
fn redacted(path: &[u8], query: &[u8]) -> String {
    let mut out = String::with_capacity(path.len().min(128));
    for (at, segment) in path.split(|b| *b == b'/').enumerate() {
        if at > 0 {
            out.push('/');
        }
        show(segment, &mut out);
    }
    for (at, pair) in query.split(|b| *b == b'&').enumerate() {
        if pair.is_empty() {
            continue;
        }
        out.push(if at == 0 { '?' } else { '&' });
        let mut halves = pair.splitn(2, |b| *b == b'=');
        show(halves.next().unwrap_or_default(), &mut out);
        if halves.next().is_some() {
            out.push_str("=***");
        }
    }
    out
}

fn show(text: &[u8], out: &mut String) {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_.@*[]".contains(b);
    if text.len() <= SHOWN_BYTES && text.iter().all(plain) {
        for byte in text {
            out.push(char::from(*byte));
        }
    } else {
        let _ = write!(out, "***");
    }
}

#[cfg(test)]
mod tests {
    use super::redacted;

    #[test]
    fn log_shows_routes_and_names_but_no_token_and_no_value() {
        let token = "a".repeat(64);
        for (path, query, shown) in [
            (format!("/app/get/{token}"), String::new(), "/app/get/***"),
            (
                "/app/create/u1".into(),
                "ip=1.2.3.4&ttl=9".into(),
                "/app/create/u1?ip=***&ttl=***",
            ),
            ("/get".into(), format!("token={token}"), "/get?token=***"),
            ("/get".into(), token.clone(), "/get?***"),
            ("/app/get/%61bc".into(), String::new(), "/app/get/***"),
            ("/a b\u{e9}".into(), String::new(), "/***"),
        ] {
            assert_eq!(redacted(path.as_bytes(), query.as_bytes()), shown);
        }
    }
}
