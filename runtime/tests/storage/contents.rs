use std::path::Path;

use palabre_core::{
    ids::{Nonce, RoomId, UserId},
    storage::{
        EventKind, FileOperation, FileOutcome, NewEvent, NewFile, Place, PutContent, StorageOperation,
        StorageOutcome,
    },
    time::WallTime,
    transfer::{BlobHash, FileName, UploadId, UploadKey, Version},
};
use palabre_runtime::storage::SqliteStorage;
use rusqlite::Connection;

use crate::support::*;

const SHELF: Place = Place::Shelf(UserId::new(1));
const ROOM: Place = Place::Room(RoomId::new(1));

/// What users keep, by a number each: who has the same number has the same content.
fn put(storage: &mut SqliteStorage, key: u8, place: Place, name: &str, content: u8) {
    let file = NewFile {
        place,
        name: FileName::parse(name).unwrap(),
        over: None,
        size: 3,
        hash: BlobHash([content; 32]),
        executable: false,
        by: UserId::new(1),
        nick: "ada".into(),
        at: WallTime::from_millis(1),
    };
    let event = (place == ROOM).then(|| NewEvent {
        author: UserId::new(1),
        nick: "ada".into(),
        nonce: Nonce::new(key.into()),
        at: WallTime::from_millis(1),
        kind: EventKind::FileShared,
        text: "".into(),
        about: None,
    });
    let (upload, content) = (UploadId([key; 16]), PutContent::Bytes(vec![content; 3]));
    let operation = FileOperation::Put { upload, key: UploadKey([key; 16]), file, content, event };
    let answer = storage.execute(StorageOperation::Files(operation.into()));
    let Ok(StorageOutcome::Files(outcome)) = answer else { panic!("{answer:?}") };
    assert!(matches!(*outcome, FileOutcome::Committed { .. }), "{outcome:?}");
}

fn remove(storage: &mut SqliteStorage, place: Place, name: &str, version: u64) {
    let name = FileName::parse(name).unwrap();
    let (version, by) = (Version::new(version), UserId::new(1));
    let operation = FileOperation::Delete { place, name, version, by, event: None };
    storage.execute(StorageOperation::Files(operation.into())).unwrap();
}

/// How many contents are kept, seen from outside.
fn kept(directory: &Path) -> u32 {
    let copy = copy_without_closing(directory);
    let connection = Connection::open(copy.path().join("palabre.db")).unwrap();
    connection.query_row("SELECT count(*) FROM contents", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_content_is_kept_once_and_for_as_long_as_a_file_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let (mut storage, _) = open(directory.path());
    storage.execute(open_room("lobby")).unwrap();
    put(&mut storage, 1, SHELF, "a", 7);
    put(&mut storage, 2, ROOM, "b", 7);
    put(&mut storage, 3, ROOM, "c", 8);
    assert_eq!(kept(directory.path()), 2);
    put(&mut storage, 4, ROOM, "c", 8);
    assert_eq!(kept(directory.path()), 2, "a file in its own place");
    put(&mut storage, 5, ROOM, "c", 9);
    assert_eq!(kept(directory.path()), 2, "one content took the place of another");
    remove(&mut storage, SHELF, "a", 1);
    assert_eq!(kept(directory.path()), 2, "another file has it");
    put(&mut storage, 6, SHELF, "d", 9);
    storage.execute(drop_room(1)).unwrap();
    assert_eq!(kept(directory.path()), 1, "what the room had alone went with it");
    remove(&mut storage, SHELF, "d", 6);
    assert_eq!(kept(directory.path()), 0);
}
