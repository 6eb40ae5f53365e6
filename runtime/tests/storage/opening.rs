use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use palabre_core::{ids::Incarnation, storage::StorageOutcome};
use palabre_runtime::storage::{OpenError, SqliteOptions, SqliteStorage, Synchronous};
use rusqlite::Connection;
use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

use crate::support::*;

/// A directory with a small database that nobody has open.
fn closed_database() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let (mut storage, _) = open(directory.path());
    execute_batch(&mut storage, vec![open_room("lobby"), post(1, 1, "hello")]);
    directory
}

#[test]
fn a_new_database_is_empty_and_private() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("some/where");
    let (mut storage, recovered) = SqliteStorage::open(SqliteOptions::new(&directory), u64::MAX).unwrap();
    assert_eq!(recovered.incarnation, Incarnation::new(u64::MAX));
    assert_eq!((recovered.rooms.len(), recovered.guests.len(), recovered.accounts.len()), (0, 0, 0));
    execute_batch(&mut storage, vec![open_room("lobby")]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    for name in ["palabre.db", "palabre.db-wal", "palabre.db-shm", "lock"] {
        assert_eq!(mode(&directory.join(name)), 0o600, "{name}");
    }
}

#[test]
fn an_incarnation_is_given_once() {
    let directory = tempfile::tempdir().unwrap();
    drop(SqliteStorage::open(SqliteOptions::new(directory.path()), 7).unwrap());
    let (_, recovered) = SqliteStorage::open(SqliteOptions::new(directory.path()), 8).unwrap();
    assert_eq!(recovered.incarnation, Incarnation::new(7));
}

#[test]
fn ids_are_not_given_again_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (mut storage, _) = open(directory.path());
    execute_batch(&mut storage, vec![open_room("lobby"), create_guest("ada", 1)]);
    execute_batch(&mut storage, vec![drop_room(1), remove_guest(1)]);
    drop(storage);
    let (mut storage, recovered) = open(directory.path());
    assert_eq!((recovered.rooms.len(), recovered.guests.len()), (0, 0));
    let mut answers = execute_batch(&mut storage, vec![create_guest("ada", 1), open_room("lobby")]);
    assert_eq!(answers[0], guest(2));
    assert_eq!(room_id(answers.remove(1)), 2);
}

#[test]
fn what_was_answered_is_there_after_a_power_cut() {
    let directory = tempfile::tempdir().unwrap();
    let (mut storage, _) = open(directory.path());
    execute_batch(&mut storage, vec![open_room("lobby"), create_guest("ada", 1), set_member(1, 1, true)]);
    execute_batch(&mut storage, vec![post(1, 1, "hello"), update_guest(1, "eve", Some(5))]);
    let copy = copy_without_closing(directory.path());
    let (mut storage, recovered) = open(copy.path());
    assert_eq!(recovered.rooms[0].last.get(), 1);
    assert_eq!((&*recovered.guests[0].nick, recovered.guests[0].rooms.len()), ("eve", 1));
    assert_eq!(execute_batch(&mut storage, vec![post(1, 1, "hello")]), [repeated(1, 1)]);
}

#[test]
fn a_second_server_is_told_of_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let (storage, _) = open(directory.path());
    let error = refusal(directory.path());
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(&*directory.path().to_string_lossy()), "{text}");
    assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    drop(storage);
    open(directory.path());
}

#[test]
fn a_database_from_the_future_is_left_alone() {
    let directory = closed_database();
    let path = directory.path().join("palabre.db");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = refusal(directory.path());
    assert!(matches!(error, OpenError::FromFuture { found: 99, known: 10, .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("99") && text.contains("up to 10"), "{text}");
}
#[test]
fn an_empty_file_of_an_earlier_start_becomes_a_database() {
    let directory = tempfile::tempdir().unwrap();
    let connection = Connection::open(directory.path().join("palabre.db")).unwrap();
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
    drop(connection);
    let (mut storage, _) = open(directory.path());
    assert_eq!(execute_batch(&mut storage, vec![create_guest("ada", 1)]), [guest(1)]);
}

#[test]
fn a_file_that_is_not_ours_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("palabre.db");
    let text = "My novel. It was a dark and stormy night. ".repeat(100);
    fs::write(&path, &text).unwrap();
    assert!(matches!(refusal(directory.path()), OpenError::Foreign { .. }));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(refusal(directory.path()), OpenError::Foreign { .. }));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_damaged_database_is_named() {
    let directory = closed_database();
    let path = directory.path().join("palabre.db");
    let mut bytes = fs::read(&path).unwrap();
    bytes[4_096..].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let error = refusal(directory.path());
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
}

#[test]
fn a_file_in_the_place_of_the_directory_is_named() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("data");
    File::create(&directory).unwrap();
    let error = refusal(&directory);
    assert!(matches!(error, OpenError::NoDirectory { .. }), "{error}");
    assert!(error.to_string().contains(&*directory.to_string_lossy()), "{error}");
}

#[test]
fn a_directory_that_cannot_be_written_is_refused_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let handle = File::open(directory.path()).unwrap();
    let root = rustix::process::geteuid().is_root();
    // Root writes whatever the mode says, but not into an immutable directory.
    if root {
        let made_immutable =
            ioctl_getflags(&handle).and_then(|flags| ioctl_setflags(&handle, flags | IFlags::IMMUTABLE));
        if let Err(error) = made_immutable {
            eprintln!("skipped: this is root, and the file system knows no immutable directories ({error})");
            return;
        }
    } else {
        fs::set_permissions(directory.path(), Permissions::from_mode(0o500)).unwrap();
    }
    let refused = SqliteStorage::open(SqliteOptions::new(directory.path()), 1);
    if root {
        let flags = ioctl_getflags(&handle).unwrap();
        ioctl_setflags(&handle, flags - IFlags::IMMUTABLE).unwrap();
    } else {
        fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
    }
    let error = refused.map(|(_, recovered)| recovered).unwrap_err();
    assert!(matches!(error, OpenError::NotWritable { .. }), "{error}");
    assert!(error.to_string().contains("Give it"), "{error}");
}

#[test]
fn an_unknown_vfs_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let options =
        SqliteOptions { vfs: Some(String::from("no-such-vfs")), ..SqliteOptions::new(directory.path()) };
    assert!(matches!(SqliteStorage::open(options, 1), Err(OpenError::Sqlite { .. })));
}

#[test]
fn a_named_vfs_is_used() {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteOptions {
        vfs: Some(String::from("unix")),
        synchronous: Synchronous::Normal,
        ..SqliteOptions::new(directory.path())
    };
    let (mut storage, _) = SqliteStorage::open(options, 1).unwrap();
    assert!(matches!(
        execute_batch(&mut storage, vec![open_room("lobby")])[..],
        [Ok(StorageOutcome::RoomOpened(_))]
    ));
}
