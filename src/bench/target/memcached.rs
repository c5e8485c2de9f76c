//! memcached by its meta commands: a read prolongs the life of what it reads. No counter, no index.

use std::borrow::Cow;

use crate::bench::stopwatch::SECOND;
use crate::bench::target::chosen;
use crate::bench::target::template::Template;
use crate::bench::target::{Awaited, CHOSEN_BYTES, ChosenToken, Contents, Frame, Life, Malformed};
use crate::bench::target::{Meaning, REPLY_BYTES, Refusal, Reply, Request, Target};
use crate::bench::target::{TargetSettings, Verb, Word};

/// Seconds that a session lives when the command line says nothing, as in redis-sessions.
const TTL: u64 = 7_200;
/// Beyond 30 days memcached takes a number of seconds for a moment since 1970.
const LONGEST_TTL: u64 = 30 * 86_400;

/// A value of the length of a session's data under each token.
pub(in crate::bench) struct MemcachedTarget {
    ttl: u64,
    create: Template,
    get: Template,
    touch: Template,
    set: Template,
    kill: Template,
    ping: Template,
}

impl MemcachedTarget {
    pub(in crate::bench) fn new(settings: &TargetSettings) -> Self {
        let ttl = settings.ttl.unwrap_or(TTL).min(LONGEST_TTL);
        let key = format!("{}:{{token}}", settings.app);
        let data = settings.data();
        let length = data.len();
        let command = |text: String| Template::new(&text);
        Self {
            ttl,
            create: command(format!("ms {key} {length} T{ttl}\r\n{data}\r\n")),
            get: command(format!("mg {key} v T{ttl}\r\n")),
            touch: command(format!("mg {key} T{ttl}\r\n")),
            set: command(format!("ms {key} {length} T{ttl} MR\r\n{data}\r\n")),
            kill: command(format!("md {key}\r\n")),
            ping: command("mn\r\n".to_owned()),
        }
    }
}

impl Target for MemcachedTarget {
    fn durability(&self) -> Option<String> {
        Some("memory-only".to_owned())
    }

    fn chosen_token(&self, user: u64) -> Option<ChosenToken> {
        Some(chosen::token(user))
    }

    fn write(&self, request: &Request<'_>, out: &mut Vec<u8>) -> Awaited {
        let template = match request.verb {
            Verb::Create => &self.create,
            Verb::Get => &self.get,
            Verb::Touch | Verb::Rotate => &self.touch,
            Verb::Set => &self.set,
            Verb::Kill => &self.kill,
            Verb::List | Verb::Fetch => &self.ping,
        };
        template.write(request, out);
        Awaited::one(request)
    }

    fn read<'i>(&self, _awaited: Awaited, input: &'i [u8]) -> Result<Option<Reply<'i>>, Malformed> {
        read(input)
    }

    fn meaning<'f>(&self, awaited: Awaited, frame: &'f Frame<'_>) -> Meaning<'f> {
        let line: &[u8] = &frame.body;
        match (awaited.verb, line.get(..2).unwrap_or_default()) {
            (Verb::Create, b"HD") => Meaning::Created(None),
            (Verb::Get, b"VA") | (Verb::Touch | Verb::Set, b"HD") | (Verb::Fetch, b"MN") => {
                Meaning::Served
            }
            (Verb::Kill, b"HD") => Meaning::Killed,
            (Verb::Get | Verb::Touch, b"EN") | (Verb::Set, b"NS") | (Verb::Kill, b"NF") => {
                Meaning::Missing
            }
            _ => Meaning::Refused(Refusal::Word(Word::of(line))),
        }
    }

    fn contents(&self, _body: &[u8]) -> Option<Contents> {
        None
    }

    fn token_bytes(&self) -> usize {
        CHOSEN_BYTES
    }

    fn slots(&self) -> usize {
        0
    }

    fn life(&self) -> Life {
        Life {
            span: self.ttl.saturating_mul(SECOND),
            sliding: true,
            lag: 0,
            rounding: SECOND,
        }
    }
}

/// A line; behind `VA LENGTH` also a text of that length. The frame is the line.
fn read(input: &[u8]) -> Result<Option<Reply<'_>>, Malformed> {
    let Some(end) = memchr::memchr(b'\n', input) else {
        return if input.len() > 8 << 10 {
            Err(Malformed("the line of the reply does not end"))
        } else {
            Ok(None)
        };
    };
    let line = input.get(..end).unwrap_or_default();
    let line = line
        .strip_suffix(b"\r")
        .filter(|line| line.len() >= 2)
        .ok_or(Malformed("the reply is not memcached's"))?;
    let mut length = end + 1;
    if let Some(rest) = line.strip_prefix(b"VA ") {
        let digits = rest.split(|b| *b == b' ').next().unwrap_or_default();
        let text = std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse::<usize>().ok())
            .filter(|length| *length < REPLY_BYTES)
            .ok_or(Malformed("the reply's length is no length"))?;
        length += text + 2;
        match input.get(..length) {
            None => return Ok(None),
            Some(whole) if whole.ends_with(b"\r\n") => {}
            Some(_) => return Err(Malformed("the reply's text has the wrong length")),
        }
    }
    Ok(Some(Reply {
        frame: Frame {
            status: 0,
            body: Cow::Borrowed(line),
        },
        length,
        closes: false,
    }))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn replies_end_exactly_at_their_last_byte() {
        for (text, line) in [
            ("HD\r\n", "HD"),
            ("EN\r\n", "EN"),
            ("VA 0\r\n\r\n", "VA 0"),
            ("VA 5 t7200\r\na\r\nbc\r\n", "VA 5 t7200"),
            (
                "SERVER_ERROR out of memory\r\n",
                "SERVER_ERROR out of memory",
            ),
        ] {
            for cut in 0..text.len() {
                assert!(read(&text.as_bytes()[..cut]).unwrap().is_none(), "{text:?}");
            }
            let longer = format!("{text}HD\r\n");
            let reply = read(longer.as_bytes()).unwrap().unwrap();
            assert_eq!(reply.length, text.len(), "{text:?}");
            assert_eq!(&*reply.frame.body, line.as_bytes());
        }
    }

    #[test]
    fn bytes_that_are_no_reply_are_refused() {
        for text in ["\r\n", "X\n", "VA x\r\n", "VA -1\r\n", "VA 2\r\nabcd"] {
            assert!(read(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
