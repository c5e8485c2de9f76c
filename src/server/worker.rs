//! The threads that serve connections: one current-thread runtime each, connections stay on theirs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::log::Log;
use crate::net::listener::{Accepted, AcceptedSocket, Door};
use crate::net::service::Service;
use crate::net::stream::Stream;
use crate::net::{binary, http};
use crate::net::{rest, wake_parked};

/// Accepted connections that wait for their thread.
const QUEUE: usize = 1024;

/// Hands connections to the worker threads.
pub(super) struct Workers {
    workers: Vec<Worker>,
    max_connections: usize,
    /// The last connection found no place; said once, not for each.
    full: AtomicBool,
}

struct Worker {
    queue: mpsc::Sender<(Accepted, Place)>,
    /// Connections queued or open.
    load: Arc<AtomicUsize>,
}

/// A connection's place in its worker's count.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(load: &Arc<AtomicUsize>) -> Self {
        load.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(load))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    /// Starts the threads. They end some time after the service's stop signal is raised. A thread that
    /// has nothing left to do lets `log` write what it has: first finish what is runnable, so that many
    /// changes share a sync.
    pub(super) fn start(
        config: &Config,
        service: &Arc<Service>,
        log: Option<Log>,
    ) -> io::Result<(Self, Vec<JoinHandle<()>>)> {
        let count = match config.threads {
            Some(count) => count,
            None => std::thread::available_parallelism()?.get(),
        };
        let mut workers = Vec::with_capacity(count);
        let mut threads = Vec::with_capacity(count);
        for number in 0..count {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let log = log.clone();
            builder.on_thread_park(move || {
                rest();
                if let Some(log) = &log {
                    log.kick();
                }
            });
            let runtime = builder.enable_all().build()?;
            let (queue, accepted) = mpsc::channel(QUEUE);
            let (service, patience) = (Arc::clone(service), config.stop);
            let thread = std::thread::Builder::new()
                .name(format!("cloakroom-{number}"))
                .spawn(move || serve(&runtime, accepted, service, patience))?;
            threads.push(thread);
            workers.push(Worker {
                queue,
                load: Arc::new(AtomicUsize::new(0)),
            });
        }
        let workers = Self {
            workers,
            max_connections: config.max_connections,
            full: AtomicBool::new(false),
        };
        Ok((workers, threads))
    }

    /// Gives a connection to the thread with the fewest; closes it when there are too many already.
    pub(super) async fn hand_over(&self, accepted: Accepted) {
        let loads = self.workers.iter().map(|w| w.load.load(Ordering::Relaxed));
        let open: usize = loads.sum();
        let full = open >= self.max_connections;
        if full != self.full.swap(full, Ordering::Relaxed) && full {
            tracing::warn!(
                open,
                "all connections are taken: new ones are closed at once"
            );
        }
        if full {
            return;
        }
        let idlest = self
            .workers
            .iter()
            .min_by_key(|worker| worker.load.load(Ordering::Relaxed));
        if let Some(worker) = idlest {
            let place = Place::take(&worker.load);
            if worker.queue.send((accepted, place)).await.is_err() {
                tracing::debug!("a connection came while the server stopped");
            }
        }
    }
}

/// Serves connections until the server stops and they are finished.
fn serve(
    runtime: &Runtime,
    mut queue: mpsc::Receiver<(Accepted, Place)>,
    service: Arc<Service>,
    patience: Duration,
) {
    runtime.block_on(async {
        let connections = TaskTracker::new();
        tokio::spawn(wake_parked(service.log.clone()));
        let stop = service.stop.token().clone();
        stop.run_until_cancelled(async {
            while let Some((accepted, place)) = queue.recv().await {
                open(accepted, place, &service, &connections);
            }
        })
        .await;
        queue.close();
        while let Some((accepted, place)) = queue.recv().await {
            open(accepted, place, &service, &connections);
        }
        connections.close();
        let finished = tokio::time::timeout(patience, connections.wait()).await;
        if finished.is_err() {
            let open = connections.len();
            tracing::warn!(open, "connections did not finish in time and are cut off");
        }
    });
}

fn open(accepted: Accepted, place: Place, service: &Arc<Service>, connections: &TaskTracker) {
    let stream = match accepted.socket {
        AcceptedSocket::Tcp(socket) => TcpStream::from_std(socket).map(Stream::Tcp),
        AcceptedSocket::Unix(socket) => UnixStream::from_std(socket).map(Stream::Unix),
    };
    match stream {
        Ok(stream) => {
            let (service, peer) = (Arc::clone(service), accepted.peer);
            match accepted.door {
                Door::Http(dialect) => {
                    let connection = http::serve(stream, peer, dialect, service);
                    connections.spawn(in_place(connection, place));
                }
                Door::Binary => {
                    let connection = binary::serve(stream, peer, service);
                    connections.spawn(in_place(connection, place));
                }
            }
        }
        Err(error) => tracing::warn!(%error, "cannot watch a connection"),
    }
}

/// Serves a connection that takes its place in the count until it is closed.
async fn in_place(connection: impl Future<Output = ()>, place: Place) {
    connection.await;
    drop(place);
}
