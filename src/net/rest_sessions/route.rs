//! From the raw path to an endpoint. Decoding comes after: an escaped slash separates nothing.

use std::borrow::Cow;

use crate::net::http::request::Head;
use crate::net::rest_sessions::problem::Problem;

/// What a path asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Endpoint {
    Ping,
    Activity,
    Soapp,
    Killall,
    Create,
    Get,
    Set,
    Soid,
    Kill,
    Killsoid,
}

/// The methods of an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Methods {
    GetHead,
    Put,
    Post,
    Delete,
}

impl Methods {
    pub(super) fn allow(self, method: &str) -> bool {
        match self {
            Self::GetHead => matches!(method, "GET" | "HEAD"),
            Self::Put => method == "PUT",
            Self::Post => method == "POST",
            Self::Delete => method == "DELETE",
        }
    }
}

impl Endpoint {
    pub(super) fn methods(self) -> Methods {
        match self {
            Self::Ping | Self::Activity | Self::Soapp | Self::Get | Self::Soid => Methods::GetHead,
            Self::Create => Methods::Put,
            Self::Set => Methods::Post,
            Self::Kill | Self::Killsoid | Self::Killall => Methods::Delete,
        }
    }
}

/// Path and query without a fragment, which some clients send along.
pub(super) struct Target<'a> {
    pub(super) path: &'a [u8],
    pub(super) query: &'a [u8],
}

impl<'a> Target<'a> {
    pub(super) fn of(head: &Head<'a>) -> Self {
        let path = before_fragment(head.path);
        let query = if path.len() < head.path.len() {
            &[]
        } else {
            before_fragment(head.query)
        };
        Self { path, query }
    }
}

fn before_fragment(text: &[u8]) -> &[u8] {
    text.split(|b| *b == b'#').next().unwrap_or_default()
}

/// The endpoint of a raw path, with the raw texts of the app and of the token or id (empty where
/// the path has none). Fixed parts match in any case, and one slash at the end is allowed.
pub(super) fn find(path: &[u8]) -> Option<(Endpoint, &[u8], &[u8])> {
    let path = path.strip_prefix(b"/")?;
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let mut parts = path.split(|b| *b == b'/');
    let (first, verb, name) = (parts.next()?, parts.next(), parts.next());
    if parts.next().is_some() || first.is_empty() || name.is_some_and(<[u8]>::is_empty) {
        return None;
    }
    let known: &[(&[u8], Endpoint)] = match (verb, name) {
        (None, _) if first.eq_ignore_ascii_case(b"ping") => {
            return Some((Endpoint::Ping, &[], &[]));
        }
        (None, _) => &[],
        (Some(_), None) => &[
            (b"activity", Endpoint::Activity),
            (b"soapp", Endpoint::Soapp),
            (b"killall", Endpoint::Killall),
        ],
        (Some(_), Some(_)) => &[
            (b"get", Endpoint::Get),
            (b"set", Endpoint::Set),
            (b"create", Endpoint::Create),
            (b"kill", Endpoint::Kill),
            (b"soid", Endpoint::Soid),
            (b"killsoid", Endpoint::Killsoid),
        ],
    };
    let verb = verb?;
    let (_, endpoint) = known.iter().find(|(v, _)| v.eq_ignore_ascii_case(verb))?;
    Some((*endpoint, first, name.unwrap_or_default()))
}

/// Resolves the percent escapes of a path part, once. '+' stays as it is.
///
/// # Errors
/// [`Problem::BadEscape`] for a broken escape, and for bytes that are not UTF-8 then.
pub(super) fn decode(raw: &[u8]) -> Result<Cow<'_, str>, Problem> {
    percent_decode(raw).ok_or(Problem::BadEscape)
}

/// Resolves percent escapes; `None` for a broken one, and for bytes that are not UTF-8 then.
pub(super) fn percent_decode(raw: &[u8]) -> Option<Cow<'_, str>> {
    if !raw.contains(&b'%') {
        return std::str::from_utf8(raw).ok().map(Cow::Borrowed);
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((byte, tail)) = rest.split_first() {
        if *byte != b'%' {
            decoded.push(*byte);
            rest = tail;
            continue;
        }
        let (digits, tail) = tail.split_at_checked(2)?;
        let mut value = 0;
        for digit in digits {
            value = value << 4 | u8::try_from(char::from(*digit).to_digit(16)?).ok()?;
        }
        decoded.push(value);
        rest = tail;
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, Target, decode, find};
    use crate::net::http::request::Head;

    fn found(path: &str) -> Option<(Endpoint, String, String)> {
        let text = |raw: &[u8]| String::from_utf8(raw.to_vec()).unwrap();
        find(path.as_bytes()).map(|(e, app, name)| (e, text(app), text(name)))
    }

    #[test]
    fn every_endpoint_is_found_in_any_case_and_with_one_slash_at_the_end() {
        for (path, endpoint, app, name) in [
            ("/ping", Endpoint::Ping, "", ""),
            ("/PinG/", Endpoint::Ping, "", ""),
            ("/ping/activity", Endpoint::Activity, "ping", ""),
            ("/App/Soapp/", Endpoint::Soapp, "App", ""),
            ("/app/killALL", Endpoint::Killall, "app", ""),
            ("/app/create/u%2F1", Endpoint::Create, "app", "u%2F1"),
            ("/app/GET/t/", Endpoint::Get, "app", "t"),
            ("/app/set/t", Endpoint::Set, "app", "t"),
            ("/app/soid/get", Endpoint::Soid, "app", "get"),
            ("/app/kill/t", Endpoint::Kill, "app", "t"),
            ("/app/killsoid/u", Endpoint::Killsoid, "app", "u"),
            ("/get/get/get", Endpoint::Get, "get", "get"),
        ] {
            let expected = Some((endpoint, app.to_owned(), name.to_owned()));
            assert_eq!(found(path), expected, "{path}");
        }
    }

    #[test]
    fn other_paths_lead_nowhere() {
        for path in [
            "",
            "/",
            "//",
            "*",
            "ping",
            "/ping//",
            "//ping",
            "/ping/x",
            "/p%69ng",
            "/app",
            "/app/get",
            "/app/get/",
            "/app/get//",
            "/app//get/t",
            "/app/get//t",
            "/app/get/t/x",
            "//get/t",
            "/app/create",
            "/app/activity/x",
            "/app/activity//",
            "/app/%67et/t",
            "/app/killall/x",
            "/app/g\u{17f}/t",
        ] {
            assert_eq!(found(path), None, "{path}");
        }
    }

    #[test]
    fn fragment_ends_path_and_query() {
        let target = |path: &'static [u8], query: &'static [u8]| {
            let head = Head {
                method: "GET",
                target: b"",
                path,
                query,
                minor_version: 1,
                fields: &[],
            };
            let target = Target::of(&head);
            (target.path.to_vec(), target.query.to_vec())
        };
        assert_eq!(target(b"/a", b"b=1#c?d"), (b"/a".to_vec(), b"b=1".to_vec()));
        assert_eq!(target(b"/a#x", b"b=1"), (b"/a".to_vec(), Vec::new()));
    }

    #[test]
    fn escapes_are_resolved_once_and_must_be_whole() {
        for (raw, decoded) in [
            ("plain+~", "plain+~"),
            ("a%2Fb%2525", "a/b%25"),
            ("%eb%94%b8 \u{b538}", "\u{b538} \u{b538}"),
            ("%00", "\0"),
        ] {
            assert_eq!(decode(raw.as_bytes()).unwrap(), decoded);
        }
        for raw in [
            "%",
            "100%",
            "%4",
            "%zz",
            "%+1",
            "%E0%A4%A",
            "%FF",
            "%ED%A0%80",
            "%C3",
        ] {
            assert!(decode(raw.as_bytes()).is_err(), "{raw}");
        }
        assert!(decode(b"\xff").is_err());
    }
}
