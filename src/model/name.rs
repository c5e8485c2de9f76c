//! Names from outside, checked once at the door so that nothing below checks again.

use crate::limits;

/// The name of an app: 1..=64 bytes of `[A-Za-z0-9_.@-]`.
///
/// Names that start with `@` belong to dialects whose paths carry no app; the paths of
/// rest-sessions cannot spell them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct AppName<'a>(&'a str);

/// Why a name was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NameError {
    /// Empty, or longer than the bound.
    Length,
    /// A byte outside the alphabet.
    Alphabet,
}

impl<'a> AppName<'a> {
    /// The app of all sessions of the `tarantool` dialect.
    pub const TARANTOOL: AppName<'static> = AppName("@sessions");
    /// The app of all sessions of the `back-session` dialect.
    pub const BACK_SESSION: AppName<'static> = AppName("@a01");

    /// Checks length and alphabet.
    ///
    /// # Errors
    /// [`NameError`] says which of the two rules was broken.
    pub fn new(text: &'a str) -> Result<Self, NameError> {
        if text.is_empty() || text.len() > limits::APP_NAME_BYTES {
            return Err(NameError::Length);
        }
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'@');
        if text.bytes().all(fits) {
            Ok(Self(text))
        } else {
            Err(NameError::Alphabet)
        }
    }

    /// The name's text.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

impl std::fmt::Display for NameError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Length => {
                write!(out, "an app name has 1 to {} bytes", limits::APP_NAME_BYTES)
            }
            Self::Alphabet => write!(out, "an app name is made of A-Z a-z 0-9 _ - . @"),
        }
    }
}

impl std::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use super::{AppName, NameError};

    #[test]
    fn length_and_alphabet_are_checked() {
        assert_eq!(AppName::new(""), Err(NameError::Length));
        assert!(AppName::new(&"a".repeat(64)).is_ok());
        assert_eq!(AppName::new(&"a".repeat(65)), Err(NameError::Length));
        assert_eq!(AppName::new("a b"), Err(NameError::Alphabet));
        assert_eq!(AppName::new("@sessions"), Ok(AppName::TARANTOOL));
        assert_eq!(AppName::new("@a01"), Ok(AppName::BACK_SESSION));
    }
}
