//! Requests about the server and the connection: HELLO, PING, STATS.

use super::{Layout, Parts, app_name, check_text};
use crate::error::DecodeError;
use crate::limits;
use crate::opcode::Opcode;
use crate::primitive::{length_u16, put_counted, put_u16};
use crate::session::text;
use crate::token::{AccessKey, KeyPart};

/// The first request of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hello<'a> {
    /// The app of all requests that name none; empty when each of them will name one.
    pub app: &'a str,
    /// The oldest version of the protocol that the client speaks.
    pub min_version: u8,
    /// The newest one.
    pub max_version: u8,
    /// What admits the client; empty for none.
    pub access_key: AccessKey<'a>,
    /// The client's name and version, for people.
    pub client: &'a str,
    /// What a later version adds; a server that does not know it ignores it.
    pub later: &'a [u8],
}

impl<'a> Hello<'a> {
    /// A HELLO of this version.
    #[must_use]
    pub const fn new(app: &'a str, access_key: AccessKey<'a>, client: &'a str) -> Self {
        Self {
            app,
            min_version: crate::VERSION,
            max_version: crate::VERSION,
            access_key,
            client,
            later: &[],
        }
    }
}

impl<'a> Layout<'a> for Hello<'a> {
    const OPCODE: Opcode = Opcode::Hello;

    fn key(&self) -> KeyPart<'a> {
        KeyPart::Bytes(self.app.as_bytes())
    }

    fn check(&self) -> Result<(), DecodeError> {
        if !self.app.is_empty() {
            app_name(self.app.as_bytes())?;
        }
        if self.access_key.0.len() > limits::ACCESS_KEY_BYTES {
            let field = "access key";
            return Err(DecodeError::BadValue { field });
        }
        let field = "client";
        check_text(
            self.client,
            limits::PEER_NAME_BYTES,
            DecodeError::BadValue { field },
        )
    }

    fn decode(parts: Parts<'a>) -> Result<Self, DecodeError> {
        let mut fields = parts.fields;
        let (min_version, max_version) = (fields.u8()?, fields.u8()?);
        let length = fields.u16()?;
        let access_key = AccessKey(fields.bytes(usize::from(length))?);
        let client = text(fields.counted()?).ok_or(DecodeError::BadValue { field: "client" })?;
        Ok(Self {
            app: text(parts.key).ok_or(DecodeError::BadApp)?,
            min_version,
            max_version,
            access_key,
            client,
            later: fields.rest(),
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.min_version, self.max_version]);
        put_u16(out, length_u16(self.access_key.0.len()));
        out.extend_from_slice(self.access_key.0);
        put_counted(out, self.client.as_bytes());
        out.extend_from_slice(self.later);
    }
}

/// Asks for a sign of life. Allowed before HELLO.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ping<'a> {
    /// Up to 64 bytes that come back.
    pub echo: &'a [u8],
}

impl<'a> Layout<'a> for Ping<'a> {
    const OPCODE: Opcode = Opcode::Ping;

    fn key(&self) -> KeyPart<'a> {
        KeyPart::Bytes(self.echo)
    }

    fn check(&self) -> Result<(), DecodeError> {
        if self.echo.len() > limits::PING_BYTES {
            return Err(DecodeError::BadValue { field: "echo" });
        }
        Ok(())
    }

    fn decode(parts: Parts<'a>) -> Result<Self, DecodeError> {
        parts.fields.end()?;
        Ok(Self { echo: parts.key })
    }

    fn encode(&self, _out: &mut Vec<u8>) {}
}

/// Asks for figures of the server and of the app.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stats;

impl<'a> Layout<'a> for Stats {
    const OPCODE: Opcode = Opcode::Stats;

    fn check(&self) -> Result<(), DecodeError> {
        Ok(())
    }

    fn decode(parts: Parts<'a>) -> Result<Self, DecodeError> {
        parts.no_key()?;
        parts.fields.end()?;
        Ok(Self)
    }

    fn encode(&self, _out: &mut Vec<u8>) {}
}
