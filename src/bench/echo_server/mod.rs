//! `cloakroom bench echo-server`: sends back what it gets. What connections cost without any work,
//! in a process of its own, so that its CPU time is measured like that of every other server.

mod bare_loop;
mod listening;
mod task_loop;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::ValueEnum;

use crate::bench::echo_server::listening::Listening;
use crate::bench::endpoint::Endpoint;
use crate::bench::failure::Failure;

/// Serve connections without doing anything with their bytes but send them back.
///
/// One thread. Runs until it is ended by a signal.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct EchoServerArgs {
    /// How connections are served
    #[arg(long, value_enum, default_value = "tokio")]
    kind: EchoKind,
    /// Where to listen: HOST:PORT (port 0 picks a free one) or unix:PATH
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7071")]
    listen: Endpoint,
}

/// How connections are served.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum EchoKind {
    /// As `cloakroom serve` does: a task each on tokio, the whole read buffer a turn, one write
    Tokio,
    /// A bare epoll loop
    Epoll,
}

/// Serves; comes back only when it cannot. Announces itself on `out` as `cloakroom serve` does:
/// `listening echo 127.0.0.1:7071`, then `ready`.
///
/// # Errors
/// When the address cannot be had, or the kernel gives no event queue.
pub(super) fn run(args: &EchoServerArgs, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    let address = args.listen.resolve();
    let listening = address.and_then(|address| Listening::bind(&address));
    let listening =
        listening.map_err(|e| Failure::Usage(format!("cannot listen on {}: {e}", args.listen)))?;
    writeln!(out, "listening echo {}\nready", listening.name())
        .and_then(|()| out.flush())
        .map_err(|e| Failure::Local(format!("nobody hears where it listens: {e}")))?;
    let served = match args.kind {
        EchoKind::Tokio => task_loop::serve(listening),
        EchoKind::Epoll => bare_loop::serve(&listening),
    };
    served.map_err(|e: io::Error| Failure::Local(format!("the echo server cannot go on: {e}")))?;
    Ok(ExitCode::SUCCESS)
}
