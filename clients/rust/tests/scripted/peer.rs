//! A scripted server: it says HELLO and then what the test wants.

use std::io;

use cloakroom_client::Config;
use cloakroom_protocol::{
    Answer, Call, Cut, ErrorCode, Framer, Header, Opcode, Receipt, Reply, ReplyFlags, Request,
    Session, Welcome, cut, limits,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// A listening socket on a free port of loopback.
pub(crate) struct Peer {
    listener: TcpListener,
}

impl Peer {
    pub(crate) async fn listen() -> Self {
        Self::listen_at("127.0.0.1:0").await
    }

    /// Listens where another peer did before.
    pub(crate) async fn listen_at(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        Self { listener }
    }

    /// The settings for a client of the app "shop", with options as in a URL.
    pub(crate) fn config(&self, options: &str) -> Config {
        let address = self.listener.local_addr().unwrap();
        Config::from_url(&format!("cloakroom://{address}/shop?{options}")).unwrap()
    }

    /// Takes a connection without a word.
    pub(crate) async fn accept(&self) -> Visit {
        let (stream, _) = self.listener.accept().await.unwrap();
        Visit::over(stream)
    }

    /// Takes a connection and answers its HELLO.
    pub(crate) async fn welcome(&self) -> Visit {
        self.welcome_with(WELCOME).await
    }

    pub(crate) async fn welcome_with(&self, welcome: Welcome<'_>) -> Visit {
        let mut visit = self.accept().await;
        visit.greet_with(welcome).await;
        visit
    }
}

pub(crate) const WELCOME: Welcome<'_> = Welcome {
    version: 1,
    max_keys: 256,
    max_sessions: 1_000,
    max_payload: 1_056_768,
    max_grace: 300_000,
    now: 0,
    run: 1,
    server: "a scripted peer",
};

/// One connection of a client.
pub(crate) struct Visit {
    stream: Box<dyn Socket>,
    framer: Framer,
    /// Reads that have brought bytes so far.
    pub(crate) reads: usize,
}

/// A connected socket of any kind.
trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// A request that has come.
#[derive(Clone, Debug)]
pub(crate) struct Asked(Vec<u8>);

impl Asked {
    fn frame(&self) -> cloakroom_protocol::Frame<'_> {
        match cut(&self.0, limits::PAYLOAD_BYTES) {
            Ok(Cut::Frame(frame)) => frame,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn call(&self) -> Call<'_> {
        Call::decode(&self.frame()).unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.frame().header.id
    }

    /// The token of a GET as text.
    pub(crate) fn token(&self) -> String {
        let frame = self.frame();
        assert_eq!(frame.header.opcode, Opcode::Get.number());
        String::from_utf8(frame.payload.to_vec()).unwrap()
    }
}

impl Visit {
    pub(crate) fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            framer: Framer::new(limits::PAYLOAD_BYTES),
            reads: 0,
        }
    }

    /// Answers HELLO.
    pub(crate) async fn greet(&mut self) {
        self.greet_with(WELCOME).await;
    }

    async fn greet_with(&mut self, welcome: Welcome<'_>) {
        let hello = self.request().await;
        assert_eq!(hello.call().request.opcode(), Opcode::Hello);
        self.answer(&hello, Answer::Welcome(welcome)).await;
    }

    /// The next request; `None` when the client has closed.
    pub(crate) async fn next(&mut self) -> Option<Asked> {
        loop {
            if let Some(frame) = self.framer.take().unwrap() {
                let header: [u8; Header::BYTES] = frame.header.write();
                return Some(Asked([&header, frame.payload].concat()));
            }
            match self.stream.read(self.framer.room()).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.framer.filled(count),
            }
            self.reads += 1;
        }
    }

    pub(crate) async fn request(&mut self) -> Asked {
        self.next().await.expect("a request")
    }

    pub(crate) async fn send(&mut self, reply: &Reply<'_>) {
        let mut bytes = Vec::new();
        reply.encode(&mut bytes);
        self.send_bytes(&bytes).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        let sent: io::Result<()> = self.stream.write_all(bytes).await;
        sent.expect("the client reads");
    }

    pub(crate) async fn answer(&mut self, asked: &Asked, answer: Answer<'_>) {
        self.answer_with(asked, 0, answer).await;
    }

    pub(crate) async fn answer_with(&mut self, asked: &Asked, flags: u8, answer: Answer<'_>) {
        let opcode = asked.call().request.opcode();
        let reply = Reply::new(asked.id(), opcode, answer).with_flags(flags);
        self.send(&reply).await;
    }

    pub(crate) async fn refuse(&mut self, asked: &Asked, code: ErrorCode, version: u64) {
        let opcode = asked.call().request.opcode().number();
        let reply = Reply::refusal(asked.id(), opcode, code, "").naming_version(version);
        self.send(&reply).await;
    }

    /// Answers a GET with a session whose data are the token.
    pub(crate) async fn answer_get(&mut self, asked: &Asked) {
        let token = asked.token();
        let session = Session {
            data: cloakroom_protocol::Data(token.as_bytes()),
            ..SESSION
        };
        self.answer(asked, Answer::Session(session)).await;
    }

    /// Answers many GETs with one write.
    pub(crate) async fn answer_gets(&mut self, asked: &[Asked]) {
        let mut bytes = Vec::new();
        for asked in asked {
            Reply::new(asked.id(), Opcode::Get, Answer::Session(SESSION)).encode(&mut bytes);
        }
        self.send_bytes(&bytes).await;
    }

    /// Answers every GET until the client closes.
    pub(crate) async fn serve_gets(mut self) {
        while let Some(asked) = self.next().await {
            self.answer_get(&asked).await;
        }
    }
}

pub(crate) const RECEIPT: Receipt = Receipt {
    handle: 7,
    version: 8,
    deadline: 9,
};

pub(crate) const SESSION: Session<'_> = Session {
    receipt: RECEIPT,
    created: 10,
    last_active: 11,
    idle: 12,
    until: 13,
    reads: 14,
    writes: 15,
    content_type: cloakroom_protocol::ContentType::BYTES,
    attributes: cloakroom_protocol::Attributes::NONE,
    user: "user",
    ip: "192.0.2.1",
    data: cloakroom_protocol::Data(b"data"),
};

/// A request of which only the operation and the flags matter.
pub(crate) fn is(asked: &Asked, expected: Request<'_>) {
    assert_eq!(asked.call().request, expected);
}

pub(crate) const OLD_ID: u8 = ReplyFlags::OLD_ID;
