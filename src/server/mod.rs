//! The server: binds, announces, runs threads and ticker until it is told to stop.

pub mod logging;
mod signals;
mod socket_file;
mod ticker;
pub mod transfer;
mod worker;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{Clock, SystemClock};
use crate::config::{Address, Config};
use crate::engine::{Engine, EngineConfig, OsRandomness};
use crate::model::Keys;
use crate::net::http::dialect::DialectSettings;
use crate::net::http::log_watch::LogWatch;
use crate::net::http::service::{HeldBytes, Service, StopSignal};
use crate::net::listener::{Acceptor, ListenFailure, Listener};
use crate::server::socket_file::SocketFile;
pub use crate::server::socket_file::SocketFileError;
use crate::server::worker::Workers;

/// Why the server does not start.
#[derive(Debug)]
pub enum StartError {
    /// A listener cannot be had.
    Listen(ListenFailure),
    /// The path of a Unix socket is taken.
    SocketFile(SocketFileError),
    /// The system refuses threads, file descriptors or randomness.
    System(&'static str, io::Error),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Listen(failure) => failure.fmt(out),
            Self::SocketFile(error) => error.fmt(out),
            Self::System(what, error) => write!(out, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// A server whose listeners are bound. Nothing is accepted before [`Server::serve`].
pub struct Server {
    config: Config,
    listeners: Vec<Listener>,
    socket_files: Vec<SocketFile>,
    service: Arc<Service>,
    /// The machine's clock, to be compared with the wall clock; `None` on a clock of the caller's.
    clock: Option<Arc<SystemClock>>,
}

/// Binds, announces on standard output, and serves until SIGTERM, SIGINT or `shutdown`.
///
/// # Errors
/// A [`StartError`] when something is refused at start. Later failures are logged and survived.
pub fn run(config: Config, shutdown: CancellationToken) -> Result<(), StartError> {
    let server = Server::bind(config)?;
    server.serve_announced(shutdown, true, &mut io::stdout())
}

impl Server {
    /// Binds all listeners and makes an empty store.
    ///
    /// # Errors
    /// The first [`StartError`].
    pub fn bind(config: Config) -> Result<Self, StartError> {
        let clock = Arc::new(SystemClock::start());
        let mut server = Self::bind_on(config, Arc::clone(&clock) as Arc<dyn Clock>)?;
        server.clock = Some(clock);
        Ok(server)
    }

    /// The same on another clock than the machine's.
    ///
    /// # Errors
    /// The first [`StartError`].
    pub fn bind_on(config: Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let mut listeners = Vec::with_capacity(config.http.len());
        let mut socket_files = Vec::new();
        for listen in &config.http {
            if let Address::Unix(path) = &listen.address {
                socket_file::make_way(path).map_err(StartError::SocketFile)?;
            }
            let bound = Listener::bind(listen, config.insecure).map_err(StartError::Listen)?;
            if let Address::Unix(path) = &listen.address {
                socket_files.push(SocketFile::of(path));
            }
            listeners.push(bound);
        }
        if !config.unused_variables.is_empty() {
            let names = config.unused_variables.join(" ");
            tracing::info!(
                names,
                "these variables of the replaced services are not used"
            );
        }
        let engine = Engine::new(
            &EngineConfig {
                max_apps: config.max_apps,
                max_memory: config.max_memory,
                ip_indexed_apps: config.ip_indexed_apps.clone(),
                ..EngineConfig::default()
            },
            Keys::new(drawn_secret()?),
            Box::new(OsRandomness::new()),
        );
        let mut settings = DialectSettings::default();
        if let Some(seconds) = config.back_session_seconds {
            settings.back_session_seconds = seconds;
        }
        let service = Arc::new(Service {
            engine: Arc::new(engine),
            clock,
            settings,
            limits: config.http_limits,
            access_log: config.access_log,
            log: LogWatch::memory_only(),
            held: HeldBytes::default(),
            stop: StopSignal::default(),
        });
        Ok(Self {
            config,
            listeners,
            socket_files,
            service,
            clock: None,
        })
    }

    /// The addresses bound, in the order of the configuration; `None` for a Unix socket.
    #[must_use]
    pub fn addresses(&self) -> Vec<Option<SocketAddr>> {
        self.listeners.iter().map(Listener::address).collect()
    }

    /// The sessions served.
    #[must_use]
    pub fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.service.engine)
    }

    /// Serves until `shutdown` is cancelled and what is in flight is finished, or the time for that
    /// is up.
    ///
    /// # Errors
    /// A [`StartError`] when the system refuses a thread or a file descriptor.
    pub fn serve(self, shutdown: CancellationToken) -> Result<(), StartError> {
        self.serve_announced(shutdown, false, &mut io::sink())
    }

    fn serve_announced(
        self,
        shutdown: CancellationToken,
        stop_on_signals: bool,
        out: &mut dyn Write,
    ) -> Result<(), StartError> {
        raise_file_limit(self.config.max_connections);
        let (workers, threads) = Workers::start(&self.config, &self.service)
            .map_err(|error| StartError::System("start the threads", error))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| StartError::System("start the runtime", error))?;
        let service = Arc::clone(&self.service);
        let ended = runtime.block_on(async {
            if stop_on_signals {
                signals::stop_on_signals(shutdown.clone())
                    .map_err(|error| StartError::System("wait for signals", error))?;
            }
            if let Err(error) = announce(&self.listeners, out) {
                tracing::warn!(%error, "cannot announce the listeners on standard output");
            }
            control(self.listeners, &self.service, self.clock, workers, shutdown)
                .await
                .map_err(|error| StartError::System("watch the listeners", error))
        });
        // Nobody finds a socket any more that is not accepted from.
        drop(self.socket_files);
        service.stop.raise();
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread has panicked");
            }
        }
        ended
    }
}

/// One line per listener, then `ready`: other programs wait for these.
fn announce(listeners: &[Listener], out: &mut dyn Write) -> io::Result<()> {
    for listener in listeners {
        writeln!(out, "{}", listener.announcement())?;
    }
    writeln!(out, "ready")?;
    out.flush()
}

/// Accepts connections and keeps time until the server is to stop.
async fn control(
    listeners: Vec<Listener>,
    service: &Service,
    clock: Option<Arc<SystemClock>>,
    workers: Workers,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let workers = Arc::new(workers);
    let tasks = TaskTracker::new();
    for listener in listeners {
        let acceptor = listener.watch()?;
        let accepting = accept_all(acceptor, Arc::clone(&workers));
        tasks.spawn(shutdown.clone().run_until_cancelled_owned(accepting));
    }
    let sweeping = ticker::sweep(Arc::clone(&service.engine), Arc::clone(&service.clock));
    tasks.spawn(shutdown.clone().run_until_cancelled_owned(sweeping));
    if let Some(clock) = clock {
        let watching = ticker::watch_wall_clock(clock);
        tasks.spawn(shutdown.clone().run_until_cancelled_owned(watching));
    }
    shutdown.cancelled().await;
    tracing::info!("stopping");
    tasks.close();
    tasks.wait().await;
    Ok(())
}

/// Lets the process have as many file descriptors as it may, and says so if they will not do.
fn raise_file_limit(max_connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let files = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let wanted = u64::try_from(max_connections).unwrap_or(u64::MAX);
    if let Some(files) = files.filter(|files| *files < wanted) {
        tracing::warn!(
            files,
            max_connections,
            "the system allows fewer open files than connections: raise `ulimit -n`"
        );
    }
}

async fn accept_all(mut acceptor: Acceptor, workers: Arc<Workers>) {
    loop {
        workers.hand_over(acceptor.accept().await).await;
    }
}

fn drawn_secret() -> Result<[u8; 32], StartError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)
        .map_err(|error| StartError::System("draw a secret", io::Error::other(error)))?;
    Ok(secret)
}
