//! The server: binds, announces, runs threads and ticker until it is told to stop.

pub mod admin;
pub mod logging;
pub mod progress;
mod signals;
mod socket_file;
mod start_error;
pub mod storage;
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
use crate::config::{AccessKeys, Address, Config};
use crate::engine::{Engine, EngineConfig, OsRandomness};
use crate::model::Keys;
use crate::net::http::dialect::DialectSettings;
use crate::net::listener::{Acceptor, ListenFailure, Listener};
use crate::net::log_watch::LogWatch;
use crate::net::service::{HeldBytes, OpenConnections, Service, StopSignal};
use crate::server::socket_file::SocketFile;
pub use crate::server::socket_file::SocketFileError;
pub use crate::server::start_error::{
    EXIT_BAD_DATA, EXIT_IN_USE, EXIT_SYSTEM, EXIT_USAGE, StartError,
};
use crate::server::storage::{DataDirectory, Serving};
use crate::server::worker::Workers;

/// A server whose listeners are bound. Nothing is accepted before [`Server::serve`].
pub struct Server {
    config: Config,
    listeners: Vec<Listener>,
    socket_files: Vec<SocketFile>,
    service: Arc<Service>,
    /// The machine's clock, to be compared with the wall clock; `None` on a clock of the caller's.
    clock: Option<Arc<SystemClock>>,
    /// The log and what belongs to it; `None` for a server in memory only.
    data: Option<Serving>,
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
    /// Takes the data directory, binds all listeners, and brings the sessions back.
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
        let started = clock.now();
        // Cheap things first, so that who starts a server wrongly need not wait for its sessions.
        let directory = match &config.storage {
            Some(storage) => Some((DataDirectory::take_over(&storage.directory)?, storage)),
            None => None,
        };
        let (listeners, socket_files) = bind_listeners(&config)?;
        if !config.unused_variables.is_empty() {
            let names = config.unused_variables.join(" ");
            tracing::info!(
                names,
                "these variables of the replaced services are not used"
            );
        }
        if let Some(keys) = &config.access_keys {
            report_access_keys(keys, &config);
        }
        let engine_config = EngineConfig {
            max_apps: config.max_apps,
            max_memory: config.max_memory,
            ip_indexed_apps: config.ip_indexed_apps.clone(),
            ..EngineConfig::default()
        };
        let data = match directory {
            Some((directory, storage)) => {
                let clock = Arc::clone(&clock);
                Some(Serving::open(directory, storage, &engine_config, clock)?)
            }
            None => None,
        };
        let (engine, log) = match &data {
            Some(data) => (data.engine(), data.watch()),
            None => (in_memory(&engine_config)?, LogWatch::memory_only()),
        };
        let mut settings = DialectSettings::default();
        if let Some(seconds) = config.back_session_seconds {
            settings.back_session_seconds = seconds;
        }
        let service = Arc::new(Service {
            engine,
            clock,
            settings,
            limits: config.http_limits,
            access_log: config.access_log,
            access_keys: config.access_keys.clone(),
            log,
            durability: config.storage.as_ref().map(|storage| storage.durability),
            held: HeldBytes::default(),
            connections: OpenConnections::default(),
            started,
            run: drawn_run()?,
            stop: StopSignal::default(),
        });
        Ok(Self {
            config,
            listeners,
            socket_files,
            service,
            clock: None,
            data,
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
        let log = self.data.as_ref().map(|data| data.log().clone());
        let (workers, threads) = Workers::start(&self.config, &self.service, log)
            .map_err(|error| StartError::System("start the threads", error))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| StartError::System("start the runtime", error))?;
        let caretakers = match &self.data {
            Some(data) => Some(data.start_caretakers()?),
            None => None,
        };
        let service = Arc::clone(&self.service);
        let ended = runtime.block_on(async {
            if stop_on_signals {
                signals::stop_on_signals(shutdown.clone())
                    .map_err(|error| StartError::System("wait for signals", error))?;
            }
            if let Err(error) = announce(&self.listeners, out) {
                tracing::warn!(%error, "cannot announce the listeners on standard output");
            }
            control(
                self.listeners,
                &self.service,
                self.clock,
                self.data.as_ref(),
                workers,
                shutdown,
            )
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
        if let Some(caretakers) = caretakers {
            caretakers.stop();
        }
        if let Some(data) = self.data {
            data.stop()?;
        }
        ended
    }
}

/// Says whom the keys keep out: not the callers of HTTP.
fn report_access_keys(keys: &AccessKeys, config: &Config) {
    let keys = keys.count();
    if config.listen.is_empty() {
        tracing::warn!(
            keys,
            "no listener asks for an access key: only those of the binary protocol (--listen) do"
        );
    } else {
        tracing::info!(keys, "the binary protocol asks for an access key");
    }
}

fn bind_listeners(config: &Config) -> Result<(Vec<Listener>, Vec<SocketFile>), StartError> {
    let mut listeners = Vec::with_capacity(config.http.len() + config.listen.len());
    let mut socket_files = Vec::new();
    for listen in &config.http {
        let bind = || Listener::bind_http(listen, config.insecure);
        listeners.push(bind_at(&listen.address, &mut socket_files, bind)?);
    }
    for listen in &config.listen {
        let guarded = config.access_keys.is_some();
        let bind = || Listener::bind_binary(listen, guarded, config.insecure);
        listeners.push(bind_at(&listen.address, &mut socket_files, bind)?);
    }
    Ok((listeners, socket_files))
}

/// Binds a listener, having made way for its socket file if it has one.
fn bind_at(
    address: &Address,
    socket_files: &mut Vec<SocketFile>,
    bind: impl FnOnce() -> Result<Listener, ListenFailure>,
) -> Result<Listener, StartError> {
    if let Address::Unix(path) = address {
        socket_file::make_way(path).map_err(StartError::SocketFile)?;
    }
    let listener = bind().map_err(StartError::Listen)?;
    if let Address::Unix(path) = address {
        socket_files.push(SocketFile::of(path));
    }
    Ok(listener)
}

/// An engine whose sessions end with the process, under a key that nobody ever sees.
fn in_memory(config: &EngineConfig) -> Result<Arc<Engine>, StartError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)
        .map_err(|error| StartError::System("draw a secret", io::Error::other(error)))?;
    let random = Box::new(OsRandomness::new());
    Ok(Arc::new(Engine::new(config, Keys::new(secret), random)))
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
    data: Option<&Serving>,
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
    if let Some(data) = data {
        let harvesting = ticker::harvest(Arc::clone(&service.engine), Arc::clone(&service.clock));
        tasks.spawn(shutdown.clone().run_until_cancelled_owned(harvesting));
        let watching = data.watch_health();
        tasks.spawn(shutdown.clone().run_until_cancelled_owned(watching));
    }
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

/// The number of this run of the server.
fn drawn_run() -> Result<u64, StartError> {
    getrandom::u64().map_err(|error| StartError::System("draw a number", io::Error::other(error)))
}
