//! Doubly linked lists of slots, as numbers in chunks that do not move: 8 bytes a session.

#![expect(
    clippy::indexing_slicing,
    reason = "slots come from the shard that owns these links"
)]
#![expect(
    clippy::vec_box,
    reason = "chunks stay where they are when the vector of chunks grows"
)]

use crate::store::record::NONE;

/// In `prev`: the slot is the first of this bucket.
const FIRST_OF: u32 = 1 << 31;

/// Links of a chunk. A vector that grows would copy all links and leave holes of every size behind.
const CHUNK: usize = 64;

#[derive(Clone, Copy)]
struct Link {
    next: u32,
    prev: u32,
}

const UNLINKED: Link = Link {
    next: NONE,
    prev: NONE,
};

/// The list links of all slots of a shard.
#[derive(Default)]
pub(in crate::store) struct Links {
    chunks: Vec<Box<[Link; CHUNK]>>,
}

impl Links {
    /// Makes room for `slot`.
    pub(in crate::store) fn ensure(&mut self, slot: u32) {
        while slot as usize >= self.chunks.len() * CHUNK {
            self.chunks.push(Box::new([UNLINKED; CHUNK]));
        }
    }

    /// Bytes taken.
    pub(in crate::store) fn allocated_bytes(&self) -> usize {
        let chunks = self.chunks.len() * size_of::<[Link; CHUNK]>();
        chunks + self.chunks.capacity() * size_of::<usize>()
    }

    fn at(&self, slot: u32) -> Link {
        self.chunks[slot as usize / CHUNK][slot as usize % CHUNK]
    }

    fn at_mut(&mut self, slot: u32) -> &mut Link {
        &mut self.chunks[slot as usize / CHUNK][slot as usize % CHUNK]
    }

    pub(super) fn next(&self, slot: u32) -> u32 {
        self.at(slot).next
    }

    /// Makes `slot` the first of `bucket`.
    pub(super) fn push(&mut self, heads: &mut [u32], bucket: u32, slot: u32) {
        let head = heads[bucket as usize];
        *self.at_mut(slot) = Link {
            next: head,
            prev: bucket | FIRST_OF,
        };
        if head != NONE {
            self.at_mut(head).prev = slot;
        }
        heads[bucket as usize] = slot;
    }

    /// Takes `slot` out of its list. Answers the bucket if that is empty now.
    pub(super) fn unlink(&mut self, heads: &mut [u32], slot: u32) -> Option<u32> {
        let Link { next, prev } = self.at(slot);
        if next != NONE {
            self.at_mut(next).prev = prev;
        }
        if prev & FIRST_OF == 0 {
            self.at_mut(prev).next = next;
            return None;
        }
        let bucket = prev & !FIRST_OF;
        heads[bucket as usize] = next;
        (next == NONE).then_some(bucket)
    }
}
