//! Power cuts and kills at every moment of many histories. R1, R2, R5, R7 and R8 are looked at after
//! each, see `audit.rs`.

use cloakroom::log::Durability;

use crate::audit::{AllImages, PowerCutter, Tally};
use crate::fault_disk::CutRules;
use crate::history::History;
use crate::{seeded, seeds, setting};

/// Random things of one history.
const STEPS: u64 = 150;

/// Cuts the power in hundredths of all cuts, and sees to it that all kinds of crashes are among them.
fn run(policy: Durability, rules: CutRules, share: u64) {
    let wanted = setting("CLOAKROOM_CUTS").unwrap_or(20_000) * share / 100;
    let (mut tally, mut restarts, mut saved) = (Tally::default(), 0, 0);
    for seed in seeds() {
        let (found, history) = seeded(seed, || {
            let mut cutter = PowerCutter::new(seed, rules, 1);
            let mut history = History::begin(seed, policy);
            history.run(STEPS, &mut cutter);
            (cutter.tally, history)
        });
        assert_eq!(history.refused, 0, "nothing fails here");
        tally.add(&found);
        restarts += history.restarts;
        saved += history.saver.saved;
        if tally.cuts >= wanted {
            break;
        }
    }
    eprintln!("{tally:?}, {restarts} restarts, {saved} snapshots");
    if tally.cuts >= 2_000 {
        let often = tally.cuts / 40;
        assert!(tally.in_recovery > often && tally.kills > often);
        assert!(tally.from_snapshot > often && tally.over_segments > often);
        assert!(
            tally.torn > often / 10 && tally.with_loss > often,
            "{tally:?}"
        );
        assert!(restarts > 0 && saved > 0);
    }
}

#[test]
fn r1_r2_r5_r7_r8_hold_after_power_cuts_under_always() {
    run(Durability::Always, CutRules::JOURNALED, 40);
}

#[test]
fn r1_r2_r5_r7_r8_hold_after_power_cuts_under_always_when_names_reach_the_disk_in_any_order() {
    run(Durability::Always, CutRules::UNORDERED, 15);
}

#[test]
fn r1_r2_r5_r7_r8_hold_after_power_cuts_under_always_when_renames_are_torn() {
    run(Durability::Always, CutRules::TORN_RENAMES, 10);
}

#[test]
fn r1_r2_r5_r7_r8_hold_under_everysec_but_for_the_last_second_before_a_power_cut() {
    run(Durability::EverySecond, CutRules::JOURNALED, 25);
}

#[test]
fn r1_r2_r5_r7_r8_hold_under_os_but_for_what_no_sync_came_to_before_a_power_cut() {
    run(Durability::Os, CutRules::JOURNALED, 10);
}

#[test]
fn every_image_that_any_power_cut_may_leave_of_a_short_history_is_recovered() {
    let mut all = AllImages::default();
    for seed in seeds().take(setting("CLOAKROOM_HISTORIES").unwrap_or(6) as usize) {
        seeded(seed, || {
            let policy = [Durability::Always, Durability::EverySecond][seed as usize % 2];
            History::begin(seed, policy).run(25, &mut all);
        });
    }
    let AllImages {
        images,
        moments,
        left_out,
    } = all;
    eprintln!("{images} images of {moments} moments, {left_out} moments left out");
    assert!(moments > 10 * left_out);
}
