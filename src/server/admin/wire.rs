//! The language of the admin socket, spoken by the server and by the commands that ask it.
//!
//! Whoever connects sends one line, a request:
//!
//! | request | what it asks for |
//! |---|---|
//! | `status` | how server and log are, as notes |
//! | `snapshot` | a snapshot now; answered when it is complete |
//! | `backup`, `backup with-key` | a backup, as data |
//! | `export` | all sessions as NDJSON, as data |
//! | `import skip`, `import stop` | takes sessions over: the client sends NDJSON as data, and `end` |
//!
//! What follows, in both directions, are lines, each with a word and what belongs to it:
//!
//! | line | meaning |
//! |---|---|
//! | `data N` | N bytes follow behind the line feed |
//! | `end` | there are no more data |
//! | `note TEXT` | something that the person at the other end should read |
//! | `done TEXT` | the request is carried out; the last line |
//! | `failed TEXT` | it is not, and this is why; the last line |
//! | `bad TEXT` | it is not, because of the data that came with it; the last line |

use std::io::{self, BufRead, Write};

/// Bytes of one piece of data.
pub const DATA_BYTES: usize = 1 << 20;
/// Bytes of a line.
const LINE_BYTES: usize = 4 << 10;

/// What one end says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// Bytes of a stream.
    Data(Vec<u8>),
    /// The stream is over.
    End,
    /// A line for people.
    Note(String),
    /// Success, and what came of it.
    Done(String),
    /// Failure, and why.
    Failed(String),
    /// Failure for the data that came along, and why.
    Bad(String),
}

/// Why nothing could be understood.
#[derive(Debug)]
pub enum WireError {
    /// The other end has gone, or does not move.
    System(io::Error),
    /// The other end speaks another language.
    Unexpected,
}

impl std::fmt::Display for WireError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::System(error) => error.fmt(out),
            Self::Unexpected => out.write_str(
                "the other end of the admin socket says what this program does not understand: \
                 are server and command of the same version?",
            ),
        }
    }
}

impl std::error::Error for WireError {}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Sends a piece of a stream, cut into messages where it is large.
///
/// # Errors
/// What the system says.
pub fn send_data(to: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    for piece in bytes.chunks(DATA_BYTES) {
        writeln!(to, "data {}", piece.len())?;
        to.write_all(piece)?;
    }
    Ok(())
}

/// Sends a line: a word, and a text whose line feeds become blanks.
///
/// # Errors
/// What the system says.
pub fn send_line(to: &mut dyn Write, word: &str, text: &str) -> io::Result<()> {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LINE_BYTES / 8)
        .collect();
    writeln!(to, "{word} {text}")?;
    to.flush()
}

/// Reads a line without its line feed.
///
/// # Errors
/// [`WireError::Unexpected`] for a line that is too long or no text; [`WireError::System`] when the
/// other end is gone.
pub fn receive_line(from: &mut dyn BufRead) -> Result<String, WireError> {
    let mut line = Vec::new();
    let bound = u64::try_from(LINE_BYTES).unwrap_or(u64::MAX);
    io::Read::take(&mut *from, bound).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(WireError::System(io::ErrorKind::UnexpectedEof.into()));
    }
    if line.pop() != Some(b'\n') {
        return Err(WireError::Unexpected);
    }
    String::from_utf8(line).map_err(|_not_utf8| WireError::Unexpected)
}

/// Reads the next message.
///
/// # Errors
/// [`WireError`] when there is none.
pub fn receive(from: &mut dyn BufRead) -> Result<Message, WireError> {
    let line = receive_line(from)?;
    let (word, text) = line.split_once(' ').unwrap_or((&line, ""));
    match word {
        "data" => {
            let length = text.parse::<usize>().ok();
            let length = length
                .filter(|length| *length <= DATA_BYTES)
                .ok_or(WireError::Unexpected)?;
            let mut bytes = vec![0; length];
            from.read_exact(&mut bytes)?;
            Ok(Message::Data(bytes))
        }
        "end" => Ok(Message::End),
        "note" => Ok(Message::Note(text.to_owned())),
        "done" => Ok(Message::Done(text.to_owned())),
        "failed" => Ok(Message::Failed(text.to_owned())),
        "bad" => Ok(Message::Bad(text.to_owned())),
        _ => Err(WireError::Unexpected),
    }
}

#[cfg(test)]
mod tests {
    use super::{DATA_BYTES, Message, WireError, receive, send_data, send_line};

    #[test]
    fn what_one_end_says_the_other_understands() {
        let mut wire = Vec::new();
        let large = vec![b'\n'; DATA_BYTES + 1];
        send_data(&mut wire, b"a\nb").unwrap();
        send_data(&mut wire, &large).unwrap();
        send_line(&mut wire, "note", "two\nlines").unwrap();
        send_line(&mut wire, "end", "").unwrap();
        send_line(&mut wire, "done", "").unwrap();
        send_line(&mut wire, "failed", "why").unwrap();
        send_line(&mut wire, "bad", "line 1").unwrap();
        let mut rest = wire.as_slice();
        for expected in [
            Message::Data(b"a\nb".to_vec()),
            Message::Data(vec![b'\n'; DATA_BYTES]),
            Message::Data(vec![b'\n']),
            Message::Note("two lines".into()),
            Message::End,
            Message::Done(String::new()),
            Message::Failed("why".into()),
            Message::Bad("line 1".into()),
        ] {
            assert_eq!(receive(&mut rest).unwrap(), expected);
        }
        assert!(matches!(receive(&mut rest), Err(WireError::System(_))));
    }

    #[test]
    fn other_languages_are_not_understood() {
        for text in [
            "GET / HTTP/1.1\r\n",
            "data\n",
            "data x\n",
            "data 99999999999\n",
            "note without an end",
            "note \u{ff}\n",
            &format!("note {}\n", "x".repeat(5_000)),
        ] {
            let bytes: Vec<u8> = text.chars().map(|c| c as u8).collect();
            let found = receive(&mut bytes.as_slice());
            assert!(matches!(found, Err(WireError::Unexpected)), "{text:.20}");
        }
    }
}
