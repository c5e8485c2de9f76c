//! Arrays of atomic cells that grow without moving, readable without a lock.
//!
//! One array belongs to one shard; cells are zero until written. Chunks double in size, so an index
//! of 32 bits needs few of them and an unused array takes almost nothing.

#![expect(
    clippy::indexing_slicing,
    reason = "chunk and offset follow from the index"
)]

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

/// Cells in the first chunk; chunk k > 0 has `FIRST << (k - 1)`.
const FIRST: usize = 64;
const CHUNKS: usize = 20;

/// A growing array of `AtomicU64`.
pub(super) struct Cells {
    chunks: [OnceLock<Box<[AtomicU64]>>; CHUNKS],
}

impl Cells {
    pub(super) fn new() -> Self {
        Self {
            chunks: [const { OnceLock::new() }; CHUNKS],
        }
    }

    /// The cell at `index`, made if it was not there.
    pub(super) fn at(&self, index: u32) -> &AtomicU64 {
        let (chunk, offset, length) = place(index as usize);
        let cells = self.chunks[chunk].get_or_init(|| {
            let mut cells = Vec::with_capacity(length);
            cells.resize_with(length, || AtomicU64::new(0));
            cells.into_boxed_slice()
        });
        &cells[offset]
    }

    /// Bytes taken.
    pub(super) fn allocated_bytes(&self) -> usize {
        self.chunks
            .iter()
            .filter_map(OnceLock::get)
            .map(|c| c.len() * 8)
            .sum()
    }
}

/// Chunk, offset in it, and the chunk's length.
fn place(index: usize) -> (usize, usize, usize) {
    let block = index / FIRST;
    if block == 0 {
        return (0, index, FIRST);
    }
    let chunk = block.ilog2() as usize + 1;
    let length = FIRST << (chunk - 1);
    (chunk, index - length, length)
}

#[cfg(test)]
mod tests {
    use super::{Cells, place};
    use std::sync::atomic::Ordering::Relaxed;

    #[test]
    fn every_index_has_its_own_cell() {
        let cells = Cells::new();
        for index in 0..5_000u32 {
            assert_eq!(cells.at(index).fetch_add(u64::from(index), Relaxed), 0);
        }
        for index in 0..5_000u32 {
            assert_eq!(cells.at(index).load(Relaxed), u64::from(index));
        }
        let (chunk, offset, length) = place(1 << 24);
        assert!(chunk < super::CHUNKS && offset < length);
    }
}
