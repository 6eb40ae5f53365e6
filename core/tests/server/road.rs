//! The road of a message.

use palabre_core::limits::Limits;

use crate::support::{World, has};

#[test]
fn two_guests_meet_in_the_lobby_and_talk() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    let (bob, _) = world.enter("bob");
    world.join(ana, "#lobby");
    world.join(bob, "#lobby");
    world.pass(std::time::Duration::from_millis(50));
    let heard = world.heard(ana);
    assert!(has(&heard, "Joined"), "{heard:?}");
    assert!(has(&heard, "nick: \"bob\", state: 1"), "{heard:?}");
    world.post(ana, 1, 100, "hello");
    let heard = world.heard(ana);
    assert!(heard[0].starts_with("Posted"), "{heard:?}");
    assert!(has(&heard, "text: \"hello\""), "{heard:?}");
    assert!(has(&world.heard(bob), "text: \"hello\""));
}
