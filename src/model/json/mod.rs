//! JSON text without trees: scan, canonicalise, splice. Session data is kept as canonical text.
//!
//! Text from outside is validated once by [`scan`]; everything else here works on validated text
//! and answers harmlessly, never with a panic, when it is handed something else.

pub mod canonical;
pub mod merge;
pub mod number;
pub mod scan;
pub mod string;
mod value;
