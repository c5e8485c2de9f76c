//! Why a data directory cannot be used, and the exit code for it.

use std::io;
use std::path::PathBuf;

use crate::log::disk::DiskError;
use crate::log::{RecoveryError, Unavailable};
use crate::server::storage::key_file::KeyError;
use crate::server::{EXIT_BAD_DATA, EXIT_IN_USE, EXIT_SYSTEM, EXIT_USAGE};

/// Why a data directory cannot be used.
#[derive(Debug)]
pub enum StorageError {
    /// The directory cannot be had.
    Disk(DiskError),
    /// There is no key, in this directory.
    Key(PathBuf, KeyError),
    /// What was written cannot be brought back, from this directory.
    Recovery(PathBuf, RecoveryError),
    /// There is nothing in this directory.
    NoData(PathBuf),
    /// The system refuses something.
    System(&'static str, io::Error),
    /// At the end not everything could be made safe, in this directory.
    Unsafe(PathBuf, Unavailable),
}

impl StorageError {
    /// The exit code of a process that ends for it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Disk(DiskError::InUse(_)) => EXIT_IN_USE,
            Self::Disk(DiskError::OpenToOthers(_)) | Self::NoData(_) => EXIT_USAGE,
            Self::Key(_, KeyError::Lost | KeyError::Bad(_)) => EXIT_BAD_DATA,
            Self::Recovery(_, RecoveryError::OtherKey { .. }) => EXIT_BAD_DATA,
            Self::Recovery(_, error) if error.is_damage() => EXIT_BAD_DATA,
            Self::Disk(DiskError::Io { .. })
            | Self::Key(_, KeyError::System(..))
            | Self::Recovery(..)
            | Self::System(..)
            | Self::Unsafe(..) => EXIT_SYSTEM,
        }
    }
}

impl std::fmt::Display for StorageError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Disk(error) => error.fmt(out),
            Self::Key(path, error) => write!(out, "{}: {error}", path.display()),
            Self::Recovery(path, error) => write!(out, "{}: {error}", path.display()),
            Self::NoData(path) => write!(
                out,
                "{}: there are no sessions here: name the data directory of a server",
                path.display()
            ),
            Self::System(what, error) => write!(out, "cannot {what}: {error}"),
            Self::Unsafe(path, error) => write!(
                out,
                "{}: not everything could be made safe before the end: {error}",
                path.display()
            ),
        }
    }
}

impl std::error::Error for StorageError {}

impl From<DiskError> for StorageError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}
