//! What the disk was asked, and what is to happen when it answers.

use alloc::{boxed::Box, collections::BTreeMap};

use super::download::Outlining;
use crate::{
    blob::{BlobFailure, BlobOperation, BlobOutcome, BlobReply, BlobRequest, BlobTicket},
    error::{Refusal, RefusalCode},
    ids::ConnectionId,
    output::{Event, Output},
    server::Server,
    transfer::{BlobHash, UploadId},
};

/// What an answer of the disk is for.
#[derive(Debug)]
pub(crate) enum Work {
    Open { upload: UploadId, epoch: u32 },
    Write { upload: UploadId, epoch: u32, count: u64 },
    Sync { upload: UploadId, epoch: u32 },
    Seal { upload: UploadId, epoch: u32 },
    Close { upload: UploadId, epoch: u32 },
    Discard,
    Read { connection: ConnectionId, transfer: u32, count: u32 },
    Outline(Box<Outlining>),
    Remove { blob: BlobHash },
}

/// All that the disk has not answered.
#[derive(Debug, Default)]
pub(crate) struct WorkTable {
    entries: BTreeMap<u64, Work>,
    last: u64,
}

impl WorkTable {
    fn insert(&mut self, work: Work) -> BlobTicket {
        self.last += 1;
        self.entries.insert(self.last, work);
        BlobTicket(self.last)
    }

    fn remove(&mut self, ticket: BlobTicket) -> Option<Work> {
        self.entries.remove(&ticket.0)
    }
}

impl Server {
    pub(super) fn ask_disk(&mut self, work: Work, operation: BlobOperation) {
        let ticket = self.files.work.insert(work);
        self.outputs.push_back(Output::Blob(BlobRequest { ticket, operation }));
    }

    /// The disk has answered.
    pub(in crate::server) fn disk_answered(&mut self, reply: BlobReply) {
        let Some(work) = self.files.work.remove(reply.ticket) else { return };
        match work {
            Work::Open { upload, epoch } => match reply.result {
                Ok(BlobOutcome::Opened { offset }) => self.opened(upload, epoch, offset),
                other => self.not_opened(upload, epoch, failure(other)),
            },
            Work::Write { upload, epoch, count } => match reply.result {
                Ok(BlobOutcome::Written) => self.content_written(upload, epoch, count),
                other => self.upload_failed(upload, epoch, "write a file", failure(other)),
            },
            Work::Sync { upload, epoch } => match reply.result {
                Ok(BlobOutcome::Synced) => self.synced(upload, epoch),
                other => self.upload_failed(upload, epoch, "make a file durable", failure(other)),
            },
            Work::Seal { upload, epoch } => match reply.result {
                Ok(BlobOutcome::Sealed) => self.sealed(upload, epoch),
                Ok(BlobOutcome::Mismatched) => self.mismatched(upload, epoch),
                other => self.upload_failed(upload, epoch, "keep a file", failure(other)),
            },
            Work::Close { upload, epoch } => self.closed(upload, epoch),
            Work::Discard => {}
            Work::Read { connection, transfer, count } => match reply.result {
                Ok(BlobOutcome::Read(bytes)) => self.was_read(connection, transfer, count, bytes),
                other => self.not_read(connection, transfer, failure(other)),
            },
            Work::Outline(outlining) => match reply.result {
                Ok(BlobOutcome::Outline(outline)) => self.outlined(&outlining, &outline),
                other => self.not_outlined(&outlining, failure(other)),
            },
            Work::Remove { blob } => self.removed(blob),
        }
    }

    /// A failure of the disk in words.
    pub(super) fn disk_refusal(&mut self, operation: &'static str, failure: BlobFailure) -> Refusal {
        let no_space = failure == BlobFailure::NoSpace;
        self.report(Event::DiskFailed { operation, no_space });
        if no_space {
            let text =
                "The server's disk is full; what it has is kept for a day: go on when there is space again.";
            Refusal::new(RefusalCode::NoSpace, text)
        } else {
            let text = alloc::format!("The server's disk failed, it could not {operation}; try again later.");
            Refusal::new(RefusalCode::StorageFailed, text)
        }
    }
}

/// An answer that does not fit its question is the disk's failure.
fn failure(result: Result<BlobOutcome, BlobFailure>) -> BlobFailure {
    result.err().unwrap_or(BlobFailure::Failed)
}
