//! Reading a body as it arrives: by length, or chunk by chunk. Nothing is kept here.

use crate::limits;
use crate::net::http::head::{Fault, Framing};

/// Bytes of chunk lines allowed in advance, and for every byte of data: a body made of tiny chunks
/// with long extensions is an attack.
const CHUNK_OVERHEAD_BYTES: u64 = 16 << 10;
const CHUNK_OVERHEAD_PER_BYTE: u64 = 16;

/// Follows a body to its end.
#[derive(Clone, Debug)]
pub struct BodyReader {
    state: State,
    /// Bytes spent on chunk lines, less what the data allow for.
    overhead: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// So many bytes are left of a body of known length.
    Length(u64),
    /// In the hex digits of a chunk's size.
    Size { value: u32, digits: usize },
    /// In a chunk extension; the line has so many bytes.
    Extension { value: u32, line: usize },
    /// Behind the carriage return of a chunk line.
    SizeEnd { value: u32 },
    /// So many bytes are left of a chunk.
    Data(u32),
    /// Behind a chunk's data.
    DataReturn,
    /// Behind a chunk's data and a carriage return.
    DataEnd,
    /// In a trailer; so many bytes of trailers were read, so many of them in this line.
    Trailer { total: usize, line: usize },
    /// Behind the carriage return of a trailer line.
    TrailerEnd { total: usize, line: usize },
    /// At the end.
    Done,
}

impl BodyReader {
    /// A reader at the start of a body.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Empty => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size {
                value: 0,
                digits: 0,
            },
        };
        Self { state, overhead: 0 }
    }

    /// Whether the body has come to its end.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done | State::Length(0))
    }

    /// Reads from the start of `bytes` and says how many it took and which of them are the next
    /// piece of the body. It takes everything up to the end of the body or of one piece; call it
    /// again with the rest until it takes nothing.
    ///
    /// # Errors
    /// A [`Fault`] when the chunks are malformed or their lines or trailers too long.
    pub fn read<'b>(&mut self, bytes: &'b [u8]) -> Result<(usize, &'b [u8]), Fault> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            match self.state {
                State::Done | State::Length(0) => break,
                State::Length(left) => {
                    let piece = piece(bytes, at, left);
                    self.state = State::Length(left - u64_of(piece.len()));
                    return Ok((at + piece.len(), piece));
                }
                State::Data(left) => {
                    let piece = piece(bytes, at, u64::from(left));
                    let taken = u32::try_from(piece.len()).unwrap_or(left);
                    self.state = match left - taken {
                        0 => State::DataReturn,
                        left => State::Data(left),
                    };
                    let allowed = u64::from(taken) * CHUNK_OVERHEAD_PER_BYTE;
                    self.overhead = self.overhead.saturating_sub(allowed);
                    return Ok((at + piece.len(), piece));
                }
                State::Size { .. }
                | State::Extension { .. }
                | State::SizeEnd { .. }
                | State::DataReturn
                | State::DataEnd
                | State::Trailer { .. }
                | State::TrailerEnd { .. } => {
                    self.state = self.state.step(*byte)?;
                    self.overhead += 1;
                    if self.overhead > CHUNK_OVERHEAD_BYTES {
                        return Err(Fault::bad("the chunk lines outweigh the chunks"));
                    }
                    at += 1;
                }
            }
        }
        Ok((at, &[]))
    }
}

impl State {
    /// The state behind one more byte between the pieces of data.
    fn step(self, byte: u8) -> Result<Self, Fault> {
        match self {
            Self::Size { value, digits } => size_step(value, digits, byte),
            Self::Extension { value, line } => match byte {
                b'\r' => Ok(Self::SizeEnd { value }),
                b'\t' | b' '..=b'~' | 0x80.. if line < limits::CHUNK_LINE_BYTES => {
                    Ok(Self::Extension {
                        value,
                        line: line + 1,
                    })
                }
                _ => Err(Fault::bad("a chunk extension is malformed or too long")),
            },
            Self::SizeEnd { value } => match (byte, value) {
                (b'\n', 0) => Ok(Self::Trailer { total: 0, line: 0 }),
                (b'\n', size) => Ok(Self::Data(size)),
                _ => Err(Fault::bad("a chunk line is malformed")),
            },
            Self::DataReturn if byte == b'\r' => Ok(Self::DataEnd),
            Self::DataEnd if byte == b'\n' => Ok(Self::Size {
                value: 0,
                digits: 0,
            }),
            Self::DataReturn | Self::DataEnd => {
                Err(Fault::bad("a chunk is longer than its size says"))
            }
            Self::Trailer { total, line } => match byte {
                b'\r' => Ok(Self::TrailerEnd { total, line }),
                b'\n' | 0 => Err(Fault::bad("a trailer is malformed")),
                _ if total >= limits::TRAILER_BYTES => Err(Fault {
                    status: 431,
                    reason: "the trailers are too large",
                }),
                _ => Ok(Self::Trailer {
                    total: total + 1,
                    line: line + 1,
                }),
            },
            Self::TrailerEnd { total, line } => match (byte, line) {
                (b'\n', 0) => Ok(Self::Done),
                (b'\n', _) => Ok(Self::Trailer { total, line: 0 }),
                _ => Err(Fault::bad("a trailer is malformed")),
            },
            Self::Length(_) | Self::Data(_) | Self::Done => Ok(self),
        }
    }
}

fn size_step(value: u32, digits: usize, byte: u8) -> Result<State, Fault> {
    match (byte, char::from(byte).to_digit(16)) {
        (_, Some(digit)) if digits < 8 => Ok(State::Size {
            value: (value << 4) | digit,
            digits: digits + 1,
        }),
        (b'\r', None) if digits > 0 => Ok(State::SizeEnd { value }),
        (b';', None) if digits > 0 => Ok(State::Extension {
            value,
            line: digits + 1,
        }),
        _ => Err(Fault::bad("a chunk size is malformed")),
    }
}

fn piece(bytes: &[u8], at: usize, most: u64) -> &[u8] {
    let rest = bytes.get(at..).unwrap_or_default();
    let most = usize::try_from(most).unwrap_or(usize::MAX).min(rest.len());
    rest.get(..most).unwrap_or_default()
}

fn u64_of(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
