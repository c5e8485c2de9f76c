//! The names of the files in a data directory: the only place that spells or reads them.

/// What a file of the data directory is, by its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FileName {
    /// Held by the process that uses the directory.
    Lock,
    /// The secret from which all keys are derived.
    Key,
    /// The owner-only socket of the running server.
    AdminSocket,
    /// A segment of the log, numbered from 1.
    Segment(u64),
    /// The damaged end of a segment, saved aside.
    Torn(u64),
    /// All sessions as they stood when the segment of the same number began, or later.
    Snapshot(u64),
    /// The next segment, filled with zeros ahead of its use.
    Spare,
    /// A snapshot under way.
    SnapshotTmp,
    /// A key file under way.
    KeyTmp,
    /// Anything else: none of ours.
    Unknown,
}

impl FileName {
    /// What a name stands for. Numbers have exactly 16 lower-case hexadecimal digits and are not 0;
    /// any other spelling is [`FileName::Unknown`].
    #[must_use]
    pub fn parse(name: &str) -> Self {
        match name {
            "lock" => Self::Lock,
            "key" => Self::Key,
            "admin.sock" => Self::AdminSocket,
            "spare.tmp" => Self::Spare,
            "snapshot.tmp" => Self::SnapshotTmp,
            "key.tmp" => Self::KeyTmp,
            _ => Self::parse_numbered(name).unwrap_or(Self::Unknown),
        }
    }

    fn parse_numbered(name: &str) -> Option<Self> {
        let (stem, extension) = name.rsplit_once('.')?;
        let (kind, digits) = stem.rsplit_once('-')?;
        let number = parse_number(digits)?;
        match (kind, extension) {
            ("segment", "log") => Some(Self::Segment(number)),
            ("segment", "torn") => Some(Self::Torn(number)),
            ("snapshot", "snap") => Some(Self::Snapshot(number)),
            _ => None,
        }
    }

    /// The name as it stands in the directory. [`FileName::Unknown`] has none: the empty text.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Lock => "lock".into(),
            Self::Key => "key".into(),
            Self::AdminSocket => "admin.sock".into(),
            Self::Segment(number) => format!("segment-{number:016x}.log"),
            Self::Torn(number) => format!("segment-{number:016x}.torn"),
            Self::Snapshot(number) => format!("snapshot-{number:016x}.snap"),
            Self::Spare => "spare.tmp".into(),
            Self::SnapshotTmp => "snapshot.tmp".into(),
            Self::KeyTmp => "key.tmp".into(),
            Self::Unknown => String::new(),
        }
    }
}

impl std::fmt::Display for FileName {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.text())
    }
}

fn parse_number(digits: &str) -> Option<u64> {
    let is_ours = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != 16 || !digits.bytes().all(is_ours) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok().filter(|n| *n != 0)
}

#[cfg(test)]
mod tests {
    use super::FileName;

    #[test]
    fn every_name_is_read_as_what_it_was_spelled_for() {
        let mut names = vec![
            FileName::Lock,
            FileName::Key,
            FileName::AdminSocket,
            FileName::Spare,
            FileName::SnapshotTmp,
            FileName::KeyTmp,
        ];
        for number in [1, 15, 16, 0xdead_beef, u64::MAX] {
            names.push(FileName::Segment(number));
            names.push(FileName::Torn(number));
            names.push(FileName::Snapshot(number));
        }
        for name in names {
            assert_eq!(FileName::parse(&name.text()), name);
        }
        let text = FileName::Segment(0x2a).text();
        assert_eq!(text, "segment-000000000000002a.log");
        let text = FileName::Snapshot(u64::MAX).to_string();
        assert_eq!(text, "snapshot-ffffffffffffffff.snap");
    }

    #[test]
    fn other_spellings_are_unknown() {
        for name in [
            "",
            "key.bak",
            "Lock",
            ".DS_Store",
            "segment-1.log",
            "segment-000000000000000A.log",
            "segment-0000000000000000.log",
            "segment-+00000000000000a.log",
            "segment-00000000000000001.log",
            "segment-0000000000000001.snap",
            "snapshot-0000000000000001.log",
            "snapshot-0000000000000001.tmp",
            "segment-0000000000000001.log.bak",
            "segment-\u{e9}00000000000001.log",
        ] {
            assert_eq!(FileName::parse(name), FileName::Unknown, "{name}");
        }
    }
}
