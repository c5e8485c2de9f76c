//! Why a request is not done, and what the client reads of it.

use crate::engine::Refusal;
use crate::limits;
use crate::model::json::merge::MergeError;
use crate::model::json::string;
use crate::net::http::dialect::BodyProblem;

/// Why a request is not done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Problem {
    /// No such path, or not with this method.
    NotFound,
    /// A part of the path does not decode to UTF-8.
    BadEscape,
    /// The body is not a JSON object or array.
    BadJson,
    /// The body's charset is none that is understood.
    Charset,
    /// The body could not be read.
    Body(BodyProblem),
    /// A create without `ip`.
    NoIp,
    /// The named parameter does not have its form.
    Format(&'static str),
    /// `ttl` or `dt` is no number of at least ten seconds.
    Seconds,
    /// The data is an array.
    NotAnObject,
    /// The data names nothing to change.
    NoMember,
    /// The value of this key is an object or an array. The key is the inside of its canonical
    /// literal.
    Nested(Vec<u8>),
    /// The data cannot be merged.
    Merge(MergeError),
    /// The engine would not do it.
    Refused(Refusal),
    /// The list would be longer than a reply may be.
    ListTooLarge,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::BadName => Self::Format("id"),
            Refusal::Gone
            | Refusal::Exists
            | Refusal::Rotated
            | Refusal::VersionDiffers
            | Refusal::UserDiffers
            | Refusal::NotAnObject
            | Refusal::DataTooLarge
            | Refusal::TooManyApps
            | Refusal::MemoryFull
            | Refusal::LogFailed
            | Refusal::DiskFull => Self::Refused(refusal),
        }
    }
}

impl Problem {
    /// The status it is answered with.
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::BadEscape | Self::BadJson | Self::Body(BodyProblem::BadEncoding) => 400,
            Self::Charset | Self::Body(BodyProblem::UnknownEncoding) => 415,
            Self::Body(BodyProblem::TooLarge) => 413,
            Self::NoIp
            | Self::Format(_)
            | Self::Seconds
            | Self::NotAnObject
            | Self::NoMember
            | Self::Nested(_)
            | Self::Merge(_) => 500,
            Self::Refused(refusal) => match refusal {
                Refusal::TooManyApps
                | Refusal::MemoryFull
                | Refusal::LogFailed
                | Refusal::DiskFull => 503,
                Refusal::Gone
                | Refusal::Exists
                | Refusal::Rotated
                | Refusal::VersionDiffers
                | Refusal::UserDiffers
                | Refusal::NotAnObject
                | Refusal::BadName
                | Refusal::DataTooLarge => 500,
            },
            Self::ListTooLarge => 503,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::NotFound => "notFound",
            Self::BadEscape => "badPath",
            Self::BadJson | Self::Body(BodyProblem::BadEncoding) => "badBody",
            Self::Charset | Self::Body(BodyProblem::UnknownEncoding) => "unsupportedBody",
            Self::Body(BodyProblem::TooLarge) => "bodyTooLarge",
            Self::NoIp => "missingParameter",
            Self::Format(_) => "invalidFormat",
            Self::Refused(
                Refusal::TooManyApps | Refusal::MemoryFull | Refusal::LogFailed | Refusal::DiskFull,
            )
            | Self::ListTooLarge => "unavailable",
            Self::Seconds
            | Self::NotAnObject
            | Self::NoMember
            | Self::Nested(_)
            | Self::Merge(_)
            | Self::Refused(_) => "invalidValue",
        }
    }

    /// Appends `{"name":...,"message":...}`. The texts with spelling mistakes and the `ttl` that
    /// stands for `dt` too are those of the old service, which callers compare.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"name\":");
        string::write_text(self.name(), out);
        out.extend_from_slice(b",\"message\":");
        match self {
            Self::Nested(key) => {
                out.extend_from_slice(b"\"d.");
                out.extend_from_slice(key);
                out.extend_from_slice(
                    b" has a forbidden type. \
                    Only strings, numbers, boolean and null are allowed.\"",
                );
            }
            Self::NotFound => string::write_text("There is no such path and method", out),
            Self::BadEscape => string::write_text("The path does not decode to UTF-8", out),
            Self::BadJson => string::write_text("The body is not a JSON object", out),
            Self::Charset => string::write_text("The body must be in UTF-8 or UTF-16", out),
            Self::Body(BodyProblem::BadEncoding) => {
                string::write_text("The body does not decompress", out);
            }
            Self::Body(BodyProblem::UnknownEncoding) => {
                string::write_text("The body may be compressed as gzip or deflate only", out);
            }
            Self::Body(BodyProblem::TooLarge) => {
                let most = limits::REST_SESSIONS_BODY_BYTES;
                string::write_text(&format!("The body is larger than {most} bytes"), out);
            }
            Self::NoIp => string::write_text("No ip supplied", out),
            Self::Format(what) => string::write_text(&format!("Invalid {what} format"), out),
            Self::Seconds => string::write_text("ttl must be a positive integer >= 10", out),
            Self::NotAnObject => string::write_text("d must be an object", out),
            Self::NoMember => string::write_text("d must containt at least one key.", out),
            Self::Merge(error) => string::write_text(&error.to_string(), out),
            Self::Refused(refusal) => string::write_text(&refusal.to_string(), out),
            Self::ListTooLarge => {
                string::write_text("The list is longer than a reply may be", out);
            }
        }
        out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::Problem;
    use crate::engine::Refusal;

    fn text(problem: &Problem) -> (u16, String) {
        let mut out = Vec::new();
        problem.write(&mut out);
        (problem.status(), String::from_utf8(out).unwrap())
    }

    #[test]
    fn refused_parameters_are_told_with_the_old_words() {
        for (problem, message) in [
            (
                Problem::NoIp,
                r#"{"name":"missingParameter","message":"No ip supplied"}"#,
            ),
            (
                Problem::Format("token"),
                r#"{"name":"invalidFormat","message":"Invalid token format"}"#,
            ),
            (
                Problem::Seconds,
                r#"{"name":"invalidValue","message":"ttl must be a positive integer >= 10"}"#,
            ),
            (
                Problem::NotAnObject,
                r#"{"name":"invalidValue","message":"d must be an object"}"#,
            ),
            (
                Problem::NoMember,
                r#"{"name":"invalidValue","message":"d must containt at least one key."}"#,
            ),
            (
                Problem::Nested(br#"a<b>\""#.to_vec()),
                "{\"name\":\"invalidValue\",\"message\":\"d.a<b>\\\" has a forbidden type. \
                 Only strings, numbers, boolean and null are allowed.\"}",
            ),
        ] {
            assert_eq!(text(&problem), (500, message.to_owned()));
        }
    }

    #[test]
    fn full_server_is_503_and_never_a_missing_session() {
        for refusal in [Refusal::MemoryFull, Refusal::TooManyApps] {
            let (status, body) = text(&Problem::from(refusal));
            assert_eq!(status, 503);
            assert!(body.starts_with(r#"{"name":"unavailable","message":"the server holds"#));
        }
        for refusal in [Refusal::LogFailed, Refusal::DiskFull] {
            let (status, body) = text(&Problem::from(refusal));
            assert_eq!(status, 503);
            assert!(body.starts_with(r#"{"name":"unavailable","message":"the "#));
        }
        assert_eq!(Problem::from(Refusal::BadName), Problem::Format("id"));
    }
}
