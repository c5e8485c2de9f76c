//! A connection without its socket, for tests: requests go in, slices are done by hand, replies are
//! taken out.

use std::sync::Arc;

use cloakroom_protocol::{
    AccessKey, Answer, Call, Cut, Hello, Reply, Request, cut, limits as wire_limits,
};

use crate::clock::Millis;
use crate::config::HttpLimits;
use crate::engine::Engine;
use crate::limits;
use crate::net::binary::exchange::BinaryExchange;
use crate::net::exchange::{Exchange, Turn};
use crate::net::log_watch::LogWatch;
use crate::net::scratch::Scratch;
use crate::net::service::Service;
use crate::net::stream::Peer;

/// The moment of all turns.
pub(super) const NOW: Millis = Millis(1_795_161_703_019);

/// A connection on which HELLO has been said for the app `shop`.
pub(super) struct Wired {
    service: Service,
    exchange: BinaryExchange,
}

impl Wired {
    pub(super) fn new() -> Self {
        let mut wired = Self {
            service: Service::for_tests(LogWatch::memory_only(), HttpLimits::default()),
            exchange: BinaryExchange::new(),
        };
        let hello = Hello::new("shop", AccessKey(b""), "test");
        wired.send(Request::Hello(hello));
        wired
    }

    pub(super) fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.service.engine)
    }

    /// Has a request begun.
    pub(super) fn send(&mut self, request: Request<'_>) {
        let mut frame = Vec::new();
        Call::new(1, request).encode(&mut frame).unwrap();
        let mut budget = limits::REQUESTS_PER_TURN;
        self.turn(|exchange, turn| exchange.receive(&frame, turn, &mut budget));
    }

    /// Whether a request is answered in slices, of which some are left.
    pub(super) fn is_working(&self) -> bool {
        self.exchange.is_working()
    }

    /// Does the next slice.
    pub(super) fn slice(&mut self) {
        self.turn(|exchange, turn| exchange.work(turn));
    }

    /// Shows all replies so far, each once.
    pub(super) fn take_replies(&mut self, mut each: impl FnMut(Answer<'_>)) {
        let outbox = &mut self.exchange.outbox;
        let mut rest = outbox.sendable();
        while let Ok(Cut::Frame(frame)) = cut(rest, wire_limits::PAYLOAD_BYTES) {
            each(Reply::decode(&frame).unwrap().answer);
            rest = &rest[frame.bytes()..];
        }
        outbox.advance(outbox.len());
    }

    fn turn(&mut self, act: impl FnOnce(&mut BinaryExchange, &mut Turn<'_>)) {
        Scratch::with(|Scratch { desk, .. }| {
            let mut turn = Turn {
                service: &self.service,
                peer: &Peer::Unix,
                now: NOW,
                desk,
                located: None,
            };
            act(&mut self.exchange, &mut turn);
        });
    }
}
