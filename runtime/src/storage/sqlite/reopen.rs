//! Opening a database again after a commit in doubt.
//!
//! A sync that failed may have thrown the written pages away, and the next sync would not say so. What the
//! connection believes is therefore worth nothing: it is closed, the log is written anew, and the database is read
//! again from its files, with all that its log holds written into it and synced before anything is concluded.

use std::{mem, thread, time::Duration};

use super::{
    Database, OpenError, SqliteStorage, Unrecoverable,
    connection::{self, PageCache},
    recovery,
};

/// Pauses before each try. In all they stay below what a client waits for an answer.
const PAUSES: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_millis(1_000),
    Duration::from_millis(2_000),
];

/// Closes the database and opens it again, so that what it shows is durable.
pub(super) fn reopen(storage: &mut SqliteStorage, mut cache: PageCache) -> Result<(), Unrecoverable> {
    drop(give_up(storage, String::from("it is being opened again")));
    let mut reason = String::new();
    for pause in PAUSES {
        thread::sleep(pause);
        match try_once(storage, cache) {
            Ok(()) => {
                tracing::warn!("the database was opened again after a commit in doubt");
                return Ok(());
            }
            Err(error) => {
                tracing::error!(%error, "the database could not be opened again yet");
                reason = error.to_string();
                // It may have been a sync that failed.
                cache = PageCache::Doubtful;
            }
        }
    }
    Err(give_up(storage, reason))
}

/// Closes the connection for good, unless [`reopen`] replaces it.
pub(super) fn give_up(storage: &mut SqliteStorage, reason: String) -> Unrecoverable {
    let unrecoverable = Unrecoverable { database: storage.options.database_path(), reason };
    drop(mem::replace(&mut storage.database, Database::GivenUp(unrecoverable.clone())));
    unrecoverable
}

fn try_once(storage: &mut SqliteStorage, cache: PageCache) -> Result<(), OpenError> {
    let path = storage.options.database_path();
    let fail = |error| OpenError::from_sqlite(&path, error);
    let connection = connection::reopen(&storage.options, cache)?;
    if recovery::incarnation_of(&connection).map_err(fail)? != storage.incarnation {
        return Err(OpenError::Replaced { path });
    }
    let records = recovery::room_records(&connection).map_err(fail)?;
    storage.rooms.replace_after_doubt(recovery::rooms_of(&records));
    storage.database = Database::Open(connection);
    Ok(())
}
