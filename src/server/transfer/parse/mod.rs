//! Reading a line of NDJSON, as `line.rs` describes it, written by `export` or by anybody else.

use std::borrow::Cow;

use crate::clock::Millis;
use crate::limits;
use crate::model::json::scan::{self, Bounds, JsonError, Kind, Value};
use crate::model::json::{canonical, number, string};
use crate::model::{ContentType, Life, Tag, U48};

/// Bytes of one line: the data as text with all its characters escaped, and what stands around it.
pub const LINE_BYTES: usize = 8 << 20;
/// Seconds since 1970 beyond which a number must have been meant as milliseconds: the year 5138.
const SECONDS_MAX: u64 = 100_000_000_000;

/// The bounds of a line are those of its bytes; the data come one level below the line itself.
const BOUNDS: Bounds = Bounds {
    depth: limits::JSON_DEPTH + 1,
    values: LINE_BYTES,
};

/// How a line names its session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Name<'a> {
    /// By its token.
    Token(Cow<'a, str>),
    /// By its tag, which means something under one key only.
    Tag {
        /// The tag.
        tag: Tag,
        /// The fingerprint of that key.
        key: Cow<'a, str>,
    },
}

/// What a line says. What is left out has its usual value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line<'a> {
    /// The app, unchecked.
    pub app: Cow<'a, str>,
    /// Which session it is.
    pub name: Name<'a>,
    /// Whose session it is.
    pub user: Option<Cow<'a, str>>,
    /// The IP text.
    pub ip: Option<Cow<'a, str>>,
    /// When it was created; now where it is left out.
    pub created: Option<Millis>,
    /// When it was last active; when it was created where it is left out.
    pub last_active: Option<Millis>,
    /// The limits of its life.
    pub life: Life,
    /// The recorded access is one second before the last activity.
    pub lag: bool,
    /// Reads do not prolong its life.
    pub no_resave: bool,
    /// What the next read answers as `r`.
    pub reads: u64,
    /// The write counter.
    pub writes: u64,
    /// What the data are.
    pub content_type: ContentType,
    /// The data; canonical text where they are JSON.
    pub data: Vec<u8>,
}

/// Why a line is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BadLine {
    /// It is no JSON object.
    Json(JsonError),
    /// It is JSON, but no object.
    NoObject,
    /// It has a member that means nothing.
    Unknown(String),
    /// A member has a value that it cannot have.
    Value(&'static str, &'static str),
    /// A member that must be there is not.
    Missing(&'static str),
}

impl std::fmt::Display for BadLine {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Json(error) => error.fmt(out),
            Self::NoObject => out.write_str("a line must be one JSON object"),
            Self::Unknown(name) => write!(out, "there is no member `{name}`"),
            Self::Value(name, wanted) => write!(out, "`{name}` must be {wanted}"),
            Self::Missing(what) => write!(out, "{what} is missing"),
        }
    }
}

impl std::error::Error for BadLine {}

/// The members of a line before they are put together.
#[derive(Default)]
struct Members<'a> {
    app: Option<Cow<'a, str>>,
    token: Option<Cow<'a, str>>,
    tag: Option<Tag>,
    key: Option<Cow<'a, str>>,
    handle: Option<Cow<'a, str>>,
    user: Option<Cow<'a, str>>,
    ip: Option<Cow<'a, str>>,
    created: Option<Millis>,
    last: Option<Millis>,
    ttl: Option<u64>,
    until: Option<Millis>,
    whole_seconds: bool,
    lag: bool,
    no_resave: bool,
    reads: Option<u64>,
    writes: Option<u64>,
    content_type: Option<u8>,
    json: Option<Value<'a>>,
    bytes: Option<Vec<u8>>,
}

/// Reads a line.
///
/// # Errors
/// [`BadLine`] says what is wrong with it.
pub fn parse(text: &[u8]) -> Result<Line<'_>, BadLine> {
    let value = scan::parse(text, &BOUNDS).map_err(BadLine::Json)?;
    if value.kind() != Kind::Object {
        return Err(BadLine::NoObject);
    }
    let mut members = Members::default();
    for (name, value) in value.members() {
        members.take(&string::decode(name), value)?;
    }
    members.into_line()
}

impl<'a> Members<'a> {
    fn take(&mut self, name: &str, value: Value<'a>) -> Result<(), BadLine> {
        match name {
            "app" => self.app = Some(text("app", value)?),
            "token" => self.token = Some(text("token", value)?),
            "tag" => self.tag = Some(tag(value)?),
            "key" => self.key = Some(text("key", value)?),
            "handle" => self.handle = Some(text("handle", value)?),
            "user" => self.user = Some(text("user", value)?),
            "ip" => self.ip = Some(text("ip", value)?),
            "created" => self.created = Some(moment("created", value)?),
            "last" => self.last = Some(moment("last", value)?),
            "until" => self.until = Some(moment("until", value)?),
            "ttl" => self.ttl = Some(span(value)?),
            "whole_seconds" => self.whole_seconds = flag("whole_seconds", value)?,
            "lag" => self.lag = flag("lag", value)?,
            "no_resave" => self.no_resave = flag("no_resave", value)?,
            "r" => self.reads = Some(counter("r", value)?),
            "w" => self.writes = Some(counter("w", value)?),
            "data" => self.json = Some(value),
            "content_type" => self.content_type = Some(content_type(value)?),
            "bytes" => self.bytes = Some(bytes(value)?),
            other => return Err(BadLine::Unknown(other.chars().take(40).collect())),
        }
        Ok(())
    }

    fn into_line(self) -> Result<Line<'a>, BadLine> {
        let (content_type, data) = data(self.json, self.content_type, self.bytes)?;
        let name = match (self.token, self.tag, self.key) {
            (Some(token), _, _) => Name::Token(token),
            (None, Some(tag), Some(key)) => Name::Tag { tag, key },
            (None, Some(_), None) => return Err(BadLine::Missing("the `key` of the tag")),
            (None, None, _) => return Err(BadLine::Missing("a `token` or a `tag`")),
        };
        if let (Name::Tag { tag, .. }, Some(handle)) = (&name, &self.handle)
            && **handle != format!("{:016x}", tag.high)
        {
            return Err(BadLine::Value("handle", "the first half of `tag`"));
        }
        Ok(Line {
            app: self.app.ok_or(BadLine::Missing("`app`"))?,
            name,
            user: self.user,
            ip: self.ip,
            created: self.created,
            last_active: self.last,
            life: Life {
                idle: self.ttl.unwrap_or(U48::MAX),
                until: self.until.unwrap_or(Millis::NEVER),
                whole_seconds: self.whole_seconds,
            },
            lag: self.lag,
            no_resave: self.no_resave,
            reads: self.reads.unwrap_or(1),
            writes: self.writes.unwrap_or(1),
            content_type,
            data,
        })
    }
}

fn text<'a>(name: &'static str, value: Value<'a>) -> Result<Cow<'a, str>, BadLine> {
    if value.kind() == Kind::String {
        Ok(string::decode(value.text()))
    } else {
        Err(BadLine::Value(name, "a text"))
    }
}

fn flag(name: &'static str, value: Value<'_>) -> Result<bool, BadLine> {
    match value.kind() {
        Kind::True => Ok(true),
        Kind::False => Ok(false),
        Kind::Object | Kind::Array | Kind::String | Kind::Number | Kind::Null => {
            Err(BadLine::Value(name, "true or false"))
        }
    }
}

/// Milliseconds of a decimal number of seconds.
fn millis(value: Value<'_>) -> Option<u64> {
    let text = std::str::from_utf8(value.text()).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let rest: u64 = format!("{fraction:0<3}").parse().ok()?;
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(1000)?
        .checked_add(rest)
}

fn moment(name: &'static str, value: Value<'_>) -> Result<Millis, BadLine> {
    millis(value)
        .filter(|millis| *millis <= SECONDS_MAX * 1000)
        .map(Millis)
        .ok_or(BadLine::Value(
            name,
            "seconds since 1970 with at most three decimals",
        ))
}

fn span(value: Value<'_>) -> Result<u64, BadLine> {
    millis(value)
        .map(|millis| millis.min(U48::MAX))
        .ok_or(BadLine::Value("ttl", "seconds with at most three decimals"))
}

fn whole_number(value: Value<'_>) -> Option<u64> {
    std::str::from_utf8(value.text()).ok()?.parse().ok()
}

fn counter(name: &'static str, value: Value<'_>) -> Result<u64, BadLine> {
    whole_number(value)
        .filter(|number| (1..=U48::MAX).contains(number))
        .ok_or(BadLine::Value(name, "a whole number from 1 to 2^48 - 1"))
}

fn content_type(value: Value<'_>) -> Result<u8, BadLine> {
    whole_number(value)
        .and_then(|number| u8::try_from(number).ok())
        .ok_or(BadLine::Value("content_type", "a whole number below 256"))
}

fn tag(value: Value<'_>) -> Result<Tag, BadLine> {
    let digits = text("tag", value)?;
    let half = |range: std::ops::Range<usize>| {
        let digits = digits.get(range)?;
        let plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
        plain.then(|| u64::from_str_radix(digits, 16).ok())?
    };
    match (digits.len(), half(0..16), half(16..32)) {
        (32, Some(high), Some(low)) => Ok(Tag { high, low }),
        _ => Err(BadLine::Value("tag", "32 hexadecimal digits")),
    }
}

fn bytes(value: Value<'_>) -> Result<Vec<u8>, BadLine> {
    const WRONG: BadLine = BadLine::Value("bytes", "an even number of hexadecimal digits");
    let digits = text("bytes", value)?;
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
        return Err(WRONG);
    };
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    pairs
        .iter()
        .map(|[high, low]| u8::try_from(nibble(*high)? << 4 | nibble(*low)?).ok())
        .collect::<Option<_>>()
        .ok_or(WRONG)
}

fn data(
    json: Option<Value<'_>>,
    content_type: Option<u8>,
    bytes: Option<Vec<u8>>,
) -> Result<(ContentType, Vec<u8>), BadLine> {
    match (json, content_type, bytes) {
        (Some(value), None, None) => {
            let kind = match value.kind() {
                Kind::Object => ContentType::JSON_OBJECT,
                Kind::Array => ContentType::JSON_ARRAY,
                Kind::String | Kind::Number | Kind::True | Kind::False | Kind::Null => {
                    return Err(BadLine::Value("data", "a JSON object or array"));
                }
            };
            let mut data = Vec::with_capacity(value.text().len());
            canonical::write(value, number::write_exact, &mut data);
            Ok((kind, data))
        }
        (None, Some(code), Some(bytes)) => match ContentType(code) {
            ContentType::JSON_OBJECT | ContentType::JSON_ARRAY => Err(BadLine::Value(
                "content_type",
                "that of bytes; JSON goes into `data`",
            )),
            other => Ok((other, bytes)),
        },
        (None, None, None) => Ok((ContentType::JSON_OBJECT, Vec::new())),
        _ => Err(BadLine::Value(
            "data",
            "alone, or `content_type` and `bytes` in its place",
        )),
    }
}

#[cfg(test)]
mod tests;
