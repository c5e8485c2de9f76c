//! What a protocol is to a connection: bytes go in, replies stand in the outbox. No socket.

use crate::clock::Millis;
use crate::engine::{Engine, Located};
use crate::limits;
use crate::net::outbox::Outbox;
use crate::net::scratch::Desk;
use crate::net::service::Service;
use crate::net::stream::Peer;
use crate::net::timer::Waiting;

/// What is at hand during one turn of a connection.
pub(super) struct Turn<'t> {
    pub(super) service: &'t Service,
    pub(super) peer: &'t Peer,
    pub(super) now: Millis,
    pub(super) desk: &'t mut Desk,
    /// The session that the next request reads, if that was foreseen.
    pub(super) located: Option<Located>,
}

/// Why a request that has begun is not waited for any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum GivenUp {
    /// It did not come to its end in time.
    TooSlow,
    /// The log cannot be written as fast as it grows.
    LogTooSlow,
    /// The server holds as much of unfinished requests as it may.
    TooMuchHeld,
}

/// The requests and replies of one connection.
pub(super) trait Exchange {
    /// Replies not yet sent.
    fn outbox(&mut self) -> &mut Outbox;

    /// Answers what `fresh`, behind what was left of earlier bytes, completes: at most `budget`
    /// requests, and only while there is room for replies.
    fn receive(&mut self, fresh: &[u8], turn: &mut Turn<'_>, budget: &mut usize);

    /// The session that is asked for, if `fresh` is one whole read and nothing stands before it. A
    /// guess: the request is answered by what it says.
    fn foresee(&self, fresh: &[u8], engine: &Engine) -> Option<Located>;

    /// Keeps a request that was foreseen as if it had been left over.
    fn put_aside(&mut self, fresh: &[u8], desk: &mut Desk);

    /// Does one slice of the work at hand.
    fn work(&mut self, turn: &mut Turn<'_>);

    /// The peer will send nothing more.
    fn end_of_input(&mut self);

    /// The request that has begun will not be waited for.
    fn give_up(&mut self, why: GivenUp, turn: &mut Turn<'_>);

    /// Whether an answer is being made in slices.
    fn is_working(&self) -> bool;

    /// Whether received requests wait for their turn.
    fn has_leftovers(&self) -> bool;

    /// Whether the next request waits until the log has written some of what it has. It stands
    /// unread in the buffer meanwhile, and nothing behind it is received.
    fn is_held_up(&self) -> bool;

    /// `Some` when no request is read any more; whether to linger then.
    fn closing(&self) -> Option<bool>;

    /// Whether nothing is in flight.
    fn is_idle(&self) -> bool;

    /// What of the peer is waited for.
    fn waiting(&self) -> Waiting;

    /// Bytes that are kept for this connection until its peer goes on.
    fn held_bytes(&self) -> usize;

    /// Requests begun so far.
    fn served(&self) -> u64;

    /// Borrows the thread's reply buffer for a turn.
    fn borrow_room(&mut self, desk: &mut Desk);

    /// Gives buffers back that are empty again.
    fn return_room(&mut self, desk: &mut Desk);

    /// Whether replies may be added: the peer takes them fast enough.
    fn has_room(&mut self) -> bool {
        self.outbox().len() < limits::REPLY_BYTES_HELD
    }
}
