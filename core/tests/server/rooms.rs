//! Rooms and direct conversations (`PROTOCOL.md` sections R and W).

use std::time::Duration;

use palabre_core::{
    ids::{RoomId, UserId},
    limits::Limits,
    storage::StorageFailure,
    wire,
};

use crate::support::{World, has};

#[test]
fn a_room_is_created_by_joining_and_ceases_when_nothing_is_left_of_it() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    world.join(ana, "#tea");
    assert!(has(&world.heard(ana), "room: RoomId(2), name: \"#tea\""));
    world.say(ana, wire::Part { id: 3, room: RoomId::new(2) });
    world.say(ana, wire::Rooms { id: 4, after: None });
    let heard = world.heard(ana);
    assert!(has(&heard, "#lobby") && !has(&heard, "#tea"), "{heard:?}");
    world.join(ana, "#tea");
    assert!(has(&world.heard(ana), "room: RoomId(3)"), "ids never come back");
}

#[test]
fn a_room_with_events_stays_when_everybody_left() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    world.join(ana, "#tea");
    world.post(ana, 2, 1, "kept");
    world.say(ana, wire::Goodbye { reason: wire::goodbye::LEAVING, text: "" });
    let (bob, _) = world.enter("bob");
    world.say(bob, wire::Join { id: 2, name: "#TEA", after: Some(palabre_core::ids::Seq::new(0)) });
    assert!(has(&world.heard(bob), "text: \"kept\""));
}

#[test]
fn a_room_that_looks_like_another_is_refused_with_the_other_as_suggestion() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    world.join(ana, "#l0bby");
    let heard = world.heard(ana);
    assert!(has(&heard, "code: 3") && has(&heard, "suggestion: Some(\"#lobby\")"), "{heard:?}");
    world.join(ana, "lobby");
    assert!(has(&world.heard(ana), "code: 2"), "name-invalid");
}

#[test]
fn two_who_create_the_same_room_at_once_are_in_one_room() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    let (bob, _) = world.enter("bob");
    let (eve, _) = world.enter("eve");
    world.prompt = false;
    world.join(ana, "#tea");
    world.join(bob, "#Tea");
    world.join(eve, "#ṫea");
    world.join(eve, "#tеa");
    world.prompt = true;
    world.settle();
    assert!(has(&world.heard(ana), "room: RoomId(2)"));
    assert!(has(&world.heard(bob), "room: RoomId(2)"));
}

#[test]
fn a_membership_that_cannot_be_stored_is_not_granted() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    world.heard(ana);
    world.store.failing = Some(StorageFailure::NoSpace);
    world.join(ana, "#lobby");
    assert!(has(&world.heard(ana), "code: 16"));
    world.say(ana, wire::Members { id: 5, room: RoomId::new(1), after: None });
    assert!(has(&world.heard(ana), "code: 6"), "not-a-member");
}

#[test]
fn leaving_while_a_second_join_is_being_written_is_final() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    let (bob, _) = world.enter("bob");
    world.join(bob, "#lobby");
    world.prompt = false;
    world.join(ana, "#lobby");
    world.join(ana, "#lobby");
    world.answer_one();
    world.heard(ana);
    world.say(ana, wire::Part { id: 9, room: RoomId::new(1) });
    world.prompt = true;
    world.settle();
    let heard = world.heard(ana);
    assert!(has(&heard, "code: 7") && has(&heard, "Done { id: 9 }"), "{heard:?}");
    world.post(bob, 1, 1, "secret");
    assert!(!has(&world.heard(ana), "secret"));
    let guest = &world.store.recovered().guests[0];
    assert!(guest.rooms.is_empty(), "{guest:?}");
}

#[test]
fn leaving_that_cannot_be_stored_leaves_everything_as_it_was() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    world.store.failing = Some(StorageFailure::Failed);
    world.say(ana, wire::Part { id: 3, room: RoomId::new(1) });
    assert!(has(&world.heard(ana), "code: 17"));
    world.store.failing = None;
    world.post(ana, 1, 1, "still here");
    assert!(has(&world.heard(ana), "Event"));
}

#[test]
fn nothing_of_a_room_reaches_one_who_left_it() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    let (bob, _) = world.enter("bob");
    world.join(ana, "#lobby");
    world.join(bob, "#lobby");
    world.say(bob, wire::Part { id: 3, room: RoomId::new(1) });
    world.pass(Duration::from_secs(1));
    world.heard(bob);
    world.post(ana, 1, 1, "secret");
    for message in [
        wire::ToServer::from(wire::History { id: 1, room: RoomId::new(1), before: None, limit: 0 }),
        wire::Members { id: 2, room: RoomId::new(1), after: None }.into(),
        wire::Follow { id: 3, room: RoomId::new(1), after: None }.into(),
    ] {
        world.say(bob, message);
    }
    world.pass(Duration::from_secs(1));
    let heard = world.heard(bob);
    assert_eq!(heard.iter().filter(|text| text.contains("code: 6")).count(), 3, "{heard:?}");
    assert!(!has(&heard, "secret"));
}

#[test]
fn a_page_of_history_asked_for_before_leaving_is_not_given_after() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    world.post(ana, 1, 1, "secret");
    world.heard(ana);
    world.prompt = false;
    world.say(ana, wire::History { id: 1, room: RoomId::new(1), before: None, limit: 0 });
    world.say(ana, wire::Part { id: 3, room: RoomId::new(1) });
    world.prompt = true;
    world.settle();
    let heard = world.heard(ana);
    assert!(has(&heard, "code: 6") && !has(&heard, "secret"), "{heard:?}");
}

#[test]
fn members_come_in_pages_with_their_state() {
    let limits = Limits { members_page_max: 2, ..Limits::default() };
    let mut world = World::new(limits);
    let people: Vec<_> = ["ana", "bob", "cleo"].map(|nick| world.enter(nick).0).to_vec();
    for id in &people {
        world.join(*id, "#lobby");
    }
    world.cut(people[2]);
    world.say(people[1], wire::Away { id: 8, away: true });
    world.heard(people[0]);
    world.say(people[0], wire::Members { id: 5, room: RoomId::new(1), after: None });
    let heard = world.heard(people[0]);
    assert!(has(&heard, "nick: \"bob\", state: 2") && has(&heard, "next: Some(UserId(2))"), "{heard:?}");
    world.say(people[0], wire::Members { id: 5, room: RoomId::new(1), after: Some(UserId::new(2)) });
    let heard = world.heard(people[0]);
    assert!(has(&heard, "nick: \"cleo\", state: 3") && has(&heard, "next: None"), "{heard:?}");
}

#[test]
fn changes_are_told_together_and_a_reader_that_missed_some_is_told_so() {
    let limits = Limits { presence_changes_max: 4, ..Limits::default() };
    let mut world = World::new(limits);
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    let (bob, _) = world.enter("bob");
    world.join(bob, "#lobby");
    world.pass(Duration::from_secs(1));
    world.heard(ana);
    for away in [true, false, true] {
        world.say(bob, wire::Away { id: 8, away });
    }
    world.pass(Duration::from_secs(1));
    let heard = world.heard(ana);
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(has(&heard, "stale: false") && heard[0].matches("state: ").count() == 3, "{heard:?}");
    for round in 0..6 {
        world.say(bob, wire::Away { id: 8, away: round % 2 == 1 });
    }
    world.pass(Duration::from_secs(1));
    assert!(has(&world.heard(ana), "stale: true"));
}

#[test]
fn changes_are_held_back_from_a_reader_with_much_to_read_and_told_when_it_has_drained() {
    let limits = Limits { outbound_own_bytes: 1_000, ..Limits::default() };
    let mut world = World::new(limits);
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    for nonce in 0..4 {
        world.post(ana, 1, nonce, &"x".repeat(800));
    }
    let (bob, _) = world.enter("bob");
    world.join(bob, "#lobby");
    world.pass(Duration::from_secs(1));
    world.heard(ana);
    world.stuck.push(ana);
    world.say(ana, wire::History { id: 4, room: RoomId::new(1), before: None, limit: 0 });
    let waiting = world.server.sendable(ana).len();
    assert!(waiting > 1_000, "a page goes beyond: {waiting}");
    world.say(bob, wire::Away { id: 8, away: true });
    world.pass(Duration::from_secs(1));
    world.say(bob, wire::Away { id: 9, away: false });
    world.pass(Duration::from_secs(1));
    assert_eq!(world.server.sendable(ana).len(), waiting, "nothing is added");
    world.stuck.clear();
    world.send(ana);
    world.settle();
    let heard = world.heard(ana);
    let changes: Vec<_> = heard.iter().filter(|text| text.starts_with("Presence(")).collect();
    assert_eq!(changes.len(), 1, "{heard:?}");
    assert!(changes[0].contains("stale: false") && changes[0].matches("state: ").count() == 2, "{changes:?}");
}

#[test]
fn a_direct_conversation_reaches_both_and_ends_when_one_has_left() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    let (bob, _) = world.enter("bob");
    world.say(ana, wire::Direct { id: 4, nick: "Bob", after: None });
    assert!(has(&world.heard(ana), "with_nick: Some(\"bob\")"));
    assert!(has(&world.heard(bob), "Opened"), "the other is told");
    world.say(bob, wire::Follow { id: 5, room: RoomId::new(2), after: None });
    world.post(ana, 2, 1, "psst");
    assert!(has(&world.heard(bob), "text: \"psst\""));
    world.say(bob, wire::Part { id: 6, room: RoomId::new(2) });
    assert!(has(&world.heard(bob), "code: 7"), "not-possible");
    world.say(bob, wire::Goodbye { reason: wire::goodbye::LEAVING, text: "" });
    world.heard(ana);
    world.post(ana, 2, 2, "still there?");
    assert!(has(&world.heard(ana), "code: 4"), "no-such-user");
    world.say(ana, wire::Goodbye { reason: wire::goodbye::LEAVING, text: "" });
    assert_eq!(world.store.recovered().rooms.len(), 1, "only the lobby is left");
}

#[test]
fn an_unknown_recipient_is_refused_with_the_nearest_name() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    world.enter("robert");
    world.say(ana, wire::Direct { id: 4, nick: "robrt", after: None });
    let heard = world.heard(ana);
    assert!(has(&heard, "code: 4") && has(&heard, "suggestion: Some(\"robert\")"), "{heard:?}");
    world.say(ana, wire::Direct { id: 4, nick: "ana", after: None });
    assert!(has(&world.heard(ana), "code: 7"));
}

#[test]
fn rooms_of_a_user_and_of_the_server_are_limited() {
    let limits = Limits { user_rooms_max: 2, rooms_max: 4, ..Limits::default() };
    let mut world = World::new(limits);
    let (ana, _) = world.enter("ana");
    for room in ["#a", "#b", "#c"] {
        world.join(ana, room);
    }
    assert!(has(&world.heard(ana), "code: 15"));
    let (bob, _) = world.enter("bob");
    world.join(bob, "#d");
    world.join(bob, "#e");
    assert!(has(&world.heard(bob), "code: 15"));
}
