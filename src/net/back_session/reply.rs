//! Replies in the service's style: Go's spelling of JSON and dates, plain errors without a body.

use std::io::Write;

use super::BAD_REQUEST;
use crate::clock::Millis;
use crate::model::json::string;
use crate::net::http::date::CivilTime;
use crate::net::http::response::Response;

const JSON_FIELDS: [&str; 2] = [
    "Cache-Control: no-cache, no-store",
    "Content-Type: application/json",
];
const TEXT_FIELD: &str = "Content-Type: text/plain; charset=utf-8";

/// Sends the JSON text that stands in the reply's body.
pub(super) fn send_json(reply: &mut Response<'_>) {
    reply.send(200, &JSON_FIELDS);
}

/// Sends a status without a body, whatever was begun.
pub(super) fn send_status(status: u16, reply: &mut Response<'_>) {
    reply.body().clear();
    reply.send(status, &[]);
}

/// Sends the status of a request that is not done. What the server cannot do now may go in a second.
pub(super) fn send_refused(status: u16, reply: &mut Response<'_>) {
    if status == 503 {
        reply.ask_to_retry();
    }
    send_status(status, reply);
}

/// Answers a path that leads nowhere. A 404 for a session has no body.
pub(super) fn send_not_routed(reply: &mut Response<'_>) {
    reply.body().extend_from_slice(b"404 page not found\n");
    reply.send(404, &[TEXT_FIELD, "X-Content-Type-Options: nosniff"]);
}

/// Answers a target that is no path, and ends the connection.
pub(super) fn send_bad_target(reply: &mut Response<'_>) {
    reply.close();
    reply.body().extend_from_slice(BAD_REQUEST);
    reply.send(400, &[TEXT_FIELD]);
}

/// Sends the client to `path`, which is not yet escaped, with what follows it from the `?` on.
pub(super) fn send_redirect(path: &[u8], suffix: &[u8], reply: &mut Response<'_>) {
    let mut location = String::from("Location: ");
    for byte in path {
        push_path_byte(*byte, &mut location);
    }
    for byte in suffix {
        push_unless_ascii(*byte, &mut location);
    }
    let body = reply.body();
    body.extend_from_slice(b"<a href=\"");
    for byte in location.trim_start_matches("Location: ").bytes() {
        match byte {
            b'&' => body.extend_from_slice(b"&amp;"),
            b'<' => body.extend_from_slice(b"&lt;"),
            b'>' => body.extend_from_slice(b"&gt;"),
            b'"' => body.extend_from_slice(b"&#34;"),
            b'\'' => body.extend_from_slice(b"&#39;"),
            other => body.push(other),
        }
    }
    body.extend_from_slice(b"\">Moved Permanently</a>.\n\n");
    reply.send(301, &["Content-Type: text/html; charset=utf-8", &location]);
}

/// Go's `url.URL.EscapedPath`: what a path may hold as it is.
fn push_path_byte(byte: u8, out: &mut String) {
    match byte {
        b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'@' => out.push(char::from(byte)),
        b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
        _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
        _ => out.push_str(&format!("%{byte:02X}")),
    }
}

fn push_unless_ascii(byte: u8, out: &mut String) {
    if byte.is_ascii_graphic() {
        out.push(char::from(byte));
    } else {
        out.push_str(&format!("%{byte:02x}"));
    }
}

/// An object being written.
pub(super) struct Object<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
    write_key: fn(&str, &mut Vec<u8>),
}

impl<'o> Object<'o> {
    /// An object of a reply, in Go's spelling.
    pub(super) fn answered(out: &'o mut Vec<u8>) -> Self {
        Self::new(out, write_text)
    }

    /// An object of stored data, in canonical spelling.
    pub(super) fn stored(out: &'o mut Vec<u8>) -> Self {
        Self::new(out, string::write_text)
    }

    fn new(out: &'o mut Vec<u8>, write_key: fn(&str, &mut Vec<u8>)) -> Self {
        Self {
            out,
            is_empty: true,
            write_key,
        }
    }

    /// Whether it has no member yet.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Begins a member; its value is to be written to what this answers.
    pub(super) fn value_of(&mut self, name: &str) -> &mut Vec<u8> {
        self.out.push(if self.is_empty { b'{' } else { b',' });
        self.is_empty = false;
        (self.write_key)(name, self.out);
        self.out.push(b':');
        self.out
    }

    /// Ends the object.
    pub(super) fn close(self) {
        self.out
            .extend_from_slice(if self.is_empty { b"{}" } else { b"}" });
    }
}

/// Appends a text as Go spells it.
pub(super) fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    write_pieces(text.as_bytes(), write_piece_of_text, out);
    out.push(b'"');
}

/// Appends a stored value, which is canonical text, as Go spells it.
pub(super) fn write_literal(literal: &[u8], out: &mut Vec<u8>) {
    write_pieces(literal, write_piece_of_literal, out);
}

/// Copies what is the same in both spellings; `write_piece` writes the rest piece by piece and
/// answers how many bytes it has used.
fn write_pieces(text: &[u8], write_piece: fn(&[u8], &mut Vec<u8>) -> usize, out: &mut Vec<u8>) {
    let is_special = |b: &u8| *b < 0x20 || matches!(b, b'"' | b'\\' | b'<' | b'>' | b'&' | 0xe2);
    let mut rest = text;
    while let Some(at) = rest.iter().position(is_special) {
        let (plain, special) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let used = write_piece(special, out);
        rest = special.get(used..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

fn write_piece_of_text(text: &[u8], out: &mut Vec<u8>) -> usize {
    match text {
        [b'"', ..] => out.extend_from_slice(b"\\\""),
        [b'\\', ..] => out.extend_from_slice(b"\\\\"),
        [b'\n', ..] => out.extend_from_slice(b"\\n"),
        [b'\r', ..] => out.extend_from_slice(b"\\r"),
        [b'\t', ..] => out.extend_from_slice(b"\\t"),
        [control @ 0..0x20, ..] => write_escape(*control, out),
        _ => return write_piece_of_both(text, out),
    }
    1
}

fn write_piece_of_literal(literal: &[u8], out: &mut Vec<u8>) -> usize {
    match literal {
        [b'\\', b'b', ..] => write_escape(0x08, out),
        [b'\\', b'f', ..] => write_escape(0x0c, out),
        [b'\\', escaped, ..] => out.extend_from_slice(&[b'\\', *escaped]),
        _ => return write_piece_of_both(literal, out),
    }
    2
}

fn write_piece_of_both(text: &[u8], out: &mut Vec<u8>) -> usize {
    match text {
        // U+2028 and U+2029 end a line in JavaScript.
        [0xe2, 0x80, last @ (0xa8 | 0xa9), ..] => {
            out.extend_from_slice(if *last == 0xa8 {
                b"\\u2028"
            } else {
                b"\\u2029"
            });
            return 3;
        }
        [byte @ (b'<' | b'>' | b'&'), ..] => write_escape(*byte, out),
        [byte, ..] => out.push(*byte),
        [] => {}
    }
    1
}

fn write_escape(byte: u8, out: &mut Vec<u8>) {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).map_or(b'0', |c| c as u8);
    out.extend_from_slice(b"\\u00");
    out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
}

/// Appends a moment as Go's `time.Time` prints itself, in quotes:
/// `"2026-11-20 08:01:43.019 +0000 UTC"`, the fraction without trailing zeros.
pub(super) fn write_date(moment: Millis, out: &mut Vec<u8>) {
    let date = CivilTime::of(moment);
    let millis = moment.0 % 1000;
    let fraction = match (millis % 10, millis / 10 % 10) {
        (0, 0) => (millis / 100, 1),
        (0, _) => (millis / 10, 2),
        (_, _) => (millis, 3),
    };
    // Writing to a vector cannot fail.
    let _infallible = write!(
        out,
        "\"{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        date.year, date.month, date.day, date.hour, date.minute, date.second
    );
    if millis != 0 {
        let (digits, width) = fraction;
        let _infallible = write!(out, ".{digits:0width$}");
    }
    out.extend_from_slice(b" +0000 UTC\"");
}

#[cfg(test)]
mod tests {
    use super::{send_redirect, write_date, write_literal, write_text};
    use crate::clock::Millis;
    use crate::model::json::string;
    use crate::net::http::date::DateCache;
    use crate::net::http::response::Response;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn texts_and_stored_literals_are_spelled_as_go_does() {
        for (text, spelled) in [
            ("", r#""""#),
            ("plain /\u{7f}", "\"plain /\u{7f}\""),
            ("<a href=\"x\">&", r#""\u003ca href=\"x\"\u003e\u0026""#),
            ("\u{2028}\u{2029}\u{2027}", "\"\\u2028\\u2029\u{2027}\""),
            (
                "\\\n\r\t\u{8}\u{c}\0\u{1f}",
                r#""\\\n\r\t\u0008\u000c\u0000\u001f""#,
            ),
            ("\\u003c\\b", r#""\\u003c\\b""#),
            ("\u{b538}\u{1f600}\u{e9}", "\"\u{b538}\u{1f600}\u{e9}\""),
        ] {
            assert_eq!(written(|out| write_text(text, out)), spelled);
            let literal = written(|out| string::write_text(text, out));
            assert_eq!(
                written(|out| write_literal(literal.as_bytes(), out)),
                spelled
            );
        }
    }

    #[test]
    fn dates_have_the_fraction_that_go_prints() {
        for (millis, text) in [
            (1_795_161_703_019, "2026-11-20 08:01:43.019 +0000 UTC"),
            (1_795_161_703_000, "2026-11-20 08:01:43 +0000 UTC"),
            (1_795_161_703_500, "2026-11-20 08:01:43.5 +0000 UTC"),
            (1_795_161_703_050, "2026-11-20 08:01:43.05 +0000 UTC"),
            (1_795_161_703_120, "2026-11-20 08:01:43.12 +0000 UTC"),
            (0, "1970-01-01 00:00:00 +0000 UTC"),
        ] {
            assert_eq!(
                written(|out| write_date(Millis(millis), out)),
                format!("\"{text}\"")
            );
        }
    }

    fn redirected(path: &[u8], suffix: &[u8]) -> (String, String) {
        let (mut out, mut body) = (Vec::new(), Vec::new());
        let date = DateCache::new(Millis(0));
        send_redirect(
            path,
            suffix,
            &mut Response::new(&mut out, &mut body, &date, 1, false),
        );
        let text = String::from_utf8(out).unwrap();
        let location = text
            .lines()
            .find_map(|l| l.strip_prefix("Location: "))
            .unwrap();
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        (location.to_string(), body.to_string())
    }

    #[test]
    fn redirects_escape_the_location_for_the_header_and_the_page() {
        for (path, suffix, location, shown) in [
            (
                &b"/a01/session/x"[..],
                &b"?q=1"[..],
                "/a01/session/x?q=1",
                "/a01/session/x?q=1",
            ),
            (
                b"/a\r\nSet-Cookie: b",
                b"",
                "/a%0D%0ASet-Cookie:%20b",
                "/a%0D%0ASet-Cookie:%20b",
            ),
            (
                b"/'<\"?\xff",
                b"?a=1&b='\xff",
                "/%27%3C%22%3F%FF?a=1&b='%ff",
                "/%27%3C%22%3F%FF?a=1&amp;b=&#39;%ff",
            ),
        ] {
            let (got, body) = redirected(path, suffix);
            assert_eq!(got, location);
            assert_eq!(
                body,
                format!("<a href=\"{shown}\">Moved Permanently</a>.\n\n")
            );
        }
    }
}
