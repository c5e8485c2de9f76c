//! The verbs. Each is one atomic operation on the store; none waits, and the time is handed in.
//!
//! A verb answers with a [`Reply`]: the answer, and the log position that must be reached before
//! anybody may see it. Doors translate requests into verbs; no door knows another door's requests.

mod request;

pub use request::{
    Created, DataEdit, Edit, Key, ListCursor, ListProgress, NewSession, NewToken, Position, Read,
    Refusal, Reply, Scope, Swept,
};

use crate::clock::Millis;
use crate::model::{AppName, Keys, Randomness, SessionView};

/// What an engine is made with.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Apps that may have sessions at one time.
    pub max_apps: usize,
    /// Bytes that sessions may take, accounted; `u64::MAX` for no bound.
    pub max_memory: u64,
    /// Apps that keep an index of sessions by IP, besides `@sessions`.
    pub ip_indexed_apps: Vec<String>,
    /// Token shards; a power of two.
    pub token_shards: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            max_apps: crate::limits::APPS,
            max_memory: u64::MAX,
            ip_indexed_apps: Vec::new(),
            token_shards: 1024,
        }
    }
}

/// The verbs over one store.
pub struct Engine {
    _config: EngineConfig,
}

impl Engine {
    /// An engine without sessions.
    #[must_use]
    pub fn new(config: EngineConfig, _keys: Keys, _random: Box<dyn Randomness>) -> Self {
        Self { _config: config }
    }

    /// Creates a session.
    ///
    /// # Errors
    /// [`Refusal::Exists`] for a client-chosen token that lives, [`Refusal::BadName`],
    /// [`Refusal::DataTooLarge`], [`Refusal::TooManyApps`], [`Refusal::MemoryFull`].
    pub fn create(&self, _now: Millis, _new: &NewSession<'_>) -> Result<Reply<Created>, Refusal> {
        Err(Refusal::Gone)
    }

    /// Reads a session. `answer` is called with the session under its lock and must be quick; the
    /// reply is `None` when there is no such session.
    pub fn read<R>(
        &self,
        _now: Millis,
        _app: AppName<'_>,
        _key: Key<'_>,
        _how: Read,
        _answer: impl FnOnce(&SessionView<'_>) -> R,
    ) -> Reply<Option<R>> {
        Reply {
            answer: None,
            wait_for: None,
        }
    }

    /// Changes a living session if everything expected holds. `answer` sees it after the change.
    ///
    /// # Errors
    /// [`Refusal::Gone`], [`Refusal::VersionDiffers`], [`Refusal::UserDiffers`],
    /// [`Refusal::NotAnObject`], [`Refusal::BadName`], [`Refusal::DataTooLarge`],
    /// [`Refusal::MemoryFull`]. Nothing is changed then.
    pub fn edit<R>(
        &self,
        _now: Millis,
        _app: AppName<'_>,
        _key: Key<'_>,
        _edit: &Edit<'_>,
        _answer: impl FnOnce(&SessionView<'_>) -> R,
    ) -> Result<Reply<R>, Refusal> {
        Err(Refusal::Gone)
    }

    /// Ends a session. `answer` sees it as it was; `None` when there was no such session.
    pub fn remove<R>(
        &self,
        _now: Millis,
        _app: AppName<'_>,
        _key: Key<'_>,
        _answer: impl FnOnce(&SessionView<'_>) -> R,
    ) -> Reply<Option<R>> {
        Reply {
            answer: None,
            wait_for: None,
        }
    }

    /// Ends a bounded number of the sessions in `scope`; the answer counts them. Call again with
    /// the same cursor while the progress is [`ListProgress::More`].
    pub fn remove_matching(
        &self,
        _now: Millis,
        _app: AppName<'_>,
        _scope: Scope<'_>,
        _cursor: &mut ListCursor,
    ) -> (ListProgress, Reply<u64>) {
        (
            ListProgress::Done,
            Reply {
                answer: 0,
                wait_for: None,
            },
        )
    }

    /// Ends all sessions of an app at once; the answer counts them.
    pub fn remove_app(&self, _now: Millis, _app: AppName<'_>) -> Reply<u64> {
        Reply {
            answer: 0,
            wait_for: None,
        }
    }

    /// Shows a bounded number of the living sessions in `scope`, each at most once, without a trace.
    /// Call again with the same cursor while the progress is [`ListProgress::More`].
    pub fn list(
        &self,
        _now: Millis,
        _app: AppName<'_>,
        _scope: Scope<'_>,
        _cursor: &mut ListCursor,
        _each: &mut dyn FnMut(&SessionView<'_>),
    ) -> ListProgress {
        ListProgress::Done
    }

    /// How many users of the app were active in the last `seconds` seconds. Exact up to an hour;
    /// beyond, the start is rounded down to the minute, beyond a day to the hour.
    #[must_use]
    pub fn activity(&self, _now: Millis, _app: AppName<'_>, _seconds: u64) -> u64 {
        0
    }

    /// Frees sessions whose deadline has passed, with at most `holds` holds of a lock.
    pub fn sweep(&self, _now: Millis, _holds: usize) -> Swept {
        Swept::default()
    }
}
