//! Touches on their way into the log: one record per session and second, some time after the touch.

use super::read::untouched;
use super::{Engine, Weight};
use crate::clock::Millis;
use crate::model::Change;
use crate::store::Record;

/// Milliseconds after its end at which a second is harvested: by then nobody is still about to touch
/// with a clock that was read in it.
const DELAY_MILLIS: u64 = 250;

impl Engine {
    /// From now on the log gets touches through [`Engine::harvest`], which must be called every second.
    pub fn start_harvest(&self, now: Millis) {
        self.store.start_harvest(now);
    }

    /// Writes down the touches of all seconds that ended at least 250 ms ago: each session once for
    /// each second in which it was touched, as it is at present. Does at most `slices` slices of 256
    /// sessions; true: there are more. While the log takes nothing, touches are skipped.
    pub fn harvest(&self, now: Millis, slices: usize) -> bool {
        let ended = Millis(now.0.saturating_sub(DELAY_MILLIS)).seconds();
        let Ok(last) = u32::try_from(ended.saturating_sub(1)) else {
            return false;
        };
        self.store
            .harvest(last, slices, &mut |record| self.write_touch(record))
    }

    /// Writes down all touches up to the present: the last thing before a stop, when nobody touches
    /// any more.
    pub fn harvest_all(&self, now: Millis) {
        self.store
            .harvest_all(now, &mut |record| self.write_touch(record));
    }

    fn write_touch(&self, record: &Record) {
        if self.log.admit(Weight::Grow).is_ok() {
            self.log.append(&Change::Touch(untouched(record)));
        }
    }
}
