use palabre_core::{
    ids::{Incarnation, UserId},
    rights::{RightChange, Role, RoomChange, RoomMode},
    storage::Usage,
};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::*;

/// A directory with a database that was left by the version of the SQL.
fn left_by(version: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let connection = Connection::open(directory.path().join("palabre.db")).unwrap();
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
    connection.execute_batch(version).unwrap();
    directory
}

#[test]
fn a_database_of_version_1_is_opened_with_all_it_holds() {
    let directory = left_by(include_str!("version_1.sql"));
    let (mut storage, recovered) = open(directory.path());
    assert_eq!(recovered.incarnation, Incarnation::new(77));
    let rooms: Vec<_> = recovered.rooms.iter().map(|room| (&*room.topic, room.last.get())).collect();
    assert_eq!(rooms, [("parrots", 2), ("", 0)]);
    let [bob] = &recovered.guests[..] else { panic!("one guest was kept: {recovered:?}") };
    assert_eq!((bob.user.get(), &*bob.nick, bob.rooms.len()), (2, "bob", 1));
    assert_eq!(bob.expires.map(palabre_core::time::WallTime::as_millis), Some(5_000));
    assert_eq!(recovered.accounts, []);
    let answers = execute_batch(&mut storage, vec![post(1, u64::MAX, "hello"), post(1, 3, "and on")]);
    assert_eq!(answers, [repeated(1, 1_000), stored(3)]);
}

#[test]
fn a_database_of_version_1_takes_accounts_that_are_numbered_on() {
    let directory = left_by(include_str!("version_1.sql"));
    let (mut storage, _) = open(directory.path());
    let answers = execute_batch(&mut storage, vec![create_account("ada", 1), set_member(3, 1, true)]);
    assert_eq!(answers, [account(3, 1), DONE]);
    drop(storage);
    let (_, recovered) = open(directory.path());
    assert_eq!((recovered.accounts[0].user.get(), recovered.accounts[0].rooms.len()), (3, 1));
    assert_eq!((recovered.guests.len(), recovered.rooms.len()), (1, 2));
}

#[test]
fn a_database_of_version_2_is_opened_with_its_accounts_and_takes_events_about_something() {
    let directory = left_by(include_str!("version_2.sql"));
    let (mut storage, recovered) = open(directory.path());
    let [cleo] = &recovered.accounts[..] else { panic!("one account was kept: {recovered:?}") };
    assert_eq!((cleo.user.get(), &*cleo.nick, cleo.rooms.len()), (3, "cleo", 1));
    assert_eq!((cleo.devices[0].seen.as_millis(), &*cleo.devices[0].name), (4_000, "laptop"));
    let answers = execute_batch(
        &mut storage,
        vec![post(1, u64::MAX, "hello"), append_about(1, 1, u64::MAX, 2), append_about(1, 1, 8, 2)],
    );
    assert_eq!(answers, [repeated(1, 1_000), NONCE_REUSED, stored(3)]);
    let (_, events) = page(storage.execute(read_all(1)));
    let about: Vec<_> = events.iter().map(|event| event.about.as_ref().map(|about| about.id)).collect();
    assert_eq!(about, [None, None, Some(2)]);
}

#[test]
fn a_database_of_version_3_has_open_rooms_without_owners_and_takes_acts() {
    let directory = left_by(include_str!("version_3.sql"));
    let (mut storage, recovered) = open(directory.path());
    assert_eq!((recovered.rooms[0].mode, recovered.rooms[0].standings.len()), (RoomMode::default(), 0));
    let promoted = RoomChange::Right(UserId::new(3), RightChange::Role(Role::Moderator));
    assert_eq!(execute_batch(&mut storage, vec![act(1, 9, promoted)]), [stored(3)]);
    drop(storage);
    let (_, recovered) = open(directory.path());
    assert_eq!(recovered.rooms[0].standings[0].role, Role::Moderator);
}

#[test]
fn what_was_said_in_older_databases_is_found() {
    let directory = left_by(include_str!("version_1.sql"));
    let (mut storage, _) = open(directory.path());
    assert_eq!(hits(storage.execute(search(&[1, 2], "hello", None, 9))).0, [(1, 1)]);
    assert_eq!(hits(storage.execute(search(&[1, 2], "parrots", None, 9))).0, [(1, 2)]);
    let answers = execute_batch(&mut storage, vec![post(1, 3, "hello again")]);
    assert_eq!(answers, [stored(3)]);
    let (found, next) = hits(storage.execute(search(&[1, 2], "hello", None, 1)));
    assert_eq!(found, [(1, 3)]);
    assert_eq!(hits(storage.execute(search(&[1, 2], "hello", next, 9))).0, [(1, 1)]);
}

/// The migrations that lead from nothing to the present lead there from each version too.
#[test]
fn a_database_that_was_migrated_has_the_tables_of_a_new_one() {
    let tables = |directory: &TempDir| -> Vec<String> {
        drop(open(directory.path()));
        let connection = Connection::open(directory.path().join("palabre.db")).unwrap();
        let mut statement =
            connection.prepare("SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name").unwrap();
        let squeeze = |sql: String| sql.split_whitespace().collect::<Vec<_>>().join(" ");
        let rows = statement.query_map([], |row| row.get(0).map(squeeze)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    };
    let new = tempfile::tempdir().unwrap();
    let versions =
        [include_str!("version_1.sql"), include_str!("version_2.sql"), include_str!("version_3.sql")];
    for version in versions {
        assert_eq!(tables(&left_by(version)), tables(&new));
    }
}

/// What version 10 changed, as it was since version 6.
const USAGE_OF_VERSION_9: &str = "
    DROP TRIGGER file_added;
    DROP TRIGGER file_removed;
    DROP TABLE usage;
    CREATE TABLE usage (user INTEGER PRIMARY KEY, bytes INTEGER NOT NULL) STRICT;
    CREATE TRIGGER file_added AFTER INSERT ON files BEGIN
        INSERT INTO usage (user, bytes) VALUES (new.by, new.size)
        ON CONFLICT (user) DO UPDATE SET bytes = bytes + new.size;
    END;
    CREATE TRIGGER file_removed AFTER DELETE ON files BEGIN
        UPDATE usage SET bytes = bytes - old.size WHERE user = old.by;
    END;
    INSERT INTO files (room, shelf, name, version, size, hash, executable, by, nick, at) VALUES
        (0, 1, 'a', 1, 10, x'01', 0, 1, 'ada', 5),
        (0, 1, 'b', 2, 0, x'02', 0, 1, 'ada', 5),
        (0, 2, 'a', 3, 7, x'01', 0, 2, 'bob', 5),
        (0, 3, 'gone', 4, 9, x'03', 0, 3, 'cid', 5);
    DELETE FROM files WHERE name = 'gone';
    PRAGMA user_version = 9;
";

#[test]
fn the_files_of_a_database_of_version_9_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    let connection = Connection::open(directory.path().join("palabre.db")).unwrap();
    connection.execute_batch(USAGE_OF_VERSION_9).unwrap();
    drop(connection);
    let (storage, recovered) = open(directory.path());
    let expected = [(1, Usage { files: 2, bytes: 10 }), (2, Usage { files: 1, bytes: 7 })];
    assert_eq!(recovered.files.usage, expected.map(|(user, usage)| (UserId::new(user), usage)));
    let connection = Connection::open(directory.path().join("palabre.db")).unwrap();
    connection.execute_batch("DELETE FROM files WHERE name = 'a'").unwrap();
    drop((storage, connection));
    let (_, recovered) = open(directory.path());
    assert_eq!(recovered.files.usage, [(UserId::new(1), Usage { files: 1, bytes: 0 })]);
}
