//! The header page of a segment: which part of the log the file holds, and under which key.

use crate::clock::Millis;
use crate::log::key::KeyId;
use crate::model::Position;

/// Bytes of the header of a segment or a snapshot: one page of the disk.
pub const HEADER_PAGE: usize = 4096;
/// The version of both formats that this program writes, and the only one it reads.
pub const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"CLKRSEG1";
const OWN_SNAPSHOT: u32 = 1;

/// What the header of a segment says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentHeader {
    /// The segment's number, as in its name.
    pub number: u64,
    /// The position of its first block.
    pub first: Position,
    /// The highest position that was known to be synced when it was begun; below `first`.
    pub synced: Position,
    /// When it was begun.
    pub created: Millis,
    /// Random bytes that go into the checksum of every block, so that no block of another file fits.
    pub salt: [u8; 16],
    /// Which secret the tags and sealed tokens in it were made with.
    pub key_id: KeyId,
    /// It was begun to heal a failure, and what came before it is whole only with the snapshot of
    /// the same number.
    pub own_snapshot: bool,
}

/// Why a page is no header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadHeader {
    /// The file ends within its header.
    Short,
    /// It does not begin as such a file does.
    Magic,
    /// The checksum does not fit.
    Checksum,
    /// It is of a version that this program does not know.
    Version(u32),
    /// The checksum fits, but a field holds what this version never writes.
    Field,
}

impl std::fmt::Display for BadHeader {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Short => out.write_str("the file ends within its header"),
            Self::Magic => out.write_str("the file does not begin as one of its kind"),
            Self::Checksum => out.write_str("the checksum of the header does not fit"),
            Self::Version(version) => write!(
                out,
                "the file is of version {version}, this program knows version {VERSION}: \
                 use a newer program"
            ),
            Self::Field => out.write_str("a field of the header holds what no version 1 has"),
        }
    }
}

impl std::error::Error for BadHeader {}

impl SegmentHeader {
    /// The header page as it stands in the file.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_PAGE] {
        let mut page = PageWriter::new(MAGIC, if self.own_snapshot { OWN_SNAPSHOT } else { 0 });
        page.put(&self.number.to_le_bytes());
        page.put(&self.first.0.to_le_bytes());
        page.put(&self.synced.0.to_le_bytes());
        page.put(&self.created.0.to_le_bytes());
        page.put(&self.salt);
        page.put(&self.key_id.bytes());
        page.finish()
    }

    /// Reads the header from the front of a file.
    ///
    /// # Errors
    /// [`BadHeader`] says why there is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadHeader> {
        let mut page = PageReader::open(bytes, MAGIC, OWN_SNAPSHOT)?;
        let header = Self {
            number: page.take_u64(),
            first: Position(page.take_u64()),
            synced: Position(page.take_u64()),
            created: Millis(page.take_u64()),
            salt: page.take(),
            key_id: KeyId::from_bytes(page.take()),
            own_snapshot: page.flags() & OWN_SNAPSHOT != 0,
        };
        let fits = header.number > 0 && header.synced < header.first;
        if fits && page.is_zero_to_the_end() {
            Ok(header)
        } else {
            Err(BadHeader::Field)
        }
    }
}

/// Lays out a header page: magic, version, flags, fields, zeros, checksum.
pub(super) struct PageWriter {
    page: [u8; HEADER_PAGE],
    at: usize,
}

impl PageWriter {
    pub(super) fn new(magic: [u8; 8], flags: u32) -> Self {
        let mut writer = Self {
            page: [0; HEADER_PAGE],
            at: 0,
        };
        writer.put(&magic);
        writer.put(&VERSION.to_le_bytes());
        writer.put(&flags.to_le_bytes());
        writer
    }

    pub(super) fn put(&mut self, field: &[u8]) {
        let place = self.page.get_mut(self.at..self.at + field.len());
        debug_assert!(place.is_some(), "all fields fit into the page");
        if let Some(place) = place {
            place.copy_from_slice(field);
        }
        self.at += field.len();
    }

    pub(super) fn finish(mut self) -> [u8; HEADER_PAGE] {
        if let Some((covered, place)) = self.page.split_last_chunk_mut::<4>() {
            *place = crc32c::crc32c(covered).to_le_bytes();
        }
        self.page
    }
}

/// Reads what [`PageWriter`] laid out. Fields are taken in order.
pub(super) struct PageReader<'a> {
    flags: u32,
    rest: &'a [u8],
}

impl<'a> PageReader<'a> {
    /// Checks the page: magic first, so that a file of another kind is told as such, then the
    /// checksum, then the version and the flags.
    pub(super) fn open(
        bytes: &'a [u8],
        magic: [u8; 8],
        known_flags: u32,
    ) -> Result<Self, BadHeader> {
        let (page, _) = bytes
            .split_first_chunk::<HEADER_PAGE>()
            .ok_or(BadHeader::Short)?;
        let Some((covered, sum)) = page.split_last_chunk::<4>() else {
            return Err(BadHeader::Short);
        };
        let mut reader = Self {
            flags: 0,
            rest: covered,
        };
        if reader.take() != magic {
            return Err(BadHeader::Magic);
        }
        if crc32c::crc32c(covered) != u32::from_le_bytes(*sum) {
            return Err(BadHeader::Checksum);
        }
        let version = reader.take_u32();
        if version != VERSION {
            return Err(BadHeader::Version(version));
        }
        reader.flags = reader.take_u32();
        if reader.flags & !known_flags != 0 {
            return Err(BadHeader::Field);
        }
        Ok(reader)
    }

    pub(super) fn flags(&self) -> u32 {
        self.flags
    }

    pub(super) fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.rest.split_first_chunk::<N>() {
            Some((field, rest)) => {
                self.rest = rest;
                *field
            }
            None => [0; N],
        }
    }

    pub(super) fn take_u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    pub(super) fn take_u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    pub(super) fn is_zero_to_the_end(&self) -> bool {
        self.rest.iter().all(|byte| *byte == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::{BadHeader, HEADER_PAGE, SegmentHeader};
    use crate::clock::Millis;
    use crate::log::key::KeyId;
    use crate::model::Position;

    fn header() -> SegmentHeader {
        SegmentHeader {
            number: 0x0102,
            first: Position(0x0304),
            synced: Position(0x0303),
            created: Millis(0x0506),
            salt: [0xa5; 16],
            key_id: KeyId::from_bytes([0x5a; 16]),
            own_snapshot: false,
        }
    }

    /// The page with `bytes` at `place` and a checksum that fits.
    fn altered(place: usize, bytes: &[u8]) -> [u8; HEADER_PAGE] {
        let mut page = header().encode();
        page[place..place + bytes.len()].copy_from_slice(bytes);
        let sum = crc32c::crc32c(&page[..4092]);
        page[4092..].copy_from_slice(&sum.to_le_bytes());
        page
    }

    #[test]
    fn headers_round_trip_and_are_laid_out_as_they_are_drawn() {
        for own_snapshot in [false, true] {
            let header = SegmentHeader {
                own_snapshot,
                ..header()
            };
            let page = header.encode();
            assert_eq!(SegmentHeader::decode(&page), Ok(header));
            assert_eq!(page[..12], *b"CLKRSEG1\x01\0\0\0");
            assert_eq!(page[12..16], [u8::from(own_snapshot), 0, 0, 0]);
            assert_eq!(page[16..24], 0x0102u64.to_le_bytes());
            assert_eq!(page[24..32], 0x0304u64.to_le_bytes());
            assert_eq!(page[32..40], 0x0303u64.to_le_bytes());
            assert_eq!(page[40..48], 0x0506u64.to_le_bytes());
            assert_eq!(page[48..64], [0xa5; 16]);
            assert_eq!(page[64..80], [0x5a; 16]);
            assert_eq!(page[80..4092], [0; 4012]);
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let page = header().encode();
        for bit in 0..HEADER_PAGE * 8 {
            let mut flipped = page;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&flipped).is_err(), "bit {bit}");
        }
        for length in 0..HEADER_PAGE {
            let cut = SegmentHeader::decode(&page[..length]);
            assert_eq!(cut, Err(BadHeader::Short));
        }
    }

    #[test]
    fn other_versions_and_unknown_fields_are_refused_by_name() {
        let decode = |place, bytes: &[u8]| SegmentHeader::decode(&altered(place, bytes));
        assert_eq!(decode(8, &[2]), Err(BadHeader::Version(2)));
        assert_eq!(decode(0, b"CLKRSNP1"), Err(BadHeader::Magic));
        assert_eq!(decode(12, &[2]), Err(BadHeader::Field), "flags");
        assert_eq!(decode(16, &[0; 8]), Err(BadHeader::Field), "number 0");
        assert_eq!(decode(32, &[4, 3]), Err(BadHeader::Field), "synced = first");
        assert_eq!(decode(80, &[1]), Err(BadHeader::Field), "zeros");
        assert_eq!(decode(4091, &[1]), Err(BadHeader::Field), "zeros");
        assert_eq!(decode(16, &[2, 1]), Ok(header()));
    }
}
