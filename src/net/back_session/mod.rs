//! The dialect of snikiforov55/back-session, a Go service on Redis.
//!
//! Every session belongs to one app and lives a fixed time from its create. What the service's
//! README promises and its code forgot is served beside what its code does; `protocol/HTTP.md`
//! lists both.

mod attributes;
mod list;
mod parse;
mod reply;
mod route;

use crate::clock::Millis;
use crate::engine::{DataEdit, Edit, Key, NewSession, NewToken, Read, Refusal};
use crate::limits;
use crate::model::json::merge::{MemberOrder, Patch};
use crate::model::{AppName, ContentType, Life, SessionView, TokenStyle};
use crate::net::http::dialect::{BodyProblem, BodyRule, Context, Handled, SlicedWork};
use crate::net::http::request::{Head, Request};
use crate::net::http::response::Response;
use attributes::USER;
use list::{Listing, Removal, Shape};
use parse::{PatchBody, Sent};
use reply::{
    send_bad_target, send_json, send_not_routed, send_redirect, send_refused, send_status,
};
use route::{Decoded, Operation, Unrouted};

/// Seconds that a session lives when `SESSION_EXP_SEC` says nothing: a year.
pub const DEFAULT_SECONDS: i64 = 31_536_000;

/// What the service says to a request that is none, whatever is wrong with it.
pub(crate) const BAD_REQUEST: &[u8] = b"400 Bad Request";

const APP: AppName<'static> = AppName::BACK_SESSION;

/// How the body of this request is to be read. `Content-Encoding` means nothing to the service.
#[must_use]
pub fn body_rule(head: &Head<'_>) -> BodyRule {
    match head.method {
        "POST" | "PATCH" => BodyRule::Collect {
            limit: limits::BODY_BYTES,
            inflate: false,
        },
        _ => BodyRule::Ignore,
    }
}

/// Answers a request whose body could not be read.
pub fn refuse_body(problem: BodyProblem, _head: &Head<'_>, reply: &mut Response<'_>) {
    let status = match problem {
        BodyProblem::TooLarge => 413,
        BodyProblem::UnknownEncoding | BodyProblem::BadEncoding => 400,
    };
    send_status(status, reply);
}

/// App and id of the session that a GET of this path reads.
#[must_use]
pub fn foresee(path: &[u8]) -> Option<(AppName<'_>, &[u8])> {
    let id = path.strip_prefix(b"/a01/session/")?;
    let plain = !id.is_empty() && !id.iter().any(|b| matches!(b, b'/' | b'%' | b'.' | b'#'));
    plain.then_some((APP, id))
}

/// Answers a request.
pub fn handle(cx: &Context<'_>, request: &Request<'_>, reply: &mut Response<'_>) -> Handled {
    let head = &request.head;
    let Some(decoded) = Decoded::path(head.path) else {
        send_bad_target(reply);
        return Handled::Done(None);
    };
    let path = route::clean(decoded.as_bytes());
    // Other methods are served at once: clients turn their redirect into a GET without the body.
    let redirects = matches!(head.method, "GET" | "HEAD");
    if redirects && *path != *decoded.as_bytes() {
        let query_is_kept = !head.query.is_empty();
        send_redirect(&path, if query_is_kept { suffix(head) } else { b"" }, reply);
        return Handled::Done(None);
    }
    let bare = path.strip_suffix(b"/");
    match Operation::of(head.method, bare.unwrap_or(&path), head.query) {
        Ok(_) if redirects && bare.is_some() => {
            send_redirect(bare.unwrap_or_default(), suffix(head), reply);
            Handled::Done(None)
        }
        Ok(operation) => run(cx, operation, request.body, reply),
        Err(Unrouted::Path) => {
            send_not_routed(reply);
            Handled::Done(None)
        }
        Err(Unrouted::Method(allow)) => {
            reply.send(405, &[allow]);
            Handled::Done(None)
        }
    }
}

/// The query with its question mark, empty when there is none.
fn suffix<'a>(head: &Head<'a>) -> &'a [u8] {
    head.target.get(head.path.len()..).unwrap_or_default()
}

fn answered(status: u16, reply: &mut Response<'_>) -> Handled {
    send_refused(status, reply);
    Handled::Done(None)
}

fn run(
    cx: &Context<'_>,
    operation: Operation<'_>,
    body: &[u8],
    reply: &mut Response<'_>,
) -> Handled {
    match operation {
        Operation::Create => create(cx, body, reply),
        Operation::Patch => match parse::patch(body) {
            Ok(patch) if patch.id.is_empty() => answered(400, reply),
            Ok(patch) => edit(cx, patch.id.as_bytes(), &patch, 400, reply),
            Err(parse::Undecodable) => answered(422, reply),
        },
        Operation::PatchOne(id) => match parse::patch_by_id(body) {
            Ok(patch) if !patch.id.is_empty() && patch.id.as_bytes() != id => answered(400, reply),
            Ok(patch) => edit(cx, id, &patch, 404, reply),
            Err(parse::Undecodable) => answered(422, reply),
        },
        Operation::Read(id) => read(cx, id, reply),
        Operation::Remove(id) => match cx.engine.remove(cx.now, APP, Key::Token(id), |_| ()) {
            Ok(removed) => {
                send_status(if removed.answer.is_some() { 200 } else { 404 }, reply);
                Handled::Done(removed.wait_for)
            }
            Err(refusal) => answered(status_of(refusal, 404), reply),
        },
        Operation::List(user) => match std::str::from_utf8(user) {
            Ok(user) => begin(Listing::new(user.to_string(), Shape::ByUser), cx, reply),
            // Users are texts, so this one has no session.
            Err(_) => {
                reply.body().extend_from_slice(b"{}");
                send_json(reply);
                Handled::Done(None)
            }
        },
        Operation::ListShort(user) | Operation::RemoveAll(user) if user.is_empty() => {
            answered(400, reply)
        }
        Operation::ListShort(user) => begin(Listing::new(user, Shape::Short), cx, reply),
        Operation::RemoveAll(user) => begin(Removal::new(user), cx, reply),
    }
}

/// Does the first slice at once; what fits into it needs no second turn.
fn begin<W: SlicedWork + 'static>(
    mut work: W,
    cx: &Context<'_>,
    reply: &mut Response<'_>,
) -> Handled {
    match work.slice(cx, reply) {
        Some(wait_for) => Handled::Done(wait_for),
        None => Handled::InSlices(Box::new(work)),
    }
}

fn create(cx: &Context<'_>, body: &[u8], reply: &mut Response<'_>) -> Handled {
    let Ok(new) = parse::new_session(body) else {
        return answered(400, reply);
    };
    let created = cx.engine.create(
        cx.now,
        &NewSession {
            app: APP,
            token: NewToken::Draw(TokenStyle::Base64Url47),
            keep_token: true,
            user: Some(&new.user),
            ip: None,
            life: life(cx.settings.back_session_seconds, cx.now),
            no_resave: false,
            content_type: ContentType::JSON_OBJECT,
            data: &attributes::new_data(&new),
        },
    );
    match created {
        Ok(created) => {
            let body = reply.body();
            body.extend_from_slice(b"{\"session_id\":\"");
            body.extend_from_slice(created.answer.token.as_bytes());
            body.extend_from_slice(b"\"}");
            send_json(reply);
            Handled::Done(created.wait_for)
        }
        Err(refusal) => answered(status_of(refusal, 400), reply),
    }
}

/// The life that `SESSION_EXP_SEC` means for a session created `now`.
fn life(seconds: i64, now: Millis) -> Life {
    match u64::try_from(seconds) {
        Ok(seconds) => Life::fixed(now.plus(seconds.saturating_mul(1000))),
        Err(_) => Life::ENDLESS,
    }
}

fn read(cx: &Context<'_>, id: &[u8], reply: &mut Response<'_>) -> Handled {
    let body = reply.body();
    let found = cx
        .engine
        .read(cx.now, APP, cx.key_in_path(id), Read::Touch, |view| {
            attributes::write_session(view, body);
        });
    match found.answer {
        Some(()) => send_json(reply),
        None => send_status(404, reply),
    }
    Handled::Done(found.wait_for)
}

/// Changes a session; `gone` is the status when there is none.
fn edit(
    cx: &Context<'_>,
    id: &[u8],
    body: &PatchBody,
    gone: u16,
    reply: &mut Response<'_>,
) -> Handled {
    let sent = &body.attributes;
    if sent.is_empty() || has_too_many(cx, id, body) {
        return answered(400, reply);
    }
    let user = match sent.get(USER) {
        Some(Sent::Text(user)) => Some(user.as_str()),
        Some(Sent::Integer(_)) | None => None,
    };
    let data = attributes::patch_data(sent, cx.now);
    let Ok(patch) = Patch::new(&data) else {
        return answered(400, reply);
    };
    let change = Edit {
        expect_user: user,
        data: DataEdit::Merge(&patch, MemberOrder::Insertion),
        ..Edit::TOUCH
    };
    let out = reply.body();
    let edited = cx
        .engine
        .edit(cx.now, APP, Key::Token(id), &change, |view| {
            attributes::write_patched(sent, cx.now, view, out);
        });
    match edited {
        Ok(edited) => {
            send_json(reply);
            Handled::Done(edited.wait_for)
        }
        Err(refusal) => answered(status_of(refusal, gone), reply),
    }
}

/// Whether a session would have more attributes without a name than it may. Counted before the
/// change, so PATCHes of one session that race may exceed the bound by what they bring.
fn has_too_many(cx: &Context<'_>, id: &[u8], body: &PatchBody) -> bool {
    if attributes::unnamed(&body.attributes) == 0 {
        return false;
    }
    let count = |view: &SessionView<'_>| attributes::unnamed_after(view.data(), &body.attributes);
    let found = cx
        .engine
        .read(cx.now, APP, Key::Token(id), Read::Peek, count);
    found
        .answer
        .is_some_and(|count| count > limits::BACK_SESSION_ATTRIBUTES)
}

/// The status of a refusal; `gone` is the one for a session that is not there.
fn status_of(refusal: Refusal, gone: u16) -> u16 {
    match refusal {
        Refusal::Gone => gone,
        Refusal::DataTooLarge => 413,
        Refusal::TooManyApps | Refusal::MemoryFull | Refusal::LogFailed | Refusal::DiskFull => 503,
        Refusal::UserDiffers | Refusal::BadName | Refusal::NotAnObject => 400,
        Refusal::Exists | Refusal::Rotated | Refusal::VersionDiffers => 400,
    }
}
