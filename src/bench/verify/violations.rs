//! The kinds of broken promises, how often each was seen, and examples.

use std::collections::BTreeMap;

/// A promise that was not kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::bench) enum Violation {
    /// An acknowledged set is not shown by a later get.
    LostUpdate,
    /// A get shows a value that nobody wrote.
    NeverWritten,
    /// Two reads of a session returned the same `r`.
    RepeatedRead,
    /// The `r` of a session's reads leave a number out.
    SkippedRead,
    /// A session was served after its kill had been acknowledged.
    ServedAfterKill,
    /// A session was served under a token that it had before a rotation.
    ServedAfterRotation,
    /// Two conditional writes succeeded on one version.
    StaleWriteAccepted,
    /// A conditional write was refused although nobody else had written.
    NeedlessConflict,
    /// A session was served after its deadline, or after it had been gone.
    ServedAfterDeadline,
    /// A session that nobody ended was not found before its deadline.
    MissingBeforeDeadline,
    /// A reply that should show a session cannot be understood.
    Unreadable,
}

impl Violation {
    pub(in crate::bench) const ALL: [Self; 11] = [
        Self::LostUpdate,
        Self::NeverWritten,
        Self::RepeatedRead,
        Self::SkippedRead,
        Self::ServedAfterKill,
        Self::ServedAfterRotation,
        Self::StaleWriteAccepted,
        Self::NeedlessConflict,
        Self::ServedAfterDeadline,
        Self::MissingBeforeDeadline,
        Self::Unreadable,
    ];

    /// The name in the JSON report.
    pub(in crate::bench) fn name(self) -> &'static str {
        match self {
            Self::LostUpdate => "lost_update",
            Self::NeverWritten => "never_written",
            Self::RepeatedRead => "repeated_read",
            Self::SkippedRead => "skipped_read",
            Self::ServedAfterKill => "served_after_kill",
            Self::ServedAfterRotation => "served_after_rotation",
            Self::StaleWriteAccepted => "stale_write_accepted",
            Self::NeedlessConflict => "needless_conflict",
            Self::ServedAfterDeadline => "served_after_deadline",
            Self::MissingBeforeDeadline => "missing_before_deadline",
            Self::Unreadable => "unreadable",
        }
    }

    /// What happened, in words.
    pub(in crate::bench) fn sentence(self) -> &'static str {
        match self {
            Self::LostUpdate => "acknowledged updates that a later get did not show",
            Self::NeverWritten => "values shown that nobody wrote",
            Self::RepeatedRead => "reads that returned an r twice",
            Self::SkippedRead => "gaps in the r of a session's reads",
            Self::ServedAfterKill => "sessions served after their kill was acknowledged",
            Self::ServedAfterRotation => "sessions served under a token that was rotated",
            Self::StaleWriteAccepted => "conditional writes accepted on a version that was no more",
            Self::NeedlessConflict => "conditional writes refused though nobody else had written",
            Self::ServedAfterDeadline => "sessions served after their deadline",
            Self::MissingBeforeDeadline => "sessions missing before their deadline",
            Self::Unreadable => "replies that should show a session and cannot be understood",
        }
    }
}

/// Examples kept of each kind.
const EXAMPLES: usize = 3;

#[derive(Clone, Debug, Default)]
pub(in crate::bench) struct Found {
    pub(in crate::bench) count: u64,
    /// Sessions are named by their number in the order of creates of a thread, never by a token.
    pub(in crate::bench) examples: Vec<String>,
}

/// Checks made and violations found.
#[derive(Clone, Debug, Default)]
pub(in crate::bench) struct Tally {
    pub(in crate::bench) checks: u64,
    /// Requests whose outcome nobody knows; nothing was checked.
    pub(in crate::bench) unanswered: u64,
    found: BTreeMap<Violation, Found>,
}

impl Tally {
    pub(in crate::bench) fn checked(&mut self) {
        self.checks += 1;
    }

    pub(in crate::bench) fn report(
        &mut self,
        violation: Violation,
        example: impl FnOnce() -> String,
    ) {
        let found = self.found.entry(violation).or_default();
        found.count += 1;
        if found.examples.len() < EXAMPLES {
            found.examples.push(example());
        }
    }

    pub(in crate::bench) fn add(&mut self, other: Self) {
        self.checks += other.checks;
        self.unanswered += other.unanswered;
        for (violation, more) in other.found {
            let found = self.found.entry(violation).or_default();
            found.count += more.count;
            found.examples.extend(more.examples);
            found.examples.truncate(EXAMPLES);
        }
    }

    /// The kinds that occurred, in the order of [`Violation::ALL`].
    pub(in crate::bench) fn found(&self) -> impl Iterator<Item = (Violation, &Found)> {
        self.found
            .iter()
            .map(|(violation, found)| (*violation, found))
    }

    pub(in crate::bench) fn count(&self) -> u64 {
        self.found.values().map(|found| found.count).sum()
    }
}
