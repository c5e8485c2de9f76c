//! Splicing the members of a patch into a stored object, as raw text (stub).

/// A validated patch.
#[derive(Clone, Copy, Debug)]
pub struct Patch<'a> {
    /// The canonical text of a JSON object.
    text: &'a [u8],
}

/// Where members stand in a merged object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemberOrder {
    /// Kept members keep their place, new ones go to the end.
    Insertion,
    /// The same, but keys that are array indexes come first, in numeric order, as in JavaScript.
    JavaScript,
}

/// Merges.
pub fn merge(stored: &[u8], patch: &Patch<'_>, _order: MemberOrder, out: &mut Vec<u8>) {
    out.extend_from_slice(stored);
    out.extend_from_slice(patch.text);
}
