//! A disk for files as plain maps, that answers at once or when it is told to.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for some among many")]

use std::collections::{BTreeMap, VecDeque};

use palabre_core::{
    blob::{BlobFailure, BlobOperation, BlobOutcome, BlobReply, BlobRequest},
    transfer::{BlobHash, Subtree, UploadId},
};

/// What of an upload is there.
#[derive(Clone, Default)]
pub(crate) struct File {
    pub(crate) bytes: Vec<u8>,
    /// How much of it would be there after a power cut.
    pub(crate) durable: usize,
    epoch: Option<u32>,
}

#[derive(Default)]
pub(crate) struct Disk {
    /// Whether it answers only when it is told to.
    pub(crate) slow: bool,
    /// How the next operation that may fail does so.
    pub(crate) fails: Option<BlobFailure>,
    pub(crate) waiting: VecDeque<BlobRequest>,
    pub(crate) uploads: BTreeMap<UploadId, File>,
    pub(crate) blobs: BTreeMap<BlobHash, Vec<u8>>,
    /// Those of contents that are too large for a test.
    pub(crate) outlines: BTreeMap<BlobHash, Vec<Subtree>>,
}

impl Disk {
    /// Does what was asked first.
    pub(crate) fn work(&mut self) -> Option<BlobReply> {
        let BlobRequest { ticket, operation } = self.waiting.pop_front()?;
        Some(BlobReply { ticket, result: self.execute(operation) })
    }

    /// The only upload there is.
    pub(crate) fn upload(&self) -> &File {
        assert_eq!(self.uploads.len(), 1, "one upload");
        self.uploads.values().next().expect("one")
    }

    fn execute(&mut self, operation: BlobOperation) -> Result<BlobOutcome, BlobFailure> {
        match operation {
            BlobOperation::Close { upload } => {
                if let Some(file) = self.uploads.get_mut(&upload) {
                    file.epoch = None;
                }
                return Ok(BlobOutcome::Done);
            }
            BlobOperation::Discard { upload } => {
                self.uploads.remove(&upload);
                return Ok(BlobOutcome::Done);
            }
            BlobOperation::Remove { blob } => {
                self.blobs.remove(&blob);
                return Ok(BlobOutcome::Done);
            }
            _ => {}
        }
        if let Some(failure) = self.fails.take() {
            // What was not safe is not there any more, and the file is open to nobody.
            for file in self.uploads.values_mut() {
                file.bytes.truncate(file.durable);
                file.epoch = None;
            }
            return Err(failure);
        }
        match operation {
            BlobOperation::Open { upload, epoch, offset, size: _ } => {
                let file = self.uploads.entry(upload).or_default();
                let offset = usize::try_from(offset).unwrap_or(usize::MAX);
                let offset = if file.bytes.len() < offset { 0 } else { offset };
                file.bytes.truncate(offset);
                (file.durable, file.epoch) = (file.durable.min(offset), Some(epoch));
                Ok(BlobOutcome::Opened { offset: offset as u64 })
            }
            BlobOperation::Write { upload, epoch, offset, bytes } => {
                let file = self.opened(upload, epoch)?;
                assert_eq!(file.bytes.len() as u64, offset, "writes come in order");
                file.bytes.extend(bytes);
                Ok(BlobOutcome::Written)
            }
            BlobOperation::Sync { upload, epoch } => {
                let file = self.opened(upload, epoch)?;
                file.durable = file.bytes.len();
                Ok(BlobOutcome::Synced)
            }
            BlobOperation::Seal { upload, epoch, size, hash } => {
                let file = self.opened(upload, epoch)?;
                if file.bytes.len() as u64 != size || hash_of(&file.bytes) != hash {
                    return Ok(BlobOutcome::Mismatched);
                }
                file.durable = file.bytes.len();
                let bytes = file.bytes.clone();
                self.blobs.insert(hash, bytes);
                Ok(BlobOutcome::Sealed)
            }
            BlobOperation::Read { blob, offset, count } => {
                let bytes = self.blobs.get(&blob).ok_or(BlobFailure::Missing)?;
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let end = (start + count as usize).min(bytes.len());
                Ok(BlobOutcome::Read(bytes[start..end].to_vec()))
            }
            BlobOperation::Outline { blob } => {
                self.outlines.get(&blob).cloned().map(BlobOutcome::Outline).ok_or(BlobFailure::Missing)
            }
            BlobOperation::Close { .. } | BlobOperation::Discard { .. } | BlobOperation::Remove { .. } => {
                unreachable!("done above")
            }
        }
    }

    fn opened(&mut self, upload: UploadId, epoch: u32) -> Result<&mut File, BlobFailure> {
        self.uploads.get_mut(&upload).filter(|file| file.epoch == Some(epoch)).ok_or(BlobFailure::Missing)
    }
}

pub(crate) fn hash_of(bytes: &[u8]) -> BlobHash {
    BlobHash(*blake3::hash(bytes).as_bytes())
}
