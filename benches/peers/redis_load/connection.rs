//! One connection: sends a batch of operations, round trip by round trip, and starts again.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::measure::Measured;
use crate::memcached;
use crate::operation::{Style, Verb, Workload};
use crate::resp::{self, Reply};
use crate::sequence::{Filling, Sequences, script_arguments};
use crate::sessions::Pool;

/// A connection with its buffers and the names of its scripts.
pub(crate) struct Connection {
    stream: TcpStream,
    sequences: Rc<Sequences>,
    pool: Rc<RefCell<Pool>>,
    /// SHA-1 by which the server knows the script of a verb.
    scripts: Vec<(Verb, String)>,
    out: Vec<u8>,
    input: Vec<u8>,
    /// Reads a reply off the front of what has come.
    read: fn(&mut &[u8]) -> Result<Option<Reply>, String>,
}

/// An operation under way.
struct UnderWay {
    verb: Verb,
    filling: Filling,
    /// Replies that the present round trip brings.
    awaited: usize,
    finished: bool,
}

impl Connection {
    pub(crate) async fn open(
        address: SocketAddr,
        style: Style,
        sequences: Rc<Sequences>,
        pool: Rc<RefCell<Pool>>,
    ) -> Result<Self, String> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|e| format!("{address} cannot be reached: {e}"))?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        let mut connection = Self {
            stream,
            sequences,
            pool,
            scripts: Vec::new(),
            out: Vec::new(),
            input: Vec::new(),
            read: if style == Style::Memcached {
                memcached::read
            } else {
                resp::read
            },
        };
        if style == Style::Memcached {
            return Ok(connection);
        }
        for verb in Verb::ALL {
            let sequences = Rc::clone(&connection.sequences);
            let script = sequences.of(verb).ok_or("a verb without a script")?;
            resp::write_command(&["SCRIPT", "LOAD", &script.script], &mut connection.out);
            match connection.exchange(1).await?.pop() {
                Some(Reply::Text(name)) => {
                    let name = String::from_utf8(name).map_err(|e| e.to_string())?;
                    connection.scripts.push((verb, name));
                }
                other => return Err(format!("{}.lua: {other:?}", verb.name())),
            }
        }
        Ok(connection)
    }

    /// Works until the time is over or there is nothing left to do.
    pub(crate) async fn run(
        mut self,
        workload: Workload,
        style: Style,
        depth: usize,
        end: Option<Instant>,
    ) -> Result<(Self, Measured), String> {
        let mut measured = Measured::new()?;
        while end.is_none_or(|end| Instant::now() < end) {
            let mut batch = self.draw(workload, depth)?;
            if batch.is_empty() {
                break;
            }
            let begun = Instant::now();
            let mut trip = 0;
            while batch.iter().any(|o| !o.finished) {
                self.round_trip(style, trip, &mut batch, &mut measured, begun)
                    .await?;
                trip += 1;
            }
        }
        Ok((self, measured))
    }

    fn draw(&self, workload: Workload, depth: usize) -> Result<Vec<UnderWay>, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_err(|e| e.to_string())?.as_secs();
        let mut pool = self.pool.borrow_mut();
        let next = std::iter::from_fn(|| workload.next(&mut pool));
        Ok(next
            .take(depth)
            .map(|(verb, session)| UnderWay {
                verb,
                filling: Filling {
                    now,
                    session,
                    idle: false,
                    found: Vec::new(),
                },
                awaited: 0,
                finished: false,
            })
            .collect())
    }

    /// Sends what is due of every operation at once and takes in the replies.
    async fn round_trip(
        &mut self,
        style: Style,
        trip: usize,
        batch: &mut [UnderWay],
        measured: &mut Measured,
        begun: Instant,
    ) -> Result<(), String> {
        for operation in batch.iter_mut().filter(|o| !o.finished) {
            self.write(style, trip, operation)?;
        }
        let awaited = batch.iter().map(|o| o.awaited).sum();
        let mut replies = self.exchange(awaited).await?.into_iter();
        for operation in batch.iter_mut().filter(|o| !o.finished) {
            let own: Vec<Reply> = replies.by_ref().take(operation.awaited).collect();
            operation.awaited = 0;
            self.judge(style, trip, operation, &own, measured);
            if operation.finished {
                let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
                measured.latencies.saturating_record(nanos);
            }
        }
        Ok(())
    }

    fn write(&mut self, style: Style, trip: usize, operation: &mut UnderWay) -> Result<(), String> {
        let UnderWay { verb, filling, .. } = operation;
        if style == Style::Script {
            let name = self.scripts.iter().find(|(v, _)| v == verb);
            let (_, name) = name.ok_or("a verb without a script")?;
            let mut words = vec!["EVALSHA".to_owned(), name.clone(), "1".to_owned()];
            words.extend(script_arguments(*verb, filling));
            resp::write_command(&words, &mut self.out);
            operation.awaited = 1;
            return Ok(());
        }
        if style == Style::Memcached {
            operation.awaited = 1;
            return memcached::write(*verb, filling.session, &mut self.out);
        }
        let sequence = self.sequences.of(*verb).ok_or("a verb without commands")?;
        let commands = sequence.commands(trip, filling).unwrap_or_default();
        for command in &commands {
            resp::write_command(command, &mut self.out);
        }
        operation.awaited = commands.len();
        Ok(())
    }

    /// Decides from the replies of a round trip whether the operation is done.
    fn judge(
        &self,
        style: Style,
        trip: usize,
        operation: &mut UnderWay,
        replies: &[Reply],
        measured: &mut Measured,
    ) {
        if let Some(text) = replies.iter().find_map(refusal) {
            measured.refusal.get_or_insert_with(|| text.clone());
            operation.finished = true;
            return;
        }
        let first = replies.first().unwrap_or(&Reply::Nil);
        let gone = match (style, trip, operation.verb) {
            (Style::Script | Style::Memcached, _, Verb::Get | Verb::Set) => *first == Reply::Nil,
            (Style::Script, _, Verb::Kill) => first.number() == Some(0),
            (Style::Multi, 0, Verb::Get | Verb::Set | Verb::Kill) => {
                first.list().first() == Some(&Reply::Nil)
            }
            _ => false,
        };
        measured.gone += u64::from(gone);
        operation.finished = gone || style != Style::Multi || !goes_on(trip, operation, replies);
        if operation.finished && operation.verb == Verb::Create {
            self.pool.borrow_mut().add(operation.filling.session);
        }
    }

    /// Sends what is in `out` and reads so many replies.
    async fn exchange(&mut self, awaited: usize) -> Result<Vec<Reply>, String> {
        let broken = |e: std::io::Error| format!("the connection broke: {e}");
        self.stream.write_all(&self.out).await.map_err(broken)?;
        self.out.clear();
        let mut replies = Vec::with_capacity(awaited);
        loop {
            let mut rest = self.input.as_slice();
            while replies.len() < awaited
                && let Some(reply) = (self.read)(&mut rest)?
            {
                replies.push(reply);
            }
            let used = self.input.len() - rest.len();
            self.input.drain(..used);
            if replies.len() == awaited {
                return Ok(replies);
            }
            let got = self
                .stream
                .read_buf(&mut self.input)
                .await
                .map_err(broken)?;
            if got == 0 {
                return Err("the server closed the connection".to_owned());
            }
        }
    }
}

/// Prepares the next round trip of the commands; false when there is none.
fn goes_on(trip: usize, operation: &mut UnderWay, replies: &[Reply]) -> bool {
    let first = replies.first().unwrap_or(&Reply::Nil);
    match (operation.verb, trip) {
        (Verb::Get | Verb::Set | Verb::Kill, 0) => {
            let accessed = first.list().get(5).and_then(Reply::number);
            let accessed = accessed.and_then(|la| u64::try_from(la).ok()).unwrap_or(0);
            operation.filling.idle = operation.filling.now.saturating_sub(accessed) > 1;
            true
        }
        // The user's last session is gone when EXISTS, the last of the commands, says 0.
        (Verb::Kill, 1) => {
            let exec = replies.last().map(Reply::list).unwrap_or_default();
            exec.last().and_then(Reply::number) == Some(0)
        }
        (Verb::Soapp, 0) => {
            let members = first.list().iter().filter_map(token_of_member);
            operation.filling.found = members.collect();
            !operation.filling.found.is_empty()
        }
        _ => false,
    }
}

fn refusal(reply: &Reply) -> Option<&String> {
    match reply {
        Reply::Refused(text) => Some(text),
        Reply::List(list) => list.iter().find_map(refusal),
        Reply::Nil | Reply::Number(_) | Reply::Text(_) => None,
    }
}

/// The token of a member TOKEN:ID of the index by activity.
fn token_of_member(member: &Reply) -> Option<String> {
    let Reply::Text(text) = member else {
        return None;
    };
    let text = std::str::from_utf8(text).ok()?;
    text.split(':').next().map(str::to_owned)
}
