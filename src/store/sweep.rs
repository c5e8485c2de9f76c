//! Removes what has expired or was killed with its app, and keeps arenas and time indexes small.
//!
//! All of it is bounded: a sweep does a given number of lock holds, each of at most 256 entries, and
//! says whether work is left. Nobody waits for it: every read compares the deadline itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::clock::Millis;
use crate::limits::ENTRIES_PER_HOLD;
use crate::store::apps::{App, Generation, short};
use crate::store::record::index_second;
use crate::store::time_index::{Bucket, TimeIndex};
use crate::store::{Store, locked, read_locked};

/// Sessions removed per step. Removing one that has a user and an IP costs 1.3 us, and 3 us in the
/// first steps of a storm, which find nothing in the processor's caches: this many stay well below
/// the 0.2 ms allowed for a hold.
const REMOVED_PER_STEP: usize = ENTRIES_PER_HOLD / 8;

/// What a sweep came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct SweepReport {
    /// Sessions removed because their deadline had passed.
    pub(crate) expired: u64,
    /// Work is left.
    pub(crate) more: bool,
}

/// Where the sweep stands. One sweep runs at a time.
#[derive(Default)]
pub(super) struct Sweeper {
    /// The shard that comes next in the present round.
    shard: usize,
    /// The moment to which the present round sweeps.
    round: Option<Millis>,
    /// The app whose time index comes next.
    app: usize,
    /// Apps of removed sessions, kept until no lock is held: the last session takes its app along,
    /// and with that a time index which may be large.
    bereft: Vec<Arc<App>>,
}

/// An app's epoch that was killed: its old index lists the sessions whose memory is to be freed.
pub(super) struct Reaping {
    app: Arc<App>,
    epoch: u32,
    buckets: Vec<Arc<Bucket>>,
    /// Entries of the last bucket already looked at.
    read: usize,
}

impl Reaping {
    pub(super) fn new(app: &Arc<App>, ended: Generation) -> Self {
        let buckets = ended.index.buckets_since(0);
        Self {
            app: Arc::clone(app),
            epoch: ended.epoch,
            buckets,
            read: 0,
        }
    }

    /// The next entries to look at; empty when there are none.
    fn slice(&mut self) -> Vec<u32> {
        let mut slots = Vec::new();
        while let Some(bucket) = self.buckets.last() {
            bucket.copy(self.read, REMOVED_PER_STEP, &mut slots);
            if !slots.is_empty() {
                self.read += slots.len();
                break;
            }
            self.buckets.pop();
            self.read = 0;
        }
        slots
    }
}

impl Store {
    /// Does at most about `holds` lock holds of sweeping.
    pub(crate) fn sweep(&self, now: Millis, holds: usize) -> SweepReport {
        let mut sweeper = locked(&self.sweeper);
        let mut left = holds;
        let mut report = SweepReport::default();
        self.expire(&mut sweeper, now, &mut left, &mut report);
        report.more |= self.reap(&mut left);
        if sweeper.round.is_none() {
            report.more |= self.keep_up(&mut sweeper, now, &mut left);
        }
        let bereft = std::mem::take(&mut sweeper.bereft);
        drop(sweeper);
        drop(bereft);
        report
    }

    /// The epoch that a kill of all sessions of `app` is to begin. Records carry eight bits of it, so
    /// it differs in these from every epoch whose records still wait to be reaped; `None` when too
    /// many do: sweep and ask again.
    pub(crate) fn next_epoch(&self, app: &App) -> Option<u32> {
        let mut taken = vec![short(app.epoch())];
        for reaping in &*locked(&self.reaping) {
            if std::ptr::eq(Arc::as_ptr(&reaping.app), app) {
                taken.push(short(reaping.epoch));
            }
        }
        if taken.len() > 200 {
            return None;
        }
        loop {
            let next = self.epochs.fetch_add(1, Ordering::AcqRel).saturating_add(1);
            if !taken.contains(&short(next)) {
                return Some(next);
            }
        }
    }

    /// One round over all shards per second of time.
    fn expire(
        &self,
        sweeper: &mut Sweeper,
        now: Millis,
        left: &mut usize,
        report: &mut SweepReport,
    ) {
        while sweeper.round.is_some() || !self.is_swept(now) {
            let round = *sweeper.round.get_or_insert(now);
            while sweeper.shard < self.shards.len() {
                if *left == 0 {
                    report.more = true;
                    return;
                }
                *left -= 1;
                let number = sweeper.shard;
                if !self.expire_in(number, round, &mut sweeper.bereft, &mut report.expired) {
                    sweeper.shard += 1;
                }
            }
            sweeper.shard = 0;
            sweeper.round = None;
            self.swept_to.store(index_second(round), Ordering::Release);
        }
    }

    /// One hold of one shard. True: it has more.
    fn expire_in(
        &self,
        number: usize,
        now: Millis,
        apps: &mut Vec<Arc<App>>,
        expired: &mut u64,
    ) -> bool {
        let mut budget = REMOVED_PER_STEP;
        // Looked up anew in each hold: between two of them an app's number may pass to another.
        let earlier = apps.len();
        let mut shard = self.lock_number(number);
        while let Some(slot) = shard.shard.next_expired(now, &mut budget) {
            debug_assert!(
                shard.shard.is_past(slot, now),
                "only past deadlines come out"
            );
            let record = shard.shard.record(slot);
            let (id, epoch) = (record.app, record.epoch);
            let is_known = |app: &&Arc<App>| app.id == id;
            if apps
                .iter()
                .skip(earlier)
                .next_back()
                .filter(is_known)
                .is_none()
            {
                apps.extend(self.apps.by_id(id));
            }
            // Every record has its app: it counts them.
            if let Some(app) = apps.last().filter(is_known) {
                *expired += u64::from(app.is_current(epoch));
                shard.remove_of(app, slot);
            }
        }
        let due = budget == 0;
        let mut spare = budget;
        due || shard.shard.compact(&mut spare)
    }

    /// Frees the memory of apps that were killed whole. True: more to do.
    fn reap(&self, left: &mut usize) -> bool {
        loop {
            let Some(mut reaping) = locked(&self.reaping).pop_front() else {
                return false;
            };
            loop {
                let slots = if *left > 0 {
                    reaping.slice()
                } else {
                    Vec::new()
                };
                if slots.is_empty() {
                    break;
                }
                *left -= 1;
                slots
                    .into_iter()
                    .for_each(|slot| self.reap_slot(&reaping, slot));
            }
            if *left == 0 {
                locked(&self.reaping).push_front(reaping);
                return true;
            }
        }
    }

    fn reap_slot(&self, reaping: &Reaping, slot: u32) {
        let (mut shard, local) = self.lock_slot(slot);
        let Some(record) = shard.shard.living(local) else {
            return;
        };
        // The app's number may have passed to another app: the app itself must be the same.
        let app = self.apps.by_id(record.app);
        let same = app.is_some_and(|app| Arc::ptr_eq(&app, &reaping.app));
        if same && record.epoch == short(reaping.epoch) {
            shard.remove_of(&reaping.app, local);
        }
    }

    /// Upkeep of the time indexes, one app after the other. True: more to do.
    fn keep_up(&self, sweeper: &mut Sweeper, now: Millis, left: &mut usize) -> bool {
        let apps = self.apps.all();
        let now = index_second(now);
        for _ in 0..apps.len() {
            let Some(app) = apps.get(sweeper.app % apps.len()) else {
                break;
            };
            let mut budget = left.saturating_mul(ENTRIES_PER_HOLD);
            let index = Arc::clone(&read_locked(&app.generation).index);
            let more = self.keep_up_index(app, &index, now, &mut budget);
            *left = left.min(&mut (budget / ENTRIES_PER_HOLD)).to_owned();
            if more {
                return true;
            }
            sweeper.app = (sweeper.app + 1) % apps.len();
        }
        false
    }

    fn keep_up_index(&self, app: &App, index: &TimeIndex, now: u32, budget: &mut usize) -> bool {
        locked(&index.upkeep).step(index, now, budget, |slot| {
            let (shard, local) = self.lock_slot(slot);
            let record = shard.shard.living(local)?;
            (record.app == app.id && app.is_current(record.epoch)).then(|| record.last_second())
        })
    }
}
