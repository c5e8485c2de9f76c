//! The `cloakroom` command.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cloakroom::bench;
use cloakroom::commands;
use cloakroom::config::{Config, ServeFlags};
use cloakroom::server;
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A session server: tokens in, sessions out.
#[derive(Parser)]
#[command(version)]
struct Command {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Serve sessions over HTTP
    Serve(Box<ServeFlags>),
    /// Put a server under load and measure it
    Bench(Box<bench::Args>),
    #[command(flatten)]
    Data(commands::Task),
}

fn main() -> ExitCode {
    match Command::parse().task {
        Task::Serve(flags) => serve(*flags),
        Task::Bench(args) => bench::run(*args),
        Task::Data(task) => match commands::run(&task) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => refuse(&failure, failure.code),
        },
    }
}

fn serve(flags: ServeFlags) -> ExitCode {
    let variables =
        std::env::vars_os().filter_map(|(name, _): (OsString, _)| name.into_string().ok());
    let config = match Config::resolve(flags, &|name| std::env::var(name).ok(), variables) {
        Ok(config) => config,
        Err(error) => return refuse(&error, server::EXIT_USAGE),
    };
    server::logging::start(config.log_format);
    match server::run(config, CancellationToken::new()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error, error.exit_code()),
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the person who typed the command reads it here"
)]
fn refuse(error: &dyn std::error::Error, code: u8) -> ExitCode {
    eprintln!("cloakroom: {error}");
    ExitCode::from(code)
}
