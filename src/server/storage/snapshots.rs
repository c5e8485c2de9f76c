//! The thread that takes snapshots: when the log has grown, when time has passed, when somebody asks,
//! and when a failed log has to be healed. It runs at the lowest priority.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::{Clock, Millis};
use crate::config::Storage as Settings;
use crate::engine::Engine;
use crate::log::{LastSnapshot, Log, SnapshotError, SnapshotStart};

/// How often it is looked whether a snapshot is due, and whether the log has failed.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What the system calls the lowest priority of a thread.
const LOWEST_PRIORITY: i32 = 19;
/// A snapshot that came to nothing is not tried again for so long, unless somebody asks.
const RETRY_MILLIS: u64 = 60_000;
/// Sessions copied under one hold of a lock.
const SESSIONS_PER_SLICE: usize = 256;
/// Bytes that are written at once.
const BATCH_BYTES: usize = 512 << 10;

/// The thread. To be ended with [`Snapshots::stop`].
pub struct Snapshots {
    desk: SnapshotDesk,
    thread: JoinHandle<()>,
}

/// Where a snapshot can be asked for. Cheap to clone.
#[derive(Clone)]
pub struct SnapshotDesk {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Told of everything that changes in the state.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stopping: bool,
    /// Snapshots asked for so far.
    asked: u64,
    /// So many of those are answered.
    answered: u64,
    /// What came of the last one.
    last: Option<Result<LastSnapshot, String>>,
}

impl SnapshotDesk {
    /// Takes a snapshot now, and waits for it.
    ///
    /// # Errors
    /// Why there is none, in a sentence.
    pub fn take_now(&self) -> Result<LastSnapshot, String> {
        let mut state = self.state();
        state.asked += 1;
        let mine = state.asked;
        self.shared.changed.notify_all();
        while state.answered < mine {
            if state.stopping {
                return Err("the server stops".to_owned());
            }
            state = self.wait(state, LOOK_EVERY);
        }
        let nothing = || Err("no snapshot was taken".to_owned());
        state.last.clone().unwrap_or_else(nothing)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let state = &self.shared.state;
        state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>, at_most: Duration) -> MutexGuard<'s, State> {
        let waited = self.shared.changed.wait_timeout(state, at_most);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Snapshots {
    /// Starts the thread.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(
        engine: Arc<Engine>,
        log: Log,
        clock: Arc<dyn Clock>,
        settings: &Settings,
    ) -> io::Result<Self> {
        let desk = SnapshotDesk {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                changed: Condvar::new(),
            }),
        };
        let started = clock.now();
        let mut work = Work {
            desk: desk.clone(),
            engine,
            log,
            clock,
            every: settings.snapshot_every,
            log_bytes: settings.snapshot_log_bytes,
            last: started,
            not_before: started,
        };
        let thread = std::thread::Builder::new()
            .name("cloakroom-snap".to_owned())
            .spawn(move || work.run())?;
        Ok(Self { desk, thread })
    }

    /// Where to ask.
    #[must_use]
    pub fn desk(&self) -> SnapshotDesk {
        self.desk.clone()
    }

    /// Ends the thread; a snapshot under way is given up.
    pub fn stop(self) {
        self.desk.state().stopping = true;
        self.desk.shared.changed.notify_all();
        if self.thread.join().is_err() {
            tracing::error!("the thread that takes snapshots has panicked");
        }
    }
}

struct Work {
    desk: SnapshotDesk,
    engine: Arc<Engine>,
    log: Log,
    clock: Arc<dyn Clock>,
    every: Duration,
    log_bytes: u64,
    /// When the last snapshot was complete, or the server started.
    last: Millis,
    /// None is begun by itself before this.
    not_before: Millis,
}

impl Work {
    fn run(&mut self) {
        if let Err(error) = rustix::process::setpriority_process(None, LOWEST_PRIORITY) {
            tracing::debug!(%error, "snapshots are taken at the usual priority");
        }
        loop {
            let state = self.desk.state();
            let idle = !state.stopping && state.asked == state.answered;
            let state = if idle {
                self.desk.wait(state, LOOK_EVERY)
            } else {
                state
            };
            if state.stopping {
                return;
            }
            let asked = state.asked;
            let is_asked = asked > state.answered;
            drop(state);
            if self.log.healing_due().is_some_and(|due| due.is_zero()) {
                self.heal();
            }
            if is_asked || self.is_due() {
                let taken = self.take();
                let mut state = self.desk.state();
                state.answered = asked;
                state.last = Some(taken.map_err(|error| error.to_string()));
                self.desk.shared.changed.notify_all();
            }
        }
    }

    fn is_due(&self) -> bool {
        let now = self.clock.now();
        let written = self.log.bytes_since_snapshot();
        if written == 0 || now < self.not_before || self.log.healing_due().is_some() {
            return false;
        }
        let waited = Duration::from_millis(now.0.saturating_sub(self.last.0));
        let twice = self.log.last_snapshot().bytes.saturating_mul(2);
        waited >= self.every || written >= self.log_bytes.max(twice)
    }

    fn take(&mut self) -> Result<LastSnapshot, SnapshotError> {
        let begun = self.clock.now();
        let taken = self
            .log
            .begin_snapshot()
            .and_then(|ticket| self.write(ticket.wait()?));
        let now = self.clock.now();
        match &taken {
            Ok(last) => {
                self.last = now;
                tracing::info!(
                    sessions = last.sessions,
                    bytes = last.bytes,
                    millis = now.0.saturating_sub(begun.0),
                    "took a snapshot"
                );
            }
            Err(error) => {
                self.not_before = now.plus(RETRY_MILLIS);
                tracing::warn!(%error, "took no snapshot");
            }
        }
        taken
    }

    fn heal(&mut self) {
        match self.log.begin_healing().and_then(|start| self.write(start)) {
            Ok(last) => {
                self.last = self.clock.now();
                tracing::info!(sessions = last.sessions, "all sessions are saved anew");
            }
            Err(error) => tracing::warn!(%error, "the log could not be healed yet"),
        }
    }

    /// Writes all sessions; gives up when the server stops.
    fn write(&self, start: SnapshotStart) -> Result<LastSnapshot, SnapshotError> {
        self.engine.settle_kills();
        let mut job = start.begin(self.engine.newest_epoch())?;
        let mut from = Some(0);
        while let Some(place) = from {
            from = self
                .engine
                .walk_states(place, SESSIONS_PER_SLICE, &mut |session| job.push(session));
            if job.unwritten() >= BATCH_BYTES {
                job.flush()?;
                if self.desk.state().stopping {
                    return Err(SnapshotError::Stopped);
                }
            }
        }
        job.complete()
    }
}
