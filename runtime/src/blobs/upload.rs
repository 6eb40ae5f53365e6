//! What has arrived of one upload.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use palabre_core::transfer::{BlobHash, Subtree};
use rustix::fs::{FallocateFlags, fallocate};

use super::directory::sync_directory;
use crate::{
    saved_hash::{SavedHasher, no_follow},
    write_behind,
};

/// An upload that is open for writing, with the hash of what is there.
#[derive(Debug)]
pub(super) struct OpenUpload {
    file: File,
    epoch: u32,
    /// Up to where the file system has promised space.
    promised: u64,
    hasher: SavedHasher,
    /// Whether its name is durable.
    named: bool,
    /// Whether it is a blob by another name, which must not change any more.
    sealed: bool,
}

impl OpenUpload {
    /// Opens what has arrived of an upload and cuts it off behind `offset`, which is durable; less is there only if the disk has lost
    /// something, and then nothing of it is believed. What it comes to is saved in the file `sums`.
    pub(super) fn open(
        path: &Path,
        sums: &Path,
        epoch: u32,
        offset: u64,
        size: Option<u64>,
    ) -> io::Result<Self> {
        let file = open_own(path, offset)?;
        let offset = if file.metadata()?.len() < offset { 0 } else { offset };
        file.set_len(offset)?;
        let mut promised = offset;
        if let Some(more) = size.and_then(|size| size.checked_sub(offset)).filter(|more| *more > 0) {
            match fallocate(&file, FallocateFlags::KEEP_SIZE, offset, more) {
                Ok(()) => promised += more,
                // Some file systems cannot; they say that there is no space when it comes to that.
                Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let about = path.file_name().map(OsStr::as_encoded_bytes).unwrap_or_default();
        let mut hasher = SavedHasher::open(sums, about, offset);
        hasher.sum_up(offset, |chunk, at| file.read_at(chunk, at))?;
        if hasher.length() != offset {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Self { file, epoch, promised, hasher, named: offset > 0, sealed: false })
    }

    pub(super) const fn epoch(&self) -> u32 {
        self.epoch
    }

    pub(super) fn length(&self) -> u64 {
        self.hasher.length()
    }

    /// Whether so many bytes more would take space that nobody has promised.
    pub(super) fn takes_space(&self, more: u64) -> bool {
        self.length().saturating_add(more) > self.promised
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if offset != self.length() || self.sealed {
            return Err(io::Error::other("these bytes do not belong behind those that are there"));
        }
        self.file.write_all_at(bytes, offset)?;
        self.hasher.update(bytes);
        // What the disk has not begun with when chat makes something durable, chat waits for.
        write_behind::begin(&self.file, offset, self.length());
        Ok(())
    }

    /// Makes durable what was written, and, the first time, that there is such a file.
    pub(super) fn sync(&mut self, directory: &Path) -> io::Result<()> {
        self.file.sync_data()?;
        self.hasher.save();
        if !self.named {
            sync_directory(directory)?;
            self.named = true;
        }
        Ok(())
    }

    /// Whether it has this size and hash.
    pub(super) fn is(&self, size: u64, hash: BlobHash) -> bool {
        self.length() == size && self.hasher.hash() == hash
    }

    /// The outline of what has arrived.
    pub(super) fn outline(&self) -> Vec<Subtree> {
        self.hasher.outline()
    }

    pub(super) const fn seal(&mut self) {
        self.sealed = true;
    }
}

/// Opens the file of an upload, which is nobody else's. One that became a blob before its server ended is left to that,
/// and copied.
fn open_own(path: &Path, offset: u64) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600).custom_flags(no_follow());
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return options.create_new(true).open(path);
        }
        Err(error) => return Err(error),
    };
    if file.metadata()?.nlink() == 1 {
        return Ok(file);
    }
    let copy = path.with_extension("copy");
    let mut own = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&copy)?;
    io::copy(&mut io::Read::take(&file, offset), &mut own)?;
    own.sync_all()?;
    fs::rename(&copy, path)?;
    if let Some(directory) = path.parent() {
        sync_directory(directory)?;
    }
    options.open(path)
}
