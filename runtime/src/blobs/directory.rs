//! Where contents are kept, and what is done about them one at a time.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt as _, FileExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use palabre_core::{
    blob::{BlobFailure, BlobOperation, BlobOutcome},
    transfer::{BlobHash, Subtree, UploadId, hash_of_outline, outline_from_bytes, outline_to_bytes},
};
use rustix::io::Errno;

use super::{removal::Remover, upload::OpenUpload};
use crate::{disk_space, saved_hash::SavedHasher};

/// Blobs that are kept open for reading.
const READERS_MAX: usize = 64;

/// What a file is called by, beside the upload whose hash so far it has, or the blob whose outline.
const SUMS_ENDING: &str = ".sums";

/// The directory, and what of it is open. Several may work on one directory as long as each has uploads and blobs of its own.
#[derive(Debug)]
pub struct BlobDirectory {
    uploads: PathBuf,
    blobs: PathBuf,
    open: HashMap<UploadId, OpenUpload>,
    readers: HashMap<BlobHash, File>,
    /// Folders for blobs, by the first two bytes of their hashes, that are known to be durable.
    durable_folders: HashSet<[u8; 2]>,
    remover: Arc<Remover>,
    /// Blobs that turned out not to be what they are called, so that none is read again and again for its outline.
    damaged: HashSet<BlobHash>,
}

impl BlobDirectory {
    /// The directory `files` in a data directory; it is made where there is none.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(data: &Path) -> io::Result<Self> {
        let (uploads, blobs) = (data.join("files/uploads"), data.join("files/blobs"));
        for directory in [&uploads, &blobs] {
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        sync_directory(&data.join("files"))?;
        sync_directory(data)?;
        Ok(Self::on(uploads, blobs, Arc::new(Remover::start()?)))
    }

    fn on(uploads: PathBuf, blobs: PathBuf, remover: Arc<Remover>) -> Self {
        Self {
            uploads,
            blobs,
            open: HashMap::new(),
            readers: HashMap::new(),
            durable_folders: HashSet::new(),
            remover,
            damaged: HashSet::new(),
        }
    }

    /// Another that works on the same files.
    pub(super) fn another(&self) -> Self {
        Self::on(self.uploads.clone(), self.blobs.clone(), Arc::clone(&self.remover))
    }

    /// Deletes what a crash left behind: uploads that nobody knows, and contents that no file has.
    ///
    /// # Errors
    /// What the system says.
    pub fn tidy(&self, uploads: &HashSet<UploadId>, is_used: impl Fn(BlobHash) -> bool) -> io::Result<()> {
        let known: HashSet<String> = uploads.iter().map(ToString::to_string).collect();
        for entry in fs::read_dir(&self.uploads)? {
            let entry = entry?;
            let name = entry.file_name();
            let upload = name.to_str().map(|name| name.strip_suffix(SUMS_ENDING).unwrap_or(name));
            if !upload.is_some_and(|upload| known.contains(upload)) {
                fs::remove_file(entry.path())?;
            }
        }
        for outer in folders_in(&self.blobs)? {
            for inner in folders_in(&outer)? {
                for entry in fs::read_dir(inner)? {
                    let entry = entry?;
                    let name = entry.file_name();
                    let name = name.to_str().map(|name| name.strip_suffix(SUMS_ENDING).unwrap_or(name));
                    let hash = name.and_then(BlobHash::parse);
                    if hash.is_some_and(|hash| !is_used(hash)) {
                        fs::remove_file(entry.path())?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Executes one operation. Takes as long as the disk does.
    ///
    /// # Errors
    /// Why it was not done.
    pub fn execute(&mut self, operation: BlobOperation) -> Result<BlobOutcome, BlobFailure> {
        match operation {
            BlobOperation::Open { upload, epoch, offset, size } => {
                self.open_upload(upload, epoch, offset, size)
            }
            BlobOperation::Write { upload, epoch, offset, bytes } => {
                self.write(upload, epoch, offset, &bytes)
            }
            BlobOperation::Sync { upload, epoch } => {
                let directory = self.uploads.clone();
                self.with_upload(upload, epoch, |upload| upload.sync(&directory))
                    .map(|()| BlobOutcome::Synced)
            }
            BlobOperation::Seal { upload, epoch, size, hash } => self.seal(upload, epoch, size, hash),
            BlobOperation::Close { upload } => {
                self.open.remove(&upload);
                Ok(BlobOutcome::Done)
            }
            BlobOperation::Discard { upload } => {
                self.open.remove(&upload);
                let sums = done(fs::remove_file(self.sums_path(upload)));
                done(self.remover.remove(&self.upload_path(upload))).and(sums)
            }
            BlobOperation::Read { blob, offset, count } => self.read(blob, offset, count),
            BlobOperation::Outline { blob } => self.outline(blob),
            BlobOperation::Remove { blob } => {
                self.readers.remove(&blob);
                self.damaged.remove(&blob);
                // It is no more than a help, and a start would delete it.
                let _ = fs::remove_file(self.outline_path(blob));
                done(self.remover.remove(&self.blob_path(blob)))
            }
        }
    }

    fn upload_path(&self, upload: UploadId) -> PathBuf {
        self.uploads.join(upload.to_string())
    }

    fn sums_path(&self, upload: UploadId) -> PathBuf {
        self.uploads.join(format!("{upload}{SUMS_ENDING}"))
    }

    fn blob_path(&self, blob: BlobHash) -> PathBuf {
        let name = blob.to_string();
        self.blobs.join(&name[..2]).join(&name[2..4]).join(name)
    }

    fn outline_path(&self, blob: BlobHash) -> PathBuf {
        let mut path = self.blob_path(blob).into_os_string();
        path.push(SUMS_ENDING);
        path.into()
    }

    fn open_upload(
        &mut self,
        upload: UploadId,
        epoch: u32,
        offset: u64,
        size: Option<u64>,
    ) -> Result<BlobOutcome, BlobFailure> {
        self.open.remove(&upload);
        let wanted = size.unwrap_or(offset).saturating_sub(offset);
        self.check_space(wanted)?;
        let opened =
            OpenUpload::open(&self.upload_path(upload), &self.sums_path(upload), epoch, offset, size)
                .map_err(|error| told("opened", &error))?;
        let offset = opened.length();
        self.open.insert(upload, opened);
        Ok(BlobOutcome::Opened { offset })
    }

    fn write(
        &mut self,
        upload: UploadId,
        epoch: u32,
        offset: u64,
        bytes: &[u8],
    ) -> Result<BlobOutcome, BlobFailure> {
        let more = bytes.len() as u64;
        if self.open.get(&upload).is_some_and(|upload| upload.takes_space(more))
            && let Err(failure) = self.check_space(more)
        {
            self.open.remove(&upload);
            return Err(failure);
        }
        self.with_upload(upload, epoch, |upload| upload.write(offset, bytes)).map(|()| BlobOutcome::Written)
    }

    /// The database must never lack space for the sake of files.
    fn check_space(&self, wanted: u64) -> Result<(), BlobFailure> {
        if disk_space::leaves_reserve(&self.uploads, wanted) {
            return Ok(());
        }
        self.remover.finish();
        if disk_space::leaves_reserve(&self.uploads, wanted) { Ok(()) } else { Err(BlobFailure::NoSpace) }
    }

    /// Does something with an open upload. One that fails is not trusted any more.
    fn with_upload<T>(
        &mut self,
        id: UploadId,
        epoch: u32,
        act: impl FnOnce(&mut OpenUpload) -> io::Result<T>,
    ) -> Result<T, BlobFailure> {
        let upload = self.open.get_mut(&id).filter(|upload| upload.epoch() == epoch);
        let upload = upload.ok_or(BlobFailure::Missing)?;
        act(upload).map_err(|error| {
            self.open.remove(&id);
            told("written", &error)
        })
    }

    fn seal(
        &mut self,
        upload: UploadId,
        epoch: u32,
        size: u64,
        hash: BlobHash,
    ) -> Result<BlobOutcome, BlobFailure> {
        let from = self.upload_path(upload);
        let directory = self.uploads.clone();
        let sealed = self.with_upload(upload, epoch, |upload| {
            if !upload.is(size, hash) {
                return Ok(None);
            }
            upload.sync(&directory)?;
            upload.seal();
            Ok(Some(upload.outline()))
        })?;
        let Some(outline) = sealed else { return Ok(BlobOutcome::Mismatched) };
        self.link(&from, hash, size).map_err(|error| told("kept", &error))?;
        self.save_outline(hash, &outline);
        Ok(BlobOutcome::Sealed)
    }

    /// Has a content found by its hash: by a second name, so that the first is there until the journal has the file.
    /// What is there already may have been put there a moment ago by another thread, and not be durable yet; what has another size
    /// was damaged by somebody else, and is replaced.
    fn link(&mut self, from: &Path, hash: BlobHash, size: u64) -> io::Result<()> {
        let to = self.blob_path(hash);
        let inner = to.parent().unwrap_or(&self.blobs);
        let outer = inner.parent().unwrap_or(&self.blobs);
        let folder = [hash.0[0], hash.0[1]];
        if !self.durable_folders.contains(&folder) {
            for (directory, parent) in [(outer, self.blobs.as_path()), (inner, outer)] {
                or_there(DirBuilder::new().mode(0o700).create(directory))?;
                sync_directory(parent)?;
            }
            self.durable_folders.insert(folder);
        }
        or_there(fs::hard_link(from, &to))?;
        if fs::symlink_metadata(&to)?.len() != size {
            tracing::error!(blob = %hash, "the content of a file was damaged; what was uploaded anew takes its place");
            let new = from.with_extension("new");
            or_there(fs::hard_link(from, &new))?;
            fs::rename(new, &to)?;
        }
        sync_directory(inner)
    }

    /// Keeps the outline of a blob, where it has one. That is a help only, so nothing waits for it to be durable.
    fn save_outline(&self, blob: BlobHash, outline: &[Subtree]) {
        if outline.is_empty() {
            return;
        }
        if let Err(error) = fs::write(self.outline_path(blob), outline_to_bytes(outline)) {
            tracing::debug!(%error, "the outline of a file is not kept");
        }
    }

    /// What is kept is believed if the hash follows from it, and else found out once more.
    fn outline(&mut self, blob: BlobHash) -> Result<BlobOutcome, BlobFailure> {
        let kept = fs::read(self.outline_path(blob)).ok().and_then(|bytes| outline_from_bytes(&bytes));
        if let Some(outline) = kept.filter(|outline| hash_of_outline(outline) == Some(blob)) {
            return Ok(BlobOutcome::Outline(outline));
        }
        if self.damaged.contains(&blob) {
            return Err(BlobFailure::Failed);
        }
        let file = File::open(self.blob_path(blob)).map_err(|error| told("read", &error))?;
        let mut hasher = SavedHasher::default();
        let read = hasher.sum_up(u64::MAX, |chunk, at| file.read_at(chunk, at));
        read.map_err(|error| told("read", &error))?;
        if hasher.hash() != blob {
            tracing::error!(%blob, "the content of a file is damaged");
            self.damaged.insert(blob);
            return Err(BlobFailure::Failed);
        }
        let outline = hasher.outline();
        self.save_outline(blob, &outline);
        Ok(BlobOutcome::Outline(outline))
    }

    fn read(&mut self, blob: BlobHash, offset: u64, count: u32) -> Result<BlobOutcome, BlobFailure> {
        if self.readers.len() >= READERS_MAX && !self.readers.contains_key(&blob) {
            self.readers.clear();
        }
        let path = self.blob_path(blob);
        let file = match self.readers.entry(blob) {
            std::collections::hash_map::Entry::Occupied(found) => found.into_mut(),
            std::collections::hash_map::Entry::Vacant(vacant) => {
                vacant.insert(File::open(path).map_err(|error| told("read", &error))?)
            }
        };
        let mut bytes = vec![0; count as usize];
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read_at(&mut bytes[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(told("read", &error)),
            }
        }
        bytes.truncate(filled);
        Ok(BlobOutcome::Read(bytes))
    }
}

/// The folders in a folder; what else is there is not ours.
fn folders_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

/// What is there already is there.
fn or_there(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// What is deleted already is deleted.
fn done(result: io::Result<()>) -> Result<BlobOutcome, BlobFailure> {
    match result {
        Ok(()) => Ok(BlobOutcome::Done),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BlobOutcome::Done),
        Err(error) => Err(told("deleted", &error)),
    }
}

pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Tells the operator, and says what it comes to.
fn told(what: &str, error: &io::Error) -> BlobFailure {
    let full = [Errno::NOSPC, Errno::DQUOT, Errno::FBIG].map(Errno::raw_os_error);
    let failure = match error.raw_os_error() {
        Some(number) if full.contains(&number) => BlobFailure::NoSpace,
        Some(_) | None => BlobFailure::Failed,
    };
    tracing::error!(%error, "a file could not be {what}");
    failure
}
