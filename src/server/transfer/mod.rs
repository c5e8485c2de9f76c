//! Sessions on their way in and out of a server: backup, export, import.

mod backup;
mod export;
mod import;
pub mod line;
pub mod parse;

pub use backup::{BackupSeal, backup};
pub use export::export;
pub use import::{ImportError, ImportTotals, Importer, OnError};
