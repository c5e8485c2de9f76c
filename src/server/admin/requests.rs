//! What the admin socket answers to each request.

use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::net::UnixStream;

use crate::server::admin::wire::{self, Message, WireError};
use crate::server::storage::{LogWaiter, SnapshotDesk, Storage};
use crate::server::transfer::{ImportError, OnError};

/// What is needed to answer.
pub struct AdminDesk {
    /// The sessions.
    pub storage: Storage,
    /// Their log.
    pub log: LogWaiter,
    /// Who takes snapshots.
    pub snapshots: SnapshotDesk,
}

/// What came of a request, in words for the person who asked; an error begins with its word.
type Answer = Result<String, (Word, String)>;

/// The word that tells a failure.
type Word = &'static str;

impl AdminDesk {
    /// Serves one connection: one request.
    pub(super) fn answer(&self, stream: &UnixStream) {
        let mut from = BufReader::new(stream);
        let mut to = BufWriter::new(stream);
        let answered = wire::receive_line(&mut from).and_then(|request| {
            let (word, text) = match self.carry_out(&request, &mut from, &mut to) {
                Ok(text) => ("done", text),
                Err((word, text)) => (word, text),
            };
            wire::send_line(&mut to, word, &text).map_err(WireError::System)
        });
        if let Err(error) = answered {
            tracing::debug!(%error, "a connection to the admin socket broke");
        }
    }

    fn carry_out(&self, request: &str, from: &mut dyn BufRead, to: &mut dyn Write) -> Answer {
        tracing::info!(request, "asked through the admin socket");
        match request {
            "status" => self.status(to),
            "snapshot" => self.snapshot(),
            "backup" => self.backup(false, to),
            "backup with-key" => self.backup(true, to),
            "export" => self.export(to),
            "import skip" => self.import(OnError::Skip, from, to),
            "import stop" => self.import(OnError::Stop, from, to),
            _ => Err(failed(format!("there is no request `{request}`"))),
        }
    }

    fn status(&self, to: &mut dyn Write) -> Answer {
        let (log, used) = (self.log.log(), self.storage.engine().memory_use());
        let last = log.last_snapshot();
        for line in [
            format!("sessions {}", used.sessions),
            format!("log {:?}", log.health()),
            format!("positions {} of {} reached", log.reached().0, log.head().0),
            format!("unwritten {} bytes", log.unwritten()),
            format!(
                "log since the last snapshot {} bytes",
                log.bytes_since_snapshot()
            ),
            format!(
                "last snapshot number {} of {} bytes",
                last.number, last.bytes
            ),
        ] {
            wire::send_line(to, "note", &line).map_err(failed)?;
        }
        Ok(log.failure().unwrap_or_default())
    }

    fn snapshot(&self) -> Answer {
        let last = self.snapshots.take_now().map_err(failed)?;
        Ok(format!(
            "snapshot {} of {} sessions",
            last.number, last.sessions
        ))
    }

    fn backup(&self, with_key: bool, to: &mut dyn Write) -> Answer {
        let totals = self
            .storage
            .backup(with_key, &mut |bytes| wire::send_data(to, bytes))
            .map_err(failed)?;
        Ok(format!("{} sessions", totals.records))
    }

    fn export(&self, to: &mut dyn Write) -> Answer {
        let sessions = self
            .storage
            .export(&mut |bytes| wire::send_data(to, bytes))
            .map_err(failed)?;
        Ok(format!("{sessions} sessions"))
    }

    fn import(&self, on_error: OnError, from: &mut dyn BufRead, to: &mut dyn Write) -> Answer {
        let mut lines = BufReader::with_capacity(wire::DATA_BYTES, Incoming::new(from));
        let mut report =
            |number: u64, why: &str| wire::send_line(to, "note", &format!("line {number}: {why}"));
        let imported = self
            .storage
            .import(&self.log, on_error, &mut lines, &mut report);
        match imported {
            Ok(totals) => Ok(totals.to_string()),
            Err(error @ ImportError::Line(..)) => Err(("bad", error.to_string())),
            Err(error) => Err(failed(error)),
        }
    }
}

fn failed(why: impl ToString) -> (Word, String) {
    ("failed", why.to_string())
}

/// The data of messages as one stream.
struct Incoming<'c> {
    from: &'c mut dyn BufRead,
    piece: Vec<u8>,
    read: usize,
    ended: bool,
}

impl<'c> Incoming<'c> {
    fn new(from: &'c mut dyn BufRead) -> Self {
        Self {
            from,
            piece: Vec::new(),
            read: 0,
            ended: false,
        }
    }
}

impl io::Read for Incoming<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while self.read == self.piece.len() && !self.ended {
            match wire::receive(self.from) {
                Ok(Message::Data(piece)) => (self.piece, self.read) = (piece, 0),
                Ok(Message::End) => self.ended = true,
                Ok(Message::Note(_) | Message::Done(_) | Message::Failed(_) | Message::Bad(_)) => {
                    return Err(io::Error::other(WireError::Unexpected));
                }
                Err(WireError::System(error)) => return Err(error),
                Err(error @ WireError::Unexpected) => return Err(io::Error::other(error)),
            }
        }
        let rest = self.piece.get(self.read..).unwrap_or_default();
        let count = rest.len().min(bytes.len());
        for (place, byte) in bytes.iter_mut().zip(rest) {
            *place = *byte;
        }
        self.read += count;
        Ok(count)
    }
}
