//! Where a download goes: a file that appears whole under its name or not at all, or standard output.
//!
//! The folder is opened once, and everything in it is named from there: whatever happens to the path meanwhile, nothing outside of
//! the folder is touched. No link is followed, and nothing is replaced unasked.

use std::{
    ffi::CString,
    fs::File,
    io::{self, Write as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::fs::FileExt as _,
    },
    path::{Path, PathBuf},
};

use palabre_core::{
    client::LocalFailure,
    transfer::{BlobHash, ContentHasher},
};
use palabre_runtime::{client::LocalFile, saved_hash::SavedHasher, write_behind};
use rustix::{
    fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags},
    io::Errno,
};

use super::{Record, tree};

/// A file of a folder, and the part of it that is here.
pub(crate) struct Destination {
    folder: OwnedFd,
    path: PathBuf,
    name: String,
    part: String,
    file: File,
    overwrite: bool,
    hasher: SavedHasher,
}

impl Destination {
    /// Opens the folder, and in it the part of a file that is to be called `name`, which may be there only if that is said.
    ///
    /// # Errors
    /// [`LocalFailure::Exists`], or what the system says.
    pub(crate) fn open(
        folder: &Path,
        name: &str,
        part: &str,
        resume: bool,
        overwrite: bool,
    ) -> Result<Self, LocalFailure> {
        let fail = |error: Errno| local_failure(&error.into());
        let root = rustix::fs::openat(
            CWD,
            folder,
            OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(fail)?;
        if !overwrite && rustix::fs::statat(&root, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Err(LocalFailure::Exists);
        }
        let mut flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if !resume {
            // A part that is not ours is in the way.
            flags |= OFlags::EXCL;
        }
        let file = rustix::fs::openat(&root, part, flags, Mode::from_raw_mode(0o666)).map_err(fail)?;
        let file = File::from(file);
        take_alone(&root, part, &file)?;
        Ok(Self {
            folder: root,
            path: folder.join(name),
            name: name.to_owned(),
            part: part.to_owned(),
            file,
            overwrite,
            hasher: SavedHasher::default(),
        })
    }

    /// How much of it is here.
    pub(crate) fn length(&self) -> io::Result<u64> {
        self.file.metadata().map(|metadata| metadata.len())
    }

    /// Goes on behind the first `end` bytes of what is here, of which the hasher may know some.
    pub(crate) fn go_on(&mut self, end: u64, hasher: SavedHasher) -> io::Result<()> {
        self.file.set_len(end)?;
        self.hasher = hasher;
        self.hasher.sum_up(end, |chunk, at| self.file.read_at(chunk, at))?;
        if self.hasher.length() == end { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Where the whole will be.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that it will be in.
    pub(super) const fn folder(&self) -> &OwnedFd {
        &self.folder
    }

    /// What has arrived.
    pub(super) const fn part(&self) -> &File {
        &self.file
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it takes the place of what is there.
    pub(super) const fn overwrites(&self) -> bool {
        self.overwrite
    }

    /// Whether all has arrived, and nothing else. What is something else is of no use to anybody.
    pub(super) fn verify(&self, size: u64, hash: BlobHash) -> Result<(), LocalFailure> {
        if self.hasher.length() != size || self.hasher.hash() != hash {
            self.discard();
            return Err(LocalFailure::Mismatch);
        }
        Ok(())
    }

    /// Deletes what has arrived.
    pub(super) fn discard(&self) {
        // What is left of it is hidden, and written over if it is taken again.
        let _ = rustix::fs::unlinkat(&self.folder, self.part.as_str(), AtFlags::empty());
    }

    fn put_into_place(&self) -> Result<(), LocalFailure> {
        let (folder, part, name) = (&self.folder, self.part.as_str(), self.name.as_str());
        let moved = if self.overwrite {
            rustix::fs::renameat(folder, part, folder, name)
        } else {
            match rustix::fs::renameat_with(folder, part, folder, name, RenameFlags::NOREPLACE) {
                // A file system without it: a second name fails likewise where there is one.
                Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                    rustix::fs::linkat(folder, part, folder, name, AtFlags::empty())
                        .and_then(|()| rustix::fs::unlinkat(folder, part, AtFlags::empty()))
                }
                other => other,
            }
        };
        match moved {
            Ok(()) => rustix::fs::fsync(folder).map_err(|error| local_failure(&error.into())),
            Err(Errno::EXIST) => Err(LocalFailure::Exists),
            Err(error) => Err(local_failure(&error.into())),
        }
    }
}

/// Has nobody else write to a part: two would each verify what they wrote, and keep a mixture.
fn take_alone(folder: &OwnedFd, part: &str, file: &File) -> Result<(), LocalFailure> {
    let busy = || LocalFailure::Failed("another process is downloading it".into());
    // Where there are no locks, there is none to be had.
    if let Err(Errno::WOULDBLOCK) = rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        return Err(busy());
    }
    // Whoever had it may just have put it into its place.
    let fail = |error: Errno| local_failure(&error.into());
    let here = rustix::fs::fstat(file).map_err(fail)?;
    match rustix::fs::statat(folder, part, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(there) if (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino) => Ok(()),
        Ok(_) | Err(_) => Err(busy()),
    }
}

/// Deletes what has arrived of a download that is given up.
pub(crate) fn delete_parts(record: &Record) -> io::Result<()> {
    let Some(folder) = record.local.parent() else { return Ok(()) };
    let root =
        rustix::fs::openat(CWD, folder, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    for name in [record.part_name(), record.hidden_name()].into_iter().flatten() {
        tree::remove(root.as_fd(), &CString::new(name)?)?;
    }
    Ok(())
}

impl LocalFile for Destination {
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), LocalFailure> {
        if offset != self.hasher.length() {
            return Err(LocalFailure::Failed("these bytes do not belong behind those that are there".into()));
        }
        self.file.write_all_at(bytes, offset).map_err(|error| local_failure(&error))?;
        self.hasher.update(bytes);
        write_behind::begin(&self.file, offset, self.hasher.length());
        if self.hasher.has_unsaved() {
            // What a crash may take must not be counted on later.
            self.file.sync_data().map_err(|error| local_failure(&error))?;
            self.hasher.save();
        }
        Ok(())
    }

    fn keep(&mut self, size: u64, hash: BlobHash, executable: bool) -> Result<(), LocalFailure> {
        self.verify(size, hash)?;
        let fail = |error: io::Error| local_failure(&error);
        if executable {
            use std::os::unix::fs::PermissionsExt as _;
            let mut permissions = self.file.metadata().map_err(fail)?.permissions();
            // Whoever may read it may run it.
            permissions.set_mode(permissions.mode() | ((permissions.mode() & 0o444) >> 2));
            self.file.set_permissions(permissions).map_err(fail)?;
        }
        self.file.sync_all().map_err(fail)?;
        self.put_into_place()
    }
}

/// Standard output: what does not turn out to be right was written nevertheless, and the exit code says so.
pub(crate) struct StandardOutput {
    hasher: ContentHasher,
}

impl StandardOutput {
    pub(crate) fn new() -> Self {
        Self { hasher: ContentHasher::new() }
    }
}

impl LocalFile for StandardOutput {
    fn write(&mut self, _: u64, bytes: &[u8]) -> Result<(), LocalFailure> {
        io::stdout().lock().write_all(bytes).map_err(|error| local_failure(&error))?;
        self.hasher.update(bytes);
        Ok(())
    }

    fn keep(&mut self, size: u64, hash: BlobHash, _: bool) -> Result<(), LocalFailure> {
        io::stdout().lock().flush().map_err(|error| local_failure(&error))?;
        if self.hasher.length() == size && self.hasher.hash() == hash {
            Ok(())
        } else {
            Err(LocalFailure::Mismatch)
        }
    }
}

/// A failure of the system in the words that the client takes.
#[expect(clippy::wildcard_enum_match_arm, reason = "the system's own words say the rest")]
pub(super) fn local_failure(error: &io::Error) -> LocalFailure {
    match error.kind() {
        io::ErrorKind::AlreadyExists => LocalFailure::Exists,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => LocalFailure::NoSpace,
        _ => LocalFailure::Failed(error.to_string()),
    }
}
