//! Peers that mean harm, or are broken (`PROTOCOL.md` sections F and K).

use std::time::Duration;

use palabre_core::{
    error::ProtocolError,
    limits::Limits,
    output::Source,
    wire::{self, ToServer},
};
use proptest::prelude::*;

use crate::support::{World, has};

#[test]
fn announced_lengths_of_nothing_and_too_much_end_the_connection_at_once() {
    for (length, code) in [(0_u32, 1), (4_097, 2), (u32::MAX, 2)] {
        let mut world = World::new(Limits::default());
        let id = world.connect();
        world.say_bytes(id, &length.to_be_bytes());
        assert!(has(&world.heard(id), &format!("Error(Error {{ code: {code}")), "{length}");
        assert_eq!(world.closed, [id]);
    }
    let mut world = World::new(Limits::default());
    let (id, _) = world.enter("ana");
    world.say_bytes(id, &66_560_u32.to_be_bytes());
    assert!(world.closed.is_empty(), "after Ready frames may be longer");
    assert!(world.server.stats().inbound_bytes <= 4, "an announced length reserves nothing");
}

#[test]
fn frames_that_may_not_be_sent_in_a_phase_end_the_connection() {
    let mut hello = Vec::new();
    ToServer::from(wire::Hello { first: 1, last: 1, client: "", features: 0, session: None })
        .encode(&mut hello);
    let mut world = World::new(Limits::default());
    let early = world.connect();
    world.join(early, "#lobby");
    assert!(has(&world.heard(early), "code: 6"));
    let (twice, _) = world.enter("ana");
    world.say_bytes(twice, &hello);
    assert!(has(&world.heard(twice), "code: 6"));
    let unknown = world.connect();
    world.say_bytes(unknown, &[0, 0, 0, 1, 0x7e]);
    assert!(has(&world.heard(unknown), "code: 3"));
    let skipped = world.connect();
    world.say_bytes(skipped, &[0, 0, 0, 1, 0x80]);
    world.greet(skipped);
    assert!(has(&world.heard(skipped), "Welcome"));
}

#[test]
fn the_thirty_third_frame_before_ready_is_one_too_many() {
    let mut world = World::new(Limits::default());
    let id = world.connect();
    for token in 0..32 {
        world.say(id, wire::Ping { token });
    }
    assert!(world.closed.is_empty());
    world.say(id, wire::Ping { token: 32 });
    assert!(has(&world.heard(id), "code: 8"));
}

#[test]
fn entering_has_a_deadline_that_traffic_does_not_extend() {
    let mut world = World::new(Limits::default());
    let id = world.connect();
    for _ in 0..14 {
        world.pass(Duration::from_secs(1));
        world.say(id, wire::Ping { token: 0 });
    }
    assert!(world.closed.is_empty());
    world.pass(Duration::from_secs(2));
    assert!(has(&world.heard(id), "reason: 4"));
    assert_eq!(world.closed, [id]);
}

#[test]
fn a_silent_peer_is_asked_once_and_then_given_up() {
    let mut world = World::new(Limits::default());
    let (id, _) = world.enter("ana");
    world.heard(id);
    world.pass(Duration::from_secs(119));
    assert_eq!(world.heard(id).len(), 1);
    assert!(world.closed.is_empty());
    world.pass(Duration::from_secs(2));
    assert!(has(&world.heard(id), "reason: 4"));
    assert_eq!(world.server.stats().lost, 1, "it may come back");
}

#[test]
fn a_peer_that_takes_nothing_for_a_minute_is_closed_and_let_go() {
    let mut world = World::new(Limits::default());
    let (id, _) = world.enter("ana");
    world.stuck.push(id);
    for token in 0..70 {
        world.say(id, wire::Ping { token });
        world.pass(Duration::from_secs(1));
    }
    assert_eq!((&world.closed[..], &world.dropped[..]), (&[id][..], &[id][..]));
    assert_eq!(world.server.stats().connections, 0);
}

#[test]
fn replies_to_one_who_does_not_read_stop_its_being_read() {
    let limits = Limits { requests_per_second: 0, ..Limits::default() };
    let mut world = World::new(limits);
    let (id, _) = world.enter("ana");
    world.stuck.push(id);
    for token in 0..10_000 {
        if world.server.interest(id).receive_bytes == 0 {
            break;
        }
        world.say(id, wire::Ping { token });
    }
    assert_eq!(world.server.interest(id).receive_bytes, 0);
    assert!(world.server.sendable(id).len() < 17 << 10);
    world.stuck.clear();
    world.send(id);
    world.settle();
    assert!(world.server.interest(id).receive_bytes > 0, "it is read again once it reads");
}

#[test]
fn a_flood_of_requests_is_read_slowly_and_answered_in_full() {
    let mut world = World::new(Limits::default());
    let (id, _) = world.enter("ana");
    world.heard(id);
    let mut flood = Vec::new();
    for token in 0..300 {
        ToServer::from(wire::Ping { token }).encode(&mut flood);
    }
    world.say_bytes(id, &flood);
    assert_eq!(world.heard(id).len(), 100);
    world.pass(Duration::from_secs(5));
    assert_eq!(world.heard(id).len(), 100);
    world.pass(Duration::from_secs(6));
    assert_eq!(world.heard(id).len(), 100);
}

#[test]
fn connections_that_have_not_entered_are_dropped_early_and_then_all() {
    let limits = Limits {
        loopback_exempt: false,
        source_connections_max: 10_000,
        source_connects_max: 10_000,
        ..Limits::default()
    };
    let mut world = World::new(limits);
    let mut taken = 0;
    for _ in 0..2_000 {
        if world.server.handle_connected(Source::V4([10, 0, 0, 1]), world.now).is_ok() {
            taken += 1;
        }
    }
    world.settle();
    assert!((32..=256).contains(&taken), "{taken}");
}

#[test]
fn connections_from_one_address_are_limited_but_from_this_machine() {
    let mut world = World::new(Limits::default());
    let source = Source::V4([10, 0, 0, 1]);
    let results: Vec<_> = (0..17).map(|_| world.server.handle_connected(source, world.now)).collect();
    assert!(results[..16].iter().all(Result::is_ok));
    assert_eq!(results[16], Err(ProtocolError::TooManyFromAddress));
    world.connect();
}

#[test]
fn a_dead_id_does_nothing_even_when_its_slot_is_used_again() {
    let mut world = World::new(Limits::default());
    let (old, _) = world.enter("ana");
    world.cut(old);
    let new = world.connect();
    assert_eq!((old.slot(), old.generation() + 1), (new.slot(), new.generation()));
    world.say_bytes(old, &[0, 0, 0, 0]);
    world.cut(old);
    world.server.handle_sent(old, 5, world.now);
    assert!(world.server.sendable(old).is_empty());
    world.greet(new);
    assert!(has(&world.heard(new), "Welcome"));
}

#[test]
fn an_answer_of_storage_to_a_connection_that_is_gone_is_not_given_to_its_successor() {
    let mut world = World::new(Limits::default());
    let (old, _) = world.enter("ana");
    world.join(old, "#lobby");
    world.prompt = false;
    world.post(old, 1, 1, "late");
    world.cut(old);
    let new = world.connect();
    world.greet(new);
    world.prompt = true;
    world.settle();
    let heard = world.heard(new);
    assert!(heard.len() == 1 && has(&heard, "Welcome"), "{heard:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic_grow_or_harm_others(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..20),
        entered in any::<bool>(),
    ) {
        let mut world = World::new(Limits::default());
        let (ana, _) = world.enter("ana");
        world.join(ana, "#lobby");
        let bad = if entered { world.enter("bad").0 } else { world.connect() };
        for chunk in chunks {
            world.say_bytes(bad, &chunk);
        }
        prop_assert!(world.server.stats().inbound_bytes < 8_192);
        world.heard(ana);
        world.post(ana, 1, 1, "unharmed");
        prop_assert!(has(&world.heard(ana), "unharmed"));
    }
}
