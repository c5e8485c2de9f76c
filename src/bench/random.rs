//! Repeatable random numbers: the same seed draws the same keys in the same order.

/// SplitMix64: one addition and three multiplications a number.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The stream of one thread; streams of different threads differ.
    pub(super) fn new(seed: u64, thread: usize) -> Self {
        let mut random = Self(seed);
        let offset = random.next();
        Self(offset.wrapping_add((thread as u64).wrapping_mul(0xd134_2543_de82_ef95)))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 when the bound is 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let scaled = (u128::from(self.next()) * bound as u128) >> 64;
        usize::try_from(scaled).unwrap_or(0)
    }

    /// A number from 0 to below 1.
    #[expect(
        clippy::cast_precision_loss,
        reason = "53 bits are what a fraction can hold"
    )]
    pub(super) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn numbers_are_repeatable_and_spread_over_the_whole_bound() {
        let mut first = Random::new(7, 0);
        let mut again = Random::new(7, 0);
        let mut seen = [0u32; 10];
        for _ in 0..10_000 {
            let n = first.below(10);
            assert_eq!(n, again.below(10));
            seen[n] += 1;
        }
        assert!(seen.iter().all(|n| (800..1200).contains(n)), "{seen:?}");
        assert_ne!(Random::new(7, 1).next(), Random::new(7, 0).next());
    }
}
