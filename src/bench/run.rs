//! A whole run: preload, measurement, audit, report.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::bench::args::{Args, Task};
use crate::bench::echo_server;
use crate::bench::failure::Failure;
use crate::bench::idle;
use crate::bench::machine::{CpuTicks, Machine};
use crate::bench::phase::{self, Course, Progress, Setting, share_of};
use crate::bench::preload;
use crate::bench::process::{self, Usage};
use crate::bench::random::Random;
use crate::bench::recorder::Recorder;
use crate::bench::report::{Report, ServerCost};
use crate::bench::sessions::Sessions;
use crate::bench::stopwatch::{SECOND, Stopwatch, nanos_of};
use crate::bench::target::TargetSettings;
use crate::bench::verify::violations::Tally;
use crate::bench::verify::{Ledger, audit};
use crate::bench::worker::State;
use crate::bench::workload::{Endless, Keys, Source, Storm, Workload};
use crate::config::ShownKey;

/// Runs the load tester and prints its report on standard output.
///
/// Exit status: 0 when the run was carried out, 1 when `--verify` found violations or a `--fail-if`
/// holds, 2 for bad arguments, 3 when the server refuses what the run needs, 4 when it cannot be reached.
#[must_use]
pub fn run(args: Args) -> ExitCode {
    run_to(&args, &mut io::stdout(), &mut io::stderr())
}

/// As [`run`], with the report and the sentence about a failure written where the caller says.
pub fn run_to(args: &Args, report: &mut dyn Write, complaint: &mut dyn Write) -> ExitCode {
    let result = match &args.task {
        Some(Task::EchoServer(server)) => echo_server::run(server, report).map(Outcome::silent),
        None => load(args),
    };
    let written = match result {
        Ok(outcome) => outcome.write(report, complaint),
        Err(failure) => {
            writeln!(complaint, "cloakroom bench: {failure}").map(|()| failure.exit_code())
        }
    };
    // Nobody reads what could not be written; the status is all that is left.
    written.unwrap_or(ExitCode::from(3))
}

fn load(args: &Args) -> Result<Outcome, Failure> {
    args.check()
        .map_err(Failure::Usage)
        .and_then(|()| match args.workload {
            Workload::Idle => idle::run(args).map(|text| Outcome {
                text,
                code: ExitCode::SUCCESS,
                failed: Vec::new(),
            }),
            Workload::Create
            | Workload::Get
            | Workload::Touch
            | Workload::Set
            | Workload::List
            | Workload::Mixed
            | Workload::LoginStorm
            | Workload::Url => measure(args),
        })
}

/// What a run that was carried out came to.
struct Outcome {
    text: String,
    code: ExitCode,
    /// Sentences about conditions of `--fail-if` that hold.
    failed: Vec<String>,
}

impl Outcome {
    fn silent(code: ExitCode) -> Self {
        Self {
            text: String::new(),
            code,
            failed: Vec::new(),
        }
    }

    fn write(&self, report: &mut dyn Write, complaint: &mut dyn Write) -> io::Result<ExitCode> {
        report.write_all(self.text.as_bytes())?;
        for sentence in &self.failed {
            writeln!(complaint, "cloakroom bench: {sentence}")?;
        }
        Ok(self.code)
    }
}

/// What the phases of a run share.
///
/// # Errors
/// When the host has no address.
pub(super) fn setting(args: &Args) -> Result<Setting, Failure> {
    let place = args.endpoint().map_err(Failure::Usage)?;
    let endpoint = place.to_string();
    let address = place.resolve().map_err(|source| Failure::Unreachable {
        endpoint: endpoint.clone(),
        source,
    })?;
    let key_file = args.access_key_file.as_deref();
    let access_key = key_file
        .map(ShownKey::read)
        .transpose()
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let target = args.target.target(&TargetSettings {
        dialect: args.dialect,
        host: place.host(),
        app: args.app.clone(),
        access_key,
        path: args.path.clone(),
        data_bytes: args.data_size,
        verify: args.verify,
        ttl: args.ttl,
    });
    Ok(Setting {
        target,
        endpoint,
        address,
        stopwatch: Stopwatch::start(),
        connections: args.connections,
        threads: args.threads,
        timeout: nanos_of(args.timeout),
    })
}

fn measure(args: &Args) -> Result<Outcome, Failure> {
    let setting = setting(args)?;
    let server = |()| args.pid.map(process::usage).transpose();
    let empty = server(())?;
    let states = first_states(args, &setting)?;
    let states = preload::run(args, &setting, states)?;
    let preloaded = server(())?;

    let states = ready_to_measure(args, states)?;
    let course = Course {
        depth: args.pipeline,
        warm_up: nanos_of(args.warm_up),
        duration: args.duration().map(nanos_of),
        rate: args.rate,
    };
    let (mut states, watched) = phase::run(&setting, course, states, |progress| {
        watch(args, &setting, progress)
    })?;
    let watched = watched?;
    let mut recorder = Recorder::new(args.rate.is_some())?;
    for state in &states {
        recorder.add(&state.recorder)?;
    }
    let tally = if args.verify {
        states = audit::run(args, &setting, states)?;
        Some(tally_of(states))
    } else {
        None
    };
    let end = args.duration().map_or(recorder.last_reply, |d| {
        watched.window_from.saturating_add(nanos_of(d))
    });
    let report = Report {
        args,
        machine: Machine::here(),
        durability: (args.durability.clone()).or_else(|| setting.target.durability()),
        nanos: end.saturating_sub(watched.window_from).max(1),
        recorder,
        server: watched.server.zip(empty).zip(preloaded).map(
            |(((before, after), empty), preloaded)| ServerCost {
                cpu_micros: after.cpu_micros.saturating_sub(before.cpu_micros),
                resident_empty: empty.resident,
                resident_preloaded: preloaded.resident,
                resident_end: after.resident,
            },
        ),
        client_cpu_micros: watched.client_cpu_micros,
        steal_percent: watched.steal_percent,
        tally,
    };
    let failed = report.failed_conditions()?;
    Ok(Outcome {
        text: report.text(&failed)?,
        code: exit_code(&report, &failed),
        failed,
    })
}

fn exit_code(report: &Report<'_>, failed: &[String]) -> ExitCode {
    if report.tally.as_ref().is_some_and(|t| t.count() > 0) {
        ExitCode::from(1)
    } else if report.recorder.requests() == 0 {
        ExitCode::from(3)
    } else if !failed.is_empty() {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    }
}

fn endless(args: &Args) -> Source {
    Source::Endless(Endless {
        workload: args.workload,
        mix: args.mix.clone(),
        keys: Keys::new(args.keys),
        storm: Storm::new(args.burst, args.reads),
    })
}

/// The states of all threads before anything was sent.
fn first_states(args: &Args, setting: &Setting) -> Result<Vec<State>, Failure> {
    let target = &setting.target;
    (0..args.threads)
        .map(|thread| {
            let ledger = args
                .verify
                .then(|| Ledger::new(target.life(), target.slots()));
            Ok(State {
                source: endless(args),
                sessions: Sessions::new(target.token_bytes(), ledger),
                random: Random::new(args.seed, thread),
                recorder: Recorder::new(false)?,
                next_user: thread as u64,
                user_step: args.threads as u64,
                number: 0,
                requests_left: None,
                keep_created: true,
                create_trouble: None,
            })
        })
        .collect()
}

fn ready_to_measure(args: &Args, states: Vec<State>) -> Result<Vec<State>, Failure> {
    let requests = args.requests.map(usize::try_from).transpose();
    let requests = requests.map_err(|e| Failure::Usage(format!("--requests is too large: {e}")))?;
    let mut ready = Vec::with_capacity(states.len());
    for (thread, state) in states.into_iter().enumerate() {
        ready.push(State {
            source: endless(args),
            recorder: Recorder::new(args.rate.is_some())?,
            requests_left: requests.map(|n| share_of(n, thread, args.threads) as u64),
            keep_created: args.verify || args.workload.reuses_created(),
            ..state
        });
    }
    Ok(ready)
}

fn tally_of(states: Vec<State>) -> Tally {
    let mut tally = Tally::default();
    for ledger in states.into_iter().filter_map(|s| s.sessions.ledger) {
        tally.add(ledger.into_tally());
    }
    tally
}

/// What was seen of the processes while requests were counted.
struct Watched {
    window_from: u64,
    /// At the start and at the end.
    server: Option<(Usage, Usage)>,
    client_cpu_micros: u64,
    steal_percent: f64,
}

fn watch(args: &Args, setting: &Setting, progress: &Progress<'_>) -> Result<Watched, Failure> {
    let sample = || {
        let server = args.pid.map(process::usage).transpose()?;
        let client = process::usage(std::process::id())?;
        Ok::<_, Failure>((server, client, CpuTicks::now()))
    };
    let window = progress.window;
    setting.stopwatch.wait_until(window.from);
    let before = sample()?;
    if args.requests.is_none() {
        setting.stopwatch.wait_until(window.until);
    } else {
        while progress.wait_a_little() {}
    }
    let after = sample()?;
    Ok(Watched {
        window_from: window.from,
        server: before.0.zip(after.0),
        client_cpu_micros: after.1.cpu_micros.saturating_sub(before.1.cpu_micros),
        steal_percent: after.2.steal_percent_since(before.2),
    })
}

/// Nanoseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
pub(super) fn seconds(nanos: u64) -> f64 {
    nanos as f64 / SECOND as f64
}
