//! Operations on one session: what the client sends, and what it makes of the reply.
use std::time::Duration;

use cloakroom_client::{
    Attributes, Client, ContentType, Error, ErrorCode, Handle, Key, Lookup, PutMode, Rotation,
    TokenStyle, Write,
};
use cloakroom_protocol::{
    Answer, Create, Data, Fields, Get, Made, NewToken, Pong, Put, ReplyFlags, Request, Rotate, Set,
    Token, Touch,
};

use crate::peer::{OLD_ID, Peer, RECEIPT, SESSION, Visit, is};

pub(crate) const TOKEN: &str = "token";
pub(crate) const T: Token<'_> = Token(b"token");

pub(crate) async fn pair() -> (Client, Visit) {
    let peer = Peer::listen().await;
    let (client, visit) = tokio::join!(Client::open(peer.config("timeout=10s")), peer.welcome());
    (client.unwrap(), visit)
}

/// What `ask` comes to when the peer expects `request` and gives `answer`.
pub(crate) async fn exchange<T>(
    visit: &mut Visit,
    ask: impl Future<Output = T>,
    request: Request<'_>,
    answer: Answer<'_>,
) -> T {
    exchange_with(visit, ask, request, 0, answer).await
}

pub(crate) async fn exchange_with<T>(
    visit: &mut Visit,
    ask: impl Future<Output = T>,
    request: Request<'_>,
    flags: u8,
    answer: Answer<'_>,
) -> T {
    let serve = async {
        let asked = visit.request().await;
        is(&asked, request);
        assert_eq!(asked.call().app, None);
        visit.answer_with(&asked, flags, answer).await;
    };
    tokio::join!(ask, serve).0
}

async fn refused<T>(visit: &mut Visit, ask: impl Future<Output = T>, code: ErrorCode) -> T {
    let serve = async {
        let asked = visit.request().await;
        visit.refuse(&asked, code, 42).await;
    };
    tokio::join!(ask, serve).0
}

#[tokio::test]
async fn get_reads_a_session_whole() {
    let (client, mut visit) = pair().await;
    let get = Request::Get(Get::touch(T));
    let answer = Answer::Session(SESSION);
    let session = exchange(&mut visit, client.get(TOKEN), get, answer)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (session.handle, session.version, session.deadline),
        (Handle(7), 8, 9)
    );
    assert_eq!((session.created, session.last_active), (10, 11));
    assert_eq!((session.idle, session.until), (12, 13));
    assert_eq!((session.reads, session.writes), (14, 15));
    assert_eq!(
        (session.user.as_str(), session.ip.as_str()),
        ("user", "192.0.2.1")
    );
    assert_eq!(
        (session.data.as_slice(), session.old_id),
        (b"data".as_slice(), false)
    );
    let again = exchange_with(&mut visit, client.get(TOKEN), get, OLD_ID, answer).await;
    assert!(again.unwrap().unwrap().old_id);
}

#[tokio::test]
async fn gone_is_none_or_false_where_nothing_was_asked_for_and_an_error_elsewhere() {
    let (client, mut visit) = pair().await;
    let gone = ErrorCode::Gone;
    assert_eq!(
        refused(&mut visit, client.get(TOKEN), gone).await.unwrap(),
        None
    );
    assert_eq!(
        refused(&mut visit, client.peek(TOKEN), gone).await.unwrap(),
        None
    );
    assert!(!refused(&mut visit, client.kill(TOKEN), gone).await.unwrap());
    let lookup = refused(&mut visit, client.get_if_changed(TOKEN, 1), gone).await;
    assert_eq!(lookup.unwrap(), Lookup::Gone);
    let error = refused(&mut visit, client.set(TOKEN, "{}"), gone)
        .await
        .unwrap_err();
    assert!(error.is_gone() && !error.is_retryable() && !error.is_outcome_unknown());
    let error = refused(&mut visit, client.touch(TOKEN), gone)
        .await
        .unwrap_err();
    assert!(error.is_gone());
}

#[tokio::test]
async fn no_other_error_is_taken_for_gone() {
    let (client, mut visit) = pair().await;
    for code in ErrorCode::ALL
        .iter()
        .filter(|code| **code != ErrorCode::Gone)
    {
        let error = refused(&mut visit, client.get(TOKEN), *code)
            .await
            .unwrap_err();
        assert_eq!(error.code(), Some(*code));
        assert!(!error.is_gone(), "{code:?}");
        assert_eq!(error.is_retryable(), code.is_retryable(), "{code:?}");
    }
}

#[tokio::test]
async fn refusals_tell_what_the_server_said() {
    let (client, mut visit) = pair().await;
    let ask = client.set_if_version(TOKEN, 41, "{}");
    let error = refused(&mut visit, ask, ErrorCode::VersionDiffers)
        .await
        .unwrap_err();
    assert!(error.is_conflict());
    let Error::Refused(refusal) = error else {
        panic!("{error:?}")
    };
    assert_eq!(
        (refusal.status, refusal.version, refusal.retryable),
        (0x0203, Some(42), false)
    );
}

#[tokio::test]
async fn peek_takes_tokens_and_handles() {
    let (client, mut visit) = pair().await;
    for (key, expected) in [
        (Key::from(TOKEN), Key::Token(T)),
        (Key::from(Handle(5)), Key::Handle(Handle(5))),
    ] {
        let get = Request::Get(Get::peek(expected));
        let session = exchange(&mut visit, client.peek(key), get, Answer::Session(SESSION)).await;
        assert!(session.unwrap().is_some());
    }
}

#[tokio::test]
async fn get_if_changed_tells_whether_it_has() {
    let (client, mut visit) = pair().await;
    let get = Request::Get(Get {
        unless_version: Some(8),
        ..Get::touch(T)
    });
    let bare = Answer::Session(SESSION.without_content());
    let ask = client.get_if_changed(TOKEN, 8);
    let same = exchange_with(&mut visit, ask, get, ReplyFlags::UNCHANGED, bare).await;
    assert!(matches!(same.unwrap(), Lookup::Unchanged(s) if s.data.is_empty() && s.reads == 14));
    let ask = client.get_if_changed(TOKEN, 8);
    let other = exchange(&mut visit, ask, get, Answer::Session(SESSION)).await;
    assert!(matches!(other.unwrap(), Lookup::Changed(s) if s.data == b"data"));
}

#[tokio::test]
async fn create_sends_what_was_named_and_leaves_the_rest() {
    let (client, mut visit) = pair().await;
    let made = Answer::Made(Made {
        receipt: RECEIPT,
        token: Token(b"new"),
    });
    let write = Write::json(r#"{"a":1}"#)
        .user("user")
        .idle(Duration::from_secs(2))
        .attributes(Attributes::NO_RESAVE)
        .style(TokenStyle::UuidV4);
    let create = Request::Create(Create {
        style: TokenStyle::UuidV4,
        fields: Fields {
            idle: Some(2_000),
            user: Some("user"),
            attributes: Attributes(2),
            data: Some((ContentType::JSON_OBJECT, Data(br#"{"a":1}"#))),
            ..Fields::default()
        },
    });
    let created = exchange(&mut visit, client.create(&write), create, made)
        .await
        .unwrap();
    assert_eq!(created.token_text(), Some("new"));
    assert_eq!(
        (created.receipt.handle, created.receipt.version),
        (Handle(7), 8)
    );
    assert!(
        !format!("{created:?}").contains("new"),
        "a token is not shown"
    );
}

#[tokio::test]
async fn put_says_whether_the_session_came_to_be() {
    let (client, mut visit) = pair().await;
    for (mode, flags) in [
        (PutMode::Create, ReplyFlags::CREATED),
        (PutMode::Update, 0),
        (PutMode::Upsert, ReplyFlags::CREATED),
        (PutMode::IfVersion(3), OLD_ID),
    ] {
        let write = Write::bytes(b"blob")
            .ip("")
            .until(u64::MAX)
            .idle_for_ever()
            .quiet();
        let put = Request::Put(Put {
            token: T,
            mode,
            quiet: true,
            fields: Fields {
                idle: Some((1 << 48) - 1),
                until: Some((1 << 48) - 1),
                ip: Some(""),
                data: Some((ContentType::BYTES, Data(b"blob"))),
                ..Fields::default()
            },
        });
        let ask = client.put(TOKEN, mode, &write);
        let stored = exchange_with(&mut visit, ask, put, flags, Answer::Receipt(RECEIPT)).await;
        let stored = stored.unwrap();
        assert_eq!(stored.created, flags == ReplyFlags::CREATED);
        assert_eq!(stored.receipt.old_id, flags == OLD_ID);
    }
}

#[tokio::test]
async fn set_merges_and_can_show() {
    let (client, mut visit) = pair().await;
    let set = Set {
        token: T,
        if_version: None,
        quiet: false,
        show: false,
        patch: Data(b"{}"),
    };
    let receipt = Answer::Receipt(RECEIPT);
    let ask = client.set(TOKEN, "{}");
    let plain = exchange(&mut visit, ask, Request::Set(set), receipt).await;
    assert_eq!(plain.unwrap().deadline, 9);
    let conditional = Request::Set(Set {
        if_version: Some(3),
        ..set
    });
    let ask = client.set_if_version(TOKEN, 3, "{}");
    assert!(
        exchange(&mut visit, ask, conditional, receipt)
            .await
            .is_ok()
    );
    let shown = Request::Set(Set { show: true, ..set });
    let session = Answer::Session(SESSION);
    let ask = client.set_and_get(TOKEN, "{}");
    let session = exchange_with(&mut visit, ask, shown, ReplyFlags::SHOWN, session).await;
    assert_eq!(session.unwrap().data, b"data");
}

#[tokio::test]
async fn touch_moves_limits_that_are_named() {
    let (client, mut visit) = pair().await;
    let touch = Touch {
        token: T,
        idle: None,
        until: None,
        show: false,
    };
    let receipt = Answer::Receipt(RECEIPT);
    let ask = client.touch(TOKEN);
    assert!(
        exchange(&mut visit, ask, Request::Touch(touch), receipt)
            .await
            .is_ok()
    );
    let limits = Request::Touch(Touch {
        idle: Some(1_500),
        until: Some(77),
        ..touch
    });
    let ask = client.touch_with(TOKEN, Some(Duration::from_millis(1_500)), Some(77));
    assert!(exchange(&mut visit, ask, limits, receipt).await.is_ok());
}

#[tokio::test]
async fn rotate_brings_the_new_id() {
    let (client, mut visit) = pair().await;
    let made = Answer::Made(Made {
        receipt: RECEIPT,
        token: Token(b"fresh"),
    });
    let plain = Rotate {
        token: T,
        new: NewToken::Draw(TokenStyle::Alphanumeric64),
        grace: 0,
        user: None,
    };
    let rotation = Rotation::new();
    let ask = client.rotate(TOKEN, &rotation);
    let rotated = exchange(&mut visit, ask, Request::Rotate(plain), made).await;
    assert_eq!(rotated.unwrap().token, b"fresh");
    let login = Request::Rotate(Rotate {
        new: NewToken::Chosen(Token(b"mine")),
        grace: 10_000,
        user: Some("user"),
        ..plain
    });
    let rotation = rotation
        .to(b"mine")
        .grace(Duration::from_secs(10))
        .user("user");
    let ask = client.rotate(TOKEN, &rotation);
    assert!(exchange(&mut visit, ask, login, made).await.is_ok());
}

#[tokio::test]
async fn another_app_is_named_in_every_request_of_its_handle() {
    let (client, mut visit) = pair().await;
    let blog = client.app("blog");
    let serve = async {
        for app in [Some("blog"), None, None] {
            let asked = visit.request().await;
            assert_eq!(asked.call().app, app);
            if matches!(asked.call().request, Request::Ping(_)) {
                let pong = Answer::Pong(Pong { now: 0, echo: &[] });
                visit.answer(&asked, pong).await;
            } else {
                visit.answer(&asked, Answer::Session(SESSION)).await;
            }
        }
    };
    let ask = async {
        blog.get(TOKEN).await.unwrap();
        blog.app("shop").get(TOKEN).await.unwrap();
        blog.ping().await.unwrap();
    };
    tokio::join!(ask, serve);
}

#[tokio::test]
async fn what_is_outside_the_bounds_is_not_sent() {
    let (client, mut visit) = pair().await;
    let long = vec![b't'; 129];
    assert!(matches!(client.get(&long).await, Err(Error::Invalid(_))));
    assert!(matches!(client.get("").await, Err(Error::Invalid(_))));
    let user = "u".repeat(1_025);
    let create = client.create(&Write::new().user(&user)).await;
    assert!(matches!(create, Err(Error::Invalid(_))));
    assert!(matches!(
        client.app("a b").get(TOKEN).await,
        Err(Error::Invalid(_))
    ));
    let rotation = Rotation::new().grace(Duration::from_secs(301));
    assert!(matches!(
        client.rotate(TOKEN, &rotation).await,
        Err(Error::Invalid(_))
    ));
    let get = Request::Get(Get::touch(T));
    let answer = Answer::Session(SESSION);
    assert!(
        exchange(&mut visit, client.get(TOKEN), get, answer)
            .await
            .is_ok()
    );
}
