//! Posts, from submission to delivery (`PROTOCOL.md` section P).

use std::time::Duration;

use palabre_core::{
    ids::{Nonce, RoomId},
    limits::Limits,
    storage::{StorageFailure, StorageReply},
    wire,
};

use crate::support::{World, has};

#[test]
fn two_guests_meet_in_the_lobby_and_talk() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    let (bob, _) = world.enter("bob");
    world.join(ana, "#lobby");
    world.join(bob, "#lobby");
    world.pass(Duration::from_millis(50));
    let heard = world.heard(ana);
    assert!(has(&heard, "Joined"), "{heard:?}");
    assert!(has(&heard, "nick: \"bob\", state: 1"), "{heard:?}");
    world.post(ana, 1, 100, "hello");
    let heard = world.heard(ana);
    assert!(heard[0].starts_with("Posted"), "{heard:?}");
    assert!(has(&heard, "text: \"hello\""), "{heard:?}");
    assert!(has(&world.heard(bob), "text: \"hello\""));
}

#[test]
fn nothing_is_acknowledged_or_delivered_before_it_is_durable() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    let (bob, _) = world.enter("bob");
    world.join(ana, "#lobby");
    world.join(bob, "#lobby");
    world.heard(ana);
    world.heard(bob);
    world.prompt = false;
    world.post(ana, 1, 100, "hello");
    world.pass(Duration::from_secs(1));
    assert!(!has(&world.heard(ana), "hello") && !has(&world.heard(bob), "hello"));
    world.answer_one();
    let heard = world.heard(ana);
    assert!(has(&heard, "Posted") && has(&heard, "Event"), "{heard:?}");
    assert!(has(&world.heard(bob), "Event"));
}

#[test]
fn a_resent_post_is_stored_once_and_answered_again() {
    let mut world = World::new(Limits::default());
    let (ana, token) = world.enter("ana");
    world.join(ana, "#lobby");
    world.post(ana, 1, 100, "hello");
    world.cut(ana);
    let ana = world.resume(token);
    world.heard(ana);
    world.post(ana, 1, 100, "hello");
    let heard = world.heard(ana);
    assert!(has(&heard, "seq: Seq(1)"), "{heard:?}");
    assert_eq!(world.store.log(RoomId::new(1)).len(), 1);
}

#[test]
fn a_resend_while_the_first_is_on_its_way_is_stored_once() {
    let mut world = World::new(Limits::default());
    let (ana, token) = world.enter("ana");
    world.join(ana, "#lobby");
    world.prompt = false;
    world.post(ana, 1, 100, "hello");
    let first = world.waiting.pop_front().expect("the post is on its way");
    world.prompt = true;
    world.cut(ana);
    let ana = world.resume(token);
    world.heard(ana);
    // Storage executes requests in the order they were handed out.
    world.answer(first);
    world.post(ana, 1, 100, "hello");
    let heard = world.heard(ana);
    assert_eq!(heard.iter().filter(|text| text.starts_with("Posted")).count(), 1, "{heard:?}");
    assert_eq!(world.store.log(RoomId::new(1)).len(), 1);
}

#[test]
fn a_resend_of_a_stored_post_is_answered_even_after_leaving_the_room() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    world.post(ana, 1, 100, "hello");
    world.say(ana, wire::Part { id: 4, room: RoomId::new(1) });
    world.heard(ana);
    world.post(ana, 1, 100, "hello");
    assert!(has(&world.heard(ana), "Posted"));
    world.post(ana, 1, 100, "other");
    assert!(has(&world.heard(ana), "code: 13"), "nonce-reused");
    world.post(ana, 1, 101, "new");
    assert!(has(&world.heard(ana), "code: 6"), "not-a-member");
    assert_eq!(world.store.log(RoomId::new(1)).len(), 1);
}

#[test]
fn the_nonce_of_another_post_is_refused() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    world.post(ana, 1, 100, "hello");
    world.heard(ana);
    world.post(ana, 1, 100, "goodbye");
    assert!(has(&world.heard(ana), "code: 13"));
}

#[test]
fn a_full_disk_refuses_posts_and_recovers() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    world.heard(ana);
    world.store.failing = Some(StorageFailure::NoSpace);
    world.post(ana, 1, 100, "hello");
    let heard = world.heard(ana);
    assert!(has(&heard, "code: 16") && has(&heard, "out of space"), "{heard:?}");
    world.store.failing = None;
    world.post(ana, 1, 101, "hello again");
    assert!(has(&world.heard(ana), "Posted"));
    assert_eq!(world.store.log(RoomId::new(1)).len(), 1);
}

#[test]
fn a_resend_is_not_refused_for_a_failing_storage_when_the_first_copy_is_stored() {
    let mut world = World::new(Limits::default());
    let (ana, token) = world.enter("ana");
    world.join(ana, "#lobby");
    world.post(ana, 1, 100, "hello");
    world.cut(ana);
    let ana = world.resume(token);
    world.heard(ana);
    world.store.failing = Some(StorageFailure::Failed);
    world.post(ana, 1, 100, "hello");
    assert!(has(&world.heard(ana), "Posted"));
    world.post(ana, 1, 101, "new");
    assert!(has(&world.heard(ana), "code: 17"));
}

#[test]
fn when_storage_cannot_say_whether_a_post_is_stored_the_author_is_not_told_that_it_is_not() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    world.heard(ana);
    world.prompt = false;
    world.post(ana, 1, 100, "hello");
    for _ in 0..2 {
        let request = world.waiting.pop_front().expect("asked");
        let failed = StorageReply { ticket: request.ticket, result: Err(StorageFailure::Failed) };
        world.server.handle_storage(failed, world.now);
        world.settle();
    }
    let heard = world.heard(ana);
    assert!(!has(&heard, "Refused") && has(&heard, "Goodbye"), "{heard:?}");
}

#[test]
fn texts_over_the_limit_empty_or_with_controls_are_refused_with_the_reason() {
    let mut world = World::new(Limits { posts_per_second: 0, ..Limits::default() });
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    world.heard(ana);
    let long = "x".repeat(16_385);
    for (nonce, text, code) in [(1, long.as_str(), 11), (2, "  \n", 10), (3, "a\u{1b}[2J", 12)] {
        world.post(ana, 1, nonce, text);
        let heard = world.heard(ana);
        assert!(has(&heard, &format!("code: {code}")), "{heard:?}");
    }
    world.post(ana, 1, 4, &long[1..]);
    assert!(has(&world.heard(ana), "Posted"));
}

#[test]
fn a_topic_is_an_event_and_is_shown_to_those_who_join() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    let topic = wire::Post {
        id: 9,
        room: RoomId::new(1),
        nonce: Nonce::new(5),
        kind: wire::kind::TOPIC,
        text: "tea",
        to: None,
    };
    world.say(ana, topic);
    assert!(has(&world.heard(ana), "kind: 3, text: \"tea\""));
    let (bob, _) = world.enter("bob");
    world.join(bob, "#lobby");
    assert!(has(&world.heard(bob), "topic: \"tea\""));
}

#[test]
fn credit_is_announced_and_refills_with_time() {
    let mut world = World::new(Limits::default());
    let id = world.connect();
    world.greet(id);
    world.say(id, wire::Guest { id: 1, nick: "ana" });
    let heard = world.heard(id);
    assert!(has(&heard, "Credit { posts: 10, bytes: 65536 }"), "{heard:?}");
    world.join(id, "#lobby");
    for nonce in 0..10 {
        world.post(id, 1, nonce, "x");
    }
    world.heard(id);
    world.pass(Duration::from_secs(1));
    let heard = world.heard(id);
    assert!(has(&heard, "Credit { posts: 15,"), "{heard:?}");
    world.pass(Duration::from_secs(10));
    assert!(has(&world.heard(id), "Credit { posts: 20, bytes: 65546 }"));
}

#[test]
fn a_peer_that_ignores_credit_is_slowed_and_loses_nothing_then_is_closed() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    for nonce in 0..13 {
        world.post(ana, 1, nonce, "x");
    }
    assert_eq!(world.store.log(RoomId::new(1)).len(), 10);
    assert_eq!(world.server.interest(ana).receive_bytes, 0, "it is not read while it is over credit");
    world.pass(Duration::from_secs(1));
    assert_eq!(world.store.log(RoomId::new(1)).len(), 13, "nothing is lost");
    for nonce in 13..100 {
        world.post(ana, 1, nonce, "x");
        world.pass(Duration::from_millis(200));
    }
    let heard = world.heard(ana);
    assert!(!has(&heard, "Error"), "at the refill's pace all is well: {heard:?}");
    for nonce in 100..200 {
        world.post(ana, 1, nonce, "x");
    }
    world.pass(Duration::from_secs(60));
    assert!(has(&world.heard(ana), "Error(Error { code: 9"), "credit-exceeded");
    assert_eq!(world.closed, [ana]);
}
