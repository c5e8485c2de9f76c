//! Unpredictable bytes from the operating system, fetched in batches.

use std::sync::{Mutex, PoisonError};

use crate::model::Randomness;

const BATCH: usize = 4096;

/// The operating system's randomness. One system call serves some fifty tokens.
pub struct OsRandomness {
    /// Guards the batch; held while a few bytes are copied out, or one batch is fetched.
    batch: Mutex<Batch>,
}

struct Batch {
    bytes: [u8; BATCH],
    used: usize,
}

impl OsRandomness {
    /// A source with an empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self {
            batch: Mutex::new(Batch {
                bytes: [0; BATCH],
                used: BATCH,
            }),
        }
    }
}

impl Default for OsRandomness {
    fn default() -> Self {
        Self::new()
    }
}

impl Randomness for OsRandomness {
    /// # Panics
    /// When the operating system has no randomness to give: no token may be made then.
    #[expect(
        clippy::panic,
        reason = "a server without randomness must not hand out tokens"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        let mut batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        let Batch { bytes: held, used } = &mut *batch;
        for piece in bytes.chunks_mut(BATCH) {
            if BATCH - *used < piece.len() {
                if let Err(error) = getrandom::fill(held) {
                    panic!("the operating system gives no randomness: {error}");
                }
                *used = 0;
            }
            let end = *used + piece.len();
            if let Some(fresh) = held.get_mut(*used..end) {
                piece.copy_from_slice(fresh);
                // A token drawn once must not stay behind in the batch.
                fresh.fill(0);
            }
            *used = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{OsRandomness, Randomness};

    #[test]
    fn bytes_differ_from_call_to_call_across_batches() {
        let random = OsRandomness::new();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..1_000 {
            let mut bytes = [0u8; 16];
            random.fill(&mut bytes);
            assert!(seen.insert(bytes));
        }
        let mut many = vec![0u8; 10_000];
        random.fill(&mut many);
        assert!(many.iter().filter(|b| **b == 0).count() < 200);
    }
}
