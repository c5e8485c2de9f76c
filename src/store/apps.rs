//! The apps that have sessions: by name for requests, by number for records.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use ahash::RandomState;
use hashbrown::HashTable;

use crate::model::secret::AppKeys;
use crate::model::{AppName, Keys};
use crate::store::time_index::TimeIndex;
use crate::store::{read_locked, write_locked};

/// An app: it comes with its first session and goes with its last.
pub(crate) struct App {
    pub(super) id: u16,
    /// The table it stands in, of all in this process.
    home: u64,
    name: String,
    pub(crate) keys: AppKeys,
    /// Sessions are also found by IP.
    pub(crate) ip_indexed: bool,
    /// The second in which its time indexes begin.
    began: u32,
    /// Mirrors `generation.epoch` for readers that need nothing else.
    epoch: AtomicU32,
    /// The time index of the present epoch. Written by a kill of all sessions only; a leaf of the
    /// lock order, held shared while a session is added, moved or removed in the index.
    pub(super) generation: RwLock<Generation>,
    /// Records that carry this app's number, of all epochs; [`CLOSED`] once the app is dropped.
    records: AtomicU64,
}

/// One epoch of an app: what a kill of all sessions replaces.
pub(super) struct Generation {
    pub(super) epoch: u32,
    pub(super) index: Arc<TimeIndex>,
}

const CLOSED: u64 = u64::MAX;

impl App {
    /// The app's name.
    pub(crate) fn name(&self) -> AppName<'_> {
        // Made from an AppName, so it is one.
        AppName::new(&self.name).unwrap_or(AppName::TARANTOOL)
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Whether a record of this app with this short epoch is of the present one.
    pub(super) fn is_current(&self, short_epoch: u8) -> bool {
        short(self.epoch()) == short_epoch
    }

    /// Begins epoch `epoch` in the app's locked generation and answers the one that ended.
    pub(super) fn begin_epoch(&self, generation: &mut Generation, epoch: u32) -> Generation {
        let fresh = Generation {
            epoch,
            index: Arc::new(TimeIndex::new(self.began)),
        };
        let ended = std::mem::replace(generation, fresh);
        self.epoch.store(epoch, Ordering::Release);
        ended
    }

    /// Whether the app was dropped: its number may belong to another app by now.
    pub(crate) fn is_closed(&self) -> bool {
        self.records.load(Ordering::Acquire) == CLOSED
    }

    /// Counts records that are about to be made. False: the app was dropped meanwhile.
    pub(super) fn enter(&self, records: u64) -> bool {
        let enter = |n: u64| (n != CLOSED).then(|| n + records);
        self.records
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, enter)
            .is_ok()
    }

    /// Records of all epochs.
    pub(super) fn records(&self) -> u64 {
        self.records.load(Ordering::Acquire)
    }

    /// Takes a record off the count. True: it was the last, and the app is closed.
    fn leave(&self) -> bool {
        let leave = |n: u64| Some(if n == 1 { CLOSED } else { n - 1 });
        self.records
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, leave)
            == Ok(1)
    }
}

/// The low bits of an epoch, as records carry them.
pub(super) fn short(epoch: u32) -> u8 {
    (epoch & 0xff) as u8
}

thread_local! {
    /// The app that this thread asked for last: mostly the next request is for the same.
    static LAST: RefCell<Option<Arc<App>>> = const { RefCell::new(None) };
}

/// All apps. The lock is a leaf of the lock order: held for one look-up, insert or removal.
pub(super) struct Apps {
    table: RwLock<Table>,
    hasher: RandomState,
    keys: Keys,
    max: usize,
    ip_indexed: Vec<String>,
    home: u64,
    /// The second in which the store began, see [`TimeIndex::new`].
    began: AtomicU32,
}

/// Numbers the tables of a process.
static HOMES: AtomicU64 = AtomicU64::new(0);

struct Table {
    by_name: HashTable<Arc<App>>,
    by_id: Vec<Option<Arc<App>>>,
}

/// There are as many apps as there may be.
#[derive(Debug)]
pub(crate) struct TooManyApps;

impl Apps {
    pub(super) fn new(keys: Keys, max: usize, ip_indexed: Vec<String>) -> Self {
        let table = Table {
            by_name: HashTable::new(),
            by_id: Vec::new(),
        };
        Self {
            table: RwLock::new(table),
            hasher: RandomState::new(),
            keys,
            max: max.min(usize::from(u16::MAX)),
            ip_indexed,
            home: HOMES.fetch_add(1, Ordering::Relaxed),
            began: AtomicU32::new(0),
        }
    }

    /// Lets the time indexes of apps that come from now on begin in `second`.
    pub(super) fn start_at(&self, second: u32) {
        self.began.store(second, Ordering::Release);
    }

    /// The app with this name, if it has sessions.
    pub(super) fn find(&self, name: AppName<'_>) -> Option<Arc<App>> {
        LAST.with_borrow_mut(|last| {
            let is_it = |app: &&Arc<App>| {
                app.home == self.home && app.name == name.as_str() && !app.is_closed()
            };
            if let Some(app) = last.as_ref().filter(is_it) {
                return Some(Arc::clone(app));
            }
            let found = self.look_up(name);
            last.clone_from(&found);
            found
        })
    }

    fn look_up(&self, name: AppName<'_>) -> Option<Arc<App>> {
        let hash = self.hasher.hash_one(name.as_str());
        let table = read_locked(&self.table);
        table
            .by_name
            .find(hash, |app| app.name == name.as_str())
            .map(Arc::clone)
    }

    /// The app with this name, made in the given epoch if there is none and room for one.
    pub(super) fn find_or_make(
        &self,
        name: AppName<'_>,
        epoch: &AtomicU32,
    ) -> Result<Arc<App>, TooManyApps> {
        self.find_or_make_within(self.max, name, epoch)
    }

    /// The same in replay, where apps stay that expiry had dropped: only their numbers are bounded.
    pub(super) fn find_or_restore(
        &self,
        name: AppName<'_>,
        epoch: u32,
    ) -> Result<Arc<App>, TooManyApps> {
        self.find_or_make_within(usize::from(u16::MAX), name, &AtomicU32::new(epoch))
    }

    fn find_or_make_within(
        &self,
        max: usize,
        name: AppName<'_>,
        epoch: &AtomicU32,
    ) -> Result<Arc<App>, TooManyApps> {
        if let Some(app) = self.find(name) {
            return Ok(app);
        }
        let hash = self.hasher.hash_one(name.as_str());
        let mut table = write_locked(&self.table);
        if let Some(app) = table.by_name.find(hash, |app| app.name == name.as_str()) {
            return Ok(Arc::clone(app));
        }
        if table.by_name.len() >= max {
            return Err(TooManyApps);
        }
        let free = table
            .by_id
            .iter()
            .position(Option::is_none)
            .unwrap_or(table.by_id.len());
        let id = u16::try_from(free).ok().ok_or(TooManyApps)?;
        let app = Arc::new(self.make(name, id, epoch.load(Ordering::Acquire)));
        if free == table.by_id.len() {
            table.by_id.push(None);
        }
        if let Some(place) = table.by_id.get_mut(free) {
            *place = Some(Arc::clone(&app));
        }
        let hasher = |app: &Arc<App>| self.hasher.hash_one(app.name.as_str());
        table.by_name.insert_unique(hash, Arc::clone(&app), hasher);
        Ok(app)
    }

    /// The app of a record.
    pub(super) fn by_id(&self, id: u16) -> Option<Arc<App>> {
        read_locked(&self.table)
            .by_id
            .get(usize::from(id))
            .and_then(Clone::clone)
    }

    /// One of the app's records is gone; drops the app with its last one.
    pub(super) fn leave(&self, app: &App) {
        if !app.leave() {
            return;
        }
        let hash = self.hasher.hash_one(app.name.as_str());
        let mut table = write_locked(&self.table);
        if let Ok(entry) = table.by_name.find_entry(hash, |other| other.id == app.id) {
            entry.remove();
        }
        if let Some(place) = table.by_id.get_mut(usize::from(app.id)) {
            *place = None;
        }
    }

    /// Forgets an app that was made but got no session.
    pub(super) fn drop_unused(&self, app: &App) {
        if app
            .records
            .compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
        {
            self.leave(app);
        }
    }

    /// All apps, in no order.
    pub(super) fn all(&self) -> Vec<Arc<App>> {
        read_locked(&self.table)
            .by_id
            .iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// How many apps there are.
    pub(super) fn len(&self) -> usize {
        read_locked(&self.table).by_name.len()
    }

    fn make(&self, name: AppName<'_>, id: u16, epoch: u32) -> App {
        let began = self.began.load(Ordering::Acquire);
        let generation = Generation {
            epoch,
            index: Arc::new(TimeIndex::new(began)),
        };
        let listed = self.ip_indexed.iter().any(|listed| listed == name.as_str());
        App {
            id,
            home: self.home,
            name: name.as_str().to_owned(),
            keys: self.keys.of_app(name),
            ip_indexed: name == AppName::TARANTOOL || listed,
            epoch: AtomicU32::new(epoch),
            began,
            generation: RwLock::new(generation),
            records: AtomicU64::new(0),
        }
    }
}
