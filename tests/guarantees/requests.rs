//! Requests in short.

use cloakroom_protocol::{
    ContentType, Create, Cursor, Data, Fields, Get, Key, Kill, KillMany, List, NewToken, Put,
    PutMode, Request, Rotate, Scope, Set, Token, TokenStyle, Touch,
};

/// JSON as the data of a session.
pub(crate) fn json(text: &str) -> Fields<'_> {
    Fields {
        data: Some((ContentType::JSON_OBJECT, Data(text.as_bytes()))),
        ..Fields::default()
    }
}

pub(crate) fn get(token: &[u8]) -> Request<'_> {
    Request::Get(Get::touch(Token(token)))
}

pub(crate) fn peek<'k>(key: impl Into<Key<'k>>) -> Request<'k> {
    Request::Get(Get::peek(key.into()))
}

pub(crate) fn create(fields: Fields<'_>) -> Request<'_> {
    let style = TokenStyle::Alphanumeric64;
    Request::Create(Create { style, fields })
}

pub(crate) fn put<'a>(token: &'a [u8], mode: PutMode, fields: Fields<'a>) -> Request<'a> {
    Request::Put(Put {
        token: Token(token),
        mode,
        quiet: false,
        fields,
    })
}

pub(crate) fn set<'a>(token: &'a [u8], patch: &'a str) -> Request<'a> {
    set_if(token, None, patch)
}

pub(crate) fn set_if<'a>(token: &'a [u8], if_version: Option<u64>, patch: &'a str) -> Request<'a> {
    Request::Set(Set {
        token: Token(token),
        if_version,
        quiet: false,
        show: false,
        patch: Data(patch.as_bytes()),
    })
}

pub(crate) fn touch(token: &[u8], idle: Option<u64>, until: Option<u64>) -> Request<'_> {
    Request::Touch(Touch {
        token: Token(token),
        idle,
        until,
        show: false,
    })
}

/// A rotation to a drawn id.
pub(crate) fn rotate(token: &[u8], grace: u32) -> Request<'_> {
    rotate_to(token, NewToken::Draw(TokenStyle::Alphanumeric64), grace)
}

pub(crate) fn rotate_to<'a>(token: &'a [u8], new: NewToken<'a>, grace: u32) -> Request<'a> {
    Request::Rotate(Rotate {
        token: Token(token),
        new,
        grace,
        user: None,
    })
}

pub(crate) fn kill<'k>(key: impl Into<Key<'k>>) -> Request<'k> {
    Request::Kill(Kill { key: key.into() })
}

pub(crate) fn kill_many(scope: Scope<'_>) -> Request<'_> {
    Request::KillMany(KillMany {
        scope,
        except: None,
    })
}

/// A page from the start of a list.
pub(crate) fn list(scope: Scope<'_>, limit: u32) -> Request<'_> {
    list_from(scope, limit, Cursor::ENDS)
}

pub(crate) fn list_from(scope: Scope<'_>, limit: u32, from: Cursor) -> Request<'_> {
    Request::List(List {
        scope,
        since: 0,
        limit,
        from,
        data: false,
    })
}
