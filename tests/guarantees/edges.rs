//! What protocol/SPEC.md says beside its guarantees: first numbers, empty things, one error of several.

use cloakroom_protocol::{
    AccessKey, ActiveUsers, Answer, Attributes, ContentType, Cursor, Data, ErrorCode, Fields,
    Figure, Hello, NewToken, PutMode, Request, Scope, Set, Stats, Token,
};

use crate::requests::{
    create, get, json, kill, list, list_from, peek, put, rotate, rotate_to, set, set_if, touch,
};
use crate::server::{START, Served};
use crate::wire::{Wire, frame, raw};

#[test]
fn hello_that_was_refused_may_be_said_again() {
    let server = Served::start();
    let mut wire = server.open();
    for (flags, payload, error) in [
        (0, &b"sh/p\x01\x01\0\0\0"[..], ErrorCode::BadApp),
        (0, b"shop", ErrorCode::Malformed),
        (1, b"shop\x01\x01\0\0\0", ErrorCode::UnknownFlags),
    ] {
        wire.send(&raw(1, 0x01, flags, 4, payload));
        assert_eq!(wire.reply().error(), Some(error));
        assert_eq!(wire.refused(get(b"t")), ErrorCode::HelloRequired);
    }
    wire.hello("shop");
    assert_eq!(wire.refused(get(b"t")), ErrorCode::Gone);
}

#[test]
fn what_is_sent_behind_hello_may_be_long_at_once() {
    let server = Served::start();
    let mut wire = server.open();
    let hello = Request::Hello(Hello::new("shop", AccessKey(b""), ""));
    let data = [7; 3_000];
    let fields = Fields {
        data: Some((ContentType::BYTES, Data(&data))),
        ..Fields::default()
    };
    let both = [
        frame(1, None, hello),
        frame(2, None, put(b"t", PutMode::Create, fields)),
    ];
    wire.send(&both.concat());
    assert_eq!((wire.reply().error(), wire.reply().error()), (None, None));
}

#[test]
fn error_of_the_request_comes_before_one_of_the_session() {
    let server = Served::start();
    let mut wire = server.connect();
    wire.ask(put(b"t", PutMode::Create, json("{}")));
    let torn = || json("{");
    for request in [
        set(b"gone", "{"),
        set_if(b"t", Some(1), "{"),
        put(b"t", PutMode::Create, torn()),
        put(b"gone", PutMode::Update, torn()),
        put(b"t", PutMode::IfVersion(1), torn()),
    ] {
        assert_eq!(wire.refused(request), ErrorCode::BadJson);
    }
    assert_eq!(
        wire.refused(set_if(b"gone", Some(1), "{}")),
        ErrorCode::Gone
    );
}

#[test]
fn reads_are_shown_by_their_number_and_otherwise_the_next_one_is() {
    let server = Served::start();
    let mut wire = server.connect();
    wire.ask(put(b"t", PutMode::Create, json("{}")));
    let show = Request::Set(Set {
        token: Token(b"t"),
        if_version: None,
        quiet: true,
        show: true,
        patch: Data(b""),
    });
    let mut reads = |request| wire.ask(request).session().reads;
    assert_eq!(reads(peek(&b"t"[..])), 1);
    assert_eq!([(); 3].map(|()| reads(get(b"t"))), [1, 2, 3]);
    assert_eq!((reads(peek(&b"t"[..])), reads(show)), (4, 4));
}

#[test]
fn id_that_is_made_again_has_its_old_handle_and_another_version() {
    let server = Served::start();
    let mut wire = server.connect();
    let mut make = || {
        let made = wire.ask(put(b"t", PutMode::Create, json("{}"))).receipt();
        assert_eq!(wire.ask(kill(b"t")).receipt(), made);
        server.clock.advance(1);
        made
    };
    let (one, other) = (make(), make());
    assert_eq!(one.handle, other.handle);
    assert_ne!(one.version, other.version);
}

#[test]
fn rotation_to_an_id_that_answers_finds_it_taken() {
    let server = Served::start();
    let mut wire = server.connect();
    let to = |token| NewToken::Chosen(Token(token));
    wire.ask(put(b"a", PutMode::Create, json("{}")));
    wire.ask(put(b"b", PutMode::Create, json("{}")));
    assert_eq!(
        wire.refused(rotate_to(b"a", to(b"a"), 0)),
        ErrorCode::Exists
    );
    assert_eq!(wire.ask(rotate_to(b"a", to(b"c"), 1_000)).error(), None);
    for taken in [&b"a"[..], b"b", b"c"] {
        let request = rotate_to(b"b", to(taken), 0);
        assert_eq!(wire.refused(request), ErrorCode::Exists);
    }
    server.clock.advance(1_000);
    assert_eq!(wire.ask(rotate_to(b"b", to(b"a"), 0)).error(), None);
    assert_eq!(wire.refused(rotate(b"b", 0)), ErrorCode::Gone);
}

#[test]
fn access_in_the_second_behind_the_one_that_counts_does_not_count() {
    let server = Served::start();
    let mut wire = server.connect();
    let fields = Fields {
        idle: Some(10_999),
        attributes: Attributes(Attributes::WHOLE_SECONDS),
        ..Fields::default()
    };
    wire.ask(put(b"t", PutMode::Create, fields));
    let second = START / 1_000;
    for (after, counts) in [(0, 0), (1, 0), (2, 2), (3, 2), (4, 4), (7, 7)] {
        server.advance_to(START + after * 1_000);
        let got = wire.ask(get(b"t"));
        assert_eq!(got.session().last_active, server.now());
        assert_eq!(got.session().idle, 10_999);
        let deadline = (second + counts + 10 + 1) * 1_000;
        assert_eq!(got.receipt().deadline, deadline, "{after} s");
    }
}

#[test]
fn later_until_of_a_session_without_resave_takes_the_place_of_the_first() {
    let server = Served::start();
    let mut wire = server.connect();
    let fields = Fields {
        idle: Some(10_000),
        attributes: Attributes(Attributes::NO_RESAVE),
        ..Fields::default()
    };
    wire.ask(put(b"t", PutMode::Create, fields));
    let mut deadline = |request| wire.ask(request).receipt().deadline - START;
    assert_eq!(deadline(touch(b"t", Some(20_000), None)), 10_000);
    assert_eq!(deadline(touch(b"t", None, Some(START + 25_000))), 20_000);
    server.clock.advance(4_000);
    assert_eq!(deadline(get(b"t")), 24_000);
    server.clock.advance(4_000);
    assert_eq!(deadline(get(b"t")), 25_000);
}

#[test]
fn object_without_members_is_no_bytes() {
    let server = Served::start();
    let mut wire = server.connect();
    let data = |wire: &mut Wire| {
        let got = wire.ask(peek(&b"t"[..]));
        let session = got.session();
        assert_eq!(session.content_type, ContentType::JSON_OBJECT);
        session.data.0.to_vec()
    };
    for text in ["", "{}", " { } "] {
        wire.ask(put(b"t", PutMode::Upsert, json(text)));
        assert_eq!(data(&mut wire), b"", "{text}");
    }
    wire.ask(set(b"t", r#"{"a":1}"#));
    assert_eq!(data(&mut wire), br#"{"a":1}"#);
    wire.ask(set(b"t", r#"{"a":2,"a":null}"#));
    assert_eq!(data(&mut wire), b"");
    let blank = put(b"t", PutMode::Upsert, json(" "));
    assert_eq!(wire.refused(blank), ErrorCode::BadJson);
}

#[test]
fn figures_without_an_app_are_those_of_the_server() {
    let server = Served::start();
    let mut wire = server.connect_for("");
    let got = wire.ask(Request::Stats(Stats));
    let Answer::Figures(figures) = got.reply().answer else {
        panic!("{:?}", got.reply());
    };
    assert_eq!(figures.get(Figure::SESSIONS), Some(0));
    let of_app = [Figure::APP_SESSIONS, Figure::APP_USERS];
    assert_eq!(of_app.map(|figure| figures.get(figure)), [None, None]);
}

#[test]
fn activity_of_no_seconds_is_that_of_this_second() {
    let server = Served::start();
    let mut wire = server.connect();
    wire.ask(create(Fields::default()));
    let mut active = |seconds| {
        let got = wire.ask(Request::Activity(ActiveUsers { seconds }));
        match got.reply().answer {
            Answer::Activity(activity) => activity.sessions,
            other => panic!("{other:?}"),
        }
    };
    server.advance_to(START.next_multiple_of(1_000) - 1);
    assert_eq!((active(0), active(1)), (1, 1));
    server.clock.advance(1);
    assert_eq!((active(0), active(1)), (0, 1));
    server.clock.advance(1_000);
    assert_eq!((active(1), active(2)), (0, 1));
}

#[test]
fn list_begins_with_the_lowest_handle_and_a_count_with_the_cursor() {
    let server = Served::start();
    let mut wire = server.connect();
    for _ in 0..20 {
        wire.ask(create(Fields::default()));
    }
    let got = wire.ask(list(Scope::App, 5));
    let page = got.page();
    let shown = page.sessions.iter().flatten();
    let first: Vec<u64> = shown.map(|session| session.receipt.handle).collect();
    assert!(first.is_sorted() && first.len() == 5, "{first:?}");
    let rest = wire.ask(list_from(Scope::App, 20, page.next));
    let lowest = rest.page().sessions.iter().flatten().next().unwrap();
    assert!(first.last() < Some(&lowest.receipt.handle));
    let count = |wire: &mut Wire, from| wire.ask(list_from(Scope::App, 0, from)).page().matching;
    assert_eq!(count(&mut wire, Cursor::ENDS), 20);
    assert_eq!(count(&mut wire, page.next), 15);
}
