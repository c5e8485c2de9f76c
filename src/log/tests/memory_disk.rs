//! A disk in memory: remembers what a power cut would leave, fails where it is told to, and has a
//! size.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::log::disk::{Disk, DiskFile};
use crate::log::name::FileName;

/// What is asked of a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verb {
    List,
    Create,
    Open,
    Rename,
    Remove,
    SyncNames,
    Read,
    Write,
    Sync,
}

pub(super) const EIO: i32 = 5;
pub(super) const ENOSPC: i32 = 28;

/// One call that fails.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    /// `None`: any call.
    pub(super) verb: Option<Verb>,
    /// Only on this file; `None`: on any. Renames count for the new name.
    pub(super) name: Option<FileName>,
    /// So many calls that fit go well before.
    pub(super) after: usize,
    pub(super) error: i32,
    /// Bytes that a write leaves behind all the same.
    pub(super) partial: usize,
}

#[derive(Clone, Default)]
pub(super) struct MemoryDisk(Arc<Mutex<World>>);

#[derive(Default)]
struct World {
    names: BTreeMap<String, File>,
    safe_names: BTreeMap<String, File>,
    faults: Vec<Fault>,
    calls: Vec<(Verb, FileName)>,
    /// Bytes of all files together.
    capacity: Option<usize>,
}

type File = Arc<Mutex<Bytes>>;

#[derive(Default)]
struct Bytes {
    cached: Vec<u8>,
    safe: Vec<u8>,
    /// What the next sync writes: a failed one forgets it, as the systems do.
    dirty: Vec<(usize, usize)>,
}

impl MemoryDisk {
    pub(super) fn fail(&self, fault: Fault) {
        self.world().faults.push(fault);
    }

    /// Lets the next such call on such a file fail with EIO.
    pub(super) fn fail_next(&self, verb: Verb, name: Option<FileName>) {
        self.fail(Fault {
            verb: Some(verb),
            name,
            after: 0,
            error: EIO,
            partial: 0,
        });
    }

    pub(super) fn set_capacity(&self, bytes: Option<usize>) {
        self.world().capacity = bytes;
    }

    /// Faults that have not happened yet.
    pub(super) fn faults_left(&self) -> usize {
        self.world().faults.len()
    }

    pub(super) fn used(&self) -> usize {
        self.world().used()
    }

    /// The calls so far, once.
    pub(super) fn take_calls(&self) -> Vec<(Verb, FileName)> {
        std::mem::take(&mut self.world().calls)
    }

    /// What another process finds after this one was killed.
    pub(super) fn after_kill(&self) -> Self {
        let world = self.world();
        let copied = |(name, file): (&String, &File)| {
            let file = file.lock().unwrap();
            let bytes = Bytes {
                cached: file.cached.clone(),
                safe: file.safe.clone(),
                dirty: file.dirty.clone(),
            };
            (name.clone(), Arc::new(Mutex::new(bytes)))
        };
        let names: BTreeMap<String, File> = world.names.iter().map(copied).collect();
        let safe_names = world.safe_names.iter().map(|(name, file)| {
            let same = world.names.iter().find(|(_, f)| Arc::ptr_eq(f, file));
            let file = same.map_or_else(|| copied((name, file)).1, |(n, _)| names[n].clone());
            (name.clone(), file)
        });
        Self(Arc::new(Mutex::new(World {
            safe_names: safe_names.collect(),
            names: names.clone(),
            ..World::default()
        })))
    }

    /// What the disk holds after the power went.
    pub(super) fn after_power_cut(&self) -> Self {
        let world = self.world();
        let names: BTreeMap<String, File> = world
            .safe_names
            .iter()
            .map(|(name, file)| {
                let safe = file.lock().unwrap().safe.clone();
                let bytes = Bytes {
                    cached: safe.clone(),
                    safe,
                    dirty: Vec::new(),
                };
                (name.clone(), Arc::new(Mutex::new(bytes)))
            })
            .collect();
        Self(Arc::new(Mutex::new(World {
            safe_names: names.clone(),
            names,
            ..World::default()
        })))
    }

    pub(super) fn files(&self) -> Vec<FileName> {
        let world = self.world();
        world.names.keys().map(|n| FileName::parse(n)).collect()
    }

    pub(super) fn bytes(&self, name: FileName) -> Vec<u8> {
        let file = Arc::clone(&self.world().names[&name.text()]);
        let bytes = file.lock().unwrap();
        bytes.cached.clone()
    }

    /// Alters a file behind everybody's back.
    pub(super) fn alter(&self, name: FileName, change: impl FnOnce(&mut Vec<u8>)) {
        let file = Arc::clone(&self.world().names[&name.text()]);
        let mut bytes = file.lock().unwrap();
        change(&mut bytes.cached);
        bytes.safe = bytes.cached.clone();
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    fn call(&self, verb: Verb, name: &str) -> Result<MutexGuard<'_, World>, (io::Error, usize)> {
        let mut world = self.world();
        let name = FileName::parse(name);
        world.calls.push((verb, name));
        let fits = |f: &Fault| f.verb.is_none_or(|v| v == verb) && f.name.is_none_or(|n| n == name);
        if let Some(place) = world.faults.iter().position(fits) {
            if world.faults[place].after == 0 {
                let fault = world.faults.remove(place);
                return Err((io::Error::from_raw_os_error(fault.error), fault.partial));
            }
            world.faults[place].after -= 1;
        }
        Ok(world)
    }
}

impl World {
    fn used(&self) -> usize {
        let sizes = self.names.values().map(|f| f.lock().unwrap().cached.len());
        sizes.sum()
    }
}

impl Disk for MemoryDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let world = self.call(Verb::List, "").map_err(|(error, _)| error)?;
        Ok(world.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut world = self.call(Verb::Create, name).map_err(|(error, _)| error)?;
        let bytes = File::default();
        world.names.insert(name.into(), Arc::clone(&bytes));
        let (disk, name) = (self.clone(), name.into());
        Ok(Box::new(OpenFile { disk, name, bytes }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let world = self.call(Verb::Open, name).map_err(|(error, _)| error)?;
        let bytes = world.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(OpenFile {
            disk: self.clone(),
            name: name.into(),
            bytes: Arc::clone(bytes),
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut world = self.call(Verb::Rename, to).map_err(|(error, _)| error)?;
        let file = world.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        world.names.insert(to.into(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut world = self.call(Verb::Remove, name).map_err(|(error, _)| error)?;
        let removed = world.names.remove(name);
        removed.map(|_| ()).ok_or(io::ErrorKind::NotFound.into())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut world = self.call(Verb::SyncNames, "").map_err(|(error, _)| error)?;
        world.safe_names = world.names.clone();
        Ok(())
    }
}

struct OpenFile {
    disk: MemoryDisk,
    name: String,
    bytes: File,
}

impl OpenFile {
    /// The name under which the file is now, for it may have been renamed.
    fn name(&self) -> String {
        let world = self.disk.world();
        let mut named = world.names.iter();
        let found = named.find(|(_, file)| Arc::ptr_eq(file, &self.bytes));
        found.map_or_else(|| self.name.clone(), |(name, _)| name.clone())
    }

    fn put(&self, offset: usize, bytes: &[u8]) {
        let mut file = self.bytes.lock().unwrap();
        let end = offset + bytes.len();
        let length = file.cached.len().max(end);
        file.cached.resize(length, 0);
        file.cached[offset..end].copy_from_slice(bytes);
        file.dirty.push((offset, end));
    }
}

impl DiskFile for OpenFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().unwrap().cached.len() as u64)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let called = self.disk.call(Verb::Read, &self.name());
        drop(called.map_err(|(error, _)| error)?);
        let file = self.bytes.lock().unwrap();
        let rest = file.cached.get(usize::try_from(offset).unwrap()..);
        let rest = rest.unwrap_or_default();
        let length = rest.len().min(bytes.len());
        bytes[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        match self.disk.call(Verb::Write, &self.name()) {
            Ok(world) => {
                let length = self.bytes.lock().unwrap().cached.len();
                let grown = (offset + bytes.len()).saturating_sub(length);
                if world.capacity.is_some_and(|max| world.used() + grown > max) {
                    return Err(io::Error::from_raw_os_error(ENOSPC));
                }
                drop(world);
                self.put(offset, bytes);
                Ok(())
            }
            Err((error, partial)) => {
                self.put(offset, &bytes[..partial.min(bytes.len())]);
                Err(error)
            }
        }
    }

    fn sync(&self) -> io::Result<()> {
        let called = self.disk.call(Verb::Sync, &self.name());
        let error = called.err().map(|(error, _)| error);
        let mut file = self.bytes.lock().unwrap();
        let dirty = std::mem::take(&mut file.dirty);
        if let Some(error) = error {
            return Err(error);
        }
        let length = file.cached.len();
        file.safe.resize(length, 0);
        for (start, end) in dirty {
            let Bytes { cached, safe, .. } = &mut *file;
            safe[start..end].copy_from_slice(&cached[start..end]);
        }
        Ok(())
    }
}
