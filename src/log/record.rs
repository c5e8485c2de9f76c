//! A change as bytes: what stands in the blocks of the log and in the chunks of a snapshot.
//!
//! FORMAT.md draws every kind. A record carries no length of its own; it ends where its last field
//! ends. Every change has exactly one spelling.

use crate::clock::Millis;
use crate::limits;
use crate::log::varint::{
    put_run, put_short_run, put_varint, take_byte, take_bytes, take_u64, take_varint, unzigzag,
    zigzag,
};
use crate::model::change::{CreateChange, TouchChange, UpdateChange};
use crate::model::{
    AppName, Change, ContentType, DataChange, Handle, Life, NameError, Tag, TextChange, U48,
};

const CREATE: u8 = 1;
const UPDATE: u8 = 2;
const TOUCH: u8 = 3;
const REMOVE: u8 = 4;
const REMOVE_APP: u8 = 5;

const CREATE_USER: u8 = 1;
const CREATE_IP: u8 = 2;
const CREATE_LAG: u8 = 4;
const CREATE_WHOLE_SECONDS: u8 = 8;
const CREATE_NO_RESAVE: u8 = 16;
const CREATE_ALIAS: u8 = 32;

const UPDATE_LAG: u8 = 1;
const UPDATE_LIFE: u8 = 2;
const UPDATE_WHOLE_SECONDS: u8 = 4;
const UPDATE_IP: u8 = 8;
const UPDATE_DATA: u8 = 16;
const UPDATE_NO_IP: u8 = 32;
const UPDATE_USER: u8 = 64;
const UPDATE_NO_USER: u8 = 128;

/// Bytes of a user's name or an IP text, in version 1 of the format.
const TEXT_BYTES_MAX: usize = 1_024;
/// Bytes of a session's data, in version 1 of the format.
const DATA_BYTES_MAX: usize = 1 << 20;

// What the server takes in, the format can hold.
const _: () = assert!(limits::USER_BYTES <= TEXT_BYTES_MAX && limits::IP_BYTES <= TEXT_BYTES_MAX);
const _: () = assert!(limits::DATA_BYTES <= DATA_BYTES_MAX);
const _: () = assert!(limits::APP_NAME_BYTES <= 255 && limits::TOKEN_BYTES < 255);

/// Bytes of the longest record, rounded up.
pub const RECORD_BYTES_MAX: usize = DATA_BYTES_MAX + 2 * TEXT_BYTES_MAX + 1_024;

/// Why bytes are no record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadRecord {
    /// They end within the record.
    Short,
    /// A kind that this version does not know, or that does not belong here.
    Kind(u8),
    /// A flag that this version does not know, or one without the field it speaks of.
    Flags(u8),
    /// A number of more than 64 bits, or one that is spelled longer than it needs.
    Varint,
    /// A field is longer than it may be.
    Length {
        /// Which field.
        field: &'static str,
        /// How long it says it is.
        length: u64,
    },
    /// A time or a limit of a life beyond 48 bits.
    Time,
    /// A text that is not UTF-8.
    Text,
    /// An app's name that no app can have.
    App(NameError),
    /// There are fewer records than the header says, or bytes are left over behind them.
    Count,
}

impl std::fmt::Display for BadRecord {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Short => out.write_str("the bytes end within a record"),
            Self::Kind(kind) => write!(out, "a record of the unknown kind {kind}"),
            Self::Flags(flags) => write!(out, "a record with the unknown flags {flags:#04x}"),
            Self::Varint => out.write_str("a number that is no LEB128 of 64 bits"),
            Self::Length { field, length } => {
                write!(
                    out,
                    "a field `{field}` of {length} bytes, which is too many"
                )
            }
            Self::Time => out.write_str("a time of more than 48 bits"),
            Self::Text => out.write_str("a text that is not UTF-8"),
            Self::App(error) => write!(out, "a wrong app name: {error}"),
            Self::Count => out.write_str("not as many records as the header says"),
        }
    }
}

impl std::error::Error for BadRecord {}

/// Appends the bytes of `change` to `out`. `time` is the time of the block or chunk it goes to; the
/// nearer the change's own times are, the shorter the record.
///
/// Times beyond 48 bits are written as the largest one, as the store keeps them.
pub fn encode(change: &Change<'_>, time: Millis, out: &mut Vec<u8>) {
    match change {
        Change::Create(create) => encode_create(create, time, out),
        Change::Update(update) => encode_update(update, time, out),
        Change::Touch(touch) => {
            out.push(TOUCH);
            out.extend_from_slice(&touch.handle.0.to_le_bytes());
            let distance = zigzag(touch.last_active, time);
            put_varint(distance << 1 | u64::from(touch.lag), out);
            put_varint(touch.reads, out);
        }
        Change::Remove { handle } => {
            out.push(REMOVE);
            out.extend_from_slice(&handle.0.to_le_bytes());
        }
        Change::RemoveApp { app, epoch } => {
            out.push(REMOVE_APP);
            put_short_run(app.as_str().as_bytes(), out);
            put_varint(u64::from(*epoch), out);
        }
    }
}

/// Appends the bytes of a create: see [`encode`].
pub fn encode_create(create: &CreateChange<'_>, time: Millis, out: &mut Vec<u8>) {
    out.push(CREATE);
    put_short_run(create.app.as_str().as_bytes(), out);
    put_varint(u64::from(create.epoch), out);
    out.extend_from_slice(&create.tag.high.to_le_bytes());
    out.extend_from_slice(&create.tag.low.to_le_bytes());
    out.push(flags(&[
        (CREATE_USER, create.user.is_some()),
        (CREATE_IP, create.ip.is_some()),
        (CREATE_LAG, create.lag),
        (CREATE_WHOLE_SECONDS, create.life.whole_seconds),
        (CREATE_NO_RESAVE, create.no_resave),
        (CREATE_ALIAS, create.alias),
    ]));
    for text in [create.user, create.ip].into_iter().flatten() {
        put_run(text.as_bytes(), out);
    }
    put_varint(zigzag(create.created, time), out);
    put_varint(zigzag(create.last_active, time), out);
    encode_life(&create.life, time, out);
    put_varint(create.reads, out);
    put_varint(create.writes, out);
    out.push(create.content_type.0);
    put_short_run(create.sealed, out);
    put_run(create.data, out);
}

fn encode_update(update: &UpdateChange<'_>, time: Millis, out: &mut Vec<u8>) {
    out.push(UPDATE);
    out.extend_from_slice(&update.handle.0.to_le_bytes());
    let whole_seconds = update.life.is_some_and(|life| life.whole_seconds);
    out.push(flags(&[
        (UPDATE_LAG, update.lag),
        (UPDATE_LIFE, update.life.is_some()),
        (UPDATE_WHOLE_SECONDS, whole_seconds),
        (UPDATE_IP, update.ip.text().is_some()),
        (UPDATE_DATA, update.data.is_some()),
        (UPDATE_NO_IP, update.ip == TextChange::Clear),
        (UPDATE_USER, update.user.text().is_some()),
        (UPDATE_NO_USER, update.user == TextChange::Clear),
    ]));
    put_varint(zigzag(update.last_active, time), out);
    put_varint(update.reads, out);
    put_varint(update.writes, out);
    if let Some(life) = &update.life {
        encode_life(life, time, out);
    }
    for text in [update.user.text(), update.ip.text()].into_iter().flatten() {
        put_run(text.as_bytes(), out);
    }
    if let Some(data) = update.data {
        out.push(data.content_type.0);
        put_run(data.bytes, out);
    }
}

/// Zero is "never" for both limits; anything else is one more than the limit.
fn encode_life(life: &Life, time: Millis, out: &mut Vec<u8>) {
    let idle = if life.idle < U48::MAX {
        life.idle + 1
    } else {
        0
    };
    put_varint(idle, out);
    let until = if life.until < Millis::NEVER {
        zigzag(life.until, time) + 1
    } else {
        0
    };
    put_varint(until, out);
}

fn flags(set: &[(u8, bool)]) -> u8 {
    let add = |flags, (flag, on): &(u8, bool)| flags | if *on { *flag } else { 0 };
    set.iter().fold(0, add)
}

/// Reads one record from the front of `bytes`, which then begin behind it. `time` is the time of the
/// block or chunk it stands in.
///
/// # Errors
/// [`BadRecord`] says what is wrong; `bytes` then begin anywhere within the record.
#[inline]
pub fn decode<'a>(bytes: &mut &'a [u8], time: Millis) -> Result<Change<'a>, BadRecord> {
    match take_byte(bytes)? {
        CREATE => take_create(bytes, time).map(Change::Create),
        UPDATE => take_update(bytes, time).map(Change::Update),
        TOUCH => take_touch(bytes, time).map(Change::Touch),
        REMOVE => Ok(Change::Remove {
            handle: Handle(take_u64(bytes)?),
        }),
        REMOVE_APP => Ok(Change::RemoveApp {
            app: take_app(bytes)?,
            epoch: take_epoch(bytes)?,
        }),
        other => Err(BadRecord::Kind(other)),
    }
}

/// Reads one record, which must be a create: see [`decode`].
///
/// # Errors
/// As [`decode`]; [`BadRecord::Kind`] for any other kind.
#[inline]
pub fn decode_create<'a>(
    bytes: &mut &'a [u8],
    time: Millis,
) -> Result<CreateChange<'a>, BadRecord> {
    match take_byte(bytes)? {
        CREATE => take_create(bytes, time),
        other => Err(BadRecord::Kind(other)),
    }
}

#[inline]
fn take_create<'a>(bytes: &mut &'a [u8], time: Millis) -> Result<CreateChange<'a>, BadRecord> {
    const KNOWN: u8 = CREATE_USER
        | CREATE_IP
        | CREATE_LAG
        | CREATE_WHOLE_SECONDS
        | CREATE_NO_RESAVE
        | CREATE_ALIAS;
    let app = take_app(bytes)?;
    let epoch = take_epoch(bytes)?;
    let tag = Tag {
        high: take_u64(bytes)?,
        low: take_u64(bytes)?,
    };
    let flags = take_byte(bytes)?;
    if flags & !KNOWN != 0 {
        return Err(BadRecord::Flags(flags));
    }
    Ok(CreateChange {
        app,
        epoch,
        tag,
        user: take_text_if(bytes, "user", flags & CREATE_USER != 0)?,
        ip: take_text_if(bytes, "ip", flags & CREATE_IP != 0)?,
        created: take_moment(bytes, time)?,
        last_active: take_moment(bytes, time)?,
        lag: flags & CREATE_LAG != 0,
        life: take_life(bytes, time, flags & CREATE_WHOLE_SECONDS != 0)?,
        no_resave: flags & CREATE_NO_RESAVE != 0,
        reads: take_varint(bytes)?,
        writes: take_varint(bytes)?,
        content_type: ContentType(take_byte(bytes)?),
        sealed: take_short_run(bytes, "sealed")?,
        data: take_data(bytes)?,
        alias: flags & CREATE_ALIAS != 0,
    })
}

fn take_update<'a>(bytes: &mut &'a [u8], time: Millis) -> Result<UpdateChange<'a>, BadRecord> {
    let handle = Handle(take_u64(bytes)?);
    let flags = take_byte(bytes)?;
    let has_life = flags & UPDATE_LIFE != 0;
    let whole_seconds = flags & UPDATE_WHOLE_SECONDS != 0;
    let both = |one: u8, other: u8| flags & one != 0 && flags & other != 0;
    let contradict = both(UPDATE_IP, UPDATE_NO_IP) || both(UPDATE_USER, UPDATE_NO_USER);
    if contradict || whole_seconds && !has_life {
        return Err(BadRecord::Flags(flags));
    }
    let last_active = take_moment(bytes, time)?;
    let reads = take_varint(bytes)?;
    let writes = take_varint(bytes)?;
    let life = if has_life {
        Some(take_life(bytes, time, whole_seconds)?)
    } else {
        None
    };
    let user = take_text_if(bytes, "user", flags & UPDATE_USER != 0)?;
    let ip = take_text_if(bytes, "ip", flags & UPDATE_IP != 0)?;
    let change = |text, cleared| match text {
        Some(text) => TextChange::Set(text),
        None if flags & cleared != 0 => TextChange::Clear,
        None => TextChange::Keep,
    };
    let data = if flags & UPDATE_DATA != 0 {
        Some(DataChange {
            content_type: ContentType(take_byte(bytes)?),
            bytes: take_data(bytes)?,
        })
    } else {
        None
    };
    Ok(UpdateChange {
        handle,
        last_active,
        lag: flags & UPDATE_LAG != 0,
        reads,
        writes,
        life,
        user: change(user, UPDATE_NO_USER),
        ip: change(ip, UPDATE_NO_IP),
        data,
    })
}

fn take_touch(bytes: &mut &[u8], time: Millis) -> Result<TouchChange, BadRecord> {
    let handle = Handle(take_u64(bytes)?);
    let when = take_varint(bytes)?;
    Ok(TouchChange {
        handle,
        last_active: unzigzag(when >> 1, time).ok_or(BadRecord::Time)?,
        lag: when & 1 == 1,
        reads: take_varint(bytes)?,
    })
}

fn take_app<'a>(bytes: &mut &'a [u8]) -> Result<AppName<'a>, BadRecord> {
    let name = as_text(take_short_run(bytes, "app")?)?;
    AppName::new(name).map_err(BadRecord::App)
}

fn take_epoch(bytes: &mut &[u8]) -> Result<u32, BadRecord> {
    let number = take_varint(bytes)?;
    u32::try_from(number).or(Err(BadRecord::Varint))
}

fn take_moment(bytes: &mut &[u8], time: Millis) -> Result<Millis, BadRecord> {
    unzigzag(take_varint(bytes)?, time).ok_or(BadRecord::Time)
}

fn take_life(bytes: &mut &[u8], time: Millis, whole_seconds: bool) -> Result<Life, BadRecord> {
    let idle = match take_varint(bytes)?.checked_sub(1) {
        None => U48::MAX,
        Some(idle) if idle < U48::MAX => idle,
        Some(_) => return Err(BadRecord::Time),
    };
    let until = match take_varint(bytes)?.checked_sub(1) {
        None => Millis::NEVER,
        Some(distance) => unzigzag(distance, time)
            .filter(|until| *until < Millis::NEVER)
            .ok_or(BadRecord::Time)?,
    };
    Ok(Life {
        idle,
        until,
        whole_seconds,
    })
}

fn take_text_if<'a>(
    bytes: &mut &'a [u8],
    field: &'static str,
    given: bool,
) -> Result<Option<&'a str>, BadRecord> {
    if !given {
        return Ok(None);
    }
    let length = take_varint(bytes)?;
    as_text(take_bytes(bytes, field, length, TEXT_BYTES_MAX)?).map(Some)
}

fn take_short_run<'a>(bytes: &mut &'a [u8], field: &'static str) -> Result<&'a [u8], BadRecord> {
    let length = u64::from(take_byte(bytes)?);
    take_bytes(bytes, field, length, usize::from(u8::MAX))
}

fn take_data<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], BadRecord> {
    let length = take_varint(bytes)?;
    take_bytes(bytes, "data", length, DATA_BYTES_MAX)
}

fn as_text(bytes: &[u8]) -> Result<&str, BadRecord> {
    std::str::from_utf8(bytes).or(Err(BadRecord::Text))
}
