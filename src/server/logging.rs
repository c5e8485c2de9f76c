//! Logs on standard error: text for people, JSON lines for machines.

use std::io::{self, IsTerminal};

use tracing::Level;

use crate::config::LogFormat;

/// Sends what the server logs to standard error.
pub fn start(format: LogFormat) {
    let text = match format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => io::stderr().is_terminal(),
    };
    let log = tracing_subscriber::fmt()
        .with_max_level(Level::INFO)
        .with_writer(io::stderr);
    if text {
        log.with_ansi(io::stderr().is_terminal()).init();
    } else {
        log.json().flatten_event(true).init();
    }
}
