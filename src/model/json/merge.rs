//! Splicing the members of a patch into a stored object, as raw text.

use hashbrown::HashMap;

use crate::limits;
use crate::model::json::canonical::HASHED_FROM;
use crate::model::json::scan::{Kind, Value, members_of};

/// Where members stand in a merged object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemberOrder {
    /// Kept members keep their place, new ones go to the end.
    Insertion,
    /// The same, but keys that are array indexes come first, in numeric order, as in JavaScript.
    JavaScript,
}

/// Why nothing was merged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MergeError {
    /// One of the texts is not a JSON object.
    NotAnObject,
    /// The merged object would have more members than [`limits::JSON_VALUES`].
    TooManyMembers,
}

impl std::fmt::Display for MergeError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotAnObject => out.write_str("only a JSON object can be merged"),
            Self::TooManyMembers => {
                write!(
                    out,
                    "the data would have more than {} members",
                    limits::JSON_VALUES
                )
            }
        }
    }
}

impl std::error::Error for MergeError {}

/// The members to merge: what a canonical object holds, made ready for look-ups by key.
pub struct Patch<'a> {
    members: Vec<(&'a [u8], Value<'a>)>,
    /// Key to place in `members`, when there are many.
    places: Option<HashMap<&'a [u8], usize, ahash::RandomState>>,
}

impl std::fmt::Debug for Patch<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Patch of {} members", self.members.len())
    }
}

impl<'a> Patch<'a> {
    /// A patch of the members of `text`: an object as [`super::canonical::write`] writes it, or
    /// empty for no members.
    ///
    /// # Errors
    /// [`MergeError::NotAnObject`], [`MergeError::TooManyMembers`].
    pub fn new(text: &'a [u8]) -> Result<Self, MergeError> {
        check_object(text)?;
        let members: Vec<_> = members_of(text).take(limits::JSON_VALUES + 1).collect();
        if members.len() > limits::JSON_VALUES {
            return Err(MergeError::TooManyMembers);
        }
        let places = (members.len() > HASHED_FROM).then(|| {
            members
                .iter()
                .zip(0..)
                .map(|((key, _), n)| (*key, n))
                .collect()
        });
        Ok(Self { members, places })
    }

    /// Whether there is nothing to merge.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn place(&self, key: &[u8]) -> Option<usize> {
        match &self.places {
            Some(places) => places.get(key).copied(),
            None => self.members.iter().position(|(k, _)| *k == key),
        }
    }
}

/// Merges a patch into `stored`, which is a canonical object or empty for "no members", and puts
/// the result into `out` (what was there is overwritten). Members that the patch gives as `null`
/// go, other members that it names get its value at their place, its other members follow at the
/// end. `out` is empty when no member is left.
///
/// # Errors
/// [`MergeError::NotAnObject`] when `stored` is something else; [`MergeError::TooManyMembers`].
/// What `out` holds then means nothing.
pub fn merge(
    stored: &[u8],
    patch: &Patch<'_>,
    order: MemberOrder,
    out: &mut Vec<u8>,
) -> Result<(), MergeError> {
    out.clear();
    check_object(stored)?;
    let mut object = ObjectWriter::new(out);
    let mut used = vec![false; patch.members.len()];
    for (key, value) in members_of(stored) {
        match patch.place(key) {
            None => object.member(key, value)?,
            Some(place) => {
                if let Some(used) = used.get_mut(place) {
                    *used = true;
                }
                if let Some((_, value)) = patch.members.get(place) {
                    object.member_unless_null(key, *value)?;
                }
            }
        }
    }
    for ((key, value), used) in patch.members.iter().zip(used) {
        if !used {
            object.member_unless_null(key, *value)?;
        }
    }
    let indexed = object.finish();
    if indexed && order == MemberOrder::JavaScript {
        let mut ordered = Vec::with_capacity(out.len());
        self::order(out, order, &mut ordered);
        *out = ordered;
    }
    Ok(())
}

/// Puts the members of a canonical object into the given order and the result into `out` (what was
/// there is overwritten). The empty object becomes empty; text that is no object is copied as it
/// is.
pub fn order(text: &[u8], order: MemberOrder, out: &mut Vec<u8>) {
    out.clear();
    if text == b"{}" {
        return;
    }
    let indexed = order == MemberOrder::JavaScript
        && members_of(text).any(|(key, _)| array_index(key).is_some());
    if !indexed {
        out.extend_from_slice(text);
        return;
    }
    let mut members: Vec<_> = members_of(text).collect();
    // Stable, so that the keys that are no indexes stay as they are, behind those that are.
    members.sort_by_key(|(key, _)| array_index(key).unwrap_or(u32::MAX));
    let mut object = ObjectWriter::new(out);
    for (key, value) in members {
        object.write(key, value);
    }
    object.finish();
}

fn check_object(text: &[u8]) -> Result<(), MergeError> {
    match text {
        [] | [b'{', .., b'}'] => Ok(()),
        _ => Err(MergeError::NotAnObject),
    }
}

/// The key as an array index of JavaScript: canonical decimal from 0 to 2^32 - 2.
fn array_index(key: &[u8]) -> Option<u32> {
    let [b'"', digits @ .., b'"'] = key else {
        return None;
    };
    match digits {
        [b'0'] | [b'1'..=b'9', ..] if digits.len() <= 10 => {}
        _ => return None,
    }
    let index: u32 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (index < u32::MAX).then_some(index)
}

/// Writes an object member by member; without any it writes nothing.
struct ObjectWriter<'o> {
    out: &'o mut Vec<u8>,
    members: usize,
    /// A key was an array index.
    indexed: bool,
}

impl<'o> ObjectWriter<'o> {
    fn new(out: &'o mut Vec<u8>) -> Self {
        Self {
            out,
            members: 0,
            indexed: false,
        }
    }

    fn member_unless_null(&mut self, key: &[u8], value: Value<'_>) -> Result<(), MergeError> {
        if value.kind() == Kind::Null {
            return Ok(());
        }
        self.member(key, value)
    }

    fn member(&mut self, key: &[u8], value: Value<'_>) -> Result<(), MergeError> {
        if self.members == limits::JSON_VALUES {
            return Err(MergeError::TooManyMembers);
        }
        self.indexed |= array_index(key).is_some();
        self.write(key, value);
        Ok(())
    }

    fn write(&mut self, key: &[u8], value: Value<'_>) {
        self.out.push(if self.members == 0 { b'{' } else { b',' });
        self.members += 1;
        self.out.extend_from_slice(key);
        self.out.push(b':');
        self.out.extend_from_slice(value.text());
    }

    /// Closes the object and tells whether a key was an array index.
    fn finish(self) -> bool {
        if self.members > 0 {
            self.out.push(b'}');
        }
        self.indexed
    }
}

#[cfg(test)]
mod tests {
    use super::{MemberOrder, MergeError, Patch, array_index, merge, order};
    use crate::limits;

    fn merged(stored: &str, patch: &str, order: MemberOrder) -> String {
        let mut out = b"left over".to_vec();
        let patch = Patch::new(patch.as_bytes()).unwrap();
        merge(stored.as_bytes(), &patch, order, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn kept_members_keep_their_place_and_new_ones_go_to_the_end() {
        for (stored, patch, expected) in [
            ("", "", ""),
            ("", "{}", ""),
            ("", r#"{"a":1,"b":null,"c":"x"}"#, r#"{"a":1,"c":"x"}"#),
            (r#"{"a":1,"b":2}"#, "", r#"{"a":1,"b":2}"#),
            (
                r#"{"a":1,"b":2,"c":3}"#,
                r#"{"d":4,"b":true}"#,
                r#"{"a":1,"b":true,"c":3,"d":4}"#,
            ),
            (r#"{"a":1,"b":2}"#, r#"{"a":null,"x":null}"#, r#"{"b":2}"#),
            (r#"{"a":1}"#, r#"{"a":null}"#, ""),
            (
                r#"{"a":null,"b":{"a":null}}"#,
                r#"{"b":[null]}"#,
                r#"{"a":null,"b":[null]}"#,
            ),
            (r#"{"":1}"#, r#"{"":"\"}"}"#, r#"{"":"\"}"}"#),
        ] {
            assert_eq!(
                merged(stored, patch, MemberOrder::Insertion),
                expected,
                "{stored} {patch}"
            );
            assert_eq!(
                merged(stored, patch, MemberOrder::JavaScript),
                expected,
                "{stored} {patch}"
            );
        }
    }

    #[test]
    fn member_that_went_and_comes_back_stands_at_the_end() {
        let without = merged(r#"{"a":1,"b":2}"#, r#"{"a":null}"#, MemberOrder::Insertion);
        assert_eq!(
            merged(&without, r#"{"a":3}"#, MemberOrder::Insertion),
            r#"{"b":2,"a":3}"#
        );
    }

    #[test]
    fn array_indexes_come_first_in_javascript_order_only() {
        let stored = r#"{"b":1,"10":2}"#;
        let patch = r#"{"01":3,"9":4,"a":5,"4294967295":6,"4294967294":7,"0":8}"#;
        assert_eq!(
            merged(stored, patch, MemberOrder::JavaScript),
            r#"{"0":8,"9":4,"10":2,"4294967294":7,"b":1,"01":3,"a":5,"4294967295":6}"#
        );
        assert_eq!(
            merged(stored, patch, MemberOrder::Insertion),
            r#"{"b":1,"10":2,"01":3,"9":4,"a":5,"4294967295":6,"4294967294":7,"0":8}"#
        );
        for key in [
            "\"\"",
            "\"-1\"",
            "\"1.0\"",
            "\"+1\"",
            "\"00\"",
            "\"1e1\"",
            "1",
            "\"99999999999\"",
        ] {
            assert_eq!(array_index(key.as_bytes()), None, "{key}");
        }
    }

    #[test]
    fn ordering_a_text_keeps_its_nulls_and_empties_an_empty_object() {
        let ordered = |text: &str| {
            let mut out = b"left over".to_vec();
            order(text.as_bytes(), MemberOrder::JavaScript, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(ordered(r#"{"b":null,"1":2}"#), r#"{"1":2,"b":null}"#);
        assert_eq!(ordered(r#"{"b":null}"#), r#"{"b":null}"#);
        assert_eq!(ordered("{}"), "");
        assert_eq!(ordered("[1]"), "[1]");
    }

    #[test]
    fn large_patch_gives_what_small_ones_give_one_by_one() {
        let object = |from: usize, to: usize, null_every: usize| {
            let members: Vec<_> = (from..to)
                .map(|n| match n % null_every {
                    0 => format!("\"k{n}\":null"),
                    _ => format!("\"k{n}\":{from}"),
                })
                .collect();
            format!("{{{}}}", members.join(","))
        };
        let stored = merged("", &object(0, 500, usize::MAX), MemberOrder::Insertion);
        let patch = object(250, 750, 3);
        let mut expected = stored.clone();
        for n in 250..750 {
            let single = object(n, n + 1, 3).replace(&format!(":{n}}}"), ":250}");
            expected = merged(&expected, &single, MemberOrder::Insertion);
        }
        assert_eq!(merged(&stored, &patch, MemberOrder::Insertion), expected);
    }

    #[test]
    fn text_that_is_no_object_is_refused() {
        let mut out = Vec::new();
        for text in ["[1]", "1", "{", "\"{}\"", " {}"] {
            assert_eq!(
                Patch::new(text.as_bytes()).err(),
                Some(MergeError::NotAnObject)
            );
            let patch = Patch::new(b"").unwrap();
            assert_eq!(
                merge(text.as_bytes(), &patch, MemberOrder::Insertion, &mut out),
                Err(MergeError::NotAnObject)
            );
        }
    }

    #[test]
    fn members_are_bounded_before_and_after_the_merge() {
        let object = |prefix: &str, count: usize| {
            let members: Vec<_> = (0..count).map(|n| format!("\"{prefix}{n}\":1")).collect();
            format!("{{{}}}", members.join(","))
        };
        let full = object("a", limits::JSON_VALUES);
        let over = object("a", limits::JSON_VALUES + 1);
        assert_eq!(
            Patch::new(over.as_bytes()).err(),
            Some(MergeError::TooManyMembers)
        );
        let patch = Patch::new(full.as_bytes()).unwrap();
        let mut out = Vec::new();
        assert_eq!(
            merge(full.as_bytes(), &patch, MemberOrder::Insertion, &mut out),
            Ok(())
        );
        assert_eq!(out, full.as_bytes());
        assert_eq!(
            merge(b"{\"b\":1}", &patch, MemberOrder::Insertion, &mut out),
            Err(MergeError::TooManyMembers)
        );
    }
}
