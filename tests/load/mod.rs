//! `cloakroom bench` within the test process: its report, its complaints, its exit status.

use std::process::ExitCode;

use clap::Parser;
use cloakroom::bench;
use serde_json::Value;

#[derive(Parser)]
#[command(args_override_self = true)]
struct Command {
    #[command(flatten)]
    args: bench::Args,
}

/// A run that has ended.
pub(crate) struct Ran {
    pub(crate) code: ExitCode,
    pub(crate) report: String,
    pub(crate) complaint: String,
}

impl Ran {
    /// The report of a run with `--json`.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.report)
            .unwrap_or_else(|e| panic!("{e}: {} {}", self.report, self.complaint))
    }
}

/// Runs the load tester with these arguments; a later one overrides an earlier one.
pub(crate) fn run(line: &str) -> Ran {
    let words = std::iter::once("bench").chain(line.split_ascii_whitespace());
    let command = Command::parse_from(words);
    let (mut report, mut complaint) = (Vec::new(), Vec::new());
    let code = bench::run_to(&command.args, &mut report, &mut complaint);
    Ran {
        code,
        report: String::from_utf8(report).unwrap(),
        complaint: String::from_utf8(complaint).unwrap(),
    }
}
