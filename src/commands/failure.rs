//! Why a command ends without success, in a sentence and an exit code.

use std::io;
use std::path::Path;

use crate::log::disk::DiskError;
use crate::server::admin::wire::WireError;
use crate::server::storage::StorageError;
use crate::server::{EXIT_BAD_DATA, EXIT_SYSTEM, EXIT_USAGE};

/// Why a command ends without success.
#[derive(Debug)]
pub struct Failure {
    /// The exit code of the process.
    pub code: u8,
    /// What went wrong and what to do, for the person who typed the command.
    pub sentence: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.sentence)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// What was asked for cannot be done.
    pub(super) fn usage(sentence: impl Into<String>) -> Self {
        Self {
            code: EXIT_USAGE,
            sentence: sentence.into(),
        }
    }

    /// Data that should be whole are not.
    pub(super) fn data(sentence: impl Into<String>) -> Self {
        Self {
            code: EXIT_BAD_DATA,
            sentence: sentence.into(),
        }
    }

    /// The system refuses something.
    pub(super) fn system(verb: &str, path: &Path, error: &io::Error) -> Self {
        Self {
            code: EXIT_SYSTEM,
            sentence: format!("cannot {verb} {}: {error}", path.display()),
        }
    }

    /// The running server said no.
    pub(super) fn server(sentence: impl Into<String>) -> Self {
        Self {
            code: EXIT_SYSTEM,
            sentence: sentence.into(),
        }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self {
            code: error.exit_code(),
            sentence: error.to_string(),
        }
    }
}

impl From<DiskError> for Failure {
    fn from(error: DiskError) -> Self {
        StorageError::from(error).into()
    }
}

impl From<WireError> for Failure {
    fn from(error: WireError) -> Self {
        Self::server(format!("lost the running server: {error}"))
    }
}
