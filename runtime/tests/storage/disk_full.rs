use std::path::Path;

use palabre_core::storage::{StorageFailure, StorageOutcome};
use palabre_runtime::storage::{SqliteLimits, SqliteOptions, SqliteStorage};

use crate::support::*;

/// Opens a database that SQLite will not let grow past so many bytes: it fails as a full disk does.
fn open_small(directory: &Path, bytes: u64) -> SqliteStorage {
    let limits = SqliteLimits { database_bytes_max: Some(bytes), ..SqliteLimits::default() };
    SqliteStorage::open(SqliteOptions { limits, ..SqliteOptions::new(directory) }, 1).unwrap().0
}

const SMALL: u64 = 256 * 1024;

/// Posts 1 KiB at a time until one is refused; answers how many were stored.
fn fill(storage: &mut SqliteStorage) -> u64 {
    let text = "x".repeat(1_024);
    for nonce in 1..1_000 {
        match execute_batch(storage, vec![post(1, nonce, &text)]).remove(0) {
            Ok(_) => {}
            Err(failure) => {
                assert_eq!(failure, StorageFailure::NoSpace);
                return nonce - 1;
            }
        }
    }
    panic!("the limit was never reached");
}

#[test]
fn a_full_disk_refuses_writes_and_goes_on_reading() {
    let directory = tempfile::tempdir().unwrap();
    let mut storage = open_small(directory.path(), SMALL);
    execute_batch(&mut storage, vec![open_room("lobby")]);
    let stored_events = fill(&mut storage);
    let refused = post(1, stored_events + 1, &"x".repeat(1_024));
    let batch = vec![read_all(1), refused, find(1, stored_events), post(1, 1, &"x".repeat(1_024))];
    let mut answers = execute_batch(&mut storage, batch);
    assert_eq!(answers[3], repeated(1, 1));
    assert!(matches!(answers[2], Ok(StorageOutcome::Found(Some(_)))));
    assert_eq!(answers[1], Err(StorageFailure::NoSpace));
    assert_eq!(seqs(answers.remove(0)).len() as u64, stored_events);
}

#[test]
fn space_that_returns_is_used_without_a_hole_in_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let mut storage = open_small(directory.path(), SMALL);
    execute_batch(&mut storage, vec![open_room("lobby")]);
    let stored_events = fill(&mut storage);
    drop(storage);
    let mut storage = open_small(directory.path(), 2 * SMALL);
    let text = "x".repeat(1_024);
    let answers = execute_batch(&mut storage, vec![post(1, stored_events + 1, &text), post(1, 5_000, &text)]);
    assert_eq!(answers, [stored(stored_events + 1), stored(stored_events + 2)]);
}

#[test]
fn dropping_a_room_makes_space_on_a_full_disk() {
    let directory = tempfile::tempdir().unwrap();
    let mut storage = open_small(directory.path(), SMALL);
    execute_batch(&mut storage, vec![open_room("lobby"), open_room("attic")]);
    fill(&mut storage);
    let answers = execute_batch(&mut storage, vec![drop_room(1), post(2, 5_000, "hello")]);
    assert_eq!(answers, [Ok(StorageOutcome::Done), stored(1)]);
}

#[test]
fn a_request_that_does_not_fit_takes_no_other_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut storage = open_small(directory.path(), SMALL);
    execute_batch(&mut storage, vec![open_room("lobby")]);
    let large = "x".repeat(2 * usize::try_from(SMALL).unwrap());
    let batch = vec![
        post(1, 1, "before"),
        create_guest("ada", 1),
        post(1, 2, &large),
        post(1, 3, "after"),
        open_room("attic"),
        post(1, 4, &large),
        post(2, 5, "elsewhere"),
        create_guest("bob", 2),
    ];
    let mut answers = execute_batch(&mut storage, batch);
    assert_eq!([&answers[0], &answers[1]], [&stored(1), &guest(1)]);
    assert_eq!(answers[2], Err(StorageFailure::NoSpace));
    assert_eq!(answers[3], stored(2));
    assert_eq!(answers[5], Err(StorageFailure::NoSpace));
    assert_eq!([&answers[6], &answers[7]], [&stored(1), &guest(2)]);
    assert_eq!(room_id(answers.remove(4)), 2);
    drop(storage);
    let (mut storage, recovered) = open(directory.path());
    assert_eq!((recovered.rooms.len(), recovered.guests.len()), (2, 2));
    assert_eq!(seqs(execute_batch(&mut storage, vec![read_all(1)]).remove(0)), [1, 2]);
}

#[test]
fn an_account_that_does_not_fit_leaves_nothing_and_one_that_is_stored_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let mut storage = open_small(directory.path(), SMALL);
    execute_batch(&mut storage, vec![open_room("lobby"), create_account("ada", 0)]);
    fill(&mut storage);
    let mut created = 0;
    let refused = (1..=u8::MAX).find(|token| {
        let answer =
            execute_batch(&mut storage, vec![create_account(&format!("user{token}"), *token)]).remove(0);
        created += u64::from(answer.is_ok());
        answer == Err(StorageFailure::NoSpace)
    });
    let refused = refused.expect("the limit is reached");
    let batch = vec![create_account("ada", 0), create_account("one more", refused), see_device(1, 77)];
    assert_eq!(execute_batch(&mut storage, batch), [account(1, 1), Err(StorageFailure::NoSpace), DONE]);
    drop(storage);
    let (mut storage, recovered) = open(directory.path());
    assert_eq!(recovered.accounts.len() as u64, 1 + created);
    assert_eq!(recovered.accounts[0].devices[0].seen.as_millis(), 77);
    let next = account(2 + created, 2 + created);
    assert_eq!(execute_batch(&mut storage, vec![create_account("one more", refused)]), [next]);
}
