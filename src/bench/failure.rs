//! Why a run ended without a result, as a sentence and an exit status.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// The end of a run that could not be carried out.
#[derive(Debug)]
pub(super) enum Failure {
    /// The arguments contradict each other.
    Usage(String),
    /// The server does what it should not: it refuses the sessions that the run needs.
    Server(String),
    /// No connection to the server.
    Unreachable {
        /// Host and port as given.
        endpoint: String,
        source: io::Error,
    },
    /// This machine does not let the load tester work.
    Local(String),
}

impl Failure {
    /// 2 for bad arguments, 3 for a server that refuses, 4 for one that cannot be reached.
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::Server(_) | Self::Local(_) => 3,
            Self::Unreachable { .. } => 4,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(sentence) | Self::Server(sentence) | Self::Local(sentence) => {
                f.write_str(sentence)
            }
            Self::Unreachable { endpoint, source } => write!(
                f,
                "no connection to {endpoint} ({source}); is the server running, and is --url right?"
            ),
        }
    }
}

impl std::error::Error for Failure {}
