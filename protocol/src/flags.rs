//! What the bits of a header's flags mean. A bit means the same in every operation that knows it.

use crate::opcode::Opcode;

/// Flags of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RequestFlags(pub u8);

impl RequestFlags {
    /// The request names an app, behind the key.
    pub const APP: u8 = 0x01;
    /// Leaves no trace: no read is counted, no activity noted, no life prolonged.
    pub const QUIET: u8 = 0x02;
    /// The request names a version, behind the app.
    pub const VERSION: u8 = 0x04;
    /// Keys are handles and not tokens.
    pub const HANDLE: u8 = 0x08;
    /// Listed sessions come with their data.
    pub const DATA: u8 = 0x10;
    /// The reply shows the session as a GET does.
    pub const SHOW: u8 = 0x20;

    /// The bits that an operation knows. Any other must be zero.
    #[must_use]
    pub const fn known(opcode: Opcode) -> u8 {
        match opcode {
            Opcode::Hello | Opcode::Ping => 0,
            Opcode::Stats | Opcode::Create | Opcode::Rotate | Opcode::Activity => Self::APP,
            Opcode::Get => Self::APP | Self::QUIET | Self::VERSION | Self::HANDLE,
            Opcode::MultiGet => Self::APP | Self::QUIET | Self::HANDLE,
            Opcode::Put => Self::APP | Self::QUIET | Self::VERSION,
            Opcode::Set => Self::APP | Self::QUIET | Self::VERSION | Self::SHOW,
            Opcode::Touch => Self::APP | Self::SHOW,
            Opcode::Kill | Opcode::KillMany => Self::APP | Self::HANDLE,
            Opcode::List => Self::APP | Self::DATA,
        }
    }

    /// Whether any bit of `mask` is set.
    #[must_use]
    pub const fn has(self, mask: u8) -> bool {
        self.0 & mask != 0
    }

    /// `mask` when `condition` holds, else no bits.
    #[must_use]
    pub const fn when(condition: bool, mask: u8) -> u8 {
        if condition { mask } else { 0 }
    }
}

/// Flags of a reply. A client ignores bits that it does not know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReplyFlags(pub u8);

impl ReplyFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// The same request may succeed later. Only with an error, which has changed nothing.
    pub const RETRYABLE: u8 = 0x01;
    /// The session has the version that the client named: its texts and data are left out.
    pub const UNCHANGED: u8 = 0x02;
    /// The PUT has made the session.
    pub const CREATED: u8 = 0x04;
    /// The id of the request has been rotated and is in its grace.
    pub const OLD_ID: u8 = 0x08;
    /// The server closes the connection behind this frame.
    pub const CLOSING: u8 = 0x10;
    /// The reply to a SET or TOUCH is a whole session and not only a receipt.
    pub const SHOWN: u8 = 0x20;

    /// Whether any bit of `mask` is set.
    #[must_use]
    pub const fn has(self, mask: u8) -> bool {
        self.0 & mask != 0
    }

    /// These flags with the bits of `mask`.
    #[must_use]
    pub const fn with(self, mask: u8) -> Self {
        Self(self.0 | mask)
    }
}
