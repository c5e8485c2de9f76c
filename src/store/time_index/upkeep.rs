//! Keeps a time index small: drops what is empty, rewrites what is mostly stale, merges what is old.

use std::sync::Arc;

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
                self.from = job.successor.first_second();
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
        Self {
            old,
            successor: Arc::new(Bucket::new(first, seconds)),
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
                // A slot stands twice only if it was used again within a second. What is doubled
                // beyond this slice makes the next rewriting due, which finds it closer together.
                slice.sort_unstable();
                slice.dedup();
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
