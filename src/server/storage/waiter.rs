//! Waiting for the log on threads that may block: those of the admin socket and of commands.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::engine::Position;
use crate::log::{Health, Log};

/// A log that fails announces nothing, so it is looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Waits for a log. Cheap to clone.
#[derive(Clone)]
pub struct LogWaiter {
    log: Log,
    bell: Bell,
}

/// Rung whenever the log has moved on.
#[derive(Clone, Default)]
pub(super) struct Bell(Arc<(Mutex<()>, Condvar)>);

/// The log failed before it had reached what was waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogFailed;

impl Bell {
    pub(super) fn ring(&self) {
        let (lock, moved) = &*self.0;
        // Whoever looks at the log before he waits holds this, so he does not miss it.
        drop(lock.lock().unwrap_or_else(PoisonError::into_inner));
        moved.notify_all();
    }

    fn wait_while(&self, condition: impl Fn() -> bool) {
        let (lock, moved) = &*self.0;
        let mut held = lock.lock().unwrap_or_else(PoisonError::into_inner);
        while condition() {
            let waited = moved.wait_timeout(held, LOOK_EVERY);
            held = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl LogWaiter {
    pub(super) fn new(log: Log, bell: Bell) -> Self {
        Self { log, bell }
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Waits while the log has more to write than it keeps up with. One that has failed is not waited
    /// for: it refuses.
    pub fn pause(&self) {
        if self.log.is_backed_up() {
            let log = &self.log;
            self.bell
                .wait_while(|| log.is_backed_up() && log.health() != Health::Failed);
        }
    }

    /// Waits until everything up to a position is safe.
    ///
    /// # Errors
    /// [`LogFailed`].
    pub fn wait_for(&self, position: Position) -> Result<(), LogFailed> {
        let log = &self.log;
        log.kick();
        self.bell
            .wait_while(|| log.reached() < position && log.health() != Health::Failed);
        if log.reached() < position {
            return Err(LogFailed);
        }
        Ok(())
    }
}
