//! Replies that are not sent yet: their bytes in order, and the log positions they wait for.

use std::collections::VecDeque;

use crate::engine::Position;

/// Bytes sent from the front before what is left is moved there.
const SENT_BYTES_KEPT: usize = 64 << 10;

/// The outgoing side of a connection.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
    gates: VecDeque<Gate>,
}

/// Bytes from `start` on wait until the log has reached `position`.
#[derive(Clone, Copy, Debug)]
struct Gate {
    start: usize,
    position: Position,
}

impl Outbox {
    /// Bytes that are not sent yet.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Whether everything is sent.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory held.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The buffer that replies are appended to.
    pub(super) fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Where the next reply will start, for [`Outbox::hold`].
    pub(super) fn mark(&self) -> usize {
        self.bytes.len()
    }

    /// Holds back everything from `start` on until the log has reached `position`. Replies keep
    /// their order, so a position that an earlier reply waits for anyway adds nothing.
    pub(super) fn hold(&mut self, start: usize, position: Position) {
        if self.gates.back().is_none_or(|g| g.position < position) {
            self.gates.push_back(Gate { start, position });
        }
    }

    /// The position that the next unsent byte waits for.
    pub(super) fn waits_for(&self) -> Option<Position> {
        self.gates
            .front()
            .filter(|gate| gate.start == self.sent)
            .map(|gate| gate.position)
    }

    /// Lets go what waited for `reached` or less.
    pub(super) fn release(&mut self, reached: Position) {
        while self.gates.front().is_some_and(|g| g.position <= reached) {
            self.gates.pop_front();
        }
    }

    /// Whether any reply waits for the log.
    pub(super) fn is_held(&self) -> bool {
        !self.gates.is_empty()
    }

    /// What may be sent now.
    pub(super) fn sendable(&self) -> &[u8] {
        let end = self.gates.front().map_or(self.bytes.len(), |g| g.start);
        self.bytes.get(self.sent..end).unwrap_or_default()
    }

    /// Notes that the first `count` bytes of [`Outbox::sendable`] are sent.
    pub(super) fn advance(&mut self, count: usize) {
        self.sent += count;
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.sent = 0;
        } else if self.sent >= SENT_BYTES_KEPT && self.sent >= self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            for gate in &mut self.gates {
                gate.start -= self.sent;
            }
            self.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Outbox, SENT_BYTES_KEPT};
    use crate::engine::Position;

    fn push(outbox: &mut Outbox, text: &str, position: Option<u64>) {
        let start = outbox.mark();
        outbox.end().extend_from_slice(text.as_bytes());
        if let Some(position) = position {
            outbox.hold(start, Position(position));
        }
    }

    #[test]
    fn reply_behind_a_held_one_waits_though_it_needs_nothing() {
        let mut outbox = Outbox::default();
        push(&mut outbox, "a", None);
        push(&mut outbox, "b", Some(7));
        push(&mut outbox, "c", None);
        push(&mut outbox, "d", Some(5));
        push(&mut outbox, "e", Some(9));
        assert_eq!(outbox.sendable(), b"a");
        outbox.advance(1);
        assert_eq!(outbox.waits_for(), Some(Position(7)));
        outbox.release(Position(6));
        assert_eq!(outbox.sendable(), b"");
        outbox.release(Position(8));
        assert_eq!(outbox.sendable(), b"bcd");
        outbox.advance(1);
        assert_eq!(outbox.waits_for(), None);
        outbox.advance(2);
        assert_eq!(outbox.waits_for(), Some(Position(9)));
        outbox.release(Position(9));
        assert_eq!(outbox.sendable(), b"e");
        outbox.advance(1);
        assert!(outbox.is_empty() && !outbox.is_held());
    }

    #[test]
    fn gates_stay_in_place_when_sent_bytes_are_dropped() {
        let mut outbox = Outbox::default();
        push(&mut outbox, &"x".repeat(SENT_BYTES_KEPT), None);
        push(&mut outbox, "yes", None);
        push(&mut outbox, "no", Some(1));
        outbox.advance(SENT_BYTES_KEPT);
        assert_eq!(outbox.sendable(), b"yes");
        outbox.release(Position(1));
        assert_eq!(outbox.sendable(), b"yesno");
        assert_eq!(outbox.len(), 5);
    }
}
