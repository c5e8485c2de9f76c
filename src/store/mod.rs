//! Sessions in memory: shards, wheel, time index, and the indexes by user and IP.
//!
//! The store decides nothing: the engine looks under a shard's lock, builds a `Change`, and
//! `Store::apply` carries it out, live and in replay alike. It reads no clock and does no I/O.
//!
//! Lock order: upkeep of a time index, token shard, generation of an app, user shard, IP shard; then
//! the leaves, of which one is held at a time: app table, reaping queue, locks inside a time index,
//! the log's queue. Before all of them: the sweeper's and the harvester's own state. At most one lock
//! of each kind, never across an await, at most 256 entries per hold. Exceptions: a rotation locks two
//! token shards, the lower number first; `warm` holds several, which it tries without waiting; `load`,
//! which nobody runs beside, has longer holds.

mod apply;
mod apps;
mod arena;
mod cells;
mod check;
mod directory;
mod harvest;
mod list;
mod load;
mod memory;
mod neighbours;
mod newcomers;
mod record;
mod shard;
mod sweep;
mod time_index;
mod walk;
mod warm;
mod wheel;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub(crate) use apply::Applied;
pub(crate) use apps::{App, TooManyApps};
use directory::{Directory, NameHash};
use harvest::Harvester;
pub(crate) use list::{Cursor, Members, Order, Visit};
use memory::Ledger;
pub use memory::MemoryUse;
pub(crate) use record::Record;
use shard::Shard;
use sweep::{Reaping, Sweeper};
pub use warm::Ahead;

use crate::clock::Millis;
use crate::model::change::CreateChange;
use crate::model::session::LazyBody;
use crate::model::{AppName, Handle, Keys, SessionView, Tag};

/// What a store is made with.
#[derive(Clone, Debug)]
pub(crate) struct StoreConfig {
    /// Locks over the sessions; a power of two.
    pub(crate) token_shards: usize,
    /// Locks over the users, and as many over the IPs.
    pub(crate) name_shards: usize,
    /// Apps that may have sessions at one time.
    pub(crate) max_apps: usize,
    /// Apps that keep an index by IP, besides `@sessions`.
    pub(crate) ip_indexed_apps: Vec<String>,
}

/// All sessions of all apps.
pub(crate) struct Store {
    shards: Box<[Mutex<Shard>]>,
    users: Directory,
    ips: Directory,
    apps: apps::Apps,
    /// The newest epoch of any app: every kill of all sessions takes the next one, and an app that
    /// comes to be begins in it, so that no app ever repeats an epoch.
    epochs: AtomicU32,
    directory_key: [u8; 32],
    ledger: Ledger,
    sweeper: Mutex<Sweeper>,
    /// The second up to which all expired sessions have been removed.
    swept_to: AtomicU32,
    harvester: Mutex<Harvester>,
    /// The second up to which all touches have been harvested; the last one of all when nobody
    /// harvests.
    harvested_to: AtomicU32,
    /// Killed apps whose memory is still to be freed.
    reaping: Mutex<std::collections::VecDeque<Reaping>>,
}

/// How a session is looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lookup {
    /// By all 128 bits of its tag.
    Tag(Tag),
    /// By its handle.
    Handle(Handle),
}

impl Lookup {
    fn handle(self) -> Handle {
        match self {
            Self::Tag(tag) => Handle(tag.high),
            Self::Handle(handle) => handle,
        }
    }
}

/// A locked shard, and in it the place of one session if that is served at the moment of the look.
/// The longest work under the lock is one verb on one session, or 256 entries of a sweep.
pub(crate) struct Locked<'s> {
    store: &'s Store,
    shard: MutexGuard<'s, Shard>,
    number: u32,
    found: Option<u32>,
    /// What was asked for is an old id, which led to the session.
    by_old_id: bool,
}

/// Two locked shards, or one twice. The only place besides `warm.rs` where two are held: that with the
/// lower number is locked first.
pub(crate) struct LockedPair<'s> {
    low: Locked<'s>,
    high: Option<Locked<'s>>,
}

/// Where an old id leads to: the session with this tag, if it was made at this moment.
#[derive(Clone, Copy)]
pub(crate) struct Alias {
    tag: Tag,
    created: Millis,
}

/// Rotations in a row whose old ids are followed to the present one.
const ALIASES_FOLLOWED: usize = 16;

impl Store {
    pub(crate) fn new(config: &StoreConfig, keys: Keys) -> Self {
        let token_shards = config.token_shards.next_power_of_two().min(1 << 16);
        let names = config.name_shards.max(1);
        Self {
            shards: (0..token_shards)
                .map(|_| Mutex::new(Shard::new()))
                .collect(),
            users: Directory::new(names, token_shards),
            ips: Directory::new(names, token_shards),
            directory_key: keys.directory(),
            apps: apps::Apps::new(keys, config.max_apps, config.ip_indexed_apps.clone()),
            epochs: AtomicU32::new(0),
            ledger: Ledger::default(),
            sweeper: Mutex::default(),
            swept_to: AtomicU32::new(0),
            harvester: Mutex::default(),
            harvested_to: AtomicU32::new(u32::MAX),
            reaping: Mutex::default(),
        }
    }

    /// The app with this name, if it has sessions.
    pub(crate) fn app(&self, name: AppName<'_>) -> Option<Arc<App>> {
        self.apps.find(name)
    }

    /// The app with this name, made if there is none. Without a session it stays only until
    /// [`Store::drop_unused`].
    pub(crate) fn app_or_make(&self, name: AppName<'_>) -> Result<Arc<App>, TooManyApps> {
        self.apps.find_or_make(name, &self.epochs)
    }

    /// Forgets an app that was made for a session that was then refused.
    pub(crate) fn drop_unused(&self, app: &App) {
        self.apps.drop_unused(app);
    }

    /// Locks the shard of a session and looks for it: living, of this app, before its deadline. An
    /// old id in the grace after a rotation leads to the session of the new one.
    pub(crate) fn lock(&self, app: &App, lookup: Lookup, now: Millis) -> Locked<'_> {
        let mut locked = self.lock_place(app, lookup, now);
        for _ in 0..ALIASES_FOLLOWED {
            // A handle is a public name, and an old one names nothing.
            let (Some(alias), Lookup::Tag(_)) = (locked.alias(), lookup) else {
                break;
            };
            drop(locked);
            locked = self.lock_place(app, Lookup::Tag(alias.tag), now);
            locked.by_old_id = true;
            // Its session may have ended, and another got the id.
            let same = |slot: &u32| locked.shard.body(*slot).created == alias.created;
            locked.found = locked.found.filter(same);
        }
        locked.found = locked
            .found
            .filter(|slot| !locked.shard.record(*slot).is_alias());
        locked
    }

    /// The same for exactly this tag or handle: what is found may be an alias.
    pub(crate) fn lock_place(&self, app: &App, lookup: Lookup, now: Millis) -> Locked<'_> {
        let mut locked = self.lock_shard(lookup.handle());
        locked.find(app, lookup, now);
        locked
    }

    /// Locks the shards of two handles, which may be one shard. Nothing is looked for yet.
    pub(crate) fn lock_pair(&self, one: Handle, other: Handle) -> LockedPair<'_> {
        let (one, other) = (self.number_of(one), self.number_of(other));
        let low = self.lock_number(one.min(other));
        let high = (one != other).then(|| self.lock_number(one.max(other)));
        LockedPair { low, high }
    }

    /// How many users and how many sessions of the app were active in the last `seconds` seconds.
    pub(crate) fn activity(&self, app: &App, now: Millis, seconds: u64) -> (u64, u64) {
        let index = Arc::clone(&read_locked(&app.generation).index);
        let now = record::index_second(now);
        (
            index.users.since(now, seconds),
            index.sessions.since(now, seconds),
        )
    }

    /// Users and sessions of the app, with those that have expired and are not removed yet.
    pub(crate) fn population(&self, app: &App) -> (u64, u64) {
        let index = Arc::clone(&read_locked(&app.generation).index);
        (index.users.total(), index.sessions.total())
    }

    /// Whether all sessions whose deadline lay before this second have been removed.
    pub(crate) fn is_swept(&self, now: Millis) -> bool {
        self.swept_to.load(Ordering::Acquire) >= record::index_second(now)
    }

    /// The newest epoch of any app.
    pub(crate) fn newest_epoch(&self) -> u32 {
        self.epochs.load(Ordering::Acquire)
    }

    /// Lets no epoch up to `epoch` begin any more.
    pub(crate) fn raise_epochs(&self, epoch: u32) {
        self.epochs.fetch_max(epoch, Ordering::AcqRel);
    }

    /// Sets the wheels and time indexes of a store without apps to the present, so that what is old
    /// when it is filed need not be moved from there through all the time between. Sessions that
    /// expired up to now are filed under the present second, so the next sweep finds them.
    pub(crate) fn start_at(&self, now: Millis) {
        let second = record::index_second(now);
        self.apps.start_at(second);
        let before = second.saturating_sub(1);
        for shard in &self.shards {
            locked(shard).start_wheel_at(before);
        }
    }

    fn lock_shard(&self, handle: Handle) -> Locked<'_> {
        self.lock_number(self.number_of(handle))
    }

    /// The number of the shard that a session belongs to: the highest bits of its handle, so that the
    /// shards are in the order of handles.
    pub(crate) fn number_of(&self, handle: Handle) -> usize {
        let highest = handle.0.rotate_left(self.shards.len().trailing_zeros());
        usize::try_from(highest).unwrap_or(0) & (self.shards.len() - 1)
    }

    /// Locks the shard of a session if nobody else holds it.
    fn try_lock_shard(&self, handle: Handle) -> Option<MutexGuard<'_, Shard>> {
        self.shards.get(self.number_of(handle))?.try_lock().ok()
    }

    fn try_lock_slot(&self, slot: u32) -> Option<(MutexGuard<'_, Shard>, u32)> {
        let shards = u32::try_from(self.shards.len()).unwrap_or(1);
        let shard = self.shards.get((slot % shards) as usize)?;
        Some((shard.try_lock().ok()?, slot / shards))
    }

    fn lock_slot(&self, slot: u32) -> (Locked<'_>, u32) {
        let shards = u32::try_from(self.shards.len()).unwrap_or(1);
        (self.lock_number((slot % shards) as usize), slot / shards)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the number is masked to the number of shards"
    )]
    fn lock_number(&self, number: usize) -> Locked<'_> {
        let shard = locked(&self.shards[number]);
        Locked {
            store: self,
            shard,
            number: u32::try_from(number).unwrap_or(0),
            found: None,
            by_old_id: false,
        }
    }

    /// The slot that names a session across all shards.
    fn global(&self, number: u32, local: u32) -> u32 {
        local * u32::try_from(self.shards.len()).unwrap_or(1) + number
    }

    fn name_hash(&self, app: &App, epoch: u8, name: &str) -> NameHash {
        NameHash::of(&self.directory_key, app.id, epoch, name)
    }
}

impl<'s> LockedPair<'s> {
    /// The one of the two shards that this handle belongs to.
    pub(crate) fn of(&mut self, handle: Handle) -> &mut Locked<'s> {
        let number = self.low.store.number_of(handle);
        match &mut self.high {
            Some(high) if high.number as usize == number => high,
            Some(_) | None => &mut self.low,
        }
    }
}

impl Locked<'_> {
    /// Looks for a session, or an alias, in this shard: living, of this app, before its deadline.
    pub(crate) fn find(&mut self, app: &App, lookup: Lookup, now: Millis) {
        let slot = match lookup {
            // The number of an app that was dropped may be another's by now, and its name and epoch those
            // of one that came back. When it was dropped it had no session: that is what was asked.
            Lookup::Tag(_) | Lookup::Handle(_) if app.is_closed() => None,
            Lookup::Tag(tag) => self.shard.find(tag),
            Lookup::Handle(handle) => self.shard.find_handle(handle),
        };
        self.found = slot.filter(|slot| {
            let record = self.shard.record(*slot);
            is_of(app, record) && now < record.deadline()
        });
    }

    /// The alias that was found; `None` for a session, or nothing.
    pub(crate) fn alias(&self) -> Option<Alias> {
        let slot = self.found.filter(|s| self.shard.record(*s).is_alias())?;
        let body = self.shard.body(slot);
        Some(Alias {
            tag: Tag::from_bytes(body.data)?,
            created: body.created,
        })
    }

    /// Whether a new session may take the place that was looked at: nothing is there, or an old id of
    /// which the caller has found that its session `has_ended`.
    pub(crate) fn is_free(&self, has_ended: bool) -> bool {
        self.found.is_none() || has_ended && self.alias().is_some()
    }

    /// The whole state of what was found, as a create that would make it.
    pub(crate) fn state<'v>(&'v self, app: &'v App) -> Option<CreateChange<'v>> {
        let slot = self.found?;
        Some(walk::state(&self.shard, slot, app, app.epoch()))
    }

    /// Whether what was asked for is an old id in its grace.
    pub(crate) fn is_by_old_id(&self) -> bool {
        self.by_old_id
    }

    /// The record of the session that was found.
    pub(crate) fn record(&self) -> Option<&Record> {
        self.found.map(|slot| self.shard.record(slot))
    }

    /// The session that was found, as it stands; `idle_seconds` counts up to `now`.
    pub(crate) fn view<'v>(&'v self, app: &'v App, now: Millis) -> Option<SessionView<'v>> {
        self.found.map(|slot| SessionView {
            by_old_id: self.by_old_id,
            ..view(app, &self.shard, slot, now)
        })
    }
}

/// Whether a record belongs to the app and has not been killed with it.
fn is_of(app: &App, record: &Record) -> bool {
    record.app == app.id && app.is_current(record.epoch)
}

fn view<'v>(app: &'v App, shard: &'v Shard, slot: u32, now: Millis) -> SessionView<'v> {
    let record = shard.record(slot);
    SessionView {
        handle: record.handle(),
        last_active: record.last_active(),
        idle_seconds: now.seconds().saturating_sub(record.recorded().seconds()),
        reads: record.reads(),
        writes: record.writes(),
        life: record.life(),
        deadline: record.deadline(),
        no_resave: record.no_resave(),
        content_type: record.content_type(),
        by_old_id: false,
        body: LazyBody::new(shard.body_block(slot)),
        sealer: app.keys.sealer(record.tag),
    }
}

/// Locks; a poisoned lock is taken as it is: release builds abort on a panic, so only tests that
/// caught one can see it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_locked<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write_locked<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
