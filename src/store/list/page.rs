//! What comes next in the order of handles, of all that a walk comes across.

use crate::model::Handle;

/// A session that was in scope when a walk came by.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) slot: u32,
    /// The second of its last activity at that time.
    pub(super) last: u32,
    pub(super) handle: Handle,
}

/// How many more are kept than a page has room for: some may have ended when they are shown.
const SPARE: usize = 32;

/// The sessions with the lowest handles behind one: at most twice as many as a page has room for,
/// however many are pushed, so that neither memory nor the time of sorting grows with the scope.
#[derive(Clone, Default)]
pub(super) struct Page {
    behind: Option<Handle>,
    /// How many are kept for sure.
    room: usize,
    kept: Vec<Found>,
    /// Some were left out: all with handles up to this one are there.
    complete_to: Option<Handle>,
}

impl Page {
    /// An empty page of the sessions behind a handle.
    pub(super) fn new(behind: Option<Handle>, room: usize) -> Self {
        Self {
            behind,
            room: room.saturating_add(SPARE),
            ..Self::default()
        }
    }

    /// The handle that the page begins behind.
    pub(super) fn behind(&self) -> Option<Handle> {
        self.behind
    }

    /// How many sessions are kept for sure.
    pub(super) fn room(&self) -> usize {
        self.room
    }

    /// Whether a session with this handle comes behind the one that the page begins behind.
    pub(super) fn is_ahead(&self, handle: Handle) -> bool {
        self.behind.is_none_or(|behind| handle > behind)
    }

    /// Keeps a session if it is one of those that come next. It may be pushed several times.
    pub(super) fn push(&mut self, found: Found) {
        let is_too_far = |last| found.handle > last;
        if !self.is_ahead(found.handle) || self.complete_to.is_some_and(is_too_far) {
            return;
        }
        self.kept.push(found);
        if self.kept.len() >= self.room.saturating_mul(2) {
            self.tidy();
        }
    }

    /// Takes what was kept: in the order of handles, each once.
    pub(super) fn take(&mut self) -> Vec<Found> {
        self.tidy();
        std::mem::take(&mut self.kept)
    }

    /// Begins the page behind this one; false when nothing was left out.
    pub(super) fn go_on(&mut self) -> bool {
        let complete_to = self.complete_to.take();
        self.behind = complete_to.or(self.behind);
        complete_to.is_some()
    }

    fn tidy(&mut self) {
        self.kept.sort_unstable_by_key(|found| found.handle);
        self.kept.dedup_by_key(|found| found.handle);
        if self.kept.len() > self.room {
            self.kept.truncate(self.room);
            self.complete_to = self.kept.last().map(|found| found.handle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, Page, SPARE};
    use crate::model::Handle;

    fn found(handle: u64) -> Found {
        Found {
            slot: 0,
            last: 0,
            handle: Handle(handle),
        }
    }

    #[test]
    fn pages_hold_what_comes_next_and_never_much_more() {
        const ALL: u64 = 10_000;
        const ROOM: usize = 100;
        let (mut page, mut seen) = (Page::new(Some(Handle(6)), ROOM), Vec::new());
        loop {
            for n in 0..ALL {
                // All numbers below 10,000 in another order, some of them again and again.
                page.push(found(n * 7_919 % ALL));
                page.push(found(n % 10 + 5));
                assert!(page.kept.len() < 2 * (ROOM + SPARE));
            }
            let next = page.take();
            assert!(!next.is_empty() && next.len() <= ROOM + SPARE);
            seen.extend(next.iter().map(|found| found.handle.0));
            if !page.go_on() {
                break;
            }
        }
        assert_eq!(seen, (7..ALL).collect::<Vec<_>>());
    }
}
