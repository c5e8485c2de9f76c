//! Keeps a time index small: drops what is empty, rewrites what is mostly stale, merges what is old.

use std::sync::Arc;

use ahash::RandomState;
use hashbrown::HashSet;

use super::{Bucket, TimeIndex};

/// Seconds after which seconds become minutes.
const FINE_SECONDS: u32 = 3_600;
/// Seconds after which minutes become hours.
const MINUTE_SECONDS: u32 = 86_400;
/// A bucket may hold twice its living sessions and this many entries more.
const SLACK: u64 = 64;
/// Entries copied out of a bucket at a time.
const SLICE: usize = crate::limits::ENTRIES_PER_HOLD;

/// The seconds that the bucket of `second` covers by `now`: see [`Job::for_bucket`].
pub(super) fn width_of(second: u32, now: u32) -> u32 {
    let is_old = |wider: u32, age| (second / wider * wider).saturating_add(wider + age) <= now;
    if is_old(3_600, MINUTE_SECONDS) {
        3_600
    } else if is_old(60, FINE_SECONDS) {
        60
    } else {
        1
    }
}

/// The upkeep of one index, in slices.
#[derive(Default)]
pub(in crate::store) struct Upkeep {
    job: Option<Job>,
    /// Where the next look for a job begins; a pass goes from the oldest bucket to the newest.
    from: u32,
    /// The second before which no new pass begins.
    rest_until: u32,
}

/// Buckets about to be replaced by one.
struct Job {
    old: Vec<Source>,
    /// What is worth keeping of them.
    successor: Arc<Bucket>,
    /// The slots in the successor: each stands there once, however often the old buckets name it.
    kept: HashSet<u32, RandomState>,
}

struct Source {
    bucket: Arc<Bucket>,
    /// Entries already looked at.
    read: usize,
}

impl Upkeep {
    /// Does a bounded piece of work, charging `budget` one per entry looked at. `keep_valid` leaves of
    /// the entries of a bucket those whose session was last active within it. True: more to do.
    pub(in crate::store) fn step(
        &mut self,
        index: &TimeIndex,
        now: u32,
        budget: &mut usize,
        keep_valid: impl Fn(&Bucket, &mut Vec<u32>),
    ) -> bool {
        while *budget > 0 {
            if self.job.is_none() {
                self.job = self.find_job(index, now);
            }
            let Some(job) = &mut self.job else {
                return false;
            };
            if job.read_slice(budget, &keep_valid) && job.is_put_in_place(index) {
                self.job = None;
            }
        }
        true
    }

    fn find_job(&mut self, index: &TimeIndex, now: u32) -> Option<Job> {
        if now < self.rest_until {
            return None;
        }
        let mut looked_at = 0u32;
        for entry in index.buckets.range(self.from..) {
            looked_at += 1;
            let bucket = entry.value();
            if let Some(job) = Job::for_bucket(index, bucket, now) {
                // On behind it, so that every pass comes to its end.
                self.from = job.successor.last_second().saturating_add(1);
                return Some(job);
            }
        }
        // A pass costs some 30 ns a bucket: rest longer after a longer one.
        self.from = 0;
        self.rest_until = now.saturating_add(1 + looked_at / 1_000);
        None
    }
}

impl Job {
    /// What is to be done with a bucket, if anything.
    fn for_bucket(index: &TimeIndex, bucket: &Arc<Bucket>, now: u32) -> Option<Self> {
        let (first, seconds) = (bucket.first_second(), bucket.seconds());
        if bucket.covers(now) || first > now {
            return None;
        }
        let (wider, age) = if seconds == 1 {
            (60, FINE_SECONDS)
        } else {
            (3_600, MINUTE_SECONDS)
        };
        let start = first / wider * wider;
        if seconds < wider && start.saturating_add(wider + age) <= now {
            return Some(Self::over(index, start, wider));
        }
        let living = index.sessions.in_span(first, seconds);
        let length = bucket.len() as u64;
        (living == 0 || length > 2 * living + SLACK).then(|| Self::over(index, first, seconds))
    }

    /// A job for all buckets in a span.
    fn over(index: &TimeIndex, first: u32, seconds: u32) -> Self {
        let span = first..first.saturating_add(seconds);
        let source = |bucket: &Arc<Bucket>| Source {
            bucket: Arc::clone(bucket),
            read: 0,
        };
        let old = index
            .buckets
            .range(span)
            .map(|e| source(e.value()))
            .collect();
        let living = index.sessions.in_span(first, seconds);
        Self {
            old,
            successor: Arc::new(Bucket::new(first, seconds)),
            kept: HashSet::with_capacity_and_hasher(
                usize::try_from(living).unwrap_or(0),
                RandomState::default(),
            ),
        }
    }

    /// Looks at some entries. True: all have been looked at.
    fn read_slice(
        &mut self,
        budget: &mut usize,
        keep_valid: &impl Fn(&Bucket, &mut Vec<u32>),
    ) -> bool {
        let mut slice = Vec::new();
        for source in &mut self.old {
            loop {
                if *budget == 0 {
                    return false;
                }
                slice.clear();
                source
                    .bucket
                    .copy(source.read, SLICE.min(*budget), &mut slice);
                if slice.is_empty() {
                    break;
                }
                *budget -= slice.len();
                source.read += slice.len();
                keep_valid(&source.bucket, &mut slice);
                slice.retain(|slot| self.kept.insert(*slot));
                slice.iter().for_each(|slot| self.successor.append(*slot));
            }
        }
        true
    }

    /// Puts the new bucket in place. False: entries have come since, read on.
    fn is_put_in_place(&self, index: &TimeIndex) -> bool {
        let seen = self.old.iter().map(|s| s.read).sum();
        let old: Vec<_> = self.old.iter().map(|s| Arc::clone(&s.bucket)).collect();
        index.replace(&old, seen, &self.successor)
    }
}

#[cfg(test)]
mod tests {
    use super::{Bucket, TimeIndex};

    /// Upkeep until there is no more to do, every session of the index being valid; steps taken.
    fn keep_up(index: &TimeIndex, now: u32) -> usize {
        let all_valid = |_: &Bucket, _: &mut Vec<u32>| {};
        let mut upkeep = index.upkeep.lock().unwrap();
        let more = |steps: &usize| {
            assert!(*steps < 10_000, "upkeep does not end");
            upkeep.step(index, now, &mut 256, all_valid)
        };
        (0..).take_while(more).count()
    }

    fn entries(index: &TimeIndex) -> Vec<u32> {
        let mut slots = Vec::new();
        for bucket in index.buckets_since(0) {
            while bucket.len() > slots.len() {
                bucket.copy(slots.len(), 256, &mut slots);
            }
        }
        slots.sort_unstable();
        slots
    }

    #[test]
    fn sessions_named_again_and_again_far_apart_are_kept_once_and_upkeep_ends() {
        let index = TimeIndex::new(1_000);
        for slot in 0..1_000 {
            index.sessions.add(1_010);
            index.append(1_010, slot);
        }
        // Slots that are used again within the second, a round of more than a slice apart.
        for slot in (0..20_000).map(|n| n % 1_000) {
            index.append(1_010, slot);
        }
        keep_up(&index, 1_020);
        assert_eq!(entries(&index), (0..1_000).collect::<Vec<_>>());
    }

    #[test]
    fn minute_made_of_seconds_that_name_the_same_sessions_keeps_each_once() {
        let index = TimeIndex::new(0);
        for slot in 0..500 {
            index.sessions.add(659);
            for second in 600..660 {
                index.append(second, slot);
            }
        }
        keep_up(&index, 660 + 3_600);
        assert_eq!(entries(&index), (0..500).collect::<Vec<_>>());
        assert_eq!(index.buckets_since(0).len(), 1);
    }

    #[test]
    fn upkeep_ends_though_the_counts_say_something_else() {
        let index = TimeIndex::new(1_000);
        for slot in 0..2_000 {
            index.append(1_010, slot);
        }
        keep_up(&index, 1_020);
        assert_eq!(entries(&index).len(), 2_000);
    }
}
