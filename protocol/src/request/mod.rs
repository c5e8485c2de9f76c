//! Requests: encode and decode side by side.
//!
//! A request is its header, its key, and then: the app, when the flag `APP` says so; the version,
//! when `VERSION` says so; the fields of the operation. Nothing may follow.

mod connection;
mod kill;
mod list;
mod read;
mod write;

pub use connection::{Hello, Ping, Stats};
pub use kill::{Kill, KillMany};
pub use list::{ActiveUsers, List, Scope};
pub use read::{Get, MultiGet};
pub use write::{Create, Fields, Put, PutMode, Rotate, Set, TokenStyle, Touch};

use crate::error::DecodeError;
use crate::flags::RequestFlags;
use crate::framer::Frame;
use crate::header::Header;
use crate::limits;
use crate::opcode::Opcode;
use crate::primitive::{Reader, frame, length_u16, put_counted, put_u64};
use crate::session::text;
use crate::token::KeyPart;

/// A request with what its header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call<'a> {
    /// Chosen by the client; the reply has it too. Any number.
    pub id: u32,
    /// The app of this request; `None` for that of HELLO.
    pub app: Option<&'a str>,
    /// What is asked.
    pub request: Request<'a>,
}

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request<'a> {
    /// Agree on a version and an app.
    Hello(Hello<'a>),
    /// Answer.
    Ping(Ping<'a>),
    /// Tell figures.
    Stats(Stats),
    /// Read a session.
    Get(Get<'a>),
    /// Read several sessions.
    MultiGet(MultiGet<'a>),
    /// Make a session.
    Create(Create<'a>),
    /// Write a session whole.
    Put(Put<'a>),
    /// Merge into a session.
    Set(Set<'a>),
    /// Keep a session alive.
    Touch(Touch<'a>),
    /// Give a session another id.
    Rotate(Rotate<'a>),
    /// End a session.
    Kill(Kill<'a>),
    /// End many sessions.
    KillMany(KillMany<'a>),
    /// List or count sessions.
    List(List<'a>),
    /// Count who was active.
    Activity(ActiveUsers),
}

/// How one operation lies in a frame.
trait Layout<'a>: Sized {
    const OPCODE: Opcode;

    /// The flags without [`RequestFlags::APP`].
    fn flags(&self) -> u8 {
        0
    }

    fn key(&self) -> KeyPart<'a> {
        KeyPart::NONE
    }

    /// The version that stands before the fields, with the flag [`RequestFlags::VERSION`].
    fn version(&self) -> Option<u64> {
        None
    }

    /// Whether everything is within its bounds. Held before writing and after reading.
    fn check(&self) -> Result<(), DecodeError>;

    fn decode(parts: Parts<'a>) -> Result<Self, DecodeError>;

    /// Appends the fields. They have been checked.
    fn encode(&self, out: &mut Vec<u8>);
}

/// A frame taken apart as far as all operations are alike.
#[derive(Clone, Copy)]
struct Parts<'a> {
    flags: RequestFlags,
    key: &'a [u8],
    version: Option<u64>,
    fields: Reader<'a>,
}

impl Parts<'_> {
    fn no_key(&self) -> Result<(), DecodeError> {
        if self.key.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::BadKey)
        }
    }
}

impl<'a> Call<'a> {
    /// A request for the app of the connection.
    #[must_use]
    pub const fn new(id: u32, request: Request<'a>) -> Self {
        let app = None;
        Self { id, app, request }
    }

    /// Reads a request.
    ///
    /// # Errors
    /// [`DecodeError`], whose [`DecodeError::code`] is what the reply says. The connection lives.
    #[inline]
    pub fn decode(frame: &Frame<'a>) -> Result<Self, DecodeError> {
        let header = frame.header;
        let opcode = Opcode::from_number(header.opcode)
            .ok_or(DecodeError::UnknownOperation(header.opcode))?;
        let flags = RequestFlags(header.flags);
        let unknown = header.flags & !RequestFlags::known(opcode);
        if unknown != 0 {
            return Err(DecodeError::UnknownFlags(unknown));
        }
        let mut fields = Reader::new(frame.payload);
        let key = fields.bytes(usize::from(header.key_or_status))?;
        let app = if flags.has(RequestFlags::APP) {
            Some(app_name(fields.counted()?)?)
        } else {
            None
        };
        let version = if flags.has(RequestFlags::VERSION) {
            Some(fields.u64()?)
        } else {
            None
        };
        let parts = Parts {
            flags,
            key,
            version,
            fields,
        };
        Ok(Self {
            id: header.id,
            app,
            request: Request::decode(opcode, parts)?,
        })
    }

    /// Appends the frame of this request.
    ///
    /// # Errors
    /// [`DecodeError`], when something is not within its bounds: what a server would answer. Nothing
    /// is appended then.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        match &self.request {
            Request::Hello(request) => self.write(request, out),
            Request::Ping(request) => self.write(request, out),
            Request::Stats(request) => self.write(request, out),
            Request::Get(request) => self.write(request, out),
            Request::MultiGet(request) => self.write(request, out),
            Request::Create(request) => self.write(request, out),
            Request::Put(request) => self.write(request, out),
            Request::Set(request) => self.write(request, out),
            Request::Touch(request) => self.write(request, out),
            Request::Rotate(request) => self.write(request, out),
            Request::Kill(request) => self.write(request, out),
            Request::KillMany(request) => self.write(request, out),
            Request::List(request) => self.write(request, out),
            Request::Activity(request) => self.write(request, out),
        }
    }

    fn write<L: Layout<'a>>(&self, request: &L, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        request.check()?;
        let app = self.app.map(|app| app_name(app.as_bytes())).transpose()?;
        let version = request.version();
        let flags = request.flags()
            | RequestFlags::when(app.is_some(), RequestFlags::APP)
            | RequestFlags::when(version.is_some(), RequestFlags::VERSION);
        let unknown = flags & !RequestFlags::known(L::OPCODE);
        if unknown != 0 {
            return Err(DecodeError::UnknownFlags(unknown));
        }
        let key = request.key();
        let header = Header {
            length: 0,
            id: self.id,
            opcode: L::OPCODE.number(),
            flags,
            key_or_status: length_u16(key.as_slice().len()),
        };
        frame(out, header, |out| {
            out.extend_from_slice(key.as_slice());
            if let Some(app) = app {
                put_counted(out, app.as_bytes());
            }
            if let Some(version) = version {
                put_u64(out, version);
            }
            request.encode(out);
        });
        Ok(())
    }
}

impl<'a> Request<'a> {
    #[inline]
    fn decode(opcode: Opcode, parts: Parts<'a>) -> Result<Self, DecodeError> {
        Ok(match opcode {
            Opcode::Hello => Self::Hello(read(parts)?),
            Opcode::Ping => Self::Ping(read(parts)?),
            Opcode::Stats => Self::Stats(read(parts)?),
            Opcode::Get => Self::Get(read(parts)?),
            Opcode::MultiGet => Self::MultiGet(read(parts)?),
            Opcode::Create => Self::Create(read(parts)?),
            Opcode::Put => Self::Put(read(parts)?),
            Opcode::Set => Self::Set(read(parts)?),
            Opcode::Touch => Self::Touch(read(parts)?),
            Opcode::Rotate => Self::Rotate(read(parts)?),
            Opcode::Kill => Self::Kill(read(parts)?),
            Opcode::KillMany => Self::KillMany(read(parts)?),
            Opcode::List => Self::List(read(parts)?),
            Opcode::Activity => Self::Activity(read(parts)?),
        })
    }

    /// What operation this is.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        match self {
            Self::Hello(_) => Opcode::Hello,
            Self::Ping(_) => Opcode::Ping,
            Self::Stats(_) => Opcode::Stats,
            Self::Get(_) => Opcode::Get,
            Self::MultiGet(_) => Opcode::MultiGet,
            Self::Create(_) => Opcode::Create,
            Self::Put(_) => Opcode::Put,
            Self::Set(_) => Opcode::Set,
            Self::Touch(_) => Opcode::Touch,
            Self::Rotate(_) => Opcode::Rotate,
            Self::Kill(_) => Opcode::Kill,
            Self::KillMany(_) => Opcode::KillMany,
            Self::List(_) => Opcode::List,
            Self::Activity(_) => Opcode::Activity,
        }
    }
}

fn read<'a, L: Layout<'a>>(parts: Parts<'a>) -> Result<L, DecodeError> {
    let request = L::decode(parts)?;
    request.check()?;
    Ok(request)
}

/// The name of an app: length and alphabet are checked here, and nowhere behind it.
fn app_name(bytes: &[u8]) -> Result<&str, DecodeError> {
    let fits = |b: &u8| b.is_ascii_alphanumeric() || b"_-.@".contains(b);
    if (1..=limits::APP_BYTES).contains(&bytes.len()) && bytes.iter().all(fits) {
        text(bytes).ok_or(DecodeError::BadApp)
    } else {
        Err(DecodeError::BadApp)
    }
}

/// A text of at most `limit` bytes.
fn check_text(text: &str, limit: usize, error: DecodeError) -> Result<(), DecodeError> {
    if text.len() <= limit {
        Ok(())
    } else {
        Err(error)
    }
}
