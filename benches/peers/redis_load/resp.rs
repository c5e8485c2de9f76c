//! The Redis protocol (RESP2), as much as is needed.

/// What came back for a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Reply {
    Nil,
    Number(i64),
    Text(Vec<u8>),
    List(Vec<Reply>),
    Refused(String),
}

impl Reply {
    pub(crate) fn list(&self) -> &[Self] {
        match self {
            Self::List(list) => list,
            Self::Nil | Self::Number(_) | Self::Text(_) | Self::Refused(_) => &[],
        }
    }

    /// A number, also when it was sent as a text.
    pub(crate) fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => std::str::from_utf8(text).ok()?.parse().ok(),
            Self::Nil | Self::List(_) | Self::Refused(_) => None,
        }
    }
}

/// Appends a command.
pub(crate) fn write_command<T: AsRef<[u8]>>(words: &[T], out: &mut Vec<u8>) {
    write_length(b'*', words.len(), out);
    for word in words {
        let word = word.as_ref();
        write_length(b'$', word.len(), out);
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

fn write_length(kind: u8, length: usize, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Reads one reply off the front of `bytes`; `None` when it has not come whole.
///
/// # Errors
/// When the bytes are not this protocol.
pub(crate) fn read(bytes: &mut &[u8]) -> Result<Option<Reply>, String> {
    let mut rest = *bytes;
    let reply = read_value(&mut rest)?;
    if reply.is_some() {
        *bytes = rest;
    }
    Ok(reply)
}

fn read_value(rest: &mut &[u8]) -> Result<Option<Reply>, String> {
    let Some(end) = memchr::memchr(b'\n', rest) else {
        return Ok(None);
    };
    let (line, behind) = rest.split_at(end + 1);
    let line = line.strip_suffix(b"\r\n").ok_or("a line without its end")?;
    let (kind, text) = line.split_first().ok_or("an empty line")?;
    let text = std::str::from_utf8(text).map_err(|e| e.to_string())?;
    *rest = behind;
    let number = || text.parse::<i64>().map_err(|e| format!("{text:?}: {e}"));
    Ok(Some(match kind {
        b'+' => Reply::Text(text.into()),
        b'-' => Reply::Refused(text.into()),
        b':' => Reply::Number(number()?),
        b'$' => return read_text(number()?, rest),
        b'*' => return read_list(number()?, rest),
        other => return Err(format!("a reply begins with {other}")),
    }))
}

fn read_text(length: i64, rest: &mut &[u8]) -> Result<Option<Reply>, String> {
    let Ok(length) = usize::try_from(length) else {
        return Ok(Some(Reply::Nil));
    };
    let Some((text, behind)) = rest.split_at_checked(length + 2) else {
        return Ok(None);
    };
    *rest = behind;
    let text = text.strip_suffix(b"\r\n").ok_or("a text without its end")?;
    Ok(Some(Reply::Text(text.to_vec())))
}

fn read_list(length: i64, rest: &mut &[u8]) -> Result<Option<Reply>, String> {
    let Ok(length) = usize::try_from(length) else {
        return Ok(Some(Reply::Nil));
    };
    let mut list = Vec::with_capacity(length.min(1_024));
    for _ in 0..length {
        match read_value(rest)? {
            Some(reply) => list.push(reply),
            None => return Ok(None),
        }
    }
    Ok(Some(Reply::List(list)))
}
