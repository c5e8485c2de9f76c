//! JSON text without trees: scan, canonicalise, splice. Session data is kept as canonical text.
pub mod merge;
