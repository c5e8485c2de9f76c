//! One session as a line of NDJSON, as `export` writes it. All times are in seconds since 1970, with
//! up to three decimals; `ttl` is in seconds.
//!
//! | member | what it is |
//! |---|---|
//! | `app` | the app of the session |
//! | `handle` | 16 digits: how lists and logs name the session |
//! | `tag`, `key` | 32 digits each: the keyed hash of the token, and the fingerprint of the key |
//! | `token` | the token, where the session keeps it (dialects that list tokens) |
//! | `user`, `ip` | texts, left out where there is none |
//! | `created`, `last` | when it was created and last active |
//! | `ttl` | how long it may be idle; left out where that does not end it |
//! | `until` | when it ends however busy it is; left out where nothing is set |
//! | `whole_seconds` | idleness is counted in whole seconds, as rest-sessions does |
//! | `lag` | the recorded access is one second before `last` |
//! | `no_resave` | reads do not prolong its life |
//! | `r`, `w` | the counters of reads and writes |
//! | `data` | a JSON object or array; left out where there is none |
//! | `content_type`, `bytes` | instead of `data`: what the bytes are, and the bytes in hexadecimal |

use crate::clock::Millis;
use crate::model::change::CreateChange;
use crate::model::json::string;
use crate::model::{ContentType, Token, U48};

/// What of a line does not stand in the session itself.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The fingerprint of the key.
    pub key: &'a str,
    /// The token, where it is known and a text.
    pub token: Option<&'a Token>,
}

/// Appends a session's line, with its line feed.
pub fn write(session: &CreateChange<'_>, identity: &Identity<'_>, out: &mut Vec<u8>) {
    let tag = session.tag;
    out.extend_from_slice(b"{\"app\":");
    string::write_text(session.app.as_str(), out);
    text(out, "handle", &format!("{:016x}", tag.high));
    text(out, "tag", &format!("{:016x}{:016x}", tag.high, tag.low));
    text(out, "key", identity.key);
    if let Some(token) = identity.token.and_then(as_text) {
        text(out, "token", token);
    }
    if let Some(user) = session.user {
        text(out, "user", user);
    }
    if let Some(ip) = session.ip {
        text(out, "ip", ip);
    }
    seconds(out, "created", session.created.0);
    seconds(out, "last", session.last_active.0);
    let life = session.life;
    if life.idle != U48::MAX {
        seconds(out, "ttl", life.idle);
    }
    if life.until != Millis::NEVER {
        seconds(out, "until", life.until.0);
    }
    for (name, is_set) in [
        ("whole_seconds", life.whole_seconds),
        ("lag", session.lag),
        ("no_resave", session.no_resave),
    ] {
        if is_set {
            member(out, name);
            out.extend_from_slice(b"true");
        }
    }
    number(out, "r", session.reads);
    number(out, "w", session.writes);
    data(out, session);
    out.extend_from_slice(b"}\n");
}

fn as_text(token: &Token) -> Option<&str> {
    std::str::from_utf8(token.as_bytes()).ok()
}

fn data(out: &mut Vec<u8>, session: &CreateChange<'_>) {
    match session.content_type {
        ContentType::JSON_OBJECT | ContentType::JSON_ARRAY => {
            // Canonical text: valid JSON without a line feed.
            if !session.data.is_empty() {
                member(out, "data");
                out.extend_from_slice(session.data);
            }
        }
        ContentType(code) => {
            number(out, "content_type", u64::from(code));
            member(out, "bytes");
            out.push(b'"');
            for byte in session.data {
                for digit in [byte >> 4, byte & 15] {
                    out.push(
                        b"0123456789abcdef"
                            .get(usize::from(digit))
                            .map_or(b'0', |d| *d),
                    );
                }
            }
            out.push(b'"');
        }
    }
}

fn member(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn text(out: &mut Vec<u8>, name: &str, value: &str) {
    member(out, name);
    string::write_text(value, out);
}

fn number(out: &mut Vec<u8>, name: &str, value: u64) {
    member(out, name);
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn seconds(out: &mut Vec<u8>, name: &str, millis: u64) {
    number(out, name, millis / 1000);
    let rest = millis % 1000;
    if rest != 0 {
        out.extend_from_slice(format!(".{rest:03}").as_bytes());
    }
}
