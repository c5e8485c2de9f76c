//! The command line of `cloakroom bench`.

mod check;
mod units;

use std::path::PathBuf;
use std::time::Duration;

use crate::bench::conditions::Condition;
use crate::bench::echo_server::EchoServerArgs;
use crate::bench::endpoint::Endpoint;
use crate::bench::target::Kind;
use crate::bench::target::http::Dialect;
use crate::bench::workload::{Mix, Spread, Workload};

pub(super) use units::parse_time;

/// Put a session server under load and measure it.
///
/// Closed loop (the default): every connection sends its next requests when the ones before are
/// answered; good for finding the highest throughput. Open loop (--rate): requests are due on a
/// schedule, and latency counts from when they were due, so a server that stalls cannot hide it.
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    pub(super) task: Option<Task>,
    /// What is put under load
    #[arg(short = 'T', long, value_enum, default_value = "http")]
    pub(super) target: Kind,
    /// Where it listens, as http://HOST:PORT, HOST:PORT or unix:PATH [default: loopback, the
    /// target's own port]
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<Endpoint>,
    /// What the HTTP server speaks
    #[arg(long, value_enum, default_value = "rest-sessions")]
    pub(super) dialect: Dialect,
    /// What to ask for
    #[arg(short = 'w', long, value_enum, default_value = "get")]
    pub(super) workload: Workload,
    /// App of the sessions, where the target has apps
    #[arg(long, default_value = "bench")]
    pub(super) app: String,
    /// Show the first access key of this file, which may be that of the server (cloakroom)
    #[arg(long, value_name = "FILE")]
    pub(super) access_key_file: Option<PathBuf>,
    /// Shares of the mixed workload
    #[arg(long, value_name = "VERB=N,...", default_value_t)]
    pub(super) mix: Mix,
    /// Which sessions are asked for: uniform, zipf (exponent 0.99) or zipf:EXPONENT
    #[arg(short = 'k', long, default_value = "uniform")]
    pub(super) keys: Spread,
    /// Creates in a burst of the login-storm workload, for each thread
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(super) burst: usize,
    /// Reads of each session behind its burst
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(super) reads: usize,
    /// Path of the url and idle workloads (HTTP)
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
    /// The sessions of --preload are there, created by an earlier run with the same --preload and -t.
    /// For targets that let the client choose tokens: all but cloakroom and http
    #[arg(long)]
    pub(super) preloaded: bool,
    /// Bytes of a session's data: 0, or 8 and more (back-session: of its device_id)
    #[arg(long, value_name = "BYTES", default_value_t = 60)]
    pub(super) data_size: usize,
    /// Seconds that sessions live. Sent with every create, except back-session: what the server's
    /// SESSION_EXP_SEC is, for --verify
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
    /// Open loop: requests a second, all connections together. With -P they fall due in groups of
    /// that many
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
    /// What the server was told about durability, for the report, as 'AOF everysec' [default: what
    /// it says itself, where it does]
    #[arg(long, value_name = "TEXT")]
    pub(super) durability: Option<String>,
    /// Exit with status 1 when this holds: 'p99>2ms' (any percentile), 'max>50ms', 'errors>0',
    /// 'errors>0.1%', 'rate<100k', 'cpu>6us' (with --pid). Repeatable
    #[arg(long, value_name = "CONDITION")]
    pub(super) fail_if: Vec<Condition>,
    /// Print the report as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// What the command can do besides loading a server.
#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum Task {
    /// Serve connections that send back what they get, as a measure of what connections cost
    EchoServer(EchoServerArgs),
}

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

    /// Where the server listens.
    ///
    /// # Errors
    /// When the URL is none of this target, as a sentence.
    pub(super) fn endpoint(&self) -> Result<Endpoint, String> {
        let scheme = self.target.scheme();
        match &self.url {
            None => self.target.default_address().parse(),
            Some(url) if url.scheme().is_none_or(|given| given == scheme) => Ok(url.clone()),
            Some(url) => Err(format!(
                "{} is no URL of --target {}: write {scheme}://HOST:PORT, HOST:PORT or unix:PATH",
                url.url(url.scheme().unwrap_or_default()),
                self.target.name(),
            )),
        }
    }

    /// The URL of the server in full.
    pub(super) fn shown_url(&self) -> String {
        let endpoint = self.endpoint();
        endpoint.map_or_else(|problem| problem, |e| e.url(self.target.scheme()))
    }

    /// What the server speaks, in words.
    pub(super) fn protocol(&self) -> &'static str {
        if self.target == Kind::Http {
            self.dialect.name()
        } else {
            self.target.name()
        }
    }
}
