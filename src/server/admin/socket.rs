//! The file of the admin socket: made for its owner only, found by its directory.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::log::name::FileName;

/// Bytes of a path that fit into the address of a Unix socket, with some to spare.
const PATH_BYTES: usize = 100;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 16;

/// A path to the socket that is short enough for an address. It holds while `self` does.
struct Place {
    path: PathBuf,
    /// What a short path leads through, when the directory's own is too long.
    _directory: Option<File>,
}

impl Place {
    fn of(directory: &Path) -> io::Result<Self> {
        let name = FileName::AdminSocket.text();
        let path = directory.join(&name);
        if path.as_os_str().as_bytes().len() <= PATH_BYTES {
            return Ok(Self {
                path,
                _directory: None,
            });
        }
        let directory = File::open(directory)?;
        let path = format!("/proc/self/fd/{}/{name}", directory.as_raw_fd());
        Ok(Self {
            path: path.into(),
            _directory: Some(directory),
        })
    }
}

/// Listens at the socket of a directory that this process has locked.
pub(super) fn listen(directory: &Path) -> io::Result<UnixListener> {
    remove(directory);
    let place = Place::of(directory)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(&place.path)?)?;
    // Before anybody can be accepted.
    fs::set_permissions(&place.path, Permissions::from_mode(0o600))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Connects to the server that uses a directory.
///
/// # Errors
/// What the system says; [`io::ErrorKind::NotFound`] and [`io::ErrorKind::ConnectionRefused`] when no
/// server does.
pub fn connect(directory: &Path) -> io::Result<UnixStream> {
    let place = Place::of(directory)?;
    UnixStream::connect(&place.path)
}

/// Removes the file of the socket, if there is one.
pub(super) fn remove(directory: &Path) {
    let path = directory.join(FileName::AdminSocket.text());
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "cannot remove the admin socket");
        }
        Ok(()) | Err(_) => {}
    }
}
