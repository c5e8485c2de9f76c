//! Asking the running server through its admin socket.

use std::io::{BufReader, BufWriter, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::commands::failure::Failure;
use crate::server::admin::wire::{self, Message};
use crate::server::admin::{STALL, connect};

/// A connection to the running server.
pub(super) struct Asked {
    from: BufReader<UnixStream>,
    to: BufWriter<UnixStream>,
}

impl Asked {
    /// Sends a request to the server that uses the directory.
    pub(super) fn request(directory: &Path, request: &str) -> Result<Self, Failure> {
        let socket = directory.join("admin.sock");
        let failed = |error| Failure::system("ask the running server at", &socket, &error);
        let stream = connect(directory).map_err(failed)?;
        stream.set_write_timeout(Some(STALL)).map_err(failed)?;
        let from = BufReader::new(stream.try_clone().map_err(failed)?);
        let mut to = BufWriter::new(stream);
        writeln!(to, "{request}").map_err(failed)?;
        to.flush().map_err(failed)?;
        Ok(Self { from, to })
    }

    /// The two halves, for requests that bring data of their own.
    pub(super) fn split(self) -> (BufReader<UnixStream>, BufWriter<UnixStream>) {
        (self.from, self.to)
    }

    /// Hands on the data and notes of the answer; what the server says at its end.
    pub(super) fn answer(
        &mut self,
        data: impl FnMut(&[u8]) -> Result<(), Failure>,
        note: impl FnMut(&str),
    ) -> Result<String, Failure> {
        answer(&mut self.from, data, note)
    }
}

/// Reads an answer to its end.
pub(super) fn answer(
    from: &mut BufReader<UnixStream>,
    mut data: impl FnMut(&[u8]) -> Result<(), Failure>,
    mut note: impl FnMut(&str),
) -> Result<String, Failure> {
    loop {
        match wire::receive(from)? {
            Message::Data(bytes) => data(&bytes)?,
            Message::Note(text) => note(&text),
            Message::End => {}
            Message::Done(text) => return Ok(text),
            Message::Failed(text) => return Err(Failure::server(text)),
            Message::Bad(text) => return Err(Failure::data(text)),
        }
    }
}
