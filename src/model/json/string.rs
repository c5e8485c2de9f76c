//! String literals: decoding, and the one canonical spelling that the whole server stores.
//!
//! Canonical: only the quote, the backslash and controls below U+0020 are escaped, with the short
//! forms where there are any and `\u00xx` in lower case else; a surrogate without its partner
//! stays an escape, in lower case; everything else is raw UTF-8.

use std::borrow::Cow;

use memchr::memchr;

const HEX: [u8; 16] = *b"0123456789abcdef";

/// The text of a validated literal (with its quotes). A surrogate without its partner becomes
/// U+FFFD.
#[must_use]
pub fn decode(literal: &[u8]) -> Cow<'_, str> {
    let inner = between_quotes(literal);
    if memchr(b'\\', inner).is_none() {
        return String::from_utf8_lossy(inner);
    }
    let mut text = Vec::with_capacity(inner.len());
    for_each_piece(inner, |piece| match piece {
        Piece::Raw(bytes) => text.extend_from_slice(bytes),
        Piece::Char(c) => push_char(c, &mut text),
        Piece::LoneSurrogate(_) => push_char(char::REPLACEMENT_CHARACTER, &mut text),
    });
    Cow::Owned(match String::from_utf8(text) {
        Ok(text) => text,
        Err(bad) => String::from_utf8_lossy(bad.as_bytes()).into_owned(),
    })
}

/// Appends the canonical spelling of a validated literal (with its quotes).
pub fn write_canonical(literal: &[u8], out: &mut Vec<u8>) {
    let inner = between_quotes(literal);
    out.push(b'"');
    if memchr(b'\\', inner).is_none() {
        out.extend_from_slice(inner);
    } else {
        for_each_piece(inner, |piece| match piece {
            Piece::Raw(bytes) => out.extend_from_slice(bytes),
            Piece::Char(c) => write_char(c, out),
            Piece::LoneSurrogate(unit) => write_unit(unit, out),
        });
    }
    out.push(b'"');
}

/// Appends plain text as a canonical literal.
pub fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(special) = rest
        .iter()
        .position(|b| *b < 0x20 || matches!(b, b'"' | b'\\'))
    {
        let (plain, tail) = rest.split_at_checked(special).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        if let Some((byte, tail)) = tail.split_first() {
            write_char(char::from(*byte), out);
            rest = tail;
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn between_quotes(literal: &[u8]) -> &[u8] {
    match literal {
        [b'"', inner @ .., b'"'] => inner,
        other => other,
    }
}

fn push_char(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn write_char(c: char, out: &mut Vec<u8>) {
    let short = match c {
        '"' => b'"',
        '\\' => b'\\',
        '\u{8}' => b'b',
        '\u{c}' => b'f',
        '\n' => b'n',
        '\r' => b'r',
        '\t' => b't',
        '\0'..' ' => {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write_unit(*unit, out);
            }
            return;
        }
        _ => return push_char(c, out),
    };
    out.extend_from_slice(&[b'\\', short]);
}

fn write_unit(unit: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        let digit = usize::from(unit >> shift & 0xf);
        out.push(HEX.get(digit).copied().unwrap_or(b'0'));
    }
}

/// A stretch of a literal.
enum Piece<'a> {
    /// Bytes without escapes.
    Raw(&'a [u8]),
    /// What one escape, or a pair of them, stands for.
    Char(char),
    /// A surrogate without its partner.
    LoneSurrogate(u16),
}

/// Cuts the inside of a literal at its escapes.
fn for_each_piece<'a>(inner: &'a [u8], mut each: impl FnMut(Piece<'a>)) {
    let mut rest = inner;
    while let Some(at) = memchr(b'\\', rest) {
        let (plain, tail) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        if !plain.is_empty() {
            each(Piece::Raw(plain));
        }
        rest = match tail {
            [_, b'u', tail @ ..] => take_unit(tail, &mut each),
            [_, letter, tail @ ..] => {
                each(Piece::Char(match letter {
                    b'b' => '\u{8}',
                    b'f' => '\u{c}',
                    b'n' => '\n',
                    b'r' => '\r',
                    b't' => '\t',
                    other => char::from(*other),
                }));
                tail
            }
            _ => &[],
        };
    }
    if !rest.is_empty() {
        each(Piece::Raw(rest));
    }
}

/// Takes the digits of a `\u` escape and, for a pair of surrogates, the second escape with it.
fn take_unit<'a>(text: &'a [u8], each: &mut impl FnMut(Piece<'a>)) -> &'a [u8] {
    let (first, rest) = take_hex(text);
    if let [b'\\', b'u', tail @ ..] = rest {
        let (second, tail) = take_hex(tail);
        let decoded = char::decode_utf16([first, second]).next();
        if let Some(Ok(pair)) = decoded
            && pair.len_utf16() == 2
        {
            each(Piece::Char(pair));
            return tail;
        }
    }
    each(match char::from_u32(u32::from(first)) {
        Some(c) => Piece::Char(c),
        None => Piece::LoneSurrogate(first),
    });
    rest
}

fn take_hex(text: &[u8]) -> (u16, &[u8]) {
    let (digits, rest) = text.split_at_checked(4).unwrap_or((text, &[]));
    let value = digits.iter().fold(0u16, |value, digit| {
        let digit = char::from(*digit).to_digit(16).unwrap_or(0);
        value << 4 | u16::try_from(digit).unwrap_or(0)
    });
    (value, rest)
}

#[cfg(test)]
mod tests {
    use super::{decode, write_canonical, write_text};

    fn canonical(literal: &str) -> String {
        let mut out = Vec::new();
        write_canonical(literal.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn canonical_spelling_escapes_only_what_must_be() {
        for (literal, expected) in [
            (r#""plain""#, "\"plain\""),
            (r#""\/\u0041\u00e9\ud83d\ude00""#, "\"/A\u{e9}\u{1f600}\""),
            (r#""\u0022\u005c\"\\""#, r#""\"\\\"\\""#),
            (
                r#""\u0008\u000C\u000a\u000d\u0009\b\f\n\r\t""#,
                r#""\b\f\n\r\t\b\f\n\r\t""#,
            ),
            (r#""\u0000\u001F\u000b""#, r#""\u0000\u001f\u000b""#),
            (r#""\u007f\u2028<""#, "\"\u{7f}\u{2028}<\""),
            (r#""\uD83D""#, r#""\ud83d""#),
            (r#""\uDE00\uD83D""#, r#""\ude00\ud83d""#),
            (
                r#""\uD83D\uD83D\uDE00x\uD83D\n""#,
                "\"\\ud83d\u{1f600}x\\ud83d\\n\"",
            ),
            (r#""\uD83D\u0041""#, r#""\ud83dA""#),
        ] {
            assert_eq!(canonical(literal), expected, "{literal}");
            assert_eq!(canonical(expected), expected, "{expected}");
        }
    }

    #[test]
    fn decoding_resolves_escapes_and_replaces_lone_surrogates() {
        for (literal, expected) in [
            (r#""a\u00e9\n\/""#, "a\u{e9}\n/"),
            (r#""\ud83d\ude00""#, "\u{1f600}"),
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""\ude00\ud83dx""#, "\u{fffd}\u{fffd}x"),
        ] {
            assert_eq!(decode(literal.as_bytes()), expected, "{literal}");
        }
        assert!(matches!(
            decode(b"\"plain\""),
            std::borrow::Cow::Borrowed("plain")
        ));
    }

    #[test]
    fn text_is_written_as_its_own_canonical_literal() {
        let text = "\u{0}a\"b\\c/\u{8}\u{c}\n\r\t\u{1f}\u{7f}\u{2028}\u{1f600}";
        let mut out = Vec::new();
        write_text(text, &mut out);
        assert_eq!(decode(&out), text);
        assert_eq!(
            canonical(std::str::from_utf8(&out).unwrap()).as_bytes(),
            out
        );
        assert!(out.starts_with(br#""\u0000a\"b\\c/\b\f\n\r\t\u001f"#));
    }

    #[test]
    fn text_that_was_never_validated_does_no_harm() {
        for text in [
            "",
            "\"",
            "\"\\",
            "\\u",
            "\"\\u12",
            "\"\\ud83d\\u\"",
            "\"\\ud83d\\",
        ] {
            assert!(decode(text.as_bytes()).len() <= 3 * text.len());
            let mut out = Vec::new();
            write_canonical(text.as_bytes(), &mut out);
            assert!(out.len() >= 2);
        }
    }
}
