//! How far a long piece of work has come: a bar on a terminal, now and then a line of the log
//! elsewhere.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Tells people how far a piece of work is. May be told of progress by several threads.
pub struct Progress {
    what: &'static str,
    total: u64,
    done: AtomicU64,
    /// The tenth that is told next where there is no terminal.
    next_tenth: AtomicU64,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Work of `total` bytes; a total of 0 is not known ahead. `what` is a few words, as
    /// `recovering`.
    #[must_use]
    pub fn start(what: &'static str, total: u64) -> Self {
        let template = if total > 0 {
            "{msg} {bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta} left"
        } else {
            "{msg} {spinner} {bytes} {bytes_per_sec}"
        };
        Self::shown_as(template, what, total)
    }

    /// The same for work that is counted in files.
    #[must_use]
    pub fn of_files(what: &'static str, total: u64) -> Self {
        Self::shown_as("{msg} {bar:40} file {pos} of {len}", what, total)
    }

    fn shown_as(template: &str, what: &'static str, total: u64) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            let target = ProgressDrawTarget::stderr();
            ProgressBar::with_draw_target(Some(total), target)
                .with_style(style)
                .with_message(what)
        });
        Self {
            what,
            total,
            done: AtomicU64::new(0),
            next_tenth: AtomicU64::new(1),
            bar,
        }
    }

    /// So much more is done.
    pub fn add(&self, more: u64) {
        let done = self.done.fetch_add(more, Ordering::Relaxed) + more;
        self.show(done);
    }

    /// So much is done in all.
    pub fn set(&self, done: u64) {
        let before = self.done.fetch_max(done, Ordering::Relaxed);
        self.show(before.max(done));
    }

    fn show(&self, done: u64) {
        match &self.bar {
            Some(bar) => bar.set_position(done),
            None => self.tell(done),
        }
    }

    fn tell(&self, done: u64) {
        let next = self.next_tenth.load(Ordering::Relaxed);
        if self.total == 0 || done.saturating_mul(10) < self.total.saturating_mul(next) {
            return;
        }
        let tenths = done.saturating_mul(10) / self.total;
        let won = self.next_tenth.compare_exchange(
            next,
            tenths + 1,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if won.is_ok() && tenths < 10 {
            let (what, percent) = (self.what, tenths * 10);
            tracing::info!(percent, done, of = self.total, "{what}");
        }
    }

    /// The work is over: the bar goes away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
