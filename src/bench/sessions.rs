//! The sessions that one thread of the load tester created: their tokens, and which still live.

use crate::bench::random::Random;
use crate::bench::verify::Ledger;
use crate::bench::workload::Keys;

/// Draws that may meet an ended session before the next living one is taken.
const DRAWS: usize = 100;

/// Tokens side by side in one buffer, numbered in the order of their creates.
#[derive(Debug)]
pub(super) struct Sessions {
    token_bytes: usize,
    tokens: Vec<u8>,
    /// Bit set: no new request goes to the session.
    ended: Vec<u64>,
    count: usize,
    ended_count: usize,
    /// Acknowledged kills, and tokens that were rotated; filled only when the run is verified.
    pub(super) killed: Vec<usize>,
    /// What verification knows; `None` in a run that is only measured.
    pub(super) ledger: Option<Ledger>,
}

impl Sessions {
    pub(super) fn new(token_bytes: usize, ledger: Option<Ledger>) -> Self {
        Self {
            token_bytes,
            tokens: Vec::new(),
            ended: Vec::new(),
            count: 0,
            ended_count: 0,
            killed: Vec::new(),
            ledger,
        }
    }

    /// Room for so many more.
    pub(super) fn reserve(&mut self, sessions: usize) {
        self.tokens.reserve_exact(sessions * self.token_bytes);
        self.ended.reserve_exact(sessions.div_ceil(64));
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Adds a session. False when the token has a length that this service's tokens do not have.
    pub(super) fn add(&mut self, token: &[u8]) -> bool {
        if token.len() != self.token_bytes {
            return false;
        }
        self.tokens.extend_from_slice(token);
        if self.count.is_multiple_of(64) {
            self.ended.push(0);
        }
        self.count += 1;
        true
    }

    /// Gives a session another token, and answers the one that it had. `None` when the token has a
    /// length that this service's tokens do not have.
    pub(super) fn rotate(&mut self, session: usize, token: &[u8]) -> Option<Vec<u8>> {
        let start = session * self.token_bytes;
        let place = self.tokens.get_mut(start..start + self.token_bytes)?;
        if token.len() != place.len() {
            return None;
        }
        let old = place.to_vec();
        place.copy_from_slice(token);
        Some(old)
    }

    pub(super) fn token(&self, session: usize) -> &[u8] {
        let start = session * self.token_bytes;
        self.tokens
            .get(start..start + self.token_bytes)
            .unwrap_or_default()
    }

    /// A living session.
    pub(super) fn pick(&self, keys: &mut Keys, random: &mut Random) -> Option<usize> {
        if self.ended_count == self.count {
            return None;
        }
        let mut session = 0;
        for _ in 0..DRAWS {
            session = keys.draw(self.count, random);
            if self.ended_count == 0 || !self.has_ended(session) {
                return Some(session);
            }
        }
        let behind = (session..self.count).chain(0..session);
        behind.into_iter().find(|session| !self.has_ended(*session))
    }

    pub(super) fn has_ended(&self, session: usize) -> bool {
        let word = self.ended.get(session / 64).copied().unwrap_or(0);
        word & (1 << (session % 64)) != 0
    }

    /// No new request goes to the session.
    pub(super) fn end(&mut self, session: usize) {
        if session >= self.count || self.has_ended(session) {
            return;
        }
        if let Some(word) = self.ended.get_mut(session / 64) {
            *word |= 1 << (session % 64);
            self.ended_count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sessions;
    use crate::bench::random::Random;
    use crate::bench::workload::{Keys, Spread};

    #[test]
    fn ended_sessions_are_not_picked_and_keep_their_tokens() {
        let mut sessions = Sessions::new(3, None);
        assert!(!sessions.add(b"four"));
        for number in 0..200 {
            assert!(sessions.add(format!("{number:03}").as_bytes()));
        }
        for session in (0..200).filter(|n| n % 3 > 0) {
            sessions.end(session);
            sessions.end(session);
        }
        let mut random = Random::new(1, 0);
        for spread in [Spread::Uniform, Spread::Zipf { exponent: 1.0 }] {
            let mut keys = Keys::new(spread);
            for _ in 0..1_000 {
                assert_eq!(sessions.pick(&mut keys, &mut random).unwrap() % 3, 0);
            }
        }
        assert_eq!(sessions.token(199), b"199");
        for session in 0..300 {
            sessions.end(session);
        }
        let mut keys = Keys::new(Spread::Uniform);
        assert_eq!(sessions.pick(&mut keys, &mut random), None);
    }
}
