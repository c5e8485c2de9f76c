//! Reads one segment: its blocks in order, and what stands where they end.
//!
//! Reading is the same for recovery and for `check`. Whether an end is a torn tail or damage cannot
//! be told from one segment: it depends on the highest position that any file names as synced. So
//! [`Blocks::end`] says what was found, and [`SegmentEnd::judge`] decides once all is known.

use std::io;

use crate::log::block::{self, BadBlock, Block};
use crate::log::disk::DiskFile;
use crate::log::record::BadRecord;
use crate::log::search::Search;
use crate::log::segment::{BadHeader, HEADER_PAGE, SegmentHeader};
use crate::model::Position;

/// Bytes that one read asks for.
const PIECE: usize = 1 << 20;

/// Bytes that a segment may have: it is held in memory while it is read.
pub const SEGMENT_BYTES_MAX: u64 = 2 << 30;

/// A segment in memory, with a valid header.
pub struct Segment {
    header: SegmentHeader,
    bytes: Vec<u8>,
}

/// Why there is no segment to be read.
#[derive(Debug)]
pub enum BadSegment {
    /// The system could not read it.
    Read(io::Error),
    /// Its header.
    Header(BadHeader),
    /// It is longer than any segment.
    TooLong(u64),
}

impl std::fmt::Display for BadSegment {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(error) => write!(out, "it cannot be read: {error}"),
            Self::Header(error) => write!(out, "at byte 0: {error}"),
            Self::TooLong(length) => write!(
                out,
                "it has {length} bytes, a segment has at most {SEGMENT_BYTES_MAX}"
            ),
        }
    }
}

impl std::error::Error for BadSegment {}

impl Segment {
    /// Reads a whole segment.
    ///
    /// # Errors
    /// [`BadSegment`] when it cannot be read or has no valid header.
    pub fn load(file: &dyn DiskFile) -> Result<Self, BadSegment> {
        let length = file.length().map_err(BadSegment::Read)?;
        if length > SEGMENT_BYTES_MAX {
            return Err(BadSegment::TooLong(length));
        }
        let mut bytes = vec![0u8; usize::try_from(length).unwrap_or(0)];
        let (mut offset, mut filled) = (0, 0);
        for piece in bytes.chunks_mut(PIECE) {
            let read = file.read_at(offset, piece).map_err(BadSegment::Read)?;
            filled += read;
            offset += piece.len() as u64;
            if read < piece.len() {
                break;
            }
        }
        bytes.truncate(filled);
        Self::from_bytes(bytes).map_err(BadSegment::Header)
    }

    /// The segment that `bytes` are.
    ///
    /// # Errors
    /// [`BadHeader`] when they do not begin with a valid header.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, BadHeader> {
        let header = SegmentHeader::decode(&bytes)?;
        Ok(Self { header, bytes })
    }

    /// What its header says.
    #[must_use]
    pub fn header(&self) -> &SegmentHeader {
        &self.header
    }

    /// All its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its blocks in order, up to the first place where the next one does not stand. With `below`,
    /// the first position of the next segment, the blocks from there on are none of the log's.
    #[must_use]
    pub fn blocks(&self, below: Option<Position>) -> Blocks<'_> {
        Blocks {
            segment: self,
            below,
            offset: HEADER_PAGE,
            next: self.header.first,
            synced: self.header.synced,
            stopped_by: None,
        }
    }
}

/// The blocks of a segment, see [`Segment::blocks`].
#[derive(Clone)]
pub struct Blocks<'a> {
    segment: &'a Segment,
    below: Option<Position>,
    offset: usize,
    next: Position,
    synced: Position,
    stopped_by: Option<Stop>,
}

#[derive(Clone, Copy, Debug)]
enum Stop {
    Limit,
    Bad(Reason),
}

/// Why the expected block does not stand where it should.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// There is no valid block.
    Block(BadBlock),
    /// There is one, but of another position.
    Position(Position),
}

impl std::fmt::Display for Reason {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Block(error) => write!(out, "{error}"),
            Self::Position(Position(found)) => {
                write!(out, "the block of another position, {found}, stands here")
            }
        }
    }
}

impl<'a> Blocks<'a> {
    /// Where the next block begins in the file; behind the last `next()`, where that block ends.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Reads what is left, and says how the segment ends.
    #[must_use]
    pub fn end(mut self) -> SegmentEnd {
        let stop = loop {
            if let Some(stop) = self.stopped_by {
                break stop;
            }
            self.next();
        };
        let rest = match stop {
            Stop::Limit => Rest::NextSegment,
            Stop::Bad(reason) => self.look_behind(reason),
        };
        SegmentEnd {
            number: self.segment.header.number,
            offset: self.offset,
            next: self.next,
            synced: self.synced,
            rest,
        }
    }

    /// What stands behind the last block that is in order.
    fn look_behind(&mut self, reason: Reason) -> Rest {
        let rest = self.rest();
        let Some(written) = written_bytes(rest) else {
            return Rest::Zeros;
        };
        let mut later = None;
        for block in Search::new(rest, &self.segment.header.salt, self.next) {
            self.synced = self.synced.max(block.header.synced);
            later = later.max(Some(block.header.position));
        }
        Rest::Damage {
            reason,
            written_end: self.offset + written,
            later,
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.segment.bytes.get(self.offset..).unwrap_or_default()
    }

    fn step(&mut self) -> Result<Block<'a>, Stop> {
        if self.below.is_some_and(|below| self.next >= below) {
            return Err(Stop::Limit);
        }
        let salt = &self.segment.header.salt;
        let block = block::parse(self.rest(), salt).map_err(|e| Stop::Bad(Reason::Block(e)))?;
        if block.header.position != self.next {
            return Err(Stop::Bad(Reason::Position(block.header.position)));
        }
        self.synced = self.synced.max(block.header.synced);
        self.offset += block.end;
        self.next = Position(self.next.0.saturating_add(1));
        Ok(block)
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.stopped_by.is_some() {
            return None;
        }
        match self.step() {
            Ok(block) => Some(block),
            Err(stop) => {
                self.stopped_by = Some(stop);
                None
            }
        }
    }
}

/// How a segment ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentEnd {
    /// The segment's number.
    pub number: u64,
    /// Where the blocks that are in order end in the file.
    pub offset: usize,
    /// The position of the block that would have followed.
    pub next: Position,
    /// The highest position that the segment names as synced: its header, its blocks, and the valid
    /// blocks behind damage.
    pub synced: Position,
    /// What stands from `offset` on.
    pub rest: Rest,
}

/// What stands behind the last block that is in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rest {
    /// All blocks below the next segment's first were there; what follows is none of the log's.
    NextSegment,
    /// Zeros, or nothing.
    Zeros,
    /// Something else, but not the next block.
    Damage {
        /// What is wrong at its beginning.
        reason: Reason,
        /// Where the last byte that is not zero ends.
        written_end: usize,
        /// The highest position of the valid blocks in it.
        later: Option<Position>,
    },
}

/// What the end of a segment comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// All that must be there is there, and nothing else is.
    Clean {
        /// Where its blocks end in the file.
        end: usize,
    },
    /// A write was cut short before anybody was told that it is safe. What it left is not part of
    /// the log.
    Torn(TornTail),
    /// Blocks that were safe are gone or altered. Nothing from here on can be trusted.
    Damage(Damage),
}

/// The torn tail of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TornTail {
    /// The segment's number.
    pub number: u64,
    /// Its first byte in the file.
    pub start: usize,
    /// Where the last byte that is not zero ends.
    pub end: usize,
    /// The position of the first block that is not there.
    pub first: Position,
    /// The highest position of a whole block in it, if there is any.
    pub later: Option<Position>,
}

/// Damage to what was safe.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// The segment's number.
    pub number: u64,
    /// Where in the file it begins.
    pub offset: usize,
    /// The position of the first block that is missing or wrong.
    pub first: Position,
    /// The highest position that is known to have been there.
    pub last: Position,
    /// What is wrong.
    pub cause: Cause,
}

/// What is wrong with a block that must be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// No such block stands there.
    Reason(Reason),
    /// Zeros stand there, or the file ends.
    Missing,
    /// Its checksum fits, but its records do not.
    Record(BadRecord),
}

impl Damage {
    /// The damage that a valid block is whose records cannot be read: `end` is where the block ends,
    /// see [`Blocks::offset`].
    #[must_use]
    pub fn of_record(number: u64, end: usize, block: &Block<'_>, error: BadRecord) -> Self {
        Self {
            number,
            offset: end.saturating_sub(block.end),
            first: block.header.position,
            last: block.header.position,
            cause: Cause::Record(error),
        }
    }
}

impl std::fmt::Display for TornTail {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { start, end, .. } = self;
        let Position(first) = self.first;
        write!(
            out,
            "bytes {start} to {end}, from block {first} on, were written but never safe"
        )
    }
}

impl std::fmt::Display for Damage {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Position(first) = self.first;
        write!(out, "at byte {}: ", self.offset)?;
        match self.cause {
            Cause::Reason(reason) => write!(out, "{reason}")?,
            Cause::Missing => out.write_str("nothing is written here")?,
            Cause::Record(error) => return write!(out, "block {first} is wrong: {error}"),
        }
        let Position(last) = self.last;
        write!(
            out,
            "; blocks {first} to {last} were safe and are lost or damaged"
        )
    }
}

impl SegmentEnd {
    /// Decides what the end is. All blocks up to `required` must be there: in a segment that another
    /// follows, all below the first of that one; in the last segment, all that any file names as
    /// synced. (What this segment itself names is counted in anyway.)
    ///
    /// A segment with a snapshot of its own makes up for all that was not synced before it: of the
    /// segment in front of it only what it names as synced is required.
    #[must_use]
    pub fn judge(&self, required: Position) -> Verdict {
        let required = match self.rest {
            Rest::NextSegment => required,
            Rest::Zeros | Rest::Damage { .. } => required.max(self.synced),
        };
        if self.next <= required {
            let cause = match self.rest {
                Rest::Damage { reason, .. } => Cause::Reason(reason),
                Rest::Zeros | Rest::NextSegment => Cause::Missing,
            };
            return Verdict::Damage(Damage {
                number: self.number,
                offset: self.offset,
                first: self.next,
                last: required,
                cause,
            });
        }
        match self.rest {
            Rest::NextSegment | Rest::Zeros => Verdict::Clean { end: self.offset },
            Rest::Damage {
                written_end, later, ..
            } => Verdict::Torn(TornTail {
                number: self.number,
                start: self.offset,
                end: written_end,
                first: self.next,
                later,
            }),
        }
    }
}

/// What speaks against `next` being the segment behind `header`.
#[must_use]
pub fn disorder(header: &SegmentHeader, next: &SegmentHeader) -> Option<&'static str> {
    if next.first < header.first {
        Some("the next segment begins at an earlier block")
    } else if next.key_id != header.key_id {
        Some("the next segment was written under another key")
    } else {
        None
    }
}

/// Where the last byte that is not zero ends; `None` when all are zero.
fn written_bytes(bytes: &[u8]) -> Option<usize> {
    // Folding a run has no branch per byte, so the compiler makes it wide.
    let is_written = |run: &&[u8]| run.iter().fold(0, |all, byte| all | byte) != 0;
    let runs = bytes.chunks(RUN).enumerate().rev();
    let (place, run) = { runs }.find(|(_, run)| is_written(run))?;
    let last = run.iter().rposition(|byte| *byte != 0)?;
    Some(place * RUN + last + 1)
}

const RUN: usize = 4096;
