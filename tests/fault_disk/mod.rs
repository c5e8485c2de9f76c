//! A disk in memory that loses, tears, reorders, refuses and forgets: the medium of the simulation.
//!
//! What it does, and which of it a log must survive:
//!
//! | fault | must be survived |
//! |---|---|
//! | a power cut before or after any call: each write since the last sync of its file is kept, lost or torn at 512-byte sectors, in any order; so is a length; lost bytes read as zeros | yes: what was synced is all there |
//! | names since the last `sync_names` (made, renamed, removed) are lost: all from some step on ([`NameMixing::Prefix`]), or any of them ([`NameMixing::Steps`]) | yes |
//! | a rename that is not one step: both names or neither are left ([`NameMixing::Entries`]) | yes, since no rename is built upon before its `sync_names` |
//! | any call fails with EIO, once or for a while; a failed rename, removal or creation was done or was not | yes: nothing is acknowledged until it is healed, reads go on |
//! | any call fails with ENOSPC, or the disk is full | yes, and removals go on |
//! | a write is cut short | yes |
//! | a failed sync: each sector was written or was not, later syncs of the file succeed without writing it, reads see it or see the old bytes, also in the next process | yes |
//! | a failed `sync_names`: names from some step on never reach the medium, though this process sees them | yes |
//! | a process killed: all calls that were done are seen by the next process, synced or not | yes |
//!
//! Not injected, since nothing is promised then: a sector that is half old and half new; bytes that
//! change after they were synced (the tests of the formats flip those); names that a failed
//! `sync_names` has lost and that the next process still sees (a file system whose journal fails is
//! stopped, and shows what the medium holds when it comes back).

mod choice;
mod fault;
mod inode;
mod medium;
mod names;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use cloakroom::log::disk::{Disk, DiskFile};

pub(crate) use choice::{AllChoices, Choice, Dice};
pub(crate) use fault::{Fault, FaultKind};
pub(crate) use medium::CutRules;

use fault::Call;
use inode::Inode;
use medium::Medium;
use names::FileId;

/// The disk. Clones are the same disk.
#[derive(Clone)]
pub(crate) struct FaultDisk(Arc<Mutex<State>>);

struct State {
    medium: Medium,
    calls: u64,
    changes: u64,
    faults: Vec<Fault>,
    injected: u64,
    dice: Dice,
    capacity: u64,
    watch: Option<Arc<AtomicU64>>,
    cuts: Vec<Cut>,
}

/// A moment at which the power may be cut.
#[derive(Clone)]
pub(crate) struct Cut {
    medium: Medium,
    /// What the watched number was: how far the log was known to be safe.
    pub(crate) reached: u64,
    /// How many calls that change something had been begun.
    pub(crate) change: u64,
}

impl Cut {
    /// A disk as this power cut may leave it.
    pub(crate) fn image(&self, rules: CutRules, choice: &mut dyn Choice) -> FaultDisk {
        FaultDisk::with(self.medium.after_cut(rules, choice))
    }

    /// A disk as the next process finds it when this one dies and the power stays: with all that was
    /// done, and with all that may still be lost.
    pub(crate) fn survivor(&self) -> FaultDisk {
        FaultDisk::with(self.medium.survive())
    }

    /// Whether there is only one image.
    pub(crate) fn is_settled(&self) -> bool {
        self.medium.is_settled()
    }
}

impl FaultDisk {
    /// An empty disk without faults and without bounds.
    pub(crate) fn new() -> Self {
        Self::with(Medium::default())
    }

    fn with(medium: Medium) -> Self {
        Self(Arc::new(Mutex::new(State {
            medium,
            calls: 0,
            changes: 0,
            faults: Vec::new(),
            injected: 0,
            dice: Dice::new(0),
            capacity: u64::MAX,
            watch: None,
            cuts: Vec::new(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Another disk in the same state, without its faults: what the next process finds when this
    /// one is killed.
    pub(crate) fn fork(&self) -> Self {
        let state = self.state();
        let fork = Self::with(state.medium.survive());
        fork.state().capacity = state.capacity;
        fork
    }

    /// This moment as one at which the power may be cut.
    pub(crate) fn cut(&self) -> Cut {
        self.state().cut()
    }

    /// Notes a cut before and after every call that changes something, each with the number that
    /// `reached` had.
    pub(crate) fn watch(&self, reached: Arc<AtomicU64>) {
        self.state().watch = Some(reached);
    }

    /// The cuts noted since the last time.
    pub(crate) fn take_cuts(&self) -> Vec<Cut> {
        std::mem::take(&mut self.state().cuts)
    }

    /// Calls so far, of all kinds.
    pub(crate) fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Lets calls fail. What a failed call leaves half done follows from `seed`.
    pub(crate) fn inject(&self, fault: Fault, seed: u64) {
        let mut state = self.state();
        state.faults.push(fault);
        state.dice = Dice::new(seed);
    }

    /// Takes all faults back.
    pub(crate) fn mend(&self) {
        self.state().faults.clear();
    }

    /// Calls that were made to fail so far.
    pub(crate) fn injected(&self) -> u64 {
        self.state().injected
    }

    /// Bounds the bytes of all files.
    pub(crate) fn set_capacity(&self, bytes: u64) {
        self.state().capacity = bytes;
    }

    /// The bytes of all files.
    pub(crate) fn used(&self) -> u64 {
        self.state().medium.used()
    }

    /// What a file holds; `None` when there is none of this name.
    pub(crate) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let id = state.medium.names.seen().get(name)?;
        Some(state.medium.file(*id).seen().to_vec())
    }

    /// Alters what the medium holds of a file, as a failing medium does.
    pub(crate) fn alter(&self, name: &str, alter: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.bytes(name).unwrap();
        alter(&mut bytes);
        let state = &mut *self.state();
        let id = state.medium.names.seen()[name];
        *state.medium.file_mut(id) = Inode::durable(bytes);
    }

    /// Does one call: counts it, notes the cuts around it, and tells it whether it is to fail.
    fn call<T>(
        &self,
        call: Call,
        act: impl FnOnce(&mut State, Option<io::Error>) -> io::Result<T>,
    ) -> io::Result<T> {
        let state = &mut *self.state();
        state.calls += 1;
        let fault = state.fault(call);
        if call == Call::Read {
            return act(state, fault);
        }
        state.changes += 1;
        state.note_cut();
        let result = act(state, fault);
        state.note_cut();
        result
    }

    /// Does a call on names. When it fails, it was done or it was not.
    fn call_names<T>(&self, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        self.call(Call::Name, |state, fault| match fault {
            Some(error) => {
                if state.dice.coin() {
                    drop(act(state));
                }
                Err(error)
            }
            None => act(state),
        })
    }

    fn open_file(&self, id: FileId) -> Box<dyn DiskFile> {
        Box::new(OpenFile {
            disk: self.clone(),
            id,
        })
    }
}

impl State {
    fn cut(&self) -> Cut {
        let reached = self.watch.as_ref();
        Cut {
            medium: self.medium.clone(),
            reached: reached.map_or(0, |reached| reached.load(Ordering::SeqCst)),
            change: self.changes,
        }
    }

    fn note_cut(&mut self) {
        if self.watch.is_some() {
            self.cuts.push(self.cut());
        }
    }

    /// The error of the present call.
    fn fault(&mut self, call: Call) -> Option<io::Error> {
        let found = self.faults.iter().find(|f| f.hits(self.calls, call))?;
        self.injected += 1;
        Some(found.kind.error(call))
    }

    fn id(&self, name: &str) -> io::Result<FileId> {
        let found = self.medium.names.seen().get(name);
        found.copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Writes what there is room for.
    fn write(&mut self, id: FileId, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let length = self.medium.file(id).seen().len();
        let grown = (offset + bytes.len()).saturating_sub(length) as u64;
        let room = self.capacity.saturating_sub(self.medium.used());
        let lacking = grown.saturating_sub(room) as usize;
        let fits = bytes.len().saturating_sub(lacking);
        if fits > 0 {
            self.medium.file_mut(id).write(offset, &bytes[..fits]);
        }
        if lacking > 0 {
            return Err(FaultKind::Enospc.error(Call::Write));
        }
        Ok(())
    }
}

impl Disk for FaultDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.call(Call::Read, |state, fault| {
            refuse(fault)?;
            Ok(state.medium.names.seen().keys().cloned().collect())
        })
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.call_names(|state| {
            let id = state.medium.make();
            state.medium.names.add(name, id);
            Ok(self.open_file(id))
        })
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.call(Call::Read, |state, fault| {
            refuse(fault)?;
            Ok(self.open_file(state.id(name)?))
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.call_names(|state| {
            let id = state.id(from)?;
            state.medium.names.rename(from, to, id);
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.call_names(|state| {
            state.id(name)?;
            state.medium.names.remove(name);
            Ok(())
        })
    }

    fn sync_names(&self) -> io::Result<()> {
        self.call(Call::Sync, |state, fault| {
            if let Some(error) = fault {
                state.medium.names.fail_sync(&mut state.dice);
                return Err(error);
            }
            state.medium.names.sync();
            Ok(())
        })
    }
}

fn refuse(fault: Option<io::Error>) -> io::Result<()> {
    fault.map_or(Ok(()), Err)
}

struct OpenFile {
    disk: FaultDisk,
    id: FileId,
}

impl DiskFile for OpenFile {
    fn length(&self) -> io::Result<u64> {
        self.disk.call(Call::Read, |state, fault| {
            refuse(fault)?;
            Ok(state.medium.file(self.id).seen().len() as u64)
        })
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        self.disk.call(Call::Read, |state, fault| {
            refuse(fault)?;
            let seen = state.medium.file(self.id).seen();
            let from = seen.len().min(offset as usize);
            let count = bytes.len().min(seen.len() - from);
            bytes[..count].copy_from_slice(&seen[from..from + count]);
            Ok(count)
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.call(Call::Write, |state, fault| {
            if let Some(error) = fault {
                let part = state.dice.choose(bytes.len() + 1);
                drop(state.write(self.id, offset as usize, &bytes[..part]));
                return Err(error);
            }
            state.write(self.id, offset as usize, bytes)
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.call(Call::Sync, |state, fault| {
            let State { medium, dice, .. } = state;
            if let Some(error) = fault {
                medium.file_mut(self.id).fail_sync(dice);
                return Err(error);
            }
            medium.file_mut(self.id).sync();
            Ok(())
        })
    }
}
