//! A log that keeps every change as the bytes a real one would write, and plays it back.

use std::sync::{Arc, Mutex};

use cloakroom::clock::Millis;
use cloakroom::engine::{ChangeLog, Engine, Position};
use cloakroom::log::record::{decode, encode};
use cloakroom::model::Change;
use cloakroom::model::change::TouchChange;

/// From where the times in the records are counted.
const TIME: Millis = Millis(1_795_000_000_000);

/// Keeps the changes of an engine in their order.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<Vec<u8>>>>);

impl ChangeLog for Recorder {
    fn append(&self, change: &Change<'_>) -> Option<Position> {
        Some(self.keep(change))
    }

    fn touched(&self, touch: &TouchChange) {
        self.keep(&Change::Touch(*touch));
    }
}

impl Recorder {
    fn keep(&self, change: &Change<'_>) -> Position {
        let mut bytes = Vec::new();
        encode(change, TIME, &mut bytes);
        let mut kept = self.0.lock().unwrap();
        kept.push(bytes);
        Position(kept.len() as u64)
    }

    /// Carries out all changes on `engine`, each of them `times` times in a row.
    pub(crate) fn replay(&self, engine: &Engine, times: usize) {
        for bytes in &*self.0.lock().unwrap() {
            let mut rest = bytes.as_slice();
            let change = decode(&mut rest, TIME).unwrap();
            assert!(rest.is_empty(), "a record ends where it ends");
            (0..times).for_each(|_| engine.replay(&change));
        }
    }
}
