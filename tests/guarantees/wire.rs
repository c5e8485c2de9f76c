//! A client that sends frames as they are and reads whatever comes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use cloakroom_protocol::{
    AccessKey, Answer, Call, Cut, ErrorCode, Frame, Header, Hello, Page, Ping, Receipt, Reply,
    Request, Session, Sessions, cut, limits,
};

/// One end of a connection.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    received: Vec<u8>,
    id: u32,
}

/// The frame of a reply.
pub(crate) struct Got(Vec<u8>);

/// The bytes of a request.
pub(crate) fn frame(id: u32, app: Option<&str>, request: Request<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    Call { id, app, request }.encode(&mut bytes).unwrap();
    bytes
}

/// The bytes of any frame, right or wrong.
pub(crate) fn raw(id: u32, opcode: u8, flags: u8, key: u16, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        length: u32::try_from(payload.len()).unwrap(),
        id,
        opcode,
        flags,
        key_or_status: key,
    };
    [&header.write(), payload].concat()
}

impl Wire {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Self {
            stream,
            received: Vec::new(),
            id: 0,
        }
    }

    pub(crate) fn hello(&mut self, app: &str) -> Got {
        let got = self.ask(Request::Hello(Hello::new(app, AccessKey(b""), "test")));
        assert_eq!(got.error(), None);
        got
    }

    /// Sends as much as the server takes.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        if let Err(error) = self.stream.write_all(bytes) {
            let kind = error.kind();
            let closed = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
            assert!(closed.contains(&kind), "{error}");
        }
    }

    /// The reply to a request, which is the next one.
    pub(crate) fn ask(&mut self, request: Request<'_>) -> Got {
        self.ask_in(None, request)
    }

    pub(crate) fn ask_in(&mut self, app: Option<&str>, request: Request<'_>) -> Got {
        self.id += 1;
        let bytes = frame(self.id, app, request);
        self.send(&bytes);
        let got = self.reply();
        let reply = got.reply();
        let number = request.opcode().number();
        assert_eq!((reply.id, reply.opcode), (self.id, number));
        got
    }

    /// The error of the reply to a request.
    pub(crate) fn refused(&mut self, request: Request<'_>) -> ErrorCode {
        self.ask(request).error().unwrap()
    }

    /// The next frame.
    pub(crate) fn reply(&mut self) -> Got {
        self.next().unwrap()
    }

    /// The next frame; `None` when the server has closed behind the last one.
    pub(crate) fn next(&mut self) -> Option<Got> {
        loop {
            if let Cut::Frame(frame) = cut(&self.received, limits::PAYLOAD_BYTES).unwrap() {
                let rest = self.received.split_off(frame.bytes());
                return Some(Got(std::mem::replace(&mut self.received, rest)));
            }
            if !self.fill() {
                assert!(self.received.is_empty(), "half a frame");
                return None;
            }
        }
    }

    fn fill(&mut self) -> bool {
        let mut room = [0; 65_536];
        match self.stream.read(&mut room) {
            Ok(count) => {
                self.received.extend_from_slice(&room[..count]);
                count > 0
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                false
            }
        }
    }

    /// Closes the sending side; all frames that still come.
    pub(crate) fn finish(mut self) -> Vec<Got> {
        // The server may have closed it before.
        drop(self.stream.shutdown(Shutdown::Write));
        std::iter::from_fn(|| self.next()).collect()
    }

    pub(crate) fn assert_alive(&mut self) {
        let got = self.ask(Request::Ping(Ping { echo: b"alive?" }));
        let Answer::Pong(pong) = got.reply().answer else {
            panic!("{:?}", got.reply());
        };
        assert_eq!(pong.echo, b"alive?");
    }
}

impl Got {
    pub(crate) fn reply(&self) -> Reply<'_> {
        let Ok(Cut::Frame(frame)) = cut(&self.0, limits::PAYLOAD_BYTES) else {
            panic!("no frame");
        };
        let frame: Frame<'_> = frame;
        Reply::decode(&frame).unwrap()
    }

    /// The number that it refuses with; 0 for success.
    pub(crate) fn status(&self) -> u16 {
        match self.reply().answer {
            Answer::Refusal(refusal) => refusal.status,
            _ => 0,
        }
    }

    pub(crate) fn error(&self) -> Option<ErrorCode> {
        match self.status() {
            0 => None,
            status => Some(ErrorCode::from_number(status).unwrap()),
        }
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.reply().flags.has(flag)
    }

    pub(crate) fn session(&self) -> Session<'_> {
        match self.reply().answer {
            Answer::Session(session) => session,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn receipt(&self) -> Receipt {
        match self.reply().answer {
            Answer::Receipt(receipt) => receipt,
            Answer::Made(made) => made.receipt,
            Answer::Session(session) => session.receipt,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn token(&self) -> Vec<u8> {
        match self.reply().answer {
            Answer::Made(made) => made.token.0.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn sessions(&self) -> Sessions<'_> {
        match self.reply().answer {
            Answer::Sessions(sessions) => sessions,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn page(&self) -> Page<'_> {
        match self.reply().answer {
            Answer::Page(page) => page,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn killed(&self) -> u64 {
        match self.reply().answer {
            Answer::Killed(count) => count,
            other => panic!("{other:?}"),
        }
    }

    /// The version that an error names.
    pub(crate) fn named_version(&self) -> u64 {
        match self.reply().answer {
            Answer::Refusal(refusal) => refusal.version,
            other => panic!("{other:?}"),
        }
    }
}
