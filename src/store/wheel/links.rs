//! Doubly linked lists of slots, as numbers in a vector: 8 bytes a session.

#![expect(
    clippy::indexing_slicing,
    reason = "slots come from the shard that owns these links"
)]

use crate::store::record::NONE;

/// In `prev`: the slot is the first of this bucket.
const FIRST_OF: u32 = 1 << 31;

#[derive(Clone, Copy)]
struct Link {
    next: u32,
    prev: u32,
}

/// The list links of all slots of a shard.
#[derive(Default)]
pub(in crate::store) struct Links {
    links: Vec<Link>,
}

impl Links {
    /// Makes room for `slot`. Grows by an eighth: doubling would waste half of it.
    pub(in crate::store) fn ensure(&mut self, slot: u32) {
        let needed = slot as usize + 1;
        if needed > self.links.len() {
            if needed > self.links.capacity() {
                self.links.reserve_exact((needed / 8).max(32));
            }
            self.links.resize(
                needed,
                Link {
                    next: NONE,
                    prev: NONE,
                },
            );
        }
    }

    /// Bytes taken.
    pub(in crate::store) fn allocated_bytes(&self) -> usize {
        self.links.capacity() * size_of::<Link>()
    }

    pub(super) fn next(&self, slot: u32) -> u32 {
        self.links[slot as usize].next
    }

    /// Makes `slot` the first of `bucket`.
    pub(super) fn push(&mut self, heads: &mut [u32], bucket: u32, slot: u32) {
        let head = heads[bucket as usize];
        self.links[slot as usize] = Link {
            next: head,
            prev: bucket | FIRST_OF,
        };
        if head != NONE {
            self.links[head as usize].prev = slot;
        }
        heads[bucket as usize] = slot;
    }

    /// Takes `slot` out of its list. Answers the bucket if that is empty now.
    pub(super) fn unlink(&mut self, heads: &mut [u32], slot: u32) -> Option<u32> {
        let Link { next, prev } = self.links[slot as usize];
        if next != NONE {
            self.links[next as usize].prev = prev;
        }
        if prev & FIRST_OF == 0 {
            self.links[prev as usize].next = next;
            return None;
        }
        let bucket = prev & !FIRST_OF;
        heads[bucket as usize] = next;
        (next == NONE).then_some(bucket)
    }
}
