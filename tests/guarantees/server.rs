//! A server in this process: the binary protocol and HTTP over one engine, by a clock moved by hand.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use cloakroom::clock::{Clock, ManualClock, Millis};
use cloakroom::config::HttpLimits;
use cloakroom::engine::{Engine, EngineConfig, OsRandomness};
use cloakroom::model::Keys;
use cloakroom::net::http::dialect::DialectSettings;
use cloakroom::net::log_watch::LogWatch;
use cloakroom::net::service::{HeldBytes, OpenConnections, Service, StopSignal};
use cloakroom::net::stream::{Peer, Stream};
use cloakroom::net::{binary, http};
use cloakroom_client::{Client, Error};
use tokio_util::sync::CancellationToken;

use crate::wire::Wire;

/// When the clocks start: a moment within a second.
pub(crate) const START: u64 = 1_795_161_703_019;

/// A running server. Nobody sweeps, so nothing goes but by its deadline.
pub(crate) struct Served {
    binary: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) engine: Arc<Engine>,
    pub(crate) clock: Arc<ManualClock>,
    shutdown: CancellationToken,
    threads: Vec<JoinHandle<()>>,
}

pub(crate) fn engine(config: &EngineConfig) -> Engine {
    Engine::new(config, Keys::new([7; 32]), Box::new(OsRandomness::new()))
}

#[derive(Clone, Copy)]
enum Door {
    Binary,
    Http,
}

impl Served {
    pub(crate) fn start() -> Self {
        Self::over(engine(&EngineConfig::default()), HttpLimits::default(), 2)
    }

    /// The same over an engine of the test, within these bounds, on so many threads.
    pub(crate) fn over(engine: Engine, limits: HttpLimits, threads: usize) -> Self {
        Self::set_up(engine, threads, |service| service.limits = limits)
    }

    /// The same with a service that the test has changed.
    pub(crate) fn set_up(
        engine: Engine,
        threads: usize,
        change: impl FnOnce(&mut Service),
    ) -> Self {
        let clock = Arc::new(ManualClock::new(Millis(START)));
        let engine = Arc::new(engine);
        let mut service = Service {
            engine: Arc::clone(&engine),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            settings: DialectSettings::default(),
            limits: HttpLimits::default(),
            access_log: false,
            access_keys: None,
            log: LogWatch::memory_only(),
            durability: None,
            held: HeldBytes::default(),
            connections: OpenConnections::default(),
            started: Millis(START),
            run: 1,
            stop: StopSignal::default(),
        };
        change(&mut service);
        let service = Arc::new(service);
        let listeners = [(); 2].map(|()| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            listener
        });
        let [binary, http] = listeners.each_ref().map(|l| l.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let threads = (0..threads).map(|_| {
            let [binary, http] = listeners.each_ref().map(|l| l.try_clone().unwrap());
            let (service, stop) = (Arc::clone(&service), shutdown.clone());
            std::thread::spawn(move || run(binary, http, &service, &stop))
        });
        Self {
            binary,
            http,
            engine,
            clock,
            threads: threads.collect(),
            shutdown,
        }
    }

    /// A connection on which HELLO has been said for the app `shop`.
    pub(crate) fn connect(&self) -> Wire {
        self.connect_for("shop")
    }

    pub(crate) fn connect_for(&self, app: &str) -> Wire {
        let mut wire = self.open();
        wire.hello(app);
        wire
    }

    /// A connection on which nothing has been said.
    pub(crate) fn open(&self) -> Wire {
        Wire::connect(self.binary)
    }

    /// The client crate, to be used within a runtime.
    pub(crate) async fn client(&self, app: &str) -> Client {
        self.client_with_key("", app).await.unwrap()
    }

    /// The same, showing a key as it stands in a URL.
    pub(crate) async fn client_with_key(&self, key: &str, app: &str) -> Result<Client, Error> {
        let url = format!("cloakroom://{key}@{}/{app}?timeout=30s", self.binary);
        Client::connect(&url).await
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.now().0
    }

    /// Moves the clock forward to `moment`.
    pub(crate) fn advance_to(&self, moment: u64) {
        self.clock.advance(moment.checked_sub(self.now()).unwrap());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shutdown.cancel();
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(std::thread::panicking() || ended.is_ok());
        }
        if !std::thread::panicking() {
            assert_eq!(self.engine.check_invariants(), Ok(()));
        }
    }
}

fn run(binary: TcpListener, http: TcpListener, service: &Arc<Service>, stop: &CancellationToken) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_park(cloakroom::net::rest)
        .build()
        .unwrap();
    runtime.block_on(async {
        let both = async {
            tokio::join!(
                accept(binary, Door::Binary, service),
                accept(http, Door::Http, service)
            )
        };
        stop.run_until_cancelled(both).await
    });
}

async fn accept(listener: TcpListener, door: Door, service: &Arc<Service>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, peer) = listener.accept().await.unwrap();
        let (stream, peer) = (Stream::Tcp(stream), Peer::Inet(peer));
        let service = Arc::clone(service);
        match door {
            Door::Binary => drop(tokio::spawn(binary::serve(stream, peer, service))),
            Door::Http => drop(tokio::spawn(http::serve(stream, peer, None, service))),
        }
    }
}
