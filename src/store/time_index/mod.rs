//! Who was active when, for one app: a skiplist of seconds, each with a bucket of slots, and counts.
//!
//! The session's record holds the truth. An entry (bucket, slot) is valid only if the record of the
//! slot says that it was last active within the bucket's seconds; a touch in a new second appends
//! one entry and leaves the old one to rot. Counts are kept apart, so `activity` reads no bucket.
//! Maintenance bounds the rot: buckets older than an hour become minutes, older than a day hours,
//! and a bucket with more than twice as many entries as sessions is written anew.

mod bucket;
mod counts;
mod upkeep;

use std::sync::{Arc, Mutex, RwLock};

use crossbeam_skiplist::SkipMap;

pub(super) use bucket::Bucket;
pub(super) use counts::Counts;
pub(super) use upkeep::Upkeep;
use upkeep::width_of;

use crate::store::{locked, read_locked, write_locked};

/// The index of one app in one epoch.
///
/// Lock order within: `newest`, then `layout`, then a bucket's entries. All are leaves of the store's
/// order: nothing else is locked while one is held.
pub(super) struct TimeIndex {
    /// Buckets by their first second.
    buckets: SkipMap<u32, Arc<Bucket>>,
    /// Held for every append. Keeps the bucket of the newest second at hand, where nearly all go.
    newest: Mutex<Arc<Bucket>>,
    /// Written while buckets are replaced, read while they are listed, so that a lister never sees
    /// the moment between.
    layout: RwLock<()>,
    /// The second in which the store began: what is appended for times long before goes into buckets
    /// as wide as upkeep would have made them by then.
    began: u32,
    /// The state of the upkeep. Taken before any other lock of the store, by sweeps only.
    pub(super) upkeep: Mutex<Upkeep>,
    /// Sessions by the second of their last activity.
    pub(super) sessions: Counts,
    /// Users by the second of their last activity.
    pub(super) users: Counts,
}

impl TimeIndex {
    /// An empty index of a store that began in second `began`.
    pub(super) fn new(began: u32) -> Self {
        Self {
            buckets: SkipMap::new(),
            newest: Mutex::new(Arc::new(Bucket::new(u32::MAX, 1))),
            layout: RwLock::new(()),
            began,
            upkeep: Mutex::default(),
            sessions: Counts::new(began),
            users: Counts::new(began),
        }
    }

    /// Appends an entry for `slot` to the bucket that covers `second`.
    pub(super) fn append(&self, second: u32, slot: u32) {
        self.append_all(std::iter::once((second, slot)));
    }

    /// Appends entries, seconds with slots, which come in the order of their seconds.
    pub(super) fn append_all(&self, entries: impl Iterator<Item = (u32, u32)>) {
        let mut newest = locked(&self.newest);
        let mut entries = entries.peekable();
        while let Some((second, _)) = entries.peek() {
            if !newest.covers(*second) {
                *newest = self.bucket_of(*second);
            }
            let covered = std::iter::from_fn(|| entries.next_if(|(s, _)| newest.covers(*s)));
            newest.extend(covered.map(|(_, slot)| slot));
        }
    }

    /// The buckets that may hold sessions last active at or after `since`, newest first.
    pub(super) fn buckets_since(&self, since: u32) -> Vec<Arc<Bucket>> {
        let _layout = read_locked(&self.layout);
        self.buckets
            .iter()
            .rev()
            .map(|entry| Arc::clone(entry.value()))
            .take_while(|bucket| bucket.last_second() >= since)
            .collect()
    }

    /// Puts `successor`, unless it is empty, in the place of `old` buckets. `seen` is how many entries of them the
    /// successor takes into account; false, and nothing is done, when more have come since.
    fn replace(&self, old: &[Arc<Bucket>], seen: usize, successor: &Arc<Bucket>) -> bool {
        let mut newest = locked(&self.newest);
        let _layout = write_locked(&self.layout);
        if old.iter().map(|b| b.len()).sum::<usize>() != seen {
            return false;
        }
        for bucket in old {
            self.buckets.remove(&bucket.first_second());
        }
        if successor.len() > 0 {
            self.buckets
                .insert(successor.first_second(), Arc::clone(successor));
        }
        *newest = Arc::new(Bucket::new(u32::MAX, 1));
        true
    }

    /// The bucket that covers `second`, made if there is none.
    fn bucket_of(&self, second: u32) -> Arc<Bucket> {
        if let Some(entry) = self.buckets.upper_bound(std::ops::Bound::Included(&second))
            && entry.value().covers(second)
        {
            return Arc::clone(entry.value());
        }
        let seconds = width_of(second, self.began);
        let first = second / seconds * seconds;
        let made = self
            .buckets
            .get_or_insert_with(first, || Arc::new(Bucket::new(first, seconds)));
        Arc::clone(made.value())
    }

    /// Bytes of all buckets.
    pub(super) fn allocated_bytes(&self) -> usize {
        self.buckets
            .iter()
            .map(|e| e.value().allocated_bytes() + NODE_BYTES)
            .sum()
    }
}

/// About what a bucket and its skiplist node take besides the entries.
const NODE_BYTES: usize = 192;
