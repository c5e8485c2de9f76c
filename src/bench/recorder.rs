//! What one thread measured: latencies, counts, bytes, errors by kind.

use std::collections::BTreeMap;
use std::fmt;

use hdrhistogram::Histogram;

use crate::bench::failure::Failure;
use crate::bench::stopwatch::SECOND;
use crate::bench::target::{Refusal, Verb};

/// Nanoseconds of the longest latency that is told apart from longer ones.
const LONGEST: u64 = 600 * SECOND;

/// Why a request came to nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Trouble {
    /// The reply is an error.
    Refused(Refusal),
    /// No such session, though the run did not end it.
    Missing,
    /// The bytes that came are no reply.
    Malformed,
    /// The connection was closed or broke before the reply.
    Closed,
    /// A new connection could not be made; no request was lost.
    Connect,
    /// No reply within the time-out.
    TimedOut,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "{refusal}"),
            Self::Missing => f.write_str("session missing"),
            Self::Malformed => f.write_str("malformed reply"),
            Self::Closed => f.write_str("connection closed"),
            Self::Connect => f.write_str("connection refused"),
            Self::TimedOut => f.write_str("time-out"),
        }
    }
}

/// Latencies in nanoseconds, three significant digits.
pub(super) type Latencies = Histogram<u64>;

fn latencies() -> Result<Latencies, Failure> {
    Histogram::new_with_bounds(1, LONGEST, 3)
        .map_err(|e| Failure::Local(format!("the latency histogram could not be made: {e}")))
}

/// The measurements of one verb.
#[derive(Clone, Debug)]
pub(super) struct VerbRecord {
    pub(super) verb: Verb,
    /// From the intended start of a request to its reply.
    pub(super) response: Latencies,
    pub(super) errors: u64,
}

/// The measurements of a thread, or of all when added up.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    /// In the order of [`Verb::ALL`].
    verbs: Vec<VerbRecord>,
    /// From the sending of a request to its reply; only where the load follows a schedule, because
    /// otherwise it is the response time.
    service: Option<Latencies>,
    pub(super) troubles: BTreeMap<Trouble, u64>,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    /// When the last reply that counts came.
    pub(super) last_reply: u64,
    /// Requests of the schedule that were due and never sent.
    pub(super) unsent: u64,
}

impl Recorder {
    /// `scheduled` says whether requests may be sent later than they were due.
    pub(super) fn new(scheduled: bool) -> Result<Self, Failure> {
        let verbs = Verb::ALL.into_iter().map(|verb| {
            Ok(VerbRecord {
                verb,
                response: latencies()?,
                errors: 0,
            })
        });
        Ok(Self {
            verbs: verbs.collect::<Result<_, Failure>>()?,
            service: scheduled.then(latencies).transpose()?,
            troubles: BTreeMap::new(),
            bytes_sent: 0,
            bytes_received: 0,
            last_reply: 0,
            unsent: 0,
        })
    }

    /// A request that was answered as it should be. Times in nanoseconds.
    pub(super) fn answered(&mut self, verb: Verb, response: u64, service: u64) {
        if let Some(record) = self.verbs.get_mut(verb.index()) {
            record.response.saturating_record(response);
        }
        if let Some(latencies) = &mut self.service {
            latencies.saturating_record(service);
        }
    }

    pub(super) fn failed(&mut self, verb: Verb, trouble: Trouble) {
        if let Some(record) = self.verbs.get_mut(verb.index()) {
            record.errors += 1;
        }
        self.trouble(trouble);
    }

    pub(super) fn trouble(&mut self, trouble: Trouble) {
        *self.troubles.entry(trouble).or_default() += 1;
    }

    /// The verbs that were used.
    pub(super) fn verbs(&self) -> impl Iterator<Item = &VerbRecord> {
        self.verbs
            .iter()
            .filter(|record| !record.response.is_empty() || record.errors > 0)
    }

    /// The response times of all verbs together.
    pub(super) fn all(&self) -> Result<Latencies, Failure> {
        let mut all = latencies()?;
        for record in self.verbs() {
            add(&mut all, &record.response)?;
        }
        Ok(all)
    }

    /// The times from sending to reply; those of a schedule's requests, else the response times.
    pub(super) fn service(&self) -> Result<Latencies, Failure> {
        match &self.service {
            Some(service) => Ok(service.clone()),
            None => self.all(),
        }
    }

    /// Requests answered as they should be.
    pub(super) fn requests(&self) -> u64 {
        self.verbs.iter().map(|record| record.response.len()).sum()
    }

    /// Errors of all kinds.
    pub(super) fn errors(&self) -> u64 {
        self.troubles.values().sum()
    }

    pub(super) fn add(&mut self, other: &Self) -> Result<(), Failure> {
        for (ours, theirs) in self.verbs.iter_mut().zip(&other.verbs) {
            add(&mut ours.response, &theirs.response)?;
            ours.errors += theirs.errors;
        }
        if let (Some(ours), Some(theirs)) = (&mut self.service, &other.service) {
            add(ours, theirs)?;
        }
        for (trouble, count) in &other.troubles {
            *self.troubles.entry(*trouble).or_default() += count;
        }
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.last_reply = self.last_reply.max(other.last_reply);
        self.unsent += other.unsent;
        Ok(())
    }
}

fn add(sum: &mut Latencies, more: &Latencies) -> Result<(), Failure> {
    sum.add(more)
        .map_err(|e| Failure::Local(format!("latency histograms could not be added: {e}")))
}
