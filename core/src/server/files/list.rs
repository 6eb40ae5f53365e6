//! Which files there are, and how they are deleted (`PROTOCOL.md` U12).

use alloc::{format, string::String, sync::Arc, vec::Vec};

use rand_core::RngCore as _;

use super::{no_such_file, room_of, wire_file};
use crate::{
    error::{Refusal, RefusalCode},
    ids::{ConnectionId, Nonce, RoomId, UserId},
    rights::Role,
    server::{Pending, Server, pending::Asked},
    storage::{
        EventKind, FileOperation, FileOutcome, FileRecord, NewEvent, Place, StorageFailure, StorageOperation,
    },
    transfer::{FileName, SharedFile, Version},
    wire,
};

impl Server {
    pub(in crate::server) fn list_files(&mut self, id: ConnectionId, files: &wire::Files<'_>) {
        let after = files.after.map(FileName::parse).transpose().map_err(Refusal::from);
        let (place, after) =
            match self.readable_place(id, files.room).and_then(|(_, place)| Ok((place, after?))) {
                Ok(found) => found,
                Err(refusal) => return self.refuse(id, files.id, &refusal),
            };
        let limits = &self.config.limits;
        let (files_max, bytes_max) = (limits.files_page_max, limits.files_page_bytes_max);
        let asked = self.begin(id, files.id);
        let operation = FileOperation::List { place, after, files_max, bytes_max };
        let pending = Pending::Files { asked, room: files.room };
        self.ask_storage(pending, StorageOperation::Files(operation.into()));
    }

    /// Storage has listed files. Whether they may be seen is judged once more.
    pub(in crate::server) fn files_listed(
        &mut self,
        asked: Asked,
        room: RoomId,
        result: Result<FileOutcome, StorageFailure>,
    ) {
        let (files, more) = match result {
            Ok(FileOutcome::Page { files, more }) => (files, more),
            other => {
                let failure = other.err().unwrap_or(StorageFailure::Failed);
                return self.storage_refused(asked, "list the files", failure);
            }
        };
        if let Err(refusal) = self.readable_place(asked.connection, room) {
            return self.refuse_file(asked, &refusal);
        }
        self.finish(asked);
        let next = files.last().filter(|_| more).map(|file| file.name.as_str());
        let page = wire::FilesPage {
            id: asked.request,
            room,
            next,
            files: files.iter().map(wire_file).collect::<Vec<_>>(),
        };
        self.peers.answer(asked.connection, page, &self.config.limits);
    }

    pub(in crate::server) fn delete_file(&mut self, id: ConnectionId, delete: &wire::Delete<'_>) {
        let name = FileName::parse(delete.name).map_err(Refusal::from);
        let (place, name) =
            match self.readable_place(id, delete.room).and_then(|(_, place)| Ok((place, name?))) {
                Ok(found) => found,
                Err(refusal) => return self.refuse(id, delete.id, &refusal),
            };
        let asked = self.begin(id, delete.id);
        let operation = FileOperation::Find { place, name: name.clone(), content: false };
        let pending = Pending::FindToDelete { asked, room: delete.room, name, version: delete.version };
        self.ask_storage(pending, StorageOperation::Files(operation.into()));
    }

    /// Storage has looked for a file that is to be deleted.
    pub(in crate::server) fn found_to_delete(
        &mut self,
        asked: Asked,
        room: RoomId,
        name: &FileName,
        version: Option<Version>,
        result: Result<FileOutcome, StorageFailure>,
    ) {
        let found = match result {
            Ok(FileOutcome::Found { file, .. }) => file,
            other => {
                let failure = other.err().unwrap_or(StorageFailure::Failed);
                return self.storage_refused(asked, "look for the file", failure);
            }
        };
        let (user, file) = match self.check_delete(asked.connection, room, name, version, found) {
            Ok(found) => found,
            Err(refusal) => return self.refuse_file(asked, &refusal),
        };
        let Some(nick) = self.users.get(user).map(|user| user.nick.shared()) else { return };
        let text = shared(&file).to_text();
        self.start_deletion(Some(asked), (user, nick), file, text);
    }

    /// Has a file deleted, and its room told in somebody's name.
    pub(super) fn start_deletion(
        &mut self,
        asked: Option<Asked>,
        (author, nick): (UserId, Arc<str>),
        file: FileRecord,
        text: String,
    ) {
        let event = match file.place {
            Place::Shelf(_) => None,
            Place::Room(room) => {
                self.hold(room, 1);
                Some(NewEvent {
                    author,
                    nick,
                    nonce: Nonce::new(self.rng.next_u64()),
                    at: self.peers.now.wall,
                    kind: EventKind::FileDeleted,
                    text: text.into(),
                    about: None,
                })
            }
        };
        let FileRecord { place, name, version, by, .. } = file;
        let operation =
            FileOperation::Delete { place, name: name.clone(), version, by, event: event.clone() };
        let pending = Pending::DeleteFile { asked, place, name, event: event.map(Into::into) };
        self.ask_storage(pending, StorageOperation::Files(operation.into()));
    }

    fn check_delete(
        &self,
        id: ConnectionId,
        room: RoomId,
        name: &FileName,
        version: Option<Version>,
        found: Option<FileRecord>,
    ) -> Result<(UserId, FileRecord), Refusal> {
        let (user, _) = self.readable_place(id, room)?;
        let file = found.ok_or_else(|| no_such_file(name))?;
        if version.is_some_and(|version| version != file.version) {
            let text = format!("{name} was replaced by somebody in the meantime; look at it first.");
            return Err(Refusal::new(RefusalCode::Conflict, text).about(name.as_str()));
        }
        let keeps_order = self.role_in(user, room) >= Role::Moderator;
        if file.by != user && !keeps_order {
            let text = format!(
                "{name} is a file of {}; only they and the room's moderators may delete it.",
                file.nick
            );
            return Err(Refusal::new(RefusalCode::NotAllowed, text).about(name.as_str()));
        }
        Ok((user, file))
    }

    /// Storage has deleted a file, or has not.
    pub(in crate::server) fn file_deleted(
        &mut self,
        asked: Option<Asked>,
        place: Place,
        name: &FileName,
        event: Option<NewEvent>,
        result: Result<FileOutcome, StorageFailure>,
    ) {
        if let Place::Room(room) = place {
            self.hold(room, -1);
        }
        match result {
            Ok(FileOutcome::Deleted { event: appended, existed, unused, usage }) => {
                self.files.note_usage(&usage);
                match asked {
                    Some(asked) if existed => {
                        self.finish(asked);
                        let done = wire::Done { id: asked.request };
                        self.peers.answer(asked.connection, done, &self.config.limits);
                    }
                    Some(asked) => self.refuse_file(asked, &no_such_file(name)),
                    None => {}
                }
                if let (Some(event), Some(appended)) = (event, appended) {
                    self.append_about_file(room_of(place), event, appended);
                }
                self.remove_unused(unused);
            }
            other => {
                let failure = other.err().unwrap_or(StorageFailure::Failed);
                match asked {
                    Some(asked) => self.storage_refused(asked, "delete the file", failure),
                    // It is tried again when old files are next looked for.
                    None => drop(self.storage_refusal("delete an old file", failure)),
                }
            }
        }
        if let Place::Room(room) = place {
            self.drop_if_deserted(room);
        }
    }
}

/// What events say about a file.
pub(super) fn shared(file: &FileRecord) -> SharedFile {
    let FileRecord { name, version, size, hash, .. } = file.clone();
    SharedFile { name, version, size, hash }
}
