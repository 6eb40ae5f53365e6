//! Searching, on the storages of the server (`PROTOCOL.md` section S).

use palabre_core::{
    ids::{Incarnation, RoomId},
    search::Query,
    storage::{EventKind, StorageOperation},
};
use palabre_runtime::storage::MemoryStorage;

use crate::support::*;

fn found(storage: &mut dyn Subject, rooms: &[u64], text: &str) -> Vec<(u64, u64)> {
    hits(storage.execute(search(rooms, text, None, 100))).0
}

/// All hits, page by page.
fn all(storage: &mut dyn Subject, rooms: &[u64], text: &str, hits_max: u32) -> Vec<(u64, u64)> {
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let (page, next) = hits(storage.execute(search(rooms, text, before, hits_max)));
        assert!(page.len() <= hits_max as usize);
        found.extend(page);
        assert!(next.is_none() || before.is_none() || next < before, "{next:?} {before:?}");
        if next.is_none() {
            return found;
        }
        before = next;
    }
}

fn said(storage: &mut dyn Subject, room: u64, nonce: u64, text: &str) {
    storage.execute(post(room, nonce, text)).unwrap();
}

#[test]
fn words_are_found_in_the_rooms_that_are_asked_about_and_in_no_other() {
    on_both(|storage| {
        for room in ["tea", "coffee"] {
            storage.execute(open_room(room)).unwrap();
        }
        said(storage, 1, 1, "Green tea");
        said(storage, 2, 2, "green beans");
        said(storage, 1, 3, "black tea");
        assert_eq!(found(storage, &[1, 2], "green"), [(2, 1), (1, 1)]);
        assert_eq!(found(storage, &[1], "green"), [(1, 1)]);
        assert_eq!(found(storage, &[2], "tea"), []);
        assert_eq!(found(storage, &[3], "green"), []);
        assert_eq!(found(storage, &[1, 2], "tea green"), [(1, 1)]);
        assert_eq!(found(storage, &[1, 2], "gre* b*"), [(2, 1)]);
        assert_eq!(found(storage, &[1, 2], "\"tea green\""), []);
        assert_eq!(found(storage, &[1, 2], "\"green te\"*"), [(1, 1)]);
    });
}

#[test]
fn what_means_something_to_the_index_is_words_to_a_search() {
    on_both(|storage| {
        storage.execute(open_room("tea")).unwrap();
        said(storage, 1, 1, "tea OR room 1 NEAR me");
        said(storage, 1, 2, "tea");
        for text in
            ["\" OR room:1 NEAR(", "OR near", "\"OR room\"", "or AND room", "room:1", "-me", "{near} :"]
        {
            assert_eq!(
                found(storage, &[1], text),
                if text == "or AND room" { vec![] } else { vec![(1, 1)] },
                "{text}"
            );
        }
        for text in ["words : tea", "tea NOT or", "search MATCH tea", "rank:tea"] {
            assert_eq!(found(storage, &[1], text), [], "{text}");
        }
        // The leading number of the stretch is no word.
        assert_eq!(found(storage, &[1], "00000000tea"), []);
        assert_eq!(found(storage, &[1], "0000*"), []);
    });
}

#[test]
fn topics_and_names_of_files_are_found_and_reasons_are_not() {
    on_both(|storage| {
        storage.execute(open_room("tea")).unwrap();
        storage.execute(append(1, 1, 1, EventKind::Topic, "kettles")).unwrap();
        storage.execute(append(1, 1, 2, EventKind::FileShared, "kettle-manual.pdf\n3\n5\nabc")).unwrap();
        storage.execute(append(1, 1, 3, EventKind::Banned, "kettle thief")).unwrap();
        assert_eq!(found(storage, &[1], "kettle*"), [(1, 2), (1, 1)]);
        assert_eq!(found(storage, &[1], "abc"), []);
    });
}

#[test]
fn pages_leave_nothing_out_and_have_nothing_twice() {
    on_both(|storage| {
        storage.execute(open_room("tea")).unwrap();
        storage.execute(open_room("coffee")).unwrap();
        for nonce in 1..=60 {
            said(storage, 1 + nonce % 2, nonce, &format!("cup {nonce}"));
        }
        let every = found(storage, &[1, 2], "cup");
        assert_eq!((every.len(), every[0], every[59]), (60, (1, 30), (2, 1)));
        for hits_max in [1, 7, 30, 60] {
            assert_eq!(all(storage, &[1, 2], "cup", hits_max), every);
        }
    });
}

#[test]
fn a_page_ends_with_the_bytes_it_may_have_but_has_a_hit() {
    on_both(|storage| {
        storage.execute(open_room("tea")).unwrap();
        for nonce in 1..=3 {
            said(storage, 1, nonce, &format!("tea {}", "x".repeat(100)));
        }
        for (bytes_max, expected) in [(1, 1), (250, 2), (1_000, 3)] {
            let query = Query::parse("tea").unwrap();
            let rooms = vec![RoomId::new(1)];
            let operation = StorageOperation::Search { rooms, query, before: None, hits_max: 9, bytes_max };
            let (found, next) = hits(storage.execute(operation));
            assert_eq!((found.len(), next.is_some()), (expected, expected < 3), "{bytes_max}");
        }
    });
}

#[test]
fn what_ceased_or_was_trimmed_is_not_found() {
    on_both(|storage| {
        storage.execute(open_room("tea")).unwrap();
        storage.execute(open_direct(1, 2)).unwrap();
        said(storage, 2, 1, "a secret");
        assert_eq!(found(storage, &[2], "secret"), [(2, 1)]);
        storage.execute(drop_room(2)).unwrap();
        assert_eq!(found(storage, &[1, 2], "secret"), []);
    });
    let mut storage = MemoryStorage::with_bytes_max(Incarnation::new(1), 64 * 1024);
    storage.execute(open_room("busy")).unwrap();
    for nonce in 1..=1_000 {
        said(&mut storage, 1, nonce, &format!("tick n{nonce}"));
    }
    assert_eq!(found(&mut storage, &[1], "n1"), []);
    assert_eq!(found(&mut storage, &[1], "n1000"), [(1, 1_000)]);
    let (first, _) = page(storage.execute(read_all(1)));
    assert_eq!(all(&mut storage, &[1], "tick", 50).last(), Some(&(1, first)));
}

#[test]
fn what_was_found_is_found_after_opening_again_and_repeated_posts_once() {
    let directory = tempfile::tempdir().unwrap();
    let (mut storage, _) = open(directory.path());
    execute_batch(&mut storage, vec![open_room("tea"), post(1, 1, "green tea"), post(1, 1, "green tea")]);
    drop(storage);
    let (mut storage, _) = open(directory.path());
    execute_batch(&mut storage, vec![post(1, 1, "green tea"), post(1, 2, "more tea")]);
    assert_eq!(found(&mut storage, &[1], "tea"), [(1, 2), (1, 1)]);
}

/// More than one stretch of the index; how long things take is printed, not judged.
#[test]
fn twenty_thousand_messages_are_searched_a_part_at_a_time() {
    const MESSAGES: u64 = 20_000;
    let directory = tempfile::tempdir().unwrap();
    let (mut storage, _) = open(directory.path());
    execute_batch(&mut storage, vec![open_room("tea"), open_room("coffee")]);
    let begun = now();
    for thousand in 0..MESSAGES / 1_000 {
        let text = |nonce: u64| format!("message {nonce} about the weather, as {} of them are", nonce % 97);
        let nonces = 1 + thousand * 1_000..=1_000 + thousand * 1_000;
        execute_batch(&mut storage, nonces.map(|nonce| post(1 + nonce % 2, nonce, &text(nonce))).collect());
    }
    println!("{MESSAGES} messages stored in {:?}", begun.elapsed());
    let mut timed = |text: &str, rooms: &[u64]| {
        let begun = now();
        let (found, next) = hits(Subject::execute(&mut storage, search(rooms, text, None, 50)));
        println!("{text:20} {:5} hits in {:?}, next {next:?}", found.len(), begun.elapsed());
        (found, next)
    };
    assert_eq!(timed("weather", &[1]).0.len(), 50);
    assert_eq!(timed("\"about the weather\" m*", &[1, 2]).0.len(), 50);
    assert_eq!(timed("5", &[1, 2]).0.len(), 50);
    // Nothing in rooms that are asked about: it ends after a part of what has the word.
    let (found, next) = timed("weather", &[9]);
    assert_eq!(found, []);
    assert!(next.is_some_and(|next| next > MESSAGES / 4), "{next:?}");
    assert_eq!(timed("absent", &[1, 2]), (vec![], None));
    assert_eq!(timed("abs*", &[1, 2]), (vec![], None));
    let sevens = all(&mut storage, &[1], "\"as 7\"", 100);
    let expected = (1..=MESSAGES).rev().filter(|nonce| nonce % 97 == 7 && nonce % 2 == 0);
    assert_eq!(sevens, expected.map(|nonce| (1, nonce / 2)).collect::<Vec<_>>());
}
