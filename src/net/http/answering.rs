//! How one request is answered: by its dialect, in slices, or with a refusal.

use crate::engine::Position;
use crate::limits;
use crate::net::exchange::Turn;
use crate::net::http::access_log::LogEntry;
use crate::net::http::body::BodyReader;
use crate::net::http::dialect::{BodyProblem, Context, Dialect, Handled};
use crate::net::http::exchange::{HttpExchange, Stage, Working};
use crate::net::http::head::{self, Fault, Framing, ParsedHead};
use crate::net::http::incoming::{Incoming, Plan, Taken};
use crate::net::http::inflate::Encoding;
use crate::net::http::request::Request;
use crate::net::http::response::Response;
use crate::net::stream::Peer;

impl HttpExchange {
    /// Begins to answer the request whose head stands at the start of `rest`; says how many bytes
    /// it took.
    pub(super) fn begin(
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
    pub(super) fn finish(&mut self, taken: Taken, turn: &mut Turn<'_>) -> Result<(), Fault> {
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
        let located = turn.located.take();
        let entry = service.access_log.then(|| LogEntry::begin(&head));
        let close = !parsed.keep_alive || service.stop.is_raised();
        // The two other services have an answer of their own for a target that is no path.
        let asks_server =
            head.target == b"*" && matches!(self.dialect, None | Some(Dialect::BackSession));
        let start = self.outbox.mark();
        let mut reply = turn.desk.reply(&mut self.outbox, head.minor_version, close);
        reply.set_head_only(head.method == "HEAD");
        let handled = if asks_server {
            reply.send(200, &[]);
            Handled::Done(None)
        } else {
            let cx = Context {
                engine: &service.engine,
                now: turn.now,
                settings: &service.settings,
                located: located.as_ref(),
            };
            dialect.handle(&cx, &Request { head, body }, &mut reply)
        };
        match handled {
            Handled::Done(position) => {
                let sent = Sent::of(&reply, start);
                self.conclude(sent, position, entry, turn.peer);
            }
            Handled::InSlices(work) => {
                self.stage = Stage::Work(Box::new(Working {
                    work,
                    minor_version: head.minor_version,
                    head_only: head.method == "HEAD",
                    close,
                    entry,
                }));
            }
        }
    }

    /// Does one slice of the work at hand.
    pub(super) fn slice(&mut self, turn: &mut Turn<'_>) {
        let Stage::Work(working) = &mut self.stage else {
            return;
        };
        turn.desk.date.set(turn.now);
        let start = self.outbox.mark();
        let (minor_version, close) = (working.minor_version, working.close);
        let mut reply = turn.desk.reply(&mut self.outbox, minor_version, close);
        reply.set_head_only(working.head_only);
        let cx = Context {
            engine: &turn.service.engine,
            now: turn.now,
            settings: &turn.service.settings,
            located: None,
        };
        if let Some(position) = working.work.slice(&cx, &mut reply) {
            let sent = Sent::of(&reply, start);
            let entry = working.entry.take();
            self.stage = Stage::Head;
            self.conclude(sent, position, entry, turn.peer);
        }
    }

    /// Sees to what follows a reply: the log it waits for, its line in the access log, the end of
    /// the connection.
    fn conclude(
        &mut self,
        sent: Sent,
        position: Option<Position>,
        entry: Option<LogEntry>,
        peer: &Peer,
    ) {
        if let Some(position) = position {
            self.outbox.hold(sent.start, position);
        }
        if let Some(entry) = entry {
            entry.end(peer, sent.status, self.outbox.mark() - sent.start);
        }
        if sent.closes {
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
        let mut reply = turn.desk.reply(&mut self.outbox, head.minor_version, close);
        reply.set_head_only(head.method == "HEAD");
        dialect.refuse_body(problem, head, &mut reply);
        let sent = Sent::of(&reply, start);
        let closes = sent.closes;
        self.conclude(sent, None, entry, turn.peer);
        self.stage = match remainder {
            _ if closes => Stage::Closing { linger: true },
            Remainder::Skip(reader) if !reader.is_done() => {
                Stage::Skip(reader, limits::DISCARD_BYTES)
            }
            Remainder::Skip(_) | Remainder::Nothing | Remainder::Unreadable => Stage::Head,
        };
    }

    /// Answers what is no proper request, in plain text. The connection ends with it.
    pub(super) fn refuse(&mut self, fault: Fault, turn: &mut Turn<'_>) {
        let start = self.outbox.mark();
        let mut reply = turn.desk.reply(&mut self.outbox, 1, true);
        match self.dialect {
            Some(dialect) => dialect.write_fault(fault, reply.body()),
            None => fault.write(reply.body()),
        }
        reply.send(fault.status, &["Content-Type: text/plain; charset=utf-8"]);
        let sent = Sent::of(&reply, start);
        let log = turn.service.access_log;
        let entry = log.then(LogEntry::of_malformed_request);
        self.conclude(sent, None, entry, turn.peer);
        self.stage = Stage::Closing { linger: true };
    }
}

/// A reply that stands in the outbox.
struct Sent {
    start: usize,
    status: u16,
    closes: bool,
}

impl Sent {
    fn of(reply: &Response<'_>, start: usize) -> Self {
        Self {
            start,
            status: reply.status(),
            closes: reply.closes(),
        }
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
