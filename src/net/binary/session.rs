//! Sessions of the engine as the protocol spells them, and its fields as the verbs take them.

use cloakroom_protocol as wire;

use crate::clock::Millis;
use crate::engine::{Created, LifeEdit, NewToken, Rotated, Scope};
use crate::model::{Handle, Life, SessionView, TextChange, TokenStyle, U48};

/// The receipt of a session.
pub(super) fn receipt(view: &SessionView<'_>) -> wire::Receipt {
    wire::Receipt {
        handle: view.handle.0,
        version: view.version(),
        deadline: view.deadline.0,
    }
}

/// The receipt of a session that was made.
pub(super) fn receipt_of_created(created: &Created) -> wire::Receipt {
    wire::Receipt {
        handle: created.handle.0,
        version: created.version,
        deadline: created.deadline.0,
    }
}

/// The receipt of a session under its new id.
pub(super) fn receipt_of_rotated(rotated: &Rotated) -> wire::Receipt {
    wire::Receipt {
        handle: rotated.handle.0,
        version: rotated.version,
        deadline: rotated.deadline.0,
    }
}

/// A session with all that a reply shows of it.
pub(super) fn shown<'v>(view: &SessionView<'v>) -> wire::Session<'v> {
    let mut attributes = 0;
    if view.life.whole_seconds {
        attributes |= wire::Attributes::WHOLE_SECONDS;
    }
    if view.no_resave {
        attributes |= wire::Attributes::NO_RESAVE;
    }
    wire::Session {
        receipt: receipt(view),
        created: view.created().0,
        last_active: view.last_active.0,
        idle: view.life.idle,
        until: view.life.until.0,
        reads: view.reads,
        writes: view.writes,
        content_type: wire::ContentType(view.content_type.0),
        attributes: wire::Attributes(attributes),
        user: view.user().unwrap_or_default(),
        ip: view.ip().unwrap_or_default(),
        data: wire::Data(view.data()),
    }
}

/// The flag of a reply about this session.
pub(super) fn flags(view: &SessionView<'_>) -> u8 {
    if view.by_old_id {
        wire::ReplyFlags::OLD_ID
    } else {
        0
    }
}

/// A time or a duration: what is more than 48 bits is never.
fn bounded(value: u64) -> u64 {
    value.min(U48::MAX)
}

/// The life of a session that comes to be.
pub(super) fn new_life(fields: &wire::Fields<'_>) -> Life {
    Life {
        idle: fields.idle.map_or(U48::MAX, bounded),
        until: Millis(fields.until.map_or(U48::MAX, bounded)),
        whole_seconds: fields.attributes.has(wire::Attributes::WHOLE_SECONDS),
    }
}

/// What becomes of the limits of a session that lives.
pub(super) fn life_edit(idle: Option<u64>, until: Option<u64>) -> LifeEdit {
    LifeEdit::Limits {
        idle: idle.map(bounded),
        until: until.map(|until| Millis(bounded(until))),
    }
}

/// What becomes of a text: the empty one is none.
pub(super) fn text_change(field: Option<&str>) -> TextChange<'_> {
    match field {
        None => TextChange::Keep,
        Some("") => TextChange::Clear,
        Some(text) => TextChange::Set(text),
    }
}

/// Which token is asked for.
pub(super) fn new_token(token: wire::NewToken<'_>) -> NewToken<'_> {
    match token {
        wire::NewToken::Chosen(token) => NewToken::Chosen(token.0),
        wire::NewToken::Draw(style) => NewToken::Draw(token_style(style)),
    }
}

/// What a drawn token looks like.
pub(super) fn token_style(style: wire::TokenStyle) -> TokenStyle {
    match style {
        wire::TokenStyle::Alphanumeric64 => TokenStyle::Alphanumeric64,
        wire::TokenStyle::UuidV4 => TokenStyle::UuidV4,
        wire::TokenStyle::Base64Url47 => TokenStyle::Base64Url47,
    }
}

/// Which sessions are meant, with the moment since when.
pub(super) fn scope(scope: wire::Scope<'_>, since: Millis) -> Scope<'_> {
    match scope {
        wire::Scope::App => Scope::ActiveSince(since),
        wire::Scope::User(user) => Scope::User(user),
        wire::Scope::Ip(ip) => Scope::Ip(ip),
    }
}

/// The cursor behind a session.
pub(super) fn cursor_behind(handle: Handle) -> wire::Cursor {
    let mut bytes = [0; 16];
    for (place, byte) in bytes.iter_mut().zip(handle.0.to_le_bytes()) {
        *place = byte;
    }
    if let Some(mark) = bytes.last_mut() {
        *mark = CURSOR_MARK;
    }
    wire::Cursor(bytes)
}

/// The session that a cursor stands behind; `Ok(None)` at the start of a list, `Err` for a cursor that
/// this server has never given out.
pub(super) fn read_cursor(cursor: wire::Cursor) -> Result<Option<Handle>, wire::ErrorCode> {
    if cursor.is_end() {
        return Ok(None);
    }
    match cursor.0.split_first_chunk::<8>() {
        Some((handle, [0, 0, 0, 0, 0, 0, 0, CURSOR_MARK])) => {
            Ok(Some(Handle(u64::from_le_bytes(*handle))))
        }
        Some(_) | None => Err(wire::ErrorCode::BadCursor),
    }
}

/// The last byte of a cursor, so that none is all zeros.
const CURSOR_MARK: u8 = 1;
