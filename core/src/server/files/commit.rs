//! How an upload becomes a file (`PROTOCOL.md` U7, U8): content first, then entry, event, quota and the upload's end in one step.

use alloc::sync::Arc;

use super::{Finishing, Step, Work, room_of, upload::conflict, wire_file};
use crate::{
    blob::BlobOperation,
    error::{ProtocolError, Refusal, RefusalCode},
    ids::{ConnectionId, Nonce, RoomId},
    output::Event,
    server::{Pending, Server, pending::Asked, receive::Taken},
    storage::{
        Appended, EventKind, FileOperation, FileOutcome, FileRecord, NewEvent, NewFile, Place,
        StorageFailure, StorageOperation,
    },
    transfer::{FileName, Receiving, UploadId, UploadKey},
    wire,
};

impl Server {
    pub(in crate::server) fn finish_upload(&mut self, id: ConnectionId, finish: &wire::Finish<'_>) -> Taken {
        let Some(ready) = self.peers.connections.get(id).and_then(|connection| connection.ready()) else {
            return Taken::Yes;
        };
        if finish.transfer > ready.transfers.last {
            return self.accuse(id, ProtocolError::SequenceBroken);
        }
        if let Some(upload) = ready.transfers.upload(finish.transfer) {
            // What is past the quota is noticed here at the latest.
            self.reserve_ahead(upload);
        }
        let ready = self.peers.connections.get(id).and_then(|connection| connection.ready());
        let Some(upload) = ready.and_then(|ready| ready.transfers.upload(finish.transfer)) else {
            let text = "The transfer has ended; begin it again.";
            self.refuse(id, finish.id, &Refusal::new(RefusalCode::NoSuchUpload, text));
            return Taken::Yes;
        };
        let Some(found) = self.files.uploads.get(&upload) else { return Taken::Yes };
        let whole = found.received() == Some(finish.size);
        let announced = found.record.size.is_none_or(|size| size == finish.size);
        if !whole || !announced || found.finishing.is_some() {
            return self.accuse(id, ProtocolError::SequenceBroken);
        }
        let name = match finish.name.map(FileName::parse) {
            None => found.record.name.clone(),
            Some(Ok(name)) => name,
            Some(Err(error)) => {
                self.refuse(id, finish.id, &error.into());
                return Taken::Yes;
            }
        };
        let over = finish.over.or(found.record.over);
        let asked = self.begin(id, finish.id);
        let (size, hash) = (finish.size, finish.hash);
        if let Some(found) = self.files.uploads.get_mut(&upload) {
            found.finishing = Some(Finishing { asked, size, hash, name, over, step: Step::Wanted });
        }
        self.go_on_finishing(upload);
        Taken::Yes
    }

    /// Has the content kept once it is all there.
    pub(super) fn go_on_finishing(&mut self, id: UploadId) {
        let Some(upload) = self.files.uploads.get_mut(&id) else { return };
        let settled = upload.receiving().is_some_and(Receiving::is_settled);
        let epoch = upload.epoch;
        let Some(finishing) = &mut upload.finishing else { return };
        let (size, hash) = (finishing.size, finishing.hash);
        if finishing.step != Step::Wanted || !settled || self.files.removing.contains(&hash) {
            return;
        }
        finishing.step = Step::Sealing;
        *self.files.sealing.entry(hash).or_default() += 1;
        let operation = BlobOperation::Seal { upload: id, epoch, size, hash };
        self.ask_disk(Work::Seal { upload: id, epoch }, operation);
    }

    /// The content is durable. Whether it may become a file is judged now: rights may have changed.
    pub(super) fn sealed(&mut self, id: UploadId, epoch: u32) {
        let Some(upload) = self.files.uploads.get(&id).filter(|upload| upload.epoch == epoch) else {
            return;
        };
        let (user, place) = (upload.record.user, upload.record.place);
        let Some(finishing) = &upload.finishing else { return };
        if let Err(refusal) = self.may_upload(user, place) {
            return self.finish_refused(id, &refusal);
        }
        let Some(nick) = self.users.get(user).map(|user| user.nick.shared()) else { return };
        let at = self.peers.now.wall;
        let file = NewFile {
            place,
            name: finishing.name.clone(),
            over: finishing.over,
            size: finishing.size,
            hash: finishing.hash,
            executable: upload.record.executable,
            by: user,
            nick: Arc::clone(&nick),
            at,
        };
        let key = upload.record.key;
        let event = self.announcement(&file, key);
        if let Some(finishing) = self.files.uploads.get_mut(&id).and_then(|upload| upload.finishing.as_mut())
        {
            finishing.step = Step::Committing;
        }
        let operation = FileOperation::Commit { upload: id, file, event: event.clone() };
        let pending = Pending::Commit { upload: id, place, event: event.map(Into::into) };
        self.ask_storage(pending, StorageOperation::Files(operation.into()));
    }

    /// The event about a file that is about to be stored, where there is a room to tell; the room stays until that is done.
    pub(super) fn announcement(&mut self, file: &NewFile, key: UploadKey) -> Option<NewEvent> {
        let Place::Room(room) = file.place else { return None };
        self.hold(room, 1);
        Some(NewEvent {
            author: file.by,
            nick: Arc::clone(&file.nick),
            nonce: nonce_of(key),
            at: file.at,
            kind: EventKind::FileShared,
            text: "".into(),
            about: None,
        })
    }

    /// Storage has made an upload a file, or has not.
    pub(in crate::server) fn committed(
        &mut self,
        id: UploadId,
        place: Place,
        event: Option<NewEvent>,
        result: Result<FileOutcome, StorageFailure>,
    ) {
        if let Place::Room(room) = place {
            self.hold(room, -1);
        }
        match result {
            Ok(FileOutcome::Committed { file, event: appended, unused, usage }) => {
                self.files.note_usage(&usage);
                let finishing = self.files.uploads.get_mut(&id).and_then(|upload| upload.finishing.take());
                self.forget_upload(id);
                self.ask_disk(Work::Discard, BlobOperation::Discard { upload: id });
                self.became_file(finishing.as_ref().map(|finishing| finishing.asked), &file);
                if let Some(Finishing { hash, step, .. }) = finishing {
                    self.unseal(hash, step);
                }
                self.announced(place, event, appended);
                self.remove_unused(unused);
            }
            Ok(FileOutcome::Conflict { current }) => {
                let upload = self.files.uploads.get(&id);
                let refusal = upload.and_then(|upload| upload.finishing.as_ref()).map_or_else(
                    || Refusal::new(RefusalCode::Conflict, "Another version of the file is there."),
                    |finishing| conflict(&finishing.name, finishing.over, current),
                );
                self.finish_refused(id, &refusal);
            }
            other => {
                let failure = other.err().unwrap_or(StorageFailure::Failed);
                let refusal = self.storage_refusal("store the file", failure);
                self.finish_refused(id, &refusal);
            }
        }
        if let Place::Room(room) = place {
            self.drop_if_deserted(room);
        }
    }

    /// Tells whoever asked that there is a file now.
    pub(super) fn became_file(&mut self, asked: Option<Asked>, file: &FileRecord) {
        self.report(Event::FileStored { user: file.by, size: file.size });
        let Some(asked) = asked else { return };
        self.finish(asked);
        let stored = wire::Stored { id: asked.request, room: room_of(file.place), file: wire_file(file) };
        self.peers.answer(asked.connection, stored, &self.config.limits);
    }

    /// A room has been told of a file.
    pub(super) fn announced(
        &mut self,
        place: Place,
        event: Option<NewEvent>,
        appended: Option<(Appended, Arc<str>)>,
    ) {
        if let (Some(event), Some((appended, text))) = (event, appended) {
            self.append_about_file(room_of(place), NewEvent { text, ..event }, appended);
        }
    }

    /// An event about a file is part of its room's log.
    pub(super) fn append_about_file(&mut self, room: RoomId, event: NewEvent, appended: Appended) {
        match appended {
            Appended::Stored { seq, first } => self.append(room, seq, first, event),
            Appended::Repeated { seq, at } => self.append_unseen(room, seq, NewEvent { at, ..event }),
            Appended::NonceReused | Appended::Unfit(_) => {}
        }
    }

    /// An upload does not become a file: its client may try again (U8).
    fn finish_refused(&mut self, id: UploadId, refusal: &Refusal) {
        let Some(upload) = self.files.uploads.get_mut(&id) else { return };
        let Some(Finishing { asked, hash, step, .. }) = upload.finishing.take() else { return };
        self.refuse_file(asked, refusal);
        self.unseal(hash, step);
        self.go_on_with(id);
    }

    /// The content is not what it should be: nothing of it is of use (U7).
    pub(super) fn mismatched(&mut self, id: UploadId, epoch: u32) {
        let at = self.peers.now.wall;
        let Some(upload) = self.files.uploads.get_mut(&id).filter(|upload| upload.epoch == epoch) else {
            return;
        };
        upload.checkpoints.restart();
        upload.record.durable = 0;
        let text = "What arrived is not what was announced; it is to be sent again from its beginning.";
        let refusal = Refusal::new(RefusalCode::Integrity, text);
        let operation = FileOperation::Checkpoint { upload: id, durable: 0, at };
        self.ask_storage(Pending::Background, StorageOperation::Files(operation.into()));
        self.give_up_stream(id, &refusal);
        self.close_upload(id);
    }
}

/// The number of the event about an upload: an upload is announced once, however often it is committed.
fn nonce_of(key: UploadKey) -> Nonce {
    let [a, b, c, d, e, f, g, h, ..] = key.0;
    Nonce::new(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
}
