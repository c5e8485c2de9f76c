//! Walking over validated text: a value is its text, and members and elements are found in it.

use memchr::memchr2;

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `{...}`
    Object,
    /// `[...]`
    Array,
    /// `"..."`
    String,
    /// A number.
    Number,
    /// `true`
    True,
    /// `false`
    False,
    /// `null`
    Null,
}

/// A validated value: its text, without white space around it.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    text: &'a [u8],
}

impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:?} of {} bytes", self.kind(), self.text.len())
    }
}

impl<'a> Value<'a> {
    /// A value of this text, which has been validated.
    pub(super) fn validated(text: &'a [u8]) -> Self {
        Self { text }
    }

    /// What the value is: its first byte tells.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self.text.first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't') => Kind::True,
            Some(b'f') => Kind::False,
            Some(b'n') | None => Kind::Null,
            Some(_) => Kind::Number,
        }
    }

    /// The value as it was written.
    #[must_use]
    pub fn text(self) -> &'a [u8] {
        self.text
    }

    /// The members of an object, in order, duplicates included; none for any other value.
    #[must_use]
    pub fn members(self) -> Members<'a> {
        Members(inside(self.text, Kind::Object, self.kind()))
    }

    /// The elements of an array, in order; none for any other value.
    #[must_use]
    pub fn elements(self) -> Elements<'a> {
        Elements(inside(self.text, Kind::Array, self.kind()))
    }
}

/// The members of text that is known to be an object, as canonical session data is.
#[must_use]
pub fn members_of(object: &[u8]) -> Members<'_> {
    Value { text: object }.members()
}

fn inside(text: &[u8], wanted: Kind, kind: Kind) -> &[u8] {
    match text {
        [_, inner @ .., _] if wanted == kind => inner,
        _ => &[],
    }
}

/// Iterates over the members of an object: the key's literal, with its quotes, and the value.
#[derive(Clone, Copy, Debug)]
pub struct Members<'a>(&'a [u8]);

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, rest) = take_value(self.0)?;
        let (value, rest) = take_value(rest)?;
        self.0 = rest;
        Some((key, Value { text: value }))
    }
}

/// Iterates over the elements of an array.
#[derive(Clone, Copy, Debug)]
pub struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (value, rest) = take_value(self.0)?;
        self.0 = rest;
        Some(Value { text: value })
    }
}

/// Cuts the next value off validated text, with the white space, comma or colon before it.
fn take_value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = text
        .iter()
        .position(|b| !is_blank(*b) && *b != b',' && *b != b':')?;
    let (_, text) = text.split_at_checked(start)?;
    // A stray bracket is no value. It ends the walk, or text that was never validated would not.
    text.split_at_checked(value_length(text))
        .filter(|(value, _)| !value.is_empty())
}

/// The length of the value at the start of validated text.
fn value_length(text: &[u8]) -> usize {
    match text.first() {
        Some(b'"') => literal_length(text),
        Some(b'{' | b'[') => container_length(text),
        Some(_) => text
            .iter()
            .position(|b| is_blank(*b) || matches!(b, b',' | b':' | b'}' | b']'))
            .unwrap_or(text.len()),
        None => 0,
    }
}

fn container_length(text: &[u8]) -> usize {
    let (mut at, mut open) = (0, 0usize);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                at += literal_length(text.get(at..).unwrap_or_default());
                continue;
            }
            b'{' | b'[' => open += 1,
            b'}' | b']' => open = open.saturating_sub(1),
            _ => {}
        }
        at += 1;
        if open == 0 {
            return at;
        }
    }
    text.len()
}

/// The length of the string literal at the start of validated text, with both quotes.
pub(super) fn literal_length(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(found) = memchr2(b'"', b'\\', text.get(at..).unwrap_or_default()) {
        at += found + 1;
        if text.get(at - 1) == Some(&b'"') {
            return at;
        }
        at += 1;
    }
    text.len()
}

/// The length of the number at the start of validated text.
pub(super) fn number_length(text: &[u8]) -> usize {
    text.iter()
        .position(|b| !matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
        .unwrap_or(text.len())
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::{Kind, members_of};
    use crate::model::json::scan::{Bounds, parse};

    #[test]
    fn walk_over_text_that_was_never_validated_ends() {
        for text in [
            "{}}",
            "{]}",
            "{\"a\":1}\n{\"a\"}",
            "{\"}",
            "{\"a\":}",
            "{a:[}",
            "{:,}",
        ] {
            assert!(members_of(text.as_bytes()).count() <= text.len(), "{text}");
        }
    }

    #[test]
    fn members_and_elements_are_walked_in_order() {
        let text =
            br#" { "a" : [1, {"x":"]}"}] ,"b":{"c":null}, "a":"\"," , "d":-1.5e3 ,"e":true} "#;
        let value = parse(text, &Bounds::default()).unwrap();
        let members: Vec<_> = value
            .members()
            .map(|(k, v)| {
                (
                    std::str::from_utf8(k).unwrap(),
                    std::str::from_utf8(v.text()).unwrap(),
                )
            })
            .collect();
        assert_eq!(
            members,
            [
                ("\"a\"", "[1, {\"x\":\"]}\"}]"),
                ("\"b\"", "{\"c\":null}"),
                ("\"a\"", "\"\\\",\""),
                ("\"d\"", "-1.5e3"),
                ("\"e\"", "true"),
            ]
        );
        let (_, array) = value.members().next().unwrap();
        let kinds: Vec<_> = array.elements().map(|v| v.kind()).collect();
        assert_eq!(kinds, [Kind::Number, Kind::Object]);
        assert_eq!(array.members().count(), 0);
        assert_eq!(value.elements().count(), 0);
    }
}
