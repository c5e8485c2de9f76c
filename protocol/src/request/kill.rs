//! Ending sessions: KILL, KILLMANY.

use super::list::Scope;
use super::{Layout, Parts};
use crate::error::DecodeError;
use crate::flags::RequestFlags;
use crate::opcode::Opcode;
use crate::primitive::put_counted;
use crate::token::{Key, KeyPart};

/// Ends a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kill<'a> {
    /// Which one.
    pub key: Key<'a>,
}

impl<'a> Layout<'a> for Kill<'a> {
    const OPCODE: Opcode = Opcode::Kill;

    fn flags(&self) -> u8 {
        RequestFlags::when(self.key.is_handle(), RequestFlags::HANDLE)
    }

    fn key(&self) -> KeyPart<'a> {
        self.key.part()
    }

    fn check(&self) -> Result<(), DecodeError> {
        self.key.check()
    }

    fn decode(parts: Parts<'a>) -> Result<Self, DecodeError> {
        parts.fields.end()?;
        Ok(Self {
            key: Key::decode(parts.key, parts.flags.has(RequestFlags::HANDLE))?,
        })
    }

    fn encode(&self, _out: &mut Vec<u8>) {}
}

/// Ends all sessions of an app, a user or an IP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KillMany<'a> {
    /// Whose.
    pub scope: Scope<'a>,
    /// This one stays. Only where the scope is a user.
    pub except: Option<Key<'a>>,
}

impl<'a> Layout<'a> for KillMany<'a> {
    const OPCODE: Opcode = Opcode::KillMany;

    fn flags(&self) -> u8 {
        let handle = self.except.is_some_and(Key::is_handle);
        RequestFlags::when(handle, RequestFlags::HANDLE)
    }

    fn key(&self) -> KeyPart<'a> {
        self.scope.key()
    }

    fn check(&self) -> Result<(), DecodeError> {
        if self.except.is_some() && !matches!(self.scope, Scope::User(_)) {
            return Err(DecodeError::BadValue { field: "except" });
        }
        self.except.map_or(Ok(()), Key::check)?;
        self.scope.check()
    }

    fn decode(parts: Parts<'a>) -> Result<Self, DecodeError> {
        let mut fields = parts.fields;
        let scope = Scope::decode(fields.u8()?, parts.key)?;
        let except = fields.counted()?;
        fields.end()?;
        let handle = parts.flags.has(RequestFlags::HANDLE);
        let except = if except.is_empty() && !handle {
            None
        } else {
            Some(Key::decode(except, handle)?)
        };
        Ok(Self { scope, except })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.scope.number());
        let except = self.except.map_or(KeyPart::NONE, Key::part);
        put_counted(out, except.as_slice());
    }
}
