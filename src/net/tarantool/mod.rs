//! The dialect of 0x1991/sessions on Tarantool: five paths, parameters in body or query, and an
//! envelope that says `success` or `error`.

mod extra;
mod list;
mod parameters;
mod reply;
mod route;
mod user_id;
mod verbs;

use std::borrow::Cow;

use crate::engine::Read;
use crate::limits;
use crate::net::http::dialect::{BodyProblem, BodyRule, Context, Handled};
use crate::net::http::request::{Head, Request};
use crate::net::http::response::Response;
use crate::net::tarantool::parameters::{Body, BodyKind, Parameters, to_bytes};
use crate::net::tarantool::reply::Problem;
use crate::net::tarantool::route::{Intent, Path, Route, route};

/// How the body of this request is to be read. An encoding is not undone, as in the service.
#[must_use]
pub fn body_rule(head: &Head<'_>) -> BodyRule {
    let wanted = match route(head.path) {
        Route::Known(path) => path.intent(head.method) == Intent::Answer(Read::Touch),
        Route::Unknown | Route::Invalid => false,
    };
    if wanted && BodyKind::of(head.content_type()) != BodyKind::Multipart {
        BodyRule::Collect {
            limit: limits::BODY_BYTES,
            inflate: false,
        }
    } else {
        BodyRule::Ignore
    }
}

/// Whether a request may change more than the activity of a session, as far as its head tells. All
/// methods do the same here, so path, query and body have to tell.
#[must_use]
pub fn may_change(head: &Head<'_>) -> bool {
    let Route::Known(path) = route(head.path) else {
        return false;
    };
    match (path.intent(head.method), path) {
        (Intent::Answer(Read::Peek) | Intent::Describe | Intent::Refuse, _)
        | (_, Path::User | Path::Ip) => false,
        (_, Path::New | Path::Delete) => true,
        (_, Path::Get) => {
            let has_body = head.fields.iter().any(|field| {
                let name = field.name;
                name.eq_ignore_ascii_case("transfer-encoding")
                    || (name.eq_ignore_ascii_case("content-length") && field.value != b"0")
            });
            // An escape may spell the name of a parameter.
            has_body || head.query.contains(&b'%') || names_ip(head.query)
        }
    }
}

fn names_ip(query: &[u8]) -> bool {
    query.windows(2).any(|pair| pair == b"ip")
}

/// Answers a request.
pub fn handle(cx: &Context<'_>, request: &Request<'_>, reply: &mut Response<'_>) -> Handled {
    match route(request.head.path) {
        Route::Known(path) => match path.intent(request.head.method) {
            Intent::Answer(how) => answer(cx, path, how, request, reply),
            Intent::Describe => {
                reply.send(200, &[path.allow()]);
                Handled::Done(None)
            }
            Intent::Refuse => {
                Problem::METHOD.send_with_allow(reply, path.allow());
                Handled::Done(None)
            }
        },
        Route::Unknown => {
            reply.send(404, &[]);
            Handled::Done(None)
        }
        Route::Invalid => {
            reply.body().extend_from_slice(b"invalid uri");
            reply.send(400, &[]);
            Handled::Done(None)
        }
    }
}

/// Answers a request whose body could not be read.
pub fn refuse_body(problem: BodyProblem, _head: &Head<'_>, reply: &mut Response<'_>) {
    match problem {
        BodyProblem::TooLarge => Problem::BODY_SIZE.send(reply),
        BodyProblem::UnknownEncoding | BodyProblem::BadEncoding => {
            Problem::BODY_ENCODING.send(reply);
        }
    }
}

fn answer(
    cx: &Context<'_>,
    path: Path,
    how: Read,
    request: &Request<'_>,
    reply: &mut Response<'_>,
) -> Handled {
    let text;
    let body = if request.body.is_empty() {
        Body::Empty
    } else {
        let kind = BodyKind::of(request.head.content_type());
        text = match kind {
            BodyKind::Json => to_bytes(String::from_utf8_lossy(request.body)),
            BodyKind::Form(_) | BodyKind::Multipart => Cow::Borrowed(request.body),
        };
        match Body::read(kind, &text) {
            Ok(body) => body,
            Err(error) => return reply::refuse(&Problem::of_body(error), reply),
        }
    };
    let parameters = Parameters {
        body,
        query: request.head.query,
    };
    match path {
        Path::New => verbs::create(cx, &parameters, reply),
        Path::Get => verbs::get(cx, &parameters, how, reply),
        Path::Delete => verbs::delete(cx, &parameters, reply),
        Path::User => list::of_user(cx, &parameters, reply),
        Path::Ip => list::of_ip(cx, &parameters, reply),
    }
}
