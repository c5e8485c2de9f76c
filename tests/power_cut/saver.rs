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

    pub(crate) fn clear(&mut self) {
        self.walks.clear();
    }

    /// The position for a snapshot of this number; 0 for one of an earlier process, or none.
    pub(crate) fn of(&self, snapshot: Option<u64>) -> u64 {
        let is_later = |walk: &&(u64, u64)| snapshot.is_some_and(|number| walk.0 < number);
        self.walks.iter().rfind(is_later).map_or(0, |walk| walk.1)
    }
}

/// At most one snapshot under way.
pub(crate) struct Saver<'s> {
    engine: &'s Engine,
    log: &'s Log,
    saving: Option<Saving<'s>>,
    is_healing: bool,
    /// Snapshots that came to their ends.
    pub(crate) saved: u64,
    /// Those of them that healed the log.
    pub(crate) healed: u64,
}

impl<'s> Saver<'s> {
    pub(crate) fn new(engine: &'s Engine, log: &'s Log) -> Self {
        Self {
            engine,
            log,
            saving: None,
            is_healing: false,
            saved: 0,
            healed: 0,
        }
    }

    /// Begins a snapshot, or takes the one under way some slices further.
    pub(crate) fn save(&mut self, slices: usize, walks: &mut Walks) {
        if self.saving.is_none() {
            walks.begin(self.log.last_snapshot().number);
            self.begin(false, Saving::begin(self.engine, self.log));
        }
        self.go_on(slices, walks);
    }

    /// Heals the log when that is due, or takes a healing under way some slices further.
    pub(crate) fn heal(&mut self, slices: usize, walks: &mut Walks) {
        if self.saving.is_none() && self.log.healing_due() == Some(Duration::ZERO) {
            walks.begin(self.log.last_snapshot().number);
            self.begin(true, Saving::begin_healing(self.engine, self.log));
        }
        if self.is_healing {
            self.go_on(slices, walks);
        }
    }

    fn begin(&mut self, is_healing: bool, begun: Result<Saving<'s>, SnapshotError>) {
        self.is_healing = is_healing;
        self.saving = begun.ok();
    }

    fn go_on(&mut self, slices: usize, walks: &mut Walks) {
        let Some(saving) = &mut self.saving else {
            return;
        };
        walks.note(self.log.head().0);
        match saving.step(slices) {
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
