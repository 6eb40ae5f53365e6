//! What is in a folder, as a table of what stands where in its stream.

use std::{
    ffi::OsString,
    fs::{self, Metadata},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use palabre_core::transfer::FileName;

use super::{
    DEPTH_MAX, ENTRIES_MAX, Links,
    header::{Kind, header},
    stays_inside,
};
use crate::{
    failure::{ExitStatus, Failure},
    transfer::not_readable,
};

/// All stands at a multiple of this.
pub(super) const BLOCK_BYTES: u64 = 512;
/// The stream ends in two empty blocks.
pub(super) const END_BYTES: u64 = 2 * BLOCK_BYTES;

/// The table.
#[derive(Debug)]
pub(super) struct Listing {
    /// The folder here.
    pub(super) base: PathBuf,
    /// What it is called in the stream.
    pub(super) top: String,
    /// In the order of the stream.
    pub(super) entries: Vec<Entry>,
    /// How long the stream is.
    pub(super) size: u64,
    /// Tells apart what is in the folder: names, kinds, sizes and times.
    pub(super) digest: i64,
    /// A number that changes whenever anything in it may have, also where times were put back.
    pub(super) seen: i64,
    pub(super) skipped: Skipped,
}

/// A thing of the folder, and where it stands.
#[derive(Debug)]
pub(super) struct Entry {
    /// Beneath the folder; empty for the folder itself.
    pub(super) path: String,
    pub(super) kind: Kind,
    /// In seconds and nanoseconds since 1970.
    pub(super) modified: (i64, i64),
    pub(super) start: u64,
    pub(super) header_bytes: u64,
}

/// What was left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Skipped {
    links: usize,
    /// Links that were to be kept, and lead outside.
    outside: usize,
    /// Links that were to be followed, and lead nowhere or around in a circle.
    nowhere: usize,
    /// What is neither file, folder nor link.
    special: usize,
}

/// Lists a folder. Names that nobody could take are refused here, before anything is sent.
pub(super) fn walk(base: &Path, top: &str, links: Links) -> Result<Listing, Failure> {
    let metadata = fs::metadata(base).map_err(|error| not_readable(base, &error))?;
    let mut walk = Walk {
        links,
        listing: Listing {
            base: base.to_path_buf(),
            top: top.to_owned(),
            entries: Vec::new(),
            size: 0,
            digest: 0,
            seen: 0,
            skipped: Skipped::default(),
        },
        hasher: blake3::Hasher::new(),
        seen: blake3::Hasher::new(),
        above: Vec::new(),
    };
    walk.folder(base, Path::new(""), &metadata)?;
    let mut listing = walk.listing;
    listing.size += END_BYTES;
    listing.digest = digest(&walk.hasher);
    listing.seen = digest(&walk.seen);
    Ok(listing)
}

fn digest(hasher: &blake3::Hasher) -> i64 {
    let mut digest = [0; 8];
    digest.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    i64::from_le_bytes(digest)
}

struct Walk {
    links: Links,
    listing: Listing,
    hasher: blake3::Hasher,
    seen: blake3::Hasher,
    /// The folders that one is in, by which a link that leads back into them is known.
    above: Vec<(u64, u64)>,
}

impl Walk {
    fn folder(&mut self, here: &Path, path: &Path, metadata: &Metadata) -> Result<(), Failure> {
        let id = (metadata.dev(), metadata.ino());
        if self.above.contains(&id) {
            self.listing.skipped.nowhere += 1;
            return Ok(());
        }
        if self.above.len() > DEPTH_MAX {
            return Err(too_much(
                here,
                &format!("folders may be {DEPTH_MAX} deep, and here they are deeper"),
            ));
        }
        self.add(here, path, Kind::Folder, metadata)?;
        self.above.push(id);
        for name in names(here).map_err(|error| not_readable(here, &error))? {
            self.thing(&here.join(&name), &path.join(&name))?;
        }
        self.above.pop();
        Ok(())
    }

    fn thing(&mut self, here: &Path, path: &Path) -> Result<(), Failure> {
        let fail = |error: &io::Error| not_readable(here, error);
        let metadata = fs::symlink_metadata(here).map_err(|error| fail(&error))?;
        if !metadata.is_symlink() {
            return self.no_link(here, path, &metadata);
        }
        match self.links {
            Links::Skip => {
                self.listing.skipped.links += 1;
                Ok(())
            }
            Links::Follow => match fs::metadata(here) {
                Ok(metadata) => self.no_link(here, path, &metadata),
                Err(error) if leads_nowhere(&error) => {
                    self.listing.skipped.nowhere += 1;
                    Ok(())
                }
                Err(error) => Err(fail(&error)),
            },
            Links::Keep => {
                let target = fs::read_link(here).map_err(|error| fail(&error))?;
                let depth = path.components().count() - 1;
                match target.to_str().filter(|target| stays_inside(target, depth)) {
                    Some(target) => self.add(here, path, Kind::Link(target.to_owned()), &metadata),
                    None => {
                        self.listing.skipped.outside += 1;
                        Ok(())
                    }
                }
            }
        }
    }

    fn no_link(&mut self, here: &Path, path: &Path, metadata: &Metadata) -> Result<(), Failure> {
        if metadata.is_dir() {
            return self.folder(here, path, metadata);
        }
        if !metadata.is_file() {
            self.listing.skipped.special += 1;
            return Ok(());
        }
        rustix::fs::access(here, rustix::fs::Access::READ_OK)
            .map_err(|error| not_readable(here, &error.into()))?;
        let executable = metadata.permissions().mode() & 0o100 != 0;
        self.add(here, path, Kind::File { size: metadata.len(), executable }, metadata)
    }

    fn add(&mut self, here: &Path, path: &Path, kind: Kind, metadata: &Metadata) -> Result<(), Failure> {
        if self.listing.entries.len() >= ENTRIES_MAX {
            return Err(too_much(
                &self.listing.base,
                &format!("there is more in it than {ENTRIES_MAX} files"),
            ));
        }
        let entry = Entry {
            path: acceptable(here, path, &self.listing.top)?,
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            start: self.listing.size,
            header_bytes: 0,
            kind,
        };
        let bytes = self.listing.header(&entry).map_err(|error| Failure::local(here.display(), &error))?;
        let entry = Entry { header_bytes: bytes.len() as u64, ..entry };
        self.hasher.update(&bytes).update(&entry.modified.1.to_le_bytes());
        for number in [metadata.ino().cast_signed(), metadata.ctime(), metadata.ctime_nsec()] {
            self.seen.update(&number.to_le_bytes());
        }
        self.listing.size = entry.end();
        self.listing.entries.push(entry);
        Ok(())
    }
}

impl Entry {
    /// Where its content stands.
    pub(super) const fn content(&self) -> u64 {
        self.start + self.header_bytes
    }

    /// Where the next one stands.
    const fn end(&self) -> u64 {
        (self.content() + self.kind.size()).next_multiple_of(BLOCK_BYTES)
    }
}

impl Listing {
    /// The header of a thing.
    pub(super) fn header(&self, entry: &Entry) -> io::Result<Vec<u8>> {
        let mut name = self.top.clone();
        if !entry.path.is_empty() {
            name = format!("{name}/{}", entry.path);
        }
        if entry.kind == Kind::Folder {
            name.push('/');
        }
        header(&name, &entry.kind, entry.modified.0)
    }
}

impl Skipped {
    /// What whoever uploads is told.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        let told = [
            (
                self.links,
                "symbolic links",
                "--links keep keeps those that stay inside of the folder, --links follow takes what they lead to",
            ),
            (
                self.outside,
                "symbolic links",
                "they lead outside of the folder; --links follow takes what they lead to",
            ),
            (self.nowhere, "symbolic links", "they lead nowhere, or back to where they are"),
            (self.special, "sockets, devices or pipes", "they have no content"),
        ];
        let told = told.into_iter().filter(|(count, ..)| *count > 0);
        told.map(|(count, what, why)| format!("left out: {count} {what} ({why})"))
    }
}

/// What is in a folder, in the order of the bytes of the names.
fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    let mut names =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
    names.sort_unstable();
    Ok(names)
}

/// A path that whoever downloads the folder takes.
fn acceptable(here: &Path, path: &Path, top: &str) -> Result<String, Failure> {
    let refuse = |why: &str| {
        let shown = here.display();
        Failure::usage(format!("{shown}: {why}; rename it, or leave it out of the folder. Nothing was sent"))
    };
    let path = path.to_str().ok_or_else(|| refuse("its name is no text"))?;
    let name = if path.is_empty() { top.to_owned() } else { format!("{top}/{path}") };
    FileName::parse(&name).map_err(|error| refuse(&error.to_string()))?;
    Ok(path.to_owned())
}

fn leads_nowhere(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

fn too_much(here: &Path, why: &str) -> Failure {
    let sentence = format!("{}: {why}; upload it in parts", here.display());
    Failure::new(ExitStatus::Limit, "folder-too-large", sentence)
}
