//! The commands that look after a data directory: backup, restore, check, export, import.

mod ask;
mod backup;
mod check;
mod export;
mod failure;
mod import;
mod output;
mod restore;
mod stopped;

use std::io::{self, Write};

pub use backup::BackupArgs;
pub use check::CheckArgs;
pub use export::ExportArgs;
pub use failure::Failure;
pub use import::ImportArgs;
pub use restore::RestoreArgs;

use crate::config::LogFormat;
use crate::server::logging;

/// One of these commands, with its flags.
#[derive(clap::Subcommand)]
pub enum Task {
    /// Write all sessions to one file, of a running server or a stopped one
    Backup(BackupArgs),
    /// Make a data directory of a backup
    Restore(RestoreArgs),
    /// Verify every file of a data directory
    Check(CheckArgs),
    /// Write all living sessions as lines of JSON
    Export(ExportArgs),
    /// Take sessions over from lines of JSON
    Import(ImportArgs),
}

/// Carries a command out. What it came to is told on standard output, unless the data go there.
///
/// # Errors
/// A [`Failure`] with its exit code.
pub fn run(task: &Task) -> Result<(), Failure> {
    logging::start(LogFormat::Text);
    let told = match task {
        Task::Backup(args) => backup::run(args)?,
        Task::Restore(args) => restore::run(args)?,
        Task::Check(args) => check::run(args, &mut |line| tell(&mut io::stdout(), line))?,
        Task::Export(args) => {
            let told = export::run(args)?;
            if args.writes_to_stdout() {
                tell(&mut io::stderr(), &told);
                return Ok(());
            }
            told
        }
        Task::Import(args) => import::run(args, &mut |line| tell(&mut io::stderr(), line))?,
    };
    tell(&mut io::stdout(), &told);
    Ok(())
}

/// Writes a line for whoever listens.
fn tell(to: &mut dyn Write, line: &str) {
    // The work is done, also when nobody reads of it.
    drop(writeln!(to, "{line}"));
}
