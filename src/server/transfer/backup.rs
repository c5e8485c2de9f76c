//! Writes all sessions as one file in the format of a snapshot, in constant memory.

use std::io;

use crate::clock::Millis;
use crate::engine::Engine;
use crate::log::key::KeyId;
use crate::log::snapshot::{SnapshotHeader, SnapshotTotals, SnapshotWriter};
use crate::model::Position;

/// Sessions copied under one hold of a lock.
const SESSIONS_PER_SLICE: usize = 256;
/// Bytes that are handed on at once.
const BATCH_BYTES: usize = 512 << 10;

/// What a backup is made with.
#[derive(Clone, Copy, Debug)]
pub struct BackupSeal {
    /// When it is begun.
    pub now: Millis,
    /// Random bytes.
    pub salt: [u8; 16],
    /// The fingerprint of the key.
    pub key_id: KeyId,
    /// The key itself, if the backup is to carry it.
    pub bundled_key: Option<[u8; 32]>,
}

/// Hands a backup to `out`, piece by piece. Sessions may change meanwhile: one that lives all the time
/// is in it once, as it stood at some moment.
///
/// # Errors
/// Those of `out`; what it got is useless then.
pub fn backup(
    engine: &Engine,
    seal: &BackupSeal,
    out: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<SnapshotTotals> {
    let header = SnapshotHeader {
        // Whoever restores it begins a log of his own.
        number: 1,
        first: Position(1),
        epochs: engine.newest_epoch(),
        created: seal.now,
        salt: seal.salt,
        key_id: seal.key_id,
        bundled_key: seal.bundled_key,
    };
    let mut writer = SnapshotWriter::begin(&header, out)?;
    let mut from = Some(0);
    while let Some(place) = from {
        from = engine.walk_states(place, SESSIONS_PER_SLICE, &mut |session| {
            writer.push(session);
        });
        if writer.unwritten() >= BATCH_BYTES {
            writer.flush()?;
        }
    }
    writer.finish()
}
