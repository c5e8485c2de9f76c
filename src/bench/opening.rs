//! A new connection: opened, and greeted as its protocol wants it.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::time::Duration;

use tokio::time::timeout;

use crate::bench::failure::Failure;
use crate::bench::socket::{Address, Socket};
use crate::bench::target::{Awaited, REPLY_BYTES, Reply, Target};

/// How long the reply to a greeting may take.
const GREETING: Duration = Duration::from_secs(5);

/// Why a connection could not be opened.
#[derive(Debug)]
pub(super) enum OpeningFailure {
    /// The server cannot be reached.
    Unreachable(io::Error),
    /// It was reached and does not let us work.
    Refused(String),
}

impl OpeningFailure {
    /// The end of the run for want of a connection to `endpoint`.
    pub(super) fn at(self, endpoint: &str) -> Failure {
        match self {
            Self::Unreachable(source) => Failure::Unreachable {
                endpoint: endpoint.to_owned(),
                source,
            },
            Self::Refused(why) => Failure::Server(format!(
                "the server at {endpoint} was reached, but {why}; is --target right?"
            )),
        }
    }
}

impl fmt::Display for OpeningFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(source) => write!(f, "{source}"),
            Self::Refused(why) => f.write_str(why),
        }
    }
}

/// Opens a connection on which requests can be sent.
///
/// # Errors
/// When the server cannot be reached, or does not answer the greeting as it should.
pub(super) async fn open(target: &dyn Target, address: &Address) -> Result<Socket, OpeningFailure> {
    let mut socket = Socket::connect(address)
        .await
        .map_err(OpeningFailure::Unreachable)?;
    let mut out = Vec::new();
    let replies = target.greet(&mut out);
    write_all(&mut socket, &out)
        .await
        .map_err(OpeningFailure::Unreachable)?;
    let mut input = Vec::new();
    for number in 0..replies {
        let awaited = Awaited::greeting();
        let read = read_reply(target, awaited, &mut socket, &mut input, GREETING);
        read.await
            .and_then(|reply| target.greeted(number, &reply.frame).map(|()| reply.length))
            .map(|length| drop(input.drain(..length)))
            .map_err(OpeningFailure::Refused)?;
    }
    Ok(socket)
}

/// Writes all bytes.
///
/// # Errors
/// When the connection breaks.
pub(super) async fn write_all(socket: &mut Socket, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = poll_fn(|cx| socket.poll_write(cx, rest)).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// Waits for the first reply, which stays in `input`.
///
/// # Errors
/// When none comes in time, as a half sentence.
pub(super) async fn read_reply<'i>(
    target: &dyn Target,
    awaited: Awaited,
    socket: &mut Socket,
    input: &'i mut Vec<u8>,
    patience: Duration,
) -> Result<Reply<'i>, String> {
    let mut room = vec![0; 16 << 10];
    loop {
        match target.read(awaited, input) {
            // Parsed again behind the loop, where the borrow ends.
            Ok(Some(_)) => break,
            Ok(None) => {}
            Err(malformed) => return Err(malformed.to_string()),
        }
        let read = timeout(patience, poll_fn(|cx| socket.poll_read(cx, &mut room))).await;
        match read {
            Err(_elapsed) => return Err("it does not answer".to_owned()),
            Ok(Err(broken)) => return Err(format!("the connection broke ({broken})")),
            Ok(Ok(0)) => return Err("it closed the connection".to_owned()),
            Ok(Ok(count)) => input.extend_from_slice(room.get(..count).unwrap_or_default()),
        }
        if input.len() > REPLY_BYTES {
            return Err("its reply is too long".to_owned());
        }
    }
    match target.read(awaited, input) {
        Ok(Some(reply)) => Ok(reply),
        Ok(None) => Err("its reply is incomplete".to_owned()),
        Err(malformed) => Err(malformed.to_string()),
    }
}
