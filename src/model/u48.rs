//! 48-bit unsigned integers: times in milliseconds and counters, six bytes each in a record.

/// An unsigned integer of 48 bits, stored little-endian in six bytes; arithmetic saturates.
///
/// As milliseconds since 1970 it reaches the year 10889.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct U48([u8; 6]);

impl U48 {
    /// The largest value, 2^48 - 1. As a time it means "never".
    pub const MAX: u64 = (1 << 48) - 1;

    /// Stores `value`, or [`U48::MAX`] when it is larger.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        let value = if value > Self::MAX { Self::MAX } else { value };
        let [a, b, c, d, e, f, _, _] = value.to_le_bytes();
        Self([a, b, c, d, e, f])
    }

    /// The value as 64 bits.
    #[must_use]
    pub const fn get(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
    }
}

impl std::fmt::Debug for U48 {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", self.get())
    }
}

#[cfg(test)]
mod tests {
    use super::U48;

    #[test]
    fn values_round_trip_and_saturate() {
        for value in [0, 1, 255, 256, 1_795_000_000_000, U48::MAX - 1, U48::MAX] {
            assert_eq!(U48::new(value).get(), value);
        }
        assert_eq!(U48::new(U48::MAX + 1).get(), U48::MAX);
        assert_eq!(U48::new(u64::MAX).get(), U48::MAX);
    }
}
