//! The dialect (stub).
use crate::net::http::dialect::{BodyProblem, BodyRule, Context, Handled};
use crate::net::http::request::{Head, Request};
use crate::net::http::response::Response;

/// How the body of this request is to be read.
#[must_use]
pub fn body_rule(_head: &Head<'_>) -> BodyRule {
    BodyRule::Ignore
}

/// Answers a request.
pub fn handle(_cx: &Context<'_>, _request: &Request<'_>, reply: &mut Response<'_>) -> Handled {
    reply.send(404, &[]);
    Handled::Done(None)
}

/// Answers a request whose body could not be read.
pub fn refuse_body(_problem: BodyProblem, _head: &Head<'_>, reply: &mut Response<'_>) {
    reply.send(413, &[]);
}
