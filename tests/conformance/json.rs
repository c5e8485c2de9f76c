//! JSON as the judge reads it: duplicates, number texts and lone surrogates kept, `inf` let through.

use std::fmt;

/// A value of a body.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Json {
    Object(Vec<(Text, Json)>),
    Array(Vec<Json>),
    String(Text),
    /// A number as it is spelled; also `inf` and `nan`, which one of the services sends.
    Number(String),
    Word(&'static str),
}

/// UTF-16 units, so that a lone surrogate is told from U+FFFD.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Text(Vec<u16>);

impl Text {
    pub(crate) fn lossy(&self) -> String {
        String::from_utf16_lossy(&self.0)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.encode_utf16().collect())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(members) => write!(out, "object of {}", members.len()),
            Self::Array(elements) => write!(out, "array of {}", elements.len()),
            Self::String(text) => write!(out, "{:?}", text.lossy()),
            Self::Number(digits) => out.write_str(digits),
            Self::Word(word) => out.write_str(word),
        }
    }
}

impl Json {
    /// Reads a whole text; `None` when it is not JSON.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text };
        let value = reader.value(0)?;
        reader.skip_blanks();
        reader.rest.is_empty().then_some(value)
    }

    /// The members of an object with the last of equal keys at the place of the first.
    pub(crate) fn members(&self) -> Vec<(&Text, &Self)> {
        let Self::Object(members) = self else {
            return Vec::new();
        };
        let mut distinct: Vec<(&Text, &Self)> = Vec::new();
        for (key, value) in members {
            match distinct.iter_mut().find(|(k, _)| *k == key) {
                Some(member) => member.1 = value,
                None => distinct.push((key, value)),
            }
        }
        distinct
    }

    /// The member of an object; the last one of equal keys.
    pub(crate) fn member(&self, key: &Text) -> Option<&Self> {
        let Self::Object(members) = self else {
            return None;
        };
        members.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// The element of an array.
    pub(crate) fn element(&self, place: usize) -> Option<&Self> {
        let Self::Array(elements) = self else {
            return None;
        };
        elements.get(place)
    }
}

/// Whether two number texts mean the same: exactly, or as doubles when one is no integer.
pub(crate) fn same_number(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    let (Some(a), Some(b)) = (decimal(one), decimal(other)) else {
        return false;
    };
    let is_fraction = |text: &str| text.contains(['.', 'e', 'E']);
    a == b || (is_fraction(one) || is_fraction(other)) && one.parse::<f64>() == other.parse::<f64>()
}

/// Sign, significant digits and the power of ten they are multiplied with.
fn decimal(text: &str) -> Option<(bool, String, i64)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().ok()?;
    let unsigned = mantissa.strip_prefix('-');
    let (whole, fraction) = {
        let digits = unsigned.unwrap_or(mantissa);
        digits.split_once('.').unwrap_or((digits, ""))
    };
    let digits = format!("{whole}{fraction}");
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Some((false, String::new(), 0));
    }
    let zeros = digits.len() - digits.trim_end_matches('0').len();
    let shift = i64::try_from(zeros).ok()? - i64::try_from(fraction.len()).ok()?;
    Some((
        unsigned.is_some(),
        significant.to_string(),
        exponent + shift,
    ))
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn take(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        if depth > 400 {
            return None;
        }
        self.skip_blanks();
        if self.take("{") {
            return self
                .list("}", |reader| {
                    reader.skip_blanks();
                    let key = reader.string()?;
                    reader.skip_blanks();
                    reader.take(":").then_some(())?;
                    Some((key, reader.value(depth + 1)?))
                })
                .map(Json::Object);
        }
        if self.take("[") {
            return self
                .list("]", |reader| reader.value(depth + 1))
                .map(Json::Array);
        }
        if self.rest.starts_with('"') {
            return self.string().map(Json::String);
        }
        for word in ["true", "false", "null"] {
            if self.take(word) {
                return Some(Json::Word(word));
            }
        }
        self.number().map(Json::Number)
    }

    fn list<T>(
        &mut self,
        end: &str,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut items = Vec::new();
        self.skip_blanks();
        if self.take(end) {
            return Some(items);
        }
        loop {
            items.push(item(self)?);
            self.skip_blanks();
            if self.take(end) {
                return Some(items);
            }
            self.take(",").then_some(())?;
        }
    }

    fn number(&mut self) -> Option<String> {
        let text = self.rest;
        let digits = |from: usize| {
            let rest = text.get(from..).unwrap_or_default();
            rest.bytes().take_while(u8::is_ascii_digit).count()
        };
        let byte = |at: usize| text.as_bytes().get(at).copied();
        let mut at = usize::from(byte(0) == Some(b'-'));
        let whole = text.get(at..)?;
        if whole.starts_with("inf") || whole.starts_with("nan") {
            at += 3;
        } else {
            at += if byte(at) == Some(b'0') {
                1
            } else {
                digits(at).max(1)
            };
            if !byte(at - 1)?.is_ascii_digit() {
                return None;
            }
            if byte(at) == Some(b'.') && digits(at + 1) > 0 {
                at += 1 + digits(at + 1);
            }
            if matches!(byte(at), Some(b'e' | b'E')) {
                let sign = usize::from(matches!(byte(at + 1), Some(b'+' | b'-')));
                let power = digits(at + 1 + sign);
                at += if power > 0 { 1 + sign + power } else { 0 };
            }
        }
        let (number, rest) = text.split_at_checked(at)?;
        self.rest = rest;
        Some(number.to_string())
    }

    fn string(&mut self) -> Option<Text> {
        self.take("\"").then_some(())?;
        let mut units = Vec::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = self.rest.get(at + 1..)?;
                    return Some(Text(units));
                }
                '\\' => units.push(match chars.next()?.1 {
                    'b' => 8,
                    'f' => 12,
                    'n' => 10,
                    'r' => 13,
                    't' => 9,
                    'u' => (0..4).try_fold(0u16, |unit, _| {
                        let digit = u16::try_from(chars.next()?.1.to_digit(16)?).ok()?;
                        Some(unit << 4 | digit)
                    })?,
                    plain @ ('"' | '\\' | '/') => u16::try_from(u32::from(plain)).ok()?,
                    _ => return None,
                }),
                plain => units.extend_from_slice(plain.encode_utf16(&mut [0; 2])),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Json, same_number};

    #[test]
    fn numbers_are_compared_by_value_and_integers_exactly() {
        for (one, other) in [
            ("1", "1.0"),
            ("100", "1e2"),
            ("-0", "0"),
            ("0.10", "1e-1"),
            ("1e+21", "1000000000000000000000"),
            ("0.1", "0.1000000000000000055"),
            ("inf", "inf"),
        ] {
            assert!(same_number(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("1", "2"),
            ("1", "-1"),
            ("9007199254740993", "9007199254740992"),
            ("0.1", "0.2"),
            ("inf", "nan"),
            ("inf", "1"),
        ] {
            assert!(!same_number(one, other), "{one} {other}");
        }
    }

    #[test]
    fn texts_that_are_not_json_are_not_read() {
        for text in [
            "", "{", "{\"a\"}", "[1,]", "01", "1 2", "\"", "\"\\x\"", "tru", "-", ".5", "{a:1}",
        ] {
            assert_eq!(Json::read(text), None, "{text}");
        }
        for text in [
            "{}",
            " [1, -2.5e+3 ]\n",
            "\"\\ud83d\\/\"",
            "{\"a\":{\"a\":null}}",
            "-inf",
            "0",
        ] {
            assert!(Json::read(text).is_some(), "{text}");
        }
    }

    #[test]
    fn lone_surrogates_are_told_from_replacement_characters() {
        assert_ne!(Json::read("\"\\ud83d\""), Json::read("\"\\ufffd\""));
        assert_eq!(
            Json::read("\"\\ud83d\\ude00\""),
            Json::read("\"\u{1f600}\"")
        );
    }
}
