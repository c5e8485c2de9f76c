//! A request as a dialect sees it: borrowed from the read buffer, framing already checked.

/// Line and fields of a request's head.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method, as sent.
    pub method: &'a str,
    /// Path and query as sent, still percent-encoded. An absolute-form target is cut to its path.
    pub target: &'a [u8],
    /// The path: the target before the first `?`.
    pub path: &'a [u8],
    /// The query: what follows the first `?`, empty when there is none.
    pub query: &'a [u8],
    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    pub minor_version: u8,
    /// The header fields, in order.
    pub fields: &'a [httparse::Header<'a>],
}

impl<'a> Head<'a> {
    /// The value of the first field with this name (any case), without surrounding blanks.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.fields
            .iter()
            .find(|f| f.name.eq_ignore_ascii_case(name))
            .map(|f| f.value.trim_ascii())
    }

    /// The `Content-Type`, empty when there is none.
    #[must_use]
    pub fn content_type(&self) -> &'a [u8] {
        self.field("content-type").unwrap_or_default()
    }
}

/// A whole request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its head.
    pub head: Head<'a>,
    /// Its body, unchunked and inflated as the dialect's rule says; empty when ignored or absent.
    pub body: &'a [u8],
}
