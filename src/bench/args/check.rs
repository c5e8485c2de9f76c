//! What clap cannot see: values that make no sense, alone or together.

use crate::bench::args::Args;
use crate::bench::conditions::Metric;
use crate::bench::target::Kind;
use crate::bench::target::http::Dialect;
use crate::bench::workload::Workload;

/// Bytes of the smallest JSON object that carries data.
const SMALLEST_DATA: usize = 8;
/// Bytes of the largest data that every target takes in one request.
const LARGEST_DATA: usize = 1 << 20;
/// Connections, pipeline depth, threads and bursts that are surely a mistake.
const MOST: usize = 1_000_000;

/// Something that may be wrong, and the sentence that says what to change.
type Problem = (bool, &'static str);

impl Args {
    /// Finds arguments that make no sense.
    ///
    /// # Errors
    /// A sentence that says what to change.
    pub(in crate::bench) fn check(&self) -> Result<(), String> {
        let problems = (self.problems_of_load().into_iter())
            .chain(self.problems_of_sessions())
            .chain(self.problems_of_target());
        for (is_wrong, sentence) in problems {
            if is_wrong {
                return Err(sentence.to_owned());
            }
        }
        self.endpoint()?;
        let verbs = self.workload.verbs(&self.mix);
        match verbs.into_iter().find(|verb| self.target.lacks(*verb)) {
            Some(verb) => Err(format!(
                "--target {} has no {}: choose another --workload or --mix",
                self.target.name(),
                verb.name(),
            )),
            None => Ok(()),
        }
    }

    fn problems_of_load(&self) -> [Problem; 8] {
        let is_empty_run = self.duration().is_some_and(|d| d.is_zero());
        let looks_at_cpu = self.fail_if.iter().any(|c| c.metric() == Metric::Cpu);
        [
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
            (self.rate == Some(0), "--rate must be at least 1"),
            (self.requests == Some(0), "--requests must be at least 1"),
            (is_empty_run, "--duration must be longer than nothing"),
            (
                self.timeout.is_zero(),
                "--timeout must be longer than nothing",
            ),
            (
                looks_at_cpu && self.pid.is_none(),
                "--fail-if cpu needs the server's --pid",
            ),
        ]
    }

    fn problems_of_sessions(&self) -> [Problem; 6] {
        let app_is_valid = (3..=20).contains(&self.app.len())
            && (self.app.bytes()).all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        [
            (
                self.workload.needs_sessions() && self.preload() == 0,
                "this workload needs sessions: give --preload at least 1",
            ),
            (
                (1..SMALLEST_DATA).contains(&self.data_size),
                "--data-size must be 0 or at least 8, the smallest JSON object with data",
            ),
            (
                self.data_size > LARGEST_DATA,
                "--data-size must be at most 1048576",
            ),
            (
                !app_is_valid,
                "--app must be 3 to 20 of the characters A-Z a-z 0-9 _ -",
            ),
            (
                self.ttl == Some(0),
                "--ttl must be at least 1 (rest-sessions: at least 10)",
            ),
            (
                !(1..=MOST).contains(&self.burst) || !(1..=MOST).contains(&self.reads),
                "--burst and --reads must be from 1 to 1000000",
            ),
        ]
    }

    fn problems_of_target(&self) -> [Problem; 8] {
        let path_is_valid =
            self.path.starts_with('/') && self.path.bytes().all(|b| b.is_ascii_graphic());
        let speaks = |dialect| self.target == Kind::Http && self.dialect == dialect;
        [
            (
                !path_is_valid,
                "--path must start with / and be percent-encoded where it is not plain ASCII",
            ),
            (
                self.access_key_file.is_some() && self.target != Kind::Cloakroom,
                "--access-key-file is for --target cloakroom: no other protocol has access keys",
            ),
            (
                speaks(Dialect::RestSessions) && self.ttl.is_some_and(|ttl| ttl < 10),
                "rest-sessions accepts a --ttl of at least 10 seconds",
            ),
            (
                speaks(Dialect::Tarantool) && self.ttl.is_some(),
                "tarantool sessions always live for 180 days: leave --ttl out",
            ),
            (
                self.verify
                    && matches!(
                        self.workload,
                        Workload::List | Workload::Url | Workload::Idle
                    ),
                "--verify needs a workload on sessions: create, get, set, mixed or login-storm",
            ),
            (
                self.preloaded && !self.target.lets_choose_tokens(),
                "--preloaded needs a target whose tokens the client chooses: not cloakroom and http",
            ),
            (
                self.preloaded && self.verify,
                "--verify knows only sessions that it has created: leave --preloaded out",
            ),
            (
                self.verify && !self.target.can_be_verified(),
                "--verify needs a target whose replies show r and the data: http, redis or cloakroom",
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::Args;

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
    fn contradictions_are_refused_with_a_sentence() {
        for (line, word) in [
            ("-c 0", "-c, -t and -P"),
            ("-P 2000000", "at most"),
            ("-c 1 -t 2", "every thread"),
            ("-w set --preload 0", "--preload"),
            ("--data-size 7", "--data-size"),
            ("--data-size 2000000", "--data-size"),
            ("--app ab", "--app"),
            ("--app a/b/c", "--app"),
            ("--path x", "--path"),
            ("--access-key-file keys", "--target cloakroom"),
            ("--rate 0", "--rate"),
            ("-n 0", "--requests"),
            ("-d 0", "--duration"),
            ("-d 5 -n 5", "--requests"),
            ("--timeout 0", "--timeout"),
            ("--ttl 9", "at least 10"),
            ("--dialect tarantool --ttl 60", "180 days"),
            ("-w url --verify", "--verify"),
            ("--preloaded", "--preloaded"),
            ("-T cloakroom --preloaded", "--preloaded"),
            ("-T redis --verify --preloaded", "--preloaded"),
            ("--url ftp://x", "http://HOST:PORT"),
            ("--url redis://a:1", "no URL of --target http"),
            ("--workload nothing", "mixed"),
            ("-w touch", "no touch"),
            ("-w mixed --mix get=1,touch=1", "no touch"),
            ("--mix get=1,jump=1", "none of"),
            ("--keys normal", "zipf"),
            ("-w login-storm --burst 0", "--burst"),
            ("--fail-if p99>2parsec", "unit of time"),
            ("--fail-if cpu>6us", "--pid"),
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
        assert_eq!(args.endpoint().unwrap().to_string(), "127.0.0.1:7080");
        let line = "--url http://[::1]:1 --dialect back-session -w mixed -c 8 -t 2 -P 16 \
                    --preload 5 --data-size 0 --ttl 3 --seed 9 -n 1000 --warm-up 0 -R 100 --verify \
                    --keys zipf:1.1 --mix get=1,kill=1 --fail-if p99.9>=2ms --fail-if errors>0";
        let args = parsed(line).unwrap();
        assert_eq!((args.duration(), args.fail_if.len()), (None, 2));
        assert_eq!(parsed("-w login-storm").unwrap().preload(), 0);
        assert!(parsed("--url unix:/run/x.sock").is_ok());
    }
}
