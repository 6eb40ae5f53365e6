//! The simulated disk: what was written, and what of it would survive a power cut.

use std::collections::{BTreeMap, VecDeque};

use palabre_core::{
    blob::{BlobFailure, BlobOperation, BlobOutcome, BlobReply, BlobRequest},
    transfer::{BlobHash, ContentHasher, UploadId},
};

use super::Marks;
use crate::choices::{Choices, Subsystem};

/// What there is of one upload.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    pub(super) bytes: Vec<u8>,
    /// How many of them are safe.
    pub(super) durable: usize,
    /// Whether its name is.
    named: bool,
}

/// A disk that takes simulated time.
#[derive(Debug, Default)]
pub(super) struct Disk {
    queue: VecDeque<BlobRequest>,
    pub(super) uploads: BTreeMap<UploadId, File>,
    open: BTreeMap<UploadId, u32>,
    pub(super) blobs: BTreeMap<BlobHash, Vec<u8>>,
    pub(super) healthy: bool,
    pub(super) marks: Marks,
}

impl Disk {
    pub(super) fn submit(&mut self, request: BlobRequest) {
        self.queue.push_back(request);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Does what was asked first. It may fail; then what was not safe is not there any more, though it looks so.
    pub(super) fn work(&mut self, choices: &mut Choices) -> Option<BlobReply> {
        let BlobRequest { ticket, operation } = self.queue.pop_front()?;
        // What cannot be deleted goes at the next start; here that always works.
        let deletes = matches!(
            operation,
            BlobOperation::Discard { .. } | BlobOperation::Remove { .. } | BlobOperation::Close { .. }
        );
        let fails = !self.healthy && !deletes && choices.chance(Subsystem::Store, 1, 96);
        let result = if fails { Err(self.fail(&operation, choices)) } else { self.execute(operation) };
        Some(BlobReply { ticket, result })
    }

    fn fail(&mut self, operation: &BlobOperation, choices: &mut Choices) -> BlobFailure {
        self.marks.note("the disk for files failed", true);
        if let BlobOperation::Open { upload, .. }
        | BlobOperation::Write { upload, .. }
        | BlobOperation::Sync { upload, .. }
        | BlobOperation::Seal { upload, .. } = operation
        {
            self.open.remove(upload);
            if let Some(file) = self.uploads.get_mut(upload) {
                file.bytes[file.durable..].fill(0);
            }
        }
        [BlobFailure::Failed, BlobFailure::NoSpace][choices.index(Subsystem::Store, 2)]
    }

    fn execute(&mut self, operation: BlobOperation) -> Result<BlobOutcome, BlobFailure> {
        match operation {
            BlobOperation::Open { upload, epoch, offset, size: _ } => {
                let file = self.uploads.entry(upload).or_default();
                let offset = usize::try_from(offset).unwrap_or(usize::MAX);
                let offset = if file.bytes.len() < offset { 0 } else { offset };
                file.bytes.truncate(offset);
                file.durable = file.durable.min(offset);
                self.open.insert(upload, epoch);
                Ok(BlobOutcome::Opened { offset: offset as u64 })
            }
            BlobOperation::Write { upload, epoch, offset, bytes } => {
                let file = self.opened(upload, epoch)?;
                if file.bytes.len() as u64 != offset {
                    return Err(BlobFailure::Failed);
                }
                file.bytes.extend(bytes);
                Ok(BlobOutcome::Written)
            }
            BlobOperation::Sync { upload, epoch } => {
                let file = self.opened(upload, epoch)?;
                (file.durable, file.named) = (file.bytes.len(), true);
                Ok(BlobOutcome::Synced)
            }
            BlobOperation::Seal { upload, epoch, size, hash } => {
                let file = self.opened(upload, epoch)?;
                if file.bytes.len() as u64 != size || blake3::hash(&file.bytes).as_bytes() != &hash.0 {
                    return Ok(BlobOutcome::Mismatched);
                }
                (file.durable, file.named) = (file.bytes.len(), true);
                let bytes = file.bytes.clone();
                self.blobs.entry(hash).or_insert(bytes);
                Ok(BlobOutcome::Sealed)
            }
            BlobOperation::Close { upload } => {
                self.open.remove(&upload);
                Ok(BlobOutcome::Done)
            }
            BlobOperation::Discard { upload } => {
                self.open.remove(&upload);
                self.uploads.remove(&upload);
                Ok(BlobOutcome::Done)
            }
            BlobOperation::Read { blob, offset, count } => {
                let bytes = self.blobs.get(&blob).ok_or(BlobFailure::Missing)?;
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let end = (start + count as usize).min(bytes.len());
                Ok(BlobOutcome::Read(bytes[start..end].to_vec()))
            }
            BlobOperation::Outline { blob } => {
                let bytes = self.blobs.get(&blob).ok_or(BlobFailure::Missing)?;
                let mut hasher = ContentHasher::new();
                hasher.update(bytes);
                Ok(BlobOutcome::Outline(hasher.outline()))
            }
            BlobOperation::Remove { blob } => {
                let there = self.blobs.remove(&blob).is_some();
                self.marks.note("a content was removed that no file had any more", there);
                Ok(BlobOutcome::Done)
            }
        }
    }

    fn opened(&mut self, upload: UploadId, epoch: u32) -> Result<&mut File, BlobFailure> {
        if self.open.get(&upload) != Some(&epoch) {
            return Err(BlobFailure::Missing);
        }
        self.uploads.get_mut(&upload).ok_or(BlobFailure::Missing)
    }

    /// The power is gone: some of what was asked was done, what was not safe is lost; and what a start tidies away goes.
    pub(super) fn cut_power(&mut self, choices: &mut Choices) {
        let done = choices.index(Subsystem::Store, self.queue.len() + 1);
        for request in self.queue.drain(..done).collect::<Vec<_>>() {
            let _ = self.execute(request.operation);
        }
        self.queue.clear();
        self.open.clear();
        self.uploads.retain(|_, file| file.named);
        for file in self.uploads.values_mut() {
            file.bytes.truncate(file.durable);
        }
    }
}
