//! Replies with several sessions: MGET and LIST.

use std::fmt;

use crate::error::DecodeError;
use crate::limits;
use crate::primitive::{Reader, length_u32, put_u32, put_u64};
use crate::session::{Cursor, Session};

/// Sessions as they stand in a frame: each behind its length, 0 for one that is gone.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Sessions<'a> {
    count: u32,
    bytes: &'a [u8],
}

impl fmt::Debug for Sessions<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Sessions<'a> {
    /// How many entries there are, with those that are gone.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The sessions in order; `None` for one that is gone.
    pub fn iter(&self) -> impl Iterator<Item = Option<Session<'a>>> + use<'a> {
        let mut reader = Reader::new(self.bytes);
        // All of them were looked at when the frame was decoded.
        (0..self.count).map_while(move |_| entry(&mut reader).ok())
    }

    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let count = reader.u32()?;
        let all = reader.rest();
        for _ in 0..count {
            entry(reader)?;
        }
        let length = all.len() - reader.rest().len();
        let bytes = all.get(..length).unwrap_or_default();
        Ok(Self { count, bytes })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_u32(out, self.count);
        out.extend_from_slice(self.bytes);
    }
}

/// An entry may be longer than what this version knows of a session.
fn entry<'a>(reader: &mut Reader<'a>) -> Result<Option<Session<'a>>, DecodeError> {
    let length = reader.u32()?;
    if length == 0 {
        return Ok(None);
    }
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let mut session = Reader::new(reader.bytes(length)?);
    Session::decode(&mut session).map(Some)
}

/// Collects the sessions of a page until it is full.
#[derive(Clone)]
pub struct SessionsBuffer {
    count: u32,
    bytes: Vec<u8>,
    limit: usize,
}

impl fmt::Debug for SessionsBuffer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SessionsBuffer({})", self.count)
    }
}

impl Default for SessionsBuffer {
    fn default() -> Self {
        Self::new(limits::PAYLOAD_BYTES)
    }
}

impl SessionsBuffer {
    /// An empty page whose reply has a payload of at most `payload` bytes.
    #[must_use]
    pub fn new(payload: usize) -> Self {
        Self {
            count: 0,
            bytes: Vec::new(),
            limit: payload.saturating_sub(limits::PAGE_FIXED_BYTES),
        }
    }

    /// Makes the page empty again.
    pub fn clear(&mut self) {
        self.count = 0;
        self.bytes.clear();
    }

    /// How many sessions are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX)
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of the largest session ([`Session::encoded_len`]) that fits, `None` when not even the
    /// news that one is gone does. Any session fits into an empty page.
    #[must_use]
    pub fn room(&self) -> Option<usize> {
        if self.is_empty() {
            return Some(usize::MAX);
        }
        self.limit.checked_sub(self.bytes.len() + 4)
    }

    /// Whether a session of so many bytes fits.
    #[must_use]
    pub fn fits(&self, bytes: usize) -> bool {
        self.room().is_some_and(|room| bytes <= room)
    }

    /// Adds a session, or the news that it is gone. False: it does not fit, and nothing was added.
    #[must_use = "what does not fit belongs on the next page"]
    pub fn push(&mut self, session: Option<&Session<'_>>) -> bool {
        let length = session.map_or(0, Session::encoded_len);
        if !self.fits(length) {
            return false;
        }
        put_u32(&mut self.bytes, length_u32(length));
        if let Some(session) = session {
            session.encode(&mut self.bytes);
        }
        self.count += 1;
        true
    }

    /// The sessions so far.
    #[must_use]
    pub fn sessions(&self) -> Sessions<'_> {
        Sessions {
            count: self.count,
            bytes: &self.bytes,
        }
    }
}

/// A page of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page<'a> {
    /// The moment of the page, in milliseconds since 1970.
    pub now: u64,
    /// With a limit of 0 the number of sessions that match; else 0.
    pub matching: u64,
    /// Where the list goes on; [`Cursor::ENDS`] when this is the last page.
    pub next: Cursor,
    /// The sessions of this page.
    pub sessions: Sessions<'a>,
}

impl<'a> Page<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            now: reader.u64()?,
            matching: reader.u64()?,
            next: Cursor(reader.array()?),
            sessions: Sessions::decode(reader)?,
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_u64(out, self.now);
        put_u64(out, self.matching);
        out.extend_from_slice(&self.next.0);
        self.sessions.encode(out);
    }
}

#[cfg(test)]
mod tests {
    use super::SessionsBuffer;
    use crate::limits::{DATA_BYTES, IP_BYTES, PAYLOAD_BYTES, USER_BYTES};
    use crate::opcode::Opcode;
    use crate::reply::{Answer, Reply};
    use crate::session::{Data, Session};
    use crate::{Cut, cut};

    #[test]
    fn page_holds_what_fits_the_payload_and_always_one() {
        let data = vec![7; DATA_BYTES];
        let (user, ip) = ("u".repeat(USER_BYTES), "i".repeat(IP_BYTES));
        let largest = Session {
            user: &user,
            ip: &ip,
            data: Data(&data),
            ..Session::default()
        };
        let mut page = SessionsBuffer::default();
        assert!(page.push(Some(&largest)));
        assert!(!page.push(Some(&largest)));
        let mut small = 0;
        while page.push(Some(&Session::default())) {
            small += 1;
        }
        assert!(small > 1);
        assert_eq!(page.len(), small + 1);
        let mut bytes = Vec::new();
        Reply::new(1, Opcode::MultiGet, Answer::Sessions(page.sessions())).encode(&mut bytes);
        let Ok(Cut::Frame(frame)) = cut(&bytes, PAYLOAD_BYTES) else {
            panic!("a reply is a frame")
        };
        let Answer::Sessions(sessions) = Reply::decode(&frame).unwrap().answer else {
            panic!("sessions")
        };
        assert_eq!(sessions.iter().next(), Some(Some(largest)));
        assert_eq!(sessions.iter().count(), small + 1);
    }
}
