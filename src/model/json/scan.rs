//! The validator: strict RFC 8259 within bounds.

use crate::limits;
use crate::model::json::value::is_blank;
pub use crate::model::json::value::{Elements, Kind, Members, Value, members_of};

/// The deepest nesting that can be asked for: one bit of a `u128` for each open container.
const DEPTH_MAX: usize = 128;

/// How large a JSON text may be, apart from its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Containers that may be open at one time; values above 128 count as 128.
    pub depth: usize,
    /// Members and elements, all levels together.
    pub values: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            depth: limits::JSON_DEPTH,
            values: limits::JSON_VALUES,
        }
    }
}

/// Why a text was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JsonError {
    /// Not JSON.
    Syntax {
        /// Where the first byte that cannot be there stands; the length when the text ends early.
        offset: usize,
    },
    /// More containers inside each other than [`Bounds::depth`].
    TooDeep,
    /// More members and elements than [`Bounds::values`].
    TooManyValues,
}

impl std::fmt::Display for JsonError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Syntax { offset } => write!(out, "the text is not JSON at byte {offset}"),
            Self::TooDeep => out.write_str("the JSON text is nested too deeply"),
            Self::TooManyValues => out.write_str("the JSON text has too many values"),
        }
    }
}

impl std::error::Error for JsonError {}

/// Validates a text that is exactly one value, with white space around it at most.
///
/// # Errors
/// [`JsonError`] says what is wrong; the text has to be UTF-8 without a byte order mark.
pub fn parse<'a>(text: &'a [u8], bounds: &Bounds) -> Result<Value<'a>, JsonError> {
    let (value, end) = parse_first(text, bounds)?;
    let rest = text.get(end..).unwrap_or_default();
    match rest.iter().position(|b| !is_blank(*b)) {
        None => Ok(value),
        Some(extra) => Err(JsonError::Syntax {
            offset: end + extra,
        }),
    }
}

/// Validates the first value of a text and tells where it ends; anything may follow.
///
/// # Errors
/// [`JsonError`] says what is wrong with the first value.
pub fn parse_first<'a>(text: &'a [u8], bounds: &Bounds) -> Result<(Value<'a>, usize), JsonError> {
    let mut scanner = Scanner {
        text,
        at: 0,
        open: Nesting::default(),
        depth: bounds.depth.min(DEPTH_MAX),
        values_left: bounds.values,
    };
    scanner.skip_blanks();
    let start = scanner.at;
    scanner.skip_value()?;
    let text = text.get(start..scanner.at).unwrap_or_default();
    Ok((Value::validated(text), scanner.at))
}

/// The open containers, the innermost in the lowest bit: 1 for an object, 0 for an array.
#[derive(Clone, Copy, Default)]
struct Nesting {
    objects: u128,
    depth: usize,
}

impl Nesting {
    fn push(&mut self, object: bool) {
        self.objects = self.objects << 1 | u128::from(object);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.objects >>= 1;
        self.depth = self.depth.saturating_sub(1);
    }

    fn in_object(self) -> bool {
        self.objects & 1 == 1
    }
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    open: Nesting,
    depth: usize,
    values_left: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn syntax<T>(&self) -> Result<T, JsonError> {
        Err(JsonError::Syntax { offset: self.at })
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.peek() != Some(byte) {
            return self.syntax();
        }
        self.at += 1;
        Ok(())
    }

    /// Goes over one value with everything inside it, without recursion.
    fn skip_value(&mut self) -> Result<(), JsonError> {
        loop {
            if self.begin_value()? {
                continue;
            }
            loop {
                if self.open.depth == 0 {
                    return Ok(());
                }
                self.skip_blanks();
                match (self.peek(), self.open.in_object()) {
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        self.at += 1;
                        self.open.pop();
                    }
                    (Some(b','), _) => {
                        self.at += 1;
                        self.begin_entry()?;
                        break;
                    }
                    _ => return self.syntax(),
                }
            }
        }
    }

    /// Goes over a scalar or an empty container, or opens a container up to the place of its
    /// first value and answers true.
    fn begin_value(&mut self) -> Result<bool, JsonError> {
        self.skip_blanks();
        let object = match self.peek() {
            Some(b'{') => true,
            Some(b'[') => false,
            Some(_) | None => return self.skip_scalar().map(|()| false),
        };
        if self.open.depth >= self.depth {
            return Err(JsonError::TooDeep);
        }
        self.at += 1;
        self.skip_blanks();
        if self.peek() == Some(if object { b'}' } else { b']' }) {
            self.at += 1;
            return Ok(false);
        }
        self.open.push(object);
        self.begin_entry().map(|()| true)
    }

    /// Counts a member or element; of a member, goes over key and colon.
    fn begin_entry(&mut self) -> Result<(), JsonError> {
        self.values_left = self
            .values_left
            .checked_sub(1)
            .ok_or(JsonError::TooManyValues)?;
        if self.open.in_object() {
            self.skip_blanks();
            self.skip_string()?;
            self.skip_blanks();
            self.expect(b':')?;
        }
        Ok(())
    }

    fn skip_scalar(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"') => self.skip_string(),
            Some(b't') => self.skip_word(b"true"),
            Some(b'f') => self.skip_word(b"false"),
            Some(b'n') => self.skip_word(b"null"),
            Some(_) | None => self.skip_number(),
        }
    }

    fn skip_word(&mut self, word: &[u8]) -> Result<(), JsonError> {
        word.iter().try_for_each(|b| self.expect(*b))
    }

    fn skip_number(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.skip_digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.skip_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.skip_digits()?;
        }
        Ok(())
    }

    fn skip_digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            return self.syntax();
        }
        Ok(())
    }

    fn skip_string(&mut self) -> Result<(), JsonError> {
        self.expect(b'"')?;
        let start = self.at;
        let mut seen = 0u8;
        while let Some(byte) = self.peek() {
            seen |= byte;
            match byte {
                b'"' => {
                    self.at += 1;
                    return if seen < 0x80 {
                        Ok(())
                    } else {
                        self.check_utf8(start)
                    };
                }
                b'\\' => self.skip_escape()?,
                0..0x20 => return self.syntax(),
                _ => self.at += 1,
            }
        }
        self.syntax()
    }

    fn skip_escape(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|b| b.is_ascii_hexdigit()) {
                        return self.syntax();
                    }
                    self.at += 1;
                }
            }
            Some(_) | None => return self.syntax(),
        }
        Ok(())
    }

    fn check_utf8(&self, start: usize) -> Result<(), JsonError> {
        let literal = self.text.get(start..self.at).unwrap_or_default();
        std::str::from_utf8(literal)
            .map(drop)
            .map_err(|bad| JsonError::Syntax {
                offset: start + bad.valid_up_to(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounds, JsonError, Kind, parse, parse_first};

    fn accepts(text: &[u8]) -> bool {
        parse(text, &Bounds::default()).is_ok()
    }

    #[test]
    fn grammar_of_rfc_8259_is_held() {
        let good = r#"{} | [] |  [ ]  | { "a" : 1 } | [1,2,[3,{"a":[]}]] | "" | 0 | -0 | -0.0e-0
            | 10 | 1E+2 | true | false | null | "\u00e9\ud83d\/\b\f\n\r\t\"\\\uDdDd" | "/""#;
        for text in good.split('|') {
            assert!(accepts(text.as_bytes()), "{text}");
        }
        let bad = r#" | { | } | [ | ] | [1,] | [,1] | {,} | {"a"} | {"a":} | {"a":1,} | {a:1} | -a
            | {1:1} | [1 2] | [1} | {"a":1] | 01 | - | +1 | 1. | .5 | 1e | 1e+ | 0x1 | tru | nul
            | truee | NaN | Infinity | 'a' | " | "\ | "\x" | "\u12g4" | 1 1 | {}x | // | "a"b"#;
        for text in bad.split('|') {
            assert!(!accepts(text.as_bytes()), "{text}");
        }
        assert!(accepts("\t\r\n\"\u{e9}\u{7f}\" \n".as_bytes()));
        for text in ["\"\n\"", "\"\u{1}\"", "\u{feff}{}", "\u{a0}1", "1\u{c}"] {
            assert!(!accepts(text.as_bytes()), "{text}");
        }
        assert!(!accepts(b"\"\xff\""));
        assert!(!accepts(b"\"\xed\xa0\x80\""));
        assert!(!accepts(b"[1]\0"));
    }

    #[test]
    fn syntax_error_names_its_place() {
        let refused = |text: &[u8]| parse(text, &Bounds::default()).err();
        assert_eq!(refused(b"[1,x]"), Some(JsonError::Syntax { offset: 3 }));
        assert_eq!(refused(b"[1"), Some(JsonError::Syntax { offset: 2 }));
        assert_eq!(refused(b"[1] 2"), Some(JsonError::Syntax { offset: 4 }));
        assert_eq!(
            refused(b"\"ab\xff\""),
            Some(JsonError::Syntax { offset: 3 })
        );
    }

    #[test]
    fn bounds_hold_at_their_edge() {
        let bounds = Bounds {
            depth: 3,
            values: 4,
        };
        let check = |text: &str| parse(text.as_bytes(), &bounds).err();
        assert_eq!(check("[[[]]]"), None);
        assert_eq!(check("[[[[]]]]"), Some(JsonError::TooDeep));
        assert_eq!(check("{\"a\":{\"b\":[[]]}}"), Some(JsonError::TooDeep));
        assert_eq!(check("[1,[2],3]"), None);
        assert_eq!(check("[1,[2],3,4]"), Some(JsonError::TooManyValues));
        let nested = |n: usize| [vec![b'['; n], vec![b']'; n]].concat();
        assert!(accepts(&nested(126)));
        assert!(!accepts(&nested(127)));
        let unbounded = Bounds {
            depth: usize::MAX,
            values: usize::MAX,
        };
        assert!(parse(&nested(128), &unbounded).is_ok());
        assert_eq!(
            parse(&nested(129), &unbounded).err(),
            Some(JsonError::TooDeep)
        );
        assert_eq!(
            parse(&nested(1 << 20), &unbounded).err(),
            Some(JsonError::TooDeep)
        );
    }

    #[test]
    fn first_value_may_be_followed_by_anything() {
        let first = |text: &'static str| {
            parse_first(text.as_bytes(), &Bounds::default())
                .map(|(value, end)| (value.kind(), value.text(), end))
        };
        assert_eq!(
            first(" {\"a\":1}garbage"),
            Ok((Kind::Object, &b"{\"a\":1}"[..], 8))
        );
        assert_eq!(first("12abc"), Ok((Kind::Number, &b"12"[..], 2)));
        assert_eq!(first("{"), Err(JsonError::Syntax { offset: 1 }));
    }
}
