//! One connection as a task: reads, lets the exchange answer, writes once, waits.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::engine::{Located, Position};
use crate::limits;
use crate::net::exchange::{Exchange, GivenUp, Turn};
use crate::net::scratch::{Desk, Scratch};
use crate::net::service::Service;
use crate::net::stream::{Peer, Stream};
use crate::net::timer::{Timer, Waiting};

/// A connection from its accept to its close. It is done when it is closed.
pub(super) struct Connection<E> {
    stream: Stream,
    peer: Peer,
    service: Arc<Service>,
    pub(super) exchange: E,
    timer: Timer,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    /// The timer and the stop signal know this task.
    registered: bool,
    /// The stop signal has been seen.
    stopping: bool,
    /// The log position that this task was last parked for.
    parked_for: Option<Position>,
    /// Bytes written so far.
    written: u64,
    /// Bytes that the service counts as held by this connection.
    held: usize,
    /// What the request that was put aside reads.
    aside: Option<Located>,
    /// Bytes dropped since the last reply.
    lingered: Option<u64>,
}

/// What a connection does when a turn is over.
enum Rest {
    /// Waits to be woken.
    Wait,
    /// Has another turn at once.
    GoOn,
    /// Ends.
    End,
}

impl<E: Exchange> Connection<E> {
    /// A connection over an accepted socket that speaks what `exchange` does. To be made on the thread
    /// that will run it.
    pub(super) fn new(stream: Stream, peer: Peer, exchange: E, service: Arc<Service>) -> Self {
        service.connections.opened();
        Self {
            stream,
            peer,
            exchange,
            timer: Timer::start(&service.limits),
            stop: Box::pin(service.stop.token().clone().cancelled_owned()),
            service,
            registered: false,
            stopping: false,
            parked_for: None,
            written: 0,
            held: 0,
            aside: None,
            lingered: None,
        }
    }

    /// Does what can be done now, in bounded pieces.
    fn run(&mut self, cx: &mut Context<'_>, read: &mut [u8], desk: &mut Desk) -> io::Result<Rest> {
        let mut budget = limits::REQUESTS_PER_TURN;
        loop {
            self.execute(&[], desk, &mut budget);
            self.flush(cx, desk)?;
            if self.exchange.is_held_up() {
                desk.hold_up(cx.waker().clone());
                return self.rest(cx, desk);
            }
            if !self.exchange.has_room() {
                return self.rest(cx, desk);
            }
            if self.exchange.is_working() || self.exchange.has_leftovers() {
                if budget > 0 && !self.exchange.is_working() {
                    continue;
                }
                // The runtime polls its sockets before it comes back to this task.
                let _ = pin!(tokio::task::yield_now()).poll(cx);
                return Ok(Rest::Wait);
            }
            match self.exchange.closing() {
                Some(_) if !self.exchange.outbox().is_empty() => return self.rest(cx, desk),
                Some(false) => return Ok(Rest::End),
                Some(true) => return self.linger(cx, read, desk),
                None => {}
            }
            match self.stream.poll_read(cx, read) {
                Poll::Pending => return self.rest(cx, desk),
                Poll::Ready(count) => match read.get(..count?) {
                    Some([]) | None => self.exchange.end_of_input(),
                    Some(fresh) => {
                        if !self.put_aside(fresh, desk) {
                            self.execute(fresh, desk, &mut budget);
                        }
                        // Replies go out together too: who is woken by the first finds them all.
                        if desk.gathering.is_busy() && !self.exchange.is_working() {
                            let _ = pin!(tokio::task::yield_now()).poll(cx);
                            return Ok(Rest::Wait);
                        }
                    }
                },
            }
        }
    }

    /// Whether what has come is a read that waits for those of other connections.
    fn put_aside(&mut self, fresh: &[u8], desk: &mut Desk) -> bool {
        self.aside = self.exchange.foresee(fresh, &self.service.engine);
        desk.gathering.count();
        let Some(located) = self.aside.as_ref().filter(|_| desk.gathering.is_busy()) else {
            return false;
        };
        desk.gathering.add(located);
        self.exchange.put_aside(fresh, desk);
        true
    }

    /// Answers fresh bytes, requests that were left over, or a slice of the work at hand.
    fn execute(&mut self, fresh: &[u8], desk: &mut Desk, budget: &mut usize) {
        let more = self.exchange.is_working() || self.exchange.has_leftovers();
        if fresh.is_empty() && !(more && self.exchange.has_room()) {
            return;
        }
        let mut turn = Turn {
            service: &self.service,
            peer: &self.peer,
            now: self.service.clock.now(),
            desk,
            located: self.aside.take(),
        };
        if fresh.is_empty() && turn.located.is_some() {
            turn.desk.gathering.warm(&self.service.engine);
        }
        if self.exchange.is_working() {
            self.exchange.work(&mut turn);
        } else {
            self.exchange.receive(fresh, &mut turn, budget);
        }
    }

    /// Writes what may be sent.
    fn flush(&mut self, cx: &mut Context<'_>, desk: &mut Desk) -> io::Result<()> {
        let outbox = self.exchange.outbox();
        while !outbox.is_empty() {
            if outbox.is_held() {
                outbox.release(self.service.log.reached());
            }
            let bytes = outbox.sendable();
            if bytes.is_empty() {
                let awaited = outbox.waits_for();
                if let Some(position) = awaited
                    && self.parked_for != awaited
                {
                    desk.park(position, cx.waker().clone());
                    self.parked_for = awaited;
                }
                return Ok(());
            }
            match self.stream.poll_write(cx, bytes) {
                Poll::Pending => return Ok(()),
                Poll::Ready(count) => match count? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    count => {
                        self.written += u64::try_from(count).unwrap_or(0);
                        outbox.advance(count);
                    }
                },
            }
        }
        Ok(())
    }

    /// Nothing can be done until somebody wakes this task: sees to the time-outs and to the stop.
    fn rest(&mut self, cx: &mut Context<'_>, desk: &mut Desk) -> io::Result<Rest> {
        if !self.registered {
            self.registered = true;
            self.timer.register(cx);
            let _ = self.stop.as_mut().poll(cx);
        }
        if self.exchange.is_idle() && self.service.stop.is_raised() {
            if std::mem::replace(&mut self.stopping, true) {
                return Ok(Rest::End);
            }
            // A request may have arrived that the runtime has not told of yet.
            let _ = pin!(tokio::task::yield_now()).poll(cx);
            return Ok(Rest::Wait);
        }
        let waiting = self.exchange.waiting();
        if self.holds_too_much() {
            return Ok(self.give_up(waiting, GivenUp::TooMuchHeld, desk));
        }
        let progress = match waiting {
            Waiting::Writing => self.written,
            Waiting::Log => self.service.log.reached().0,
            Waiting::Request | Waiting::Head | Waiting::Body | Waiting::Lingering => {
                self.exchange.served()
            }
        };
        let limits = &self.service.limits;
        match self.timer.poll(cx, limits, waiting, progress) {
            Poll::Pending => Ok(Rest::Wait),
            Poll::Ready(()) if waiting == Waiting::Log => {
                Ok(self.give_up(waiting, GivenUp::LogTooSlow, desk))
            }
            Poll::Ready(()) => Ok(self.give_up(waiting, GivenUp::TooSlow, desk)),
        }
    }

    /// Tells the service what this connection holds; whether that is too much with all others.
    fn holds_too_much(&mut self) -> bool {
        let held = self.exchange.held_bytes();
        if held == self.held {
            return false;
        }
        let all = self.service.held.change(self.held, held);
        let grows = held > self.held;
        self.held = held;
        grows && held > limits::HEAD_BYTES && all > self.service.limits.held_bytes
    }

    /// Refuses the request that is waited for; without one the connection just ends.
    fn give_up(&mut self, waiting: Waiting, why: GivenUp, desk: &mut Desk) -> Rest {
        match waiting {
            Waiting::Head | Waiting::Body | Waiting::Log => {
                let mut turn = Turn {
                    service: &self.service,
                    peer: &self.peer,
                    now: self.service.clock.now(),
                    desk,
                    located: None,
                };
                self.exchange.give_up(why, &mut turn);
                Rest::GoOn
            }
            Waiting::Request | Waiting::Writing | Waiting::Lingering => Rest::End,
        }
    }

    /// Drops what a refused peer still sends, so that it gets to read the reply.
    fn linger(
        &mut self,
        cx: &mut Context<'_>,
        read: &mut [u8],
        desk: &mut Desk,
    ) -> io::Result<Rest> {
        let mut dropped = match self.lingered {
            Some(dropped) => dropped,
            None => match self.stream.poll_shutdown(cx) {
                Poll::Pending => return self.rest(cx, desk),
                Poll::Ready(shut) => shut.map(|()| 0)?,
            },
        };
        loop {
            self.lingered = Some(dropped);
            if dropped > limits::DISCARD_BYTES {
                return Ok(Rest::End);
            }
            match self.stream.poll_read(cx, read) {
                Poll::Pending => return self.rest(cx, desk),
                Poll::Ready(count) => match count? {
                    0 => return Ok(Rest::End),
                    count => dropped += u64::try_from(count).unwrap_or(u64::MAX),
                },
            }
        }
    }
}

impl<E> Drop for Connection<E> {
    fn drop(&mut self) {
        self.service.held.change(self.held, 0);
        self.service.connections.closed();
    }
}

impl<E: Exchange + Unpin> Future for Connection<E> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let connection = self.get_mut();
        Scratch::with(|Scratch { read, desk }| {
            loop {
                connection.exchange.borrow_room(desk);
                let rest = connection.run(cx, read, desk);
                connection.exchange.return_room(desk);
                match rest {
                    Ok(Rest::Wait) => return Poll::Pending,
                    Ok(Rest::GoOn) => {}
                    Ok(Rest::End) => return Poll::Ready(()),
                    Err(error) => {
                        tracing::debug!(peer = %connection.peer, %error, "connection broke");
                        return Poll::Ready(());
                    }
                }
            }
        })
    }
}
