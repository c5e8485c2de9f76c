//! Power cuts, failing disks and restarts, simulated: the whole core under a manual clock, seeded
//! randomness and a disk in memory that loses what was not synced.
//!
//! `CLOAKROOM_CUTS` sets the power cuts of the whole run (20,000 by default); a long run is
//! `CLOAKROOM_CUTS=1000000 cargo test --test power_cut`. Every seed is printed when it fails and can
//! be run alone: `CLOAKROOM_SEED=7 cargo test --test power_cut NAME`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod audit;
mod chronicle;
mod crashes;
mod damage;
mod disk;
mod failures;
#[path = "../fault_disk/mod.rs"]
mod fault_disk;
mod full;
mod history;
mod process;
mod saver;
mod tape;
mod threads;
mod verbs;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Runs `act` with a seed; a failure names it.
fn seeded<T>(seed: u64, act: impl FnOnce() -> T) -> T {
    told(|| format!("CLOAKROOM_SEED={seed}"), act)
}

/// Runs `act`; a failure says which case it was.
fn told<T>(case: impl FnOnce() -> String, act: impl FnOnce() -> T) -> T {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)) {
        Ok(done) => done,
        Err(panic) => {
            eprintln!("{}", case());
            std::panic::resume_unwind(panic)
        }
    }
}

/// All seeds, or the one that is to be run again.
fn seeds() -> impl Iterator<Item = u64> {
    let only = setting("CLOAKROOM_SEED");
    (1..)
        .map(move |seed| only.unwrap_or(seed))
        .take(only.map_or(usize::MAX, |_| 1))
}
