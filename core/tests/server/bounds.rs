//! Limits at their edge: what is just allowed is taken, one more is not (`PROTOCOL.md` F8, K1, K2, P8, P11).

use std::time::Duration;

use palabre_core::{
    channel::Channel,
    error::ProtocolError,
    ids::{ConnectionId, RoomId, Seq},
    limits::Limits,
    output::{EndCause, Event, Source},
    storage::StorageOperation,
    wire::{self, ToServer},
};

use crate::support::{World, has};

fn causes(world: &World) -> Vec<EndCause> {
    let cause = |event: &Event| if let Event::Ended { cause, .. } = event { Some(*cause) } else { None };
    world.events.iter().filter_map(cause).collect()
}

/// Somebody in the lobby, and a storage that answers when it is told to.
fn in_lobby(limits: Limits) -> (World, ConnectionId) {
    let mut world = World::new(limits);
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    world.heard(ana);
    world.prompt = false;
    (world, ana)
}

fn appends(world: &World) -> usize {
    let is_append = |operation: &StorageOperation| matches!(operation, StorageOperation::Append { .. });
    world.waiting.iter().filter(|request| is_append(&request.operation)).count()
}

#[test]
fn a_connection_takes_in_two_of_the_longest_frames_less_what_waits() {
    let mut world = World::new(Limits::default());
    let id = world.connect();
    assert_eq!(world.server.interest(id).receive_bytes, 2 * (4 + 4_096));
    world.say_bytes(id, &[0, 0, 0x10, 0, 0x80, 1, 2]);
    assert_eq!(world.server.interest(id).receive_bytes, 2 * (4 + 4_096) - 7);
    let (ready, _) = world.enter("ana");
    assert_eq!(world.server.interest(ready).receive_bytes, 2 * (4 + 66_560));
    world.cut(ready);
    assert_eq!(world.server.interest(ready).receive_bytes, 0);
}

#[test]
fn frames_of_exactly_the_cap_are_taken_before_and_after_ready() {
    let skipped = |length: u32| {
        let mut frame = length.to_be_bytes().to_vec();
        frame.resize(4 + length as usize, 0x90);
        frame
    };
    let mut world = World::new(Limits::default());
    let id = world.connect();
    world.say_bytes(id, &skipped(4_096));
    world.greet(id);
    world.say(id, wire::Guest { id: 1, nick: "ana" });
    world.say_bytes(id, &skipped(66_560));
    world.say(id, wire::Ping { token: 5 });
    assert!(has(&world.heard(id), "Pong(Pong { token: 5 })"));
    world.say_bytes(id, &66_561_u32.to_be_bytes());
    assert!(has(&world.heard(id), "Error(Error { code: 2"), "frame-too-long");
}

#[test]
fn one_who_waits_may_send_four_frames_more_for_each_whole_silence() {
    for (minutes, frames) in [(0, 32), (1, 36), (2, 40)] {
        let mut world = World::new(Limits { clients_max: 1, ..Limits::default() });
        let (ana, _) = world.enter("ana");
        let id = world.connect();
        world.greet(id);
        world.say(id, wire::Guest { id: 1, nick: "bob" });
        for _ in 0..minutes {
            world.pass(Duration::from_secs(59));
            world.say(ana, wire::Ping { token: 0 });
            world.say_bytes(id, &[0, 0, 0, 1, 0x90]);
            world.pass(Duration::from_secs(1));
        }
        // Those two, and one that was skipped for each minute.
        for token in 0..frames - 2 - minutes {
            world.say(id, wire::Ping { token });
        }
        assert!(world.closed.is_empty(), "{frames} frames after {minutes} minutes");
        world.say(id, wire::Ping { token: 99 });
        assert!(has(&world.heard(id), "Error(Error { code: 8"), "one more after {minutes} minutes");
    }
}

#[test]
fn one_who_waited_long_may_keep_alive_while_its_entry_is_stored() {
    let mut world = World::new(Limits { clients_max: 1, ..Limits::default() });
    let (ana, _) = world.enter("ana");
    let id = world.connect();
    world.greet(id);
    world.say(id, wire::Guest { id: 1, nick: "bob" });
    for token in 0..40 {
        world.pass(Duration::from_secs(30));
        world.say(ana, wire::Ping { token });
        world.say(id, wire::Ping { token });
    }
    world.prompt = false;
    world.cut(ana);
    world.say(id, wire::Ping { token: 99 });
    let heard = world.heard(id);
    assert!(has(&heard, "Pong(Pong { token: 99 })") && !has(&heard, "Ready"), "{heard:?}");
    assert!(
        world
            .events
            .iter()
            .all(|event| !matches!(event, Event::Ended { connection, .. } if *connection == id))
    );
}

#[test]
fn one_that_was_asked_and_answered_is_asked_again_at_the_next_silence() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    world.heard(ana);
    for _ in 0..3 {
        world.pass(Duration::from_secs(61));
        let heard = world.heard(ana);
        assert!(heard.len() == 1 && has(&heard, "Ping"), "{heard:?}");
        world.say(ana, wire::Pong { token: 0 });
    }
    assert!(world.closed.is_empty());
}

#[test]
fn no_more_requests_are_taken_while_as_many_as_may_be_are_unanswered() {
    let (mut world, ana) = in_lobby(Limits { requests_in_flight_max: 2, ..Limits::default() });
    for name in ["#a", "#b", "#c"] {
        world.join(ana, name);
    }
    assert_eq!((world.waiting.len(), world.server.interest(ana).receive_bytes), (2, 0));
    world.answer_one();
    assert_eq!(world.waiting.len(), 2, "the membership is written, which is the same request");
    world.answer_one();
    world.answer_one();
    assert!(has(&world.heard(ana), "#a"));
    world.prompt = true;
    world.settle();
    let heard = world.heard(ana);
    assert!(has(&heard, "#b") && has(&heard, "#c"), "{heard:?}");
    assert!(world.server.interest(ana).receive_bytes > 0);
}

#[test]
fn one_page_of_history_is_read_at_a_time_and_the_next_after_it() {
    let (mut world, ana) = in_lobby(Limits::default());
    for id in [7, 8] {
        world.say(ana, wire::History { id, room: RoomId::new(1), before: None, limit: 0 });
    }
    assert_eq!(world.waiting.len(), 1);
    world.answer_one();
    assert!(has(&world.heard(ana), "HistoryPage { id: 7"));
    world.answer_one();
    assert!(has(&world.heard(ana), "HistoryPage { id: 8"));
}

#[test]
fn a_page_has_as_many_events_as_were_asked_for_and_0_means_the_most() {
    let limits = Limits { page_events_max: 3, posts_per_second: 0, ..Limits::default() };
    let mut world = World::new(limits);
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    for nonce in 0..5 {
        world.post(ana, 1, nonce, "x");
    }
    world.heard(ana);
    for (limit, before, first, events) in
        [(0, None, 3, 3), (2, None, 4, 2), (9, None, 3, 3), (2, Some(3), 1, 2), (1, Some(3), 2, 1)]
    {
        world.say(ana, wire::History { id: 7, room: RoomId::new(1), before: before.map(Seq::new), limit });
        let page = world.heard(ana).concat();
        assert!(page.contains(&format!("events: [LogEvent {{ seq: Seq({first})")), "{page}");
        assert_eq!(page.matches("LogEvent").count(), events, "{page}");
    }
}

#[test]
fn as_many_posts_as_may_be_unanswered_are_taken_and_no_more() {
    let (mut world, ana) =
        in_lobby(Limits { posts_in_flight_max: 2, posts_per_second: 0, ..Limits::default() });
    for nonce in 0..3 {
        world.post(ana, 1, nonce, "x");
    }
    assert_eq!((appends(&world), world.server.interest(ana).receive_bytes), (2, 0));
    world.answer_one();
    assert_eq!(appends(&world), 2, "one was answered, the next is taken");
    world.answer_one();
    world.answer_one();
    assert_eq!(world.seqs(ana), [1, 2, 3]);
    assert!(world.server.interest(ana).receive_bytes > 0);
}

#[test]
fn texts_under_way_have_a_cap_which_a_single_one_may_exceed() {
    let limits = Limits { posts_in_flight_bytes_max: 10, posts_per_second: 0, ..Limits::default() };
    let (mut world, ana) = in_lobby(limits);
    world.post(ana, 1, 0, "12345");
    world.post(ana, 1, 1, "67890");
    assert_eq!(appends(&world), 2, "ten bytes are not over the cap");
    world.post(ana, 1, 2, "1");
    assert_eq!(appends(&world), 2, "eleven are");
    world.answer_one();
    assert_eq!(appends(&world), 2);
    world.answer_one();
    world.answer_one();
    world.post(ana, 1, 3, "a text of more than ten bytes");
    assert_eq!(appends(&world), 1, "alone it is taken");
    world.answer_one();
    assert_eq!(world.seqs(ana), [1, 2, 3, 4]);
}

#[test]
fn the_thirty_third_post_over_credit_is_one_too_many() {
    let mut world = World::new(Limits { post_burst: 1, posts_per_second: 1, ..Limits::default() });
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    world.post(ana, 1, 0, "within credit");
    for nonce in 1..=32 {
        world.post(ana, 1, nonce, "over credit");
        assert_eq!(world.server.interest(ana).receive_bytes, 0);
        world.pass(Duration::from_secs(1));
    }
    assert_eq!(world.store.log(RoomId::new(1)).len(), 33, "the refill covers each");
    assert!(world.closed.is_empty());
    world.post(ana, 1, 33, "over credit");
    assert!(has(&world.heard(ana), "Error(Error { code: 9"), "credit-exceeded");
}

#[test]
fn what_arrives_while_a_post_waits_for_credit_waits_behind_it_and_costs_nothing() {
    let mut world = World::new(Limits { post_burst: 1, posts_per_second: 1, ..Limits::default() });
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    world.post(ana, 1, 0, "within credit");
    world.post(ana, 1, 1, "over credit");
    world.heard(ana);
    let mut pings = Vec::new();
    for token in 0..8 {
        ToServer::from(wire::Ping { token }).encode(&mut pings);
    }
    for byte in pings {
        world.say_bytes(ana, &[byte]);
    }
    assert!(world.heard(ana).is_empty() && world.closed.is_empty());
    world.pass(Duration::from_secs(1));
    let heard = world.heard(ana);
    assert!(has(&heard, "over credit") && has(&heard, "Pong(Pong { token: 7 })"), "{heard:?}");
}

#[test]
fn text_has_credit_of_its_own() {
    let limits = Limits { post_burst_bytes: 100, post_bytes_per_second: 50, ..Limits::default() };
    let mut world = World::new(limits);
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    world.post(ana, 1, 0, &"x".repeat(100));
    world.heard(ana);
    world.post(ana, 1, 1, &"x".repeat(50));
    assert_eq!(world.store.log(RoomId::new(1)).len(), 1);
    world.pass(Duration::from_millis(999));
    assert_eq!(world.store.log(RoomId::new(1)).len(), 1);
    world.pass(Duration::from_millis(2));
    assert_eq!(world.store.log(RoomId::new(1)).len(), 2, "a second refills fifty bytes");
    world.pass(Duration::from_secs(10));
    assert!(has(&world.heard(ana), "bytes: 250 }"), "150 were taken, 100 are at hand");
}

#[test]
fn credit_is_announced_while_it_refills_and_not_when_it_is_full() {
    let (mut world, ana) = in_lobby(Limits::default());
    world.prompt = true;
    world.pass(Duration::from_secs(50));
    assert!(world.heard(ana).is_empty(), "nothing was spent");
    world.post(ana, 1, 0, "x");
    world.heard(ana);
    world.pass(Duration::from_millis(199));
    assert!(!has(&world.heard(ana), "Credit"));
    world.pass(Duration::from_millis(2));
    assert!(has(&world.heard(ana), "Credit { posts: 11, bytes: 65537 }"));
    world.pass(Duration::from_secs(50));
    assert!(!has(&world.heard(ana), "Credit"));
}

#[test]
fn where_nothing_is_limited_credit_has_no_end() {
    let mut world = World::new(Limits { posts_per_second: 0, ..Limits::default() });
    let id = world.connect();
    world.greet(id);
    world.say(id, wire::Guest { id: 1, nick: "ana" });
    let unlimited = (1_u64 << 63) - 1;
    assert!(has(&world.heard(id), &format!("Credit {{ posts: {unlimited}, bytes: {unlimited} }}")));
}

#[test]
fn frames_that_came_with_a_goodbye_or_a_mistake_are_not_looked_at() {
    for (last, cause) in [
        (ToServer::from(wire::Goodbye { reason: wire::goodbye::LEAVING, text: "" }), EndCause::Left),
        (ToServer::from(wire::Goodbye { reason: wire::goodbye::DETACHING, text: "" }), EndCause::Detached),
        (ToServer::from(wire::Goodbye { reason: 200, text: "" }), EndCause::Detached),
        (ToServer::from(wire::Error { code: 4, text: "" }), EndCause::Accused(4)),
    ] {
        let mut world = World::new(Limits::default());
        let (ana, _) = world.enter("ana");
        world.heard(ana);
        let mut bytes = Vec::new();
        last.encode(&mut bytes);
        ToServer::from(wire::Ping { token: 1 }).encode(&mut bytes);
        world.say_bytes(ana, &bytes);
        assert!(world.heard(ana).is_empty(), "neither is answered");
        assert_eq!(causes(&world), [cause]);
        assert_eq!(world.server.stats().inbound_bytes, 0);
        assert_eq!(world.server.stats().lost, u64::from(cause != EndCause::Left));
    }
}

#[test]
fn only_those_who_have_not_entered_count_towards_being_dropped_early() {
    let limits = Limits { entering_free: 2, entering_full: 3, clients_max: 1, ..Limits::default() };
    let mut world = World::new(limits);
    let one_more = |world: &mut World| {
        let taken = world.server.handle_connected(Source::V4([127, 0, 0, 1]), world.now);
        world.settle();
        taken
    };
    let full = Err(ProtocolError::TooManyConnections);
    let people = [world.connect(), world.connect(), world.connect()];
    assert_eq!(one_more(&mut world), full);
    for (id, nick) in people.into_iter().zip(["ana", "bob"]) {
        world.greet(id);
        assert_eq!(one_more(&mut world), full, "who was greeted has not entered");
        world.say(id, wire::Guest { id: 1, nick });
        assert!(one_more(&mut world).is_ok(), "{nick} has entered, or waits for a place");
        assert_eq!(one_more(&mut world), full);
    }
    world.cut(people[2]);
    let last = one_more(&mut world).expect("one has gone");
    world.server.handle_secured(last, Channel::Plain, world.now);
    assert_eq!(one_more(&mut world), full);
    world.stuck.push(last);
    world.say_bytes(last, &[0, 0, 0, 0]);
    assert!(one_more(&mut world).is_ok(), "one that is closing does not count");
    assert_eq!(one_more(&mut world), full);
}

#[test]
fn one_that_is_closing_already_is_not_closed_again_by_a_shutdown() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    world.stuck.push(ana);
    world.say_bytes(ana, &[0, 0, 0, 0]);
    let rest = world.server.sendable(ana).len();
    world.server.shut_down("bye", world.now);
    world.settle();
    assert_eq!(world.closed, [ana]);
    assert_eq!(world.server.sendable(ana).len(), rest, "the error was its last word");
    assert_eq!(causes(&world), [EndCause::Broke(ProtocolError::FrameEmpty)]);
}
