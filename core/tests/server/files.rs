//! Who may take, see and delete files (`PROTOCOL.md` U1, U11, U12), and from when on not any more.

use std::time::Duration;

use palabre_core::{
    blob::BlobFailure,
    config::FilesConfig,
    error::RefusalCode,
    ids::ConnectionId,
    limits::Limits,
    storage::EventKind,
    transfer::{SUBTREE_BYTES, SharedFile, Subtree, Version, hash_of_outline},
    wire::{self, kind},
};

use crate::{
    disk::hash_of,
    support::World,
    transfers::{
        SHELF, TEA, bring, content, data, finish, guest, limits, listen, take, wish, world, world_of,
    },
};

fn code(code: RefusalCode) -> u16 {
    code.number()
}

fn govern(world: &mut World, owner: ConnectionId, act: EventKind, name: &str) {
    let act = act as u8;
    world.say(owner, wire::Govern { id: 50, room: TEA, act, name, seconds: None, reason: "" });
    assert_eq!(listen(world, owner).refused, []);
}

/// A room with a file of the owner's, of so many bytes.
fn with_file(length: usize) -> (World, ConnectionId, ConnectionId) {
    let mut world = world(limits());
    let (ana, bob) = (guest(&mut world, "ana"), guest(&mut world, "bob"));
    assert_eq!(bring(&mut world, ana, 1, "a", &content(length)).stored.len(), 1);
    listen(&mut world, bob);
    (world, ana, bob)
}

#[test]
fn a_download_has_what_its_credit_allows_and_goes_on_with_more() {
    let (mut world, _, bob) = with_file(9_000);
    let mut heard = take(&mut world, bob, 1, "a", 700);
    assert_eq!(heard.content, content(9_000)[..700]);
    world.say(bob, wire::Window { transfer: 1, limit: 701 });
    world.say(bob, wire::Window { transfer: 1, limit: 10 });
    heard.add(&mut world, bob);
    assert_eq!(heard.content.len(), 701, "a limit never falls");
    world.say(bob, wire::Window { transfer: 1, limit: u64::MAX });
    heard.add(&mut world, bob);
    assert!(heard.content == content(9_000) && heard.stopped.is_empty());
}

#[test]
fn a_download_goes_on_from_where_it_was_if_the_content_is_the_same() {
    let (mut world, ana, bob) = with_file(900);
    let hash = hash_of(&content(900));
    let wish = wire::Download {
        id: 5,
        transfer: 1,
        room: TEA,
        name: "a",
        hash: Some(hash),
        offset: 400,
        limit: 0,
        outline: None,
    };
    world.say(bob, wish.clone());
    world.say(bob, wire::Window { transfer: 1, limit: 900 });
    let heard = world.heard(bob);
    assert!(
        heard.iter().any(|text| text.starts_with("Sending") && text.contains("offset: 400")),
        "{heard:?}"
    );
    assert!(heard.iter().any(|text| text.starts_with("Data(Data { transfer: 1, offset: 400")), "{heard:?}");
    let over = Some(Version::new(1));
    world.say(ana, wire::Upload { over, ..crate::transfers::wish(2, "a", Some(900)) });
    data(&mut world, ana, 2, 0, &[7; 900]);
    world.say(ana, finish(2, &[7; 900]));
    world.say(bob, wire::Download { transfer: 2, ..wish });
    assert_eq!(listen(&mut world, bob).refused, [code(RefusalCode::FileChanged)]);
    let past = wire::Download {
        id: 5,
        transfer: 3,
        room: TEA,
        name: "a",
        hash: None,
        offset: 901,
        limit: 0,
        outline: None,
    };
    world.say(bob, past);
    assert_eq!(listen(&mut world, bob).refused, [code(RefusalCode::FileChanged)]);
}

/// What ends somebody's right to a room ends what is sent of its files: not a byte follows what says so.
fn nothing_more_is_sent_once(ends: impl Fn(&mut World, ConnectionId, ConnectionId)) {
    let (mut world, ana, bob) = with_file(40_000);
    let mut heard = take(&mut world, bob, 1, "a", 2_000);
    assert_eq!(heard.content.len(), 2_000);
    // There is credit for the rest, the disk has some of it under way, and some waits in the server.
    world.disk.slow = true;
    world.say(bob, wire::Window { transfer: 1, limit: 40_000 });
    world.stuck.push(bob);
    world.work_one();
    ends(&mut world, ana, bob);
    world.stuck.clear();
    world.send(bob);
    world.disk.slow = false;
    world.settle();
    // Content that stood in the connection's buffer comes before the end of the transfer: that is asserted by `add`.
    heard.add(&mut world, bob);
    assert!(heard.content.len() <= 2_500, "{} bytes were sent", heard.content.len());
    assert_eq!(heard.stopped, [(1, code(RefusalCode::NotAMember))]);
    world.say(bob, wire::Window { transfer: 1, limit: u64::MAX });
    assert_eq!(listen(&mut world, bob), crate::transfers::Heard::default());
    let refused = take(&mut world, bob, 2, "a", 9);
    assert_eq!((refused.refused, refused.content.len()), (vec![code(RefusalCode::NotAMember)], 0));
}

#[test]
fn nothing_more_is_sent_to_one_who_was_kicked() {
    nothing_more_is_sent_once(|world, ana, _| govern(world, ana, EventKind::Kicked, "bob"));
}

#[test]
fn nothing_more_is_sent_to_one_who_was_banned() {
    nothing_more_is_sent_once(|world, ana, _| govern(world, ana, EventKind::Banned, "bob"));
}

#[test]
fn nothing_more_is_sent_to_one_who_left() {
    nothing_more_is_sent_once(|world, _, bob| world.say(bob, wire::Part { id: 9, room: TEA }));
}

#[test]
fn a_download_being_looked_up_when_its_reader_is_kicked_is_refused() {
    let (mut world, ana, bob) = with_file(900);
    world.prompt = false;
    world.say(
        bob,
        wire::Download {
            id: 5,
            transfer: 1,
            room: TEA,
            name: "a",
            hash: None,
            offset: 0,
            limit: 900,
            outline: None,
        },
    );
    world.say(bob, wire::Files { id: 6, room: TEA, after: None });
    world.say(
        ana,
        wire::Govern {
            id: 50,
            room: TEA,
            act: EventKind::Kicked as u8,
            name: "bob",
            seconds: None,
            reason: "",
        },
    );
    world.prompt = true;
    world.settle();
    let heard = listen(&mut world, bob);
    assert_eq!(heard.refused, [code(RefusalCode::NotAMember); 2], "{heard:?}");
    assert!(heard.content.is_empty() && heard.listed.is_empty());
}

#[test]
fn one_who_is_muted_takes_files_and_adds_none() {
    let (mut world, ana, bob) = with_file(900);
    world.say(bob, wish(1, "b", Some(100)));
    data(&mut world, bob, 1, 0, &content(100));
    govern(&mut world, ana, EventKind::Muted, "bob");
    world.say(bob, finish(1, &content(100)));
    assert_eq!(listen(&mut world, bob).refused, [code(RefusalCode::Muted)], "what was begun before as well");
    world.say(bob, wish(2, "c", Some(100)));
    assert_eq!(listen(&mut world, bob).refused, [code(RefusalCode::Muted)]);
    assert_eq!(take(&mut world, bob, 3, "a", 900).content, content(900));
    assert_eq!(world.store.files.entries.len(), 1);
    govern(&mut world, ana, EventKind::Unmuted, "bob");
    world.say(bob, finish(1, &content(100)));
    assert_eq!(listen(&mut world, bob).stored, [("b".to_owned(), 2)], "it is all there still");
}

#[test]
fn one_who_left_meanwhile_adds_nothing() {
    let (mut world, _, bob) = with_file(900);
    world.say(bob, wish(1, "b", Some(100)));
    data(&mut world, bob, 1, 0, &content(100));
    world.say(bob, wire::Part { id: 9, room: TEA });
    listen(&mut world, bob);
    world.say(bob, finish(1, &content(100)));
    assert_eq!(listen(&mut world, bob).refused, [code(RefusalCode::NotAMember)]);
    assert_eq!(world.store.files.entries.len(), 1);
}

#[test]
fn files_are_deleted_by_who_shared_them_and_by_who_keeps_order() {
    let (mut world, ana, bob) = with_file(900);
    let eve = guest(&mut world, "eve");
    bring(&mut world, bob, 1, "b", &content(10));
    bring(&mut world, bob, 2, "c", &content(20));
    let delete = |world: &mut World, id, name, version| {
        world.say(id, wire::Delete { id: 9, room: TEA, name, version });
        let heard = listen(world, id);
        (heard.done, heard.refused)
    };
    let refused = |refusal: RefusalCode| (0, vec![code(refusal)]);
    assert_eq!(delete(&mut world, eve, "b", None), refused(RefusalCode::NotAllowed));
    assert_eq!(delete(&mut world, bob, "a", None), refused(RefusalCode::NotAllowed));
    assert_eq!(delete(&mut world, bob, "b", Some(Version::new(1))), refused(RefusalCode::Conflict));
    assert_eq!(delete(&mut world, bob, "b", Some(Version::new(2))), (1, vec![]));
    assert_eq!(delete(&mut world, bob, "b", None), refused(RefusalCode::NoSuchFile));
    assert_eq!(delete(&mut world, ana, "c", None), (1, vec![]), "the owner deletes any");
    let told = listen(&mut world, eve).told;
    let deleted: Vec<_> = told.iter().filter(|(number, _)| *number == kind::FILE_DELETED).collect();
    assert_eq!(deleted.len(), 2, "{told:?}");
    assert_eq!(world.disk.blobs.len(), 1, "their contents are gone");
}

#[test]
fn what_is_being_read_stays_until_it_is_read_though_it_is_deleted() {
    let (mut world, ana, bob) = with_file(9_000);
    let mut heard = take(&mut world, bob, 1, "a", 1_000);
    world.say(ana, wire::Delete { id: 9, room: TEA, name: "a", version: None });
    assert_eq!((listen(&mut world, ana).done, world.disk.blobs.len()), (1, 1));
    world.say(bob, wire::Window { transfer: 1, limit: 9_000 });
    heard.add(&mut world, bob);
    assert!(heard.content == content(9_000));
    assert!(world.disk.blobs.is_empty(), "and goes then");
}

#[test]
fn a_content_that_two_files_have_goes_with_the_last_of_them() {
    let (mut world, ana, bob) = with_file(900);
    bring(&mut world, bob, 1, "same", &content(900));
    assert_eq!(world.disk.blobs.len(), 1);
    world.say(ana, wire::Delete { id: 9, room: TEA, name: "a", version: None });
    assert_eq!(world.disk.blobs.len(), 1);
    world.say(bob, wire::Delete { id: 9, room: TEA, name: "same", version: None });
    assert!(world.disk.blobs.is_empty());
}

#[test]
fn a_content_is_not_removed_while_an_upload_is_about_to_have_it() {
    let (mut world, ana, bob) = with_file(900);
    world.say(bob, wish(1, "again", Some(900)));
    data(&mut world, bob, 1, 0, &content(900));
    world.disk.slow = true;
    world.say(bob, finish(1, &content(900)));
    world.say(ana, wire::Delete { id: 9, room: TEA, name: "a", version: None });
    world.disk.slow = false;
    world.settle();
    assert_eq!(listen(&mut world, bob).stored, [("again".to_owned(), 2)]);
    assert_eq!(take(&mut world, bob, 2, "again", 900).content, content(900));
}

#[test]
fn guests_add_nothing_where_that_is_for_accounts_and_a_shelf_is_its_owners() {
    let mut world = world_of(limits(), FilesConfig::Accounts);
    let ana = guest(&mut world, "ana");
    assert_eq!(bring(&mut world, ana, 1, "a", b"x").refused, [code(RefusalCode::NotAllowed)]);
    world.say(ana, wire::Files { id: 6, room: TEA, after: None });
    assert_eq!(listen(&mut world, ana).refused, [], "they may look");
    let mut world = world_of(limits(), FilesConfig::Off);
    let ana = guest(&mut world, "ana");
    assert_eq!(bring(&mut world, ana, 1, "a", b"x").refused, [code(RefusalCode::FilesOff)]);
    let mut world = world_of(limits(), FilesConfig::Everybody);
    let (ana, bob) = (guest(&mut world, "ana"), guest(&mut world, "bob"));
    world.say(ana, wire::Upload { room: SHELF, ..wish(1, "mine", Some(0)) });
    world.say(ana, finish(1, b""));
    for (id, listed) in [(ana, vec!["mine".to_owned()]), (bob, vec![])] {
        world.say(id, wire::Files { id: 6, room: SHELF, after: None });
        assert_eq!(listen(&mut world, id).listed, listed);
    }
    assert_eq!(world.store.log(TEA).len(), 1, "no room is told");
}

#[test]
fn a_listing_goes_on_where_the_page_before_ended() {
    let mut limits = limits();
    limits.files_page_max = 2;
    let mut world = world(limits);
    let ana = guest(&mut world, "ana");
    for (transfer, name) in [(1, "b"), (2, "a/z"), (3, "c")] {
        bring(&mut world, ana, transfer, name, b"x");
    }
    world.say(ana, wire::Files { id: 6, room: TEA, after: None });
    world.say(ana, wire::Files { id: 6, room: TEA, after: Some("b") });
    assert_eq!(listen(&mut world, ana).listed, ["a/z", "b", "c"]);
}

#[test]
fn files_are_kept_for_as_long_as_the_server_says_and_their_rooms_are_told() {
    let kept = Some(Duration::from_secs(60));
    let mut world = world(Limits { file_kept: kept, ..limits() });
    let (ana, bob) = (guest(&mut world, "ana"), guest(&mut world, "bob"));
    for number in 0..40_u8 {
        let name = format!("{number}");
        assert_eq!(bring(&mut world, ana, u32::from(number) + 1, &name, &[number]).stored.len(), 1);
    }
    world.pass(Duration::from_secs(50));
    assert_eq!(bring(&mut world, ana, 50, "newer", b"newer").stored.len(), 1);
    listen(&mut world, bob);
    world.pass(Duration::from_secs(9));
    assert_eq!(listen(&mut world, bob).told, []);
    for _ in 0..20 {
        world.pass(Duration::from_secs(1));
    }
    let told = listen(&mut world, bob).told;
    assert_eq!(told.len(), 40);
    assert!(told.iter().all(|(kind, text)| *kind == kind::FILE_DELETED && SharedFile::has_expired(text)));
    assert_eq!(world.store.files.entries.len(), 1);
    assert_eq!((world.server.stats().files_bytes, world.disk.blobs.len()), (5, 1));
}

#[test]
fn unless_the_server_says_so_files_are_kept_for_ever() {
    let (mut world, _, bob) = with_file(9);
    for _ in 0..100 {
        world.pass(Duration::from_secs(7 * 24 * 3_600));
    }
    assert_eq!(listen(&mut world, bob).told, []);
    assert_eq!(world.store.files.entries.len(), 1);
}

/// Asks for the outline of a file, and for nothing of its content.
fn outline_of(world: &mut World, id: ConnectionId, transfer: u32, offset: u64) {
    let (limit, hash, outline) = (offset, None, Some(true));
    let id_of = 300 + transfer;
    world.say(id, wire::Download { id: id_of, transfer, room: TEA, name: "a", hash, offset, limit, outline });
}

/// Makes the only file one of so many stretches, with another content, too large for a test.
fn enlarge(world: &mut World, stretches: u8) -> Vec<u8> {
    let outline: Vec<Subtree> = (0..stretches).map(|number| Subtree([number; 32])).collect();
    let file = world.store.files.entries.values_mut().next().expect("a file");
    file.size = u64::from(stretches) * SUBTREE_BYTES;
    file.hash = hash_of_outline(&outline).expect("two stretches or more");
    world.disk.blobs.insert(file.hash, vec![]);
    world.disk.outlines.insert(file.hash, outline.clone());
    outline.iter().flat_map(|subtree| subtree.0).collect()
}

#[test]
fn the_outline_of_a_file_comes_where_it_is_wanted() {
    let (mut world, _, bob) = with_file(900);
    outline_of(&mut world, bob, 1, 0);
    assert_eq!(listen(&mut world, bob).outline, Some(vec![]), "one stretch has all of it");
    let outline = enlarge(&mut world, 4);
    outline_of(&mut world, bob, 2, 2 * SUBTREE_BYTES);
    assert_eq!(listen(&mut world, bob).outline, Some(outline));
    assert_eq!(take(&mut world, bob, 3, "a", 0).outline, None);
    outline_of(&mut world, bob, 4, 4 * SUBTREE_BYTES + 1);
    assert_eq!(listen(&mut world, bob).refused, [code(RefusalCode::FileChanged)]);
    let file = world.store.files.entries.values_mut().next().expect("a file");
    file.size = 1_024 * SUBTREE_BYTES + 1;
    outline_of(&mut world, bob, 5, 0);
    assert_eq!(listen(&mut world, bob).refused, [code(RefusalCode::FileTooLarge)]);
}

#[test]
fn whoever_may_not_read_a_file_when_its_outline_is_there_is_not_told_it() {
    let (mut world, ana, bob) = with_file(900);
    enlarge(&mut world, 3);
    world.disk.fails = Some(BlobFailure::Failed);
    outline_of(&mut world, bob, 1, 0);
    assert_eq!(listen(&mut world, bob).refused, [code(RefusalCode::StorageFailed)]);
    world.disk.slow = true;
    outline_of(&mut world, bob, 2, 0);
    world.say(ana, wire::Delete { id: 9, room: TEA, name: "a", version: None });
    govern(&mut world, ana, EventKind::Kicked, "bob");
    world.disk.slow = false;
    world.settle();
    let heard = listen(&mut world, bob);
    assert_eq!((heard.outline, heard.refused), (None, vec![code(RefusalCode::NotAMember)]));
    assert_eq!(world.disk.blobs.len(), 1, "what was deleted meanwhile is gone when nobody reads it");
    world.join(bob, "#tea");
    bring(&mut world, ana, 3, "b", &content(10));
    for transfer in 3..=10 {
        assert_eq!(take(&mut world, bob, transfer, "b", 9).refused, [], "nothing counts as open");
    }
}
