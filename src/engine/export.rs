//! Showing all sessions whole, so that they can be taken elsewhere.

use super::Engine;
use crate::model::change::CreateChange;

impl Engine {
    /// Shows up to `limit` sessions from place `from` on (0 at first), each with its whole state, and
    /// answers where to go on; `None` at the end. Sessions may change meanwhile: one that lives through
    /// the whole walk is shown. So are expired ones while they take a slot. Called under a lock, so
    /// `each` must be quick.
    pub fn walk_states(
        &self,
        from: u64,
        limit: usize,
        each: &mut dyn FnMut(&CreateChange<'_>),
    ) -> Option<u64> {
        self.store.walk_states(from, limit, each)
    }

    /// The newest epoch of any app, now or ever.
    #[must_use]
    pub fn newest_epoch(&self) -> u32 {
        self.store.newest_epoch()
    }
}
