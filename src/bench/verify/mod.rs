//! What every session must look like, kept while the load runs, and the violations found.
//!
//! A check compares a reply with what was already acknowledged when its request was *sent*, so that
//! requests in flight at the same time may take effect in any order without being reported.

pub(super) mod audit;
mod history;
#[cfg(test)]
mod tests;
mod versions;
pub(super) mod violations;

use crate::bench::stopwatch::MILLISECOND;
use crate::bench::target::{Contents, Life, Mark, SLOTS, Verb};
use crate::bench::verify::history::{End, History, Rotations};
use crate::bench::verify::versions::AtSending;
use crate::bench::verify::violations::{Tally, Violation};

/// Nanoseconds by which the clocks of the two sides may disagree about one moment.
const TOLERANCE: u64 = 20 * MILLISECOND;
/// Reads that may be ahead of a missing number before it counts as lost for good.
const READS_AHEAD: usize = 65_536;

/// What must be true of the reply to a request that is sent now.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::bench) struct Expectation {
    /// The session cannot be there any more, and this is what it is when it is.
    gone: Option<Violation>,
    /// The values of its slots are at least these.
    slots: [u32; SLOTS],
    /// What was known of its version.
    versions: AtSending,
    /// The rotations before the request, with its own when it is one.
    rotations: Rotations,
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub(in crate::bench) enum Outcome {
    /// A get showed this; `None` when the reply could not be understood.
    Shown(Option<Contents>),
    /// A touch was accepted.
    Touched,
    /// A set was accepted, and the session has this version now.
    Written(Option<u64>),
    /// A set was refused because the session has another version.
    Conflict,
    /// A rotation was accepted.
    Rotated,
    /// A kill was accepted.
    Killed,
    /// No such session.
    Missing,
    /// Nobody knows: no reply, or an error.
    Unknown,
}

/// A request on one session that has ended.
#[derive(Clone, Copy, Debug)]
pub(in crate::bench) struct Ended {
    pub(in crate::bench) session: usize,
    pub(in crate::bench) expectation: Expectation,
    pub(in crate::bench) mark: Option<Mark>,
    pub(in crate::bench) verb: Verb,
    pub(in crate::bench) outcome: Outcome,
    /// When it was sent and when its reply came, on the run's stopwatch.
    pub(in crate::bench) sent: u64,
    pub(in crate::bench) now: u64,
}

/// The histories of the sessions of one thread, in the order of their creates.
#[derive(Debug)]
pub(in crate::bench) struct Ledger {
    life: Life,
    slots: usize,
    histories: Vec<History>,
    tally: Tally,
}

impl Ledger {
    pub(in crate::bench) fn new(life: Life, slots: usize) -> Self {
        Self {
            life,
            slots: slots.min(SLOTS),
            histories: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// The next session was created between these two moments.
    pub(in crate::bench) fn created(&mut self, sent: u64, now: u64) {
        let earliest = sent
            .saturating_add(self.life.span)
            .saturating_sub(TOLERANCE);
        let latest = self.latest_deadline_of_use(now);
        self.histories.push(History::new(earliest, latest));
    }

    /// The next entry is no session but a token that is not to be served any more.
    pub(in crate::bench) fn retired(&mut self) {
        let mut history = History::new(0, u64::MAX);
        history.end = End::Rotated;
        self.histories.push(history);
    }

    fn latest_deadline_of_use(&self, now: u64) -> u64 {
        now.saturating_add(self.life.span)
            .saturating_add(self.life.rounding)
            .saturating_add(TOLERANCE)
    }

    /// A request on the session is sent now; a set may demand the version `base`.
    pub(in crate::bench) fn send(
        &mut self,
        session: usize,
        verb: Verb,
        base: Option<u64>,
        now: u64,
    ) -> Expectation {
        let Some(history) = self.histories.get_mut(session) else {
            return Expectation::default();
        };
        let may_be_in_use = history.in_flight > 0;
        history.in_flight += 1;
        let gone = match history.end {
            End::Killed => Some(Violation::ServedAfterKill),
            End::Expired => Some(Violation::ServedAfterDeadline),
            End::Rotated => Some(Violation::ServedAfterRotation),
            End::Lost => None,
            End::None | End::Asked => (!may_be_in_use && now >= history.latest_deadline)
                .then_some(Violation::ServedAfterDeadline),
        };
        let rotations = history.rotations;
        history.rotations.sent += u32::from(verb == Verb::Rotate);
        Expectation {
            gone,
            slots: history.acknowledged,
            versions: history.versions.send(verb == Verb::Set, base),
            rotations: Rotations {
                sent: history.rotations.sent,
                // Its own does not excuse it.
                ended: rotations.ended + (history.rotations.sent - rotations.sent),
                ..rotations
            },
        }
    }

    /// The version that a conditional set of the session may demand.
    pub(in crate::bench) fn base(&self, session: usize) -> Option<u64> {
        self.histories.get(session)?.versions.base()
    }

    /// Takes a slot for a set that is sent now; `None` when all of them are in use.
    pub(in crate::bench) fn take_slot(&mut self, session: usize, first: usize) -> Option<Mark> {
        let slots = self.slots;
        let history = self.histories.get_mut(session)?;
        let slot = (0..slots)
            .map(|n| (first + n) % slots)
            .find(|slot| (history.busy_slots | history.unsure_slots) & (1 << slot) == 0)?;
        history.busy_slots |= 1 << slot;
        let value = history.acknowledged.get(slot)?.saturating_add(1);
        Some(Mark { slot, value })
    }

    /// A kill is sent now.
    pub(in crate::bench) fn ask_end(&mut self, session: usize) {
        if let Some(history) = self.histories.get_mut(session)
            && history.end == End::None
        {
            history.end = End::Asked;
        }
    }

    /// The earliest and the latest moment at which the session may expire.
    pub(in crate::bench) fn deadlines(&self, session: usize) -> Option<(u64, u64)> {
        let history = self.histories.get(session)?;
        Some((history.earliest_deadline, history.latest_deadline))
    }

    /// Sessions whose final state is worth a look: written, or ended by a kill.
    pub(in crate::bench) fn to_be_audited(&self) -> Vec<usize> {
        let wanted = |h: &History| {
            matches!(h.end, End::Killed | End::Rotated) || h.acknowledged != [0; SLOTS]
        };
        self.histories
            .iter()
            .enumerate()
            .filter(|(_, h)| wanted(h))
            .map(|(n, _)| n)
            .collect()
    }

    /// A request has ended: checks its reply and remembers what it proves. False when the session
    /// may live on although this request did not find it.
    pub(in crate::bench) fn settle(&mut self, ended: &Ended) -> bool {
        let life = self.life;
        let latest = self.latest_deadline_of_use(ended.now);
        let Some(history) = self.histories.get_mut(ended.session) else {
            return true;
        };
        let mut check = Check {
            session: ended.session,
            tally: &mut self.tally,
        };
        history.in_flight = history.in_flight.saturating_sub(1);
        if let Some(mark) = ended.mark {
            history.busy_slots &= !(1 << mark.slot);
        }
        history.rotations.ended += u32::from(ended.verb == Verb::Rotate);
        match ended.outcome {
            Outcome::Shown(contents) => {
                history.used(life, ended.sent, latest);
                check.must_be_there(ended.expectation.gone);
                match contents {
                    Some(contents) => check.contents(history, &ended.expectation, &contents),
                    None => check.report(Violation::Unreadable, String::new),
                }
            }
            Outcome::Touched => {
                history.used(life, ended.sent, latest);
                check.must_be_there(ended.expectation.gone);
            }
            Outcome::Written(version) => {
                history.used(life, ended.sent, latest);
                check.must_be_there(ended.expectation.gone);
                check.written(history, ended, version);
            }
            Outcome::Conflict => {
                check.must_be_there(ended.expectation.gone);
                check.conflict(history, ended);
            }
            Outcome::Rotated => {
                history.used(life, ended.sent, latest);
                check.must_be_there(ended.expectation.gone);
                history.rotations.done += 1;
            }
            Outcome::Killed => {
                check.must_be_there(ended.expectation.gone);
                check.killed(history, ended);
            }
            Outcome::Missing => return check.missing(history, ended),
            Outcome::Unknown => {
                check.tally.unanswered += 1;
                history.unanswered(ended);
            }
        }
        true
    }

    /// The violations found, after a last look at the counters of reads.
    pub(in crate::bench) fn into_tally(mut self) -> Tally {
        for (session, history) in self.histories.iter_mut().enumerate() {
            let mut check = Check {
                session,
                tally: &mut self.tally,
            };
            while !history.reads_ahead.is_empty() {
                check.close_gap(history);
            }
        }
        self.tally
    }
}

/// One session under examination.
struct Check<'t> {
    session: usize,
    tally: &'t mut Tally,
}

impl Check<'_> {
    fn report(&mut self, violation: Violation, detail: impl FnOnce() -> String) {
        let session = self.session;
        self.tally.report(violation, || {
            let detail = detail();
            let separator = if detail.is_empty() { "" } else { ": " };
            format!("session {session}{separator}{detail}")
        });
    }

    fn must_be_there(&mut self, gone: Option<Violation>) {
        self.tally.checked();
        if let Some(violation) = gone {
            self.report(violation, String::new);
        }
    }

    fn written(&mut self, history: &mut History, ended: &Ended, version: Option<u64>) {
        if let Some(mark) = ended.mark
            && let Some(value) = history.acknowledged.get_mut(mark.slot)
        {
            *value = mark.value;
        }
        let versions = &ended.expectation.versions;
        if let Some(violation) = history.versions.written(versions, version) {
            self.report(violation, String::new);
        }
    }

    fn conflict(&mut self, history: &mut History, ended: &Ended) {
        if ended.verb != Verb::Set {
            return;
        }
        if let Some(violation) = history.versions.conflict(&ended.expectation.versions) {
            self.report(violation, String::new);
        }
    }

    fn killed(&mut self, history: &mut History, ended: &Ended) {
        // A rotation that was carried out meanwhile took the token that the kill came with.
        if history.rotations.done != ended.expectation.rotations.done {
            self.report(Violation::ServedAfterRotation, || {
                "killed by a token that was rotated at the same time".to_owned()
            });
        }
        history.end = End::Killed;
    }

    /// False when it may be there under another token.
    fn missing(&mut self, history: &mut History, ended: &Ended) -> bool {
        self.tally.checked();
        if ended.verb == Verb::Set {
            history.versions.not_written();
        }
        if history.rotations.excuse(&ended.expectation.rotations) {
            return false;
        }
        let now = ended.now;
        // A session is killed once at most, so its own kill must find it.
        let is_own_kill = ended.verb == Verb::Kill && history.end == End::Asked;
        if history.end != End::None && !is_own_kill {
            return true;
        }
        if now >= history.earliest_deadline {
            history.end = End::Expired;
            return true;
        }
        history.end = End::Lost;
        let left = (history.earliest_deadline - now) / MILLISECOND;
        self.report(Violation::MissingBeforeDeadline, || {
            format!("not found at least {left} ms before its deadline")
        });
        true
    }

    fn contents(&mut self, history: &mut History, sent: &Expectation, shown: &Contents) {
        for slot in 0..SLOTS {
            if history.unsure_slots & (1 << slot) != 0 {
                continue;
            }
            let value = shown.slots.get(slot).copied().unwrap_or(0);
            let least = sent.slots.get(slot).copied().unwrap_or(0);
            let written = history.acknowledged.get(slot).copied().unwrap_or(0);
            let under_way = u32::from(history.busy_slots & (1 << slot) != 0);
            let most = written.saturating_add(under_way);
            if value < least {
                self.report(Violation::LostUpdate, || {
                    format!("slot {slot} shows write {value}, but write {least} was acknowledged")
                });
            } else if value > most {
                self.report(Violation::NeverWritten, || {
                    format!("slot {slot} shows write {value}, but only {most} were sent")
                });
            }
        }
        if let Some(number) = shown.reads {
            self.read_number(history, number);
        }
        if let Some(version) = shown.version {
            history.versions.shown(&sent.versions, version);
        }
    }

    /// The numbers that reads return must be 1, 2, 3 .. in any order of arrival.
    fn read_number(&mut self, history: &mut History, number: u64) {
        if number < history.next_read || history.reads_ahead.contains(&number) {
            self.report(Violation::RepeatedRead, || {
                format!("r {number} was returned twice")
            });
            return;
        }
        if number > history.next_read {
            history.reads_ahead.insert(number);
            if history.reads_ahead.len() > READS_AHEAD {
                self.close_gap(history);
            }
            return;
        }
        history.next_read += 1;
        history.take_reads_ahead();
    }

    /// The numbers before the first read ahead will not come any more.
    fn close_gap(&mut self, history: &mut History) {
        let Some(first) = history.reads_ahead.first().copied() else {
            return;
        };
        let from = history.next_read;
        let skipped = first.saturating_sub(from);
        let excused = skipped.min(history.unanswered_reads);
        history.unanswered_reads -= excused;
        if skipped > excused {
            self.report(Violation::SkippedRead, || {
                format!("r {from} to {} were never returned", first - 1)
            });
        }
        history.next_read = first;
        history.take_reads_ahead();
    }
}
