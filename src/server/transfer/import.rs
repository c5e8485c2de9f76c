//! Takes sessions over from lines of NDJSON, one after the other, in constant memory.

use std::io::{self, BufRead};

use crate::clock::{Clock, Millis};
use crate::engine::{Engine, ImportName, Imported, ImportedSession, Position, Refusal};
use crate::model::AppName;
use crate::server::storage::{LogFailed, LogWaiter};
use crate::server::transfer::parse::{self, LINE_BYTES, Line, Name};

/// What to do about a line that cannot be taken over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum OnError {
    /// Report it and go on.
    Skip,
    /// Stop there; what came before stays.
    Stop,
}

/// What an import came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ImportTotals {
    /// Sessions that live here now.
    pub imported: u64,
    /// Sessions that lived here already and were left alone.
    pub living: u64,
    /// Sessions whose life had ended.
    pub expired: u64,
    /// Lines that could not be taken over.
    pub bad: u64,
}

impl std::fmt::Display for ImportTotals {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{} sessions imported, {} lived here already, {} had expired, {} bad lines",
            self.imported, self.living, self.expired, self.bad
        )
    }
}

/// Why an import ended early. What was taken over until then stays.
#[derive(Debug)]
pub enum ImportError {
    /// The lines cannot be read.
    Read(io::Error),
    /// Nobody reads the reports.
    Report(io::Error),
    /// This line is bad, and that was to be the end.
    Line(u64, String),
    /// The server cannot take more.
    Refused(u64, Refusal),
    /// The log failed while what was taken over was not safe yet.
    LogFailed,
}

impl std::fmt::Display for ImportError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(error) => write!(out, "cannot read the lines: {error}"),
            Self::Report(error) => write!(out, "cannot report: {error}"),
            Self::Line(number, why) => write!(out, "line {number}: {why}"),
            Self::Refused(number, refusal) => write!(out, "line {number}: {refusal}"),
            Self::LogFailed => {
                out.write_str("the log failed before all was safe: import the file again")
            }
        }
    }
}

impl std::error::Error for ImportError {}

/// Where sessions are taken over to.
pub struct Importer<'e> {
    /// The sessions.
    pub engine: &'e Engine,
    /// Their log.
    pub log: &'e LogWaiter,
    /// The present.
    pub clock: &'e dyn Clock,
    /// The fingerprint of the key.
    pub key: &'e str,
    /// What to do about a bad line.
    pub on_error: OnError,
}

impl Importer<'_> {
    /// Takes over all sessions of `lines` and waits until they are safe. `report` is told of each bad
    /// line: its number, and what is wrong with it.
    ///
    /// # Errors
    /// [`ImportError`] says where it ended and why.
    pub fn run(
        &self,
        lines: &mut dyn BufRead,
        report: &mut dyn FnMut(u64, &str) -> io::Result<()>,
    ) -> Result<ImportTotals, ImportError> {
        let mut totals = ImportTotals::default();
        let mut wait_for = None;
        let mut line = Vec::new();
        for number in 1.. {
            let complaint = match read_line(lines, &mut line).map_err(ImportError::Read)? {
                Read::End => break,
                Read::TooLong => Some(format!("longer than {LINE_BYTES} bytes")),
                Read::Line if line.trim_ascii().is_empty() => None,
                Read::Line => self.take(number, &line, &mut totals, &mut wait_for)?,
            };
            if let Some(why) = complaint {
                totals.bad += 1;
                if self.on_error == OnError::Stop {
                    self.wait(wait_for)?;
                    return Err(ImportError::Line(number, why));
                }
                report(number, &why).map_err(ImportError::Report)?;
            }
        }
        self.wait(wait_for)?;
        Ok(totals)
    }

    /// Takes one line over; answers what is wrong with it, if anything.
    fn take(
        &self,
        number: u64,
        text: &[u8],
        totals: &mut ImportTotals,
        wait_for: &mut Option<Position>,
    ) -> Result<Option<String>, ImportError> {
        let line = match parse::parse(text) {
            Ok(line) => line,
            Err(bad) => return Ok(Some(bad.to_string())),
        };
        self.log.pause();
        let now = self.clock.now();
        let session = match self.session(&line, now) {
            Ok(session) => session,
            Err(why) => return Ok(Some(why)),
        };
        match self.engine.import(now, &session) {
            Ok(reply) => {
                *wait_for = (*wait_for).max(reply.wait_for);
                match reply.answer {
                    Imported::New => totals.imported += 1,
                    Imported::Living => totals.living += 1,
                    Imported::Expired => totals.expired += 1,
                }
                Ok(None)
            }
            Err(
                refusal @ (Refusal::MemoryFull
                | Refusal::TooManyApps
                | Refusal::LogFailed
                | Refusal::DiskFull),
            ) => Err(ImportError::Refused(number, refusal)),
            Err(refusal) => Ok(Some(refusal.to_string())),
        }
    }

    fn session<'l>(&self, line: &'l Line<'_>, now: Millis) -> Result<ImportedSession<'l>, String> {
        let app = AppName::new(&line.app).map_err(|error| error.to_string())?;
        let name = match &line.name {
            Name::Token(token) => ImportName::Token {
                text: token.as_bytes(),
                keep: app == AppName::TARANTOOL || app == AppName::BACK_SESSION,
            },
            Name::Tag { tag, key } if *key == self.key => ImportName::Tag(*tag),
            Name::Tag { .. } => {
                let why = "its tag was made under another key: import it with the key file of \
                           its server, or with its token";
                return Err(why.to_owned());
            }
        };
        let created = line.created.or(line.last_active).unwrap_or(now);
        Ok(ImportedSession {
            app,
            name,
            user: line.user.as_deref(),
            ip: line.ip.as_deref(),
            created,
            last_active: line.last_active.unwrap_or(created),
            lag: line.lag,
            life: line.life,
            no_resave: line.no_resave,
            reads: line.reads,
            writes: line.writes,
            content_type: line.content_type,
            data: &line.data,
        })
    }

    /// Waits until everything up to a position is safe.
    fn wait(&self, position: Option<Position>) -> Result<(), ImportError> {
        let Some(position) = position else {
            return Ok(());
        };
        self.log
            .wait_for(position)
            .map_err(|LogFailed| ImportError::LogFailed)
    }
}

/// What the next line is.
enum Read {
    Line,
    /// It was skipped.
    TooLong,
    End,
}

/// Reads the next line, without its line feed.
fn read_line(lines: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<Read> {
    line.clear();
    let bound = u64::try_from(LINE_BYTES).unwrap_or(u64::MAX);
    io::Read::take(&mut *lines, bound).read_until(b'\n', line)?;
    if line.is_empty() {
        return Ok(Read::End);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() == LINE_BYTES {
        skip_line(lines)?;
        return Ok(Read::TooLong);
    }
    Ok(Read::Line)
}

fn skip_line(lines: &mut dyn BufRead) -> io::Result<()> {
    loop {
        let buffer = lines.fill_buf()?;
        let end = memchr::memchr(b'\n', buffer);
        let used = end.map_or(buffer.len(), |at| at + 1);
        let over = end.is_some() || buffer.is_empty();
        lines.consume(used);
        if over {
            return Ok(());
        }
    }
}
