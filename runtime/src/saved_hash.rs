//! The hash of content that arrives or is sent over days, saved beside it: whoever goes on with it reads little of it again.
//!
//! The file has a record of 64 bytes for each whole [`SUBTREE_BYTES`]: what they come to, and
//! a check of that, so that what a crash left of a record is not believed. It is a help only: whatever is wrong with it, the
//! content is read instead.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use palabre_core::transfer::{BlobHash, ContentHasher, SUBTREE_BYTES, Subtree};

const RECORD_BYTES: usize = 64;

const CHECK_CONTEXT: &str = "Palabre 2026-11-22 record of a subtree";

/// What is read at a time to sum up what is there already.
const CHUNK_BYTES: u64 = 1 << 20;

/// Sums up content, and saves what it came to.
#[derive(Debug, Default)]
pub struct SavedHasher {
    hasher: ContentHasher,
    saved: Option<Saved>,
}

#[derive(Debug)]
struct Saved {
    path: PathBuf,
    /// Open once there was something to save: thousands may wait that never have anything.
    file: Option<File>,
    /// What tells this content from any other that may have had a file of this name.
    about: Vec<u8>,
    count: usize,
}

impl SavedHasher {
    /// Goes on behind what is saved in the file at `path`, if there is one, of content whose first `end` bytes are what they were when
    /// it was saved. `about` is what the content is known by. Saves nothing if the file cannot be used.
    #[must_use]
    pub fn open(path: &Path, about: &[u8], end: u64) -> Self {
        let saved = |count| Saved { path: path.to_path_buf(), file: None, about: about.to_vec(), count };
        let file = match OpenOptions::new().read(true).custom_flags(no_follow()).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Self { hasher: ContentHasher::new(), saved: Some(saved(0)) };
            }
            Err(_) => return Self::default(),
        };
        let mut subtrees = Vec::new();
        // At least a byte stays to be read: a hash cannot be made of one stretch alone.
        while (subtrees.len() as u64 + 1) * SUBTREE_BYTES < end {
            let Some(subtree) = read(&file, about, subtrees.len()) else { break };
            subtrees.push(subtree);
        }
        let known = (subtrees.len() * RECORD_BYTES) as u64;
        let rest = file.metadata().map_or(u64::MAX, |metadata| metadata.len().saturating_sub(known));
        // What is not true any more must not be there after a crash, when other content stands in its place.
        if rest > 0 && cut(path, known).is_err() {
            return Self::default();
        }
        let count = subtrees.len();
        Self { hasher: ContentHasher::behind(subtrees), saved: Some(saved(count)) }
    }

    /// How much is summed up.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.hasher.length()
    }

    /// The hash of what is summed up.
    #[must_use]
    pub fn hash(&self) -> BlobHash {
        self.hasher.hash()
    }

    /// The outline of what is summed up.
    #[must_use]
    pub fn outline(&self) -> Vec<Subtree> {
        self.hasher.outline()
    }

    /// More of it.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// Whether there is something to be saved.
    #[must_use]
    pub fn has_unsaved(&self) -> bool {
        self.saved.as_ref().is_some_and(|saved| saved.count < self.hasher.subtrees().len())
    }

    /// Saves what whole stretches came to. For content that a crash could take, those have to be durable.
    pub fn save(&mut self) {
        let has_unsaved = self.has_unsaved();
        let Some(saved) = self.saved.as_mut().filter(|_| has_unsaved) else { return };
        if let Err(error) = saved.append(self.hasher.subtrees()) {
            tracing::debug!(%error, "the hash of a file on its way is not saved");
            self.saved = None;
        }
    }

    /// Sums up what is there already, up to `end` or to where it ends before that.
    ///
    /// # Errors
    /// What the system says.
    pub fn sum_up(
        &mut self,
        end: u64,
        mut read_at: impl FnMut(&mut [u8], u64) -> io::Result<usize>,
    ) -> io::Result<()> {
        let left = end.saturating_sub(self.length()).min(CHUNK_BYTES);
        let mut chunk = vec![0; usize::try_from(left).unwrap_or(0)];
        while self.length() < end {
            let left = usize::try_from(end - self.length()).unwrap_or(usize::MAX);
            let count = chunk.len().min(left);
            match read_at(&mut chunk[..count], self.length()) {
                Ok(0) => break,
                Ok(count) => self.update(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Saved {
    fn append(&mut self, subtrees: &[Subtree]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none @ None => {
                let mut options = OpenOptions::new();
                options.write(true).create(true).truncate(false).mode(0o600).custom_flags(no_follow());
                none.insert(options.open(&self.path)?)
            }
        };
        let unsaved = subtrees.iter().enumerate().skip(self.count);
        let record =
            |(index, subtree): (usize, &Subtree)| [subtree.0, check(&self.about, index, *subtree)].concat();
        let records: Vec<u8> = unsaved.flat_map(record).collect();
        file.write_all_at(&records, (self.count * RECORD_BYTES) as u64)?;
        self.count = subtrees.len();
        Ok(())
    }
}

/// Leaves only so much of a file, durably.
fn cut(path: &Path, length: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).custom_flags(no_follow()).open(path)?;
    file.set_len(length)?;
    file.sync_all()
}

/// For files of ours, which are no links.
pub(crate) const fn no_follow() -> i32 {
    rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()
}

fn read(file: &File, about: &[u8], index: usize) -> Option<Subtree> {
    let mut record = [0; RECORD_BYTES];
    file.read_exact_at(&mut record, (index * RECORD_BYTES) as u64).ok()?;
    let (subtree, said) = record.split_at(32);
    let subtree = Subtree(subtree.try_into().ok()?);
    (check(about, index, subtree) == said).then_some(subtree)
}

/// By what a record is known to be whole, in its place, and about this content.
fn check(about: &[u8], index: usize, subtree: Subtree) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(CHECK_CONTEXT);
    hasher.update(&(index as u64).to_be_bytes()).update(&subtree.0).update(about);
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const MIB: u64 = 1 << 20;

    /// The content of the tests: as long as anybody wants it.
    fn read_at(chunk: &mut [u8], at: u64) -> io::Result<usize> {
        chunk.fill((at / MIB) as u8);
        Ok(chunk.len())
    }

    fn in_one_pass(end: u64) -> BlobHash {
        let mut hasher = SavedHasher::default();
        hasher.sum_up(end, read_at).unwrap();
        hasher.hash()
    }

    /// A file with what 129 MiB came to.
    fn saved() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.sums");
        let mut hasher = SavedHasher::open(&path, b"a", 0);
        hasher.sum_up(129 * MIB, read_at).unwrap();
        assert!(hasher.has_unsaved());
        hasher.save();
        assert!(!hasher.has_unsaved());
        (folder, path)
    }

    #[test]
    fn only_what_is_no_whole_stretch_is_read_again() {
        let (_folder, path) = saved();
        let mut hasher = SavedHasher::open(&path, b"a", 129 * MIB);
        assert_eq!(hasher.length(), 128 * MIB);
        hasher.sum_up(129 * MIB, read_at).unwrap();
        assert_eq!(hasher.hash(), in_one_pass(129 * MIB));
    }

    #[test]
    fn a_hash_is_never_made_of_one_saved_stretch_alone() {
        let (_folder, path) = saved();
        for (end, known) in [(128, 64), (127, 64), (65, 64), (64, 0), (1, 0)] {
            fs::copy(&path, path.with_extension("copy")).unwrap();
            let mut hasher = SavedHasher::open(&path.with_extension("copy"), b"a", end * MIB);
            assert_eq!(hasher.length(), known * MIB);
            hasher.sum_up(end * MIB, read_at).unwrap();
            assert_eq!(hasher.hash(), in_one_pass(end * MIB));
            hasher.sum_up(129 * MIB, read_at).unwrap();
            hasher.save();
            assert_eq!(hasher.hash(), in_one_pass(129 * MIB));
            assert_eq!(fs::read(path.with_extension("copy")).unwrap(), fs::read(&path).unwrap());
        }
    }

    #[test]
    fn what_is_not_whole_or_about_something_else_is_not_believed() {
        let (_folder, path) = saved();
        let records = fs::read(&path).unwrap();
        for (index, known) in [(0, 0), (63, 0), (64, 64), (127, 64)] {
            let mut damaged = records.clone();
            damaged[index] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert_eq!(SavedHasher::open(&path, b"a", 129 * MIB).length(), known * MIB);
        }
        fs::write(&path, [&records[64..], &records[..64]].concat()).unwrap();
        assert_eq!(SavedHasher::open(&path, b"a", 129 * MIB).length(), 0);
        fs::write(&path, &records[..100]).unwrap();
        assert_eq!(SavedHasher::open(&path, b"a", 129 * MIB).length(), 64 * MIB);
        fs::write(&path, &records).unwrap();
        assert_eq!(SavedHasher::open(&path, b"b", 129 * MIB).length(), 0);
        assert_eq!(fs::read(&path).unwrap(), b"", "and nothing of it is left");
    }

    #[test]
    fn without_a_file_it_is_a_hash_nevertheless() {
        let folder = tempfile::tempdir().unwrap();
        let mut hasher = SavedHasher::open(folder.path(), b"a", 0);
        hasher.sum_up(65 * MIB, read_at).unwrap();
        assert!(!hasher.has_unsaved());
        hasher.save();
        assert_eq!(hasher.hash(), in_one_pass(65 * MIB));
    }
}
