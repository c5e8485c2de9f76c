//! A hierarchical timing wheel of one shard: every session is filed once, under a second.
//!
//! A touch never moves an entry; the session is re-filed when it fires too early. The wheel knows
//! slots and seconds, not sessions. It frees memory; exact expiry is the work of every read.
//!
//! | level | slots | width of a slot | reach |
//! |---|---|---|---|
//! | 0 | 256 | 1 s | 256 s |
//! | 1 | 64 | 256 s | 4.5 h |
//! | 2 | 64 | 4.5 h | 12.1 d |
//! | 3 | 64 | 12.1 d | 2.1 y |
//!
//! What is due later is filed at the far end of level 3 and looked at again from there.

#![expect(
    clippy::indexing_slicing,
    reason = "bucket numbers are below BUCKETS by construction"
)]

mod links;
#[cfg(test)]
mod tests;

pub(super) use links::Links;

use crate::store::record::NONE;

/// First bucket and shift of each level; a level's slot of a second is `second >> shift`.
const LEVELS: [Level; 4] = [
    Level {
        first: 0,
        slots: 256,
        shift: 0,
    },
    Level {
        first: 256,
        slots: 64,
        shift: 8,
    },
    Level {
        first: 320,
        slots: 64,
        shift: 14,
    },
    Level {
        first: 384,
        slots: 64,
        shift: 20,
    },
];
const BUCKETS: usize = 448;
/// Seconds from now that the wheel can tell apart.
const REACH: u32 = 63 << 20;

#[derive(Clone, Copy)]
struct Level {
    first: u32,
    slots: u32,
    shift: u32,
}

impl Level {
    fn bucket(self, second: u32) -> u32 {
        self.first + (second >> self.shift & (self.slots - 1))
    }
}

/// Buckets of slots. The list links of a slot live in [`Links`], beside the shard's records.
pub(super) struct Wheel {
    /// Everything due up to and including this second has fired.
    elapsed: u32,
    heads: Box<[u32; BUCKETS]>,
    occupied: [u64; BUCKETS / 64],
    length: usize,
}

impl Wheel {
    pub(super) fn new() -> Self {
        Self {
            elapsed: 0,
            heads: Box::new([NONE; BUCKETS]),
            occupied: [0; BUCKETS / 64],
            length: 0,
        }
    }

    /// Slots filed.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// The second up to which everything has fired.
    pub(super) fn elapsed(&self) -> u32 {
        self.elapsed
    }

    /// Lets an empty wheel go on from `second`, if that is later.
    pub(super) fn start_at(&mut self, second: u32) {
        if self.length == 0 {
            self.elapsed = self.elapsed.max(second);
        }
    }

    /// Files `slot` under `due` and answers the second it is really filed under: the next one if
    /// `due` has passed, the farthest that the wheel reaches if `due` lies beyond.
    pub(super) fn file(&mut self, links: &mut Links, slot: u32, due: u32) -> u32 {
        let earliest = self.elapsed.saturating_add(1);
        let filed = due.clamp(earliest, earliest.saturating_add(REACH));
        self.push(links, slot, filed, self.elapsed);
        self.length += 1;
        filed
    }

    /// Takes `slot` out, wherever it is filed.
    pub(super) fn remove(&mut self, links: &mut Links, slot: u32) {
        if let Some(emptied) = links.unlink(&mut self.heads[..], slot) {
            self.mark_empty(emptied);
        }
        self.length -= 1;
    }

    /// Takes out one slot that is due at or before `now`, moving time forward as far as nothing is
    /// left behind. `due_of` answers the second that [`Wheel::file`] gave for a slot.
    ///
    /// Each call and each entry that moves down a level costs one of `budget`. `None` with budget
    /// left means that time stands at `now` and nothing more is due.
    pub(super) fn pop_due(
        &mut self,
        links: &mut Links,
        now: u32,
        budget: &mut usize,
        due_of: impl Fn(u32) -> u32,
    ) -> Option<u32> {
        while self.elapsed < now {
            let second = self.next_second(now);
            // Nothing happens before: time stands there even if the budget ends in the cascade.
            self.elapsed = second - 1;
            if !self.cascade(links, second, budget, &due_of) {
                return None;
            }
            let bucket = LEVELS[0].bucket(second);
            if let Some(slot) = self.pop(links, bucket, budget) {
                self.length -= 1;
                return Some(slot);
            }
            if self.is_occupied(bucket) {
                return None;
            }
            self.elapsed = second;
        }
        None
    }

    /// The next second at which something can happen, at most `now`.
    fn next_second(&self, now: u32) -> u32 {
        let mut skip = 0;
        for level in LEVELS {
            if self.level_is_occupied(level) {
                break;
            }
            skip = match level.shift {
                0 => 8,
                8 => 14,
                14 => 20,
                _ => return now,
            };
        }
        if skip == 0 {
            return self.elapsed + 1;
        }
        // Up to the last second before the next slot of the first occupied level begins.
        let boundary = ((self.elapsed >> skip) + 1) << skip;
        boundary.min(now)
    }

    /// Moves what lies in the upper slots that begin with `second` down. False: budget ran out.
    fn cascade(
        &mut self,
        links: &mut Links,
        second: u32,
        budget: &mut usize,
        due_of: &impl Fn(u32) -> u32,
    ) -> bool {
        for level in LEVELS.into_iter().skip(1).rev() {
            if second & ((1 << level.shift) - 1) != 0 {
                continue;
            }
            let bucket = level.bucket(second);
            while self.is_occupied(bucket) {
                let Some(slot) = self.pop(links, bucket, budget) else {
                    return false;
                };
                self.push(links, slot, due_of(slot).max(second), second);
            }
        }
        true
    }

    /// Puts `slot` into the finest level that reaches `due` from `base`.
    fn push(&mut self, links: &mut Links, slot: u32, due: u32, base: u32) {
        let delta = due - base;
        let level = match delta {
            0..256 => LEVELS[0],
            256..0x4000 => LEVELS[1],
            0x4000..0x10_0000 => LEVELS[2],
            _ => LEVELS[3],
        };
        let bucket = level.bucket(due);
        links.push(&mut self.heads[..], bucket, slot);
        self.occupied[bucket as usize / 64] |= 1 << (bucket % 64);
    }

    fn pop(&mut self, links: &mut Links, bucket: u32, budget: &mut usize) -> Option<u32> {
        let slot = self.heads[bucket as usize];
        if slot == NONE || *budget == 0 {
            return None;
        }
        *budget -= 1;
        if let Some(emptied) = links.unlink(&mut self.heads[..], slot) {
            self.mark_empty(emptied);
        }
        Some(slot)
    }

    fn mark_empty(&mut self, bucket: u32) {
        self.occupied[bucket as usize / 64] &= !(1 << (bucket % 64));
    }

    fn is_occupied(&self, bucket: u32) -> bool {
        self.occupied[bucket as usize / 64] & 1 << (bucket % 64) != 0
    }

    fn level_is_occupied(&self, level: Level) -> bool {
        let first = level.first as usize / 64;
        self.occupied[first..first + level.slots as usize / 64]
            .iter()
            .any(|word| *word != 0)
    }

    /// Every filed slot with the range of seconds that its bucket stands for, for invariants.
    pub(super) fn entries(&self, links: &Links) -> Vec<u32> {
        let mut found = Vec::with_capacity(self.length);
        for bucket in 0..BUCKETS {
            let mut slot = self.heads[bucket];
            while slot != NONE {
                found.push(slot);
                slot = links.next(slot);
            }
        }
        found
    }
}
