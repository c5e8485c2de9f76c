//! A listening socket of the echo server and the connections it accepts, none of them blocking.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::bench::socket::Address;

/// Connections that the kernel keeps while the loop is busy.
const BACKLOG: i32 = 4096;

/// A bound listener.
#[derive(Debug)]
pub(super) enum Listening {
    Tcp(TcpListener, String),
    Unix(UnixListener, String),
}

/// An accepted connection.
#[derive(Debug)]
pub(super) enum Accepted {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listening {
    /// # Errors
    /// When the address is taken or not ours.
    pub(super) fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Inet(address) => {
                let kind = Type::STREAM.nonblocking();
                let domain = Domain::for_address(*address);
                let socket = Socket::new(domain, kind, Some(Protocol::TCP))?;
                socket.set_reuse_address(true)?;
                socket.bind(&(*address).into())?;
                socket.listen(BACKLOG)?;
                let listener: TcpListener = socket.into();
                let name = listener.local_addr()?.to_string();
                Ok(Self::Tcp(listener, name))
            }
            Address::Unix(path) => {
                let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
                socket.bind(&SockAddr::unix(path)?)?;
                socket.listen(BACKLOG)?;
                let name = format!("unix:{}", path.display());
                Ok(Self::Unix(socket.into(), name))
            }
        }
    }

    /// The address, with the port that was picked.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Tcp(_, name) | Self::Unix(_, name) => name,
        }
    }

    /// The next connection; an error of kind `WouldBlock` when there is none.
    pub(super) fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener, _) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                Ok(Accepted::Tcp(stream))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                Ok(Accepted::Unix(stream))
            }
        }
    }
}

impl AsFd for Listening {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener, _) => listener.as_fd(),
            Self::Unix(listener, _) => listener.as_fd(),
        }
    }
}

impl Accepted {
    pub(super) fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(room),
            Self::Unix(stream) => stream.read(room),
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }
}

impl AsFd for Accepted {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}
