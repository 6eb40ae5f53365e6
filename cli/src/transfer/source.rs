//! What is uploaded: a file, or what comes in by standard input.

use std::{
    fs::{File, Metadata},
    io::{self, Read as _},
    os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use palabre_core::{client::LocalFailure, transfer::BlobHash};
use palabre_runtime::client::LocalFile;

use super::sink::local_failure;

/// What is read at a time to sum up what need not be sent.
const CHUNK_BYTES: usize = 1 << 20;

/// A file that is uploaded. Its hash is taken as it is read; what the server has already is read for that alone.
pub(crate) struct FileSource {
    path: PathBuf,
    /// Open from when it is first read: thousands may wait for their turn.
    file: Option<File>,
    /// What it was like when it was chosen.
    stamp: Stamp,
    is_executable: bool,
    hasher: blake3::Hasher,
    /// How much of it the hasher has.
    hashed: u64,
}

/// By what a file is known to be the same still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) size: u64,
    /// In nanoseconds since 1970.
    pub(crate) modified: i128,
}

impl FileSource {
    /// Chooses a file that can be read.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::other("it is a folder; upload the files in it"));
        }
        if !metadata.is_file() {
            return Err(io::Error::other(
                "it is no ordinary file; write - to upload what comes in by standard input",
            ));
        }
        Ok(Self {
            path: path.to_path_buf(),
            file: None,
            stamp: Stamp::of(&metadata),
            is_executable: metadata.permissions().mode() & 0o100 != 0,
            hasher: blake3::Hasher::new(),
            hashed: 0,
        })
    }

    fn file(&mut self) -> io::Result<&File> {
        match &mut self.file {
            Some(file) => Ok(file),
            none @ None => Ok(none.insert(File::open(&self.path)?)),
        }
    }

    pub(crate) const fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Whether its owner may run it.
    pub(crate) const fn is_executable(&self) -> bool {
        self.is_executable
    }

    fn hash_up_to(&mut self, end: u64) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK_BYTES];
        while self.hashed < end {
            let count = chunk.len().min(usize::try_from(end - self.hashed).unwrap_or(usize::MAX));
            let hashed = self.hashed;
            let count = self.file()?.read_at(&mut chunk[..count], hashed)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.hasher.update(&chunk[..count]);
            self.hashed += count as u64;
        }
        Ok(())
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let modified = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
        Self { size: metadata.len(), modified }
    }
}

impl LocalFile for FileSource {
    fn read(&mut self, offset: u64, count: usize) -> Result<Vec<u8>, LocalFailure> {
        self.hash_up_to(offset).map_err(|error| changed_or(&error))?;
        let mut bytes = vec![0; count];
        let file = self.file().map_err(|error| local_failure(&error))?;
        let filled = fill(&mut bytes, |rest, at| file.read_at(rest, offset + at))
            .map_err(|error| local_failure(&error))?;
        bytes.truncate(filled);
        let new = usize::try_from(self.hashed.saturating_sub(offset)).unwrap_or(usize::MAX);
        if let Some(unhashed) = bytes.get(new..) {
            self.hasher.update(unhashed);
            self.hashed += unhashed.len() as u64;
        }
        Ok(bytes)
    }

    fn hash(&mut self, size: u64) -> Result<BlobHash, LocalFailure> {
        self.hash_up_to(size).map_err(|error| changed_or(&error))?;
        let metadata = self.file().and_then(File::metadata).map_err(|error| local_failure(&error))?;
        if Stamp::of(&metadata) != self.stamp || self.hashed != size {
            return Err(LocalFailure::Changed);
        }
        Ok(BlobHash(*self.hasher.finalize().as_bytes()))
    }

    fn write(&mut self, _: u64, _: &[u8]) -> Result<(), LocalFailure> {
        Err(LocalFailure::Failed("it is only read".into()))
    }

    fn keep(&mut self, _: u64, _: BlobHash, _: bool) -> Result<(), LocalFailure> {
        Err(LocalFailure::Failed("it is only read".into()))
    }
}

/// Standard input. What was read is kept in a file without a name, for a connection that is cut.
pub(crate) struct StandardInput {
    spool: File,
    spooled: u64,
    ended: bool,
    hasher: blake3::Hasher,
}

impl StandardInput {
    /// Standard input, with a folder for what was read.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let spool = rustix::fs::open(
            folder,
            rustix::fs::OFlags::TMPFILE | rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::from_raw_mode(0o600),
        )?;
        Ok(Self { spool: spool.into(), spooled: 0, ended: false, hasher: blake3::Hasher::new() })
    }

    fn spool_up_to(&mut self, end: u64) -> io::Result<()> {
        let mut chunk = vec![0; 64 << 10];
        let mut input = io::stdin().lock();
        while self.spooled < end && !self.ended {
            let wanted = chunk.len().min(usize::try_from(end - self.spooled).unwrap_or(usize::MAX));
            let count = match input.read(&mut chunk[..wanted]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            self.ended = count == 0;
            self.spool.write_all_at(&chunk[..count], self.spooled)?;
            self.hasher.update(&chunk[..count]);
            self.spooled += count as u64;
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
        if self.spooled != size {
            return Err(LocalFailure::Changed);
        }
        Ok(BlobHash(*self.hasher.finalize().as_bytes()))
    }

    fn write(&mut self, _: u64, _: &[u8]) -> Result<(), LocalFailure> {
        Err(LocalFailure::Failed("it is only read".into()))
    }

    fn keep(&mut self, _: u64, _: BlobHash, _: bool) -> Result<(), LocalFailure> {
        Err(LocalFailure::Failed("it is only read".into()))
    }
}

/// Reads until it is full or there is no more.
fn fill(bytes: &mut [u8], mut read: impl FnMut(&mut [u8], u64) -> io::Result<usize>) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match read(&mut bytes[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A file that ends too early has changed.
fn changed_or(error: &io::Error) -> LocalFailure {
    if error.kind() == io::ErrorKind::UnexpectedEof { LocalFailure::Changed } else { local_failure(error) }
}
