use palabre_core::{
    ids::{Incarnation, Seq},
    storage::{EventKind, PageRange, StorageFailure, StorageOutcome},
};
use palabre_runtime::storage::MemoryStorage;

use crate::support::*;

const BYTES_MAX: u64 = 64 * 1024;

fn small_storage() -> MemoryStorage {
    let mut storage = MemoryStorage::with_bytes_max(Incarnation::new(1), BYTES_MAX);
    storage.execute(open_room("busy")).unwrap();
    storage.execute(open_room("quiet")).unwrap();
    storage
}

#[test]
fn the_oldest_events_of_the_busiest_room_go_first() {
    let mut storage = small_storage();
    storage.execute(post(2, 0, "do not forget me")).unwrap();
    for nonce in 1..=1_000 {
        storage.execute(post(1, nonce, "chatter")).unwrap();
        assert!(storage.bytes() <= BYTES_MAX);
    }
    let (first, events) = page(storage.execute(read_all(1)));
    assert!(first > 1 && events.len() > 100);
    assert_eq!((events[0].seq.get(), events[events.len() - 1].seq.get()), (first, 1_000));
    assert_eq!(seqs(storage.execute(read_all(2))), [1]);
}

#[test]
fn a_trimmed_event_is_forgotten_with_its_nonce() {
    let mut storage = small_storage();
    for nonce in 1..=1_000 {
        storage.execute(post(1, nonce, "chatter")).unwrap();
    }
    assert_eq!(storage.execute(find(1, 1)), Ok(StorageOutcome::Found(None)));
    let (first, _) = page(storage.execute(read_all(1)));
    assert_eq!(storage.execute(post(1, 1, "chatter")), stored_since(1_001, first + 1));
    assert_eq!(storage.execute(post(1, 1_000, "chatter")), repeated(1_000, 1_000));
}

#[test]
fn pages_of_a_trimmed_room_begin_at_its_first_event() {
    let mut storage = small_storage();
    for nonce in 1..=1_000 {
        storage.execute(post(1, nonce, "chatter")).unwrap();
    }
    let (first, _) = page(storage.execute(read_all(1)));
    let mut seqs_of = |range| seqs(storage.execute(read(1, range, 2, 1_000)));
    assert_eq!(seqs_of(PageRange::After(Seq::new(3))), [first, first + 1]);
    assert_eq!(seqs_of(PageRange::After(Seq::new(first))), [first + 1, first + 2]);
    assert_eq!(seqs_of(PageRange::Before(Some(Seq::new(first + 1)))), [first]);
    assert_eq!(seqs_of(PageRange::Before(Some(Seq::new(first)))), [0_u64; 0]);
    assert_eq!(seqs_of(PageRange::Before(Some(Seq::new(3)))), [0_u64; 0]);
}

#[test]
fn a_topic_outlives_its_event_and_an_emptied_room_its_numbers() {
    let mut storage = small_storage();
    storage.execute(append(1, 1, 1, EventKind::Topic, "parrots")).unwrap();
    let text = "x".repeat(2 * usize::try_from(BYTES_MAX).unwrap());
    assert_eq!(storage.execute(post(1, 2, &text)), stored_since(2, 3));
    assert_eq!(page(storage.execute(read_all(1))), (3, Vec::new()));
    let Ok(StorageOutcome::RoomOpened(room)) = storage.execute(open_room("busy")) else {
        panic!("the room exists")
    };
    assert_eq!((&*room.topic, room.first.get(), room.last.get()), ("parrots", 3, 2));
    assert_eq!(storage.execute(post(1, 3, "small")), stored_since(3, 3));
}

#[test]
fn a_dropped_room_gives_its_bytes_back() {
    let mut storage = small_storage();
    storage.execute(post(1, 1, "chatter")).unwrap();
    assert!(storage.bytes() > 0);
    storage.execute(drop_room(1)).unwrap();
    assert_eq!(storage.bytes(), 0);
}

#[test]
fn one_account_too_many_is_refused_like_by_a_full_disk() {
    let mut storage = small_storage().with_accounts_max(2);
    assert_eq!(storage.execute(create_account("ada", 1)), account(1, 1));
    assert_eq!(storage.execute(create_account("bob", 2)), account(2, 2));
    assert_eq!(storage.execute(create_account("eve", 3)), Err(StorageFailure::NoSpace));
    assert_eq!(storage.execute(create_account("eve", 2)), account(2, 2));
    assert_eq!(storage.execute(add_device(1, 3)), device(3));
    assert_eq!(storage.execute(create_guest("gus", 4)), guest(3));
    assert_eq!(storage.bytes(), 0);
}
