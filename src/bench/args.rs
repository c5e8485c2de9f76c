//! The command line of `cloakroom bench`.

use std::time::Duration;

use crate::bench::endpoint::Endpoint;
use crate::bench::target::http::Dialect;
use crate::bench::workload::Workload;

/// Put a session server under load and measure it.
///
/// Closed loop (the default): every connection sends its next requests when the ones before are
/// answered; good for finding the highest throughput. Open loop (--rate): requests are due on a
/// schedule, and latency counts from when they were due, so a server that stalls cannot hide it.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Server under load
    #[arg(
        long,
        value_name = "http://HOST:PORT",
        default_value = "http://127.0.0.1:7080"
    )]
    pub(super) url: Endpoint,
    /// What the server speaks
    #[arg(long, value_enum, default_value = "rest-sessions")]
    pub(super) dialect: Dialect,
    /// What to ask for
    #[arg(short = 'w', long, value_enum, default_value = "get")]
    pub(super) workload: Workload,
    /// App of the sessions (rest-sessions)
    #[arg(long, default_value = "bench")]
    pub(super) app: String,
    /// Path of the url and idle workloads
    #[arg(long, default_value = "/ping")]
    pub(super) path: String,
    /// Connections, all threads together
    #[arg(short = 'c', long, value_name = "N", default_value_t = 50)]
    pub(super) connections: usize,
    /// Threads of the load tester
    #[arg(short = 't', long, value_name = "N", default_value_t = 1)]
    pub(super) threads: usize,
    /// Requests that a connection sends at once before it waits for the replies
    #[arg(short = 'P', long, value_name = "N", default_value_t = 1)]
    pub(super) pipeline: usize,
    /// Sessions created before the measurement [default: 10000 where the workload needs sessions]
    #[arg(long, value_name = "N")]
    pub(super) preload: Option<u64>,
    /// Bytes of a session's data: 0, or 8 and more (back-session: of its device_id)
    #[arg(long, value_name = "BYTES", default_value_t = 60)]
    pub(super) data_size: usize,
    /// Seconds that sessions live. rest-sessions: sent with every create. back-session: what the
    /// server's SESSION_EXP_SEC is, for --verify
    #[arg(long, value_name = "SECONDS")]
    pub(super) ttl: Option<u64>,
    /// Start of the random numbers; the same seed asks for the same sessions in the same order
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// Length of the measurement, as 10s, 500ms or 2m [default: 10s]
    #[arg(short = 'd', long, value_name = "TIME", value_parser = parse_time, conflicts_with = "requests")]
    pub(super) duration: Option<Duration>,
    /// End the measurement after so many requests instead
    #[arg(short = 'n', long, value_name = "N")]
    pub(super) requests: Option<u64>,
    /// Load before the measurement that is not counted
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "1s")]
    pub(super) warm_up: Duration,
    /// Open loop: requests a second, all connections together
    #[arg(short = 'R', long, value_name = "N")]
    pub(super) rate: Option<u64>,
    /// Longest wait for a reply
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "10s")]
    pub(super) timeout: Duration,
    /// Process id of the server, to report its CPU time and memory
    #[arg(long)]
    pub(super) pid: Option<u32>,
    /// Check every reply: lost updates, wrong r, sessions served after their end or missing before
    /// it. Exit status 1 when something is wrong. Takes its time; do not measure with it
    #[arg(long)]
    pub(super) verify: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Bytes of the smallest JSON object that carries data.
const SMALLEST_DATA: usize = 8;
/// Connections, pipeline depth and threads that are surely a mistake.
const MOST: usize = 1_000_000;

impl Args {
    /// Sessions to be created before the measurement.
    pub(super) fn preload(&self) -> u64 {
        let default = if self.workload.needs_sessions() {
            10_000
        } else {
            0
        };
        self.preload.unwrap_or(default)
    }

    /// Length of the measurement, `None` when requests are counted instead.
    pub(super) fn duration(&self) -> Option<Duration> {
        let default = || Duration::from_secs(10);
        self.requests
            .is_none()
            .then(|| self.duration.unwrap_or_else(default))
    }

    /// What clap cannot see: values that make no sense, alone or together.
    ///
    /// # Errors
    /// A sentence that says what to change.
    pub(super) fn check(&self) -> Result<(), String> {
        let app_is_valid = (3..=20).contains(&self.app.len())
            && (self.app.bytes()).all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let path_is_valid =
            self.path.starts_with('/') && self.path.bytes().all(|b| b.is_ascii_graphic());
        let is_empty_run = self.duration().is_some_and(|d| d.is_zero());
        let problems: [(bool, &str); 15] = [
            (
                self.connections == 0 || self.threads == 0 || self.pipeline == 0,
                "-c, -t and -P must be at least 1",
            ),
            (
                self.connections.max(self.threads).max(self.pipeline) > MOST,
                "-c, -t and -P must be at most 1000000",
            ),
            (
                self.threads > self.connections,
                "every thread needs a connection: give -c at least as many as -t",
            ),
            (
                self.workload.needs_sessions() && self.preload() == 0,
                "this workload needs sessions: give --preload at least 1",
            ),
            (
                (1..SMALLEST_DATA).contains(&self.data_size),
                "--data-size must be 0 or at least 8, the smallest JSON object with data",
            ),
            (
                !app_is_valid,
                "--app must be 3 to 20 of the characters A-Z a-z 0-9 _ -",
            ),
            (
                !path_is_valid,
                "--path must start with / and be percent-encoded where it is not plain ASCII",
            ),
            (self.rate == Some(0), "--rate must be at least 1"),
            (self.requests == Some(0), "--requests must be at least 1"),
            (is_empty_run, "--duration must be longer than nothing"),
            (
                self.timeout.is_zero(),
                "--timeout must be longer than nothing",
            ),
            (
                self.ttl == Some(0),
                "--ttl must be at least 1 (rest-sessions: at least 10)",
            ),
            (
                self.dialect == Dialect::RestSessions && self.ttl.is_some_and(|ttl| ttl < 10),
                "rest-sessions accepts a --ttl of at least 10 seconds",
            ),
            (
                self.dialect == Dialect::Tarantool && self.ttl.is_some(),
                "tarantool sessions always live for 180 days: leave --ttl out",
            ),
            (
                self.verify && !self.workload.needs_sessions() && self.workload != Workload::Create,
                "--verify needs a workload on sessions: create, get, set or mixed",
            ),
        ];
        match problems.iter().find(|(is_wrong, _)| *is_wrong) {
            Some((_, sentence)) => Err((*sentence).to_owned()),
            None => Ok(()),
        }
    }
}

/// A time as `10s`, `500ms`, `2m`, or plain seconds.
fn parse_time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.strip_prefix(digits).unwrap_or_default();
    let number: u64 = digits
        .parse()
        .map_err(|e| format!("write a time as 10s, 500ms or 2m ({e})"))?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "" | "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => Err(format!("{unit:?} is no unit of time: use ms, s or m")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::{Args, parse_time};

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn parsed(line: &str) -> Result<Args, String> {
        let words = std::iter::once("bench").chain(line.split_ascii_whitespace());
        let command = Command::try_parse_from(words).map_err(|e| e.to_string())?;
        command.args.check().map(|()| command.args)
    }

    #[test]
    fn times_are_read_with_and_without_unit() {
        for (text, millis) in [("10", 10_000), ("10s", 10_000), ("5ms", 5), ("2m", 120_000)] {
            assert_eq!(parse_time(text), Ok(Duration::from_millis(millis)));
        }
        for text in ["", "s", "1h", "-1s", "1.5s"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn contradictions_are_refused_with_a_sentence() {
        for (line, word) in [
            ("-c 0", "-c, -t and -P"),
            ("-P 2000000", "at most"),
            ("-c 1 -t 2", "every thread"),
            ("-w set --preload 0", "--preload"),
            ("--data-size 7", "--data-size"),
            ("--app ab", "--app"),
            ("--app a/b/c", "--app"),
            ("--path x", "--path"),
            ("--rate 0", "--rate"),
            ("-n 0", "--requests"),
            ("-d 0", "--duration"),
            ("-d 5 -n 5", "--requests"),
            ("--timeout 0", "--timeout"),
            ("--ttl 9", "at least 10"),
            ("--dialect tarantool --ttl 60", "180 days"),
            ("-w url --verify", "--verify"),
            ("--url ftp://x", "http://HOST:PORT"),
            ("--workload nothing", "mixed"),
        ] {
            let problem = parsed(line).unwrap_err();
            assert!(problem.contains(word), "{line}: {problem}");
        }
    }

    #[test]
    fn defaults_and_a_full_command_line_are_accepted() {
        let args = parsed("").unwrap();
        assert_eq!((args.preload(), args.connections), (10_000, 50));
        assert_eq!(args.duration(), Some(Duration::from_secs(10)));
        let line = "--url http://[::1]:1 --dialect back-session -w mixed -c 8 -t 2 -P 16 \
                    --preload 5 --data-size 0 --ttl 3 --seed 9 -n 1000 --warm-up 0 -R 100 --verify";
        assert_eq!(parsed(line).unwrap().duration(), None);
    }
}
