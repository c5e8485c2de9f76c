//! A block: what one write commits. Header, records, and padding to eight bytes; FORMAT.md draws it.

use crate::clock::Millis;
use crate::log::record::{BadRecord, decode, decode_create};
use crate::model::change::CreateChange;
use crate::model::{Change, Position, U48};

/// Bytes of a block's header.
pub const HEADER: usize = 40;
/// Blocks begin at multiples of this.
pub const ALIGNMENT: usize = 8;
/// Bytes that a block's body may have.
pub const BLOCK_BYTES_MAX: usize = 4 << 20;

/// What the header of a block says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockHeader {
    /// The block's number: from 1 on, without gaps, over all segments.
    pub position: Position,
    /// The highest position that was known to be synced when the block was written; below its own.
    pub synced: Position,
    /// The time from which the times in its records are counted; below 2^48.
    pub time: Millis,
    /// How many records it holds. An empty block only publishes `synced`.
    pub count: u32,
}

/// A block that was checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block<'a> {
    /// What its header says.
    pub header: BlockHeader,
    /// Its records.
    pub body: &'a [u8],
    /// Bytes of the whole block, padding included: where the next one begins, counted from this one.
    pub end: usize,
}

/// Why bytes are no block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadBlock {
    /// They end within the block.
    Short,
    /// The header makes no sense: no position, a body that is too long, records without bytes or
    /// bytes without records, a synced position that is not below its own, a time beyond 48 bits,
    /// or flags that this version does not know.
    Header,
    /// The checksum does not fit.
    Checksum,
    /// The checksum fits, but the padding behind the body is not zeros.
    Padding,
}

impl std::fmt::Display for BadBlock {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Short => "the file ends within a block",
            Self::Header => "no block header stands here",
            Self::Checksum => "the checksum of a block does not fit",
            Self::Padding => "the padding of a block is not zeros",
        })
    }
}

impl std::error::Error for BadBlock {}

/// Bytes of a block whose body has `body` bytes, padding included.
#[must_use]
pub const fn padded(body: usize) -> usize {
    (HEADER + body).next_multiple_of(ALIGNMENT)
}

/// Fills in the header of a block: `block` is the place of the header and the body behind it, without
/// padding. The body has at most [`BLOCK_BYTES_MAX`] bytes.
pub fn seal(block: &mut [u8], header: &BlockHeader, salt: &[u8; 16]) {
    let Some((place, body)) = block.split_first_chunk_mut::<HEADER>() else {
        debug_assert!(false, "a block has room for its header");
        return;
    };
    debug_assert!(body.len() <= BLOCK_BYTES_MAX, "closed in time");
    debug_assert!(header.synced < header.position, "it is not written yet");
    debug_assert!(header.time.0 <= U48::MAX, "as clocks promise");
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut fields = Fields {
        length,
        checksum: 0,
        header: *header,
        reserved: 0,
    };
    fields.checksum = checksum(salt, &fields.bytes(), body);
    *place = fields.bytes();
}

/// Reads the block at the front of `bytes` and checks everything but its records.
///
/// # Errors
/// [`BadBlock`] says why there is none.
pub fn parse<'a>(bytes: &'a [u8], salt: &[u8; 16]) -> Result<Block<'a>, BadBlock> {
    let (head, rest) = bytes.split_first_chunk::<HEADER>().ok_or(BadBlock::Short)?;
    let fields = Fields::read(head);
    let length = fields.plausible_length().ok_or(BadBlock::Header)?;
    let end = padded(length);
    let (body, padding) = rest
        .get(..end - HEADER)
        .and_then(|rest| rest.split_at_checked(length))
        .ok_or(BadBlock::Short)?;
    if checksum(salt, head, body) != fields.checksum {
        return Err(BadBlock::Checksum);
    }
    if padding.iter().any(|byte| *byte != 0) {
        return Err(BadBlock::Padding);
    }
    Ok(Block {
        header: fields.header,
        body,
        end,
    })
}

/// What the header at the front of `bytes` says of a block that may stand there.
pub(super) struct Candidate {
    /// Bytes of the body.
    pub(super) length: usize,
    /// What the checksum must be.
    pub(super) checksum: u32,
}

/// Whether a block may stand at the front of `bytes`, by its header and their length alone.
pub(super) fn candidate(bytes: &[u8]) -> Option<Candidate> {
    let fields = Fields::read(bytes.first_chunk::<HEADER>()?);
    let length = fields.plausible_length()?;
    (padded(length) <= bytes.len()).then_some(Candidate {
        length,
        checksum: fields.checksum,
    })
}

/// The position of the block at the front of `bytes`, if there is one: the cheapest thing to look at.
pub(super) fn position_at(bytes: &[u8]) -> Option<Position> {
    let (_, rest) = bytes.split_first_chunk::<8>()?;
    Some(Position(u64::from_le_bytes(*rest.first_chunk::<8>()?)))
}

/// The checksum over the salt and the header at the front of `bytes`: the body's part is to follow.
pub(super) fn checksum_of_header(salt: &[u8; 16], bytes: &[u8]) -> Option<u32> {
    Some(checksum(salt, bytes.first_chunk::<HEADER>()?, &[]))
}

/// The header as it stands in the file.
struct Fields {
    length: u32,
    checksum: u32,
    header: BlockHeader,
    /// Flags and the reserved field, both 0 in version 1.
    reserved: u32,
}

impl Fields {
    fn bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0u8; HEADER];
        let fields = self
            .length
            .to_le_bytes()
            .into_iter()
            .chain(self.checksum.to_le_bytes())
            .chain(self.header.position.0.to_le_bytes())
            .chain(self.header.synced.0.to_le_bytes())
            .chain(self.header.time.0.to_le_bytes())
            .chain(self.header.count.to_le_bytes())
            .chain(self.reserved.to_le_bytes());
        for (place, byte) in bytes.iter_mut().zip(fields) {
            *place = byte;
        }
        bytes
    }

    fn read(bytes: &[u8; HEADER]) -> Self {
        let [word, position, synced, time, end] = words(bytes);
        let [length, checksum] = halves(word);
        let [count, reserved] = halves(end);
        Self {
            length,
            checksum,
            header: BlockHeader {
                position: Position(position),
                synced: Position(synced),
                time: Millis(time),
                count,
            },
            reserved,
        }
    }

    /// The body's length, if no field of the header contradicts what every block keeps to.
    fn plausible_length(&self) -> Option<usize> {
        let BlockHeader {
            position,
            synced,
            time,
            count,
        } = self.header;
        let length = usize::try_from(self.length).ok()?;
        let fits = length <= BLOCK_BYTES_MAX
            && synced < position
            && time.0 <= U48::MAX
            && count <= self.length
            && (count == 0) == (length == 0)
            && self.reserved == 0;
        fits.then_some(length)
    }
}

fn words(bytes: &[u8; HEADER]) -> [u64; 5] {
    let mut words = [0u64; 5];
    let (chunks, _) = bytes.as_chunks::<8>();
    for (word, chunk) in words.iter_mut().zip(chunks) {
        *word = u64::from_le_bytes(*chunk);
    }
    words
}

fn halves(word: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    [
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    ]
}

/// Over the salt, the header without the checksum's own field, and the body.
fn checksum(salt: &[u8; 16], header: &[u8; HEADER], body: &[u8]) -> u32 {
    let mut sum = crc32c::crc32c(salt);
    sum = crc32c::crc32c_append(sum, header.get(..4).unwrap_or_default());
    sum = crc32c::crc32c_append(sum, header.get(8..).unwrap_or_default());
    crc32c::crc32c_append(sum, body)
}

impl<'a> Block<'a> {
    /// The changes of the block, in order. After an error there is nothing more. A block whose body
    /// does not hold exactly as many records as its header says ends with [`BadRecord::Count`].
    #[must_use]
    pub fn records(&self) -> Records<'a> {
        Records::new(self.body, self.header.time, self.header.count)
    }
}

/// The changes of a block or of a chunk.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    time: Millis,
    left: u32,
    ended: bool,
}

impl<'a> Records<'a> {
    /// The `count` records of which `body` consists, their times counted from `time`.
    pub(super) fn new(body: &'a [u8], time: Millis, count: u32) -> Self {
        Self {
            rest: body,
            time,
            left: count,
            ended: false,
        }
    }

    /// The next record, which must be a create.
    #[inline]
    pub(super) fn next_create(&mut self) -> Option<Result<CreateChange<'a>, BadRecord>> {
        self.next_by(decode_create)
    }

    #[inline]
    fn next_by<T>(
        &mut self,
        decode: impl FnOnce(&mut &'a [u8], Millis) -> Result<T, BadRecord>,
    ) -> Option<Result<T, BadRecord>> {
        if self.ended {
            return None;
        }
        let item = match (self.left, self.rest.is_empty()) {
            (0, true) => None,
            (0, false) | (_, true) => Some(Err(BadRecord::Count)),
            (_, false) => {
                self.left -= 1;
                Some(decode(&mut self.rest, self.time))
            }
        };
        self.ended = !matches!(item, Some(Ok(_)));
        item
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Change<'a>, BadRecord>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.next_by(decode)
    }
}
#[cfg(test)]
mod tests {
    use super::{BLOCK_BYTES_MAX, BadBlock, BlockHeader, HEADER, padded, parse, seal};
    use crate::clock::Millis;
    use crate::log::record::{BadRecord, encode};
    use crate::model::{Change, Handle, Position};

    const SALT: [u8; 16] = *b"salt of the test";

    fn header(count: u32) -> BlockHeader {
        BlockHeader {
            position: Position(8),
            synced: Position(5),
            time: Millis(1_795_000_000_000),
            count,
        }
    }

    fn sealed(body: &[u8], header: &BlockHeader) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes.extend_from_slice(body);
        seal(&mut bytes, header, &SALT);
        bytes.resize(padded(body.len()), 0);
        bytes
    }

    /// The bodies of `count` removals.
    fn removals(count: u64) -> Vec<u8> {
        let mut body = Vec::new();
        for handle in (0..count).map(Handle) {
            encode(&Change::Remove { handle }, Millis(0), &mut body);
        }
        body
    }

    #[test]
    fn blocks_of_every_length_round_trip_and_end_at_multiples_of_eight() {
        for count in [0, 1, 2, 3, 4, 5, 6, 7, 8, 100] {
            let body = removals(count);
            let header = header(u32::try_from(count).unwrap());
            let mut bytes = sealed(&body, &header);
            let end = bytes.len();
            bytes.extend_from_slice(b"behind");
            let block = parse(&bytes, &SALT).unwrap();
            assert_eq!((block.header, block.body), (header, body.as_slice()));
            assert_eq!((block.end, block.end % 8), (end, 0));
            let read: Result<Vec<_>, _> = block.records().collect();
            assert_eq!(read.unwrap().len(), usize::try_from(count).unwrap());
        }
    }

    #[test]
    fn a_header_is_laid_out_as_it_is_drawn() {
        let bytes = sealed(&removals(1), &header(1));
        assert_eq!(bytes[..4], [9, 0, 0, 0]);
        assert_eq!(bytes[8..16], [8, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[16..24], [5, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[24..32], 1_795_000_000_000u64.to_le_bytes());
        assert_eq!(bytes[32..40], [1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[40], 4, "the kind of a removal");
        assert_eq!(bytes[49..], [0; 7]);
        let covered = [&SALT, &bytes[..4], &bytes[8..49]].concat();
        assert_eq!(bytes[4..8], crc32c::crc32c(&covered).to_le_bytes());
    }

    #[test]
    fn every_cut_is_noticed() {
        let bytes = sealed(&removals(3), &header(3));
        for length in 0..bytes.len() {
            assert_eq!(
                parse(&bytes[..length], &SALT),
                Err(BadBlock::Short),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        for count in [0, 3] {
            let bytes = sealed(&removals(u64::from(count)), &header(count));
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(parse(&flipped, &SALT).is_err(), "bit {bit}");
            }
        }
    }

    #[test]
    fn a_block_of_another_segment_is_none() {
        let bytes = sealed(&removals(1), &header(1));
        assert_eq!(parse(&bytes, &[0; 16]), Err(BadBlock::Checksum));
        assert_eq!(parse(&[0; 4096], &SALT), Err(BadBlock::Header));
    }

    #[test]
    fn headers_that_contradict_themselves_are_refused_though_the_checksum_fits() {
        let good = header(1);
        for (place, value) in [
            (8, 5u64),         // position: as high as synced
            (8, 0),            // position: none
            (16, 8),           // synced: as high as its position
            (24, 1 << 48),     // time: beyond 48 bits
            (32, 0),           // count: bytes without records
            (32, 10),          // count: more than bytes
            (32, 1 | 1 << 32), // flags
            (32, 1 | 1 << 48), // reserved
        ] {
            let mut bytes = sealed(&removals(1), &good);
            bytes[place..place + 8].copy_from_slice(&value.to_le_bytes());
            let covered = [&SALT, &bytes[..4], &bytes[8..49]].concat();
            bytes[4..8].copy_from_slice(&crc32c::crc32c(&covered).to_le_bytes());
            assert_eq!(parse(&bytes, &SALT), Err(BadBlock::Header), "{place}");
        }
        let long = vec![4; BLOCK_BYTES_MAX + 1];
        let mut bytes = vec![0; HEADER];
        bytes[..4].copy_from_slice(&u32::try_from(long.len()).unwrap().to_le_bytes());
        bytes[8] = 1;
        bytes[32] = 1;
        let covered = [&SALT, &bytes[..4], &bytes[8..], &long].concat();
        bytes[4..8].copy_from_slice(&crc32c::crc32c(&covered).to_le_bytes());
        bytes.extend(long);
        bytes.resize(bytes.len() + 8, 0);
        assert_eq!(parse(&bytes, &SALT), Err(BadBlock::Header));
    }

    #[test]
    fn too_few_and_too_many_records_are_refused_once() {
        for (records, said) in [(2u64, 1), (1, 2), (2, 3)] {
            let bytes = sealed(&removals(records), &header(said));
            let block = parse(&bytes, &SALT).unwrap();
            let read: Vec<_> = block.records().collect();
            assert_eq!(read.iter().filter(|r| r.is_err()).count(), 1);
            assert_eq!(read.last(), Some(&Err(BadRecord::Count)));
        }
        let bytes = sealed(&[99, 4, 4], &header(3));
        let mut records = parse(&bytes, &SALT).unwrap().records();
        assert_eq!(records.next(), Some(Err(BadRecord::Kind(99))));
        assert_eq!(records.next(), None);
    }
}
