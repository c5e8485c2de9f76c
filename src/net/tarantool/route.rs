//! Which of the five paths a request means, and what its method may do there.

use crate::engine::Read;
use crate::net::tarantool::parameters::{Plus, decode};

/// The paths of the service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Path {
    /// `/new`: creates a session.
    New,
    /// `/get`: reads a session and touches it.
    Get,
    /// `/del`: ends a session.
    Delete,
    /// `/user`: the sessions of a user.
    User,
    /// `/ip`: the sessions of an IP.
    Ip,
}

/// What a path leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Route {
    /// One of the five.
    Known(Path),
    /// No such path.
    Unknown,
    /// A path the service refuses to look at: without a slash in front, or with `./` in it.
    Invalid,
}

/// Finds the route of a path as sent: it is percent-decoded first, the case counts, and one slash
/// may trail.
pub(super) fn route(path: &[u8]) -> Route {
    let path = decode(path, Plus::Literal);
    let dotted = path.windows(2).any(|pair| pair == b"./");
    let Some(name) = path.strip_prefix(b"/").filter(|_| !dotted) else {
        return Route::Invalid;
    };
    match name.strip_suffix(b"/").unwrap_or(name) {
        b"new" => Route::Known(Path::New),
        b"get" => Route::Known(Path::Get),
        b"del" => Route::Known(Path::Delete),
        b"user" => Route::Known(Path::User),
        b"ip" => Route::Known(Path::Ip),
        _ => Route::Unknown,
    }
}

/// What a method asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Intent {
    /// Do what the path is for. GET, POST, PUT, PATCH and DELETE are all the same; a HEAD leaves
    /// no trace.
    Answer(Read),
    /// Tell the methods: OPTIONS.
    Describe,
    /// Any other method has no meaning here.
    Refuse,
}

impl Path {
    /// The `Allow` field of this path.
    pub(super) fn allow(self) -> &'static str {
        match self {
            Self::New | Self::Delete => "Allow: GET, POST, PUT, PATCH, DELETE, OPTIONS",
            Self::Get | Self::User | Self::Ip => {
                "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
            }
        }
    }

    /// What `method` asks for on this path. A HEAD must change nothing, so there is none where a
    /// GET creates or ends a session.
    pub(super) fn intent(self, method: &str) -> Intent {
        match (method, self) {
            ("GET" | "POST" | "PUT" | "PATCH" | "DELETE", _) => Intent::Answer(Read::Touch),
            ("HEAD", Self::Get | Self::User | Self::Ip) => Intent::Answer(Read::Peek),
            ("OPTIONS", _) => Intent::Describe,
            _ => Intent::Refuse,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Intent, Path, Route, route};
    use crate::engine::Read;

    #[test]
    fn paths_are_decoded_and_may_end_in_one_slash() {
        for (path, expected) in [
            ("/new", Route::Known(Path::New)),
            ("/get", Route::Known(Path::Get)),
            ("/get/", Route::Known(Path::Get)),
            ("/g%65t", Route::Known(Path::Get)),
            ("/get%2F", Route::Known(Path::Get)),
            ("%2fget", Route::Known(Path::Get)),
            ("/del", Route::Known(Path::Delete)),
            ("/user", Route::Known(Path::User)),
            ("/ip", Route::Known(Path::Ip)),
            ("/", Route::Unknown),
            ("/nope", Route::Unknown),
            ("/NEW", Route::Unknown),
            ("/new/x", Route::Unknown),
            ("/get//", Route::Unknown),
            ("//get", Route::Unknown),
            ("/get.", Route::Unknown),
            ("/get%3Ftoken=x", Route::Unknown),
            ("/get#x", Route::Unknown),
            ("/%00", Route::Unknown),
            ("/%zz", Route::Unknown),
            ("/./get", Route::Invalid),
            ("/../get", Route::Invalid),
            ("/a./b", Route::Invalid),
            ("/get%2E/", Route::Invalid),
            ("", Route::Invalid),
            ("get", Route::Invalid),
            ("*", Route::Invalid),
            ("http://localhost/get", Route::Invalid),
        ] {
            assert_eq!(route(path.as_bytes()), expected, "{path}");
        }
    }

    #[test]
    fn methods_without_meaning_do_nothing() {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            assert_eq!(Path::New.intent(method), Intent::Answer(Read::Touch));
        }
        for method in ["HEAD", "TRACE", "FOO", "get", ""] {
            assert_eq!(Path::New.intent(method), Intent::Refuse);
            assert_eq!(Path::Delete.intent(method), Intent::Refuse);
        }
        assert_eq!(Path::Get.intent("HEAD"), Intent::Answer(Read::Peek));
        assert_eq!(Path::User.intent("HEAD"), Intent::Answer(Read::Peek));
        assert_eq!(Path::New.intent("OPTIONS"), Intent::Describe);
        assert!(Path::Get.allow().contains("HEAD") && !Path::New.allow().contains("HEAD"));
    }
}
