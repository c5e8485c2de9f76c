//! The idle workload: opens connections, sends one request on each, and sees what they cost while
//! nothing more happens.

use rustix::process::{Resource, Rlimit};
use tokio::runtime::Builder;
use tokio::time::sleep;

use crate::bench::args::Args;
use crate::bench::failure::Failure;
use crate::bench::machine::Machine;
use crate::bench::opening;
use crate::bench::phase::Setting;
use crate::bench::process;
use crate::bench::run::setting;
use crate::bench::socket::Socket;
use crate::bench::target::{Request, Verb};

/// File descriptors that are needed besides the connections.
const OTHER_FILES: u64 = 64;

/// Measures idle connections and answers the report.
///
/// # Errors
/// When the machine's limits are too low, or a connection cannot be made or gets no reply.
pub(super) fn run(args: &Args) -> Result<String, Failure> {
    let pid = args.pid.ok_or_else(|| {
        Failure::Usage("the idle workload measures the server's memory: give its --pid".to_owned())
    })?;
    raise_file_limit(args.connections)?;
    let setting = setting(args)?;
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Local(format!("the event loop could not be made: {e}")))?;
    runtime.block_on(async {
        // The first connection pays for what the server makes once.
        let _first = open(&setting, args).await?;
        let before = process::usage(pid)?.resident;
        let mut sockets = Vec::with_capacity(args.connections);
        for _ in 0..args.connections {
            sockets.push(open(&setting, args).await?);
        }
        sleep(args.duration().unwrap_or_default()).await;
        let after = process::usage(pid)?.resident;
        let closed = sockets.iter().filter(|s| s.is_closed()).count();
        Ok(report(args, before, after, closed))
    })
}

/// Lifts the soft limit of open files as far as the connections need.
fn raise_file_limit(connections: usize) -> Result<(), Failure> {
    let needed = connections as u64 + OTHER_FILES;
    let limit = rustix::process::getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|now| now >= needed) {
        return Ok(());
    }
    let raised = Rlimit {
        current: Some(needed),
        maximum: limit.maximum,
    };
    rustix::process::setrlimit(Resource::Nofile, raised).map_err(|e| {
        Failure::Usage(format!(
            "{connections} connections need {needed} open files, more than this shell allows ({e}); \
             raise it with ulimit -n"
        ))
    })
}

/// A connection on which one request was answered.
async fn open(setting: &Setting, args: &Args) -> Result<Socket, Failure> {
    let target = &*setting.target;
    let mut socket = opening::open(target, &setting.address)
        .await
        .map_err(|failure| failure.at(&setting.endpoint))?;
    let mut out = Vec::new();
    let request = Request {
        verb: Verb::Fetch,
        token: &[],
        user: 0,
        mark: None,
        if_version: None,
        number: 0,
        now: setting.stopwatch.unix_seconds(setting.stopwatch.nanos()),
    };
    let awaited = target.write(&request, &mut out);
    opening::write_all(&mut socket, &out)
        .await
        .map_err(|source| Failure::Unreachable {
            endpoint: setting.endpoint.clone(),
            source,
        })?;
    let mut input = Vec::new();
    let read = opening::read_reply(target, awaited, &mut socket, &mut input, args.timeout);
    match read.await {
        Ok(_) => Ok(socket),
        Err(why) => Err(Failure::Server(format!(
            "the server at {} did not answer: {why}",
            setting.endpoint
        ))),
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown without fractions")]
fn report(args: &Args, before: u64, after: u64, closed: usize) -> String {
    let each = after.saturating_sub(before) as f64 / args.connections as f64;
    let machine = Machine::here();
    if args.json {
        let json = serde_json::json!({
            "workload": "idle",
            "url": args.shown_url(),
            "connections": args.connections,
            "closed_by_server": closed,
            "resident_before_bytes": before,
            "resident_after_bytes": after,
            "resident_bytes_per_connection": each.round(),
            "machine": machine.json(),
        });
        return format!("{json:#}\n");
    }
    format!(
        "{} idle connections to {} ({})\n\
         server resident  {before} bytes before, {after} after: {each:.0} bytes a connection\n\
         closed by server {closed}\n",
        args.connections,
        args.shown_url(),
        machine.line(),
    )
}
