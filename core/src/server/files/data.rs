//! Content that arrives: credit, order, and what of it is durable (`PROTOCOL.md` U4–U6).

use super::{Stage, Stream, Upload, Work};
use crate::{
    blob::BlobOperation,
    error::ProtocolError,
    ids::ConnectionId,
    server::{Pending, Server, receive::Taken},
    storage::{FileOperation, StorageFailure, StorageOperation},
    transfer::{Overrun, Receiving, UploadId},
    wire,
};

impl Server {
    pub(in crate::server) fn data(&mut self, id: ConnectionId, data: &wire::Data<'_>) -> Taken {
        let Some(ready) = self.peers.connections.get(id).and_then(|connection| connection.ready()) else {
            return Taken::Yes;
        };
        if data.transfer > ready.transfers.last {
            return self.accuse(id, ProtocolError::SequenceBroken);
        }
        // What was on its way when a transfer ended is nobody's fault.
        let Some(upload) = ready.transfers.upload(data.transfer) else { return Taken::Yes };
        match self.take_data(upload, data) {
            Ok(()) => Taken::Yes,
            Err(Overrun::Misplaced) => self.accuse(id, ProtocolError::SequenceBroken),
            Err(Overrun::Uncredited) => self.accuse(id, ProtocolError::CreditExceeded),
        }
    }

    fn take_data(&mut self, id: UploadId, data: &wire::Data<'_>) -> Result<(), Overrun> {
        let Some(upload) = self.files.uploads.get_mut(&id) else { return Ok(()) };
        if upload.finishing.is_some() {
            return Err(Overrun::Misplaced);
        }
        let epoch = upload.epoch;
        let Stage::Open(receiving) = &mut upload.stage else { return Ok(()) };
        let count = data.bytes.len() as u64;
        receiving.take(data.offset, count)?;
        let bytes = data.bytes.to_vec();
        let operation = BlobOperation::Write { upload: id, epoch, offset: data.offset, bytes };
        self.ask_disk(Work::Write { upload: id, epoch, count }, operation);
        Ok(())
    }

    pub(super) fn content_written(&mut self, id: UploadId, epoch: u32, count: u64) {
        let now = self.peers.now.monotonic;
        let Some(upload) = self.files.uploads.get_mut(&id).filter(|upload| upload.epoch == epoch) else {
            return;
        };
        upload.touched = now;
        if let Some(receiving) = upload.receiving_mut() {
            receiving.wrote(count);
        }
        self.go_on_with(id);
    }

    /// Has an upload made durable, if that is due or everything is wanted.
    pub(super) fn checkpoint(&mut self, id: UploadId, all: bool) {
        let limits = &self.config.limits;
        let (bytes, every, now) =
            (limits.checkpoint_bytes, limits.checkpoint_interval, self.peers.now.monotonic);
        let Some(upload) = self.files.uploads.get_mut(&id) else { return };
        let written = upload.receiving().map_or(0, Receiving::written);
        let epoch = upload.epoch;
        if upload.checkpoints.begin_sync(written, bytes, every, all, now) {
            self.ask_disk(Work::Sync { upload: id, epoch }, BlobOperation::Sync { upload: id, epoch });
            if crate::seeded_bug!("journal-before-sync") {
                self.journal(id);
            }
        }
    }

    pub(super) fn synced(&mut self, id: UploadId, epoch: u32) {
        let Some(upload) = self.files.uploads.get_mut(&id).filter(|upload| upload.epoch == epoch) else {
            return;
        };
        upload.checkpoints.synced();
        self.journal(id);
        self.go_on_with(id);
    }

    fn journal(&mut self, id: UploadId) {
        let at = self.peers.now.wall;
        let Some(upload) = self.files.uploads.get_mut(&id) else { return };
        let Some(durable) = upload.checkpoints.begin_journal() else { return };
        let operation = FileOperation::Checkpoint { upload: id, durable, at };
        self.ask_storage(Pending::Checkpoint { upload: id }, StorageOperation::Files(operation.into()));
    }

    /// Storage has written down how much of an upload is durable, or has not (U6).
    pub(in crate::server) fn journaled(&mut self, id: UploadId, result: Result<(), StorageFailure>) {
        if let Err(failure) = result {
            let refusal = self.storage_refusal("write down how much of a file is stored", failure);
            let Some(upload) = self.files.uploads.get_mut(&id) else { return };
            upload.checkpoints.journal_failed();
            // One that is about to become a file needs no checkpoint; any other would only try again and again.
            if upload.finishing.is_none() {
                self.stop_stream(id, &refusal);
                self.close_upload(id);
            }
            return self.go_on_with(id);
        }
        let Some(upload) = self.files.uploads.get_mut(&id) else { return };
        let was_journaling = upload.checkpoints.is_journaling();
        let offset = upload.checkpoints.journaled();
        upload.record.durable = offset;
        if let Some(Stream { connection, transfer }) = upload.stream.filter(|_| was_journaling) {
            self.peers.tell(connection, wire::Durable { transfer, offset }, &self.config.limits);
        }
        self.journal(id);
        self.go_on_with(id);
    }
}

impl Upload {
    /// How much has arrived, where the disk takes more.
    pub(super) const fn received(&self) -> Option<u64> {
        match &self.stage {
            Stage::Open(receiving) => Some(receiving.received()),
            Stage::Opening | Stage::Storing(_) | Stage::Closing(_) | Stage::Closed => None,
        }
    }
}
