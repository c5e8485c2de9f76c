//! The report for programs. Latencies are in microseconds.

use serde_json::{Map, Value, json};

use crate::bench::failure::Failure;
use crate::bench::recorder::Latencies;
use crate::bench::report::{PERCENTILES, Report, micros, percentile};
use crate::bench::run::seconds;
use crate::bench::verify::violations::{Tally, Violation};

pub(super) fn text(report: &Report<'_>, failed: &[String]) -> Result<String, Failure> {
    let recorder = &report.recorder;
    let all = recorder.all()?;
    let verbs: Map<String, Value> = recorder
        .verbs()
        .map(|record| {
            let value = json!({
                "requests": record.response.len(),
                "errors": record.errors,
                "requests_per_second": report.per_second(record.response.len()),
                "response_us": latencies(&record.response),
            });
            (record.verb.name().to_owned(), value)
        })
        .collect();
    let errors: Map<String, Value> = recorder
        .troubles
        .iter()
        .map(|(trouble, count)| (trouble.to_string(), json!(count)))
        .collect();
    let server = report.server.map(|server| {
        json!({
            "server_cpu_us": server.cpu_micros,
            "server_cpu_us_per_request": report.per_request(server.cpu_micros),
            "resident_bytes_before_preload": server.resident_empty,
            "resident_bytes_after_preload": server.resident_preloaded,
            "resident_bytes_at_end": server.resident_end,
            "resident_bytes_per_session": report.bytes_per_session(&server),
        })
    });
    let value = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "parameters": parameters(report),
        "machine": report.machine.json(),
        "seconds": seconds(report.nanos),
        "requests": recorder.requests(),
        "throughput_per_second": report.throughput(),
        "errors": recorder.errors(),
        "errors_by_kind": errors,
        "bytes_sent": recorder.bytes_sent,
        "bytes_received": recorder.bytes_received,
        "due_and_never_sent": recorder.unsent,
        "response_us": latencies(&all),
        "service_us": latencies(&recorder.service()?),
        "verbs": verbs,
        "server": server,
        "client_cpu_us_per_request": report.per_request(report.client_cpu_micros),
        "steal_percent": report.steal_percent,
        "failed_conditions": failed,
        "verification": report.tally.as_ref().map(verification),
    });
    Ok(format!("{value:#}\n"))
}

fn parameters(report: &Report<'_>) -> Value {
    let args = report.args;
    json!({
        "target": args.target.name(),
        "url": args.shown_url(),
        "dialect": args.dialect.name(),
        "workload": args.workload.name(),
        "mix": args.mix.to_string(),
        "keys": args.keys.to_string(),
        "burst": args.burst,
        "reads": args.reads,
        "durability": report.durability,
        "app": args.app,
        "path": args.path,
        "connections": args.connections,
        "threads": args.threads,
        "pipeline": args.pipeline,
        "preload": args.preload(),
        "preloaded": args.preloaded,
        "data_size": args.data_size,
        "ttl": args.ttl,
        "seed": args.seed,
        "duration_seconds": args.duration().map(|d| d.as_secs_f64()),
        "requests": args.requests,
        "warm_up_seconds": args.warm_up.as_secs_f64(),
        "rate": args.rate,
        "timeout_seconds": args.timeout.as_secs_f64(),
        "pid": args.pid,
        "verify": args.verify,
    })
}

fn latencies(latencies: &Latencies) -> Value {
    let mut map: Map<String, Value> = PERCENTILES
        .iter()
        .map(|(name, percent)| ((*name).to_owned(), json!(percentile(latencies, *percent))))
        .collect();
    map.insert("max".to_owned(), json!(micros(latencies.max())));
    map.insert("mean".to_owned(), json!(latencies.mean() / 1_000.0));
    Value::Object(map)
}

fn verification(tally: &Tally) -> Value {
    let mut map: Map<String, Value> = Violation::ALL
        .iter()
        .map(|violation| (violation.name().to_owned(), json!(0)))
        .collect();
    let mut examples = Map::new();
    for (violation, found) in tally.found() {
        map.insert(violation.name().to_owned(), json!(found.count));
        examples.insert(violation.name().to_owned(), json!(found.examples));
    }
    map.insert("violations".to_owned(), json!(tally.count()));
    map.insert("replies_checked".to_owned(), json!(tally.checks));
    map.insert("unanswered".to_owned(), json!(tally.unanswered));
    map.insert("examples".to_owned(), Value::Object(examples));
    Value::Object(map)
}
