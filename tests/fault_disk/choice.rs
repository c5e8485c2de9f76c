//! Where the disk's accidents come from: dice for many, an enumeration for all of a small case.

/// Decides what happens when several things may.
pub(crate) trait Choice {
    /// A number below `options`, which is at least 1.
    fn choose(&mut self, options: usize) -> usize;

    /// Yes or no.
    fn coin(&mut self) -> bool {
        self.choose(2) == 1
    }
}

/// xorshift64*: reproducible from its seed.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d | 1);
        // Neighbouring seeds begin alike; a few throws part them.
        for _ in 0..4 {
            dice.throw();
        }
        dice
    }

    fn throw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `below`.
    pub(crate) fn roll(&mut self, below: u64) -> u64 {
        (self.throw() >> 16) % below
    }

    /// Seeds for other dice.
    pub(crate) fn seed(&mut self) -> u64 {
        self.throw() >> 16
    }
}

impl Choice for Dice {
    fn choose(&mut self, options: usize) -> usize {
        self.roll(options as u64) as usize
    }
}

/// Goes through all sequences of decisions, one per round.
#[derive(Default, Debug)]
pub(crate) struct AllChoices {
    /// What was decided in this round, and of how many options.
    path: Vec<(usize, usize)>,
    depth: usize,
}

impl AllChoices {
    /// Begins the next round; false when all sequences have been through.
    pub(crate) fn next_round(&mut self) -> bool {
        self.depth = 0;
        while let Some((chosen, options)) = self.path.pop() {
            if chosen + 1 < options {
                self.path.push((chosen + 1, options));
                return true;
            }
        }
        false
    }
}

impl Choice for AllChoices {
    fn choose(&mut self, options: usize) -> usize {
        if self.depth == self.path.len() {
            self.path.push((0, options));
        }
        let (chosen, known) = self.path[self.depth];
        assert_eq!(known, options, "the case under enumeration must not vary");
        self.depth += 1;
        chosen
    }
}
