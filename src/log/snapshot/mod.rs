//! A snapshot: all sessions in one file, in chunks that are checked one by one. Also the format of
//! backups. FORMAT.md draws it.

mod reader;
mod writer;

pub use reader::{
    BadSnapshot, Chunk, ChunkPlace, Creates, Places, Problem, SnapshotReader, Source,
};
pub use writer::SnapshotWriter;

use crate::clock::Millis;
use crate::log::key::KeyId;
use crate::log::segment::{BadHeader, HEADER_PAGE, PageReader, PageWriter};
use crate::model::Position;

const MAGIC: [u8; 8] = *b"CLKRSNP1";
const KEY_BUNDLED: u32 = 1;

/// Bytes of a chunk's header.
const CHUNK_HEADER: usize = 32;
/// A chunk is closed once its body has so many bytes.
const CHUNK_BYTES: usize = 256 << 10;
/// Bytes that a chunk's body may have.
const CHUNK_BYTES_MAX: usize = 4 << 20;

const _: () = assert!(CHUNK_BYTES + super::record::RECORD_BYTES_MAX <= CHUNK_BYTES_MAX);

/// What the header of a snapshot says.
#[derive(Clone, PartialEq, Eq)]
pub struct SnapshotHeader {
    /// The snapshot's number: that of the first segment that is read on top of it.
    pub number: u64,
    /// The position of the first block of that segment.
    pub first: Position,
    /// The newest epoch of any app: later ones are higher.
    pub epochs: u32,
    /// When it was begun. The times in it are counted from here.
    pub created: Millis,
    /// Random bytes that go into the checksum of every chunk.
    pub salt: [u8; 16],
    /// Which secret the tags and sealed tokens in it were made with.
    pub key_id: KeyId,
    /// That secret itself, in a backup that was asked to carry it.
    pub bundled_key: Option<[u8; 32]>,
}

impl std::fmt::Debug for SnapshotHeader {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SnapshotHeader")
            .field("number", &self.number)
            .field("first", &self.first)
            .field("epochs", &self.epochs)
            .field("created", &self.created)
            .field("key_id", &self.key_id)
            .field("key_is_bundled", &self.bundled_key.is_some())
            .finish_non_exhaustive()
    }
}

impl SnapshotHeader {
    /// The header page as it stands in the file.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_PAGE] {
        let flags = if self.bundled_key.is_some() {
            KEY_BUNDLED
        } else {
            0
        };
        let mut page = PageWriter::new(MAGIC, flags);
        page.put(&self.number.to_le_bytes());
        page.put(&self.first.0.to_le_bytes());
        page.put(&self.epochs.to_le_bytes());
        page.put(&0u32.to_le_bytes());
        page.put(&self.created.0.to_le_bytes());
        page.put(&self.salt);
        page.put(&self.key_id.bytes());
        page.put(&self.bundled_key.unwrap_or_default());
        page.finish()
    }

    /// Reads the header from the front of a file.
    ///
    /// # Errors
    /// [`BadHeader`] says why there is none. A bundled key that is not the one of the key id is
    /// [`BadHeader::Field`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BadHeader> {
        let mut page = PageReader::open(bytes, MAGIC, KEY_BUNDLED)?;
        let number = page.take_u64();
        let first = Position(page.take_u64());
        let epochs = page.take_u32();
        let reserved = page.take_u32();
        let created = Millis(page.take_u64());
        let salt = page.take();
        let key_id = KeyId::from_bytes(page.take());
        let key: [u8; 32] = page.take();
        let is_bundled = page.flags() & KEY_BUNDLED != 0;
        let key_fits = if is_bundled {
            KeyId::of(&key) == key_id
        } else {
            key == [0; 32]
        };
        let fits = number > 0 && first > Position(0) && reserved == 0 && key_fits;
        if !fits || !page.is_zero_to_the_end() {
            return Err(BadHeader::Field);
        }
        Ok(Self {
            number,
            first,
            epochs,
            created,
            salt,
            key_id,
            bundled_key: is_bundled.then_some(key),
        })
    }
}

/// What a whole snapshot comes to.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SnapshotTotals {
    /// Sessions.
    pub records: u64,
    /// Chunks.
    pub chunks: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// The header of a chunk, or the footer: the one without a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct ChunkHeader {
    length: u32,
    checksum: u32,
    /// The chunk's number, from 0. In the footer: how many chunks there are.
    index: u64,
    /// The time from which the times in its records are counted. In the footer: how many records
    /// the snapshot holds.
    time: u64,
    count: u32,
    reserved: u32,
}

impl ChunkHeader {
    fn bytes(&self) -> [u8; CHUNK_HEADER] {
        let mut bytes = [0u8; CHUNK_HEADER];
        let fields = self
            .length
            .to_le_bytes()
            .into_iter()
            .chain(self.checksum.to_le_bytes())
            .chain(self.index.to_le_bytes())
            .chain(self.time.to_le_bytes())
            .chain(self.count.to_le_bytes())
            .chain(self.reserved.to_le_bytes());
        for (place, byte) in bytes.iter_mut().zip(fields) {
            *place = byte;
        }
        bytes
    }

    fn read(bytes: &[u8; CHUNK_HEADER]) -> Self {
        let mut words = [0u32; CHUNK_HEADER / 4];
        let (chunks, _) = bytes.as_chunks::<4>();
        for (word, chunk) in words.iter_mut().zip(chunks) {
            *word = u32::from_le_bytes(*chunk);
        }
        let [
            length,
            checksum,
            index,
            index_high,
            time,
            time_high,
            count,
            reserved,
        ] = words;
        let wide = |low, high| u64::from(high) << 32 | u64::from(low);
        Self {
            length,
            checksum,
            index: wide(index, index_high),
            time: wide(time, time_high),
            count,
            reserved,
        }
    }

    /// Over the salt, the header without the checksum's own field, and the body.
    fn checksum_with(&self, salt: &[u8; 16], body: &[u8]) -> u32 {
        let bytes = self.bytes();
        let mut sum = crc32c::crc32c(salt);
        sum = crc32c::crc32c_append(sum, bytes.get(..4).unwrap_or_default());
        sum = crc32c::crc32c_append(sum, bytes.get(8..).unwrap_or_default());
        crc32c::crc32c_append(sum, body)
    }
}
