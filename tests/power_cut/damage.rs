//! R7: a medium that alters what was safe. Damage is refused, or changes nothing, unless it takes the
//! very end of the log away; and where the newest snapshot is damaged, the generation before it brings
//! the same sessions back.

use cloakroom::log::disk::Disk;
use cloakroom::log::name::FileName;
use cloakroom::log::recovery::Remedy;
use cloakroom::log::{Durability, RecoveryError};

use crate::audit::{Found, NoAuditor};
use crate::fault_disk::{Choice, Dice, FaultDisk};
use crate::history::History;
use crate::process::Process;
use crate::{seeded, seeds, setting};

/// Damages of one history.
const DAMAGES: u64 = 60;

/// A history that has come to rest, and so has named everything as safe.
fn at_rest(seed: u64, restarts: bool) -> History {
    let policy = [Durability::Always, Durability::EverySecond][seed as usize % 2];
    let mut history = History::begin(seed, policy);
    if restarts {
        history.run(120, &mut NoAuditor);
    } else {
        history.run_alive(120, &mut NoAuditor);
    }
    history.wait(3_000, &mut NoAuditor);
    history
}

fn start(history: &History, disk: &FaultDisk) -> Result<Process, RecoveryError> {
    let (expected, reached) = (history.expectation(), std::sync::Arc::default());
    Process::start(disk, expected.now, expected.policy, 1, &reached)
}

fn truth(history: &History) -> Found {
    let expected = history.expectation();
    let disk = history.process.disk.fork();
    expected.verify(&disk, expected.reached, 1)
}

/// Files of the log, of which recovery may read some.
fn log_files(disk: &FaultDisk) -> Vec<String> {
    let mut names = disk.list().unwrap();
    names.retain(|name| name.ends_with(".log") || name.ends_with(".snap"));
    names
}

/// Flips a bit, or loses a sector or the end. Answers whether the last byte that was written is gone:
/// what says that the blocks before it were safe may be gone with it.
fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) -> bool {
    let at = dice.choose(bytes.len());
    let sector = at / 512 * 512;
    let end = bytes.len().min(sector + 512);
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    match dice.roll(6) {
        0 => bytes[sector..end].fill(0),
        1 => bytes.truncate(sector),
        2 => bytes.copy_within(sector..end, sector.saturating_sub(512)),
        _ => {
            bytes[at] ^= 1 << dice.roll(8);
            return false;
        }
    }
    written >= sector.saturating_sub(512)
}

#[test]
fn r7_damage_to_what_was_safe_is_refused_or_changes_nothing() {
    let (mut refused, mut harmless) = (0, 0);
    for seed in seeds().take(setting("CLOAKROOM_HISTORIES").unwrap_or(40) as usize) {
        seeded(seed, || {
            let history = at_rest(seed, true);
            let (truth, mut dice) = (truth(&history), Dice::new(seed));
            for _ in 0..DAMAGES {
                let disk = history.process.disk.fork();
                let names = log_files(&disk);
                let name = &names[dice.choose(names.len())];
                let mut is_end_gone = false;
                disk.alter(name, |bytes| is_end_gone = damage(bytes, &mut dice));
                match start(&history, &disk) {
                    Ok(_) if is_end_gone => {}
                    Ok(next) => {
                        let (last, sessions) = (next.recovered.last.0, next.sessions());
                        assert!(last >= history.process.log.head().0, "{name}");
                        assert_eq!(sessions, truth.sessions, "{name}");
                        harmless += 1;
                    }
                    Err(error) => {
                        assert!(error.is_damage(), "{name}: {error}");
                        refused += 1;
                    }
                }
            }
        });
    }
    eprintln!("{refused} refused, {harmless} harmless");
    assert!(refused > 10 && harmless > 10);
}

#[test]
fn older_generation_brings_everything_back_when_the_newest_snapshot_is_damaged() {
    let mut older = 0;
    for seed in seeds().take(setting("CLOAKROOM_HISTORIES").unwrap_or(40) as usize) {
        seeded(seed, || {
            // What a crash cut off the log may be in the newest snapshot all the same.
            let history = at_rest(seed, false);
            let Some(number) = truth(&history).process.recovered.snapshot else {
                return;
            };
            let (disk, name) = (
                history.process.disk.fork(),
                FileName::Snapshot(number).text(),
            );
            disk.alter(&name, |bytes| *bytes.last_mut().unwrap() ^= 1);
            let Err(RecoveryError::Snapshot { remedy, .. }) = start(&history, &disk) else {
                unreachable!("a damaged snapshot is not refused");
            };
            assert_ne!(remedy, Remedy::Backup, "the log never failed");
            disk.rename(&name, "aside").unwrap();
            let expected = history.expectation();
            let head = history.process.log.head().0;
            let found = expected.verify(&disk, head, 1);
            assert_ne!(found.process.recovered.snapshot, Some(number));
            older += 1;
        });
    }
    assert!(older > 5);
}
