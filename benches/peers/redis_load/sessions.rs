//! The sessions under load: 64-character token, 16-character user, one session per user, IPv4 text,
//! 60 bytes of data. A number stands for all that belongs to a session.

/// 60 bytes of JSON.
pub(crate) const DATA: &str = r#"{"name":"Peter Smith","unread_msgs":12,"lang":"en","v":"1.0"}"#;
/// The app of all sessions.
pub(crate) const APP: &str = "bench";
/// Seconds that a session lives.
pub(crate) const TTL: u64 = 7_200;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789AB";

/// A 64-bit permutation with good diffusion.
fn mix(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ x >> 33
}

/// The token of session number `n`: as hard to compress as one that was drawn.
pub(crate) fn token(n: u64) -> String {
    let mut token = String::with_capacity(64);
    for word in 0..8 {
        let mut bits = mix(n * 8 + word + 1);
        for _ in 0..8 {
            let letter = ALPHABET.get((bits & 63) as usize).copied();
            token.push(char::from(letter.unwrap_or(b'A')));
            bits >>= 6;
        }
    }
    token
}

/// The user of session number `n`.
pub(crate) fn user(n: u64) -> String {
    format!("user-{n:011}")
}

/// The IP text of session number `n`.
pub(crate) fn ip(n: u64) -> String {
    let [a, b, c, d, ..] = mix(n).to_le_bytes();
    format!("{a}.{b}.{c}.{d}")
}

/// Which sessions live, as far as the load tester knows, and where new ones get their numbers.
pub(crate) struct Pool {
    living: Vec<u64>,
    next: u64,
    random: u64,
    /// How many creates may still begin; `None`: as many as the time allows.
    pub(crate) creates_left: Option<u64>,
}

impl Pool {
    pub(crate) fn new(population: u64) -> Self {
        Self {
            living: (0..population).collect(),
            next: population,
            random: 0x9e37_79b9_7f4a_7c15,
            creates_left: None,
        }
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        usize::try_from(mix(self.random) % bound.max(1) as u64).unwrap_or(0)
    }

    /// A living session, all equally likely.
    pub(crate) fn pick(&mut self) -> Option<u64> {
        let place = self.below(self.living.len());
        self.living.get(place).copied()
    }

    /// A living session that nobody gets from now on.
    pub(crate) fn take(&mut self) -> Option<u64> {
        let place = self.below(self.living.len());
        (place < self.living.len()).then(|| self.living.swap_remove(place))
    }

    /// The number of a session to create; `None` when enough have begun.
    pub(crate) fn begin(&mut self) -> Option<u64> {
        if let Some(left) = &mut self.creates_left {
            *left = left.checked_sub(1)?;
        }
        self.next += 1;
        Some(self.next - 1)
    }

    /// A session was created.
    pub(crate) fn add(&mut self, number: u64) {
        self.living.push(number);
    }
}
