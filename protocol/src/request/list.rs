//! Asking for many sessions: LIST, ACTIVITY.

use super::{Layout, Parts, check_text};
use crate::error::DecodeError;
use crate::flags::RequestFlags;
use crate::limits;
use crate::opcode::Opcode;
use crate::primitive::{put_u32, put_u64};
use crate::session::{Cursor, text};
use crate::token::KeyPart;

/// Which sessions of an app are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope<'a> {
    /// All of them.
    App,
    /// Those of this user, 1 to 1024 bytes.
    User(&'a str),
    /// Those with exactly this IP text, 1 to 1024 bytes.
    Ip(&'a str),
}

impl<'a> Scope<'a> {
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::App => 0,
            Self::User(_) => 1,
            Self::Ip(_) => 2,
        }
    }

    pub(super) fn key(self) -> KeyPart<'a> {
        match self {
            Self::App => KeyPart::NONE,
            Self::User(text) | Self::Ip(text) => KeyPart::Bytes(text.as_bytes()),
        }
    }

    pub(super) fn check(self) -> Result<(), DecodeError> {
        match self {
            Self::App => Ok(()),
            Self::User("") => Err(DecodeError::BadUser),
            Self::User(user) => check_text(user, limits::USER_BYTES, DecodeError::BadUser),
            Self::Ip("") => Err(DecodeError::BadIp),
            Self::Ip(ip) => check_text(ip, limits::IP_BYTES, DecodeError::BadIp),
        }
    }

    pub(super) fn decode(number: u8, key: &'a [u8]) -> Result<Self, DecodeError> {
        match number {
            0 if key.is_empty() => Ok(Self::App),
            0 => Err(DecodeError::BadKey),
            1 => text(key).map(Self::User).ok_or(DecodeError::BadUser),
            2 => text(key).map(Self::Ip).ok_or(DecodeError::BadIp),
            _ => Err(DecodeError::BadValue { field: "scope" }),
        }
    }
}

/// Lists or counts sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct List<'a> {
    /// Which ones.
    pub scope: Scope<'a>,
    /// Only those active at or after this moment, in milliseconds since 1970; 0 for all. A moment
    /// counts as the start of its second.
    pub since: u64,
    /// Sessions of one page; 0 only counts. What is above the server's bound is taken as the bound.
    pub limit: u32,
    /// Where to go on; [`Cursor::ENDS`] at first.
    pub from: Cursor,
    /// With their data.
    pub data: bool,
}

impl<'a> Layout<'a> for List<'a> {
    const OPCODE: Opcode = Opcode::List;

    fn flags(&self) -> u8 {
        RequestFlags::when(self.data, RequestFlags::DATA)
    }

    fn key(&self) -> KeyPart<'a> {
        self.scope.key()
    }

    fn check(&self) -> Result<(), DecodeError> {
        self.scope.check()
    }

    fn decode(parts: Parts<'a>) -> Result<Self, DecodeError> {
        let mut fields = parts.fields;
        let request = Self {
            scope: Scope::decode(fields.u8()?, parts.key)?,
            since: fields.u64()?,
            limit: fields.u32()?,
            from: Cursor(fields.array()?),
            data: parts.flags.has(RequestFlags::DATA),
        };
        fields.end()?;
        Ok(request)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.scope.number());
        put_u64(out, self.since);
        put_u32(out, self.limit);
        out.extend_from_slice(&self.from.0);
    }
}

/// Counts who was active lately.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ActiveUsers {
    /// In the last so many seconds.
    pub seconds: u64,
}

impl<'a> Layout<'a> for ActiveUsers {
    const OPCODE: Opcode = Opcode::Activity;

    fn check(&self) -> Result<(), DecodeError> {
        Ok(())
    }

    fn decode(parts: Parts<'a>) -> Result<Self, DecodeError> {
        parts.no_key()?;
        let mut fields = parts.fields;
        let seconds = fields.u64()?;
        fields.end()?;
        Ok(Self { seconds })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_u64(out, self.seconds);
    }
}
