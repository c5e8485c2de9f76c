//! The report of a run: figures first, then how they are shown.

mod json;
mod table;

use crate::bench::args::Args;
use crate::bench::conditions::Metric;
use crate::bench::failure::Failure;
use crate::bench::machine::Machine;
use crate::bench::recorder::{Latencies, Recorder};
use crate::bench::run::seconds;
use crate::bench::verify::violations::Tally;

/// What the server's process cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerCost {
    /// Microseconds of CPU time while requests were counted.
    pub(super) cpu_micros: u64,
    /// Resident bytes before the preload, after it, and after the measurement.
    pub(super) resident_empty: u64,
    pub(super) resident_preloaded: u64,
    pub(super) resident_end: u64,
}

/// Everything that a run found out.
pub(super) struct Report<'a> {
    pub(super) args: &'a Args,
    pub(super) machine: Machine,
    /// What acknowledgements of the server survive, as the command line or the server itself says.
    pub(super) durability: Option<String>,
    pub(super) recorder: Recorder,
    /// Nanoseconds in which requests were counted.
    pub(super) nanos: u64,
    pub(super) server: Option<ServerCost>,
    /// Microseconds of CPU time of the load tester itself while requests were counted.
    pub(super) client_cpu_micros: u64,
    pub(super) steal_percent: f64,
    /// What verification found; `None` when it was not asked for.
    pub(super) tally: Option<Tally>,
}

/// The percentiles that are shown, and their names.
const PERCENTILES: [(&str, f64); 5] = [
    ("p50", 50.0),
    ("p90", 90.0),
    ("p99", 99.0),
    ("p99.9", 99.9),
    ("p99.99", 99.99),
];

/// Preloaded sessions from which on their memory stands out from the rest.
const WEIGHABLE: u64 = 10_000;

impl Report<'_> {
    /// The report as a table, or as JSON when that was asked for. `failed` are the sentences about
    /// conditions that hold.
    ///
    /// # Errors
    /// When the histograms cannot be added up.
    pub(super) fn text(&self, failed: &[String]) -> Result<String, Failure> {
        if self.args.json {
            json::text(self, failed)
        } else {
            table::text(self, failed)
        }
    }

    /// A sentence for each condition of `--fail-if` that holds.
    ///
    /// # Errors
    /// When the histograms cannot be added up.
    pub(super) fn failed_conditions(&self) -> Result<Vec<String>, Failure> {
        let all = self.recorder.all()?;
        let sentences = self.args.fail_if.iter().filter_map(|condition| {
            let value = self.value(condition.metric(), &all)?;
            condition.met_by(value)
        });
        Ok(sentences.collect())
    }

    /// `None` for a value that was not measured.
    #[expect(clippy::cast_precision_loss, reason = "compared with a few digits")]
    fn value(&self, metric: Metric, all: &Latencies) -> Option<f64> {
        let errors = self.recorder.errors();
        let requests = self.recorder.requests() + errors;
        match metric {
            Metric::Percentile(percent) => Some(percentile(all, percent)),
            Metric::Longest => Some(micros(all.max())),
            Metric::Errors => Some(errors as f64),
            Metric::ErrorShare => Some(errors as f64 * 100.0 / requests.max(1) as f64),
            Metric::Rate => Some(self.throughput()),
            Metric::Cpu => self
                .server
                .map(|server| self.per_request(server.cpu_micros)),
        }
    }

    /// Requests answered as they should be, a second.
    fn throughput(&self) -> f64 {
        self.per_second(self.recorder.requests())
    }

    #[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
    fn per_second(&self, count: u64) -> f64 {
        count as f64 / seconds(self.nanos)
    }

    /// Microseconds for each request that got an answer, good or bad.
    #[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
    fn per_request(&self, micros: u64) -> f64 {
        let requests = self.recorder.requests() + self.recorder.errors();
        micros as f64 / requests.max(1) as f64
    }

    /// Resident bytes that a preloaded session added; `None` when there are too few to tell.
    #[expect(clippy::cast_precision_loss, reason = "shown without fractions")]
    fn bytes_per_session(&self, server: &ServerCost) -> Option<f64> {
        let sessions = self.args.preload();
        let grown = server
            .resident_preloaded
            .saturating_sub(server.resident_empty);
        (sessions >= WEIGHABLE && !self.args.preloaded).then(|| grown as f64 / sessions as f64)
    }
}

/// A percentile in microseconds.
fn percentile(latencies: &Latencies, percent: f64) -> f64 {
    micros(latencies.value_at_percentile(percent))
}

/// Nanoseconds as microseconds.
#[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1_000.0
}
