//! What the storage of the tests knows of files.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for some among many")]

use std::collections::{BTreeMap, BTreeSet};

use palabre_core::{
    ids::UserId,
    storage::{
        Appended, FileOperation, FileOutcome, FileRecord, NewEvent, NewFile, Place, PutContent,
        RecoveredFiles, StorageFailure, StorageOperation, StorageOutcome, UploadRecord, Usage,
    },
    transfer::{BlobHash, FileName, SharedFile, UploadId, UploadKey, Version},
};

use super::Store;

#[derive(Clone, Default)]
pub(crate) struct Files {
    versions: u64,
    pub(crate) entries: BTreeMap<(Place, FileName), FileRecord>,
    pub(crate) uploads: BTreeMap<UploadId, UploadRecord>,
    finished: BTreeMap<(UserId, UploadKey), FileRecord>,
    pub(crate) contents: BTreeMap<BlobHash, Vec<u8>>,
}

impl Files {
    pub(crate) fn recovered(&self) -> RecoveredFiles {
        let users: BTreeSet<UserId> = self.entries.values().map(|file| file.by).collect();
        RecoveredFiles { uploads: self.uploads.values().cloned().collect(), usage: self.usage(users) }
    }

    fn usage(&self, users: impl IntoIterator<Item = UserId>) -> Vec<(UserId, Usage)> {
        let of = |user| {
            let sizes = self.entries.values().filter(|file| file.by == user).map(|file| file.size);
            sizes.fold(Usage::default(), |Usage { files, bytes }, size| Usage {
                files: files + 1,
                bytes: bytes + size,
            })
        };
        users.into_iter().map(|user| (user, of(user))).collect()
    }

    fn is_used(&self, file: &FileRecord) -> bool {
        self.entries.values().any(|other| other.hash == file.hash)
    }
}

impl Store {
    pub(super) fn execute_on_files(
        &mut self,
        operation: FileOperation,
    ) -> Result<StorageOutcome, StorageFailure> {
        let outcome = match operation {
            FileOperation::LookUp { user, key, place, name } => {
                let current = self.files.entries.get(&(place, name)).map(|file| file.version);
                let committed = self.files.finished.get(&(user, key)).cloned();
                FileOutcome::LookedUp { committed, current: current.unwrap_or_default() }
            }
            FileOperation::OpenUpload { upload } => {
                self.files.uploads.insert(upload.id, upload);
                return Ok(StorageOutcome::Done);
            }
            FileOperation::Checkpoint { upload, durable, at } => {
                if let Some(upload) = self.files.uploads.get_mut(&upload) {
                    (upload.durable, upload.at) = (durable, at);
                }
                return Ok(StorageOutcome::Done);
            }
            FileOperation::DropUpload { upload } => {
                self.files.uploads.remove(&upload);
                return Ok(StorageOutcome::Done);
            }
            FileOperation::Commit { upload, file, event } => self.commit(upload, file, event)?,
            FileOperation::Put { upload: _, key, file, content, event } => {
                self.put(key, file, content, event)?
            }
            FileOperation::Find { place, name, content } => {
                let file = self.files.entries.get(&(place, name)).cloned();
                let hash = file.as_ref().filter(|_| content).map(|file| file.hash);
                let content = hash.and_then(|hash| self.files.contents.get(&hash).cloned());
                FileOutcome::Found { file, content }
            }
            FileOperation::List { place, after, files_max, bytes_max: _ } => {
                let here = self.files.entries.values().filter(|file| file.place == place);
                let mut files: Vec<_> = here
                    .filter(|file| after.as_ref().is_none_or(|after| file.name > *after))
                    .cloned()
                    .collect();
                let more = files.len() > files_max as usize;
                files.truncate(files_max as usize);
                FileOutcome::Page { files, more }
            }
            FileOperation::Older { than, files_max } => {
                let old = self.files.entries.values().filter(|file| file.at < than);
                let files: Vec<_> = old.take(files_max as usize).cloned().collect();
                FileOutcome::Page { files, more: false }
            }
            FileOperation::Delete { place, name, version, by, event } => {
                let found = self.files.entries.get(&(place, name.clone())).cloned();
                let found = found.filter(|file| file.version == version);
                if found.is_some() {
                    self.files.entries.remove(&(place, name));
                }
                let event = match (&found, place, event) {
                    (Some(_), Place::Room(_), Some(event)) => Some(self.announce(place, event)?),
                    (Some(_) | None, Place::Room(_) | Place::Shelf(_), _) => None,
                };
                let unused = found.as_ref().filter(|file| !self.files.is_used(file)).map(|file| file.hash);
                let usage = self.files.usage([by, by]);
                FileOutcome::Deleted { event, existed: found.is_some(), unused, usage }
            }
            FileOperation::IsUsed { hash } => {
                FileOutcome::Used(self.files.entries.values().any(|file| file.hash == hash))
            }
        };
        Ok(StorageOutcome::Files(Box::new(outcome)))
    }

    fn commit(
        &mut self,
        upload: UploadId,
        new: NewFile,
        event: Option<NewEvent>,
    ) -> Result<FileOutcome, StorageFailure> {
        let key = self.files.uploads.get(&upload).map(|record| record.key).ok_or(StorageFailure::Failed)?;
        let outcome = self.store_file(key, new, event)?;
        if let FileOutcome::Committed { .. } = outcome {
            self.files.uploads.remove(&upload);
        }
        Ok(outcome)
    }

    fn put(
        &mut self,
        key: UploadKey,
        new: NewFile,
        content: PutContent,
        event: Option<NewEvent>,
    ) -> Result<FileOutcome, StorageFailure> {
        if let Some(file) = self.files.finished.get(&(new.by, key)).cloned() {
            let usage = self.files.usage([file.by, file.by]);
            return Ok(FileOutcome::Committed { file, event: None, unused: None, usage });
        }
        let (hash, size) = (new.hash, new.size);
        if let PutContent::OfFileIn(places) = &content {
            let has =
                |file: &FileRecord| places.contains(&file.place) && (file.hash, file.size) == (hash, size);
            if !self.files.entries.values().any(has) {
                return Ok(FileOutcome::NoContent);
            }
        }
        let outcome = self.store_file(key, new, event)?;
        if let (FileOutcome::Committed { .. }, PutContent::Bytes(bytes)) = (&outcome, content) {
            self.files.contents.insert(hash, bytes);
        }
        Ok(outcome)
    }

    fn store_file(
        &mut self,
        key: UploadKey,
        new: NewFile,
        event: Option<NewEvent>,
    ) -> Result<FileOutcome, StorageFailure> {
        let NewFile { place, name, over, size, hash, executable, by, nick, at } = new;
        let replaced = self.files.entries.get(&(place, name.clone())).cloned();
        let current = replaced.as_ref().map(|file| file.version).unwrap_or_default();
        if over.is_some_and(|over| over != current) {
            return Ok(FileOutcome::Conflict { current });
        }
        self.files.versions += 1;
        let version = Version::new(self.files.versions);
        let file = FileRecord { place, name: name.clone(), version, size, hash, executable, by, nick, at };
        self.files.entries.insert((place, name.clone()), file.clone());
        self.files.finished.insert((by, key), file.clone());
        let event = match event {
            Some(event) => {
                let text: std::sync::Arc<str> = SharedFile { name, version, size, hash }.to_text().into();
                let event = NewEvent { text: text.clone(), ..event };
                Some((self.announce(place, event)?, text))
            }
            None => None,
        };
        let unused = replaced.as_ref().filter(|file| !self.files.is_used(file)).map(|file| file.hash);
        let usage = self.files.usage([by, replaced.map_or(by, |file| file.by)]);
        Ok(FileOutcome::Committed { file, event, unused, usage })
    }

    fn announce(&mut self, place: Place, event: NewEvent) -> Result<Appended, StorageFailure> {
        let Place::Room(room) = place else { return Err(StorageFailure::NoSuchRoom) };
        match self.execute(StorageOperation::Append { room, event, change: None })? {
            StorageOutcome::Appended(appended) => Ok(appended),
            _ => Err(StorageFailure::Failed),
        }
    }
}
