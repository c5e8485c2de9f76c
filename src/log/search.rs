//! Looks for blocks behind damage. Fast whatever the bytes are: clients choose what stands in them.

use std::cell::OnceCell;

use crate::log::block::{self, ALIGNMENT, BLOCK_BYTES_MAX, Block, HEADER};
use crate::model::Position;

/// Blocks up to this length are tried by computing their checksum; longer ones by sums that are made
/// once, so that many headers that look right cost no more than a few.
const DIRECT: usize = 4 << 10;

/// The valid blocks in `bytes`, at any multiple of eight, whose position is at least `from`. They do
/// not overlap. `bytes` begin at a multiple of eight of the segment.
pub(super) struct Search<'a> {
    bytes: &'a [u8],
    salt: &'a [u8; 16],
    from: Position,
    at: usize,
    sums: OnceCell<Sums>,
}

impl<'a> Search<'a> {
    pub(super) fn new(bytes: &'a [u8], salt: &'a [u8; 16], from: Position) -> Self {
        Self {
            bytes,
            salt,
            from,
            at: 0,
            sums: OnceCell::new(),
        }
    }

    /// What stands at `at`, if the position it would have is one that can follow here.
    fn try_at(&self, at: usize) -> Option<Block<'a>> {
        let rest = self.bytes.get(at..)?;
        let position = block::position_at(rest)?.0;
        let most = self
            .from
            .0
            .saturating_add((self.bytes.len() / HEADER) as u64);
        if position < self.from.0 || position > most {
            return None;
        }
        let candidate = block::candidate(rest)?;
        if candidate.length > DIRECT {
            let sums = self.sums.get_or_init(|| Sums::new(self.bytes));
            let body = sums.of(self.bytes, at + HEADER, candidate.length)?;
            let head = block::checksum_of_header(self.salt, rest)?;
            if sums.shifts.shift(head, candidate.length) ^ body != candidate.checksum {
                return None;
            }
        }
        block::parse(rest, self.salt).ok()
    }
}

impl<'a> Iterator for Search<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.at + HEADER <= self.bytes.len() {
            let found = self.try_at(self.at);
            self.at += found.map_or(ALIGNMENT, |block| block.end);
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

/// The checksums of all prefixes of some bytes whose length is a multiple of [`Sums::STEP`].
struct Sums {
    prefixes: Vec<u32>,
    shifts: Shifts,
}

impl Sums {
    const STEP: usize = 512;

    fn new(bytes: &[u8]) -> Self {
        let steps = bytes.chunks_exact(Self::STEP).scan(0, |sum, step| {
            *sum = crc32c::crc32c_append(*sum, step);
            Some(*sum)
        });
        Self {
            prefixes: std::iter::once(0).chain(steps).collect(),
            shifts: Shifts::new(),
        }
    }

    /// The checksum of the first `length` bytes.
    fn of_prefix(&self, bytes: &[u8], length: usize) -> Option<u32> {
        let step = length / Self::STEP;
        let rest = bytes.get(step * Self::STEP..length)?;
        Some(crc32c::crc32c_append(*self.prefixes.get(step)?, rest))
    }

    /// The checksum of `length` bytes from `start` on.
    fn of(&self, bytes: &[u8], start: usize, length: usize) -> Option<u32> {
        let before = self.of_prefix(bytes, start)?;
        let all = self.of_prefix(bytes, start.checked_add(length)?)?;
        // A checksum is linear: that of A and B together is that of A shifted by B, plus that of B.
        Some(all ^ self.shifts.shift(before, length))
    }
}

/// The polynomial of CRC-32C, the lowest power in the highest bit, as in the checksums.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// For every bit `k` of a length, the products of `x^(8 * 2^k)` with each byte in each place.
struct Shifts(Vec<[[u32; 256]; 4]>);

impl Shifts {
    fn new() -> Self {
        let mut power = 1 << 23;
        let products = |power: u32| -> [[u32; 256]; 4] {
            [0, 8, 16, 24].map(|place| {
                let mut byte = 0u32..;
                [(); 256].map(|()| multiply(power, byte.next().unwrap_or(0) << place))
            })
        };
        let powers = std::iter::repeat_with(|| {
            let this = power;
            power = multiply(power, power);
            this
        });
        let bits = BLOCK_BYTES_MAX.ilog2() as usize + 1;
        Self(powers.take(bits).map(products).collect())
    }

    /// What `length` bytes of zeros make of a checksum, but for its inversions: its product with
    /// `x^(8 * length)`. At most [`BLOCK_BYTES_MAX`] of them.
    fn shift(&self, sum: u32, length: usize) -> u32 {
        let bits = self.0.iter().enumerate();
        let set = bits.filter(|(k, _)| length >> k & 1 == 1);
        set.fold(sum, |sum, (_, tables)| {
            let bytes = sum.to_le_bytes().into_iter().zip(tables);
            bytes.fold(0, |sum, (byte, products)| {
                sum ^ products.get(usize::from(byte)).copied().unwrap_or(0)
            })
        })
    }
}

/// The product of two polynomials modulo that of CRC-32C.
fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    let mut bit = 1 << 31;
    while bit != 0 {
        if a & bit != 0 {
            product ^= b;
        }
        b = if b & 1 == 1 {
            b >> 1 ^ POLYNOMIAL
        } else {
            b >> 1
        };
        bit >>= 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use super::{Search, Sums};
    use crate::clock::Millis;
    use crate::log::block::{BlockHeader, HEADER, candidate, padded, position_at, seal};
    use crate::model::Position;

    const SALT: [u8; 16] = [9; 16];

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u32;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_le_bytes()[3]
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    fn block(position: u64, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes.extend_from_slice(body);
        let header = BlockHeader {
            position: Position(position),
            synced: Position(0),
            time: Millis(1),
            count: u32::from(!body.is_empty()),
        };
        seal(&mut bytes, &header, &SALT);
        bytes.resize(padded(body.len()), 0);
        bytes
    }

    #[test]
    fn checksums_of_parts_are_those_of_the_whole() {
        let bytes = noise(10_000);
        let sums = Sums::new(&bytes);
        for (start, length) in [
            (0, 0),
            (0, 1),
            (1, 1023),
            (1023, 2),
            (1024, 8976),
            (77, 9000),
        ] {
            let part = crc32c::crc32c(&bytes[start..start + length]);
            assert_eq!(sums.of(&bytes, start, length), Some(part));
            let before = crc32c::crc32c(&bytes[..start]);
            let whole = crc32c::crc32c(&bytes[..start + length]);
            assert_eq!(sums.shifts.shift(before, length) ^ part, whole);
        }
        assert_eq!(sums.of(&bytes, 9_999, 2), None);
        assert_eq!(sums.shifts.shift(0, 77), 0);
    }

    #[test]
    fn blocks_are_found_wherever_they_stand() {
        let long = noise(100_001);
        for body in [&[][..], &[1; 7], &[1; 5000], &long] {
            for gap in [0, 8, 24, 4096] {
                let bytes = [noise(gap), block(7, body), noise(48), block(8, body)].concat();
                let found: Vec<_> = Search::new(&bytes, &SALT, Position(5))
                    .map(|b| (b.header.position.0, b.body.len()))
                    .collect();
                assert_eq!(found, [(7, body.len()), (8, body.len())], "gap {gap}");
            }
        }
    }

    #[test]
    fn what_cannot_follow_is_passed_over() {
        let bytes = [block(4, &[1; 7]), block(5, &[1; 7]), block(900, &[1; 7])].concat();
        let found: Vec<_> = Search::new(&bytes, &SALT, Position(5)).collect();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].header.position, Position(5));
        let mut other = block(5, &[1; 5000]);
        other[5040 - 1] ^= 1;
        assert_eq!(Search::new(&other, &SALT, Position(5)).count(), 0);
    }

    /// Eight bytes, again and again, that read as the header of a long block at every step.
    #[test]
    fn many_headers_that_look_right_cost_no_more_than_a_few() {
        let words = 4 << 20 >> 3;
        let mut bytes = Vec::new();
        for word in 0..words {
            // Falling values: length, position, synced, time and count of as many headers.
            let value: u64 = 600_000 - word;
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        let from = Position(300_000);
        let looks_right = |at: &usize| {
            let rest = &bytes[at * 8..];
            let position = position_at(rest);
            candidate(rest).is_some() && (Some(from)..Some(Position(400_000))).contains(&position)
        };
        assert!((0..bytes.len() / 8).filter(looks_right).count() > 90_000);
        let mut search = Search::new(&bytes, &SALT, from);
        assert!(search.next().is_none());
        assert!(search.sums.get().is_some());
    }
}
