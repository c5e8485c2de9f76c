//! How attributes live in a session: the user is the session's own, `create_date` is its creation
//! time, everything else is a member of its JSON object. An empty attribute is no member.

use super::parse::{Attributes, NewBody, Sent};
use super::reply::{Object, write_date, write_literal, write_text};
use crate::clock::Millis;
use crate::model::SessionView;
use crate::model::json::scan::members_of;
use crate::model::json::string;

/// The attributes that GET always shows behind `user_id`, in its order.
pub(super) const SHOWN: [&str; 5] = [
    "device_id",
    "auth_code",
    "access_token",
    "refresh_token",
    "user_email",
];
/// The life of the access token in seconds, spelled as the service's README spells it. GET shows
/// it where it is set.
pub(super) const EXPIRATION: &str = "exiration_time";
/// Whose session it is. Cannot be changed.
pub(super) const USER: &str = "user_id";
/// When the session was created. Cannot be changed.
const CREATED: &str = "create_date";
/// When the session was created or last changed by a PATCH. The server sets it.
const UPDATED: &str = "update_date";

const EMPTY: &[u8] = b"\"\"";

/// The data of a new session; empty when it has no attribute but its user.
pub(super) fn new_data(new: &NewBody) -> Vec<u8> {
    let shown = SHOWN.iter().copied().zip(&new.shown);
    let mut data = Vec::new();
    let mut object = Object::stored(&mut data);
    for (name, text) in shown.chain([(EXPIRATION, &new.expiration)]) {
        if !text.is_empty() {
            string::write_text(text, object.value_of(name));
        }
    }
    if !object.is_empty() {
        object.close();
    }
    data
}

/// What a PATCH merges into the data: its attributes, the empty ones as `null`, and the moment.
pub(super) fn patch_data(attributes: &Attributes, now: Millis) -> Vec<u8> {
    let mut data = Vec::new();
    let mut object = Object::stored(&mut data);
    for (name, sent) in attributes {
        if matches!(name.as_str(), USER | CREATED | UPDATED) {
            continue;
        }
        let out = object.value_of(name);
        match sent {
            Sent::Text(text) if text.is_empty() => out.extend_from_slice(b"null"),
            Sent::Text(text) => string::write_text(text, out),
            Sent::Integer(number) => write_integer(*number, out),
        }
    }
    write_date(now, object.value_of(UPDATED));
    object.close();
    data
}

/// How many attributes without a name at this door the data would have after a PATCH.
pub(super) fn unnamed_after(data: &[u8], attributes: &Attributes) -> usize {
    let kept = members_of(data)
        .map(|(key, _)| string::decode(key))
        .filter(|name| !is_named(name) && !attributes.contains_key(name.as_ref()))
        .count();
    kept + unnamed(attributes)
}

/// How many attributes without a name at this door a PATCH sets.
pub(super) fn unnamed(attributes: &Attributes) -> usize {
    let is_unnamed = |(name, sent): &(&String, &Sent)| !is_named(name) && !sent.is_empty();
    attributes.iter().filter(is_unnamed).count()
}

fn is_named(name: &str) -> bool {
    SHOWN.contains(&name) || matches!(name, EXPIRATION | USER | CREATED | UPDATED)
}

/// Writes the answer to a GET: the user, all of [`SHOWN`], and [`EXPIRATION`] where it is set.
pub(super) fn write_session(view: &SessionView<'_>, out: &mut Vec<u8>) {
    let mut shown = SHOWN.map(|name| (name, EMPTY));
    let mut expiration = None;
    for (key, value) in members_of(view.data()) {
        if let Some((_, literal)) = shown.iter_mut().find(|(name, _)| is_key(key, name)) {
            *literal = value.text();
        } else if is_key(key, EXPIRATION) {
            expiration = Some((EXPIRATION, value.text()));
        }
    }
    let mut object = Object::answered(out);
    write_text(view.user().unwrap_or_default(), object.value_of(USER));
    for (name, literal) in shown.into_iter().chain(expiration) {
        write_literal(literal, object.value_of(name));
    }
    object.close();
}

/// Writes the answer to a PATCH: the attributes that were sent, as they are stored now.
pub(super) fn write_patched(
    attributes: &Attributes,
    now: Millis,
    view: &SessionView<'_>,
    out: &mut Vec<u8>,
) {
    let mut object = Object::answered(out);
    for (name, sent) in attributes {
        let out = object.value_of(name);
        match (name.as_str(), sent) {
            (CREATED, _) => write_date(view.created(), out),
            (UPDATED, _) => write_date(now, out),
            (_, Sent::Text(text)) => write_text(text, out),
            (_, Sent::Integer(number)) => write_integer(*number, out),
        }
    }
    object.close();
}

/// Writes what the list of a user's sessions shows of one of them.
pub(super) fn write_summary(view: &SessionView<'_>, out: &mut Vec<u8>) {
    let mut object = Object::answered(out);
    write_date(view.created(), object.value_of(CREATED));
    write_literal(
        stored(view, "device_id").unwrap_or(EMPTY),
        object.value_of("device_id"),
    );
    match (stored(view, UPDATED), object.value_of(UPDATED)) {
        (Some(literal), out) => write_literal(literal, out),
        (None, out) => write_date(view.created(), out),
    }
    object.close();
}

/// Writes device and id of a session, as the service's README promises its short attributes.
pub(super) fn write_short(view: &SessionView<'_>, id: &str, out: &mut Vec<u8>) {
    let mut object = Object::answered(out);
    write_literal(
        stored(view, "device_id").unwrap_or(EMPTY),
        object.value_of("device_id"),
    );
    write_text(id, object.value_of("session_id"));
    object.close();
}

fn stored<'v>(view: &SessionView<'v>, name: &str) -> Option<&'v [u8]> {
    members_of(view.data())
        .find(|(key, _)| is_key(key, name))
        .map(|(_, value)| value.text())
}

/// Whether the key literal of a stored member spells a name that needs no escapes.
fn is_key(literal: &[u8], name: &str) -> bool {
    matches!(literal, [b'"', inner @ .., b'"'] if inner == name.as_bytes())
}

fn write_integer(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}
