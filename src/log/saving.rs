//! Who may begin a snapshot, what the writer has to do for it, and what a failed log waits for.
//! One snapshot at a time.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Millis;
use crate::log::tail::{Failure, Tail};
use crate::model::Position;

/// Milliseconds until the first retry of healing; doubled with each further one.
const RETRY_MILLIS: u64 = 1_000;
/// Milliseconds between two retries at most.
const RETRY_MILLIS_MAX: u64 = 30_000;
/// Milliseconds that a log must have been well so that its next failure counts as the first.
const WELL_MILLIS: u64 = 60_000;

/// The newest complete snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct LastSnapshot {
    /// Its number; 0 when there is none.
    pub number: u64,
    /// Bytes of its file; 0 when it was made before the start.
    pub bytes: u64,
    /// Sessions in it; 0 when it was made before the start.
    pub sessions: u64,
    /// When it was complete, or, when it was made before the start, begun; 0 when there is none.
    pub at: Millis,
}

/// Why there is no snapshot, or no healing.
#[derive(Debug)]
pub enum SnapshotError {
    /// Another one is under way.
    Busy,
    /// The log has failed: only healing is possible.
    LogFailed,
    /// The log has not failed: there is nothing to heal.
    LogHealthy,
    /// The next attempt to heal is due after this time.
    NotYet(Duration),
    /// Where the snapshot would begin, no further segment can be made.
    NoSegment(std::io::Error),
    /// The disk refuses.
    Disk(Failure),
    /// All sessions of an app were killed meanwhile, and the log is not sure to hold that kill.
    Overtaken,
    /// The log has stopped.
    Stopped,
}

impl std::fmt::Display for SnapshotError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Busy => out.write_str("another snapshot is under way"),
            Self::LogFailed => out.write_str("the log has failed and must be healed first"),
            Self::LogHealthy => out.write_str("the log has not failed"),
            Self::NotYet(wait) => write!(out, "the next attempt is due in {wait:?}"),
            Self::NoSegment(error) => write!(
                out,
                "no further segment of the log can be made: {error}; free some space"
            ),
            Self::Disk(failure) => write!(out, "{failure}"),
            Self::Overtaken => out.write_str(
                "all sessions of an app were killed while the snapshot was written; try again",
            ),
            Self::Stopped => out.write_str("the log has stopped"),
        }
    }
}

impl std::error::Error for SnapshotError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoSegment(error) => Some(error),
            Self::Disk(failure) => Some(&failure.error),
            Self::Busy
            | Self::LogFailed
            | Self::LogHealthy
            | Self::NotYet(_)
            | Self::Overtaken
            | Self::Stopped => None,
        }
    }
}

impl From<Failure> for SnapshotError {
    fn from(failure: Failure) -> Self {
        Self::Disk(failure)
    }
}

/// The segment whose number a snapshot gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Begun {
    pub(super) number: u64,
    /// The position of its first block.
    pub(super) first: Position,
    /// Bytes of log that had been written when it began.
    pub(super) written: u64,
}

/// What the writer goes on with after healing.
pub(super) struct Resume {
    pub(super) tail: Tail,
    /// All that came before this is in the snapshot.
    pub(super) cut: Position,
}

pub(super) struct Saving {
    /// Held for moments, never during I/O.
    state: Mutex<State>,
    /// Told when the writer has answered.
    answered: Condvar,
}

struct State {
    /// The highest number that a segment ever had.
    highest: u64,
    last: LastSnapshot,
    /// Somebody makes a snapshot, or waits to begin one.
    busy: bool,
    request: Request,
    stopped: bool,
    failed: Option<Failed>,
    attempts: u32,
    next_attempt: Millis,
    well_since: Millis,
    resume: Option<Resume>,
}

enum Request {
    None,
    Wanted,
    Answered(Result<Begun, SnapshotError>),
}

struct Failed {
    /// The last position that was known to be synced.
    synced: Position,
    reason: String,
}

impl Saving {
    pub(super) fn new(segment: u64, snapshot: u64, at: Millis) -> Self {
        Self {
            state: Mutex::new(State {
                highest: segment,
                last: LastSnapshot {
                    number: snapshot,
                    at,
                    ..LastSnapshot::default()
                },
                busy: false,
                request: Request::None,
                stopped: false,
                failed: None,
                attempts: 0,
                next_attempt: Millis(0),
                well_since: Millis(0),
                resume: None,
            }),
            answered: Condvar::new(),
        }
    }

    /// Takes the turn for a snapshot and asks the writer for the segment that it begins with.
    pub(super) fn request(&self) -> Result<(), SnapshotError> {
        let mut state = self.take_turn()?;
        if state.failed.is_some() {
            state.busy = false;
            return Err(SnapshotError::LogFailed);
        }
        state.request = Request::Wanted;
        Ok(())
    }

    /// Takes the turn for healing; answers the last synced position before the failure.
    pub(super) fn request_healing(&self, now: Millis) -> Result<Position, SnapshotError> {
        let mut state = self.take_turn()?;
        let refusal = match &state.failed {
            None => SnapshotError::LogHealthy,
            Some(_) if state.resume.is_some() => SnapshotError::LogHealthy,
            Some(_) if now < state.next_attempt => {
                SnapshotError::NotYet(Duration::from_millis(state.next_attempt.0 - now.0))
            }
            Some(failed) => return Ok(failed.synced),
        };
        state.busy = false;
        Err(refusal)
    }

    fn take_turn(&self) -> Result<MutexGuard<'_, State>, SnapshotError> {
        let mut state = self.state();
        if state.stopped {
            return Err(SnapshotError::Stopped);
        }
        if state.busy {
            return Err(SnapshotError::Busy);
        }
        state.busy = true;
        Ok(state)
    }

    /// Gives the turn back.
    pub(super) fn end_turn(&self) {
        let mut state = self.state();
        state.busy = false;
        state.request = Request::None;
    }

    /// An attempt to heal came to nothing.
    pub(super) fn healing_failed(&self, now: Millis) {
        self.state().back_off(now);
    }

    pub(super) fn is_wanted(&self) -> bool {
        matches!(self.state().request, Request::Wanted)
    }

    /// The writer's answer to the request, if there is still one.
    pub(super) fn answer(&self, answer: Result<Begun, SnapshotError>) {
        let mut state = self.state();
        if matches!(state.request, Request::Wanted) {
            state.request = Request::Answered(answer);
            self.answered.notify_all();
        }
    }

    pub(super) fn take_answer(&self) -> Option<Result<Begun, SnapshotError>> {
        take_answer(&mut self.state())
    }

    pub(super) fn await_answer(&self) -> Result<Begun, SnapshotError> {
        let mut state = self.state();
        loop {
            if let Some(answer) = take_answer(&mut state) {
                return answer;
            }
            state = self
                .answered
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A number that no segment has had.
    pub(super) fn next_segment(&self) -> u64 {
        let mut state = self.state();
        state.highest += 1;
        state.highest
    }

    pub(super) fn highest_segment(&self) -> u64 {
        self.state().highest
    }

    pub(super) fn last(&self) -> LastSnapshot {
        self.state().last
    }

    pub(super) fn completed(&self, last: LastSnapshot) {
        self.state().last = last;
    }

    /// The log has failed; everything up to `synced` is safe.
    pub(super) fn fail(&self, now: Millis, synced: Position, reason: String) {
        let mut state = self.state();
        if now.0.saturating_sub(state.well_since.0) >= WELL_MILLIS {
            state.attempts = 0;
            state.next_attempt = now;
        }
        state.failed = Some(Failed { synced, reason });
        if matches!(state.request, Request::Wanted) {
            state.request = Request::Answered(Err(SnapshotError::LogFailed));
            self.answered.notify_all();
        }
    }

    /// What failed, in words, while the log is failed.
    pub(super) fn failure(&self) -> Option<String> {
        self.state().failed.as_ref().map(|f| f.reason.clone())
    }

    pub(super) fn has_failed(&self) -> bool {
        self.state().failed.is_some()
    }

    /// Milliseconds until healing may be tried; `None` for a log that needs none.
    pub(super) fn healing_due(&self, now: Millis) -> Option<u64> {
        let state = self.state();
        let waits = state.failed.is_some() && state.resume.is_none() && !state.stopped;
        waits.then(|| state.next_attempt.0.saturating_sub(now.0))
    }

    /// All is saved elsewhere: the writer may go on.
    pub(super) fn offer_resume(&self, resume: Resume) {
        self.state().resume = Some(resume);
    }

    pub(super) fn take_resume(&self, now: Millis) -> Option<Resume> {
        let mut state = self.state();
        let resume = state.resume.take()?;
        state.failed = None;
        state.well_since = now;
        // Should it fail again at once, the next attempt is not due at once.
        state.back_off(now);
        Some(resume)
    }

    /// From now on nothing may be begun.
    pub(super) fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        if matches!(state.request, Request::Wanted) {
            state.request = Request::Answered(Err(SnapshotError::Stopped));
            self.answered.notify_all();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn back_off(&mut self, now: Millis) {
        let doublings = self.attempts.min(10);
        self.attempts = self.attempts.saturating_add(1);
        self.next_attempt = now.plus((RETRY_MILLIS << doublings).min(RETRY_MILLIS_MAX));
    }
}

fn take_answer(state: &mut State) -> Option<Result<Begun, SnapshotError>> {
    match std::mem::replace(&mut state.request, Request::None) {
        Request::Answered(answer) => Some(answer),
        // The turn was given back meanwhile.
        Request::None => Some(Err(SnapshotError::Stopped)),
        Request::Wanted => {
            state.request = Request::Wanted;
            None
        }
    }
}
