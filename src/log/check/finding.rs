//! What a check found out about a file, and how it is told.

use crate::log::key::KeyId;
use crate::log::reader::TornTail;
use crate::log::snapshot::SnapshotTotals;

/// What was found out about one file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The file's name.
    pub file: String,
    /// What state it is in.
    pub state: State,
}

/// The state of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// A key file.
    Key(KeyId),
    /// A segment, whole up to its end.
    Segment(SegmentTotals),
    /// A segment whose last write was cut short before anybody was told that it is safe.
    TornTail(SegmentTotals, TornTail),
    /// A snapshot, whole.
    Snapshot(SnapshotTotals),
    /// What an interrupted run left behind: the next start removes it or passes over it.
    Leftover,
    /// A torn tail that an earlier start saved aside.
    SavedAside,
    /// None of our files. It is left alone.
    Unknown,
    /// The file should be there and is not.
    Missing,
    /// What should be safe is damaged.
    Corrupt {
        /// The byte of the file at which it shows.
        offset: u64,
        /// What is wrong.
        sentence: String,
    },
}

/// What a segment comes to.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SegmentTotals {
    /// Blocks that are in order and belong to the log.
    pub blocks: u64,
    /// Changes in them.
    pub records: u64,
}

impl Finding {
    /// Whether something that was safe is lost or damaged.
    #[must_use]
    pub fn is_corruption(&self) -> bool {
        matches!(self.state, State::Missing | State::Corrupt { .. })
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: ", self.file)?;
        match &self.state {
            State::Key(id) => write!(out, "ok, the key {id}"),
            State::Segment(totals) => write!(out, "ok, {totals}"),
            State::TornTail(totals, tail) => write!(out, "torn tail: {tail}; before it {totals}"),
            State::Snapshot(totals) => write!(out, "ok, sessions: {}", totals.records),
            State::Leftover => out.write_str("left over from an interrupted run, not needed"),
            State::SavedAside => out.write_str("a torn tail that was saved aside, not needed"),
            State::Unknown => out.write_str("unknown, left alone"),
            State::Missing => out.write_str("missing"),
            State::Corrupt { sentence, .. } => write!(out, "CORRUPT {sentence}"),
        }
    }
}

impl std::fmt::Display for SegmentTotals {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "blocks: {}, changes: {}", self.blocks, self.records)
    }
}
