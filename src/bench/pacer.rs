//! The open loop: requests are due on a schedule, whether or not earlier ones were answered.

use std::cell::Cell;
use std::io;
use std::os::fd::OwnedFd;

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

use crate::bench::stopwatch::{SECOND, Stopwatch};

/// Nanoseconds before a due time from which on the thread stays awake: a timer of the kernel would
/// fire too late by about as much.
const AWAKE: u64 = 60_000;

/// Nanoseconds after the end of the schedule in which overdue requests are still sent.
const GRACE: u64 = SECOND;

/// The share of one thread in the schedule: every `threads`-th group of `rate` requests a second. A
/// group is as many requests as a pipeline is deep, and falls due as one. Idle connections wait in a
/// queue, and the next due group goes to the first of them; while all are busy, due requests wait,
/// and their latency counts from when they were due.
#[derive(Debug)]
pub(super) struct Pacer {
    start: u64,
    end: u64,
    /// Requests that fall due at one moment.
    group: u64,
    /// Nanoseconds between two groups of this thread.
    interval: f64,
    offset: f64,
    next: Cell<u64>,
    idle: Notify,
}

/// What the schedule has for a connection that could send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    /// A request that was due at this moment.
    At(u64),
    /// Nothing yet.
    Later,
    /// Nothing any more.
    Never,
}

impl Pacer {
    /// A schedule of `rate` requests a second over all threads, from `start` to `end`, in groups of
    /// `depth`.
    #[expect(
        clippy::cast_precision_loss,
        reason = "rates and thread counts are far below 2^52"
    )]
    pub(super) fn new(
        rate: u64,
        depth: usize,
        (thread, threads): (usize, usize),
        (start, end): (u64, u64),
    ) -> Self {
        let step = SECOND as f64 * depth as f64 / rate.max(1) as f64;
        Self {
            start,
            end,
            group: (depth as u64).max(1),
            interval: step * threads as f64,
            offset: step * thread as f64,
            next: Cell::new(0),
            idle: Notify::new(),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "offsets from the start are positive and below 2^52 nanoseconds (52 days)"
    )]
    fn intended(&self, number: u64) -> u64 {
        let group = (number / self.group) as f64;
        let after = (self.offset + self.interval * group) as u64;
        self.start.saturating_add(after)
    }

    /// Takes the next request if it is due.
    pub(super) fn take(&self, now: u64) -> Due {
        let number = self.next.get();
        let intended = self.intended(number);
        if intended >= self.end || now >= self.end.saturating_add(GRACE) {
            return Due::Never;
        }
        if intended > now {
            return Due::Later;
        }
        self.next.set(number + 1);
        Due::At(intended)
    }

    /// Waits until a request may be due.
    pub(super) async fn wait(&self) {
        self.idle.notified().await;
    }

    /// Requests of the schedule that nobody took.
    pub(super) fn unsent(&self) -> u64 {
        let mut count = 0;
        while self.end < u64::MAX && self.intended(self.next.get() + count) < self.end {
            count += 1;
        }
        count
    }

    /// Ends the schedule at once.
    pub(super) fn stop(&self) {
        self.next.set(u64::MAX);
        self.idle.notify_waiters();
    }

    /// Wakes idle connections as requests fall due, until the schedule ends.
    ///
    /// # Errors
    /// When the kernel gives no timer.
    pub(super) async fn run(&self, stopwatch: Stopwatch) -> io::Result<()> {
        let timer = Timer::new()?;
        let mut announced = 0;
        loop {
            let number = self.next.get().max(announced);
            let intended = self.intended(number);
            if intended >= self.end {
                // Connections that begin to wait after this see that nothing is due any more.
                self.idle.notify_waiters();
                return Ok(());
            }
            let left = intended.saturating_sub(stopwatch.nanos());
            if left > AWAKE {
                timer.sleep(left - AWAKE).await?;
            } else if left > 0 {
                tokio::task::yield_now().await;
            } else {
                announced = (number / self.group + 1) * self.group;
                self.idle.notify_one();
            }
        }
    }
}

/// A timer of the kernel with a resolution of nanoseconds; tokio's own counts milliseconds.
struct Timer(AsyncFd<OwnedFd>);

impl Timer {
    #[expect(
        deprecated,
        reason = "its successor is unsafe for the sake of types that give their descriptor away; \
                  an OwnedFd does not"
    )]
    fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self(AsyncFd::new(fd)?))
    }

    async fn sleep(&self, nanos: u64) -> io::Result<()> {
        let seconds = i64::try_from(nanos / SECOND).unwrap_or(i64::MAX);
        let rest = i64::try_from(nanos % SECOND).unwrap_or(0);
        let once = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: Timespec {
                tv_sec: seconds,
                tv_nsec: rest,
            },
        };
        rustix::time::timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        loop {
            let mut ready = self.0.readable().await?;
            let mut expirations = [0u8; 8];
            match ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut expirations)?)) {
                Ok(read) => return read.map(|_| ()),
                Err(_would_block) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Due, Pacer, SECOND};

    const END: u64 = 10_000_500;

    #[test]
    fn requests_that_stay_unsent_are_counted() {
        let pacer = Pacer::new(1_000, 1, (0, 1), (500, END));
        assert_eq!(pacer.take(3_000_500), Due::At(500));
        assert_eq!(pacer.take(END + SECOND), Due::Never);
        assert_eq!(pacer.unsent(), 9);
        pacer.stop();
        assert_eq!((pacer.take(END), pacer.unsent()), (Due::Never, 0));
    }

    #[test]
    fn requests_of_a_pipeline_fall_due_together() {
        let mut due = Vec::new();
        for thread in 0..2 {
            let pacer = Pacer::new(1_000, 4, (thread, 2), (500, END + 30_000_000));
            while let Due::At(at) = pacer.take(END + 30_000_000) {
                due.push(at);
            }
        }
        due.sort_unstable();
        let every_fourth: Vec<u64> = (0..40).map(|n| 500 + n / 4 * 4_000_000).collect();
        assert_eq!(due, every_fourth);
    }

    #[test]
    fn schedule_is_shared_evenly_by_the_threads() {
        let mut due = Vec::new();
        for thread in 0..3 {
            let pacer = Pacer::new(1_000, 1, (thread, 3), (500, END));
            assert_eq!(pacer.take(0), Due::Later);
            while let Due::At(at) = pacer.take(END) {
                due.push(at);
            }
            assert_eq!((pacer.take(END), pacer.unsent()), (Due::Never, 0));
        }
        due.sort_unstable();
        let every_millisecond: Vec<u64> = (0..10).map(|n| 500 + n * 1_000_000).collect();
        assert_eq!(due, every_millisecond);
    }
}
