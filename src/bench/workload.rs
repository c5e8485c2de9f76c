//! Which request comes next.

use clap::ValueEnum;

use crate::bench::random::Random;
use crate::bench::sessions::Sessions;
use crate::bench::target::{Mark, Verb};

/// What the load consists of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Workload {
    /// New sessions
    Create,
    /// Reads of random sessions
    Get,
    /// Writes to random sessions
    Set,
    /// 90 get, 5 set, 3 create, 2 kill in a hundred
    Mixed,
    /// GET of one fixed path (--path), sessions or not
    Url,
    /// Connections that do nothing after one request, to see what they cost in memory
    Idle,
}

impl Workload {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Get => "get",
            Self::Set => "set",
            Self::Mixed => "mixed",
            Self::Url => "url",
            Self::Idle => "idle",
        }
    }

    /// Requests go to sessions that must exist before.
    pub(super) fn needs_sessions(self) -> bool {
        match self {
            Self::Get | Self::Set | Self::Mixed => true,
            Self::Create | Self::Url | Self::Idle => false,
        }
    }

    /// Sessions that it creates are used again.
    pub(super) fn reuses_created(self) -> bool {
        self == Self::Mixed
    }

    fn draw(self, random: &mut Random) -> Verb {
        match self {
            Self::Create => Verb::Create,
            Self::Get => Verb::Get,
            Self::Set => Verb::Set,
            Self::Url | Self::Idle => Verb::Fetch,
            Self::Mixed => match random.below(100) {
                0..90 => Verb::Get,
                90..95 => Verb::Set,
                95..98 => Verb::Create,
                _ => Verb::Kill,
            },
        }
    }
}

/// The next request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) verb: Verb,
    /// Number of the session in [`Sessions`]; 0 for a create and a fetch.
    pub(super) session: usize,
    pub(super) mark: Option<Mark>,
}

impl Step {
    fn of(verb: Verb, session: usize) -> Self {
        Self {
            verb,
            session,
            mark: None,
        }
    }
}

/// In a verified run one get in so many asks for a session whose kill was acknowledged.
const KILLED_ONE_IN: usize = 16;

/// Where the requests of a phase come from.
#[derive(Debug)]
pub(super) enum Source {
    /// A workload without an end.
    Endless(Workload),
    /// So many creates, each repeated until it succeeds or too many have failed.
    Creates { left: u64, failures_allowed: u64 },
    /// One get of each of these sessions.
    Gets(std::vec::IntoIter<usize>),
}

impl Source {
    /// The next request, `None` when there are no more.
    pub(super) fn next(&mut self, sessions: &mut Sessions, random: &mut Random) -> Option<Step> {
        match self {
            Self::Creates {
                left,
                failures_allowed,
            } => {
                if *left == 0 || *failures_allowed == 0 {
                    return None;
                }
                *left -= 1;
                Some(Step::of(Verb::Create, 0))
            }
            Self::Gets(list) => list.next().map(|session| Step::of(Verb::Get, session)),
            Self::Endless(workload) => next_of(workload.draw(random), sessions, random),
        }
    }

    /// A create of [`Source::Creates`] has failed.
    pub(super) fn create_failed(&mut self) {
        if let Self::Creates {
            left,
            failures_allowed,
        } = self
        {
            *left += 1;
            *failures_allowed = failures_allowed.saturating_sub(1);
        }
    }
}

fn next_of(verb: Verb, sessions: &mut Sessions, random: &mut Random) -> Option<Step> {
    match verb {
        Verb::Create | Verb::Fetch => Some(Step::of(verb, 0)),
        Verb::Get => {
            let killed = sessions.killed.len();
            if killed > 0 && random.below(KILLED_ONE_IN) == 0 {
                let session = sessions.killed.get(random.below(killed)).copied()?;
                return Some(Step::of(Verb::Get, session));
            }
            Some(Step::of(Verb::Get, sessions.pick(random)?))
        }
        Verb::Set => {
            let session = sessions.pick(random)?;
            let Some(ledger) = &mut sessions.ledger else {
                return Some(Step::of(Verb::Set, session));
            };
            // While every slot of the session is being written, it is read instead.
            let mark = ledger.take_slot(session, random.below(crate::bench::target::SLOTS));
            let verb = mark.map_or(Verb::Get, |_| Verb::Set);
            Some(Step {
                verb,
                session,
                mark,
            })
        }
        Verb::Kill => {
            let session = sessions.pick(random)?;
            sessions.end(session);
            if let Some(ledger) = &mut sessions.ledger {
                ledger.ask_end(session);
            }
            Some(Step::of(Verb::Kill, session))
        }
    }
}
