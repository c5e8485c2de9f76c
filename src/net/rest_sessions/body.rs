//! The JSON body: which requests have one, in which charset, and what it says about `d`.

use std::borrow::Cow;

use crate::limits;
use crate::model::json::merge::{MemberOrder, Patch, merge, order};
use crate::model::json::scan::{self, Bounds, Kind, Value, members_of};
use crate::model::json::{canonical, number};
use crate::net::http::dialect::BodyRule;
use crate::net::http::request::{Head, Request};
use crate::net::rest_sessions::problem::Problem;

/// Nesting is refused by the dialect, and the number of values follows from the body's bytes.
const BOUNDS: Bounds = Bounds {
    depth: limits::JSON_DEPTH,
    values: limits::REST_SESSIONS_BODY_BYTES,
};

/// How a JSON body is spelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Charset {
    Utf8,
    /// The byte order mark tells which, or else the first character, which is ASCII in JSON.
    Utf16,
    Utf16Little,
    Utf16Big,
    Unknown,
}

pub(super) fn rule(head: &Head<'_>) -> BodyRule {
    match charset(head) {
        Some(Charset::Unknown) | None => BodyRule::Ignore,
        Some(_) => BodyRule::Collect {
            limit: limits::REST_SESSIONS_BODY_BYTES,
            inflate: true,
        },
    }
}

/// The text of a request's JSON body in UTF-8, without a byte order mark; empty when there is none.
/// What does not decode becomes U+FFFD.
pub(super) fn text<'r>(request: &Request<'r>) -> Result<Cow<'r, [u8]>, Problem> {
    let body = request.body;
    match charset(&request.head) {
        None => Ok(Cow::Borrowed(&[])),
        Some(Charset::Unknown) => Err(Problem::Charset),
        Some(Charset::Utf8) => Ok(utf8(body)),
        Some(Charset::Utf16Little) => Ok(utf16(body, false)),
        Some(Charset::Utf16Big) => Ok(utf16(body, true)),
        Some(Charset::Utf16) => {
            let big = matches!(body, [0xfe, 0xff, ..] | [0, _, ..]);
            Ok(utf16(body, big))
        }
    }
}

fn utf8(body: &[u8]) -> Cow<'_, [u8]> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    match String::from_utf8_lossy(body) {
        Cow::Borrowed(_) => Cow::Borrowed(body),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

fn utf16<'r>(body: &[u8], big: bool) -> Cow<'r, [u8]> {
    let (pairs, _) = body.as_chunks::<2>();
    let pairs = match (pairs, big) {
        ([[0xfe, 0xff], rest @ ..], true) | ([[0xff, 0xfe], rest @ ..], false) => rest,
        (pairs, _) => pairs,
    };
    let units = pairs.iter().map(|[first, second]| {
        let (high, low) = if big {
            (first, second)
        } else {
            (second, first)
        };
        u16::from(*high) << 8 | u16::from(*low)
    });
    let text: String = char::decode_utf16(units)
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    Cow::Owned(text.into_bytes())
}

/// Validates a body's text: an object or an array, `None` for the empty text.
pub(super) fn parse(text: &[u8]) -> Result<Option<Value<'_>>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    let value = scan::parse(text, &BOUNDS).ok();
    value
        .filter(|v| matches!(v.kind(), Kind::Object | Kind::Array))
        .map(Some)
        .ok_or(Problem::BadJson)
}

/// The data of a new session, canonical; empty for none.
pub(super) fn new_data(body: Option<Value<'_>>) -> Result<Vec<u8>, Problem> {
    // An empty array was as good as no body to the old service.
    let is_data = |v: &Value<'_>| v.kind() == Kind::Object || v.elements().next().is_some();
    let Some(value) = body.filter(is_data) else {
        return Ok(Vec::new());
    };
    if value.kind() == Kind::Array {
        return Err(Problem::NotAnObject);
    }
    let members = members(value)?;
    let patch = Patch::new(&members).map_err(Problem::Merge)?;
    let mut data = Vec::new();
    merge(&[], &patch, MemberOrder::JavaScript, &mut data).map_err(Problem::Merge)?;
    Ok(data)
}

/// The members to merge into a session's data: a canonical object of at least one.
pub(super) fn changed_data(body: Option<Value<'_>>) -> Result<Vec<u8>, Problem> {
    let value = body.ok_or(Problem::NoMember)?;
    if value.kind() == Kind::Array {
        return Err(Problem::NotAnObject);
    }
    if value.members().next().is_none() {
        return Err(Problem::NoMember);
    }
    members(value)
}

/// An object in canonical text, if no member of it is nested; else the first such member in
/// JavaScript's order is named.
fn members(object: Value<'_>) -> Result<Vec<u8>, Problem> {
    let mut text = Vec::with_capacity(object.text().len());
    canonical::write(object, number::write_javascript, &mut text);
    let nested = |text: &[u8]| {
        members_of(text)
            .find(|(_, value)| matches!(value.kind(), Kind::Object | Kind::Array))
            .map(|(key, _)| key.to_vec())
    };
    if nested(&text).is_none() {
        return Ok(text);
    }
    let mut ordered = Vec::new();
    order(&text, MemberOrder::JavaScript, &mut ordered);
    let key = nested(&ordered).unwrap_or_default();
    let inside = key
        .strip_prefix(b"\"")
        .and_then(|k| k.strip_suffix(b"\""))
        .unwrap_or(&key);
    Err(Problem::Nested(inside.to_vec()))
}

/// The charset of a request's JSON body; `None` when it has no body, or none of JSON.
fn charset(head: &Head<'_>) -> Option<Charset> {
    let has_body =
        head.field("content-length").is_some() || head.field("transfer-encoding").is_some();
    let named = json_charset(head.field("content-type").filter(|_| has_body)?)?;
    Some(match named.to_ascii_lowercase().as_slice() {
        b"" | b"utf-8" => Charset::Utf8,
        b"utf-16" => Charset::Utf16,
        b"utf-16le" => Charset::Utf16Little,
        b"utf-16be" => Charset::Utf16Big,
        _ => Charset::Unknown,
    })
}

/// The charset that a `Content-Type` of JSON names, empty when it names none; `None` for any other
/// type, and for parameters that break the grammar.
fn json_charset(content_type: &[u8]) -> Option<&[u8]> {
    let end = content_type.iter().position(|b| *b == b';');
    let (media_type, mut rest) =
        content_type.split_at_checked(end.unwrap_or(content_type.len()))?;
    if !media_type
        .trim_ascii()
        .eq_ignore_ascii_case(b"application/json")
    {
        return None;
    }
    let mut charset: &[u8] = &[];
    while !rest.is_empty() {
        let (name, value, tail) = take_parameter(rest)?;
        if name.eq_ignore_ascii_case(b"charset") {
            charset = value;
        }
        rest = tail;
    }
    Some(charset)
}

/// Takes one `;name=value`. A quoted value is given without its quotes.
fn take_parameter(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name, rest) = take_word(text.strip_prefix(b";")?.trim_ascii_start())?;
    let rest = rest
        .trim_ascii_start()
        .strip_prefix(b"=")?
        .trim_ascii_start();
    let (value, rest) = match rest.strip_prefix(b"\"") {
        Some(quoted) => {
            let mut escaped = false;
            let end = quoted.iter().position(|b| {
                let ends = *b == b'"' && !escaped;
                escaped = *b == b'\\' && !escaped;
                ends
            })?;
            let (value, rest) = quoted.split_at_checked(end)?;
            (value, rest.strip_prefix(b"\"")?)
        }
        None => take_word(rest)?,
    };
    Some((name, value, rest.trim_ascii_start()))
}

fn take_word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let end = text.iter().position(|b| !fits(*b)).unwrap_or(text.len());
    text.split_at_checked(end)
        .filter(|(word, _)| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{changed_data, json_charset, new_data, parse, rule, text};
    use crate::net::http::dialect::BodyRule;
    use crate::net::http::request::{Head, Request};
    use crate::net::rest_sessions::problem::Problem;

    fn head<'a>(fields: &'a [httparse::Header<'a>]) -> Head<'a> {
        Head {
            method: "PUT",
            target: b"/",
            path: b"/",
            query: b"",
            minor_version: 1,
            fields,
        }
    }

    fn field<'a>(name: &'a str, value: &'a [u8]) -> httparse::Header<'a> {
        httparse::Header { name, value }
    }

    fn read(content_type: &str, body: &[u8]) -> Result<String, Problem> {
        let length = body.len().to_string();
        let fields = [
            field("Content-Type", content_type.as_bytes()),
            field("Content-Length", length.as_bytes()),
        ];
        let head = head(&fields);
        let request = Request { head, body };
        text(&request).map(|t| String::from_utf8(t.into_owned()).unwrap())
    }

    fn created(body: &str) -> Result<String, Problem> {
        new_data(parse(body.as_bytes())?).map(|d| String::from_utf8(d).unwrap())
    }

    fn changed(body: &str) -> Result<String, Problem> {
        changed_data(parse(body.as_bytes())?).map(|d| String::from_utf8(d).unwrap())
    }

    #[test]
    fn only_application_json_with_whole_parameters_is_json() {
        for (content_type, charset) in [
            ("application/json", ""),
            ("APPLICATION/JSON", ""),
            ("application/json; charset=utf-8", "utf-8"),
            ("application/json ;charset=UTF-8", "UTF-8"),
            ("application/json; charset=\"utf-8\"", "utf-8"),
            ("application/json; foo=bar", ""),
            (
                "application/json; a=\"x;\\\"y\"; Charset = utf-16 ; b=c",
                "utf-16",
            ),
            ("application/json; charset=\"\"", ""),
        ] {
            let found = json_charset(content_type.as_bytes());
            assert_eq!(found, Some(charset.as_bytes()), "{content_type}");
        }
        for content_type in [
            "",
            "json",
            "text/json",
            "application/jsonp",
            "application/vnd.api+json",
            "application/json,",
            "application/json;",
            "application/json; charset",
            "application/json; =utf-8",
            "application/json; a=\"b",
            "application/json; a=b c",
            "multipart/form-data; boundary=application/json",
        ] {
            assert_eq!(
                json_charset(content_type.as_bytes()),
                None,
                "{content_type}"
            );
        }
    }

    #[test]
    fn body_is_collected_only_where_there_is_one_of_json() {
        let json = field("content-type", b"application/json");
        let length = field("content-length", b"7");
        let collect = BodyRule::Collect {
            limit: 60_000,
            inflate: true,
        };
        assert_eq!(rule(&head(&[json, length])), collect);
        let chunked = field("Transfer-Encoding", b"chunked");
        assert_eq!(rule(&head(&[json, chunked])), collect);
        assert_eq!(rule(&head(&[json])), BodyRule::Ignore);
        assert_eq!(rule(&head(&[length])), BodyRule::Ignore);
        let latin = field("Content-Type", b"application/json; charset=latin1");
        assert_eq!(rule(&head(&[latin, length])), BodyRule::Ignore);
    }

    #[test]
    fn charsets_of_unicode_are_turned_into_utf8_and_others_refused() {
        let json = "application/json";
        assert_eq!(read(json, b"{}").unwrap(), "{}");
        assert_eq!(read(json, b"\xef\xbb\xbf{}").unwrap(), "{}");
        assert_eq!(read(json, b"\"\xff\xfe\"").unwrap(), "\"\u{fffd}\u{fffd}\"");
        assert_eq!(read("text/plain", b"{bad").unwrap(), "");
        let utf16 = "application/json; charset=utf-16";
        assert_eq!(read(utf16, b"[\0]\0").unwrap(), "[]");
        assert_eq!(read(utf16, b"\0[\0]").unwrap(), "[]");
        assert_eq!(read(utf16, b"\xfe\xff\0[\0]").unwrap(), "[]");
        assert_eq!(read(utf16, b"\xff\xfe[\0]\0").unwrap(), "[]");
        let little = "application/json; charset=UTF-16LE";
        assert_eq!(read(little, b"\xff\xfe[\0]\0").unwrap(), "[]");
        assert_eq!(read(little, b"\0[\0]").unwrap(), "\u{5b00}\u{5d00}");
        let big = "application/json; charset=utf-16be";
        assert_eq!(read(big, b"\xfe\xff\0[\0]").unwrap(), "[]");
        assert!(parse(read(utf16, b"{\"a\":1}").unwrap().as_bytes()).is_err());
        for charset in ["utf8", "iso-8859-1", "us-ascii", "utf-32", "x"] {
            let content_type = format!("application/json; charset={charset}");
            assert_eq!(
                read(&content_type, b"{}"),
                Err(Problem::Charset),
                "{charset}"
            );
        }
    }

    #[test]
    fn new_data_drops_nulls_and_takes_an_empty_array_for_none() {
        for (body, data) in [
            ("", ""),
            ("{}", ""),
            (" [ ] ", ""),
            (r#"{"a":null}"#, ""),
            (r#"{"a":null,"b":1.0,"b":-0}"#, r#"{"b":0}"#),
            (
                r#"{"z":1,"10":2,"b":3,"2":4,"-1":5,"01":6}"#,
                r#"{"2":4,"10":2,"z":1,"b":3,"-1":5,"01":6}"#,
            ),
            (r#"{"a":[],"a":1}"#, r#"{"a":1}"#),
            (
                r#"{"n":9007199254740993,"m":1e400}"#,
                r#"{"n":9007199254740992}"#,
            ),
        ] {
            assert_eq!(created(body).unwrap(), data, "{body}");
        }
        assert_eq!(created("[1,2]"), Err(Problem::NotAnObject));
    }

    #[test]
    fn changed_data_keeps_nulls_and_needs_a_member() {
        assert_eq!(
            changed(r#"{"b":null,"a":"\u0041"}"#).unwrap(),
            r#"{"b":null,"a":"A"}"#
        );
        for body in ["", "{}"] {
            assert_eq!(changed(body), Err(Problem::NoMember), "{body}");
        }
        for body in ["[]", "[1]"] {
            assert_eq!(changed(body), Err(Problem::NotAnObject), "{body}");
        }
    }

    #[test]
    fn first_nested_member_in_javascript_order_is_named() {
        for (body, key) in [
            (r#"{"a":1,"b":[1],"c":{}}"#, "b"),
            (r#"{"z":{},"1":[]}"#, "1"),
            (r#"{"":{}}"#, ""),
            (r#"{"\u0022\u00e9":{}}"#, "\\\"\u{e9}"),
            (r#"{"a":1,"a":{}}"#, "a"),
        ] {
            let expected = Err(Problem::Nested(key.as_bytes().to_vec()));
            assert_eq!(created(body), expected, "{body}");
            assert_eq!(changed(body), expected, "{body}");
        }
    }

    #[test]
    fn body_that_is_no_object_or_array_is_refused() {
        for body in [
            " ",
            "{",
            "null",
            "5",
            "\"text\"",
            "{\"a\":1}x",
            "{'a':1}",
            "hello",
        ] {
            assert_eq!(
                parse(body.as_bytes()).err(),
                Some(Problem::BadJson),
                "{body}"
            );
        }
        let many = format!("[{}1]", "1,".repeat(29_998));
        assert!(parse(many.as_bytes()).is_ok());
    }
}
