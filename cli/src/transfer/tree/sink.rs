//! Where a folder goes that is downloaded: beside its place as a stream, then, when that is whole, as a hidden folder, then in one
//! step into its place.

use std::{ffi::CString, os::fd::AsFd as _};

use palabre_core::{client::LocalFailure, transfer::BlobHash};
use palabre_runtime::client::LocalFile;
use rustix::{
    fs::{AtFlags, RenameFlags},
    io::Errno,
};

use super::{
    Verdict,
    growing::{Growing, remove},
    unpack::{Trouble, unpack},
};
use crate::transfer::sink::{Destination, local_failure};

/// A folder that is to be, and the stream it comes as.
pub(crate) struct TreeDestination {
    stream: Destination,
    /// What the folder is called until it is whole.
    hidden: CString,
    /// Whether what has that name was left there by us.
    resume: bool,
    verdict: Verdict,
}

impl TreeDestination {
    pub(crate) fn new(
        stream: Destination,
        hidden: String,
        resume: bool,
        verdict: Verdict,
    ) -> Result<Self, LocalFailure> {
        let hidden = CString::new(hidden).map_err(|_| LocalFailure::Failed("its name is no name".into()))?;
        Ok(Self { stream, hidden, resume, verdict })
    }

    fn unpack(&self) -> Result<(), Trouble> {
        let folder = self.stream.folder().as_fd();
        if self.resume {
            remove(folder, &self.hidden)?;
        }
        let growing = Growing::make(folder, &self.hidden)?;
        unpack(self.stream.part(), growing)
    }

    fn put_into_place(&self) -> Result<(), LocalFailure> {
        let (folder, hidden, name) = (self.stream.folder().as_fd(), &*self.hidden, self.stream.name());
        let fail = |error: Errno| local_failure(&error.into());
        let there = || rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
        let rename = |flags| rustix::fs::renameat_with(folder, hidden, folder, name, flags);
        let overwrites = self.stream.overwrites();
        match rename(RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(Errno::EXIST) if overwrites => self.replace()?,
            Err(Errno::EXIST) => return Err(LocalFailure::Exists),
            // A file system without it, where a folder takes the place of nothing, or of an empty folder.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => match there() {
                true if overwrites => self.replace()?,
                true => return Err(LocalFailure::Exists),
                false => rustix::fs::renameat(folder, hidden, folder, name).map_err(fail)?,
            },
            Err(error) => return Err(fail(error)),
        }
        rustix::fs::fsync(folder).map_err(fail)
    }

    /// Takes the place of what is there, which is never half gone: the two change places, and then it is removed.
    fn replace(&self) -> Result<(), LocalFailure> {
        let (folder, hidden, name) = (self.stream.folder().as_fd(), &*self.hidden, self.stream.name());
        let fail = |error: Errno| local_failure(&error.into());
        match rustix::fs::renameat_with(folder, hidden, folder, name, RenameFlags::EXCHANGE) {
            Ok(()) => remove(folder, hidden).map_err(|error| {
                let sentence =
                    format!("it is in its place, but what was there before cannot be removed: {error}");
                LocalFailure::Failed(sentence)
            }),
            // A file system without it. The new one is safe already, if under another name.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                let old = CString::new(name).map_err(|_| LocalFailure::Exists)?;
                remove(folder, &old).map_err(|error| local_failure(&error))?;
                rustix::fs::renameat(folder, hidden, folder, name).map_err(fail)
            }
            Err(error) => Err(fail(error)),
        }
    }
}

impl LocalFile for TreeDestination {
    fn read(&mut self, offset: u64, count: usize) -> Result<Vec<u8>, LocalFailure> {
        self.stream.read(offset, count)
    }

    fn hash(&mut self, size: u64) -> Result<BlobHash, LocalFailure> {
        self.stream.hash(size)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), LocalFailure> {
        self.stream.write(offset, bytes)
    }

    fn keep(&mut self, size: u64, hash: BlobHash, _: bool) -> Result<(), LocalFailure> {
        self.stream.verify(size, hash)?;
        let made = match self.unpack() {
            Ok(()) => self.put_into_place(),
            Err(Trouble::Local(error)) => Err(local_failure(&error)),
            Err(Trouble::Unfit(sentence)) => {
                self.verdict.set(sentence);
                self.stream.discard();
                Err(LocalFailure::Mismatch)
            }
        };
        match made {
            Ok(()) => self.stream.discard(),
            // What was made of it is made anew if it is tried again, and is in nobody's way until then.
            Err(_) => drop(remove(self.stream.folder().as_fd(), &self.hidden)),
        }
        made
    }
}
