//! The directory: which names the medium holds, which are seen, and the steps between the two.

use std::collections::BTreeMap;

use super::choice::Choice;

/// Stands for one file, whatever its names.
pub(crate) type FileId = u64;

/// What one step does to the entries: which file a name stands for from then on, if any.
type Step = Vec<(String, Option<FileId>)>;

/// How the steps since the last sync of names may be mixed at a power cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NameMixing {
    /// A prefix of the steps is kept, as a file system with a journal leaves them.
    Prefix,
    /// Any subset of the steps is kept.
    Steps,
    /// Any subset of the entries is kept: a rename may have made its new name and kept the old one,
    /// or lost both.
    Entries,
}

/// A flat directory. Cloning is cheap enough for every call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    durable: BTreeMap<String, FileId>,
    seen: BTreeMap<String, FileId>,
    pending: Vec<Step>,
}

impl Names {
    /// A directory whose names are all safe.
    pub(crate) fn durable(names: BTreeMap<String, FileId>) -> Self {
        Self {
            durable: names.clone(),
            seen: names,
            pending: Vec::new(),
        }
    }

    pub(crate) fn seen(&self) -> &BTreeMap<String, FileId> {
        &self.seen
    }

    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(crate) fn add(&mut self, name: &str, id: FileId) {
        self.step(vec![(name.to_owned(), Some(id))]);
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.step(vec![(name.to_owned(), None)]);
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str, id: FileId) {
        self.step(vec![(to.to_owned(), Some(id)), (from.to_owned(), None)]);
    }

    fn step(&mut self, step: Step) {
        for (name, id) in &step {
            set(&mut self.seen, name, *id);
        }
        self.pending.push(step);
    }

    pub(crate) fn sync(&mut self) {
        for (name, id) in self.pending.drain(..).flatten() {
            set(&mut self.durable, &name, id);
        }
    }

    /// A sync that failed: a prefix of the steps was written, the rest never will be, though it is
    /// still seen.
    pub(crate) fn fail_sync(&mut self, choice: &mut dyn Choice) {
        self.durable = self.after_cut(NameMixing::Prefix, choice);
        self.pending.clear();
    }

    /// What the next process finds: names that a failed sync has lost are gone by then.
    pub(crate) fn survive(&self) -> Self {
        let mut left = Self::durable(self.durable.clone());
        for step in &self.pending {
            left.step(step.clone());
        }
        left
    }

    /// The names the medium holds after a power cut.
    pub(crate) fn after_cut(
        &self,
        mixing: NameMixing,
        choice: &mut dyn Choice,
    ) -> BTreeMap<String, FileId> {
        let mut left = self.durable.clone();
        if self.pending.is_empty() {
            return left;
        }
        let kept = match mixing {
            NameMixing::Prefix => choice.choose(self.pending.len() + 1),
            NameMixing::Steps | NameMixing::Entries => self.pending.len(),
        };
        for step in &self.pending[..kept] {
            let whole = mixing != NameMixing::Steps || choice.coin();
            for (name, id) in step {
                if whole && (mixing != NameMixing::Entries || choice.coin()) {
                    set(&mut left, name, *id);
                }
            }
        }
        left
    }
}

fn set(names: &mut BTreeMap<String, FileId>, name: &str, id: Option<FileId>) {
    match id {
        Some(id) => drop(names.insert(name.to_owned(), id)),
        None => drop(names.remove(name)),
    }
}
