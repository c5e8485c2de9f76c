//! Requests on their way: what is to be written, and who waits for which reply.
//!
//! Handles put requests in, the keeper of the connection takes them out and brings replies back.
//! What was not written when a connection was lost goes out with the next one; what was written
//! has an unknown outcome and fails.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cloakroom_protocol::{Call, Cut, DecodeError, Header, NOTICE, Ping, Request, cut, limits};
use tokio::sync::{Notify, Semaphore, oneshot, watch};

use crate::codec::OwnedFrame;
use crate::error::{ConnectError, Error};
use crate::pending::{Outcome, Pending};

/// Bytes that one permit of the bytes in flight stands for.
const ROOM_UNIT: usize = 256;
/// Bytes of a buffer that are kept for the next batch.
const KEPT_BYTES: usize = 256 << 10;
/// Where the id stands in a header.
const ID: std::ops::Range<usize> = 4..8;

/// How the connection stands.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// The first attempt is under way, or the first after a loss: worth waiting for.
    Connecting,
    /// Requests travel.
    Ready,
    /// The last attempt failed: requests fail at once until one succeeds.
    Down(Arc<ConnectError>),
    /// The last replies are awaited; no further request is taken.
    Closing,
    /// All is over.
    Closed,
}

/// What the server allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed {
    pub(crate) payload: usize,
    pub(crate) keys: usize,
}

struct State {
    outbox: Vec<u8>,
    pending: Pending,
    allowed: Allowed,
}

pub(crate) struct Link {
    state: Mutex<State>,
    /// Changed under the lock of `state` only.
    phase: watch::Sender<Phase>,
    to_write: Notify,
    drained: Notify,
    room: Arc<Semaphore>,
    permits: u32,
}

impl Link {
    pub(crate) fn new(bytes_in_flight: usize) -> Self {
        let permits = u32::try_from(bytes_in_flight / ROOM_UNIT).unwrap_or(u32::MAX >> 4);
        let permits = permits.clamp(1, u32::MAX >> 4);
        Self {
            state: Mutex::new(State {
                outbox: Vec::new(),
                pending: Pending::default(),
                allowed: Allowed {
                    payload: limits::PAYLOAD_BYTES,
                    keys: limits::MGET_KEYS,
                },
            }),
            phase: watch::Sender::new(Phase::Connecting),
            to_write: Notify::new(),
            drained: Notify::new(),
            room: Arc::new(Semaphore::new(usize::try_from(permits).unwrap_or(1))),
            permits,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that panics runs under the lock; what it guards is sound at every step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn allowed(&self) -> Allowed {
        self.state().allowed
    }

    /// Puts a frame among those to be written, once there is room and a connection. The reply comes
    /// through the receiver.
    pub(crate) async fn submit(
        &self,
        mut frame: Vec<u8>,
    ) -> Result<oneshot::Receiver<Outcome>, Error> {
        let units = u32::try_from(frame.len() / ROOM_UNIT + 1).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(units.min(self.permits));
        let Ok(room) = room.await else {
            return Err(Error::Closed);
        };
        let mut room = Some(room);
        let mut phases = self.phase.subscribe();
        loop {
            {
                let mut state = self.state();
                match &*self.phase.borrow() {
                    Phase::Ready => {
                        check_length(&frame, state.allowed)?;
                        let (sender, receiver) = oneshot::channel();
                        let id = state.pending.reserve(Some(sender), room.take());
                        state.add(&mut frame, id);
                        self.to_write.notify_one();
                        return Ok(receiver);
                    }
                    Phase::Down(cause) => return Err(Error::Unavailable(Arc::clone(cause))),
                    Phase::Closing | Phase::Closed => return Err(Error::Closed),
                    Phase::Connecting => {}
                }
            }
            if phases.changed().await.is_err() {
                return Err(Error::Closed);
            }
        }
    }

    /// Waits until the connection stands, or the attempt has failed.
    pub(crate) async fn settled(&self) -> Result<(), Error> {
        let mut phases = self.phase.subscribe();
        let settled = phases.wait_for(|phase| !matches!(phase, Phase::Connecting));
        match settled.await.as_deref() {
            Ok(Phase::Ready | Phase::Connecting) => Ok(()),
            Ok(Phase::Down(cause)) => Err(Error::Unavailable(Arc::clone(cause))),
            Ok(Phase::Closing | Phase::Closed) | Err(_) => Err(Error::Closed),
        }
    }

    /// Waits until all is over.
    pub(crate) async fn closed(&self) {
        let mut phases = self.phase.subscribe();
        let closed = phases.wait_for(|phase| matches!(phase, Phase::Closed));
        drop(closed.await);
    }

    /// Waits until there is something to write and moves all of it to `into`, which is empty. The
    /// runtime runs whoever else is ready first, so requests made at the same time travel together.
    pub(crate) async fn next_batch(&self, into: &mut Vec<u8>) {
        loop {
            self.to_write.notified().await;
            let mut state = self.state();
            if !state.outbox.is_empty() {
                into.shrink_to(KEPT_BYTES);
                std::mem::swap(&mut state.outbox, into);
                return;
            }
        }
    }

    /// The connection stands.
    pub(crate) fn ready(&self, allowed: Allowed) {
        let mut state = self.state();
        state.allowed = allowed;
        if !state.outbox.is_empty() {
            self.to_write.notify_one();
        }
        self.advance(Phase::Ready);
    }

    /// The connection is lost. Those whose requests were not written wait on.
    pub(crate) fn lost(&self, cause: ConnectError) {
        let mut state = self.state();
        let unwritten = ids(&state.outbox);
        let error = Error::Lost(Arc::new(cause));
        state
            .pending
            .fail(&error, |id| unwritten.binary_search(&id).is_ok());
        self.drain_check(&state);
        self.advance(Phase::Connecting);
    }

    /// There is no connection and will not be one for a while.
    pub(crate) fn down(&self, cause: ConnectError) {
        let cause = Arc::new(cause);
        let mut state = self.state();
        state.outbox.clear();
        let error = Error::Unavailable(Arc::clone(&cause));
        state.pending.fail(&error, |_| false);
        self.drain_check(&state);
        self.advance(Phase::Down(cause));
    }

    /// A frame has come.
    pub(crate) fn arrived(&self, frame: OwnedFrame) -> Result<(), ConnectError> {
        if frame.header.opcode & 0x7f == NOTICE {
            return Err(crate::session::notice(&frame)?);
        }
        let mut state = self.state();
        let id = frame.header.id;
        if !state.pending.complete(id, Ok(frame)) {
            return Err(DecodeError::BadValue { field: "id" }.into());
        }
        self.drain_check(&state);
        Ok(())
    }

    /// A moment, for [`Link::waits_since`].
    pub(crate) fn mark(&self) -> u64 {
        self.state().pending.mark()
    }

    /// Whether a request waits that was made before the moment of a mark.
    pub(crate) fn waits_since(&self, mark: u64) -> bool {
        self.state().pending.waits_since(mark)
    }

    /// Asks for a sign of life, if nothing else is under way.
    pub(crate) fn ping(&self) {
        let mut frame = Vec::new();
        let ping = Call::new(0, Request::Ping(Ping { echo: &[] }));
        let mut state = self.state();
        if state.pending.is_empty() && ping.encode(&mut frame).is_ok() {
            let id = state.pending.reserve(None, None);
            state.add(&mut frame, id);
            self.to_write.notify_one();
        }
    }

    /// Takes no further requests and waits for the replies that are due.
    pub(crate) async fn drain(&self) {
        loop {
            let drained = self.drained.notified();
            {
                let state = self.state();
                self.advance(Phase::Closing);
                if state.pending.is_empty() {
                    return;
                }
            }
            drained.await;
        }
    }

    /// Ends all.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.outbox.clear();
        state.pending.fail(&Error::Closed, |_| false);
        self.room.close();
        self.phase.send_replace(Phase::Closed);
    }

    /// Goes to another phase; from the last two there is no way back.
    fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let stays = match (&*phase, &to) {
                (Phase::Closed, _) => true,
                (Phase::Closing, to) => !matches!(to, Phase::Closed),
                (Phase::Connecting | Phase::Ready | Phase::Down(_), _) => false,
            };
            if !stays {
                *phase = to;
            }
            !stays
        });
    }

    fn drain_check(&self, state: &State) {
        if state.pending.is_empty() {
            self.drained.notify_waiters();
        }
    }
}

impl State {
    fn add(&mut self, frame: &mut [u8], id: u32) {
        if let Some(place) = frame.get_mut(ID) {
            place.copy_from_slice(&id.to_le_bytes());
        }
        self.outbox.extend_from_slice(frame);
    }
}

fn check_length(frame: &[u8], allowed: Allowed) -> Result<(), Error> {
    match cut(frame, allowed.payload) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::Invalid(error)),
    }
}

/// The ids of whole frames, in order of size.
fn ids(frames: &[u8]) -> Vec<u32> {
    let mut rest = frames;
    let mut ids = Vec::new();
    while let Ok(Cut::Frame(frame)) = cut(rest, usize::MAX) {
        let Header { id, .. } = frame.header;
        ids.push(id);
        rest = rest.get(frame.bytes()..).unwrap_or_default();
    }
    ids.sort_unstable();
    ids
}

#[cfg(test)]
mod tests {
    use super::{Allowed, Link, ids};
    use crate::codec::OwnedFrame;
    use crate::error::{ConnectError, Error};
    use bytes::Bytes;
    use cloakroom_protocol::{Call, Get, Header, Request, Token};

    const ALLOWED: Allowed = Allowed {
        payload: 100,
        keys: 1,
    };

    fn get(token: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        let get = Request::Get(Get::touch(Token(token)));
        Call::new(0, get).encode(&mut frame).unwrap();
        frame
    }

    #[tokio::test]
    async fn only_requests_that_were_written_are_lost_with_a_connection() {
        let link = Link::new(1 << 20);
        link.ready(ALLOWED);
        let written = link.submit(get(b"written")).await.unwrap();
        let mut batch = Vec::new();
        link.next_batch(&mut batch).await;
        let unwritten = link.submit(get(b"unwritten")).await.unwrap();
        link.lost(ConnectError::ClosedByServer);
        assert!(matches!(written.await, Ok(Err(Error::Lost(_)))));
        link.ready(ALLOWED);
        batch.clear();
        link.next_batch(&mut batch).await;
        assert_eq!(&batch[Header::BYTES..], b"unwritten");
        let header = Header {
            id: ids(&batch)[0],
            opcode: 0x90,
            ..Header::default()
        };
        let payload = Bytes::new();
        link.arrived(OwnedFrame { header, payload }).unwrap();
        assert!(matches!(unwritten.await, Ok(Ok(_))));
    }

    #[tokio::test]
    async fn requests_that_were_not_written_fail_as_not_sent_when_the_next_attempt_fails() {
        let link = Link::new(1 << 20);
        link.ready(ALLOWED);
        let unwritten = link.submit(get(b"t")).await.unwrap();
        link.lost(ConnectError::ClosedByServer);
        link.down(ConnectError::Timeout);
        assert!(matches!(unwritten.await, Ok(Err(Error::Unavailable(_)))));
        let refused = link.submit(get(b"t")).await;
        assert!(matches!(refused, Err(Error::Unavailable(_))));
        link.ready(ALLOWED);
        let sent = link.submit(get(b"new")).await;
        assert!(sent.is_ok());
        let mut batch = Vec::new();
        link.next_batch(&mut batch).await;
        assert_eq!(&batch[Header::BYTES..], b"new");
    }
}
