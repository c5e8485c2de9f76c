//! What paths and queries must hold, checked in the order and with the words of the old service.

use std::borrow::Cow;

use crate::model::AppName;
use crate::net::rest_sessions::problem::Problem;
use crate::net::rest_sessions::query::Param;

/// UTF-16 units of an `ip`.
const IP_UNITS: usize = 39;
/// Bytes of a token.
const TOKEN_BYTES: usize = 64;
/// The least `ttl` and `dt`, in seconds.
const SECONDS_MIN: u64 = 10;

pub(super) fn app(text: &str) -> Result<AppName<'_>, Problem> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let name = AppName::new(text).ok();
    name.filter(|_| (3..=20).contains(&text.len()) && text.bytes().all(fits))
        .ok_or(Problem::Format("app"))
}

pub(super) fn token(text: &str) -> Result<&[u8], Problem> {
    let bytes = text.as_bytes();
    if bytes.len() == TOKEN_BYTES && bytes.iter().all(u8::is_ascii_alphanumeric) {
        Ok(bytes)
    } else {
        Err(Problem::Format("token"))
    }
}

/// Longer ids than the engine takes are refused there, with the same words.
pub(super) fn id(text: &str) -> Result<&str, Problem> {
    if text.is_empty() || text.contains(is_line_end) {
        return Err(Problem::Format("id"));
    }
    Ok(text)
}

pub(super) fn ip(param: Option<Param<'_>>) -> Result<Cow<'_, str>, Problem> {
    let param = param.filter(|p| !p.is_void()).ok_or(Problem::NoIp)?;
    let units = param.text.chars().map(char::len_utf16).sum::<usize>();
    if !(1..=IP_UNITS).contains(&units) || param.text.contains(is_line_end) {
        return Err(Problem::Format("ip"));
    }
    Ok(param.text)
}

/// Seconds; `default` where the parameter is absent or empty.
pub(super) fn ttl(param: Option<Param<'_>>, default: u64) -> Result<u64, Problem> {
    match param.filter(|p| !p.is_void()) {
        Some(param) => seconds(&param.text),
        None => Ok(default),
    }
}

/// Seconds; the parameter is required, and its refusal speaks of `ttl` as it always did.
pub(super) fn dt(param: Option<Param<'_>>) -> Result<u64, Problem> {
    seconds(&param.ok_or(Problem::Seconds)?.text)
}

fn seconds(text: &str) -> Result<u64, Problem> {
    parse_int(text)
        .filter(|seconds| *seconds >= SECONDS_MIN)
        .ok_or(Problem::Seconds)
}

/// JavaScript's `parseInt` in base ten, for what is not negative: white space and a sign may stand
/// before the digits, anything behind them. Saturates.
fn parse_int(text: &str) -> Option<u64> {
    let text = text.trim_start_matches(is_javascript_space);
    let text = text.strip_prefix('+').unwrap_or(text);
    let mut digits = text.chars().map_while(|c| c.to_digit(10)).peekable();
    digits.peek()?;
    Some(digits.fold(0, |value: u64, digit| {
        value.saturating_mul(10).saturating_add(u64::from(digit))
    }))
}

fn is_javascript_space(c: char) -> bool {
    c == '\u{feff}' || c.is_whitespace() && c != '\u{85}'
}

/// What ends a line for a regular expression of JavaScript.
fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::{app, dt, id, ip, token, ttl};
    use crate::net::rest_sessions::problem::Problem;
    use crate::net::rest_sessions::query::Param;

    fn plain(text: &str) -> Option<Param<'_>> {
        Some(Param {
            text: text.into(),
            plain: true,
        })
    }

    #[test]
    fn app_and_token_keep_to_their_patterns() {
        for text in ["abc", "---", "ABCdef019_-", "aaaaaaaaaaaaaaaaaaaa"] {
            assert!(app(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "ab",
            "a.b",
            "@a01",
            "a b",
            "abc\n",
            "aaaaaaaaaaaaaaaaaaaaa",
            "\u{e9}ab",
        ] {
            assert!(matches!(app(text), Err(Problem::Format("app"))), "{text}");
        }
        assert!(token(&"aZ09".repeat(16)).is_ok());
        for text in [
            "",
            "short",
            &"a".repeat(63),
            &"a".repeat(65),
            &"a-".repeat(32),
        ] {
            assert!(token(text).is_err(), "{text}");
        }
        assert!(token(&"\u{e9}".repeat(32)).is_err());
    }

    #[test]
    fn ids_are_any_text_without_line_ends() {
        for text in ["u", " ", "a:b", "\0", "a/b", "\u{1f600}", &"x".repeat(1000)] {
            assert!(id(text).is_ok(), "{text}");
        }
        for text in ["", "\n", "a\n", "a\rb", "\u{2028}", "\u{2029}x"] {
            assert!(id(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ip_is_required_and_has_at_most_39_utf16_units() {
        assert!(matches!(ip(None), Err(Problem::NoIp)));
        assert!(matches!(ip(plain("")), Err(Problem::NoIp)));
        let emoji = "\u{1f600}".repeat(19);
        for text in [
            "1",
            " ",
            "[object Object]",
            &"a".repeat(39),
            &format!("{emoji}a"),
        ] {
            assert_eq!(ip(plain(text)).unwrap(), text);
        }
        for text in [&"a".repeat(40), &format!("{emoji}aa"), "a\nb", "a\u{2028}"] {
            assert!(
                matches!(ip(plain(text)), Err(Problem::Format("ip"))),
                "{text}"
            );
        }
        let empty_list = Param {
            text: "".into(),
            plain: false,
        };
        assert!(matches!(ip(Some(empty_list)), Err(Problem::Format("ip"))));
    }

    #[test]
    fn seconds_are_read_as_parse_int_reads_them() {
        for (text, seconds) in [
            ("10", 10),
            ("10.9", 10),
            ("20abc", 20),
            (" \t\u{a0}\u{feff}20", 20),
            ("+20", 20),
            ("020", 20),
            ("15,5", 15),
            ("99999999999999999999", u64::MAX),
        ] {
            assert_eq!(ttl(plain(text), 7200).unwrap(), seconds, "{text}");
            assert_eq!(dt(plain(text)).unwrap(), seconds, "{text}");
        }
        for text in [
            "9", "9.99", "0", "-20", "abc", "0x20", "1e5", "1_000", " ", "+ 20", "++20",
        ] {
            assert!(ttl(plain(text), 7200).is_err(), "{text}");
            assert!(dt(plain(text)).is_err(), "{text}");
        }
        assert_eq!(ttl(None, 7200).unwrap(), 7200);
        assert_eq!(ttl(plain(""), 7200).unwrap(), 7200);
        assert!(dt(None).is_err());
        assert!(dt(plain("")).is_err());
    }
}
