//! Slow readers, reconnects, history: one road (`PROTOCOL.md` sections C and H).

use std::time::Duration;

use palabre_core::{
    ids::{RoomId, Seq},
    limits::Limits,
    output::Event,
    storage::StorageFailure,
    wire,
};

use crate::support::{World, has};

fn quick() -> Limits {
    Limits { posts_per_second: 0, requests_per_second: 0, ..Limits::default() }
}

fn range(from: u64, to: u64) -> Vec<u64> {
    (from..=to).collect()
}

#[test]
fn a_reader_that_stops_falls_behind_and_is_caught_up_from_storage() {
    let limits = Limits { recent_room_bytes_max: 4_096, outbound_extra_bytes_max: 0, ..quick() };
    let mut world = World::new(limits);
    let (ana, _) = world.enter("ana");
    let (bob, _) = world.enter("bob");
    world.join(ana, "#lobby");
    world.join(bob, "#lobby");
    world.pass(Duration::from_secs(1));
    world.heard(bob);
    world.stuck.push(bob);
    let text = "x".repeat(1_000);
    for nonce in 0..500 {
        world.post(ana, 1, nonce, &text);
    }
    assert!(world.server.sendable(bob).len() <= 16 << 10, "a laggard keeps no more than its own part");
    assert!(world.events.iter().any(|event| matches!(event, Event::Lagging { .. })));
    assert_eq!(world.seqs(ana), range(1, 500));
    world.stuck.clear();
    world.send(bob);
    world.settle();
    assert_eq!(world.seqs(bob), range(1, 500));
    let mut caught_up = None;
    for event in &world.events {
        if let Event::CaughtUp { from_storage, .. } = event {
            caught_up = Some(*from_storage);
        }
    }
    assert!(caught_up.is_some_and(|events| events > 400), "{caught_up:?}");
    world.post(ana, 1, 1_000, "live again");
    assert_eq!(world.seqs(bob), [501]);
}

#[test]
fn memory_of_many_stuck_readers_stays_under_the_shared_cap() {
    let limits = Limits { outbound_shared_bytes_max: 100_000, ..quick() };
    let mut world = World::new(limits);
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    for reader in 0..20 {
        let (id, _) = world.enter(&format!("reader-{reader}"));
        world.join(id, "#lobby");
        world.stuck.push(id);
    }
    for nonce in 0..200 {
        world.post(ana, 1, nonce, &"x".repeat(1_000));
        let stats = world.server.stats();
        assert!(stats.shared_bytes <= 100_000 + 2_000, "{stats:?}");
        assert!(stats.outbound_bytes <= 100_000 + 21 * (16 << 10) + 50_000, "{stats:?}");
    }
    assert_eq!(world.seqs(ana), range(1, 200), "nobody waits for them");
    let stuck = core::mem::take(&mut world.stuck);
    for id in stuck {
        world.send(id);
        world.settle();
        assert_eq!(world.seqs(id), range(1, 200));
    }
    let stats = world.server.stats();
    assert_eq!((stats.outbound_bytes, stats.shared_bytes), (0, 0));
}

#[test]
fn a_reconnecting_reader_misses_nothing_and_gets_nothing_twice() {
    let mut world = World::new(quick());
    let (ana, _) = world.enter("ana");
    let (bob, token) = world.enter("bob");
    world.join(ana, "#lobby");
    world.join(bob, "#lobby");
    for nonce in 0..5 {
        world.post(ana, 1, nonce, "x");
    }
    assert_eq!(world.seqs(bob), range(1, 5));
    world.cut(bob);
    for nonce in 5..9 {
        world.post(ana, 1, nonce, "x");
    }
    let bob = world.resume(token);
    world.say(bob, wire::Follow { id: 2, room: RoomId::new(1), after: Some(Seq::new(5)) });
    world.post(ana, 1, 9, "x");
    assert_eq!(world.seqs(bob), range(6, 10));
}

#[test]
fn a_cursor_without_after_begins_with_what_is_new_and_beyond_the_end_is_the_end() {
    let mut world = World::new(quick());
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    for nonce in 0..5 {
        world.post(ana, 1, nonce, "x");
    }
    world.heard(ana);
    for after in [None, Some(Seq::new(5)), Some(Seq::new(99))] {
        world.say(ana, wire::Follow { id: 2, room: RoomId::new(1), after });
        assert!(world.seqs(ana).is_empty());
    }
    world.say(ana, wire::Follow { id: 2, room: RoomId::new(1), after: Some(Seq::new(0)) });
    assert_eq!(world.seqs(ana), range(1, 5));
    world.post(ana, 1, 5, "x");
    assert_eq!(world.seqs(ana), [6], "the cursor was moved, not doubled");
}

#[test]
fn a_reader_before_the_first_event_kept_is_told_where_the_log_begins() {
    let limits = Limits { recent_room_bytes_max: 1, ..quick() };
    let mut world = World::new(limits.clone());
    let (ana, token) = world.enter("ana");
    world.join(ana, "#lobby");
    for nonce in 0..10 {
        world.post(ana, 1, nonce, "x");
    }
    let mut store = world.store.clone();
    store.trim(RoomId::new(1), Seq::new(6));
    let mut world = World::on(limits, store);
    let ana = world.resume(token);
    world.heard(ana);
    world.say(ana, wire::Follow { id: 2, room: RoomId::new(1), after: Some(Seq::new(2)) });
    let heard = world.heard(ana);
    assert!(has(&heard, "Trimmed { room: RoomId(1), first: Seq(6) }"), "{heard:?}");
    assert_eq!(heard.iter().filter(|text| text.starts_with("Event(")).count(), 5);
}

#[test]
fn a_storage_that_cannot_read_is_asked_again_and_no_event_is_lost() {
    let limits = Limits { recent_room_bytes_max: 1, ..quick() };
    let mut world = World::new(limits);
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    for nonce in 0..5 {
        world.post(ana, 1, nonce, "x");
    }
    world.heard(ana);
    world.prompt = false;
    world.say(ana, wire::Follow { id: 2, room: RoomId::new(1), after: Some(Seq::new(0)) });
    let request = world.waiting.pop_front().expect("a page is read");
    let failed =
        palabre_core::storage::StorageReply { ticket: request.ticket, result: Err(StorageFailure::Failed) };
    world.server.handle_storage(failed, world.now);
    world.prompt = true;
    world.settle();
    assert!(world.seqs(ana).is_empty());
    world.pass(Duration::from_secs(2));
    assert_eq!(world.seqs(ana), range(1, 5));
}

#[test]
fn following_anew_while_a_page_is_read_gives_each_event_once() {
    let limits = Limits { recent_room_bytes_max: 1, ..quick() };
    let mut world = World::new(limits);
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    for nonce in 0..5 {
        world.post(ana, 1, nonce, "x");
    }
    world.heard(ana);
    world.prompt = false;
    world.say(ana, wire::Follow { id: 2, room: RoomId::new(1), after: Some(Seq::new(0)) });
    world.say(ana, wire::Follow { id: 3, room: RoomId::new(1), after: Some(Seq::new(2)) });
    world.prompt = true;
    world.settle();
    assert_eq!(world.seqs(ana), range(3, 5));
}

#[test]
fn pages_of_history_have_neither_gap_nor_overlap() {
    let mut world = World::new(quick());
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    for nonce in 0..450 {
        world.post(ana, 1, nonce, &"x".repeat(300));
    }
    world.heard(ana);
    let mut before = None;
    let mut seen = Vec::new();
    loop {
        world.say(ana, wire::History { id: 4, room: RoomId::new(1), before, limit: 0 });
        let heard = world.heard(ana);
        let page: Vec<u64> = heard[0]
            .split("seq: Seq(")
            .skip(1)
            .map(|part| part.split(')').next().and_then(|number| number.parse().ok()).expect("a number"))
            .collect();
        let Some(first) = page.first().copied() else { break };
        seen.splice(0..0, page);
        before = Some(Seq::new(first));
    }
    assert_eq!(seen, range(1, 450));
}

#[test]
fn a_slow_reader_of_many_rooms_is_served_in_all_of_them() {
    let limits = Limits { outbound_extra_bytes_max: 0, recent_room_bytes_max: 2_048, ..quick() };
    let mut world = World::new(limits);
    let (ana, _) = world.enter("ana");
    let (bob, _) = world.enter("bob");
    for room in ["#a", "#b", "#c"] {
        world.join(ana, room);
        world.join(bob, room);
    }
    world.pass(Duration::from_secs(1));
    world.heard(bob);
    world.stuck.push(bob);
    for nonce in 0..300 {
        world.post(ana, 2 + nonce % 3, nonce, &"x".repeat(500));
    }
    world.stuck.clear();
    world.send(bob);
    world.settle();
    let heard = world.heard(bob);
    for room in 2..5 {
        let events =
            heard.iter().filter(|text| text.contains(&format!("Event(Event {{ room: RoomId({room})")));
        assert_eq!(events.count(), 100);
    }
}
