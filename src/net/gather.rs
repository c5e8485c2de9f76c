//! Reads that come in at the same time on several connections: each waits until its thread has taken
//! in all of them, so that the cache misses of their sessions are waited for together.

use crate::engine::{Ahead, Engine, Located};
use crate::model::Tag;

/// With fewer reads in a round the processor has little to wait for at the same time, and asking the
/// system for more of them costs as much as it wins.
const WORTHWHILE_READS: usize = 4;

/// The reads of one thread. A round lasts until the thread has nothing more to do.
#[derive(Default)]
pub(super) struct Gathering {
    /// The sessions of reads that wait.
    waiting: Vec<Tag>,
    /// Reads of this round, waiting or answered.
    reads: usize,
    /// Reads of the round before.
    reads_before: usize,
}

impl Gathering {
    /// Notes a read. Whether it is to wait: then its connection comes back after the runtime has
    /// polled its sockets.
    pub(super) fn add(&mut self, located: &Located) -> bool {
        self.reads += 1;
        let waits = self.reads_before >= WORTHWHILE_READS;
        if waits {
            self.waiting.push(located.tag());
        }
        waits
    }

    /// Brings what all waiting reads need into the cache. The first one to come back does it.
    pub(super) fn warm(&mut self, engine: &Engine) {
        if !self.waiting.is_empty() {
            engine.warm(self.waiting.drain(..), Ahead::Replies);
        }
    }

    /// The thread has nothing more to do.
    pub(super) fn end_round(&mut self) {
        self.reads_before = std::mem::take(&mut self.reads);
    }
}
