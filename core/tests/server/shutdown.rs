//! How it ends (`PROTOCOL.md` K4).

use std::time::Duration;

use palabre_core::{
    error::ProtocolError,
    limits::Limits,
    output::{Event, Source},
};

use crate::support::{World, has};

#[test]
fn what_was_taken_is_answered_and_delivered_before_the_last_word() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    let (bob, token) = world.enter("bob");
    world.join(ana, "#lobby");
    world.join(bob, "#lobby");
    world.prompt = false;
    world.post(ana, 1, 1, "last words");
    world.server.shut_down("maintenance", world.now);
    world.settle();
    assert!(world.closed.is_empty());
    world.post(ana, 1, 2, "too late");
    assert_eq!(
        world.server.handle_connected(Source::V4([127, 0, 0, 1]), world.now),
        Err(ProtocolError::TooManyConnections)
    );
    world.prompt = true;
    world.settle();
    for id in [ana, bob] {
        let heard = world.heard(id);
        assert!(has(&heard, "last words") && !has(&heard, "too late"), "{heard:?}");
        assert!(
            heard.last().is_some_and(|text| text.contains("reason: 2, text: \"maintenance\"")),
            "{heard:?}"
        );
        world.cut(id);
    }
    assert_eq!(world.events.last(), Some(&Event::Drained));
    let mut world = World::on(Limits::default(), world.store.clone());
    let bob = world.resume(token);
    assert!(has(&world.heard(bob), "Ready"), "guests come back after it");
}

#[test]
fn nobody_is_waited_for_past_the_deadline() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    world.prompt = false;
    world.post(ana, 1, 1, "stuck in storage");
    world.server.shut_down("maintenance", world.now);
    world.settle();
    world.pass(Duration::from_secs(11));
    assert_eq!(world.dropped, [ana]);
    assert_eq!(world.events.last(), Some(&Event::Drained));
}

#[test]
fn an_idle_server_is_drained_at_once() {
    let mut world = World::new(Limits::default());
    world.server.shut_down("bye", world.now);
    world.settle();
    assert_eq!(
        world.events,
        [Event::RoomCreated { room: palabre_core::ids::RoomId::new(1) }, Event::Drained]
    );
}
