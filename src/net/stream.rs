//! The socket of a connection, TCP or Unix.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::{AsyncWrite, Interest};
use tokio::net::{TcpStream, UnixStream};

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub enum Peer {
    /// Somebody at this address.
    Inet(SocketAddr),
    /// Somebody on this machine.
    Unix,
}

impl std::fmt::Display for Peer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(out),
            Self::Unix => out.write_str("unix"),
        }
    }
}

/// An accepted socket.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
}

impl Stream {
    /// Reads what is there into `room`: the count of bytes, 0 at the end of the stream.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let wanted = room.len();
        loop {
            ready!(self.poll_read_ready(cx))?;
            let read = self.once(Interest::READABLE, wanted, |socket| {
                recv(socket, &mut *room, RecvFlags::DONTWAIT).map(|(count, _)| count)
            });
            if let Some(done) = read {
                return Poll::Ready(done);
            }
        }
    }

    /// Writes the start of `bytes`: the count of bytes taken.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_write_ready(cx))?;
            let written = self.once(Interest::WRITABLE, bytes.len(), |socket| {
                send(socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
            });
            if let Some(done) = written {
                return Poll::Ready(done);
            }
        }
    }

    /// Makes a system call that moves at most `wanted` bytes; `None` when it would have to wait. The
    /// call goes past the C library, which makes each a point where a thread can be cancelled: that
    /// costs a twentieth of what a small request does.
    ///
    /// When fewer bytes moved than were wanted, the socket has no more to give or to take: saying so
    /// uses its readiness up, and no second call is made to learn it.
    fn once(
        &self,
        interest: Interest,
        wanted: usize,
        call: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<usize>,
    ) -> Option<io::Result<usize>> {
        let mut moved = None;
        let attempt = || match call(self.as_fd()) {
            Ok(count) => {
                moved = Some(count);
                if (1..wanted).contains(&count) {
                    Err(io::ErrorKind::WouldBlock.into())
                } else {
                    Ok(())
                }
            }
            Err(error) => Err(error.into()),
        };
        let tried = match self {
            Self::Tcp(stream) => stream.try_io(interest, attempt),
            Self::Unix(stream) => stream.try_io(interest, attempt),
        };
        match (moved, tried) {
            (Some(count), _) => Some(Ok(count)),
            (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => None,
            (None, Err(error)) if error.kind() == io::ErrorKind::Interrupted => None,
            (None, tried) => Some(tried.map(|()| 0)),
        }
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
        }
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(cx),
            Self::Unix(stream) => stream.poll_write_ready(cx),
        }
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }

    /// Tells the peer that nothing more will come.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
