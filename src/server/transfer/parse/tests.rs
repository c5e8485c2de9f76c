//! Lines that were written are read the same; bad ones are told.

use super::{BadLine, Line, Name, parse};
use crate::clock::Millis;
use crate::model::change::CreateChange;
use crate::model::{AppName, ContentType, Keys, Life, Tag, Token, U48};
use crate::server::transfer::line::{Identity, write};

const KEY: &str = "00112233445566778899aabbccddeeff";

fn session<'a>() -> CreateChange<'a> {
    CreateChange {
        app: AppName::TARANTOOL,
        epoch: 3,
        tag: Tag {
            high: 0x0123_4567_89ab_cdef,
            low: 7,
        },
        user: Some("J\u{f6}rg \"\u{1}\""),
        ip: Some("::1"),
        created: Millis(1_795_161_703_019),
        last_active: Millis(1_795_161_800_000),
        lag: true,
        life: Life::whole_seconds(7_200),
        no_resave: false,
        reads: 3,
        writes: 2,
        content_type: ContentType::JSON_OBJECT,
        data: br#"{"a":"\ud83d\n","n":18446744073709551615,"f":1e+21}"#,
        sealed: b"",
        alias: false,
    }
}

fn written(session: &CreateChange<'_>, token: Option<&Token>) -> String {
    let mut out = Vec::new();
    write(session, &Identity { key: KEY, token }, &mut out);
    String::from_utf8(out).unwrap()
}

fn assert_same(line: &Line<'_>, session: &CreateChange<'_>) {
    assert_eq!(line.app, session.app.as_str());
    assert_eq!(line.user.as_deref(), session.user);
    assert_eq!(line.ip.as_deref(), session.ip);
    assert_eq!(line.created, Some(session.created));
    assert_eq!(line.last_active, Some(session.last_active));
    assert_eq!((line.life, line.lag), (session.life, session.lag));
    assert_eq!(line.no_resave, session.no_resave);
    assert_eq!((line.reads, line.writes), (session.reads, session.writes));
    assert_eq!(line.content_type, session.content_type);
    assert_eq!(line.data, session.data);
}

#[test]
fn line_is_read_as_it_was_written() {
    let lives = [
        Life::ENDLESS,
        Life::whole_seconds(10),
        Life::sliding(1_500),
        Life::fixed(Millis(1_895_161_703_019)),
        Life {
            idle: U48::MAX - 1,
            until: Millis(1_800_000_000_000),
            whole_seconds: true,
        },
    ];
    let contents: [(ContentType, &[u8]); 5] = [
        (ContentType::JSON_OBJECT, b""),
        (ContentType::JSON_OBJECT, b"{}"),
        (ContentType::JSON_ARRAY, br#"["x",{"y":null}]"#),
        (ContentType::BYTES, b"\x00\xff\n\""),
        (ContentType(200), b""),
    ];
    for life in lives {
        for (content_type, data) in contents {
            let session = CreateChange {
                life,
                content_type,
                data,
                no_resave: life.whole_seconds,
                ..session()
            };
            let text = written(&session, None);
            assert_eq!(text.matches('\n').count(), 1, "{text}");
            let line = parse(text.trim_end().as_bytes()).unwrap();
            assert_same(&line, &session);
            let named = Name::Tag {
                tag: session.tag,
                key: KEY.into(),
            };
            assert_eq!(line.name, named);
        }
    }
    assert_same(
        &parse(written(&session(), None).as_bytes()).unwrap(),
        &session(),
    );
}

#[test]
fn line_has_the_token_where_it_is_known() {
    let keys = Keys::new([5; 32]).of_app(AppName::TARANTOOL);
    let token = Token::chosen(b"61494096-9af7-49ba-9fb4-e89c0811e6d3").unwrap();
    let mut session = session();
    session.tag = keys.tag(token.as_bytes());
    let text = written(&session, Some(&token));
    assert!(text.contains(r#","token":"61494096-9af7-49ba-9fb4-e89c0811e6d3","#));
    let line = parse(text.as_bytes()).unwrap();
    let expected = Name::Token("61494096-9af7-49ba-9fb4-e89c0811e6d3".into());
    assert_eq!(line.name, expected);
}

#[test]
fn short_line_has_the_usual_values() {
    let line = parse(br#" {"app":"shop","token":"t","created":1795161703.5} "#).unwrap();
    assert_eq!(line.created, Some(Millis(1_795_161_703_500)));
    assert_eq!((line.last_active, line.user, line.ip), (None, None, None));
    assert_eq!((line.life, line.reads, line.writes), (Life::ENDLESS, 1, 1));
    assert_eq!(line.content_type, ContentType::JSON_OBJECT);
    assert!(line.data.is_empty());
}

#[test]
fn bad_lines_are_refused_with_what_is_wrong() {
    for (text, expected) in [
        ("", "not JSON"),
        ("[]", "one JSON object"),
        (r#"{"app":"a","token":"t"} {}"#, "not JSON at byte 24"),
        (r#"{"app":"a"}"#, "a `token` or a `tag` is missing"),
        (r#"{"token":"t"}"#, "`app` is missing"),
        (r#"{"app":"a","tag":"00"}"#, "32 hexadecimal digits"),
        (
            r#"{"app":"a","tag":"+0000000000000000000000000000000"}"#,
            "32 hexadecimal digits",
        ),
        (
            r#"{"app":"a","tag":"00000000000000000000000000000000"}"#,
            "the `key` of the tag is missing",
        ),
        (
            r#"{"app":"a","tag":"00000000000000000000000000000000","key":"k","handle":"0000000000000001"}"#,
            "the first half of `tag`",
        ),
        (r#"{"app":1,"token":"t"}"#, "`app` must be a text"),
        (
            r#"{"app":"a","token":"t","user_id":"u"}"#,
            "no member `user_id`",
        ),
        (
            r#"{"app":"a","token":"t","created":1795161703019}"#,
            "`created` must be seconds since 1970",
        ),
        (
            r#"{"app":"a","token":"t","last":1e9}"#,
            "`last` must be seconds",
        ),
        (
            r#"{"app":"a","token":"t","ttl":-1}"#,
            "`ttl` must be seconds",
        ),
        (r#"{"app":"a","token":"t","ttl":1.0001}"#, "three decimals"),
        (r#"{"app":"a","token":"t","r":0}"#, "`r` must be"),
        (r#"{"app":"a","token":"t","lag":1}"#, "true or false"),
        (r#"{"app":"a","token":"t","data":"x"}"#, "object or array"),
        (r#"{"app":"a","token":"t","bytes":"00"}"#, "in its place"),
        (
            r#"{"app":"a","token":"t","content_type":0,"bytes":"0"}"#,
            "even number",
        ),
        (
            r#"{"app":"a","token":"t","content_type":1,"bytes":"00"}"#,
            "JSON goes into `data`",
        ),
    ] {
        let error = parse(text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(expected), "{text}: {error}");
    }
    let long = format!("{{\"{}\":1}}", "x".repeat(500));
    assert_eq!(
        parse(long.as_bytes()),
        Err(BadLine::Unknown("x".repeat(40)))
    );
}
