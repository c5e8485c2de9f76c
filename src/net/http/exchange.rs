//! One connection's requests and replies, without its socket: bytes come in, replies stand in the
//! outbox. Parses all that a read brought, answers it in order, keeps only what is incomplete.

use bytes::{Buf, BytesMut};

use crate::engine::{Engine, Located};
use crate::limits;
use crate::net::exchange::{Exchange, GivenUp, Turn};
use crate::net::http::access_log::LogEntry;
use crate::net::http::body::BodyReader;
use crate::net::http::dialect::{Dialect, SlicedWork};
use crate::net::http::foresight::lone_read;
use crate::net::http::head::{self, Fault, Targets};
use crate::net::http::incoming::{Incoming, Taken};
use crate::net::http::request::Head;
use crate::net::outbox::Outbox;
use crate::net::scratch::{Desk, Scratch};
use crate::net::service::Service;
use crate::net::stream::Peer;
use crate::net::timer::Waiting;

/// The state of a connection between two turns.
pub(crate) struct HttpExchange {
    /// The dialect of the listener; `None` where the path decides.
    pub(super) dialect: Option<Dialect>,
    pub(super) stage: Stage,
    /// Bytes that are received but not consumed: a partial head, or requests whose turn comes.
    carried: BytesMut,
    /// So many of the carried bytes are known not to hold the end of a head.
    seen: usize,
    /// Nothing more can be done before bytes arrive.
    starved: bool,
    /// The next request may change something, and the log has too much to write already.
    held_up: bool,
    /// Requests begun so far.
    served: u64,
    /// Replies not yet sent.
    pub(super) outbox: Outbox,
}

/// What comes next.
pub(super) enum Stage {
    /// The head of a request.
    Head,
    /// The rest of a body.
    Body(Box<Incoming>),
    /// The rest of a body that was refused: dropped, up to so many bytes.
    Skip(BodyReader, u64),
    /// The rest of an answer.
    Work(Box<Working>),
    /// Nothing: the connection ends when the replies are sent. After a refusal the peer gets time
    /// to read the reply before its unread bytes reset the connection.
    Closing { linger: bool },
}

/// A request that is answered in slices.
pub(super) struct Working {
    pub(super) work: Box<dyn SlicedWork>,
    pub(super) minor_version: u8,
    pub(super) head_only: bool,
    pub(super) close: bool,
    pub(super) entry: Option<LogEntry>,
}

impl HttpExchange {
    /// A connection that nothing has arrived on.
    pub(crate) fn new(dialect: Option<Dialect>) -> Self {
        Self {
            dialect,
            stage: Stage::Head,
            carried: BytesMut::new(),
            seen: 0,
            starved: true,
            held_up: false,
            served: 0,
            outbox: Outbox::default(),
        }
    }

    /// The request targets that the listener lets through.
    pub(super) fn targets(&self) -> Targets {
        match self.dialect {
            Some(Dialect::Tarantool) => Targets::AsSent,
            Some(Dialect::RestSessions | Dialect::BackSession) | None => Targets::Standard,
        }
    }

    /// Whether a request is one that the log has no room for now. Decided from the head, so that no
    /// body is collected for it.
    fn must_wait(&self, head: &Head<'_>, turn: &Turn<'_>) -> bool {
        let dialect = self.dialect;
        turn.service.log.holds_up(|| {
            let dialect = dialect.unwrap_or_else(|| Dialect::of_path(head.path));
            dialect.may_change(head)
        })
    }

    fn carry(&mut self, rest: &[u8], desk: &mut Desk) {
        if rest.is_empty() || self.closing().is_some() {
            return;
        }
        self.carried = desk.lend_room();
        self.carried.extend_from_slice(rest);
    }

    /// Works through `input` and says how many bytes are done with.
    fn consume(&mut self, input: &[u8], turn: &mut Turn<'_>, budget: &mut usize) -> usize {
        let mut at = 0;
        self.seen = 0;
        self.held_up = false;
        turn.desk.foresight.clear();
        loop {
            let rest = input.get(at..).unwrap_or_default();
            self.starved = rest.is_empty();
            if self.starved || !self.has_room() {
                return at;
            }
            let used = match &mut self.stage {
                Stage::Head if *budget == 0 => return at,
                Stage::Head => {
                    let mut room = head::field_room();
                    match head::parse(rest, &mut room, self.targets()) {
                        Ok(Some(parsed)) if self.must_wait(&parsed.head, turn) => {
                            self.held_up = true;
                            return at;
                        }
                        Ok(Some(parsed)) => {
                            *budget -= 1;
                            self.served += 1;
                            let engine = &turn.service.engine;
                            let foresight = &mut turn.desk.foresight;
                            let located = foresight.take(at, input, self.dialect, engine);
                            // Of the connection's foresight only the first request was seen.
                            turn.located = located.or(turn.located.take().filter(|_| at == 0));
                            self.begin(&parsed, rest, turn)
                        }
                        Ok(None) => {
                            self.starved = true;
                            self.seen = rest.len();
                            return at;
                        }
                        Err(fault) => Err(fault),
                    }
                }
                Stage::Body(incoming) => match incoming.take(rest) {
                    Ok((used, Taken::Part)) => Ok(used),
                    Ok((used, taken)) => self.finish(taken, turn).map(|()| used),
                    Err(fault) => Err(fault),
                },
                Stage::Skip(reader, left) => match skip(reader, left, rest) {
                    Ok((used, next)) => {
                        if let Some(next) = next {
                            self.stage = next;
                        }
                        Ok(used)
                    }
                    Err(fault) => Err(fault),
                },
                Stage::Work(_) => return at,
                Stage::Closing { linger } => {
                    // The peer sends on, so a plain close could reset what it has yet to read.
                    *linger = true;
                    return input.len();
                }
            };
            match used {
                Ok(used) => at += used,
                Err(fault) => self.refuse(fault, turn),
            }
        }
    }
}

fn fault_of(why: GivenUp) -> Fault {
    match why {
        GivenUp::TooSlow => Fault {
            status: 408,
            reason: "the request did not come to its end in time",
        },
        GivenUp::LogTooSlow => Fault {
            status: 503,
            reason: "the log cannot be written as fast as it grows",
        },
        GivenUp::TooMuchHeld => Fault {
            status: 503,
            reason: "the server holds as much of unfinished requests as it may",
        },
    }
}

impl Exchange for HttpExchange {
    fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    fn work(&mut self, turn: &mut Turn<'_>) {
        self.slice(turn);
    }

    fn has_leftovers(&self) -> bool {
        !self.starved && !self.is_working() && !self.carried.is_empty()
    }

    fn is_held_up(&self) -> bool {
        self.held_up
    }

    fn is_working(&self) -> bool {
        matches!(self.stage, Stage::Work(_))
    }

    fn closing(&self) -> Option<bool> {
        match self.stage {
            Stage::Closing { linger } => Some(linger),
            Stage::Head | Stage::Body(_) | Stage::Skip(..) | Stage::Work(_) => None,
        }
    }

    fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Head) && self.carried.is_empty() && self.outbox.is_empty()
    }

    fn waiting(&self) -> Waiting {
        match self.stage {
            _ if !self.outbox.is_empty() => Waiting::Writing,
            Stage::Head if self.carried.is_empty() => Waiting::Request,
            Stage::Head if self.held_up => Waiting::Log,
            Stage::Head => Waiting::Head,
            Stage::Body(_) | Stage::Skip(..) => Waiting::Body,
            Stage::Work(_) => Waiting::Writing,
            Stage::Closing { .. } => Waiting::Lingering,
        }
    }

    fn held_bytes(&self) -> usize {
        let body = match &self.stage {
            Stage::Body(incoming) => incoming.head.len() + incoming.body.len(),
            Stage::Head | Stage::Skip(..) | Stage::Work(_) | Stage::Closing { .. } => 0,
        };
        self.outbox.len() + self.carried.len() + body
    }

    fn served(&self) -> u64 {
        self.served
    }

    fn borrow_room(&mut self, desk: &mut Desk) {
        if self.outbox.capacity() == 0 {
            self.outbox = desk.lend_outbox();
        }
    }

    fn return_room(&mut self, desk: &mut Desk) {
        if self.outbox.is_empty() {
            desk.take_outbox(std::mem::take(&mut self.outbox));
        }
        if self.carried.is_empty() && self.carried.capacity() > 0 {
            desk.take_room(std::mem::take(&mut self.carried));
        }
        desk.tidy();
    }

    fn foresee(&self, fresh: &[u8], engine: &Engine) -> Option<Located> {
        if self.carried.is_empty() && matches!(self.stage, Stage::Head) {
            lone_read(fresh, self.dialect, engine)
        } else {
            None
        }
    }

    fn put_aside(&mut self, fresh: &[u8], desk: &mut Desk) {
        self.carry(fresh, desk);
        self.starved = false;
    }

    fn receive(&mut self, fresh: &[u8], turn: &mut Turn<'_>, budget: &mut usize) {
        turn.desk.date.set(turn.now);
        if self.carried.is_empty() {
            let used = self.consume(fresh, turn, budget);
            self.carry(fresh.get(used..).unwrap_or_default(), turn.desk);
            return;
        }
        self.carried.extend_from_slice(fresh);
        if self.starved
            && matches!(self.stage, Stage::Head)
            && self.carried.len() < limits::HEAD_BYTES
            && !head::may_end(&self.carried, self.seen)
        {
            self.seen = self.carried.len();
            return;
        }
        let carried = std::mem::take(&mut self.carried);
        let used = self.consume(&carried, turn, budget);
        self.carried = carried;
        // What is used up by advancing has no room left for the bytes to come.
        if used >= self.carried.len() {
            self.carried.clear();
        } else {
            self.carried.advance(used);
        }
    }

    fn end_of_input(&mut self) {
        self.stage = Stage::Closing { linger: false };
    }

    fn give_up(&mut self, why: GivenUp, turn: &mut Turn<'_>) {
        turn.desk.date.set(turn.now);
        self.carried.clear();
        self.refuse(fault_of(why), turn);
    }
}

/// Answers what a client sends in these pieces on one connection, without a socket: for fuzzing.
/// Nothing may wait for a log.
#[must_use]
pub fn replies_to(service: &Service, dialect: Option<Dialect>, pieces: &[&[u8]]) -> Vec<u8> {
    let mut exchange = HttpExchange::new(dialect);
    let mut replies = Vec::new();
    Scratch::with(|Scratch { desk, .. }| {
        for piece in pieces {
            let mut fresh = *piece;
            loop {
                let mut turn = Turn {
                    service,
                    peer: &Peer::Unix,
                    now: service.clock.now(),
                    desk,
                    located: None,
                };
                if exchange.is_working() {
                    exchange.work(&mut turn);
                } else {
                    exchange.receive(fresh, &mut turn, &mut limits::REQUESTS_PER_TURN.clone());
                    fresh = &[];
                }
                replies.extend_from_slice(exchange.outbox.sendable());
                exchange.outbox.advance(exchange.outbox.len());
                if !exchange.is_working() && !exchange.has_leftovers() {
                    break;
                }
            }
        }
    });
    replies
}

/// Drops body bytes; answers how many, and the next stage if this one is over.
fn skip(
    reader: &mut BodyReader,
    left: &mut u64,
    bytes: &[u8],
) -> Result<(usize, Option<Stage>), Fault> {
    let (used, _) = reader.read(bytes)?;
    *left = left.saturating_sub(u64::try_from(used).unwrap_or(u64::MAX));
    if reader.is_done() {
        return Ok((used, Some(Stage::Head)));
    }
    let next = (*left == 0).then_some(Stage::Closing { linger: true });
    Ok((used, next))
}
