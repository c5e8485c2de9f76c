//! Brings what a batch of reads will need into the processor's cache, waiting for all misses at once.
//!
//! A look-up is a chain: table, slot, record, body, each address known only when the one before has
//! arrived. Here the chains of a whole batch go side by side, step by step. Between the steps no
//! lock may be taken or given back, since either makes the processor wait for all that is under way:
//! so the shards of a batch are locked together. They are only *tried*, in whatever order, and
//! whoever holds one waits for nothing; a shard that is busy is left out.

use std::hint::black_box;
use std::sync::MutexGuard;
use std::sync::atomic::Ordering::Relaxed;

use crate::model::{Handle, Tag};
use crate::store::Store;
use crate::store::record::NONE;
use crate::store::shard::Shard;

/// Bytes that the processor loads at a time.
const LINE: usize = 64;
/// Shards held together, for about two microseconds.
const BATCH: usize = 16;

/// What the reads to come will look at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ahead {
    /// Records only: counters, times, deadlines, handles.
    Records,
    /// Also what a reply shows of the body, and what the first touch in a second changes.
    Replies,
}

impl Store {
    /// Warms the cache for reads of the sessions with these tags. Changes nothing.
    pub(crate) fn warm(&self, tags: &[Tag], ahead: Ahead) {
        for batch in tags.chunks(BATCH) {
            let mut shards: [Option<MutexGuard<'_, Shard>>; BATCH] = [const { None }; BATCH];
            let mut slots = [None; BATCH];
            for (shard, tag) in shards.iter_mut().zip(batch) {
                *shard = self.try_lock_shard(Handle(tag.high));
            }
            for ((slot, shard), tag) in slots.iter_mut().zip(&shards).zip(batch) {
                *slot = shard.as_ref().and_then(|shard| shard.likely_slot(*tag));
            }
            for (shard, slot) in shards.iter().zip(&slots) {
                if let (Some(shard), Some(slot)) = (shard, slot) {
                    black_box(shard.record(*slot).user);
                }
            }
            if ahead == Ahead::Records {
                continue;
            }
            for (shard, slot) in shards.iter().zip(&slots) {
                if let (Some(shard), Some(slot)) = (shard, slot) {
                    let block = shard.body_block(*slot);
                    black_box([0, LINE, 2 * LINE].map(|at| block.get(at).copied()));
                    self.warm_user(shard.record(*slot).user);
                }
            }
        }
    }

    /// Warms the cache for a look at the records in these slots. Changes nothing.
    pub(super) fn warm_slots(&self, slots: &[u32]) {
        for batch in slots.chunks(BATCH) {
            let mut shards: [Option<(MutexGuard<'_, Shard>, u32)>; BATCH] = [const { None }; BATCH];
            for (shard, slot) in shards.iter_mut().zip(batch) {
                *shard = self.try_lock_slot(*slot);
            }
            for (shard, local) in shards.iter().flatten() {
                black_box(shard.living(*local).map(|record| record.user));
            }
        }
    }

    /// Loads the cell of a user, which a touch in a new second changes.
    fn warm_user(&self, user: u32) {
        if user != NONE {
            black_box(self.users.cell(user).load(Relaxed));
        }
    }
}
