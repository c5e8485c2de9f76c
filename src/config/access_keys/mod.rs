//! Access keys of the binary protocol: read from a file, kept as hashes, good for some apps or all.

mod file;

use std::path::Path;
use std::sync::Arc;

pub use file::AccessKeysError;

use crate::limits;
use crate::model::{AppName, NameError};

/// The keys of a server. It keeps their hashes only: who reads its memory can show none of them.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKeys {
    keys: Vec<Entry>,
}

/// One line of the file.
#[derive(Clone, PartialEq, Eq)]
struct Entry {
    /// Of the key. Comparing two of these takes the same time wherever they differ.
    hash: blake3::Hash,
    good_for: GoodFor,
}

/// Which apps an access key is good for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GoodFor {
    /// All there are, and all to come.
    AllApps,
    /// These.
    Apps(Arc<[Box<str>]>),
}

/// A key that a client shows.
#[derive(Clone, PartialEq, Eq)]
pub struct ShownKey(Box<[u8]>);

/// A line that cannot be used. Says nothing of what stands in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadLine {
    /// Its number, from 1.
    pub number: usize,
    /// What is wrong with it.
    pub flaw: Flaw,
}

/// What is wrong with a line, or with all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// The key is too short or too long.
    Length,
    /// The key has other characters than printable ASCII.
    Characters,
    /// The name of an app cannot be.
    App(NameError),
    /// Something stands behind the apps.
    TooManyWords,
    /// The key stands on an earlier line as well.
    Repeated {
        /// The number of that line.
        first: usize,
    },
    /// There are more keys than [`limits::ACCESS_KEYS`].
    TooMany,
}

impl GoodFor {
    /// Whether a request may name this app.
    #[must_use]
    pub fn covers(&self, app: AppName<'_>) -> bool {
        match self {
            Self::AllApps => true,
            Self::Apps(names) => names.iter().any(|name| **name == *app.as_str()),
        }
    }

    /// Those of a list with commas.
    fn parse(word: &[u8]) -> Result<Self, Flaw> {
        let name = |name: &[u8]| {
            let text = std::str::from_utf8(name).map_err(|_no_text| NameError::Alphabet)?;
            AppName::new(text).map(|app| app.as_str().into())
        };
        let names = word.split(|byte| *byte == b',').map(name);
        let names = names.collect::<Result<_, _>>().map_err(Flaw::App)?;
        Ok(Self::Apps(names))
    }
}

impl AccessKeys {
    /// Reads the keys of a server. The file has to be its owner's alone.
    ///
    /// # Errors
    /// [`AccessKeysError`] says what to mend, and never shows a key.
    pub fn read(path: &Path) -> Result<Self, AccessKeysError> {
        file::read(path, file::Privacy::Demanded, |text| {
            let keys = Self::parse(text)?;
            Ok((!keys.keys.is_empty()).then_some(keys))
        })
    }

    /// The keys of a text: on each line a key, behind a blank the apps it is good for, with commas
    /// between; all apps if none is named. Lines that begin with `#` and empty ones are left out.
    ///
    /// # Errors
    /// The first [`BadLine`].
    pub fn parse(text: &[u8]) -> Result<Self, BadLine> {
        let mut keys = Vec::new();
        let mut seen: Vec<(blake3::Hash, usize)> = Vec::new();
        for (number, line) in lines(text) {
            let bad = |flaw| BadLine { number, flaw };
            if keys.len() == limits::ACCESS_KEYS {
                return Err(bad(Flaw::TooMany));
            }
            let (key, good_for) = parse_line(line).map_err(bad)?;
            let hash = blake3::hash(key);
            if let Some(&(_, first)) = seen.iter().find(|(known, _)| *known == hash) {
                return Err(bad(Flaw::Repeated { first }));
            }
            seen.push((hash, number));
            keys.push(Entry { hash, good_for });
        }
        Ok(Self { keys })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// What the key that somebody shows is good for; `None` for one that is none of these. Takes as
    /// long for the one as for the other.
    #[must_use]
    pub fn admit(&self, shown: &[u8]) -> Option<GoodFor> {
        let hash = blake3::hash(shown);
        let mut found = None;
        for entry in &self.keys {
            if entry.hash == hash {
                found = Some(&entry.good_for);
            }
        }
        found.cloned()
    }
}

impl std::fmt::Debug for AccessKeys {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "AccessKeys({})", self.keys.len())
    }
}

impl ShownKey {
    /// Reads the first key of a file such as [`AccessKeys::read`] takes, for a client.
    ///
    /// # Errors
    /// [`AccessKeysError`] says what to mend, and never shows a key.
    pub fn read(path: &Path) -> Result<Self, AccessKeysError> {
        file::read(path, file::Privacy::LeftToClients, |text| {
            let Some((number, line)) = lines(text).next() else {
                return Ok(None);
            };
            let parsed = parse_line(line);
            let (key, _) = parsed.map_err(|flaw| BadLine { number, flaw })?;
            Ok(Some(Self(key.into())))
        })
    }

    /// The key.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for ShownKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("ShownKey(..)")
    }
}

/// The lines that say something, without blanks at their ends, each with its number.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let numbered = (1..).zip(text.split(|byte| *byte == b'\n'));
    let trimmed = numbered.map(|(number, line)| (number, line.trim_ascii()));
    trimmed.filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"))
}

fn parse_line(line: &[u8]) -> Result<(&[u8], GoodFor), Flaw> {
    let mut words = line
        .split(|byte| matches!(byte, b' ' | b'\t'))
        .filter(|word| !word.is_empty());
    let key = words.next().unwrap_or_default();
    if !key.iter().all(u8::is_ascii_graphic) {
        return Err(Flaw::Characters);
    }
    if !(limits::ACCESS_KEY_BYTES_MIN..=limits::ACCESS_KEY_BYTES).contains(&key.len()) {
        return Err(Flaw::Length);
    }
    let good_for = words.next().map_or(Ok(GoodFor::AllApps), GoodFor::parse)?;
    match words.next() {
        None => Ok((key, good_for)),
        Some(_) => Err(Flaw::TooManyWords),
    }
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Length => write!(
                out,
                "a key has {} to {} bytes",
                limits::ACCESS_KEY_BYTES_MIN,
                limits::ACCESS_KEY_BYTES
            ),
            Self::Characters => out.write_str("a key is made of printable ASCII without blanks"),
            Self::App(error) => write!(
                out,
                "{error}: behind the key and a blank stand the apps it is good for, as app,app"
            ),
            Self::TooManyWords => out.write_str(
                "write a key, and behind a blank the apps it is good for with only commas between",
            ),
            Self::Repeated { first } => write!(
                out,
                "the key stands on line {first} as well: write all its apps on one line"
            ),
            Self::TooMany => write!(out, "there may be {} keys at most", limits::ACCESS_KEYS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AccessKeys, BadLine, Flaw, GoodFor, ShownKey};
    use crate::limits;
    use crate::model::{AppName, NameError};

    const KEY: &str = "0123456789abcdef";

    fn covers(good_for: Option<&GoodFor>, app: &str) -> bool {
        let app = AppName::new(app).unwrap();
        good_for.is_some_and(|good_for| good_for.covers(app))
    }

    #[test]
    fn keys_are_good_for_the_apps_behind_them() {
        let longest = "~".repeat(limits::ACCESS_KEY_BYTES);
        let text =
            format!("# who may in\n\n  {KEY}\r\nfor-two-apps-only \t shop,@a01  \n{longest} blog");
        let keys = AccessKeys::parse(text.as_bytes()).unwrap();
        assert_eq!(keys.count(), 3);
        let all = keys.admit(KEY.as_bytes());
        assert_eq!(all, Some(GoodFor::AllApps));
        let two = keys.admit(b"for-two-apps-only");
        assert!(covers(two.as_ref(), "shop") && covers(two.as_ref(), "@a01"));
        assert!(!covers(two.as_ref(), "blog") && !covers(two.as_ref(), "sho"));
        assert!(covers(keys.admit(longest.as_bytes()).as_ref(), "blog"));
        for wrong in ["", "0123456789abcdeg", "0123456789abcde", "# who may in"] {
            assert_eq!(keys.admit(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(AccessKeys::parse(b"# none\n \n").unwrap().count(), 0);
    }

    #[test]
    fn bad_lines_are_refused_with_their_number_and_without_their_key() {
        let long = "x".repeat(limits::ACCESS_KEY_BYTES + 1);
        let repeated = format!("{KEY}\n#\n{KEY} shop");
        for (text, number, flaw) in [
            ("0123456789abcde", 1, Flaw::Length),
            (&long, 1, Flaw::Length),
            ("\n# x\n0123456789abcde\u{e9}", 3, Flaw::Characters),
            ("0123456789abcdef\u{7f}", 1, Flaw::Characters),
            ("0123456789abcdef shop,", 1, Flaw::App(NameError::Length)),
            ("0123456789abcdef a/b", 1, Flaw::App(NameError::Alphabet)),
            (
                "0123456789abcdef shop, blog",
                1,
                Flaw::App(NameError::Length),
            ),
            ("0123456789abcdef shop blog", 1, Flaw::TooManyWords),
            ("shop 0123456789abcdef", 1, Flaw::Length),
            (&repeated, 3, Flaw::Repeated { first: 1 }),
        ] {
            let bad = AccessKeys::parse(text.as_bytes()).unwrap_err();
            assert_eq!(bad, BadLine { number, flaw }, "{text}");
            let said = format!("{} {bad:?}", bad.flaw);
            assert!(!said.contains("0123456789"), "{said}");
        }
    }

    #[test]
    fn more_keys_than_there_may_be_are_refused() {
        let line = |n| format!("{KEY}-{n}\n");
        let most: String = (0..limits::ACCESS_KEYS).map(line).collect();
        assert!(AccessKeys::parse(most.as_bytes()).is_ok());
        let bad = AccessKeys::parse(format!("{most}{KEY}").as_bytes()).unwrap_err();
        assert_eq!(
            (bad.number, bad.flaw),
            (limits::ACCESS_KEYS + 1, Flaw::TooMany)
        );
    }

    #[test]
    fn keys_are_not_shown_nor_are_their_hashes() {
        let keys = AccessKeys::parse(KEY.as_bytes()).unwrap();
        assert_eq!(format!("{keys:?}"), "AccessKeys(1)");
        let shown = ShownKey(KEY.as_bytes().into());
        assert_eq!(format!("{shown:?}"), "ShownKey(..)");
    }
}
