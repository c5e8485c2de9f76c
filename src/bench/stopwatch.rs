//! The load tester's clock: nanoseconds since the run began.

use std::thread;
use std::time::{Duration, Instant};

use crate::clock::{Clock as _, SystemClock};

/// Nanoseconds in a second.
pub(super) const SECOND: u64 = 1_000_000_000;
/// Nanoseconds in a millisecond.
pub(super) const MILLISECOND: u64 = 1_000_000;

/// Counts nanoseconds from one moment that all threads of a run share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopwatch {
    origin: Instant,
    /// Milliseconds since 1970 at `origin`.
    wall: u64,
}

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "a load tester measures the real world; this is its only reading of time"
    )]
    pub(super) fn start() -> Self {
        Self {
            origin: Instant::now(),
            wall: SystemClock::start().now().0,
        }
    }

    /// Nanoseconds since the start.
    pub(super) fn nanos(self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Seconds since 1970 when the watch shows `nanos`.
    pub(super) fn unix_seconds(self, nanos: u64) -> u64 {
        (self.wall + nanos / MILLISECOND) / 1_000
    }

    /// Holds the calling thread until the watch shows `moment`.
    pub(super) fn wait_until(self, moment: u64) {
        loop {
            let left = moment.saturating_sub(self.nanos());
            if left == 0 {
                return;
            }
            thread::park_timeout(Duration::from_nanos(left));
        }
    }
}

/// A duration as the watch counts it.
pub(super) fn nanos_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
