//! The `Date` field, formatted at most once a second.

use std::io::Write;

use crate::clock::Millis;

/// The `Date` line of the present second (RFC 9110 section 5.6.7).
#[derive(Debug)]
pub struct DateCache {
    second: u64,
    line: [u8; LINE_BYTES],
}

const LINE_BYTES: usize = 37;
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

impl DateCache {
    /// A cache that holds the line of `now`.
    #[must_use]
    pub fn new(now: Millis) -> Self {
        let mut cache = Self {
            second: u64::MAX,
            line: [b' '; LINE_BYTES],
        };
        cache.set(now);
        cache
    }

    /// Formats the line anew if the second has changed.
    pub fn set(&mut self, now: Millis) {
        if now.seconds() == self.second {
            return;
        }
        self.second = now.seconds();
        let date = CivilTime::of(now);
        let mut room = self.line.as_mut_slice();
        let fits = write!(
            room,
            "Date: {}, {:02} {} {:04} {:02}:{:02}:{:02} GMT\r\n",
            DAYS.get(date.weekday).unwrap_or(&""),
            date.day,
            MONTHS.get(date.month - 1).unwrap_or(&""),
            date.year,
            date.hour,
            date.minute,
            date.second
        );
        debug_assert!(
            fits.is_ok(),
            "no field is wider than its place before the year 10000"
        );
    }

    /// Appends the whole line.
    pub fn write_field(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.line);
    }
}

/// A moment in the Gregorian calendar, UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CivilTime {
    /// Full year.
    pub year: u64,
    /// 1..=12.
    pub month: usize,
    /// 1..=31.
    pub day: u64,
    /// Days since a Thursday, 0..=6.
    pub weekday: usize,
    /// 0..=23.
    pub hour: u64,
    /// 0..=59.
    pub minute: u64,
    /// 0..=59.
    pub second: u64,
}

impl CivilTime {
    /// The calendar date of a moment. The algorithm counts in 400-year eras that begin in March, so
    /// that the leap day is the last day of a year.
    #[must_use]
    pub fn of(moment: Millis) -> Self {
        let seconds = moment.seconds();
        let days = seconds / 86_400;
        let shifted = days + 719_468;
        let era = shifted / 146_097;
        let day_of_era = shifted % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 {
            march_month + 3
        } else {
            march_month - 9
        };
        Self {
            year: year_of_era + era * 400 + u64::from(month <= 2),
            month: usize::try_from(month).unwrap_or(1),
            day: day_of_year - (153 * march_month + 2) / 5 + 1,
            weekday: usize::try_from(days % 7).unwrap_or(0),
            hour: seconds / 3_600 % 24,
            minute: seconds / 60 % 60,
            second: seconds % 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CivilTime, DateCache};
    use crate::clock::Millis;

    fn line(seconds: u64) -> String {
        let mut out = Vec::new();
        DateCache::new(Millis::from_seconds(seconds)).write_field(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dates_are_formatted_as_http_wants_them() {
        assert_eq!(line(0), "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
        assert_eq!(line(784_111_777), "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
        assert_eq!(line(951_782_400), "Date: Tue, 29 Feb 2000 00:00:00 GMT\r\n");
        assert_eq!(
            line(1_795_170_845),
            "Date: Fri, 20 Nov 2026 10:34:05 GMT\r\n"
        );
    }

    #[test]
    fn civil_days_follow_each_other_without_a_gap() {
        let mut before = CivilTime::of(Millis(0));
        for day in 1..60_000u64 {
            let date = CivilTime::of(Millis::from_seconds(day * 86_400));
            let next_day =
                (date.year, date.month, date.day) > (before.year, before.month, before.day);
            assert!(
                next_day && date.weekday == (before.weekday + 1) % 7,
                "{date:?}"
            );
            before = date;
        }
    }
}
