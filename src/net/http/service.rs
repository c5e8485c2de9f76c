//! What all connections of the server share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::HttpLimits;
use crate::engine::Engine;
use crate::net::http::dialect::DialectSettings;
use crate::net::http::log_watch::LogWatch;

/// The parts a connection answers requests with.
pub struct Service {
    /// The verbs.
    pub engine: Arc<Engine>,
    /// The clock, read once for all requests of a read.
    pub clock: Arc<dyn Clock>,
    /// Settings of the dialects.
    pub settings: DialectSettings,
    /// Time-outs.
    pub limits: HttpLimits,
    /// Whether each request gets a line in the log.
    pub access_log: bool,
    /// Where the log stands.
    pub log: LogWatch,
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
