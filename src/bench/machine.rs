//! Facts about the machine, so that figures can be compared later.

use std::fs;
use std::thread;

/// The machine that the load tester runs on.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) kernel: String,
    pub(super) cpu: String,
    /// CPUs that this process may use.
    pub(super) cores: usize,
    /// State of transparent huge pages.
    pub(super) huge_pages: String,
}

impl Machine {
    pub(super) fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self {
            kernel: known(read("/proc/sys/kernel/osrelease").trim()),
            cpu: known(&model_name(&read("/proc/cpuinfo"))),
            cores: thread::available_parallelism().map_or(1, usize::from),
            huge_pages: known(chosen(&read("/sys/kernel/mm/transparent_hugepage/enabled"))),
        }
    }

    /// The facts in one line.
    pub(super) fn line(&self) -> String {
        format!(
            "Linux {}, {}, {} cores usable, huge pages {}",
            self.kernel, self.cpu, self.cores, self.huge_pages
        )
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "kernel": self.kernel,
            "cpu": self.cpu,
            "cores": self.cores,
            "huge_pages": self.huge_pages,
        })
    }
}

fn known(text: &str) -> String {
    if text.is_empty() { "unknown" } else { text }.to_owned()
}

fn model_name(cpuinfo: &str) -> String {
    cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(':'))
        .map_or(String::new(), |(_, name)| name.trim().to_owned())
}

/// The word in square brackets.
fn chosen(text: &str) -> &str {
    let after = text.split_once('[').map_or("", |(_, after)| after);
    after.split_once(']').map_or("", |(word, _)| word)
}

/// Time of all CPUs since the machine started, in ticks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CpuTicks {
    all: u64,
    stolen: u64,
}

impl CpuTicks {
    pub(super) fn now() -> Self {
        Self::of(&fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    fn of(stat: &str) -> Self {
        let first = stat.lines().next().unwrap_or_default();
        // user nice system idle iowait irq softirq steal; what follows is part of user and nice.
        let ticks = first.split_ascii_whitespace().skip(1).take(8);
        let ticks: Vec<u64> = ticks.map(|t| t.parse().unwrap_or(0)).collect();
        Self {
            all: ticks.iter().sum(),
            stolen: ticks.get(7).copied().unwrap_or(0),
        }
    }

    /// Percent of the time since `earlier` that the hypervisor gave to others.
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    pub(super) fn steal_percent_since(self, earlier: Self) -> f64 {
        let all = self.all.saturating_sub(earlier.all).max(1);
        let stolen = self.stolen.saturating_sub(earlier.stolen);
        stolen as f64 * 100.0 / all as f64
    }
}

#[cfg(test)]
mod tests {
    use super::{CpuTicks, chosen, model_name};

    #[test]
    fn facts_are_cut_out_of_the_kernels_texts() {
        assert_eq!(chosen("always [madvise] never\n"), "madvise");
        assert_eq!(chosen(""), "");
        assert_eq!(
            model_name("processor\t: 0\nmodel name\t: A B\nx: y\n"),
            "A B"
        );
        let before = CpuTicks::of("cpu  10 0 10 70 0 0 0 10 5 5\ncpu0 1 2\n");
        let after = CpuTicks::of("cpu  20 0 20 140 0 0 0 20 9 9\n");
        assert!((after.steal_percent_since(before) - 10.0).abs() < 1e-9);
    }
}
