//! What a reply can refuse with, and what cannot be decoded.

/// What kind of refusal an error is: the high byte of its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// The request is wrong in itself. Mend it; sending it again is of no use.
    Request,
    /// The request is sound and does not fit what there is: the session is gone, or has changed.
    State,
    /// The client may not do this, or not yet.
    Access,
    /// The server has no room for this now.
    Capacity,
    /// The server cannot do this now.
    Server,
}

impl Class {
    /// The class of a status, also of one that this version does not know; `None` for success.
    #[must_use]
    pub const fn of_status(status: u16) -> Option<Self> {
        match status >> 8 {
            1 => Some(Self::Request),
            2 => Some(Self::State),
            3 => Some(Self::Access),
            4 => Some(Self::Capacity),
            5 => Some(Self::Server),
            _ => None,
        }
    }
}

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])* $name:ident = $number:literal, $text:literal, $sentence:literal;)*) => {
        /// Why a request was refused. Nothing has been changed then. Numbers are never given to
        /// another error.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u16)]
        pub enum ErrorCode {
            $($(#[doc = $doc])* $name = $number,)*
        }

        impl ErrorCode {
            /// All errors, by number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The error with this number, if this version knows it.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Its name in documents and messages.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// A sentence for people.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$name => $sentence,)*
                }
            }
        }
    };
}

error_codes! {
    /// The payload is not laid out as the operation has it.
    Malformed = 0x0101, "MALFORMED", "the payload is not laid out as the operation has it";
    /// There is no operation with this number.
    UnknownOperation = 0x0102, "UNKNOWN_OPERATION", "there is no such operation";
    /// A flag is set that the operation does not know.
    UnknownFlags = 0x0103, "UNKNOWN_FLAGS", "a flag is set that this operation does not know";
    /// The payload is longer than the bound. The connection ends.
    FrameTooLarge = 0x0104, "FRAME_TOO_LARGE", "the frame is longer than the server accepts";
    /// The name of an app is empty, too long, or has a byte outside its alphabet.
    BadApp = 0x0105, "BAD_APP", "an app name has 1 to 64 bytes of A-Z a-z 0-9 _ - . @";
    /// A token is empty or too long, or a handle has not eight bytes.
    BadToken = 0x0106, "BAD_TOKEN", "a token has 1 to 128 bytes, a handle has 8";
    /// The user is too long or not UTF-8.
    BadUser = 0x0107, "BAD_USER", "a user has 1 to 1024 bytes of UTF-8";
    /// The IP text is too long or not UTF-8.
    BadIp = 0x0108, "BAD_IP", "an IP text has at most 1024 bytes of UTF-8";
    /// The data are not the JSON they should be, or nest too deeply, or have too many values.
    BadJson = 0x0109, "BAD_JSON", "the data are not the JSON that they should be";
    /// The data are too long, or would be after the merge.
    DataTooLarge = 0x010a, "DATA_TOO_LARGE", "the data would exceed 1 MiB";
    /// More keys than one MGET may have.
    TooManyKeys = 0x010b, "TOO_MANY_KEYS", "one MGET has at most 256 keys";
    /// The cursor is none that the server gave out.
    BadCursor = 0x010c, "BAD_CURSOR", "the cursor is none that this server gave out for this list";
    /// The grace of a rotation is too long.
    GraceTooLong = 0x010d, "GRACE_TOO_LONG", "the grace of a rotation is at most 300000 ms";
    /// There is no such session: it never was, has expired or was killed.
    Gone = 0x0201, "GONE", "there is no such session";
    /// A living session has this id.
    Exists = 0x0202, "EXISTS", "a session with this id exists";
    /// The session has another version.
    VersionDiffers = 0x0203, "VERSION_DIFFERS", "the session has changed since that version";
    /// Members cannot be merged into data that are not a JSON object.
    NotAnObject = 0x0204, "NOT_AN_OBJECT", "the session's data are not a JSON object";
    /// The id has been rotated: it cannot be rotated again.
    Rotated = 0x0205, "ROTATED", "this id has been rotated already";
    /// The first request must be HELLO.
    HelloRequired = 0x0301, "HELLO_REQUIRED", "the first request must be HELLO";
    /// HELLO has been said already.
    HelloTwice = 0x0302, "HELLO_TWICE", "HELLO has been said on this connection";
    /// The server speaks none of the versions that the client speaks. The connection ends.
    VersionUnsupported = 0x0303, "VERSION_UNSUPPORTED", "the server speaks version 1";
    /// The server wants an access key. The connection ends.
    KeyRequired = 0x0304, "KEY_REQUIRED", "the server wants an access key";
    /// The access key is not one of the server's. The connection ends.
    KeyRefused = 0x0305, "KEY_REFUSED", "the access key is not one of this server's";
    /// The access key is not good for this app.
    AppRefused = 0x0306, "APP_REFUSED", "the access key is not good for this app";
    /// Neither HELLO nor the request names an app.
    AppRequired = 0x0307, "APP_REQUIRED", "neither HELLO nor the request names an app";
    /// The server holds as much as it may.
    MemoryFull = 0x0401, "MEMORY_FULL", "the server holds as much as --max-memory allows";
    /// The server holds as many apps as it may.
    TooManyApps = 0x0402, "TOO_MANY_APPS", "the server holds as many apps as --max-apps allows";
    /// There is no room on the disk for the log.
    DiskFull = 0x0403, "DISK_FULL", "there is no room on the disk for the log";
    /// Too much is under way.
    Busy = 0x0404, "BUSY", "too much is under way";
    /// The server has as many connections as it may. The connection ends.
    TooManyConnections = 0x0405, "TOO_MANY_CONNECTIONS", "the server has as many connections as it may";
    /// The log cannot be written; the server mends it.
    LogFailed = 0x0501, "LOG_FAILED", "the log cannot be written";
    /// The server is stopping. The connection ends.
    Stopping = 0x0502, "STOPPING", "the server is stopping";
}

impl ErrorCode {
    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// Its class.
    #[must_use]
    pub const fn class(self) -> Class {
        match Class::of_status(self.number()) {
            Some(class) => class,
            None => Class::Server,
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self.class(), Class::Capacity | Class::Server)
    }

    /// Whether the server closes the connection behind this error.
    #[must_use]
    pub const fn closes(self) -> bool {
        matches!(
            self,
            Self::FrameTooLarge
                | Self::VersionUnsupported
                | Self::KeyRequired
                | Self::KeyRefused
                | Self::TooManyConnections
                | Self::Stopping
        )
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.sentence())
    }
}

impl std::error::Error for ErrorCode {}

/// Why bytes are no request or no reply, or why something cannot be written as one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeError {
    /// The payload is longer than the bound.
    FrameTooLarge {
        /// Of the frame's header.
        id: u32,
        /// Of the frame's header.
        opcode: u8,
        /// Of the frame's header.
        length: u32,
    },
    /// There is no operation with this number.
    UnknownOperation(u8),
    /// These flags are set and the operation does not know them, or not together.
    UnknownFlags(u8),
    /// The payload ends within a field.
    Short,
    /// Bytes follow the last field.
    LeftOver,
    /// The operation has no key, or must have one.
    BadKey,
    /// A field has a value that it cannot have.
    BadValue {
        /// Its name in SPEC.md.
        field: &'static str,
    },
    /// See [`ErrorCode::BadApp`].
    BadApp,
    /// See [`ErrorCode::BadToken`].
    BadToken,
    /// See [`ErrorCode::BadUser`].
    BadUser,
    /// See [`ErrorCode::BadIp`].
    BadIp,
    /// See [`ErrorCode::DataTooLarge`].
    DataTooLarge,
    /// See [`ErrorCode::TooManyKeys`].
    TooManyKeys,
    /// See [`ErrorCode::GraceTooLong`].
    GraceTooLong,
}

impl DecodeError {
    /// The error that a server answers with.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::FrameTooLarge { .. } => ErrorCode::FrameTooLarge,
            Self::UnknownOperation(_) => ErrorCode::UnknownOperation,
            Self::UnknownFlags(_) => ErrorCode::UnknownFlags,
            Self::Short | Self::LeftOver | Self::BadKey | Self::BadValue { .. } => {
                ErrorCode::Malformed
            }
            Self::BadApp => ErrorCode::BadApp,
            Self::BadToken => ErrorCode::BadToken,
            Self::BadUser => ErrorCode::BadUser,
            Self::BadIp => ErrorCode::BadIp,
            Self::DataTooLarge => ErrorCode::DataTooLarge,
            Self::TooManyKeys => ErrorCode::TooManyKeys,
            Self::GraceTooLong => ErrorCode::GraceTooLong,
        }
    }
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::FrameTooLarge { length, .. } => {
                write!(out, "a payload of {length} bytes is longer than agreed")
            }
            Self::UnknownOperation(number) => {
                write!(out, "there is no operation {number:#04x}")
            }
            Self::UnknownFlags(bits) => {
                write!(out, "the operation does not know the flags {bits:#04x}")
            }
            Self::Short => out.write_str("the payload ends within a field"),
            Self::LeftOver => out.write_str("bytes follow the last field"),
            Self::BadKey => out.write_str("the operation has no key, or must have one"),
            Self::BadValue { field } => write!(out, "the field `{field}` cannot have this value"),
            Self::BadApp
            | Self::BadToken
            | Self::BadUser
            | Self::BadIp
            | Self::DataTooLarge
            | Self::TooManyKeys
            | Self::GraceTooLong => out.write_str(self.code().sentence()),
        }
    }
}

impl std::error::Error for DecodeError {}

#[cfg(test)]
mod tests {
    use super::{Class, ErrorCode};
    use crate::limits;

    #[test]
    fn numbers_lead_to_their_errors_and_no_others_do() {
        let known = (0..=u16::MAX).filter_map(ErrorCode::from_number);
        assert_eq!(known.collect::<Vec<_>>(), ErrorCode::ALL);
    }

    #[test]
    fn names_and_sentences_are_unique_and_fit_an_error_reply() {
        for (n, code) in ErrorCode::ALL.iter().enumerate() {
            assert!(code.sentence().len() <= limits::MESSAGE_BYTES);
            for other in &ErrorCode::ALL[n + 1..] {
                assert_ne!(code.name(), other.name());
                assert_ne!(code.sentence(), other.sentence());
            }
        }
    }

    #[test]
    fn only_lack_of_room_and_trouble_of_the_server_pass_by_themselves() {
        for code in ErrorCode::ALL {
            let class = [Class::Capacity, Class::Server].contains(&code.class());
            assert_eq!(code.is_retryable(), class, "{code:?}");
            assert!((1..=5).contains(&(code.number() >> 8)), "{code:?}");
        }
    }
}
