//! Walks over all sessions, in slices, while they change.

use std::sync::Arc;

use crate::clock::Millis;
use crate::model::SessionView;
use crate::model::change::CreateChange;
use crate::store::apps::{App, short};
use crate::store::shard::Shard;
use crate::store::{Store, locked, read_locked, view};

/// Bytes of bodies after which a slice ends, however few sessions it has.
const SLICE_BYTES: usize = 64 << 10;

impl Store {
    /// Shows up to `limit` records from `from` on, in slot order, and answers where to go on. Sessions
    /// may come and go meanwhile: one that lives through the whole walk is shown.
    pub(crate) fn walk(
        &self,
        from: u64,
        limit: usize,
        each: &mut dyn FnMut(&SessionView<'_>, &App),
    ) -> Option<u64> {
        self.walk_slots(from, limit, &mut |shard, slot, app, _| {
            if !shard.record(slot).is_alias() {
                each(&view(app, shard, slot, Millis(0)), app);
            }
        })
    }

    /// The same with the whole state of each session, as a create that would make it: shard by shard,
    /// and in each in slot order. Expired ones are shown too, while they take a slot: a change that was
    /// made with a slightly older clock may still prolong them.
    pub(crate) fn walk_states(
        &self,
        from: u64,
        limit: usize,
        each: &mut dyn FnMut(&CreateChange<'_>),
    ) -> Option<u64> {
        self.walk_slots(from, limit, &mut |shard, slot, app, epoch| {
            each(&state(shard, slot, app, epoch));
        })
    }

    /// Waits until all kills of apps that were written down before this call have taken effect. A
    /// change of one session needs no such wait: whoever takes its lock sees it.
    pub(crate) fn settle(&self) {
        for app in self.apps.all() {
            drop(read_locked(&app.generation));
        }
    }

    /// One lock hold of a walk over the slots with a session that was not killed with its app.
    fn walk_slots(
        &self,
        from: u64,
        limit: usize,
        each: &mut dyn FnMut(&Shard, u32, &App, u32),
    ) -> Option<u64> {
        let number = usize::try_from(from >> 32).unwrap_or(usize::MAX);
        let shard = locked(self.shards.get(number)?);
        let first = u32::try_from(from & 0xffff_ffff).unwrap_or(u32::MAX);
        let end = first
            .saturating_add(u32::try_from(limit).unwrap_or(1))
            .min(shard.used());
        let mut bytes = 0;
        // While a record of it is locked, an app keeps its number.
        let mut known: Option<Arc<App>> = None;
        for slot in first..end {
            let Some(record) = shard.living(slot) else {
                continue;
            };
            if known.as_ref().is_none_or(|app| app.id != record.app) {
                known = self.apps.by_id(record.app);
            }
            let Some(app) = &known else { continue };
            let epoch = app.epoch();
            if short(epoch) == record.epoch {
                each(&shard, slot, app, epoch);
                bytes += shard.body(slot).length();
            }
            if bytes >= SLICE_BYTES {
                return Some(from + u64::from(slot + 1 - first));
            }
        }
        let more = end < shard.used();
        Some(if more {
            from + u64::from(end - first)
        } else {
            ((from >> 32) + 1) << 32
        })
    }
}

pub(super) fn state<'s>(shard: &'s Shard, slot: u32, app: &'s App, epoch: u32) -> CreateChange<'s> {
    let (record, body) = (shard.record(slot), shard.body(slot));
    CreateChange {
        app: app.name(),
        epoch,
        tag: record.tag,
        user: body.user,
        ip: body.ip,
        created: body.created,
        last_active: record.last_active(),
        lag: record.lag(),
        life: record.life(),
        no_resave: record.no_resave(),
        reads: record.reads(),
        writes: record.writes(),
        content_type: record.content_type(),
        data: body.data,
        sealed: body.sealed,
        alias: record.is_alias(),
    }
}
