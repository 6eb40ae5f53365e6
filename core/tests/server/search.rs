//! Searching (`PROTOCOL.md` section S).

use palabre_core::{
    ids::{ConnectionId, Position, RoomId},
    limits::Limits,
    storage::{StorageFailure, StorageOperation},
    wire::{Direct, Part, Search},
};

use crate::support::{World, has};

fn search(world: &mut World, at: ConnectionId, text: &str) -> Vec<String> {
    search_in(world, at, text, None)
}

fn search_in(world: &mut World, at: ConnectionId, text: &str, room: Option<u64>) -> Vec<String> {
    world.heard(at);
    world.say(at, Search { id: 7, text, room: room.map(RoomId::new), before: None, limit: 0 });
    world.heard(at)
}

/// The texts of a page's hits, in the order of the page.
fn texts(heard: &[String]) -> Vec<String> {
    let page = heard.iter().find(|message| message.starts_with("SearchPage(")).expect("a page");
    page.split("text: \"").skip(1).map(|rest| rest.split('"').next().expect("its end").to_owned()).collect()
}

/// Ana and Bob in the lobby, Ana in `#tea` as well, and a storage that answers at once.
fn in_rooms() -> (World, ConnectionId, ConnectionId) {
    let mut world = World::new(Limits { posts_per_second: 0, ..Limits::default() });
    let (ana, _) = world.enter("ana");
    let (bob, _) = world.enter("bob");
    for at in [ana, bob] {
        world.join(at, "#lobby");
    }
    world.join(ana, "#tea");
    world.post(ana, 1, 1, "green light");
    world.post(bob, 1, 2, "red light");
    world.post(ana, 2, 3, "green tea");
    (world, ana, bob)
}

#[test]
fn what_was_said_in_ones_rooms_is_found_the_newest_first() {
    let (mut world, ana, _) = in_rooms();
    assert_eq!(texts(&search(&mut world, ana, "green")), ["green tea", "green light"]);
    assert_eq!(texts(&search(&mut world, ana, "LIGHT")), ["red light", "green light"]);
    assert!(has(&search(&mut world, ana, "blue"), "hits: [], next: None"));
}

#[test]
fn nothing_is_found_of_rooms_one_is_not_in() {
    let (mut world, _, bob) = in_rooms();
    assert_eq!(texts(&search(&mut world, bob, "green")), ["green light"]);
    assert!(has(&search_in(&mut world, bob, "green", Some(2)), "code: 6"), "not-a-member");
    assert!(has(&search_in(&mut world, bob, "green", Some(99)), "code: 5"), "no-such-room");
}

#[test]
fn a_direct_conversation_is_found_by_its_two() {
    let (mut world, ana, bob) = in_rooms();
    let (eve, _) = world.enter("eve");
    world.say(ana, Direct { id: 8, nick: "bob", after: None });
    world.post(ana, 3, 4, "a green secret");
    for (at, expected) in [(ana, 1), (bob, 1), (eve, 0)] {
        assert_eq!(texts(&search(&mut world, at, "secret")).len(), expected);
    }
}

#[test]
fn one_room_alone_may_be_searched() {
    let (mut world, ana, _) = in_rooms();
    assert_eq!(texts(&search_in(&mut world, ana, "green", Some(1))), ["green light"]);
}

#[test]
fn somebody_in_no_room_finds_nothing_without_asking_storage() {
    let (mut world, ..) = in_rooms();
    let (eve, _) = world.enter("eve");
    world.prompt = false;
    assert!(has(&search(&mut world, eve, "green"), "hits: [], next: None"));
    assert!(world.waiting.is_empty());
}

#[test]
fn what_is_searched_for_needs_a_word_and_has_a_limit() {
    let (mut world, ana, _) = in_rooms();
    world.prompt = false;
    assert!(has(&search(&mut world, ana, " - *"), "code: 85"), "query-empty");
    assert!(has(&search(&mut world, ana, &"a ".repeat(17)), "code: 86"), "query-too-long");
    assert!(has(&search(&mut world, ana, &"a".repeat(257)), "code: 86"), "query-too-long");
    assert!(world.waiting.is_empty());
}

#[test]
fn rooms_that_are_left_while_storage_searches_are_left_out() {
    let (mut world, ana, _) = in_rooms();
    world.prompt = false;
    search(&mut world, ana, "green");
    world.say(ana, Part { id: 8, room: RoomId::new(2) });
    world.answer_one();
    assert_eq!(texts(&world.heard(ana)), ["green light"]);
}

#[test]
fn a_search_of_a_room_that_is_left_meanwhile_is_refused() {
    let (mut world, ana, _) = in_rooms();
    world.prompt = false;
    search_in(&mut world, ana, "green", Some(2));
    world.say(ana, Part { id: 8, room: RoomId::new(2) });
    world.answer_one();
    assert!(has(&world.heard(ana), "Refused(Refused { id: 7, code: 6"));
}

#[test]
fn pages_go_on_where_the_one_before_ended() {
    let (mut world, ana, _) = in_rooms();
    for number in 0..5 {
        world.post(ana, 1, 10 + number, &format!("tick {number}"));
    }
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        world.heard(ana);
        world.say(ana, Search { id: 7, text: "tick", room: None, before, limit: 2 });
        let heard = world.heard(ana);
        let page = texts(&heard);
        assert!(page.len() <= 2);
        found.extend(page);
        let next = heard[0].split("next: Some(Position(").nth(1);
        let Some(next) = next.and_then(|rest| rest.split(')').next()?.parse().ok()) else { break };
        assert!(before.is_none_or(|before| Position::new(next) < before));
        before = Some(Position::new(next));
    }
    assert_eq!(found, ["tick 4", "tick 3", "tick 2", "tick 1", "tick 0"]);
}

#[test]
fn a_page_has_no_more_than_its_limit_and_0_means_the_most() {
    let (mut world, ana, _) = in_rooms();
    for (limit, asked) in [(0, 50), (7, 7), (50, 50), (u16::MAX, 50)] {
        world.prompt = false;
        world.say(ana, Search { id: 7, text: "green", room: None, before: None, limit });
        let request = world.waiting.front().expect("it is asked");
        let StorageOperation::Search { hits_max, bytes_max, .. } = request.operation else {
            panic!("{request:?}")
        };
        assert_eq!((hits_max, bytes_max), (asked, 53_248));
        world.answer_one();
    }
}

#[test]
fn one_search_is_under_way_at_a_time_and_the_next_after_it() {
    let (mut world, ana, _) = in_rooms();
    world.prompt = false;
    world.heard(ana);
    for id in [7, 8] {
        world.say(ana, Search { id, text: "green", room: None, before: None, limit: 0 });
    }
    assert_eq!(world.waiting.len(), 1);
    world.answer_one();
    assert!(has(&world.heard(ana), "SearchPage { id: 7"));
    world.answer_one();
    assert!(has(&world.heard(ana), "SearchPage { id: 8"));
}

#[test]
fn a_search_that_storage_fails_at_is_refused_and_another_may_follow() {
    let (mut world, ana, _) = in_rooms();
    world.prompt = false;
    search(&mut world, ana, "green");
    let request = world.waiting.pop_front().expect("it is asked");
    let result = Err(StorageFailure::Failed);
    let reply = palabre_core::storage::StorageReply { ticket: request.ticket, result };
    world.server.handle_storage(reply, world.now);
    world.settle();
    assert!(has(&world.heard(ana), "code: 17"), "storage-failed");
    world.prompt = true;
    assert_eq!(texts(&search(&mut world, ana, "tea")), ["green tea"]);
}
