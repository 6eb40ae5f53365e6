//! A part of a file. It is taken in whole stretches, as those can be verified without the rest (`PROTOCOL.md` U17), and what was not
//! asked for of them is left out.

use std::{fmt, str::FromStr};

use palabre_core::{
    client::LocalFailure,
    transfer::{BlobHash, ContentHasher, SUBTREE_BYTES, Subtree, hash_of_outline, outline_length},
};
use palabre_runtime::client::LocalFile;

use super::{Record, delete_parts};
use crate::arguments::parse_offset;

/// Some of the bytes of a file: from one, up to another, which is not among them, or to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    from: u64,
    to: Option<u64>,
}

impl Range {
    /// The stretches that have all of it: where they begin, and where they end.
    pub(crate) fn stretches(self) -> (u64, u64) {
        let to = self.to.and_then(|to| to.checked_next_multiple_of(SUBTREE_BYTES));
        (self.from - self.from % SUBTREE_BYTES, to.unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..", self.from)?;
        self.to.iter().try_for_each(|to| to.fmt(f))
    }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let explain = || format!("{text} is no range; write 0..500, 10M..11M or 1G..");
        let (from, to) = text.split_once("..").ok_or_else(explain)?;
        let from = if from.is_empty() { 0 } else { parse_offset(from)? };
        let to = if to.is_empty() { None } else { Some(parse_offset(to)?) };
        if to.is_some_and(|to| to <= from) {
            return Err(format!("{text} has no bytes; its end must be behind its beginning"));
        }
        Ok(Self { from, to })
    }
}

/// Where a part of a file goes.
pub(crate) struct RangeDestination {
    output: Box<dyn LocalFile>,
    range: Range,
    /// What the server says of the whole, and what of it has arrived; nothing before the file is known.
    whole: Option<(Whole, ContentHasher)>,
    /// Of what was asked for.
    taken: ContentHasher,
}

/// The file, a part of which is taken.
#[derive(PartialEq, Eq)]
struct Whole {
    size: u64,
    hash: BlobHash,
    outline: Vec<Subtree>,
}

impl Whole {
    /// Whether the hash follows from the outline.
    fn is_sound(&self) -> bool {
        let follows = hash_of_outline(&self.outline).is_none_or(|of_outline| of_outline == self.hash);
        self.outline.len() as u64 == outline_length(self.size) && follows
    }

    /// Whether stretches that have ended are those of the file.
    fn begins_with(&self, stretches: &[Subtree]) -> bool {
        self.outline.is_empty() || self.outline.starts_with(stretches)
    }
}

/// What is left of a part of a file, unless it came into its place.
pub(crate) struct Part {
    pub(crate) range: Range,
    /// Nothing for standard output.
    record: Option<Box<Record>>,
}

impl Part {
    pub(super) fn new(range: Range, record: Option<Record>) -> Self {
        Self { range, record: record.map(Box::new) }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(record) = &self.record {
            // What is left of it is hidden, and written over if it is taken again.
            let _ = delete_parts(record);
        }
    }
}

impl RangeDestination {
    pub(crate) fn new(range: Range, output: Box<dyn LocalFile>) -> Self {
        Self { output, range, whole: None, taken: ContentHasher::new() }
    }
}

impl LocalFile for RangeDestination {
    fn begin(&mut self, size: u64, hash: BlobHash, outline: Vec<Subtree>) -> Result<(), LocalFailure> {
        if self.range.from >= size && self.range.from > 0 {
            return Err(LocalFailure::Failed(format!("the file has only {size} bytes")));
        }
        let whole = Whole { size, hash, outline };
        match &self.whole {
            // After a cut it is told again.
            Some((before, _)) if *before == whole => Ok(()),
            None if whole.is_sound() => {
                let first = usize::try_from(self.range.from / SUBTREE_BYTES).unwrap_or(usize::MAX);
                let hasher = ContentHasher::behind(whole.outline.iter().take(first).copied().collect());
                self.whole = Some((whole, hasher));
                Ok(())
            }
            Some(_) | None => Err(LocalFailure::Mismatch),
        }
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), LocalFailure> {
        let Some((whole, hasher)) = self.whole.as_mut().filter(|(_, hasher)| hasher.length() == offset)
        else {
            return Err(LocalFailure::Failed("these bytes do not belong behind those that are there".into()));
        };
        hasher.update(bytes);
        if !whole.begins_with(hasher.subtrees()) {
            return Err(LocalFailure::Mismatch);
        }
        let place =
            |at: u64| usize::try_from(at.saturating_sub(offset)).unwrap_or(usize::MAX).min(bytes.len());
        let wanted = &bytes[place(self.range.from)..place(self.range.to.unwrap_or(u64::MAX))];
        if wanted.is_empty() {
            return Ok(());
        }
        self.output.write(self.taken.length(), wanted)?;
        self.taken.update(wanted);
        Ok(())
    }

    fn keep(&mut self, _: u64, _: BlobHash, _: bool) -> Result<(), LocalFailure> {
        // What did not begin has nothing to keep.
        let Some((whole, hasher)) = self.whole.take() else { return Err(LocalFailure::Mismatch) };
        let (_, end) = self.range.stretches();
        let sound = if whole.outline.is_empty() {
            hasher.hash() == whole.hash
        } else {
            whole.begins_with(&hasher.stretches())
        };
        if hasher.length() != end.min(whole.size) || !sound {
            return Err(LocalFailure::Mismatch);
        }
        self.output.keep(self.taken.length(), self.taken.hash(), false)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_in_result, reason = "what is in memory does not fail")]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    const MIB: u64 = 1 << 20;

    /// What was written, and whether it was kept.
    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<(Vec<u8>, bool)>>);

    impl LocalFile for Memory {
        fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), LocalFailure> {
            let mut memory = self.0.lock().unwrap();
            assert_eq!(offset, memory.0.len() as u64);
            memory.0.extend(bytes);
            Ok(())
        }

        fn keep(&mut self, size: u64, hash: BlobHash, _: bool) -> Result<(), LocalFailure> {
            let mut memory = self.0.lock().unwrap();
            assert_eq!((size, hash.0), (memory.0.len() as u64, *blake3::hash(&memory.0).as_bytes()));
            memory.1 = true;
            Ok(())
        }
    }

    fn content(size: u64) -> Vec<u8> {
        (0..size).map(|at| (at ^ (at >> 12)) as u8).collect()
    }

    fn summed(content: &[u8]) -> ContentHasher {
        let mut hasher = ContentHasher::new();
        hasher.update(content);
        hasher
    }

    /// Takes a range of a content, of which another is sent, with this outline.
    fn take(
        range: &str,
        sent: &[u8],
        size: u64,
        hash: BlobHash,
        outline: &[Subtree],
    ) -> Result<Vec<u8>, LocalFailure> {
        let (range, memory): (Range, _) = (range.parse().unwrap(), Memory::default());
        let mut destination = RangeDestination::new(range, Box::new(memory.clone()));
        destination.begin(size, hash, outline.to_vec())?;
        let (from, to) = range.stretches();
        let (mut offset, end) = (from, to.min(size));
        while offset < end {
            // A cut, after which the outline comes again.
            destination.begin(size, hash, outline.to_vec())?;
            let next = end.min(offset + 7 * MIB);
            destination.write(offset, &sent[offset as usize..next as usize])?;
            offset = next;
        }
        destination.keep(size, hash, true)?;
        let memory = memory.0.lock().unwrap();
        assert!(memory.1);
        Ok(memory.0.clone())
    }

    #[test]
    fn a_range_is_its_bytes_wherever_it_is() {
        let content = content(130 * MIB);
        let hasher = summed(&content);
        let (hash, outline) = (hasher.hash(), hasher.outline());
        let size = 130 * MIB;
        for (range, from, to) in [
            ("0..1", 0, 1),
            ("64M..", 64 * MIB, size),
            ("63M..65M", 63 * MIB, 65 * MIB),
            ("129M..500M", 129 * MIB, size),
            ("67108863..67108865", 64 * MIB - 1, 64 * MIB + 1),
            ("..", 0, size),
        ] {
            let taken = take(range, &content, size, hash, &outline).unwrap();
            assert!(taken == content[from as usize..to as usize], "{range}");
        }
        let small = &content[..5_000];
        let hash = summed(small).hash();
        assert_eq!(take("1000..2000", small, 5_000, hash, &[]).unwrap(), small[1_000..2_000]);
        let failed = take("5000..", small, 5_000, hash, &[]);
        assert_eq!(failed, Err(LocalFailure::Failed("the file has only 5000 bytes".into())));
        // What cannot begin is not kept either, though it is as long as what was taken of it.
        let mut destination = RangeDestination::new("5..6".parse().unwrap(), Box::new(Memory::default()));
        let empty = summed(&[]).hash();
        assert!(destination.begin(0, empty, vec![]).is_err());
        assert_eq!(destination.keep(0, empty, false), Err(LocalFailure::Mismatch));
        assert!(take("..", &[], 0, summed(&[]).hash(), &[]).unwrap().is_empty());
    }

    #[test]
    fn what_is_not_the_file_is_found_out_by_a_part_of_it() {
        let content = content(130 * MIB);
        let hasher = summed(&content);
        let (size, hash, outline) = (130 * MIB, hasher.hash(), hasher.outline());
        let mut damaged = content.clone();
        damaged[(70 * MIB) as usize] ^= 1;
        assert!(take("0..1", &damaged, size, hash, &outline).is_ok(), "it is in another stretch");
        for range in ["64M..65M", "100M..", "63M.."] {
            assert_eq!(take(range, &damaged, size, hash, &outline), Err(LocalFailure::Mismatch), "{range}");
        }
        // Outlines that are not the file's: another's, one too short, one of other stretches, none.
        let others = summed(&damaged).outline();
        let halves = [outline[2], outline[2]];
        for outline in [&others[..], &outline[..2], &halves, &[]] {
            assert_eq!(take("0..1", &content, size, hash, outline), Err(LocalFailure::Mismatch));
        }
        // After a cut the server tells of a shorter file that has the same hash, as it says.
        let range: Range = "..".parse().unwrap();
        let mut destination = RangeDestination::new(range, Box::new(Memory::default()));
        destination.begin(size, hash, outline.clone()).unwrap();
        destination.write(0, &content[..(64 * MIB) as usize]).unwrap();
        assert_eq!(destination.begin(64 * MIB, hash, vec![]), Err(LocalFailure::Mismatch));
        assert_eq!(destination.keep(64 * MIB, hash, false), Err(LocalFailure::Mismatch));
        let small = &content[..5_000];
        let hash = summed(&damaged[..4_999]).hash();
        assert_eq!(take("0..1", small, 5_000, hash, &[]), Err(LocalFailure::Mismatch));
    }

    #[test]
    fn a_range_is_written_as_its_ends() {
        let ends = |text: &str| text.parse::<Range>().map(|range| (range.from, range.to));
        assert_eq!(ends("0..500"), Ok((0, Some(500))));
        assert_eq!(ends("1k..2k"), Ok((1_024, Some(2_048))));
        assert_eq!(ends("..1M"), Ok((0, Some(MIB))));
        assert_eq!(ends("5.."), Ok((5, None)));
        for wrong in ["5", "5-6", "6..5", "5..5", "a..b", "-1..2", "1..2..3"] {
            assert!(ends(wrong).is_err(), "{wrong}");
        }
        assert_eq!("1..".parse::<Range>().unwrap().stretches(), (0, u64::MAX));
        assert_eq!("70M..71M".parse::<Range>().unwrap().stretches(), (64 * MIB, 128 * MIB));
    }
}
