//! Which calls fail, and how.

use std::io;

/// What a call does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Call {
    /// Changes nothing.
    Read,
    /// Changes a file.
    Write,
    /// Makes, renames or removes a file.
    Name,
    /// Makes a file or the names safe.
    Sync,
}

/// How a call fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FaultKind {
    /// The medium does not answer.
    Eio,
    /// There is no room. Reads never fail so.
    Enospc,
    /// A write ends early; other calls fail as with [`FaultKind::Eio`].
    ShortWrite,
}

impl FaultKind {
    pub(crate) const ALL: [Self; 3] = [Self::Eio, Self::Enospc, Self::ShortWrite];

    /// What the system says.
    pub(crate) fn error(self, call: Call) -> io::Error {
        const EIO: i32 = 5;
        const ENOSPC: i32 = 28;
        match self {
            Self::Enospc => io::Error::from_raw_os_error(ENOSPC),
            Self::ShortWrite if call == Call::Write => io::ErrorKind::WriteZero.into(),
            Self::Eio | Self::ShortWrite => io::Error::from_raw_os_error(EIO),
        }
    }
}

/// Lets `count` calls fail, from the call with the number `from` on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) from: u64,
    pub(crate) count: u64,
}

impl Fault {
    /// Fails one call.
    pub(crate) fn once(kind: FaultKind, call: u64) -> Self {
        Self {
            kind,
            from: call,
            count: 1,
        }
    }

    pub(crate) fn hits(&self, number: u64, call: Call) -> bool {
        let is_due = self.from <= number && number - self.from < self.count;
        is_due && (call != Call::Read || self.kind != FaultKind::Enospc)
    }
}
