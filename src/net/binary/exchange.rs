//! One connection's frames, without its socket: bytes come in, replies stand in the outbox, in the
//! order of the requests.

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use cloakroom_protocol::{
    Answer, Call, Cut, DecodeError, ErrorCode, Frame, Header, NOTICE, Opcode, Reply, ReplyFlags,
    Request, cut, limits as wire_limits,
};

use crate::config::GoodFor;
use crate::engine::{Engine, Located, Position};
use crate::limits;
use crate::model::AppName;
use crate::net::binary::bulk::Work;
use crate::net::binary::read::plain_get;
use crate::net::exchange::{Exchange, GivenUp, Turn};
use crate::net::outbox::Outbox;
use crate::net::scratch::{Desk, Scratch};
use crate::net::service::Service;
use crate::net::stream::Peer;
use crate::net::timer::Waiting;

/// The state of a connection between two turns.
pub(super) struct BinaryExchange {
    /// What HELLO has settled; `None` before it.
    pub(super) greeting: Option<Greeting>,
    stage: Stage,
    /// Id and operation of the request that is being answered.
    pub(super) at_hand: (u32, u8),
    /// Bytes that are received but not consumed: a partial frame, or requests whose turn comes.
    carried: BytesMut,
    /// Nothing more can be done before bytes arrive.
    starved: bool,
    /// The next request changes something, and the log has too much to write already.
    held_up: bool,
    served: u64,
    pub(super) outbox: Outbox,
}

/// What was agreed upon.
pub(super) struct Greeting {
    /// The app of requests that name none. The access key is good for it.
    pub(super) app: Option<Arc<str>>,
    /// The apps that requests may name.
    pub(super) good_for: GoodFor,
}

enum Stage {
    /// Requests are answered as they come.
    Open,
    /// One is answered in slices.
    Work(Box<Work>),
    /// The connection ends when the replies are sent.
    Closing { linger: bool },
}

impl BinaryExchange {
    pub(super) fn new() -> Self {
        Self {
            greeting: None,
            stage: Stage::Open,
            at_hand: (0, NOTICE),
            carried: BytesMut::new(),
            starved: true,
            held_up: false,
            served: 0,
            outbox: Outbox::default(),
        }
    }

    /// The name of the app of requests that name none.
    pub(super) fn app_name(&self) -> Option<Arc<str>> {
        self.greeting.as_ref()?.app.clone()
    }

    /// From here on this request is answered.
    pub(super) fn begin(&mut self, id: u32, opcode: u8) {
        self.at_hand = (id, opcode);
        self.served += 1;
    }

    /// Answers the request at hand; the reply is sent once the log has reached `wait_for`.
    pub(super) fn say(&mut self, answer: Answer<'_>, flags: u8, wait_for: Option<Position>) {
        let (id, opcode) = self.at_hand;
        let flags = ReplyFlags(flags);
        let reply = Reply {
            id,
            opcode,
            flags,
            answer,
        };
        self.put(&reply, wait_for);
    }

    /// Refuses the request at hand.
    pub(super) fn refuse(&mut self, error: ErrorCode, wait_for: Option<Position>) {
        let (id, opcode) = self.at_hand;
        self.put(
            &Reply::refusal(id, opcode, error, error.sentence()),
            wait_for,
        );
        if error.closes() {
            self.hang_up();
        }
    }

    /// Ends the connection behind the replies so far. The request at hand gets none, so its sender
    /// cannot take it for undone.
    pub(super) fn hang_up(&mut self) {
        self.stage = Stage::Closing { linger: true };
    }

    /// Refuses the request at hand because the session has this version and not the expected one.
    pub(super) fn refuse_version(&mut self, version: u64) {
        let (id, opcode) = self.at_hand;
        let error = ErrorCode::VersionDiffers;
        let reply = Reply::refusal(id, opcode, error, error.sentence()).naming_version(version);
        self.put(&reply, None);
    }

    fn put(&mut self, reply: &Reply<'_>, wait_for: Option<Position>) {
        let start = self.outbox.mark();
        reply.encode(self.outbox.end());
        self.hold(start, wait_for);
    }

    /// Holds back what stands in the outbox from `start` on.
    pub(super) fn hold(&mut self, start: usize, wait_for: Option<Position>) {
        if let Some(position) = wait_for {
            self.outbox.hold(start, position);
        }
    }

    /// The request at hand is answered in slices.
    pub(super) fn begin_work(&mut self, work: Work) {
        self.stage = Stage::Work(Box::new(work));
    }

    /// Bytes of payload that a frame may have.
    fn payload_limit(&self) -> usize {
        match self.greeting {
            Some(_) => wire_limits::PAYLOAD_BYTES,
            None => wire_limits::HELLO_PAYLOAD_BYTES,
        }
    }

    fn carry(&mut self, rest: &[u8], desk: &mut Desk) {
        self.carried = desk.lend_room();
        self.carried.extend_from_slice(rest);
    }

    /// Works through `input` and says how many bytes are done with.
    fn consume(&mut self, input: &[u8], turn: &mut Turn<'_>, budget: &mut usize) -> usize {
        let mut at = 0;
        self.held_up = false;
        loop {
            let rest = input.get(at..).unwrap_or_default();
            self.starved = rest.is_empty();
            let has_room = self.has_room();
            match self.stage {
                Stage::Open if self.starved || *budget == 0 || !has_room => return at,
                Stage::Open => {}
                Stage::Work(_) => return at,
                Stage::Closing { .. } => return input.len(),
            }
            let read = self.read_ahead(rest, turn, budget);
            if read > 0 {
                at += read;
                continue;
            }
            match cut(rest, self.payload_limit()) {
                Ok(Cut::Frame(frame)) => {
                    if self.must_wait(&frame, turn) {
                        self.held_up = true;
                        return at;
                    }
                    *budget -= 1;
                    at += frame.bytes();
                    self.answer(&frame, turn);
                }
                Ok(Cut::Partial { .. }) => {
                    self.starved = true;
                    return at;
                }
                Err(error) => {
                    if let DecodeError::FrameTooLarge { id, opcode, .. } = error {
                        self.begin(id, opcode);
                    }
                    self.refuse(error.code(), None);
                }
            }
        }
    }

    /// Whether a request is one that the log has no room for now.
    fn must_wait(&self, frame: &Frame<'_>, turn: &Turn<'_>) -> bool {
        let writes = || Opcode::from_number(frame.header.opcode).is_some_and(Opcode::writes);
        turn.service.log.holds_up(writes)
    }

    fn answer(&mut self, frame: &Frame<'_>, turn: &mut Turn<'_>) {
        self.begin(frame.header.id, frame.header.opcode);
        let answered = if self.is_too_early(frame.header.opcode) {
            Err(ErrorCode::HelloRequired)
        } else {
            match Call::decode(frame) {
                Ok(call) => self.execute(&call, turn),
                Err(error) => Err(error.code()),
            }
        };
        if let Err(error) = answered {
            self.refuse(error, None);
        }
    }

    /// Whether this operation has to wait for HELLO, whatever else may be wrong with its frame.
    fn is_too_early(&self, opcode: u8) -> bool {
        let early = [Opcode::Hello.number(), Opcode::Ping.number()];
        self.greeting.is_none() && !early.contains(&opcode)
    }

    /// The app that a request names, if the access key is good for it.
    fn named_app<'n>(&self, name: &'n str) -> Result<AppName<'n>, ErrorCode> {
        let app = AppName::new(name).map_err(|_name| ErrorCode::BadApp)?;
        let greeting = self.greeting.as_ref().ok_or(ErrorCode::HelloRequired)?;
        if !greeting.good_for.covers(app) {
            return Err(ErrorCode::AppRefused);
        }
        Ok(app)
    }

    /// Answers a request, or says why not.
    fn execute(&mut self, call: &Call<'_>, turn: &mut Turn<'_>) -> Result<(), ErrorCode> {
        if let Request::Hello(hello) = &call.request {
            return self.hello(hello, turn);
        }
        if let Request::Ping(ping) = &call.request {
            self.ping(ping, turn);
            return Ok(());
        }
        let of_hello = self.app_name();
        let app = match call.app {
            Some(name) => Some(self.named_app(name)?),
            None => of_hello.as_deref().and_then(|name| AppName::new(name).ok()),
        };
        if let Request::Stats(_) = call.request {
            self.stats(app, turn);
            return Ok(());
        }
        let app = app.ok_or(ErrorCode::AppRequired)?;
        match &call.request {
            Request::Hello(_) | Request::Ping(_) | Request::Stats(_) => Ok(()),
            Request::Get(get) => self.get(app, get, turn),
            Request::MultiGet(many) => {
                self.get_many(app, many, turn);
                Ok(())
            }
            Request::Create(create) => self.create(app, create, turn),
            Request::Put(put) => self.put_session(app, put, turn),
            Request::Set(set) => self.set(app, set, turn),
            Request::Touch(touch) => self.touch(app, touch, turn),
            Request::Rotate(rotate) => self.rotate(app, rotate, turn),
            Request::Kill(kill) => self.kill(app, kill, turn),
            Request::KillMany(many) => self.kill_many(app, many, turn),
            Request::List(list) => self.list(app, list),
            Request::Activity(activity) => {
                self.activity(app, activity, turn);
                Ok(())
            }
        }
    }
}

impl Exchange for BinaryExchange {
    fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    fn receive(&mut self, fresh: &[u8], turn: &mut Turn<'_>, budget: &mut usize) {
        if self.carried.is_empty() {
            let used = self.consume(fresh, turn, budget);
            let rest = fresh.get(used..).unwrap_or_default();
            if !rest.is_empty() {
                self.carry(rest, turn.desk);
            }
            return;
        }
        self.carried.extend_from_slice(fresh);
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

    fn foresee(&self, fresh: &[u8], engine: &Engine) -> Option<Located> {
        let (_, token) = plain_get(fresh)?;
        let is_alone = self.carried.is_empty() && fresh.len() == Header::BYTES + token.len();
        if !is_alone || !matches!(self.stage, Stage::Open) {
            return None;
        }
        let app = AppName::new(self.greeting.as_ref()?.app.as_deref()?).ok()?;
        engine.locate(app, token)
    }

    fn put_aside(&mut self, fresh: &[u8], desk: &mut Desk) {
        self.carry(fresh, desk);
        self.starved = false;
    }

    fn work(&mut self, turn: &mut Turn<'_>) {
        let Stage::Work(mut work) = std::mem::replace(&mut self.stage, Stage::Open) else {
            return;
        };
        if !self.do_slice(&mut work, turn) {
            self.stage = Stage::Work(work);
        }
    }

    fn end_of_input(&mut self) {
        self.stage = Stage::Closing { linger: false };
    }

    fn give_up(&mut self, why: GivenUp, _turn: &mut Turn<'_>) {
        self.carried.clear();
        if why != GivenUp::TooSlow {
            let busy = ErrorCode::Busy;
            let notice = Reply::refusal(0, NOTICE, busy, busy.sentence());
            self.put(&notice.with_flags(ReplyFlags::CLOSING), None);
        }
        self.hang_up();
    }

    fn is_working(&self) -> bool {
        matches!(self.stage, Stage::Work(_))
    }

    fn has_leftovers(&self) -> bool {
        !self.starved && !self.is_working() && !self.carried.is_empty()
    }

    fn is_held_up(&self) -> bool {
        self.held_up
    }

    fn closing(&self) -> Option<bool> {
        match self.stage {
            Stage::Closing { linger } => Some(linger),
            Stage::Open | Stage::Work(_) => None,
        }
    }

    fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Open) && self.carried.is_empty() && self.outbox.is_empty()
    }

    fn waiting(&self) -> Waiting {
        match self.stage {
            _ if !self.outbox.is_empty() => Waiting::Writing,
            Stage::Open if self.carried.is_empty() => Waiting::Request,
            Stage::Open if self.held_up => Waiting::Log,
            Stage::Open => Waiting::Body,
            Stage::Work(_) => Waiting::Writing,
            Stage::Closing { .. } => Waiting::Lingering,
        }
    }

    fn held_bytes(&self) -> usize {
        self.outbox.len() + self.carried.len()
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
}

/// Answers what a client sends in these pieces on one connection, without a socket: for fuzzing.
/// Nothing may wait for a log.
#[must_use]
pub fn replies_to(service: &Service, pieces: &[&[u8]]) -> Vec<u8> {
    let mut exchange = BinaryExchange::new();
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
