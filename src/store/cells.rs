//! Arrays that grow without moving, readable without a lock.
//!
//! One array belongs to one shard. Cells have their default value until written. Chunks double in
//! size, so an index of 32 bits needs few of them and an unused array takes almost nothing.

#![expect(
    clippy::indexing_slicing,
    reason = "chunk and offset follow from the index"
)]

use std::sync::OnceLock;

/// Cells in the first chunk; chunk k > 0 has `FIRST << (k - 1)`.
const FIRST: usize = 16;
const CHUNKS: usize = 21;

/// A growing array of 2^24 cells at most, each changed through a shared reference.
pub(super) struct Cells<T> {
    chunks: [OnceLock<Box<[T]>>; CHUNKS],
}

impl<T: Default> Cells<T> {
    pub(super) fn new() -> Self {
        Self {
            chunks: [const { OnceLock::new() }; CHUNKS],
        }
    }

    /// The cell at `index`, made if it was not there.
    pub(super) fn at(&self, index: u32) -> &T {
        let (chunk, offset, length) = place(index as usize);
        let cells = self.chunks[chunk].get_or_init(|| {
            let mut cells = Vec::with_capacity(length);
            cells.resize_with(length, T::default);
            cells.into_boxed_slice()
        });
        &cells[offset]
    }

    /// The cell at `index` if it was made.
    pub(super) fn get(&self, index: u32) -> Option<&T> {
        let (chunk, offset, _) = place(index as usize);
        self.chunks[chunk].get().map(|cells| &cells[offset])
    }

    /// The cells that were made.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().filter_map(OnceLock::get).flatten()
    }

    /// Bytes taken by the cells themselves.
    pub(super) fn allocated_bytes(&self) -> usize {
        let made = self.chunks.iter().filter_map(OnceLock::get);
        made.map(|chunk| chunk.len() * size_of::<T>()).sum()
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
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering::Relaxed;

    #[test]
    fn every_index_has_its_own_cell() {
        let cells = Cells::<AtomicU32>::new();
        assert!(cells.get(0).is_none());
        for index in 0..5_000u32 {
            assert_eq!(cells.at(index).fetch_add(index, Relaxed), 0);
        }
        for index in 0..5_000u32 {
            let cell = cells.get(index).map(|cell| cell.load(Relaxed));
            assert_eq!(cell, Some(index));
        }
        assert_eq!(cells.allocated_bytes(), 8_192 * 4);
        let (chunk, offset, length) = place((1 << 24) - 1);
        assert!(chunk < super::CHUNKS && offset < length);
    }
}
