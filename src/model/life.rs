//! How long a session lives: the one rule from which every deadline follows.

use crate::clock::Millis;
use crate::model::u48::U48;

/// The limits of a session's life. The rule belongs to the session, not to the door that reads it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Life {
    /// Milliseconds without a recorded access after which the session ends; [`U48::MAX`] is never.
    pub idle: u64,
    /// The moment at which the session ends however busy it is; [`Millis::NEVER`] is never.
    pub until: Millis,
    /// Count idleness in whole wall-clock seconds, as rest-sessions does.
    pub whole_seconds: bool,
}

impl Life {
    /// A life that ends only by being killed.
    pub const ENDLESS: Self = Self {
        idle: U48::MAX,
        until: Millis::NEVER,
        whole_seconds: false,
    };

    /// A sliding life of `seconds`, counted as rest-sessions counts.
    #[must_use]
    pub fn whole_seconds(seconds: u64) -> Self {
        let idle = seconds.saturating_mul(1000).min(U48::MAX);
        Self {
            idle,
            until: Millis::NEVER,
            whole_seconds: true,
        }
    }

    /// A sliding life of `millis`, exact to the millisecond.
    #[must_use]
    pub fn sliding(millis: u64) -> Self {
        Self {
            idle: millis.min(U48::MAX),
            until: Millis::NEVER,
            whole_seconds: false,
        }
    }

    /// A life that ends at `until` and that nothing prolongs.
    #[must_use]
    pub fn fixed(until: Millis) -> Self {
        Self {
            idle: U48::MAX,
            until,
            whole_seconds: false,
        }
    }

    /// The first moment at which the session is no longer served.
    ///
    /// `recorded` is the recorded access: for whole-second lives the start of its second counts,
    /// and the session lives through all of the second `recorded + idle`.
    #[must_use]
    pub fn deadline(&self, recorded: Millis) -> Millis {
        let sliding = if self.idle == U48::MAX {
            Millis::NEVER
        } else if self.whole_seconds {
            Millis::from_seconds((recorded.seconds() + self.idle / 1000).saturating_add(1))
        } else {
            recorded.plus(self.idle)
        };
        sliding.min(self.until)
    }

    /// The idle limit in whole seconds, as the HTTP dialects print it.
    #[must_use]
    pub fn idle_seconds(&self) -> u64 {
        self.idle / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::Life;
    use crate::clock::Millis;
    use crate::model::u48::U48;

    #[test]
    fn whole_second_life_ends_with_the_first_millisecond_after_its_last_second() {
        let life = Life::whole_seconds(10);
        assert_eq!(life.deadline(Millis(5_000)), Millis(16_000));
        assert_eq!(life.deadline(Millis(5_999)), Millis(16_000));
    }

    #[test]
    fn sliding_life_is_exact_and_the_absolute_limit_wins() {
        assert_eq!(Life::sliding(1_500).deadline(Millis(100)), Millis(1_600));
        let life = Life {
            until: Millis(1_000),
            ..Life::sliding(1_500)
        };
        assert_eq!(life.deadline(Millis(100)), Millis(1_000));
        assert_eq!(Life::ENDLESS.deadline(Millis(100)), Millis::NEVER);
    }

    #[test]
    fn deadlines_saturate() {
        assert_eq!(
            Life::whole_seconds(u64::MAX).deadline(Millis(5_000)),
            Millis::NEVER
        );
        assert_eq!(
            Life::sliding(U48::MAX - 1).deadline(Millis(5_000)),
            Millis::NEVER
        );
    }
}
