//! What the server asks of the disk that keeps the content of files, and what it hears back. Types only.
//!
//! Requests about one upload, and those about one blob, are executed in the order they were handed out; each is answered exactly
//! once, by its ticket. Nothing is durable but what [`BlobOutcome::Synced`] and [`BlobOutcome::Sealed`] say.

use alloc::vec::Vec;

use crate::transfer::{BlobHash, Subtree, UploadId};

/// Names a request, so that its answer is recognised. Never reused while the server lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobTicket(pub(crate) u64);

impl BlobTicket {
    /// The number of the ticket, for traces and for tests of a store.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// A ticket with a number of the caller's: for tests of a store.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }
}

/// A request to the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobRequest {
    /// To be carried back by the answer.
    pub ticket: BlobTicket,
    /// What is asked.
    pub operation: BlobOperation,
}

/// The operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobOperation {
    /// Open an upload for writing behind its first `offset` bytes; what is there beyond them goes. Where there is none, it is made, but
    /// only for an offset of 0. Answer: [`BlobOutcome::Opened`].
    Open {
        /// Which.
        upload: UploadId,
        /// From now on only requests with this number change it.
        epoch: u32,
        /// How much of it is to be kept.
        offset: u64,
        /// How large it will be, so that a lack of space shows early.
        size: Option<u64>,
    },
    /// Write behind what is there, which ends at `offset`. Answer: [`BlobOutcome::Written`].
    Write {
        /// Which.
        upload: UploadId,
        /// As opened.
        epoch: u32,
        /// Where the bytes belong.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Make durable what was written. Answer: [`BlobOutcome::Synced`].
    Sync {
        /// Which.
        upload: UploadId,
        /// As opened.
        epoch: u32,
    },
    /// Check that the content is what it should be, make it durable, and have it found by its hash. The upload stays beside it until
    /// it is discarded. Answer: [`BlobOutcome::Sealed`] or [`BlobOutcome::Mismatched`].
    Seal {
        /// Which.
        upload: UploadId,
        /// As opened.
        epoch: u32,
        /// How many bytes it should have.
        size: u64,
        /// The hash it should have.
        hash: BlobHash,
    },
    /// Let go of an upload, which is kept. Answer: [`BlobOutcome::Done`].
    Close {
        /// Which.
        upload: UploadId,
    },
    /// Delete an upload. One that does not exist is deleted already. Answer: [`BlobOutcome::Done`].
    Discard {
        /// Which.
        upload: UploadId,
    },
    /// Read some of a blob: as much as was asked for, or up to its end. Answer: [`BlobOutcome::Read`].
    Read {
        /// Which.
        blob: BlobHash,
        /// Where to begin.
        offset: u64,
        /// How many bytes.
        count: u32,
    },
    /// Say what the stretches of a blob come to. Answer: [`BlobOutcome::Outline`].
    Outline {
        /// Which.
        blob: BlobHash,
    },
    /// Delete a blob. One that does not exist is deleted already. Answer: [`BlobOutcome::Done`].
    Remove {
        /// Which.
        blob: BlobHash,
    },
}

/// An answer of the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobReply {
    /// The ticket of the request.
    pub ticket: BlobTicket,
    /// How it ended.
    pub result: Result<BlobOutcome, BlobFailure>,
}

/// The answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobOutcome {
    /// To [`BlobOperation::Open`].
    Opened {
        /// How much of it is there: less than asked for only if the disk has lost something.
        offset: u64,
    },
    /// To [`BlobOperation::Write`].
    Written,
    /// To [`BlobOperation::Sync`]: all that was written before it is durable.
    Synced,
    /// To [`BlobOperation::Seal`]: the blob is durable and can be read.
    Sealed,
    /// To [`BlobOperation::Seal`]: the content is another.
    Mismatched,
    /// To [`BlobOperation::Read`].
    Read(Vec<u8>),
    /// To [`BlobOperation::Outline`]: as [`ContentHasher::outline`](crate::transfer::ContentHasher::outline) has it.
    Outline(Vec<Subtree>),
    /// To the operations that only do something.
    Done,
}

/// Why the disk did not do it. What was written since the last sync is in doubt, and the upload has to be opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobFailure {
    /// There is no room left on the device, or the quota is used up.
    NoSpace,
    /// The device refused.
    Failed,
    /// There is no such blob, or the upload is not open under this epoch.
    Missing,
}
