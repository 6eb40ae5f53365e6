//! Hello, names, tokens, places (`PROTOCOL.md` sections V and E).

use std::time::Duration;

use palabre_core::{
    channel::Channel,
    limits::Limits,
    output::Source,
    storage::StorageFailure,
    time::WallTime,
    wire::{self, Token},
};

use crate::support::{World, has};

#[test]
fn a_client_of_another_version_is_told_which_the_server_speaks() {
    let mut world = World::new(Limits::default());
    let id = world.connect();
    world.say(id, wire::Hello { first: 2, last: 9, client: "future", features: 0, session: None });
    let heard = world.heard(id);
    assert!(has(&heard, "code: 7") && has(&heard, "version 1"), "{heard:?}");
    let id = world.connect();
    world.say(id, wire::Hello { first: 0, last: 9, client: "both", features: u64::MAX, session: None });
    assert!(has(&world.heard(id), "Welcome(Welcome { version: 1"));
}

#[test]
fn a_connection_that_is_not_protected_in_time_is_closed_without_a_word() {
    let mut world = World::new(Limits::default());
    let id = world.server.handle_connected(Source::V4([127, 0, 0, 1]), world.now).expect("not over a cap");
    world.settle();
    world.pass(Duration::from_millis(4_999));
    assert!(world.closed.is_empty());
    world.pass(Duration::from_millis(1));
    assert!(world.heard(id).is_empty());
    assert_eq!(world.closed, [id]);
}

#[test]
fn nothing_is_heard_of_a_connection_before_it_is_protected() {
    let mut world = World::new(Limits::default());
    let id = world.server.handle_connected(Source::V4([127, 0, 0, 1]), world.now).expect("not over a cap");
    world.say(id, wire::Hello { first: 1, last: 1, client: "early", features: 0, session: None });
    assert!(world.heard(id).is_empty());
    world.server.handle_secured(id, Channel::Plain, world.now);
    world.greet(id);
    assert!(has(&world.heard(id), "Welcome"));
}

#[test]
fn a_name_in_use_is_refused_with_one_that_is_free() {
    let mut world = World::new(Limits::default());
    world.enter("ana");
    world.enter("ana2");
    let id = world.connect();
    world.greet(id);
    for (nick, code) in [("ana", 1), ("ANA", 1), ("аna", 2), ("a na", 2), ("", 2), ("ａｎａ", 1)] {
        world.say(id, wire::Guest { id: 1, nick });
        let heard = world.heard(id);
        assert!(has(&heard, &format!("code: {code}")), "{nick}: {heard:?}");
        if code == 1 {
            assert!(heard.concat().to_lowercase().contains("some(\"ana3\")"), "{heard:?}");
        }
    }
    world.say(id, wire::Guest { id: 1, nick: "ana3" });
    assert!(world.token(id).is_some(), "a refusal leaves the connection as it was");
}

#[test]
fn a_name_that_looks_like_one_that_is_taken_is_refused() {
    let mut world = World::new(Limits::default());
    world.enter("paulo");
    let id = world.connect();
    world.greet(id);
    // The letter o and the digit 0; l and 1.
    for nick in ["paul0", "pau1o"] {
        world.say(id, wire::Guest { id: 1, nick });
        assert!(has(&world.heard(id), "code: 3"), "{nick}");
    }
}

#[test]
fn a_guest_is_stored_before_it_is_welcome() {
    let mut world = World::new(Limits::default());
    world.prompt = false;
    let id = world.connect();
    world.greet(id);
    world.say(id, wire::Guest { id: 1, nick: "ana" });
    assert!(!has(&world.heard(id), "Ready"));
    world.answer_one();
    assert!(has(&world.heard(id), "Ready"));
}

#[test]
fn when_a_guest_cannot_be_stored_it_is_refused_and_its_name_is_free() {
    let mut world = World::new(Limits { clients_max: 1, ..Limits::default() });
    world.store.failing = Some(StorageFailure::NoSpace);
    let id = world.connect();
    world.greet(id);
    world.say(id, wire::Guest { id: 1, nick: "ana" });
    assert!(has(&world.heard(id), "code: 16"));
    world.store.failing = None;
    let (other, _) = world.enter("ana");
    assert_ne!(id, other);
}

#[test]
fn a_cut_guest_comes_back_as_the_same_user_with_its_rooms() {
    let mut world = World::new(Limits::default());
    let (ana, token) = world.enter("ana");
    let (bob, _) = world.enter("bob");
    world.join(ana, "#tea");
    world.join(bob, "#tea");
    world.pass(Duration::from_secs(1));
    world.heard(bob);
    world.cut(ana);
    world.pass(Duration::from_secs(1));
    assert!(has(&world.heard(bob), "nick: \"ana\", state: 3"), "lost");
    let again = world.resume(token);
    let heard = world.heard(again);
    assert!(has(&heard, "user: UserId(1)") && has(&heard, "name: \"#tea\""), "{heard:?}");
    world.pass(Duration::from_secs(1));
    assert!(has(&world.heard(bob), "nick: \"ana\", state: 1"), "here again");
}

#[test]
fn a_lost_guest_expires_and_its_name_is_free() {
    let mut world = World::new(Limits::default());
    let (ana, token) = world.enter("ana");
    world.cut(ana);
    world.pass(Duration::from_secs(599));
    assert_eq!(world.server.stats().lost, 1);
    world.pass(Duration::from_secs(2));
    assert_eq!(world.server.stats().lost, 0);
    let again = world.resume(token);
    assert!(has(&world.heard(again), "code: 14"), "token-unknown");
    world.enter("ana");
}

#[test]
fn a_goodbye_ends_a_guest_and_detaching_keeps_it() {
    let mut world = World::new(Limits::default());
    let (ana, token) = world.enter("ana");
    world.say(ana, wire::Goodbye { reason: wire::goodbye::DETACHING, text: "" });
    assert_eq!(world.server.stats().lost, 1);
    let again = world.resume(token);
    assert!(has(&world.heard(again), "Ready"));
    world.say(again, wire::Goodbye { reason: wire::goodbye::LEAVING, text: "" });
    assert_eq!(world.server.stats().lost, 0);
    assert!(world.store.recovered().guests.is_empty());
    world.enter("ana");
}

#[test]
fn the_newest_connection_with_a_token_wins_and_keeps_the_place() {
    let mut world = World::new(Limits { clients_max: 1, ..Limits::default() });
    let (ana, token) = world.enter("ana");
    let waiting = world.connect();
    world.greet(waiting);
    world.say(waiting, wire::Guest { id: 1, nick: "bob" });
    assert!(has(&world.heard(waiting), "position: 1"));
    let again = world.resume(token);
    assert!(has(&world.heard(again), "Ready"));
    assert!(has(&world.heard(ana), "reason: 3"), "superseded");
    assert!(world.heard(waiting).is_empty(), "it still waits");
}

#[test]
fn guests_survive_a_restart_of_the_server() {
    let mut world = World::new(Limits::default());
    let (ana, token) = world.enter("ana");
    world.join(ana, "#tea");
    let (bob, lost) = world.enter("bob");
    world.cut(bob);
    let wall = world.now.wall;
    let mut world = World::on(Limits::default(), world.store.clone());
    world.now.wall = wall;
    assert_eq!(world.server.stats().lost, 2);
    let again = world.resume(token);
    assert!(has(&world.heard(again), "#tea"));
    assert!(has_ready(&mut world, lost));
}

#[test]
fn a_newcomer_is_nobody_else_though_random_numbers_repeat() {
    let mut world = World::new(Limits::default());
    let (_, token) = world.enter("ana");
    // Every world of these tests draws the same numbers from its start.
    let mut world = World::on(Limits::default(), world.store.clone());
    let (_, other) = world.enter("bob");
    assert_ne!(token.0, other.0);
    assert_eq!(world.store.recovered().guests.len(), 2);
    let again = world.resume(token);
    assert!(has(&world.heard(again), "\"ana\""));
}

fn has_ready(world: &mut World, token: Token) -> bool {
    let id = world.resume(token);
    has(&world.heard(id), "Ready")
}

#[test]
fn what_was_left_of_a_lost_guests_time_is_what_is_left_after_a_restart() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    world.cut(ana);
    let mut store = world.store.clone();
    let expires = world.now.wall.after(Duration::from_secs(600));
    assert_eq!(store.recovered().guests[0].expires, Some(expires));
    for (expires, left) in [
        (1_000_000 + 60_000, 60),
        (1_000_000 - 60_000, 0),
        // The clock went back: at most the whole. It leapt: it is not believed.
        (9_000_000_000, 600),
        (0, 0),
    ] {
        store.set_expires(Some(WallTime::from_millis(expires)));
        let mut world = World::on(Limits::default(), store.clone());
        if left > 0 {
            world.pass(Duration::from_secs(left - 1));
            assert_eq!(world.server.stats().lost, 1, "{expires}");
        }
        world.pass(Duration::from_secs(2));
        assert_eq!(world.server.stats().lost, 0, "{expires}");
    }
}

#[test]
fn the_third_of_two_waits_and_enters_when_a_place_frees() {
    let limits = Limits { clients_max: 2, queue_max: 2, ..Limits::default() };
    let mut world = World::new(limits);
    let (ana, _) = world.enter("ana");
    world.enter("bob");
    let waiting: Vec<_> = ["cleo", "dora"]
        .into_iter()
        .map(|nick| {
            let id = world.connect();
            world.greet(id);
            world.say(id, wire::Guest { id: 1, nick });
            id
        })
        .collect();
    assert!(has(&world.heard(waiting[0]), "position: 1"));
    assert!(has(&world.heard(waiting[1]), "position: 2"));
    let full = world.connect();
    world.greet(full);
    world.say(full, wire::Guest { id: 1, nick: "eve" });
    let heard = world.heard(full);
    assert!(has(&heard, "code: 8") && has(&heard, "reason: 6"), "server-full: {heard:?}");
    world.cut(ana);
    assert!(has(&world.heard(waiting[0]), "Ready"));
    assert!(has(&world.heard(waiting[1]), "position: 1"));
}

#[test]
fn those_who_come_back_stand_before_those_who_are_new() {
    let limits = Limits { clients_max: 1, ..Limits::default() };
    let mut world = World::new(limits);
    let (ana, token) = world.enter("ana");
    world.cut(ana);
    let (bob, _) = world.enter("bob");
    let new = world.connect();
    world.greet(new);
    world.say(new, wire::Guest { id: 1, nick: "cleo" });
    assert!(has(&world.heard(new), "position: 1"));
    let back = world.resume(token);
    assert!(has(&world.heard(back), "position: 1"));
    assert!(has(&world.heard(new), "position: 2"));
    world.cut(bob);
    assert!(has(&world.heard(back), "Ready"));
    assert!(has(&world.heard(new), "position: 1"));
}

#[test]
fn one_who_waits_may_only_keep_alive_and_may_do_so_for_long() {
    let limits = Limits { clients_max: 1, ..Limits::default() };
    let mut world = World::new(limits);
    let (ana, _) = world.enter("ana");
    let waiting = world.connect();
    world.greet(waiting);
    world.say(waiting, wire::Guest { id: 1, nick: "bob" });
    for minute in 0..200 {
        world.say(ana, wire::Ping { token: minute });
        world.say(waiting, wire::Ping { token: minute });
        world.pass(Duration::from_secs(50));
    }
    let heard = world.heard(waiting);
    assert!(has(&heard, "token: 199") && !has(&heard, "Error"), "{heard:?}");
    world.join(waiting, "#lobby");
    assert!(has(&world.heard(waiting), "code: 6"), "unexpected-kind");
}

#[test]
fn a_name_is_free_when_its_newcomer_gives_up() {
    let limits = Limits { clients_max: 1, ..Limits::default() };
    let mut world = World::new(limits);
    let (ana, _) = world.enter("ana");
    let waiting = world.connect();
    world.greet(waiting);
    world.say(waiting, wire::Guest { id: 1, nick: "bob" });
    world.cut(waiting);
    world.prompt = false;
    let entering = world.connect();
    world.cut(ana);
    world.greet(entering);
    world.say(entering, wire::Guest { id: 1, nick: "bob" });
    world.cut(entering);
    world.prompt = true;
    world.settle();
    assert_eq!(
        world.store.recovered().guests.len(),
        1,
        "nobody has the token of the guest that was never ready"
    );
    world.enter("bob");
}

#[test]
fn renaming_follows_the_rules_of_names_and_is_told() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    let (bob, _) = world.enter("bob");
    world.join(ana, "#lobby");
    world.join(bob, "#lobby");
    world.heard(ana);
    world.say(ana, wire::Rename { id: 5, nick: "bob" });
    assert!(has(&world.heard(ana), "code: 1"));
    world.say(ana, wire::Rename { id: 6, nick: "Ana" });
    assert!(has(&world.heard(ana), "Done { id: 6 }"), "one's own look-alikes are no hindrance");
    world.say(ana, wire::Rename { id: 7, nick: "zoe" });
    world.pass(Duration::from_secs(1));
    assert!(has(&world.heard(bob), "nick: \"zoe\", state: 1, was: Some(\"Ana\")"));
    world.enter("ana");
}
