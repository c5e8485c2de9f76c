//! What the load consists of.

mod keys;
mod mix;
mod source;

use clap::ValueEnum;

use crate::bench::target::Verb;

pub(super) use keys::{Keys, Spread};
pub(super) use mix::Mix;
pub(super) use source::{Endless, Source, Step, Storm};

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Workload {
    /// New sessions
    Create,
    /// Reads of random sessions
    Get,
    /// Prolongs random sessions without reading them
    Touch,
    /// Writes to random sessions
    Set,
    /// All of these, in the shares of --mix
    Mixed,
    /// Lists of all sessions of the app, each from its first page to its last
    List,
    /// Bursts of creates (--burst), each followed by reads of its sessions (--reads)
    LoginStorm,
    /// GET of one fixed path (--path), sessions or not; elsewhere the protocol's ping
    #[value(alias = "ping")]
    Url,
    /// Connections that do nothing after one request, to see what they cost in memory
    Idle,
}

impl Workload {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Get => "get",
            Self::Touch => "touch",
            Self::Set => "set",
            Self::Mixed => "mixed",
            Self::List => "list",
            Self::LoginStorm => "login-storm",
            Self::Url => "url",
            Self::Idle => "idle",
        }
    }

    /// The requests that it sends.
    pub(super) fn verbs(self, mix: &Mix) -> Vec<Verb> {
        match self {
            Self::Create => vec![Verb::Create],
            Self::Get => vec![Verb::Get],
            Self::Touch => vec![Verb::Touch],
            Self::Set => vec![Verb::Set],
            Self::Mixed => mix.verbs().collect(),
            Self::List => vec![Verb::List],
            Self::LoginStorm => vec![Verb::Create, Verb::Get],
            Self::Url | Self::Idle => vec![Verb::Fetch],
        }
    }

    /// Requests go to sessions that must exist before.
    pub(super) fn needs_sessions(self) -> bool {
        match self {
            Self::Get | Self::Touch | Self::Set | Self::Mixed | Self::List => true,
            Self::Create | Self::LoginStorm | Self::Url | Self::Idle => false,
        }
    }

    /// Sessions that it creates are used again.
    pub(super) fn reuses_created(self) -> bool {
        matches!(self, Self::Mixed | Self::LoginStorm)
    }
}
