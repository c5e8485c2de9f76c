//! Reads a snapshot chunk by chunk, each checked on its own, so that several threads can share it.

use std::io;

use crate::clock::Millis;
use crate::log::block::Records;
use crate::log::disk::DiskFile;
use crate::log::record::BadRecord;
use crate::log::segment::{BadHeader, HEADER_PAGE};
use crate::log::snapshot::{
    CHUNK_BYTES_MAX, CHUNK_HEADER, ChunkHeader, SnapshotHeader, SnapshotTotals,
};
use crate::model::U48;
use crate::model::change::CreateChange;

/// Where the bytes of a snapshot come from.
pub trait Source: Send + Sync {
    /// How many bytes there are.
    ///
    /// # Errors
    /// What the system says.
    fn length(&self) -> io::Result<u64>;

    /// Reads into `bytes` from `offset` on; answers how many there were, fewer only at the end.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize>;
}

impl Source for Box<dyn DiskFile> {
    fn length(&self) -> io::Result<u64> {
        self.as_ref().length()
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        self.as_ref().read_at(offset, bytes)
    }
}

impl Source for &[u8] {
    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(offset).map_or(self.len(), |start| start.min(self.len()));
        let (_, rest) = self.split_at(start);
        let length = rest.len().min(bytes.len());
        for (place, byte) in bytes.iter_mut().zip(rest) {
            *place = *byte;
        }
        Ok(length)
    }
}

/// Why a snapshot cannot be used.
#[derive(Debug)]
pub struct BadSnapshot {
    /// The byte of the file at which it shows.
    pub offset: u64,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a snapshot.
#[derive(Debug)]
pub enum Problem {
    /// The system could not read it.
    Read(io::Error),
    /// Its header.
    Header(BadHeader),
    /// It ends before its footer.
    Short,
    /// No chunk of the expected number stands here.
    Chunk,
    /// The checksum of a chunk or of the footer does not fit.
    Checksum,
    /// The checksum of a chunk fits, but its records do not.
    Records(BadRecord),
    /// The footer says another number of records than the chunks.
    Total {
        /// What the footer says.
        said: u64,
        /// What the chunks come to.
        found: u64,
    },
    /// Bytes follow the footer.
    Surplus,
}

impl std::fmt::Display for BadSnapshot {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "at byte {}: ", self.offset)?;
        match &self.problem {
            Problem::Read(error) => write!(out, "it cannot be read: {error}"),
            Problem::Header(error) => write!(out, "{error}"),
            Problem::Short => out.write_str("the snapshot ends before its footer"),
            Problem::Chunk => out.write_str("no chunk of the snapshot stands here"),
            Problem::Checksum => out.write_str("the checksum of a chunk does not fit"),
            Problem::Records(error) => write!(out, "a chunk holds what is no record: {error}"),
            Problem::Total { said, found } => {
                write!(out, "the footer says {said} sessions, there are {found}")
            }
            Problem::Surplus => out.write_str("bytes follow the footer of the snapshot"),
        }
    }
}

impl std::error::Error for BadSnapshot {}

fn bad(offset: u64, problem: Problem) -> BadSnapshot {
    BadSnapshot { offset, problem }
}

/// Where a chunk stands, as its header has it. Believed only once the chunk was loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkPlace {
    /// Where its header begins.
    pub offset: u64,
    header: ChunkHeader,
}

impl ChunkPlace {
    /// How many sessions it holds.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.header.count
    }

    /// Bytes of the chunk, header included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        CHUNK_HEADER as u64 + u64::from(self.header.length)
    }
}

/// A snapshot that is being read. It has no state but its header, so threads can share it.
pub struct SnapshotReader<S> {
    source: S,
    header: SnapshotHeader,
    length: u64,
}

impl<S: Source> SnapshotReader<S> {
    /// Reads and checks the header.
    ///
    /// # Errors
    /// [`BadSnapshot`] when it cannot be read or is none.
    pub fn open(source: S) -> Result<Self, BadSnapshot> {
        let length = source.length().map_err(|e| bad(0, Problem::Read(e)))?;
        let mut page = vec![0u8; HEADER_PAGE];
        let read = source.read_at(0, &mut page);
        page.truncate(read.map_err(|e| bad(0, Problem::Read(e)))?);
        let header = SnapshotHeader::decode(&page).map_err(|e| bad(0, Problem::Header(e)))?;
        Ok(Self {
            source,
            header,
            length,
        })
    }

    /// What its header says.
    #[must_use]
    pub fn header(&self) -> &SnapshotHeader {
        &self.header
    }

    /// Bytes of the file.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The places of all chunks, in order: reads their headers only, and checks the footer, the total
    /// and the length of the file at the end. The snapshot is whole when the walk came to its end
    /// without an error and every chunk could be loaded.
    pub fn places(&self) -> Places<'_, S> {
        Places {
            reader: self,
            offset: HEADER_PAGE as u64,
            index: 0,
            records: 0,
            ended: false,
        }
    }

    /// Reads and checks one chunk. `buffer` is room for its bytes, to be used again for the next: it
    /// grows to at most 4 MiB.
    ///
    /// # Errors
    /// [`BadSnapshot`] when it cannot be read or does not fit its checksum.
    pub fn load<'b>(
        &self,
        place: &ChunkPlace,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Chunk<'b>, BadSnapshot> {
        let length = usize::try_from(place.header.length).unwrap_or(usize::MAX);
        if length > CHUNK_BYTES_MAX {
            return Err(bad(place.offset, Problem::Chunk));
        }
        buffer.resize(length, 0);
        self.read_exactly(place.offset + CHUNK_HEADER as u64, buffer)?;
        if place.header.checksum_with(&self.header.salt, buffer) != place.header.checksum {
            return Err(bad(place.offset, Problem::Checksum));
        }
        Ok(Chunk {
            place: *place,
            body: buffer,
        })
    }

    /// Reads and checks everything, and hands no session out. `progress` is told how many bytes are
    /// done, after every chunk.
    ///
    /// # Errors
    /// [`BadSnapshot`] names the first thing that is wrong.
    pub fn verify(&self, mut progress: impl FnMut(u64)) -> Result<SnapshotTotals, BadSnapshot> {
        let mut buffer = Vec::new();
        let mut totals = SnapshotTotals {
            bytes: self.length,
            ..SnapshotTotals::default()
        };
        for place in self.places() {
            let place = place?;
            for create in self.load(&place, &mut buffer)?.creates() {
                create?;
                totals.records += 1;
            }
            totals.chunks += 1;
            progress(place.offset + place.bytes());
        }
        progress(self.length);
        Ok(totals)
    }

    fn read_exactly(&self, offset: u64, bytes: &mut [u8]) -> Result<(), BadSnapshot> {
        match self.source.read_at(offset, bytes) {
            Ok(read) if read == bytes.len() => Ok(()),
            Ok(_) => Err(bad(offset, Problem::Short)),
            Err(error) => Err(bad(offset, Problem::Read(error))),
        }
    }
}

/// The chunks of a snapshot, see [`SnapshotReader::places`]. Ends behind the footer or an error.
pub struct Places<'r, S> {
    reader: &'r SnapshotReader<S>,
    offset: u64,
    index: u64,
    records: u64,
    ended: bool,
}

impl<S: Source> Places<'_, S> {
    fn step(&mut self) -> Result<Option<ChunkPlace>, BadSnapshot> {
        let offset = self.offset;
        let mut bytes = [0u8; CHUNK_HEADER];
        self.reader.read_exactly(offset, &mut bytes)?;
        let header = ChunkHeader::read(&bytes);
        let ChunkHeader { length, count, .. } = header;
        if header.index != self.index || header.reserved != 0 || (length == 0) != (count == 0) {
            return Err(bad(offset, Problem::Chunk));
        }
        if length == 0 {
            self.check_footer(&header)?;
            return Ok(None);
        }
        let too_long = usize::try_from(length).is_ok_and(|length| length > CHUNK_BYTES_MAX);
        if too_long || count > length || header.time > U48::MAX {
            return Err(bad(offset, Problem::Chunk));
        }
        self.index += 1;
        self.records += u64::from(count);
        let place = ChunkPlace { offset, header };
        self.offset += place.bytes();
        Ok(Some(place))
    }

    fn check_footer(&self, footer: &ChunkHeader) -> Result<(), BadSnapshot> {
        let problem = if footer.checksum_with(&self.reader.header.salt, &[]) != footer.checksum {
            Problem::Checksum
        } else if footer.time != self.records {
            Problem::Total {
                said: footer.time,
                found: self.records,
            }
        } else if self.offset + CHUNK_HEADER as u64 != self.reader.length {
            Problem::Surplus
        } else {
            return Ok(());
        };
        Err(bad(self.offset, problem))
    }
}

impl<S: Source> Iterator for Places<'_, S> {
    type Item = Result<ChunkPlace, BadSnapshot>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let place = self.step().transpose();
        self.ended = !matches!(place, Some(Ok(_)));
        place
    }
}

/// A chunk whose checksum fits.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'b> {
    place: ChunkPlace,
    body: &'b [u8],
}

impl<'b> Chunk<'b> {
    /// Its sessions, in order. After an error there is nothing more.
    #[must_use]
    pub fn creates(&self) -> Creates<'b> {
        let ChunkHeader { time, count, .. } = self.place.header;
        Creates {
            offset: self.place.offset,
            records: Records::new(self.body, Millis(time), count),
        }
    }
}

/// The sessions of a chunk.
#[derive(Clone, Debug)]
pub struct Creates<'b> {
    offset: u64,
    records: Records<'b>,
}

impl<'b> Iterator for Creates<'b> {
    type Item = Result<CreateChange<'b>, BadSnapshot>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let refuse = |error| Err(bad(self.offset, Problem::Records(error)));
        Some(match self.records.next_create()? {
            Ok(create) => Ok(create),
            Err(error) => refuse(error),
        })
    }
}
