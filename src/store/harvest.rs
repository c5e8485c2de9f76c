//! The harvest of touches: which sessions were active in a second, so that the log can take them down.
//!
//! A touch in a new second files its session in the bucket of that second, so these buckets list what
//! was touched; how far each has been harvested stands in itself. A session that is touched all the
//! time is in every bucket and is harvested with each. Upkeep leaves buckets alone that are still to
//! be harvested. What is listed but was reused, killed or has moved on meanwhile does no harm: a
//! harvest takes down the present state of whatever living session it meets.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::clock::Millis;
use crate::limits::ENTRIES_PER_HOLD;
use crate::store::apps::{App, short};
use crate::store::record::{Record, index_second};
use crate::store::shard::Shard;
use crate::store::time_index::Bucket;
use crate::store::{Store, locked, read_locked};

/// Seconds that stay open for latecomers after their harvest: touches by a thread that was held up
/// between reading the clock and taking the session's lock.
const LATE_SECONDS: u32 = 3;

/// Where the harvest stands. One runs at a time.
#[derive(Default)]
pub(super) struct Harvester {
    round: Option<Round>,
}

/// A harvest of all seconds up to one.
struct Round {
    first: u32,
    last: u32,
    /// From this second on, look at everything that the buckets hold, harvested or not.
    anew: u32,
    apps: Vec<Arc<App>>,
    at: Option<Row>,
}

/// The buckets of one app that are still to be harvested in a round, the last one first.
struct Row {
    app: Arc<App>,
    epoch: u8,
    buckets: Vec<Arc<Bucket>>,
}

impl Store {
    /// From now on touches are to be harvested, from the present second on. Without this, upkeep
    /// need not wait for a harvest.
    pub(crate) fn start_harvest(&self, now: Millis) {
        self.harvested_to
            .store(index_second(now), Ordering::Release);
    }

    /// The second below which upkeep may alter buckets.
    pub(super) fn upkeep_bound(&self, now: u32) -> u32 {
        let harvested = self.harvested_to.load(Ordering::Acquire);
        now.min(harvested.saturating_sub(LATE_SECONDS))
    }

    /// Hands out the sessions that were active in the seconds up to `last` and were not harvested with
    /// them yet, each under its lock; at most `slices` slices of 256. True: there are more.
    pub(crate) fn harvest(&self, last: u32, slices: usize, each: &mut dyn FnMut(&Record)) -> bool {
        let mut harvester = locked(&self.harvester);
        let mut left = slices;
        loop {
            if harvester.round.is_none() {
                let first = self.harvested_to.load(Ordering::Acquire);
                if last < first {
                    return false;
                }
                harvester.round = Some(self.round(first, last, u32::MAX));
            }
            if self.go_on(&mut harvester, &mut left, each) {
                return true;
            }
        }
    }

    /// Hands out all sessions that were active since the last harvest, up to and including the present
    /// second. What is touched later in this second is harvested only by another call like this.
    pub(crate) fn harvest_all(&self, now: Millis, each: &mut dyn FnMut(&Record)) {
        let mut harvester = locked(&self.harvester);
        let first = self.harvested_to.load(Ordering::Acquire);
        let last = index_second(now).max(first);
        harvester.round = Some(self.round(first, last, first));
        let mut all = usize::MAX;
        self.go_on(&mut harvester, &mut all, each);
        // The present second is not over.
        self.harvested_to.store(last, Ordering::Release);
    }

    fn round(&self, first: u32, last: u32, anew: u32) -> Round {
        Round {
            first: first.saturating_sub(LATE_SECONDS),
            last,
            anew,
            apps: self.apps.all(),
            at: None,
        }
    }

    /// Goes on with the round, if there is one. True: `left` is used up before its end.
    fn go_on(
        &self,
        harvester: &mut Harvester,
        left: &mut usize,
        each: &mut dyn FnMut(&Record),
    ) -> bool {
        let Some(round) = &mut harvester.round else {
            return false;
        };
        while let Some(row) = round.next_row() {
            while let Some(bucket) = row.buckets.last() {
                if *left == 0 {
                    return true;
                }
                let slots = bucket.take_harvest(ENTRIES_PER_HOLD);
                if slots.is_empty() {
                    row.buckets.pop();
                    continue;
                }
                *left -= 1;
                self.warm_slots(&slots);
                for slot in slots {
                    self.harvest_slot((&row.app, row.epoch), slot, each);
                }
            }
            round.at = None;
        }
        let next = round.last.saturating_add(1);
        harvester.round = None;
        self.harvested_to.store(next, Ordering::Release);
        false
    }

    /// `of` is the app and the epoch whose buckets name the slot.
    fn harvest_slot(&self, of: (&App, u8), slot: u32, each: &mut dyn FnMut(&Record)) {
        let (locked, local) = self.lock_slot(slot);
        let Some(record) = locked.shard.living(local) else {
            return;
        };
        let same = (record.app, record.epoch) == (of.0.id, of.1) && !record.is_alias();
        if same && !is_as_created(&locked.shard, local) {
            each(record);
        }
    }
}

impl Round {
    /// The app whose buckets come next, or still.
    fn next_row(&mut self) -> Option<&mut Row> {
        if self.at.is_none() {
            let app = self.apps.pop()?;
            self.at = Some(Row::of(app, self.first, self.last, self.anew));
        }
        self.at.as_mut()
    }
}

impl Row {
    fn of(app: Arc<App>, first: u32, last: u32, anew: u32) -> Self {
        let (index, epoch) = {
            let generation = read_locked(&app.generation);
            (Arc::clone(&generation.index), short(generation.epoch))
        };
        let mut buckets = index.buckets_since(first);
        buckets.retain(|bucket| bucket.first_second() <= last);
        for bucket in &buckets {
            if bucket.first_second() >= anew {
                bucket.begin_harvest_anew();
            }
        }
        Self {
            app,
            epoch,
            buckets,
        }
    }
}

/// Whether a session is still what its create wrote down: nearly all that are new are.
fn is_as_created(shard: &Shard, local: u32) -> bool {
    let record = shard.record(local);
    (record.reads(), record.writes()) == (1, 1) && record.last_active() == shard.body(local).created
}
