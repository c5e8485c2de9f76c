//! Keeps the connection: connects, says HELLO, writes and reads, and connects again.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_protocol::{AccessKey, Answer, Call, DecodeError, Hello, Reply, Request, limits};
use futures_core::Stream as _;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::{MissedTickBehavior, interval, timeout};
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
    // One timer for all frames: setting one for each would cost more than the frame.
    let mut ticks = interval(stall);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watch = Watch::default();
    loop {
        tokio::select! {
            biased;
            frame = next(frames) => {
                if let Err(cause) = frame.and_then(|frame| link.arrived(frame)) {
                    return cause;
                }
                *heard = true;
                watch.heard = true;
            }
            _ = ticks.tick() => {
                if watch.is_stalled(link) {
                    return ConnectError::Stalled;
                }
                if watch.quiet * stall >= KEEP_ALIVE {
                    watch.quiet = 0;
                    link.ping();
                }
            }
        }
    }
}

/// Watches from tick to tick whether the server still answers.
#[derive(Default)]
struct Watch {
    /// Something has come since the last tick.
    heard: bool,
    /// Requests that are not younger than this were waiting at the last tick.
    mark: u64,
    /// Ticks in a row without anything.
    quiet: u32,
}

impl Watch {
    /// Whether nothing has come since the last tick, though a reply was due then.
    fn is_stalled(&mut self, link: &Link) -> bool {
        let stalled = !self.heard && link.waits_since(self.mark);
        self.quiet = if self.heard { 0 } else { self.quiet + 1 };
        self.heard = false;
        self.mark = link.mark();
        stalled
    }
}

async fn next(frames: &mut Frames) -> Result<OwnedFrame, ConnectError> {
    let frame = poll_fn(|cx| Pin::new(&mut *frames).poll_next(cx)).await;
    frame.unwrap_or(Err(ConnectError::ClosedByServer))
}

#[cfg(test)]
mod tests {
    use super::Watch;
    use crate::link::{Allowed, Link};
    use cloakroom_protocol::{Call, Ping, Request};

    #[tokio::test]
    async fn server_is_stalled_when_a_reply_is_due_from_tick_to_tick_and_nothing_comes() {
        let link = Link::new(1 << 20);
        link.ready(Allowed {
            payload: 100,
            keys: 1,
        });
        let mut watch = Watch::default();
        for quiet in 1..=100 {
            assert!(!watch.is_stalled(&link), "nobody has asked anything");
            assert_eq!(watch.quiet, quiet);
        }
        let mut ping = Vec::new();
        Call::new(0, Request::Ping(Ping { echo: &[] }))
            .encode(&mut ping)
            .unwrap();
        let _reply = link.submit(ping).await.unwrap();
        assert!(!watch.is_stalled(&link), "it is younger than the last tick");
        watch.heard = true;
        assert!(!watch.is_stalled(&link), "something has come");
        assert_eq!(watch.quiet, 0);
        assert!(watch.is_stalled(&link));
    }
}
