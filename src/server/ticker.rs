//! What has to be done now and then: freeing expired sessions, writing touches down, comparing the
//! clocks.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock, WallStep};
use crate::engine::Engine;

/// How long expired sessions may keep their memory. They are never served, however late this is.
const SWEEP_EVERY: Duration = Duration::from_millis(250);
/// Lock holds of one sweep, before other tasks of the thread get their turn.
const HOLDS_PER_SWEEP: usize = 8;
/// How often touches are written down. A second is ready a quarter after its end.
const HARVEST_EVERY: Duration = Duration::from_millis(250);
/// Slices of 256 sessions, before other tasks of the thread get their turn.
const SLICES_PER_HARVEST: usize = 8;
/// How often the wall clock is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Frees expired sessions, for ever.
pub(super) async fn sweep(engine: Arc<Engine>, clock: Arc<dyn Clock>) {
    loop {
        while engine.sweep(clock.now(), HOLDS_PER_SWEEP).more {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

/// Writes touches down, second by second, for ever.
pub(super) async fn harvest(engine: Arc<Engine>, clock: Arc<dyn Clock>) {
    loop {
        while engine.harvest(clock.now(), SLICES_PER_HARVEST) {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(HARVEST_EVERY).await;
    }
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
