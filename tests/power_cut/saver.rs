//! What the server's snapshot thread does: takes snapshots, and heals a failed log.

use std::time::Duration;

use cloakroom::engine::{Engine, Saving, SavingStep};
use cloakroom::log::{Log, SnapshotError};

/// What the log had taken down when a snapshot last looked at sessions: states up to there may be in
/// it, whether they are in the log or not.
#[derive(Default)]
pub(crate) struct Walks {
    /// The newest snapshot before the one that was in the making, and the position.
    walks: Vec<(u64, u64)>,
}

impl Walks {
    fn begin(&mut self, newest: u64) {
        self.walks.push((newest, 0));
    }

    fn note(&mut self, head: u64) {
        self.walks.last_mut().unwrap().1 = head;
    }

    /// The position for a snapshot of this number; 0 for one of an earlier process, or none.
    pub(crate) fn of(&self, snapshot: Option<u64>) -> u64 {
        let is_later = |walk: &&(u64, u64)| snapshot.is_some_and(|number| walk.0 < number);
        self.walks.iter().rfind(is_later).map_or(0, |walk| walk.1)
    }
}

/// At most one snapshot under way.
#[derive(Default)]
pub(crate) struct Saver {
    saving: Option<Saving>,
    is_healing: bool,
    pub(crate) walks: Walks,
    /// Snapshots that came to their ends.
    pub(crate) saved: u64,
    /// Those of them that healed the log.
    pub(crate) healed: u64,
}

impl Saver {
    /// Gives up what is under way.
    pub(crate) fn give_up(&mut self) {
        self.saving = None;
        self.is_healing = false;
    }

    /// The process has ended.
    pub(crate) fn end(&mut self) {
        self.give_up();
        self.walks = Walks::default();
    }

    /// Begins a snapshot, or takes the one under way some slices further.
    pub(crate) fn save(&mut self, engine: &Engine, log: &Log, slices: usize) {
        if self.saving.is_none() {
            self.begin(log, false, Saving::begin(log));
        }
        self.go_on(engine, log, slices);
    }

    /// Heals the log when that is due, or takes a healing under way some slices further.
    pub(crate) fn heal(&mut self, engine: &Engine, log: &Log, slices: usize) {
        if self.saving.is_none() && log.healing_due() == Some(Duration::ZERO) {
            self.begin(log, true, Saving::begin_healing(engine, log));
        }
        if self.is_healing || log.healing_due().is_some() {
            self.go_on(engine, log, slices);
        }
    }

    fn begin(&mut self, log: &Log, is_healing: bool, begun: Result<Saving, SnapshotError>) {
        self.walks.begin(log.last_snapshot().number);
        self.is_healing = is_healing;
        self.saving = begun.ok();
    }

    fn go_on(&mut self, engine: &Engine, log: &Log, slices: usize) {
        let Some(saving) = &mut self.saving else {
            return;
        };
        self.walks.note(log.head().0);
        match saving.step(engine, log, slices) {
            Ok(SavingStep::More | SavingStep::Wait) => return,
            Ok(SavingStep::Done(_)) => {
                self.saved += 1;
                self.healed += u64::from(self.is_healing);
            }
            // It is begun anew some time later.
            Err(_) => {}
        }
        self.saving = None;
        self.is_healing = false;
    }
}
