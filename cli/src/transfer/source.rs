//! What is uploaded: a file, or what comes in by standard input.

use std::{
    fs::{File, Metadata},
    io::{self, Read as _},
    os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use palabre_core::{
    client::LocalFailure,
    transfer::{BlobHash, ContentHasher},
};
use palabre_runtime::{client::LocalFile, saved_hash::SavedHasher};

use super::{
    sink::local_failure,
    summed::{Content, Summed, fill},
    tree::{Links, TreeSource},
};

/// What is uploaded and can be read again, in another run, too.
pub(crate) trait Source: LocalFile {
    /// What changes whenever its content may have, also where whoever changed it has put its time back.
    fn seen(&self) -> String;

    /// Has its hash gone on with, and saved, before anything is read.
    fn save_hash(&mut self, hasher: SavedHasher);
}

/// What is to be uploaded, and by what it is known to be the same still.
pub(crate) struct Offer {
    pub(super) file: Box<dyn Source>,
    pub(super) stamp: Stamp,
    pub(super) executable: bool,
    /// What becomes of links, if it is a folder.
    pub(super) folder: Option<Links>,
}

impl From<FileSource> for Offer {
    fn from(source: FileSource) -> Self {
        let FileSource { stamp, executable, .. } = source;
        Self { file: Box::new(source), stamp, executable, folder: None }
    }
}

impl From<TreeSource> for Offer {
    fn from(source: TreeSource) -> Self {
        let (stamp, links) = (source.stamp(), source.links());
        Self { file: Box::new(source), stamp, executable: false, folder: Some(links) }
    }
}

/// A file that is uploaded.
pub(crate) struct FileSource {
    file: Summed<LateFile>,
    /// What it was like when it was chosen.
    stamp: Stamp,
    seen: String,
    executable: bool,
}

/// A file that is opened when it is first read: thousands may wait for their turn.
struct LateFile {
    path: PathBuf,
    file: Option<File>,
}

impl LateFile {
    fn open(&mut self) -> io::Result<&mut File> {
        match &mut self.file {
            Some(file) => Ok(file),
            none @ None => Ok(none.insert(File::open(&self.path)?)),
        }
    }
}

impl Content for LateFile {
    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        Content::read_at(self.open()?, offset, bytes)
    }

    fn read_up_to(&mut self, offset: u64, count: usize) -> io::Result<Vec<u8>> {
        self.open()?.read_up_to(offset, count)
    }
}

/// By what content is known to be the same still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) size: u64,
    /// Of a file the time it was last written to, in nanoseconds since 1970; of a folder a number that tells apart what is in it.
    pub(crate) modified: i128,
}

impl FileSource {
    /// Chooses a file that can be read.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::other("it is a folder; `cli upload -r` shares it with all that is in it"));
        }
        if !metadata.is_file() {
            return Err(io::Error::other(
                "it is no ordinary file; write - to upload what comes in by standard input",
            ));
        }
        let file = Summed::new(LateFile { path: path.to_path_buf(), file: None });
        // Whether its owner may run it.
        let executable = metadata.permissions().mode() & 0o100 != 0;
        let seen = format!("{} {} {}", metadata.ino(), metadata.ctime(), metadata.ctime_nsec());
        Ok(Self { file, stamp: Stamp::of(&metadata), seen, executable })
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let modified = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
        Self { size: metadata.len(), modified }
    }
}

impl Source for FileSource {
    fn seen(&self) -> String {
        self.seen.clone()
    }

    fn save_hash(&mut self, hasher: SavedHasher) {
        self.file.save_hash(hasher);
    }
}

impl LocalFile for FileSource {
    fn read(&mut self, offset: u64, count: usize) -> Result<Vec<u8>, LocalFailure> {
        self.file.read(offset, count)
    }

    fn hash(&mut self, size: u64) -> Result<BlobHash, LocalFailure> {
        let hash = self.file.hash(size)?;
        let metadata = self.file.content.open().and_then(|file| file.metadata());
        let metadata = metadata.map_err(|error| local_failure(&error))?;
        if Stamp::of(&metadata) == self.stamp { Ok(hash) } else { Err(LocalFailure::Changed) }
    }
}

/// Standard input. What was read is kept in a file without a name, for a connection that is cut.
pub(crate) struct StandardInput {
    spool: File,
    ended: bool,
    /// Of what is in the spool.
    hasher: ContentHasher,
}

impl StandardInput {
    /// Standard input, with a folder for what was read.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let spool = rustix::fs::open(
            folder,
            rustix::fs::OFlags::TMPFILE | rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::from_raw_mode(0o600),
        )?;
        Ok(Self { spool: spool.into(), ended: false, hasher: ContentHasher::new() })
    }

    fn spool_up_to(&mut self, end: u64) -> io::Result<()> {
        let mut chunk = vec![0; 64 << 10];
        let mut input = io::stdin().lock();
        while self.hasher.length() < end && !self.ended {
            let spooled = self.hasher.length();
            let wanted = chunk.len().min(usize::try_from(end - spooled).unwrap_or(usize::MAX));
            let count = match input.read(&mut chunk[..wanted]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            self.ended = count == 0;
            self.spool.write_all_at(&chunk[..count], spooled)?;
            self.hasher.update(&chunk[..count]);
        }
        Ok(())
    }
}

impl LocalFile for StandardInput {
    fn read(&mut self, offset: u64, count: usize) -> Result<Vec<u8>, LocalFailure> {
        self.spool_up_to(offset + count as u64).map_err(|error| local_failure(&error))?;
        let mut bytes = vec![0; count];
        let filled = fill(&mut bytes, |rest, at| self.spool.read_at(rest, offset + at))
            .map_err(|error| local_failure(&error))?;
        bytes.truncate(filled);
        Ok(bytes)
    }

    fn hash(&mut self, size: u64) -> Result<BlobHash, LocalFailure> {
        if self.hasher.length() == size { Ok(self.hasher.hash()) } else { Err(LocalFailure::Changed) }
    }
}
