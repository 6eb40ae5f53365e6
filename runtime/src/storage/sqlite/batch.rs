//! Group commit: many requests in one transaction, and what happens when it fails.
//!
//! A batch is executed in *attempts*, each a transaction over the next requests. Usually one attempt does it all.
//! When a request fails, the attempt is rolled back, the requests before it are committed on their own, and it is
//! tried at the head of an attempt, where its failure is nobody's but its own. When the commit is refused for want
//! of space, attempts shrink by halves until single requests are refused; after a success they grow again. After a
//! commit in doubt the database is opened again and requests are executed once more, one by one at first.

use std::{io, path::Path};

use palabre_core::storage::{StorageFailure, StorageOutcome, StorageReply, StorageRequest};
use rusqlite::Connection;

use super::{
    Database, SqliteStorage, Unrecoverable,
    connection::PageCache,
    error::{Problem, could_not_write, failure_of},
    operations, reopen,
    rooms::Rooms,
};

/// After so many commits in doubt, the rest of a batch is only looked up, not tried again.
const DOUBTS_MAX: u32 = 2;

/// See [`SqliteStorage::execute_batch`].
pub(super) fn execute(
    storage: &mut SqliteStorage,
    requests: &[StorageRequest],
) -> Result<Vec<StorageReply>, Unrecoverable> {
    let mut replies = Vec::with_capacity(requests.len());
    let mut attempt_max = requests.len();
    let mut doubts = 0;
    while let Some(next) = requests.get(replies.len()) {
        let rest = &requests[replies.len()..];
        let attempted = &rest[..attempt_max.clamp(1, rest.len())];
        let mut writer = Writer::new(storage)?;
        match writer.attempt(attempted) {
            Attempt::Committed(answers) => {
                replies.extend(answers);
                attempt_max = attempted.len().saturating_mul(2);
            }
            Attempt::RequestFailed { index: 0, failure } => replies.push(refusal(next, failure)),
            Attempt::RequestFailed { index, failure: _ } => attempt_max = index,
            Attempt::CommitRefused if attempted.len() == 1 => {
                replies.push(refusal(next, StorageFailure::NoSpace));
            }
            Attempt::CommitRefused => attempt_max = attempted.len() / 2,
            Attempt::NotBegun(failure) => {
                replies.extend(rest.iter().map(|request| writer.only_read(request, failure)));
            }
            Attempt::InDoubt(cache) => {
                reopen::reopen(storage, cache)?;
                attempt_max = 1;
                doubts += 1;
                if doubts == DOUBTS_MAX {
                    replies.extend(find_out(storage, rest)?);
                }
            }
        }
    }
    Ok(replies)
}

fn refusal(request: &StorageRequest, failure: StorageFailure) -> StorageReply {
    StorageReply { ticket: request.ticket, result: Err(failure) }
}

/// Answers what a device that cannot commit has left of a batch, without writing.
fn find_out(
    storage: &mut SqliteStorage,
    requests: &[StorageRequest],
) -> Result<Vec<StorageReply>, Unrecoverable> {
    let mut writer = Writer::new(storage)?;
    let replies = requests.iter().map(|request| writer.find_out(request)).collect::<rusqlite::Result<_>>();
    replies.map_err(|error| reopen::give_up(storage, error.to_string()))
}

/// How an attempt ended.
enum Attempt {
    /// All is done and durable.
    Committed(Vec<StorageReply>),
    /// The request at `index` failed, and all was rolled back.
    RequestFailed { index: usize, failure: StorageFailure },
    /// SQLite had no space for it and rolled back all.
    CommitRefused,
    /// No transaction could be begun, so nothing can be written.
    NotBegun(StorageFailure),
    /// Nobody knows what is stored.
    InDoubt(PageCache),
}

/// An open database with what is known about it.
struct Writer<'storage> {
    connection: &'storage Connection,
    rooms: &'storage mut Rooms,
    commit: fn(&Connection) -> rusqlite::Result<()>,
    probe: fn(&Path) -> io::Result<()>,
    directory: &'storage Path,
}

impl<'storage> Writer<'storage> {
    fn new(storage: &'storage mut SqliteStorage) -> Result<Self, Unrecoverable> {
        match &storage.database {
            Database::Open(connection) => Ok(Self {
                connection,
                rooms: &mut storage.rooms,
                commit: storage.commit,
                probe: storage.probe,
                directory: &storage.options.directory,
            }),
            Database::GivenUp(reason) => Err(reason.clone()),
        }
    }

    /// Executes requests in one transaction.
    fn attempt(&mut self, requests: &[StorageRequest]) -> Attempt {
        let writes = requests.iter().any(|request| !operations::only_reads(&request.operation));
        if writes && let Err(error) = self.begin() {
            tracing::error!(%error, "the database refused to begin a transaction");
            return Attempt::NotBegun(self.failure_of(&error));
        }
        let mut replies = Vec::with_capacity(requests.len());
        for (index, request) in requests.iter().enumerate() {
            match self.execute(request) {
                Ok(reply) => replies.push(reply),
                Err(error) => {
                    tracing::error!(%error, "a request to the database failed");
                    let failure = self.failure_of(&error);
                    return self.roll_back().map_or(Attempt::InDoubt(PageCache::Doubtful), |()| {
                        Attempt::RequestFailed { index, failure }
                    });
                }
            }
        }
        if writes && let Err(error) = (self.commit)(self.connection) {
            tracing::error!(%error, "the database failed to commit");
            return self.commit_failed(&error);
        }
        self.rooms.keep_changes();
        Attempt::Committed(replies)
    }

    fn commit_failed(&mut self, error: &rusqlite::Error) -> Attempt {
        // Without space the end of the transaction cannot have been written, and SQLite says whether it went back.
        if self.failure_of(error) == StorageFailure::NoSpace && self.connection.is_autocommit() {
            self.rooms.undo_changes();
            Attempt::CommitRefused
        } else if could_not_write(error) {
            Attempt::InDoubt(PageCache::Trusted)
        } else {
            Attempt::InDoubt(PageCache::Doubtful)
        }
    }

    /// Answers a request while nothing can be written.
    fn only_read(&mut self, request: &StorageRequest, failure: StorageFailure) -> StorageReply {
        if operations::only_reads(&request.operation) {
            self.execute(request).unwrap_or_else(|error| refusal(request, self.failure_of(&error)))
        } else {
            refusal(request, failure)
        }
    }

    /// Answers a request from a commit in doubt without writing: it is done if doing it would change nothing.
    fn find_out(&mut self, request: &StorageRequest) -> rusqlite::Result<StorageReply> {
        if operations::only_reads(&request.operation) {
            return Ok(self.only_read(request, StorageFailure::Failed));
        }
        self.begin()?;
        let changes = self.connection.total_changes();
        let reply = self.execute(request)?;
        if self.connection.total_changes() == changes {
            // Nothing goes back in the database, but the answer has been given.
            self.rooms.keep_changes();
            self.roll_back()?;
            Ok(reply)
        } else {
            self.roll_back()?;
            Ok(refusal(request, StorageFailure::Failed))
        }
    }

    /// Executes one request in whatever transaction is open, which must be rolled back after an error.
    fn execute(&mut self, request: &StorageRequest) -> rusqlite::Result<StorageReply> {
        let result: Result<StorageOutcome, _> =
            match operations::execute(self.connection, self.rooms, &request.operation) {
                Ok(outcome) => Ok(outcome),
                Err(Problem::NoSuchRoom) => Err(StorageFailure::NoSuchRoom),
                Err(Problem::NoSuchUser) => Err(StorageFailure::NoSuchUser),
                Err(Problem::NameTaken) => Err(StorageFailure::Failed),
                Err(Problem::NoSpace) => Err(StorageFailure::NoSpace),
                Err(Problem::Statement(error)) => return Err(error),
            };
        Ok(StorageReply { ticket: request.ticket, result })
    }

    fn failure_of(&self, error: &rusqlite::Error) -> StorageFailure {
        failure_of(error, || (self.probe)(self.directory))
    }

    /// At once for writing: a transaction that began by reading may find itself unable to write.
    fn begin(&self) -> rusqlite::Result<()> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(drop)
    }

    fn roll_back(&mut self) -> rusqlite::Result<()> {
        self.rooms.undo_changes();
        // Some errors have made SQLite do it already.
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.connection.prepare_cached("ROLLBACK")?.execute([]).map(drop)
    }
}
