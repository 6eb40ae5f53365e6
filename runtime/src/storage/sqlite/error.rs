//! What can go wrong with a database, told to the person who runs the server or to the core.

use std::{
    io,
    path::{Path, PathBuf},
};

use palabre_core::{name::printable, password::RecordError, storage::StorageFailure};
use rusqlite::{ErrorCode, ffi};

use super::space;

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory could not be created.
    #[error(
        "The data directory {} could not be created: {source}. Create it for the user that runs the server, or \
         name another one.",
        .directory.display()
    )]
    NoDirectory {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The data directory, or the database in it, cannot be written.
    #[error(
        "The data directory {} cannot be written. Give it and the files in it to the user that runs the server, \
         check that its file system is not mounted read-only, or name another directory.",
        .directory.display()
    )]
    NotWritable {
        /// The directory.
        directory: PathBuf,
    },
    /// Another server runs on the directory.
    #[error(
        "The data directory {} is in use by another server ({holder}). Stop that server, or name another directory.",
        .directory.display()
    )]
    InUse {
        /// The directory.
        directory: PathBuf,
        /// "process 123", or words to say that its number is not known.
        holder: String,
    },
    /// A file of the data directory could not be opened, locked or synced.
    #[error(
        "{} could not be opened, locked and synced: {source}. Check that the directory is on a local disk and belongs to \
         the user that runs the server.",
        .path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is something else than a database of Palabre.
    #[error(
        "{} is not a database of Palabre, or its beginning is damaged. Name another directory, or put a backup in \
         its place.",
        .path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer Palabre has written the database.
    #[error(
        "{} was written by a newer Palabre (format {found}; this one knows up to {known}). Install that version \
         again, or put a backup from before the upgrade in its place.",
        .path.display()
    )]
    FromFuture {
        /// The file.
        path: PathBuf,
        /// The format it is in.
        found: u32,
        /// The latest format this server knows.
        known: u32,
    },
    /// What is in the database contradicts itself.
    #[error(
        "The database {} is damaged: {reason}. Put a backup in its place, or save what can be read with \
         `sqlite3 {} .recover`.",
        .path.display(), .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// What is stored of an account's password makes no sense.
    #[error(
        "The account \"{}\" in the database {} has {reason}. {}",
        printable(.nick), .path.display(),
        match .reason {
            RecordError::Version(_) => {
                "Install the version of Palabre that wrote it, or a newer one, and start again.".to_owned()
            }
            RecordError::Damaged => format!(
                "Put a backup in its place; or give up this account with `sqlite3 {} \"DELETE FROM devices WHERE \
                 user = {user}; DELETE FROM accounts WHERE user = {user}\"`.",
                .path.display(),
            ),
        }
    )]
    Account {
        /// The file.
        path: PathBuf,
        /// The number of the account.
        user: u64,
        /// Its name.
        nick: String,
        /// What is the matter with its record.
        reason: RecordError,
    },
    /// The device is full.
    #[error(
        "There is no space left to open the database {}. Free some space on its file system, then start again.",
        .path.display()
    )]
    NoSpace {
        /// The file.
        path: PathBuf,
    },
    /// Another program keeps the database busy.
    #[error(
        "Another program keeps the database {} busy. End it (a backup, or an open `sqlite3`), then start again.",
        .path.display()
    )]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// It is not the database that was opened before.
    #[error(
        "The database {} is not the one that was opened at start: it was replaced while the server ran. Put the \
         right one back, then start again.",
        .path.display()
    )]
    Replaced {
        /// The file.
        path: PathBuf,
    },
    /// Anything else that SQLite reports.
    #[error(
        "The database {} could not be opened: {source}. Check the disk and the system's log, then start again.",
        .path.display()
    )]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

impl OpenError {
    /// Sorts an error of SQLite by what the reader can do about it.
    #[expect(clippy::wildcard_enum_match_arm, reason = "SQLite lists codes that are not for us to complete")]
    pub(super) fn from_sqlite(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        // Our own statements fail without a code only over values that we never write.
        let Some(code) = source.sqlite_error_code() else {
            return Self::Damaged { path, reason: source.to_string() };
        };
        match code {
            ErrorCode::NotADatabase => Self::Foreign { path },
            ErrorCode::DatabaseCorrupt => Self::Damaged { path, reason: source.to_string() },
            ErrorCode::DiskFull => Self::NoSpace { path },
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy { path },
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
                Self::NotWritable { directory: path.parent().map(Path::to_path_buf).unwrap_or(path) }
            }
            ErrorCode::SystemIoFailure
                if path.parent().is_some_and(|directory| space::is_lacking(&space::probe(directory))) =>
            {
                Self::NoSpace { path }
            }
            _ => Self::Sqlite { path, source },
        }
    }

    /// Sorts an error of the file system in the same way.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the system lists codes that are not for us to complete"
    )]
    pub(super) fn from_io(directory: &Path, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::NotWritable { directory: directory.to_path_buf() }
            }
            _ if space::is_out_of_space(&source) => Self::NoSpace { path: path.to_path_buf() },
            _ => Self::File { path: path.to_path_buf(), source },
        }
    }
}

/// A commit ended in doubt and what became of it cannot be found out: nothing may be answered any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "A write to the database {} failed and it cannot be told what is stored ({reason}). The server stops rather \
     than guess. Check the disk and its file system, then start again: everything acknowledged so far is stored.",
    .database.display()
)]
pub struct Unrecoverable {
    /// The file of the database.
    pub database: PathBuf,
    /// What was tried last and how it failed.
    pub reason: String,
}

/// Why an operation did nothing.
#[derive(Debug)]
pub(super) enum Problem {
    /// It was refused, and the transaction around it is as good as before.
    NoSuchRoom,
    /// As above.
    NoSuchUser,
    /// As above; the core never asks for it.
    NameTaken,
    /// As above; the disk is about to be full.
    NoSpace,
    /// A statement failed, and the transaction around it must be rolled back.
    Statement(rusqlite::Error),
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        Self::Statement(error)
    }
}

/// What the core is told of an error of SQLite; `probe` tries whether there is space.
pub(super) fn failure_of(error: &rusqlite::Error, probe: impl FnOnce() -> io::Result<()>) -> StorageFailure {
    let is_full = error.sqlite_error_code() == Some(ErrorCode::DiskFull);
    if is_full || could_not_write(error) && space::is_lacking(&probe()) {
        StorageFailure::NoSpace
    } else {
        StorageFailure::Failed
    }
}

/// Whether it was a write that failed, for want of space or of a quota for instance, and not a sync.
pub(super) fn could_not_write(error: &rusqlite::Error) -> bool {
    error
        .sqlite_error()
        .is_some_and(|error| matches!(error.extended_code, ffi::SQLITE_FULL | ffi::SQLITE_IOERR_WRITE))
}
