//! Many clients at one session: no operation is torn, no merge lost, no read number given twice.

use cloakroom_protocol::{
    ErrorCode, KeysBuffer, MultiGet, NewToken, PutMode, ReplyFlags, Request, Token,
};
use serde_json::Value;

use crate::requests::{get, json, kill, peek, put, rotate_to, set, set_if, touch};
use crate::server::Served;
use crate::wire::frame;

fn object(data: &[u8]) -> Value {
    serde_json::from_slice(data).unwrap()
}

#[test]
fn g4_operations_on_a_session_are_atomic() {
    const CLIENTS: usize = 4;
    const WRITES: usize = 150;
    let server = Served::start();
    let mut wire = server.connect();
    wire.ask(put(b"t", PutMode::Create, json(r#"{"a":0,"b":0}"#)));
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let mut wire = server.connect();
            scope.spawn(move || {
                let mut requests = Vec::new();
                for n in 0..WRITES {
                    // Two members that are equal in every state, and one that nobody else writes.
                    let patch = format!(r#"{{"a":{n},"b":{n},"m{client}_{n}":true}}"#);
                    requests.extend(frame(n as u32, None, set(b"t", &patch)));
                    requests.extend(frame(n as u32, None, get(b"t")));
                }
                wire.send(&requests);
                for n in 0..WRITES {
                    assert_eq!(wire.reply().error(), None);
                    let got = wire.reply();
                    let data = object(got.session().data.0);
                    assert_eq!(data["a"], data["b"]);
                    assert_eq!(data[format!("m{client}_{n}")], true);
                }
            });
        }
    });
    let got = wire.ask(get(b"t"));
    let (session, data) = (got.session(), object(got.session().data.0));
    let members = data.as_object().unwrap().len();
    assert_eq!(members, 2 + CLIENTS * WRITES);
    let all = (CLIENTS * WRITES) as u64;
    assert_eq!((session.writes, session.reads), (1 + all, 1 + all));
}

#[test]
fn g8_versions_tell_states_apart() {
    const CLIENTS: usize = 4;
    const STEPS: u64 = 60;
    let server = Served::start();
    let mut wire = server.connect();
    wire.ask(put(b"t", PutMode::Create, json(r#"{"n":0}"#)));
    // A counter that is read and written back under the version it was read with: no step is lost.
    let mut versions: Vec<u64> = std::thread::scope(|scope| {
        let counting = (0..CLIENTS).map(|_| {
            let mut wire = server.connect();
            scope.spawn(move || {
                let mut versions = Vec::new();
                while versions.len() < STEPS as usize {
                    let got = wire.ask(peek(&b"t"[..]));
                    let (version, data) = (got.receipt().version, object(got.session().data.0));
                    let patch = format!(r#"{{"n":{}}}"#, data["n"].as_u64().unwrap() + 1);
                    let got = if versions.len().is_multiple_of(2) {
                        wire.ask(set_if(b"t", Some(version), &patch))
                    } else {
                        wire.ask(put(b"t", PutMode::IfVersion(version), json(&patch)))
                    };
                    match got.error() {
                        None => versions.push(got.receipt().version),
                        error => assert_eq!(error, Some(ErrorCode::VersionDiffers)),
                    }
                }
                versions
            })
        });
        let counting: Vec<_> = counting.collect();
        counting
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let got = wire.ask(get(b"t"));
    assert_eq!(object(got.session().data.0)["n"], CLIENTS as u64 * STEPS);
    assert!(versions.contains(&got.receipt().version));
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), CLIENTS * STEPS as usize);
    assert!(!versions.contains(&0));
}

#[test]
fn version_changes_with_content_and_with_nothing_else() {
    let server = Served::start();
    let mut wire = server.connect();
    let first = wire.ask(put(b"t", PutMode::Create, json("{}"))).receipt();
    let mut same = vec![
        wire.ask(get(b"t")).receipt().version,
        wire.ask(touch(b"t", Some(70_000), None)).receipt().version,
    ];
    let limits = cloakroom_protocol::Fields {
        idle: Some(80_000),
        ..Default::default()
    };
    same.push(
        wire.ask(put(b"t", PutMode::Update, limits))
            .receipt()
            .version,
    );
    let new = NewToken::Chosen(Token(b"t2"));
    same.push(wire.ask(rotate_to(b"t", new, 0)).receipt().version);
    assert!(same.iter().all(|version| *version == first.version));
    let mut versions = vec![first.version];
    // The same bytes again are another version.
    for _ in 0..3 {
        let put = wire.ask(put(b"t2", PutMode::Update, json(r#"{"n":1}"#)));
        versions.push(put.receipt().version);
    }
    for request in [set(b"t2", r#"{"n":1}"#), set(b"t2", "{}")] {
        versions.push(wire.ask(request).receipt().version);
    }
    let login = Request::Rotate(cloakroom_protocol::Rotate {
        token: Token(b"t2"),
        new: NewToken::Chosen(Token(b"t3")),
        grace: 0,
        user: Some("u"),
    });
    versions.push(wire.ask(login).receipt().version);
    // The id of a session that has ended.
    server.clock.advance(1);
    wire.ask(kill(b"t3"));
    let again = wire.ask(put(b"t3", PutMode::Create, json("{}")));
    versions.push(again.receipt().version);
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), 8);
}

#[test]
fn read_of_a_known_version_leaves_the_content_out_and_counts() {
    let server = Served::start();
    let mut wire = server.connect();
    let fields = cloakroom_protocol::Fields {
        user: Some("u"),
        ..json(r#"{"n":1}"#)
    };
    let version = wire
        .ask(put(b"t", PutMode::Create, fields))
        .receipt()
        .version;
    let unless = |version| {
        Request::Get(cloakroom_protocol::Get {
            unless_version: Some(version),
            ..cloakroom_protocol::Get::touch(Token(b"t"))
        })
    };
    let got = wire.ask(unless(version));
    assert!(got.has(ReplyFlags::UNCHANGED));
    let session = got.session();
    assert_eq!(
        (session.user, session.data.0, session.reads),
        ("", &b""[..], 1)
    );
    let got = wire.ask(unless(version + 1));
    assert!(!got.has(ReplyFlags::UNCHANGED));
    let session = got.session();
    assert_eq!((session.user, session.data.0), ("u", &br#"{"n":1}"#[..]));
    assert_eq!(session.reads, 2);
}

#[test]
fn g9_reads_are_numbered_without_gaps() {
    const CLIENTS: usize = 4;
    const ROUNDS: usize = 30;
    let server = Served::start();
    server.connect().ask(put(b"t", PutMode::Create, json("{}")));
    let mut keys = KeysBuffer::new();
    for _ in 0..3 {
        keys.push((&b"t"[..]).into()).unwrap();
    }
    let many = Request::MultiGet(MultiGet {
        keys: keys.keys(),
        quiet: false,
    });
    let mut reads: Vec<u64> = std::thread::scope(|scope| {
        let reading = (0..CLIENTS).map(|_| {
            let mut wire = server.connect();
            scope.spawn(move || {
                let mut reads = Vec::new();
                for _ in 0..ROUNDS {
                    // Reads that count and, between them, requests that do not.
                    let mut bytes = frame(0, None, get(b"t")).repeat(20);
                    bytes.extend(frame(0, None, many));
                    bytes.extend(frame(0, None, peek(&b"t"[..])));
                    bytes.extend(frame(0, None, set(b"t", r#"{"n":1}"#)));
                    bytes.extend(frame(0, None, touch(b"t", None, None)));
                    wire.send(&bytes);
                    for _ in 0..20 {
                        reads.push(wire.reply().session().reads);
                    }
                    let got = wire.reply();
                    reads.extend(got.sessions().iter().map(|s| s.unwrap().reads));
                    for _ in 0..3 {
                        assert_eq!(wire.reply().error(), None);
                    }
                }
                reads
            })
        });
        let reading: Vec<_> = reading.collect();
        reading
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    reads.sort_unstable();
    let all = (CLIENTS * ROUNDS * 23) as u64;
    assert_eq!(reads, (1..=all).collect::<Vec<_>>());
}
