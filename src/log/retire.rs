//! Which files a complete snapshot makes superfluous, and their removal. Two generations are kept:
//! the two newest snapshots, and all segments from the older one's number on.

use crate::log::disk::Disk;
use crate::log::name::FileName;
use crate::log::tail::Failure;

/// The snapshots that are no longer needed, then the segments and torn ends, each oldest first.
pub(super) fn superfluous(files: &[FileName]) -> (Vec<FileName>, Vec<FileName>) {
    let mut snapshots: Vec<u64> = files
        .iter()
        .filter_map(|file| match file {
            FileName::Snapshot(number) => Some(*number),
            FileName::Lock
            | FileName::Key
            | FileName::AdminSocket
            | FileName::Segment(_)
            | FileName::Torn(_)
            | FileName::Spare
            | FileName::SnapshotTmp
            | FileName::KeyTmp
            | FileName::Unknown => None,
        })
        .collect();
    snapshots.sort_unstable_by(|a, b| b.cmp(a));
    // Before the second snapshot the older generation is the log from its beginning.
    let Some(&oldest_kept) = snapshots.get(1) else {
        return (Vec::new(), Vec::new());
    };
    let mut logs: Vec<FileName> = files
        .iter()
        .copied()
        .filter(|file| matches!(file, FileName::Segment(n) | FileName::Torn(n) if *n < oldest_kept))
        .collect();
    logs.sort_unstable();
    let older = snapshots.into_iter().skip(2).rev();
    (older.map(FileName::Snapshot).collect(), logs)
}

/// Removes what is superfluous. Snapshots go first and for good: one without its segments would look
/// like a damaged generation.
pub(super) fn retire(disk: &dyn Disk) -> Result<(), Failure> {
    let failed = |verb, name| move |error| Failure { verb, name, error };
    let names = disk
        .list()
        .map_err(failed("list the files beside", FileName::Lock))?;
    let files: Vec<FileName> = names.iter().map(|name| FileName::parse(name)).collect();
    let (snapshots, logs) = superfluous(&files);
    for name in &snapshots {
        disk.remove(&name.text()).map_err(failed("remove", *name))?;
    }
    if let Some(name) = snapshots.last() {
        disk.sync_names()
            .map_err(failed("sync the removal of", *name))?;
    }
    for name in &logs {
        disk.remove(&name.text()).map_err(failed("remove", *name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::superfluous;
    use crate::log::name::FileName::{self, Key, Lock, Segment, Snapshot, Spare, Torn, Unknown};

    #[test]
    fn nothing_is_superfluous_before_the_second_snapshot() {
        for snapshots in [&[][..], &[Snapshot(3)]] {
            let mut files = vec![Segment(1), Segment(2), Segment(3), Torn(1), Key];
            files.extend(snapshots);
            assert_eq!(superfluous(&files), (vec![], vec![]));
        }
    }

    #[test]
    fn two_snapshots_and_the_segments_of_the_older_one_are_kept() {
        let files = [
            Segment(9),
            Snapshot(9),
            Snapshot(4),
            Segment(6),
            Segment(3),
            Snapshot(6),
            Segment(4),
            Segment(5),
            Torn(5),
            Torn(6),
            Snapshot(2),
            Lock,
            Spare,
            Unknown,
        ];
        let expected: (Vec<FileName>, Vec<FileName>) = (
            vec![Snapshot(2), Snapshot(4)],
            vec![Segment(3), Segment(4), Segment(5), Torn(5)],
        );
        assert_eq!(superfluous(&files), expected);
    }
}
