//! What is known of a session's version: which one is current, and which can never be again.

use std::collections::BTreeSet;

use crate::bench::verify::violations::Violation;

/// The versions of one session.
#[derive(Debug, Default)]
pub(super) struct Versions {
    /// The version that a reply showed last.
    known: Option<Known>,
    /// Writes sent, and those of them that have ended.
    sent: u32,
    ended: u32,
    /// A write was never answered and may happen at any time.
    unsure: bool,
    /// Versions on which a conditional write has succeeded, so that another one is current.
    superseded: BTreeSet<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    version: u64,
    /// It was certainly current when so many writes had been sent and none was under way.
    certain_at: Option<u32>,
}

/// What was known when a request was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AtSending {
    /// Writes sent before it.
    writes: u32,
    /// No write was under way.
    alone: bool,
    /// The version that the request demands.
    base: Option<u64>,
    /// That version was certainly current.
    base_is_current: bool,
}

impl Versions {
    /// The version that a conditional write may demand.
    pub(super) fn base(&self) -> Option<u64> {
        self.known.map(|known| known.version)
    }

    /// A request is sent now.
    pub(super) fn send(&mut self, is_write: bool, base: Option<u64>) -> AtSending {
        let alone = self.sent == self.ended && !self.unsure;
        let current = |known: Known| {
            alone && known.certain_at == Some(self.sent) && base == Some(known.version)
        };
        let sending = AtSending {
            writes: self.sent,
            alone,
            base,
            base_is_current: self.known.is_some_and(current),
        };
        self.sent += u32::from(is_write);
        sending
    }

    /// A read showed this version.
    pub(super) fn shown(&mut self, sending: &AtSending, version: u64) {
        let quiet = sending.alone && self.sent == sending.writes;
        self.learn(version, quiet);
    }

    /// A write was accepted and answered this version; a violation when it demanded another one.
    pub(super) fn written(
        &mut self,
        sending: &AtSending,
        version: Option<u64>,
    ) -> Option<Violation> {
        self.ended += 1;
        if let Some(version) = version {
            let quiet = sending.alone && self.sent == sending.writes + 1;
            self.learn(version, quiet);
        }
        let base = sending.base?;
        (!self.superseded.insert(base)).then_some(Violation::StaleWriteAccepted)
    }

    /// A conditional write was refused; a violation when nobody else had written.
    pub(super) fn conflict(&mut self, sending: &AtSending) -> Option<Violation> {
        self.ended += 1;
        self.known = None;
        let undisturbed = sending.base_is_current && self.sent == sending.writes + 1;
        undisturbed.then_some(Violation::NeedlessConflict)
    }

    /// A write did not happen.
    pub(super) fn not_written(&mut self) {
        self.ended += 1;
    }

    /// A write got no answer.
    pub(super) fn unanswered(&mut self) {
        self.ended += 1;
        self.unsure = true;
    }

    fn learn(&mut self, version: u64, quiet: bool) {
        self.known = Some(Known {
            version,
            certain_at: (quiet && !self.unsure).then_some(self.sent),
        });
    }
}
