//! `cloakroom export`: all living sessions as lines of JSON.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::commands::ask::Asked;
use crate::commands::failure::Failure;
use crate::commands::output::Output;
use crate::commands::stopped::{Reached, reach};
use crate::server::progress::Progress;

/// Flags of `cloakroom export`.
#[derive(Clone, Debug, clap::Args)]
pub struct ExportArgs {
    /// The file to be written; it must not be there yet [default: standard output]
    #[arg(value_name = "OUT.ndjson")]
    out: Option<PathBuf>,
    /// The data directory
    #[arg(
        long,
        value_name = "DIR",
        env = "CLOAKROOM_DATA",
        default_value = crate::config::DEFAULT_DATA
    )]
    data: PathBuf,
}

impl ExportArgs {
    /// Whether the lines go to standard output.
    pub(super) fn writes_to_stdout(&self) -> bool {
        self.out.is_none()
    }
}

/// Where the lines go.
enum Target {
    File(Output),
    Stdout(io::Stdout),
}

impl Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::File(output) => output.write(bytes),
            Self::Stdout(out) => out.write_all(bytes),
        }
    }

    fn failure(&self, error: &io::Error) -> Failure {
        match self {
            Self::File(output) => output.failure(error),
            Self::Stdout(_) => Failure::system("write to", "standard output".as_ref(), error),
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            Self::File(output) => output.finish(),
            Self::Stdout(mut out) => out
                .flush()
                .map_err(|error| Failure::system("write to", "standard output".as_ref(), &error)),
        }
    }
}

/// Exports, and answers what to tell.
pub(super) fn run(args: &ExportArgs) -> Result<String, Failure> {
    let mut target = match &args.out {
        Some(path) => Target::File(Output::begin(path)?),
        None => Target::Stdout(io::stdout()),
    };
    let told = match reach(&args.data)? {
        Reached::Running => {
            let progress = Progress::start("exporting", 0);
            let mut asked = Asked::request(&args.data, "export")?;
            let answered = asked.answer(
                |bytes| {
                    progress.add(u64::try_from(bytes.len()).unwrap_or(0));
                    target.write(bytes).map_err(|error| target.failure(&error))
                },
                |_| {},
            );
            progress.finish();
            answered?
        }
        Reached::Stopped(storage) => {
            let written = storage.export(&mut |bytes| target.write(bytes));
            let sessions = written.map_err(|error| target.failure(&error))?;
            format!("{sessions} sessions")
        }
    };
    target.finish()?;
    Ok(format!("{told} exported"))
}
