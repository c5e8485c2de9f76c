//! Connections of one thread that have received something at the same time wait for each other: reads
//! until the thread has taken in all of them, so that the cache misses of their sessions are waited for
//! together, and replies until all are made, so that a peer that serves several connections is
//! woken once for all of them and not for each.

use crate::engine::{Ahead, Engine, Located};
use crate::model::Tag;

/// With fewer connections at a time there is little to do together, and asking the system for more of
/// them costs as much as it wins.
const WORTHWHILE_TURNS: usize = 4;

/// The connections of one thread. A round lasts until the thread has nothing more to do.
#[derive(Default)]
pub(super) struct Gathering {
    /// The sessions of reads that wait.
    waiting: Vec<Tag>,
    /// Times that a connection has received something in this round.
    turns: usize,
    /// The same of the round before.
    turns_before: usize,
}

impl Gathering {
    /// Notes that a connection has received something.
    pub(super) fn count(&mut self) {
        self.turns += 1;
    }

    /// Whether connections wait for each other in this round.
    pub(super) fn is_busy(&self) -> bool {
        self.turns_before >= WORTHWHILE_TURNS
    }

    /// Notes what a read will need whose connection waits.
    pub(super) fn add(&mut self, located: &Located) {
        self.waiting.push(located.tag());
    }

    /// Brings what all waiting reads need into the cache. The first one to come back does it.
    pub(super) fn warm(&mut self, engine: &Engine) {
        if !self.waiting.is_empty() {
            engine.warm(self.waiting.drain(..), Ahead::Replies);
        }
    }

    /// The thread has nothing more to do.
    pub(super) fn end_round(&mut self) {
        self.turns_before = std::mem::take(&mut self.turns);
    }
}
