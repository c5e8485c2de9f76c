//! Makes many sessions at a time, as a snapshot lists them: those that stand together in a shard are
//! made under one hold of its lock. Each is made as any other, see `apply.rs`.

use std::sync::atomic::Ordering::Relaxed;

use crate::model::change::CreateChange;
use crate::model::{Change, Handle};
use crate::store::{Store, read_locked};

impl Store {
    /// Makes sessions as replay would make them one by one. Meant for a store that nobody uses yet:
    /// locks are held for as many sessions as stand in a row in one shard.
    pub(crate) fn load(&self, creates: &[CreateChange<'_>]) {
        let number = |create: &CreateChange<'_>| self.number_of(Handle(create.tag.high));
        for run in creates.chunk_by(|one, next| number(one) == number(next)) {
            let mut rest: Vec<&CreateChange<'_>> = run.iter().collect();
            while let Some(first) = rest.first() {
                let app = first.app;
                let of_app = |create: &mut &CreateChange<'_>| create.app == app;
                let one_app: Vec<_> = rest.extract_if(.., of_app).collect();
                self.load_row(&one_app);
            }
        }
    }

    /// Makes sessions of one app in one shard.
    fn load_row(&self, row: &[&CreateChange<'_>]) {
        let newest = row.iter().map(|create| create.epoch).max();
        let (Some(first), Some(newest)) = (row.first(), newest) else {
            return;
        };
        self.epochs.fetch_max(newest, Relaxed);
        // The bound on apps was kept when this was live.
        let Ok(app) = self.apps.find_or_restore(first.app, newest) else {
            return;
        };
        if newest > app.epoch() {
            self.replay_remove_app(&app, newest);
        }
        // Dead with their app, or there already: for the ordinary way.
        let mut others = Vec::new();
        let mut locked = self.lock_shard(Handle(first.tag.high));
        let generation = read_locked(&app.generation);
        if app.enter(row.len() as u64) {
            locked.shard.reserve(row.len());
            let mut newcomers = Vec::with_capacity(row.len());
            for &create in row {
                let is_there = locked.shard.find_handle(Handle(create.tag.high)).is_some();
                if is_there || create.epoch != generation.epoch {
                    others.push(create);
                } else {
                    newcomers.push(locked.place(&app, create));
                }
            }
            locked.index(&generation, &mut newcomers);
            others.iter().for_each(|_| self.apps.leave(&app));
        } else {
            others.extend_from_slice(row);
        }
        drop(generation);
        drop(locked);
        for create in others {
            self.apply(&Change::Create(create.clone()));
        }
    }
}
