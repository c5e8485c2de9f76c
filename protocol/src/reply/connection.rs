//! Replies about the server and the connection: HELLO, PING, STATS.

use std::fmt;

use crate::error::DecodeError;
use crate::limits;
use crate::primitive::{Reader, put_counted, put_u16, put_u32, put_u64};
use crate::session::text;

/// What a server says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Welcome<'a> {
    /// The version of the protocol that is spoken from here on.
    pub version: u8,
    /// Keys of one MGET.
    pub max_keys: u16,
    /// Sessions of one page of a LIST.
    pub max_sessions: u32,
    /// Bytes of a payload, in both directions.
    pub max_payload: u32,
    /// Milliseconds of a rotation's grace.
    pub max_grace: u32,
    /// The server's clock, in milliseconds since 1970.
    pub now: u64,
    /// A number drawn when the server started: another one means that it has been started again.
    pub run: u64,
    /// Its name and version, for people; at most 64 bytes.
    pub server: &'a str,
}

impl<'a> Welcome<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            version: reader.u8()?,
            max_keys: reader.u16()?,
            max_sessions: reader.u32()?,
            max_payload: reader.u32()?,
            max_grace: reader.u32()?,
            now: reader.u64()?,
            run: reader.u64()?,
            server: text(reader.counted()?).ok_or(DecodeError::BadValue { field: "server" })?,
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.version);
        put_u16(out, self.max_keys);
        put_u32(out, self.max_sessions);
        put_u32(out, self.max_payload);
        put_u32(out, self.max_grace);
        put_u64(out, self.now);
        put_u64(out, self.run);
        let end = self.server.floor_char_boundary(usize::from(u8::MAX));
        put_counted(out, self.server.get(..end).unwrap_or_default().as_bytes());
    }
}

/// A sign of life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pong<'a> {
    /// The server's clock, in milliseconds since 1970.
    pub now: u64,
    /// The bytes of the PING.
    pub echo: &'a [u8],
}

impl<'a> Pong<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            now: reader.u64()?,
            echo: reader.counted()?,
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_u64(out, self.now);
        put_counted(out, self.echo);
    }
}

/// What a figure of STATS tells. A client ignores numbers that it does not know.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Figure(pub u16);

impl Figure {
    /// Sessions of all apps, with those that have expired and are not cleared away yet.
    pub const SESSIONS: Self = Self(1);
    /// Apps with sessions.
    pub const APPS: Self = Self(2);
    /// Bytes that the sessions take, as `--max-memory` counts.
    pub const MEMORY: Self = Self(3);
    /// Bytes that the sessions may take; 2^64-1 without a bound.
    pub const MEMORY_MAX: Self = Self(4);
    /// Connections that are open, of all listeners.
    pub const CONNECTIONS: Self = Self(5);
    /// Milliseconds since the server started.
    pub const UPTIME: Self = Self(6);
    /// The log: 0 there is none, 1 it is well, 2 its disk is full, 3 it cannot be written.
    pub const LOG_STATE: Self = Self(7);
    /// What acknowledged changes survive: 0 memory-only, 1 os, 2 everysec, 3 always.
    pub const DURABILITY: Self = Self(8);
    /// Sessions of the app of this request.
    pub const APP_SESSIONS: Self = Self(9);
    /// Users with sessions of the app of this request.
    pub const APP_USERS: Self = Self(10);
}

/// Figures of a server, as they stand in a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Figures<'a> {
    count: u16,
    bytes: &'a [u8],
}

impl fmt::Debug for Figures<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map().entries(self.iter()).finish()
    }
}

impl<'a> Figures<'a> {
    /// The figures and what each tells.
    pub fn iter(&self) -> impl Iterator<Item = (Figure, u64)> + use<'a> {
        let mut reader = Reader::new(self.bytes);
        std::iter::from_fn(move || Some((Figure(reader.u16().ok()?), reader.u64().ok()?)))
    }

    /// The value of one figure, if the server told it.
    #[must_use]
    pub fn get(&self, figure: Figure) -> Option<u64> {
        self.iter().find(|(f, _)| *f == figure).map(|(_, v)| v)
    }

    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let count = reader.u16()?;
        let bytes = reader.bytes(usize::from(count) * 10)?;
        Ok(Self { count, bytes })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_u16(out, self.count);
        out.extend_from_slice(self.bytes);
    }
}

/// Collects figures for a reply.
#[derive(Clone, Debug, Default)]
pub struct FiguresBuffer {
    count: u16,
    bytes: Vec<u8>,
}

impl FiguresBuffer {
    /// Adds a figure; one beyond [`limits::FIGURES`] is left out.
    pub fn push(&mut self, figure: Figure, value: u64) {
        if usize::from(self.count) < limits::FIGURES {
            put_u16(&mut self.bytes, figure.0);
            put_u64(&mut self.bytes, value);
            self.count += 1;
        }
    }

    /// The figures so far.
    #[must_use]
    pub fn figures(&self) -> Figures<'_> {
        Figures {
            count: self.count,
            bytes: &self.bytes,
        }
    }
}
