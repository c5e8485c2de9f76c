//! Bytes in, whole frames out. No I/O.
//!
//! [`cut`] takes one frame off the front of any bytes, for those who have a buffer of their own.
//! [`Framer`] is such a buffer. It grows with what has arrived and never with what a header claims,
//! so a peer that announces a megabyte and sends nothing costs nothing.
//!
//! ```text
//! 0        start            filled          buffer.len()
//! +--------+----------------+---------------+
//! | handed | arrived, not   | room for what |
//! | out    | yet handed out | comes next    |
//! +--------+----------------+---------------+
//! ```

use crate::error::DecodeError;
use crate::header::Header;

/// Room that is made for bytes to come.
const ROOM_BYTES: usize = 16 << 10;

/// A whole frame, borrowed from the bytes it arrived in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its header.
    pub header: Header,
    /// Its payload, as long as the header says.
    pub payload: &'a [u8],
}

impl std::fmt::Debug for Frame<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A payload holds tokens, which are never shown.
        write!(out, "Frame({:?})", self.header)
    }
}

impl Frame<'_> {
    /// Bytes of the whole frame.
    #[must_use]
    pub fn bytes(&self) -> usize {
        Header::BYTES + self.payload.len()
    }
}

/// What stands at the front of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut<'a> {
    /// A whole frame.
    Frame(Frame<'a>),
    /// A part of one: at least so many bytes are missing.
    Partial {
        /// Never 0.
        missing: usize,
    },
}

/// Cuts the first frame off `bytes`. `limit` bounds its payload.
///
/// # Errors
/// [`DecodeError::FrameTooLarge`] as soon as the header is there. The frame cannot be skipped then,
/// and the connection has to end.
#[inline]
pub fn cut(bytes: &[u8], limit: usize) -> Result<Cut<'_>, DecodeError> {
    let Some((header, behind)) = bytes.split_first_chunk::<{ Header::BYTES }>() else {
        return Ok(Cut::Partial {
            missing: Header::BYTES - bytes.len(),
        });
    };
    let header = Header::read(header);
    let length = usize::try_from(header.length).unwrap_or(usize::MAX);
    if length > limit {
        return Err(DecodeError::FrameTooLarge {
            id: header.id,
            opcode: header.opcode,
            length: header.length,
        });
    }
    Ok(match behind.get(..length) {
        Some(payload) => Cut::Frame(Frame { header, payload }),
        None => Cut::Partial {
            missing: length - behind.len(),
        },
    })
}

/// A growing buffer that hands out whole frames.
pub struct Framer {
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
    limit: usize,
}

impl std::fmt::Debug for Framer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Framer({} bytes)", self.filled - self.start)
    }
}

impl Framer {
    /// An empty buffer for frames with payloads of at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            filled: 0,
            limit,
        }
    }

    /// Another bound for the payloads to come.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Bytes that have arrived and are not handed out.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.filled - self.start
    }

    /// Bytes of memory held.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Room for the bytes that come next, never empty. Say with [`Framer::filled`] how many came.
    pub fn room(&mut self) -> &mut [u8] {
        if self.buffer.len() - self.filled < ROOM_BYTES / 4 {
            self.buffer.drain(..self.start);
            self.filled -= self.start;
            self.start = 0;
            // As much again as has arrived: a frame of n bytes is copied about twice.
            let room = ROOM_BYTES.max(self.filled);
            self.buffer.resize(self.filled + room, 0);
        }
        self.check();
        self.buffer.get_mut(self.filled..).unwrap_or_default()
    }

    /// Notes that `count` bytes were put into [`Framer::room`].
    pub fn filled(&mut self, count: usize) {
        self.filled = (self.filled + count).min(self.buffer.len());
        self.check();
    }

    /// Adds bytes that came in another way.
    pub fn extend(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = self.room();
            let count = room.len().min(rest.len());
            let (now, later) = rest.split_at(count);
            if let Some(place) = room.get_mut(..count) {
                place.copy_from_slice(now);
            }
            self.filled(count);
            rest = later;
        }
    }

    /// The next whole frame; `None` until more bytes have come.
    ///
    /// # Errors
    /// [`DecodeError::FrameTooLarge`], and the same again when called again.
    pub fn take(&mut self) -> Result<Option<Frame<'_>>, DecodeError> {
        let bytes = self.buffer.get(self.start..self.filled).unwrap_or_default();
        match cut(bytes, self.limit)? {
            Cut::Frame(frame) => {
                self.start += frame.bytes();
                debug_assert!(self.start <= self.filled);
                Ok(Some(frame))
            }
            Cut::Partial { .. } => Ok(None),
        }
    }

    fn check(&self) {
        debug_assert!(self.start <= self.filled && self.filled <= self.buffer.len());
    }
}

#[cfg(test)]
mod tests {
    use super::{Cut, Framer, ROOM_BYTES, cut};
    use crate::error::DecodeError;
    use crate::header::Header;

    fn frame(id: u32, payload: &[u8]) -> Vec<u8> {
        let header = Header {
            length: u32::try_from(payload.len()).unwrap(),
            id,
            ..Header::default()
        };
        [&header.write(), payload].concat()
    }

    #[test]
    fn frames_come_out_the_same_wherever_the_bytes_are_cut() {
        let payloads: [&[u8]; 4] = [b"", b"a", &[7; 300], &[9; 70_000]];
        let stream: Vec<u8> = (0..).zip(payloads).flat_map(|(n, p)| frame(n, p)).collect();
        for piece in [1, 2, 11, 12, 13, 4_096, stream.len()] {
            let mut framer = Framer::new(70_000);
            let mut seen = Vec::new();
            for bytes in stream.chunks(piece) {
                framer.extend(bytes);
                while let Some(frame) = framer.take().unwrap() {
                    seen.push((frame.header.id, frame.payload.to_vec()));
                }
            }
            let expected: Vec<_> = (0..).zip(payloads.map(<[u8]>::to_vec)).collect();
            assert_eq!(seen, expected);
            assert_eq!(framer.waiting(), 0);
        }
    }

    #[test]
    fn missing_bytes_are_told_until_the_frame_is_whole() {
        let whole = frame(1, b"payload");
        for end in 0..whole.len() {
            let missing = if end < 12 {
                12 - end
            } else {
                whole.len() - end
            };
            assert_eq!(cut(&whole[..end], 7), Ok(Cut::Partial { missing }));
        }
        assert!(matches!(cut(&whole, 7), Ok(Cut::Frame(f)) if f.payload == b"payload"));
    }

    #[test]
    fn oversize_frame_is_refused_by_its_header_alone() {
        let whole = frame(5, &[0; 8]);
        let refused = Err(DecodeError::FrameTooLarge {
            id: 5,
            opcode: 0,
            length: 8,
        });
        assert_eq!(cut(&whole[..11], 7), Ok(Cut::Partial { missing: 1 }));
        assert_eq!(cut(&whole[..12], 7).map(|_| ()), refused);
        let mut framer = Framer::new(7);
        framer.extend(&whole);
        assert_eq!(framer.take().map(|_| ()), refused);
        assert_eq!(framer.take().map(|_| ()), refused);
    }

    #[test]
    fn memory_follows_what_has_arrived_and_not_what_was_announced() {
        let mut framer = Framer::new(1 << 20);
        framer.extend(&frame(1, &vec![0; 1 << 20])[..100]);
        assert!(framer.take().unwrap().is_none());
        assert!(!framer.room().is_empty());
        assert!(framer.capacity() <= 2 * ROOM_BYTES, "{}", framer.capacity());
    }

    #[test]
    fn memory_of_a_long_stream_of_small_frames_stays_small() {
        let mut framer = Framer::new(100);
        for id in 0..10_000 {
            framer.extend(&frame(id, &[1; 100]));
            assert_eq!(framer.take().unwrap().unwrap().header.id, id);
        }
        assert!(framer.capacity() <= 4 * ROOM_BYTES);
    }
}
