//! Redis and Valkey: the session store of redis-sessions, and the bare GET and SET beside it.

mod names;
mod plain;
mod resp;
mod round_trips;
mod script;

pub(in crate::bench) use plain::PlainTarget;
pub(in crate::bench) use round_trips::RoundTripsTarget;
pub(in crate::bench) use script::ScriptTarget;

use std::borrow::Cow;

use crate::bench::stopwatch::SECOND;
use crate::bench::target::redis::resp::{elements, end_of_value, integer};
use crate::bench::target::settings::marks_in;
use crate::bench::target::{Awaited, Contents, Frame, Life, Malformed, Meaning, Refusal, Reply};
use crate::bench::target::{TargetSettings, Word};

/// Seconds that a session lives when the command line says nothing: the default of redis-sessions.
const TTL: u64 = 7_200;
/// Seconds of the longest life, so that every moment of the end has ten digits.
const LONGEST_TTL: u64 = 1_000_000_000;

fn ttl(settings: &TargetSettings) -> u64 {
    settings.ttl.unwrap_or(TTL).min(LONGEST_TTL)
}

/// Reads as many values as are awaited; the last one counts, unless one before it is an error.
fn read(awaited: Awaited, input: &[u8]) -> Result<Option<Reply<'_>>, Malformed> {
    let (mut start, mut end) = (0, 0);
    let mut error = None;
    for _ in 0..awaited.replies {
        start = end;
        match end_of_value(input, start)? {
            None => return Ok(None),
            Some(at) => end = at,
        }
        if input.get(start) == Some(&b'-') {
            error = error.or(Some((start, end)));
        }
    }
    let (start, body_end) = error.unwrap_or((start, end));
    Ok(Some(Reply {
        frame: Frame {
            status: 0,
            body: Cow::Borrowed(input.get(start..body_end).unwrap_or_default()),
        },
        length: end,
        closes: false,
    }))
}

/// An error, alone or as an element of the reply to EXEC.
fn refusal(body: &[u8]) -> Option<Meaning<'static>> {
    let text = match body.strip_prefix(b"-") {
        Some(text) => text,
        // The elements of a transaction's reply are numbers, and texts of data have no line ends.
        None => {
            let at = memchr::memmem::find(body, b"\r\n-")?;
            body.get(at + 3..)?
        }
    };
    Some(Meaning::Refused(Refusal::Word(Word::of(text))))
}

/// Asks what survives a crash; the reply is for [`durability`].
const ASK_DURABILITY: &[u8] = b"*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$7\r\nappend*\r\n";

/// What the settings `appendonly` and `appendfsync` say; `None` where they may not be read.
fn durability(settings: &[u8]) -> Option<String> {
    let value = |name: &str| {
        let mut elements = elements(settings).flatten();
        elements.find(|element| *element == name.as_bytes())?;
        let value = elements.next()?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    match value("appendonly")?.as_str() {
        "yes" => Some(format!("AOF {}", value("appendfsync")?)),
        _ => Some("no AOF".to_owned()),
    }
}

/// A missing text or array, or an array whose first element is missing.
fn is_missing(body: &[u8]) -> bool {
    body.starts_with(b"$-1") || body.starts_with(b"*-1") || elements(body).next() == Some(None)
}

/// What the fields `id r w ttl d la ip no_resave` of a session show.
fn contents(fields: &[u8]) -> Option<Contents> {
    let mut fields = elements(fields);
    let reads = integer(fields.nth(1)?);
    let data = fields.nth(2)?.unwrap_or_default();
    Some(Contents {
        reads: Some(reads),
        version: None,
        slots: marks_in(data)?,
    })
}

/// Sessions of redis-sessions end when they were idle for longer than their ttl; an access is
/// recorded when the one before is two seconds old.
fn life(ttl: u64) -> Life {
    Life {
        span: ttl.saturating_mul(SECOND),
        sliding: true,
        lag: 2 * SECOND,
        rounding: SECOND,
    }
}
