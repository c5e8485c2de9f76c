//! cloakroom by its binary protocol.

use std::borrow::Cow;
use std::sync::OnceLock;

use cloakroom_protocol::{
    AccessKey, Answer, Call, ContentType, Create, Cursor, Cut, Data, ErrorCode, Fields, Figure,
    Get, Header, Hello, Key, Kill, List, NewToken, Opcode, Ping, ReplyFlags, Rotate, Scope, Set,
    Stats, Token, TokenStyle, Touch,
};

use crate::bench::stopwatch::SECOND;
use crate::bench::target::settings::{MARKS, marks_in};
use crate::bench::target::template::{Template, address, user_name};
use crate::bench::target::{Awaited, Contents, Frame, Life, Malformed, Meaning, Refusal, Reply};
use crate::bench::target::{Request, SLOTS, Target, TargetSettings, Verb, Word};
use crate::config::ShownKey;

/// Seconds that a session lives when the command line says nothing, as in rest-sessions.
const TTL: u64 = 7_200;
/// Milliseconds in which a rotated token still answers in a run that is not verified: requests that
/// were under way are served. A verified run knows what may be missing, and gives none.
const GRACE: u32 = 5_000;
/// Characters of the tokens that the server draws.
const TOKEN_BYTES: usize = 64;
/// The bit of a reply's operation.
const REPLY: u8 = cloakroom_protocol::opcode::REPLY_BIT;
/// Milliseconds in a second.
const MILLIS: u64 = 1_000;

/// Sessions of one app.
pub(in crate::bench) struct CloakroomTarget {
    app: String,
    access_key: Option<ShownKey>,
    ttl: u64,
    /// Milliseconds in which a rotated token still answers.
    grace: u32,
    /// The data of a create.
    data: String,
    /// The members that a set merges.
    object: String,
    marked: Vec<Template>,
    durability: OnceLock<&'static str>,
}

impl CloakroomTarget {
    pub(in crate::bench) fn new(settings: &TargetSettings) -> Self {
        let marked = |name: &&str| Template::new(&settings.object_with_mark(name));
        Self {
            app: settings.app.clone(),
            access_key: settings.access_key.clone(),
            ttl: settings.ttl.unwrap_or(TTL),
            grace: if settings.verify { 0 } else { GRACE },
            data: settings.data(),
            object: settings.object(),
            marked: MARKS.iter().map(marked).collect(),
            durability: OnceLock::new(),
        }
    }

    fn create(&self, request: &Request<'_>, out: &mut Vec<u8>) {
        let (user, ip) = (user_name(request.user), address(request.user));
        let data = Data(self.data.as_bytes());
        let fields = Fields {
            idle: Some(self.ttl.saturating_mul(MILLIS)),
            user: std::str::from_utf8(&user).ok(),
            ip: std::str::from_utf8(&ip).ok(),
            data: Some((ContentType::JSON_OBJECT, data)),
            ..Fields::default()
        };
        let style = TokenStyle::Alphanumeric64;
        let create = cloakroom_protocol::Request::Create(Create { style, fields });
        write(request.number, create, out);
    }

    fn set(&self, request: &Request<'_>, out: &mut Vec<u8>) {
        let mut marked = Vec::new();
        let template = request.mark.and_then(|mark| self.marked.get(mark.slot));
        let patch = match template {
            None => self.object.as_bytes(),
            Some(template) => {
                template.write(request, &mut marked);
                &marked
            }
        };
        let set = cloakroom_protocol::Request::Set(Set {
            token: Token(request.token),
            if_version: request.if_version,
            quiet: false,
            show: false,
            patch: Data(patch),
        });
        write(request.number, set, out);
    }
}

/// What cannot be encoded is left out, and the connection then waits in vain: settings are checked
/// against the bounds of the protocol before the run.
fn write(id: u32, request: cloakroom_protocol::Request<'_>, out: &mut Vec<u8>) {
    let encoded = Call::new(id, request).encode(out);
    debug_assert!(encoded.is_ok(), "{encoded:?}");
}

/// The next page of all sessions of the app, the longest that the server gives, without data.
fn list(id: u32, from: Cursor, out: &mut Vec<u8>) {
    let list = cloakroom_protocol::Request::List(List {
        scope: Scope::App,
        since: 0,
        limit: u32::MAX,
        from,
        data: false,
    });
    write(id, list, out);
}

impl Target for CloakroomTarget {
    fn greet(&self, out: &mut Vec<u8>) -> usize {
        let name = concat!("cloakroom bench ", env!("CARGO_PKG_VERSION"));
        let key = self.access_key.as_ref().map_or(&[][..], ShownKey::bytes);
        let hello = Hello::new(&self.app, AccessKey(key), name);
        write(0, cloakroom_protocol::Request::Hello(hello), out);
        write(0, cloakroom_protocol::Request::Stats(Stats), out);
        2
    }

    fn greeted(&self, _number: usize, frame: &Frame<'_>) -> Result<(), String> {
        let cut = cloakroom_protocol::cut(&frame.body, frame.body.len());
        let Ok(Cut::Frame(frame)) = cut else {
            return Err("its reply is no frame".to_owned());
        };
        let reply = cloakroom_protocol::Reply::decode(&frame)
            .map_err(|e| format!("its reply to HELLO or STATS cannot be read ({e})"))?;
        match reply.answer {
            Answer::Figures(figures) => {
                if let Some(number) = figures.get(Figure::DURABILITY) {
                    self.durability.get_or_init(|| durability(number));
                }
                Ok(())
            }
            Answer::Welcome(_) => Ok(()),
            Answer::Refusal(refusal) => Err(format!("it refuses: {}", refusal.message)),
            Answer::Pong(_)
            | Answer::Session(_)
            | Answer::Sessions(_)
            | Answer::Receipt(_)
            | Answer::Made(_)
            | Answer::Killed(_)
            | Answer::Page(_)
            | Answer::Activity(_) => Err("it answers something else".to_owned()),
        }
    }

    fn durability(&self) -> Option<String> {
        self.durability.get().map(|text| (*text).to_owned())
    }

    fn write(&self, request: &Request<'_>, out: &mut Vec<u8>) -> Awaited {
        use cloakroom_protocol::Request as Ask;
        let token = Token(request.token);
        match request.verb {
            Verb::Create => self.create(request, out),
            Verb::Get => write(request.number, Ask::Get(Get::touch(token)), out),
            Verb::Touch => {
                let touch = Touch {
                    token,
                    idle: None,
                    until: None,
                    show: false,
                };
                write(request.number, Ask::Touch(touch), out);
            }
            Verb::Set => self.set(request, out),
            Verb::Rotate => {
                let rotate = Rotate {
                    token,
                    new: NewToken::Draw(TokenStyle::Alphanumeric64),
                    grace: self.grace,
                    user: None,
                };
                write(request.number, Ask::Rotate(rotate), out);
            }
            Verb::Kill => {
                let key = Key::Token(token);
                write(request.number, Ask::Kill(Kill { key }), out);
            }
            Verb::List => list(request.number, Cursor::ENDS, out),
            Verb::Fetch => write(request.number, Ask::Ping(Ping { echo: &[] }), out),
        }
        Awaited::one(request)
    }

    fn read<'i>(&self, awaited: Awaited, input: &'i [u8]) -> Result<Option<Reply<'i>>, Malformed> {
        let limit = cloakroom_protocol::limits::PAYLOAD_BYTES;
        let cut = cloakroom_protocol::cut(input, limit);
        let cut =
            cut.map_err(|_too_large| Malformed("the reply is longer than the protocol has it"))?;
        let Cut::Frame(frame) = cut else {
            return Ok(None);
        };
        let header = frame.header;
        let is_notice = header.opcode == cloakroom_protocol::NOTICE | REPLY;
        if !header.is_reply() || (header.id != awaited.number && !is_notice) {
            return Err(Malformed("the reply is none to the request that was sent"));
        }
        let length = frame.bytes();
        Ok(Some(Reply {
            frame: Frame {
                status: header.key_or_status,
                body: Cow::Borrowed(input.get(..length).unwrap_or_default()),
            },
            length,
            closes: ReplyFlags(header.flags).has(ReplyFlags::CLOSING),
        }))
    }

    fn meaning<'f>(&self, awaited: Awaited, frame: &'f Frame<'_>) -> Meaning<'f> {
        const GONE: u16 = ErrorCode::Gone.number();
        const CONFLICT: u16 = ErrorCode::VersionDiffers.number();
        // Two rotations of one session at a time: the second comes with a token in its grace.
        const ROTATED: u16 = ErrorCode::Rotated.number();
        match (awaited.verb, frame.status) {
            (_, 0) => {}
            (_, GONE) => return Meaning::Missing,
            (Verb::Set, CONFLICT) | (Verb::Rotate, ROTATED) => return Meaning::Conflict,
            (_, status) => return refused(status),
        }
        match awaited.verb {
            Verb::Create => match decode(&frame.body) {
                Some(Answer::Made(made)) => Meaning::Created(Some(made.token.0)),
                Some(_) | None => refused(0),
            },
            Verb::Rotate => match decode(&frame.body) {
                Some(Answer::Made(made)) => Meaning::Rotated(made.token.0),
                Some(_) | None => refused(0),
            },
            Verb::List => match decode(&frame.body) {
                Some(Answer::Page(page)) if page.next.is_end() => Meaning::Served,
                Some(Answer::Page(_)) => Meaning::Unfinished,
                Some(_) | None => refused(0),
            },
            Verb::Kill => Meaning::Killed,
            Verb::Get | Verb::Touch | Verb::Set | Verb::Fetch => {
                if operation_of(&frame.body) == Some(operation(awaited.verb)) {
                    Meaning::Served
                } else {
                    refused(0)
                }
            }
        }
    }

    /// Only lists have more than one round trip: asks for the next page.
    fn go_on(
        &self,
        request: &Request<'_>,
        _awaited: Awaited,
        frame: &Frame<'_>,
        out: &mut Vec<u8>,
    ) -> Awaited {
        let from = match decode(&frame.body) {
            Some(Answer::Page(page)) => page.next,
            Some(_) | None => Cursor::ENDS,
        };
        list(request.number, from, out);
        Awaited {
            stage: 1,
            ..Awaited::one(request)
        }
    }

    fn contents(&self, body: &[u8]) -> Option<Contents> {
        let Some(Answer::Session(session)) = decode(body) else {
            return None;
        };
        Some(Contents {
            reads: Some(session.reads),
            slots: marks_in(session.data.0)?,
            version: Some(session.receipt.version),
        })
    }

    fn version(&self, body: &[u8]) -> Option<u64> {
        match decode(body)? {
            Answer::Receipt(receipt) => Some(receipt.version),
            Answer::Session(session) => Some(session.receipt.version),
            Answer::Welcome(_)
            | Answer::Pong(_)
            | Answer::Figures(_)
            | Answer::Sessions(_)
            | Answer::Made(_)
            | Answer::Killed(_)
            | Answer::Page(_)
            | Answer::Activity(_)
            | Answer::Refusal(_) => None,
        }
    }

    fn token_bytes(&self) -> usize {
        TOKEN_BYTES
    }

    fn slots(&self) -> usize {
        SLOTS
    }

    fn life(&self) -> Life {
        Life {
            span: self.ttl.saturating_mul(SECOND),
            sliding: true,
            lag: 0,
            rounding: 0,
        }
    }
}

fn decode(body: &[u8]) -> Option<Answer<'_>> {
    let Ok(Cut::Frame(frame)) = cloakroom_protocol::cut(body, body.len()) else {
        return None;
    };
    let reply = cloakroom_protocol::Reply::decode(&frame).ok()?;
    Some(reply.answer)
}

fn operation_of(body: &[u8]) -> Option<Opcode> {
    let header = Header::read(body.first_chunk()?);
    Opcode::from_number(header.opcode & !REPLY)
}

fn operation(verb: Verb) -> Opcode {
    match verb {
        Verb::Create => Opcode::Create,
        Verb::Get => Opcode::Get,
        Verb::Touch => Opcode::Touch,
        Verb::Set => Opcode::Set,
        Verb::Rotate => Opcode::Rotate,
        Verb::Kill => Opcode::Kill,
        Verb::List => Opcode::List,
        Verb::Fetch => Opcode::Ping,
    }
}

/// An error by its name. Number 0 is success, of something that was not asked.
fn refused(status: u16) -> Meaning<'static> {
    let name = match ErrorCode::from_number(status) {
        Some(code) => code.name(),
        None if status == 0 => "ANSWERS_SOMETHING_ELSE",
        None => "UNKNOWN_ERROR",
    };
    Meaning::Refused(Refusal::Word(Word::of(name.as_bytes())))
}

fn durability(number: u64) -> &'static str {
    match number {
        0 => "memory-only",
        1 => "log, os",
        2 => "log, everysec",
        3 => "log, always",
        _ => "unknown",
    }
}
