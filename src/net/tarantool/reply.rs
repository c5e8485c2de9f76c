//! Answers: the envelope with `success` or `error`, and the session object inside it.

use std::borrow::Cow;

use crate::clock::Millis;
use crate::engine::Refusal;
use crate::model::SessionView;
use crate::model::json::string;
use crate::net::http::dialect::Handled;
use crate::net::http::response::Response;
use crate::net::tarantool::extra;
use crate::net::tarantool::parameters::BodyError;

/// The fields of every JSON answer.
const JSON_FIELDS: [&str; 2] = [
    "Content-Type: application/json; charset=utf-8",
    "Cache-Control: no-store",
];

/// An answer that is no success. Most have status 200: callers look at `status` in the envelope.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Problem {
    status: u16,
    message: Cow<'static, str>,
    code: &'static str,
}

impl Problem {
    /// `/new` without a usable `user_id`.
    pub(super) const USER_ID: Self = Self::new(200, "invalid userId", "invalid_user_id");
    /// `/user` without a usable `id`.
    pub(super) const LISTED_USER_ID: Self = Self::new(200, "invalid user id", "invalid_user_id");
    /// No usable `ip`.
    pub(super) const IP: Self = Self::new(200, "invalid ip", "invalid_ip");
    /// No living session has the token.
    pub(super) const TOKEN: Self = Self::new(200, "token not found", "token_not_found");
    /// The method has no meaning on the path.
    pub(super) const METHOD: Self = Self::new(405, "method not allowed", "method_not_allowed");
    /// The body is larger than the dialect takes.
    pub(super) const BODY_SIZE: Self =
        Self::new(413, "the body is larger than 1 MiB", "body_too_large");
    /// The `Content-Encoding` of the body cannot be undone.
    pub(super) const BODY_ENCODING: Self =
        Self::new(415, "send the body without an encoding", "invalid_encoding");
    /// A list beyond [`crate::limits::LIST_REPLY_BYTES`].
    pub(super) const LIST_SIZE: Self =
        Self::new(503, "the list is too long to be sent", "list_too_long");

    const fn new(status: u16, message: &'static str, code: &'static str) -> Self {
        Self {
            status,
            message: Cow::Borrowed(message),
            code,
        }
    }

    /// What a refused verb comes to. What the server cannot do now is never "token not found".
    pub(super) fn of_refusal(refusal: Refusal) -> Self {
        let (status, code) = match refusal {
            Refusal::Gone => return Self::TOKEN,
            Refusal::BadName => return Self::IP,
            Refusal::DataTooLarge => (413, "extra_too_large"),
            Refusal::TooManyApps | Refusal::MemoryFull => (503, "server_full"),
            Refusal::LogFailed => (503, "log_failed"),
            Refusal::DiskFull => (503, "disk_full"),
            Refusal::Exists
            | Refusal::Rotated
            | Refusal::VersionDiffers
            | Refusal::UserDiffers
            | Refusal::NotAnObject => (500, "internal_error"),
        };
        Self {
            status,
            message: Cow::Owned(refusal.to_string()),
            code,
        }
    }

    /// What an unusable body comes to; nothing of the body is repeated.
    pub(super) fn of_body(error: BodyError) -> Self {
        Self {
            status: 400,
            message: Cow::Owned(error.to_string()),
            code: "invalid_body",
        }
    }

    /// Writes the whole reply.
    pub(super) fn send(&self, reply: &mut Response<'_>) {
        self.send_with(reply, &JSON_FIELDS);
    }

    /// Writes the whole reply, with an `Allow` field.
    pub(super) fn send_with_allow(&self, reply: &mut Response<'_>, allow: &str) {
        let [content_type, cache_control] = JSON_FIELDS;
        self.send_with(reply, &[content_type, cache_control, allow]);
    }

    fn send_with(&self, reply: &mut Response<'_>, fields: &[&str]) {
        if self.status == 503 && self != &Self::LIST_SIZE {
            reply.ask_to_retry();
        }
        let body = reply.body();
        body.clear();
        body.extend_from_slice(b"{\"status\":\"error\",\"message\":");
        string::write_text(&self.message, body);
        body.extend_from_slice(b",\"code\":");
        string::write_text(self.code, body);
        body.push(b'}');
        reply.send(self.status, fields);
    }
}

/// Answers with a problem.
pub(super) fn refuse(problem: &Problem, reply: &mut Response<'_>) -> Handled {
    problem.send(reply);
    Handled::Done(None)
}

/// Begins the envelope of a success, up to its data.
pub(super) fn open_success(body: &mut Vec<u8>) {
    body.extend_from_slice(b"{\"status\":\"success\",\"data\":");
}

/// Ends the envelope of a success and writes the whole reply.
pub(super) fn close_success(reply: &mut Response<'_>) {
    reply.body().push(b'}');
    reply.send(200, &JSON_FIELDS);
}

/// A session as this dialect shows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionObject<'a> {
    /// The IP text; a session of another door may have none.
    pub(super) ip: Option<&'a str>,
    /// The JSON text of the extra; `None` is shown as `null`.
    pub(super) extra: Option<&'a [u8]>,
    /// The user; decimal digits for a session of this door.
    pub(super) user: Option<&'a str>,
    /// When the session was created.
    pub(super) created: Millis,
    /// When it was last active.
    pub(super) active: Millis,
    /// The token; `None` when it is not known.
    pub(super) token: Option<&'a [u8]>,
}

impl<'a> SessionObject<'a> {
    /// The object of a view whose token is known otherwise.
    pub(super) fn of_view(view: &'a SessionView<'_>, token: Option<&'a [u8]>) -> Self {
        Self {
            ip: view.ip(),
            extra: extra::shown(view.content_type, view.data()),
            user: view.user(),
            created: view.created(),
            active: view.last_active,
            token,
        }
    }

    /// Appends the object.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"ip\":");
        string::write_text(self.ip.unwrap_or_default(), out);
        out.extend_from_slice(b",\"extra\":");
        out.extend_from_slice(self.extra.unwrap_or(b"null"));
        out.extend_from_slice(b",\"user_id\":");
        match self.user {
            Some(user) if is_whole_number(user) => out.extend_from_slice(user.as_bytes()),
            Some(user) => string::write_text(user, out),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"create\":");
        write_number(self.created.seconds(), out);
        out.extend_from_slice(b",\"activity\":");
        write_number(self.active.seconds(), out);
        out.extend_from_slice(b",\"token\":");
        match self.token {
            Some(token) => string::write_text(&String::from_utf8_lossy(token), out),
            None => out.extend_from_slice(b"null"),
        }
        out.push(b'}');
    }
}

/// Whether a user is the one decimal spelling of a whole number below 2^64.
fn is_whole_number(user: &str) -> bool {
    let digits = user.bytes().all(|b| b.is_ascii_digit());
    digits && (user == "0" || !user.starts_with('0')) && user.parse::<u64>().is_ok()
}

fn write_number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::{Problem, SessionObject};
    use crate::clock::Millis;
    use crate::engine::Refusal;
    use crate::model::json::scan::JsonError;
    use crate::net::tarantool::parameters::BodyError;

    fn written(object: &SessionObject<'_>) -> String {
        let mut out = Vec::new();
        object.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    const SESSION: SessionObject<'static> = SessionObject {
        ip: Some("10.0.0.1"),
        extra: None,
        user: Some("7"),
        created: Millis(1_464_909_151_999),
        active: Millis(1_465_564_426_000),
        token: Some(b"61494096-9af7-49ba-9fb4-e89c0811e6d3"),
    };

    #[test]
    fn session_object_has_the_keys_of_the_service_in_order() {
        assert_eq!(
            written(&SESSION),
            "{\"ip\":\"10.0.0.1\",\"extra\":null,\"user_id\":7,\"create\":1464909151,\
             \"activity\":1465564426,\"token\":\"61494096-9af7-49ba-9fb4-e89c0811e6d3\"}"
        );
        let full = SessionObject {
            ip: Some("\"\\\u{0}\u{1f}\n"),
            extra: Some(b"[1,{\"a\":null}]"),
            ..SESSION
        };
        assert!(written(&full).starts_with(
            "{\"ip\":\"\\\"\\\\\\u0000\\u001f\\n\",\"extra\":[1,{\"a\":null}],\"user_id\":7,"
        ));
    }

    #[test]
    fn user_that_is_no_whole_number_is_a_text() {
        for (user, shown) in [
            (Some("0"), "0"),
            (Some("18446744073709551615"), "18446744073709551615"),
            (Some("18446744073709551616"), "\"18446744073709551616\""),
            (Some("00"), "\"00\""),
            (Some("012"), "\"012\""),
            (Some("-1"), "\"-1\""),
            (Some("+1"), "\"+1\""),
            (Some("1.5"), "\"1.5\""),
            (Some("bob \"b\""), "\"bob \\\"b\\\"\""),
            (Some(""), "\"\""),
            (None, "null"),
        ] {
            let text = written(&SessionObject { user, ..SESSION });
            assert!(
                text.contains(&format!("\"user_id\":{shown},\"create\"")),
                "{text}"
            );
        }
    }

    #[test]
    fn refusals_are_never_an_unknown_token_but_for_the_gone() {
        assert_eq!(Problem::of_refusal(Refusal::Gone), Problem::TOKEN);
        for refusal in [Refusal::MemoryFull, Refusal::TooManyApps] {
            let problem = Problem::of_refusal(refusal);
            assert_eq!((problem.status, problem.code), (503, "server_full"));
        }
        for (refusal, code) in [
            (Refusal::LogFailed, "log_failed"),
            (Refusal::DiskFull, "disk_full"),
        ] {
            let problem = Problem::of_refusal(refusal);
            assert_eq!((problem.status, problem.code), (503, code));
        }
        assert_eq!(Problem::of_refusal(Refusal::DataTooLarge).status, 413);
    }

    #[test]
    fn unusable_body_is_told_without_repeating_it() {
        let problem = Problem::of_body(BodyError::Json(JsonError::Syntax { offset: 1 }));
        assert_eq!((problem.status, problem.code), (400, "invalid_body"));
        assert_eq!(
            problem.message,
            "invalid body: the text is not JSON at byte 1"
        );
    }
}
