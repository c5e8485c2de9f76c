//! From a target to what it means, as Go's `ServeMux` and gorilla/mux with strict slashes find it:
//! paths are decoded first, then cleaned, then matched.

use std::borrow::Cow;

/// What a request asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Operation<'p> {
    /// `POST /a01/session`
    Create,
    /// `PATCH /a01/session`: the body names the session.
    Patch,
    /// `GET /a01/session?user_id=`, promised by the service's README.
    ListShort(String),
    /// `DELETE /a01/session?user_id=`, promised by the service's README.
    RemoveAll(String),
    /// `GET /a01/session/{id}`
    Read(&'p [u8]),
    /// `PATCH /a01/session/{id}`, promised by the service's README.
    PatchOne(&'p [u8]),
    /// `DELETE /a01/session/{id}`
    Remove(&'p [u8]),
    /// `GET /a01/session/user/{user_id}`
    List(&'p [u8]),
}

/// Why a request asks for nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unrouted {
    /// Nothing is at this path.
    Path,
    /// Other methods are; this is the field that names them.
    Method(&'static str),
}

impl<'p> Operation<'p> {
    /// What a method means at a clean path without a trailing slash.
    pub(super) fn of(method: &str, path: &'p [u8], query: &[u8]) -> Result<Self, Unrouted> {
        let below = path.strip_prefix(b"/a01/session").ok_or(Unrouted::Path)?;
        let mut segments = below.split(|b| *b == b'/');
        let first_four = [(); 4].map(|()| segments.next());
        match first_four {
            [Some([]), None, None, None] => Self::of_sessions(method, query),
            [Some([]), Some(id @ [_, ..]), None, None] => match method {
                "GET" => Ok(Self::Read(id)),
                "PATCH" => Ok(Self::PatchOne(id)),
                "DELETE" => Ok(Self::Remove(id)),
                _ => Err(Unrouted::Method("Allow: DELETE, GET, PATCH")),
            },
            [Some([]), Some(b"user"), Some(user @ [_, ..]), None] => match method {
                "GET" => Ok(Self::List(user)),
                _ => Err(Unrouted::Method("Allow: GET")),
            },
            _ => Err(Unrouted::Path),
        }
    }

    /// GET and DELETE are there for requests that name a user; without one they are as unknown as
    /// they were to the service.
    fn of_sessions(method: &str, query: &[u8]) -> Result<Self, Unrouted> {
        let user = match method {
            "POST" => return Ok(Self::Create),
            "PATCH" => return Ok(Self::Patch),
            _ => user_of_query(query),
        };
        match (method, user) {
            ("GET", Some(user)) => Ok(Self::ListShort(user)),
            ("DELETE", Some(user)) => Ok(Self::RemoveAll(user)),
            (_, Some(_)) => Err(Unrouted::Method("Allow: DELETE, GET, PATCH, POST")),
            (_, None) => Err(Unrouted::Method("Allow: PATCH, POST")),
        }
    }
}

/// Bytes of a decoded path that need no allocation: any path with an id that this server made.
const INLINE_BYTES: usize = 128;

/// A percent-decoded path.
pub(super) enum Decoded<'t> {
    /// There was nothing to decode.
    Borrowed(&'t [u8]),
    /// Short enough for the stack.
    Inline([u8; INLINE_BYTES], usize),
    /// Too long for the stack.
    Owned(Vec<u8>),
}

impl<'t> Decoded<'t> {
    /// Decodes; `None` when an escape is broken or the path does not begin with a slash.
    pub(super) fn path(raw: &'t [u8]) -> Option<Self> {
        if raw.first() != Some(&b'/') {
            return None;
        }
        if !raw.contains(&b'%') {
            return Some(Self::Borrowed(raw));
        }
        let mut bytes = [0; INLINE_BYTES];
        let mut length = 0;
        for byte in unescaped(raw) {
            let Some(place) = bytes.get_mut(length) else {
                return unescaped(raw).collect::<Option<_>>().map(Self::Owned);
            };
            *place = byte?;
            length += 1;
        }
        Some(Self::Inline(bytes, length))
    }

    /// The decoded bytes.
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Inline(bytes, length) => bytes.get(..*length).unwrap_or_default(),
            Self::Owned(bytes) => bytes,
        }
    }
}

/// The bytes of percent-encoded text, `None` for a broken escape.
fn unescaped(raw: &[u8]) -> impl Iterator<Item = Option<u8>> {
    let mut rest = raw;
    std::iter::from_fn(move || {
        let (byte, tail) = match rest {
            [] => return None,
            [b'%', high, low, tail @ ..] => {
                (hex(*high).zip(hex(*low)).map(|(h, l)| h << 4 | l), tail)
            }
            [b'%', tail @ ..] => (None, tail),
            [byte, tail @ ..] => (Some(*byte), tail),
        };
        rest = tail;
        Some(byte)
    })
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

/// The path without empty, `.` and `..` segments; a trailing slash stays.
pub(super) fn clean(path: &[u8]) -> Cow<'_, [u8]> {
    let inner = path.strip_prefix(b"/").unwrap_or(path);
    let inner = inner.strip_suffix(b"/").unwrap_or(inner);
    let is_dirty = |segment: &[u8]| matches!(segment, b"" | b"." | b"..");
    if !inner.split(|b| *b == b'/').any(is_dirty) || path == b"/" {
        return Cow::Borrowed(path);
    }
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in path.split(|b| *b == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let mut cleaned = Vec::with_capacity(path.len());
    for segment in kept {
        cleaned.push(b'/');
        cleaned.extend_from_slice(segment);
    }
    if cleaned.is_empty() || path.ends_with(b"/") {
        cleaned.push(b'/');
    }
    Cow::Owned(cleaned)
}

/// The value of the first `user_id` of a query, where '+' is a blank; empty when it cannot be read.
fn user_of_query(query: &[u8]) -> Option<String> {
    let raw =
        query
            .split(|b| *b == b'&')
            .find_map(|pair| match pair.strip_prefix(b"user_id")? {
                [] => Some(&[][..]),
                [b'=', value @ ..] => Some(value),
                _ => None,
            })?;
    let plain: Vec<u8> = raw
        .iter()
        .map(|b| if *b == b'+' { b' ' } else { *b })
        .collect();
    let user = unescaped(&plain).collect::<Option<Vec<u8>>>();
    Some(
        user.and_then(|bytes| String::from_utf8(bytes).ok())
            .unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::{Decoded, Operation, Unrouted, clean, user_of_query};

    fn operation<'p>(method: &str, target: &'p str) -> Result<Operation<'p>, Unrouted> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Operation::of(method, path.as_bytes(), query.as_bytes())
    }

    #[test]
    fn methods_at_known_paths_are_operations() {
        for (method, target, expected) in [
            ("POST", "/a01/session?user_id=a", Operation::Create),
            ("PATCH", "/a01/session", Operation::Patch),
            (
                "GET",
                "/a01/session?user_id=a",
                Operation::ListShort("a".to_string()),
            ),
            (
                "DELETE",
                "/a01/session?user_id=a",
                Operation::RemoveAll("a".to_string()),
            ),
            ("GET", "/a01/session/x?user_id=a", Operation::Read(b"x")),
            ("GET", "/a01/session/user", Operation::Read(b"user")),
            ("GET", "/a01/session/a:b;c*", Operation::Read(b"a:b;c*")),
            ("PATCH", "/a01/session/x", Operation::PatchOne(b"x")),
            ("DELETE", "/a01/session/x", Operation::Remove(b"x")),
            ("GET", "/a01/session/user/u", Operation::List(b"u")),
        ] {
            assert_eq!(operation(method, target), Ok(expected), "{method} {target}");
        }
    }

    #[test]
    fn other_methods_are_not_allowed_and_other_paths_not_there() {
        for method in [
            "GET", "DELETE", "PUT", "HEAD", "OPTIONS", "CONNECT", "FOO", "post",
        ] {
            let refused = operation(method, "/a01/session");
            assert_eq!(
                refused,
                Err(Unrouted::Method("Allow: PATCH, POST")),
                "{method}"
            );
        }
        for method in ["POST", "PUT", "HEAD", "OPTIONS", "get"] {
            let refused = operation(method, "/a01/session/x");
            assert_eq!(
                refused,
                Err(Unrouted::Method("Allow: DELETE, GET, PATCH")),
                "{method}"
            );
        }
        for method in ["POST", "DELETE", "PATCH", "HEAD"] {
            let refused = operation(method, "/a01/session/user/x");
            assert_eq!(refused, Err(Unrouted::Method("Allow: GET")), "{method}");
        }
        for path in [
            "/",
            "/a01",
            "/a01/sessions",
            "/a01/session/",
            "/a01/session/a/b",
            "/session/x",
            "/a01/session/user/x/y",
            "/a01/session/user/",
            "/A01/session/x",
            "/a01/Session/x",
        ] {
            assert_eq!(operation("GET", path), Err(Unrouted::Path), "{path}");
        }
    }

    #[test]
    fn paths_are_decoded_once_and_broken_escapes_are_refused() {
        let long = "x".repeat(200);
        for (raw, decoded) in [
            ("/a+b", Some("/a+b".to_string())),
            ("/%61%2Fb%3d%253D", Some("/a/b=%3D".to_string())),
            ("/%3D%00", Some("/=\0".to_string())),
            (&format!("/%3D{long}"), Some(format!("/={long}"))),
            ("/%", None),
            ("/%4", None),
            ("/%zz", None),
            ("/%+1", None),
            (&format!("/{long}%"), None),
            ("a01/session", None),
            ("", None),
        ] {
            let got = Decoded::path(raw.as_bytes()).map(|d| d.as_bytes().to_vec());
            assert_eq!(got, decoded.map(String::into_bytes), "{raw}");
        }
    }

    #[test]
    fn cleaning_resolves_dots_and_doubled_slashes() {
        for (path, cleaned) in [
            ("/", "/"),
            ("//", "/"),
            ("/a01/session/x", "/a01/session/x"),
            ("/a01/session/x/", "/a01/session/x/"),
            ("//a01/session/x", "/a01/session/x"),
            ("/a01//session/x//", "/a01/session/x/"),
            ("/a01/./session/x", "/a01/session/x"),
            ("/a01/../a01/session/x", "/a01/session/x"),
            ("/a01/session/..", "/a01"),
            ("/a01/session/.", "/a01/session"),
            ("/a01/session/./", "/a01/session/"),
            ("/../..", "/"),
            ("/a/..", "/"),
            ("/a01/session/...", "/a01/session/..."),
        ] {
            assert_eq!(clean(path.as_bytes()), cleaned.as_bytes(), "{path}");
        }
    }

    #[test]
    fn user_of_a_query_is_the_first_and_decoded_as_a_form() {
        for (query, user) in [
            ("", None),
            ("x=1&user_ids=a&USER_ID=a", None),
            ("user_id=a", Some("a")),
            ("x=1&user_id=a%2B+b&user_id=c", Some("a+ b")),
            ("user_id=%EB%94%B8", Some("\u{b538}")),
            ("user_id=", Some("")),
            ("user_id", Some("")),
            ("user_id=%zz", Some("")),
            ("user_id=%ff", Some("")),
        ] {
            assert_eq!(user_of_query(query.as_bytes()).as_deref(), user, "{query}");
        }
    }
}
