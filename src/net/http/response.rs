//! Writing a reply: status line, fields and body straight into the connection's buffer.

use crate::net::http::date::DateCache;

/// One reply in the making. Every reply carries `Date` and `Content-Length`, and
/// `Connection: close` when the connection ends with it.
pub struct Response<'o> {
    out: &'o mut Vec<u8>,
    body: &'o mut Vec<u8>,
    date: &'o DateCache,
    minor_version: u8,
    head_only: bool,
    close: bool,
    retry: bool,
    status: u16,
}

impl<'o> Response<'o> {
    /// A reply that is appended to `out`; `body` is scratch space. `close` says that the connection
    /// ends with it; `head_only` leaves the body out, as the answer to a HEAD.
    pub fn new(
        out: &'o mut Vec<u8>,
        body: &'o mut Vec<u8>,
        date: &'o DateCache,
        minor_version: u8,
        close: bool,
    ) -> Self {
        body.clear();
        Self {
            out,
            body,
            date,
            minor_version,
            head_only: false,
            close,
            retry: false,
            status: 0,
        }
    }

    /// Leaves the body out, but not its length: the answer to a HEAD.
    pub fn set_head_only(&mut self, head_only: bool) {
        self.head_only = head_only;
    }

    /// Says that the same request may be answered otherwise in a second.
    pub fn ask_to_retry(&mut self) {
        self.retry = true;
    }

    /// Ends the connection with this reply.
    pub fn close(&mut self) {
        self.close = true;
    }

    /// Whether the connection ends with this reply.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.close
    }

    /// The status that was sent; 0 while nothing is written.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Scratch space for the body. Write it, then call [`Response::send`].
    pub fn body(&mut self) -> &mut Vec<u8> {
        self.body
    }

    /// Writes the reply with what stands in [`Response::body`]. `fields` are whole lines without
    /// their line ends, as `Content-Type: text/plain`.
    pub fn send(&mut self, status: u16, fields: &[&str]) {
        self.status = status;
        let out = &mut *self.out;
        out.extend_from_slice(b"HTTP/1.1 ");
        let mut number = itoa::Buffer::new();
        out.extend_from_slice(number.format(status).as_bytes());
        out.push(b' ');
        out.extend_from_slice(reason(status).as_bytes());
        out.extend_from_slice(b"\r\n");
        for field in fields {
            out.extend_from_slice(field.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        self.date.write_field(out);
        if self.retry {
            out.extend_from_slice(b"Retry-After: 1\r\n");
        }
        if self.close {
            out.extend_from_slice(b"Connection: close\r\n");
        } else if self.minor_version == 0 {
            out.extend_from_slice(b"Connection: keep-alive\r\n");
        }
        out.extend_from_slice(b"Content-Length: ");
        out.extend_from_slice(number.format(self.body.len()).as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
        if !self.head_only {
            out.extend_from_slice(self.body);
        }
        self.body.clear();
    }
}

/// The reason phrase of a status code (RFC 9110 section 15).
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        301 => "Moved Permanently",
        304 => "Not Modified",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        422 => "Unprocessable Entity",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Unknown",
    }
}
