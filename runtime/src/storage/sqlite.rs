//! The durable storage: one SQLite database in the data directory.

mod accounts;
mod batch;
mod connection;
mod conversation;
mod error;
mod files;
mod lock;
mod log;
mod operations;
mod portable;
mod recovery;
mod reopen;
mod rights;
mod rooms;
mod schema;
mod search;
mod space;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
};

use palabre_core::{
    ids::Incarnation,
    storage::{Recovered, StorageReply, StorageRequest},
    transfer::BlobHash,
};
use rusqlite::Connection;

pub use self::{
    error::{OpenError, Unrecoverable},
    log::rewrite_log,
    portable::PortableAccount,
};
use self::{lock::DirectoryLock, rooms::Rooms};

/// Where a database is and how it is driven.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The data directory: `palabre.db`, its log, and the lock file live there. Created with mode 0700.
    pub directory: PathBuf,
    /// The name of a registered SQLite VFS to use in place of the system's; for tests that inject faults.
    pub vfs: Option<String>,
    /// What makes a log durable before it is read, given its path: [`rewrite_log`], unless the VFS is another one.
    pub rewrite_log: fn(&Path) -> io::Result<()>,
    /// When a commit counts as done.
    pub synchronous: Synchronous,
    /// How much it may take.
    pub limits: SqliteLimits,
}

/// When a commit counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// After the log was synced: what was answered survives a power cut.
    #[default]
    Full,
    /// Once it is written. Answers lie after a power cut: only to show that a test notices.
    Normal,
}

/// How much a database may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqliteLimits {
    /// Memory for pages of the database, in bytes.
    pub cache_bytes: u32,
    /// The write-ahead log is cut back to so many bytes; it is checkpointed at a quarter of it.
    pub log_bytes: u32,
    /// The database itself may not grow past so many bytes; `None` leaves it to the device. Past it, requests fail
    /// with `NoSpace`.
    pub database_bytes_max: Option<u64>,
}

impl Default for SqliteLimits {
    fn default() -> Self {
        Self { cache_bytes: 32 * 1024 * 1024, log_bytes: 64 * 1024 * 1024, database_bytes_max: None }
    }
}

impl SqliteOptions {
    /// A durable database in `directory`, with the limits that suit a server.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            vfs: None,
            rewrite_log,
            synchronous: Synchronous::default(),
            limits: SqliteLimits::default(),
        }
    }

    /// Whether there is a database already.
    pub(crate) fn is_there(&self) -> bool {
        self.database_path().exists()
    }

    fn database_path(&self) -> PathBuf {
        self.directory.join("palabre.db")
    }

    /// The write-ahead log, where SQLite keeps it.
    fn log_path(&self) -> PathBuf {
        self.directory.join("palabre.db-wal")
    }
}

/// The storage port on a SQLite database. Calls take as long as the disk does: see `StorageThread`.
///
/// Dropping it moves the write-ahead log into the database and lets go of the directory; what was answered is
/// durable even if that never happens.
#[derive(Debug)]
pub struct SqliteStorage {
    // Before the lock, so that it is dropped before it.
    database: Database,
    rooms: Rooms,
    incarnation: Incarnation,
    options: SqliteOptions,
    /// `COMMIT`; tests put a failing one in its place.
    commit: fn(&Connection) -> rusqlite::Result<()>,
    /// Tries whether there is space; tests have one of their own.
    probe: fn(&Path) -> io::Result<()>,
    _lock: DirectoryLock,
}

/// Whether there is a connection to work with.
#[derive(Debug)]
enum Database {
    Open(Connection),
    GivenUp(Unrecoverable),
}

impl SqliteStorage {
    /// Opens the database in the directory, or creates one with `incarnation_seed` as its incarnation, and locks
    /// the directory for as long as the storage lives. Also returns all that the database says about rooms,
    /// guests and accounts, made durable if it had not been.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what is the matter with the directory or the file, and what to do.
    pub fn open(options: SqliteOptions, incarnation_seed: u64) -> Result<(Self, Recovered), OpenError> {
        let lock = DirectoryLock::take(&options.directory)?;
        let connection = connection::open_or_create(&options, Incarnation::new(incarnation_seed))?;
        let recovered = recovery::recover(&connection, &options.database_path())?;
        let storage = Self {
            database: Database::Open(connection),
            rooms: recovery::rooms_of(&recovered.rooms),
            incarnation: recovered.incarnation,
            options,
            commit: |connection| connection.prepare_cached("COMMIT")?.execute([]).map(drop),
            probe: space::probe,
            _lock: lock,
        };
        Ok((storage, recovered))
    }

    /// Executes requests in order, with one commit for all of them where nothing goes wrong, and answers each: it
    /// is durable then, or certainly had no effect.
    ///
    /// A request that fails takes no other with it. After a commit in doubt the database is opened again, which
    /// may take some seconds, and the requests executed once more.
    ///
    /// # Errors
    ///
    /// It could not be opened again. Nothing is known about the requests of this call, and every later call fails
    /// too.
    pub fn execute_batch(&mut self, requests: &[StorageRequest]) -> Result<Vec<StorageReply>, Unrecoverable> {
        batch::execute(self, requests)
    }

    /// Whether any file has a content; unknown counts as yes.
    #[must_use]
    pub fn uses_blob(&self, hash: BlobHash) -> bool {
        match &self.database {
            Database::Open(connection) => files::is_used(connection, hash).unwrap_or(true),
            Database::GivenUp(_) => true,
        }
    }

    /// The data directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.options.directory
    }
}
