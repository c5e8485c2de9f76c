//! What one thread measured: latencies, counts, bytes, errors by kind.

use std::collections::BTreeMap;
use std::fmt;

use hdrhistogram::Histogram;

use crate::bench::failure::Failure;
use crate::bench::stopwatch::SECOND;
use crate::bench::target::Verb;

/// Nanoseconds of the longest latency that is told apart from longer ones.
const LONGEST: u64 = 600 * SECOND;

/// Why a request came to nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Trouble {
    /// The reply is an error with this status.
    Status(u16),
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
            Self::Status(200) => f.write_str("status 200 with an error inside"),
            Self::Status(status) => write!(f, "status {status}"),
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
    /// From the intended start of a request to its reply.
    pub(super) response: Latencies,
    pub(super) errors: u64,
}

/// The measurements of a thread, or of all when added up.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    verbs: BTreeMap<Verb, VerbRecord>,
    /// From the sending of a request to its reply; differs from the response time only when the
    /// load follows a schedule.
    pub(super) service: Latencies,
    pub(super) troubles: BTreeMap<Trouble, u64>,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    /// When the last reply that counts came.
    pub(super) last_reply: u64,
    /// Requests of the schedule that were due and never sent.
    pub(super) unsent: u64,
}

impl Recorder {
    pub(super) fn new() -> Result<Self, Failure> {
        let mut verbs = BTreeMap::new();
        for verb in Verb::ALL {
            let response = latencies()?;
            verbs.insert(
                verb,
                VerbRecord {
                    response,
                    errors: 0,
                },
            );
        }
        Ok(Self {
            verbs,
            service: latencies()?,
            troubles: BTreeMap::new(),
            bytes_sent: 0,
            bytes_received: 0,
            last_reply: 0,
            unsent: 0,
        })
    }

    /// A request that was answered as it should be. Times in nanoseconds.
    pub(super) fn answered(&mut self, verb: Verb, response: u64, service: u64) {
        if let Some(record) = self.verbs.get_mut(&verb) {
            record.response.saturating_record(response);
        }
        self.service.saturating_record(service);
    }

    pub(super) fn failed(&mut self, verb: Verb, trouble: Trouble) {
        if let Some(record) = self.verbs.get_mut(&verb) {
            record.errors += 1;
        }
        self.trouble(trouble);
    }

    pub(super) fn trouble(&mut self, trouble: Trouble) {
        *self.troubles.entry(trouble).or_default() += 1;
    }

    /// The verbs that were used.
    pub(super) fn verbs(&self) -> impl Iterator<Item = (Verb, &VerbRecord)> {
        self.verbs
            .iter()
            .filter(|(_, record)| !record.response.is_empty() || record.errors > 0)
            .map(|(verb, record)| (*verb, record))
    }

    /// The response times of all verbs together.
    pub(super) fn all(&self) -> Result<Latencies, Failure> {
        let mut all = latencies()?;
        for (_, record) in self.verbs() {
            add(&mut all, &record.response)?;
        }
        Ok(all)
    }

    /// Requests answered as they should be.
    pub(super) fn requests(&self) -> u64 {
        self.service.len()
    }

    /// Errors of all kinds.
    pub(super) fn errors(&self) -> u64 {
        self.troubles.values().sum()
    }

    pub(super) fn add(&mut self, other: &Self) -> Result<(), Failure> {
        for (verb, theirs) in &other.verbs {
            if let Some(ours) = self.verbs.get_mut(verb) {
                add(&mut ours.response, &theirs.response)?;
                ours.errors += theirs.errors;
            }
        }
        add(&mut self.service, &other.service)?;
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
