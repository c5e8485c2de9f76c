//! What has to be done now and then: freeing expired sessions, writing touches down, comparing the
//! clocks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::{Clock, SystemClock, WallStep};
use crate::engine::Engine;

/// How long expired sessions may keep their memory. They are never served, however late this is.
const SWEEP_EVERY: Duration = Duration::from_millis(250);
/// Lock holds of one step of a sweep.
const HOLDS_PER_STEP: usize = 4;
/// How often touches are written down. A second is ready a quarter after its end.
const HARVEST_EVERY: Duration = Duration::from_millis(250);
/// Slices of 256 sessions in one step of a harvest.
const SLICES_PER_STEP: usize = 1;
/// How often the wall clock is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So long a piece of work keeps its core. Left alone, the system would let it have some milliseconds
/// while a thread that serves connections waits for the same core.
const SLICE: Duration = Duration::from_micros(200);
/// After so long it gives way no more, lest it never ends.
const PATIENCE: Duration = Duration::from_millis(400);

/// Frees expired sessions, for ever.
pub(super) async fn sweep(engine: Arc<Engine>, clock: Arc<dyn Clock>) {
    loop {
        in_slices(|| engine.sweep(clock.now(), HOLDS_PER_STEP).more).await;
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

/// Writes touches down, second by second, for ever.
pub(super) async fn harvest(engine: Arc<Engine>, clock: Arc<dyn Clock>) {
    loop {
        in_slices(|| engine.harvest(clock.now(), SLICES_PER_STEP)).await;
        tokio::time::sleep(HARVEST_EVERY).await;
    }
}

/// Does steps of some work until one says that there are no more. Between slices other tasks of this
/// thread have their turn, and other threads of this core.
async fn in_slices(mut step: impl FnMut() -> bool) {
    let began = now();
    let mut slice = began;
    while step() {
        let present = now();
        if present.duration_since(slice) >= SLICE {
            tokio::task::yield_now().await;
            if present.duration_since(began) < PATIENCE {
                std::thread::yield_now();
            }
            slice = now();
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long work keeps a core is no matter of the sessions' clock"
)]
fn now() -> Instant {
    Instant::now()
}

/// Compares the server's clock with the wall clock, for ever.
pub(super) async fn watch_wall_clock(clock: Arc<SystemClock>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        match clock.observe_wall() {
            WallStep::None => {}
            WallStep::Followed { millis } => {
                tracing::info!(millis, "the wall clock has jumped forward and is followed");
            }
            WallStep::Refused { millis } => tracing::warn!(
                millis,
                "the wall clock has moved away and is not followed: restart to take its time"
            ),
        }
    }
}
