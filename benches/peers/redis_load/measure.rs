//! Latencies and counts, and what a process has cost, read from `/proc`.

use std::fs;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// Nanoseconds of the longest latency that is told apart from longer ones.
const LONGEST: u64 = 600_000_000_000;

/// What a phase came to.
pub(crate) struct Measured {
    pub(crate) latencies: Histogram<u64>,
    /// Operations on a session that another connection had killed.
    pub(crate) gone: u64,
    /// The first refusal of the server.
    pub(crate) refusal: Option<String>,
}

impl Measured {
    pub(crate) fn new() -> Result<Self, String> {
        let latencies = Histogram::new_with_bounds(1, LONGEST, 3).map_err(|e| e.to_string())?;
        Ok(Self {
            latencies,
            gone: 0,
            refusal: None,
        })
    }

    pub(crate) fn add(&mut self, other: &Self) -> Result<(), String> {
        self.gone += other.gone;
        self.refusal = self.refusal.take().or_else(|| other.refusal.clone());
        let added = self.latencies.add(&other.latencies);
        added.map_err(|e| e.to_string())
    }

    /// Complains when the server refused something.
    pub(crate) fn check(&self) -> Result<(), String> {
        match &self.refusal {
            Some(text) => Err(format!("the server refused an operation: {text}")),
            None => Ok(()),
        }
    }

    pub(crate) fn operations(&self) -> u64 {
        self.latencies.len()
    }

    #[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
    pub(crate) fn per_operation(&self, micros: u64) -> f64 {
        micros as f64 / self.operations().max(1) as f64
    }

    #[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
    pub(crate) fn per_second(&self, seconds: f64) -> f64 {
        self.operations() as f64 / seconds
    }

    /// Microseconds.
    pub(crate) fn percentiles(&self) -> Value {
        let at = |percent: f64| self.latencies.value_at_percentile(percent) / 1_000;
        json!({
            "p50": at(50.0), "p90": at(90.0), "p99": at(99.0), "p99.9": at(99.9),
            "max": self.latencies.max() / 1_000,
        })
    }
}

fn read(pid: u32, name: &str) -> Result<String, String> {
    let path = format!("/proc/{pid}/{name}");
    fs::read_to_string(&path).map_err(|e| format!("{path}: {e}; is --pid right?"))
}

/// CPU time of a process so far, of all its threads, user and system together.
pub(crate) fn cpu_micros(pid: u32) -> Result<u64, String> {
    let stat = read(pid, "stat")?;
    let ticks = || {
        let (_, behind) = stat.rsplit_once(')')?;
        let mut fields = behind.split_ascii_whitespace().skip(11);
        let user: u64 = fields.next()?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        Some(user + system)
    };
    let ticks = ticks().ok_or("/proc has a form that is not understood")?;
    Ok(ticks * 1_000_000 / rustix::param::clock_ticks_per_second().max(1))
}

/// Resident memory of a process.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64, String> {
    let status = read(pid, "status")?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|l| l.split_ascii_whitespace().next()?.parse::<u64>().ok());
    kibibytes
        .map(|k| k * 1_024)
        .ok_or_else(|| "/proc has a form that is not understood".to_owned())
}
