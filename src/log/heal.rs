//! What happens when a write or a sync of the log fails, and how it goes on: with a snapshot of all
//! sessions and a segment of its own, in files that have never failed. Memory holds the truth.
//!
//! A failed sync may leave pages that count as clean and were never written, so nothing is written
//! to that segment again, and no later success there is believed.

use std::sync::Arc;

use crate::log::background::SpareState;
use crate::log::job::{Healing, SnapshotStart, Turn};
use crate::log::saving::{Begun, Resume, SnapshotError};
use crate::log::segment::SegmentHeader;
use crate::log::shared::Shared;
use crate::log::status::Admission;
use crate::log::tail::{Failure, Tail};
use crate::log::writer::Writer;
use crate::model::Position;

/// Takes the cut: what is queued is dropped, since the snapshot will hold it; what is appended from
/// now on will stand in the new segment.
pub(super) fn begin(shared: &Arc<Shared>) -> Result<SnapshotStart, SnapshotError> {
    let now = shared.around.clock.now();
    let synced = shared.saving.request_healing(now)?;
    let turn = Turn::new(Arc::clone(shared), Some(Healing { synced }));
    let cut = {
        let mut queue = shared.queue();
        shared.status.taken(0);
        queue.cut()
    };
    let begun = Begun {
        number: shared.saving.highest_segment() + 1,
        first: cut,
        written: shared.status.written(),
    };
    Ok(SnapshotStart::new(turn, begun))
}

/// Begins the segment with which the log goes on; it is of no use without the snapshot.
pub(super) fn begin_segment(
    shared: &Shared,
    number: u64,
    first: Position,
    synced: Position,
) -> Result<Tail, SnapshotError> {
    if shared.background.spare_state() == SpareState::Failed {
        shared.background.want_spare();
    }
    let spare = shared
        .background
        .take_spare()
        .map_err(SnapshotError::NoSegment)?;
    let header = SegmentHeader {
        number,
        first,
        synced,
        created: shared.around.clock.now(),
        salt: shared.around.salt(),
        key_id: shared.around.key_id,
        own_snapshot: true,
    };
    Ok(Tail::begin(&*shared.around.disk, spare, header)?)
}

/// Hands the segment to the writer.
pub(super) fn resume(shared: &Shared, tail: Tail, cut: Position) {
    shared.saving.offer_resume(Resume { tail, cut });
    shared.wake();
}

impl Writer {
    /// Stops writing. What the writer holds is neither written nor acknowledged: the snapshot that
    /// heals the log will hold it.
    pub(super) fn fail(&mut self, failure: &Failure) {
        tracing::error!(
            %failure,
            "the log has failed: changes are refused until all sessions are saved anew"
        );
        let shared = &self.shared;
        self.tail = None;
        shared.status.settled(self.batch.drop_blocks());
        shared.status.set_admission(Admission::Failed);
        let now = shared.around.clock.now();
        shared.saving.fail(now, self.synced, failure.to_string());
    }

    /// Goes on in the new segment, if all is saved.
    pub(super) fn resume_if_healed(&mut self) {
        let now = self.shared.around.clock.now();
        let Some(Resume { tail, cut }) = self.shared.saving.take_resume(now) else {
            return;
        };
        tracing::info!(segment = tail.number(), "the log is healed and goes on");
        // A sync of the old segment may have ended since; nobody believes it.
        let _disbelieved = self.shared.background.finish_sync();
        let saved = Position(cut.0.saturating_sub(1));
        self.tail = Some(tail);
        self.written = saved;
        self.synced = saved;
        self.named = saved;
        self.unnamed = saved;
        self.unsynced_since = None;
        self.hurried = false;
        self.shared.background.want_spare();
        self.shared.status.set_admission(Admission::All);
        self.publish(saved);
    }
}
