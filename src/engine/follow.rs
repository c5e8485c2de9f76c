//! Following a session through its rotations, for verbs that take longer than one step.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::read::with_locked;
use super::{Engine, Key};
use crate::clock::Millis;
use crate::model::{AppName, Handle};

/// A session that is followed: its handle is known at every moment, whatever id it gets, until this
/// is dropped. Should the session end, it is the last handle that it had.
#[derive(Debug)]
pub struct Followed(Arc<AtomicU64>);

/// The sessions that are followed. Its lock is a leaf: it is taken while shards are locked.
#[derive(Debug, Default)]
pub(super) struct Followers {
    /// How many stand in the list, so that a rotation that concerns none takes no lock. Who changes
    /// it, and who has to know, hold the shard of the session.
    count: AtomicUsize,
    handles: Mutex<Vec<Weak<AtomicU64>>>,
}

impl Followed {
    /// Its handle now. Who holds the shard of a session knows for sure whether it is this one.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(self.0.load(Ordering::Acquire))
    }
}

impl Followers {
    /// Begins to follow the session that has this handle. To be called while its shard is locked.
    fn add(&self, handle: Handle) -> Followed {
        let followed = Arc::new(AtomicU64::new(handle.0));
        self.change(|handles| handles.push(Arc::downgrade(&followed)));
        Followed(followed)
    }

    /// The session `old` is `new` from now on. To be called while both shards are locked.
    pub(super) fn moved(&self, old: Handle, new: Handle) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        self.change(|handles| {
            for followed in handles.iter().filter_map(Weak::upgrade) {
                if followed.load(Ordering::Acquire) == old.0 {
                    followed.store(new.0, Ordering::Release);
                }
            }
        });
    }

    /// Changes the list, from which those go that nobody follows any more.
    fn change(&self, change: impl FnOnce(&mut Vec<Weak<AtomicU64>>)) {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        handles.retain(|followed| followed.strong_count() > 0);
        change(&mut handles);
        self.count.store(handles.len(), Ordering::Release);
    }
}

impl Engine {
    /// Follows a session from now on; `None` when there is no such session.
    #[must_use]
    pub fn follow(&self, now: Millis, app: AppName<'_>, key: Key<'_>) -> Option<Followed> {
        let follow = |handle| self.followers.add(handle);
        with_locked(self, now, app, key, |_, locked| {
            locked.record().map(|record| follow(record.handle()))
        })
        .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::Followers;
    use crate::model::Handle;

    #[test]
    fn followed_session_has_the_handle_of_its_last_rotation() {
        let followers = Followers::default();
        let (one, other) = (followers.add(Handle(1)), followers.add(Handle(2)));
        followers.moved(Handle(1), Handle(7));
        followers.moved(Handle(3), Handle(8));
        followers.moved(Handle(7), Handle(9));
        assert_eq!((one.handle(), other.handle()), (Handle(9), Handle(2)));
    }

    #[test]
    fn those_whom_nobody_follows_are_forgotten() {
        let followers = Followers::default();
        let count = || followers.count.load(std::sync::atomic::Ordering::Relaxed);
        for n in 0..100 {
            drop(followers.add(Handle(n)));
            assert_eq!(count(), 1);
        }
        followers.moved(Handle(1), Handle(2));
        assert_eq!(count(), 0);
    }
}
