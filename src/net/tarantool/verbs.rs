//! `/new`, `/get` and `/del`: from parameters to the verbs of the engine, and their answers.

use std::borrow::Cow;

use crate::engine::{DataEdit, Edit, Key, NewSession, NewToken, Position, Read, Reply};
use crate::limits;
use crate::model::{AppName, ContentType, Life, SessionView, TextChange, TokenStyle};
use crate::net::http::dialect::{Context, Handled};
use crate::net::http::response::Response;
use crate::net::tarantool::extra::{Extra, shown};
use crate::net::tarantool::parameters::{Parameter, Parameters, to_text};
use crate::net::tarantool::reply::{Problem, SessionObject, close_success, open_success, refuse};
use crate::net::tarantool::user_id::{self, UserId};

/// Milliseconds without a get after which a session ends: 180 days.
const IDLE_MILLIS: u64 = 15_552_000_000;

/// `/new`: creates a session for `user_id` and `ip`; the body becomes its extra.
pub(super) fn create(
    cx: &Context<'_>,
    parameters: &Parameters<'_>,
    reply: &mut Response<'_>,
) -> Handled {
    let Some(UserId::Id(user)) = user_id::of_parameter(&parameters.get("user_id")) else {
        return refuse(&Problem::USER_ID, reply);
    };
    let Parameter::Text(ip) = parameters.get("ip") else {
        return refuse(&Problem::IP, reply);
    };
    let ip = to_text(ip);
    if ip.is_empty() {
        return refuse(&Problem::IP, reply);
    }
    let extra = Extra::of_body(parameters.body).unwrap_or(Extra {
        content_type: ContentType::JSON_OBJECT,
        text: Vec::new(),
    });
    let mut digits = itoa::Buffer::new();
    let user = digits.format(user);
    let created = cx.engine.create(
        cx.now,
        &NewSession {
            app: AppName::TARANTOOL,
            token: NewToken::Draw(TokenStyle::UuidV4),
            keep_token: true,
            user: Some(user),
            ip: Some(&ip),
            life: Life::sliding(IDLE_MILLIS),
            no_resave: false,
            content_type: extra.content_type,
            data: &extra.text,
        },
    );
    match created {
        Ok(created) => {
            open_success(reply.body());
            let object = SessionObject {
                ip: Some(&ip),
                extra: shown(extra.content_type, &extra.text),
                user: Some(user),
                created: cx.now,
                active: cx.now,
                token: Some(created.answer.token.as_bytes()),
            };
            object.write(reply.body());
            close_success(reply);
            Handled::Done(created.wait_for)
        }
        Err(refusal) => refuse(&Problem::of_refusal(refusal), reply),
    }
}

/// What `/get` is to do with the session's IP.
enum NewIp<'a> {
    Keep,
    Set(Cow<'a, str>),
    Unusable,
}

impl<'a> NewIp<'a> {
    fn of_parameter(parameter: Parameter<'a>) -> Self {
        match parameter {
            Parameter::Missing | Parameter::False => Self::Keep,
            Parameter::Text(ip) if ip.is_empty() => Self::Keep,
            Parameter::Text(ip) => match to_text(ip) {
                ip if ip.len() > limits::IP_BYTES => Self::Unusable,
                ip => Self::Set(ip),
            },
            Parameter::Number(_) | Parameter::Unusable => Self::Unusable,
        }
    }
}

/// `/get`: touches the session of `token` and answers it. A non-empty `ip` replaces its IP, a body
/// with parameters its extra. With [`Read::Peek`] nothing is changed.
pub(super) fn get(
    cx: &Context<'_>,
    parameters: &Parameters<'_>,
    how: Read,
    reply: &mut Response<'_>,
) -> Handled {
    let Parameter::Text(token) = parameters.get("token") else {
        return refuse(&Problem::TOKEN, reply);
    };
    if how == Read::Peek {
        return read(cx, &token, how, reply);
    }
    let extra = Extra::of_body(parameters.body);
    match (NewIp::of_parameter(parameters.get("ip")), extra) {
        (NewIp::Keep, None) => read(cx, &token, how, reply),
        (NewIp::Keep, extra) => edit(cx, &token, None, extra, reply),
        (NewIp::Set(ip), extra) => edit(cx, &token, Some(&ip), extra, reply),
        (NewIp::Unusable, _) => {
            let key = Key::Token(&token);
            let found = cx
                .engine
                .read(cx.now, AppName::TARANTOOL, key, Read::Peek, |_| ());
            let problem = match found.answer {
                Some(()) => Problem::IP,
                None => Problem::TOKEN,
            };
            refuse(&problem, reply)
        }
    }
}

fn read(cx: &Context<'_>, token: &[u8], how: Read, reply: &mut Response<'_>) -> Handled {
    let body = reply.body();
    let Reply { answer, wait_for } =
        cx.engine
            .read(cx.now, AppName::TARANTOOL, Key::Token(token), how, |view| {
                write_session(view, token, body);
            });
    finish(answer, wait_for, reply)
}

fn edit(
    cx: &Context<'_>,
    token: &[u8],
    ip: Option<&str>,
    extra: Option<Extra>,
    reply: &mut Response<'_>,
) -> Handled {
    let edit = Edit {
        count_read: true,
        ip: ip.map_or(TextChange::Keep, TextChange::Set),
        data: match &extra {
            Some(extra) => DataEdit::Replace(extra.content_type, &extra.text),
            None => DataEdit::Keep,
        },
        ..Edit::TOUCH
    };
    let body = reply.body();
    let key = Key::Token(token);
    let edited = cx
        .engine
        .edit(cx.now, AppName::TARANTOOL, key, &edit, |view| {
            write_session(view, token, body);
        });
    match edited {
        Ok(Reply { answer, wait_for }) => finish(Some(answer), wait_for, reply),
        Err(refusal) => refuse(&Problem::of_refusal(refusal), reply),
    }
}

/// `/del`: ends the session of `token` and answers it as it was.
pub(super) fn delete(
    cx: &Context<'_>,
    parameters: &Parameters<'_>,
    reply: &mut Response<'_>,
) -> Handled {
    let Parameter::Text(token) = parameters.get("token") else {
        return refuse(&Problem::TOKEN, reply);
    };
    let body = reply.body();
    let removed = cx
        .engine
        .remove(cx.now, AppName::TARANTOOL, Key::Token(&token), |view| {
            write_session(view, &token, body);
        });
    match removed {
        Ok(Reply { answer, wait_for }) => finish(answer, wait_for, reply),
        Err(refusal) => refuse(&Problem::of_refusal(refusal), reply),
    }
}

/// The caller has shown the token, so it need not be unsealed.
fn write_session(view: &SessionView<'_>, token: &[u8], body: &mut Vec<u8>) {
    open_success(body);
    SessionObject::of_view(view, Some(token)).write(body);
}

fn finish(found: Option<()>, wait_for: Option<Position>, reply: &mut Response<'_>) -> Handled {
    match found {
        Some(()) => close_success(reply),
        None => Problem::TOKEN.send(reply),
    }
    Handled::Done(wait_for)
}
