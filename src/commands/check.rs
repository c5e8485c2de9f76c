//! `cloakroom check`: reads every file of a data directory and says what state it is in.

use std::path::PathBuf;

use crate::commands::failure::Failure;
use crate::log::check;
use crate::log::disk::FsDisk;
use crate::server::progress::Progress;

/// Flags of `cloakroom check`.
#[derive(Clone, Debug, clap::Args)]
pub struct CheckArgs {
    /// The data directory; no server may use it meanwhile
    #[arg(
        long,
        value_name = "DIR",
        env = "CLOAKROOM_DATA",
        default_value = crate::config::DEFAULT_DATA
    )]
    data: PathBuf,
}

/// Checks; tells each file's state to `tell`, and answers what it comes to.
pub(super) fn run(args: &CheckArgs, tell: &mut dyn FnMut(&str)) -> Result<String, Failure> {
    let found = std::fs::metadata(&args.data);
    found.map_err(|error| Failure::system("look at", &args.data, &error))?;
    let disk = FsDisk::open(&args.data)?;
    let mut bar = None;
    let checked = check::check(&disk, &mut |course| {
        bar.get_or_insert_with(|| Progress::start("checking", course.total))
            .set(course.done);
    });
    if let Some(bar) = bar {
        bar.finish();
    }
    let findings = checked.map_err(|error| Failure::system("list", &args.data, &error))?;
    for finding in &findings {
        tell(&finding.to_string());
    }
    let corrupt = findings.iter().filter(|f| f.is_corruption()).count();
    if corrupt > 0 {
        return Err(Failure::data(format!(
            "{corrupt} of {} files of {} are damaged or missing, see above",
            findings.len(),
            args.data.display()
        )));
    }
    Ok(format!("{} files, all in order", findings.len()))
}
