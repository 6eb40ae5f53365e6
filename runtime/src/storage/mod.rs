//! Storages behind the port of [`palabre_core::storage`], and the handle a poll loop holds on one of them.
//!
//! [`MemoryStorage`] answers at once and forgets everything when it is dropped. `SqliteStorage` is durable and
//! may take its time, so it lives on a thread of its own (`StorageThread`). The loop treats both alike: it
//! submits what the core asks and collects answers whenever it is woken; neither call ever waits.

mod memory;
#[cfg(feature = "server")]
mod sqlite;
#[cfg(feature = "server")]
mod worker;

use std::time::Duration;

use palabre_core::storage::{StorageReply, StorageRequest};

pub use self::memory::{MEMORY_ACCOUNTS_MAX, MEMORY_BYTES_MAX, MemoryStorage};
#[cfg(feature = "server")]
pub use self::{
    sqlite::{
        OpenError, PortableAccount, SqliteLimits, SqliteOptions, SqliteStorage, Synchronous, Unrecoverable,
        rewrite_log,
    },
    worker::StorageThread,
};

/// The storage of a server, whichever it is.
#[derive(Debug)]
pub enum Storage {
    /// On the poll loop's own thread, lost at the end (`--ephemeral`).
    Memory(Box<ImmediateStorage>),
    /// On its own thread, durable.
    #[cfg(feature = "server")]
    Thread(StorageThread),
}

impl Storage {
    /// Hands requests over, to be executed in this order. Never waits.
    pub fn submit(&mut self, requests: impl IntoIterator<Item = StorageRequest>) {
        match self {
            Self::Memory(storage) => storage.submit(requests),
            #[cfg(feature = "server")]
            Self::Thread(storage) => storage.submit(requests),
        }
    }

    /// Appends all answers that have arrived to `replies`, in the order of their requests. Never waits.
    ///
    /// # Errors
    ///
    /// The storage has stopped and what it had not answered never will be: the server must stop. The answers
    /// from before are in `replies` nevertheless.
    pub fn poll_replies(&mut self, replies: &mut Vec<StorageReply>) -> Result<(), StorageStopped> {
        match self {
            Self::Memory(storage) => {
                storage.poll_replies(replies);
                Ok(())
            }
            #[cfg(feature = "server")]
            Self::Thread(storage) => storage.poll_replies(replies),
        }
    }

    /// What has gone through so far.
    #[must_use]
    pub const fn stats(&self) -> StorageStats {
        match self {
            Self::Memory(storage) => storage.stats,
            #[cfg(feature = "server")]
            Self::Thread(storage) => storage.stats(),
        }
    }

    /// Executes all that was submitted, then closes the storage. Waits. Appends the last answers to `replies`.
    ///
    /// # Errors
    ///
    /// As for [`Storage::poll_replies`].
    pub fn close(self, replies: &mut Vec<StorageReply>) -> Result<(), StorageStopped> {
        match self {
            Self::Memory(mut storage) => {
                storage.poll_replies(replies);
                Ok(())
            }
            #[cfg(feature = "server")]
            Self::Thread(storage) => storage.close(replies),
        }
    }
}

impl From<MemoryStorage> for Storage {
    fn from(storage: MemoryStorage) -> Self {
        Self::Memory(Box::new(ImmediateStorage::new(storage)))
    }
}

#[cfg(feature = "server")]
impl From<StorageThread> for Storage {
    fn from(storage: StorageThread) -> Self {
        Self::Thread(storage)
    }
}

/// A [`MemoryStorage`] with the answers that nobody has collected yet.
#[derive(Debug)]
pub struct ImmediateStorage {
    storage: MemoryStorage,
    replies: Vec<StorageReply>,
    stats: StorageStats,
}

impl ImmediateStorage {
    /// Puts an empty queue of answers behind `storage`.
    #[must_use]
    pub fn new(storage: MemoryStorage) -> Self {
        Self { storage, replies: Vec::new(), stats: StorageStats::default() }
    }

    fn submit(&mut self, requests: impl IntoIterator<Item = StorageRequest>) {
        let waiting = self.replies.len();
        for StorageRequest { ticket, operation } in requests {
            self.replies.push(StorageReply { ticket, result: self.storage.execute(operation) });
        }
        let executed = self.replies.len() - waiting;
        self.stats.count_submitted(executed);
        self.stats.count_batch(executed, Duration::ZERO);
    }

    fn poll_replies(&mut self, replies: &mut Vec<StorageReply>) {
        replies.append(&mut self.replies);
    }
}

/// What has gone through a storage since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageStats {
    /// Requests handed over.
    pub submitted: u64,
    /// Requests executed and answered.
    pub answered: u64,
    /// Groups of requests that were executed together.
    pub batches: u64,
    /// Requests in the largest of them.
    pub largest_batch: u64,
    /// Time from the start of each batch to the end of its commit, added up.
    pub commit_time: Duration,
    /// The longest of these times.
    pub longest_commit: Duration,
}

impl StorageStats {
    fn count_submitted(&mut self, requests: usize) {
        self.submitted += requests as u64;
    }

    fn count_batch(&mut self, requests: usize, time: Duration) {
        if requests == 0 {
            return;
        }
        self.answered += requests as u64;
        self.batches += 1;
        self.largest_batch = self.largest_batch.max(requests as u64);
        self.commit_time += time;
        self.longest_commit = self.longest_commit.max(time);
    }
}

/// Why a storage answers no more. The server must stop: it cannot tell any longer what is durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageStopped {
    /// A commit ended in doubt, and the database could not be opened again to find out.
    #[cfg(feature = "server")]
    #[error(transparent)]
    Unrecoverable(#[from] Unrecoverable),
    /// The thread of the storage has ended without being asked to.
    #[error(
        "The storage thread has ended unexpectedly. Look for its panic message in the log, report it, and \
         start the server again: everything acknowledged so far is stored."
    )]
    ThreadEnded,
}
