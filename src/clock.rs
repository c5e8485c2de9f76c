//! The only reader of time. Everything else is handed a [`Millis`].

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::u48::U48;

/// A moment: milliseconds since 1970-01-01 UTC, below 2^48.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Millis(pub u64);

impl Millis {
    /// The moment that never comes.
    pub const NEVER: Self = Self(U48::MAX);

    /// The start of the given second; [`Millis::NEVER`] when it lies beyond 48 bits.
    #[must_use]
    pub fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000).min(U48::MAX))
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// This moment moved by `millis`; stops at [`Millis::NEVER`].
    #[must_use]
    pub fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis).min(U48::MAX))
    }
}

/// Where time comes from.
pub trait Clock: Send + Sync {
    /// The present moment. Never runs backwards.
    fn now(&self) -> Millis;
}

/// A clock that tests move by hand.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn new(start: Millis) -> Self {
        Self(AtomicU64::new(start.0))
    }

    /// Moves the clock forward.
    pub fn advance(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Millis {
        Millis(self.0.load(Ordering::Relaxed))
    }
}

/// Differences to the wall clock below this are reading noise, not steps.
const NOISE_MILLIS: u64 = 20;
/// The largest forward step that is followed.
const FOLLOWED_STEP_MILLIS: u64 = 3_600_000;
/// How long a forward step must hold before it is followed.
const HOLD_MILLIS: u64 = 10_000;

/// What a comparison with the wall clock came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WallStep {
    /// The clocks agree, or a step is still being watched.
    None,
    /// A forward step has held for ten seconds and is followed from now on.
    Followed {
        /// How far the clock jumped, in milliseconds.
        millis: u64,
    },
    /// The wall clock stands elsewhere and is not followed until a restart. Reported once a step.
    Refused {
        /// Wall clock minus our clock, in milliseconds.
        millis: i64,
    },
}

/// The rule for steps of the wall clock, without any clock of its own.
///
/// Time is the wall clock at start plus the milliseconds elapsed since (suspend included). Forward
/// steps of at most an hour are followed once they have held for ten seconds; any other step
/// raises an alarm and is not followed.
#[derive(Debug)]
pub struct Discipline {
    offset: u64,
    watched: Option<(u64, u64)>,
    refused: i64,
}

impl Discipline {
    /// Starts with the wall clock at `wall` when `elapsed` milliseconds had passed.
    #[must_use]
    pub fn new(wall: u64, elapsed: u64) -> Self {
        Self {
            offset: wall.saturating_sub(elapsed),
            watched: None,
            refused: 0,
        }
    }

    /// The present moment when `elapsed` milliseconds have passed.
    #[must_use]
    pub fn now(&self, elapsed: u64) -> Millis {
        Millis(elapsed.saturating_add(self.offset).min(U48::MAX))
    }

    /// Compares with the wall clock; to be called about once a second.
    pub fn observe(&mut self, wall: u64, elapsed: u64) -> WallStep {
        let ours = self.now(elapsed).0;
        let ahead = wall.saturating_sub(ours);
        let behind = ours.saturating_sub(wall);
        if ahead.max(behind) < NOISE_MILLIS {
            self.watched = None;
            self.refused = 0;
            return WallStep::None;
        }
        if behind > 0 || ahead > FOLLOWED_STEP_MILLIS {
            self.watched = None;
            return self.refuse(ahead, behind);
        }
        match self.watched {
            Some((seen, since)) if seen.abs_diff(ahead) < NOISE_MILLIS => {
                if elapsed.saturating_sub(since) < HOLD_MILLIS {
                    return WallStep::None;
                }
                self.watched = None;
                self.offset = self.offset.saturating_add(ahead);
                WallStep::Followed { millis: ahead }
            }
            Some(_) | None => {
                self.watched = Some((ahead, elapsed));
                WallStep::None
            }
        }
    }

    fn refuse(&mut self, ahead: u64, behind: u64) -> WallStep {
        let millis =
            i64::try_from(ahead).unwrap_or(i64::MAX) - i64::try_from(behind).unwrap_or(i64::MAX);
        if millis.abs_diff(self.refused) < NOISE_MILLIS {
            return WallStep::None;
        }
        self.refused = millis;
        WallStep::Refused { millis }
    }
}

/// The machine's clock: wall time at start plus `CLOCK_BOOTTIME`, under [`Discipline`].
#[derive(Debug)]
pub struct SystemClock {
    offset: AtomicU64,
    discipline: Mutex<Discipline>,
}

impl SystemClock {
    /// Reads the wall clock once and counts from there.
    #[must_use]
    pub fn start() -> Self {
        let discipline = Discipline::new(wall_millis(), boot_millis());
        Self {
            offset: AtomicU64::new(discipline.offset),
            discipline: Mutex::new(discipline),
        }
    }

    /// Compares with the wall clock; to be called about once a second.
    pub fn observe_wall(&self) -> WallStep {
        let mut discipline = match self.discipline.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        };
        let step = discipline.observe(wall_millis(), boot_millis());
        self.offset.store(discipline.offset, Ordering::Relaxed);
        step
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        Millis(
            boot_millis()
                .saturating_add(self.offset.load(Ordering::Relaxed))
                .min(U48::MAX),
        )
    }
}

fn boot_millis() -> u64 {
    read_clock(rustix::time::ClockId::Boottime)
}

fn wall_millis() -> u64 {
    read_clock(rustix::time::ClockId::Realtime)
}

fn read_clock(id: rustix::time::ClockId) -> u64 {
    let time = rustix::time::clock_gettime(id);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::{Discipline, Millis, WallStep};

    const START: u64 = 1_795_000_000_000;

    fn run(discipline: &mut Discipline, step: i64, from: u64, to: u64) -> Vec<WallStep> {
        (from..to)
            .map(|s| discipline.observe((START + s * 1000).saturating_add_signed(step), s * 1000))
            .filter(|s| *s != WallStep::None)
            .collect()
    }

    #[test]
    fn forward_step_is_followed_after_it_has_held_ten_seconds() {
        let mut discipline = Discipline::new(START, 0);
        assert_eq!(run(&mut discipline, 0, 1, 5), []);
        assert_eq!(run(&mut discipline, 5_000, 5, 15), []);
        assert_eq!(discipline.now(14_000), Millis(START + 14_000));
        assert_eq!(
            run(&mut discipline, 5_000, 15, 40),
            [WallStep::Followed { millis: 5_000 }]
        );
        assert_eq!(discipline.now(40_000), Millis(START + 45_000));
    }

    #[test]
    fn forward_step_that_does_not_hold_is_forgotten() {
        let mut discipline = Discipline::new(START, 0);
        assert_eq!(run(&mut discipline, 5_000, 1, 9), []);
        assert_eq!(run(&mut discipline, 0, 9, 60), []);
        assert_eq!(discipline.now(60_000), Millis(START + 60_000));
    }

    #[test]
    fn backward_and_huge_steps_raise_one_alarm_and_are_not_followed() {
        for step in [-1_000, -86_400_000, 3_600_021, 86_400_000] {
            let mut discipline = Discipline::new(START, 0);
            assert_eq!(
                run(&mut discipline, step, 1, 60),
                [WallStep::Refused { millis: step }]
            );
            assert_eq!(discipline.now(60_000), Millis(START + 60_000));
        }
    }
}
