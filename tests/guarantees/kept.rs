//! What was acknowledged is there after the server was killed, and what has ended stays away.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use cloakroom_protocol::{
    ErrorCode, Fields, Handle, NewToken, PutMode, ReplyFlags, Request, Rotate, Scope, Token,
};

use crate::requests::{create, get, json, kill, kill_many, list, peek, put, set, touch};
use crate::wire::Wire;

/// The server as a process of its own. It is killed when it is dropped.
struct Process {
    child: Child,
    address: String,
}

impl Process {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cloakroom"))
            .args(["serve", "--listen", "127.0.0.1:0", "--durability", "os"])
            .args(["--threads", "2", "--segment-size", "8MiB", "--data"])
            .arg(data)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = None;
        for line in said.map_while(Result::ok) {
            if let Some(listening) = line.strip_prefix("listening binary ") {
                address = Some(listening.to_owned());
            }
            if line == "ready" {
                break;
            }
        }
        let address = address.unwrap();
        Self { child, address }
    }

    fn connect(&self) -> (Wire, u64) {
        let mut wire = Wire::connect(self.address.parse().unwrap());
        let got = wire.hello("shop");
        match got.reply().answer {
            cloakroom_protocol::Answer::Welcome(welcome) => (wire, welcome.run),
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn g5_what_is_acknowledged_stays() {
    let data = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    let mut ended: Vec<Vec<u8>> = Vec::new();
    let mut runs = Vec::new();
    for round in 0..3 {
        let server = Process::start(data.path());
        let (mut wire, run) = server.connect();
        runs.push(run);
        assert_state(&mut wire, &expected, &ended);
        let user = format!("user-{round}");
        let fields = Fields {
            user: Some(&user),
            ip: Some("1.2.3.4"),
            idle: Some(3_600_000),
            ..json(r#"{"n":1}"#)
        };
        let token = wire.ask(create(fields)).token();
        wire.ask(set(&token, r#"{"m":[2]}"#));
        let made = wire
            .ask(touch(&token, None, Some(4_000_000_000_000)))
            .receipt();
        expected.push((token, made.version, user.clone(), r#"{"n":1,"m":[2]}"#));
        // One under its new id and, for its grace, the old one.
        let old = format!("old-{round}").into_bytes();
        let new = format!("new-{round}").into_bytes();
        wire.ask(put(&old, PutMode::Create, fields));
        let version = wire.ask(rotate_in_grace(&old, &new)).receipt().version;
        expected.push((new, version, user.clone(), r#"{"n":1}"#));
        assert!(wire.ask(get(&old)).has(ReplyFlags::OLD_ID));
        // Ends of every kind.
        for (name, request) in [
            ("killed", kill(b"killed")),
            ("cut", touch(b"cut", Some(0), None)),
            ("many", kill_many(Scope::User("many"))),
        ] {
            let of_its_own = Fields {
                user: Some(name),
                ..fields
            };
            let made = wire.ask(put(name.as_bytes(), PutMode::Create, of_its_own));
            let handle = Handle(made.receipt().handle);
            assert_eq!(wire.ask(request).error(), None);
            assert_eq!(wire.refused(peek(handle)), ErrorCode::Gone);
            ended.push(name.into());
        }
        ended.sort();
        ended.dedup();
    }
    runs.dedup();
    assert_eq!(runs.len(), 3);
    let server = Process::start(data.path());
    assert_state(&mut server.connect().0, &expected, &ended);
}

fn rotate_in_grace<'a>(old: &'a [u8], new: &'a [u8]) -> Request<'a> {
    Request::Rotate(Rotate {
        token: Token(old),
        new: NewToken::Chosen(Token(new)),
        grace: 300_000,
        user: None,
    })
}

type Expected = (Vec<u8>, u64, String, &'static str);

fn assert_state(wire: &mut Wire, expected: &[Expected], ended: &[Vec<u8>]) {
    for (token, version, user, data) in expected {
        let got = wire.ask(peek(token));
        let session = got.session();
        assert_eq!(
            (session.user, session.receipt.version),
            (user.as_str(), *version)
        );
        assert_eq!(session.data.0, data.as_bytes());
        assert_eq!((session.idle, session.ip), (3_600_000, "1.2.3.4"));
        if let Some(round) = token.strip_prefix(b"new-") {
            let got = wire.ask(peek(&[b"old-", round].concat()));
            assert!(got.has(ReplyFlags::OLD_ID));
            assert_eq!(got.receipt().version, *version);
        }
    }
    for token in ended {
        assert_eq!(wire.refused(get(token)), ErrorCode::Gone);
    }
    let all = wire.ask(list(Scope::App, 0)).page().matching;
    assert_eq!(all, expected.len() as u64);
}
