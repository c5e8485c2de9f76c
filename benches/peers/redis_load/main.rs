//! A load tester that does what redis-sessions does on a Redis or Valkey, by its commands in MULTI
//! or by one script an operation. Its report has the fields of `cloakroom bench --json`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it reports to whoever runs it"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "a load tester reads the machine's clock"
)]

mod connection;
mod measure;
mod memcached;
mod operation;
mod resp;
mod sequence;
mod sessions;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::json;
use tokio::task::LocalSet;

use connection::Connection;
use measure::{Measured, cpu_micros, resident_bytes};
use operation::{Style, Workload};
use sessions::Pool;

/// Put a Redis or Valkey under the load of redis-sessions.
#[derive(Parser)]
struct Args {
    /// Server under load
    #[arg(long, value_name = "HOST:PORT")]
    address: SocketAddr,
    /// Folder of the sequences: OPERATION.lua and OPERATION.multi
    #[arg(long)]
    scripts: PathBuf,
    /// One script an operation, or the commands that redis-sessions sends
    #[arg(long, value_enum, default_value = "script")]
    style: Style,
    /// What to ask for
    #[arg(short = 'w', long, value_enum, default_value = "get")]
    workload: Workload,
    /// Connections
    #[arg(short = 'c', long, default_value_t = 64)]
    connections: usize,
    /// Operations that a connection sends at once before it waits for the replies
    #[arg(short = 'P', long, default_value_t = 1)]
    pipeline: usize,
    /// Sessions that are there already, made by an earlier run with --preload
    #[arg(long, default_value_t = 0)]
    population: u64,
    /// Sessions created before the measurement
    #[arg(long, default_value_t = 0)]
    preload: u64,
    /// Seconds that are measured; 0 ends after the preload
    #[arg(short = 'd', long, default_value_t = 10.0)]
    duration: f64,
    /// Seconds of load before the measurement
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Process id of the server, to report its CPU time and memory
    #[arg(long)]
    pid: u32,
}

/// Operations that a connection sends at once while sessions are made.
const PRELOAD_DEPTH: usize = 32;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("the runtime does not start: {e}"))?;
    let sequences = sequence::read_all(&args.scripts)?;
    let pool = Rc::new(RefCell::new(Pool::new(args.population)));
    let empty = resident_bytes(args.pid)?;
    let mut connections = Vec::new();
    for _ in 0..args.connections.max(1) {
        let pool = Rc::clone(&pool);
        let opened = Connection::open(args.address, args.style, Rc::clone(&sequences), pool);
        connections.push(runtime.block_on(opened)?);
    }
    if args.preload > 0 {
        pool.borrow_mut().creates_left = Some(args.preload);
        let phase = Phase {
            workload: Workload::Create,
            style: match args.style {
                Style::Script | Style::Multi => Style::Script,
                Style::Memcached => Style::Memcached,
            },
            depth: PRELOAD_DEPTH,
            end: None,
        };
        let (back, measured) = phase.run(&runtime, connections)?;
        connections = back;
        measured.check()?;
        pool.borrow_mut().creates_left = None;
    }
    let filled = resident_bytes(args.pid)?;
    if args.duration <= 0.0 {
        return Ok(());
    }
    let mut phase = Phase {
        workload: args.workload,
        style: args.style,
        depth: args.pipeline.max(1),
        end: Some(Duration::from_secs_f64(args.warm_up)),
    };
    (connections, _) = phase.run(&runtime, connections)?;
    phase.end = Some(Duration::from_secs_f64(args.duration));
    let before = (cpu_micros(args.pid)?, cpu_micros(std::process::id())?);
    let started = Instant::now();
    let (_, measured) = phase.run(&runtime, connections)?;
    let seconds = started.elapsed().as_secs_f64();
    let server = cpu_micros(args.pid)?.saturating_sub(before.0);
    let client = cpu_micros(std::process::id())?.saturating_sub(before.1);
    measured.check()?;
    let each = |micros: u64| measured.per_operation(micros);
    let report = json!({
        "seconds": seconds,
        "requests": measured.operations(),
        "throughput_per_second": measured.per_second(seconds),
        "errors": 0,
        "gone": measured.gone,
        "response_us": measured.percentiles(),
        "server": {
            "server_cpu_us": server,
            "server_cpu_us_per_request": each(server),
            "resident_bytes_before_preload": empty,
            "resident_bytes_after_preload": filled,
            "resident_bytes_at_end": resident_bytes(args.pid)?,
        },
        "client_cpu_us_per_request": each(client),
    });
    println!("{report:#}");
    Ok(())
}

/// A stretch of load by all connections.
struct Phase {
    workload: Workload,
    style: Style,
    depth: usize,
    /// `None`: until the creates that were ordered are done.
    end: Option<Duration>,
}

impl Phase {
    fn run(
        &self,
        runtime: &tokio::runtime::Runtime,
        connections: Vec<Connection>,
    ) -> Result<(Vec<Connection>, Measured), String> {
        let end = self.end.map(|length| Instant::now() + length);
        let tasks = LocalSet::new();
        let (workload, style, depth) = (self.workload, self.style, self.depth);
        tasks.block_on(runtime, async {
            let running: Vec<_> = connections
                .into_iter()
                .map(|c| tokio::task::spawn_local(c.run(workload, style, depth, end)))
                .collect();
            let mut back = Vec::new();
            let mut measured = Measured::new()?;
            for task in running {
                let (connection, own) = task.await.map_err(|e| e.to_string())??;
                measured.add(&own)?;
                back.push(connection);
            }
            Ok((back, measured))
        })
    }
}
