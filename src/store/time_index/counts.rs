//! How many sessions (or users) were last active in which second, minute, hour and day.
//!
//! A member counts in one cell of each resolution. Seconds and minutes are rings of lock-free cells
//! that remember which second or minute they stand for; what the ring has passed is still counted
//! in the coarser cells. Sums therefore touch at most 3,601 seconds, or 1,441 minutes, or a day of
//! hours and the days.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};

use crate::store::locked;

const SECONDS: usize = 4096;
const MINUTES: usize = 2048;
const PAGE: usize = 256;
const HOUR: u32 = 3_600;
const DAY: u32 = 86_400;

/// Counts by time of the last activity. Moves may race: sums then differ by the moves under way.
pub(in crate::store) struct Counts {
    seconds: Ring,
    minutes: Ring,
    /// Hours and days; changed only when a member's last activity moves to another hour.
    coarse: Mutex<Coarse>,
    total: AtomicI64,
}

#[derive(Default)]
struct Coarse {
    hours: BTreeMap<u32, i64>,
    days: BTreeMap<u32, i64>,
}

impl Counts {
    /// Counts of a store that began in second `began`: nobody asks for single seconds and minutes
    /// that had passed from the rings by then.
    pub(in crate::store) fn new(began: u32) -> Self {
        let ring = |length: usize, unit: u32| {
            let reach = u32::try_from(length).unwrap_or(0);
            Ring::new(length, (began / unit).saturating_sub(reach))
        };
        Self {
            seconds: ring(SECONDS, 1),
            minutes: ring(MINUTES, 60),
            coarse: Mutex::default(),
            total: AtomicI64::new(0),
        }
    }

    /// One member more, last active in `second`.
    pub(in crate::store) fn add(&self, second: u32) {
        self.total.fetch_add(1, Relaxed);
        self.change(second, 1);
    }

    /// Members more, last active in these seconds, which come in order.
    pub(in crate::store) fn add_all(&self, seconds: impl Iterator<Item = u32>) {
        let (mut second, mut minute, mut hour) = (Run::default(), Run::default(), Run::default());
        let in_second = |number, count| self.seconds.change(number, count);
        let in_minute = |number, count| self.minutes.change(number, count);
        let in_hour = |number, count| locked(&self.coarse).change(number * HOUR, count);
        let mut total = 0;
        for active in seconds {
            total += 1;
            second.count(active, in_second);
            minute.count(active / 60, in_minute);
            hour.count(active / HOUR, in_hour);
        }
        second.end(in_second);
        minute.end(in_minute);
        hour.end(in_hour);
        self.total.fetch_add(total, Relaxed);
    }

    /// One member less, last active in `second`.
    pub(in crate::store) fn remove(&self, second: u32) {
        self.total.fetch_sub(1, Relaxed);
        self.change(second, -1);
    }

    /// A member was last active in `from` and now in `to`.
    pub(in crate::store) fn shift(&self, from: u32, to: u32) {
        self.seconds.change(from, -1);
        self.seconds.change(to, 1);
        if from / 60 == to / 60 {
            return;
        }
        self.minutes.change(from / 60, -1);
        self.minutes.change(to / 60, 1);
        if from / HOUR == to / HOUR {
            return;
        }
        let mut coarse = locked(&self.coarse);
        coarse.change(from, -1);
        coarse.change(to, 1);
    }

    /// All members.
    pub(in crate::store) fn total(&self) -> u64 {
        clamp(self.total.load(Relaxed))
    }

    /// Members last active in the span of `seconds` seconds (1, 60 or 3,600) from `first` on.
    pub(in crate::store) fn in_span(&self, first: u32, seconds: u32) -> u64 {
        clamp(match seconds {
            1 => self.seconds.get(first),
            60 => self.minutes.get(first / 60),
            _ => locked(&self.coarse)
                .hours
                .get(&(first / HOUR))
                .copied()
                .unwrap_or(0),
        })
    }

    /// Members last active within `window` seconds before `now`, both ends included. Exact up to an
    /// hour; beyond, the start is rounded down to the minute, beyond a day to the hour.
    pub(in crate::store) fn since(&self, now: u32, window: u64) -> u64 {
        let start = now.saturating_sub(u32::try_from(window).unwrap_or(u32::MAX));
        clamp(if window <= u64::from(HOUR) {
            (start..=now).map(|s| self.seconds.get(s)).sum()
        } else if window <= u64::from(DAY) {
            (start / 60..=now / 60).map(|m| self.minutes.get(m)).sum()
        } else {
            locked(&self.coarse).since(start / HOUR)
        })
    }

    fn change(&self, second: u32, by: i64) {
        self.seconds.change(second, by);
        self.minutes.change(second / 60, by);
        locked(&self.coarse).change(second, by);
    }

    /// Bytes taken.
    pub(in crate::store) fn allocated_bytes(&self) -> usize {
        let coarse = locked(&self.coarse);
        let cells = self.seconds.allocated_bytes() + self.minutes.allocated_bytes();
        cells + (coarse.hours.len() + coarse.days.len()) * 24
    }
}

impl Coarse {
    fn change(&mut self, second: u32, by: i64) {
        for (cells, unit) in [(&mut self.hours, HOUR), (&mut self.days, DAY)] {
            let cell = cells.entry(second / unit).or_insert(0);
            *cell += by;
            if *cell == 0 {
                cells.remove(&(second / unit));
            }
        }
    }

    /// Hours up to the next midnight, then whole days.
    fn since(&self, hour: u32) -> i64 {
        let day = hour / 24 + 1;
        let hours: i64 = self.hours.range(hour..day * 24).map(|(_, n)| n).sum();
        hours + self.days.range(day..).map(|(_, n)| n).sum::<i64>()
    }
}

/// Equal numbers in a row.
#[derive(Default)]
struct Run {
    number: u32,
    count: i64,
}

impl Run {
    /// Counts `number`; tells `each` of the run that ends with it.
    fn count(&mut self, number: u32, each: impl FnOnce(u32, i64)) {
        if number != self.number {
            std::mem::replace(self, Self { number, count: 0 }).end(each);
        }
        self.count += 1;
    }

    fn end(self, each: impl FnOnce(u32, i64)) {
        if self.count > 0 {
            each(self.number, self.count);
        }
    }
}

fn clamp(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// Cells that stand for the latest second (or minute) of their place in the ring:
/// `number << 32 | count`, the count as a two's complement of 32 bits.
struct Ring {
    /// Made on first use: most apps of a server with many are active in few of their seconds.
    pages: Box<[OnceLock<Box<Page>>]>,
    /// Numbers below are not counted.
    floor: u32,
}

type Page = [AtomicU64; PAGE];

impl Ring {
    fn new(length: usize, floor: u32) -> Self {
        Self {
            pages: (0..length / PAGE).map(|_| OnceLock::new()).collect(),
            floor,
        }
    }

    fn page(&self, number: u32) -> Option<&OnceLock<Box<Page>>> {
        self.pages.get(number as usize / PAGE % self.pages.len())
    }

    fn allocated_bytes(&self) -> usize {
        self.pages.iter().filter(|p| p.get().is_some()).count() * size_of::<Page>()
    }

    /// Adds to the cell of `number`. A cell that stands for an earlier number begins anew; one that
    /// stands for a later number has passed this one, which nobody asks for any more.
    fn change(&self, number: u32, by: i64) {
        let Some(page) = self.page(number).filter(|_| number >= self.floor) else {
            return;
        };
        let page = page.get_or_init(|| Box::new([const { AtomicU64::new(0) }; PAGE]));
        let Some(cell) = page.get(number as usize % PAGE) else {
            return;
        };
        let mut seen = cell.load(Relaxed);
        loop {
            let (held, count) = unpack(seen);
            let next = match held.cmp(&number) {
                std::cmp::Ordering::Greater => return,
                std::cmp::Ordering::Equal => pack(number, count + by),
                std::cmp::Ordering::Less => pack(number, by),
            };
            match cell.compare_exchange_weak(seen, next, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    fn get(&self, number: u32) -> i64 {
        let page = self.page(number).and_then(OnceLock::get);
        let cell = page.and_then(|p| p.get(number as usize % PAGE));
        let (held, count) = unpack(cell.map_or(0, |c| c.load(Relaxed)));
        if held == number { count } else { 0 }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "two halves of 32 bits")]
fn unpack(cell: u64) -> (u32, i64) {
    ((cell >> 32) as u32, i64::from(cell as u32 as i32))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "two halves"
)]
fn pack(number: u32, count: i64) -> u64 {
    u64::from(number) << 32 | u64::from(count as i32 as u32)
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "test code")]
mod tests {
    use super::Counts;

    /// The naive twin: a list of last-activity seconds.
    struct Twin(Vec<u32>);

    impl Twin {
        fn since(&self, now: u32, window: u64) -> u64 {
            let start = u64::from(now).saturating_sub(window);
            let unit = match window {
                0..=3_600 => 1,
                3_601..=86_400 => 60,
                _ => 3_600,
            };
            let start = start / unit * unit;
            self.0.iter().filter(|s| u64::from(**s) >= start).count() as u64
        }
    }

    #[test]
    fn sums_agree_with_a_list_over_months() {
        let counts = Counts::new(0);
        let mut twin = Twin(Vec::new());
        let mut state = 88_172_645_463_325_252u64;
        let mut next = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below) as u32
        };
        let mut now = 1_795_000_000;
        for step in 0..30_000 {
            now += next(match step % 3 {
                0 => 2,
                1 => 90,
                _ => 900,
            });
            match next(4) {
                0 if twin.0.len() < 500 => {
                    counts.add(now);
                    twin.0.push(now);
                }
                1 if !twin.0.is_empty() => {
                    let gone = twin.0.swap_remove(next(1 << 20) as usize % twin.0.len());
                    counts.remove(gone);
                }
                _ if !twin.0.is_empty() => {
                    let at = next(1 << 20) as usize % twin.0.len();
                    counts.shift(twin.0[at], now);
                    twin.0[at] = now;
                }
                _ => {}
            }
            if step % 16 == 0 {
                for window in [
                    0,
                    10,
                    600,
                    3_600,
                    3_601,
                    86_400,
                    86_401,
                    2_592_000,
                    u64::MAX,
                ] {
                    assert_eq!(
                        counts.since(now, window),
                        twin.since(now, window),
                        "{window}"
                    );
                }
                assert_eq!(counts.total(), twin.0.len() as u64);
            }
        }
    }

    #[test]
    fn decrement_before_its_increment_leaves_no_trace() {
        let counts = Counts::new(0);
        counts.add(100);
        // Two racing moves 100 -> 101 and 101 -> 102, the second one first.
        counts.shift(101, 102);
        counts.shift(100, 101);
        assert_eq!(counts.in_span(100, 1), 0);
        assert_eq!(counts.in_span(101, 1), 0);
        assert_eq!(counts.in_span(102, 1), 1);
    }
}
