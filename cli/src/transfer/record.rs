//! What is kept of transfers between runs, so that they can be gone on with: a file each in the state folder.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use palabre_core::transfer::{BlobHash, UploadKey};
use palabre_runtime::saved_hash::SavedHasher;
use serde::{Deserialize, Serialize};

use super::tree::Links;
use crate::{
    context::Context,
    failure::Failure,
    state::{create_folder, open_private, remove, replace},
};

/// Which way it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Direction {
    Upload,
    Download,
}

/// A transfer that is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) direction: Direction,
    /// As it is shown.
    pub(crate) server: String,
    /// Where it is, or goes, there: `#room/name`.
    pub(crate) remote: String,
    /// The file here, from the root.
    pub(crate) local: PathBuf,
    /// What an upload is called there, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// Whether it is a folder, here.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) folder: bool,
    /// What becomes of links in a folder that is uploaded.
    #[serde(default)]
    pub(crate) links: Links,
    /// By what what is uploaded is known to be the same still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) modified: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    /// The content of what is downloaded, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hash: Option<String>,
    /// Whether it takes the place of what is there.
    #[serde(default)]
    pub(crate) force: bool,
}

impl Record {
    pub(crate) fn upload_key(&self) -> Option<UploadKey> {
        let text = self.key.as_deref()?;
        // A key has half the digits of a hash.
        let BlobHash(bytes) = BlobHash::parse(&format!("{text}{text}"))?;
        let mut key = [0; 16];
        key.copy_from_slice(&bytes[..16]);
        Some(UploadKey(key))
    }

    pub(crate) fn content(&self) -> Option<BlobHash> {
        BlobHash::parse(self.hash.as_deref()?)
    }

    /// The name that what has arrived of a download has, beside where the whole will be.
    pub(crate) fn part_name(&self) -> Option<String> {
        self.beside("part")
    }

    /// The name that a folder has, beside where it will be, until all of it is there.
    pub(crate) fn hidden_name(&self) -> Option<String> {
        self.folder.then(|| self.beside("folder")).flatten()
    }

    fn beside(&self, ending: &str) -> Option<String> {
        let name = self.local.file_name()?.to_str()?;
        // Names have 255 bytes at most; the hash tells long ones apart.
        let hash = blake3::hash(format!("{} {}", self.server, self.remote).as_bytes()).to_hex();
        let mut end = name.len().min(200);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        Some(format!(".{}.{}.{ending}", &name[..end], &hash[..8]))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// A record that nobody else goes on with while this is held.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) id: u32,
    pub(crate) record: Record,
    file: PathBuf,
    _lock: File,
}

impl Held {
    /// Writes down what has changed.
    pub(crate) fn save(&self) -> io::Result<()> {
        replace(&self.file, &serde_json::to_vec(&self.record)?)
    }

    /// Sums up its content, of which the first `end` bytes are what they were; what was saved of that in an earlier run is gone on with.
    /// `seen` is by what it is told apart from what it may have become.
    pub(crate) fn hasher(&self, end: u64, seen: &str) -> SavedHasher {
        let Record { server, remote, key, .. } = &self.record;
        let about = format!("{server}\n{remote}\n{}\n{seen}", key.as_deref().unwrap_or_default());
        SavedHasher::open(&self.sums(), about.as_bytes(), end)
    }

    /// What was saved of its hash is wrong.
    pub(crate) fn forget_hash(&self) {
        // What cannot be deleted cannot be written anew either.
        let _ = remove(&self.sums());
    }

    fn sums(&self) -> PathBuf {
        self.file.with_extension("sums")
    }

    /// The transfer is done, or given up.
    pub(crate) fn forget(self) -> io::Result<()> {
        // First: another transfer may have the number next.
        remove(&self.sums())?;
        remove(&self.file)?;
        remove(&self.file.with_extension("lock"))
    }
}

/// The folder with all of them; nothing is kept without a home.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    folder: Option<PathBuf>,
}

impl Records {
    pub(crate) fn of(context: &Context) -> Self {
        Self { folder: context.state.as_ref().map(|state| state.folder().join("transfers")) }
    }

    /// The folder, made if there is none.
    pub(crate) fn folder(&self) -> io::Result<Option<&Path>> {
        if let Some(folder) = &self.folder {
            create_folder(folder)?;
        }
        Ok(self.folder.as_deref())
    }

    /// All that can be read, by number, and whether somebody is at it.
    pub(crate) fn list(&self) -> Vec<(u32, Record, bool)> {
        let mut records: Vec<_> = self.numbers().into_iter().filter_map(|id| self.read(id)).collect();
        records.sort_by_key(|(id, _, _)| *id);
        records
    }

    fn numbers(&self) -> Vec<u32> {
        let entries = self.folder.as_ref().and_then(|folder| fs::read_dir(folder).ok());
        let numbers = entries.into_iter().flatten().flatten().filter_map(|entry| {
            let name = entry.file_name();
            name.to_str()?.strip_suffix(".json")?.parse().ok()
        });
        numbers.collect()
    }

    fn read(&self, id: u32) -> Option<(u32, Record, bool)> {
        let record = self.parse(id)?;
        let busy = matches!(self.lock(id), Ok(None));
        Some((id, record, busy))
    }

    fn parse(&self, id: u32) -> Option<Record> {
        let bytes = fs::read(self.file(id)?).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    fn file(&self, id: u32) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{id}.json")))
    }

    fn lock(&self, id: u32) -> io::Result<Option<File>> {
        let Some(file) = self.file(id) else { return Ok(None) };
        let lock = open_private(&file.with_extension("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Takes a record that nobody is at.
    pub(crate) fn hold(&self, id: u32) -> Result<Held, Failure> {
        let (Some(record), Some(file)) = (self.parse(id), self.file(id)) else {
            let sentence = format!("{id}: there is no such transfer; `cli transfers` lists those there are");
            return Err(Failure::new(crate::failure::ExitStatus::NotFound, "no-such-transfer", sentence));
        };
        let lock = self.lock(id).map_err(|error| Failure::local("the folder of transfers", &error))?;
        let lock = lock.ok_or_else(|| {
            let sentence = format!("{id}: another process goes on with this transfer");
            Failure::new(crate::failure::ExitStatus::Unavailable, "transfer-busy", sentence)
        })?;
        Ok(Held { id, record, file, _lock: lock })
    }

    /// The record of the same transfer, if one was begun before and nobody is at it, or else this one.
    pub(crate) fn find_or_add(&self, record: Record) -> Result<Option<Held>, Failure> {
        let local = |error: &io::Error| Failure::local("the folder of transfers", error);
        if self.folder().map_err(|error| local(&error))?.is_none() {
            return Ok(None);
        }
        let is_same = |other: &Record| {
            (other.direction, &other.server, &other.remote, &other.local, other.folder)
                == (record.direction, &record.server, &record.remote, &record.local, record.folder)
                && (other.direction == Direction::Download
                    || (other.size, other.modified, other.links)
                        == (record.size, record.modified, record.links))
        };
        for (id, other, busy) in self.list() {
            if is_same(&other) && !busy {
                let mut held = self.hold(id)?;
                held.record.force = record.force;
                return Ok(Some(held));
            }
        }
        let mut id = self.numbers().into_iter().max().unwrap_or(0);
        loop {
            id += 1;
            let Some(file) = self.file(id) else { return Ok(None) };
            let Some(lock) = self.lock(id).map_err(|error| local(&error))? else { continue };
            if file.exists() {
                continue;
            }
            let held = Held { id, record, file, _lock: lock };
            held.save().map_err(|error| local(&error))?;
            return Ok(Some(held));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(local: &str) -> Record {
        Record {
            direction: Direction::Upload,
            server: "chat.example:4000".into(),
            remote: "#lobby/x".into(),
            local: local.into(),
            key: Some("000102030405060708090a0b0c0d0e0f".into()),
            folder: false,
            links: Links::Skip,
            modified: Some(5),
            size: Some(7),
            hash: None,
            force: false,
        }
    }

    #[test]
    fn the_same_transfer_is_gone_on_with_and_another_is_added() {
        let home = tempfile::tempdir().unwrap();
        let records = Records { folder: Some(home.path().join("transfers")) };
        let first = records.find_or_add(record("/a")).unwrap().unwrap();
        assert_eq!(first.record.upload_key().unwrap().0[15], 15);
        let busy = records.find_or_add(record("/a")).unwrap().unwrap();
        assert_ne!(first.id, busy.id, "somebody is at it");
        let id = first.id;
        drop(first);
        let again = records.find_or_add(Record { key: None, ..record("/a") }).unwrap().unwrap();
        assert_eq!((again.id, again.record.key.is_some()), (id, true));
        let changed = Record { size: Some(8), ..record("/a") };
        assert_ne!(records.find_or_add(changed).unwrap().unwrap().id, id);
        again.forget().unwrap();
        assert!(records.hold(id).is_err());
    }

    #[test]
    fn what_was_written_down_before_there_were_folders_is_a_file() {
        let text = r#"{"direction":"upload","server":"chat.example:4000","remote":"\#lobby/x","local":"/a",
            "key":"000102030405060708090a0b0c0d0e0f","modified":5,"size":7,"force":false}"#;
        let read: Record = serde_json::from_str(&text.replace('\\', "")).unwrap();
        assert_eq!(read, record("/a"));
        let folder = Record { folder: true, links: Links::Keep, ..record("/a") };
        let text = serde_json::to_string(&folder).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), folder);
    }

    #[test]
    fn a_part_has_a_name_that_fits() {
        let long = "ä".repeat(127);
        let part = record(&format!("/tmp/{long}")).part_name().unwrap();
        assert!(part.len() < 255 && part.ends_with(".part"), "{part}");
    }
}
