//! What a process has cost so far, read from `/proc`.

use std::fs;

use crate::bench::failure::Failure;

/// CPU time and memory of a process at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Usage {
    /// Microseconds of CPU time, user and system together, of all its threads.
    pub(super) cpu_micros: u64,
    /// Resident bytes.
    pub(super) resident: u64,
}

/// Reads the usage of a process.
///
/// # Errors
/// When there is no such process.
pub(super) fn usage(pid: u32) -> Result<Usage, Failure> {
    let read = |name: &str| {
        let path = format!("/proc/{pid}/{name}");
        fs::read_to_string(&path)
            .map_err(|e| Failure::Usage(format!("{path} cannot be read ({e}); is --pid right?")))
    };
    let unreadable = || Failure::Local(format!("/proc/{pid} has a form that is not understood"));
    let cpu_micros = cpu_micros(&read("stat")?, rustix::param::clock_ticks_per_second())
        .ok_or_else(unreadable)?;
    let resident = resident_bytes(&read("status")?).ok_or_else(unreadable)?;
    Ok(Usage {
        cpu_micros,
        resident,
    })
}

/// utime and stime, the 14th and 15th fields; the second is the program's name in brackets and may
/// contain anything.
fn cpu_micros(stat: &str, ticks_per_second: u64) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * 1_000_000 / ticks_per_second.max(1))
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::{cpu_micros, resident_bytes, usage};

    #[test]
    fn cpu_time_is_found_behind_any_program_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 100 0 0 0 150 50 7 9 20 0 3 0 99 1 2";
        assert_eq!(cpu_micros(stat, 100), Some(2_000_000));
        assert_eq!(cpu_micros("42 (cut S 1", 100), None);
    }

    #[test]
    fn resident_memory_is_read_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t  300 kB\nVmRSS:\t  200 kB\nRssAnon:\t 1 kB\n";
        assert_eq!(resident_bytes(status), Some(204_800));
        assert_eq!(resident_bytes("Name:\tx\n"), None);
    }

    #[test]
    fn own_usage_can_be_read_and_that_of_nobody_cannot() {
        assert!(usage(std::process::id()).unwrap().resident > 100_000);
        assert!(usage(u32::MAX).unwrap_err().to_string().contains("--pid"));
    }
}
