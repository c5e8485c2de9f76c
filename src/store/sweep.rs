//! Removes what has expired or was killed with its app, and keeps arenas and time indexes small.
//!
//! All of it is bounded: a sweep does a given number of lock holds, each of at most 256 entries, and
//! says whether work is left. Nobody waits for it: every read compares the deadline itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::clock::Millis;
use crate::limits::ENTRIES_PER_HOLD;
use crate::store::apps::{App, Generation, short};
use crate::store::arena::Arena;
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
    remains: Vec<Remains>,
}

/// What may be much to free in one go: kept until no lock is held, then a step for each.
enum Remains {
    /// With its last session goes an app, and with it a time index.
    App { _app: Arc<App> },
    /// Blocks of sessions that are all gone.
    Arena { _arena: Arena },
}

/// An app's epoch that was killed: its old index lists the sessions whose memory is to be freed. It
/// stays in the queue until the last of them is gone, so that no epoch with the same low bits begins.
pub(super) struct Reaping {
    app: Arc<App>,
    epoch: u32,
    rest: Rest,
}

/// What is still to be looked at of an index that nobody appends to any more.
#[derive(Default)]
enum Rest {
    All(Arc<TimeIndex>),
    Buckets {
        buckets: Vec<Arc<Bucket>>,
        /// Entries of the last bucket already looked at.
        read: usize,
    },
    /// A sweep has it in hand, or nothing is left.
    #[default]
    Nothing,
}

impl Reaping {
    pub(super) fn new(app: &Arc<App>, ended: Generation) -> Self {
        Self {
            app: Arc::clone(app),
            epoch: ended.epoch,
            rest: Rest::All(ended.index),
        }
    }
}

impl Rest {
    /// The next entries to look at; empty when there are none.
    fn slice(&mut self) -> Vec<u32> {
        if let Self::All(index) = self {
            let buckets = index.buckets_since(0);
            *self = Self::Buckets { buckets, read: 0 };
        }
        let mut slots = Vec::new();
        if let Self::Buckets { buckets, read } = self {
            while let Some(bucket) = buckets.last() {
                bucket.copy(*read, REMOVED_PER_STEP, &mut slots);
                if !slots.is_empty() {
                    *read += slots.len();
                    break;
                }
                buckets.pop();
                *read = 0;
            }
        }
        slots
    }
}

impl Remains {
    fn of_closed(app: Arc<App>) -> Option<Self> {
        app.is_closed().then_some(Self::App { _app: app })
    }
}

impl Store {
    /// Does at most about `holds` lock holds of sweeping.
    pub(crate) fn sweep(&self, now: Millis, holds: usize) -> SweepReport {
        let mut left = holds;
        self.bury(&mut left);
        let mut sweeper = locked(&self.sweeper);
        let mut report = SweepReport::default();
        self.expire(&mut sweeper, now, &mut left, &mut report);
        report.more |= self.reap(&mut sweeper.remains, &mut left);
        if sweeper.round.is_none() {
            report.more |= self.keep_up(&mut sweeper, now, &mut left);
        }
        report.more |= !sweeper.remains.is_empty();
        report
    }

    /// Frees what earlier steps have left, while no lock is held.
    fn bury(&self, left: &mut usize) {
        while *left > 0 {
            let Some(remains) = locked(&self.sweeper).remains.pop() else {
                return;
            };
            *left -= 1;
            drop(remains);
        }
    }

    /// An epoch that may follow `present` in `app`, whose generation is locked. Records carry eight bits
    /// of it, so it differs in these from every epoch whose records still wait to be reaped; `None`
    /// when too many do.
    pub(super) fn free_epoch(&self, app: &App, present: u32) -> Option<u32> {
        let mut taken = vec![short(present)];
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

    /// Frees the memory of all apps that were killed whole.
    pub(super) fn reap_all(&self) {
        let mut sweeper = locked(&self.sweeper);
        let mut holds = usize::MAX;
        self.reap(&mut sweeper.remains, &mut holds);
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
                if !self.expire_in(number, round, &mut sweeper.remains, &mut report.expired) {
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
        remains: &mut Vec<Remains>,
        expired: &mut u64,
    ) -> bool {
        let mut budget = REMOVED_PER_STEP;
        // Looked up anew in each hold: between two of them an app's number may pass to another.
        let mut known: Option<Arc<App>> = None;
        let mut shard = self.lock_number(number);
        while let Some(slot) = shard.shard.next_expired(now, &mut budget) {
            debug_assert!(
                shard.shard.is_past(slot, now),
                "only past deadlines come out"
            );
            let record = shard.shard.record(slot);
            let (id, epoch) = (record.app, record.epoch);
            if known.as_ref().is_none_or(|app| app.id != id) {
                let before = std::mem::replace(&mut known, self.apps.by_id(id));
                remains.extend(before.and_then(Remains::of_closed));
            }
            // Every record has its app: it counts them.
            if let Some(app) = &known {
                *expired += u64::from(app.is_current(epoch));
                shard.remove_of(app, slot);
            }
        }
        let due = budget == 0;
        let mut spare = budget;
        let more = due || shard.shard.compact(&mut spare);
        let hollow = shard.shard.take_hollow();
        remains.extend(hollow.map(|arena| Remains::Arena { _arena: arena }));
        remains.extend(known.and_then(Remains::of_closed));
        more
    }

    /// Frees the memory of apps that were killed whole. Called with the sweeper locked. True: more to
    /// do.
    fn reap(&self, remains: &mut Vec<Remains>, left: &mut usize) -> bool {
        loop {
            let (app, epoch, mut rest) = match locked(&self.reaping).front_mut() {
                Some(first) => {
                    let rest = std::mem::take(&mut first.rest);
                    (Arc::clone(&first.app), first.epoch, rest)
                }
                None => return false,
            };
            while *left > 0 {
                let slots = rest.slice();
                if slots.is_empty() {
                    break;
                }
                *left -= 1;
                for slot in slots {
                    remains.extend(self.reap_slot(&app, epoch, slot));
                }
            }
            let mut queue = locked(&self.reaping);
            if *left == 0 {
                if let Some(first) = queue.front_mut() {
                    first.rest = rest;
                }
                return true;
            }
            queue.pop_front();
        }
    }

    fn reap_slot(&self, reaped: &Arc<App>, epoch: u32, slot: u32) -> Option<Remains> {
        let (mut shard, local) = self.lock_slot(slot);
        let record = shard.shard.living(local)?;
        // The app's number may have passed to another app: the app itself must be the same.
        let app = self.apps.by_id(record.app);
        let same = app.is_some_and(|app| Arc::ptr_eq(&app, reaped));
        if same && record.epoch == short(epoch) {
            shard.remove_of(reaped, local);
        }
        let hollow = shard.shard.take_hollow();
        hollow.map(|arena| Remains::Arena { _arena: arena })
    }

    /// Upkeep of the time indexes, one app after the other. True: more to do.
    fn keep_up(&self, sweeper: &mut Sweeper, now: Millis, left: &mut usize) -> bool {
        let apps = self.apps.all();
        let now = self.upkeep_bound(index_second(now));
        for _ in 0..apps.len() {
            let Some(app) = apps.get(sweeper.app % apps.len()) else {
                break;
            };
            let mut budget = left.saturating_mul(ENTRIES_PER_HOLD);
            let (index, epoch) = {
                let generation = read_locked(&app.generation);
                (Arc::clone(&generation.index), short(generation.epoch))
            };
            let more = self.keep_up_index((app, epoch), &index, now, &mut budget);
            *left = left.min(&mut (budget / ENTRIES_PER_HOLD)).to_owned();
            if more {
                return true;
            }
            sweeper.app = (sweeper.app + 1) % apps.len();
        }
        false
    }

    /// `of` is the app and the epoch of the index. Should the epoch end meanwhile, its sessions still
    /// count as valid: their entries are what they are reaped by.
    fn keep_up_index(
        &self,
        of: (&App, u8),
        index: &TimeIndex,
        now: u32,
        budget: &mut usize,
    ) -> bool {
        let is_valid = |bucket: &Bucket, slot: u32| {
            let (shard, local) = self.lock_slot(slot);
            let record = shard.shard.living(local);
            record.is_some_and(|record| {
                (record.app, record.epoch) == (of.0.id, of.1) && bucket.covers(record.last_second())
            })
        };
        locked(&index.upkeep).step(index, now, budget, |bucket, slots| {
            self.warm_slots(slots);
            slots.retain(|slot| is_valid(bucket, *slot));
        })
    }
}
