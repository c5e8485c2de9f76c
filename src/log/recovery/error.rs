//! Why a data directory cannot be read back, and what can be done.

use std::io;

use crate::log::key::KeyId;
use crate::log::name::FileName;
use crate::log::reader::{BadSegment, Damage};
use crate::log::snapshot::{BadSnapshot, Problem};
use crate::log::tail::Failure;

/// Why a data directory cannot be read back. Nothing was altered that a repetition would miss.
#[derive(Debug)]
pub enum RecoveryError {
    /// The disk refuses.
    Disk(Failure),
    /// A segment cannot be read, or has no valid header.
    Segment {
        /// Which.
        number: u64,
        /// What is wrong.
        problem: BadSegment,
    },
    /// The newest snapshot is damaged.
    Snapshot {
        /// Which.
        number: u64,
        /// What is wrong, and where.
        problem: BadSnapshot,
        /// What can be done.
        remedy: Remedy,
    },
    /// Blocks that were safe are gone or altered.
    Damage(Damage),
    /// A file was written under another key.
    OtherKey {
        /// Which.
        name: FileName,
        /// The fingerprint of the key in use.
        ours: KeyId,
        /// The fingerprint in the file.
        found: KeyId,
    },
    /// A segment is missing.
    Missing {
        /// Which.
        number: u64,
        /// The snapshot that needs it; `None`: the beginning of the log.
        snapshot: Option<u64>,
    },
    /// A segment that healed a failure is there, with blocks, and its snapshot is not.
    MissingSnapshot(u64),
    /// A file is not what its name says, or does not follow the one before it.
    Order(FileName),
}

/// What can be done without the newest snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Remedy {
    /// All files are there to go on from the snapshot of this number.
    OlderSnapshot(u64),
    /// All files are there to go on from the beginning of the log.
    WholeLog,
    /// Only a backup helps.
    Backup,
}

impl RecoveryError {
    /// The disk has refused to `verb` the file.
    #[must_use]
    pub fn disk(verb: &'static str, name: FileName, error: io::Error) -> Self {
        Self::Disk(Failure { verb, name, error })
    }

    /// The files themselves are wrong; trying again does not help.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Disk(_) | Self::OtherKey { .. } => false,
            Self::Segment { problem, .. } => !matches!(problem, BadSegment::Read(_)),
            Self::Snapshot { problem, .. } => !matches!(problem.problem, Problem::Read(_)),
            Self::Damage(_) | Self::Missing { .. } | Self::MissingSnapshot(_) | Self::Order(_) => {
                true
            }
        }
    }
}

impl From<Failure> for RecoveryError {
    fn from(failure: Failure) -> Self {
        Self::Disk(failure)
    }
}

/// What to do when the log itself is damaged.
const RESTORE: &str = "`cloakroom check` shows the extent; restore a backup, or put the file back";

impl std::fmt::Display for RecoveryError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Disk(failure) => write!(out, "{failure}"),
            Self::Segment { number, problem } => {
                write!(out, "{}: {problem}; {RESTORE}", FileName::Segment(*number))
            }
            Self::Snapshot {
                number,
                problem,
                remedy,
            } => write!(out, "{}: {problem}; {remedy}", FileName::Snapshot(*number)),
            Self::Damage(damage) => write!(
                out,
                "{}: {damage}; {RESTORE}",
                FileName::Segment(damage.number)
            ),
            Self::OtherKey { name, ours, found } => write!(
                out,
                "{name}: written under the key {found}, not under {ours}; give the key file with \
                 which this directory was made"
            ),
            Self::Missing {
                number,
                snapshot: Some(snapshot),
            } => write!(
                out,
                "{} is missing, and {} does not go without it; {RESTORE}",
                FileName::Segment(*number),
                FileName::Snapshot(*snapshot)
            ),
            Self::Missing {
                number,
                snapshot: None,
            } => write!(
                out,
                "there is no snapshot, and {} is missing; {RESTORE}",
                FileName::Segment(*number)
            ),
            Self::MissingSnapshot(number) => write!(
                out,
                "{} is missing, without which {} is not whole; {RESTORE}",
                FileName::Snapshot(*number),
                FileName::Segment(*number)
            ),
            Self::Order(name) => write!(
                out,
                "{name}: the file is not what its name says, or does not follow the one before \
                 it; {RESTORE}"
            ),
        }
    }
}

impl std::fmt::Display for Remedy {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OlderSnapshot(number) => write!(
                out,
                "move this file aside and start again: all is there to go on from {}",
                FileName::Snapshot(*number)
            ),
            Self::WholeLog => out.write_str(
                "move this file aside and start again: all is there to go on from the beginning \
                 of the log",
            ),
            Self::Backup => out.write_str("restore a backup, or put the file back"),
        }
    }
}

impl std::error::Error for RecoveryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Disk(failure) => Some(&failure.error),
            Self::Segment { problem, .. } => Some(problem),
            Self::Snapshot { problem, .. } => Some(problem),
            Self::Damage(_)
            | Self::OtherKey { .. }
            | Self::Missing { .. }
            | Self::MissingSnapshot(_)
            | Self::Order(_) => None,
        }
    }
}
