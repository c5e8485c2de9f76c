//! stub
/// cursor
#[derive(Clone, Debug, Default)]
pub struct Cursor;
