//! The wheel against a sorted list: all small schedules, and long random ones.

#![expect(clippy::cast_possible_truncation, reason = "test code")]

use super::{Links, REACH, Wheel};

/// A wheel beside the naive list that it must agree with.
struct Pair {
    wheel: Wheel,
    links: Links,
    due: Vec<Option<u32>>,
}

impl Pair {
    fn new(slots: usize) -> Self {
        let mut links = Links::default();
        links.ensure(slots as u32);
        Self {
            wheel: Wheel::new(),
            links,
            due: vec![None; slots],
        }
    }

    fn file(&mut self, slot: u32, due: u32) {
        let filed = self.wheel.file(&mut self.links, slot, due);
        self.due[slot as usize] = Some(filed);
    }

    fn remove(&mut self, slot: u32) {
        self.wheel.remove(&mut self.links, slot);
        self.due[slot as usize] = None;
    }

    /// Advances to `now` with `budget` per call and checks that exactly the due slots fire.
    fn advance(&mut self, now: u32, budget: usize) {
        let mut expected: Vec<u32> = (0..self.due.len() as u32)
            .filter(|s| self.due[*s as usize].is_some_and(|d| d <= now))
            .collect();
        let mut fired = Vec::new();
        for _ in 0..1_000_000 {
            let mut left = budget;
            while let Some(slot) = {
                let due = &self.due;
                self.wheel.pop_due(&mut self.links, now, &mut left, |s| {
                    due[s as usize].expect("only filed slots are asked for")
                })
            } {
                fired.push(slot);
                self.due[slot as usize] = None;
            }
            if left > 0 {
                break;
            }
        }
        assert_eq!(self.wheel.elapsed(), now.max(self.wheel.elapsed()));
        fired.sort_unstable();
        expected.sort_unstable();
        assert_eq!(fired, expected, "at {now}");
        let filed = self.due.iter().flatten().count();
        assert_eq!(self.wheel.len(), filed);
        assert_eq!(self.wheel.entries(&self.links).len(), filed);
    }
}

#[test]
fn every_small_schedule_fires_exactly_when_due() {
    // All placements of three sessions around level boundaries, all advances between.
    let seconds = [
        1,
        2,
        255,
        256,
        257,
        511,
        512,
        513,
        16_383,
        16_384,
        16_640,
        1 << 20,
        (1 << 20) + 1,
    ];
    for a in seconds {
        for b in seconds {
            for c in [1, 256, 16_384] {
                for start in [0, 1, 200, 255, 256] {
                    let mut pair = Pair::new(3);
                    pair.advance(start, 100);
                    pair.file(0, a);
                    pair.file(1, start + b);
                    pair.file(2, start + c);
                    for stop in [
                        start + 1,
                        a.max(start),
                        start + b - 1,
                        start + b,
                        start + b + 256,
                    ] {
                        let now = stop.max(pair.wheel.elapsed());
                        pair.advance(now, 1);
                    }
                }
            }
        }
    }
}

#[test]
fn removed_slots_never_fire_and_past_deadlines_fire_next() {
    let mut pair = Pair::new(4);
    pair.advance(1000, 10);
    for slot in 0..4 {
        pair.file(slot, 1500);
    }
    pair.remove(1);
    pair.remove(3);
    pair.file(3, 5);
    pair.advance(1001, 10);
    assert_eq!(pair.due[3], None);
    pair.advance(1500, 10);
}

#[test]
fn deadlines_beyond_reach_are_filed_at_the_far_end() {
    let mut pair = Pair::new(2);
    pair.advance(1_795_000_000, 10);
    pair.file(0, u32::MAX - 1);
    pair.file(1, 1_795_000_000 + REACH);
    assert!(pair.due[0].expect("filed") <= 1_795_000_000 + REACH + 1);
    pair.advance(1_795_000_000 + REACH - 1, 10);
    pair.advance(1_795_000_000 + REACH + 1, 10);
}

#[test]
fn random_schedules_agree_with_the_list_at_every_budget() {
    for seed in 1..=60u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut next = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below) as u32
        };
        let mut pair = Pair::new(64);
        let mut now = next(1 << 31);
        pair.advance(now, 7);
        for _ in 0..300 {
            let slot = next(64);
            match (next(3), pair.due[slot as usize].is_some()) {
                (0 | 1, false) => {
                    let span = 1 << next(26);
                    pair.file(slot, now + next(span));
                }
                (0, true) => pair.remove(slot),
                _ => {
                    let span = 1 << next(21);
                    now += next(span);
                    pair.advance(now, 1 + next(9) as usize);
                }
            }
        }
    }
}
