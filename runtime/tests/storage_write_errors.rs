//! A device that refuses to write, for real: the system is told to let no file of this process grow. It is a test
//! binary of its own because nothing else in the process can write meanwhile.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking, its helpers too")]

use std::sync::{Arc, atomic::AtomicBool};

use palabre_core::{
    ids::{Nonce, RoomId, Seq, UserId},
    storage::{
        Appended, EventKind, NewEvent, PageRange, RoomKey, StorageFailure, StorageOperation, StorageOutcome,
        StorageRequest, Ticket,
    },
    time::WallTime,
};
use palabre_runtime::storage::{SqliteOptions, SqliteStorage};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the system sends to a process that writes past its limit; unhandled it would end the process.
const SIGXFSZ: i32 = 25;

fn post(nonce: u64) -> StorageOperation {
    StorageOperation::Append {
        room: RoomId::new(1),
        event: NewEvent {
            author: UserId::new(1),
            nick: "ada".into(),
            nonce: Nonce::new(nonce),
            at: WallTime::from_millis(nonce),
            kind: EventKind::Posted,
            text: "x".repeat(3_000).into(),
            about: None,
        },
    }
}

fn results(
    storage: &mut SqliteStorage,
    operations: impl IntoIterator<Item = StorageOperation>,
) -> Vec<Result<StorageOutcome, StorageFailure>> {
    let tickets = (0..).map(Ticket::from_number);
    let requests: Vec<_> =
        tickets.zip(operations).map(|(ticket, operation)| StorageRequest { ticket, operation }).collect();
    storage.execute_batch(&requests).unwrap().into_iter().map(|reply| reply.result).collect()
}

fn limit_files_to(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: bytes, maximum }).unwrap();
}

#[test]
fn a_device_that_refuses_to_write_loses_nothing_and_recovers() {
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (mut storage, _) = SqliteStorage::open(SqliteOptions::new(directory.path()), 1).unwrap();
    let open = StorageOperation::OpenRoom { key: RoomKey::Named("lobby".into()) };
    assert!(results(&mut storage, [open]).iter().all(Result::is_ok));

    limit_files_to(Some(256 * 1024));
    let mut stored = Vec::new();
    let mut refused = Vec::new();
    for batch in 0..40_u64 {
        let nonces = batch * 10..batch * 10 + 10;
        for (nonce, result) in nonces.clone().zip(results(&mut storage, nonces.map(post))) {
            match result {
                Ok(_) => stored.push(nonce),
                Err(_) => refused.push(nonce),
            }
        }
    }
    let read = StorageOperation::ReadPage {
        room: RoomId::new(1),
        range: PageRange::After(Seq::new(0)),
        events_max: u32::MAX,
        bytes_max: u32::MAX,
    };
    let shown = results(&mut storage, [read]).remove(0);
    limit_files_to(None);

    let Ok(StorageOutcome::Page { events, .. }) = shown else { panic!("reading goes on: {shown:?}") };
    assert!(events.iter().map(|event| event.at.as_millis()).eq(stored.iter().copied()));
    assert!(stored.len() >= 10 && refused.len() >= 10, "{} and {}", stored.len(), refused.len());
    let last = stored.len() as u64;
    for (seq, nonce) in (last + 1..).zip(refused) {
        let appended = Appended::Stored { seq: Seq::new(seq), first: Seq::new(1) };
        assert_eq!(results(&mut storage, [post(nonce)]), [Ok(StorageOutcome::Appended(appended))]);
    }
}
