//! Verifies every file of a data directory, also those that recovery would not need. Writes nothing.

mod finding;

pub use finding::{Finding, SegmentTotals, State};

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;

use crate::log::disk::{Disk, DiskFile};
use crate::log::key::{KeyId, parse_key_file};
use crate::log::name::FileName;
use crate::log::reader::{BadSegment, Damage, Rest, Segment, SegmentEnd, Verdict, disorder};
use crate::log::segment::{HEADER_PAGE, SegmentHeader};
use crate::log::snapshot::{BadSnapshot, SnapshotReader};
use crate::model::Position;

/// How far the check has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress<'a> {
    /// The file that is being read.
    pub file: &'a str,
    /// Bytes read so far, of all files.
    pub done: u64,
    /// Bytes of all files that are to be read.
    pub total: u64,
}

/// Checks all files of a directory and answers in the order of their names; what is missing comes
/// last. Nobody else may write to the directory meanwhile.
///
/// # Errors
/// When the directory itself cannot be listed. A file that cannot be read is a finding.
pub fn check(disk: &dyn Disk, progress: &mut dyn FnMut(&Progress<'_>)) -> io::Result<Vec<Finding>> {
    let mut names = disk.list()?;
    names.sort_unstable();
    let mut check = Check {
        disk,
        progress,
        done: 0,
        total: 0,
        key: None,
        segments: BTreeMap::new(),
        snapshots: BTreeMap::new(),
        states: BTreeMap::new(),
    };
    let known = names.iter().map(|name| FileName::parse(name));
    check.read_heads(known);
    check.read_snapshots();
    check.read_segments();
    check.look_for_missing();
    Ok(check.findings(names))
}

type Headers = BTreeMap<u64, Option<SegmentHeader>>;

struct Check<'d> {
    disk: &'d dyn Disk,
    progress: &'d mut dyn FnMut(&Progress<'_>),
    done: u64,
    total: u64,
    key: Option<KeyId>,
    /// The headers of all segments; `None` for a bad one.
    segments: Headers,
    /// The first positions of all snapshots; `None` for a bad one.
    snapshots: BTreeMap<u64, Option<Position>>,
    states: BTreeMap<FileName, State>,
}

/// What was read of a segment.
struct Scanned {
    totals: SegmentTotals,
    end: SegmentEnd,
    /// A block that is valid but holds what are no records.
    bad_record: Option<Damage>,
}

impl Scanned {
    /// No block was ever written to it.
    fn is_empty(&self) -> bool {
        self.totals.blocks == 0 && !matches!(self.end.rest, Rest::Damage { later: Some(_), .. })
    }
}

impl Check<'_> {
    /// Finds out what there is: the key, the headers of segments, and how much there is to read.
    fn read_heads(&mut self, names: impl Iterator<Item = FileName>) {
        for name in names {
            match name {
                FileName::Key => self.read_key(),
                FileName::Segment(number) => {
                    let header = self.read_segment_header(name, number);
                    self.segments.insert(number, header);
                }
                FileName::Snapshot(number) => {
                    self.snapshots.insert(number, None);
                }
                FileName::Torn(_) => self.set(name, State::SavedAside),
                FileName::Spare | FileName::SnapshotTmp | FileName::KeyTmp => {
                    self.set(name, State::Leftover);
                }
                FileName::Lock | FileName::AdminSocket | FileName::Unknown => {}
            }
            if matches!(name, FileName::Segment(_) | FileName::Snapshot(_)) {
                let file = self.disk.open(&name.text());
                self.total += file.and_then(|file| file.length()).unwrap_or(0);
            }
        }
    }

    fn read_key(&mut self) {
        let mut text = vec![0u8; 256];
        let read = self.disk.open(&FileName::Key.text());
        let read = read.and_then(|file| file.read_at(0, &mut text));
        let state = match read {
            Ok(length) => match parse_key_file(text.get(..length).unwrap_or_default()) {
                Ok(secret) => {
                    self.key = Some(KeyId::of(&secret));
                    State::Key(KeyId::of(&secret))
                }
                Err(error) => corrupt(0, error),
            },
            Err(error) => unreadable(&error),
        };
        self.set(FileName::Key, state);
    }

    fn read_segment_header(&mut self, name: FileName, number: u64) -> Option<SegmentHeader> {
        let mut page = vec![0u8; HEADER_PAGE];
        let read = self.disk.open(&name.text());
        let header = match read.and_then(|file| file.read_at(0, &mut page)) {
            Ok(length) => SegmentHeader::decode(page.get(..length).unwrap_or_default()),
            Err(error) => {
                self.set(name, unreadable(&error));
                return None;
            }
        };
        let refused = match header {
            Ok(header) => match self.foreign(header.number, number, header.key_id) {
                None => return Some(header),
                Some(state) => state,
            },
            Err(error) => corrupt(0, format!("at byte 0: {error}")),
        };
        self.set(name, refused);
        None
    }

    /// Whether a file is out of place here: under another number than its own, or of another key.
    fn foreign(&self, number: u64, named: u64, key_id: KeyId) -> Option<State> {
        if number != named {
            let what = format!("its header says that it is number {number:016x}");
            return Some(corrupt(0, what));
        }
        let key = self.key.filter(|key| *key != key_id)?;
        let what = format!("it was written under the key {key_id}, the key file holds {key}");
        Some(corrupt(0, what))
    }

    fn read_snapshots(&mut self) {
        let numbers: Vec<u64> = self.snapshots.keys().copied().collect();
        for number in numbers {
            let name = FileName::Snapshot(number);
            let (state, first) = match self.disk.open(&name.text()) {
                Ok(file) => self.read_snapshot(file, number),
                Err(error) => (unreadable(&error), None),
            };
            self.set(name, state);
            self.snapshots.insert(number, first);
        }
    }

    fn read_snapshot(&mut self, file: Box<dyn DiskFile>, number: u64) -> (State, Option<Position>) {
        let refuse = |error: BadSnapshot| (corrupt(error.offset, &error), None);
        let reader = match SnapshotReader::open(file) {
            Ok(reader) => reader,
            Err(error) => return refuse(error),
        };
        let header = reader.header();
        if let Some(state) = self.foreign(header.number, number, header.key_id) {
            return (state, None);
        }
        let before = self.done;
        let name = FileName::Snapshot(number).text();
        let verified = reader.verify(|done| self.report(&name, before + done));
        match verified {
            Ok(totals) => (State::Snapshot(totals), Some(header.first)),
            Err(error) => refuse(error),
        }
    }

    fn read_segments(&mut self) {
        let mut headers = std::mem::take(&mut self.segments);
        let mut synced = self.pass_over_cut_short(&mut headers);
        let mut scanned = BTreeMap::new();
        for (number, header) in &headers {
            let next = Following::of(*number, &headers);
            if let Some(found) = header.as_ref().and_then(|h| self.scan(h, next)) {
                synced = synced.max(found.end.synced);
                scanned.insert(*number, found);
            }
        }
        for (number, header) in &headers {
            if let (Some(header), Some(found)) = (header, scanned.get(number)) {
                let next = Following::of(*number, &headers);
                let state = self.judge(header, next, found, synced);
                self.set(FileName::Segment(*number), state);
            }
        }
        self.segments = headers;
    }

    /// Takes out the last segments that were begun to heal a failure and never got their snapshot: the
    /// process ended, and the log goes on as if they had never been. What they name as synced was.
    fn pass_over_cut_short(&mut self, headers: &mut Headers) -> Position {
        let mut synced = Position::default();
        while let Some(last) = headers.last_entry() {
            let number = *last.key();
            let Some(header) = last.get().as_ref().filter(|h| h.own_snapshot) else {
                break;
            };
            if self.snapshots.contains_key(&number) {
                break;
            }
            match self.scan(header, Following::Nothing) {
                Some(found) if found.is_empty() => synced = synced.max(header.synced),
                Some(_) | None => break,
            }
            self.set(FileName::Segment(number), State::Leftover);
            last.remove();
        }
        synced
    }

    /// Reads a segment to its end.
    fn scan(&mut self, header: &SegmentHeader, next: Following<'_>) -> Option<Scanned> {
        let name = FileName::Segment(header.number);
        let opened = self.disk.open(&name.text()).map_err(BadSegment::Read);
        let segment = match opened.and_then(|file| Segment::load(file.as_ref())) {
            Ok(segment) => segment,
            Err(error) => {
                self.set(name, corrupt(0, error));
                return None;
            }
        };
        self.report(&name.text(), self.done + segment.bytes().len() as u64);
        let mut totals = SegmentTotals::default();
        let mut bad_record = None;
        let mut blocks = segment.blocks(next.header().map(|next| next.first));
        while let Some(block) = blocks.next() {
            totals.blocks += 1;
            for record in block.records() {
                match record {
                    Ok(_) => totals.records += 1,
                    Err(error) => {
                        let end = blocks.offset();
                        let damage = Damage::of_record(header.number, end, &block, error);
                        bad_record.get_or_insert(damage);
                    }
                }
            }
        }
        Some(Scanned {
            totals,
            end: blocks.end(),
            bad_record,
        })
    }

    fn judge(
        &self,
        header: &SegmentHeader,
        next: Following<'_>,
        found: &Scanned,
        synced: Position,
    ) -> State {
        if let Some(damage) = &found.bad_record {
            return corrupt(damage.offset as u64, damage);
        }
        if let Some(what) = next.header().and_then(|next| disorder(header, next)) {
            return corrupt(0, what);
        }
        let snapshot = self.snapshots.get(&header.number).copied().flatten();
        if snapshot.is_some_and(|first| first != header.first) {
            return corrupt(
                0,
                "it and the snapshot of its number begin at different blocks",
            );
        }
        match found.end.judge(next.required(synced)) {
            Verdict::Clean { .. } => State::Segment(found.totals),
            Verdict::Torn(tail) => State::TornTail(found.totals, tail),
            Verdict::Damage(damage) => corrupt(damage.offset as u64, damage),
        }
    }

    /// Files that the others need: the key, every segment from the oldest snapshot's on, and the
    /// snapshots without which a segment is not whole.
    fn look_for_missing(&mut self) {
        let is_empty = self.segments.is_empty() && self.snapshots.is_empty();
        if !is_empty && !self.states.contains_key(&FileName::Key) {
            self.set(FileName::Key, State::Missing);
        }
        let oldest = self.snapshots.keys().next().copied();
        let newest = self.snapshots.keys().next_back().copied();
        let mut missing = Vec::new();
        // Without a snapshot the log begins with segment 1.
        let mut expected = oldest.unwrap_or(1);
        for (&number, header) in self.segments.range(expected..) {
            let begins_anew = header.as_ref().is_some_and(|header| header.own_snapshot);
            if begins_anew && !self.snapshots.contains_key(&number) {
                missing.push(FileName::Snapshot(number));
            }
            // Healing may pass over numbers.
            if number > expected && !begins_anew {
                missing.push(FileName::Segment(expected));
            }
            expected = number.saturating_add(1);
        }
        if let Some(newest) = newest.filter(|newest| *newest >= expected) {
            missing.push(FileName::Segment(newest));
        }
        for name in missing {
            self.set(name, State::Missing);
        }
    }

    fn set(&mut self, name: FileName, state: State) {
        self.states.insert(name, state);
    }

    fn report(&mut self, file: &str, done: u64) {
        self.done = done;
        (self.progress)(&Progress {
            file,
            done,
            total: self.total.max(done),
        });
    }

    fn findings(mut self, names: Vec<String>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for file in names {
            let name = FileName::parse(&file);
            let state = if name == FileName::Unknown {
                Some(State::Unknown)
            } else {
                self.states.remove(&name)
            };
            findings.extend(state.map(|state| Finding { file, state }));
        }
        let missing = self.states.into_iter().map(|(name, state)| Finding {
            file: name.text(),
            state,
        });
        findings.extend(missing);
        findings
    }
}

/// What follows a segment in the log.
#[derive(Clone, Copy)]
enum Following<'h> {
    /// It is the last one.
    Nothing,
    Segment(&'h SegmentHeader),
    /// Another segment that is missing or unreadable, so that nobody knows where this one ends.
    Lost,
}

impl<'h> Following<'h> {
    fn of(number: u64, headers: &'h Headers) -> Self {
        let behind = (Bound::Excluded(number), Bound::Unbounded);
        match headers.range(behind).next() {
            None => Self::Nothing,
            // Healing may pass over numbers.
            Some((next, Some(header))) if *next - number == 1 || header.own_snapshot => {
                Self::Segment(header)
            }
            Some(_) => Self::Lost,
        }
    }

    /// The position up to which the blocks of the segment must be there. `synced` is the highest that
    /// any segment names as synced.
    fn required(self, synced: Position) -> Position {
        match self {
            Self::Nothing => synced,
            // Its snapshot makes up for what was not safe before it.
            Self::Segment(next) if next.own_snapshot => next.synced,
            Self::Segment(next) => Position(next.first.0.saturating_sub(1)),
            Self::Lost => Position::default(),
        }
    }

    fn header(self) -> Option<&'h SegmentHeader> {
        match self {
            Self::Segment(header) => Some(header),
            Self::Nothing | Self::Lost => None,
        }
    }
}

fn corrupt(offset: u64, what: impl std::fmt::Display) -> State {
    State::Corrupt {
        offset,
        sentence: what.to_string(),
    }
}

fn unreadable(error: &io::Error) -> State {
    corrupt(0, format!("it cannot be read: {error}"))
}
