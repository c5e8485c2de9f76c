//! What must hold after every crash: cuts the power, recovers, looks at everything, and does it again
//! in the midst of the recovery.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use cloakroom::clock::Millis;
use cloakroom::log::Durability;
use cloakroom::log::name::FileName;

use crate::chronicle::{Beyond, Chronicle, Name, State};
use crate::fault_disk::{AllChoices, Choice, Cut, CutRules, Dice, FaultDisk};
use crate::process::Process;
use crate::saver::Walks;

/// What must be found after the power was cut, or the process killed, at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Expectation<'a> {
    pub(crate) chronicle: &'a Chronicle,
    pub(crate) policy: Durability,
    /// Positions up to here were acknowledged: they outlive the process.
    pub(crate) reached: u64,
    /// Positions up to here outlive the power.
    pub(crate) durable: u64,
    /// The newest position that was given to a change.
    pub(crate) head: u64,
    /// How far states may be in a snapshot that are not in the log.
    pub(crate) walks: &'a Walks,
    pub(crate) now: Millis,
}

/// Looks at moments of a history.
pub(crate) trait Auditor {
    fn audit(&mut self, cut: &Cut, expected: &Expectation<'_>);
}

/// Lets all moments pass.
pub(crate) struct NoAuditor;

impl Auditor for NoAuditor {
    fn audit(&mut self, _cut: &Cut, _expected: &Expectation<'_>) {}
}

/// What a recovery came to.
pub(crate) struct Found {
    pub(crate) process: Process,
    pub(crate) last: u64,
    pub(crate) sessions: BTreeMap<Name, State>,
}

impl Expectation<'_> {
    /// Starts on `disk` and looks at everything. All positions up to `floor` must be there.
    pub(crate) fn verify(&self, disk: &FaultDisk, floor: u64, seed: u64) -> Found {
        let reached = Arc::new(AtomicU64::new(floor));
        disk.watch(reached.clone());
        let process = match Process::start(disk, self.now, self.policy, seed, &reached) {
            Ok(process) => process,
            Err(error) => unreachable!("recovery refuses: {error}"),
        };
        let last = process.recovered.last.0;
        assert!(
            last >= floor,
            "R1: {floor} was safe, the log ends at {last}"
        );
        let sessions = process.sessions();
        assert_torn_tail_is_kept(disk, &process);
        self.compare(&process, &sessions, last);
        assert_eq!(process.engine.check_invariants(), Ok(()), "R5");
        Found {
            process,
            last,
            sessions,
        }
    }

    /// Every session is as it was at the end of the log.
    fn compare(&self, process: &Process, sessions: &BTreeMap<Name, State>, last: u64) {
        let walked = self.walks.of(process.recovered.snapshot);
        let beyond = if last >= walked {
            Beyond::Nothing
        } else {
            Beyond::Anything
        };
        let mut known = 0;
        for name in self.chronicle.names() {
            let found = sessions.get(name);
            known += usize::from(found.is_some());
            assert!(
                found.is_some() || process.peek(name).is_none(),
                "R2: {name:?}"
            );
            let allowed = self.chronicle.allowed(name, last, beyond);
            assert!(
                allowed.fits(found, self.now.0),
                "R1, R2, R7: {name:?} is {found:#?} at {} when the log ends at {last}; it may be \
                 {allowed:#?}",
                self.now.0
            );
        }
        assert_eq!(known, sessions.len(), "R7: a session that never was");
        let is_whole = self.chronicle.no_end_is_half(last, sessions, self.now.0);
        assert!(is_whole, "half of the sessions of an app are gone");
    }
}

/// What is cut off the log is not thrown away.
fn assert_torn_tail_is_kept(disk: &FaultDisk, process: &Process) {
    if let Some(torn) = process.recovered.torn {
        let segment = disk.bytes(&FileName::Segment(torn.number).text());
        let kept = disk.bytes(&FileName::Torn(torn.number).text());
        assert_eq!(segment.unwrap()[torn.start..torn.end], kept.unwrap());
    }
}

/// How often what was tried.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Tally {
    /// Power cuts.
    pub(crate) cuts: u64,
    /// Those of them in the midst of a recovery, or right behind one.
    pub(crate) in_recovery: u64,
    /// Processes killed.
    pub(crate) kills: u64,
    /// Recoveries that found a torn tail.
    pub(crate) torn: u64,
    /// Recoveries from a snapshot.
    pub(crate) from_snapshot: u64,
    /// Recoveries of more than one segment.
    pub(crate) over_segments: u64,
    /// Recoveries without changes that had been made and were not acknowledged.
    pub(crate) with_loss: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.cuts += other.cuts;
        self.in_recovery += other.in_recovery;
        self.kills += other.kills;
        self.torn += other.torn;
        self.from_snapshot += other.from_snapshot;
        self.over_segments += other.over_segments;
        self.with_loss += other.with_loss;
    }
}

/// Cuts the power at many moments of a history, and verifies what is left.
pub(crate) struct PowerCutter {
    dice: Dice,
    rules: CutRules,
    /// Looks at one of so many moments.
    one_in: u64,
    pub(crate) tally: Tally,
}

impl PowerCutter {
    pub(crate) fn new(seed: u64, rules: CutRules, one_in: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            rules,
            one_in,
            tally: Tally::default(),
        }
    }

    fn image(&mut self, cut: &Cut) -> FaultDisk {
        cut.image(self.rules, &mut self.dice)
    }

    fn cut_power(&mut self, cut: &Cut, expected: &Expectation<'_>) {
        let floor = expected.durable;
        let image = self.image(cut);
        let first = self.verify(&image, expected, floor);
        self.tally.cuts += 1;
        // R8: cut short anywhere, and repeated, it comes to the same.
        let mut again = image.take_cuts();
        let chosen = again.swap_remove(self.dice.choose(again.len()));
        for cut in [chosen, image.cut()] {
            let image = self.image(&cut);
            let found = self.verify(&image, expected, floor);
            assert_eq!(found.last, first.last, "R8");
            assert_eq!(found.sessions, first.sessions, "R8");
            self.tally.cuts += 1;
            self.tally.in_recovery += 1;
        }
    }

    /// The process dies and the system lives; later the power is cut as well.
    fn kill(&mut self, cut: &Cut, expected: &Expectation<'_>) {
        let disk = cut.survivor();
        let first = self.verify(&disk, expected, expected.reached);
        self.tally.kills += 1;
        let mut again = disk.take_cuts();
        let chosen = again.swap_remove(self.dice.choose(again.len()));
        let image = self.image(&chosen);
        self.verify(&image, expected, expected.durable);
        // What the recovery has served is safe from then on.
        let image = self.image(&disk.cut());
        let found = self.verify(&image, expected, first.last);
        assert_eq!(found.sessions, first.sessions, "R8");
        self.tally.cuts += 2;
        self.tally.in_recovery += 2;
    }

    fn verify(&mut self, disk: &FaultDisk, expected: &Expectation<'_>, floor: u64) -> Found {
        let found = expected.verify(disk, floor, self.dice.seed());
        let recovered = &found.process.recovered;
        self.tally.torn += u64::from(recovered.torn.is_some());
        self.tally.from_snapshot += u64::from(recovered.snapshot.is_some());
        self.tally.over_segments += u64::from(recovered.segments > 1);
        self.tally.with_loss += u64::from(found.last < expected.head);
        found
    }
}

impl Auditor for PowerCutter {
    fn audit(&mut self, cut: &Cut, expected: &Expectation<'_>) {
        if self.dice.roll(self.one_in) > 0 {
            return;
        }
        if self.dice.roll(4) == 0 {
            self.kill(cut, expected);
        } else {
            self.cut_power(cut, expected);
        }
    }
}

/// Verifies every image that a power cut may leave, where there are not too many.
#[derive(Default)]
pub(crate) struct AllImages {
    /// Images verified.
    pub(crate) images: u64,
    /// Moments of which all images were verified.
    pub(crate) moments: u64,
    /// Moments with too many.
    pub(crate) left_out: u64,
}

impl AllImages {
    const MOST: u64 = 256;
}

impl Auditor for AllImages {
    fn audit(&mut self, cut: &Cut, expected: &Expectation<'_>) {
        let mut choices = AllChoices::default();
        let mut images = Vec::new();
        loop {
            images.push(cut.image(CutRules::SMALL, &mut choices));
            if !choices.next_round() {
                break;
            }
            if images.len() as u64 == Self::MOST {
                self.left_out += 1;
                return;
            }
        }
        for image in images {
            expected.verify(&image, expected.durable, 1);
            self.images += 1;
        }
        self.moments += 1;
    }
}
