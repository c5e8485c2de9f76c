//! Parameters: from the body first, then from the query, each decoded once.

use std::borrow::Cow;

use crate::limits;
use crate::model::json::scan::{self, Bounds, JsonError, Kind, Value};
use crate::model::json::string;

/// What a `+` stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Plus {
    /// Itself.
    Literal,
    /// A blank.
    Blank,
}

/// Undoes percent-encoding, once. Escapes that are none stay as they are.
pub(super) fn decode(text: &[u8], plus: Plus) -> Cow<'_, [u8]> {
    let special = |b: &u8| *b == b'%' || (*b == b'+' && plus == Plus::Blank);
    let Some(first) = text.iter().position(special) else {
        return Cow::Borrowed(text);
    };
    let (plain, mut rest) = text.split_at_checked(first).unwrap_or((text, &[]));
    let mut decoded = Vec::with_capacity(text.len());
    decoded.extend_from_slice(plain);
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        let escaped = match tail {
            [high, low, ..] if *byte == b'%' => hex(*high, *low),
            _ => None,
        };
        decoded.push(match escaped {
            Some(escaped) => {
                rest = tail.get(2..).unwrap_or_default();
                escaped
            }
            None if *byte == b'+' && plus == Plus::Blank => b' ',
            None => *byte,
        });
    }
    Cow::Owned(decoded)
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// Text of a parameter as UTF-8; what is not becomes U+FFFD.
pub(super) fn to_text(bytes: Cow<'_, [u8]>) -> Cow<'_, str> {
    match bytes {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Cow::Owned(text),
            Err(bad) => Cow::Owned(String::from_utf8_lossy(bad.as_bytes()).into_owned()),
        },
    }
}

/// Text as the bytes it is made of.
pub(super) fn to_bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// The `name=value` pairs of a query or form, still encoded. A part without `=` has an empty
/// value; parts with neither name nor value are skipped.
pub(super) fn pairs(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split(|b| *b == b'&')
        .map(|part| match part.iter().position(|b| *b == b'=') {
            Some(at) => (
                part.get(..at).unwrap_or_default(),
                part.get(at + 1..).unwrap_or_default(),
            ),
            None => (part, &[][..]),
        })
        .filter(|(name, value)| !name.is_empty() || !value.is_empty())
}

/// What kind of body a `Content-Type` announces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BodyKind {
    /// JSON: `application/json`, in lower case.
    Json,
    /// A form; anything unknown is read as one.
    Form(Plus),
    /// `multipart/form-data`: carries no parameters.
    Multipart,
}

impl BodyKind {
    /// The type counts up to the last semicolon, byte for byte.
    pub(super) fn of(content_type: &[u8]) -> Self {
        let end = content_type.iter().rposition(|b| *b == b';');
        match content_type.get(..end.unwrap_or(content_type.len())) {
            Some(b"application/json") => Self::Json,
            Some(b"multipart/form-data") => Self::Multipart,
            Some(b"application/x-www-form-urlencoded") => Self::Form(Plus::Blank),
            Some(_) | None => Self::Form(Plus::Literal),
        }
    }
}

/// Why a body carries nothing that can be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BodyError {
    /// It is not JSON, or beyond the bounds.
    Json(JsonError),
    /// JSON, but neither an object nor an array.
    Scalar,
    /// A form with more fields than [`limits::JSON_VALUES`].
    TooManyFields,
}

impl std::fmt::Display for BodyError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Json(problem) => write!(out, "invalid body: {problem}"),
            Self::Scalar => out.write_str("invalid body: send a JSON object or array"),
            Self::TooManyFields => {
                write!(
                    out,
                    "invalid body: more than {} fields",
                    limits::JSON_VALUES
                )
            }
        }
    }
}

/// The parameters of a body.
#[derive(Clone, Copy, Debug)]
pub(super) enum Body<'a> {
    /// There are none.
    Empty,
    /// A form, still encoded.
    Form(&'a [u8], Plus),
    /// An object or array.
    Json(Value<'a>),
}

impl<'a> Body<'a> {
    /// Reads a body. An empty one is empty whatever its type says.
    pub(super) fn read(kind: BodyKind, text: &'a [u8]) -> Result<Self, BodyError> {
        match kind {
            BodyKind::Json if text.trim_ascii().is_empty() => Ok(Self::Empty),
            BodyKind::Json => {
                let value = scan::parse(text, &Bounds::default()).map_err(BodyError::Json)?;
                match value.kind() {
                    Kind::Object | Kind::Array => Ok(Self::Json(value)),
                    Kind::String | Kind::Number | Kind::True | Kind::False | Kind::Null => {
                        Err(BodyError::Scalar)
                    }
                }
            }
            BodyKind::Form(plus) => {
                if pairs(text).nth(limits::JSON_VALUES).is_some() {
                    return Err(BodyError::TooManyFields);
                }
                Ok(Self::Form(text, plus))
            }
            BodyKind::Multipart => Ok(Self::Empty),
        }
    }

    fn parameter(self, name: &str) -> Parameter<'a> {
        match self {
            Self::Empty => Parameter::Missing,
            Self::Form(text, plus) => form_parameter(text, plus, name),
            Self::Json(object) => json_parameter(object, name),
        }
    }
}

/// One parameter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Parameter<'a> {
    /// Not given, or a JSON `null`.
    Missing,
    /// A text.
    Text(Cow<'a, [u8]>),
    /// A JSON number, as written.
    Number(&'a [u8]),
    /// The JSON `false`.
    False,
    /// What no parameter can be: given twice, the JSON `true`, an object or an array.
    Unusable,
}

/// The parameters of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameters<'a> {
    /// Those of the body; they hide those of the query, also when they are empty.
    pub(super) body: Body<'a>,
    /// The query, still encoded.
    pub(super) query: &'a [u8],
}

impl<'a> Parameters<'a> {
    /// The parameter with this name; the case of names counts.
    pub(super) fn get(&self, name: &str) -> Parameter<'a> {
        match self.body.parameter(name) {
            Parameter::Missing => form_parameter(self.query, Plus::Literal, name),
            given @ (Parameter::Text(_)
            | Parameter::Number(_)
            | Parameter::False
            | Parameter::Unusable) => given,
        }
    }
}

fn form_parameter<'a>(text: &'a [u8], plus: Plus, name: &str) -> Parameter<'a> {
    let mut values = pairs(text)
        .filter(|(raw, _)| *decode(raw, Plus::Literal) == *name.as_bytes())
        .map(|(_, value)| value);
    match (values.next(), values.next()) {
        (None, _) => Parameter::Missing,
        (Some(value), None) => Parameter::Text(decode(value, plus)),
        (Some(_), Some(_)) => Parameter::Unusable,
    }
}

fn json_parameter<'a>(object: Value<'a>, name: &str) -> Parameter<'a> {
    let last = object
        .members()
        .filter(|(key, _)| string::decode(key) == name)
        .last();
    let Some((_, value)) = last else {
        return Parameter::Missing;
    };
    match value.kind() {
        Kind::Null => Parameter::Missing,
        Kind::False => Parameter::False,
        Kind::Number => Parameter::Number(value.text()),
        Kind::String => Parameter::Text(to_bytes(string::decode(value.text()))),
        Kind::True | Kind::Object | Kind::Array => Parameter::Unusable,
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::{any, proptest};

    use super::{Body, BodyError, BodyKind, Parameter, Parameters, Plus, decode, pairs, to_text};
    use crate::limits;

    fn text(text: &str) -> Parameter<'_> {
        Parameter::Text(Cow::Borrowed(text.as_bytes()))
    }

    fn body(kind: BodyKind, text: &str) -> Body<'_> {
        Body::read(kind, text.as_bytes()).unwrap()
    }

    fn query(query: &str) -> Parameters<'_> {
        Parameters {
            body: Body::Empty,
            query: query.as_bytes(),
        }
    }

    #[test]
    fn escapes_are_undone_once_and_broken_ones_stay() {
        for (sent, literal, blank) in [
            ("", "", ""),
            ("abc", "abc", "abc"),
            ("a+b", "a+b", "a b"),
            ("a%2Bb", "a+b", "a+b"),
            ("a%2bb", "a+b", "a+b"),
            ("%252B", "%2B", "%2B"),
            ("%zz", "%zz", "%zz"),
            ("%2", "%2", "%2"),
            ("%", "%", "%"),
            ("%%41", "%A", "%A"),
            ("%4+1", "%4+1", "%4 1"),
            ("%00", "\0", "\0"),
        ] {
            assert_eq!(
                *decode(sent.as_bytes(), Plus::Literal),
                *literal.as_bytes(),
                "{sent}"
            );
            assert_eq!(
                *decode(sent.as_bytes(), Plus::Blank),
                *blank.as_bytes(),
                "{sent}"
            );
        }
        assert!(matches!(decode(b"a+b", Plus::Literal), Cow::Borrowed(_)));
        assert_eq!(to_text(decode(b"a%FFb", Plus::Literal)), "a\u{fffd}b");
        assert_eq!(to_text(decode(b"a\xffb", Plus::Literal)), "a\u{fffd}b");
    }

    #[test]
    fn pairs_skip_empty_parts_only() {
        let cut: Vec<_> = pairs(b"&&a=1&b&=2&=&c==3&").collect();
        assert_eq!(
            cut,
            [
                (&b"a"[..], &b"1"[..]),
                (b"b", b""),
                (b"", b"2"),
                (b"c", b"=3"),
            ]
        );
    }

    #[test]
    fn query_names_are_exact_and_plus_stays() {
        assert_eq!(query("ip=a+b&x=1").get("ip"), text("a+b"));
        assert_eq!(query("a=1&token=t").get("token"), text("t"));
        assert_eq!(query("user%5Fid=5").get("user_id"), text("5"));
        assert_eq!(query("ip=a?b").get("ip"), text("a?b"));
        assert_eq!(query("ip=a=b").get("ip"), text("a=b"));
        assert_eq!(query("ip=a;b").get("ip"), text("a;b"));
        assert_eq!(query("ip").get("ip"), text(""));
        assert_eq!(query("ip=").get("ip"), text(""));
        for absent in ["", "IP=1", "ip[]=1", "ipx=1", "x=ip"] {
            assert_eq!(query(absent).get("ip"), Parameter::Missing, "{absent}");
        }
        assert_eq!(query("ip=1&ip=2").get("ip"), Parameter::Unusable);
        assert_eq!(query("ip=&ip=").get("ip"), Parameter::Unusable);
    }

    #[test]
    fn content_type_counts_to_its_last_semicolon() {
        for (content_type, kind) in [
            ("application/json", BodyKind::Json),
            ("application/json; charset=utf-8", BodyKind::Json),
            ("application/json;", BodyKind::Json),
            ("Application/JSON", BodyKind::Form(Plus::Literal)),
            (
                "application/json ; charset=utf-8",
                BodyKind::Form(Plus::Literal),
            ),
            (
                "application/x-www-form-urlencoded",
                BodyKind::Form(Plus::Blank),
            ),
            (
                "application/x-www-form-urlencoded; charset=utf-8",
                BodyKind::Form(Plus::Blank),
            ),
            ("multipart/form-data; boundary=x", BodyKind::Multipart),
            ("text/plain", BodyKind::Form(Plus::Literal)),
            ("", BodyKind::Form(Plus::Literal)),
        ] {
            assert_eq!(
                BodyKind::of(content_type.as_bytes()),
                kind,
                "{content_type}"
            );
        }
    }

    #[test]
    fn body_hides_the_query_even_when_empty() {
        let form = body(BodyKind::Form(Plus::Blank), "ip=&user_id=a+b%2B");
        let both = Parameters {
            body: form,
            query: b"ip=1&id=2",
        };
        assert_eq!(both.get("ip"), text(""));
        assert_eq!(both.get("user_id"), text("a b+"));
        assert_eq!(both.get("id"), text("2"));
        let untyped = body(BodyKind::Form(Plus::Literal), "ip=a+b");
        assert_eq!(untyped.parameter("ip"), text("a+b"));
    }

    #[test]
    fn json_members_are_parameters() {
        let object = body(
            BodyKind::Json,
            r#"{"t":"a\u002bb","n":7.9,"f":false,"y":true,"o":{},"a":[],"z":null,"d":1,"d":"2","\u0065":"x"}"#,
        );
        let parameters = Parameters {
            body: object,
            query: b"z=query&f=query",
        };
        assert_eq!(parameters.get("t"), text("a+b"));
        assert_eq!(parameters.get("n"), Parameter::Number(b"7.9"));
        assert_eq!(parameters.get("f"), Parameter::False);
        assert_eq!(parameters.get("y"), Parameter::Unusable);
        assert_eq!(parameters.get("o"), Parameter::Unusable);
        assert_eq!(parameters.get("a"), Parameter::Unusable);
        assert_eq!(parameters.get("z"), text("query"));
        assert_eq!(parameters.get("d"), text("2"));
        assert_eq!(parameters.get("e"), text("x"));
        let array = body(BodyKind::Json, r#"["ip"]"#);
        assert_eq!(array.parameter("ip"), Parameter::Missing);
        assert_eq!(array.parameter("1"), Parameter::Missing);
    }

    #[test]
    fn bodies_that_are_no_json_containers_are_refused() {
        for scalar in ["\"abc\"", "5", "null", "true", "false"] {
            let refused = Body::read(BodyKind::Json, scalar.as_bytes());
            assert_eq!(refused.err(), Some(BodyError::Scalar), "{scalar}");
        }
        for bad in [
            "{bad",
            "{\"a\":1}{\"b\":2}",
            "{'a':1}",
            "{\"a\":1,}",
            "{\"a\":NaN}",
            "{\"a\":01}",
        ] {
            let refused = Body::read(BodyKind::Json, bad.as_bytes());
            assert!(matches!(refused, Err(BodyError::Json(_))), "{bad}");
        }
        let nested = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        assert!(Body::read(BodyKind::Json, nested(125).as_bytes()).is_ok());
        assert!(Body::read(BodyKind::Json, nested(126).as_bytes()).is_err());
    }

    #[test]
    fn form_has_a_bounded_number_of_fields() {
        let form = |n: usize| vec!["a"; n].join("&");
        let read = |text: &str| Body::read(BodyKind::Form(Plus::Blank), text.as_bytes()).err();
        assert_eq!(read(&form(limits::JSON_VALUES)), None);
        assert_eq!(
            read(&form(limits::JSON_VALUES + 1)),
            Some(BodyError::TooManyFields)
        );
    }

    proptest! {
        #[test]
        fn no_input_panics(
            query in proptest::collection::vec(any::<u8>(), 0..60),
            body in proptest::collection::vec(any::<u8>(), 0..60),
            content_type in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            for kind in [BodyKind::of(&content_type), BodyKind::Json, BodyKind::Form(Plus::Blank)] {
                if let Ok(body) = Body::read(kind, &body) {
                    let parameters = Parameters { body, query: &query };
                    for name in ["user_id", "a", ""] {
                        drop(parameters.get(name));
                    }
                }
            }
        }
    }
}
