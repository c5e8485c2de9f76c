//! Requests about many sessions, while others make, use, rotate and end them.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use cloakroom_protocol::{
    ActiveUsers, Activity, Answer, Cursor, ErrorCode, Fields, Figure, Handle, KeysBuffer, KillMany,
    List, MultiGet, PutMode, Request, Scope, Stats,
};

use crate::requests::{
    create, get, json, kill, kill_many, list, list_from, peek, put, rotate, set, touch,
};
use crate::server::{START, Served};
use crate::wire::{Wire, frame};

fn of(user: &str) -> Fields<'_> {
    Fields {
        user: Some(user),
        ip: Some("10.0.0.1"),
        ..json("{}")
    }
}

/// Makes so many sessions: their tokens.
fn make(wire: &mut Wire, user: &str, count: usize) -> Vec<Vec<u8>> {
    let request = frame(0, None, create(of(user)));
    let mut tokens = Vec::new();
    while tokens.len() < count {
        let some = 500.min(count - tokens.len());
        wire.send(&request.repeat(some));
        tokens.extend((0..some).map(|_| wire.reply().token()));
    }
    tokens
}

fn count(wire: &mut Wire, scope: Scope<'_>) -> u64 {
    wire.ask(list(scope, 0)).page().matching
}

#[test]
fn g12_a_kill_of_many_leaves_nobody_behind() {
    let server = Served::start();
    let mut wire = server.connect();
    for (round, scope) in [Scope::User("u"), Scope::Ip("10.0.0.1"), Scope::App]
        .into_iter()
        .cycle()
        .take(9)
        .enumerate()
    {
        let tokens = make(&mut wire, "u", 2_000);
        let stop = AtomicBool::new(false);
        std::thread::scope(|threads| {
            // Others keep the sessions moving: to other ids, to the front of the lists.
            for part in tokens.chunks(500) {
                let (mut wire, stop) = (server.connect(), &stop);
                threads.spawn(move || {
                    let mut tokens = part.to_vec();
                    while !stop.load(Ordering::Relaxed) && !tokens.is_empty() {
                        tokens.retain_mut(|token| {
                            let request = if round.is_multiple_of(2) {
                                rotate(token, 0)
                            } else {
                                touch(token, None, None)
                            };
                            let got = wire.ask(request);
                            match got.error() {
                                None if round.is_multiple_of(2) => *token = got.token(),
                                None => {}
                                error => assert_eq!(error, Some(ErrorCode::Gone)),
                            }
                            got.error().is_none()
                        });
                    }
                });
            }
            let got = wire.ask(kill_many(scope));
            stop.store(true, Ordering::Relaxed);
            assert_eq!(got.killed(), 2_000, "{scope:?}");
        });
        assert_eq!(count(&mut wire, Scope::App), 0, "{scope:?}");
    }
}

#[test]
fn kill_of_many_spares_its_exception_and_all_others() {
    let server = Served::start();
    let mut wire = server.connect();
    let mine = make(&mut wire, "u", 300);
    make(&mut wire, "v", 10);
    wire.ask_in(Some("blog"), create(of("u")));
    let but = |except| {
        Request::KillMany(KillMany {
            scope: Scope::User("u"),
            except: Some(except),
        })
    };
    let handle = Handle(wire.ask(peek(&mine[7])).receipt().handle);
    let by_token = wire.ask(but((&mine[7]).into())).killed();
    assert_eq!(by_token, 299);
    assert_eq!(wire.ask(get(&mine[7])).session().reads, 1);
    assert_eq!(wire.ask(but(handle.into())).killed(), 0);
    // By an id in its grace.
    let new = wire.ask(rotate(&mine[7], 1_000)).token();
    make(&mut wire, "u", 5);
    assert_eq!(wire.ask(but((&mine[7]).into())).killed(), 5);
    assert_eq!(wire.ask(get(&new)).error(), None);
    // One that is nobody's, or gone, spares none.
    assert_eq!(wire.ask(but((&b"nobody"[..]).into())).killed(), 1);
    assert_eq!(count(&mut wire, Scope::User("v")), 10);
    assert_eq!(count(&mut wire, Scope::App), 10);
    assert_eq!(wire.ask(kill_many(Scope::App)).killed(), 10);
    let blog = wire.ask_in(Some("blog"), list(Scope::App, 0));
    assert_eq!(blog.page().matching, 1);
}

/// Goes through a whole list: the handles in their order.
fn walk(wire: &mut Wire, scope: Scope<'_>, limit: u32) -> Vec<u64> {
    let (mut seen, mut from) = (Vec::new(), Cursor::ENDS);
    loop {
        let got = wire.ask(list_from(scope, limit, from));
        let page = got.page();
        assert!(page.sessions.len() <= limit as usize);
        seen.extend(page.sessions.iter().map(|s| s.unwrap().receipt.handle));
        if page.next.is_end() {
            return seen;
        }
        from = page.next;
    }
}

#[test]
fn g13_a_list_shows_everybody_once() {
    let server = Served::start();
    let mut wire = server.connect();
    let stable = make(&mut wire, "u", 400);
    let moving = make(&mut wire, "u", 200);
    let expected: HashSet<u64> = stable
        .iter()
        .map(|token| wire.ask(peek(token)).receipt().handle)
        .collect();
    let stop = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let (server, stable, stop) = (&server, &stable, &stop);
        let mut toucher = server.connect();
        threads.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                server.clock.advance(40);
                for token in stable {
                    assert_eq!(toucher.ask(touch(token, None, None)).error(), None);
                    assert_eq!(toucher.ask(set(token, r#"{"n":1}"#)).error(), None);
                }
            }
        });
        let mut mover = server.connect();
        threads.spawn(move || {
            let mut tokens = moving;
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                let at = n % tokens.len();
                n += 1;
                if n.is_multiple_of(3) {
                    assert_eq!(mover.ask(kill(&tokens[at])).error(), None);
                    tokens[at] = mover.ask(create(of("u"))).token();
                } else {
                    tokens[at] = mover.ask(rotate(&tokens[at], 50)).token();
                }
            }
        });
        for round in 0..12 {
            let scopes = [Scope::User("u"), Scope::Ip("10.0.0.1"), Scope::App];
            let seen = walk(&mut wire, scopes[round % 3], [7, 64, 1_000][round / 4]);
            assert!(seen.is_sorted_by(|a, b| a < b), "twice, or out of order");
            let found = seen.iter().filter(|handle| expected.contains(handle));
            assert_eq!(found.count(), 400, "round {round}");
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn list_leaves_no_trace_and_shows_what_was_asked_for() {
    let server = Served::start();
    let mut wire = server.connect();
    let old = wire.ask(put(b"old", PutMode::Create, of("u"))).receipt();
    server.clock.advance(5_000);
    let new = wire.ask(put(b"new", PutMode::Create, of("u"))).receipt();
    wire.ask(put(b"new", PutMode::Update, json(r#"{"n":1}"#)));
    let since = |since, limit, data| {
        Request::List(List {
            scope: Scope::User("u"),
            since,
            limit,
            from: Cursor::ENDS,
            data,
        })
    };
    // A moment counts as its second.
    for (moment, found) in [(0, 2), (START, 2), (START + 4_999, 1), (START + 6_000, 0)] {
        assert_eq!(wire.ask(since(moment, 0, false)).page().matching, found);
        assert_eq!(
            wire.ask(since(moment, 9, false)).page().sessions.len() as u64,
            found
        );
    }
    let got = wire.ask(since(START + 5_000, 9, true));
    let page = got.page();
    assert_eq!((page.now, page.matching), (server.now(), 0));
    let shown = page.sessions.iter().next().unwrap().unwrap();
    assert_eq!(
        (shown.receipt.handle, shown.data.0),
        (new.handle, &br#"{"n":1}"#[..])
    );
    let got = wire.ask(since(START + 5_000, 9, false));
    let shown = got.page().sessions.iter().next().unwrap().unwrap();
    assert_eq!((shown.data.0, shown.reads, shown.user), (&b""[..], 1, "u"));
    let got = wire.ask(peek(&b"old"[..]));
    assert_eq!(got.receipt(), old);
    assert_eq!((got.session().reads, got.session().last_active), (1, START));
    let mut cursor = [0; 16];
    for place in [0, 8, 15] {
        cursor[place] = 7;
        let request = list_from(Scope::App, 9, Cursor(cursor));
        assert_eq!(wire.refused(request), ErrorCode::BadCursor);
    }
}

#[test]
fn pages_and_many_keys_end_where_the_frame_is_full() {
    let server = Served::start();
    let mut wire = server.connect();
    let data = format!(r#"{{"a":"{}"}}"#, "x".repeat(300_000));
    let mut keys = KeysBuffer::new();
    let tokens: Vec<_> = (0..8).map(|n| format!("large-{n}")).collect();
    for token in &tokens {
        wire.ask(put(token.as_bytes(), PutMode::Create, json(&data)));
        keys.push(token.into()).unwrap();
    }
    let many = |keys| Request::MultiGet(MultiGet { keys, quiet: false });
    let got = wire.ask(many(keys.keys()));
    assert_eq!(got.sessions().len(), 3);
    assert!(
        got.sessions()
            .iter()
            .all(|s| s.unwrap().data.0 == data.as_bytes())
    );
    // The keys beyond have not been touched.
    for (n, token) in tokens.iter().enumerate() {
        let reads = wire.ask(peek(token)).session().reads;
        assert_eq!(reads, if n < 3 { 2 } else { 1 });
    }
    let (mut from, mut pages) = (Cursor::ENDS, Vec::new());
    loop {
        let got = wire.ask(Request::List(List {
            scope: Scope::App,
            since: 0,
            limit: 1_000,
            from,
            data: true,
        }));
        pages.push(got.page().sessions.len());
        from = got.page().next;
        if from.is_end() {
            break;
        }
    }
    assert_eq!(pages, [3, 3, 2]);
}

#[test]
fn many_keys_are_answered_in_their_order() {
    let server = Served::start();
    let mut wire = server.connect();
    let mut keys = KeysBuffer::new();
    for n in 0..256_u32 {
        let token = format!("t{n}");
        if n % 3 != 0 {
            let data = format!(r#"{{"n":{n}}}"#);
            wire.ask(put(token.as_bytes(), PutMode::Create, json(&data)));
        }
        keys.push((&token).into()).unwrap();
    }
    let request = Request::MultiGet(MultiGet {
        keys: keys.keys(),
        quiet: false,
    });
    let got = wire.ask(request);
    assert_eq!(got.sessions().len(), 256);
    for (n, session) in got.sessions().iter().enumerate() {
        match session {
            None => assert_eq!(n % 3, 0),
            Some(session) => assert_eq!(session.data.0, format!(r#"{{"n":{n}}}"#).as_bytes()),
        }
    }
    // One key more than there may be; the count is the first field.
    let mut bytes = frame(1, None, request);
    bytes[12..14].copy_from_slice(&257_u16.to_le_bytes());
    wire.send(&bytes);
    assert_eq!(wire.reply().error(), Some(ErrorCode::TooManyKeys));
    let none = KeysBuffer::new();
    let got = wire.ask(Request::MultiGet(MultiGet {
        keys: none.keys(),
        quiet: false,
    }));
    assert!(got.sessions().is_empty());
}

#[test]
fn activity_and_figures_tell_what_there_is() {
    let server = Served::start();
    let mut wire = server.connect();
    make(&mut wire, "u", 3);
    make(&mut wire, "v", 1);
    wire.ask(create(Fields::default()));
    wire.ask_in(Some("blog"), create(of("u")));
    let mut activity = |seconds| {
        let got = wire.ask(Request::Activity(ActiveUsers { seconds }));
        match got.reply().answer {
            Answer::Activity(Activity { users, sessions }) => (users, sessions),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(activity(60), (2, 5));
    server.clock.advance(10_000);
    assert_eq!((activity(9), activity(11)), ((0, 0), (2, 5)));
    assert_eq!(activity(u64::MAX), (2, 5));
    let got = wire.ask(Request::Stats(Stats));
    let Answer::Figures(figures) = got.reply().answer else {
        panic!("{:?}", got.reply());
    };
    let told = [
        Figure::SESSIONS,
        Figure::APPS,
        Figure::APP_SESSIONS,
        Figure::APP_USERS,
    ];
    assert_eq!(told.map(|f| figures.get(f)), [6, 2, 5, 2].map(Some));
    assert_eq!(figures.get(Figure::MEMORY_MAX), Some(u64::MAX));
    assert!(figures.get(Figure::MEMORY).unwrap() > 0);
}
