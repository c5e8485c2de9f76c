//! What is known of one session.

use std::collections::BTreeSet;

use crate::bench::target::{Life, SLOTS, Verb};
use crate::bench::verify::versions::Versions;
use crate::bench::verify::{Ended, TOLERANCE};

/// What is known of the end of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// Nobody tried to end it.
    None,
    /// A kill is under way, or its outcome will never be known.
    Asked,
    /// A kill was acknowledged.
    Killed,
    /// It was not found when it might have expired.
    Expired,
    /// It was not found and should have been; reported once.
    Lost,
    /// This is no session but a token that one had before it was rotated.
    Rotated,
}

#[derive(Debug)]
pub(super) struct History {
    /// It is served before this moment, whatever the order of effects was.
    pub(super) earliest_deadline: u64,
    /// It is not served from this moment on.
    pub(super) latest_deadline: u64,
    pub(super) end: End,
    pub(super) in_flight: u32,
    pub(super) next_read: u64,
    pub(super) reads_ahead: BTreeSet<u64>,
    /// Reads that may have been counted although their reply never came.
    pub(super) unanswered_reads: u64,
    pub(super) acknowledged: [u32; SLOTS],
    /// Bit set: a set of this slot is under way.
    pub(super) busy_slots: u8,
    /// Bit set: a set of this slot was never answered; the slot is not used any more.
    pub(super) unsure_slots: u8,
    pub(super) versions: Versions,
    pub(super) rotations: Rotations,
}

/// Rotations of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Rotations {
    /// How many were sent.
    pub(super) sent: u32,
    /// How many of them have ended, and how many of these gave it another token.
    pub(super) ended: u32,
    pub(super) done: u32,
    /// One was never answered: nobody knows the token any more.
    pub(super) unsure: bool,
}

impl Rotations {
    /// A request that was sent at `then` may have come with a token that was no longer the session's.
    pub(super) fn excuse(&self, then: &Self) -> bool {
        self.unsure || then.sent != then.ended || self.sent != then.sent
    }
}

impl History {
    /// A session that ends between these moments unless it is used.
    pub(super) fn new(earliest_deadline: u64, latest_deadline: u64) -> Self {
        Self {
            earliest_deadline,
            latest_deadline,
            end: End::None,
            in_flight: 0,
            next_read: 1,
            reads_ahead: BTreeSet::new(),
            unanswered_reads: 0,
            acknowledged: [0; SLOTS],
            busy_slots: 0,
            unsure_slots: 0,
            versions: Versions::default(),
            rotations: Rotations::default(),
        }
    }

    /// It was served to a request sent at `sent`.
    pub(super) fn used(&mut self, life: Life, sent: u64, latest: u64) {
        if !life.sliding {
            return;
        }
        let earliest = sent
            .saturating_add(life.span)
            .saturating_sub(life.lag.saturating_add(TOLERANCE));
        self.earliest_deadline = self.earliest_deadline.max(earliest);
        self.latest_deadline = self.latest_deadline.max(latest);
    }

    /// A request without an answer may take effect at any time from now on.
    pub(super) fn unanswered(&mut self, ended: &Ended) {
        self.latest_deadline = u64::MAX;
        self.unanswered_reads += u64::from(ended.verb == Verb::Get);
        if ended.verb == Verb::Set {
            self.versions.unanswered();
        }
        self.rotations.unsure |= ended.verb == Verb::Rotate;
        if let Some(mark) = ended.mark {
            self.unsure_slots |= 1 << mark.slot;
        }
    }
}

impl History {
    pub(super) fn take_reads_ahead(&mut self) {
        while self.reads_ahead.remove(&self.next_read) {
            self.next_read += 1;
        }
    }
}
