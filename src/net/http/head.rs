//! The head of a request: parsed by httparse, its framing decided strictly (RFC 9112).

use std::mem::MaybeUninit;

use crate::limits;
use crate::net::http::request::Head;

/// A request that no dialect gets to see. It is answered in plain text and ends the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The status of the answer.
    pub status: u16,
    /// What is wrong, for the person who reads the answer.
    pub reason: &'static str,
}

impl Fault {
    pub(super) const fn bad(reason: &'static str) -> Self {
        Self {
            status: 400,
            reason,
        }
    }

    /// Writes the body of the answer.
    pub(super) fn write(&self, body: &mut Vec<u8>) {
        body.extend_from_slice(self.reason.as_bytes());
        body.push(b'\n');
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.reason)
    }
}

impl std::error::Error for Fault {}

/// How the end of a body is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// There is no body.
    Empty,
    /// It has so many bytes, at least one.
    Length(u64),
    /// It comes in chunks.
    Chunked,
}

/// A whole head.
#[derive(Clone, Copy, Debug)]
pub struct ParsedHead<'a> {
    /// Line and fields.
    pub head: Head<'a>,
    /// Bytes of the head, its last empty line included.
    pub bytes: usize,
    /// How the body ends.
    pub framing: Framing,
    /// The connection may be used for another request.
    pub keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// There is a `Host` field.
    pub has_host: bool,
}

/// Which request targets a listener lets through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Targets {
    /// Those of RFC 9112 section 3.2: a path, a URL (cut to its path), `*` with OPTIONS.
    Standard,
    /// Any, as sent. The tarantool service answers what is no path itself, and so does its dialect.
    AsSent,
}

/// Room for the header fields of one head.
pub type FieldRoom<'b> = [MaybeUninit<httparse::Header<'b>>; limits::HEADERS];

/// Fresh room for header fields; costs nothing.
#[must_use]
pub fn field_room<'b>() -> FieldRoom<'b> {
    [const { MaybeUninit::uninit() }; limits::HEADERS]
}

/// Parses the head at the start of `bytes`; `None` when more bytes are needed.
///
/// # Errors
/// A [`Fault`] for anything that RFC 9112 does not allow, or that two readers could frame
/// differently, and for heads beyond [`limits::HEAD_BYTES`] and [`limits::HEADERS`].
pub fn parse<'h, 'b: 'h>(
    bytes: &'b [u8],
    room: &'h mut FieldRoom<'b>,
    targets: Targets,
) -> Result<Option<ParsedHead<'h>>, Fault> {
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(bytes, room) {
        Ok(httparse::Status::Complete(length)) if length <= limits::HEAD_BYTES => length,
        Ok(httparse::Status::Partial) if bytes.len() < limits::HEAD_BYTES => return Ok(None),
        Ok(_) => return Err(too_large(bytes)),
        Err(error) => return Err(malformed(error, bytes)),
    };
    let (Some(method), Some(target), Some(minor_version)) =
        (request.method, request.path, request.version)
    else {
        return Err(Fault::bad("the request line is not complete"));
    };
    refuse_bare_line_feeds(bytes.get(..length).unwrap_or_default())?;
    let fields: &'h [httparse::Header<'h>] = request.headers;
    let framed = Framed::of(fields, minor_version)?;
    let target = Target::of(method, target, targets)?;
    Ok(Some(ParsedHead {
        head: Head {
            method,
            target: target.whole,
            path: target.path,
            query: target.query,
            minor_version,
            fields,
        },
        bytes: length,
        framing: framed.framing()?,
        keep_alive: framed.keeps_alive(),
        expects_continue: framed.expects_continue && minor_version > 0,
        has_host: framed.hosts > 0,
    }))
}

/// Whether a head may end in `bytes`, of which the first `seen` are known not to hold an end. Saves
/// parsing a head anew for each byte that a slow client sends.
pub(super) fn may_end(bytes: &[u8], seen: usize) -> bool {
    let fresh = bytes.get(seen.saturating_sub(2)..).unwrap_or_default();
    memchr::memchr_iter(b'\n', fresh).any(|at| {
        let behind = fresh.get(at + 1..).unwrap_or_default();
        behind.starts_with(b"\n") || behind.starts_with(b"\r\n")
    })
}

fn too_large(bytes: &[u8]) -> Fault {
    let start = bytes.get(..limits::HEAD_BYTES).unwrap_or(bytes);
    if memchr::memchr(b'\n', start.trim_ascii_start()).is_none() {
        return Fault {
            status: 414,
            reason: "the request line is too long",
        };
    }
    Fault {
        status: 431,
        reason: "the head is too large",
    }
}

fn malformed(error: httparse::Error, bytes: &[u8]) -> Fault {
    match error {
        httparse::Error::TooManyHeaders => Fault {
            status: 431,
            reason: "there are too many header fields",
        },
        httparse::Error::Version if names_other_version(bytes) => Fault {
            status: 505,
            reason: "only HTTP/1.0 and HTTP/1.1 are spoken here",
        },
        httparse::Error::Version => Fault::bad("the HTTP version is malformed"),
        httparse::Error::HeaderName => Fault::bad("a header name is malformed"),
        httparse::Error::HeaderValue => Fault::bad("a header value is malformed"),
        httparse::Error::NewLine => Fault::bad("a line end is malformed"),
        httparse::Error::Token | httparse::Error::Status => {
            Fault::bad("the request line is malformed")
        }
    }
}

/// Whether the request line has the start of an HTTP version behind method and target. More than
/// the start may not have come yet when the version is found to be another.
fn names_other_version(bytes: &[u8]) -> bool {
    let version = bytes.trim_ascii_start().split(|b| *b == b' ').nth(2);
    version.is_some_and(|version| version.starts_with(b"HTTP/"))
}

/// A reader that takes a bare line feed for a line end and one that does not would see different
/// requests.
fn refuse_bare_line_feeds(head: &[u8]) -> Result<(), Fault> {
    let bare = memchr::memchr_iter(b'\n', head)
        .any(|at| at.checked_sub(1).and_then(|before| head.get(before)) != Some(&b'\r'));
    if bare {
        return Err(Fault::bad("a line ends without a carriage return"));
    }
    Ok(())
}

/// What the header fields say about framing, before it is judged.
struct Framed {
    minor_version: u8,
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
    hosts: u8,
}

impl Framed {
    fn of(fields: &[httparse::Header<'_>], minor_version: u8) -> Result<Self, Fault> {
        let mut framed = Self {
            minor_version,
            length: None,
            chunked: false,
            close: false,
            keep_alive: false,
            expects_continue: false,
            hosts: 0,
        };
        for field in fields {
            // The length of a name tells most fields apart before any letter is compared.
            match field.name.len() {
                4 if field.name.eq_ignore_ascii_case("host") => framed.host()?,
                6 if field.name.eq_ignore_ascii_case("expect") => framed.expect(field.value)?,
                10 if field.name.eq_ignore_ascii_case("connection") => {
                    framed.connection(field.value);
                }
                14 if field.name.eq_ignore_ascii_case("content-length") => {
                    framed.content_length(field.value)?;
                }
                17 if field.name.eq_ignore_ascii_case("transfer-encoding") => {
                    framed.transfer_encoding(field.value)?;
                }
                _ => {}
            }
        }
        Ok(framed)
    }

    fn host(&mut self) -> Result<(), Fault> {
        if self.hosts > 0 {
            return Err(Fault::bad("there is more than one Host field"));
        }
        self.hosts = 1;
        Ok(())
    }

    fn expect(&mut self, value: &[u8]) -> Result<(), Fault> {
        if !value.trim_ascii().eq_ignore_ascii_case(b"100-continue") {
            return Err(Fault {
                status: 417,
                reason: "the only expectation that is met here is 100-continue",
            });
        }
        self.expects_continue = true;
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) {
        for option in value.split(|b| *b == b',') {
            let option = option.trim_ascii();
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Fault> {
        let digits = value.trim_ascii();
        if self.length.is_some() {
            return Err(Fault::bad("there is more than one Content-Length field"));
        }
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(Fault::bad("the Content-Length is not a number"));
        }
        let length = digits.iter().try_fold(0u64, |length, digit| {
            length.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        });
        self.length = Some(length.ok_or(Fault::bad("the Content-Length is beyond all bounds"))?);
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Fault> {
        if self.minor_version == 0 {
            return Err(Fault::bad("HTTP/1.0 knows no Transfer-Encoding"));
        }
        if self.chunked {
            return Err(Fault::bad("there is more than one Transfer-Encoding field"));
        }
        if value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
            self.chunked = true;
            return Ok(());
        }
        let mut codings = value.split(|b| *b == b',').map(<[u8]>::trim_ascii);
        if codings.any(|coding| coding.eq_ignore_ascii_case(b"chunked")) {
            return Err(Fault::bad("chunked must be the only Transfer-Encoding"));
        }
        Err(Fault {
            status: 501,
            reason: "the only Transfer-Encoding that is understood here is chunked",
        })
    }

    fn framing(&self) -> Result<Framing, Fault> {
        match (self.length, self.chunked) {
            (Some(_), true) => Err(Fault::bad(
                "there are both Content-Length and Transfer-Encoding",
            )),
            (None, true) => Ok(Framing::Chunked),
            (Some(length), false) if length > 0 => Ok(Framing::Length(length)),
            (Some(_) | None, false) => Ok(Framing::Empty),
        }
    }

    fn keeps_alive(&self) -> bool {
        !self.close && (self.minor_version > 0 || self.keep_alive)
    }
}

/// The target of a request, split at its first `?`.
struct Target<'a> {
    whole: &'a [u8],
    path: &'a [u8],
    query: &'a [u8],
}

impl<'a> Target<'a> {
    /// An absolute-form target is cut to what follows its authority, unless it is wanted as sent.
    fn of(method: &str, target: &'a str, targets: Targets) -> Result<Self, Fault> {
        let target = target.as_bytes();
        let whole = match target {
            [b'/', ..] => target,
            b"*" if method == "OPTIONS" => target,
            _ if targets == Targets::AsSent => target,
            _ => behind_authority(target)?,
        };
        let (path, query) = match memchr::memchr(b'?', whole) {
            Some(at) => (whole.get(..at), whole.get(at + 1..)),
            None => (Some(whole), None),
        };
        // An absolute form may have no path, as http://host?a=b.
        let path = path.filter(|path| !path.is_empty()).unwrap_or(b"/");
        Ok(Self {
            whole: if whole.is_empty() { b"/" } else { whole },
            path,
            query: query.unwrap_or_default(),
        })
    }
}

fn behind_authority(target: &[u8]) -> Result<&[u8], Fault> {
    let behind_scheme = [b"http://".as_slice(), b"https://".as_slice()]
        .into_iter()
        .find_map(|scheme| {
            let start = target.get(..scheme.len())?;
            let rest = target.get(scheme.len()..)?;
            start.eq_ignore_ascii_case(scheme).then_some(rest)
        });
    let rest = behind_scheme.ok_or(Fault::bad("the target is neither a path nor a URL"))?;
    let authority = memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
    if authority == 0 {
        return Err(Fault::bad("the target names no host"));
    }
    Ok(rest.get(authority..).unwrap_or_default())
}
