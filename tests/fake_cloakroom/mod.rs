//! A small server of the binary protocol on a thread per connection, correct or with a planted bug.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use cloakroom_protocol::{
    Answer, Call, ContentType, Create, Cursor, Data, ErrorCode, Figure, FiguresBuffer, Framer, Key,
    List, Made, NewToken, Opcode, Page, Pong, Receipt, Reply, Request, Rotate, Scope, Session,
    SessionsBuffer, Set, Token, Welcome,
};
use serde_json::{Map, Value};

/// What the server does wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bug {
    /// Nothing.
    None,
    /// Some sets are acknowledged and forgotten.
    LosesUpdates,
    /// Some reads are not counted.
    RepeatsReads,
    /// Kills are acknowledged and not carried out.
    IgnoresKills,
    /// Rotated tokens go on being served.
    KeepsOldTokens,
    /// Rotations are acknowledged with a token under which nothing is.
    LosesRotated,
    /// Writes are done whatever version they demand.
    IgnoresVersions,
    /// Some conditional writes are refused for nothing.
    RefusesVersions,
    /// Some replies have the id of another request.
    SwapsReplies,
    /// No HELLO is good enough.
    RefusesHello,
    /// There is no room for sessions.
    Full,
}

#[derive(Clone)]
struct Stored {
    reads: u64,
    writes: u64,
    data: Map<String, Value>,
}

#[derive(Default)]
struct Store {
    sessions: BTreeMap<Vec<u8>, Stored>,
    drawn: u64,
    requests: u64,
    /// Sessions shown in pages of lists.
    listed: usize,
}

/// How all tokens of the server begin.
pub(crate) const TOKEN_START: &str = "SECRET";

/// Starts a server that ends with the test process.
pub(crate) fn start(bug: Bug) -> SocketAddr {
    start_counted(bug).0
}

/// The same, and how many sessions its lists have shown.
pub(crate) fn start_counted(bug: Bug) -> (SocketAddr, impl Fn() -> usize) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let store = Arc::new(Mutex::new(Store::default()));
    let counted = Arc::clone(&store);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, store) = (stream.unwrap(), Arc::clone(&store));
            // A client that goes away in the middle of a frame ends its thread.
            thread::spawn(move || serve(&stream, &store, bug));
        }
    });
    (address, move || counted.lock().unwrap().listed)
}

fn serve(mut stream: &TcpStream, store: &Mutex<Store>, bug: Bug) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut framer = Framer::new(1 << 21);
    let mut out = Vec::new();
    loop {
        let count = stream.read(framer.room()).ok().filter(|count| *count > 0)?;
        framer.filled(count);
        while let Some(frame) = framer.take().ok()? {
            let call = Call::decode(&frame).unwrap();
            let mut store = store.lock().unwrap();
            store.requests += 1;
            answer(&mut store, &call, bug, &mut out);
        }
        // Halves arrive apart, so that frames are cut somewhere.
        let (left, right) = out.split_at(out.len() / 2);
        stream.write_all(left).ok()?;
        stream.write_all(right).ok()?;
        out.clear();
    }
}

/// Where the reply to one request goes.
struct Answering<'o> {
    id: u32,
    opcode: Opcode,
    out: &'o mut Vec<u8>,
}

impl Answering<'_> {
    fn reply(&mut self, answer: Answer<'_>) {
        Reply::new(self.id, self.opcode, answer).encode(self.out);
    }

    fn refuse(&mut self, code: ErrorCode) {
        let (id, opcode) = (self.id, self.opcode.number());
        Reply::refusal(id, opcode, code, code.sentence()).encode(self.out);
    }

    fn receipt(&mut self, version: Option<u64>) {
        match version {
            Some(version) => self.reply(Answer::Receipt(receipt(version))),
            None => self.refuse(ErrorCode::Gone),
        }
    }

    fn made(&mut self, token: Option<Vec<u8>>) {
        match token {
            Some(token) => self.reply(Answer::Made(Made {
                receipt: receipt(1),
                token: Token(&token),
            })),
            None => self.refuse(ErrorCode::Gone),
        }
    }
}

fn answer(store: &mut Store, call: &Call<'_>, bug: Bug, out: &mut Vec<u8>) {
    let strikes = store.requests.is_multiple_of(50);
    let swapped = bug == Bug::SwapsReplies && strikes && matches!(call.request, Request::Get(_));
    let mut to = Answering {
        id: call.id + u32::from(swapped),
        opcode: call.request.opcode(),
        out,
    };
    match &call.request {
        Request::Hello(_) if bug == Bug::RefusesHello => to.refuse(ErrorCode::KeyRequired),
        Request::Hello(hello) => {
            assert_eq!(hello.app, "bench");
            to.reply(Answer::Welcome(welcome()));
        }
        Request::Ping(ping) => {
            let echo = ping.echo;
            to.reply(Answer::Pong(Pong { now: 0, echo }));
        }
        Request::Stats(_) => {
            let mut figures = FiguresBuffer::default();
            figures.push(Figure::DURABILITY, 2);
            to.reply(Answer::Figures(figures.figures()));
        }
        Request::Create(_) if bug == Bug::Full => to.refuse(ErrorCode::MemoryFull),
        Request::Create(create) => to.made(Some(store.create(create))),
        Request::Get(get) => match store.find(get.key) {
            None => to.refuse(ErrorCode::Gone),
            Some(stored) => {
                show(stored, &mut to);
                stored.reads += u64::from(bug != Bug::RepeatsReads || !strikes);
            }
        },
        Request::Touch(touch) => {
            to.receipt(
                store
                    .find(Key::Token(touch.token))
                    .map(|stored| stored.writes),
            );
        }
        Request::Set(set) => match set_members(store, set, bug) {
            Ok(version) => to.receipt(Some(version)),
            Err(code) => to.refuse(code),
        },
        Request::Rotate(rotate) => to.made(store.rotate(rotate, bug)),
        Request::Kill(kill) => to.receipt(store.kill(kill.key, bug)),
        Request::List(list) => page(store, list, &mut to),
        Request::MultiGet(_) | Request::Put(_) | Request::KillMany(_) | Request::Activity(_) => {
            panic!("the load tester does not ask for {:?}", to.opcode)
        }
    }
}

/// Sessions of one page of a list.
pub(crate) const PAGE: usize = 20;

fn page(store: &mut Store, list: &List<'_>, to: &mut Answering<'_>) {
    assert_eq!((list.scope, list.since, list.data), (Scope::App, 0, false));
    let from = usize::from(list.from.0[0]);
    let mut sessions = SessionsBuffer::default();
    for stored in store.sessions.values().skip(from * PAGE).take(PAGE) {
        let receipt = receipt(stored.writes);
        let fits = sessions.push(Some(&Session {
            receipt,
            ..Session::default()
        }));
        assert!(fits);
    }
    store.listed += sessions.len();
    let mut next = Cursor::ENDS;
    if store.sessions.len() > (from + 1) * PAGE {
        next.0[0] = u8::try_from(from + 1).unwrap();
    }
    to.reply(Answer::Page(Page {
        now: 0,
        matching: 0,
        next,
        sessions: sessions.sessions(),
    }));
}

fn show(stored: &Stored, to: &mut Answering<'_>) {
    let data = Value::Object(stored.data.clone()).to_string();
    to.reply(Answer::Session(Session {
        receipt: receipt(stored.writes),
        reads: stored.reads,
        writes: stored.writes,
        content_type: ContentType::JSON_OBJECT,
        data: Data(data.as_bytes()),
        ..Session::default()
    }));
}

fn set_members(store: &mut Store, set: &Set<'_>, bug: Bug) -> Result<u64, ErrorCode> {
    let requests = store.requests;
    let stored = store.find(Key::Token(set.token)).ok_or(ErrorCode::Gone)?;
    if let Some(version) = set.if_version {
        let refuses = bug == Bug::RefusesVersions && requests.is_multiple_of(3);
        let differs = bug != Bug::IgnoresVersions && version != stored.writes;
        if differs || refuses {
            return Err(ErrorCode::VersionDiffers);
        }
    }
    let members: Map<String, Value> = serde_json::from_slice(set.patch.0).unwrap();
    if bug != Bug::LosesUpdates || !requests.is_multiple_of(3) {
        stored.data.extend(members);
    }
    stored.writes += 1;
    Ok(stored.writes)
}

impl Store {
    fn draw(&mut self) -> Vec<u8> {
        self.drawn += 1;
        format!("{TOKEN_START}{:058}", self.drawn).into_bytes()
    }

    fn create(&mut self, create: &Create<'_>) -> Vec<u8> {
        let fields = &create.fields;
        assert_eq!(fields.idle, Some(7_200_000));
        assert!(fields.user.is_some_and(|user| user.starts_with("user0")));
        assert!(fields.ip.is_some_and(|ip| ip.starts_with("10.1")));
        let (content_type, data) = fields.data.unwrap();
        assert_eq!(content_type, ContentType::JSON_OBJECT);
        let token = self.draw();
        let stored = Stored {
            reads: 1,
            writes: 1,
            data: serde_json::from_slice(data.0).unwrap_or_default(),
        };
        self.sessions.insert(token.clone(), stored);
        token
    }

    fn find(&mut self, key: Key<'_>) -> Option<&mut Stored> {
        match key {
            Key::Token(token) => self.sessions.get_mut(token.0),
            Key::Handle(_) => panic!("reads come by token"),
        }
    }

    fn kill(&mut self, key: Key<'_>, bug: Bug) -> Option<u64> {
        let Key::Token(token) = key else {
            panic!("kills come by token");
        };
        let version = self.sessions.get(token.0)?.writes;
        if bug != Bug::IgnoresKills {
            self.sessions.remove(token.0);
        }
        Some(version)
    }

    fn rotate(&mut self, rotate: &Rotate<'_>, bug: Bug) -> Option<Vec<u8>> {
        assert!(matches!(rotate.new, NewToken::Draw(_)));
        let stored = if bug == Bug::KeepsOldTokens {
            self.sessions.get(rotate.token.0)?.clone()
        } else {
            self.sessions.remove(rotate.token.0)?
        };
        let token = self.draw();
        if bug != Bug::LosesRotated {
            self.sessions.insert(token.clone(), stored);
        }
        Some(token)
    }
}

fn receipt(version: u64) -> Receipt {
    Receipt {
        handle: 1,
        version,
        deadline: 0,
    }
}

fn welcome() -> Welcome<'static> {
    Welcome {
        version: cloakroom_protocol::VERSION,
        max_keys: 1,
        max_sessions: 1,
        max_payload: 1 << 20,
        max_grace: 0,
        now: 0,
        run: 1,
        server: "fake",
    }
}
