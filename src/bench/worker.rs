//! One thread's part of a phase: hands requests to its connections and judges the replies.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::bench::pacer::{Due, Pacer};
use crate::bench::random::Random;
use crate::bench::recorder::{Recorder, Trouble};
use crate::bench::sessions::Sessions;
use crate::bench::stopwatch::Stopwatch;
use crate::bench::target::{Awaited, Contents, Frame, Meaning, Reply, Request, Target, Verb};
use crate::bench::verify::{Ended, Expectation, Outcome};
use crate::bench::workload::{Source, Step};

/// The part of a phase whose requests are counted: those that start at `from` or later and before
/// `until`, in nanoseconds of the stopwatch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) from: u64,
    pub(super) until: u64,
}

/// A request whose reply has not come.
#[derive(Clone, Copy, Debug)]
pub(super) struct InFlight {
    pub(super) awaited: Awaited,
    step: Step,
    /// Number of the user of a session to be created.
    user: u64,
    expectation: Expectation,
    /// What an earlier part of the answer showed.
    shown: Option<Contents>,
    /// When it should have been sent.
    intended: u64,
    /// When it was sent.
    sent: u64,
}

/// What changes while a phase runs. It is lent to the next phase of the same thread.
pub(super) struct State {
    pub(super) source: Source,
    pub(super) sessions: Sessions,
    pub(super) random: Random,
    pub(super) recorder: Recorder,
    /// Number of the next user, and by how much it grows.
    pub(super) next_user: u64,
    pub(super) user_step: u64,
    /// Number of the last request.
    pub(super) number: u32,
    /// Requests of the window that may still be sent; `None` when time ends the window.
    pub(super) requests_left: Option<u64>,
    /// Keep the tokens of created sessions.
    pub(super) keep_created: bool,
    /// The first error that a create met, for the sentence about a server that refuses.
    pub(super) create_trouble: Option<Trouble>,
}

/// What a connection got to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Batch {
    /// At least one request was written.
    Written,
    /// Nothing is due yet.
    Later,
    /// There will be nothing any more.
    Over,
}

/// One thread's part of a phase.
pub(super) struct Worker {
    pub(super) target: Arc<dyn Target>,
    pub(super) stopwatch: Stopwatch,
    pub(super) depth: usize,
    /// Nanoseconds that a reply may take.
    pub(super) timeout: u64,
    pub(super) window: Window,
    /// The schedule of an open loop.
    pub(super) pacer: Option<Pacer>,
    /// Sessions created so far by all threads, for the progress bar.
    pub(super) created: Arc<AtomicU64>,
    pub(super) state: RefCell<State>,
}

impl Worker {
    /// Appends the next requests of a connection, at most as many as the pipeline is deep.
    pub(super) fn next_batch(&self, out: &mut Vec<u8>, queue: &mut VecDeque<InFlight>) -> Batch {
        let now = self.stopwatch.nanos();
        let state = &mut *self.state.borrow_mut();
        let before = out.len();
        let mut batch = Batch::Over;
        while queue.len() < self.depth {
            let intended = match self.due(now) {
                Due::At(intended) => intended,
                Due::Later => {
                    batch = Batch::Later;
                    break;
                }
                Due::Never => break,
            };
            if !self.send_one(state, intended, now, out, queue) {
                if let Some(pacer) = &self.pacer {
                    pacer.stop();
                }
                break;
            }
        }
        state.recorder.bytes_sent += if now >= self.window.from {
            (out.len() - before) as u64
        } else {
            0
        };
        if queue.is_empty() {
            batch
        } else {
            Batch::Written
        }
    }

    fn due(&self, now: u64) -> Due {
        match &self.pacer {
            Some(pacer) => pacer.take(now),
            None if now < self.window.until => Due::At(now),
            None => Due::Never,
        }
    }

    /// False when there is nothing left to send.
    fn send_one(
        &self,
        state: &mut State,
        intended: u64,
        now: u64,
        out: &mut Vec<u8>,
        queue: &mut VecDeque<InFlight>,
    ) -> bool {
        if let Some(left) = &mut state.requests_left
            && intended >= self.window.from
        {
            if *left == 0 {
                return false;
            }
            *left -= 1;
        }
        let Some(step) = state.source.next(&mut state.sessions, &mut state.random) else {
            return false;
        };
        let mut user = 0;
        let mut expectation = Expectation::default();
        match step.verb {
            Verb::Create => {
                user = state.next_user;
                state.next_user += state.user_step;
            }
            Verb::Get | Verb::Touch | Verb::Set | Verb::Rotate | Verb::Kill => {
                if let Some(ledger) = &mut state.sessions.ledger {
                    expectation = ledger.send(step.session, step.verb, step.if_version, now);
                }
            }
            Verb::List | Verb::Fetch => {}
        }
        state.number = state.number.wrapping_add(1);
        let awaited = self.with_request(state, step, user, now, |request| {
            self.target.write(request, out)
        });
        queue.push_back(InFlight {
            awaited,
            step,
            user,
            expectation,
            shown: None,
            intended,
            sent: now,
        });
        true
    }

    /// A request as a target wants it.
    fn with_request<R>(
        &self,
        state: &State,
        step: Step,
        user: u64,
        now: u64,
        write: impl FnOnce(&Request<'_>) -> R,
    ) -> R {
        let number = state.number;
        let chosen = match step.verb {
            Verb::Create => self.target.chosen_token(user),
            Verb::Get
            | Verb::Touch
            | Verb::Set
            | Verb::Rotate
            | Verb::Kill
            | Verb::List
            | Verb::Fetch => None,
        };
        let token: &[u8] = match step.verb {
            Verb::Create => chosen.as_ref().map_or(&[], |token| token.as_slice()),
            Verb::Get | Verb::Touch | Verb::Set | Verb::Rotate | Verb::Kill => {
                state.sessions.token(step.session)
            }
            Verb::List | Verb::Fetch => &[],
        };
        write(&Request {
            verb: step.verb,
            token,
            user,
            mark: step.mark,
            if_version: step.if_version,
            now: self.stopwatch.unix_seconds(now),
            number,
        })
    }

    /// Counts bytes that came from the server.
    pub(super) fn received(&self, bytes: usize, now: u64) {
        if now >= self.window.from {
            self.state.borrow_mut().recorder.bytes_received += bytes as u64;
        }
    }

    /// Judges a reply. False when the request needs another round trip, which is appended to `out`.
    pub(super) fn reply(
        &self,
        flight: &mut InFlight,
        reply: &Reply<'_>,
        now: u64,
        out: &mut Vec<u8>,
    ) -> bool {
        let state = &mut *self.state.borrow_mut();
        let trouble = match self.target.meaning(flight.awaited, &reply.frame) {
            Meaning::Unfinished => {
                if flight.step.verb == Verb::Get && state.sessions.ledger.is_some() {
                    flight.shown = self.target.contents(&reply.frame.body);
                }
                let (step, user) = (flight.step, flight.user);
                state.number = state.number.wrapping_add(1);
                flight.awaited = self.with_request(state, step, user, now, |request| {
                    let frame = &reply.frame;
                    self.target.go_on(request, flight.awaited, frame, out)
                });
                return false;
            }
            Meaning::Created(token) => self.created(state, token, flight, now),
            Meaning::Served => {
                self.served(state, flight, &reply.frame, now);
                None
            }
            Meaning::Killed => {
                settle(state, flight, Outcome::Killed, now);
                if state.sessions.ledger.is_some() {
                    state.sessions.killed.push(flight.step.session);
                }
                None
            }
            Meaning::Rotated(token) => rotated(state, token, flight, now),
            Meaning::Conflict => {
                settle(state, flight, Outcome::Conflict, now);
                None
            }
            Meaning::Missing => missing(state, flight, now),
            Meaning::Refused(refusal) => {
                settle(state, flight, Outcome::Unknown, now);
                Some(Trouble::Refused(refusal))
            }
        };
        self.record(state, flight, trouble, now);
        true
    }

    fn served(&self, state: &mut State, flight: &InFlight, frame: &Frame<'_>, now: u64) {
        let outcome = match flight.step.verb {
            Verb::Set if state.sessions.ledger.is_some() => {
                Outcome::Written(self.target.version(&frame.body))
            }
            Verb::Touch => Outcome::Touched,
            Verb::Get if state.sessions.ledger.is_some() => {
                Outcome::Shown((flight.shown).or_else(|| self.target.contents(&frame.body)))
            }
            Verb::Get
            | Verb::Set
            | Verb::Rotate
            | Verb::Create
            | Verb::Kill
            | Verb::List
            | Verb::Fetch => Outcome::Unknown,
        };
        settle(state, flight, outcome, now);
    }

    fn created(
        &self,
        state: &mut State,
        token: Option<&[u8]>,
        flight: &InFlight,
        now: u64,
    ) -> Option<Trouble> {
        if !state.keep_created {
            return None;
        }
        let added = match token {
            Some(token) => state.sessions.add(token),
            None => (self.target.chosen_token(flight.user))
                .is_some_and(|token| state.sessions.add(&token)),
        };
        if !added {
            return Some(Trouble::Malformed);
        }
        if let Some(ledger) = &mut state.sessions.ledger {
            ledger.created(flight.sent, now);
        }
        self.created.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// A request that will get no reply.
    pub(super) fn failed(&self, flight: &InFlight, trouble: Trouble) {
        let now = self.stopwatch.nanos();
        let state = &mut *self.state.borrow_mut();
        settle(state, flight, Outcome::Unknown, now);
        if flight.step.verb == Verb::Rotate {
            // Nobody knows its token any more.
            state.sessions.end(flight.step.session);
        }
        self.record(state, flight, Some(trouble), now);
    }

    /// Whether the phase has ended, so that a broken connection need not be made anew.
    pub(super) fn is_over(&self) -> bool {
        self.stopwatch.nanos() >= self.window.until
    }

    /// A connection could not be made anew.
    pub(super) fn connect_failed(&self) {
        let now = self.stopwatch.nanos();
        if (self.window.from..self.window.until).contains(&now) {
            self.state.borrow_mut().recorder.trouble(Trouble::Connect);
        }
    }

    fn record(&self, state: &mut State, flight: &InFlight, trouble: Option<Trouble>, now: u64) {
        if flight.step.verb == Verb::Create && trouble.is_some() {
            state.source.create_failed();
            state.create_trouble = state.create_trouble.or(trouble);
        }
        if !(self.window.from..self.window.until).contains(&flight.intended) {
            return;
        }
        state.recorder.last_reply = now;
        match trouble {
            Some(trouble) => state.recorder.failed(flight.step.verb, trouble),
            None => {
                let response = now.saturating_sub(flight.intended);
                let service = now.saturating_sub(flight.sent);
                state.recorder.answered(flight.step.verb, response, service);
            }
        }
    }
}

/// A session that is not there is an error when nobody ended it. In a verified run the ledger
/// knows better.
fn missing(state: &mut State, flight: &InFlight, now: u64) -> Option<Trouble> {
    let expected = state.sessions.has_ended(flight.step.session) && flight.step.verb != Verb::Kill;
    if !settle(state, flight, Outcome::Missing, now) {
        return None;
    }
    state.sessions.end(flight.step.session);
    (!expected && state.sessions.ledger.is_none()).then_some(Trouble::Missing)
}

/// In a verified run the token that the session had must not be served any more.
fn rotated(state: &mut State, token: &[u8], flight: &InFlight, now: u64) -> Option<Trouble> {
    settle(state, flight, Outcome::Rotated, now);
    let Some(old) = state.sessions.rotate(flight.step.session, token) else {
        return Some(Trouble::Malformed);
    };
    if state.sessions.ledger.is_some() {
        let retired = state.sessions.len();
        state.sessions.add(&old);
        state.sessions.end(retired);
        state.sessions.killed.push(retired);
        if let Some(ledger) = &mut state.sessions.ledger {
            ledger.retired();
        }
    }
    None
}

/// False when the session may live on although the request did not find it.
fn settle(state: &mut State, flight: &InFlight, outcome: Outcome, now: u64) -> bool {
    if matches!(flight.step.verb, Verb::Create | Verb::List | Verb::Fetch) {
        return true;
    }
    match &mut state.sessions.ledger {
        None => true,
        Some(ledger) => ledger.settle(&Ended {
            session: flight.step.session,
            expectation: flight.expectation,
            mark: flight.step.mark,
            verb: flight.step.verb,
            outcome,
            sent: flight.sent,
            now,
        }),
    }
}
