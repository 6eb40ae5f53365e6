//! Files that are stored in one request: small ones, and those whose content is there already (`PROTOCOL.md` U15).

use alloc::vec::Vec;

use super::upload::conflict;
use crate::{
    error::{Refusal, RefusalCode},
    ids::ConnectionId,
    server::{Pending, Server, pending::Asked},
    storage::{
        FileOperation, FileOutcome, NewEvent, NewFile, Place, PutContent, StorageFailure, StorageOperation,
    },
    transfer::FileName,
    wire::{self, PUT_BYTES_MAX},
};

/// A file that storage is storing.
#[derive(Debug)]
pub(crate) struct Putting {
    file: NewFile,
    event: Option<NewEvent>,
    /// What storage was given, and so is in memory.
    bytes: u64,
}

impl Server {
    pub(in crate::server) fn put(&mut self, id: ConnectionId, put: &wire::Put<'_>) {
        match self.check_put(id, put) {
            Ok(file) => self.store_put(id, put, file),
            Err(refusal) => self.refuse(id, put.id, &refusal),
        }
    }

    fn check_put(&self, id: ConnectionId, put: &wire::Put<'_>) -> Result<NewFile, Refusal> {
        let (by, place) = self.readable_place(id, put.room)?;
        self.may_upload(by, place)?;
        let name = FileName::parse(put.name)?;
        self.check_size(&name, put.size)?;
        if let Some(content) = put.content {
            self.check_content(&name, put, content)?;
        }
        if self.files.knows_key(by, put.key) {
            let text = "The upload was begun in parts; go on with it.";
            return Err(Refusal::new(RefusalCode::NoSuchContent, text).about(name.as_str()));
        }
        // Whether it takes the place of another, or was stored before, is not known yet: an upload is looked up first.
        self.check_count(by, &name, RefusalCode::NoSuchContent)?;
        self.check_charge(by, &name, put.size)?;
        let Some(nick) = self.users.get(by).map(|user| user.nick.shared()) else {
            return Err(Refusal::new(RefusalCode::NotPossible, "Enter first."));
        };
        let wire::Put { over, size, hash, executable, .. } = *put;
        Ok(NewFile { place, name, over, size, hash, executable, by, nick, at: self.peers.now.wall })
    }

    fn check_content(&self, name: &FileName, put: &wire::Put<'_>, content: &[u8]) -> Result<(), Refusal> {
        if content.len() > PUT_BYTES_MAX {
            let text = "More than 32,768 bytes are uploaded in parts.";
            return Err(Refusal::new(RefusalCode::FileTooLarge, text).about(name.as_str()));
        }
        if content.len() as u64 != put.size || blake3::hash(content) != put.hash.0 {
            let text = "What arrived is not what was announced; send it again.";
            return Err(Refusal::new(RefusalCode::Integrity, text).about(name.as_str()));
        }
        let left = self.config.limits.windows_bytes_max.saturating_sub(self.files.windows_bytes);
        if left < content.len() as u64 {
            let text = "The server is busy with files; try again in a moment.";
            return Err(Refusal::new(RefusalCode::SlowDown, text));
        }
        Ok(())
    }

    fn store_put(&mut self, id: ConnectionId, put: &wire::Put<'_>, file: NewFile) {
        let asked = self.begin(id, put.id);
        let bytes = put.content.map_or(0, <[u8]>::len) as u64;
        self.files.windows_bytes += bytes;
        self.files.reserve(file.by, file.size);
        let event = self.announcement(&file, put.key);
        let content = match put.content {
            Some(content) => PutContent::Bytes(content.to_vec()),
            None => {
                let rooms = self.users.get(file.by).into_iter();
                let rooms = rooms.flat_map(|user| user.rooms.iter().chain(&user.directs));
                let mut places: Vec<_> = rooms.copied().map(Place::Room).collect();
                places.push(Place::Shelf(file.by));
                if crate::seeded_bug!("content-of-anybody") {
                    places.extend(self.files.usage.keys().copied().map(Place::Shelf));
                }
                PutContent::OfFileIn(places)
            }
        };
        let (upload, key) = (self.new_upload_id(), put.key);
        let operation = FileOperation::Put { upload, key, file: file.clone(), content, event: event.clone() };
        let pending = Pending::Put { asked, put: Putting { file, event, bytes }.into() };
        self.ask_storage(pending, StorageOperation::Files(operation.into()));
    }

    /// Storage has stored a file, or has not.
    pub(in crate::server) fn put_answered(
        &mut self,
        asked: Asked,
        put: Putting,
        result: Result<FileOutcome, StorageFailure>,
    ) {
        let Putting { file: wanted, event, bytes } = put;
        let place = wanted.place;
        if !crate::seeded_bug!("put-counted-for-ever") {
            self.files.release(wanted.by, wanted.size);
        }
        self.give_window_back(bytes);
        if let Place::Room(room) = place {
            self.hold(room, -1);
        }
        match result {
            Ok(FileOutcome::Committed { file, event: appended, unused, usage }) => {
                self.files.note_usage(&usage);
                self.became_file(Some(asked), &file);
                self.announced(place, event, appended);
                self.remove_unused(unused);
            }
            Ok(FileOutcome::Conflict { current }) => {
                self.refuse_file(asked, &conflict(&wanted.name, wanted.over, current));
            }
            Ok(FileOutcome::NoContent) => {
                let text = "There is no such content that you can read; upload it.";
                let refusal = Refusal::new(RefusalCode::NoSuchContent, text);
                self.refuse_file(asked, &refusal.about(wanted.name.as_str()));
            }
            other => {
                let failure = other.err().unwrap_or(StorageFailure::Failed);
                self.storage_refused(asked, "store the file", failure);
            }
        }
        if let Place::Room(room) = place {
            self.drop_if_deserted(room);
        }
    }
}
