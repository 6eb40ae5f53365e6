//! Files that are stored in one request (`PROTOCOL.md` U15): small ones, and those whose content is there already.

use palabre_core::{
    error::RefusalCode,
    ids::ConnectionId,
    limits::Limits,
    storage::StorageFailure,
    transfer::Version,
    wire::{self, PUT_BYTES_MAX},
};

use crate::{
    disk::hash_of,
    support::World,
    transfers::{SHELF, TEA, bring, content, guest, key, limits, listen, take, wish, world},
};

/// A file that comes with its content, in place of nothing.
fn put<'a>(number: u8, name: &'a str, bytes: &'a [u8]) -> wire::Put<'a> {
    wire::Put {
        id: 400 + u32::from(number),
        key: key(number),
        room: TEA,
        name,
        size: bytes.len() as u64,
        hash: hash_of(bytes),
        executable: false,
        over: Some(Version::default()),
        content: Some(bytes),
    }
}

/// Codes of the refusals of a request.
fn refused(world: &mut World, id: ConnectionId, put: wire::Put<'_>) -> Vec<u16> {
    world.say(id, put);
    let heard = listen(world, id);
    assert_eq!((heard.accused, heard.stored.is_empty()), (vec![], !heard.refused.is_empty()));
    heard.refused
}

fn code(code: RefusalCode) -> Vec<u16> {
    vec![code.number()]
}

fn is_quiet(world: &World, files_bytes: u64) {
    let stats = world.server.stats();
    assert_eq!((stats.window_bytes, stats.files_bytes, stats.uploads), (0, files_bytes, 0));
}

#[test]
fn a_small_file_is_stored_told_and_taken_without_a_disk() {
    for length in [0, 1, PUT_BYTES_MAX] {
        let mut world = world(Limits { windows_bytes_max: PUT_BYTES_MAX as u64, ..limits() });
        let (ana, bob) = (guest(&mut world, "ana"), guest(&mut world, "bob"));
        world.say(ana, put(1, "a b/c.txt", &content(length)));
        assert_eq!(listen(&mut world, ana).stored, [("a b/c.txt".to_owned(), 1)]);
        let told = listen(&mut world, bob).told;
        assert!(told.len() == 1 && told[0].1.starts_with(&format!("a b/c.txt\n1\n{length}\n")), "{told:?}");
        let heard = take(&mut world, bob, 1, "a b/c.txt", u64::MAX);
        assert_eq!((heard.content, heard.refused), (content(length), vec![]));
        assert!(world.disk.blobs.is_empty() && world.disk.uploads.is_empty());
        is_quiet(&world, length as u64);
    }
}

#[test]
fn a_small_file_is_taken_from_anywhere_as_credit_allows() {
    let mut world = world(limits());
    let ana = guest(&mut world, "ana");
    world.say(ana, put(1, "a", &content(1_000)));
    listen(&mut world, ana);
    let hash = Some(hash_of(&content(1_000)));
    world.say(
        ana,
        wire::Download {
            id: 5,
            transfer: 1,
            room: TEA,
            name: "a",
            hash,
            offset: 400,
            limit: 500,
            outline: None,
        },
    );
    world.say(ana, wire::Window { transfer: 1, limit: 1_000 });
    let stream = world.streams.get_mut(&ana).expect("a stream");
    let mut bytes = Vec::<u8>::new();
    while let Some(frame) = stream.next_frame().expect("it parses") {
        if let Some(wire::ToClient::Data(data)) = wire::ToClient::decode(frame).expect("it parses") {
            assert_eq!(data.offset, 400 + bytes.len() as u64);
            bytes.extend(data.bytes);
        }
    }
    assert_eq!(bytes, content(1_000)[400..]);
}

#[test]
fn what_is_not_what_was_announced_is_refused_and_leaves_nothing() {
    let mut world = world(limits());
    let ana = guest(&mut world, "ana");
    let bytes = content(900);
    let shorter = wire::Put { size: 899, ..put(1, "a", &bytes) };
    let other = wire::Put { hash: hash_of(&bytes[1..]), ..put(1, "a", &bytes) };
    for wrong in [shorter, other] {
        assert_eq!(refused(&mut world, ana, wrong), code(RefusalCode::Integrity));
    }
    let larger = content(PUT_BYTES_MAX + 1);
    assert_eq!(refused(&mut world, ana, put(1, "a", &larger)), code(RefusalCode::FileTooLarge));
    assert_eq!(refused(&mut world, ana, put(1, "../a", &bytes)), code(RefusalCode::FileNameInvalid));
    assert!(world.store.files.entries.is_empty());
    is_quiet(&world, 0);
}

#[test]
fn a_key_stores_one_file_however_often_it_is_said() {
    let mut world = world(limits());
    let ana = guest(&mut world, "ana");
    for _ in 0..3 {
        world.say(ana, put(1, "a", &content(900)));
        assert_eq!(listen(&mut world, ana).stored, [("a".to_owned(), 1)]);
    }
    world.say(ana, wish(1, "a", Some(900)));
    assert_eq!(listen(&mut world, ana).stored, [("a".to_owned(), 1)], "nor by an upload in parts");
    is_quiet(&world, 900);
}

#[test]
fn an_upload_that_was_begun_in_parts_goes_on_in_parts() {
    let mut world = world(limits());
    let ana = guest(&mut world, "ana");
    world.say(ana, wish(1, "a", Some(900)));
    assert_eq!(listen(&mut world, ana).offset, Some(0));
    assert_eq!(refused(&mut world, ana, put(1, "a", &content(900))), code(RefusalCode::NoSuchContent));
}

#[test]
fn a_content_that_the_user_can_read_is_not_sent_again() {
    let mut world = world(limits());
    let (ana, bob) = (guest(&mut world, "ana"), guest(&mut world, "bob"));
    let (large, small) = (content(9_000), content(900));
    assert_eq!(bring(&mut world, ana, 1, "large", &large).stored.len(), 1);
    world.say(ana, put(2, "small", &small));
    listen(&mut world, bob);
    for (number, bytes) in [(3, &large), (4, &small)] {
        let name = format!("mine {number}");
        let there = wire::Put { room: SHELF, content: None, ..put(number, &name, bytes) };
        assert_eq!(refused(&mut world, bob, there), []);
    }
    is_quiet(&world, 2 * 9_900);
    let wrong_size = wire::Put { size: 8_999, content: None, ..put(5, "b", &large) };
    assert_eq!(refused(&mut world, bob, wrong_size), code(RefusalCode::NoSuchContent));
}

#[test]
fn nobody_learns_what_others_have() {
    let mut world = world(limits());
    let (ana, eve) = (guest(&mut world, "ana"), world.enter("eve").0);
    world.join(eve, "#lobby");
    world.heard(eve);
    let (public, private) = (content(900), content(901));
    world.say(ana, put(1, "public", &public));
    world.say(ana, wire::Put { room: SHELF, ..put(2, "private", &private) });
    for (number, bytes) in [(3, &public), (4, &private)] {
        let there = wire::Put { room: SHELF, content: None, ..put(number, "b", bytes) };
        assert_eq!(refused(&mut world, eve, there), code(RefusalCode::NoSuchContent));
    }
}

#[test]
fn the_quota_holds_to_the_byte_whatever_is_under_way() {
    let mut world = world(Limits { user_files_bytes_max: 2_000, ..limits() });
    let ana = guest(&mut world, "ana");
    world.prompt = false;
    world.say(ana, put(1, "a", &content(1_000)));
    let heard = refused_now(&mut world, ana, put(2, "b", &content(1_001)));
    assert_eq!(heard, code(RefusalCode::Quota), "what storage is being given counts");
    world.say(ana, put(3, "c", &content(1_000)));
    world.prompt = true;
    world.settle();
    assert_eq!(listen(&mut world, ana).stored.len(), 2);
    assert_eq!(refused(&mut world, ana, put(4, "d", &content(1))), code(RefusalCode::Quota));
    is_quiet(&world, 2_000);
}

#[test]
fn as_many_files_as_one_may_have_count_those_under_way() {
    let mut world = world(Limits { user_files_max: 3, ..limits() });
    let ana = guest(&mut world, "ana");
    world.say(ana, wish(1, "in parts", Some(500)));
    assert_eq!(listen(&mut world, ana).offset, Some(0), "an upload that was begun counts");
    world.prompt = false;
    world.say(ana, put(2, "a", &[]));
    world.say(ana, put(3, "b", &[]));
    let heard = refused_now(&mut world, ana, put(4, "c", &[]));
    assert_eq!(heard, code(RefusalCode::NoSuchContent), "what storage is being given counts");
    world.prompt = true;
    world.settle();
    assert_eq!(listen(&mut world, ana).stored.len(), 2);
    let bo = guest(&mut world, "bo");
    assert_eq!(refused(&mut world, bo, put(1, "c", &[])), [], "it is for each user");
    world.say(ana, wire::Delete { id: 5, room: TEA, name: "a", version: None });
    world.settle();
    assert_eq!(refused(&mut world, ana, put(6, "e", &[])), []);
    assert_eq!(refused(&mut world, ana, put(7, "d", &[])), code(RefusalCode::NoSuchContent));
    // Then the upload is looked up: what is new does not fit, what takes the place of another does, and what was stored is told again.
    let asked = |world: &mut World, upload: wire::Upload<'_>| {
        world.say(ana, upload);
        let heard = listen(world, ana);
        (heard.refused, heard.offset, heard.stored.len())
    };
    assert_eq!(asked(&mut world, wish(8, "d", Some(1))), (code(RefusalCode::Quota), None, 0));
    let over = wire::Upload { over: None, ..wish(9, "b", Some(1)) };
    assert_eq!(asked(&mut world, over), (vec![], Some(0), 0));
    let again = wire::Upload { transfer: 10, ..wish(6, "e", Some(0)) };
    assert_eq!(asked(&mut world, again), (vec![], None, 1));
}

fn refused_now(world: &mut World, id: ConnectionId, put: wire::Put<'_>) -> Vec<u16> {
    world.say(id, put);
    listen(world, id).refused
}

#[test]
fn what_storage_is_given_is_bounded() {
    let mut world = world(Limits { windows_bytes_max: 1_500, ..limits() });
    let ana = guest(&mut world, "ana");
    world.prompt = false;
    world.say(ana, put(1, "a", &content(1_000)));
    assert_eq!(refused_now(&mut world, ana, put(2, "b", &content(501))), code(RefusalCode::SlowDown));
    world.say(ana, put(3, "c", &content(500)));
    world.prompt = true;
    world.settle();
    assert_eq!(listen(&mut world, ana).stored.len(), 2);
    is_quiet(&world, 1_500);
}

#[test]
fn a_file_takes_the_place_of_the_version_that_was_meant() {
    let mut world = world(limits());
    let ana = guest(&mut world, "ana");
    let (one, two) = (content(900), content(901));
    assert_eq!(refused(&mut world, ana, put(1, "a", &one)), []);
    assert_eq!(refused(&mut world, ana, put(2, "a", &two)), code(RefusalCode::Conflict));
    let over = wire::Put { over: Some(Version::new(1)), ..put(2, "a", &two) };
    assert_eq!(refused(&mut world, ana, over), []);
    assert_eq!(take(&mut world, ana, 1, "a", u64::MAX).content, two);
    is_quiet(&world, 901);
}

#[test]
fn what_storage_does_not_store_counts_nothing_and_can_be_said_again() {
    let mut world = world(limits());
    let ana = guest(&mut world, "ana");
    for (failure, refusal) in [
        (StorageFailure::NoSpace, RefusalCode::NoSpace),
        (StorageFailure::Failed, RefusalCode::StorageFailed),
    ] {
        world.prompt = false;
        world.say(ana, put(1, "a", &content(900)));
        let request = world.waiting.pop_front().expect("it waits");
        let reply = palabre_core::storage::StorageReply { ticket: request.ticket, result: Err(failure) };
        world.server.handle_storage(reply, world.now);
        world.prompt = true;
        world.settle();
        assert_eq!(listen(&mut world, ana).refused, code(refusal));
        is_quiet(&world, 0);
    }
    assert_eq!(refused(&mut world, ana, put(1, "a", &content(900))), []);
}

#[test]
fn files_of_a_room_are_limited_like_requests_and_those_of_a_shelf_are_not() {
    for (room, stored) in [(TEA, 5), (SHELF, 20)] {
        let mut world = world(Limits { request_burst: 6, requests_per_second: 1, ..limits() });
        let ana = guest(&mut world, "ana");
        for number in 1..=20 {
            let name = format!("{number}");
            world.say(ana, wire::Put { room, ..put(number, &name, b"x") });
        }
        assert_eq!(listen(&mut world, ana).stored.len(), stored, "joining was a request, too");
    }
}

#[test]
fn what_counts_against_no_quota_is_limited_like_requests_on_a_shelf_too() {
    let there = content(900);
    for bytes in [None, Some(&[][..])] {
        let mut world = world(Limits { request_burst: 7, requests_per_second: 1, ..limits() });
        let ana = guest(&mut world, "ana");
        world.say(ana, put(100, "there", &there));
        listen(&mut world, ana);
        for number in 1..=20 {
            let name = format!("{number}");
            let wanted =
                wire::Put { room: SHELF, content: bytes, ..put(number, &name, bytes.unwrap_or(&there)) };
            world.say(ana, wanted);
        }
        assert_eq!(listen(&mut world, ana).stored.len(), 5);
    }
}
