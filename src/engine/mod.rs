//! The verbs. Each is one atomic operation on the store; none waits, and the time is handed in.
//!
//! A verb answers with a [`Reply`]: the answer, and the log position that must be reached before
//! anybody may see it. Doors translate requests into verbs; no door knows another door's requests.

mod bulk;
mod change_log;
mod create;
mod edit;
mod follow;
mod harvest;
mod import;
mod locate;
mod random;
mod read;
mod recovery;
mod request;
mod rotate;
mod snapshot;

use std::sync::Arc;

pub use change_log::{ChangeLog, NoLog};
pub use follow::Followed;
pub use import::{ImportName, Imported, ImportedSession};
pub use locate::Located;
pub use random::OsRandomness;
pub use read::ReadIf;
pub use recovery::{BadReplay, Progress, RecoveryOptions};
pub use request::{
    Created, DataEdit, Edit, Key, LifeEdit, ListCursor, ListProgress, NewSession, NewToken, Read,
    Refusal, Reply, Scope, Swept,
};
pub use rotate::{Rotate, Rotated};
pub use snapshot::{Saving, SavingStep};

pub use crate::log::{Unavailable, Weight};
pub use crate::model::Position;
pub use crate::store::{Ahead, MemoryUse};

use crate::clock::Millis;
use crate::engine::follow::Followers;
use crate::model::change::CreateChange;
use crate::model::{AppName, Change, Keys, Randomness};
use crate::store::{App, Locked, Store, StoreConfig};

/// What an engine is made with.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Apps that may have sessions at one time.
    pub max_apps: usize,
    /// Bytes that sessions may take, accounted; `u64::MAX` for no bound.
    pub max_memory: u64,
    /// Apps that keep an index of sessions by IP, besides `@sessions`.
    pub ip_indexed_apps: Vec<String>,
    /// Locks over the sessions; a power of two.
    pub token_shards: usize,
    /// Locks over the users, and as many over the IPs.
    pub name_shards: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            max_apps: crate::limits::APPS,
            max_memory: u64::MAX,
            ip_indexed_apps: Vec::new(),
            token_shards: 1024,
            name_shards: 256,
        }
    }
}

/// The verbs over one store.
pub struct Engine {
    store: Store,
    random: Box<dyn Randomness>,
    log: Box<dyn ChangeLog>,
    followers: Followers,
    max_memory: u64,
}

impl Engine {
    /// An engine without sessions.
    #[must_use]
    pub fn new(config: &EngineConfig, keys: Keys, random: Box<dyn Randomness>) -> Self {
        let store = StoreConfig {
            token_shards: config.token_shards,
            name_shards: config.name_shards,
            max_apps: config.max_apps,
            ip_indexed_apps: config.ip_indexed_apps.clone(),
        };
        let log = Box::new(NoLog);
        Self {
            store: Store::new(&store, keys),
            random,
            log,
            followers: Followers::default(),
            max_memory: config.max_memory,
        }
    }

    /// The same engine, writing its changes to `log`.
    #[must_use]
    pub fn with_log(self, log: Box<dyn ChangeLog>) -> Self {
        Self { log, ..self }
    }

    /// Carries out a change that was written down before: replay. Doing it again changes nothing.
    pub fn replay(&self, change: &Change<'_>) {
        self.store.apply(change);
    }

    /// Writes a change down and carries it out, under the lock of its session.
    fn commit(&self, app: &App, locked: &mut Locked<'_>, change: &Change<'_>) -> Option<Position> {
        let position = match change {
            Change::Touch(touch) => {
                self.log.touched(touch);
                None
            }
            Change::Create(_)
            | Change::Update(_)
            | Change::Remove { .. }
            | Change::RemoveApp { .. } => self.log.append(change),
        };
        locked.apply(app, change);
        position
    }

    /// Does at most about `holds` lock holds (of at most 256 entries each) of clearing away: expired
    /// sessions, memory of killed apps, stale index entries.
    pub fn sweep(&self, now: Millis, holds: usize) -> Swept {
        let report = self.store.sweep(now, holds);
        Swept {
            expired: report.expired,
            more: report.more,
        }
    }

    /// What the sessions take.
    #[must_use]
    pub fn memory_use(&self) -> MemoryUse {
        self.store.memory_use()
    }

    /// Compares every index with the sessions; nothing may change meanwhile.
    ///
    /// # Errors
    /// A sentence that names the first disagreement.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.store.check_invariants()
    }

    /// Shows up to `limit` sessions from position `from` on (0 at first) and answers where to go on;
    /// `None` at the end. Sessions may change meanwhile: one that lives through the whole walk is
    /// shown. Expired ones are left out.
    pub fn walk(
        &self,
        now: Millis,
        from: u64,
        limit: usize,
        each: &mut dyn FnMut(AppName<'_>, &crate::model::SessionView<'_>),
    ) -> Option<u64> {
        self.store.walk(from, limit, &mut |view, app| {
            if now < view.deadline {
                each(app.name(), view);
            }
        })
    }

    /// Hands out up to `limit` sessions from position `from` on (0 at first), each as the create that
    /// would make it as it is, and answers where to go on; `None` at the end. Sessions may change
    /// meanwhile: one that lives through the whole walk is handed out. `each` runs under a lock.
    pub fn walk_states(
        &self,
        from: u64,
        limit: usize,
        each: &mut dyn FnMut(&CreateChange<'_>),
    ) -> Option<u64> {
        self.store.walk_states(from, limit, each)
    }

    /// The newest epoch of any app.
    #[must_use]
    pub fn newest_epoch(&self) -> u32 {
        self.store.newest_epoch()
    }

    /// Waits until every kill of an app that has a position in the log is carried out, so that a walk
    /// that begins thereafter does not show what it ended.
    pub fn settle_kills(&self) {
        self.store.settle();
    }

    /// Whether the log takes changes that need room.
    ///
    /// # Errors
    /// [`Unavailable`] says why not.
    pub fn log_condition(&self) -> Result<(), Unavailable> {
        self.log.admit(Weight::Grow)
    }

    /// Whether the log takes a change of this weight. A verb asks before it locks anything.
    fn admit(&self, weight: Weight) -> Result<(), Refusal> {
        self.log
            .admit(weight)
            .map_err(|unavailable| match unavailable {
                Unavailable::Failed => Refusal::LogFailed,
                Unavailable::Full => Refusal::DiskFull,
            })
    }

    /// The answer to a kill that found nothing: it waits for all kills before it, so that nobody
    /// hears "nothing there" of a session that a crash could still bring back.
    fn nothing_there<T>(&self, answer: T) -> Reply<T> {
        let wait_for = self.log.head();
        Reply { answer, wait_for }
    }

    fn app(&self, name: AppName<'_>) -> Option<Arc<App>> {
        self.store.app(name)
    }

    /// Bytes that the sessions may take; `u64::MAX` without a bound.
    #[must_use]
    pub fn max_memory(&self) -> u64 {
        self.max_memory
    }

    fn is_full(&self) -> bool {
        self.store.accounted() >= self.max_memory
    }
}

/// An answer that nobody has to wait for.
fn at_once<T>(answer: T) -> Reply<T> {
    Reply {
        answer,
        wait_for: None,
    }
}
