//! Extra: the whole body, parameters of the service included, as the JSON text that is stored.

use std::borrow::Cow;

use hashbrown::HashMap;
use memchr::{memchr, memchr2};

use crate::model::ContentType;
use crate::model::json::scan::{self, Bounds, Kind, Value};
use crate::model::json::{canonical, number, string};
use crate::net::tarantool::parameters::{Body, Plus, decode, pairs, to_text};

/// What a session keeps of a body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Extra {
    /// Object or array.
    pub(super) content_type: ContentType,
    /// Its canonical text.
    pub(super) text: Vec<u8>,
}

impl Extra {
    /// The extra of a body; `None` when it has no parameter.
    pub(super) fn of_body(body: Body<'_>) -> Option<Self> {
        match body {
            Body::Empty => None,
            Body::Form(text, _) => of_form(text),
            Body::Json(value) => of_json(value),
        }
    }
}

/// The stored text of an extra; `None` where the service shows `null`.
pub(super) fn shown(content_type: ContentType, data: &[u8]) -> Option<&[u8]> {
    let json = matches!(
        content_type,
        ContentType::JSON_OBJECT | ContentType::JSON_ARRAY
    );
    (json && !matches!(data, b"" | b"{}" | b"[]")).then_some(data)
}

/// An object of the fields in order. A name given more than once becomes an array at its first
/// place. Names keep their `+`; in values it is a blank whatever the body's type says.
fn of_form(form: &[u8]) -> Option<Extra> {
    let mut fields: Vec<(Cow<'_, str>, Vec<&[u8]>)> = Vec::new();
    let mut places = HashMap::with_hasher(ahash::RandomState::new());
    for (name, value) in pairs(form) {
        let name = to_text(decode(name, Plus::Literal));
        let place = *places.entry(name.clone()).or_insert(fields.len());
        match fields.get_mut(place) {
            Some((_, values)) => values.push(value),
            None => fields.push((name, vec![value])),
        }
    }
    if fields.is_empty() {
        return None;
    }
    let mut text = Vec::with_capacity(form.len() + 8 * fields.len());
    for (name, values) in &fields {
        text.push(if text.is_empty() { b'{' } else { b',' });
        string::write_text(name, &mut text);
        text.push(b':');
        match values.as_slice() {
            [value] => write_value(value, &mut text),
            values => write_array(values, &mut text),
        }
    }
    text.push(b'}');
    Some(Extra {
        content_type: ContentType::JSON_OBJECT,
        text,
    })
}

fn write_array(values: &[&[u8]], out: &mut Vec<u8>) {
    for (n, value) in values.iter().enumerate() {
        out.push(if n == 0 { b'[' } else { b',' });
        write_value(value, out);
    }
    out.push(b']');
}

fn write_value(value: &[u8], out: &mut Vec<u8>) {
    string::write_text(&to_text(decode(value, Plus::Blank)), out);
}

fn of_json(value: Value<'_>) -> Option<Extra> {
    let mut text = Vec::with_capacity(value.text().len());
    canonical::write(value, number::write_exact, &mut text);
    match value.kind() {
        Kind::Object if value.members().next().is_some() => Some(Extra {
            content_type: ContentType::JSON_OBJECT,
            text,
        }),
        Kind::Array if value.elements().next().is_some() => Some(Extra {
            content_type: ContentType::JSON_ARRAY,
            text: decode_texts(text),
        }),
        Kind::Object
        | Kind::Array
        | Kind::String
        | Kind::Number
        | Kind::True
        | Kind::False
        | Kind::Null => None,
    }
}

/// Reads the texts of an array's canonical copy as if they came from a form; keys stay.
///
/// The service does so with objects too, where it only does harm. Of an array its callers have
/// always seen the decoded texts.
fn decode_texts(array: Vec<u8>) -> Vec<u8> {
    if memchr2(b'+', b'%', &array).is_none() {
        return array;
    }
    let mut decoded = Vec::with_capacity(array.len());
    let mut rest = array.as_slice();
    while let Some((before, tail)) = memchr(b'"', rest).and_then(|at| rest.split_at_checked(at)) {
        decoded.extend_from_slice(before);
        let length = scan::parse_first(tail, &Bounds::default()).map_or(tail.len(), |(_, end)| end);
        let (literal, behind) = tail.split_at_checked(length).unwrap_or((tail, &[]));
        if behind.first() == Some(&b':') || memchr2(b'+', b'%', literal).is_none() {
            decoded.extend_from_slice(literal);
        } else {
            write_value(string::decode(literal).as_bytes(), &mut decoded);
        }
        rest = behind;
    }
    decoded.extend_from_slice(rest);
    decoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Extra, shown};
    use crate::model::ContentType;
    use crate::model::json::scan::{Bounds, parse};
    use crate::net::tarantool::parameters::{Body, BodyKind, Plus};

    fn extra(kind: BodyKind, body: &str) -> Option<String> {
        let extra = Extra::of_body(Body::read(kind, body.as_bytes()).unwrap())?;
        let first = extra.text.first().copied();
        assert_eq!(
            first == Some(b'['),
            extra.content_type == ContentType::JSON_ARRAY
        );
        Some(String::from_utf8(extra.text).unwrap())
    }

    fn form(body: &str) -> String {
        extra(BodyKind::Form(Plus::Blank), body).unwrap()
    }

    fn json(body: &str) -> String {
        extra(BodyKind::Json, body).unwrap()
    }

    #[test]
    fn form_fields_become_members_in_order() {
        for (body, expected) in [
            ("a=1", r#"{"a":"1"}"#),
            ("a=", r#"{"a":""}"#),
            ("a", r#"{"a":""}"#),
            ("=1", r#"{"":"1"}"#),
            ("&&a=1&&", r#"{"a":"1"}"#),
            ("z=1&y=2&x=3", r#"{"z":"1","y":"2","x":"3"}"#),
            ("a[]=1&a[b]=2", r#"{"a[]":"1","a[b]":"2"}"#),
            ("a=b=c", r#"{"a":"b=c"}"#),
            ("a=1;b=2", r#"{"a":"1;b=2"}"#),
            ("1=one&2=two", r#"{"1":"one","2":"two"}"#),
            ("hello world", r#"{"hello world":""}"#),
        ] {
            assert_eq!(form(body), expected, "{body}");
        }
    }

    #[test]
    fn name_given_again_becomes_an_array_at_its_first_place() {
        assert_eq!(form("a=1&b=2&a=3&a"), r#"{"a":["1","3",""],"b":"2"}"#);
        assert_eq!(form("a=x+y&a=%2B"), r#"{"a":["x y","+"]}"#);
        assert_eq!(form("a=1&%61=2"), r#"{"a":["1","2"]}"#);
    }

    #[test]
    fn form_is_decoded_once() {
        for (body, expected) in [
            ("a=x+y", r#"{"a":"x y"}"#),
            ("a=x%20y", r#"{"a":"x y"}"#),
            ("a=x%2By", r#"{"a":"x+y"}"#),
            ("a=%2541", r#"{"a":"%41"}"#),
            ("a=100%25", r#"{"a":"100%"}"#),
            ("a=%zz%2", r#"{"a":"%zz%2"}"#),
            ("a+b=1", r#"{"a+b":"1"}"#),
            ("a%20b=1&a%2Bc=2", r#"{"a b":"1","a+c":"2"}"#),
            (
                "a=%00%22%5C%2F%7F%0A",
                "{\"a\":\"\\u0000\\\"\\\\/\u{7f}\\n\"}",
            ),
            ("%EB%94%B8=%EA%B8%B0", "{\"\u{b538}\":\"\u{ae30}\"}"),
            ("a=%FF%F0%9F%98%80", "{\"a\":\"\u{fffd}\u{1f600}\"}"),
        ] {
            assert_eq!(form(body), expected, "{body}");
        }
        let untyped = extra(BodyKind::Form(Plus::Literal), "a=1+2&b=%2B");
        assert_eq!(untyped.as_deref(), Some(r#"{"a":"1 2","b":"+"}"#));
    }

    #[test]
    fn json_is_kept_as_it_is_with_exact_numbers() {
        for (body, expected) in [
            (r#" { "a" : 1 } "#, r#"{"a":1}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (
                r#"{"a":null,"b":{"c":[1,null,{}]},"d":[]}"#,
                r#"{"a":null,"b":{"c":[1,null,{}]},"d":[]}"#,
            ),
            (r#"{"a":"x+y%20z%2B"}"#, r#"{"a":"x+y%20z%2B"}"#),
            (
                r#"{"n":18446744073709551615,"f":1.0,"z":-0}"#,
                r#"{"n":18446744073709551615,"f":1,"z":0}"#,
            ),
            ("[1]", "[1]"),
            ("[[]]", "[[]]"),
            ("[null]", "[null]"),
            (r#"[{"a":1}]"#, r#"[{"a":1}]"#),
        ] {
            assert_eq!(json(body), expected, "{body}");
        }
    }

    #[test]
    fn texts_of_an_array_are_read_like_a_form() {
        assert_eq!(json(r#"[1,"a+b",null]"#), r#"[1,"a b",null]"#);
        assert_eq!(
            json(r#"["%41",{"a+b":"c+d","e":["\"+",1e3]}]"#),
            r#"["A",{"a+b":"c d","e":["\" ",1000]}]"#
        );
    }

    #[test]
    fn body_without_parameters_has_no_extra() {
        for body in ["", "&", "=", "&=&"] {
            assert_eq!(extra(BodyKind::Form(Plus::Blank), body), None, "{body}");
        }
        for body in ["", " ", "{}", " [ ] "] {
            assert_eq!(extra(BodyKind::Json, body), None, "{body}");
        }
        assert_eq!(extra(BodyKind::Multipart, "--x\r\na=1"), None);
    }

    #[test]
    fn empty_or_foreign_data_are_shown_as_null() {
        assert_eq!(shown(ContentType::JSON_OBJECT, b""), None);
        assert_eq!(shown(ContentType::JSON_OBJECT, b"{}"), None);
        assert_eq!(shown(ContentType::JSON_ARRAY, b"[]"), None);
        assert_eq!(shown(ContentType::BYTES, b"abc"), None);
        assert_eq!(
            shown(ContentType::JSON_OBJECT, b"{\"a\":1}"),
            Some(&b"{\"a\":1}"[..])
        );
    }

    proptest! {
        #[test]
        fn extra_of_any_form_is_json(body in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(extra) = Extra::of_body(Body::Form(&body, Plus::Literal)) {
                assert!(parse(&extra.text, &Bounds::default()).is_ok());
            }
        }

        #[test]
        fn extra_of_any_form_like_text_is_json(body in "([a&=+%0-9F\"\\\\]){0,40}") {
            if let Some(extra) = Extra::of_body(Body::Form(body.as_bytes(), Plus::Blank)) {
                assert!(parse(&extra.text, &Bounds::default()).is_ok());
            }
        }

        #[test]
        fn extra_of_any_array_is_json(texts in proptest::collection::vec(".{0,12}", 1..8)) {
            let body = serde_json::to_string(&texts).unwrap();
            let extra = Extra::of_body(Body::read(BodyKind::Json, body.as_bytes()).unwrap()).unwrap();
            assert!(parse(&extra.text, &Bounds::default()).is_ok());
        }
    }
}
