//! Plants every kind of bug in what a server answers and sees that it is found, and that answers of
//! a correct server never are.

use crate::bench::stopwatch::SECOND;
use crate::bench::target::{Contents, Life, Mark, SLOTS, Verb};
use crate::bench::verify::violations::{Tally, Violation};
use crate::bench::verify::{Ended, Expectation, Ledger, Outcome};

/// rest-sessions with a ttl of 10 seconds.
const SLIDING: Life = Life {
    span: 10 * SECOND,
    sliding: true,
    lag: 2 * SECOND,
    rounding: SECOND,
};
const ABSOLUTE: Life = Life {
    sliding: false,
    lag: 0,
    ..SLIDING
};

/// One session and a clock that every call moves by a millisecond.
struct Script {
    ledger: Ledger,
    now: u64,
}

struct Sent {
    verb: Verb,
    mark: Option<Mark>,
    expectation: Expectation,
    at: u64,
}

impl Script {
    fn new(life: Life) -> Self {
        let mut ledger = Ledger::new(life, SLOTS);
        ledger.created(0, 1_000_000);
        Self {
            ledger,
            now: 2_000_000,
        }
    }

    fn tick(&mut self) -> u64 {
        self.now += 1_000_000;
        self.now
    }

    fn pass(&mut self, seconds: u64) {
        self.now += seconds * SECOND;
    }

    fn send(&mut self, verb: Verb) -> Sent {
        self.send_if(verb, None)
    }

    /// A set that demands the version `base`.
    fn send_if(&mut self, verb: Verb, base: Option<u64>) -> Sent {
        let at = self.tick();
        let mark = (verb == Verb::Set).then(|| self.ledger.take_slot(0, 0).unwrap());
        if verb == Verb::Kill {
            self.ledger.ask_end(0);
        }
        Sent {
            verb,
            mark,
            expectation: self.ledger.send(0, verb, base, at),
            at,
        }
    }

    fn answer(&mut self, sent: &Sent, outcome: Outcome) {
        let now = self.tick();
        self.ledger.settle(&Ended {
            session: 0,
            expectation: sent.expectation,
            mark: sent.mark,
            verb: sent.verb,
            outcome,
            sent: sent.at,
            now,
        });
    }

    fn ask(&mut self, verb: Verb, outcome: Outcome) {
        let sent = self.send(verb);
        self.answer(&sent, outcome);
    }

    fn found(self) -> Vec<(Violation, u64)> {
        let tally: Tally = self.ledger.into_tally();
        tally.found().map(|(v, found)| (v, found.count)).collect()
    }
}

/// A get that shows this `r` and this value in the first slot.
fn shows(reads: u64, value: u32) -> Outcome {
    let mut slots = [0; SLOTS];
    slots[0] = value;
    Outcome::Shown(Some(Contents {
        reads: Some(reads),
        slots,
        version: None,
    }))
}

#[test]
fn correct_answers_are_never_reported() {
    let mut script = Script::new(SLIDING);
    script.ask(Verb::Get, shows(1, 0));
    script.ask(Verb::Set, Outcome::Written(None));
    script.ask(Verb::Get, shows(2, 1));
    let set = script.send(Verb::Set);
    let (before, after) = (script.send(Verb::Get), script.send(Verb::Get));
    script.answer(&after, shows(4, 2));
    script.answer(&before, shows(3, 1));
    script.answer(&set, Outcome::Written(None));
    let (kill, racing) = (script.send(Verb::Kill), script.send(Verb::Get));
    script.answer(&kill, Outcome::Killed);
    script.answer(&racing, shows(5, 2));
    script.ask(Verb::Get, Outcome::Missing);
    assert_eq!(script.found(), []);
}

#[test]
fn lost_update_is_found() {
    let mut script = Script::new(SLIDING);
    script.ask(Verb::Set, Outcome::Written(None));
    script.ask(Verb::Get, shows(1, 0));
    assert_eq!(script.found(), [(Violation::LostUpdate, 1)]);
}

#[test]
fn update_overwritten_by_an_older_one_is_found() {
    let mut script = Script::new(SLIDING);
    script.ask(Verb::Set, Outcome::Written(None));
    script.ask(Verb::Set, Outcome::Written(None));
    script.ask(Verb::Get, shows(1, 1));
    assert_eq!(script.found(), [(Violation::LostUpdate, 1)]);
}

#[test]
fn value_that_nobody_wrote_is_found() {
    let mut script = Script::new(SLIDING);
    script.ask(Verb::Get, shows(1, 1));
    assert_eq!(script.found(), [(Violation::NeverWritten, 1)]);
}

#[test]
fn set_without_an_answer_may_have_happened_or_not() {
    for value in [0, 1] {
        let mut script = Script::new(SLIDING);
        script.ask(Verb::Set, Outcome::Unknown);
        script.ask(Verb::Get, shows(1, value));
        assert_eq!(script.found(), []);
    }
}

#[test]
fn repeated_r_is_found() {
    let mut script = Script::new(SLIDING);
    for reads in [1, 2, 2, 3, 5, 5, 4] {
        script.ask(Verb::Get, shows(reads, 0));
    }
    assert_eq!(script.found(), [(Violation::RepeatedRead, 2)]);
}

#[test]
fn skipped_r_is_found_unless_a_read_went_unanswered() {
    for (unanswered, found) in [(0, vec![(Violation::SkippedRead, 1)]), (1, vec![])] {
        let mut script = Script::new(SLIDING);
        script.ask(Verb::Get, shows(1, 0));
        for _ in 0..unanswered {
            script.ask(Verb::Get, Outcome::Unknown);
        }
        script.ask(Verb::Get, shows(3, 0));
        assert_eq!(script.found(), found);
    }
}

#[test]
fn session_served_after_its_kill_is_found() {
    let mut script = Script::new(SLIDING);
    script.ask(Verb::Kill, Outcome::Killed);
    script.ask(Verb::Get, shows(1, 0));
    script.ask(Verb::Set, Outcome::Written(None));
    assert_eq!(script.found(), [(Violation::ServedAfterKill, 2)]);
}

#[test]
fn kill_that_does_not_find_its_session_is_found() {
    let mut script = Script::new(SLIDING);
    script.ask(Verb::Kill, Outcome::Missing);
    assert_eq!(script.found(), [(Violation::MissingBeforeDeadline, 1)]);
}

#[test]
fn session_missing_before_its_deadline_is_found_once() {
    for (life, used_at, asked_at, found) in [
        (SLIDING, 0, 9, true),
        (SLIDING, 0, 10, false),
        (SLIDING, 5, 12, true),
        (SLIDING, 5, 13, false),
        (ABSOLUTE, 5, 9, true),
        (ABSOLUTE, 5, 10, false),
    ] {
        let mut script = Script::new(life);
        script.pass(used_at);
        script.ask(Verb::Get, shows(1, 0));
        script.pass(asked_at - used_at);
        script.ask(Verb::Get, Outcome::Missing);
        script.ask(Verb::Get, Outcome::Missing);
        let expected = found.then_some((Violation::MissingBeforeDeadline, 1));
        assert_eq!(
            script.found(),
            Vec::from_iter(expected),
            "{life:?} {asked_at}"
        );
    }
}

#[test]
fn session_served_after_its_deadline_is_found() {
    for (life, used_at, asked_at, found) in [
        (SLIDING, 0, 11, false),
        (SLIDING, 0, 12, true),
        (SLIDING, 5, 16, false),
        (SLIDING, 5, 17, true),
        (ABSOLUTE, 5, 12, true),
    ] {
        let mut script = Script::new(life);
        script.pass(used_at);
        script.ask(Verb::Get, shows(1, 0));
        script.pass(asked_at - used_at);
        script.ask(Verb::Get, shows(2, 0));
        let expected = found.then_some((Violation::ServedAfterDeadline, 1));
        assert_eq!(
            script.found(),
            Vec::from_iter(expected),
            "{life:?} {asked_at}"
        );
    }
}

#[test]
fn session_that_comes_back_is_found() {
    let mut script = Script::new(SLIDING);
    script.pass(11);
    script.ask(Verb::Get, Outcome::Missing);
    script.ask(Verb::Get, shows(1, 0));
    assert_eq!(script.found(), [(Violation::ServedAfterDeadline, 1)]);
}

#[test]
fn request_without_an_answer_may_have_prolonged_the_life() {
    let mut script = Script::new(SLIDING);
    script.ask(Verb::Set, Outcome::Unknown);
    script.pass(19);
    script.ask(Verb::Get, shows(1, 0));
    assert_eq!(script.found(), []);
}

#[test]
fn slots_in_use_are_left_alone() {
    let mut script = Script::new(SLIDING);
    let sets: Vec<Sent> = (0..SLOTS).map(|_| script.send(Verb::Set)).collect();
    assert!(script.ledger.take_slot(0, 0).is_none());
    script.answer(&sets[2], Outcome::Written(None));
    let again = Mark { slot: 2, value: 2 };
    assert_eq!(script.ledger.take_slot(0, 0), Some(again));
}

#[test]
fn written_and_killed_sessions_are_audited() {
    let mut script = Script::new(SLIDING);
    for _ in 0..3 {
        script.ledger.created(0, 1);
    }
    script.ask(Verb::Set, Outcome::Written(None));
    script.ledger.ask_end(2);
    let expectation = script.ledger.send(2, Verb::Kill, None, 5);
    script.ledger.settle(&Ended {
        session: 2,
        expectation,
        mark: None,
        verb: Verb::Kill,
        outcome: Outcome::Killed,
        sent: 5,
        now: 6,
    });
    assert_eq!(script.ledger.to_be_audited(), [0, 2]);
}

/// A read that shows a version.
fn shows_version(reads: u64, version: u64) -> Outcome {
    Outcome::Shown(Some(Contents {
        reads: Some(reads),
        slots: [0; SLOTS],
        version: Some(version),
    }))
}

#[test]
fn conditional_writes_of_a_correct_server_are_never_reported() {
    let mut script = Script::new(SLIDING);
    script.ask(Verb::Get, shows_version(1, 10));
    assert_eq!(script.ledger.base(0), Some(10));
    let (first, second) = (
        script.send_if(Verb::Set, Some(10)),
        script.send_if(Verb::Set, Some(10)),
    );
    script.answer(&second, Outcome::Written(Some(11)));
    script.answer(&first, Outcome::Conflict);
    assert_eq!(script.ledger.base(0), None);
    script.ask(Verb::Set, Outcome::Written(Some(12)));
    let sent = script.send_if(Verb::Set, Some(12));
    script.answer(&sent, Outcome::Written(Some(13)));
    assert_eq!(script.found(), []);
}

#[test]
fn second_write_on_one_version_is_found() {
    for at_once in [true, false] {
        let mut script = Script::new(SLIDING);
        let first = script.send_if(Verb::Set, Some(10));
        let second = if at_once {
            let second = script.send_if(Verb::Set, Some(10));
            script.answer(&first, Outcome::Written(Some(11)));
            second
        } else {
            script.answer(&first, Outcome::Written(Some(11)));
            script.send_if(Verb::Set, Some(10))
        };
        script.answer(&second, Outcome::Written(Some(12)));
        assert_eq!(script.found(), [(Violation::StaleWriteAccepted, 1)]);
    }
}

#[test]
fn conflict_is_found_unless_somebody_else_may_have_written() {
    for (disturbance, found) in [
        (None, vec![(Violation::NeedlessConflict, 1)]),
        (Some(Outcome::Written(Some(11))), vec![]),
        (Some(Outcome::Unknown), vec![]),
    ] {
        let mut script = Script::new(SLIDING);
        script.ask(Verb::Get, shows_version(1, 10));
        if let Some(outcome) = disturbance {
            script.ask(Verb::Set, outcome);
        }
        let sent = script.send_if(Verb::Set, Some(10));
        script.answer(&sent, Outcome::Conflict);
        assert_eq!(script.found(), found, "{disturbance:?}");
    }
    let mut script = Script::new(SLIDING);
    let other = script.send(Verb::Set);
    script.ask(Verb::Get, shows_version(1, 10));
    let sent = script.send_if(Verb::Set, Some(10));
    script.answer(&sent, Outcome::Conflict);
    script.answer(&other, Outcome::Written(Some(11)));
    assert_eq!(script.found(), []);
}

#[test]
fn requests_that_meet_a_rotation_may_come_too_late() {
    let mut script = Script::new(SLIDING);
    let before = script.send(Verb::Get);
    let rotation = script.send(Verb::Rotate);
    let (during, second) = (script.send(Verb::Set), script.send(Verb::Rotate));
    script.answer(&before, Outcome::Missing);
    script.answer(&rotation, Outcome::Rotated);
    script.answer(&during, Outcome::Missing);
    script.answer(&second, Outcome::Missing);
    script.ask(Verb::Get, shows(1, 0));
    script.ask(Verb::Rotate, Outcome::Rotated);
    assert_eq!(script.found(), []);
}

#[test]
fn session_that_is_lost_by_a_rotation_is_found() {
    for verb in [Verb::Get, Verb::Rotate] {
        let mut script = Script::new(SLIDING);
        script.ask(Verb::Rotate, Outcome::Rotated);
        script.ask(verb, Outcome::Missing);
        assert_eq!(script.found(), [(Violation::MissingBeforeDeadline, 1)]);
    }
}

#[test]
fn session_without_an_answer_to_its_rotation_may_be_anywhere() {
    let mut script = Script::new(SLIDING);
    script.ask(Verb::Rotate, Outcome::Unknown);
    script.ask(Verb::Get, Outcome::Missing);
    script.ask(Verb::Kill, Outcome::Missing);
    assert_eq!(script.found(), []);
}

#[test]
fn rotated_token_that_is_served_is_found() {
    let mut script = Script::new(SLIDING);
    script.ask(Verb::Rotate, Outcome::Rotated);
    script.ledger.retired();
    assert_eq!(script.ledger.to_be_audited(), [1]);
    for (outcome, expected) in [(Outcome::Missing, 0), (shows(1, 0), 1)] {
        let expectation = script.ledger.send(1, Verb::Get, None, 5);
        script.ledger.settle(&Ended {
            session: 1,
            expectation,
            mark: None,
            verb: Verb::Get,
            outcome,
            sent: 5,
            now: 6,
        });
        let found = script.ledger.tally.count();
        assert_eq!(found, expected, "{outcome:?}");
    }
    let found = script.found();
    assert_eq!(found, [(Violation::ServedAfterRotation, 1)]);
}

#[test]
fn kill_and_rotation_that_both_succeed_by_one_token_are_found() {
    let mut script = Script::new(SLIDING);
    let (rotation, kill) = (script.send(Verb::Rotate), script.send(Verb::Kill));
    script.answer(&rotation, Outcome::Rotated);
    script.answer(&kill, Outcome::Killed);
    assert_eq!(script.found(), [(Violation::ServedAfterRotation, 1)]);
}
