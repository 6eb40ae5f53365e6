//! What an event about a file says (`PROTOCOL.md` U13).

use alloc::{format, string::String};

use super::{BlobHash, FileName, Version};

/// A file that was shared or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedFile {
    /// What it is called.
    pub name: FileName,
    /// Which version it is.
    pub version: Version,
    /// How many bytes it has.
    pub size: u64,
    /// Of its content.
    pub hash: BlobHash,
}

/// The fifth line of the event about a file whose time is over.
const EXPIRED: &str = "expired";

impl SharedFile {
    /// The text of the event.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Self { name, version, size, hash } = self;
        format!("{name}\n{version}\n{size}\n{hash}")
    }

    /// The text of the event about a file whose time is over (U16).
    #[must_use]
    pub fn to_text_of_expired(&self) -> String {
        format!("{}\n{EXPIRED}", self.to_text())
    }

    /// Whether the text of an event says that the file's time was over.
    #[must_use]
    pub fn has_expired(text: &str) -> bool {
        text.split('\n').nth(4) == Some(EXPIRED)
    }

    /// The file that the text of an event is about, if it is about one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split('\n');
        let name = FileName::parse(lines.next()?).ok()?;
        let version = Version::new(lines.next()?.parse().ok()?);
        let size = lines.next()?.parse().ok()?;
        let hash = BlobHash::parse(lines.next()?)?;
        Some(Self { name, version, size, hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_later_lines_are_ignored() {
        let file = SharedFile {
            name: FileName::parse("a b/c.txt").expect("a name"),
            version: Version::new(7),
            size: u64::MAX,
            hash: BlobHash([0xa5; 32]),
        };
        assert_eq!(SharedFile::parse(&file.to_text()), Some(file.clone()));
        assert_eq!(SharedFile::parse(&format!("{}\nlater", file.to_text())), Some(file.clone()));
        let text = file.to_text_of_expired();
        assert_eq!(SharedFile::parse(&text), Some(file.clone()));
        assert!(SharedFile::has_expired(&text) && !SharedFile::has_expired(&file.to_text()));
        for text in ["", "a", "a\n1\n2", "../x\n1\n2\n00", "a\n1\n2\nzz"] {
            assert_eq!(SharedFile::parse(text), None, "{text:?}");
        }
    }
}
