//! Puts new sessions into the indexes: each by itself as it is made, or many at a time when a
//! snapshot is loaded, where locks and counters are touched once for many.

use crate::model::body::Body;
use crate::store::apps::{App, Generation};
use crate::store::directory::NameHash;
use crate::store::memory::session_cost;
use crate::store::record::Record;
use crate::store::{Locked, apply::names};

/// What the indexes are told of a session that has its slot, record and body.
#[derive(Clone, Copy)]
pub(super) struct Newcomer {
    /// Its slot in its shard.
    pub(super) local: u32,
    /// Its slot across all shards.
    slot: u32,
    /// The second of its last activity.
    second: u32,
    user: Option<NameHash>,
    /// Its user had no session before.
    is_first_of_user: bool,
    ip: Option<NameHash>,
    /// No session: only its bytes count.
    is_alias: bool,
    /// Accounted bytes.
    cost: usize,
}

impl Locked<'_> {
    /// What the indexes are to be told of the session in slot `local`.
    pub(super) fn newcomer(
        &self,
        app: &App,
        record: &Record,
        local: u32,
        body: &Body<'_>,
    ) -> Newcomer {
        let hash = |name| self.store.name_hash(app, record.epoch, name);
        Newcomer {
            local,
            slot: self.store.global(self.number, local),
            second: record.last_second(),
            user: body.user.map(hash),
            is_first_of_user: false,
            ip: body.ip.filter(|_| app.ip_indexed).map(hash),
            is_alias: record.is_alias(),
            cost: session_cost(body.length(), names(app, body)),
        }
    }

    /// Puts new sessions of one app and its present epoch into the indexes, in whatever order.
    pub(super) fn index(&mut self, generation: &Generation, newcomers: &mut [Newcomer]) {
        self.store
            .ledger
            .add(newcomers.iter().map(|new| new.cost).sum());
        self.link_ips(newcomers);
        self.link_users(generation, newcomers);
        newcomers.sort_unstable_by_key(|new| new.second);
        let index = &generation.index;
        let sessions = || newcomers.iter().filter(|new| !new.is_alias);
        index.sessions.add_all(sessions().map(|new| new.second));
        index.append_all(sessions().map(|new| (new.second, new.slot)));
        let first = newcomers.iter().filter(|new| new.is_first_of_user);
        index.users.add_all(first.map(|new| new.second));
    }

    fn link_users(&mut self, generation: &Generation, newcomers: &mut [Newcomer]) {
        let Self { store, shard, .. } = self;
        let name = |new: &Newcomer| Some((new.user?, new.slot));
        store.users.link_all(newcomers, name, |new, node| {
            shard.record_mut(new.local).user = node;
            match store.push_user(node, new.second) {
                None => new.is_first_of_user = true,
                Some(before) if before < new.second => {
                    generation.index.users.shift(before, new.second);
                }
                Some(_) => {}
            }
        });
    }

    fn link_ips(&self, newcomers: &mut [Newcomer]) {
        if newcomers.iter().any(|new| new.ip.is_some()) {
            let name = |new: &Newcomer| Some((new.ip?, new.slot));
            self.store.ips.link_all(newcomers, name, |_, _| ());
        }
    }
}
