//! Which operation comes next.

use clap::ValueEnum;

use crate::sessions::Pool;

/// How an operation is carried out.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Style {
    /// One script on the server
    Script,
    /// The commands that redis-sessions sends
    Multi,
    /// No sessions: set and get of the data alone, on memcached
    Memcached,
}

/// What the load consists of.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// New sessions
    Create,
    /// Reads of random sessions
    Get,
    /// Writes to random sessions
    Set,
    /// Kills of random sessions
    Kill,
    /// Counts of the users active in the last seconds
    Activity,
    /// Lists of the sessions active in the last seconds
    Soapp,
    /// 90 get, 5 set, 3 create, 2 kill in a hundred
    Mixed,
}

/// An operation of redis-sessions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Create,
    Get,
    Set,
    Kill,
    Activity,
    Soapp,
}

impl Verb {
    pub(crate) const ALL: [Self; 6] = [
        Self::Create,
        Self::Get,
        Self::Set,
        Self::Kill,
        Self::Activity,
        Self::Soapp,
    ];

    /// The name of its files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Get => "get",
            Self::Set => "set",
            Self::Kill => "kill",
            Self::Activity => "activity",
            Self::Soapp => "soapp",
        }
    }
}

impl Workload {
    /// The next operation with its session; `None` when there is nothing left to do.
    pub(crate) fn next(self, pool: &mut Pool) -> Option<(Verb, u64)> {
        let verb = match self {
            Self::Create => Verb::Create,
            Self::Get => Verb::Get,
            Self::Set => Verb::Set,
            Self::Kill => Verb::Kill,
            Self::Activity => Verb::Activity,
            Self::Soapp => Verb::Soapp,
            Self::Mixed => match pool.below(100) {
                0..90 => Verb::Get,
                90..95 => Verb::Set,
                95..98 => Verb::Create,
                _ => Verb::Kill,
            },
        };
        let session = match verb {
            Verb::Create => pool.begin()?,
            Verb::Get | Verb::Set => pool.pick()?,
            Verb::Kill => pool.take()?,
            Verb::Activity | Verb::Soapp => 0,
        };
        Some((verb, session))
    }
}
