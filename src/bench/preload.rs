//! Sessions that exist before the measurement.

use std::io::{self, IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressStyle};

use crate::bench::args::Args;
use crate::bench::failure::Failure;
use crate::bench::phase::{self, Course, Progress, Setting, share_of};
use crate::bench::worker::State;
use crate::bench::workload::Source;

/// Requests that a connection sends at once while it creates sessions.
const DEPTH: usize = 16;
/// Creates of one thread that may fail before the run is given up.
const FAILURES_ALLOWED: u64 = 100;

/// Creates the sessions, shared out to the threads.
///
/// # Errors
/// When the server cannot be reached or refuses to create sessions.
pub(super) fn run(
    args: &Args,
    setting: &Setting,
    states: Vec<State>,
) -> Result<Vec<State>, Failure> {
    let wanted = args.preload();
    if wanted == 0 {
        return Ok(states);
    }
    if args.preloaded {
        return take_over(args, setting, states, wanted);
    }
    create(args, setting, states, wanted, |progress| {
        show(progress, wanted)
    })
}

/// Takes note of `wanted` sessions that [`create`] has made in an earlier run.
///
/// # Errors
/// When the target chooses its tokens itself.
fn take_over(
    args: &Args,
    setting: &Setting,
    mut states: Vec<State>,
    wanted: u64,
) -> Result<Vec<State>, Failure> {
    let count = count_of(wanted)?;
    for (thread, state) in states.iter_mut().enumerate() {
        let share = share_of(count, thread, args.threads);
        state.sessions.reserve(share);
        for _ in 0..share {
            let token = setting.target.chosen_token(state.next_user);
            if !token.is_some_and(|token| state.sessions.add(&token)) {
                let name = args.target.name();
                let sentence = format!("--preloaded: only --target {name} knows its tokens");
                return Err(Failure::Usage(sentence));
            }
            state.next_user += state.user_step;
        }
    }
    Ok(states)
}

fn count_of(wanted: u64) -> Result<usize, Failure> {
    usize::try_from(wanted).map_err(|e| Failure::Usage(format!("--preload is too large: {e}")))
}

/// Creates `wanted` sessions more.
///
/// # Errors
/// When the server cannot be reached or refuses to create sessions.
pub(super) fn create(
    args: &Args,
    setting: &Setting,
    mut states: Vec<State>,
    wanted: u64,
    watch: impl FnOnce(&Progress<'_>),
) -> Result<Vec<State>, Failure> {
    let count = count_of(wanted)?;
    let before: usize = states.iter().map(|s| s.sessions.len()).sum();
    for (thread, state) in states.iter_mut().enumerate() {
        let share = share_of(count, thread, args.threads);
        state.sessions.reserve(share);
        state.keep_created = true;
        state.requests_left = None;
        state.source = Source::Creates {
            left: share as u64,
            failures_allowed: FAILURES_ALLOWED,
        };
    }
    let course = Course {
        depth: args.pipeline.max(DEPTH),
        warm_up: 0,
        duration: None,
        rate: None,
    };
    let (states, ()) = phase::run(setting, course, states, watch)?;
    let after: usize = states.iter().map(|s| s.sessions.len()).sum();
    if after - before < count {
        let trouble = states.iter().find_map(|s| s.create_trouble);
        let trouble = trouble.map_or("no reason given".to_owned(), |t| t.to_string());
        return Err(Failure::Server(format!(
            "only {} of {wanted} sessions could be created ({trouble}); does the server at {} \
             speak {}, and has it room?",
            after - before,
            setting.endpoint,
            args.protocol(),
        )));
    }
    Ok(states)
}

/// A bar on a terminal, else a line for every tenth.
fn show(progress: &Progress<'_>, wanted: u64) {
    if io::stderr().is_terminal() {
        let template = "preload {bar:40} {human_pos}/{human_len} {per_sec} {eta} left";
        let style = ProgressStyle::with_template(template);
        let bar = ProgressBar::new(wanted)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        while progress.wait_a_little() {
            bar.set_position(progress.created());
        }
        bar.finish_and_clear();
    } else {
        let mut next_tenth = 1;
        while progress.wait_a_little() {
            let created = progress.created();
            if created * 10 >= wanted * next_tenth {
                // The run goes on without its progress when nobody listens.
                drop(writeln!(io::stderr(), "preload {created} of {wanted}"));
                next_tenth = created * 10 / wanted + 1;
            }
        }
    }
}
