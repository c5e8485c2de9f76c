//! Which way a list takes: through the indexes of its app, or through the slots of all apps.
//!
//! An index is in no order of handles, so a page from it costs a look at each session in scope, and a
//! list of n sessions n * n / (sessions of a page). The shards are in the order of handles: a walk
//! over their slots begins in the shard that its page begins in, and ends where the page is full, so
//! that all pages together look at each slot of the store about once. That is better for an app that
//! has much of the store, and worse for a small one beside a large store. Both ways show the same
//! sessions in the same order, so each page may choose anew.

use std::sync::Arc;

use crate::clock::Millis;
use crate::store::apps::App;
use crate::store::list::{Cursor, Members, Order, Stage, Walk};
use crate::store::record::index_second;
use crate::store::{Store, read_locked};

/// What one hold of a shard's lock is charged at least, in looks at a slot.
pub(super) const HOLD: usize = 8;

/// Slots stand side by side, while each entry of an index leads to a lock and a record elsewhere: so
/// many looks at slots cost about as much as one through an index.
const SLOTS_PER_ENTRY: u64 = 4;

impl Store {
    /// How a walk begins, or goes on behind what it has shown.
    pub(super) fn route(&self, walk: &Walk<'_>, cursor: &Cursor) -> Stage {
        let since = match walk.members {
            Members::User(_) | Members::Ip(_) => return Stage::Names,
            Members::ActiveSince(since) => index_second(since),
            Members::IpOfAny(_) => 0,
        };
        let number = cursor.page.behind().map_or(0, |last| self.number_of(last));
        if self.is_faster_by_slots(walk, cursor, since, number) {
            return Stage::Slots { number, slot: 0 };
        }
        let index = Arc::clone(&read_locked(&walk.app.generation).index);
        let buckets = index.buckets_since(since).into_iter();
        Stage::Buckets {
            buckets: buckets.map(|b| (Arc::clone(&b), b.len())).collect(),
            read: 0,
        }
    }

    /// Whether a walk over the slots, from this shard on, costs less than one through the index.
    fn is_faster_by_slots(
        &self,
        walk: &Walk<'_>,
        cursor: &Cursor,
        since: u32,
        number: usize,
    ) -> bool {
        let entries = in_scope(walk.app, walk.now, since);
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        // Handles are spread evenly, so one shard tells of all.
        let used = self.lock_number(number).shard.used();
        let of_shard = u64::from(used).max(count(HOLD));
        let (all, left) = (
            count(self.shards.len()),
            count(self.shards.len().saturating_sub(number)),
        );
        let shards = match (cursor.order, walk.members) {
            (Order::Natural, _) => return false,
            (Order::Handle { .. }, Members::ActiveSince(_)) => {
                let full_after = all.saturating_mul(count(cursor.page.room())) / entries.max(1);
                left.min(full_after.saturating_add(1))
            }
            // A count goes to the end, and how many have an IP nobody knows.
            (Order::Handle { .. } | Order::Any { .. }, _) => left,
        };
        of_shard.saturating_mul(shards) / SLOTS_PER_ENTRY < entries
    }
}

/// How many sessions of the app were active in this second or later.
fn in_scope(app: &App, now: Millis, since: u32) -> u64 {
    let index = Arc::clone(&read_locked(&app.generation).index);
    let now = index_second(now);
    index
        .sessions
        .since(now, u64::from(now.saturating_sub(since)))
}
