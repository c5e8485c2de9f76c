//! The operations and their numbers.

/// Set in the opcode of a reply.
pub const REPLY_BIT: u8 = 0x80;

/// An operation. Numbers are never given to another operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Opcode {
    /// Agrees on a version, names the app, shows the access key. The first request.
    Hello = 0x01,
    /// Asks for a sign of life.
    Ping = 0x02,
    /// Asks for figures of the server.
    Stats = 0x03,
    /// Reads a session.
    Get = 0x10,
    /// Reads several sessions.
    MultiGet = 0x11,
    /// Makes a session under an id that the server draws.
    Create = 0x20,
    /// Writes a session whole, under an id that the request names.
    Put = 0x21,
    /// Merges members into a session's JSON object.
    Set = 0x22,
    /// Keeps a session alive.
    Touch = 0x23,
    /// Gives a session another id.
    Rotate = 0x24,
    /// Ends a session.
    Kill = 0x30,
    /// Ends the sessions of an app, a user or an IP.
    KillMany = 0x31,
    /// Lists or counts the sessions of an app, a user or an IP.
    List = 0x40,
    /// Counts who was active lately.
    Activity = 0x41,
}

impl Opcode {
    /// All operations, by number.
    pub const ALL: [Self; 14] = [
        Self::Hello,
        Self::Ping,
        Self::Stats,
        Self::Get,
        Self::MultiGet,
        Self::Create,
        Self::Put,
        Self::Set,
        Self::Touch,
        Self::Rotate,
        Self::Kill,
        Self::KillMany,
        Self::List,
        Self::Activity,
    ];

    /// The operation with this number, if there is one.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0x01 => Self::Hello,
            0x02 => Self::Ping,
            0x03 => Self::Stats,
            0x10 => Self::Get,
            0x11 => Self::MultiGet,
            0x20 => Self::Create,
            0x21 => Self::Put,
            0x22 => Self::Set,
            0x23 => Self::Touch,
            0x24 => Self::Rotate,
            0x30 => Self::Kill,
            0x31 => Self::KillMany,
            0x40 => Self::List,
            0x41 => Self::Activity,
            _ => return None,
        })
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Its name in documents and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hello => "HELLO",
            Self::Ping => "PING",
            Self::Stats => "STATS",
            Self::Get => "GET",
            Self::MultiGet => "MGET",
            Self::Create => "CREATE",
            Self::Put => "PUT",
            Self::Set => "SET",
            Self::Touch => "TOUCH",
            Self::Rotate => "ROTATE",
            Self::Kill => "KILL",
            Self::KillMany => "KILLMANY",
            Self::List => "LIST",
            Self::Activity => "ACTIVITY",
        }
    }

    /// Whether a request of this kind may alter data, identity or the end of a session. The counter
    /// and the time of the last activity, which a GET moves, are not meant.
    #[must_use]
    pub const fn writes(self) -> bool {
        match self {
            Self::Hello
            | Self::Ping
            | Self::Stats
            | Self::Get
            | Self::MultiGet
            | Self::List
            | Self::Activity => false,
            Self::Create
            | Self::Put
            | Self::Set
            | Self::Touch
            | Self::Rotate
            | Self::Kill
            | Self::KillMany => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Opcode, REPLY_BIT};

    #[test]
    fn numbers_lead_to_their_operations_and_no_others_do() {
        let known = (0..=u8::MAX).filter_map(Opcode::from_number);
        assert_eq!(known.collect::<Vec<_>>(), Opcode::ALL);
        for opcode in Opcode::ALL {
            assert_eq!(Opcode::from_number(opcode.number()), Some(opcode));
            assert_eq!(opcode.number() & REPLY_BIT, 0);
        }
    }
}
