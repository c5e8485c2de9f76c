//! Why nothing was done.

use crate::error::{Class, DecodeError, ErrorCode};
use crate::limits;
use crate::primitive::{Reader, length_u16, put_u16, put_u64};
use crate::session::text;

/// Why nothing was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal<'a> {
    /// The number of the error; never 0.
    pub status: u16,
    /// The version that the session has, or 0.
    pub version: u64,
    /// A sentence for people. May change; may be empty.
    pub message: &'a str,
}

impl<'a> Refusal<'a> {
    /// The error, if this version of the protocol knows it.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        ErrorCode::from_number(self.status)
    }

    /// Its class, also of an error that this version does not know.
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        Class::of_status(self.status)
    }

    pub(super) fn decode(status: u16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let version = reader.u64()?;
        let length = reader.u16()?;
        let message = text(reader.bytes(usize::from(length))?);
        Ok(Self {
            status,
            version,
            message: message.ok_or(DecodeError::BadValue { field: "message" })?,
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let end = self.message.floor_char_boundary(limits::MESSAGE_BYTES);
        let message = self.message.get(..end).unwrap_or_default();
        put_u64(out, self.version);
        put_u16(out, length_u16(message.len()));
        out.extend_from_slice(message.as_bytes());
    }
}
