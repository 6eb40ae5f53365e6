//! How content becomes a file (`PROTOCOL.md` U3 to U10): credit, what is durable, who goes on with it, what it counts.

use std::time::Duration;

use palabre_core::{
    blob::{BlobFailure, BlobOperation},
    error::{ProtocolError, RefusalCode},
    limits::Limits,
    storage::StorageFailure,
    transfer::Version,
    wire,
};

use crate::{
    disk::hash_of,
    support::World,
    transfers::{
        Heard, SHELF, TEA, bring, content, data, finish, guest, key, limits, listen, send_rest, wish, world,
    },
};

const MISPLACED: u16 = ProtocolError::SequenceBroken.number();
const UNCREDITED: u16 = ProtocolError::CreditExceeded.number();

fn code(code: RefusalCode) -> u16 {
    code.number()
}

#[test]
fn content_becomes_a_file_that_the_room_is_told_of_once() {
    let mut world = world(limits());
    let (ana, bob) = (guest(&mut world, "ana"), guest(&mut world, "bob"));
    let heard = bring(&mut world, ana, 1, "a b/c.txt", &content(10_000));
    assert_eq!(heard.stored, [("a b/c.txt".to_owned(), 1)], "{heard:?}");
    assert_eq!(world.disk.blobs.get(&hash_of(&content(10_000))), Some(&content(10_000)));
    assert!(world.disk.uploads.is_empty() && world.store.files.uploads.is_empty());
    let told = listen(&mut world, bob).told;
    assert_eq!(told.len(), 1);
    assert!(told[0].1.starts_with("a b/c.txt\n1\n10000\n"), "{told:?}");
    assert_eq!((world.server.stats().window_bytes, world.server.stats().files_bytes), (0, 10_000));
}

#[test]
fn an_empty_file_is_a_file() {
    let mut world = world(limits());
    let ana = guest(&mut world, "ana");
    assert_eq!(bring(&mut world, ana, 1, "empty", &[]).stored, [("empty".to_owned(), 1)]);
}

#[test]
fn a_sender_may_use_its_credit_to_the_byte_and_not_one_more() {
    for (count, accused) in [(1_000, vec![]), (1_001, vec![UNCREDITED])] {
        let mut world = world(limits());
        let ana = guest(&mut world, "ana");
        world.say(ana, wish(1, "a", Some(9_000)));
        assert_eq!(listen(&mut world, ana).limit, Some(1_000));
        data(&mut world, ana, 1, 0, &content(count));
        assert_eq!(listen(&mut world, ana).accused, accused);
        assert_eq!(world.disk.upload().bytes.len(), if accused.is_empty() { 1_000 } else { 0 });
    }
}

#[test]
fn content_that_does_not_follow_or_goes_past_its_end_is_an_error() {
    let skips: fn(&mut World, _) = |world, ana| data(world, ana, 1, 101, &[0]);
    let repeats: fn(&mut World, _) = |world, ana| data(world, ana, 1, 99, &[0]);
    let exceeds: fn(&mut World, _) = |world, ana| data(world, ana, 1, 100, &[0; 101]);
    let unknown: fn(&mut World, _) = |world, ana| data(world, ana, 2, 0, &[0]);
    let overflows: fn(&mut World, _) = |world, ana| data(world, ana, 1, u64::MAX, &[0]);
    let lower: fn(&mut World, _) = |world, ana| world.say(ana, wish(1, "b", None));
    let early: fn(&mut World, _) = |world, ana| world.say(ana, finish(1, &content(200)));
    let smaller: fn(&mut World, _) = |world, ana| world.say(ana, finish(1, &content(100)));
    for wrong in [skips, repeats, exceeds, unknown, overflows, lower, early, smaller] {
        let mut world = world(limits());
        let ana = guest(&mut world, "ana");
        world.say(ana, wish(1, "a", Some(200)));
        data(&mut world, ana, 1, 0, &content(100));
        assert_eq!(listen(&mut world, ana).accused, []);
        wrong(&mut world, ana);
        assert_eq!(listen(&mut world, ana).accused, [MISPLACED]);
        assert_eq!(world.disk.upload().bytes, content(100));
    }
}

#[test]
fn credit_is_for_what_was_written_not_for_what_arrived() {
    let mut world = world(limits());
    let ana = guest(&mut world, "ana");
    world.say(ana, wish(1, "a", Some(9_000)));
    listen(&mut world, ana);
    world.disk.slow = true;
    data(&mut world, ana, 1, 0, &content(500));
    data(&mut world, ana, 1, 500, &content(500));
    assert_eq!(listen(&mut world, ana).limit, None, "nothing is written yet");
    world.work_one();
    assert_eq!(listen(&mut world, ana).limit, Some(2_500), "half was written, fast: the window has doubled");
}

#[test]
fn windows_share_their_memory_and_who_had_none_gets_it_when_others_end() {
    let mut world = world(Limits { windows_bytes_max: 1_500, window_bytes_max: 1_000, ..limits() });
    let ana = guest(&mut world, "ana");
    for (transfer, name) in [(1, "a"), (2, "b"), (3, "c")] {
        world.say(ana, wish(transfer, name, Some(9_000)));
    }
    let heard = world.heard(ana);
    let limits: Vec<_> = ["limit: 1000", "limit: 500", "limit: 0"]
        .into_iter()
        .filter(|limit| heard.iter().any(|text| text.starts_with("Accepted") && text.contains(limit)))
        .collect();
    assert_eq!(limits.len(), 3, "{heard:?}");
    assert_eq!(world.server.stats().window_bytes, 1_500);
    world.say(ana, wire::Stop { transfer: 1 });
    let heard = world.heard(ana);
    assert!(heard.iter().any(|text| text == "Window(Window { transfer: 3, limit: 1000 })"), "{heard:?}");
    assert_eq!(world.server.stats().window_bytes, 1_500);
}

#[test]
fn uploads_that_one_user_leaves_idle_take_no_memory_from_others() {
    let mut world = world(Limits { windows_bytes_max: 4_000, user_windows_bytes_max: 2_000, ..limits() });
    let (ana, bob) = (guest(&mut world, "ana"), guest(&mut world, "bob"));
    for (transfer, name) in [(1, "a"), (2, "b"), (3, "c")] {
        world.say(ana, wish(transfer, name, Some(9_000)));
    }
    let heard = world.heard(ana);
    assert!(heard.iter().any(|text| text.starts_with("Accepted") && text.contains("limit: 0")), "{heard:?}");
    assert_eq!(world.server.stats().window_bytes, 2_000);
    world.say(bob, wish(1, "d", Some(9_000)));
    assert_eq!(listen(&mut world, bob).limit, Some(1_000));
    data(&mut world, bob, 1, 0, &content(500));
    assert_eq!(listen(&mut world, bob).limit, Some(2_500), "its window has doubled");
    world.say(ana, wire::Stop { transfer: 1 });
    let heard = world.heard(ana);
    assert!(heard.iter().any(|text| text == "Window(Window { transfer: 3, limit: 1000 })"), "{heard:?}");
    assert_eq!(world.server.stats().window_bytes, 4_000);
}

#[test]
fn what_is_told_to_be_durable_was_synced_first_and_written_down_next() {
    let mut world = world(limits());
    let ana = guest(&mut world, "ana");
    world.say(ana, wish(1, "a", Some(9_000)));
    listen(&mut world, ana);
    (world.disk.slow, world.prompt) = (true, false);
    data(&mut world, ana, 1, 0, &content(1_000));
    world.work_one();
    world.pass(limits().checkpoint_interval);
    world.settle();
    let syncs = matches!(
        world.disk.waiting.front().map(|request| &request.operation),
        Some(BlobOperation::Sync { .. })
    );
    assert!(syncs && world.waiting.is_empty(), "the journal waits for the sync");
    world.work_one();
    assert_eq!(listen(&mut world, ana).durable, None, "the journal does not have it");
    assert_eq!(world.waiting.len(), 1);
    world.answer_one();
    assert_eq!(listen(&mut world, ana).durable, Some(1_000));
    assert_eq!(world.disk.upload().durable, 1_000);
}

#[test]
fn no_more_is_let_in_than_may_be_lost() {
    let mut world = world(Limits { undurable_bytes_max: 1_500, ..limits() });
    let ana = guest(&mut world, "ana");
    world.say(ana, wish(1, "a", Some(9_000)));
    let mut heard = listen(&mut world, ana);
    world.prompt = false;
    send_rest(&mut world, ana, 1, &content(9_000), &mut heard);
    assert_eq!((heard.limit, world.disk.upload().bytes.len()), (Some(1_500), 1_500));
    world.pass(limits().checkpoint_interval);
    world.settle();
    world.prompt = true;
    world.settle();
    assert_eq!(listen(&mut world, ana).limit, Some(3_000), "so much again");
}

#[test]
fn an_upload_goes_on_behind_what_is_durable_after_a_cut() {
    let mut world = world(limits());
    let (ana, token) = world.enter("ana");
    world.join(ana, "#tea");
    world.say(ana, wish(1, "a", Some(5_000)));
    listen(&mut world, ana);
    data(&mut world, ana, 1, 0, &content(700));
    world.cut(ana);
    let ana = world.resume(token);
    world.heard(ana);
    let heard = bring(&mut world, ana, 1, "a", &content(5_000));
    assert_eq!((heard.offset, heard.stored), (Some(700), vec![("a".to_owned(), 1)]));
    assert_eq!(world.disk.blobs.get(&hash_of(&content(5_000))), Some(&content(5_000)));
}

#[test]
fn the_newer_transfer_of_an_upload_supersedes_the_older_whose_late_bytes_change_nothing() {
    let mut world = world(limits());
    let ana = guest(&mut world, "ana");
    world.say(ana, wish(1, "a", Some(5_000)));
    data(&mut world, ana, 1, 0, &content(600));
    listen(&mut world, ana);
    world.say(ana, wire::Upload { transfer: 2, ..wish(1, "a", Some(5_000)) });
    let mut heard = listen(&mut world, ana);
    assert_eq!(heard.stopped, [(1, code(RefusalCode::Superseded))]);
    assert_eq!(heard.offset, Some(600));
    data(&mut world, ana, 1, 600, &[0xff; 100]);
    heard.add(&mut world, ana);
    send_rest(&mut world, ana, 2, &content(5_000), &mut heard);
    world.say(ana, finish(2, &content(5_000)));
    heard.add(&mut world, ana);
    assert_eq!((heard.accused, heard.stored), (vec![], vec![("a".to_owned(), 1)]));
}

#[test]
fn of_two_who_upload_to_one_name_one_wins_and_the_other_may_keep_both_without_sending_again() {
    let mut world = world(limits());
    let (ana, bob) = (guest(&mut world, "ana"), guest(&mut world, "bob"));
    let contents = [content(900), vec![9; 900]];
    for (id, transfer, content) in [(ana, 1, &contents[0]), (bob, 2, &contents[1])] {
        world.say(id, wish(transfer, "same", Some(900)));
        data(&mut world, id, transfer, 0, content);
    }
    world.say(ana, finish(1, &contents[0]));
    world.say(bob, finish(2, &contents[1]));
    assert_eq!(listen(&mut world, ana).stored, [("same".to_owned(), 1)]);
    assert_eq!(listen(&mut world, bob).refused, [code(RefusalCode::Conflict)]);
    world.say(bob, wire::Finish { name: Some("same (2)"), ..finish(2, &contents[1]) });
    assert_eq!(listen(&mut world, bob).stored, [("same (2)".to_owned(), 2)]);
    assert_eq!(world.disk.blobs.len(), 2);
}

#[test]
fn a_file_takes_the_place_of_the_version_that_was_meant_and_of_no_other() {
    let mut world = world(limits());
    let ana = guest(&mut world, "ana");
    bring(&mut world, ana, 1, "a", &content(100));
    world.say(ana, wish(2, "a", Some(100)));
    assert_eq!(
        listen(&mut world, ana).refused,
        [code(RefusalCode::Conflict)],
        "it is told before it is sent"
    );
    let over = Some(Version::new(1));
    world.say(ana, wire::Upload { over, ..wish(3, "a", Some(50)) });
    data(&mut world, ana, 3, 0, &content(50));
    world.say(ana, finish(3, &content(50)));
    assert_eq!(listen(&mut world, ana).stored, [("a".to_owned(), 2)]);
    assert_eq!(world.disk.blobs.keys().collect::<Vec<_>>(), [&hash_of(&content(50))], "the former went");
    assert_eq!(world.server.stats().files_bytes, 50);
}

#[test]
fn content_with_another_hash_is_not_kept_and_is_sent_again_from_its_beginning() {
    let mut world = world(limits());
    let ana = guest(&mut world, "ana");
    world.say(ana, wish(1, "a", Some(900)));
    data(&mut world, ana, 1, 0, &content(900));
    listen(&mut world, ana);
    world.say(ana, finish(1, &[9; 900]));
    let heard = listen(&mut world, ana);
    assert_eq!(heard.refused, [code(RefusalCode::Integrity)], "{heard:?}");
    assert!(world.disk.blobs.is_empty() && world.store.files.entries.is_empty());
    world.say(ana, wire::Upload { transfer: 2, ..wish(1, "a", Some(900)) });
    assert_eq!(listen(&mut world, ana).offset, Some(0));
    data(&mut world, ana, 2, 0, &[9; 900]);
    world.say(ana, finish(2, &[9; 900]));
    assert_eq!(listen(&mut world, ana).stored, [("a".to_owned(), 1)]);
}

#[test]
fn what_was_stored_is_answered_again_not_stored_again() {
    let mut world = world(limits());
    let ana = guest(&mut world, "ana");
    bring(&mut world, ana, 1, "a", &content(100));
    world.say(ana, wire::Upload { transfer: 2, ..wish(1, "a", Some(100)) });
    let heard = listen(&mut world, ana);
    assert_eq!((heard.stored, heard.offset), (vec![("a".to_owned(), 1)], None));
    assert_eq!(world.store.log(TEA).len(), 2, "the room was told once");
}

#[test]
fn a_quota_is_exact_to_the_byte_and_counts_what_was_announced() {
    let mut world = world(Limits { user_files_bytes_max: 1_000, file_bytes_max: 900, ..limits() });
    let ana = guest(&mut world, "ana");
    let refusal = |world: &mut World, wish| {
        world.say(ana, wish);
        listen(world, ana).refused
    };
    assert_eq!(refusal(&mut world, wish(1, "a", Some(901))), [code(RefusalCode::FileTooLarge)]);
    assert_eq!(refusal(&mut world, wish(2, "a", Some(900))), []);
    assert_eq!(refusal(&mut world, wish(3, "b", Some(101))), [code(RefusalCode::Quota)]);
    assert_eq!(refusal(&mut world, wish(4, "b", Some(100))), []);
    assert_eq!(refusal(&mut world, wish(5, "c", Some(1))), [code(RefusalCode::Quota)]);
    world.say(ana, wire::Discard { id: 9, key: key(2) });
    assert_eq!(world.server.stats().files_bytes, 100, "what was given up counts no more");
    listen(&mut world, ana);
    assert_eq!(bring(&mut world, ana, 6, "a", &content(900)).stored.len(), 1);
    assert_eq!(refusal(&mut world, wish(7, "c", Some(1))), [code(RefusalCode::Quota)]);
    world.say(ana, wire::Delete { id: 10, room: TEA, name: "a", version: None });
    listen(&mut world, ana);
    assert_eq!(refusal(&mut world, wish(8, "c", Some(900))), [], "what was deleted counts no more");
}

#[test]
fn an_upload_of_unknown_size_ends_at_the_quota_and_is_kept() {
    for (most, stored) in [(2_500, true), (2_499, false)] {
        let mut world = world(Limits { user_files_bytes_max: most, ..limits() });
        let ana = guest(&mut world, "ana");
        let bytes = content(2_500);
        world.say(ana, wish(1, "a", None));
        let mut heard = listen(&mut world, ana);
        send_rest(&mut world, ana, 1, &bytes, &mut heard);
        if heard.stopped.is_empty() {
            world.say(ana, finish(1, &bytes));
            heard.add(&mut world, ana);
        }
        let expected = if stored { vec![] } else { vec![(1, code(RefusalCode::Quota))] };
        assert_eq!((heard.stopped, heard.stored.len()), (expected, usize::from(stored)));
        assert!(world.server.stats().files_bytes <= most);
    }
}

#[test]
fn a_connection_has_so_many_transfers_and_a_user_so_many_uploads() {
    let mut world = world(Limits { transfers_max: 2, uploads_max: 3, ..limits() });
    let ana = guest(&mut world, "ana");
    let refused = |world: &mut World, number| {
        world.say(ana, wish(number, "a", Some(10)));
        listen(world, ana).refused
    };
    assert_eq!(refused(&mut world, 1), []);
    assert_eq!(refused(&mut world, 2), []);
    assert_eq!(refused(&mut world, 3), [code(RefusalCode::TransferLimit)]);
    world.say(ana, wire::Stop { transfer: 1 });
    assert_eq!(refused(&mut world, 4), []);
    world.say(ana, wire::Stop { transfer: 2 });
    assert_eq!(refused(&mut world, 5), [code(RefusalCode::TransferLimit)], "three are unfinished");
}

#[test]
fn where_the_disk_is_full_the_upload_is_kept_and_goes_on_when_there_is_space() {
    let mut world = world(limits());
    let ana = guest(&mut world, "ana");
    let bytes = content(9_000);
    world.say(ana, wish(1, "a", Some(9_000)));
    let mut heard = listen(&mut world, ana);
    data(&mut world, ana, 1, 0, &bytes[..1_000]);
    world.pass(limits().checkpoint_interval);
    world.settle();
    heard.add(&mut world, ana);
    assert_eq!(heard.durable, Some(1_000));
    world.disk.fails = Some(BlobFailure::NoSpace);
    data(&mut world, ana, 1, 1_000, &bytes[1_000..1_500]);
    heard.add(&mut world, ana);
    assert_eq!(heard.stopped, [(1, code(RefusalCode::NoSpace))]);
    world.say(ana, wire::Upload { transfer: 2, ..wish(1, "a", Some(9_000)) });
    let mut heard = listen(&mut world, ana);
    assert_eq!(heard.offset, Some(1_000), "behind what was durable");
    send_rest(&mut world, ana, 2, &bytes, &mut heard);
    world.say(ana, finish(2, &bytes));
    heard.add(&mut world, ana);
    assert_eq!(heard.stored, [("a".to_owned(), 1)]);
}

#[test]
fn an_upload_that_cannot_be_opened_or_written_down_leaves_nothing() {
    let mut world = world(limits());
    let ana = guest(&mut world, "ana");
    world.disk.fails = Some(BlobFailure::NoSpace);
    world.say(ana, wish(1, "a", Some(9_000)));
    assert_eq!(listen(&mut world, ana).refused, [code(RefusalCode::NoSpace)]);
    world.prompt = false;
    world.say(ana, wish(2, "a", Some(9_000)));
    world.answer_one();
    world.store.failing = Some(StorageFailure::NoSpace);
    world.prompt = true;
    world.settle();
    world.store.failing = None;
    assert_eq!(listen(&mut world, ana).refused, [code(RefusalCode::NoSpace)]);
    assert_eq!((world.server.stats().uploads, world.server.stats().files_bytes), (0, 0));
}

#[test]
fn an_upload_that_nobody_goes_on_with_expires_after_a_day() {
    // Its user is remembered for longer.
    let mut world = world(Limits { guest_kept: Duration::from_secs(10 * 24 * 3_600), ..limits() });
    let ana = guest(&mut world, "ana");
    world.say(ana, wish(1, "a", Some(900)));
    data(&mut world, ana, 1, 0, &content(100));
    world.say(ana, wire::Stop { transfer: 1 });
    world.pass(Duration::from_secs(24 * 3_600 - 10));
    world.settle();
    assert_eq!(world.disk.uploads.len(), 1);
    world.pass(Duration::from_secs(20));
    world.settle();
    assert!(world.disk.uploads.is_empty() && world.store.files.uploads.is_empty());
    assert_eq!(world.server.stats().files_bytes, 0);
}

#[test]
fn a_restart_knows_uploads_and_what_is_durable_of_them() {
    let mut before = world(limits());
    let (ana, token) = before.enter("ana");
    before.join(ana, "#tea");
    before.say(ana, wish(1, "a", Some(3_000)));
    data(&mut before, ana, 1, 0, &content(800));
    before.pass(limits().checkpoint_interval);
    before.settle();
    data(&mut before, ana, 1, 800, &content(3_000)[800..1_000]);
    let mut after =
        World::taking_files(limits(), before.store.clone(), palabre_core::config::FilesConfig::Everybody);
    // What was not synced is gone with the power.
    after.disk.uploads = before.disk.uploads.clone();
    for file in after.disk.uploads.values_mut() {
        file.bytes.truncate(file.durable);
    }
    assert_eq!(after.server.stats().files_bytes, 3_000, "it counts still");
    let ana = after.resume(token);
    after.heard(ana);
    let heard = bring(&mut after, ana, 1, "a", &content(3_000));
    assert_eq!((heard.offset, heard.stored), (Some(800), vec![("a".to_owned(), 1)]));
}

#[test]
fn what_no_name_may_be_is_refused_before_anything_is_asked_for() {
    let mut world = world(limits());
    let ana = guest(&mut world, "ana");
    let long = "x".repeat(4_096);
    let names = [
        "../x",
        "/etc/x",
        "C:\\x",
        "CON",
        "a\0b",
        "a\u{1b}[2J",
        "a\u{202e}b",
        "",
        "..",
        "x/../y",
        long.as_str(),
    ];
    for (number, name) in (1..).zip(names) {
        let before =
            world.trace.iter().filter(|line| line.contains("Storage(") || line.contains("Blob(")).count();
        world.say(ana, wish(number * 3, name, Some(1)));
        let (id, room, transfer) = (5, TEA, number * 3 + 1);
        world.say(
            ana,
            wire::Download { id, transfer, room, name, hash: None, offset: 0, limit: 9, outline: None },
        );
        world.say(ana, wire::Delete { id, room, name, version: None });
        let heard: Heard = listen(&mut world, ana);
        assert_eq!(heard.refused, [code(RefusalCode::FileNameInvalid); 3], "{name:?}");
        let after =
            world.trace.iter().filter(|line| line.contains("Storage(") || line.contains("Blob(")).count();
        assert_eq!(before, after, "{name:?}");
    }
    bring(&mut world, ana, 90, "cafe\u{301}", b"one");
    world.say(ana, wish(91, "caf\u{e9}", Some(3)));
    assert_eq!(listen(&mut world, ana).refused, [code(RefusalCode::Conflict)], "they are one name");
}

#[test]
fn the_journal_forgets_an_upload_before_the_disk_does() {
    let mut world = world(limits());
    let ana = guest(&mut world, "ana");
    world.say(ana, wire::Upload { room: SHELF, ..wish(1, "a", Some(900)) });
    listen(&mut world, ana);
    (world.prompt, world.disk.slow) = (false, true);
    world.say(ana, wire::Discard { id: 9, key: key(1) });
    assert!(world.disk.waiting.is_empty());
    let request = world.waiting.front().map(|request| format!("{:?}", request.operation));
    assert!(request.is_some_and(|request| request.contains("DropUpload")));
    world.answer_one();
    assert_eq!(world.disk.waiting.len(), 1);
    assert_eq!(listen(&mut world, ana).done, 1);
}
