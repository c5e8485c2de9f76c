//! The dialect of smrchy/rest-sessions 2.x: paths with the app in front, JSON answers, and status
//! 500 for whatever a client does wrong.

mod body;
mod list;
mod parameters;
mod problem;
pub mod query;
mod reply;
mod route;

use crate::engine::{DataEdit, Edit, Key, NewSession, NewToken, Read, Refusal};
use crate::model::json::merge::{MemberOrder, Patch};
use crate::model::json::scan::Value;
use crate::model::{AppName, ContentType, Life, TokenStyle};
use crate::net::http::dialect::{BodyProblem, BodyRule, Context, Handled};
use crate::net::http::request::{Head, Request};
use crate::net::http::response::Response;
use crate::net::rest_sessions::list::{KillUser, Listing, Which};
use crate::net::rest_sessions::problem::Problem;
use crate::net::rest_sessions::route::{Endpoint, Target};

/// Seconds that a session may be idle when the create names no `ttl`.
const DEFAULT_TTL_SECONDS: u64 = 7200;

/// How the body of this request is to be read: JSON on every path, nothing else on any.
#[must_use]
pub fn body_rule(head: &Head<'_>) -> BodyRule {
    body::rule(head)
}

/// App and token of the session that a GET of this path reads.
#[must_use]
pub fn foresee(path: &[u8]) -> Option<(AppName<'_>, &[u8])> {
    let (endpoint, app, token) = route::find(path)?;
    let app = parameters::app(std::str::from_utf8(app).ok()?).ok()?;
    let token = parameters::token(std::str::from_utf8(token).ok()?).ok()?;
    (endpoint == Endpoint::Get).then_some((app, token))
}

/// Answers a request.
pub fn handle(cx: &Context<'_>, request: &Request<'_>, reply: &mut Response<'_>) -> Handled {
    match answer(cx, request, reply) {
        Ok(handled) => handled,
        Err(problem) => {
            reply::problem(&problem, reply);
            Handled::Done(None)
        }
    }
}

/// Answers a request whose body could not be read.
pub fn refuse_body(problem: BodyProblem, _head: &Head<'_>, reply: &mut Response<'_>) {
    reply::problem(&Problem::Body(problem), reply);
}

/// One request whose path is known to be an endpoint's.
struct Call<'c, 'r> {
    cx: &'c Context<'c>,
    query: &'r [u8],
    body: Option<Value<'r>>,
    app: &'r str,
    /// The token or the id in the path, decoded; empty where there is none.
    name: &'r str,
}

/// A bad body is told first, then an unknown path, then a path that does not decode.
fn answer(
    cx: &Context<'_>,
    request: &Request<'_>,
    reply: &mut Response<'_>,
) -> Result<Handled, Problem> {
    let text = body::text(request)?;
    let body = body::parse(&text)?;
    let target = Target::of(&request.head);
    let (endpoint, app, name) = route::find(target.path).ok_or(Problem::NotFound)?;
    let (app, name) = (route::decode(app)?, route::decode(name)?);
    let methods = endpoint.methods();
    if request.head.method == "OPTIONS" {
        reply::options(methods, reply);
        return Ok(Handled::Done(None));
    }
    if !methods.allow(request.head.method) {
        return Err(Problem::NotFound);
    }
    let call = Call {
        cx,
        query: target.query,
        body,
        app: &app,
        name: &name,
    };
    match endpoint {
        Endpoint::Ping => {
            reply.body().extend_from_slice(b"PONG");
            reply::send(reply);
            Ok(Handled::Done(None))
        }
        Endpoint::Activity => activity(&call, reply),
        Endpoint::Soapp => soapp(&call, reply),
        Endpoint::Killall => killall(&call, reply),
        Endpoint::Create => create(&call, reply),
        Endpoint::Get => get(&call, reply),
        Endpoint::Set => set(&call, reply),
        Endpoint::Soid => soid(&call, reply),
        Endpoint::Kill => kill(&call, reply),
        Endpoint::Killsoid => killsoid(&call, reply),
    }
}

fn create(call: &Call<'_, '_>, reply: &mut Response<'_>) -> Result<Handled, Problem> {
    let app = parameters::app(call.app)?;
    let user = parameters::id(call.name)?;
    let ip = parameters::ip(query::get(call.query, "ip"))?;
    let seconds = parameters::ttl(query::get(call.query, "ttl"), DEFAULT_TTL_SECONDS)?;
    let data = body::new_data(call.body)?;
    let no_resave = query::get(call.query, "no_resave").is_some_and(|p| p.text == "1");
    let created = call.cx.engine.create(
        call.cx.now,
        &NewSession {
            app,
            token: NewToken::Draw(TokenStyle::Alphanumeric64),
            keep_token: false,
            user: Some(user),
            ip: Some(&ip),
            life: Life::whole_seconds(seconds),
            no_resave,
            content_type: ContentType::JSON_OBJECT,
            data: &data,
        },
    )?;
    reply::token(&created.answer.token, reply);
    Ok(Handled::Done(created.wait_for))
}

fn get(call: &Call<'_, '_>, reply: &mut Response<'_>) -> Result<Handled, Problem> {
    let app = parameters::app(call.app)?;
    let token = parameters::token(call.name)?;
    let read = call.cx.engine.read(
        call.cx.now,
        app,
        call.cx.key_in_path(token),
        Read::Touch,
        |session| reply::write_session(session, reply.body()),
    );
    if read.answer.is_none() {
        reply.body().extend_from_slice(b"{}");
    }
    reply::send(reply);
    Ok(Handled::Done(read.wait_for))
}

fn set(call: &Call<'_, '_>, reply: &mut Response<'_>) -> Result<Handled, Problem> {
    let app = parameters::app(call.app)?;
    let token = parameters::token(call.name)?;
    let members = body::changed_data(call.body)?;
    let patch = Patch::new(&members).map_err(Problem::Merge)?;
    let edit = Edit {
        data: DataEdit::Merge(&patch, MemberOrder::JavaScript),
        ..Edit::TOUCH
    };
    let edited = call
        .cx
        .engine
        .edit(call.cx.now, app, Key::Token(token), &edit, |session| {
            reply::write_session(session, reply.body())
        });
    let wait_for = match edited {
        Ok(edited) => edited.wait_for,
        Err(Refusal::Gone) => {
            reply.body().extend_from_slice(b"{}");
            None
        }
        Err(refusal) => return Err(refusal.into()),
    };
    reply::send(reply);
    Ok(Handled::Done(wait_for))
}

fn activity(call: &Call<'_, '_>, reply: &mut Response<'_>) -> Result<Handled, Problem> {
    let app = parameters::app(call.app)?;
    let seconds = parameters::dt(query::get(call.query, "dt"))?;
    let users = call.cx.engine.activity(call.cx.now, app, seconds);
    reply::number("activity", users, reply);
    Ok(Handled::Done(None))
}

fn soapp(call: &Call<'_, '_>, reply: &mut Response<'_>) -> Result<Handled, Problem> {
    let app = parameters::app(call.app)?;
    let seconds = parameters::dt(query::get(call.query, "dt"))?;
    let which = Which::active_within(seconds, call.cx.now);
    Ok(Listing::new(app, which, reply).start(call.cx, reply))
}

fn soid(call: &Call<'_, '_>, reply: &mut Response<'_>) -> Result<Handled, Problem> {
    let app = parameters::app(call.app)?;
    let which = Which::User(parameters::id(call.name)?.to_owned());
    Ok(Listing::new(app, which, reply).start(call.cx, reply))
}

fn kill(call: &Call<'_, '_>, reply: &mut Response<'_>) -> Result<Handled, Problem> {
    let app = parameters::app(call.app)?;
    let token = parameters::token(call.name)?;
    let removed = call
        .cx
        .engine
        .remove(call.cx.now, app, Key::Token(token), |_| ())?;
    reply::number("kill", u64::from(removed.answer.is_some()), reply);
    Ok(Handled::Done(removed.wait_for))
}

fn killsoid(call: &Call<'_, '_>, reply: &mut Response<'_>) -> Result<Handled, Problem> {
    let app = parameters::app(call.app)?;
    let user = parameters::id(call.name)?;
    Ok(KillUser::new(app, user).start(call.cx, reply))
}

fn killall(call: &Call<'_, '_>, reply: &mut Response<'_>) -> Result<Handled, Problem> {
    let app = parameters::app(call.app)?;
    let removed = call.cx.engine.remove_app(call.cx.now, app)?;
    reply::number("kill", removed.answer, reply);
    Ok(Handled::Done(removed.wait_for))
}
