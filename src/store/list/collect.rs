//! Collecting which sessions a list means, a slice at a time. Each answers what the slice is charged.

use crate::store::apps::short;
use crate::store::list::page::Found;
use crate::store::list::route::HOLD;
use crate::store::list::{Cursor, Members, Order, Stage, Visit, Walk, matches};
use crate::store::{Store, view};

impl Store {
    /// A slice of the buckets of the time index.
    pub(super) fn collect_bucket(
        &self,
        walk: &Walk<'_>,
        cursor: &mut Cursor,
        budget: usize,
        visit: &mut Visit<'_>,
    ) -> usize {
        let Stage::Buckets { buckets, read } = &mut cursor.stage else {
            return 0;
        };
        let Some((bucket, length)) = buckets.last() else {
            cursor.end_collecting(true);
            return 0;
        };
        let mut slots = Vec::new();
        bucket.copy(*read, budget.min(length - *read), &mut slots);
        *read += slots.len();
        if slots.is_empty() {
            buckets.pop();
            *read = 0;
            return 1;
        }
        match cursor.order {
            Order::Natural => self.keep_matching(walk, &slots, |f| cursor.found.push(f)),
            Order::Handle { .. } => self.keep_matching(walk, &slots, |f| cursor.page.push(f)),
            Order::Any { .. } => {
                for &slot in &slots {
                    if cursor.seen.insert(slot) {
                        self.visit(walk, slot, |handle| cursor.page.is_ahead(handle), visit);
                    }
                }
            }
        }
        slots.len()
    }

    /// A slice of a name's list.
    pub(super) fn collect_names(
        &self,
        walk: &Walk<'_>,
        cursor: &mut Cursor,
        budget: usize,
    ) -> usize {
        let mut slots = Vec::new();
        if self.read_names(walk, cursor, budget, &mut slots) {
            cursor.end_collecting(false);
        }
        slots.len().max(1)
    }

    /// Reads on in a name's list and keeps what matches. True: that was all.
    fn read_names(
        &self,
        walk: &Walk<'_>,
        cursor: &mut Cursor,
        limit: usize,
        slots: &mut Vec<u32>,
    ) -> bool {
        let (directory, name) = match walk.members {
            Members::User(name) => (&self.users, name),
            Members::Ip(name) => (&self.ips, name),
            Members::ActiveSince(_) | Members::IpOfAny(_) => return true,
        };
        let hash = self.name_hash(walk.app, short(walk.app.epoch()), name);
        // Go on behind the last collected session that is still in the list: new ones join at the
        // head, so its followers are those not collected yet.
        let mut all = None;
        for found in cursor.found.iter().rev() {
            let (shard, local) = self.lock_slot(found.slot);
            if matches(walk, &shard.shard, local) == Some(found.handle) {
                all = Some(directory.collect(hash, Some(found.slot), limit, slots));
                break;
            }
        }
        let all = all.unwrap_or_else(|| directory.collect(hash, None, limit, slots));
        let before = cursor.found.len();
        self.keep_matching(walk, slots, |found| cursor.found.push(found));
        if all || cursor.found.len() > before {
            return all;
        }
        // What matches no more has left the list by now, so the next slice gets further. Only another
        // name with the same hash would give the same slice again: all that was asked for is found.
        let again = cursor.fruitless == *slots;
        cursor.fruitless.clone_from(slots);
        again
    }

    /// A slice of the slots of a shard: one hold of its lock. A session has one slot all its life, so
    /// one that is in scope all the time is met once.
    pub(super) fn collect_slots(
        &self,
        walk: &Walk<'_>,
        cursor: &mut Cursor,
        budget: usize,
        visit: &mut Visit<'_>,
    ) -> usize {
        let Stage::Slots { number, slot } = cursor.stage else {
            return 0;
        };
        if number >= self.shards.len() {
            cursor.stage = Stage::Done;
            return 0;
        }
        let locked = self.lock_number(number);
        let shard = &locked.shard;
        let budget = u32::try_from(budget).unwrap_or(u32::MAX);
        let end = slot.saturating_add(budget).min(shard.used());
        for local in slot..end {
            let Some(handle) = matches(walk, shard, local) else {
                continue;
            };
            if !cursor.page.is_ahead(handle) || shard.is_past(local, walk.now) {
                continue;
            }
            match (cursor.order, &mut *visit) {
                (Order::Any { .. }, Visit::Show(show)) => {
                    show(&view(walk.app, shard, local, walk.now));
                }
                _ => cursor.page.push(Found {
                    slot: self.global(locked.number, local),
                    last: shard.record(local).last_second(),
                    handle,
                }),
            }
        }
        let is_last = end >= shard.used();
        drop(locked);
        if is_last {
            cursor.found = cursor.page.take();
            cursor.stage = Stage::Show {
                next: 0,
                next_shard: Some(number + 1),
            };
        } else {
            cursor.stage = Stage::Slots { number, slot: end };
        }
        (end.saturating_sub(slot) as usize).max(HOLD)
    }

    /// Keeps the slots whose sessions are in scope.
    fn keep_matching(&self, walk: &Walk<'_>, slots: &[u32], mut keep: impl FnMut(Found)) {
        for &slot in slots {
            let (locked, local) = self.lock_slot(slot);
            if let Some(handle) = matches(walk, &locked.shard, local) {
                let last = locked.shard.record(local).last_second();
                keep(Found { slot, last, handle });
            }
        }
    }
}
