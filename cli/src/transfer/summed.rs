//! Content that is read at any place and summed up on the way.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use palabre_core::{client::LocalFailure, transfer::BlobHash};
use palabre_runtime::saved_hash::SavedHasher;
use rustix::{buffer::spare_capacity, io::Errno};

use super::sink::local_failure;

/// What can be read at any place. Content that is not what it was says so by [`io::ErrorKind::UnexpectedEof`].
pub(super) trait Content: Send {
    /// Reads some bytes; none only at the end.
    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<usize>;

    /// Reads up to `count` bytes, less only at the end.
    fn read_up_to(&mut self, offset: u64, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        let filled = fill(&mut bytes, |rest, at| self.read_at(offset + at, rest))?;
        bytes.truncate(filled);
        Ok(bytes)
    }
}

impl Content for File {
    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        (*self).read_at(bytes, offset)
    }

    fn read_up_to(&mut self, offset: u64, count: usize) -> io::Result<Vec<u8>> {
        // By far the most is read here: no zeroes are written first.
        let mut bytes = Vec::with_capacity(count);
        while bytes.len() < count {
            let at = offset + bytes.len() as u64;
            match rustix::io::pread(&*self, spare_capacity(&mut bytes), at) {
                Ok(0) => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        bytes.truncate(count);
        Ok(bytes)
    }
}

/// Content with its hash, which is taken as it is read; what the server has already is read for that alone.
pub(super) struct Summed<C> {
    pub(super) content: C,
    hasher: SavedHasher,
}

impl<C: Content> Summed<C> {
    pub(super) fn new(content: C) -> Self {
        Self { content, hasher: SavedHasher::default() }
    }

    /// Has the hash gone on with, and saved, before anything is read.
    pub(super) fn save_hash(&mut self, hasher: SavedHasher) {
        self.hasher = hasher;
    }

    /// Reads up to `count` bytes; less only where it ends.
    pub(super) fn read(&mut self, offset: u64, count: usize) -> Result<Vec<u8>, LocalFailure> {
        self.hash_up_to(offset).map_err(|error| changed_or(&error))?;
        let bytes = self.content.read_up_to(offset, count).map_err(|error| changed_or(&error))?;
        let new = usize::try_from(self.hasher.length().saturating_sub(offset)).unwrap_or(usize::MAX);
        if let Some(unhashed) = bytes.get(new..) {
            self.hasher.update(unhashed);
        }
        self.hasher.save();
        Ok(bytes)
    }

    /// The hash of all that was read, which must be so much.
    pub(super) fn hash(&mut self, size: u64) -> Result<BlobHash, LocalFailure> {
        self.hash_up_to(size).map_err(|error| changed_or(&error))?;
        if self.hasher.length() != size {
            return Err(LocalFailure::Changed);
        }
        Ok(self.hasher.hash())
    }

    fn hash_up_to(&mut self, end: u64) -> io::Result<()> {
        self.hasher.sum_up(end, |chunk, at| self.content.read_at(at, chunk))?;
        if self.hasher.length() < end { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

/// Reads until it is full or there is no more.
pub(super) fn fill(
    bytes: &mut [u8],
    mut read: impl FnMut(&mut [u8], u64) -> io::Result<usize>,
) -> io::Result<usize> {
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

/// What ends too early has changed.
fn changed_or(error: &io::Error) -> LocalFailure {
    if error.kind() == io::ErrorKind::UnexpectedEof { LocalFailure::Changed } else { local_failure(error) }
}
