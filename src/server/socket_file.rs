//! The files of Unix sockets: stale ones make way, ours go away with the server.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// The file of a Unix socket that this server listens on. Removed when dropped.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

/// Why a path cannot be had for a socket.
#[derive(Debug)]
pub enum SocketFileError {
    /// Somebody listens there.
    InUse(PathBuf),
    /// There is a file of another kind.
    NotASocket(PathBuf),
    /// The system says no.
    System(PathBuf, io::Error),
}

impl std::fmt::Display for SocketFileError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InUse(path) => write!(
                out,
                "somebody listens on the socket {} already",
                path.display()
            ),
            Self::NotASocket(path) => write!(
                out,
                "{} exists and is no socket: remove it or choose another path",
                path.display()
            ),
            Self::System(path, error) => {
                write!(out, "cannot use the socket {}: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for SocketFileError {}

/// Makes way for a socket at `path`: removes the file that a killed server left behind.
pub(super) fn make_way(path: &Path) -> Result<(), SocketFileError> {
    let failed = |error| SocketFileError::System(path.to_owned(), error);
    match fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => {}
        Ok(_) => return Err(SocketFileError::NotASocket(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        Ok(_) => Err(SocketFileError::InUse(path.to_owned())),
        Err(error) => Err(failed(error)),
    }
}

impl SocketFile {
    /// Owns the file that a listener has just made.
    pub(super) fn of(path: &Path) -> Self {
        Self(path.to_owned())
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "cannot remove the socket file");
        }
    }
}
