//! The canonical copy of a validated value: compact, one spelling for every string and number, and
//! of members with the same key the last value at the first place.

use hashbrown::HashMap;

use crate::model::json::number::WriteNumber;
use crate::model::json::string;
use crate::model::json::value::{Value, is_blank, literal_length, number_length};

/// Objects with more members than this look for equal keys by hash instead of one by one.
pub(super) const HASHED_FROM: usize = 16;

/// Appends the canonical copy of a validated value. Numbers are spelled by `numbers`.
pub fn write(value: Value<'_>, numbers: WriteNumber, out: &mut Vec<u8>) {
    Writer {
        numbers,
        frames: Vec::new(),
        members: Vec::new(),
        out,
    }
    .copy(value.text());
}

/// An open container.
struct Frame {
    object: bool,
    /// Where its first member stands in [`Writer::members`].
    first_member: usize,
    /// The next string is a key.
    at_key: bool,
}

/// Where a member stands in the output: its key from `start`, its value from `colon` + 1.
#[derive(Clone, Copy)]
struct Member {
    start: usize,
    colon: usize,
    end: usize,
}

struct Writer<'o> {
    numbers: WriteNumber,
    frames: Vec<Frame>,
    /// The members of all open objects, the innermost last.
    members: Vec<Member>,
    out: &'o mut Vec<u8>,
}

impl Writer<'_> {
    /// One pass over validated text.
    fn copy(&mut self, text: &[u8]) {
        let mut rest = text;
        while let Some((byte, tail)) = rest.split_first() {
            let length = match byte {
                b'"' => {
                    let length = literal_length(rest);
                    self.string(rest.get(..length).unwrap_or_default());
                    length
                }
                b'-' | b'0'..=b'9' => {
                    let length = number_length(rest);
                    (self.numbers)(rest.get(..length).unwrap_or_default(), self.out);
                    length
                }
                byte => {
                    self.byte(*byte);
                    1
                }
            };
            rest = rest.get(length..).unwrap_or(tail);
        }
    }

    fn string(&mut self, literal: &[u8]) {
        if let Some(frame) = self.frames.last_mut()
            && frame.at_key
        {
            frame.at_key = false;
            let start = self.out.len();
            self.members.push(Member {
                start,
                colon: start,
                end: start,
            });
        }
        string::write_canonical(literal, self.out);
    }

    fn byte(&mut self, byte: u8) {
        match byte {
            b'{' | b'[' => {
                let object = byte == b'{';
                self.frames.push(Frame {
                    object,
                    first_member: self.members.len(),
                    at_key: object,
                });
            }
            b':' => {
                if let Some(member) = self.members.last_mut() {
                    member.colon = self.out.len();
                }
            }
            b',' => self.end_member(),
            b'}' | b']' => self.end_container(),
            byte if is_blank(byte) => return,
            _ => {}
        }
        self.out.push(byte);
    }

    fn end_member(&mut self) {
        if let Some(frame) = self.frames.last_mut()
            && frame.object
        {
            frame.at_key = true;
            if let Some(member) = self.members.get_mut(frame.first_member..)
                && let Some(member) = member.last_mut()
            {
                member.end = self.out.len();
            }
        }
    }

    fn end_container(&mut self) {
        self.end_member();
        if let Some(frame) = self.frames.pop() {
            let members = self.members.get(frame.first_member..).unwrap_or_default();
            drop_overwritten(members, self.out);
            self.members.truncate(frame.first_member);
        }
    }
}

/// Rewrites an object's members, which end the output, so that every key stands once.
fn drop_overwritten(members: &[Member], out: &mut Vec<u8>) {
    let Some(start) = members.first().map(|m| m.start) else {
        return;
    };
    let key = |member: &Member| out.get(member.start..member.colon).unwrap_or_default();
    let Some(last) = last_values(members, key) else {
        return;
    };
    let mut rewritten = Vec::with_capacity(out.len() - start);
    for (first, last) in last {
        if !rewritten.is_empty() {
            rewritten.push(b',');
        }
        rewritten.extend_from_slice(key(&first));
        rewritten.extend_from_slice(out.get(last.colon..last.end).unwrap_or_default());
    }
    out.truncate(start);
    out.extend_from_slice(&rewritten);
}

/// For every key its first and its last member, in the order of the first; `None` when every key
/// stands once.
fn last_values<'k>(
    members: &[Member],
    key: impl Fn(&Member) -> &'k [u8],
) -> Option<Vec<(Member, Member)>> {
    if members.len() <= HASHED_FROM {
        let repeated = members
            .iter()
            .enumerate()
            .any(|(n, m)| members.iter().take(n).any(|earlier| key(earlier) == key(m)));
        if !repeated {
            return None;
        }
    }
    let mut places = HashMap::with_capacity_and_hasher(members.len(), ahash::RandomState::new());
    let mut pairs: Vec<(Member, Member)> = Vec::with_capacity(members.len());
    for member in members {
        let place = *places.entry(key(member)).or_insert(pairs.len());
        match pairs.get_mut(place) {
            Some((_, last)) => *last = *member,
            None => pairs.push((*member, *member)),
        }
    }
    (pairs.len() < members.len()).then_some(pairs)
}

#[cfg(test)]
mod tests {
    use super::write;
    use crate::model::json::number;
    use crate::model::json::scan::{Bounds, parse};

    fn canonical(text: &str) -> String {
        let value = parse(text.as_bytes(), &Bounds::default()).unwrap();
        let mut out = b"before".to_vec();
        write(value, number::write_javascript, &mut out);
        String::from_utf8(out)
            .unwrap()
            .strip_prefix("before")
            .unwrap()
            .to_owned()
    }

    #[test]
    fn copy_is_compact_and_spells_strings_and_numbers_one_way() {
        for (text, expected) in [
            (" { } ", "{}"),
            (" [ ] ", "[]"),
            ("\"\\u0041\"", "\"A\""),
            (" -0.0 ", "0"),
            ("true", "true"),
            (
                " { \"a\\u0062\" : [ 1.0 , null , { \"\\/\" : false } ] , \"c\" : \" x : , \" } ",
                "{\"ab\":[1,null,{\"/\":false}],\"c\":\" x : , \"}",
            ),
        ] {
            assert_eq!(canonical(text), expected, "{text}");
        }
    }

    #[test]
    fn repeated_key_keeps_its_first_place_and_its_last_value() {
        for (text, expected) in [
            (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
            (r#"{"a":1,"\u0061":[2]}"#, r#"{"a":[2]}"#),
            (r#"{"\ud83d":1,"\uD83D":2}"#, r#"{"\ud83d":2}"#),
            (
                r#"[{"x":{"a":1,"a":{"b":1,"b":2}},"x":{"a":0,"c":"","a":"l"}},7]"#,
                r#"[{"x":{"a":"l","c":""}},7]"#,
            ),
            (r#"{"":1,"":2}"#, r#"{"":2}"#),
        ] {
            assert_eq!(canonical(text), expected, "{text}");
        }
        let members: Vec<_> = (0..1000).map(|n| format!("\"k{}\":{n}", n % 300)).collect();
        let kept: Vec<_> = (0..300)
            .map(|k| format!("\"k{k}\":{}", if k < 100 { 900 + k } else { 600 + k }))
            .collect();
        assert_eq!(
            canonical(&format!("{{{}}}", members.join(","))),
            format!("{{{}}}", kept.join(","))
        );
    }
}
