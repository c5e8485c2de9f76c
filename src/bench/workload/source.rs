//! Which request comes next.

use crate::bench::random::Random;
use crate::bench::sessions::Sessions;
use crate::bench::target::{Mark, SLOTS, Verb};
use crate::bench::workload::{Keys, Mix, Workload};

/// The next request.
#[derive(Clone, Copy, Debug)]
pub(in crate::bench) struct Step {
    pub(in crate::bench) verb: Verb,
    /// Number of the session in [`Sessions`]; 0 for a create and a fetch.
    pub(in crate::bench) session: usize,
    pub(in crate::bench) mark: Option<Mark>,
    /// The version that a set demands; only in a verified run.
    pub(in crate::bench) if_version: Option<u64>,
}

impl Step {
    fn of(verb: Verb, session: usize) -> Self {
        Self {
            verb,
            session,
            mark: None,
            if_version: None,
        }
    }
}

/// In a verified run one get in so many asks for a session whose kill was acknowledged.
const KILLED_ONE_IN: usize = 16;

/// Where the requests of a phase come from.
#[derive(Clone, Debug)]
pub(in crate::bench) enum Source {
    /// A workload without an end.
    Endless(Endless),
    /// So many creates, each repeated until it succeeds or too many have failed.
    Creates { left: u64, failures_allowed: u64 },
    /// One get of each of these sessions.
    Gets(std::vec::IntoIter<usize>),
}

/// A workload without an end.
#[derive(Clone, Debug)]
pub(in crate::bench) struct Endless {
    pub(in crate::bench) workload: Workload,
    pub(in crate::bench) mix: Mix,
    pub(in crate::bench) keys: Keys,
    pub(in crate::bench) storm: Storm,
}

/// Bursts of log-ins: so many creates, then reads of what they created.
#[derive(Clone, Copy, Debug)]
pub(in crate::bench) struct Storm {
    creates: usize,
    gets: usize,
    creates_left: usize,
    gets_left: usize,
    /// The first session of the burst.
    first: usize,
}

impl Storm {
    /// Bursts of `creates`, with so many gets of each created session behind them.
    pub(in crate::bench) fn new(creates: usize, gets_each: usize) -> Self {
        Self {
            creates,
            gets: creates.saturating_mul(gets_each),
            creates_left: 0,
            gets_left: 0,
            first: 0,
        }
    }

    fn next(&mut self, sessions: &Sessions, random: &mut Random) -> Step {
        if self.creates_left == 0 && self.gets_left == 0 {
            self.first = sessions.len();
            self.creates_left = self.creates;
            self.gets_left = self.gets;
        }
        let created = sessions.len().saturating_sub(self.first);
        // While no create of the burst has been answered there is nothing to read.
        if self.creates_left > 0 || created == 0 {
            self.creates_left = self.creates_left.saturating_sub(1);
            return Step::of(Verb::Create, 0);
        }
        self.gets_left -= 1;
        Step::of(Verb::Get, self.first + random.below(created))
    }
}

impl Source {
    /// The next request, `None` when there are no more.
    pub(in crate::bench) fn next(
        &mut self,
        sessions: &mut Sessions,
        random: &mut Random,
    ) -> Option<Step> {
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
            Self::Endless(endless) => endless.next(sessions, random),
        }
    }

    /// A create of [`Source::Creates`] has failed.
    pub(in crate::bench) fn create_failed(&mut self) {
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

impl Endless {
    fn next(&mut self, sessions: &mut Sessions, random: &mut Random) -> Option<Step> {
        let verb = match self.workload {
            Workload::Create => Verb::Create,
            Workload::Get => Verb::Get,
            Workload::Touch => Verb::Touch,
            Workload::Set => Verb::Set,
            Workload::List => Verb::List,
            Workload::Url | Workload::Idle => Verb::Fetch,
            Workload::Mixed => self.mix.draw(random),
            Workload::LoginStorm => return Some(self.storm.next(sessions, random)),
        };
        self.step(verb, sessions, random)
    }

    fn step(&mut self, verb: Verb, sessions: &mut Sessions, random: &mut Random) -> Option<Step> {
        match verb {
            Verb::Create | Verb::List | Verb::Fetch => Some(Step::of(verb, 0)),
            Verb::Get => {
                let killed = sessions.killed.len();
                if killed > 0 && random.below(KILLED_ONE_IN) == 0 {
                    let session = sessions.killed.get(random.below(killed)).copied()?;
                    return Some(Step::of(Verb::Get, session));
                }
                Some(Step::of(Verb::Get, sessions.pick(&mut self.keys, random)?))
            }
            Verb::Touch | Verb::Rotate => {
                Some(Step::of(verb, sessions.pick(&mut self.keys, random)?))
            }
            Verb::Set => {
                let session = sessions.pick(&mut self.keys, random)?;
                let Some(ledger) = &mut sessions.ledger else {
                    return Some(Step::of(Verb::Set, session));
                };
                // While every slot of the session is being written, it is read instead.
                let mark = ledger.take_slot(session, random.below(SLOTS));
                let verb = mark.map_or(Verb::Get, |_| Verb::Set);
                // Every second one demands the version that was seen last.
                let is_conditional = mark.is_some() && random.below(2) == 0;
                let base = ledger.base(session).filter(|_| is_conditional);
                Some(Step {
                    verb,
                    session,
                    mark,
                    if_version: base,
                })
            }
            Verb::Kill => {
                let session = sessions.pick(&mut self.keys, random)?;
                sessions.end(session);
                if let Some(ledger) = &mut sessions.ledger {
                    ledger.ask_end(session);
                }
                Some(Step::of(Verb::Kill, session))
            }
        }
    }
}
