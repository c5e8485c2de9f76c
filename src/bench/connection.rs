//! One connection: writes a batch of requests at once, reads their replies, and starts again.

use std::collections::VecDeque;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use crate::bench::opening;
use crate::bench::recorder::Trouble;
use crate::bench::socket::{Address, Socket};
use crate::bench::target::REPLY_BYTES;
use crate::bench::worker::{Batch, InFlight, Worker};

/// Bytes of a connection's first read buffer; it doubles when a reply does not fit.
const READ_BUFFER: usize = 64 << 10;
/// How long a connection that broke waits before it is made anew.
const RECONNECT: Duration = Duration::from_millis(20);
/// How often it tries: half a minute when the server refuses at once.
const RECONNECTS: usize = 1_500;

/// A connection with its buffers and the requests that wait for a reply.
pub(super) struct Connection {
    worker: Rc<Worker>,
    address: Rc<Address>,
    socket: Socket,
    queue: VecDeque<InFlight>,
    out: Vec<u8>,
    written: usize,
    input: Vec<u8>,
    /// The unread part of `input`.
    start: usize,
    end: usize,
    /// Fires at `alarm_at` or later; set anew only when it fires too early.
    alarm: Pin<Box<Sleep>>,
    alarm_at: u64,
    /// When the server last showed life, or the batch was begun.
    waiting_since: u64,
}

impl Connection {
    pub(super) fn new(worker: Rc<Worker>, address: Rc<Address>, socket: Socket) -> Self {
        let alarm_at = worker.stopwatch.nanos() + worker.timeout;
        let alarm = Box::pin(sleep(Duration::from_nanos(worker.timeout)));
        Self {
            worker,
            address,
            socket,
            queue: VecDeque::new(),
            out: Vec::new(),
            written: 0,
            input: vec![0; READ_BUFFER],
            start: 0,
            end: 0,
            alarm,
            alarm_at,
            waiting_since: 0,
        }
    }

    /// Works until there is nothing left to send.
    pub(super) async fn run(mut self) {
        loop {
            match self.worker.next_batch(&mut self.out, &mut self.queue) {
                Batch::Over => return,
                Batch::Later => {
                    if let Some(pacer) = &self.worker.pacer {
                        pacer.wait().await;
                    }
                }
                Batch::Written => {
                    if let Err(trouble) = self.exchange().await {
                        self.give_up(trouble);
                        if !self.reconnect().await {
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Sends what is in `out` and reads until every request has its reply.
    async fn exchange(&mut self) -> Result<(), Trouble> {
        self.waiting_since = self.worker.stopwatch.nanos();
        while !self.queue.is_empty() {
            poll_fn(|cx| self.poll_transfer(cx)).await?;
            self.read_replies()?;
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }

    /// Writes as much as the socket takes and reads once. Both at a time, because a server may stop
    /// reading while nobody reads its replies.
    fn poll_transfer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Trouble>> {
        while let Some(rest) = self.out.get(self.written..).filter(|r| !r.is_empty()) {
            match self.socket.poll_write(cx, rest) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(Trouble::Closed)),
                Poll::Ready(Ok(length)) => self.written += length,
                Poll::Pending => break,
            }
        }
        let room = self.input.get_mut(self.end..).unwrap_or_default();
        match self.socket.poll_read(cx, room) {
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Err(Trouble::Closed)),
            Poll::Ready(Ok(length)) => {
                self.end += length;
                Poll::Ready(Ok(()))
            }
            Poll::Pending => self.poll_alarm(cx),
        }
    }

    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Trouble>> {
        while self.alarm.as_mut().poll(cx).is_ready() {
            let due = self.waiting_since + self.worker.timeout;
            if self.worker.stopwatch.nanos() >= due {
                return Poll::Ready(Err(Trouble::TimedOut));
            }
            // At least a millisecond later, so that the loop ends.
            let later = due.saturating_sub(self.alarm_at).max(1_000_000);
            let deadline = self.alarm.deadline() + Duration::from_nanos(later);
            self.alarm.as_mut().reset(deadline);
            self.alarm_at += later;
        }
        Poll::Pending
    }

    /// Judges the replies that have arrived whole and makes room for more.
    fn read_replies(&mut self) -> Result<(), Trouble> {
        let now = self.worker.stopwatch.nanos();
        self.waiting_since = now;
        let before = self.start;
        let mut closed = false;
        while let Some(flight) = self.queue.front_mut() {
            let input = self.input.get(self.start..self.end).unwrap_or_default();
            let Ok(read) = self.worker.target.read(flight.awaited, input) else {
                return Err(Trouble::Malformed);
            };
            let Some(reply) = read else { break };
            let finished = self.worker.reply(flight, &reply, now, &mut self.out);
            self.start += reply.length;
            closed = reply.closes;
            let flight = self.queue.pop_front();
            if !finished {
                self.queue.extend(flight);
            }
            if closed {
                break;
            }
        }
        self.worker.received(self.start - before, now);
        self.make_room()?;
        // What was pipelined behind the last reply is lost; a client would send it again.
        if closed { Err(Trouble::Closed) } else { Ok(()) }
    }

    fn make_room(&mut self) -> Result<(), Trouble> {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        } else if self.end == self.input.len() {
            self.input.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            if self.end == self.input.len() {
                if self.input.len() >= REPLY_BYTES {
                    return Err(Trouble::Malformed);
                }
                self.input.resize(self.input.len() * 2, 0);
            }
        }
        Ok(())
    }

    /// The requests in flight get no reply any more.
    fn give_up(&mut self, trouble: Trouble) {
        for flight in self.queue.drain(..) {
            self.worker.failed(&flight, trouble);
        }
        self.out.clear();
        self.written = 0;
        self.start = 0;
        self.end = 0;
    }

    /// Opens the connection anew; false when that does not succeed before the phase ends.
    async fn reconnect(&mut self) -> bool {
        for _ in 0..RECONNECTS {
            if self.worker.is_over() {
                return false;
            }
            match opening::open(&*self.worker.target, &self.address).await {
                Ok(socket) => {
                    self.socket = socket;
                    return true;
                }
                Err(_) => self.worker.connect_failed(),
            }
            sleep(RECONNECT).await;
        }
        false
    }
}
