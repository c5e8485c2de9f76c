//! `cloakroom backup`: all sessions in one file.

use std::path::PathBuf;

use crate::commands::ask::Asked;
use crate::commands::failure::Failure;
use crate::commands::output::Output;
use crate::commands::stopped::{Reached, reach};
use crate::server::progress::Progress;

/// Flags of `cloakroom backup`.
#[derive(Clone, Debug, clap::Args)]
pub struct BackupArgs {
    /// The file to be written; it must not be there yet
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// The data directory
    #[arg(
        long,
        value_name = "DIR",
        env = "CLOAKROOM_DATA",
        default_value = crate::config::DEFAULT_DATA
    )]
    data: PathBuf,
    /// Put the key into the file too: whoever has it then has all tokens that are listed
    #[arg(long)]
    with_key: bool,
}

/// Backs up, and answers what to tell.
pub(super) fn run(args: &BackupArgs) -> Result<String, Failure> {
    let mut output = Output::begin(&args.out)?;
    let told = match reach(&args.data)? {
        Reached::Running => of_running(args, &mut output)?,
        Reached::Stopped(storage) => {
            let written = storage.backup(args.with_key, &mut |bytes| output.write(bytes));
            let totals = written.map_err(|error| output.failure(&error))?;
            format!("{} sessions", totals.records)
        }
    };
    output.finish()?;
    Ok(format!("{told} backed up to {}", args.out.display()))
}

fn of_running(args: &BackupArgs, output: &mut Output) -> Result<String, Failure> {
    let request = if args.with_key {
        "backup with-key"
    } else {
        "backup"
    };
    let progress = Progress::start("backing up", 0);
    let mut asked = Asked::request(&args.data, request)?;
    let answered = asked.answer(
        |bytes| {
            progress.add(u64::try_from(bytes.len()).unwrap_or(0));
            output.write(bytes).map_err(|error| output.failure(&error))
        },
        |_| {},
    );
    progress.finish();
    answered
}
