//! Sessions on their way in and out of a server, as lines of NDJSON.

mod export;
mod import;
pub mod line;
pub mod parse;

pub use export::export;
pub use import::{ImportError, ImportTotals, Importer, OnError};
