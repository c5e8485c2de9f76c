//! The recorded traffic of the three old services, replayed over a socket against this server.
//!
//! Time stands still but for what a transcript lets pass, so nothing here waits.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod conformance {
    pub(crate) mod compare;
    pub(crate) mod json;
    pub(crate) mod placeholder;
    mod planted;
    pub(crate) mod server;
    pub(crate) mod transcript;
    pub(crate) mod wire;
}

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use cloakroom::clock::{Clock, ManualClock, Millis};
use cloakroom::config::DialectName;

use conformance::compare::{Comparer, Leniency};
use conformance::json::{Json, Text};
use conformance::placeholder::fresh;
use conformance::server::Running;
use conformance::transcript::{Capture, CaptureFrom, Environment, PathStep, Step, read};
use conformance::wire::{Answer, exchange};

/// Tags of scenarios and steps that this server answers otherwise on purpose.
const SKIPPED: [&str; 17] = [
    "fixed",
    "html-stack",
    "lua-error",
    "head-body",
    "infinity",
    "qs-nesting",
    "qs-duplicate",
    "bad-utf8",
    "double-decode",
    "colon-bug",
    "runtime",
    "http",
    "etag",
    "routing-lenient",
    "patch-empty",
    "patch-dates",
    "redirect",
];
/// Tag of steps of which only the status counts.
const STATUS_ONLY: &str = "html-error";
/// When the replays begin.
const START: Millis = Millis(1_795_161_703_019);

/// Longer than any session of the transcripts lives: two years in milliseconds.
const FOR_EVER: u64 = 2 * 365 * 86_400_000;

/// A transcript and how it is replayed.
struct Replay {
    file: &'static str,
    dialect: DialectName,
    /// `SESSION_EXP_SEC` of the service, where it is set.
    seconds: Option<i64>,
    ignored_fields: &'static [&'static str],
    /// Steps that have to run, so that the check cannot shrink unnoticed.
    steps: usize,
}

impl Replay {
    /// On a server in memory.
    fn run(&self) {
        let clock = Arc::new(ManualClock::new(START));
        let server = Running::in_memory(self.dialect, self.seconds, clock.clone());
        self.run_on(server, &clock, false);
    }

    /// On a server with a data directory that is killed and started again in the middle of every
    /// scenario, and so in the middle of the transcript.
    fn run_through_crashes(&self) {
        let clock = Arc::new(ManualClock::new(START));
        let server = Running::on_disk(self.dialect, self.seconds, clock.clone());
        self.run_on(server, &clock, true);
    }

    fn run_on(&self, mut server: Running, clock: &ManualClock, crashes: bool) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/transcripts");
        let lines = std::fs::read_to_string(path.join(self.file)).unwrap();
        let (mut steps, mut mismatches) = (0, 0);
        for (number, scenario) in (1..).zip(read(&lines)) {
            if scenario
                .tags
                .iter()
                .any(|tag| SKIPPED.contains(&tag.as_str()))
            {
                continue;
            }
            let mut values = fresh(number);
            for (place, step) in scenario.steps.iter().enumerate() {
                if crashes && place == scenario.steps.len() / 2 {
                    server = server.killed_and_started_again();
                }
                if step.tags.iter().any(|tag| SKIPPED.contains(&tag.as_str())) {
                    continue;
                }
                pass_time(step, clock);
                server.sweep(clock.now());
                steps += 1;
                let found = self.judge(step, &mut values, server.address, clock);
                mismatches += usize::from(!found.is_empty());
                for sentence in found {
                    let (name, number) = (&scenario.name, step.number);
                    println!(
                        "{name}#{number} {} ({}): {sentence}",
                        step.title(),
                        step.note
                    );
                }
            }
        }
        println!("{}: {steps} steps, {mismatches} mismatches", self.file);
        clock.advance(FOR_EVER);
        server.sweep(clock.now());
        server.engine.check_invariants().unwrap();
        assert_eq!((steps, mismatches), (self.steps, 0), "{}", self.file);
    }

    fn judge(
        &self,
        step: &Step,
        values: &mut Environment,
        server: SocketAddr,
        clock: &ManualClock,
    ) -> Vec<String> {
        let answers = match exchange(server, step, values) {
            Ok(answers) => answers,
            Err(sentence) => return vec![sentence],
        };
        let mut found: Vec<String> = step
            .captures
            .iter()
            .filter_map(|capture| take(capture, answers.get(capture.answer), values).err())
            .collect();
        if answers.len() != step.responses.len() {
            let (want, got) = (step.responses.len(), answers.len());
            found.push(format!("{want} answers expected, got {got}"));
        }
        let leniency = Leniency {
            ignored_fields: self.ignored_fields,
            status_only: step.tags.contains(STATUS_ONLY),
        };
        for (place, (expected, answer)) in step.responses.iter().zip(&answers).enumerate() {
            let rules = step.rules.iter();
            let comparer = Comparer {
                rules: rules
                    .filter(|r| r.answer.is_none_or(|n| n == place))
                    .collect(),
                values,
                now: i128::from(clock.now().seconds()),
            };
            found.extend(comparer.mismatches(expected, answer, &leniency));
        }
        found
    }
}

/// Lets pass what the recording waited for, and a millisecond for the request itself.
fn pass_time(step: &Step, clock: &ManualClock) {
    clock.advance(step.delay + 1);
    if step.align {
        let into_second = clock.now().0 % 1000;
        // A little into the second, so that what follows at once stays within it.
        clock.advance(if into_second > 50 {
            1_030 - into_second
        } else {
            30
        });
    }
}

/// Puts a value of an answer among those that later requests use.
fn take(
    capture: &Capture,
    answer: Option<&Answer>,
    values: &mut Environment,
) -> Result<(), String> {
    let name = &capture.name;
    let value = answer.and_then(|answer| match &capture.from {
        CaptureFrom::Field(field) => answer.field(field),
        CaptureFrom::Body(path) => text_at(&Json::read(&answer.body().0)?, path),
    });
    let value = value.ok_or_else(|| format!("capture {name}: nothing there"))?;
    values.insert(name.clone(), value.clone());
    match &capture.pattern {
        Some(pattern) if !pattern.is_match(&value) => {
            Err(format!("capture {name}: {value:?} is not like {pattern}"))
        }
        Some(_) | None => Ok(()),
    }
}

fn text_at(json: &Json, path: &[PathStep]) -> Option<String> {
    let mut place = json;
    for step in path {
        place = match step {
            PathStep::Key(key) => place.member(&Text::from(key.as_str()))?,
            PathStep::Index(index) => place.element(*index)?,
            PathStep::Any => return None,
        };
    }
    match place {
        Json::String(text) => Some(text.lossy()),
        Json::Number(digits) => Some(digits.clone()),
        Json::Object(_) | Json::Array(_) | Json::Word(_) => None,
    }
}

const REST_SESSIONS: Replay = Replay {
    file: "rest-sessions.jsonl",
    dialect: DialectName::RestSessions,
    seconds: None,
    ignored_fields: &["allow", "cache-control"],
    steps: 731,
};
const TARANTOOL: Replay = Replay {
    file: "tarantool-sessions.jsonl",
    dialect: DialectName::Tarantool,
    seconds: None,
    ignored_fields: &["allow", "cache-control"],
    steps: 636,
};
const BACK_SESSION: Replay = Replay {
    file: "back-session.jsonl",
    dialect: DialectName::BackSession,
    seconds: None,
    ignored_fields: &["allow"],
    steps: 248,
};
const BACK_SESSION_OF_THREE_SECONDS: Replay = Replay {
    file: "back-session-exp3.jsonl",
    dialect: DialectName::BackSession,
    seconds: Some(3),
    ignored_fields: &["allow"],
    steps: 11,
};

#[test]
fn rest_sessions_traffic_is_answered_as_recorded() {
    REST_SESSIONS.run();
}

#[test]
fn tarantool_traffic_is_answered_as_recorded() {
    TARANTOOL.run();
}

#[test]
fn back_session_traffic_is_answered_as_recorded() {
    BACK_SESSION.run();
}

#[test]
fn back_session_traffic_with_a_life_of_three_seconds_is_answered_as_recorded() {
    BACK_SESSION_OF_THREE_SECONDS.run();
}

#[test]
fn rest_sessions_traffic_is_answered_as_recorded_by_a_server_killed_in_its_middle() {
    REST_SESSIONS.run_through_crashes();
}

#[test]
fn tarantool_traffic_is_answered_as_recorded_by_a_server_killed_in_its_middle() {
    TARANTOOL.run_through_crashes();
}

#[test]
fn back_session_traffic_is_answered_as_recorded_by_a_server_killed_in_its_middle() {
    BACK_SESSION.run_through_crashes();
    BACK_SESSION_OF_THREE_SECONDS.run_through_crashes();
}
