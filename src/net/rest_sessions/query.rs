//! Query parameters as the `qs` library gave them to the old service: '+' is a blank, names may be
//! repeated and carry brackets, and what is no plain text is turned into text as JavaScript does.

use std::borrow::Cow;

use memchr::memmem;

use crate::net::rest_sessions::route::percent_decode;

/// Parts of a query that are looked at.
const PARTS: usize = 1000;
/// Brackets behind a name that are looked at.
const BRACKETS: usize = 5;
/// The largest index that makes a list; larger ones make an object.
const INDEX_MAX: usize = 20;
/// What an object is as text.
const OBJECT: &str = "[object Object]";

/// A parameter of a query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Param<'q> {
    /// Its text. The elements of a list are joined by commas.
    pub text: Cow<'q, str>,
    /// Given once and without brackets.
    pub plain: bool,
}

impl Param<'_> {
    /// Given, but as nothing: JavaScript takes the empty text for false, but not an empty list.
    #[must_use]
    pub fn is_void(&self) -> bool {
        self.plain && self.text.is_empty()
    }
}

/// The parameter called `name` (case-sensitive), `None` when the query does not have it.
#[must_use]
pub fn get<'q>(query: &'q [u8], name: &str) -> Option<Param<'q>> {
    let mut entries: Vec<Entry<'q>> = Vec::new();
    for part in query.split(|b| *b == b'&').take(PARTS) {
        let (key, value) = split_part(part);
        let key = decode(key);
        if root_of(&key) != name {
            continue;
        }
        let value = decode(value);
        match entries.iter_mut().find(|e| e.key == key) {
            Some(entry) => entry.values.push(value),
            None => entries.push(Entry {
                key,
                values: vec![value],
            }),
        }
    }
    let shape = entries.into_iter().map(Entry::into_shape).reduce(merge)?;
    let plain = matches!(shape, Shape::Text(_));
    Some(Param {
        text: shape.into_text(),
        plain,
    })
}

/// The values of one key, brackets and all.
struct Entry<'q> {
    key: Cow<'q, str>,
    values: Vec<Cow<'q, str>>,
}

/// What became of the values of one name.
#[derive(Clone)]
enum Shape<'q> {
    Text(Cow<'q, str>),
    /// A list, with holes where an index was left out.
    List(Vec<Option<Shape<'q>>>),
    /// Anything with named parts.
    Object,
}

impl<'q> Entry<'q> {
    fn into_shape(self) -> Shape<'q> {
        let mut values: Vec<_> = self.values.into_iter().map(Shape::Text).collect();
        let leaf = match values.pop() {
            Some(only) if values.is_empty() => only,
            last => Shape::List(values.into_iter().chain(last).map(Some).collect()),
        };
        let brackets: Vec<&str> = brackets_of(&self.key).collect();
        brackets.into_iter().rev().fold(leaf, Shape::inside)
    }
}

impl<'q> Shape<'q> {
    /// This value inside a pair of brackets.
    fn inside(self, bracket: &str) -> Self {
        if bracket.is_empty() {
            return match self {
                list @ Self::List(_) => list,
                other @ (Self::Text(_) | Self::Object) => Self::List(vec![Some(other)]),
            };
        }
        match bracket.parse::<usize>() {
            Ok(index) if index <= INDEX_MAX && index.to_string() == bracket => {
                let mut elements = vec![None; index];
                elements.push(Some(self));
                Self::List(elements)
            }
            Ok(_) | Err(_) => Self::Object,
        }
    }

    fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// As JavaScript turns it into text.
    fn into_text(self) -> Cow<'q, str> {
        match self {
            Self::Text(text) => text,
            Self::List(elements) => {
                let present: Vec<_> = elements
                    .into_iter()
                    .flatten()
                    .map(Self::into_text)
                    .collect();
                Cow::Owned(present.join(","))
            }
            Self::Object => Cow::Borrowed(OBJECT),
        }
    }
}

/// Two values of one name that were given under different keys, as `a` and `a[]`.
fn merge<'q>(former: Shape<'q>, latter: Shape<'q>) -> Shape<'q> {
    match (former, latter) {
        (former, Shape::Text(text)) if text.is_empty() => former,
        (Shape::Object, _) | (Shape::List(_), Shape::Object) => Shape::Object,
        (former @ Shape::Text(_), Shape::List(mut elements)) => {
            elements.insert(0, Some(former));
            Shape::List(elements)
        }
        (former @ Shape::Text(_), latter) => Shape::List(vec![Some(former), Some(latter)]),
        (Shape::List(mut elements), latter @ Shape::Text(_)) => {
            elements.push(Some(latter));
            Shape::List(elements)
        }
        (Shape::List(mut elements), Shape::List(more)) => {
            for (place, element) in more.into_iter().enumerate() {
                if let Some(element) = element {
                    put(&mut elements, place, element);
                }
            }
            Shape::List(elements)
        }
    }
}

/// Puts an element into a list at its place: into a hole there, together with a list or object
/// there, else at the end.
fn put<'q>(elements: &mut Vec<Option<Shape<'q>>>, place: usize, element: Shape<'q>) {
    elements.resize(elements.len().max(place + 1), None);
    let held = elements.get_mut(place).and_then(Option::take);
    let (kept, added) = match held {
        None => (element, None),
        Some(held) if held.is_text() || element.is_text() => (held, Some(element)),
        Some(held) => (merge(held, element), None),
    };
    if let Some(slot) = elements.get_mut(place) {
        *slot = Some(kept);
    }
    elements.extend(added.map(Some));
}

/// Key and value of a part. The '=' behind a closing bracket counts before any other.
fn split_part(part: &[u8]) -> (&[u8], &[u8]) {
    let equals = match memmem::find(part, b"]=") {
        Some(bracket) => Some(bracket + 1),
        None => part.iter().position(|b| *b == b'='),
    };
    match equals.and_then(|at| part.split_at_checked(at)) {
        Some((key, value)) => (key, value.strip_prefix(b"=").unwrap_or(value)),
        None => (part, &[]),
    }
}

/// A blank for every '+', and the percent escapes resolved if all of them are whole and UTF-8.
fn decode(raw: &[u8]) -> Cow<'_, str> {
    if !raw.contains(&b'+') {
        return percent_decode(raw).unwrap_or_else(|| String::from_utf8_lossy(raw));
    }
    let blanks: Vec<u8> = raw
        .iter()
        .map(|b| if *b == b'+' { b' ' } else { *b })
        .collect();
    let decoded = percent_decode(&blanks).unwrap_or_else(|| String::from_utf8_lossy(&blanks));
    Cow::Owned(decoded.into_owned())
}

/// The name that a key gives a value to: what stands before its first whole pair of brackets, or
/// inside it when nothing stands before.
fn root_of(key: &str) -> &str {
    match find_brackets(key) {
        Some(("", inside, _)) => inside,
        Some((before, _, _)) => before,
        None => key,
    }
}

/// What stands inside the brackets behind the root of a key; all that is nested too deeply is one.
fn brackets_of(key: &str) -> impl Iterator<Item = &str> {
    let mut rest = key;
    let mut left = BRACKETS;
    let mut at_root = true;
    std::iter::from_fn(move || {
        loop {
            let (before, inside, after) = find_brackets(rest)?;
            if left == 0 {
                rest = "";
                return Some("[]");
            }
            rest = after;
            left -= 1;
            if at_root && before.is_empty() {
                at_root = false;
                continue;
            }
            at_root = false;
            return Some(inside);
        }
    })
}

/// The first pair of brackets without brackets in it: what stands before, inside and behind it.
fn find_brackets(text: &str) -> Option<(&str, &str, &str)> {
    text.match_indices(']').find_map(|(close, _)| {
        let (upto, after) = text.split_at_checked(close)?;
        let (before, inside) = upto.rsplit_once('[')?;
        Some((before, inside, after.strip_prefix(']')?))
    })
}

#[cfg(test)]
mod tests {
    use super::get;

    fn text(query: &str, name: &str) -> Option<String> {
        get(query.as_bytes(), name).map(|p| p.text.into_owned())
    }

    #[test]
    fn plain_values_are_decoded_once_and_found_by_their_exact_name() {
        for (query, expected) in [
            ("ip=1.1.1.1", Some("1.1.1.1")),
            ("&&ip=9&&", Some("9")),
            ("%69p=7", Some("7")),
            ("ip=a+b%20c%2Bd%2541", Some("a b c+d%41")),
            ("ip=a=b;c#d", Some("a=b;c#d")),
            ("ip=%EB%94%B8\u{b538}", Some("\u{b538}\u{b538}")),
            ("ip", Some("")),
            ("ip=", Some("")),
            ("ip.a=1&ip=2", Some("2")),
            ("IP=1", None),
            ("", None),
            ("xip=1&ipx=2&ip%20=3", None),
        ] {
            assert_eq!(text(query, "ip").as_deref(), expected, "{query}");
        }
        assert!(get(b"ip=", "ip").unwrap().is_void());
        assert!(get(b"ip", "ip").unwrap().is_void());
        assert_eq!(get(b"ip=\xff", "ip").unwrap().text, "\u{fffd}");
    }

    #[test]
    fn broken_escape_leaves_the_value_undecoded_but_for_its_blanks() {
        for (query, expected) in [
            ("ip=%zz", "%zz"),
            ("ip=%EB%94", "%EB%94"),
            ("ip=%FF", "%FF"),
            ("ip=a+b%20%", "a b%20%"),
        ] {
            assert_eq!(text(query, "ip").as_deref(), Some(expected), "{query}");
        }
    }

    #[test]
    fn repeated_names_and_brackets_become_the_text_of_javascript() {
        for (query, expected) in [
            ("ip=1.1.1.1&ip=2.2.2.2", "1.1.1.1,2.2.2.2"),
            ("ip[]=1.1.1.1", "1.1.1.1"),
            ("ip%5B%5D=8", "8"),
            ("ip[a]=1", "[object Object]"),
            ("ip[a][b]=1", "[object Object]"),
            ("ip[0]=5&ip[1]=6", "5,6"),
            ("ip[1]=6&ip[0]=5", "5,6"),
            ("ip[0]=a&ip[2]=b&ip[1]=c", "a,c,b"),
            ("ip[5]=5", "5"),
            ("ip[20]=5", "5"),
            ("ip[21]=5", "[object Object]"),
            ("ip[05]=5", "[object Object]"),
            ("ip=&ip=", ","),
            ("ip[]=", ""),
            ("ip[]=1&ip[]=2&ip=3", "1,2,3"),
            ("ip=3&ip[]=1&ip=4", "3,4,1"),
            ("ip=3&ip[]=1", "3,1"),
            ("ip[]=1&ip=", "1"),
            ("ip=1&ip[a]=2", "1,[object Object]"),
            ("ip[]=1&ip[a]=2", "[object Object]"),
            ("ip[a]=1&ip=2", "[object Object]"),
            ("ip[0][a]=1&ip[1]=2", "[object Object],2"),
            ("ip[][]=1", "1"),
            ("ip[][][][][]=1", "1"),
            ("ip[][][][][][]=1", "[object Object]"),
            ("[ip]=1", "1"),
            ("[ip][]=1&[ip][]=2", "1,2"),
            ("ip[1][2]=x&ip[1][a]=y&ip[0]=z", "z,[object Object]"),
            ("ip[0][0]=1&ip[0][1]=2&ip[0][1]=3&ip[0]=4", "1,2,3,4"),
            ("ip[a]b=1", "[object Object]"),
            ("ip[a=b]=1", "[object Object]"),
        ] {
            assert_eq!(text(query, "ip").as_deref(), Some(expected), "{query}");
        }
        for query in ["ip[=1", "ip]=1", "ip[a=1", "ip][a]=1", "x[ip]=1"] {
            assert_eq!(text(query, "ip"), None, "{query}");
        }
        assert!(!get(b"ip[]=", "ip").unwrap().is_void());
        assert!(!get(b"ip=&ip=", "ip").unwrap().is_void());
    }

    #[test]
    fn parts_behind_the_thousandth_are_not_looked_at() {
        let query = |before: usize| format!("{}ip=1", "a&".repeat(before));
        assert_eq!(text(&query(999), "ip").as_deref(), Some("1"));
        assert_eq!(text(&query(1000), "ip"), None);
    }
}
