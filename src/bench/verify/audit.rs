//! The last part of a verified run: looks once more at what was written and killed, and watches
//! sessions expire.

use crate::bench::args::Args;
use crate::bench::failure::Failure;
use crate::bench::phase::{self, Course, Setting};
use crate::bench::preload;
use crate::bench::stopwatch::MILLISECOND;
use crate::bench::worker::State;
use crate::bench::workload::Source;

/// Sessions that are watched to their deadline, half of them shortly before it and half after.
const WATCHED: u64 = 200;
/// Nanoseconds before the earliest deadline at which a session must still be there.
const BEFORE: u64 = 500 * MILLISECOND;

const COURSE: Course = Course {
    depth: 16,
    warm_up: 0,
    duration: None,
    rate: None,
};

/// Looks at every session that was written or killed; with `--ttl` also creates sessions, reads some
/// shortly before they expire and the others as soon as they have.
///
/// # Errors
/// When the server cannot be reached any more.
pub(in crate::bench) fn run(
    args: &Args,
    setting: &Setting,
    mut states: Vec<State>,
) -> Result<Vec<State>, Failure> {
    for state in &mut states {
        let ledger = state.sessions.ledger.as_ref();
        let sessions = ledger.map_or(Vec::new(), |l| l.to_be_audited());
        state.source = Source::Gets(sessions.into_iter());
        state.requests_left = None;
    }
    let (states, ()) = phase::run(setting, COURSE, states, |_| ())?;
    match args.ttl {
        Some(_) => watch_expiry(args, setting, states),
        None => Ok(states),
    }
}

fn watch_expiry(args: &Args, setting: &Setting, states: Vec<State>) -> Result<Vec<State>, Failure> {
    let firsts: Vec<usize> = states.iter().map(|s| s.sessions.len()).collect();
    let states = preload::create(args, setting, states, WATCHED, |_| ())?;
    let watched: Vec<Vec<usize>> = firsts
        .iter()
        .zip(&states)
        .map(|(first, state)| (*first..state.sessions.len()).collect())
        .collect();
    let deadlines = || {
        let all = states.iter().zip(&watched);
        all.flat_map(|(state, watched)| {
            let ledger = state.sessions.ledger.as_ref();
            watched
                .iter()
                .filter_map(move |session| ledger.and_then(|l| l.deadlines(*session)))
        })
    };
    let earliest = deadlines().map(|(earliest, _)| earliest).min().unwrap_or(0);
    let latest = deadlines().map(|(_, latest)| latest).max().unwrap_or(0);

    setting
        .stopwatch
        .wait_until(earliest.saturating_sub(BEFORE));
    let states = get_each(setting, states, &watched, 0)?;
    setting.stopwatch.wait_until(latest);
    get_each(setting, states, &watched, 1)
}

/// Gets every second of the watched sessions.
fn get_each(
    setting: &Setting,
    mut states: Vec<State>,
    watched: &[Vec<usize>],
    first: usize,
) -> Result<Vec<State>, Failure> {
    for (state, watched) in states.iter_mut().zip(watched) {
        let half: Vec<usize> = watched.iter().copied().skip(first).step_by(2).collect();
        state.source = Source::Gets(half.into_iter());
    }
    phase::run(setting, COURSE, states, |_| ()).map(|(states, ())| states)
}
