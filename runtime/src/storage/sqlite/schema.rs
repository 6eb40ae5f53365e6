//! The format of the database, and the way from each version to the next.

use palabre_core::{ids::Incarnation, storage::EventKind};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::search;

/// Marks a file as a database of Palabre: "Plbr".
pub(super) const APPLICATION_ID: u32 = 0x506c_6272;

/// A step from one version of the format to the next, inside a transaction.
pub(super) struct Migration {
    /// Does it. The incarnation is the one to give to a database that has none.
    pub(super) apply: fn(&Connection, Incarnation) -> rusqlite::Result<()>,
}

/// The migration at index *n* leads from version *n* to version *n* + 1. Entries are only ever appended.
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration { apply: create },
    Migration { apply: |connection, _| connection.execute_batch(ADD_ACCOUNTS) },
    Migration { apply: |connection, _| connection.execute_batch(ADD_ABOUT) },
    Migration { apply: |connection, _| connection.execute_batch(ADD_TOKENS_INVITATIONS_AND_MARKERS) },
    Migration { apply: |connection, _| connection.execute_batch(ADD_RIGHTS) },
    Migration { apply: |connection, _| connection.execute_batch(ADD_FILES) },
    Migration { apply: |connection, _| add_search(connection) },
    Migration { apply: |connection, _| connection.execute_batch(ADD_REVISIONS) },
    Migration { apply: |connection, _| connection.execute_batch(ADD_CONTENTS) },
    Migration { apply: |connection, _| connection.execute_batch(COUNT_FILES) },
];

/// Brings a database of version `version` to the newest, each step in a transaction of its own.
pub(super) fn migrate(
    connection: &Connection,
    migrations: &[Migration],
    version: u32,
    incarnation: Incarnation,
) -> rusqlite::Result<()> {
    for (next, migration) in (1_u32..).zip(migrations).skip(version as usize) {
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        (migration.apply)(&transaction, incarnation)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", next)?;
        transaction.commit()?;
    }
    Ok(())
}

fn create(connection: &Connection, incarnation: Incarnation) -> rusqlite::Result<()> {
    connection.execute_batch(CREATE)?;
    connection.execute(
        "INSERT INTO meta (name, value) VALUES ('incarnation', ?1)",
        [incarnation.get().cast_signed()],
    )?;
    Ok(())
}

/// Version 1. Numbers of 64 bits without a sign are stored by their bits; only nonces and the incarnation ever
/// use the highest. The counters in `meta` outlive what they counted, so that no id is given twice.
const CREATE: &str = "
    CREATE TABLE meta (
        name TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    INSERT INTO meta (name, value) VALUES ('last_room', 0), ('last_user', 0);

    CREATE TABLE rooms (
        id INTEGER PRIMARY KEY,
        name TEXT UNIQUE,
        lower_user INTEGER,
        higher_user INTEGER,
        topic TEXT NOT NULL DEFAULT '',
        first INTEGER NOT NULL DEFAULT 1,
        UNIQUE (lower_user, higher_user),
        CHECK ((name IS NULL) = (lower_user IS NOT NULL)),
        CHECK ((lower_user IS NULL) = (higher_user IS NULL))
    ) STRICT;

    CREATE TABLE events (
        room INTEGER NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
        seq INTEGER NOT NULL,
        author INTEGER NOT NULL,
        nonce INTEGER NOT NULL,
        at INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        nick TEXT NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (room, seq)
    ) STRICT, WITHOUT ROWID;

    CREATE UNIQUE INDEX events_by_nonce ON events (author, nonce);

    CREATE TABLE guests (
        user INTEGER PRIMARY KEY,
        nick TEXT NOT NULL,
        token_hash BLOB NOT NULL UNIQUE,
        expires INTEGER
    ) STRICT;

    CREATE TABLE members (
        room INTEGER NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
        user INTEGER NOT NULL,
        PRIMARY KEY (room, user)
    ) STRICT, WITHOUT ROWID;

    CREATE INDEX members_by_user ON members (user);
";

/// Version 2. Guests and accounts are numbered together, by `last_user`. What changes each time that somebody enters
/// stands in `devices` and in no index.
const ADD_ACCOUNTS: &str = "
    INSERT INTO meta (name, value) VALUES ('last_device', 0);

    CREATE TABLE accounts (
        user INTEGER PRIMARY KEY,
        nick TEXT NOT NULL UNIQUE,
        record BLOB NOT NULL,
        created INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE devices (
        device INTEGER PRIMARY KEY,
        user INTEGER NOT NULL REFERENCES accounts (user) ON DELETE CASCADE,
        name TEXT NOT NULL,
        token_hash BLOB NOT NULL UNIQUE,
        since INTEGER NOT NULL,
        seen INTEGER NOT NULL
    ) STRICT;

    CREATE INDEX devices_by_user ON devices (user);
";

/// Version 3. Rows written before have no such columns and read as without.
const ADD_ABOUT: &str = "
    ALTER TABLE events ADD COLUMN about_id INTEGER;
    ALTER TABLE events ADD COLUMN about_name TEXT;
    ALTER TABLE events ADD COLUMN about_until INTEGER;
";

/// Version 4. A device's token is replaced from time to time; until the next one is used, both are good. Of invitations
/// only those are known that were used, by a hash. Accounts have read rooms up to a number, on all their devices.
const ADD_TOKENS_INVITATIONS_AND_MARKERS: &str = "
    ALTER TABLE devices ADD COLUMN token_since INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE devices ADD COLUMN next_token_hash BLOB;
    UPDATE devices SET token_since = since;

    CREATE TABLE invitations (
        id BLOB PRIMARY KEY,
        uses INTEGER NOT NULL,
        expires INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE read_markers (
        user INTEGER NOT NULL REFERENCES accounts (user) ON DELETE CASCADE,
        room INTEGER NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
        seq INTEGER NOT NULL,
        PRIMARY KEY (user, room)
    ) STRICT, WITHOUT ROWID;

    CREATE INDEX read_markers_by_room ON read_markers (room);
";

/// Version 5. Rooms made before have no owner and are open. A term that does not end has no `until`.
const ADD_RIGHTS: &str = "
    ALTER TABLE rooms ADD COLUMN mode INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE rooms ADD COLUMN slow_seconds INTEGER NOT NULL DEFAULT 0;

    CREATE TABLE standings (
        room INTEGER NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
        user INTEGER NOT NULL,
        name TEXT NOT NULL,
        role INTEGER NOT NULL,
        invited INTEGER NOT NULL,
        banned_since INTEGER,
        banned_until INTEGER,
        muted_since INTEGER,
        muted_until INTEGER,
        PRIMARY KEY (room, user)
    ) STRICT, WITHOUT ROWID;
";

/// Version 6. A file is in a room (and then `shelf` is 0) or on the shelf of a user (and then `room` is). What users have
/// stored follows from the files by itself. Contents are files in the data directory, called by their hash.
const ADD_FILES: &str = "
    INSERT INTO meta (name, value) VALUES ('last_version', 0);

    CREATE TABLE files (
        room INTEGER NOT NULL,
        shelf INTEGER NOT NULL,
        name TEXT NOT NULL,
        version INTEGER NOT NULL,
        size INTEGER NOT NULL,
        hash BLOB NOT NULL,
        executable INTEGER NOT NULL,
        by INTEGER NOT NULL,
        nick TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (room, shelf, name)
    ) STRICT, WITHOUT ROWID;

    CREATE INDEX files_by_hash ON files (hash);

    CREATE TABLE usage (
        user INTEGER PRIMARY KEY,
        bytes INTEGER NOT NULL
    ) STRICT;

    CREATE TRIGGER file_added AFTER INSERT ON files BEGIN
        INSERT INTO usage (user, bytes) VALUES (new.by, new.size)
        ON CONFLICT (user) DO UPDATE SET bytes = bytes + new.size;
    END;

    CREATE TRIGGER file_removed AFTER DELETE ON files BEGIN
        UPDATE usage SET bytes = bytes - old.size WHERE user = old.by;
    END;

    CREATE TABLE uploads (
        id BLOB PRIMARY KEY,
        user INTEGER NOT NULL,
        key BLOB NOT NULL,
        room INTEGER NOT NULL,
        shelf INTEGER NOT NULL,
        name TEXT NOT NULL,
        size INTEGER,
        executable INTEGER NOT NULL,
        over INTEGER,
        durable INTEGER NOT NULL,
        at INTEGER NOT NULL,
        UNIQUE (user, key)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE finished_uploads (
        id BLOB PRIMARY KEY,
        user INTEGER NOT NULL,
        key BLOB NOT NULL,
        room INTEGER NOT NULL,
        shelf INTEGER NOT NULL,
        name TEXT NOT NULL,
        version INTEGER NOT NULL,
        size INTEGER NOT NULL,
        hash BLOB NOT NULL,
        executable INTEGER NOT NULL,
        by INTEGER NOT NULL,
        nick TEXT NOT NULL,
        at INTEGER NOT NULL,
        replaced INTEGER,
        UNIQUE (user, key)
    ) STRICT, WITHOUT ROWID;

    CREATE INDEX finished_uploads_by_time ON finished_uploads (at);
";

/// Version 7. Events of all rooms have a position, and their words are in an index (`search.rs`), which loses what the table
/// of events loses. Those written before are taken to be stored when the server heard of them.
const ADD_SEARCH: &str = "
    INSERT INTO meta (name, value) SELECT 'last_position', count(*) FROM events;

    ALTER TABLE events ADD COLUMN position INTEGER;

    UPDATE events SET position = stood.position
    FROM (SELECT room, seq, row_number() OVER (ORDER BY at, room, seq) AS position FROM events) AS stood
    WHERE events.room = stood.room AND events.seq = stood.seq;

    CREATE UNIQUE INDEX events_by_position ON events (position);

    CREATE VIRTUAL TABLE search USING fts5 (words, content = '', contentless_delete = 1, tokenize = 'ascii');

    CREATE TRIGGER event_removed AFTER DELETE ON events BEGIN
        DELETE FROM search WHERE rowid = old.position;
    END;
";

fn add_search(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(ADD_SEARCH)?;
    let mut select = connection.prepare("SELECT position, kind, text FROM events ORDER BY position")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(kind) = EventKind::from_number(row.get(1)?) {
            search::index(connection, row.get(0)?, kind, row.get_ref(2)?.as_str()?)?;
        }
    }
    Ok(())
}

/// Version 8. The text of a message is the one it has now; `revised` is the event that gave it. A deletion looks for the
/// edits of its message.
const ADD_REVISIONS: &str = "
    ALTER TABLE events ADD COLUMN revised INTEGER;

    CREATE INDEX edits_by_message ON events (room, about_id) WHERE kind = 30;
";

/// Version 9. The contents of small files are here, so that one transaction stores all there is of a file. Old files are found by
/// their time.
const ADD_CONTENTS: &str = "
    CREATE TABLE contents (
        hash BLOB PRIMARY KEY NOT NULL,
        bytes BLOB NOT NULL
    ) STRICT;

    CREATE INDEX files_by_time ON files (at);
";

/// Version 10. Quotas count files, too.
const COUNT_FILES: &str = "
    DROP TRIGGER file_added;
    DROP TRIGGER file_removed;
    DROP TABLE usage;

    CREATE TABLE usage (
        user INTEGER PRIMARY KEY,
        files INTEGER NOT NULL,
        bytes INTEGER NOT NULL
    ) STRICT;

    INSERT INTO usage (user, files, bytes) SELECT by, count(*), sum(size) FROM files GROUP BY by;

    CREATE TRIGGER file_added AFTER INSERT ON files BEGIN
        INSERT INTO usage (user, files, bytes) VALUES (new.by, 1, new.size)
        ON CONFLICT (user) DO UPDATE SET files = files + 1, bytes = bytes + new.size;
    END;

    CREATE TRIGGER file_removed AFTER DELETE ON files BEGIN
        UPDATE usage SET files = files - 1, bytes = bytes - old.size WHERE user = old.by;
    END;
";

#[cfg(test)]
mod tests {
    use super::*;

    const ADD_COLOUR: Migration = Migration {
        apply: |connection, _| {
            connection.execute_batch("ALTER TABLE guests ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey'")
        },
    };

    fn version_of(connection: &Connection) -> u32 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    #[test]
    fn an_older_database_is_brought_to_the_newest_version_and_keeps_what_it_holds() {
        let connection = Connection::open_in_memory().unwrap();
        let older = [Migration { apply: create }];
        migrate(&connection, &older, 0, Incarnation::new(7)).unwrap();
        connection
            .execute("INSERT INTO guests (user, nick, token_hash) VALUES (1, 'ada', x'00')", [])
            .unwrap();
        let newer = [Migration { apply: create }, ADD_COLOUR];
        migrate(&connection, &newer, 1, Incarnation::new(8)).unwrap();
        let guest: (String, String) = connection
            .query_row("SELECT nick, colour FROM guests", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        assert_eq!((guest.0.as_str(), guest.1.as_str()), ("ada", "grey"));
        assert_eq!(version_of(&connection), 2);
    }

    #[test]
    fn a_migration_that_fails_leaves_the_version_before_it() {
        const BROKEN: Migration = Migration {
            apply: |connection, _| connection.execute_batch("DROP TABLE guests; DROP TABLE no_such_table"),
        };
        let connection = Connection::open_in_memory().unwrap();
        let newer = [Migration { apply: create }, ADD_COLOUR, BROKEN];
        migrate(&connection, &newer, 0, Incarnation::new(7)).unwrap_err();
        assert_eq!(version_of(&connection), 2);
        connection.execute_batch("SELECT colour FROM guests").unwrap();
    }
}
