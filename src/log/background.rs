//! Errands beside the writer, so that commits wait for neither: the sync of the policy `everysec`,
//! and the spare. A thread of the log runs them; a writer that is stepped by hand runs them itself.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::log::disk::{Disk, DiskFile};
use crate::log::spare::{Spare, SpareMaker};
use crate::model::Position;

/// What a sync beside the writer came to: everything up to the position is safe, or nothing is known.
pub(super) type Synced = (Position, io::Result<()>);

/// How the next segment is coming on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SpareState {
    /// Nobody has asked for it.
    Unasked,
    /// It is being made.
    Coming,
    /// It can be taken.
    Ready,
    /// It could not be made.
    Failed,
}

/// What was run of an errand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Piece {
    /// There is no errand.
    None,
    /// One that is not the last of its errand.
    Another,
    /// The last one: the errand is done.
    Last,
}

/// The errands, and who runs them.
pub(super) struct Background {
    /// Held for moments, never during I/O.
    errands: Mutex<Errands>,
    /// Told whenever an errand comes or is done.
    changed: Condvar,
    /// Held by whoever runs the spare's errand, during its I/O.
    maker: Mutex<SpareMaker>,
    /// A thread runs the errands; otherwise whoever waits for one does.
    threaded: AtomicBool,
}

struct Errands {
    sync: SyncErrand,
    spare: SpareErrand,
    stop: bool,
}

enum SyncErrand {
    None,
    Wanted(Arc<dyn DiskFile>, Position),
    Running,
    Done(Synced),
}

enum SpareErrand {
    None,
    Wanted,
    Ready(Spare),
    Failed(io::Error),
}

impl Background {
    pub(super) fn new(disk: Arc<dyn Disk>, segment_bytes: u64) -> Self {
        Self {
            errands: Mutex::new(Errands {
                sync: SyncErrand::None,
                spare: SpareErrand::None,
                stop: false,
            }),
            changed: Condvar::new(),
            maker: Mutex::new(SpareMaker::new(disk, segment_bytes)),
            threaded: AtomicBool::new(false),
        }
    }

    /// Runs one piece of an errand, a sync before a spare.
    pub(super) fn work(&self) -> Piece {
        let mut errands = self.errands();
        if let SyncErrand::Wanted(..) = errands.sync {
            let wanted = std::mem::replace(&mut errands.sync, SyncErrand::Running);
            drop(errands);
            if let SyncErrand::Wanted(file, position) = wanted {
                let result = file.sync();
                self.errands().sync = SyncErrand::Done((position, result));
                self.changed.notify_all();
            }
            return Piece::Last;
        }
        if !matches!(errands.spare, SpareErrand::Wanted) {
            return Piece::None;
        }
        drop(errands);
        let made = self.maker().step();
        let done = match made {
            Ok(None) => return Piece::Another,
            Ok(Some(spare)) => SpareErrand::Ready(spare),
            Err(error) => SpareErrand::Failed(error),
        };
        self.errands().spare = done;
        self.changed.notify_all();
        Piece::Last
    }

    /// Runs errands until [`Background::stop`], calling `done` behind each.
    pub(super) fn run(&self, done: &dyn Fn()) {
        loop {
            let mut errands = self.errands();
            while !errands.is_due() && !errands.stop {
                errands = self.wait(errands);
            }
            if errands.stop {
                return;
            }
            drop(errands);
            if self.work() == Piece::Last {
                done();
            }
        }
    }

    /// From now on a thread calls [`Background::run`].
    pub(super) fn set_threaded(&self) {
        self.threaded.store(true, Ordering::Relaxed);
    }

    /// Lets the thread end; what is left is run by who waits for it.
    pub(super) fn stop(&self) {
        self.threaded.store(false, Ordering::Relaxed);
        self.errands().stop = true;
        self.changed.notify_all();
    }

    pub(super) fn is_threaded(&self) -> bool {
        self.threaded.load(Ordering::Relaxed)
    }

    /// Wants `file` synced, which holds everything up to `position`. `false`: another sync is under
    /// way or its result has not been taken.
    pub(super) fn want_sync(&self, file: &Arc<dyn DiskFile>, position: Position) -> bool {
        let mut errands = self.errands();
        let is_free = matches!(errands.sync, SyncErrand::None);
        if is_free {
            errands.sync = SyncErrand::Wanted(Arc::clone(file), position);
            self.changed.notify_all();
        }
        is_free
    }

    /// A sync can be wanted.
    pub(super) fn is_sync_free(&self) -> bool {
        matches!(self.errands().sync, SyncErrand::None)
    }

    /// The result of the last sync, once.
    pub(super) fn take_synced(&self) -> Option<Synced> {
        let mut errands = self.errands();
        match std::mem::replace(&mut errands.sync, SyncErrand::None) {
            SyncErrand::Done(synced) => Some(synced),
            other @ (SyncErrand::None | SyncErrand::Wanted(..) | SyncErrand::Running) => {
                errands.sync = other;
                None
            }
        }
    }

    /// Waits for a sync that is wanted or under way, and takes its result.
    pub(super) fn finish_sync(&self) -> Option<Synced> {
        self.await_while(|errands| {
            matches!(errands.sync, SyncErrand::Wanted(..) | SyncErrand::Running)
        });
        self.take_synced()
    }

    /// Wants a spare, unless one is there or coming.
    pub(super) fn want_spare(&self) {
        let mut errands = self.errands();
        if matches!(errands.spare, SpareErrand::None | SpareErrand::Failed(_)) {
            errands.spare = SpareErrand::Wanted;
            self.changed.notify_all();
        }
    }

    pub(super) fn spare_state(&self) -> SpareState {
        match self.errands().spare {
            SpareErrand::None => SpareState::Unasked,
            SpareErrand::Wanted => SpareState::Coming,
            SpareErrand::Ready(_) => SpareState::Ready,
            SpareErrand::Failed(_) => SpareState::Failed,
        }
    }

    /// Waits for a spare that is coming, and takes it.
    ///
    /// # Errors
    /// Why it could not be made; the errand then stays failed until it is wanted again.
    pub(super) fn take_spare(&self) -> io::Result<Spare> {
        if self.spare_state() == SpareState::Unasked {
            self.want_spare();
        }
        self.await_while(|errands| matches!(errands.spare, SpareErrand::Wanted));
        let mut errands = self.errands();
        match std::mem::replace(&mut errands.spare, SpareErrand::None) {
            SpareErrand::Ready(spare) => Ok(spare),
            SpareErrand::Failed(error) => {
                let told = copy_of(&error);
                errands.spare = SpareErrand::Failed(error);
                Err(told)
            }
            other @ (SpareErrand::None | SpareErrand::Wanted) => {
                errands.spare = other;
                Err(io::Error::other("somebody else has taken the spare"))
            }
        }
    }

    /// Makes the first spare, here and now, with `first` bytes; later ones have `bytes` bytes.
    ///
    /// # Errors
    /// Why it could not be made.
    pub(super) fn take_first_spare(&self, first: u64, bytes: u64) -> io::Result<Spare> {
        self.maker().set_bytes(first);
        let spare = self.take_spare();
        self.maker().set_bytes(bytes);
        spare
    }

    /// Why there is no spare.
    pub(super) fn spare_failure(&self) -> Option<io::Error> {
        match &self.errands().spare {
            SpareErrand::Failed(error) => Some(copy_of(error)),
            SpareErrand::None | SpareErrand::Wanted | SpareErrand::Ready(_) => None,
        }
    }

    /// Puts a spare back that was not used.
    pub(super) fn return_spare(&self, spare: Spare) {
        self.errands().spare = SpareErrand::Ready(spare);
    }

    fn await_while(&self, pending: impl Fn(&Errands) -> bool) {
        loop {
            let errands = self.errands();
            if !pending(&errands) {
                return;
            }
            if self.is_threaded() {
                drop(self.wait(errands));
            } else {
                drop(errands);
                self.work();
            }
        }
    }

    fn errands(&self) -> MutexGuard<'_, Errands> {
        self.errands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn maker(&self) -> MutexGuard<'_, SpareMaker> {
        self.maker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, errands: MutexGuard<'a, Errands>) -> MutexGuard<'a, Errands> {
        self.changed
            .wait(errands)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Errands {
    fn is_due(&self) -> bool {
        matches!(self.sync, SyncErrand::Wanted(..)) || matches!(self.spare, SpareErrand::Wanted)
    }
}

/// The same error again; the system's has no copy of its own.
fn copy_of(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
