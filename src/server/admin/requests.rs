//! What the admin socket answers to each request.

use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::net::UnixStream;

use crate::server::admin::wire::{self, Message, WireError};
use crate::server::storage::{SnapshotDesk, Storage};
use crate::server::transfer::OnError;

/// What is needed to answer.
pub struct AdminDesk {
    /// The sessions and their log.
    pub storage: Storage,
    /// Who takes snapshots.
    pub snapshots: SnapshotDesk,
}

/// Why a request is not carried out, in a sentence for the person who asked.
type Answer = Result<String, String>;

impl AdminDesk {
    /// Serves one connection: one request.
    pub(super) fn answer(&self, stream: &UnixStream) {
        let mut from = BufReader::new(stream);
        let mut to = BufWriter::new(stream);
        let answered = wire::receive_line(&mut from).and_then(|request| {
            let (word, text) = match self.carry_out(&request, &mut from, &mut to) {
                Ok(text) => ("done", text),
                Err(text) => ("failed", text),
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
            "snapshot" => self.snapshots.take_now(),
            "backup" => self.backup(false, to),
            "backup with-key" => self.backup(true, to),
            "export" => self.export(to),
            "import skip" => self.import(OnError::Skip, from, to),
            "import stop" => self.import(OnError::Stop, from, to),
            _ => Err(format!("there is no request `{request}`")),
        }
    }

    fn status(&self, to: &mut dyn Write) -> Answer {
        for line in self.storage.status() {
            wire::send_line(to, "note", &line).map_err(sentence)?;
        }
        Ok(String::new())
    }

    fn backup(&self, with_key: bool, to: &mut dyn Write) -> Answer {
        let totals = self
            .storage
            .backup(with_key, &mut |bytes| wire::send_data(to, bytes))
            .map_err(sentence)?;
        Ok(format!("{} sessions", totals.records))
    }

    fn export(&self, to: &mut dyn Write) -> Answer {
        let sessions = self
            .storage
            .export(&mut |bytes| wire::send_data(to, bytes))
            .map_err(sentence)?;
        Ok(format!("{sessions} sessions"))
    }

    fn import(&self, on_error: OnError, from: &mut dyn BufRead, to: &mut dyn Write) -> Answer {
        let mut lines = BufReader::with_capacity(wire::DATA_BYTES, Incoming::new(from));
        let imported = self.storage.import(on_error, &mut lines, &mut |number, why| {
            wire::send_line(to, "note", &format!("line {number}: {why}"))
        });
        match imported {
            Ok(totals) => Ok(totals.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn sentence(error: io::Error) -> String {
    error.to_string()
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
                Ok(Message::Note(_) | Message::Done(_) | Message::Failed(_)) => {
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
