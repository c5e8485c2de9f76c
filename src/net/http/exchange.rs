//! One connection's requests and replies, without its socket: bytes come in, replies stand in the
//! outbox. Parses all that a read brought, answers it in order, keeps only what is incomplete.

use crate::clock::Millis;
use crate::limits;
use crate::net::http::access_log::LogEntry;
use crate::net::http::body::BodyReader;
use crate::net::http::dialect::{BodyProblem, Context, Dialect, Handled, SlicedWork};
use crate::net::http::head::{self, Fault, Framing, ParsedHead, Targets};
use crate::net::http::incoming::{Incoming, Plan, Taken};
use crate::net::http::inflate::Encoding;
use crate::net::http::outbox::Outbox;
use crate::net::http::request::Request;
use crate::net::http::response::Response;
use crate::net::http::scratch::Desk;
use crate::net::http::service::Service;
use crate::net::http::stream::Peer;
use crate::net::http::timer::Waiting;

/// What is at hand during one turn.
pub(super) struct Turn<'t> {
    pub(super) service: &'t Service,
    pub(super) peer: &'t Peer,
    pub(super) now: Millis,
    pub(super) desk: &'t mut Desk,
}

/// The state of a connection between two turns.
pub(super) struct Exchange {
    /// The dialect of the listener; `None` where the path decides.
    dialect: Option<Dialect>,
    stage: Stage,
    /// Bytes that are received but not consumed: a partial head, or requests whose turn comes.
    carried: Vec<u8>,
    /// So many of the carried bytes are known not to hold the end of a head.
    seen: usize,
    /// Nothing more can be done before bytes arrive.
    starved: bool,
    /// Requests begun so far.
    served: u64,
    /// Replies not yet sent.
    pub(super) outbox: Outbox,
}

/// What comes next.
enum Stage {
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
struct Working {
    work: Box<dyn SlicedWork>,
    minor_version: u8,
    head_only: bool,
    close: bool,
    entry: Option<LogEntry>,
}

impl Exchange {
    /// A connection that nothing has arrived on.
    pub(super) fn new(dialect: Option<Dialect>) -> Self {
        Self {
            dialect,
            stage: Stage::Head,
            carried: Vec::new(),
            seen: 0,
            starved: true,
            served: 0,
            outbox: Outbox::default(),
        }
    }

    fn targets(&self) -> Targets {
        match self.dialect {
            Some(Dialect::Tarantool) => Targets::AsSent,
            Some(Dialect::RestSessions | Dialect::BackSession) | None => Targets::Standard,
        }
    }

    /// Whether replies may be added: the peer takes them fast enough.
    pub(super) fn has_room(&self) -> bool {
        self.outbox.len() < limits::REPLY_BYTES_HELD
    }

    /// Whether received requests wait for their turn.
    pub(super) fn has_leftovers(&self) -> bool {
        !self.starved && !self.is_working() && !self.carried.is_empty()
    }

    /// Whether an answer is being made in slices.
    pub(super) fn is_working(&self) -> bool {
        matches!(self.stage, Stage::Work(_))
    }

    /// `Some` when no request is read any more; whether to linger then.
    pub(super) fn closing(&self) -> Option<bool> {
        match self.stage {
            Stage::Closing { linger } => Some(linger),
            Stage::Head | Stage::Body(_) | Stage::Skip(..) | Stage::Work(_) => None,
        }
    }

    /// Whether nothing is in flight.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Head) && self.carried.is_empty() && self.outbox.is_empty()
    }

    /// What of the peer is waited for.
    pub(super) fn waiting(&self) -> Waiting {
        match self.stage {
            _ if !self.outbox.is_empty() => Waiting::Writing,
            Stage::Head if self.carried.is_empty() => Waiting::Request,
            Stage::Head => Waiting::Head,
            Stage::Body(_) | Stage::Skip(..) => Waiting::Body,
            Stage::Work(_) => Waiting::Writing,
            Stage::Closing { .. } => Waiting::Lingering,
        }
    }

    /// Requests begun so far.
    pub(super) fn served(&self) -> u64 {
        self.served
    }

    /// Borrows the thread's reply buffer for a turn.
    pub(super) fn borrow_room(&mut self, desk: &mut Desk) {
        if self.outbox.is_empty() {
            std::mem::swap(&mut self.outbox, &mut desk.outbox);
        }
    }

    /// Gives buffers back that are empty again.
    pub(super) fn return_room(&mut self, desk: &mut Desk) {
        if self.outbox.is_empty() {
            desk.outbox = std::mem::take(&mut self.outbox);
        }
        if self.carried.is_empty() && self.carried.capacity() > 0 {
            desk.carried = std::mem::take(&mut self.carried);
        }
        desk.tidy();
    }

    /// Answers what `fresh`, behind what was left of earlier bytes, completes: at most `budget`
    /// requests, and only while there is room for replies.
    pub(super) fn receive(&mut self, fresh: &[u8], turn: &mut Turn<'_>, budget: &mut usize) {
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
        self.carried.drain(..used);
    }

    /// The peer will send nothing more.
    pub(super) fn end_of_input(&mut self) {
        self.stage = Stage::Closing { linger: false };
    }

    /// The rest of a request did not come in time.
    pub(super) fn time_out(&mut self, turn: &mut Turn<'_>) {
        turn.desk.date.set(turn.now);
        self.refuse(
            Fault {
                status: 408,
                reason: "the request did not come to its end in time",
            },
            turn,
        );
    }

    /// Does one slice of the work at hand.
    pub(super) fn work(&mut self, turn: &mut Turn<'_>) {
        let Stage::Work(working) = &mut self.stage else {
            return;
        };
        turn.desk.date.set(turn.now);
        let Desk { body, date, .. } = &mut *turn.desk;
        let start = self.outbox.mark();
        let end = self.outbox.end();
        let mut reply = Response::new(end, body, date, working.minor_version, working.close);
        reply.set_head_only(working.head_only);
        let cx = Context {
            engine: &turn.service.engine,
            now: turn.now,
            settings: &turn.service.settings,
        };
        let Some(position) = working.work.slice(&cx, &mut reply) else {
            return;
        };
        let (status, closes) = (reply.status(), reply.closes());
        if let Some(position) = position {
            self.outbox.hold(start, position);
        }
        if let Some(entry) = working.entry.take() {
            entry.end(turn.peer, status, self.outbox.mark() - start);
        }
        self.stage = if closes {
            Stage::Closing { linger: false }
        } else {
            Stage::Head
        };
    }

    fn carry(&mut self, rest: &[u8], desk: &mut Desk) {
        if rest.is_empty() || self.closing().is_some() {
            return;
        }
        self.carried = std::mem::take(&mut desk.carried);
        self.carried.extend_from_slice(rest);
    }

    /// Works through `input` and says how many bytes are done with.
    fn consume(&mut self, input: &[u8], turn: &mut Turn<'_>, budget: &mut usize) -> usize {
        let mut at = 0;
        self.seen = 0;
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
                        Ok(Some(parsed)) => {
                            *budget -= 1;
                            self.served += 1;
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
                Stage::Closing { .. } => return input.len(),
            };
            match used {
                Ok(used) => at += used,
                Err(fault) => self.refuse(fault, turn),
            }
        }
    }

    /// Begins to answer the request whose head stands at the start of `rest`; says how many bytes
    /// it took.
    fn begin(
        &mut self,
        parsed: &ParsedHead<'_>,
        rest: &[u8],
        turn: &mut Turn<'_>,
    ) -> Result<usize, Fault> {
        let head = &parsed.head;
        let dialect = self.dialect.unwrap_or_else(|| Dialect::of_path(head.path));
        if !parsed.has_host && head.minor_version > 0 && dialect != Dialect::Tarantool {
            return Err(Fault::bad("the Host field is missing"));
        }
        if parsed.framing == Framing::Empty {
            self.answer(dialect, parsed, &[], turn);
            return Ok(parsed.bytes);
        }
        let behind = rest.get(parsed.bytes..).unwrap_or_default();
        let awaited = parsed.expects_continue && behind.is_empty();
        let plan = match Plan::of(dialect, parsed) {
            Ok(plan) => plan,
            Err(problem) => {
                let remainder = Remainder::of(parsed.framing, awaited);
                self.refuse_body(problem, dialect, parsed, remainder, turn);
                return Ok(parsed.bytes);
            }
        };
        if let Framing::Length(length) = parsed.framing
            && let Some(body) = usize::try_from(length).ok().and_then(|n| behind.get(..n))
        {
            self.collected(&plan, parsed, body, turn);
            return Ok(parsed.bytes + body.len());
        }
        if awaited {
            let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
            self.outbox.end().extend_from_slice(go_on);
        }
        let head_bytes = rest.get(..parsed.bytes).unwrap_or_default();
        self.stage = Stage::Body(Box::new(Incoming::new(head_bytes, parsed.framing, plan)));
        Ok(parsed.bytes)
    }

    /// Answers the request whose body has just come to its end, or beyond its bound.
    fn finish(&mut self, taken: Taken, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let Stage::Body(incoming) = std::mem::replace(&mut self.stage, Stage::Head) else {
            return Ok(());
        };
        let mut room = head::field_room();
        let Some(parsed) = head::parse(&incoming.head, &mut room, self.targets())? else {
            return Err(Fault::bad("the head is not complete"));
        };
        let Incoming {
            plan, reader, body, ..
        } = &*incoming;
        match taken {
            Taken::Part => {}
            Taken::Whole => self.collected(plan, &parsed, body, turn),
            Taken::TooLarge if plan.keep => {
                let remainder = Remainder::Skip(reader.clone());
                let problem = BodyProblem::TooLarge;
                self.refuse_body(problem, plan.dialect, &parsed, remainder, turn);
            }
            Taken::TooLarge => {
                let last = ParsedHead {
                    keep_alive: false,
                    ..parsed
                };
                self.answer(plan.dialect, &last, &[], turn);
            }
        }
        Ok(())
    }

    /// Answers a request whose body is whole.
    fn collected(
        &mut self,
        plan: &Plan,
        parsed: &ParsedHead<'_>,
        body: &[u8],
        turn: &mut Turn<'_>,
    ) {
        if !plan.keep || plan.encoding == Encoding::Identity {
            let body = if plan.keep { body } else { &[] };
            self.answer(plan.dialect, parsed, body, turn);
            return;
        }
        let mut inflated = std::mem::take(&mut turn.desk.inflated);
        match plan.encoding.inflate(body, plan.limit, &mut inflated) {
            Ok(()) => self.answer(plan.dialect, parsed, &inflated, turn),
            Err(problem) => {
                self.refuse_body(problem, plan.dialect, parsed, Remainder::Nothing, turn);
            }
        }
        turn.desk.inflated = inflated;
    }

    /// Lets the dialect answer a whole request.
    fn answer(
        &mut self,
        dialect: Dialect,
        parsed: &ParsedHead<'_>,
        body: &[u8],
        turn: &mut Turn<'_>,
    ) {
        let head = parsed.head;
        let service = turn.service;
        let entry = service.access_log.then(|| LogEntry::begin(&head));
        let close = !parsed.keep_alive || service.stop.is_raised();
        let head_only = head.method == "HEAD";
        // Only where several dialects are spoken; each has its own answer.
        let asks_server = head.target == b"*" && self.dialect.is_none();
        let start = self.outbox.mark();
        let Desk {
            body: scratch,
            date,
            ..
        } = &mut *turn.desk;
        let end = self.outbox.end();
        let mut reply = Response::new(end, scratch, date, head.minor_version, close);
        reply.set_head_only(head_only);
        let cx = Context {
            engine: &service.engine,
            now: turn.now,
            settings: &service.settings,
        };
        let handled = if asks_server {
            reply.send(200, &[]);
            Handled::Done(None)
        } else {
            dialect.handle(&cx, &Request { head, body }, &mut reply)
        };
        let (status, closes) = (reply.status(), reply.closes());
        let position = match handled {
            Handled::Done(position) => position,
            Handled::InSlices(work) => {
                self.stage = Stage::Work(Box::new(Working {
                    work,
                    minor_version: head.minor_version,
                    head_only,
                    close,
                    entry,
                }));
                return;
            }
        };
        if let Some(position) = position {
            self.outbox.hold(start, position);
        }
        if let Some(entry) = entry {
            entry.end(turn.peer, status, self.outbox.mark() - start);
        }
        if closes {
            self.stage = Stage::Closing { linger: false };
        }
    }

    /// Lets the dialect refuse a request for its body, and sees to it that the rest of the body is
    /// not taken for a request.
    fn refuse_body(
        &mut self,
        problem: BodyProblem,
        dialect: Dialect,
        parsed: &ParsedHead<'_>,
        remainder: Remainder,
        turn: &mut Turn<'_>,
    ) {
        let head = &parsed.head;
        let entry = turn.service.access_log.then(|| LogEntry::begin(head));
        let close = !parsed.keep_alive
            || turn.service.stop.is_raised()
            || matches!(remainder, Remainder::Unreadable);
        let start = self.outbox.mark();
        let Desk { body, date, .. } = &mut *turn.desk;
        let end = self.outbox.end();
        let mut reply = Response::new(end, body, date, head.minor_version, close);
        reply.set_head_only(head.method == "HEAD");
        dialect.refuse_body(problem, head, &mut reply);
        let (status, closes) = (reply.status(), reply.closes());
        if let Some(entry) = entry {
            entry.end(turn.peer, status, self.outbox.mark() - start);
        }
        self.stage = match remainder {
            _ if closes => Stage::Closing { linger: true },
            Remainder::Skip(reader) if !reader.is_done() => {
                Stage::Skip(reader, limits::DISCARD_BYTES)
            }
            Remainder::Skip(_) | Remainder::Nothing | Remainder::Unreadable => Stage::Head,
        };
    }

    /// Answers what is no proper request, in plain text. The connection ends with it.
    fn refuse(&mut self, fault: Fault, turn: &mut Turn<'_>) {
        let start = self.outbox.mark();
        let Desk { body, date, .. } = &mut *turn.desk;
        let mut reply = Response::new(self.outbox.end(), body, date, 1, true);
        match self.dialect {
            Some(dialect) => dialect.write_fault(fault, reply.body()),
            None => fault.write(reply.body()),
        }
        reply.send(fault.status, &["Content-Type: text/plain; charset=utf-8"]);
        if turn.service.access_log {
            let entry = LogEntry::of_malformed_request();
            entry.end(turn.peer, fault.status, self.outbox.mark() - start);
        }
        self.stage = Stage::Closing { linger: true };
    }
}

/// What is to come of a body that is refused.
enum Remainder {
    /// Nothing.
    Nothing,
    /// This, and it can be dropped.
    Skip(BodyReader),
    /// More than is worth reading, or perhaps nothing: the client waits for a go-ahead and may
    /// send its next request instead.
    Unreadable,
}

impl Remainder {
    /// What is to come behind a head.
    fn of(framing: Framing, awaited: bool) -> Self {
        match framing {
            _ if awaited => Self::Unreadable,
            Framing::Length(length) if length > limits::DISCARD_BYTES => Self::Unreadable,
            Framing::Length(_) | Framing::Chunked => Self::Skip(BodyReader::new(framing)),
            Framing::Empty => Self::Nothing,
        }
    }
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
