//! Framing of HTTP/1.1 replies: where one ends and what its body is.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use crate::bench::target::{Frame, Malformed, REPLY_BYTES, Reply};

/// Header fields that a reply may have.
const FIELDS: usize = 64;

/// Reads the first reply of the input; `None` while it is incomplete.
pub(super) fn read(input: &[u8]) -> Result<Option<Reply<'_>>, Malformed> {
    let mut skipped = 0;
    loop {
        let rest = input.get(skipped..).unwrap_or_default();
        let Some(head) = read_head(rest)? else {
            return Ok(None);
        };
        // 100 Continue and its like announce the real reply.
        if (100..200).contains(&head.status) {
            skipped += head.length;
            continue;
        }
        let start = skipped + head.length;
        let after = input.get(start..).unwrap_or_default();
        let framed = match head.body {
            BodyLength::Known(length) => after
                .get(..length)
                .map(|body| (Cow::Borrowed(body), length)),
            BodyLength::Chunked => read_chunks(after)?.map(|(b, n)| (Cow::Owned(b), n)),
        };
        return Ok(framed.map(|(body, length)| Reply {
            frame: Frame {
                status: head.status,
                body,
            },
            length: start + length,
            closes: head.closes,
        }));
    }
}

enum BodyLength {
    Known(usize),
    Chunked,
}

struct ReplyHead {
    status: u16,
    length: usize,
    body: BodyLength,
    closes: bool,
}

fn read_head(input: &[u8]) -> Result<Option<ReplyHead>, Malformed> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let length = match parser.parse_response_with_uninit_headers(&mut parsed, input, &mut fields) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Malformed("the head of the reply is not HTTP/1")),
    };
    let status = parsed.code.unwrap_or(0);
    let mut body = None;
    let mut closes = parsed.version == Some(0);
    for field in parsed.headers.iter() {
        let name = field.name;
        if name.eq_ignore_ascii_case("content-length") {
            let value = parse_length(field.value)
                .ok_or(Malformed("the Content-Length of the reply is not a number"))?;
            body = Some(BodyLength::Known(value));
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            body = Some(BodyLength::Chunked);
        } else if name.eq_ignore_ascii_case("connection") {
            closes = field.value.eq_ignore_ascii_case(b"close")
                || (closes && !field.value.eq_ignore_ascii_case(b"keep-alive"));
        }
    }
    if status < 200 || status == 204 || status == 304 {
        body = Some(BodyLength::Known(0));
    }
    let body = body.ok_or(Malformed("the reply has neither a length nor chunks"))?;
    Ok(Some(ReplyHead {
        status,
        length,
        body,
        closes,
    }))
}

fn parse_length(text: &[u8]) -> Option<usize> {
    std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()
}

/// The unchunked body and the bytes that it took.
fn read_chunks(input: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Malformed> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let rest = input.get(at..).unwrap_or_default();
        let (line, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Malformed("a chunk of the reply has no valid size")),
        };
        let size = usize::try_from(size)
            .ok()
            .filter(|size| *size < REPLY_BYTES)
            .ok_or(Malformed("a chunk of the reply is too large"))?;
        at += line;
        if size == 0 {
            return Ok(skip_trailers(input, at).map(|end| (body, end)));
        }
        let Some(chunk) = input.get(at..at + size) else {
            return Ok(None);
        };
        body.extend_from_slice(chunk);
        // The line end behind the chunk.
        at += size + 2;
    }
}

/// Where the empty line behind the trailer fields ends.
fn skip_trailers(input: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let rest = input.get(at..)?;
        let line = memchr::memchr(b'\n', rest)?;
        at += line + 1;
        if line <= 1 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    fn whole(text: &str) -> (u16, String, bool) {
        for cut in 0..text.len() {
            let part = read(&text.as_bytes()[..cut]).unwrap();
            assert!(part.is_none(), "{cut} of {} bytes", text.len());
        }
        let longer = format!("{text}HTTP/1.1 200 OK\r\n");
        let reply = read(longer.as_bytes()).unwrap().unwrap();
        assert_eq!(reply.length, text.len());
        let body = String::from_utf8(reply.frame.body.to_vec()).unwrap();
        (reply.frame.status, body, reply.closes)
    }

    #[test]
    fn replies_are_complete_exactly_at_their_last_byte() {
        assert_eq!(
            whole("HTTP/1.1 200 OK\r\nContent-length: 4\r\n\r\nPONG"),
            (200, "PONG".into(), false)
        );
        assert_eq!(
            whole("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
            (404, String::new(), true)
        );
        assert_eq!(
            whole(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nPO\r\n2;x=y\r\nNG\r\n0\r\nA: b\r\n\r\n"
            ),
            (200, "PONG".into(), false)
        );
        assert_eq!(
            whole("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n"),
            (304, String::new(), false)
        );
    }

    #[test]
    fn http_1_0_closes_unless_it_says_keep_alive() {
        assert!(whole("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").2);
        assert!(!whole("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n").2);
    }

    #[test]
    fn bytes_that_are_no_reply_are_refused() {
        for text in [
            "SSH-2.0-OpenSSH\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
