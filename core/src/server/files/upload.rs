//! How uploads begin, are gone on with, are let go of and end (`PROTOCOL.md` U3, U4, U9, U10).

use alloc::{format, vec::Vec};

use rand_core::RngCore as _;

use super::{Files, Finishing, Stage, Stream, Upload, Work, room_of, wire_file};
use crate::{
    blob::{BlobFailure, BlobOperation},
    error::{ProtocolError, Refusal, RefusalCode},
    ids::{ConnectionId, UserId},
    server::{Pending, Server, pending::Asked, receive::Taken},
    storage::{FileOperation, FileOutcome, Place, StorageFailure, StorageOperation, UploadRecord},
    time::Now,
    timer::Timer,
    transfer::{Checkpoints, FileName, Receiving, UploadId, UploadKey, Version, Window},
    wire,
};

impl Server {
    pub(in crate::server) fn upload(&mut self, id: ConnectionId, wish: &wire::Upload<'_>) -> Taken {
        if !self.takes_transfer(id, wish.transfer) {
            return self.accuse(id, ProtocolError::SequenceBroken);
        }
        match self.check_upload(id, wish) {
            Ok((user, place, name)) => {
                self.note_opening(id, 1);
                let asked = self.begin(id, wish.id);
                match self.files.by_key.get(&(user, wish.key)) {
                    Some(upload) => self.go_on(*upload, asked, wish.transfer),
                    None => self.look_up_upload(asked, user, place, name, wish),
                }
            }
            Err(refusal) => self.refuse(id, wish.id, &refusal),
        }
        Taken::Yes
    }

    /// Takes the number of a new transfer, if it is higher than those before (U3).
    pub(super) fn takes_transfer(&mut self, id: ConnectionId, transfer: u32) -> bool {
        let ready = self.peers.connections.get_mut(id).and_then(|connection| connection.ready_mut());
        let Some(ready) = ready.filter(|ready| transfer > ready.transfers.last) else { return false };
        ready.transfers.last = transfer;
        true
    }

    /// Counts a transfer that is being opened.
    pub(super) fn note_opening(&mut self, id: ConnectionId, by: isize) {
        if let Some(ready) = self.peers.connections.get_mut(id).and_then(|connection| connection.ready_mut())
        {
            ready.transfers.opening = ready.transfers.opening.saturating_add_signed(by);
        }
    }

    /// One more transfer of a connection, if there may be one (U10).
    pub(super) fn check_transfers(&self, id: ConnectionId) -> Result<(), Refusal> {
        let most = self.config.limits.transfers_max;
        let ready = self.peers.connections.get(id).and_then(|connection| connection.ready());
        if ready.is_some_and(|ready| ready.transfers.count() < most) {
            return Ok(());
        }
        let text =
            format!("At most {most} transfers go on at a time on one connection; wait for one to end.");
        Err(Refusal::new(RefusalCode::TransferLimit, text))
    }

    fn check_upload(
        &self,
        id: ConnectionId,
        wish: &wire::Upload<'_>,
    ) -> Result<(UserId, Place, FileName), Refusal> {
        self.check_transfers(id)?;
        let (user, place) = self.readable_place(id, wish.room)?;
        self.may_upload(user, place)?;
        let name = FileName::parse(wish.name)?;
        self.check_size(&name, wish.size.unwrap_or(0))?;
        Ok((user, place, name))
    }

    pub(super) fn check_size(&self, name: &FileName, size: u64) -> Result<(), Refusal> {
        let most = self.config.limits.file_bytes_max;
        if size <= most {
            return Ok(());
        }
        let text = format!("{name} has {size} bytes; a file may have at most {most} here.");
        Err(Refusal::new(RefusalCode::FileTooLarge, text).about(name.as_str()))
    }

    fn look_up_upload(
        &mut self,
        asked: Asked,
        user: UserId,
        place: Place,
        name: FileName,
        wish: &wire::Upload<'_>,
    ) {
        if !self.files.looking_up.insert((user, wish.key)) {
            let text = "This upload is being begun already; try again in a moment.";
            return self.refuse_upload(asked, &Refusal::new(RefusalCode::SlowDown, text));
        }
        let operation = FileOperation::LookUp { user, key: wish.key, place, name: name.clone() };
        let record = UploadRecord {
            id: self.new_upload_id(),
            user,
            key: wish.key,
            place,
            name,
            size: wish.size,
            executable: wish.executable,
            over: wish.over,
            durable: 0,
            at: self.peers.now.wall,
        };
        let pending = Pending::LookUpUpload { asked, transfer: wish.transfer, record: record.into() };
        self.ask_storage(pending, StorageOperation::Files(operation.into()));
    }

    pub(super) fn new_upload_id(&mut self) -> UploadId {
        loop {
            let mut bytes = [0; 16];
            self.rng.fill_bytes(&mut bytes);
            if !self.files.uploads.contains_key(&UploadId(bytes)) {
                return UploadId(bytes);
            }
        }
    }

    /// Storage has said what is known of an upload.
    pub(in crate::server) fn upload_looked_up(
        &mut self,
        asked: Asked,
        transfer: u32,
        record: UploadRecord,
        result: Result<FileOutcome, StorageFailure>,
    ) {
        self.files.looking_up.remove(&(record.user, record.key));
        let (committed, current) = match result {
            Ok(FileOutcome::LookedUp { committed, current }) => (committed, current),
            other => {
                let failure = other.err().unwrap_or(StorageFailure::Failed);
                let refusal = self.storage_refusal("begin the upload", failure);
                return self.refuse_upload(asked, &refusal);
            }
        };
        if let Some(file) = committed {
            self.note_opening(asked.connection, -1);
            self.finish(asked);
            let stored =
                wire::Stored { id: asked.request, room: room_of(file.place), file: wire_file(&file) };
            return self.peers.answer(asked.connection, stored, &self.config.limits);
        }
        if record.over.is_some_and(|over| over != current) {
            return self.refuse_upload(asked, &conflict(&record.name, record.over, current));
        }
        // What takes the place of another is not one more.
        let counted = if current == Version::default() {
            self.check_count(record.user, &record.name, RefusalCode::Quota)
        } else {
            Ok(())
        };
        if let Err(refusal) = counted.and_then(|()| self.check_quota(&record)) {
            return self.refuse_upload(asked, &refusal);
        }
        self.add_upload(asked, transfer, record);
    }

    fn check_quota(&self, record: &UploadRecord) -> Result<(), Refusal> {
        let limits = &self.config.limits;
        let of_user = (record.user, UploadKey([0; 16]))..=(record.user, UploadKey([0xff; 16]));
        if self.files.by_key.range(of_user).count() >= limits.uploads_max {
            let text = "Too many uploads of yours are unfinished; finish or cancel some.";
            return Err(Refusal::new(RefusalCode::TransferLimit, text));
        }
        self.check_charge(record.user, &record.name, record.size.unwrap_or(1))
    }

    /// Whether a user may store one file more (U10).
    pub(super) fn check_count(
        &self,
        user: UserId,
        name: &FileName,
        code: RefusalCode,
    ) -> Result<(), Refusal> {
        let most = self.config.limits.user_files_max;
        if self.files.charged(user).files < most {
            return Ok(());
        }
        let text = format!(
            "{name} does not fit: you have, or have announced, {most} files, which is as many as you may; delete some, or share a folder as one file."
        );
        Err(Refusal::new(code, text).about(name.as_str()))
    }

    /// Whether a user may store so many bytes more (U10).
    pub(super) fn check_charge(&self, user: UserId, name: &FileName, bytes: u64) -> Result<(), Refusal> {
        let (charged, limits) = (self.files.charged(user), &self.config.limits);
        if charged.bytes.saturating_add(bytes) > limits.user_files_bytes_max {
            return Err(over_quota(name, charged.bytes, limits.user_files_bytes_max));
        }
        Ok(())
    }

    fn add_upload(&mut self, asked: Asked, transfer: u32, record: UploadRecord) {
        let now = self.peers.now.monotonic;
        let (id, size) = (record.id, record.size);
        let left =
            self.config.limits.user_files_bytes_max.saturating_sub(self.files.charged(record.user).bytes);
        let reserved = size.unwrap_or_else(|| self.config.limits.reserved_step_bytes.min(left));
        self.files.reserve(record.user, reserved);
        self.files.by_key.insert((record.user, record.key), id);
        let upload = Upload {
            record,
            is_stored: false,
            reserved,
            stage: Stage::Opening,
            epoch: 1,
            checkpoints: Checkpoints::new(0, now),
            stream: None,
            waiting: Some((asked, transfer)),
            finishing: None,
            touched: now,
            armed: None,
        };
        self.files.uploads.insert(id, upload);
        let operation = BlobOperation::Open { upload: id, epoch: 1, offset: 0, size };
        self.ask_disk(Work::Open { upload: id, epoch: 1 }, operation);
    }

    pub(in crate::server) fn recover_upload(&mut self, record: UploadRecord, now: Now) {
        let kept = self.config.limits.upload_kept;
        let passed = now.wall.since(record.at).min(kept);
        let ends = now.monotonic.after(kept.saturating_sub(passed));
        let (id, user) = (record.id, record.user);
        let reserved = record.size.unwrap_or(record.durable).max(record.durable);
        self.files.reserve(user, reserved);
        self.files.by_key.insert((user, record.key), id);
        self.peers.timers.arm(ends, Timer::Upload(id));
        let upload = Upload {
            is_stored: true,
            reserved,
            stage: Stage::Closed,
            epoch: 0,
            checkpoints: Checkpoints::new(record.durable, now.monotonic),
            stream: None,
            waiting: None,
            finishing: None,
            touched: now.monotonic,
            armed: Some(ends),
            record,
        };
        self.files.uploads.insert(id, upload);
    }

    /// Somebody goes on with an upload: whoever did so before is told (U9).
    fn go_on(&mut self, id: UploadId, asked: Asked, transfer: u32) {
        let Some(upload) = self.files.uploads.get_mut(&id) else { return };
        if upload.finishing.is_some() {
            let text = "The upload is being finished; ask again in a moment.";
            return self.refuse_upload(asked, &Refusal::new(RefusalCode::SlowDown, text));
        }
        let older = upload.waiting.replace((asked, transfer));
        let text = "The upload goes on over another connection.";
        let superseded = Refusal::new(RefusalCode::Superseded, text);
        if let Some((older, _)) = older {
            self.refuse_upload(older, &superseded);
        }
        self.stop_stream(id, &superseded);
        self.go_on_with(id);
    }

    /// Answers a request for a transfer with a refusal.
    pub(super) fn refuse_upload(&mut self, asked: Asked, refusal: &Refusal) {
        self.note_opening(asked.connection, -1);
        self.refuse_file(asked, refusal);
    }

    /// Tells the connection of an upload that its transfer has ended.
    pub(super) fn stop_stream(&mut self, id: UploadId, why: &Refusal) {
        let Some(Stream { connection, transfer }) =
            self.files.uploads.get_mut(&id).and_then(|upload| upload.stream.take())
        else {
            return;
        };
        self.forget_stream(connection, transfer);
        let stopped = wire::Stopped { transfer, code: why.code.number(), text: &why.text };
        self.peers.answer(connection, stopped, &self.config.limits);
    }

    pub(super) fn forget_stream(&mut self, connection: ConnectionId, transfer: u32) {
        if let Some(ready) =
            self.peers.connections.get_mut(connection).and_then(|connection| connection.ready_mut())
        {
            ready.transfers.uploads.retain(|(number, _)| *number != transfer);
        }
    }

    /// The transfer of an upload has ended with its connection, or as its client wanted.
    pub(super) fn detach(&mut self, id: UploadId) {
        if let Some(upload) = self.files.uploads.get_mut(&id) {
            upload.stream = None;
            self.go_on_with(id);
        }
    }

    /// Decides what is to be done with an upload now.
    pub(super) fn go_on_with(&mut self, id: UploadId) {
        let Some(upload) = self.files.uploads.get_mut(&id) else { return };
        if upload.finishing.is_some() {
            return self.go_on_finishing(id);
        }
        match &upload.stage {
            Stage::Opening | Stage::Storing(_) | Stage::Closing(_) => {}
            Stage::Closed => self.go_on_closed(id),
            Stage::Open(receiving) => {
                let settled = receiving.is_settled() && upload.checkpoints.is_settled(receiving.written());
                match (upload.stream, upload.waiting) {
                    (None, Some(_)) if settled => self.accept_upload(id),
                    (None, None) if settled => self.close_upload(id),
                    (None, _) => self.checkpoint(id, true),
                    (Some(_), _) => {
                        self.checkpoint(id, false);
                        self.announce_window(id);
                    }
                }
            }
        }
        self.arm_upload(id);
    }

    fn go_on_closed(&mut self, id: UploadId) {
        let Some(upload) = self.files.uploads.get_mut(&id) else { return };
        // What the journal is about to say of the older handle must not be said of the next.
        let unsettled =
            upload.checkpoints.is_journaling() && !crate::seeded_bug!("reopened-while-journaling");
        if upload.waiting.is_none() || unsettled {
            return;
        }
        upload.stage = Stage::Opening;
        upload.epoch += 1;
        let (epoch, offset, size) = (upload.epoch, upload.checkpoints.durable(), upload.record.size);
        self.ask_disk(
            Work::Open { upload: id, epoch },
            BlobOperation::Open { upload: id, epoch, offset, size },
        );
    }

    /// The disk takes bytes of an upload.
    pub(super) fn opened(&mut self, id: UploadId, epoch: u32, offset: u64) {
        let (now, wall) = (self.peers.now.monotonic, self.peers.now.wall);
        let window = self.take_window(id);
        let Some(upload) = self.files.uploads.get_mut(&id).filter(|upload| upload.epoch == epoch) else {
            return self.give_window_back(window.bytes());
        };
        let lost = offset < upload.checkpoints.durable();
        upload.checkpoints = Checkpoints::new(offset, now);
        upload.record.durable = offset;
        let receiving = Receiving::new(offset, upload.record.size, window);
        if !upload.is_stored {
            upload.stage = Stage::Storing(receiving);
            let record = upload.record.clone();
            let operation = FileOperation::OpenUpload { upload: record };
            self.ask_storage(Pending::OpenUpload { upload: id }, StorageOperation::Files(operation.into()));
            return;
        }
        upload.stage = Stage::Open(receiving);
        if lost {
            let operation = FileOperation::Checkpoint { upload: id, durable: offset, at: wall };
            self.ask_storage(Pending::Background, StorageOperation::Files(operation.into()));
        }
        self.go_on_with(id);
    }

    /// Storage has written an upload down, or has not.
    pub(in crate::server) fn upload_stored(&mut self, id: UploadId, result: Result<(), StorageFailure>) {
        let Some(upload) = self.files.uploads.get_mut(&id) else { return };
        match result {
            Ok(()) => {
                upload.is_stored = true;
                if let Stage::Storing(receiving) = upload.stage {
                    upload.stage = Stage::Open(receiving);
                }
                self.go_on_with(id);
            }
            Err(failure) => {
                let waiting = upload.waiting.take();
                if let Some((asked, _)) = waiting {
                    let refusal = self.storage_refusal("begin the upload", failure);
                    self.refuse_upload(asked, &refusal);
                }
                self.drop_upload(id, None);
            }
        }
    }

    /// The disk does not take an upload.
    pub(super) fn not_opened(&mut self, id: UploadId, epoch: u32, failure: BlobFailure) {
        let refusal = self.disk_refusal("open a file", failure);
        let Some(upload) = self.files.uploads.get_mut(&id).filter(|upload| upload.epoch == epoch) else {
            return;
        };
        upload.stage = Stage::Closed;
        let is_stored = upload.is_stored;
        if let Some((asked, _)) = upload.waiting.take() {
            self.refuse_upload(asked, &refusal);
        }
        if !is_stored {
            self.drop_upload(id, None);
        }
    }

    /// Answers whoever waits to go on with an upload (U4).
    fn accept_upload(&mut self, id: UploadId) {
        let now = self.peers.now.monotonic;
        let Some(upload) = self.files.uploads.get_mut(&id) else { return };
        let Some((asked, transfer)) = upload.waiting.take() else { return };
        let Some(ready) =
            self.peers.connections.get_mut(asked.connection).and_then(|connection| connection.ready_mut())
        else {
            return self.go_on_with(id);
        };
        ready.transfers.opening = ready.transfers.opening.saturating_sub(1);
        ready.transfers.uploads.push((transfer, id));
        upload.stream = Some(Stream { connection: asked.connection, transfer });
        upload.touched = now;
        let offset = upload.receiving().map_or(0, Receiving::received);
        let limit = self.grant(id).unwrap_or_else(|| self.limit_of(id));
        self.finish(asked);
        let accepted = wire::Accepted { id: asked.request, transfer, offset, limit };
        self.peers.answer(asked.connection, accepted, &self.config.limits);
        self.go_on_with(id);
    }

    fn limit_of(&self, id: UploadId) -> u64 {
        self.files.uploads.get(&id).and_then(Upload::receiving).map_or(0, Receiving::limit)
    }

    /// Has the disk let go of an upload.
    pub(super) fn close_upload(&mut self, id: UploadId) {
        let Some(upload) = self.files.uploads.get_mut(&id) else { return };
        let Stage::Open(receiving) = upload.stage else { return };
        upload.stage = Stage::Closing(receiving);
        let epoch = upload.epoch;
        self.ask_disk(Work::Close { upload: id, epoch }, BlobOperation::Close { upload: id });
    }

    /// The disk has let go of an upload: what is durable of it is all that there is.
    pub(super) fn closed(&mut self, id: UploadId, epoch: u32) {
        let now = self.peers.now.monotonic;
        let Some(upload) = self.files.uploads.get_mut(&id).filter(|upload| upload.epoch == epoch) else {
            return;
        };
        let bytes = upload.receiving().map_or(0, Receiving::window_bytes);
        let received = upload.receiving().map_or(0, Receiving::received);
        upload.stage = Stage::Closed;
        upload.checkpoints.forget_sync();
        if crate::seeded_bug!("resumed-by-size") {
            upload.checkpoints = Checkpoints::new(received, now);
        }
        self.give_window_back(bytes);
        self.go_on_with(id);
    }

    /// The disk failed: what was written since the last checkpoint is lost, the rest is kept.
    pub(super) fn upload_failed(
        &mut self,
        id: UploadId,
        epoch: u32,
        operation: &'static str,
        failure: BlobFailure,
    ) {
        let open = self
            .files
            .uploads
            .get(&id)
            .is_some_and(|upload| upload.epoch == epoch && matches!(upload.stage, Stage::Open(_)));
        if !open {
            return;
        }
        let refusal = self.disk_refusal(operation, failure);
        self.give_up_stream(id, &refusal);
        self.close_upload(id);
    }

    /// Ends the transfer of an upload and whatever it was about to become.
    pub(super) fn give_up_stream(&mut self, id: UploadId, refusal: &Refusal) {
        let finishing = self.files.uploads.get_mut(&id).and_then(|upload| upload.finishing.take());
        if let Some(Finishing { asked, hash, step, .. }) = finishing {
            self.refuse_file(asked, refusal);
            self.unseal(hash, step);
        }
        self.stop_stream(id, refusal);
    }

    /// A client has no more use for an upload (U9).
    pub(in crate::server) fn discard(&mut self, id: ConnectionId, discard: &wire::Discard) {
        let user = self.user_of(id).unwrap_or_default();
        let Some(upload) = self.files.by_key.get(&(user, discard.key)).copied() else {
            let text = "There is no such upload; it was finished, or has expired.";
            return self.refuse(id, discard.id, &Refusal::new(RefusalCode::NoSuchUpload, text));
        };
        if self.files.uploads.get(&upload).is_some_and(|upload| upload.finishing.is_some()) {
            let text = "The upload is being finished; delete the file instead.";
            return self.refuse(id, discard.id, &Refusal::new(RefusalCode::NotPossible, text));
        }
        let text = "The upload was cancelled.";
        self.stop_stream(upload, &Refusal::new(RefusalCode::NoSuchUpload, text));
        let asked = self.begin(id, discard.id);
        self.drop_upload(upload, Some(asked));
    }

    pub(in crate::server) fn discarded(
        &mut self,
        asked: Option<Asked>,
        upload: UploadId,
        result: Result<(), StorageFailure>,
    ) {
        match result {
            Ok(()) => {
                self.ask_disk(Work::Discard, BlobOperation::Discard { upload });
                if let Some(asked) = asked {
                    self.finish(asked);
                    self.peers.answer(
                        asked.connection,
                        wire::Done { id: asked.request },
                        &self.config.limits,
                    );
                }
            }
            // It is in the journal still, so its bytes stay; after the next start it expires.
            Err(failure) => match asked {
                Some(asked) => self.storage_refused(asked, "cancel the upload", failure),
                None => drop(self.storage_refusal("forget an upload", failure)),
            },
        }
    }

    /// Forgets an upload: first the journal, then the disk, so that the journal never has more than that.
    pub(super) fn drop_upload(&mut self, id: UploadId, asked: Option<Asked>) {
        self.forget_upload(id);
        let operation = FileOperation::DropUpload { upload: id };
        let pending = Pending::Discard { asked, upload: id };
        self.ask_storage(pending, StorageOperation::Files(operation.into()));
    }

    /// Takes an upload out of all tables.
    pub(super) fn forget_upload(&mut self, id: UploadId) {
        let Some(mut upload) = self.files.uploads.remove(&id) else { return };
        if let Some((asked, _)) = upload.waiting.take() {
            let text = "The upload was cancelled.";
            self.refuse_upload(asked, &Refusal::new(RefusalCode::NoSuchUpload, text));
        }
        if let Some(Stream { connection, transfer }) = upload.stream {
            self.forget_stream(connection, transfer);
        }
        if let Some(at) = upload.armed {
            self.peers.timers.disarm(at, Timer::Upload(id));
        }
        let Files { by_key, starved, .. } = &mut self.files;
        by_key.remove(&(upload.record.user, upload.record.key));
        starved.remove(&id);
        self.files.release(upload.record.user, upload.reserved);
        self.give_window_back(upload.receiving().map_or(0, Receiving::window_bytes));
    }

    /// Forgets the uploads of a user that is no more.
    pub(in crate::server) fn forget_uploads_of(&mut self, user: UserId) {
        let of_user = (user, UploadKey([0; 16]))..=(user, UploadKey([0xff; 16]));
        let ids: Vec<_> = self.files.by_key.range(of_user).map(|(_, id)| *id).collect();
        for id in ids {
            // One that is about to become a file ends when that is decided.
            if self.files.uploads.get(&id).is_some_and(|upload| upload.finishing.is_none()) {
                self.drop_upload(id, None);
            }
        }
    }

    /// Arms the deadline of an upload: its next checkpoint, or its end.
    fn arm_upload(&mut self, id: UploadId) {
        let limits = &self.config.limits;
        let Some(upload) = self.files.uploads.get_mut(&id) else { return };
        let written = upload.receiving().map_or(0, Receiving::written);
        let checkpoint = match upload.stage {
            // One that is about to become a file is made durable by that.
            Stage::Open(_) if upload.finishing.is_none() => {
                upload.checkpoints.due(written, limits.checkpoint_interval)
            }
            Stage::Open(_) | Stage::Opening | Stage::Storing(_) | Stage::Closing(_) | Stage::Closed => None,
        };
        let at = checkpoint.unwrap_or_else(|| upload.touched.after(limits.upload_kept));
        if upload.armed.is_some_and(|armed| armed <= at) {
            return;
        }
        if let Some(armed) = upload.armed.replace(at) {
            self.peers.timers.disarm(armed, Timer::Upload(id));
        }
        self.peers.timers.arm(at, Timer::Upload(id));
    }

    /// The deadline of an upload has come.
    pub(in crate::server) fn look_at_upload(&mut self, id: UploadId) {
        let now = self.peers.now.monotonic;
        let ends = self.config.limits.upload_kept;
        let Some(upload) = self.files.uploads.get_mut(&id) else { return };
        upload.armed = None;
        let idle = upload.stream.is_none() && upload.waiting.is_none() && upload.finishing.is_none();
        if idle && matches!(upload.stage, Stage::Closed) && upload.touched.after(ends) <= now {
            self.drop_upload(id, None);
        } else {
            if !idle {
                upload.touched = now;
            }
            self.go_on_with(id);
            self.arm_upload(id);
        }
    }

    /// What a sender may have on its way at first, as far as there is memory for it.
    fn take_window(&mut self, id: UploadId) -> Window {
        let user = self.files.uploads.get(&id).map(|upload| upload.record.user).unwrap_or_default();
        let bytes = self.config.limits.window_bytes.min(self.memory_left(user));
        self.files.windows_bytes += bytes;
        if bytes == 0 {
            self.files.starved.insert(id);
        }
        Window::new(bytes, self.config.limits.window_bytes_max, self.peers.now.monotonic)
    }

    /// Gives memory back; those who had none get it.
    pub(super) fn give_window_back(&mut self, bytes: u64) {
        self.files.windows_bytes = self.files.windows_bytes.saturating_sub(bytes);
        let (bytes, most) = (self.config.limits.window_bytes, self.config.limits.windows_bytes_max);
        let starved: Vec<UploadId> = self.files.starved.iter().copied().collect();
        for id in starved {
            if most.saturating_sub(self.files.windows_bytes) < bytes {
                return;
            }
            let Some(user) = self.files.uploads.get(&id).map(|upload| upload.record.user) else {
                self.files.starved.remove(&id);
                continue;
            };
            // Those of others may be served although this user has all that it may.
            if self.memory_left(user) < bytes {
                continue;
            }
            self.files.starved.remove(&id);
            if let Some(receiving) = self.files.uploads.get_mut(&id).and_then(Upload::receiving_mut) {
                receiving.widen(bytes);
                self.files.windows_bytes += bytes;
                self.announce_window(id);
            }
        }
    }

    /// Up to where the sender of an upload may send, where that has grown (U4).
    fn grant(&mut self, id: UploadId) -> Option<u64> {
        let now = self.peers.now.monotonic;
        let undurable = self.config.limits.undurable_bytes_max;
        self.reserve_ahead(id);
        let user = self.files.uploads.get(&id)?.record.user;
        let before = self.memory_left(user);
        let mut left = before;
        let upload = self.files.uploads.get_mut(&id)?;
        // One byte past what is reserved shows that there is more than may come.
        let reserved = if upload.record.size.is_none() { upload.reserved + 1 } else { upload.reserved };
        let ceiling = upload.checkpoints.durable().saturating_add(undurable).min(reserved);
        let limit = upload.receiving_mut()?.grant(ceiling, &mut left, now);
        self.files.windows_bytes += before.saturating_sub(left);
        limit
    }

    /// Tells the sender of an upload that it may send more.
    pub(super) fn announce_window(&mut self, id: UploadId) {
        let Some(limit) = self.grant(id) else { return };
        let stream = self.files.uploads.get(&id).and_then(|upload| upload.stream);
        if let Some(Stream { connection, transfer }) = stream {
            self.peers.tell(connection, wire::Window { transfer, limit }, &self.config.limits);
        }
    }

    /// An upload of unknown size counts a step ahead of what has arrived, and ends where it may count no more.
    pub(super) fn reserve_ahead(&mut self, id: UploadId) {
        let limits = &self.config.limits;
        let (step, most) = (limits.reserved_step_bytes, limits.file_bytes_max);
        let Some(upload) = self.files.uploads.get(&id).filter(|upload| upload.record.size.is_none()) else {
            return;
        };
        let received = upload.receiving().map_or(0, Receiving::received);
        let left = limits.user_files_bytes_max.saturating_sub(self.files.charged(upload.record.user).bytes);
        let wanted = received.saturating_add(step).min(most);
        let more = wanted.saturating_sub(upload.reserved).min(left);
        let ended = received > upload.reserved.saturating_add(more);
        let (user, name) = (upload.record.user, upload.record.name.clone());
        self.files.reserve_more(user, more);
        if let Some(upload) = self.files.uploads.get_mut(&id) {
            upload.reserved += more;
        }
        if ended {
            let limits = &self.config.limits;
            let refusal = if received > most {
                let text = format!("{name} has more than the {most} bytes that a file may have here.");
                Refusal::new(RefusalCode::FileTooLarge, text).about(name.as_str())
            } else {
                over_quota(&name, self.files.charged(user).bytes, limits.user_files_bytes_max)
            };
            self.stop_stream(id, &refusal);
        }
    }
}

pub(super) fn over_quota(name: &FileName, charged: u64, most: u64) -> Refusal {
    let text = format!(
        "{name} does not fit: of the {most} bytes that you may store, {charged} are stored or announced; delete some files."
    );
    Refusal::new(RefusalCode::Quota, text).about(name.as_str())
}

pub(super) fn conflict(name: &FileName, over: Option<Version>, current: Version) -> Refusal {
    let text = if over == Some(Version::default()) {
        format!("There is a file called {name} already; replace it, or choose another name.")
    } else if current == Version::default() {
        format!("{name} was deleted in the meantime; choose another name, or store it anew.")
    } else {
        format!("{name} was replaced by somebody in the meantime; look at it, or choose another name.")
    };
    Refusal::new(RefusalCode::Conflict, text).about(name.as_str())
}
