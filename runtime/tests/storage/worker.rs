use std::{
    fs,
    path::Path,
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use palabre_core::{
    ids::Incarnation,
    storage::{StorageReply, StorageRequest, Ticket},
    time::Monotonic,
};
use palabre_runtime::storage::{MemoryStorage, Storage, StorageStopped, StorageThread};

use crate::support::*;

const PATIENCE: Duration = Duration::from_secs(30);

/// A storage thread, and what it says when it wakes the loop.
fn start(directory: &Path) -> (Storage, Receiver<()>) {
    let (wake, woken) = channel();
    let clock = || Monotonic::ZERO;
    let wake = Box::new(move || wake.send(()).unwrap_or_default());
    (StorageThread::start(open(directory).0, clock, wake).unwrap().into(), woken)
}

fn posts(numbers: std::ops::Range<u64>) -> impl Iterator<Item = StorageRequest> {
    numbers.map(|number| StorageRequest {
        ticket: Ticket::from_number(number),
        operation: post(1, number, "hello"),
    })
}

fn tickets(replies: &[StorageReply]) -> Vec<u64> {
    replies.iter().map(|reply| reply.ticket.get()).collect()
}

#[test]
fn every_request_is_answered_in_order_and_announced() {
    let directory = tempfile::tempdir().unwrap();
    let (mut storage, woken) = start(directory.path());
    let mut replies = Vec::new();
    storage.submit(requests(vec![open_room("lobby")]));
    for number in 1..3_000 {
        storage.submit(posts(number..number + 1));
    }
    while replies.len() < 3_000 {
        woken.recv_timeout(PATIENCE).unwrap();
        storage.poll_replies(&mut replies).unwrap();
    }
    assert_eq!(tickets(&replies), (0..3_000).collect::<Vec<_>>());
    let stats = storage.stats();
    assert_eq!((stats.submitted, stats.answered), (3_000, 3_000));
    assert!(stats.largest_batch > 1 && stats.largest_batch <= 1_024, "{stats:?}");
    assert!(stats.batches < 3_000, "{stats:?}");
}

#[test]
fn closing_answers_all_that_was_submitted() {
    let directory = tempfile::tempdir().unwrap();
    let (mut storage, _woken) = start(directory.path());
    storage.submit(requests(vec![open_room("lobby")]));
    storage.submit(posts(1..5_000));
    let mut replies = Vec::new();
    storage.close(&mut replies).unwrap();
    assert_eq!(replies.len(), 5_000);
    assert!(!directory.path().join("palabre.db-wal").exists());
    assert_eq!(open(directory.path()).1.rooms[0].last.get(), 4_999);
}

#[test]
fn dropping_the_handle_stores_all_that_was_submitted() {
    let directory = tempfile::tempdir().unwrap();
    let (mut storage, _) = start(directory.path());
    storage.submit(requests(vec![open_room("lobby")]));
    storage.submit(posts(1..2_000));
    drop(storage);
    assert_eq!(open(directory.path()).1.rooms[0].last.get(), 1_999);
}

#[test]
fn a_thread_that_dies_wakes_the_loop_and_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let (wake, woken) = channel();
    let wake = Box::new(move || wake.send(()).unwrap_or_default());
    let clock = || panic!("the thread dies of its clock: this message belongs to a test");
    let thread = StorageThread::start(open(directory.path()).0, clock, wake).unwrap();
    let mut storage = Storage::from(thread);
    storage.submit(requests(vec![open_room("lobby")]));
    woken.recv_timeout(PATIENCE).unwrap();
    let mut replies = Vec::new();
    let stopped = loop {
        // The message is sent an instant after the wake-up.
        if let Err(stopped) = storage.poll_replies(&mut replies) {
            break stopped;
        }
        std::thread::yield_now();
    };
    assert_eq!((stopped, replies.len()), (StorageStopped::ThreadEnded, 0));
    fs::metadata(directory.path().join("palabre.db")).unwrap();
}

#[test]
fn the_memory_storage_has_its_answers_at_once() {
    let mut storage = Storage::from(MemoryStorage::new(Incarnation::new(1)));
    storage.submit(requests(vec![open_room("lobby")]));
    storage.submit(posts(1..100));
    let mut replies = Vec::new();
    storage.poll_replies(&mut replies).unwrap();
    assert_eq!(tickets(&replies), (0..100).collect::<Vec<_>>());
    storage.poll_replies(&mut replies).unwrap();
    assert_eq!(replies.len(), 100);
    assert_eq!((storage.stats().batches, storage.stats().largest_batch), (2, 99));
}
