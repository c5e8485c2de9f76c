//! Why the server does not start or does not end well, and with which exit code.

use std::io;

use crate::net::listener::ListenFailure;
use crate::server::socket_file::SocketFileError;
use crate::server::storage::StorageError;

/// The exit code for flags or settings that cannot be honoured.
pub const EXIT_USAGE: u8 = 2;
/// The exit code for data that are damaged, or of another key (`EX_DATAERR`).
pub const EXIT_BAD_DATA: u8 = 65;
/// The exit code for a data directory that another process uses (`EX_CANTCREAT`).
pub const EXIT_IN_USE: u8 = 73;
/// The exit code for what the system refuses to read or write (`EX_IOERR`).
pub const EXIT_SYSTEM: u8 = 74;

/// Why the server does not start, or does not end well.
#[derive(Debug)]
pub enum StartError {
    /// A listener cannot be had.
    Listen(ListenFailure),
    /// The path of a Unix socket is taken.
    SocketFile(SocketFileError),
    /// The data directory cannot be used.
    Storage(StorageError),
    /// The system refuses threads, file descriptors or randomness.
    System(&'static str, io::Error),
}

impl StartError {
    /// The exit code of a process that ends for it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Listen(_) | Self::SocketFile(_) | Self::System(..) => EXIT_USAGE,
            Self::Storage(error) => error.exit_code(),
        }
    }
}

impl std::fmt::Display for StartError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Listen(failure) => failure.fmt(out),
            Self::SocketFile(error) => error.fmt(out),
            Self::Storage(error) => error.fmt(out),
            Self::System(what, error) => write!(out, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<StorageError> for StartError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}
