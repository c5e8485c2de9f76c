//! Reads the files of golden frames: SPEC.md, section 14, says how they are written.

use std::fs;
use std::path::Path;

/// One golden frame.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) means: String,
    pub(crate) fields: Fields,
}

/// The fields of a frame, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(pub(crate) Vec<(String, Value)>);

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Number(u64),
    Bytes(Vec<u8>),
    Word(String),
    Figure(u16, u64),
}

impl Value {
    pub(crate) fn number(&self) -> u64 {
        match self {
            Self::Number(n) => *n,
            other => panic!("{other:?} is no number"),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            other => panic!("{other:?} is no text"),
        }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(self.bytes()).unwrap()
    }

    pub(crate) fn word(&self) -> &str {
        match self {
            Self::Word(word) => word,
            other => panic!("{other:?} is no word"),
        }
    }

    /// `None` for the word "leave".
    pub(crate) fn or_leave(&self) -> Option<&Self> {
        (*self != Self::Word("leave".into())).then_some(self)
    }
}

impl Fields {
    pub(crate) fn add(&mut self, name: &str, value: Value) {
        self.0.push((name.into(), value));
    }

    pub(crate) fn number(&mut self, name: &str, value: impl Into<u64>) {
        self.add(name, Value::Number(value.into()));
    }

    pub(crate) fn bytes(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.add(name, Value::Bytes(value.as_ref().to_vec()));
    }

    pub(crate) fn word(&mut self, name: &str, value: &str) {
        self.add(name, Value::Word(value.into()));
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    pub(crate) fn get(&self, name: &str) -> &Value {
        self.find(name)
            .unwrap_or_else(|| panic!("no field `{name}`"))
    }

    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.0
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, v)| v)
    }

    pub(crate) fn has_flag(&self, name: &str) -> bool {
        self.all("flag").any(|value| value.word() == name)
    }

    /// The fields of each session of a list; `None` for one that is gone.
    pub(crate) fn sessions(&self) -> Vec<Option<Fields>> {
        let mut sessions: Vec<Option<Fields>> = Vec::new();
        for (name, value) in &self.0 {
            if name == "session" {
                sessions.push((value.word() == "found").then(Fields::default));
            } else if let Some(Some(session)) = sessions.last_mut() {
                session.add(name, value.clone());
            }
        }
        sessions
    }
}

/// All vectors of all files.
pub(crate) fn vectors() -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .flat_map(|file| read(&fs::read_to_string(file).unwrap()))
        .collect()
}

fn read(text: &str) -> Vec<Vector> {
    let mut vectors: Vec<Vector> = Vec::new();
    for line in text
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
    {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        if name == "name" {
            vectors.push(Vector {
                name: rest.into(),
                ..Vector::default()
            });
            continue;
        }
        let vector = vectors.last_mut().expect("a vector begins with its name");
        match name {
            "kind" => vector.kind = rest.into(),
            "means" => vector.means = rest.into(),
            "hex" => vector.bytes.extend(hex(rest)),
            "fill" => {
                let (byte, count) = rest.split_once(' ').unwrap();
                let count = count.parse().unwrap();
                vector.bytes.extend(hex(byte).repeat(count));
            }
            name => vector.fields.add(name, value(name, rest)),
        }
    }
    vectors
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| *b != b' ').collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn value(name: &str, text: &str) -> Value {
    if let Some(rest) = text.strip_prefix("repeat ") {
        let (count, once) = rest.split_once(' ').unwrap();
        return Value::Bytes(unquote(once).repeat(count.parse().unwrap()));
    }
    if text.starts_with('"') {
        return Value::Bytes(unquote(text));
    }
    if name == "figure" {
        let (figure, value) = text.split_once(' ').unwrap();
        return Value::Figure(figure.parse().unwrap(), value.parse().unwrap());
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return Value::Number(u64::from_str_radix(digits, 16).unwrap());
    }
    text.parse()
        .map_or_else(|_not_a_number| Value::Word(text.into()), Value::Number)
}

/// The bytes between quotes: `\"`, `\\` and `\xHH` are escapes.
fn unquote(text: &str) -> Vec<u8> {
    let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    let mut rest = inner.expect("quotes").as_bytes();
    let mut out = Vec::new();
    while let Some((byte, tail)) = rest.split_first() {
        assert!(byte.is_ascii_graphic() || *byte == b' ');
        rest = tail;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let length = match rest[0] {
            b'x' => {
                out.extend(hex(std::str::from_utf8(&rest[1..3]).unwrap()));
                3
            }
            escaped => {
                out.push(escaped);
                1
            }
        };
        rest = &rest[length..];
    }
    out
}
