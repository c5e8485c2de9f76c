//! The report for people.

use std::fmt::{self, Write as _};

use crate::bench::failure::Failure;
use crate::bench::recorder::Latencies;
use crate::bench::report::{PERCENTILES, Report, ServerCost, micros, percentile};
use crate::bench::run::seconds;
use crate::bench::verify::violations::Tally;
use crate::bench::workload::Workload;

pub(super) fn text(report: &Report<'_>, failed: &[String]) -> Result<String, Failure> {
    let (all, service) = (report.recorder.all()?, report.recorder.service()?);
    let mut out = String::new();
    write(report, &all, &service, &mut out)
        .and_then(|()| {
            failed
                .iter()
                .try_for_each(|sentence| writeln!(out, "failed      {sentence}"))
        })
        .map_err(|e| Failure::Local(format!("the report could not be written: {e}")))?;
    Ok(out)
}

fn write(
    report: &Report<'_>,
    all: &Latencies,
    service: &Latencies,
    out: &mut String,
) -> fmt::Result {
    write_conditions(report, out)?;
    writeln!(out)?;
    write_latencies(report, all, service, out)?;
    writeln!(out)?;
    let recorder = &report.recorder;
    writeln!(
        out,
        "throughput  {} requests/s, {} bytes/s sent, {} bytes/s received",
        grouped(report.throughput()),
        grouped(report.per_second(recorder.bytes_sent)),
        grouped(report.per_second(recorder.bytes_received)),
    )?;
    write!(out, "errors      {}", recorder.errors())?;
    for (trouble, count) in &recorder.troubles {
        write!(out, "; {trouble}: {count}")?;
    }
    writeln!(out)?;
    if recorder.unsent > 0 {
        writeln!(
            out,
            "behind      {} requests were due and never sent: the server cannot keep up with this \
             rate, and the latencies are too low",
            recorder.unsent
        )?;
    }
    if let Some(server) = &report.server {
        write_server(report, server, out)?;
    }
    writeln!(
        out,
        "client CPU  {:.2} us a request, {:.0} % of a core; steal {:.1} %",
        report.per_request(report.client_cpu_micros),
        percent_of_core(report.client_cpu_micros, report.nanos),
        report.steal_percent,
    )?;
    match &report.tally {
        Some(tally) => write_verification(tally, out),
        None => Ok(()),
    }
}

fn write_conditions(report: &Report<'_>, out: &mut String) -> fmt::Result {
    let args = report.args;
    writeln!(
        out,
        "cloakroom bench {}: {} on {} ({})",
        env!("CARGO_PKG_VERSION"),
        args.workload.name(),
        args.shown_url(),
        args.protocol(),
    )?;
    write!(
        out,
        "{} connections, {} deep, {} threads, ",
        args.connections, args.pipeline, args.threads
    )?;
    match args.rate {
        Some(rate) => write!(out, "open loop at {} requests/s", grouped_integer(rate))?,
        None => write!(out, "closed loop")?,
    }
    writeln!(
        out,
        ", {:.1} s after {:.1} s warm-up",
        seconds(report.nanos),
        args.warm_up.as_secs_f64()
    )?;
    write!(
        out,
        "{} sessions {}, {} bytes of data, {} keys, seed {}",
        grouped_integer(args.preload()),
        if args.preloaded {
            "there before"
        } else {
            "preloaded"
        },
        args.data_size,
        args.keys,
        args.seed
    )?;
    match args.workload {
        Workload::Mixed => writeln!(out, ", {}", args.mix)?,
        Workload::LoginStorm => {
            writeln!(out, ", bursts of {}, {} reads each", args.burst, args.reads)?;
        }
        Workload::Create
        | Workload::Get
        | Workload::Touch
        | Workload::Set
        | Workload::List
        | Workload::Url
        | Workload::Idle => writeln!(out)?,
    }
    if let Some(durability) = &report.durability {
        writeln!(out, "durability of the server as told: {durability}")?;
    }
    writeln!(out, "{}", report.machine.line())
}

fn write_latencies(
    report: &Report<'_>,
    all: &Latencies,
    service: &Latencies,
    out: &mut String,
) -> fmt::Result {
    write!(out, "{:<10}{:>13}{:>12}", "us", "requests", "per second")?;
    for (name, _) in PERCENTILES {
        write!(out, "{name:>10}")?;
    }
    writeln!(out, "{:>11}", "max")?;
    let verbs: Vec<_> = report.recorder.verbs().collect();
    for record in &verbs {
        write_row(report, record.verb.name(), &record.response, out)?;
    }
    if verbs.len() > 1 {
        write_row(report, "all", all, out)?;
    }
    if report.args.rate.is_some() {
        // The rows above count from when a request was due.
        write_row(report, "from sent", service, out)?;
    }
    Ok(())
}

fn write_row(
    report: &Report<'_>,
    name: &str,
    latencies: &Latencies,
    out: &mut String,
) -> fmt::Result {
    write!(
        out,
        "{name:<10}{:>13}{:>12}",
        grouped_integer(latencies.len()),
        grouped(report.per_second(latencies.len()))
    )?;
    for (_, percent) in PERCENTILES {
        write!(out, "{:>10.1}", percentile(latencies, percent))?;
    }
    writeln!(out, "{:>11.1}", micros(latencies.max()))
}

fn write_server(report: &Report<'_>, server: &ServerCost, out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "server CPU  {:.2} us a request, {:.0} % of a core",
        report.per_request(server.cpu_micros),
        percent_of_core(server.cpu_micros, report.nanos),
    )?;
    write!(
        out,
        "server RSS  {} bytes; {} before and {} after the preload",
        grouped_integer(server.resident_end),
        grouped_integer(server.resident_empty),
        grouped_integer(server.resident_preloaded),
    )?;
    match report.bytes_per_session(server) {
        Some(bytes) => writeln!(out, ": {bytes:.0} bytes a session"),
        None => writeln!(out),
    }
}

fn write_verification(tally: &Tally, out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "verified    {} replies: {} violations ({} requests got no usable reply)",
        grouped_integer(tally.checks),
        tally.count(),
        tally.unanswered,
    )?;
    for (violation, found) in tally.found() {
        writeln!(out, "  {} {}", found.count, violation.sentence())?;
        for example in &found.examples {
            writeln!(out, "    {example}")?;
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "shown without fractions")]
fn percent_of_core(micros: u64, nanos: u64) -> f64 {
    micros as f64 * 1_000.0 * 100.0 / nanos as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are positive and far below 2^64"
)]
fn grouped(number: f64) -> String {
    grouped_integer(number.round() as u64)
}

/// Digits in groups of three.
fn grouped_integer(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{grouped, grouped_integer};

    #[test]
    fn digits_are_grouped_in_threes() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1234567, "1,234,567"),
        ] {
            assert_eq!(grouped_integer(number), text);
        }
        assert_eq!(grouped(123_456.5), "123,457");
    }
}
