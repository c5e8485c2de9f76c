//! All files and names of one disk at one moment, and the images a power cut may leave of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::choice::Choice;
use super::inode::{Inode, Mixing};
use super::names::{FileId, NameMixing, Names};

/// What a power cut may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CutRules {
    pub(crate) writes: Mixing,
    pub(crate) names: NameMixing,
    /// Files whose names end so are empty, whatever was written: nobody reads them.
    pub(crate) emptied: Option<&'static str>,
}

impl CutRules {
    /// The order in which steps on names reach the medium is kept, that of writes is not.
    pub(crate) const JOURNALED: Self = Self {
        writes: Mixing::Any,
        names: NameMixing::Prefix,
        emptied: None,
    };
    /// Neither order is kept.
    pub(crate) const UNORDERED: Self = Self {
        writes: Mixing::Any,
        names: NameMixing::Steps,
        emptied: None,
    };
    /// Neither order is kept, and a rename is not one step.
    pub(crate) const TORN_RENAMES: Self = Self {
        writes: Mixing::Any,
        names: NameMixing::Entries,
        emptied: None,
    };
    /// Few enough cases to go through all of them.
    pub(crate) const SMALL: Self = Self {
        writes: Mixing::Sectors,
        names: NameMixing::Prefix,
        emptied: Some(".tmp"),
    };
}

/// Files and names. Cloning is cheap: bytes are shared until one side writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Medium {
    pub(crate) names: Names,
    files: BTreeMap<FileId, Arc<Inode>>,
    next: FileId,
}

impl Medium {
    /// A new file without a name.
    pub(crate) fn make(&mut self) -> FileId {
        self.next += 1;
        self.files.insert(self.next, Arc::default());
        self.next
    }

    pub(crate) fn file(&self, id: FileId) -> &Inode {
        &self.files[&id]
    }

    pub(crate) fn file_mut(&mut self, id: FileId) -> &mut Inode {
        Arc::make_mut(self.files.get_mut(&id).unwrap())
    }

    /// The bytes that the files with names take.
    pub(crate) fn used(&self) -> u64 {
        let lengths = self
            .names
            .seen()
            .values()
            .map(|id| self.file(*id).seen().len() as u64);
        lengths.sum()
    }

    /// Whether a power cut now would leave exactly what is seen.
    pub(crate) fn is_settled(&self) -> bool {
        !self.names.has_pending() && !self.files.values().any(|file| file.has_pending())
    }

    /// What the next process finds when this one dies and the power stays.
    pub(crate) fn survive(&self) -> Self {
        Self {
            names: self.names.survive(),
            ..self.clone()
        }
    }

    /// What a power cut at this moment leaves.
    pub(crate) fn after_cut(&self, rules: CutRules, choice: &mut dyn Choice) -> Self {
        let names = self.names.after_cut(rules.names, choice);
        let mut left = Self {
            next: self.next,
            ..Self::default()
        };
        for (name, id) in &names {
            let is_emptied = rules.emptied.is_some_and(|end| name.ends_with(end));
            // A file may have two names; one that is read has its bytes.
            if is_emptied {
                left.files.entry(*id).or_default();
            } else {
                let bytes = self.file(*id).after_cut(rules.writes, choice);
                left.files.insert(*id, Arc::new(Inode::durable(bytes)));
            }
        }
        left.names = Names::durable(names);
        left
    }
}
