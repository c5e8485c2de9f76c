//! What all connections of the server share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Millis};
use crate::config::{AccessKeys, Durability, HttpLimits};
use crate::engine::Engine;
use crate::net::http::dialect::DialectSettings;
use crate::net::log_watch::LogWatch;

/// The parts a connection answers requests with.
pub struct Service {
    /// The verbs.
    pub engine: Arc<Engine>,
    /// The clock, read once for all requests of a read.
    pub clock: Arc<dyn Clock>,
    /// Settings of the dialects.
    pub settings: DialectSettings,
    /// Bounds of connections.
    pub limits: HttpLimits,
    /// Whether each request gets a line in the log.
    pub access_log: bool,
    /// What callers of the binary protocol have to show; `None` for nothing.
    pub access_keys: Option<AccessKeys>,
    /// Where the log stands.
    pub log: LogWatch,
    /// What a change that was acknowledged survives; `None` for a server in memory only.
    pub durability: Option<Durability>,
    /// Bytes that all connections hold for requests and replies that are not through.
    pub held: HeldBytes,
    /// The connections that are open, whatever they speak.
    pub connections: OpenConnections,
    /// When the server started, by `clock`.
    pub started: Millis,
    /// Drawn when the server started: another number means that it was started again.
    pub run: u64,
    /// Raised once, when the server stops.
    pub stop: StopSignal,
}

/// Tells connections to finish what is in flight and close.
#[derive(Debug, Default)]
pub struct StopSignal {
    raised: AtomicBool,
    token: CancellationToken,
}

impl StopSignal {
    /// Raises the signal and wakes every connection.
    pub fn raise(&self) {
        self.raised.store(true, Ordering::Release);
        self.token.cancel();
    }

    /// Whether it was raised. Costs one load, unlike a question to the token.
    pub(super) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }

    /// What is cancelled when the signal is raised.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}

/// A count of bytes in memory, over all threads.
#[derive(Debug, Default)]
pub struct HeldBytes(AtomicUsize);

impl HeldBytes {
    /// Counts `new` bytes in place of `old` ones; answers how many there are in all.
    pub(super) fn change(&self, old: usize, new: usize) -> usize {
        if new >= old {
            self.0.fetch_add(new - old, Ordering::Relaxed) + (new - old)
        } else {
            self.0.fetch_sub(old - new, Ordering::Relaxed) - (old - new)
        }
    }
}

/// A count of connections, over all threads.
#[derive(Debug, Default)]
pub struct OpenConnections(AtomicU64);

impl OpenConnections {
    pub(super) fn opened(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
impl Service {
    /// A service over an empty store, for tests of connections.
    pub(super) fn for_tests(log: LogWatch, limits: HttpLimits) -> Self {
        let keys = crate::model::Keys::new([0; 32]);
        let random = Box::new(crate::engine::OsRandomness::new());
        let engine = Engine::new(&crate::engine::EngineConfig::default(), keys, random);
        Self {
            engine: Arc::new(engine),
            clock: Arc::new(crate::clock::ManualClock::default()),
            settings: DialectSettings::default(),
            limits,
            access_log: false,
            access_keys: None,
            log,
            durability: None,
            held: HeldBytes::default(),
            connections: OpenConnections::default(),
            started: Millis(0),
            run: 1,
            stop: StopSignal::default(),
        }
    }
}
