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
#[path = "model/recorder.rs"]
mod recorder;
#[path = "model/twin.rs"]
mod twin;

use driver::{Driver, Shape};

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Runs seeds until `share` hundredths of the steps are done.
fn run(shape: Shape, share: u64) {
    let steps = setting("CLOAKROOM_STEPS").unwrap_or(1_000_000) * share / 100;
    if let Some(seed) = setting("CLOAKROOM_SEED") {
        Driver::new(shape, seed).run(steps.min(shape.steps_per_seed));
        return;
    }
    for seed in 1..=steps.div_ceil(shape.steps_per_seed) {
        Driver::new(shape, seed).run(shape.steps_per_seed);
    }
}

#[test]
fn few_sessions_agree_with_the_twin_and_all_indexes_after_every_step() {
    run(Shape::FEW, 40);
}

#[test]
fn many_sessions_agree_with_the_twin() {
    run(Shape::MANY, 60);
}
