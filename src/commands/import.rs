//! `cloakroom import`: takes sessions over from lines of JSON.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::commands::ask::{Asked, answer};
use crate::commands::failure::Failure;
use crate::commands::stopped::{Opened, open_or_make};
use crate::server::admin::wire;
use crate::server::progress::Progress;
use crate::server::transfer::{ImportError, OnError};

/// Flags of `cloakroom import`.
#[derive(Clone, Debug, clap::Args)]
pub struct ImportArgs {
    /// The lines, one session each
    #[arg(value_name = "FILE.ndjson")]
    file: PathBuf,
    /// The data directory; made when it is not there
    #[arg(
        long,
        value_name = "DIR",
        env = "CLOAKROOM_DATA",
        default_value = crate::config::DEFAULT_DATA
    )]
    data: PathBuf,
    /// What to do about a line that cannot be taken over: report it and go on, or stop there
    #[arg(long, value_name = "WHAT", default_value = "stop")]
    on_error: OnError,
}

/// Imports; reports bad lines to `tell`, and answers what it came to.
pub(super) fn run(args: &ImportArgs, tell: &mut dyn FnMut(&str)) -> Result<String, Failure> {
    let system = |error| Failure::system("read", &args.file, &error);
    let file = File::open(&args.file).map_err(system)?;
    let length = file.metadata().map_err(system)?.len();
    let progress = Progress::start("importing", length);
    let mut lines = Watched {
        file,
        progress: &progress,
    };
    let told = match open_or_make(&args.data)? {
        Opened::Running => through_socket(args, &mut lines, tell),
        Opened::Stopped(opened) => {
            let imported = opened.storage().import(
                opened.log().waiter(),
                args.on_error,
                &mut BufReader::with_capacity(wire::DATA_BYTES, lines),
                &mut |number, why| {
                    tell(&format!("line {number}: {why}"));
                    Ok(())
                },
            );
            opened.close()?;
            imported
                .map(|totals| totals.to_string())
                .map_err(|error| failed(&args.file, &error))
        }
    };
    progress.finish();
    told
}

fn failed(file: &Path, error: &ImportError) -> Failure {
    let sentence = format!("{}: {error}; what stood before is imported", file.display());
    match error {
        ImportError::Line(..) => Failure::data(sentence),
        ImportError::Read(_)
        | ImportError::Report(_)
        | ImportError::Refused(..)
        | ImportError::LogFailed => Failure::server(sentence),
    }
}

/// A file that tells how far it was read.
struct Watched<'p> {
    file: File,
    progress: &'p Progress,
}

impl Read for Watched<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(bytes)?;
        self.progress.add(u64::try_from(read).unwrap_or(0));
        Ok(read)
    }
}

/// Sends the lines to the running server, and listens to it at the same time: it may have much to
/// report.
fn through_socket(
    args: &ImportArgs,
    lines: &mut Watched<'_>,
    tell: &mut dyn FnMut(&str),
) -> Result<String, Failure> {
    let request = match args.on_error {
        OnError::Skip => "import skip",
        OnError::Stop => "import stop",
    };
    let (mut from, to) = Asked::request(&args.data, request)?.split();
    std::thread::scope(|scope| {
        let sender = scope.spawn(move || send(lines, to));
        let answered = answer(&mut from, |_| Ok(()), tell);
        // Stops a sender that nobody listens to any more.
        drop(from.get_ref().shutdown(std::net::Shutdown::Both));
        let sent = sender.join();
        match (answered, sent) {
            (Err(_), Ok(Err(SendError::Read(error)))) => {
                Err(Failure::system("read", &args.file, &error))
            }
            (answered, _) => answered.map_err(|failure| Failure {
                sentence: format!(
                    "{}: {}; what stood before is imported",
                    args.file.display(),
                    failure.sentence
                ),
                ..failure
            }),
        }
    })
}

enum SendError {
    Read(io::Error),
    /// The server has gone, or said what it had to say: the answer tells.
    Sent,
}

fn send(lines: &mut Watched<'_>, mut to: BufWriter<UnixStream>) -> Result<(), SendError> {
    let mut piece = vec![0; wire::DATA_BYTES];
    loop {
        let read = lines.read(&mut piece).map_err(SendError::Read)?;
        let bytes = piece.get(..read).unwrap_or_default();
        let sent = if bytes.is_empty() {
            wire::send_line(&mut to, "end", "").map(|()| true)
        } else {
            wire::send_data(&mut to, bytes)
                .and_then(|()| to.flush())
                .map(|()| false)
        };
        if sent.map_err(|_answered_already| SendError::Sent)? {
            return Ok(());
        }
    }
}
