//! Opening the file: is it ours, is it current, is all that it shows durable?

use std::{
    fs::OpenOptions,
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use palabre_core::ids::Incarnation;
use rusqlite::{Connection, OpenFlags};

use super::{
    SqliteOptions, Synchronous,
    error::{OpenError, could_not_write},
    schema::{self, APPLICATION_ID, MIGRATIONS},
    space::is_out_of_space,
};

/// How long to wait for another program that works on the database, a backup for instance.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const STATEMENTS_CACHED: usize = 48;

/// Whether the next sync can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageCache {
    /// Yes: no sync has failed.
    Trusted,
    /// A sync has failed, and the system may have dropped pages and hold them for clean. Only what is written anew
    /// is sure to reach the disk.
    Doubtful,
}

/// Opens the database, which is created where there is none; a new one gets `incarnation`.
pub(super) fn open_or_create(
    options: &SqliteOptions,
    incarnation: Incarnation,
) -> Result<Connection, OpenError> {
    let path = options.database_path();
    create_private_file(options, &path)?;
    let cache = settle_log(options, PageCache::Trusted)?;
    let connection = connect(options, &path, OpenFlags::SQLITE_OPEN_CREATE)?;
    let version = version_of(&connection, &path)?;
    prepare(&connection, options, &path)?;
    schema::migrate(&connection, MIGRATIONS, version, incarnation)
        .map_err(|error| OpenError::from_sqlite(&path, error))?;
    make_durable(&connection, &path, cache)?;
    Ok(connection)
}

/// Opens a database that was open before. None is created: an empty one in its place would be a lie.
pub(super) fn reopen(options: &SqliteOptions, cache: PageCache) -> Result<Connection, OpenError> {
    let path = options.database_path();
    let cache = settle_log(options, cache)?;
    let connection = connect(options, &path, OpenFlags::empty())?;
    version_of(&connection, &path)?;
    prepare(&connection, options, &path)?;
    make_durable(&connection, &path, cache)?;
    Ok(connection)
}

/// SQLite would create the file readable for everybody; its other files get the permissions of this one.
fn create_private_file(options: &SqliteOptions, path: &Path) -> Result<(), OpenError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(OpenError::from_io(&options.directory, path, error)),
    }
}

/// Makes sure of the log before it is read. Where that wants space which is not there, for a file system that never
/// writes in place, a log without a failed sync in its past is believed.
fn settle_log(options: &SqliteOptions, cache: PageCache) -> Result<PageCache, OpenError> {
    let log = options.log_path();
    match (options.rewrite_log)(&log) {
        Ok(()) => Ok(PageCache::Trusted),
        Err(error) if cache == PageCache::Trusted && is_out_of_space(&error) => {
            tracing::warn!(%error, path = %log.display(), "the log could not be written anew");
            Ok(cache)
        }
        Err(error) => Err(OpenError::from_io(&options.directory, &log, error)),
    }
}

fn connect(options: &SqliteOptions, path: &Path, extra: OpenFlags) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | extra;
    let opened = match &options.vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str()),
        None => Connection::open_with_flags(path, flags),
    };
    let connection = opened.map_err(|error| OpenError::from_sqlite(path, error))?;
    if connection.is_readonly("main").map_err(|error| OpenError::from_sqlite(path, error))? {
        return Err(OpenError::NotWritable { directory: options.directory.clone() });
    }
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    Ok(connection)
}

/// The version of the format, 0 for a database without anything in it. Only reads: the file may not be ours.
fn version_of(connection: &Connection, path: &Path) -> Result<u32, OpenError> {
    let fail = |error| OpenError::from_sqlite(path, error);
    connection.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, u32>(0));
    let application_id = number("application_id").map_err(fail)?;
    let version = number("user_version").map_err(fail)?;
    let tables: u32 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(fail)?;
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    if application_id != APPLICATION_ID && (application_id, version, tables) != (0, 0, 0) {
        return Err(OpenError::Foreign { path: path.to_path_buf() });
    }
    if version > known {
        return Err(OpenError::FromFuture { path: path.to_path_buf(), found: version, known });
    }
    Ok(version)
}

fn prepare(connection: &Connection, options: &SqliteOptions, path: &Path) -> Result<(), OpenError> {
    let fail = |error| OpenError::from_sqlite(path, error);
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(fail)?;
    if mode != "wal" {
        let source = io::Error::other(format!("it does not support a write-ahead log (journal mode {mode})"));
        return Err(OpenError::File { path: PathBuf::from(path), source });
    }
    let limits = &options.limits;
    let set = |pragma, value: i64| connection.pragma_update(None, pragma, value).map_err(fail);
    connection
        .pragma_update(
            None,
            "synchronous",
            match options.synchronous {
                Synchronous::Full => "FULL",
                Synchronous::Normal => "NORMAL",
            },
        )
        .map_err(fail)?;
    set("foreign_keys", 1)?;
    // What a deletion takes out of a page is overwritten there.
    set("secure_delete", 1)?;
    // Where fsync alone does not reach the platter (macOS).
    set("fullfsync", 1)?;
    set("checkpoint_fullfsync", 1)?;
    set("cache_size", -i64::from(limits.cache_bytes / 1024))?;
    set("journal_size_limit", i64::from(limits.log_bytes))?;
    let page_bytes: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(fail)?;
    set("wal_autocheckpoint", i64::from((limits.log_bytes / page_bytes / 4).max(1)))?;
    if let Some(bytes) = limits.database_bytes_max {
        let pages = i64::try_from(bytes / u64::from(page_bytes)).unwrap_or(i64::MAX).max(1);
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).map_err(fail)?;
    }
    Ok(())
}

/// Makes durable what recovery found in the log, which may be in the page cache only: a process that is killed
/// between writing and syncing leaves it so.
///
/// A checkpoint syncs the log before it writes to the database. So where it fails for want of space, what is shown
/// is durable nevertheless, if the sync can be believed; and a full disk shall keep nobody from reading.
fn make_durable(connection: &Connection, path: &Path, cache: PageCache) -> Result<(), OpenError> {
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
    match busy {
        Ok(false) => Ok(()),
        Ok(true) => Err(OpenError::Busy { path: path.to_path_buf() }),
        Err(error) if cache == PageCache::Trusted && could_not_write(&error) => {
            tracing::warn!(%error, path = %path.display(), "the log could not be moved into the database");
            Ok(())
        }
        Err(error) => Err(OpenError::from_sqlite(path, error)),
    }
}
