//! What a client tells of its transfers, and what it asks of the files at its end.

use alloc::{string::String, sync::Arc, vec::Vec};

use crate::{
    error::Refusal,
    ids::{RoomId, UserId},
    time::WallTime,
    transfer::{BlobHash, FileName, Subtree, UploadKey, Version},
};

/// Names a transfer of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub(crate) u32);

impl TransferId {
    /// Its number, for logs.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// What is to be uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadWish {
    /// What the upload is called: drawn at random once, and kept for as long as it may have to be resumed.
    pub key: UploadKey,
    /// In which room; `None` for the user's own shelf.
    pub room: Option<RoomId>,
    /// What it is to be called.
    pub name: FileName,
    /// How many bytes it has, if that is known.
    pub size: Option<u64>,
    /// Whether it is a program.
    pub executable: bool,
    /// Which version it takes the place of: [`Version::default`] none, `None` whichever is there.
    pub over: Option<Version>,
    /// Whether the server is asked first if it has the content already, in a file that the user may read: then nothing is sent. For
    /// that, all of it is summed up first; nothing is asked where the size is not known.
    pub ask_first: bool,
}

/// What is to be downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownloadWish {
    /// In which room; `None` for the user's own shelf.
    pub room: Option<RoomId>,
    /// What it is called.
    pub name: FileName,
    /// The content it must have, where some of it is here already.
    pub hash: Option<BlobHash>,
    /// How much of it is here already, or where a part of it begins.
    pub offset: u64,
    /// Where a part of it ends that is wanted alone, if that is before its end; both ends of such a part are multiples of
    /// [`SUBTREE_BYTES`](crate::transfer::SUBTREE_BYTES). What it takes to verify it comes by [`LocalOperation::Begin`].
    pub end: Option<u64>,
}

/// A file on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// What it is called.
    pub name: FileName,
    /// Which version it is.
    pub version: Version,
    /// How many bytes it has.
    pub size: u64,
    /// Of its content.
    pub hash: BlobHash,
    /// Whether it is a program.
    pub executable: bool,
    /// Who stored it.
    pub by: UserId,
    /// That user's name then.
    pub nick: Arc<str>,
    /// When it was stored.
    pub at: WallTime,
}

/// What happened to a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferEvent {
    /// It has begun, or goes on after a cut.
    Begun {
        /// Which.
        transfer: TransferId,
        /// From where on.
        offset: u64,
        /// How large the file is, if that is known.
        size: Option<u64>,
    },
    /// A download has begun, or goes on: this is its file.
    Found {
        /// Which.
        transfer: TransferId,
        /// Its file.
        file: FileInfo,
    },
    /// Another version of the file is there than an upload was to take the place of, noticed before it began or when all
    /// of it had arrived. It waits for `Client::finish_as`, which sends nothing again, or `Client::cancel`.
    Conflict {
        /// Which.
        transfer: TransferId,
        /// Why, in a sentence.
        refusal: Refusal,
    },
    /// An upload is a file now, durably.
    Uploaded {
        /// Which it was.
        transfer: TransferId,
        /// The file.
        file: FileInfo,
    },
    /// A download is complete, verified and in its place.
    Downloaded {
        /// Which it was.
        transfer: TransferId,
        /// The file.
        file: FileInfo,
    },
    /// It has ended otherwise. An upload is kept on the server, to be resumed by its key.
    Failed {
        /// Which it was.
        transfer: TransferId,
        /// Why.
        failure: TransferFailure,
    },
}

/// Why a transfer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferFailure {
    /// The server refused it, or stopped it.
    Refused(Refusal),
    /// The file at this end.
    Local(LocalFailure),
}

/// How far a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferProgress {
    /// Bytes that are safe: durable on the server, or written here.
    pub done: u64,
    /// Bytes that were sent, or have arrived.
    pub moved: u64,
    /// Where it began, or last went on.
    pub from: u64,
    /// How large the file is, if that is known.
    pub size: Option<u64>,
    /// Whether it goes on at the moment.
    pub is_open: bool,
}

/// Something to be done with the file at this end: off the thread that drives the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalRequest {
    /// Of which transfer.
    pub transfer: TransferId,
    /// To be carried back.
    pub attempt: u32,
    /// What.
    pub operation: LocalOperation,
}

/// The operations. Those of one transfer are done, and answered, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalOperation {
    /// Read some of what is uploaded; less than asked for means that it ends there. Answer: [`LocalOutcome::Read`].
    Read {
        /// Where to begin.
        offset: u64,
        /// How many bytes.
        count: u32,
    },
    /// Say what all of it comes to, read before or not, and make sure that it has not changed since it was opened.
    /// Answer: [`LocalOutcome::Hashed`].
    Hash {
        /// How many bytes it has.
        size: u64,
    },
    /// A part of a file is downloaded alone, which has this size and content. May come again, with the same, after a cut. Answer:
    /// [`LocalOutcome::Begun`].
    Begin {
        /// How many bytes the file has.
        size: u64,
        /// The hash of all of it.
        hash: BlobHash,
        /// Its outline, as the server says: see [`ContentHasher::outline`](crate::transfer::ContentHasher::outline).
        outline: Vec<Subtree>,
    },
    /// Write some of what is downloaded. Answer: [`LocalOutcome::Written`].
    Write {
        /// Where.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// All of it is written: verify it, make it durable, and put it into its place. Answer: [`LocalOutcome::Kept`].
    Keep {
        /// How many bytes it has.
        size: u64,
        /// The hash it should have.
        hash: BlobHash,
        /// Whether it is a program.
        executable: bool,
    },
}

/// What became of a [`LocalRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalDone {
    /// From the request.
    pub transfer: TransferId,
    /// From the request.
    pub attempt: u32,
    /// How it ended.
    pub result: Result<LocalOutcome, LocalFailure>,
}

/// The answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalOutcome {
    /// To `Read`.
    Read(Vec<u8>),
    /// To `Hash`.
    Hashed(BlobHash),
    /// To `Begin`.
    Begun,
    /// To `Write`.
    Written,
    /// To `Keep`.
    Kept,
}

/// Why the file at this end failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalFailure {
    /// It changed while it was read.
    Changed,
    /// What was written is not what the server has.
    Mismatch,
    /// There is something in its place, which is not overwritten.
    Exists,
    /// There is no space for it.
    NoSpace,
    /// Something else, in the words of the system.
    Failed(String),
}
