//! The protocol of Redis, version 2: commands as templates, where a reply ends, what is in it.

use std::fmt::Write as _;

use crate::bench::target::template::Template;
use crate::bench::target::{CHOSEN_BYTES, Malformed, REPLY_BYTES};

/// Values of the largest reply.
const VALUES: usize = 1 << 20;

/// Appends a command whose arguments may have holes.
pub(super) fn push_command(text: &mut String, arguments: &[&str]) {
    // Writing to a string cannot fail.
    let _ = write!(text, "*{}\r\n", arguments.len());
    for argument in arguments {
        push_argument(text, argument);
    }
}

/// Appends one argument of a command.
pub(super) fn push_argument(text: &mut String, argument: &str) {
    let length = Template::new(argument).length(CHOSEN_BYTES);
    let _ = write!(text, "${length}\r\n{argument}\r\n");
}

/// A command, prepared.
pub(super) fn command(arguments: &[&str]) -> Template {
    let mut text = String::new();
    push_command(&mut text, arguments);
    Template::new(&text)
}

/// Where the value that starts at `at` ends; `None` while it is incomplete.
///
/// # Errors
/// When the bytes are no value.
pub(super) fn end_of_value(input: &[u8], at: usize) -> Result<Option<usize>, Malformed> {
    let mut at = at;
    let mut values = 1;
    while values > 0 {
        values -= 1;
        let Some((head, after)) = head(input, at)? else {
            return Ok(None);
        };
        at = after;
        match head {
            Head::Line | Head::Nothing => {}
            Head::Text(length) => {
                let end = at + length + 2;
                let Some(text) = input.get(at..end) else {
                    return Ok(None);
                };
                if !text.ends_with(b"\r\n") {
                    return Err(Malformed("a text of the reply has the wrong length"));
                }
                at = end;
            }
            Head::Array(length) => {
                values += length;
                if values > VALUES {
                    return Err(Malformed("the reply has too many values"));
                }
            }
        }
    }
    Ok(Some(at))
}

/// The start of a value.
enum Head {
    /// A status, an error or a number: nothing follows its line.
    Line,
    /// A missing text or array.
    Nothing,
    /// A text of so many bytes.
    Text(usize),
    /// So many values.
    Array(usize),
}

/// The head of the value at `at`, and where its line ends.
fn head(input: &[u8], at: usize) -> Result<Option<(Head, usize)>, Malformed> {
    let rest = input.get(at..).unwrap_or_default();
    let Some(end) = memchr::memchr(b'\n', rest) else {
        // The longest line is an error's, far shorter than this.
        return if rest.len() > 64 << 10 {
            Err(Malformed("a line of the reply does not end"))
        } else {
            Ok(None)
        };
    };
    let line = rest.get(..end).unwrap_or_default();
    let Some((kind, text)) = line.strip_suffix(b"\r").and_then(<[u8]>::split_first) else {
        return Err(Malformed("a line of the reply is not RESP"));
    };
    let head = match kind {
        b'+' | b'-' | b':' => Head::Line,
        b'$' | b'*' if text == b"-1" => Head::Nothing,
        b'$' => Head::Text(length(text)?),
        b'*' => Head::Array(length(text)?),
        _ => return Err(Malformed("the reply is not RESP")),
    };
    Ok(Some((head, at + end + 1)))
}

fn length(text: &[u8]) -> Result<usize, Malformed> {
    number(text)
        .filter(|length| *length < REPLY_BYTES)
        .ok_or(Malformed("a length of the reply is no length"))
}

/// A number without sign.
fn number(text: &[u8]) -> Option<usize> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_usize, |sum, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        let digit = usize::try_from(digit).ok()?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// The elements of a flat array: texts, and what stands in the lines of numbers and errors; a
/// missing text is `None`. Empty for anything else.
pub(super) fn elements(value: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let (mut at, mut left) = match head(value, 0) {
        Ok(Some((Head::Array(length), at))) => (at, length),
        Ok(_) | Err(_) => (0, 0),
    };
    std::iter::from_fn(move || {
        left = left.checked_sub(1)?;
        let (head, after) = head(value, at).ok()??;
        let element = match head {
            Head::Line => value.get(at..after.checked_sub(2)?).map(strip_kind),
            Head::Nothing | Head::Array(_) => None,
            Head::Text(length) => value.get(after..after + length),
        };
        at = end_of_value(value, at).ok()??;
        Some(element)
    })
}

/// A number keeps its digits, an error its sign, so that it is no number.
fn strip_kind(line: &[u8]) -> &[u8] {
    line.strip_prefix(b":").unwrap_or(line)
}

/// An element as a number; 0 for anything else.
pub(super) fn integer(element: Option<&[u8]>) -> u64 {
    let text = element.and_then(|text| std::str::from_utf8(text).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{command, elements, end_of_value, integer};
    use crate::bench::target::{CHOSEN_BYTES, Request, Verb};

    #[test]
    fn commands_carry_the_lengths_of_their_filled_arguments() {
        let token = [b'7'; CHOSEN_BYTES];
        let request = Request {
            verb: Verb::Get,
            token: &token,
            user: 0,
            mark: None,
            if_version: None,
            now: 1_795_176_443,
            number: 0,
        };
        let mut out = Vec::new();
        command(&["GET", "a:{token}", "{now}"]).write(&request, &mut out);
        let digits = "7".repeat(64);
        let expected = format!("*3\r\n$3\r\nGET\r\n$66\r\na:{digits}\r\n$10\r\n1795176443\r\n");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn values_end_exactly_at_their_last_byte() {
        for text in [
            "+OK\r\n",
            "-ERR no\r\n",
            ":12\r\n",
            "$-1\r\n",
            "*-1\r\n",
            "$0\r\n\r\n",
            "$5\r\na\r\nbc\r\n",
            "*0\r\n",
            "*3\r\n:1\r\n*2\r\n$1\r\na\r\n+OK\r\n$-1\r\n",
        ] {
            for cut in 0..text.len() {
                assert_eq!(
                    end_of_value(&text.as_bytes()[..cut], 0),
                    Ok(None),
                    "{text:?}"
                );
            }
            let longer = format!("{text}$3\r\n");
            assert_eq!(end_of_value(longer.as_bytes(), 0), Ok(Some(text.len())));
        }
    }

    #[test]
    fn bytes_that_are_no_value_are_refused() {
        for text in [
            "HTTP/1.1 200 OK\r\n",
            "$x\r\n",
            "$-2\r\n",
            "$99999999999999999999\r\n",
            "*9999999\r\n",
            "+OK\n",
            "\r\n",
            "$1\r\nabc",
        ] {
            assert!(end_of_value(text.as_bytes(), 0).is_err(), "{text:?}");
        }
    }

    #[test]
    fn elements_of_an_array_are_texts_numbers_and_gaps() {
        let value = b"*5\r\n$2\r\nab\r\n:7\r\n$-1\r\n$0\r\n\r\n-ERR x\r\n";
        let found: Vec<Option<&[u8]>> = elements(value).collect();
        let expected: [Option<&[u8]>; 5] =
            [Some(b"ab"), Some(b"7"), None, Some(b""), Some(b"-ERR x")];
        assert_eq!(found, expected);
        assert_eq!(found.into_iter().map(integer).sum::<u64>(), 7);
        assert_eq!(elements(b"+OK\r\n").count(), 0);
        assert_eq!(elements(b"*-1\r\n").count(), 0);
    }
}
