//! The text protocol of memcached: set and get.

use crate::operation::Verb;
use crate::resp::Reply;
use crate::sessions::{DATA, TTL, token};

/// Appends a command.
pub(crate) fn write(verb: Verb, session: u64, out: &mut Vec<u8>) -> Result<(), String> {
    let token = token(session);
    let command = match verb {
        Verb::Get => format!("get {token}\r\n"),
        Verb::Create | Verb::Set => format!("set {token} 0 {TTL} {}\r\n{DATA}\r\n", DATA.len()),
        Verb::Kill => format!("delete {token}\r\n"),
        Verb::Activity | Verb::Soapp => return Err("memcached has no lists".to_owned()),
    };
    out.extend_from_slice(command.as_bytes());
    Ok(())
}

/// Reads one reply off the front of `bytes`; `None` when it has not come whole.
pub(crate) fn read(bytes: &mut &[u8]) -> Result<Option<Reply>, String> {
    let Some(end) = memchr::memchr(b'\n', bytes) else {
        return Ok(None);
    };
    let (line, behind) = bytes.split_at(end + 1);
    let reply = match line {
        b"STORED\r\n" | b"DELETED\r\n" => Reply::Text(line.to_vec()),
        b"END\r\n" | b"NOT_FOUND\r\n" => Reply::Nil,
        _ if line.starts_with(b"VALUE ") => {
            // The value, its line end, and the end of the list of values.
            let Some((value, rest)) = behind.split_at_checked(DATA.len() + "\r\nEND\r\n".len())
            else {
                return Ok(None);
            };
            *bytes = rest;
            return Ok(Some(Reply::Text(value.to_vec())));
        }
        other => Reply::Refused(String::from_utf8_lossy(other).into_owned()),
    };
    *bytes = behind;
    Ok(Some(reply))
}
