//! Reading sessions: GET, MGET.

use super::{Layout, Parts};
use crate::error::DecodeError;
use crate::flags::RequestFlags;
use crate::opcode::Opcode;
use crate::token::{Key, KeyPart, Keys, Token};

/// Reads a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Get<'a> {
    /// Which one. A handle only with `quiet`.
    pub key: Key<'a>,
    /// Leaves no trace of the read.
    pub quiet: bool,
    /// Texts and data are wanted only if the session has another version than this.
    pub unless_version: Option<u64>,
}

impl<'a> Get<'a> {
    /// A read that counts, and keeps the session alive.
    #[must_use]
    pub const fn touch(token: Token<'a>) -> Self {
        Self {
            key: Key::Token(token),
            quiet: false,
            unless_version: None,
        }
    }

    /// A read that leaves no trace.
    #[must_use]
    pub const fn peek(key: Key<'a>) -> Self {
        Self {
            key,
            quiet: true,
            unless_version: None,
        }
    }
}

/// What names a session in public may not keep it alive.
fn check_handle(handle: bool, quiet: bool) -> Result<(), DecodeError> {
    if handle && !quiet {
        return Err(DecodeError::UnknownFlags(RequestFlags::HANDLE));
    }
    Ok(())
}

fn flags(handle: bool, quiet: bool) -> u8 {
    RequestFlags::when(handle, RequestFlags::HANDLE)
        | RequestFlags::when(quiet, RequestFlags::QUIET)
}

impl<'a> Layout<'a> for Get<'a> {
    const OPCODE: Opcode = Opcode::Get;

    fn flags(&self) -> u8 {
        flags(self.key.is_handle(), self.quiet)
    }

    fn key(&self) -> KeyPart<'a> {
        self.key.part()
    }

    fn version(&self) -> Option<u64> {
        self.unless_version
    }

    fn check(&self) -> Result<(), DecodeError> {
        check_handle(self.key.is_handle(), self.quiet)?;
        self.key.check()
    }

    fn decode(parts: Parts<'a>) -> Result<Self, DecodeError> {
        let request = Self {
            key: Key::decode(parts.key, parts.flags.has(RequestFlags::HANDLE))?,
            quiet: parts.flags.has(RequestFlags::QUIET),
            unless_version: parts.version,
        };
        parts.fields.end()?;
        Ok(request)
    }

    fn encode(&self, _out: &mut Vec<u8>) {}
}

/// Reads several sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MultiGet<'a> {
    /// Which ones. Handles only with `quiet`.
    pub keys: Keys<'a>,
    /// Leaves no trace of the reads.
    pub quiet: bool,
}

impl<'a> Layout<'a> for MultiGet<'a> {
    const OPCODE: Opcode = Opcode::MultiGet;

    fn flags(&self) -> u8 {
        flags(self.keys.are_handles(), self.quiet)
    }

    fn check(&self) -> Result<(), DecodeError> {
        check_handle(self.keys.are_handles(), self.quiet)
    }

    fn decode(parts: Parts<'a>) -> Result<Self, DecodeError> {
        parts.no_key()?;
        let handles = parts.flags.has(RequestFlags::HANDLE);
        Ok(Self {
            keys: Keys::decode(parts.fields, handles)?,
            quiet: parts.flags.has(RequestFlags::QUIET),
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.keys.encode(out);
    }
}
