//! Buffers that the connections of one thread share, so that an idle connection holds none.

use std::cell::RefCell;
use std::task::Waker;

use bytes::BytesMut;

use crate::clock::Millis;
use crate::engine::Position;
use crate::net::binary::Foreseen;
use crate::net::gather::Gathering;
use crate::net::http::date::DateCache;
use crate::net::http::foresight::Foresight;
use crate::net::http::response::Response;
use crate::net::log_watch::LogWatch;
use crate::net::outbox::Outbox;

/// Bytes read at once; more than a peer usually has sent.
const READ_BYTES: usize = 64 << 10;
/// Rooms for requests that are kept, and the largest of them.
const ROOMS_KEPT: usize = 64;
const ROOM_BYTES_KEPT: usize = 16 << 10;
/// The largest room for replies that is kept, of as many.
const OUTBOX_BYTES_KEPT: usize = 64 << 10;
/// A shared buffer that has grown beyond this is given back to the allocator.
const KEPT_BYTES: usize = 1 << 20;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        read: vec![0; READ_BYTES].into_boxed_slice(),
        desk: Desk {
            outboxes: Vec::new(),
            rooms: Vec::new(),
            gathering: Gathering::default(),
            body: Vec::new(),
            inflated: Vec::new(),
            date: DateCache::new(Millis(0)),
            foresight: Foresight::default(),
            foreseen: Vec::new(),
            parked: Vec::new(),
            held_up: Vec::new(),
        },
    });
}

/// All that is shared.
pub(super) struct Scratch {
    /// Where bytes are read to.
    pub(super) read: Box<[u8]>,
    /// The rest.
    pub(super) desk: Desk,
}

/// What is needed while requests are answered.
pub(super) struct Desk {
    /// Room for replies, lent to connections that have some.
    outboxes: Vec<Outbox>,
    /// Room for requests that are not answered yet, lent to connections that have some.
    rooms: Vec<BytesMut>,
    /// Connections that wait for each other.
    pub(super) gathering: Gathering,
    /// The body of the reply in the making.
    pub(super) body: Vec<u8>,
    /// The inflated body of a request.
    pub(super) inflated: Vec<u8>,
    /// The `Date` line.
    pub(super) date: DateCache,
    /// What the rest of the buffer will ask for.
    pub(super) foresight: Foresight,
    /// The same for frames: the reads at the front of the buffer.
    pub(super) foreseen: Vec<Foreseen>,
    /// Connections whose replies wait for the log.
    parked: Vec<(Position, Waker)>,
    /// Connections whose next request waits because the log is backed up.
    held_up: Vec<Waker>,
}

impl Scratch {
    /// Runs `turn` with this thread's buffers.
    pub(super) fn with<R>(turn: impl FnOnce(&mut Self) -> R) -> R {
        SCRATCH.with_borrow_mut(turn)
    }
}

impl Desk {
    /// A reply to be written to the end of `outbox`.
    pub(super) fn reply<'o>(
        &'o mut self,
        outbox: &'o mut Outbox,
        minor_version: u8,
        close: bool,
    ) -> Response<'o> {
        Response::new(
            outbox.end(),
            &mut self.body,
            &self.date,
            minor_version,
            close,
        )
    }

    /// Room for a request.
    pub(super) fn lend_room(&mut self) -> BytesMut {
        self.rooms.pop().unwrap_or_default()
    }

    /// Takes back what was lent, empty again.
    pub(super) fn take_room(&mut self, room: BytesMut) {
        if self.rooms.len() < ROOMS_KEPT && (1..=ROOM_BYTES_KEPT).contains(&room.capacity()) {
            self.rooms.push(room);
        }
    }

    /// Room for replies.
    pub(super) fn lend_outbox(&mut self) -> Outbox {
        self.outboxes.pop().unwrap_or_default()
    }

    /// Takes back what was lent, empty again.
    pub(super) fn take_outbox(&mut self, outbox: Outbox) {
        let bytes = outbox.capacity();
        if self.outboxes.len() < ROOMS_KEPT && (1..=OUTBOX_BYTES_KEPT).contains(&bytes) {
            self.outboxes.push(outbox);
        }
    }

    /// Wakes the task when the log has reached `position`.
    pub(super) fn park(&mut self, position: Position, waker: Waker) {
        self.parked.push((position, waker));
    }

    /// Wakes the task at the log's next announcement.
    pub(super) fn hold_up(&mut self, waker: Waker) {
        self.held_up.push(waker);
    }

    /// Gives buffers back that one large request or reply has blown up.
    pub(super) fn tidy(&mut self) {
        for buffer in [&mut self.body, &mut self.inflated] {
            if buffer.capacity() > KEPT_BYTES {
                *buffer = Vec::new();
            }
        }
    }
}

/// This thread has nothing to do until something happens. Its runtime is to call this whenever it
/// parks; else no connection waits for others.
pub fn rest() {
    Scratch::with(|scratch| scratch.desk.gathering.end_round());
}

/// Wakes the parked connections of this thread whenever the log has moved on.
pub(crate) async fn wake_parked(mut log: LogWatch) {
    while let Some(reached) = log.moved().await {
        Scratch::with(|scratch| {
            let woken = scratch
                .desk
                .parked
                .extract_if(.., |(position, _)| *position <= reached);
            for (_, waker) in woken {
                waker.wake();
            }
            for waker in scratch.desk.held_up.drain(..) {
                waker.wake();
            }
        });
    }
}
