//! The hot record of a session: one cache line, all that a read or touch needs.

use crate::clock::Millis;
use crate::model::{ContentType, Handle, Life, Tag, U48};

/// "No slot", "no user", "no body".
pub(super) const NONE: u32 = u32::MAX;

const ALIVE: u16 = 1;
const WHOLE_SECONDS: u16 = 2;
const NO_RESAVE: u16 = 4;
const LAG: u16 = 8;
/// Which of the shard's two arenas holds the body.
const SECOND_ARENA: u16 = 16;
/// No session: leads to one, for the grace after a rotation.
const ALIAS: u16 = 32;

/// A session's hot state, 64 bytes. The body block is read only when a reply needs it.
///
/// ```text
/// tag 16 | user 4 | due 4 | body 4 | app 2 | flags 2 | epoch 1 | content type 1
///        | last 6 | idle 6 | until 6 | reads 6 | writes 6
/// ```
#[repr(align(64))]
#[derive(Clone, Copy)]
pub(crate) struct Record {
    pub(super) tag: Tag,
    /// Node of the user in the user directory. In a free record: the next free slot.
    pub(super) user: u32,
    /// The second under which the session is filed in the wheel.
    pub(super) due: u32,
    /// Where the body block is.
    pub(super) body: u32,
    pub(super) app: u16,
    flags: u16,
    /// Low bits of the app's epoch at the create: an older one means killed with its app.
    pub(super) epoch: u8,
    content_type: u8,
    last: U48,
    idle: U48,
    until: U48,
    reads: U48,
    writes: U48,
}

const _: () = assert!(size_of::<Record>() == 64);

impl Record {
    pub(super) const FREE: Self = Self {
        tag: Tag { high: 0, low: 0 },
        user: NONE,
        due: 0,
        body: NONE,
        app: 0,
        flags: 0,
        epoch: 0,
        content_type: 0,
        last: U48::new(0),
        idle: U48::new(0),
        until: U48::new(0),
        reads: U48::new(0),
        writes: U48::new(0),
    };

    /// A free record that leads to the next free slot.
    pub(super) fn free(next: u32) -> Self {
        Self {
            user: next,
            ..Self::FREE
        }
    }

    /// A living record with counters and times still at zero.
    pub(super) fn alive(tag: Tag, app: u16, epoch: u8) -> Self {
        Self {
            tag,
            app,
            epoch,
            flags: ALIVE,
            ..Self::FREE
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        self.has(ALIVE)
    }

    pub(crate) fn tag(&self) -> Tag {
        self.tag
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle(self.tag.high)
    }

    pub(crate) fn no_resave(&self) -> bool {
        self.has(NO_RESAVE)
    }

    pub(super) fn set_no_resave(&mut self, on: bool) {
        self.set(NO_RESAVE, on);
    }

    pub(super) fn is_alias(&self) -> bool {
        self.has(ALIAS)
    }

    pub(super) fn set_alias(&mut self, on: bool) {
        self.set(ALIAS, on);
    }

    pub(super) fn in_second_arena(&self) -> bool {
        self.has(SECOND_ARENA)
    }

    pub(super) fn set_second_arena(&mut self, on: bool) {
        self.set(SECOND_ARENA, on);
    }

    pub(crate) fn content_type(&self) -> ContentType {
        ContentType(self.content_type)
    }

    pub(super) fn set_content_type(&mut self, kind: ContentType) {
        self.content_type = kind.0;
    }

    pub(crate) fn life(&self) -> Life {
        Life {
            idle: self.idle.get(),
            until: Millis(self.until.get()),
            whole_seconds: self.has(WHOLE_SECONDS),
        }
    }

    pub(super) fn set_life(&mut self, life: &Life) {
        self.idle = U48::new(life.idle);
        self.until = U48::new(life.until.0);
        self.set(WHOLE_SECONDS, life.whole_seconds);
    }

    pub(crate) fn last_active(&self) -> Millis {
        Millis(self.last.get())
    }

    /// The second of the last activity, as the time index files it (32 bits, saturating).
    pub(super) fn last_second(&self) -> u32 {
        index_second(self.last_active())
    }

    /// Whether the recorded access is one whole second before `last_active`.
    pub(crate) fn lag(&self) -> bool {
        self.has(LAG)
    }

    pub(super) fn set_last(&mut self, last: Millis, lag: bool) {
        self.last = U48::new(last.0);
        self.set(LAG, lag);
    }

    /// The recorded access: what idleness and sliding deadlines count from. rest-sessions moves it
    /// only when more than one whole second has passed, so it may lag the last activity.
    pub(crate) fn recorded(&self) -> Millis {
        if self.lag() {
            Millis(self.last.get().saturating_sub(1000))
        } else {
            self.last_active()
        }
    }

    pub(crate) fn deadline(&self) -> Millis {
        self.life().deadline(self.recorded())
    }

    pub(crate) fn reads(&self) -> u64 {
        self.reads.get()
    }

    pub(crate) fn writes(&self) -> u64 {
        self.writes.get()
    }

    pub(super) fn set_counters(&mut self, reads: u64, writes: u64) {
        self.reads = U48::new(reads);
        self.writes = U48::new(writes);
    }

    fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    fn set(&mut self, flag: u16, on: bool) {
        if on {
            self.flags |= flag;
        } else {
            self.flags &= !flag;
        }
    }
}

/// The second under which the time index files a moment.
pub(super) fn index_second(moment: Millis) -> u32 {
    u32::try_from(moment.seconds()).unwrap_or(u32::MAX - 1)
}

/// The first second at whose start a session with this deadline is due in the wheel.
pub(super) fn due_second(deadline: Millis) -> u32 {
    u32::try_from(deadline.0.div_ceil(1000)).unwrap_or(u32::MAX - 1)
}
