//! Keeps the connection: connects, says HELLO, writes and reads, and connects again.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_protocol::{AccessKey, Answer, Call, DecodeError, Hello, Reply, Request, limits};
use futures_core::Stream as _;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::timeout;
use tokio_util::codec::FramedRead;

use crate::backoff::Backoff;
use crate::codec::{FrameCodec, OwnedFrame};
use crate::config::Config;
use crate::error::ConnectError;
use crate::link::{Allowed, Link};
use crate::session::refusal;
use crate::stream::Stream;

/// Bytes that one read may bring.
const READ_BYTES: usize = 64 << 10;
/// How long nothing happens before the client asks for a sign of life.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

type Frames = FramedRead<ReadHalf<Stream>, FrameCodec>;

/// Keeps the connection of `link` until the link is closed.
pub(crate) async fn keep(link: Arc<Link>, config: Config) {
    tokio::select! {
        () = connect_again_and_again(&link, &config) => {}
        () = link.closed() => {}
    }
}

async fn connect_again_and_again(link: &Link, config: &Config) {
    let mut backoff = Backoff::new();
    loop {
        match timeout(config.connect_timeout, open(config)).await {
            Ok(Ok(connection)) => {
                link.ready(connection.allowed);
                let mut heard = false;
                let cause = serve(link, config, connection, &mut heard).await;
                // One that takes connections only to drop them has earned no new trust.
                if heard {
                    backoff.reset();
                }
                link.lost(cause);
            }
            Ok(Err(cause)) => link.down(cause),
            Err(_elapsed) => link.down(ConnectError::Timeout),
        }
        let random = getrandom::u32().unwrap_or(u32::MAX / 2);
        tokio::time::sleep(backoff.next(random)).await;
    }
}

struct Connection {
    frames: Frames,
    writer: WriteHalf<Stream>,
    allowed: Allowed,
}

/// Connects and agrees with the server.
async fn open(config: &Config) -> Result<Connection, ConnectError> {
    let stream = Stream::connect(&config.address).await?;
    let (reader, mut writer) = tokio::io::split(stream);
    let limit = limits::PAYLOAD_BYTES;
    let mut frames = FramedRead::with_capacity(reader, FrameCodec { limit }, READ_BYTES);
    let hello = Hello::new(&config.app, AccessKey(&config.access_key), &config.name);
    let mut bytes = Vec::new();
    Call::new(0, Request::Hello(hello)).encode(&mut bytes)?;
    writer.write_all(&bytes).await?;
    let frame = next(&mut frames).await?;
    let reply = Reply::decode(&frame.borrow())?;
    if matches!(reply.answer, Answer::Refusal(_)) {
        return Err(ConnectError::Refused(refusal(&reply)));
    }
    let Answer::Welcome(welcome) = reply.answer else {
        return Err(DecodeError::BadValue { field: "op" }.into());
    };
    if welcome.version != cloakroom_protocol::VERSION {
        return Err(DecodeError::BadValue { field: "version" }.into());
    }
    let allowed = Allowed {
        payload: usize::try_from(welcome.max_payload).unwrap_or(limit),
        keys: usize::from(welcome.max_keys).clamp(1, limits::MGET_KEYS),
    };
    frames.decoder_mut().limit = allowed.payload;
    Ok(Connection {
        frames,
        writer,
        allowed,
    })
}

/// Writes and reads until the connection is lost, and says why.
async fn serve(
    link: &Link,
    config: &Config,
    connection: Connection,
    heard: &mut bool,
) -> ConnectError {
    let Connection {
        mut frames,
        mut writer,
        ..
    } = connection;
    tokio::select! {
        cause = write(link, &mut writer) => cause,
        cause = read(link, config.stall_timeout, &mut frames, heard) => cause,
    }
}

async fn write(link: &Link, writer: &mut WriteHalf<Stream>) -> ConnectError {
    let mut batch = Vec::new();
    loop {
        link.next_batch(&mut batch).await;
        if let Err(error) = writer.write_all(&batch).await {
            return error.into();
        }
        batch.clear();
    }
}

async fn read(link: &Link, stall: Duration, frames: &mut Frames, heard: &mut bool) -> ConnectError {
    let mut quiet = Duration::ZERO;
    loop {
        let mark = link.mark();
        match timeout(stall, next(frames)).await {
            Ok(frame) => {
                if let Err(cause) = frame.and_then(|frame| link.arrived(frame)) {
                    return cause;
                }
                *heard = true;
                quiet = Duration::ZERO;
            }
            Err(_elapsed) if link.waits_since(mark) => return ConnectError::Stalled,
            Err(_elapsed) => {
                quiet += stall;
                if quiet >= KEEP_ALIVE {
                    quiet = Duration::ZERO;
                    link.ping();
                }
            }
        }
    }
}

async fn next(frames: &mut Frames) -> Result<OwnedFrame, ConnectError> {
    let frame = poll_fn(|cx| Pin::new(&mut *frames).poll_next(cx)).await;
    frame.unwrap_or(Err(ConnectError::ClosedByServer))
}
