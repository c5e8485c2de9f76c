//! Listening sockets: bound before anything is promised, accepted from without spinning.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::config::{Address, BinaryListen, Cidr, DialectName, HttpListen};
use crate::net::http::dialect::Dialect;
use crate::net::stream::Peer;

/// Connections that the kernel keeps for us while we are busy.
const BACKLOG: i32 = 4096;
/// How long accepting rests when the system has no room for another connection.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Why a listener cannot be had.
#[derive(Debug)]
pub enum ListenFailure {
    /// The address cannot be bound.
    Bind(Address, io::Error),
    /// The address can be reached from outside, and nothing says who may.
    Exposed(Door, Address),
}

impl std::fmt::Display for ListenFailure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bind(address, error) => write!(out, "cannot listen on {address}: {error}"),
            Self::Exposed(Door::Http(_), address) => write!(
                out,
                "{address} can be reached from other machines: say who may connect with \
                 {address},allow=CIDR,... or use --insecure"
            ),
            Self::Exposed(Door::Binary, address) => write!(
                out,
                "{address} can be reached from other machines: ask for keys with --access-keys \
                 FILE, say who may connect with {address},allow=CIDR,... or use --insecure"
            ),
        }
    }
}

impl std::error::Error for ListenFailure {}

/// A bound listener.
#[derive(Debug)]
pub struct Listener {
    socket: ListenSocket,
    door: Door,
    allow: Vec<Cidr>,
}

/// What is spoken on a listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    /// HTTP in this dialect; `None` where the path decides.
    Http(Option<Dialect>),
    /// The binary protocol.
    Binary,
}

#[derive(Debug)]
enum ListenSocket {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, PathBuf),
}

/// A connection that has been accepted, not yet bound to a runtime.
#[derive(Debug)]
pub struct Accepted {
    /// The socket, not blocking.
    pub socket: AcceptedSocket,
    /// Who connected.
    pub peer: Peer,
    /// What it speaks.
    pub door: Door,
}

/// The socket of an accepted connection.
#[derive(Debug)]
pub enum AcceptedSocket {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
}

impl Listener {
    /// Binds a listener for HTTP.
    ///
    /// # Errors
    /// [`ListenFailure`]; outside loopback without `allow` only an `insecure` server listens.
    pub fn bind_http(listen: &HttpListen, insecure: bool) -> Result<Self, ListenFailure> {
        let door = Door::Http(listen.dialect.map(dialect_of));
        Self::bind(door, &listen.address, &listen.allow, insecure)
    }

    /// Binds a listener for the binary protocol. It is `guarded` where callers have to show a key.
    ///
    /// # Errors
    /// [`ListenFailure`]; outside loopback without `allow` only a guarded listener listens, or that of
    /// an `insecure` server.
    pub fn bind_binary(
        listen: &BinaryListen,
        guarded: bool,
        insecure: bool,
    ) -> Result<Self, ListenFailure> {
        let open = guarded || insecure;
        Self::bind(Door::Binary, &listen.address, &listen.allow, open)
    }

    fn bind(
        door: Door,
        address: &Address,
        allow: &[Cidr],
        open: bool,
    ) -> Result<Self, ListenFailure> {
        let failed = |error| ListenFailure::Bind(address.clone(), error);
        let socket = match address {
            Address::Unix(path) => bind_unix(path).map_err(failed)?,
            Address::Inet(text) => {
                let addresses: Vec<SocketAddr> = text.to_socket_addrs().map_err(failed)?.collect();
                let outside = |a: &SocketAddr| !a.ip().to_canonical().is_loopback();
                if allow.is_empty() && !open && addresses.iter().any(outside) {
                    return Err(ListenFailure::Exposed(door, address.clone()));
                }
                bind_first(&addresses).map_err(failed)?
            }
        };
        Ok(Self {
            socket,
            door,
            allow: allow.to_vec(),
        })
    }

    /// The line that announces it: `listening http 127.0.0.1:7080`.
    #[must_use]
    pub fn announcement(&self) -> String {
        let door = match self.door {
            Door::Http(Some(dialect)) => format!("http.{}", dialect.name()),
            Door::Http(None) => "http".to_owned(),
            Door::Binary => "binary".to_owned(),
        };
        match &self.socket {
            ListenSocket::Tcp(_, address) => format!("listening {door} {address}"),
            ListenSocket::Unix(_, path) => format!("listening {door} unix:{}", path.display()),
        }
    }

    /// The address bound; `None` for a Unix socket.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.socket {
            ListenSocket::Tcp(_, address) => Some(*address),
            ListenSocket::Unix(..) => None,
        }
    }

    /// Makes the listener wait for connections on the runtime of this thread.
    ///
    /// # Errors
    /// When the runtime cannot watch another file descriptor.
    pub fn watch(self) -> io::Result<Acceptor> {
        Ok(Acceptor {
            socket: match self.socket {
                ListenSocket::Tcp(listener, _) => {
                    AcceptorSocket::Tcp(tokio::net::TcpListener::from_std(listener)?)
                }
                ListenSocket::Unix(listener, _) => {
                    AcceptorSocket::Unix(tokio::net::UnixListener::from_std(listener)?)
                }
            },
            door: self.door,
            allow: self.allow,
            pause: FIRST_PAUSE,
        })
    }
}

/// A listener that accepts.
#[derive(Debug)]
pub struct Acceptor {
    socket: AcceptorSocket,
    door: Door,
    allow: Vec<Cidr>,
    pause: Duration,
}

#[derive(Debug)]
enum AcceptorSocket {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl AcceptorSocket {
    /// Accepts one connection and takes it off this thread's runtime.
    async fn accept(&self) -> io::Result<(AcceptedSocket, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                let stream = stream.into_std()?;
                stream.set_nodelay(true)?;
                Ok((AcceptedSocket::Tcp(stream), Peer::Inet(address)))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((AcceptedSocket::Unix(stream.into_std()?), Peer::Unix))
            }
        }
    }
}

impl Acceptor {
    /// Waits for the next connection of a peer that is let in. Peers outside `allow` are closed
    /// here. When the system has no room it waits, longer each time, and tries again.
    pub async fn accept(&mut self) -> Accepted {
        loop {
            match self.socket.accept().await {
                Ok((socket, peer)) => {
                    self.pause = FIRST_PAUSE;
                    if self.lets_in(&peer) {
                        let door = self.door;
                        return Accepted { socket, peer, door };
                    }
                    tracing::debug!(%peer, "closed: not in the list of allowed peers");
                }
                Err(error) if of_one_connection(&error) => {
                    tracing::debug!(%error, "a connection was gone before it was accepted");
                }
                Err(error) => {
                    tracing::warn!(%error, pause = ?self.pause, "cannot accept connections");
                    tokio::time::sleep(self.pause).await;
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn lets_in(&self, peer: &Peer) -> bool {
        match peer {
            Peer::Unix => true,
            Peer::Inet(_) if self.allow.is_empty() => true,
            Peer::Inet(address) => self.allow.iter().any(|net| net.contains(address.ip())),
        }
    }
}

/// Errors that concern the one connection that was to be accepted, not the listener.
fn of_one_connection(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    [
        Errno::CONNABORTED,
        Errno::INTR,
        Errno::PERM,
        Errno::PROTO,
        Errno::NETDOWN,
        Errno::HOSTDOWN,
        Errno::HOSTUNREACH,
        Errno::NETUNREACH,
    ]
    .into_iter()
    .any(|errno| code == Some(errno))
}

fn dialect_of(name: DialectName) -> Dialect {
    match name {
        DialectName::RestSessions => Dialect::RestSessions,
        DialectName::Tarantool => Dialect::Tarantool,
        DialectName::BackSession => Dialect::BackSession,
    }
}

fn bind_first(addresses: &[SocketAddr]) -> io::Result<ListenSocket> {
    let mut failure = io::ErrorKind::NotFound.into();
    for address in addresses {
        match bind_tcp(*address) {
            Ok(socket) => return Ok(socket),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn bind_tcp(address: SocketAddr) -> io::Result<ListenSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener: TcpListener = socket.into();
    let bound = listener.local_addr()?;
    Ok(ListenSocket::Tcp(listener, bound))
}

fn bind_unix(path: &Path) -> io::Result<ListenSocket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(BACKLOG)?;
    Ok(ListenSocket::Unix(socket.into(), path.to_owned()))
}
