//! A small rest-sessions server on a thread per connection, correct or with a planted bug.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Map, Value, json};

/// What the server does wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bug {
    /// Nothing.
    None,
    /// Some sets are acknowledged and forgotten.
    LosesUpdates,
    /// Some reads are not counted.
    RepeatsReads,
    /// Some reads are counted twice.
    SkipsReads,
    /// Kills are acknowledged and not carried out.
    IgnoresKills,
    /// Some sessions are gone before their time.
    ForgetsSessions,
    /// Every create is answered by 503.
    RefusesCreates,
    /// Some gets are never answered.
    Hangs,
    /// Connections are closed after some replies.
    HangsUp,
    /// None; the bodies come in chunks.
    Chunks,
}

struct Session {
    id: String,
    ip: String,
    reads: u64,
    writes: u64,
    data: Map<String, Value>,
}

#[derive(Default)]
struct Store {
    sessions: BTreeMap<String, Session>,
    created: u64,
    requests: u64,
}

/// Starts a server that ends with the test process.
pub(crate) fn start(bug: Bug) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let store = Arc::new(Mutex::new(Store::default()));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let store = Arc::clone(&store);
            let stream = stream.unwrap();
            // A client that goes away in the middle of a request ends its thread.
            thread::spawn(move || serve(&stream, &store, bug));
        }
    });
    address
}

/// How all tokens of the server begin.
pub(crate) const TOKEN_START: &str = "SECRET";

fn token(number: u64) -> String {
    format!("{TOKEN_START}{number:058}")
}

fn serve(stream: &TcpStream, store: &Mutex<Store>, bug: Bug) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    for served in 1.. {
        let (line, body) = read_request(&mut reader)?;
        let mut words = line.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let answer = answer(&mut store.lock().unwrap(), bug, (method, target), &body);
        let Some((status, text)) = answer else {
            thread::park();
            return None;
        };
        let closes = bug == Bug::HangsUp && served % 50 == 0;
        write_reply(stream, status, &text, bug == Bug::Chunks, closes)?;
        if closes {
            return None;
        }
    }
    None
}

fn read_request(reader: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((first, body))
}

fn write_reply(
    mut stream: &TcpStream,
    status: u16,
    text: &str,
    chunked: bool,
    closes: bool,
) -> Option<()> {
    let connection = if closes { "Connection: close\r\n" } else { "" };
    let reply = if chunked {
        let (left, right) = text.split_at(text.len() / 2);
        let chunk = |part: &str| match part.len() {
            0 => String::new(),
            length => format!("{length:x}\r\n{part}\r\n"),
        };
        let (left, right) = (chunk(left), chunk(right));
        format!("HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n{left}{right}0\r\n\r\n")
    } else {
        let length = text.len();
        format!("HTTP/1.1 {status} X\r\n{connection}Content-Length: {length}\r\n\r\n{text}")
    };
    stream.write_all(reply.as_bytes()).ok()
}

/// Status and body; `None` is never answered.
fn answer(
    store: &mut Store,
    bug: Bug,
    (method, target): (&str, &str),
    body: &[u8],
) -> Option<(u16, String)> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parts: Vec<&str> = path.split('/').skip(2).collect();
    store.requests += 1;
    // Every hundredth request meets the bug, so that there are good answers around it.
    let strikes = store.requests.is_multiple_of(100);
    let answer = match (method, parts.as_slice()) {
        ("GET", []) => "PONG".to_owned(),
        ("PUT", ["create", ..]) if bug == Bug::RefusesCreates => {
            return Some((503, "{}".to_owned()));
        }
        ("PUT", ["create", id]) => create(store, id, query, body),
        ("GET", ["get", _]) if bug == Bug::Hangs && strikes => return None,
        ("GET", ["get", token]) => {
            if bug == Bug::ForgetsSessions && strikes {
                store.sessions.remove(*token);
            }
            let uncounted = bug == Bug::RepeatsReads && strikes;
            let doubled = bug == Bug::SkipsReads && strikes;
            let steps = if uncounted { 0 } else { 1 + u64::from(doubled) };
            get(store, token, steps)
        }
        ("POST", ["set", token]) => {
            let kept = bug != Bug::LosesUpdates || !store.requests.is_multiple_of(3);
            set(store, token, body, kept)
        }
        ("DELETE", ["kill", token]) if bug == Bug::IgnoresKills => {
            format!(
                r#"{{"kill":{}}}"#,
                u8::from(store.sessions.contains_key(*token))
            )
        }
        ("DELETE", ["kill", token]) => {
            format!(
                r#"{{"kill":{}}}"#,
                u8::from(store.sessions.remove(*token).is_some())
            )
        }
        _ => return Some((404, "no route".to_owned())),
    };
    Some((200, answer))
}

fn create(store: &mut Store, id: &str, query: &str, body: &[u8]) -> String {
    let token = token(store.created);
    store.created += 1;
    let session = Session {
        id: id.to_owned(),
        ip: query.trim_start_matches("ip=").to_owned(),
        reads: 1,
        writes: 1,
        data: serde_json::from_slice(body).unwrap_or_default(),
    };
    store.sessions.insert(token.clone(), session);
    format!(r#"{{"token":"{token}"}}"#)
}

fn get(store: &mut Store, token: &str, steps: u64) -> String {
    let Some(session) = store.sessions.get_mut(token) else {
        return "{}".to_owned();
    };
    let shown = show(session);
    session.reads += steps;
    shown
}

fn set(store: &mut Store, token: &str, body: &[u8], kept: bool) -> String {
    let Some(session) = store.sessions.get_mut(token) else {
        return "{}".to_owned();
    };
    let data: Map<String, Value> = serde_json::from_slice(body).unwrap();
    session.writes += 1;
    if kept {
        session.data.extend(data);
    }
    show(session)
}

fn show(session: &Session) -> String {
    json!({
        "id": session.id, "r": session.reads, "w": session.writes, "ttl": 7200, "idle": 0,
        "ip": session.ip, "d": session.data,
    })
    .to_string()
}
