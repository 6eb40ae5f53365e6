//! A folder that is uploaded: a stream that exists nowhere and can be read anywhere.

use std::{fs::File, io, path::Path};

use palabre_core::{client::LocalFailure, transfer::BlobHash};
use palabre_runtime::{client::LocalFile, saved_hash::SavedHasher};
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};

use super::{
    Links,
    header::Kind,
    walk::{END_BYTES, Listing, walk},
};
use crate::{
    failure::Failure,
    transfer::{
        source::{Source, Stamp},
        summed::{Content, Summed},
    },
};

/// A folder that is uploaded.
pub(crate) struct TreeSource {
    stream: Summed<Stream>,
}

impl TreeSource {
    /// Lists a folder, which is called `top` in the stream.
    ///
    /// # Errors
    /// What cannot be read, and names that nobody could take.
    pub(crate) fn open(base: &Path, top: &str, links: Links) -> Result<Self, Failure> {
        let listing = walk(base, top, links)?;
        Ok(Self { stream: Summed::new(Stream { listing, links, open: None }) })
    }

    /// What whoever uploads it is told of what was left out.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = String> {
        self.stream.content.listing.skipped.warnings()
    }

    pub(crate) fn stamp(&self) -> Stamp {
        self.stream.content.listing.stamp()
    }

    pub(crate) const fn links(&self) -> Links {
        self.stream.content.links
    }
}

impl Source for TreeSource {
    fn seen(&self) -> String {
        self.stream.content.listing.seen.to_string()
    }

    fn save_hash(&mut self, hasher: SavedHasher) {
        self.stream.save_hash(hasher);
    }
}

impl LocalFile for TreeSource {
    fn read(&mut self, offset: u64, count: usize) -> Result<Vec<u8>, LocalFailure> {
        self.stream.read(offset, count)
    }

    fn hash(&mut self, size: u64) -> Result<BlobHash, LocalFailure> {
        let hash = self.stream.hash(size)?;
        let Stream { listing, links, .. } = &self.stream.content;
        let now = walk(&listing.base, &listing.top, *links).map_err(|_| LocalFailure::Changed)?;
        if now.stamp() == listing.stamp() { Ok(hash) } else { Err(LocalFailure::Changed) }
    }
}

impl Listing {
    fn stamp(&self) -> Stamp {
        Stamp { size: self.size, modified: self.digest.into() }
    }
}

/// The stream. One file of it is open at a time.
struct Stream {
    listing: Listing,
    links: Links,
    /// By its place in the table.
    open: Option<(usize, File)>,
}

impl Content for Stream {
    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let end = self.listing.size - END_BYTES;
        if offset >= end {
            return Ok(zeros(bytes, self.listing.size.saturating_sub(offset)));
        }
        let index = self.listing.entries.partition_point(|entry| entry.start <= offset) - 1;
        let entry = &self.listing.entries[index];
        if offset < entry.content() {
            let header = self.listing.header(entry)?;
            let rest = usize::try_from(offset - entry.start).ok().and_then(|at| header.get(at..));
            let rest = rest.unwrap_or_default();
            let count = rest.len().min(bytes.len());
            bytes[..count].copy_from_slice(&rest[..count]);
            return Ok(count);
        }
        let (at, size) = (offset - entry.content(), entry.kind.size());
        if at >= size {
            let next = self.listing.entries.get(index + 1).map_or(end, |entry| entry.start);
            return Ok(zeros(bytes, next - offset));
        }
        let count = bytes.len().min(usize::try_from(size - at).unwrap_or(usize::MAX));
        match self.file(index)?.read_at(at, &mut bytes[..count])? {
            0 => Err(changed()),
            count => Ok(count),
        }
    }
}

impl Stream {
    /// A file of the folder, which must be the one that was listed.
    fn file(&mut self, index: usize) -> io::Result<&mut File> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != index) {
            self.open = None;
            let file = self.open(index)?;
            self.open = Some((index, file));
        }
        self.open.as_mut().map(|(_, file)| file).ok_or_else(changed)
    }

    fn open(&self, index: usize) -> io::Result<File> {
        use std::os::unix::fs::MetadataExt as _;
        let entry = &self.listing.entries[index];
        // It may be a pipe by now, which nobody writes to.
        let mut flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        if self.links != Links::Follow {
            flags |= OFlags::NOFOLLOW;
        }
        let path = self.listing.base.join(&entry.path);
        let file = match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Err(changed()),
            Err(error) => {
                let error = io::Error::from(error);
                return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display())));
            }
        };
        let metadata = file.metadata()?;
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        let listed = matches!(entry.kind, Kind::File { size, .. } if size == metadata.len());
        if metadata.is_file() && listed && modified == entry.modified { Ok(file) } else { Err(changed()) }
    }
}

/// Zeros, at most so many.
fn zeros(bytes: &mut [u8], left: u64) -> usize {
    let count = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
    bytes[..count].fill(0);
    count
}

fn changed() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}
