//! Sessions on their way in and out of a server: backup, export, import.

pub mod line;
pub mod parse;
