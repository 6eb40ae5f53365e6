//! What the storage port means about files, as plainly as it can be written down.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use palabre_core::{
    ids::{RoomId, UserId},
    storage::{
        Appended, FileOperation, FileOutcome, FileRecord, NewEvent, NewFile, Place, PutContent,
        RecoveredFiles, StorageFailure, StorageOutcome, UploadRecord, Usage,
    },
    transfer::{BlobHash, FileName, SharedFile, UploadId, UploadKey, Version},
};

use super::Tables;

/// How long it is remembered what an upload became (`PROTOCOL.md` U3).
const FINISHED_KEPT_MILLIS: u64 = 7 * 24 * 3_600 * 1_000;

/// What is stored about files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FileTables {
    versions_given: u64,
    files: BTreeMap<(Place, FileName), FileRecord>,
    uploads: BTreeMap<UploadId, UploadRecord>,
    /// With whose file each took the place of.
    finished: BTreeMap<UploadId, (UploadKey, FileRecord, UserId)>,
    /// Of small files.
    contents: BTreeMap<BlobHash, Vec<u8>>,
}

impl FileTables {
    pub(super) const fn new() -> Self {
        Self {
            versions_given: 0,
            files: BTreeMap::new(),
            uploads: BTreeMap::new(),
            finished: BTreeMap::new(),
            contents: BTreeMap::new(),
        }
    }

    pub(super) fn recovered(&self) -> RecoveredFiles {
        let mut usage: BTreeMap<UserId, Usage> = BTreeMap::new();
        for file in self.files.values() {
            add(usage.entry(file.by).or_default(), file);
        }
        RecoveredFiles {
            uploads: self.uploads.values().cloned().collect(),
            usage: usage.into_iter().collect(),
        }
    }

    /// What users have stored, ascending and each once.
    fn usage(&self, users: [UserId; 2]) -> Vec<(UserId, Usage)> {
        let of = |user| {
            let mut usage = Usage::default();
            self.files.values().filter(|file| file.by == user).for_each(|file| add(&mut usage, file));
            usage
        };
        BTreeSet::from(users).into_iter().map(|user| (user, of(user))).collect()
    }

    /// A room ceases, and its files with it.
    pub(super) fn drop_of_room(&mut self, room: RoomId) {
        self.files.retain(|(place, _), _| *place != Place::Room(room));
        self.forget_contents();
    }

    /// Contents are kept for as long as a file has them.
    fn forget_contents(&mut self) {
        let files = &self.files;
        self.contents.retain(|hash, _| files.values().any(|file| file.hash == *hash));
    }

    fn current(&self, place: Place, name: &FileName) -> Option<&FileRecord> {
        self.files.get(&(place, name.clone()))
    }

    fn unused(&self, file: &FileRecord) -> Option<BlobHash> {
        let used = self.files.values().any(|other| other.hash == file.hash);
        if used { None } else { Some(file.hash) }
    }
}

impl Tables {
    /// All files, with the content each must have.
    pub fn files(&self) -> impl Iterator<Item = &FileRecord> {
        self.files.files.values()
    }

    /// The content of a small file.
    #[must_use]
    pub fn content(&self, hash: BlobHash) -> Option<&[u8]> {
        self.files.contents.get(&hash).map(Vec::as_slice)
    }

    /// All uploads that are not files yet.
    pub fn uploads(&self) -> impl Iterator<Item = &UploadRecord> {
        self.files.uploads.values()
    }
}

/// Executes one operation.
pub(super) fn execute(
    tables: &mut Tables,
    operation: &FileOperation,
) -> Result<StorageOutcome, StorageFailure> {
    let outcome = match operation {
        FileOperation::LookUp { user, key, place, name } => {
            let finished = tables.files.finished.values();
            let committed = finished.filter(|(known, file, _)| known == key && file.by == *user);
            let current =
                tables.files.current(*place, name).map_or_else(Version::default, |file| file.version);
            FileOutcome::LookedUp { committed: committed.map(|(_, file, _)| file.clone()).next(), current }
        }
        FileOperation::OpenUpload { upload } => {
            let other = |(id, known): (&UploadId, &UploadRecord)| {
                *id != upload.id && (known.user, known.key) == (upload.user, upload.key)
            };
            tables.files.uploads.retain(|id, known| !other((id, known)));
            tables.files.uploads.entry(upload.id).or_insert_with(|| upload.clone());
            return Ok(StorageOutcome::Done);
        }
        FileOperation::Checkpoint { upload, durable, at } => {
            if let Some(upload) = tables.files.uploads.get_mut(upload) {
                upload.durable = *durable;
                upload.at = *at;
            }
            return Ok(StorageOutcome::Done);
        }
        FileOperation::DropUpload { upload } => {
            tables.files.uploads.remove(upload);
            return Ok(StorageOutcome::Done);
        }
        FileOperation::Commit { upload, file, event } => commit(tables, *upload, file, event.as_ref())?,
        FileOperation::Put { upload, key, file, content, event } => {
            put(tables, (*upload, *key), file, content, event.as_ref())?
        }
        FileOperation::Find { place, name, content } => {
            let file = tables.files.current(*place, name).cloned();
            let hash = file.as_ref().filter(|_| *content).map(|file| file.hash);
            let content = hash.and_then(|hash| tables.files.contents.get(&hash).cloned());
            FileOutcome::Found { file, content }
        }
        FileOperation::List { place, after, files_max, bytes_max } => {
            let here = |file: &&FileRecord| {
                file.place == *place && after.as_ref().is_none_or(|after| file.name > *after)
            };
            let listed: Vec<_> = tables.files.files.values().filter(here).cloned().collect();
            page(listed, *files_max as usize, *bytes_max as usize)
        }
        FileOperation::Older { than, files_max } => {
            let mut files: Vec<_> =
                tables.files.files.values().filter(|file| file.at < *than).cloned().collect();
            let is_room = |place| matches!(place, Place::Room(_));
            files.sort_by_key(|file| (file.at, is_room(file.place), file.place, file.name.clone()));
            let more = files.len() > *files_max as usize;
            files.truncate(*files_max as usize);
            FileOutcome::Page { files, more }
        }
        FileOperation::Delete { place, name, version, by, event } => {
            delete(tables, *place, name, (*version, *by), event.as_ref())?
        }
        FileOperation::IsUsed { hash } => {
            FileOutcome::Used(tables.files.files.values().any(|file| file.hash == *hash))
        }
    };
    Ok(StorageOutcome::Files(Box::new(outcome)))
}

/// As many as there is room for, but one at least.
fn add(usage: &mut Usage, file: &FileRecord) {
    usage.files += 1;
    usage.bytes += file.size;
}

fn page(mut listed: Vec<FileRecord>, files_max: usize, bytes_max: usize) -> FileOutcome {
    let all = listed.len();
    let mut bytes = 0;
    let fits = listed.iter().take_while(|file| {
        bytes += file.name.as_str().len() + file.nick.len();
        bytes <= bytes_max
    });
    let count = fits.count().min(files_max).max(1);
    listed.truncate(count);
    FileOutcome::Page { more: listed.len() < all, files: listed }
}

fn commit(
    tables: &mut Tables,
    id: UploadId,
    new: &NewFile,
    event: Option<&NewEvent>,
) -> Result<FileOutcome, StorageFailure> {
    if let Some((_, file, replaced)) = tables.files.finished.get(&id).cloned() {
        return answer_again(tables, file, replaced, event);
    }
    let key = tables.files.uploads.get(&id).map(|upload| upload.key).ok_or(StorageFailure::Failed)?;
    let outcome = store(tables, (id, key), new, event)?;
    if let FileOutcome::Committed { .. } = outcome {
        tables.files.uploads.remove(&id);
    }
    Ok(outcome)
}

fn put(
    tables: &mut Tables,
    (id, key): (UploadId, UploadKey),
    new: &NewFile,
    content: &PutContent,
    event: Option<&NewEvent>,
) -> Result<FileOutcome, StorageFailure> {
    let mut finished = tables.files.finished.values();
    let known = finished.find(|(known, file, _)| *known == key && file.by == new.by).cloned();
    if let Some((_, file, replaced)) = known {
        return answer_again(tables, file, replaced, event);
    }
    if let PutContent::OfFileIn(places) = content {
        let has = |file: &FileRecord| {
            places.contains(&file.place) && (file.hash, file.size) == (new.hash, new.size)
        };
        if !tables.files.files.values().any(has) {
            return Ok(FileOutcome::NoContent);
        }
    }
    let outcome = store(tables, (id, key), new, event)?;
    if let (FileOutcome::Committed { .. }, PutContent::Bytes(bytes)) = (&outcome, content) {
        tables.files.contents.insert(new.hash, bytes.clone());
    }
    Ok(outcome)
}

fn answer_again(
    tables: &mut Tables,
    file: FileRecord,
    replaced: UserId,
    event: Option<&NewEvent>,
) -> Result<FileOutcome, StorageFailure> {
    let event = announce(tables, &file, event)?;
    let usage = tables.files.usage([file.by, replaced]);
    Ok(FileOutcome::Committed { file, event, unused: None, usage })
}

fn store(
    tables: &mut Tables,
    (id, key): (UploadId, UploadKey),
    new: &NewFile,
    event: Option<&NewEvent>,
) -> Result<FileOutcome, StorageFailure> {
    if let Place::Room(room) = new.place
        && tables.room(room).is_none()
    {
        return Err(StorageFailure::NoSuchRoom);
    }
    let replaced = tables.files.current(new.place, &new.name).cloned();
    let current = replaced.as_ref().map_or_else(Version::default, |file| file.version);
    if new.over.is_some_and(|over| over != current) {
        return Ok(FileOutcome::Conflict { current });
    }
    if event.is_some_and(|event| tables.find_nonce(event.author, event.nonce).is_some()) {
        return Err(StorageFailure::Failed);
    }
    tables.files.versions_given += 1;
    let version = Version::new(tables.files.versions_given);
    let NewFile { place, name, over: _, size, hash, executable, by, nick, at } = new.clone();
    let file = FileRecord { place, name: name.clone(), version, size, hash, executable, by, nick, at };
    let event = announce(tables, &file, event)?;
    tables.files.files.insert((place, name), file.clone());
    let replaced_by = replaced.as_ref().map_or(file.by, |replaced| replaced.by);
    tables.files.finished.insert(id, (key, file.clone(), replaced_by));
    let remembered = file.at.as_millis().saturating_sub(FINISHED_KEPT_MILLIS);
    tables.files.finished.retain(|_, (_, file, _)| file.at.as_millis() >= remembered);
    let unused = replaced.as_ref().and_then(|replaced| tables.files.unused(replaced));
    tables.files.forget_contents();
    let usage = tables.files.usage([file.by, replaced_by]);
    Ok(FileOutcome::Committed { file, event, unused, usage })
}

fn announce(
    tables: &mut Tables,
    file: &FileRecord,
    event: Option<&NewEvent>,
) -> Result<Option<(Appended, Arc<str>)>, StorageFailure> {
    let (Place::Room(room), Some(event)) = (file.place, event) else { return Ok(None) };
    let FileRecord { name, version, size, hash, .. } = file.clone();
    let text: Arc<str> = SharedFile { name, version, size, hash }.to_text().into();
    let event = NewEvent { text: Arc::clone(&text), ..event.clone() };
    Ok(Some((tables.append_event(room, &event)?, text)))
}

fn delete(
    tables: &mut Tables,
    place: Place,
    name: &FileName,
    (version, by): (Version, UserId),
    event: Option<&NewEvent>,
) -> Result<FileOutcome, StorageFailure> {
    let found = tables.files.current(place, name).filter(|file| file.version == version).cloned();
    let told_before = event.is_some_and(|event| tables.find_nonce(event.author, event.nonce).is_some());
    let existed = found.is_some() || told_before || event.is_none();
    let event = match (place, event) {
        (Place::Room(room), Some(event)) if existed => Some(tables.append_event(room, event)?),
        (Place::Room(_) | Place::Shelf(_), _) => None,
    };
    let Some(file) = found else {
        let usage = tables.files.usage([by, by]);
        return Ok(FileOutcome::Deleted { event, existed, unused: None, usage });
    };
    tables.files.files.remove(&(place, name.clone()));
    let unused = tables.files.unused(&file);
    tables.files.forget_contents();
    let usage = tables.files.usage([file.by, file.by]);
    Ok(FileOutcome::Deleted { event, existed, unused, usage })
}
