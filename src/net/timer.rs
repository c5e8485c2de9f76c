//! Time-outs of a connection on one timer that is moved only when it fires or a nearer end is set,
//! so that a busy connection pays nothing for it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::config::HttpLimits;

/// An idle connection is looked at so many times before it is closed.
const IDLE_LOOKS: u32 = 4;

/// What a connection waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Waiting {
    /// The next request.
    Request,
    /// The rest of a head that has begun.
    Head,
    /// The rest of a body.
    Body,
    /// The peer, to take replies.
    Writing,
    /// The peer, to close its side after a refusal.
    Lingering,
    /// The log, to write some of what it has.
    Log,
}

impl Waiting {
    fn limit(self, limits: &HttpLimits) -> Duration {
        match self {
            Self::Request => limits.keep_alive / IDLE_LOOKS,
            Self::Head => limits.head,
            Self::Body => limits.body,
            Self::Writing | Self::Log => limits.write_stall,
            Self::Lingering => limits.linger,
        }
    }
}

/// The timer of one connection.
pub(super) struct Timer {
    sleep: Pin<Box<Sleep>>,
    waiting: Waiting,
    progress: u64,
    due: Instant,
    quiet_looks: u32,
}

impl Timer {
    /// A timer for a connection that has just been accepted.
    pub(super) fn start(limits: &HttpLimits) -> Self {
        let due = now() + Waiting::Request.limit(limits);
        Self {
            sleep: Box::pin(tokio::time::sleep_until(due)),
            waiting: Waiting::Request,
            progress: 0,
            due,
            quiet_looks: 0,
        }
    }

    /// Waits for the end of `waiting`'s limit. The limit starts anew when `waiting` or `progress`
    /// differ from the last call; between requests it is only as exact as a quarter of itself.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        limits: &HttpLimits,
        waiting: Waiting,
        progress: u64,
    ) -> Poll<()> {
        let moved_on = (waiting, progress) != (self.waiting, self.progress);
        (self.waiting, self.progress) = (waiting, progress);
        if moved_on {
            self.quiet_looks = 0;
            if waiting != Waiting::Request {
                self.due = now() + waiting.limit(limits);
                if self.due < self.sleep.deadline() {
                    self.sleep.as_mut().reset(self.due);
                    return self.sleep.as_mut().poll(cx);
                }
            }
        }
        // The waker of the last poll is still registered: a connection never changes its task.
        if !self.sleep.is_elapsed() {
            return Poll::Pending;
        }
        self.fired(cx, limits)
    }

    fn fired(&mut self, cx: &mut Context<'_>, limits: &HttpLimits) -> Poll<()> {
        loop {
            let now = now();
            if self.waiting == Waiting::Request {
                if self.quiet_looks == IDLE_LOOKS {
                    return Poll::Ready(());
                }
                self.quiet_looks += 1;
                self.due = now + self.waiting.limit(limits);
            } else if now >= self.due {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(self.due);
            if self.sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Registers the task for the first time.
    pub(super) fn register(&mut self, cx: &mut Context<'_>) -> bool {
        self.sleep.as_mut().poll(cx).is_pending()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "time-outs of connections are the one use of the runtime's clock"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}
