//! The faulty disk itself: what it may lose, and what it may not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use cloakroom::log::disk::{Disk, DiskFile};

use crate::fault_disk::{AllChoices, CutRules, Dice, Fault, FaultDisk, FaultKind};

const PAGE: usize = 512;

fn write(file: &dyn DiskFile, offset: u64, byte: u8, count: usize) {
    file.write_at(offset, &vec![byte; count]).unwrap();
}

/// All images that a power cut may leave of `name`.
fn images(disk: &FaultDisk, rules: CutRules, name: &str) -> BTreeSet<Option<Vec<u8>>> {
    let (cut, mut choices, mut found) = (disk.cut(), AllChoices::default(), BTreeSet::new());
    loop {
        found.insert(cut.image(rules, &mut choices).bytes(name));
        if !choices.next_round() {
            return found;
        }
    }
}

/// First byte of each sector.
fn sectors(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(PAGE).map(|sector| sector[0]).collect()
}

fn synced(name: &str, byte: u8, count: usize) -> (FaultDisk, Box<dyn DiskFile>) {
    let disk = FaultDisk::new();
    let file = disk.create(name).unwrap();
    write(&*file, 0, byte, count);
    file.sync().unwrap();
    disk.sync_names().unwrap();
    (disk, file)
}

#[test]
fn what_is_synced_survives_every_power_cut_and_nothing_else_must() {
    let (disk, file) = synced("a", 1, 2 * PAGE);
    assert_eq!(images(&disk, CutRules::SMALL, "a").len(), 1);
    write(&*file, 0, 2, 2 * PAGE);
    let images = images(&disk, CutRules::SMALL, "a");
    let seen: BTreeSet<_> = images.into_iter().map(|i| sectors(&i.unwrap())).collect();
    assert_eq!(
        seen,
        [[1, 1], [1, 2], [2, 1], [2, 2]].map(Vec::from).into(),
        "every mixture of old and new sectors"
    );
}

#[test]
fn sectors_are_kept_whole_and_later_writes_may_be_kept_without_earlier_ones() {
    let (disk, file) = synced("a", 0, 3 * PAGE);
    write(&*file, 0, 1, PAGE / 2);
    write(&*file, (PAGE / 2) as u64, 2, PAGE);
    let mut kinds = BTreeSet::new();
    for image in images(&disk, CutRules::JOURNALED, "a") {
        let image = image.unwrap();
        let [first, second, third] = [0, PAGE / 2, PAGE].map(|at| &image[at..at + PAGE / 2]);
        for half in [first, second, third] {
            assert!(
                half.iter().all(|byte| *byte == half[0]),
                "half a sector is one write"
            );
        }
        kinds.insert((first[0], second[0], third[0]));
    }
    assert!(
        kinds.contains(&(0, 2, 2)),
        "the second write without the first"
    );
    assert!(kinds.contains(&(1, 2, 0)), "the second write torn");
    assert!(kinds.contains(&(0, 0, 0)) && kinds.contains(&(1, 2, 2)));
    assert_eq!(kinds.len(), 8, "{kinds:?}");
}

#[test]
fn length_may_be_kept_without_its_bytes_and_bytes_never_without_their_length() {
    let (disk, file) = synced("a", 1, PAGE);
    write(&*file, PAGE as u64, 2, 2 * PAGE);
    let images = images(&disk, CutRules::SMALL, "a");
    let seen: BTreeSet<_> = images.into_iter().map(|i| sectors(&i.unwrap())).collect();
    let expected: [&[u8]; 6] = [
        &[1],
        &[1, 2],
        &[1, 0, 0],
        &[1, 2, 0],
        &[1, 0, 2],
        &[1, 2, 2],
    ];
    assert_eq!(seen, expected.map(Vec::from).into());
}

#[test]
fn names_are_lost_without_a_sync_of_names_however_often_the_file_is_synced() {
    let disk = FaultDisk::new();
    let file = disk.create("b").unwrap();
    write(&*file, 0, 1, PAGE);
    file.sync().unwrap();
    disk.rename("b", "a").unwrap();
    let found = images(&disk, CutRules::SMALL, "a");
    assert_eq!(found, [None, Some(vec![1; PAGE])].into());
    disk.sync_names().unwrap();
    assert_eq!(images(&disk, CutRules::SMALL, "a").len(), 1);
    disk.remove("a").unwrap();
    assert_eq!(
        images(&disk, CutRules::SMALL, "a").len(),
        2,
        "a removal too"
    );
}

#[test]
fn steps_on_names_are_kept_as_a_prefix_or_as_any_subset_or_entry_by_entry() {
    let disk = FaultDisk::new();
    disk.create("old").unwrap();
    disk.sync_names().unwrap();
    disk.rename("old", "new").unwrap();
    disk.create("other").unwrap();
    let counts = [CutRules::SMALL, CutRules::UNORDERED, CutRules::TORN_RENAMES].map(|rules| {
        let (cut, mut choices, mut found) = (disk.cut(), AllChoices::default(), BTreeSet::new());
        loop {
            let mut names = cut.image(rules, &mut choices).list().unwrap();
            names.sort();
            found.insert(names);
            if !choices.next_round() {
                return found.len();
            }
        }
    });
    assert_eq!(counts, [3, 4, 8]);
}

#[test]
fn file_that_was_replaced_is_there_again_when_its_successor_is_lost() {
    let (disk, _) = synced("a", 1, PAGE);
    let next = disk.create("b").unwrap();
    write(&*next, 0, 2, PAGE);
    next.sync().unwrap();
    disk.rename("b", "a").unwrap();
    let found = images(&disk, CutRules::SMALL, "a");
    assert_eq!(found, [Some(vec![1; PAGE]), Some(vec![2; PAGE])].into());
}

#[test]
fn process_that_is_killed_leaves_all_it_wrote_for_the_next_and_nothing_safe() {
    let (disk, file) = synced("a", 1, PAGE);
    write(&*file, 0, 2, PAGE);
    let next = disk.fork();
    write(&*file, 0, 3, PAGE);
    assert_eq!(next.bytes("a"), Some(vec![2; PAGE]));
    let found = images(&next, CutRules::SMALL, "a");
    assert_eq!(found, [Some(vec![1; PAGE]), Some(vec![2; PAGE])].into());
}

#[test]
fn kth_call_fails_as_ordered_and_the_next_does_not() {
    for (kind, code) in [(FaultKind::Eio, Some(5)), (FaultKind::Enospc, Some(28))] {
        let (disk, file) = synced("a", 1, PAGE);
        disk.inject(Fault::once(kind, disk.calls() + 2), 1);
        write(&*file, 0, 2, PAGE);
        let error = file.sync().unwrap_err();
        assert_eq!(error.raw_os_error(), code);
        file.sync().unwrap();
        assert_eq!(disk.injected(), 1);
    }
}

#[test]
fn failed_write_leaves_any_part_of_it() {
    let mut lengths = BTreeSet::new();
    for seed in 0..200 {
        let (disk, file) = synced("a", 1, PAGE);
        disk.inject(Fault::once(FaultKind::ShortWrite, disk.calls() + 1), seed);
        let error = file.write_at(0, &[2; 3]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WriteZero);
        let bytes = disk.bytes("a").unwrap();
        lengths.insert(bytes.iter().filter(|byte| **byte == 2).count());
    }
    assert_eq!(lengths, [0, 1, 2, 3].into());
}

#[test]
fn failed_sync_forgets_what_it_did_not_write_and_the_next_one_succeeds_without_it() {
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let (disk, file) = synced("a", 1, PAGE);
        write(&*file, 0, 2, PAGE);
        disk.inject(Fault::once(FaultKind::Eio, disk.calls() + 1), seed);
        file.sync().unwrap_err();
        file.sync().unwrap();
        let left = images(&disk, CutRules::SMALL, "a");
        assert_eq!(left.len(), 1, "nothing is left to be written");
        let left = left.first().unwrap().as_ref().unwrap()[0];
        seen.insert((disk.bytes("a").unwrap()[0], left));
    }
    let expected = [(1, 1), (2, 1), (2, 2)];
    assert_eq!(seen, expected.into(), "lost, lost but still seen, written");
}

#[test]
fn failed_sync_of_names_forgets_what_it_did_not_write() {
    let mut kept = BTreeSet::new();
    for seed in 0..50 {
        let disk = FaultDisk::new();
        disk.create("a").unwrap();
        disk.inject(Fault::once(FaultKind::Eio, disk.calls() + 1), seed);
        disk.sync_names().unwrap_err();
        disk.sync_names().unwrap();
        assert_eq!(disk.bytes("a"), Some(Vec::new()));
        let left = images(&disk, CutRules::SMALL, "a");
        assert!(
            left.contains(&disk.fork().bytes("a")),
            "the next process sees what there is"
        );
        kept.extend(left);
    }
    assert_eq!(kept, [None, Some(Vec::new())].into());
}

#[test]
fn failed_call_on_names_was_done_or_was_not() {
    let mut seen = BTreeSet::new();
    for seed in 0..50 {
        let (disk, _file) = synced("a", 1, 1);
        disk.inject(Fault::once(FaultKind::Eio, disk.calls() + 1), seed);
        disk.rename("a", "b").unwrap_err();
        seen.insert(disk.list().unwrap());
    }
    assert_eq!(seen, ["a", "b"].map(|name| vec![name.to_owned()]).into());
}

#[test]
fn full_disk_refuses_growth_takes_what_fits_and_has_room_again_after_a_removal() {
    let (disk, _file) = synced("a", 1, PAGE);
    disk.set_capacity(2 * PAGE as u64);
    let other = disk.create("b").unwrap();
    let error = other.write_at(0, &[2; 2 * PAGE]).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(28));
    assert_eq!(disk.bytes("b").unwrap().len(), PAGE);
    write(&*other, 0, 3, PAGE);
    disk.remove("a").unwrap();
    write(&*other, 0, 3, 2 * PAGE);
    assert_eq!(disk.used(), 2 * PAGE as u64);
}

#[test]
fn every_change_of_the_disk_is_between_two_cuts_that_know_what_was_reached() {
    let disk = FaultDisk::new();
    let reached = Arc::new(AtomicU64::new(7));
    disk.watch(reached.clone());
    let file = disk.create("a").unwrap();
    write(&*file, 0, 1, 1);
    file.sync().unwrap();
    reached.store(8, std::sync::atomic::Ordering::SeqCst);
    disk.list().unwrap();
    disk.sync_names().unwrap();
    let cuts = disk.take_cuts();
    let numbers: Vec<_> = cuts.iter().map(|cut| (cut.change, cut.reached)).collect();
    let expected = [
        (1, 7),
        (1, 7),
        (2, 7),
        (2, 7),
        (3, 7),
        (3, 7),
        (4, 8),
        (4, 8),
    ];
    assert_eq!(numbers, expected);
    let mut dice = Dice::new(1);
    let kept: Vec<_> = cuts
        .iter()
        .map(|cut| cut.image(CutRules::SMALL, &mut dice).bytes("a"))
        .collect();
    assert_eq!(kept[0], None, "before the file was made");
    assert_eq!(kept[7], Some(vec![1]), "after the names were synced");
    assert!(cuts[7].is_settled() && !cuts[6].is_settled());
    assert!(disk.take_cuts().is_empty());
}
