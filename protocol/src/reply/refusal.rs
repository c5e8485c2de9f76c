//! Why nothing was done.

use crate::error::{Class, DecodeError, ErrorCode};
use crate::limits;
use crate::primitive::{Reader, put_counted, put_u64};
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
        let message = text(reader.counted()?);
        Ok(Self {
            status,
            version,
            message: message.ok_or(DecodeError::BadValue { field: "message" })?,
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        // A sentence that is too long loses its end, not the error that it explains.
        let end = self.message.floor_char_boundary(limits::MESSAGE_BYTES);
        let message = self.message.get(..end).unwrap_or_default();
        put_u64(out, self.version);
        put_counted(out, message.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::Refusal;
    use crate::primitive::Reader;

    #[test]
    fn message_that_is_too_long_loses_its_end_between_two_characters() {
        let message = format!("{}\u{e4}\u{e4}", "m".repeat(254));
        let refusal = Refusal {
            status: 0x0201,
            version: 7,
            message: &message,
        };
        let mut bytes = Vec::new();
        refusal.encode(&mut bytes);
        let read = Refusal::decode(0x0201, &mut Reader::new(&bytes)).unwrap();
        assert_eq!(read.message, "m".repeat(254));
        assert_eq!((read.status, read.version), (0x0201, 7));
    }
}
