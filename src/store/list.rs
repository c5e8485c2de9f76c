//! Lists of sessions in bounded slices: by user, by IP, by activity.
//!
//! A list first collects which sessions it means, then shows them, each under its own lock, as they
//! are at that moment. A session that is in scope through the whole walk is shown exactly once.

use std::sync::Arc;

use crate::clock::Millis;
use crate::limits::ENTRIES_PER_HOLD;
use crate::model::{Handle, SessionView};
use crate::store::apps::{App, short};
use crate::store::record::{Record, index_second};
use crate::store::shard::Shard;
use crate::store::time_index::Bucket;
use crate::store::{Locked, Store, is_of, read_locked, view};

/// Which sessions of an app are meant.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Members<'a> {
    /// Those of a user.
    User(&'a str),
    /// Those with an IP text, from the index of IPs.
    Ip(&'a str),
    /// Those with an IP text, found by looking at all sessions of the app: without an index of IPs.
    IpOfAny(&'a str),
    /// Those active in this second or later, the most recent first.
    ActiveSince(Millis),
}

/// Where a walk stands.
#[derive(Clone, Default)]
pub(crate) struct Cursor {
    stage: Stage,
    found: Vec<Found>,
    /// The last slice of a name's list of which nothing matched.
    fruitless: Vec<u32>,
    order: Order,
}

/// In which order sessions are shown.
#[derive(Clone, Copy, Default)]
pub(crate) enum Order {
    /// The most recent first where activity is the scope, else as they stand in the list.
    #[default]
    Natural,
    /// By handle, from behind this one on: an order that no touch disturbs, for pages.
    Handle {
        /// The last handle of the page before.
        after: Option<Handle>,
    },
}

#[derive(Clone, Default)]
enum Stage {
    #[default]
    Start,
    /// Collecting from these buckets, the last one first.
    Buckets {
        buckets: Vec<Arc<Bucket>>,
        read: usize,
    },
    /// Collecting from a name's list.
    Names,
    /// Showing, from this one on.
    Show(usize),
}

#[derive(Clone, Copy)]
struct Found {
    slot: u32,
    last: u32,
    handle: Handle,
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Cursor({} found)", self.found.len())
    }
}

/// What to do with each session of a list.
pub(crate) enum Visit<'v> {
    /// Show it.
    Show(&'v mut dyn FnMut(&SessionView<'_>)),
    /// Look at it locked, for a kill.
    Locked(&'v mut dyn FnMut(&App, &mut Locked<'_>)),
}

impl Store {
    /// Does a slice of a walk: looks at no more than about 256 entries. True: more to do.
    pub(crate) fn walk_members(
        &self,
        app: &App,
        members: Members<'_>,
        now: Millis,
        cursor: &mut Cursor,
        visit: &mut Visit<'_>,
    ) -> bool {
        let mut budget = ENTRIES_PER_HOLD;
        loop {
            if budget == 0 {
                return true;
            }
            match &mut cursor.stage {
                Stage::Start => cursor.stage = start(app, members),
                Stage::Buckets { buckets, read } => {
                    let mut slots = Vec::new();
                    match buckets.last() {
                        Some(bucket) => bucket.copy(*read, budget, &mut slots),
                        None => cursor.sort(true),
                    }
                    if let Stage::Buckets { buckets, read } = &mut cursor.stage {
                        *read += slots.len();
                        if slots.is_empty() {
                            buckets.pop();
                            *read = 0;
                        }
                    }
                    budget -= slots.len();
                    self.keep_matching(app, members, &slots, &mut cursor.found);
                }
                Stage::Names => {
                    if self.collect_names(app, members, cursor, &mut budget) {
                        cursor.sort(false);
                    }
                }
                Stage::Show(next) => {
                    let Some(found) = cursor.found.get(*next) else {
                        return false;
                    };
                    *next += 1;
                    budget -= 1;
                    self.visit(app, found, members, now, visit);
                }
            }
        }
    }

    /// Collects a slice of a name's list. True: that was all.
    fn collect_names(
        &self,
        app: &App,
        members: Members<'_>,
        cursor: &mut Cursor,
        budget: &mut usize,
    ) -> bool {
        let (directory, name) = match members {
            Members::User(name) => (&self.users, name),
            Members::Ip(name) => (&self.ips, name),
            Members::ActiveSince(_) | Members::IpOfAny(_) => return true,
        };
        let hash = self.name_hash(app, short(app.epoch()), name);
        let mut slots = Vec::new();
        let limit = *budget;
        // Go on behind the last collected session that is still in the list: new ones join at the
        // head, so its followers are those not collected yet.
        let mut all = None;
        for found in cursor.found.iter().rev() {
            let (shard, local) = self.lock_slot(found.slot);
            if matches(app, members, &shard.shard, local) == Some(found.handle) {
                all = Some(directory.collect(hash, Some(found.slot), limit, &mut slots));
                break;
            }
        }
        let all = all.unwrap_or_else(|| directory.collect(hash, None, limit, &mut slots));
        *budget -= slots.len();
        let before = cursor.found.len();
        self.keep_matching(app, members, &slots, &mut cursor.found);
        if all || cursor.found.len() > before {
            return all;
        }
        // What matches no more has left the list by now, so the next slice gets further. Only another
        // name with the same hash would give the same slice again: all that was asked for is found.
        let again = cursor.fruitless == slots;
        cursor.fruitless = slots;
        again
    }

    /// Keeps the slots whose sessions are in scope.
    fn keep_matching(
        &self,
        app: &App,
        members: Members<'_>,
        slots: &[u32],
        found: &mut Vec<Found>,
    ) {
        for &slot in slots {
            let (shard, local) = self.lock_slot(slot);
            if let Some(handle) = matches(app, members, &shard.shard, local) {
                let last = shard.shard.record(local).last_second();
                found.push(Found { slot, last, handle });
            }
        }
    }

    fn visit(
        &self,
        app: &App,
        found: &Found,
        members: Members<'_>,
        now: Millis,
        visit: &mut Visit<'_>,
    ) {
        let (mut locked, local) = self.lock_slot(found.slot);
        if matches(app, members, &locked.shard, local) != Some(found.handle)
            || locked.shard.is_past(local, now)
        {
            return;
        }
        match visit {
            Visit::Show(show) => show(&view(app, &locked.shard, local, now)),
            Visit::Locked(act) => {
                locked.found = Some(local);
                act(app, &mut locked);
            }
        }
    }
}

impl Cursor {
    /// The start of a walk that shows its sessions in this order.
    pub(crate) fn new(order: Order) -> Self {
        Self {
            order,
            ..Self::default()
        }
    }

    /// Ends the collecting: each session once, in the order asked for.
    fn sort(&mut self, by_activity: bool) {
        match self.order {
            Order::Handle { after } => {
                self.found.retain(|f| after.is_none_or(|a| f.handle > a));
                self.found.sort_unstable_by_key(|f| f.handle);
                self.found.dedup_by_key(|f| f.handle);
            }
            Order::Natural if by_activity => {
                self.found
                    .sort_unstable_by_key(|f| (f.slot, std::cmp::Reverse(f.last)));
                self.found.dedup_by_key(|f| f.slot);
                self.found
                    .sort_unstable_by_key(|f| std::cmp::Reverse((f.last, f.handle)));
            }
            Order::Natural => {}
        }
        self.stage = Stage::Show(0);
    }
}

fn start(app: &App, members: Members<'_>) -> Stage {
    match members {
        Members::User(_) | Members::Ip(_) => Stage::Names,
        Members::ActiveSince(since) => buckets(app, index_second(since)),
        Members::IpOfAny(_) => buckets(app, 0),
    }
}

fn buckets(app: &App, since: u32) -> Stage {
    let index = Arc::clone(&read_locked(&app.generation).index);
    Stage::Buckets {
        buckets: index.buckets_since(since),
        read: 0,
    }
}

/// The handle of the session in a slot, if it is in scope. A stale entry that leads to a session in
/// scope is as good as a valid one; expired sessions still stand in their lists.
fn matches(app: &App, members: Members<'_>, shard: &Shard, local: u32) -> Option<Handle> {
    // The number of an app that was dropped may belong to another one.
    let is_of_app = |record: &&Record| is_of(app, record) && !record.is_alias() && !app.is_closed();
    let record = shard.living(local).filter(is_of_app)?;
    let within = match members {
        Members::User(user) => shard.body(local).user == Some(user),
        Members::Ip(ip) | Members::IpOfAny(ip) => shard.body(local).ip == Some(ip),
        Members::ActiveSince(since) => record.last_second() >= index_second(since),
    };
    within.then(|| record.handle())
}
