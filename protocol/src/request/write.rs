//! Making and changing sessions: CREATE, PUT, SET, TOUCH, ROTATE.
//!
//! A field whose bytes are all ones leaves things as they are: here it is `None`. Where a session
//! comes to be there is nothing to leave, and it means: no limit, no user, no IP, no data.

use super::{Layout, Parts, check_text};
use crate::error::DecodeError;
use crate::flags::RequestFlags;
use crate::limits;
use crate::opcode::Opcode;
use crate::primitive::{Reader, length_u16, put_counted, put_u16, put_u32, put_u64};
use crate::session::{Attributes, ContentType, Data, text};
use crate::token::{KeyPart, NewToken, Token};

/// What a token looks like that the server draws.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum TokenStyle {
    /// 64 of `[A-Za-z0-9]`.
    Alphanumeric64 = 1,
    /// A version 4 UUID in lower case.
    UuidV4 = 2,
    /// 64 of base64url: 47 bytes with padding.
    Base64Url47 = 3,
}

impl TokenStyle {
    fn decode(number: u8) -> Result<Self, DecodeError> {
        match number {
            1 => Ok(Self::Alphanumeric64),
            2 => Ok(Self::UuidV4),
            3 => Ok(Self::Base64Url47),
            _ => Err(DecodeError::BadValue { field: "style" }),
        }
    }
}

/// What is written of a session. `None` leaves things as they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fields<'a> {
    /// The idle limit in milliseconds; [`crate::NEVER`] for none.
    pub idle: Option<u64>,
    /// The moment at which the session ends however busy it is, in milliseconds since 1970;
    /// [`crate::NEVER`] for none.
    pub until: Option<u64>,
    /// Whose it is; empty for nobody's.
    pub user: Option<&'a str>,
    /// The IP text; empty for none.
    pub ip: Option<&'a str>,
    /// What is fixed about a session that comes to be. One that exists keeps its own.
    pub attributes: Attributes,
    /// The data, whole.
    pub data: Option<(ContentType, Data<'a>)>,
}

impl<'a> Fields<'a> {
    fn check(&self) -> Result<(), DecodeError> {
        check_time(self.idle, "idle")?;
        check_time(self.until, "until")?;
        let (user, ip) = (self.user.unwrap_or_default(), self.ip.unwrap_or_default());
        check_text(user, limits::USER_BYTES, DecodeError::BadUser)?;
        check_text(ip, limits::IP_BYTES, DecodeError::BadIp)?;
        if !self.attributes.is_known() {
            let field = "attributes";
            return Err(DecodeError::BadValue { field });
        }
        if let Some((content_type, data)) = self.data {
            if !content_type.is_known() {
                let field = "content type";
                return Err(DecodeError::BadValue { field });
            }
            if data.0.len() > limits::DATA_BYTES {
                return Err(DecodeError::DataTooLarge);
            }
        }
        Ok(())
    }

    /// Reads the fields and the byte that stands among them: a mode or a style.
    fn decode(mut fields: Reader<'a>) -> Result<(Self, u8), DecodeError> {
        let (idle, until) = (keep_u64(fields.u64()?), keep_u64(fields.u64()?));
        let (user, ip) = (fields.u16()?, fields.u16()?);
        let choice = fields.u8()?;
        let attributes = Attributes(fields.u8()?);
        let content_type = fields.u8()?;
        let user = kept_text(&mut fields, user, DecodeError::BadUser)?;
        let ip = kept_text(&mut fields, ip, DecodeError::BadIp)?;
        let data = if content_type == ContentType::KEEP {
            fields.end()?;
            None
        } else {
            Some((ContentType(content_type), Data(fields.rest())))
        };
        let fields = Self {
            idle,
            until,
            user,
            ip,
            attributes,
            data,
        };
        Ok((fields, choice))
    }

    fn encode(&self, choice: u8, out: &mut Vec<u8>) {
        let (content_type, data) = self
            .data
            .unwrap_or((ContentType(ContentType::KEEP), Data(&[])));
        put_u64(out, self.idle.unwrap_or(u64::MAX));
        put_u64(out, self.until.unwrap_or(u64::MAX));
        put_u16(out, kept_length(self.user));
        put_u16(out, kept_length(self.ip));
        out.extend_from_slice(&[choice, self.attributes.0, content_type.0]);
        out.extend_from_slice(self.user.unwrap_or_default().as_bytes());
        out.extend_from_slice(self.ip.unwrap_or_default().as_bytes());
        out.extend_from_slice(data.0);
    }
}

/// All ones are spelled `None` and nothing else.
fn check_time(time: Option<u64>, field: &'static str) -> Result<(), DecodeError> {
    if time == Some(u64::MAX) {
        return Err(DecodeError::BadValue { field });
    }
    Ok(())
}

fn keep_u64(value: u64) -> Option<u64> {
    (value != u64::MAX).then_some(value)
}

fn kept_length(text: Option<&str>) -> u16 {
    text.map_or(u16::MAX, |text| length_u16(text.len()))
}

fn kept_text<'a>(
    fields: &mut Reader<'a>,
    length: u16,
    error: DecodeError,
) -> Result<Option<&'a str>, DecodeError> {
    if length == u16::MAX {
        return Ok(None);
    }
    let bytes = fields.bytes(usize::from(length))?;
    text(bytes).map(Some).ok_or(error)
}

/// Makes a session under an id that the server draws.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Create<'a> {
    /// What the id looks like.
    pub style: TokenStyle,
    /// The session.
    pub fields: Fields<'a>,
}

impl<'a> Layout<'a> for Create<'a> {
    const OPCODE: Opcode = Opcode::Create;

    fn check(&self) -> Result<(), DecodeError> {
        self.fields.check()
    }

    fn decode(parts: Parts<'a>) -> Result<Self, DecodeError> {
        parts.no_key()?;
        let (fields, style) = Fields::decode(parts.fields)?;
        let style = TokenStyle::decode(style)?;
        Ok(Self { style, fields })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.fields.encode(self.style as u8, out);
    }
}

/// Under which condition a PUT is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PutMode {
    /// The session comes to be; one that exists says EXISTS.
    Create,
    /// The session exists; else GONE.
    Update,
    /// Either.
    Upsert,
    /// The session exists, else GONE, and has this version, else VERSION_DIFFERS.
    IfVersion(u64),
}

/// Writes a session whole, under an id that the client names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Put<'a> {
    /// The id.
    pub token: Token<'a>,
    /// The condition.
    pub mode: PutMode,
    /// Leaves a session that exists as active as it was.
    pub quiet: bool,
    /// What is written.
    pub fields: Fields<'a>,
}

impl<'a> Layout<'a> for Put<'a> {
    const OPCODE: Opcode = Opcode::Put;

    fn flags(&self) -> u8 {
        RequestFlags::when(self.quiet, RequestFlags::QUIET)
    }

    fn key(&self) -> KeyPart<'a> {
        KeyPart::Bytes(self.token.0)
    }

    fn version(&self) -> Option<u64> {
        match self.mode {
            PutMode::IfVersion(version) => Some(version),
            PutMode::Create | PutMode::Update | PutMode::Upsert => None,
        }
    }

    fn check(&self) -> Result<(), DecodeError> {
        self.token.check()?;
        self.fields.check()
    }

    fn decode(parts: Parts<'a>) -> Result<Self, DecodeError> {
        let (fields, mode) = Fields::decode(parts.fields)?;
        let mode = match (mode, parts.version) {
            (0, None) => PutMode::Create,
            (1, None) => PutMode::Update,
            (2, None) => PutMode::Upsert,
            (3, Some(version)) => PutMode::IfVersion(version),
            _ => return Err(DecodeError::BadValue { field: "mode" }),
        };
        Ok(Self {
            token: Token(parts.key),
            mode,
            quiet: parts.flags.has(RequestFlags::QUIET),
            fields,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let mode = match self.mode {
            PutMode::Create => 0,
            PutMode::Update => 1,
            PutMode::Upsert => 2,
            PutMode::IfVersion(_) => 3,
        };
        self.fields.encode(mode, out);
    }
}

/// Merges the members of a JSON object into a session's: `null` removes a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Set<'a> {
    /// Which session.
    pub token: Token<'a>,
    /// Do it only if the session has this version.
    pub if_version: Option<u64>,
    /// Leaves the session as active as it was.
    pub quiet: bool,
    /// Answer the whole session.
    pub show: bool,
    /// The text of a JSON object.
    pub patch: Data<'a>,
}

impl<'a> Layout<'a> for Set<'a> {
    const OPCODE: Opcode = Opcode::Set;

    fn flags(&self) -> u8 {
        RequestFlags::when(self.quiet, RequestFlags::QUIET)
            | RequestFlags::when(self.show, RequestFlags::SHOW)
    }

    fn key(&self) -> KeyPart<'a> {
        KeyPart::Bytes(self.token.0)
    }

    fn version(&self) -> Option<u64> {
        self.if_version
    }

    fn check(&self) -> Result<(), DecodeError> {
        self.token.check()?;
        if self.patch.0.len() > limits::DATA_BYTES {
            return Err(DecodeError::DataTooLarge);
        }
        Ok(())
    }

    fn decode(parts: Parts<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            token: Token(parts.key),
            if_version: parts.version,
            quiet: parts.flags.has(RequestFlags::QUIET),
            show: parts.flags.has(RequestFlags::SHOW),
            patch: Data(parts.fields.rest()),
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.patch.0);
    }
}

/// Keeps a session alive, and gives it other limits where they are named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Touch<'a> {
    /// Which session.
    pub token: Token<'a>,
    /// As [`Fields::idle`].
    pub idle: Option<u64>,
    /// As [`Fields::until`].
    pub until: Option<u64>,
    /// Answer the whole session.
    pub show: bool,
}

impl<'a> Layout<'a> for Touch<'a> {
    const OPCODE: Opcode = Opcode::Touch;

    fn flags(&self) -> u8 {
        RequestFlags::when(self.show, RequestFlags::SHOW)
    }

    fn key(&self) -> KeyPart<'a> {
        KeyPart::Bytes(self.token.0)
    }

    fn check(&self) -> Result<(), DecodeError> {
        check_time(self.idle, "idle")?;
        check_time(self.until, "until")?;
        self.token.check()
    }

    fn decode(parts: Parts<'a>) -> Result<Self, DecodeError> {
        let mut fields = parts.fields;
        let request = Self {
            token: Token(parts.key),
            idle: keep_u64(fields.u64()?),
            until: keep_u64(fields.u64()?),
            show: parts.flags.has(RequestFlags::SHOW),
        };
        fields.end()?;
        Ok(request)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_u64(out, self.idle.unwrap_or(u64::MAX));
        put_u64(out, self.until.unwrap_or(u64::MAX));
    }
}

/// Gives a session another id. Its data, counters and creation stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rotate<'a> {
    /// The id so far.
    pub token: Token<'a>,
    /// The id from now on.
    pub new: NewToken<'a>,
    /// Milliseconds in which the old id still answers.
    pub grace: u32,
    /// As [`Fields::user`]: who has just logged in.
    pub user: Option<&'a str>,
}

impl<'a> Layout<'a> for Rotate<'a> {
    const OPCODE: Opcode = Opcode::Rotate;

    fn key(&self) -> KeyPart<'a> {
        KeyPart::Bytes(self.token.0)
    }

    fn check(&self) -> Result<(), DecodeError> {
        self.token.check()?;
        if let NewToken::Chosen(token) = self.new {
            token.check()?;
        }
        if self.grace > limits::GRACE_MILLIS {
            return Err(DecodeError::GraceTooLong);
        }
        let user = self.user.unwrap_or_default();
        check_text(user, limits::USER_BYTES, DecodeError::BadUser)
    }

    fn decode(parts: Parts<'a>) -> Result<Self, DecodeError> {
        let mut fields = parts.fields;
        let grace = fields.u32()?;
        let (style, user) = (fields.u8()?, fields.u16()?);
        let chosen = fields.counted()?;
        let new = match style {
            0 => NewToken::Chosen(Token(chosen)),
            style if chosen.is_empty() => NewToken::Draw(TokenStyle::decode(style)?),
            _ => return Err(DecodeError::BadValue { field: "style" }),
        };
        let user = kept_text(&mut fields, user, DecodeError::BadUser)?;
        fields.end()?;
        Ok(Self {
            token: Token(parts.key),
            new,
            grace,
            user,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let (style, chosen): (u8, &[u8]) = match self.new {
            NewToken::Draw(style) => (style as u8, &[]),
            NewToken::Chosen(token) => (0, token.0),
        };
        put_u32(out, self.grace);
        out.push(style);
        put_u16(out, kept_length(self.user));
        put_counted(out, chosen);
        out.extend_from_slice(self.user.unwrap_or_default().as_bytes());
    }
}
