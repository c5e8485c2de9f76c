//! Variable-sized byte blocks of one shard, addressed by 32 bits.
//!
//! Small blocks are cut from 4 KiB chunks in units of 4 bytes; a freed block waits in the list of
//! its exact size. There is no merging of neighbours: when an arena holds more freed than used
//! bytes, the shard moves what lives into a fresh arena and drops this one (`compaction` in
//! `shard.rs`), which also gives memory back after a great kill.

#![expect(
    clippy::indexing_slicing,
    reason = "addresses come from this arena's own allocations"
)]

const UNIT: usize = 4;
const CHUNK_BYTES: usize = 4096;
const UNITS_PER_CHUNK: usize = CHUNK_BYTES / UNIT;
/// Largest block cut from a chunk; larger ones are allocations of their own.
const SMALL_BYTES: usize = 1024;
const CLASSES: usize = SMALL_BYTES / UNIT + 1;
const LARGE: u32 = 1 << 31;
const END: u32 = u32::MAX;

/// The blocks of one shard.
pub(super) struct Arena {
    chunks: Vec<Box<[u8]>>,
    /// First unused unit of the last chunk.
    fresh: usize,
    /// Heads of the lists of freed blocks, by size in units.
    freed: Vec<u32>,
    large: Vec<Box<[u8]>>,
    large_freed: Vec<u32>,
    used_bytes: usize,
    freed_bytes: usize,
}

impl Arena {
    pub(super) fn new() -> Self {
        Self {
            chunks: Vec::new(),
            fresh: UNITS_PER_CHUNK,
            freed: Vec::new(),
            large: Vec::new(),
            large_freed: Vec::new(),
            used_bytes: 0,
            freed_bytes: 0,
        }
    }

    /// Bytes that a block of `length` really takes.
    pub(super) fn cost(length: usize) -> usize {
        if length > SMALL_BYTES {
            length
        } else {
            length.max(1).div_ceil(UNIT) * UNIT
        }
    }

    /// Bytes of chunks and large blocks, used or not.
    pub(super) fn allocated_bytes(&self) -> usize {
        let large: usize = self.large.iter().map(|block| block.len()).sum();
        self.chunks.len() * CHUNK_BYTES + large + self.freed.capacity() * size_of::<u32>()
    }

    /// More is freed than used, by enough to be worth moving.
    pub(super) fn is_wasteful(&self) -> bool {
        self.freed_bytes > self.used_bytes + 4 * CHUNK_BYTES
    }

    /// Memory without a living block.
    pub(super) fn is_hollow(&self) -> bool {
        self.used_bytes == 0 && !(self.chunks.is_empty() && self.large.is_empty())
    }

    /// A block for `length` bytes; its content is undefined.
    pub(super) fn allocate(&mut self, length: usize) -> u32 {
        self.used_bytes += Self::cost(length);
        if length > SMALL_BYTES {
            return self.allocate_large(length);
        }
        let units = length.max(1).div_ceil(UNIT);
        if let Some(&head) = self.freed.get(units)
            && head != END
        {
            let block = self.small(head, UNIT);
            let next = u32::from_le_bytes([block[0], block[1], block[2], block[3]]);
            self.freed[units] = next;
            self.freed_bytes -= units * UNIT;
            return head;
        }
        if self.fresh + units > UNITS_PER_CHUNK {
            self.retire_rest_of_chunk();
            self.chunks.push(vec![0; CHUNK_BYTES].into_boxed_slice());
            self.fresh = 0;
        }
        let address = (self.chunks.len() - 1) * UNITS_PER_CHUNK + self.fresh;
        self.fresh += units;
        // 2^31 units of 4 bytes are 8 GiB in one of 1,024 shards.
        u32::try_from(address).unwrap_or(END)
    }

    /// Gives a block back; `length` is the one it was allocated with.
    pub(super) fn free(&mut self, address: u32, length: usize) {
        self.used_bytes -= Self::cost(length);
        if length > SMALL_BYTES {
            let index = address & !LARGE;
            self.large[index as usize] = Box::default();
            self.large_freed.push(index);
            return;
        }
        self.push_freed(address, length.max(1).div_ceil(UNIT));
    }

    /// The bytes of a block.
    pub(super) fn get(&self, address: u32, length: usize) -> &[u8] {
        if address & LARGE != 0 {
            return &self.large[(address & !LARGE) as usize];
        }
        self.small(address, length)
    }

    /// From the start of a block to the end of its chunk, for a reader who finds the length inside.
    pub(super) fn from(&self, address: u32) -> &[u8] {
        if address & LARGE != 0 {
            return &self.large[(address & !LARGE) as usize];
        }
        let (chunk, byte) = place(address);
        &self.chunks[chunk][byte..]
    }

    /// The bytes of a block, for writing.
    pub(super) fn get_mut(&mut self, address: u32, length: usize) -> &mut [u8] {
        if address & LARGE != 0 {
            return &mut self.large[(address & !LARGE) as usize];
        }
        let (chunk, byte) = place(address);
        &mut self.chunks[chunk][byte..byte + length]
    }

    fn small(&self, address: u32, length: usize) -> &[u8] {
        let (chunk, byte) = place(address);
        &self.chunks[chunk][byte..byte + length]
    }

    fn allocate_large(&mut self, length: usize) -> u32 {
        let block = vec![0; length].into_boxed_slice();
        if let Some(index) = self.large_freed.pop() {
            self.large[index as usize] = block;
            return index | LARGE;
        }
        self.large.push(block);
        u32::try_from(self.large.len() - 1).unwrap_or(0) | LARGE
    }

    /// What is left of the last chunk becomes a free block of its size.
    fn retire_rest_of_chunk(&mut self) {
        let rest = UNITS_PER_CHUNK - self.fresh;
        if rest == 0 || rest >= CLASSES {
            return;
        }
        let address = (self.chunks.len() - 1) * UNITS_PER_CHUNK + self.fresh;
        self.push_freed(u32::try_from(address).unwrap_or(END), rest);
    }

    fn push_freed(&mut self, address: u32, units: usize) {
        if self.freed.len() <= units {
            self.freed.resize(units + 1, END);
        }
        let next = self.freed[units].to_le_bytes();
        self.get_mut(address, 4).copy_from_slice(&next);
        self.freed[units] = address;
        self.freed_bytes += units * UNIT;
    }
}

fn place(address: u32) -> (usize, usize) {
    let unit = address as usize;
    (unit / UNITS_PER_CHUNK, unit % UNITS_PER_CHUNK * UNIT)
}

#[cfg(test)]
mod tests {
    use super::{Arena, SMALL_BYTES};

    #[test]
    fn blocks_keep_their_bytes_while_others_come_and_go() {
        let mut arena = Arena::new();
        let mut blocks: Vec<(u32, usize, u8)> = Vec::new();
        let mut state = 7u64;
        for step in 0..20_000u32 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let length = (state >> 33) as usize % (SMALL_BYTES * 2);
            if state >> 60 < 9 || blocks.is_empty() {
                let fill = (step % 251) as u8;
                let address = arena.allocate(length);
                arena.get_mut(address, length)[..length].fill(fill);
                blocks.push((address, length, fill));
            } else {
                let (address, length, fill) = blocks.swap_remove(length % blocks.len());
                assert!(
                    arena.get(address, length)[..length]
                        .iter()
                        .all(|b| *b == fill)
                );
                arena.free(address, length);
            }
        }
        let used: usize = blocks.iter().map(|b| Arena::cost(b.1)).sum();
        assert_eq!(arena.used_bytes, used);
        assert!(arena.allocated_bytes() >= used);
        for (address, length, fill) in blocks {
            assert!(
                arena.get(address, length)[..length]
                    .iter()
                    .all(|b| *b == fill)
            );
        }
    }

    #[test]
    fn arena_is_hollow_from_the_last_free_on() {
        let mut arena = Arena::new();
        assert!(!arena.is_hollow());
        let (small, large) = (arena.allocate(5), arena.allocate(SMALL_BYTES + 1));
        arena.free(small, 5);
        assert!(!arena.is_hollow());
        arena.free(large, SMALL_BYTES + 1);
        assert!(arena.is_hollow());
    }

    #[test]
    fn freed_blocks_are_used_again_for_their_size() {
        let mut arena = Arena::new();
        let first = arena.allocate(100);
        arena.free(first, 100);
        assert_eq!(arena.allocate(98), first);
        let large = arena.allocate(SMALL_BYTES + 1);
        arena.free(large, SMALL_BYTES + 1);
        assert_eq!(arena.allocate(SMALL_BYTES * 3), large);
    }
}
