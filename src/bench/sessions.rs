//! The sessions that one thread of the load tester created: their tokens, and which still live.

use crate::bench::random::Random;
use crate::bench::verify::Ledger;

/// Tokens side by side in one buffer, numbered in the order of their creates.
#[derive(Debug)]
pub(super) struct Sessions {
    token_bytes: usize,
    tokens: Vec<u8>,
    ended: Vec<bool>,
    ended_count: usize,
    /// Acknowledged kills; filled only when the run is verified.
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
            ended_count: 0,
            killed: Vec::new(),
            ledger,
        }
    }

    /// Room for so many more.
    pub(super) fn reserve(&mut self, sessions: usize) {
        self.tokens.reserve_exact(sessions * self.token_bytes);
        self.ended.reserve_exact(sessions);
    }

    pub(super) fn len(&self) -> usize {
        self.ended.len()
    }

    /// Adds a session. False when the token has a length that this service's tokens do not have.
    pub(super) fn add(&mut self, token: &[u8]) -> bool {
        if token.len() != self.token_bytes {
            return false;
        }
        self.tokens.extend_from_slice(token);
        self.ended.push(false);
        true
    }

    pub(super) fn token(&self, session: usize) -> &[u8] {
        let start = session * self.token_bytes;
        self.tokens
            .get(start..start + self.token_bytes)
            .unwrap_or_default()
    }

    /// A living session, all of them equally likely.
    pub(super) fn pick(&self, random: &mut Random) -> Option<usize> {
        if self.ended_count == self.ended.len() {
            return None;
        }
        loop {
            let session = random.below(self.ended.len());
            if self.ended.get(session) == Some(&false) {
                return Some(session);
            }
        }
    }

    pub(super) fn has_ended(&self, session: usize) -> bool {
        self.ended.get(session).copied().unwrap_or(false)
    }

    /// No new request goes to the session.
    pub(super) fn end(&mut self, session: usize) {
        if let Some(ended) = self.ended.get_mut(session)
            && !*ended
        {
            *ended = true;
            self.ended_count += 1;
        }
    }
}
