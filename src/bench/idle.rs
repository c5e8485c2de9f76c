//! The idle workload: opens connections, sends one request on each, and sees what they cost while
//! nothing more happens.

use rustix::process::{Resource, Rlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::{sleep, timeout};

use crate::bench::args::Args;
use crate::bench::connection::connect;
use crate::bench::failure::Failure;
use crate::bench::machine::Machine;
use crate::bench::phase::Setting;
use crate::bench::process;
use crate::bench::run::setting;
use crate::bench::target::{Request, Target, Verb};

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
        let mut streams = Vec::with_capacity(args.connections);
        for _ in 0..args.connections {
            streams.push(open(&setting, args).await?);
        }
        sleep(args.duration().unwrap_or_default()).await;
        let after = process::usage(pid)?.resident;
        let closed = streams.iter().filter(|s| is_closed(s)).count();
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
async fn open(setting: &Setting, args: &Args) -> Result<TcpStream, Failure> {
    let unreachable = |source| Failure::Unreachable {
        endpoint: setting.endpoint.clone(),
        source,
    };
    let mut stream = connect(setting.address).await.map_err(unreachable)?;
    let target: &dyn Target = &*setting.target;
    let mut out = Vec::new();
    let request = Request {
        verb: Verb::Fetch,
        token: &[],
        user: 0,
        mark: None,
    };
    target.write(&request, &mut out);
    stream.write_all(&out).await.map_err(unreachable)?;
    let mut input = Vec::with_capacity(1024);
    loop {
        let read = timeout(args.timeout, stream.read_buf(&mut input)).await;
        let no_reply = || Failure::Server(format!("{} did not answer GET {}", args.url, args.path));
        match read {
            Ok(Ok(1..)) => {}
            Ok(Ok(0) | Err(_)) | Err(_) => return Err(no_reply()),
        }
        match target.read(&input) {
            Ok(Some(_)) => return Ok(stream),
            Ok(None) => {}
            Err(_malformed) => return Err(no_reply()),
        }
    }
}

fn is_closed(stream: &TcpStream) -> bool {
    let mut byte = [0];
    match stream.try_read(&mut byte) {
        Ok(0) => true,
        Ok(_) => false,
        Err(e) => e.kind() != std::io::ErrorKind::WouldBlock,
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown without fractions")]
fn report(args: &Args, before: u64, after: u64, closed: usize) -> String {
    let each = after.saturating_sub(before) as f64 / args.connections as f64;
    let machine = Machine::here();
    if args.json {
        let json = serde_json::json!({
            "workload": "idle",
            "url": format!("http://{}", args.url),
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
        "{} idle connections to http://{} ({})\n\
         server resident  {before} bytes before, {after} after: {each:.0} bytes a connection\n\
         closed by server {closed}\n",
        args.connections,
        args.url,
        machine.line(),
    )
}
