//! Request bodies as Go's `encoding/json` reads them into the service's structures.
//!
//! The first value counts and what follows it is ignored. Keys of known fields match in any case,
//! keys inside `session_attributes` exactly. `null` leaves a text field as it was. Bytes that are
//! not UTF-8 become U+FFFD, one for each.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::attributes::{EXPIRATION, SHOWN};
use crate::model::json::scan::{Bounds, Kind, Value, parse_first};
use crate::model::json::string;

/// An attribute as it was sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Sent {
    /// A text; `null` counts as the empty one.
    Text(String),
    /// An integer, which only [`EXPIRATION`] may be.
    Integer(i64),
}

impl Sent {
    /// Whether the attribute is to be emptied.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }
}

/// Attributes of a PATCH by name, in byte order: the order of the answer.
pub(super) type Attributes = BTreeMap<String, Sent>;

/// The body of a create.
#[derive(Default, PartialEq, Eq, Debug)]
pub(super) struct NewBody {
    /// Whose session it is; not empty.
    pub(super) user: String,
    /// The texts of [`SHOWN`], in that order, empty where absent.
    pub(super) shown: [String; SHOWN.len()],
    /// The text of [`EXPIRATION`], empty where absent.
    pub(super) expiration: String,
}

/// The body of a PATCH that was understood.
#[derive(Default, PartialEq, Eq, Debug)]
pub(super) struct PatchBody {
    /// The session's id; empty when absent.
    pub(super) id: String,
    /// The attributes to set; empty when absent.
    pub(super) attributes: Attributes,
}

/// A body that does not fit the structure it is read into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Undecodable;

/// Reads the body of a create: an object with a `user_id`.
pub(super) fn new_session(body: &[u8]) -> Result<NewBody, Undecodable> {
    let body = well_formed(body);
    let object = first_value(&body)?;
    let mut new = NewBody::default();
    for (key, value) in object.members() {
        let key = string::decode(key);
        if let Some(place) = SHOWN.iter().position(|name| matches_name(&key, name)) {
            if let Some(text) = new.shown.get_mut(place) {
                set_text(text, value)?;
            }
        } else if matches_name(&key, "user_id") {
            set_text(&mut new.user, value)?;
        } else if matches_name(&key, EXPIRATION) && value.kind() == Kind::String {
            set_text(&mut new.expiration, value)?;
        }
    }
    if new.user.is_empty() {
        return Err(Undecodable);
    }
    Ok(new)
}

/// Reads the body of a PATCH: an object with `session_id` and `session_attributes`.
pub(super) fn patch(body: &[u8]) -> Result<PatchBody, Undecodable> {
    let body = well_formed(body);
    read_patch(first_value(&body)?)
}

/// Reads the body of a PATCH that names the session in its path: the attributes alone, or the same
/// object as [`patch`] reads.
pub(super) fn patch_by_id(body: &[u8]) -> Result<PatchBody, Undecodable> {
    let body = well_formed(body);
    let object = first_value(&body)?;
    let is_wrapped = object.members().any(|(key, value)| {
        value.kind() == Kind::Object && matches_name(&string::decode(key), "session_attributes")
    });
    if is_wrapped {
        return read_patch(object);
    }
    let mut patch = PatchBody::default();
    add_attributes(&mut patch.attributes, object)?;
    Ok(patch)
}

fn read_patch(object: Value<'_>) -> Result<PatchBody, Undecodable> {
    let mut patch = PatchBody::default();
    for (key, value) in object.members() {
        let key = string::decode(key);
        if matches_name(&key, "session_id") {
            set_text(&mut patch.id, value)?;
        } else if matches_name(&key, "session_attributes") {
            match value.kind() {
                Kind::Object => add_attributes(&mut patch.attributes, value)?,
                Kind::Null => patch.attributes.clear(),
                Kind::Array | Kind::String | Kind::Number | Kind::True | Kind::False => {
                    return Err(Undecodable);
                }
            }
        }
    }
    Ok(patch)
}

fn add_attributes(attributes: &mut Attributes, object: Value<'_>) -> Result<(), Undecodable> {
    for (key, value) in object.members() {
        let name = string::decode(key).into_owned();
        let sent = match value.kind() {
            Kind::String => Sent::Text(string::decode(value.text()).into_owned()),
            Kind::Null => Sent::Text(String::new()),
            Kind::Number if name == EXPIRATION => Sent::Integer(integer(value)?),
            Kind::Number | Kind::Object | Kind::Array | Kind::True | Kind::False => {
                return Err(Undecodable);
            }
        };
        attributes.insert(name, sent);
    }
    Ok(())
}

fn integer(value: Value<'_>) -> Result<i64, Undecodable> {
    let digits = std::str::from_utf8(value.text()).unwrap_or_default();
    digits.parse().ok().ok_or(Undecodable)
}

fn set_text(text: &mut String, value: Value<'_>) -> Result<(), Undecodable> {
    match value.kind() {
        Kind::String => *text = string::decode(value.text()).into_owned(),
        Kind::Null => {}
        Kind::Object | Kind::Array | Kind::Number | Kind::True | Kind::False => {
            return Err(Undecodable);
        }
    }
    Ok(())
}

/// The first value of a body, an object or `null`.
fn first_value(body: &[u8]) -> Result<Value<'_>, Undecodable> {
    let (value, _) = parse_first(body, &Bounds::default())
        .ok()
        .ok_or(Undecodable)?;
    match value.kind() {
        Kind::Object | Kind::Null => Ok(value),
        Kind::Array | Kind::String | Kind::Number | Kind::True | Kind::False => Err(Undecodable),
    }
}

/// Whether a key means a field, as Go folds case: with the long s and the Kelvin sign.
fn matches_name(key: &str, name: &str) -> bool {
    let folded = key.chars().map(|c| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    });
    folded.eq(name.chars())
}

/// The body with one U+FFFD for each byte that is not UTF-8.
fn well_formed(body: &[u8]) -> Cow<'_, [u8]> {
    if std::str::from_utf8(body).is_ok() {
        return Cow::Borrowed(body);
    }
    let mut text = String::with_capacity(body.len());
    for chunk in body.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::{Attributes, Sent, Undecodable, new_session, patch, patch_by_id};

    fn created(body: &str) -> (String, String, String) {
        let new = new_session(body.as_bytes()).unwrap();
        let [device, ..] = new.shown;
        (new.user, device, new.expiration)
    }

    fn create_user(body: &str) -> Option<String> {
        new_session(body.as_bytes()).ok().map(|new| new.user)
    }

    fn attributes(pairs: &[(&str, &str)]) -> Attributes {
        let sent = |(name, text): &(&str, &str)| (name.to_string(), Sent::Text(text.to_string()));
        pairs.iter().map(sent).collect()
    }

    fn patched(body: &str) -> Result<(String, Attributes), Undecodable> {
        patch(body.as_bytes()).map(|p| (p.id, p.attributes))
    }

    #[test]
    fn create_takes_known_fields_in_any_case_and_drops_the_rest() {
        for (body, user, device) in [
            (r#"{"user_id":"u"}"#, "u", ""),
            (
                " \n{\"user_id\":\"u\",\"device_id\":\"d\"}garbage",
                "u",
                "d",
            ),
            (r#"{"USER_ID":"u","Device_Id":"d"}"#, "u", "d"),
            (r#"{"u\u017fer_id":"u"}"#, "u", ""),
            (r#"{"user_id":"a","USER_ID":"b"}"#, "b", ""),
            (
                r#"{"user_id":"a","user_id":null,"device_id":null}"#,
                "a",
                "",
            ),
            (
                r#"{"user_id":"u","foo":{"n":[1,2,{"x":1e999}]},"session_id":5}"#,
                "u",
                "",
            ),
            (r#"{"user_id":"u","create_date":5,"user_id ":7}"#, "u", ""),
            (
                r#"{"user_id":" ","device_id":"\ud83d\ude00\ud83d"}"#,
                " ",
                "\u{1f600}\u{fffd}",
            ),
        ] {
            let (got_user, got_device, _) = created(body);
            assert_eq!(
                (got_user.as_str(), got_device.as_str()),
                (user, device),
                "{body}"
            );
        }
    }

    #[test]
    fn create_without_a_user_or_with_a_wrong_type_is_refused() {
        for body in [
            "",
            " ",
            "{}",
            "null",
            "5",
            "[]",
            r#""a""#,
            "{bad",
            "user_id=a",
            r#"{"user_id":""}"#,
            r#"{"user_id":null}"#,
            r#"{"user_id":5}"#,
            r#"{"user_id":["a"]}"#,
            r#"{"user_id":true}"#,
            r#"{"user_id":"a","device_id":5}"#,
            r#"{"user_id":"a""#,
            r#"{"user_id":"a","User_Email":["x"]}"#,
            r#"{"user_id":"a",}"#,
            "\u{feff}{\"user_id\":\"a\"}",
            r#"{"user_id":"a"]"#,
            r#"[{"user_id":"a"}]"#,
            "{\"user_id\":\"a\n\"}",
        ] {
            assert_eq!(create_user(body), None, "{body}");
        }
    }

    #[test]
    fn expiration_time_of_a_create_is_kept_as_text_only() {
        for (body, kept) in [
            (r#"{"user_id":"u","exiration_time":"3600"}"#, "3600"),
            (r#"{"user_id":"u","exiration_time":3600}"#, ""),
            (r#"{"user_id":"u","exiration_time":[3600]}"#, ""),
        ] {
            assert_eq!(created(body).2, kept, "{body}");
        }
    }

    #[test]
    fn bytes_outside_utf8_become_one_replacement_each() {
        let new = new_session(b"{\"user_id\":\"\xff\xfe\xe4\xbd\"}").unwrap();
        assert_eq!(new.user, "\u{fffd}".repeat(4));
    }

    #[test]
    fn patch_merges_duplicate_maps_and_takes_the_last_of_each_name() {
        for (body, id, expected) in [
            (
                r#"{"session_id":"s","session_attributes":{"a":"1"},"SESSION_attributes":{"b":"2"}}"#,
                "s",
                attributes(&[("a", "1"), ("b", "2")]),
            ),
            (
                r#"{"session_attributes":{"a":"1","a":"2","A":null}} trailing"#,
                "",
                attributes(&[("A", ""), ("a", "2")]),
            ),
            (
                r#"{"session_id":"s","session_id":null,"session_attributes":{"a":"1"},"session_attributes":null}"#,
                "s",
                attributes(&[]),
            ),
            (
                r#"{"session_attributes":{"a":"1","a":null}}"#,
                "",
                attributes(&[("a", "")]),
            ),
            ("null", "", attributes(&[])),
            ("nullx", "", attributes(&[])),
            (r#"{"other":[1],"user_id":4}"#, "", attributes(&[])),
        ] {
            assert_eq!(patched(body), Ok((id.to_string(), expected)), "{body}");
        }
    }

    #[test]
    fn patch_of_another_shape_is_undecodable() {
        for body in [
            "",
            "[]",
            r#""x""#,
            "5",
            "{bad",
            "hello",
            "nul",
            r#"{"session_id":"s""#,
            r#"{"session_id":5}"#,
            r#"{"session_attributes":[]}"#,
            r#"{"session_attributes":"x"}"#,
            r#"{"session_attributes":{"auth_code":5}}"#,
            r#"{"session_attributes":{"auth_code":true}}"#,
            r#"{"session_attributes":{"auth_code":["x"]}}"#,
            r#"{"session_attributes":{"auth_code":{"x":"y"}}}"#,
            r#"{"session_attributes":{"auth_code":5},"session_attributes":{"auth_code":"x"}}"#,
            r#"{"session_attributes":{"exiration_time":1.5}}"#,
            r#"{"session_attributes":{"exiration_time":99999999999999999999}}"#,
        ] {
            assert_eq!(patched(body), Err(Undecodable), "{body}");
        }
    }

    #[test]
    fn patch_takes_the_expiration_time_as_integer_or_text() {
        let body = r#"{"session_attributes":{"exiration_time":3600}}"#;
        let expected = Attributes::from([("exiration_time".to_string(), Sent::Integer(3600))]);
        assert_eq!(patched(body), Ok((String::new(), expected)));
        let body = r#"{"session_attributes":{"exiration_time":"3600"}}"#;
        let expected = attributes(&[("exiration_time", "3600")]);
        assert_eq!(patched(body), Ok((String::new(), expected)));
    }

    #[test]
    fn patch_by_id_takes_the_attributes_bare_or_wrapped() {
        for (body, id) in [
            (r#"{"auth_code":"x"}"#, ""),
            (r#"{"session_attributes":{"auth_code":"x"}}"#, ""),
            (
                r#"{"session_id":"s","session_attributes":{"auth_code":"x"}}"#,
                "s",
            ),
        ] {
            let patch = patch_by_id(body.as_bytes()).unwrap();
            assert_eq!(patch.id, id, "{body}");
            assert_eq!(
                patch.attributes,
                attributes(&[("auth_code", "x")]),
                "{body}"
            );
        }
        assert_eq!(patch_by_id(b"[]"), Err(Undecodable));
        assert_eq!(patch_by_id(b"{\"auth_code\":{}}"), Err(Undecodable));
    }
}
