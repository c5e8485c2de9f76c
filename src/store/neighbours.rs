//! Who stands beside whom in the lists of sessions that share a name.
//!
//! A session that shares its name with no other has no neighbours, and most sessions are such: cells
//! are made for 64 slots at a time when one of them gets its first neighbour.

#![expect(
    clippy::indexing_slicing,
    reason = "the cell follows from the slot, the shard is taken modulo the number of shards"
)]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::store::cells::Cells;
use crate::store::record::NONE;

const GROUP: u32 = 64;

/// `next << 32 | prev`, both one more than the slot so that a zero cell is "none".
type Group = [AtomicU64; GROUP as usize];

/// The list links of all sessions, by slot. Changed under the lock of the name whose list it is.
pub(super) struct Neighbours {
    /// By token shard, so that slots of one shard stand together.
    shards: Box<[Cells<OnceLock<Box<Group>>>]>,
}

impl Neighbours {
    pub(super) fn new(token_shards: usize) -> Self {
        Self {
            shards: (0..token_shards).map(|_| Cells::new()).collect(),
        }
    }

    /// The slots behind and before `slot`; [`NONE`] is no slot.
    pub(super) fn of(&self, slot: u32) -> (u32, u32) {
        let (shard, local) = self.place(slot);
        let group = shard.get(local / GROUP).and_then(OnceLock::get);
        let link = group.map_or(0, |group| group[(local % GROUP) as usize].load(Relaxed));
        let half = |bits: u64| {
            u32::try_from(bits & 0xffff_ffff)
                .unwrap_or(0)
                .wrapping_sub(1)
        };
        (half(link >> 32), half(link))
    }

    /// Puts `slot` between two others.
    pub(super) fn set(&self, slot: u32, next: u32, prev: u32) {
        let half = |slot: u32| u64::from(slot.wrapping_add(1));
        let link = half(next) << 32 | half(prev);
        let (shard, local) = self.place(slot);
        let group = if (next, prev) == (NONE, NONE) {
            shard.get(local / GROUP).and_then(OnceLock::get)
        } else {
            let fresh = || Box::new([const { AtomicU64::new(0) }; GROUP as usize]);
            Some(shard.at(local / GROUP).get_or_init(fresh))
        };
        if let Some(group) = group {
            group[(local % GROUP) as usize].store(link, Relaxed);
        }
    }

    /// Bytes taken.
    pub(super) fn allocated_bytes(&self) -> usize {
        let shard = |shard: &Cells<OnceLock<Box<Group>>>| {
            let made = shard.iter().filter(|group| group.get().is_some()).count();
            shard.allocated_bytes() + made * size_of::<Group>()
        };
        self.shards.iter().map(shard).sum()
    }

    fn place(&self, slot: u32) -> (&Cells<OnceLock<Box<Group>>>, u32) {
        let shards = u32::try_from(self.shards.len()).unwrap_or(1);
        (&self.shards[(slot % shards) as usize], slot / shards)
    }
}

#[cfg(test)]
mod tests {
    use super::{NONE, Neighbours};

    #[test]
    fn sessions_without_neighbours_take_no_memory() {
        let neighbours = Neighbours::new(4);
        for slot in 0..10_000 {
            neighbours.set(slot, NONE, NONE);
        }
        assert_eq!(neighbours.allocated_bytes(), 0);
        assert_eq!(neighbours.of(77), (NONE, NONE));
    }

    #[test]
    fn neighbours_are_found_again_until_they_are_taken_away() {
        let neighbours = Neighbours::new(4);
        for slot in 0..2_000 {
            neighbours.set(slot, slot + 1, if slot == 0 { NONE } else { slot - 1 });
        }
        for slot in 1..2_000 {
            assert_eq!(neighbours.of(slot), (slot + 1, slot - 1));
        }
        assert_eq!(neighbours.of(0), (1, NONE));
        neighbours.set(5, NONE, NONE);
        assert_eq!(neighbours.of(5), (NONE, NONE));
        assert!(neighbours.allocated_bytes() >= 2_000 * 8);
    }
}
