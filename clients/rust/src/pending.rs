//! Who waits for which reply.

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::codec::OwnedFrame;
use crate::error::Error;

/// What somebody who waits for a reply is told.
pub(crate) type Outcome = Result<OwnedFrame, Error>;

/// A request whose reply has not come.
struct Waiter {
    /// Grows with every request; tells how long it has been waiting.
    sequence: u64,
    /// `None` for a request of the client's own. Nobody listens any more when it has timed out.
    reply: Option<oneshot::Sender<Outcome>>,
    /// The share of the bytes in flight that it takes until its reply comes, time-out or not: so
    /// what is under way stays bounded.
    _room: Option<OwnedSemaphorePermit>,
}

/// Requests by id. An id is free again when its reply has come, and not before.
#[derive(Default)]
pub(crate) struct Pending {
    slots: Vec<Option<Waiter>>,
    free: Vec<u32>,
    sequence: u64,
}

impl Pending {
    /// Takes an id for a request.
    pub(crate) fn reserve(
        &mut self,
        reply: Option<oneshot::Sender<Outcome>>,
        room: Option<OwnedSemaphorePermit>,
    ) -> u32 {
        self.sequence += 1;
        let waiter = Some(Waiter {
            sequence: self.sequence,
            reply,
            _room: room,
        });
        if let Some(id) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(place(id))
        {
            *slot = waiter;
            return id;
        }
        // The bytes in flight bound the number of slots far below 2^32.
        let id = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(waiter);
        id
    }

    /// Hands a reply to whoever waits for it. False: nobody has asked.
    pub(crate) fn complete(&mut self, id: u32, outcome: Outcome) -> bool {
        let Some(waiter) = self.slots.get_mut(place(id)).and_then(Option::take) else {
            return false;
        };
        self.free.push(id);
        waiter.tell(outcome);
        true
    }

    /// Tells all but those whose id `stays` that there will be no reply.
    pub(crate) fn fail(&mut self, error: &Error, stays: impl Fn(u32) -> bool) {
        for (slot, id) in self.slots.iter_mut().zip(0..) {
            if !stays(id)
                && let Some(waiter) = slot.take()
            {
                self.free.push(id);
                waiter.tell(Err(error.clone()));
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.free.len() == self.slots.len()
    }

    /// A moment, for [`Pending::waits_since`].
    pub(crate) fn mark(&self) -> u64 {
        self.sequence
    }

    /// Whether a request waits that was made before the moment of a mark.
    pub(crate) fn waits_since(&self, mark: u64) -> bool {
        self.slots.iter().flatten().any(|w| w.sequence <= mark)
    }
}

impl Waiter {
    fn tell(self, outcome: Outcome) {
        if let Some(reply) = self.reply {
            // It has timed out when it does not listen any more, and needs no answer.
            drop(reply.send(outcome));
        }
    }
}

fn place(id: u32) -> usize {
    usize::try_from(id).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::Pending;
    use crate::error::Error;
    use tokio::sync::oneshot;

    #[test]
    fn id_of_a_request_that_timed_out_is_not_used_until_its_reply_has_come() {
        let mut pending = Pending::default();
        let (reply, waits) = oneshot::channel();
        let first = pending.reserve(Some(reply), None);
        drop(waits);
        let second = pending.reserve(None, None);
        assert_ne!(first, second);
        assert!(pending.complete(first, Err(Error::Closed)));
        assert!(!pending.complete(first, Err(Error::Closed)));
        assert_eq!(pending.reserve(None, None), first);
    }

    #[test]
    fn age_is_told_by_marks() {
        let mut pending = Pending::default();
        let id = pending.reserve(None, None);
        let mark = pending.mark();
        assert!(pending.waits_since(mark));
        assert!(pending.complete(id, Err(Error::Closed)));
        let late = pending.reserve(None, None);
        assert!(!pending.waits_since(mark));
        pending.fail(&Error::Closed, |id| id == late);
        assert!(!pending.is_empty());
        pending.fail(&Error::Closed, |_| false);
        assert!(pending.is_empty());
    }
}
