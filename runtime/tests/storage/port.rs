use palabre_core::{
    ids::{RoomId, Seq},
    storage::{Appended, EventKind, PageRange, StorageFailure, StorageOutcome},
};

use crate::support::*;

#[test]
fn a_resent_post_is_stored_once() {
    on_both(|storage| {
        storage.execute(open_room("lobby")).unwrap();
        assert_eq!(storage.execute(post(1, 10, "hello")), stored(1));
        assert_eq!(storage.execute(post(1, 10, "hello")), repeated(1, 10));
        assert_eq!(seqs(storage.execute(read_all(1))), [1]);
    });
}

#[test]
fn a_nonce_belongs_to_one_event_of_one_author() {
    on_both(|storage| {
        storage.execute(open_room("lobby")).unwrap();
        storage.execute(open_room("attic")).unwrap();
        assert_eq!(storage.execute(post(1, u64::MAX, "hello")), stored(1));
        assert_eq!(storage.execute(post(1, u64::MAX, "other words")), NONCE_REUSED);
        assert_eq!(storage.execute(post(2, u64::MAX, "hello")), NONCE_REUSED);
        assert_eq!(storage.execute(append(1, 1, u64::MAX, EventKind::Action, "hello")), NONCE_REUSED);
        assert_eq!(storage.execute(append(1, 2, u64::MAX, EventKind::Posted, "hello")), stored(2));
        assert_eq!(seqs(storage.execute(read_all(2))), [0_u64; 0]);
    });
}

#[test]
fn an_event_is_found_by_its_nonce_until_its_room_is_dropped() {
    on_both(|storage| {
        storage.execute(open_room("lobby")).unwrap();
        storage.execute(post(1, 10, "hello")).unwrap();
        let Ok(StorageOutcome::Found(Some(found))) = storage.execute(find(1, 10)) else {
            panic!("the event is stored")
        };
        assert_eq!((found.room, found.seq, &*found.text), (RoomId::new(1), Seq::new(1), "hello"));
        assert_eq!(storage.execute(find(2, 10)), Ok(StorageOutcome::Found(None)));
        storage.execute(drop_room(1)).unwrap();
        assert_eq!(storage.execute(find(1, 10)), Ok(StorageOutcome::Found(None)));
        storage.execute(open_room("attic")).unwrap();
        assert_eq!(storage.execute(post(2, 10, "hello")), stored(1));
    });
}

#[test]
fn a_topic_event_is_the_topic_of_its_room() {
    on_both(|storage| {
        storage.execute(open_room("lobby")).unwrap();
        storage.execute(append(1, 1, 10, EventKind::Topic, "parrots")).unwrap();
        storage.execute(post(1, 11, "squawk")).unwrap();
        let Ok(StorageOutcome::RoomOpened(room)) = storage.execute(open_room("lobby")) else {
            panic!("the room exists")
        };
        assert_eq!((&*room.topic, room.first.get(), room.last.get()), ("parrots", 1, 2));
    });
}

#[test]
fn a_topic_with_a_used_nonce_changes_nothing() {
    on_both(|storage| {
        storage.execute(open_room("lobby")).unwrap();
        storage.execute(post(1, 10, "hello")).unwrap();
        assert_eq!(storage.execute(append(1, 1, 10, EventKind::Topic, "parrots")), NONCE_REUSED);
        let Ok(StorageOutcome::RoomOpened(room)) = storage.execute(open_room("lobby")) else {
            panic!("the room exists")
        };
        assert_eq!(&*room.topic, "");
    });
}

#[test]
fn a_room_that_does_not_exist_refuses_writes_and_reads_as_empty() {
    on_both(|storage| {
        assert_eq!(storage.execute(post(7, 10, "hello")), Err(StorageFailure::NoSuchRoom));
        assert_eq!(storage.execute(set_member(1, 7, true)), Err(StorageFailure::NoSuchRoom));
        assert_eq!(storage.execute(set_member(1, 7, false)), Err(StorageFailure::NoSuchRoom));
        assert_eq!(storage.execute(drop_room(7)), Ok(StorageOutcome::Done));
        assert_eq!(page(storage.execute(read_all(7))), (1, Vec::new()));
    });
}

#[test]
fn rooms_and_conversations_are_found_by_their_keys() {
    on_both(|storage| {
        assert_eq!(room_id(storage.execute(open_room("lobby"))), 1);
        assert_eq!(room_id(storage.execute(open_direct(1, 2))), 2);
        assert_eq!(room_id(storage.execute(open_direct(1, 3))), 3);
        assert_eq!(room_id(storage.execute(open_room("Lobby"))), 4);
        assert_eq!(room_id(storage.execute(open_direct(1, 2))), 2);
        assert_eq!(room_id(storage.execute(open_room("lobby"))), 1);
    });
}

#[test]
fn ids_are_never_given_twice() {
    on_both(|storage| {
        assert_eq!(room_id(storage.execute(open_room("lobby"))), 1);
        storage.execute(drop_room(1)).unwrap();
        assert_eq!(room_id(storage.execute(open_room("lobby"))), 2);
        assert_eq!(storage.execute(create_guest("ada", 1)), guest(1));
        storage.execute(remove_guest(1)).unwrap();
        assert_eq!(storage.execute(create_guest("ada", 1)), guest(2));
    });
}

#[test]
fn a_token_has_one_guest() {
    on_both(|storage| {
        assert_eq!(storage.execute(create_guest("ada", 1)), guest(1));
        assert_eq!(storage.execute(create_guest("bob", 1)), guest(1));
        assert_eq!(storage.execute(create_guest("bob", 2)), guest(2));
    });
}

/// Ten events of 8 bytes each, name included.
fn ten_events(storage: &mut dyn Subject) {
    storage.execute(open_room("lobby")).unwrap();
    for nonce in 1..=10 {
        storage.execute(post(1, nonce, "five!")).unwrap();
    }
}

#[test]
fn a_page_after_a_number_begins_with_the_next() {
    on_both(|storage| {
        ten_events(storage);
        let mut after = |seq, events_max, bytes_max| {
            seqs(storage.execute(read(1, PageRange::After(Seq::new(seq)), events_max, bytes_max)))
        };
        assert_eq!(after(0, 3, 1_000), [1, 2, 3]);
        assert_eq!(after(8, 3, 1_000), [9, 10]);
        assert_eq!(after(10, 3, 1_000), [0_u64; 0]);
        assert_eq!(after(u64::MAX, 3, 1_000), [0_u64; 0]);
        assert_eq!(after(4, 0, 1_000), [0_u64; 0]);
        assert_eq!(after(4, 9, 16), [5, 6]);
        assert_eq!(after(4, 9, 23), [5, 6]);
        assert_eq!(after(4, 9, 0), [5]);
    });
}

#[test]
fn a_page_before_a_number_ends_with_the_previous() {
    on_both(|storage| {
        ten_events(storage);
        let mut before = |seq: Option<u64>, events_max, bytes_max| {
            let range = PageRange::Before(seq.map(Seq::new));
            seqs(storage.execute(read(1, range, events_max, bytes_max)))
        };
        assert_eq!(before(None, 3, 1_000), [8, 9, 10]);
        assert_eq!(before(Some(11), 3, 1_000), [8, 9, 10]);
        assert_eq!(before(Some(u64::MAX), 3, 1_000), [8, 9, 10]);
        assert_eq!(before(Some(3), 3, 1_000), [1, 2]);
        assert_eq!(before(Some(1), 3, 1_000), [0_u64; 0]);
        assert_eq!(before(Some(0), 3, 1_000), [0_u64; 0]);
        assert_eq!(before(None, 0, 1_000), [0_u64; 0]);
        assert_eq!(before(None, 9, 23), [9, 10]);
        assert_eq!(before(None, 9, 0), [10]);
    });
}

#[test]
fn a_page_shows_events_as_they_were_given() {
    on_both(|storage| {
        storage.execute(open_room("lobby")).unwrap();
        storage.execute(append(1, 3, u64::MAX, EventKind::Action, "räuspert\0sich")).unwrap();
        let (first, events) = page(storage.execute(read_all(1)));
        let [event] = &events[..] else { panic!("one event is stored") };
        assert_eq!((first, event.seq.get(), event.author.get()), (1, 1, 3));
        assert_eq!((event.kind, event.at.as_millis()), (EventKind::Action, u64::MAX));
        assert_eq!((&*event.nick, &*event.text), ("ada", "räuspert\0sich"));
    });
}

#[test]
fn reads_see_the_writes_before_them_in_their_batch_and_no_others() {
    let directory = tempfile::tempdir().unwrap();
    let (mut storage, _) = open(directory.path());
    let batch = vec![
        open_room("lobby"),
        read_all(1),
        post(1, 10, "hello"),
        read_all(1),
        find(1, 11),
        post(1, 11, ""),
    ];
    let mut answers = execute_batch(&mut storage, batch);
    assert_eq!(answers[5], stored(2));
    assert_eq!(answers[4], Ok(StorageOutcome::Found(None)));
    assert_eq!(seqs(answers.remove(3)), [1]);
    assert!(matches!(answers[2], Ok(StorageOutcome::Appended(Appended::Stored { .. }))));
    assert_eq!(seqs(answers.remove(1)), [0_u64; 0]);
}
