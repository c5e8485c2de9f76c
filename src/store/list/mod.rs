//! Lists of sessions in bounded slices: by user, by IP, by activity.
//!
//! A list first collects which sessions it means, then shows them, each under its own lock, as they
//! are at that moment. A session that is in scope through the whole walk is shown exactly once.
//! Which sessions come next in a list by handle is collected as it is needed, see `route.rs`.

mod collect;
mod page;
mod route;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use crate::clock::Millis;
use crate::limits::ENTRIES_PER_HOLD;
use crate::model::{Handle, SessionView};
use crate::store::apps::App;
use crate::store::record::{Record, index_second};
use crate::store::shard::Shard;
use crate::store::time_index::Bucket;
use crate::store::{Locked, Store, is_of, view};
use page::{Found, Page};

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

/// In which order sessions are shown.
#[derive(Clone, Copy, Default)]
pub(crate) enum Order {
    /// The most recent first where activity is the scope, else as they stand in the list.
    #[default]
    Natural,
    /// By handle, from behind `after` on: an order that no touch disturbs, for pages.
    Handle {
        /// The last handle of the page before.
        after: Option<Handle>,
        /// Sessions of a page: after so many the caller is likely to stop.
        room: usize,
    },
    /// In whatever order costs least, for counts: those whose handles are greater than this one. Many
    /// may be shown under one hold of a lock.
    Any {
        /// The last handle that is not meant.
        after: Option<Handle>,
    },
}

/// Where a walk stands.
#[derive(Clone, Default)]
pub(crate) struct Cursor {
    stage: Stage,
    order: Order,
    /// What a name's list gave so far; from [`Stage::Show`] on all that is to be shown, in its order.
    found: Vec<Found>,
    /// In an order by handle: what comes next of all that was collected.
    page: Page,
    /// The last slice of a name's list of which nothing matched.
    fruitless: Vec<u32>,
    /// In no order: the slots that were looked at, since several entries may lead to one.
    seen: HashSet<u32, ahash::RandomState>,
    /// What all slices so far were charged: about the entries that were looked at.
    looked: usize,
}

#[derive(Clone, Default)]
enum Stage {
    #[default]
    Start,
    /// Collecting from these buckets, the last one first. Each is read up to the length that it had at
    /// the start: who is in scope since then stands before it, and what comes later could come faster
    /// than it is read.
    Buckets {
        buckets: Vec<(Arc<Bucket>, usize)>,
        read: usize,
    },
    /// Collecting from a name's list.
    Names,
    /// Collecting from all slots of a shard, from this one on.
    Slots {
        number: usize,
        slot: u32,
    },
    /// Showing what was found, from this one on; then the next shard, if there is one to go on with.
    Show {
        next: usize,
        next_shard: Option<usize>,
    },
    Done,
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { found, looked, .. } = self;
        write!(out, "Cursor({} found, {looked} looked at)", found.len())
    }
}

/// What to do with each session of a list.
pub(crate) enum Visit<'v> {
    /// Show it.
    Show(&'v mut dyn FnMut(&SessionView<'_>)),
    /// Look at it locked, for a kill.
    Locked(&'v mut dyn FnMut(&App, &mut Locked<'_>)),
}

/// What a slice of a walk is about.
#[derive(Clone, Copy)]
struct Walk<'w> {
    app: &'w App,
    members: Members<'w>,
    now: Millis,
}

/// What showing a session is charged, in looks at an entry: it takes a lock and reads the body.
const SHOWN: usize = 4;

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
        let walk = Walk { app, members, now };
        let mut budget = ENTRIES_PER_HOLD;
        while budget > 0 {
            let charged = match cursor.stage {
                Stage::Start => {
                    cursor.stage = self.route(&walk, cursor);
                    1
                }
                Stage::Buckets { .. } => self.collect_bucket(&walk, cursor, budget, visit),
                Stage::Names => self.collect_names(&walk, cursor, budget),
                Stage::Slots { .. } => self.collect_slots(&walk, cursor, budget, visit),
                Stage::Show { .. } => self.show_next(&walk, cursor, visit),
                Stage::Done => return false,
            };
            cursor.looked += charged;
            budget = budget.saturating_sub(charged);
        }
        true
    }

    fn show_next(&self, walk: &Walk<'_>, cursor: &mut Cursor, visit: &mut Visit<'_>) -> usize {
        let Stage::Show { next, .. } = &mut cursor.stage else {
            return 0;
        };
        let Some(found) = cursor.found.get(*next) else {
            cursor.end_showing();
            return 0;
        };
        *next += 1;
        self.visit(walk, found.slot, |handle| handle == found.handle, visit);
        SHOWN
    }

    /// Shows the session in a slot if it is in scope and its handle is wanted.
    fn visit(
        &self,
        walk: &Walk<'_>,
        slot: u32,
        is_wanted: impl Fn(Handle) -> bool,
        visit: &mut Visit<'_>,
    ) {
        let (mut locked, local) = self.lock_slot(slot);
        let handle = matches(walk, &locked.shard, local).filter(|handle| is_wanted(*handle));
        if handle.is_none() || locked.shard.is_past(local, walk.now) {
            return;
        }
        match visit {
            Visit::Show(show) => show(&view(walk.app, &locked.shard, local, walk.now)),
            Visit::Locked(act) => {
                locked.found = Some(local);
                act(walk.app, &mut locked);
            }
        }
    }
}

impl Cursor {
    /// The start of a walk that shows its sessions in this order.
    pub(crate) fn new(order: Order) -> Self {
        Self {
            order,
            page: match order {
                Order::Natural => Page::default(),
                Order::Handle { after, room } => Page::new(after, room),
                Order::Any { after } => Page::new(after, usize::MAX),
            },
            ..Self::default()
        }
    }

    /// Ends the collecting from a list or index: each session once, in the order asked for.
    fn end_collecting(&mut self, by_activity: bool) {
        match self.order {
            Order::Natural if by_activity => {
                self.found
                    .sort_unstable_by_key(|f| (f.slot, std::cmp::Reverse(f.last)));
                self.found.dedup_by_key(|f| f.slot);
                self.found
                    .sort_unstable_by_key(|f| std::cmp::Reverse((f.last, f.handle)));
            }
            Order::Natural => {}
            Order::Handle { .. } | Order::Any { .. } => {
                for found in self.found.drain(..) {
                    self.page.push(found);
                }
                self.found = self.page.take();
            }
        }
        self.stage = Stage::Show {
            next: 0,
            next_shard: None,
        };
    }

    /// All that was found has been shown: goes on behind it if there may be more.
    fn end_showing(&mut self) {
        let Stage::Show { next_shard, .. } = self.stage else {
            return;
        };
        self.found.clear();
        self.fruitless.clear();
        self.stage = match next_shard {
            // Of what was collected only the first part was kept.
            _ if self.page.go_on() => Stage::Start,
            Some(number) => Stage::Slots { number, slot: 0 },
            None => Stage::Done,
        };
    }
}

/// The handle of the session in a slot, if it is in scope. A stale entry that leads to a session in
/// scope is as good as a valid one; expired sessions still stand in their lists.
fn matches(walk: &Walk<'_>, shard: &Shard, local: u32) -> Option<Handle> {
    let app = walk.app;
    // The number of an app that was dropped may belong to another one.
    let is_of_app = |record: &&Record| is_of(app, record) && !record.is_alias() && !app.is_closed();
    let record = shard.living(local).filter(is_of_app)?;
    let within = match walk.members {
        Members::User(user) => shard.body(local).user == Some(user),
        Members::Ip(ip) | Members::IpOfAny(ip) => shard.body(local).ip == Some(ip),
        Members::ActiveSince(since) => record.last_second() >= index_second(since),
    };
    within.then(|| record.handle())
}
