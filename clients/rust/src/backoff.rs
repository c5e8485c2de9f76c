//! How long to wait before connecting again: a time drawn from 0 to a limit that doubles, so that
//! many clients of a server that comes back do not all come at once.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const LAST: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Backoff {
    limit: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { limit: FIRST }
    }

    /// The next pause. `random` is any number, all equally likely.
    pub(crate) fn next(&mut self, random: u32) -> Duration {
        let limit = self.limit;
        self.limit = (limit * 2).min(LAST);
        limit.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// Begins anew, once a connection has proven itself.
    pub(crate) fn reset(&mut self) {
        self.limit = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, FIRST, LAST};

    #[test]
    fn pauses_double_up_to_the_last_and_begin_anew() {
        let mut backoff = Backoff::new();
        let limits: Vec<_> = (0..9).map(|_| backoff.next(u32::MAX).as_millis()).collect();
        assert_eq!(limits, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        backoff.reset();
        assert_eq!(backoff.next(u32::MAX), FIRST);
        assert!(LAST > FIRST);
    }

    #[test]
    fn pause_is_drawn_from_nothing_to_the_limit() {
        let mut backoff = Backoff::new();
        assert_eq!(backoff.next(0).as_millis(), 0);
        let half = backoff.next(u32::MAX / 2).as_millis();
        assert!((49..=50).contains(&half), "{half} ms of 100");
    }
}
