//! Plain data that every room may know. Nothing here locks, waits or reads a clock.

pub(crate) mod body;
pub mod change;
pub mod json;
pub mod life;
pub mod name;
pub mod secret;
pub mod session;
pub mod token;
pub mod u48;

pub use change::{Change, DataChange, Position, TextChange};
pub use life::Life;
pub use name::{AppName, NameError};
pub use secret::{Handle, Keys, Tag};
pub use session::{ContentType, SessionView};
pub use token::{Randomness, Token, TokenStyle};
pub use u48::U48;
