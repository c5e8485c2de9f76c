//! The thread that takes snapshots: when the log has grown, when time has passed, when somebody asks,
//! and when a failed log has to be healed. It runs at the lowest priority.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::{Clock, Millis};
use crate::config::Storage as Settings;
use crate::engine::{Engine, Saving, SavingStep};
use crate::log::{LastSnapshot, Log, SnapshotError};

/// How often it is looked whether a snapshot is due, and whether the log has failed.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What the system calls the lowest priority of a thread.
const LOWEST_PRIORITY: i32 = 19;
/// A snapshot that came to nothing is not tried again for so long, unless somebody asks.
const RETRY_MILLIS: u64 = 60_000;
/// Slices of sessions that are copied before it is looked whether the server stops.
const SLICES_PER_STEP: usize = 64;
/// How long the log's thread takes for a step of its own.
const LOG_STEP: Duration = Duration::from_millis(2);

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
        let last = match log.last_snapshot().at {
            Millis(0) => started,
            at => at,
        };
        let mut work = Work {
            desk: desk.clone(),
            engine,
            log,
            clock,
            every: settings.snapshot_every,
            log_bytes: settings.snapshot_log_bytes,
            last,
            is_settled: false,
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
    /// When the last snapshot was complete; without one, when the server started.
    last: Millis,
    /// Nothing changed between the last two snapshots: older ones are gone from the disk, and with
    /// them what has been killed.
    is_settled: bool,
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
        let is_idle = written == 0 && self.is_settled;
        if is_idle || now < self.not_before || self.log.healing_due().is_some() {
            return false;
        }
        let waited = Duration::from_millis(now.0.saturating_sub(self.last.0));
        let twice = self.log.last_snapshot().bytes.saturating_mul(2);
        waited >= self.every || written >= self.log_bytes.max(twice)
    }

    fn take(&mut self) -> Result<LastSnapshot, SnapshotError> {
        let begun = self.clock.now();
        let nothing_new = self.log.bytes_since_snapshot() == 0;
        let taken = Saving::begin(&self.log).and_then(|saving| self.save(saving));
        let now = self.clock.now();
        match &taken {
            Ok(last) => {
                self.last = now;
                self.is_settled = nothing_new;
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
        let saved =
            Saving::begin_healing(&self.engine, &self.log).and_then(|saving| self.save(saving));
        match saved {
            Ok(last) => {
                self.last = self.clock.now();
                tracing::info!(sessions = last.sessions, "all sessions are saved anew");
            }
            Err(error) => tracing::warn!(%error, "the log could not be healed yet"),
        }
    }

    /// Saves all sessions; gives up when the server stops.
    fn save(&self, mut saving: Saving) -> Result<LastSnapshot, SnapshotError> {
        loop {
            let step = saving.step(&self.engine, &self.log, SLICES_PER_STEP)?;
            if let SavingStep::Done(last) = step {
                return Ok(last);
            }
            let state = self.desk.state();
            if state.stopping {
                return Err(SnapshotError::Stopped);
            }
            if step == SavingStep::Wait {
                drop(self.desk.wait(state, LOG_STEP));
            }
        }
    }
}
