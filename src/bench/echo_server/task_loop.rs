//! The server's way of serving connections, without its work: a task for each on a runtime of one
//! thread, a read buffer that all share, everything that was read in one turn, one write.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::{Builder, LocalOptions};

use crate::bench::echo_server::listening::Listening;

/// Bytes read at once.
const READ_BUFFER: usize = 64 << 10;

/// The read buffer of all connections; each is done with it at the end of its turn.
type Room = Rc<RefCell<Vec<u8>>>;

/// Serves for ever.
///
/// # Errors
/// When the runtime cannot be made, or no connection can be accepted any more.
pub(super) fn serve(listening: Listening) -> io::Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())?;
    let room: Room = Rc::new(RefCell::new(vec![0; READ_BUFFER]));
    runtime.block_on(async {
        match listening {
            Listening::Tcp(listener, _) => {
                let listener = TcpListener::from_std(listener)?;
                loop {
                    let (stream, _) = listener.accept().await?;
                    stream.set_nodelay(true)?;
                    start(stream, &room);
                }
            }
            Listening::Unix(listener, _) => {
                let listener = UnixListener::from_std(listener)?;
                loop {
                    let (stream, _) = listener.accept().await?;
                    start(stream, &room);
                }
            }
        }
    })
}

fn start<S: AsyncRead + AsyncWrite + Unpin + 'static>(socket: S, room: &Room) {
    let mut connection = Connection {
        socket,
        room: Rc::clone(room),
        unsent: Vec::new(),
    };
    // A connection that breaks ends its task and concerns nobody else.
    drop(tokio::task::spawn_local(async move {
        poll_fn(|cx| connection.poll(cx)).await.ok()
    }));
}

/// A connection and what it was not ready to take.
struct Connection<S> {
    socket: S,
    room: Room,
    unsent: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Ready when the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let room = &mut *self.room.borrow_mut();
        loop {
            while !self.unsent.is_empty() {
                match Pin::new(&mut self.socket).poll_write(cx, &self.unsent)? {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(sent) => drop(self.unsent.drain(..sent)),
                }
            }
            let mut read = ReadBuf::new(room);
            match Pin::new(&mut self.socket).poll_read(cx, &mut read)? {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) if read.filled().is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(()) => {}
            }
            let bytes = read.filled();
            let sent = match Pin::new(&mut self.socket).poll_write(cx, bytes)? {
                Poll::Pending => 0,
                Poll::Ready(sent) => sent,
            };
            self.unsent
                .extend_from_slice(bytes.get(sent..).unwrap_or_default());
        }
    }
}
