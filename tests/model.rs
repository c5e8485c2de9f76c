//! The engine against a naive twin: random verbs, advances of the clock, expiry, sweeps of any size.
//!
//! Every seed is printed when it fails and can be run alone: `CLOAKROOM_SEED=7 cargo test --test
//! model`. `CLOAKROOM_STEPS` sets the steps of the whole run (1,000,000 by default); a long run is
//! `CLOAKROOM_STEPS=100000000 cargo test --release --test model`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "test code"
)]

#[path = "model/driver.rs"]
mod driver;
#[path = "model/durable.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod durable;
#[path = "fault_disk/mod.rs"]
#[expect(dead_code, unused_imports, reason = "other tests need more of it")]
mod fault_disk;
#[path = "model/recorder.rs"]
mod recorder;
#[path = "model/twin.rs"]
mod twin;

use driver::{Driver, Shape};

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Runs seeds until `share` hundredths of the steps are done; answers how many restarts and snapshots
/// there were.
fn run(driver: fn(Shape, u64) -> Driver, shape: Shape, share: u64) -> (u64, u64) {
    let steps = setting("CLOAKROOM_STEPS").unwrap_or(1_000_000) * share / 100;
    if let Some(seed) = setting("CLOAKROOM_SEED") {
        return driver(shape, seed).run(steps.min(shape.steps_per_seed));
    }
    let seeds = 1..=steps.div_ceil(shape.steps_per_seed);
    let runs = seeds.map(|seed| driver(shape, seed).run(shape.steps_per_seed));
    runs.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
}

/// The same over data directories, which must be stopped and saved on the way.
fn run_durable(shape: Shape, share: u64) {
    let (restarts, snapshots) = run(Driver::durable, shape, share);
    assert!(restarts > 1 && snapshots > 0, "{restarts} {snapshots}");
}

#[test]
fn few_sessions_agree_with_the_twin_and_all_indexes_after_every_step() {
    run(Driver::new, Shape::FEW, 40);
}

#[test]
fn many_sessions_agree_with_the_twin() {
    run(Driver::new, Shape::MANY, 60);
}

#[test]
fn few_sessions_come_back_from_stops_crashes_and_power_cuts_as_the_twin_has_them() {
    run_durable(Shape::FEW, 20);
}

#[test]
fn many_sessions_come_back_from_stops_crashes_and_power_cuts_as_the_twin_has_them() {
    run_durable(Shape::MANY, 20);
}
