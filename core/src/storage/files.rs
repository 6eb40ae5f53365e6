//! What storage knows of files. Their content is elsewhere (see [`blob`](crate::blob)), but for that of small ones.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;

use super::{Appended, NewEvent};
use crate::{
    ids::{RoomId, UserId},
    time::WallTime,
    transfer::{BlobHash, FileName, UploadId, UploadKey, Version},
};

/// Where files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In a room or direct conversation. They go with it.
    Room(RoomId),
    /// On a user's own shelf.
    Shelf(UserId),
}

/// The operations on files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileOperation {
    /// Find out what is known before an upload begins. Answer: [`FileOutcome::LookedUp`].
    LookUp {
        /// Whose upload.
        user: UserId,
        /// Its key.
        key: UploadKey,
        /// Where it is to go.
        place: Place,
        /// What it is to be called.
        name: FileName,
    },
    /// Store an upload of which nothing is durable yet, in place of another with its user and key. One that is stored already stays.
    /// Answer: `Done`.
    OpenUpload {
        /// It.
        upload: UploadRecord,
    },
    /// Write how much of an upload is durable. One that does not exist stays so. Answer: `Done`.
    Checkpoint {
        /// Which.
        upload: UploadId,
        /// How much.
        durable: u64,
        /// When.
        at: WallTime,
    },
    /// Delete an upload. One that does not exist is deleted already. Answer: `Done`.
    DropUpload {
        /// Which.
        upload: UploadId,
    },
    /// Make an upload a file, unless another version is there than the one it takes the place of: in one step the file, the event about
    /// it, what its owner has stored, and the end of the upload, whose key is remembered for a week. An upload that was made a file before is answered with that file.
    /// Answer: [`FileOutcome::Committed`] or [`FileOutcome::Conflict`]; or [`StorageFailure::NoSuchRoom`](super::StorageFailure), and
    /// [`StorageFailure::Failed`](super::StorageFailure) for an upload that does not exist.
    Commit {
        /// Which.
        upload: UploadId,
        /// The file. Its version is given by storage.
        file: NewFile,
        /// The event to append to the room's log; its text is written by storage, which knows the version.
        event: Option<NewEvent>,
    },
    /// Store a file in one step: as [`Self::Commit`] does, but there is no upload, and its content comes along or some file has it. What
    /// an upload of this user and key was made before is answered, as if it had been this one. Answer: [`FileOutcome::Committed`],
    /// [`FileOutcome::Conflict`] or [`FileOutcome::NoContent`]; or [`StorageFailure::NoSuchRoom`](super::StorageFailure).
    Put {
        /// What the upload is called here, if it is a new one.
        upload: UploadId,
        /// What it is called there.
        key: UploadKey,
        /// The file. Its version is given by storage.
        file: NewFile,
        /// Its content.
        content: PutContent,
        /// The event to append to the room's log; its text is written by storage, which knows the version.
        event: Option<NewEvent>,
    },
    /// Find a file. Answer: [`FileOutcome::Found`].
    Find {
        /// Where.
        place: Place,
        /// What it is called.
        name: FileName,
        /// Whether its content is wanted too, if storage has it: that of a [`Self::Put`].
        content: bool,
    },
    /// List files in the order of the bytes of their names. Answer: [`FileOutcome::Page`].
    List {
        /// Where.
        place: Place,
        /// Only those with a higher name.
        after: Option<FileName>,
        /// At most so many.
        files_max: u32,
        /// Stop before the one whose names would go past so many bytes, but read at least one.
        bytes_max: u32,
    },
    /// Find files that were stored before a time, the oldest first; those of a time by place, shelves before rooms, and by name. Answer:
    /// [`FileOutcome::Page`].
    Older {
        /// Before when.
        than: WallTime,
        /// At most so many.
        files_max: u32,
    },
    /// Delete a file, if it has this version, with the event about it. Answer: [`FileOutcome::Deleted`].
    Delete {
        /// Where.
        place: Place,
        /// What it is called.
        name: FileName,
        /// Which version.
        version: Version,
        /// Whose it is.
        by: UserId,
        /// The event to append to the room's log.
        event: Option<NewEvent>,
    },
    /// Whether any file has this content. Answer: [`FileOutcome::Used`].
    IsUsed {
        /// Which.
        hash: BlobHash,
    },
}

/// The content of a file that is stored in one step.
#[derive(Clone, PartialEq, Eq)]
pub enum PutContent {
    /// These bytes, which have the hash and size of the file. Storage keeps them for as long as a file has them.
    Bytes(Vec<u8>),
    /// What a file in one of these places has.
    OfFileIn(Vec<Place>),
}

impl fmt::Debug for PutContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::OfFileIn(places) => f.debug_tuple("OfFileIn").field(places).finish(),
        }
    }
}

/// An upload as storage keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRecord {
    /// What it is called here.
    pub id: UploadId,
    /// Whose it is.
    pub user: UserId,
    /// What it is called there.
    pub key: UploadKey,
    /// Where it is to go.
    pub place: Place,
    /// What it is to be called.
    pub name: FileName,
    /// How large it will be, if that is known.
    pub size: Option<u64>,
    /// Whether it is a program.
    pub executable: bool,
    /// Which version it takes the place of.
    pub over: Option<Version>,
    /// How much of it is durable.
    pub durable: u64,
    /// When that was written.
    pub at: WallTime,
}

/// A file that has no version yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// Where it is to be.
    pub place: Place,
    /// What it is to be called.
    pub name: FileName,
    /// Which version it takes the place of: [`Version::default`] none, `None` whichever is there.
    pub over: Option<Version>,
    /// How many bytes it has.
    pub size: u64,
    /// Of its content.
    pub hash: BlobHash,
    /// Whether it is a program.
    pub executable: bool,
    /// Whose it is.
    pub by: UserId,
    /// That user's name now.
    pub nick: Arc<str>,
    /// When the server heard that it was all there.
    pub at: WallTime,
}

/// A file as storage keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRecord {
    /// Where it is.
    pub place: Place,
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
    /// Whose it is.
    pub by: UserId,
    /// That user's name then.
    pub nick: Arc<str>,
    /// When the server heard that it was all there.
    pub at: WallTime,
}

/// The answers to [`FileOperation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileOutcome {
    /// To [`FileOperation::LookUp`].
    LookedUp {
        /// What the upload of this key became.
        committed: Option<FileRecord>,
        /// The version of the file that has the name now; [`Version::default`] where none has.
        current: Version,
    },
    /// To [`FileOperation::Commit`] and [`FileOperation::Put`].
    Committed {
        /// The file.
        file: FileRecord,
        /// What became of the event about it, and its text.
        event: Option<(Appended, Arc<str>)>,
        /// Contents that no file has any more.
        unused: Option<BlobHash>,
        /// What those have stored now whose files changed.
        usage: Vec<(UserId, Usage)>,
    },
    /// To [`FileOperation::Commit`] and [`FileOperation::Put`]: nothing was changed.
    Conflict {
        /// The version of the file that has the name now.
        current: Version,
    },
    /// To [`FileOperation::Put`]: no file in those places has the content. Nothing was changed.
    NoContent,
    /// To [`FileOperation::Find`].
    Found {
        /// The file, if there is one.
        file: Option<FileRecord>,
        /// Its content, if it was wanted and storage has it.
        content: Option<Vec<u8>>,
    },
    /// To [`FileOperation::List`] and [`FileOperation::Older`].
    Page {
        /// In the order that was asked for.
        files: Vec<FileRecord>,
        /// Whether there are more.
        more: bool,
    },
    /// To [`FileOperation::Delete`].
    Deleted {
        /// What became of the event about it.
        event: Option<Appended>,
        /// Whether there was such a file.
        existed: bool,
        /// Contents that no file has any more.
        unused: Option<BlobHash>,
        /// What those have stored now whose files changed.
        usage: Vec<(UserId, Usage)>,
    },
    /// To [`FileOperation::IsUsed`].
    Used(bool),
}

/// What counts against the quota of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// How many files.
    pub files: u64,
    /// Their sizes together.
    pub bytes: u64,
}

/// What storage knows of files at start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveredFiles {
    /// The uploads that are not files yet, ascending by id.
    pub uploads: Vec<UploadRecord>,
    /// What users have stored, ascending by id.
    pub usage: Vec<(UserId, Usage)>,
}
