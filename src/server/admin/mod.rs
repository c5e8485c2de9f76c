//! The admin socket: a Unix socket in the data directory through which the owner's commands reach
//! the running server. `wire.rs` describes what is spoken there.
//!
//! One thread accepts, one more serves each connection; nothing of it runs on the threads that serve
//! sessions.

mod requests;
mod socket;
pub mod wire;

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use requests::AdminDesk;
pub use socket::connect;

/// Connections served at one time; more are closed at once.
const CONNECTIONS: usize = 8;
/// How long nobody is accepted after the system has refused something.
const AFTER_FAILURE: Duration = Duration::from_millis(50);
/// A peer that takes or sends nothing for so long is given up.
pub const STALL: Duration = Duration::from_secs(30);

/// The socket and its threads. They end with [`AdminSocket::stop`].
pub struct AdminSocket {
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    stopping: AtomicBool,
    open: Mutex<Vec<Open>>,
}

/// A connection that is being served.
struct Open {
    /// To cut it off from another thread.
    stream: UnixStream,
    thread: JoinHandle<()>,
}

impl AdminSocket {
    /// Listens in `directory`, which is this process's alone: a socket file left there is stale.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(directory: &Path, desk: AdminDesk) -> io::Result<Self> {
        let listener = socket::listen(directory)?;
        let shared = Arc::new(Shared {
            stopping: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let (threads, desk) = (Arc::clone(&shared), Arc::new(desk));
        let acceptor = std::thread::Builder::new()
            .name("cloakroom-admin".to_owned())
            .spawn(move || accept(&listener, &threads, &desk))?;
        Ok(Self {
            shared,
            acceptor: Some(acceptor),
        })
    }

    /// Cuts off whoever is connected, and waits until nothing more is changed by them.
    pub fn stop(&mut self, directory: &Path) {
        self.shared.stopping.store(true, Ordering::Release);
        // The acceptor looks at the flag when somebody connects.
        if let Err(error) = connect(directory) {
            tracing::debug!(%error, "the admin socket is gone already");
        }
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.thread().unpark();
            if acceptor.join().is_err() {
                tracing::error!("the thread of the admin socket has panicked");
            }
        }
        let open = std::mem::take(&mut *self.shared.open());
        for Open { stream, thread } in open {
            // One that has ended by itself is no longer connected.
            drop(stream.shutdown(std::net::Shutdown::Both));
            if thread.join().is_err() {
                tracing::error!("a thread of the admin socket has panicked");
            }
        }
        socket::remove(directory);
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Vec<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &UnixListener, shared: &Shared, desk: &Arc<AdminDesk>) {
    loop {
        let accepted = listener.accept();
        if shared.stopping.load(Ordering::Acquire) {
            return;
        }
        let served = accepted.and_then(|(stream, _)| serve(stream, shared, desk));
        if let Err(error) = served {
            tracing::warn!(%error, "cannot serve a connection to the admin socket");
            // Until something is free again; `stop` ends it.
            std::thread::park_timeout(AFTER_FAILURE);
        }
    }
}

fn serve(stream: UnixStream, shared: &Shared, desk: &Arc<AdminDesk>) -> io::Result<()> {
    let mut open = shared.open();
    open.retain(|open| !open.thread.is_finished());
    if open.len() >= CONNECTIONS {
        return Ok(());
    }
    stream.set_read_timeout(Some(STALL))?;
    stream.set_write_timeout(Some(STALL))?;
    let (ours, desk) = (stream.try_clone()?, Arc::clone(desk));
    let thread = std::thread::Builder::new()
        .name("cloakroom-ask".to_owned())
        .spawn(move || desk.answer(&stream))?;
    open.push(Open {
        stream: ours,
        thread,
    });
    Ok(())
}
