//! The only code that alters a session. Reads no clock, cannot fail, and may be repeated.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::clock::Millis;
use crate::model::body::Body;
use crate::model::change::{CreateChange, TouchChange, UpdateChange};
use crate::model::{Change, Handle};
use crate::store::apps::{App, Generation, short};
use crate::store::memory::session_cost;
use crate::store::newcomers::Newcomer;
use crate::store::record::{NONE, Record};
use crate::store::shard::Shard;
use crate::store::sweep::Reaping;
use crate::store::{Locked, Store, locked, read_locked, write_locked};

/// What came of a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Applied {
    /// It is done (or was done before).
    Done,
    /// A session was to be made in an epoch that its app has left, or in an app that was dropped
    /// meanwhile: get the app anew.
    AppMovedOn,
}

impl Store {
    /// Carries out a change by the names in it, as replay does.
    pub(crate) fn apply(&self, change: &Change<'_>) {
        match change {
            Change::Create(create) => self.replay_create(create, change),
            Change::Update(UpdateChange { handle, .. })
            | Change::Touch(TouchChange { handle, .. })
            | Change::Remove { handle } => {
                let mut locked = self.lock_shard(*handle);
                locked.found = locked.shard.find_handle(*handle);
                let app = locked
                    .record()
                    .and_then(|record| self.apps.by_id(record.app));
                if let Some(app) = app {
                    locked.apply(&app, change);
                }
            }
            Change::RemoveApp { app, epoch } => {
                self.epochs.fetch_max(*epoch, Relaxed);
                if let Some(app) = self.app(*app) {
                    self.replay_remove_app(&app, *epoch);
                }
            }
        }
    }

    fn replay_create(&self, create: &CreateChange<'_>, change: &Change<'_>) {
        self.epochs.fetch_max(create.epoch, Relaxed);
        loop {
            // The bound on apps was kept when this was live.
            let Ok(app) = self.apps.find_or_restore(create.app, create.epoch) else {
                return;
            };
            if create.epoch > app.epoch() {
                // The app had come anew, so all earlier sessions were gone.
                self.replay_remove_app(&app, create.epoch);
            } else if create.epoch < app.epoch() {
                self.drop_unused(&app);
                return;
            }
            let mut locked = self.lock_shard(Handle(create.tag.high));
            if locked.apply(&app, change) == Applied::Done {
                return;
            }
        }
    }

    /// Ends all sessions of an app; the answer counts those that were in the time index. Their memory
    /// is freed by later sweeps. `note` writes down the epoch that begins, in the same order as the
    /// creates that meet it. `None`: too many epochs wait to be freed; sweep and ask again.
    pub(crate) fn remove_app(&self, app: &Arc<App>, note: impl FnOnce(u32)) -> Option<u64> {
        let mut generation = write_locked(&app.generation);
        let epoch = self.free_epoch(app, generation.epoch)?;
        // Looked at behind the choice of the epoch: an app that takes this one's name later begins in
        // that epoch, so what is written down does not reach it.
        if app.is_closed() {
            return Some(0);
        }
        note(epoch);
        Some(self.begin_epoch(app, &mut generation, epoch))
    }

    /// Ends all sessions of an app whose epochs are before `epoch`. Their memory is freed at once:
    /// nobody sweeps in replay, and the low bits of an epoch, which is all that records carry, come
    /// round again.
    pub(super) fn replay_remove_app(&self, app: &Arc<App>, epoch: u32) {
        let begin = |epoch: u32| {
            let mut generation = write_locked(&app.generation);
            if epoch > generation.epoch {
                self.begin_epoch(app, &mut generation, epoch);
            }
            drop(generation);
            self.reap_all();
        };
        if epoch > app.epoch() && short(epoch) == short(app.epoch()) {
            begin(epoch - 1);
        }
        begin(epoch);
    }

    fn begin_epoch(&self, app: &Arc<App>, generation: &mut Generation, epoch: u32) -> u64 {
        let ended = app.begin_epoch(generation, epoch);
        let killed = ended.index.sessions.total();
        locked(&self.reaping).push_back(Reaping::new(app, ended));
        killed
    }
}

impl Locked<'_> {
    /// Carries out a change of the session that was found, or makes it. The only way to alter a
    /// session, live and in replay.
    pub(crate) fn apply(&mut self, app: &App, change: &Change<'_>) -> Applied {
        match change {
            Change::Create(create) => return self.create(app, create, |_| ()),
            Change::Update(update) => self.update(app, update),
            Change::Touch(touch) => self.touch(app, touch),
            Change::Remove { .. } => {
                if let Some(slot) = self.found.take() {
                    self.remove_of(app, slot);
                }
            }
            // An app is more than one session: see `Store::remove_app`.
            Change::RemoveApp { .. } => {}
        }
        Applied::Done
    }

    /// Makes a session. One with the same handle is replaced: in replay the same session, live one
    /// whose deadline has passed. `note` writes the change down once it is sure that it is carried
    /// out, and in the same order as the kills of the app.
    pub(crate) fn create(
        &mut self,
        app: &App,
        change: &CreateChange<'_>,
        note: impl FnOnce(&CreateChange<'_>),
    ) -> Applied {
        // What has the handle now may be of the app that came back under this one's name.
        if app.is_closed() {
            return Applied::AppMovedOn;
        }
        if let Some(slot) = self.shard.find_handle(Handle(change.tag.high)) {
            self.remove_slot(slot);
        }
        let generation = read_locked(&app.generation);
        if generation.epoch != change.epoch || !app.enter(1) {
            return Applied::AppMovedOn;
        }
        note(change);
        let newcomer = self.place(app, change);
        self.index(&generation, &mut [newcomer]);
        self.found = Some(newcomer.local);
        Applied::Done
    }

    /// Gives a new session its slot, record and body. The app has counted it; the indexes are next.
    pub(super) fn place(&mut self, app: &App, change: &CreateChange<'_>) -> Newcomer {
        let mut record = Record::alive(change.tag, app.id, short(change.epoch));
        record.set_last(change.last_active, change.lag);
        record.set_life(&change.life);
        record.set_counters(change.reads, change.writes);
        record.set_content_type(change.content_type);
        record.set_no_resave(change.no_resave);
        record.set_alias(change.alias);
        let body = Body {
            created: change.created,
            user: change.user,
            ip: change.ip,
            sealed: change.sealed,
            data: change.data,
        };
        let local = self.shard.insert(record, &body);
        self.newcomer(app, &record, local, &body)
    }

    /// Alters the session that was found. What is older than the session changes nothing: a snapshot
    /// may hold a later state than the changes that are replayed onto it.
    fn update(&mut self, app: &App, change: &UpdateChange<'_>) {
        let Some(local) = self.found else { return };
        let reads = self.shard.record(local).reads();
        if change.writes < self.shard.record(local).writes() {
            return;
        }
        if !(change.user.is_keep() && change.ip.is_keep() && change.data.is_none()) {
            self.replace_content(app, local, change);
        }
        let record = self.shard.record_mut(local);
        record.set_counters(change.reads.max(reads), change.writes);
        if let Some(life) = &change.life {
            record.set_life(life);
        }
        self.set_active(app, local, change.last_active, change.lag);
        if change.life.is_some() {
            self.shard.refile_if_earlier(local);
        }
    }

    /// Notes that the session that was found has been read or active.
    fn touch(&mut self, app: &App, change: &TouchChange) {
        let Some(local) = self.found else { return };
        let record = self.shard.record_mut(local);
        let writes = record.writes();
        record.set_counters(change.reads.max(record.reads()), writes);
        self.set_active(app, local, change.last_active, change.lag);
    }

    /// Moves the last activity forward; what is older changes nothing.
    fn set_active(&mut self, app: &App, local: u32, last_active: Millis, lag: bool) {
        let record = self.shard.record_mut(local);
        if last_active < record.last_active() {
            return;
        }
        let before = record.last_second();
        record.set_last(last_active, lag);
        let (after, epoch, user) = (record.last_second(), record.epoch, record.user);
        if after > before {
            self.move_in_time(app, local, (before, after), epoch, user);
        }
    }

    /// Files a session that was active in a new second.
    fn move_in_time(&self, app: &App, local: u32, from_to: (u32, u32), epoch: u8, user: u32) {
        let generation = read_locked(&app.generation);
        if short(generation.epoch) != epoch {
            // Killed with its app a moment ago: the old index is being reaped as it is.
            return;
        }
        let (before, after) = from_to;
        generation.index.sessions.shift(before, after);
        generation
            .index
            .append(after, self.store.global(self.number, local));
        if user != NONE {
            self.store.note_user_active(&generation, user, after);
        }
    }

    fn replace_content(&mut self, app: &App, local: u32, change: &UpdateChange<'_>) {
        let old = self.shard.body(local);
        let (names_before, length_before) = (names(app, &old), old.length());
        let (old_ip, old_user) = (old.ip.map(str::to_owned), old.user.map(str::to_owned));
        let (sealed, old_data) = (old.sealed.to_vec(), old.data.to_vec());
        let body = Body {
            created: old.created,
            user: change.user.of(old_user.as_deref()),
            ip: change.ip.of(old_ip.as_deref()),
            sealed: &sealed,
            data: change.data.map_or(&old_data, |d| d.bytes),
        };
        if body.user != old_user.as_deref() {
            self.relink_user(app, local, body.user);
        }
        if app.ip_indexed && body.ip != old_ip.as_deref() {
            self.relink_ip(app, local, old_ip.as_deref(), body.ip);
        }
        self.shard.replace_body(local, &body);
        if let Some(data) = change.data {
            self.shard
                .record_mut(local)
                .set_content_type(data.content_type);
        }
        self.store
            .ledger
            .add(session_cost(body.length(), names(app, &body)));
        self.store
            .ledger
            .remove(session_cost(length_before, names_before));
    }

    /// Takes the session out of the list of its user and puts it into that of `new`. What it was last
    /// seen doing counts for both.
    fn relink_user(&mut self, app: &App, local: u32, new: Option<&str>) {
        let store = self.store;
        let slot = store.global(self.number, local);
        let record = *self.shard.record(local);
        let generation = read_locked(&app.generation);
        let current = short(generation.epoch) == record.epoch;
        if record.user != NONE
            && let Some(last) = store.users.unlink(record.user, slot)
            && current
        {
            generation.index.users.remove(second_of(last));
        }
        let node = new.map_or(NONE, |user| {
            let name = store.name_hash(app, record.epoch, user);
            store.users.link(name, slot)
        });
        if node != NONE && current {
            store.note_user_active(&generation, node, record.last_second());
        }
        self.shard.record_mut(local).user = node;
    }

    fn relink_ip(&self, app: &App, local: u32, old: Option<&str>, new: Option<&str>) {
        let store = self.store;
        let epoch = self.shard.record(local).epoch;
        let slot = store.global(self.number, local);
        if let Some(old) = old {
            store.unlink_ip(app, epoch, old, slot);
        }
        if let Some(new) = new {
            store.ips.link(store.name_hash(app, epoch, new), slot);
        }
    }

    pub(super) fn remove_slot(&mut self, local: u32) {
        let Some(app) = self.store.apps.by_id(self.shard.record(local).app) else {
            return;
        };
        self.remove_of(&app, local);
    }

    /// Takes a session of `app` out of everything: killed, expired, or reaped with its app.
    pub(super) fn remove_of(&mut self, app: &App, local: u32) {
        let store = self.store;
        let slot = store.global(self.number, local);
        let record = *self.shard.record(local);
        let body = self.shard.body(local);
        let cost = session_cost(body.length(), names(app, &body));
        {
            let generation = read_locked(&app.generation);
            let current = short(generation.epoch) == record.epoch;
            if current && !record.is_alias() {
                generation.index.sessions.remove(record.last_second());
            }
            if record.user != NONE
                && let Some(last) = store.users.unlink(record.user, slot)
                && current
            {
                generation.index.users.remove(second_of(last));
            }
        }
        if let (true, Some(ip)) = (app.ip_indexed, body.ip) {
            store.unlink_ip(app, record.epoch, ip, slot);
        }
        self.shard.remove(local);
        store.ledger.remove(cost);
        store.apps.leave(app);
    }
}

impl Store {
    /// Notes that a user was active in `second`; time only moves forward.
    fn note_user_active(&self, generation: &Generation, user: u32, second: u32) {
        match self.push_user(user, second) {
            None => generation.index.users.add(second),
            Some(before) if before < second => generation.index.users.shift(before, second),
            Some(_) => {}
        }
    }

    /// Moves the last activity of a user forward to `second` and answers what it was; `None` for one
    /// who was never active. The cell holds one more than the second, zero for such a user.
    pub(super) fn push_user(&self, user: u32, second: u32) -> Option<u32> {
        let cell = self.users.cell(user);
        let before = cell.fetch_max(second.saturating_add(1), Relaxed);
        (before != 0).then(|| second_of(before))
    }

    fn unlink_ip(&self, app: &App, epoch: u8, ip: &str, slot: u32) {
        if let Some(node) = self.ips.find(self.name_hash(app, epoch, ip)) {
            self.ips.unlink(node, slot);
        }
    }
}

/// The second in a user's cell.
pub(super) fn second_of(cell: u32) -> u32 {
    cell.saturating_sub(1)
}

/// How many names of a session stand in directories.
pub(super) fn names(app: &App, body: &Body<'_>) -> usize {
    usize::from(body.user.is_some()) + usize::from(app.ip_indexed && body.ip.is_some())
}

impl Shard {
    /// Whether the session in a slot has passed its deadline.
    pub(super) fn is_past(&self, slot: u32, now: Millis) -> bool {
        self.record(slot).deadline() <= now
    }
}
