//! The ten rules of `Server`'s documentation. Rules 5, 8, 9 and 10 are also held by `hostile` and `cursors`.

use std::time::Duration;

use palabre_core::{
    ids::{Nonce, RoomId, Seq},
    limits::Limits,
    time::{Monotonic, Now},
    wire::{self, ToServer},
};
use proptest::prelude::*;

use crate::support::World;

/// One thing that happens to a server.
#[derive(Clone, Debug)]
enum Step {
    Connect,
    Say(usize, Vec<u8>),
    Cut(usize),
    Stick(usize),
    Take(usize),
    Pass(u64),
    Store(bool),
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let room = (1_u64..4).prop_map(RoomId::new);
    let after = prop::option::of((0_u64..6).prop_map(Seq::new));
    let nick = prop::sample::select(vec!["ana", "bob", "Ana", "an a", "cleo"]);
    let name = prop::sample::select(vec!["#lobby", "#tea", "#l0bby", "tea"]);
    let text = prop::sample::select(vec!["hello", "", "a longer text, to fill buffers sooner"]);
    prop_oneof![
        Just(encode(wire::Hello { first: 1, last: 1, client: "", features: 0, session: None })),
        nick.clone().prop_map(|nick| encode(wire::Guest { id: 1, nick })),
        (name, after.clone()).prop_map(|(name, after)| encode(wire::Join { id: 2, name, after })),
        room.clone().prop_map(|room| encode(wire::Part { id: 3, room })),
        (room.clone(), after.clone()).prop_map(|(room, after)| encode(wire::Follow { id: 4, room, after })),
        (nick.clone(), after).prop_map(|(nick, after)| encode(wire::Direct { id: 5, nick, after })),
        (room.clone(), 0_u64..20, 1_u8..4, text).prop_map(|(room, nonce, kind, text)| {
            encode(wire::Post { id: 6, room, nonce: Nonce::new(nonce), kind, text, to: None })
        }),
        room.clone().prop_map(|room| encode(wire::Members { id: 7, room, after: None })),
        room.prop_map(|room| encode(wire::History { id: 8, room, before: None, limit: 3 })),
        nick.prop_map(|nick| encode(wire::Rename { id: 9, nick })),
        any::<bool>().prop_map(|away| encode(wire::Away { id: 10, away })),
        Just(encode(wire::Ping { token: 1 })),
        Just(encode(wire::Goodbye { reason: 0, text: "" })),
    ]
}

fn encode<'a>(message: impl Into<ToServer<'a>>) -> Vec<u8> {
    let mut frame = Vec::new();
    message.into().encode(&mut frame);
    frame
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Connect),
        12 => (0_usize..4, message()).prop_map(|(who, bytes)| Step::Say(who, bytes)),
        1 => (0_usize..4).prop_map(Step::Cut),
        1 => (0_usize..4).prop_map(Step::Stick),
        2 => (0_usize..4).prop_map(Step::Take),
        2 => (1_u64..200_000).prop_map(Step::Pass),
        1 => any::<bool>().prop_map(Step::Store),
    ]
}

fn opening() -> Vec<Step> {
    let mut steps = Vec::new();
    for (who, nick) in ["ana", "bob", "cleo"].into_iter().enumerate() {
        steps.push(Step::Connect);
        for bytes in [
            encode(wire::Hello { first: 1, last: 1, client: "", features: 0, session: None }),
            encode(wire::Guest { id: 1, nick }),
            encode(wire::Join { id: 2, name: "#lobby", after: None }),
        ] {
            steps.push(Step::Say(who, bytes));
        }
    }
    steps
}

fn limits() -> Limits {
    Limits {
        clients_max: 3,
        queue_max: 1,
        recent_room_bytes_max: 100,
        outbound_own_bytes: 600,
        outbound_extra_bytes_max: 300,
        frames_per_call_max: 2,
        ..Limits::default()
    }
}

/// Runs steps, cutting what is said into pieces of `cut` bytes.
fn run(steps: &[Step], cut: usize) -> World {
    let mut world = World::new(limits());
    let mut people = Vec::new();
    for step in steps {
        match step {
            Step::Connect => people.push(world.connect()),
            Step::Say(who, bytes) => {
                if let Some(id) = people.get(*who).copied() {
                    for piece in bytes.chunks(cut.max(1)) {
                        world.say_bytes(id, piece);
                    }
                }
            }
            Step::Cut(who) => {
                if let Some(id) = people.get(*who).copied() {
                    world.cut(id);
                }
            }
            Step::Stick(who) => world.stuck.extend(people.get(*who)),
            Step::Take(who) => {
                if let Some(id) = people.get(*who).copied() {
                    world.stuck.retain(|stuck| *stuck != id);
                    world.send(id);
                    world.settle();
                }
            }
            Step::Pass(millis) => world.pass(Duration::from_millis(*millis)),
            Step::Store(prompt) => {
                world.prompt = *prompt;
                world.settle();
            }
        }
        // Rule 2: what is queued is due.
        assert!(world.server.poll_timeout().is_none_or(|(at, _)| at > world.now.monotonic));
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rule_6_the_same_inputs_give_the_same_trace(steps in prop::collection::vec(step(), 0..60)) {
        let steps = [opening(), steps].concat();
        prop_assert_eq!(run(&steps, usize::MAX).trace, run(&steps, usize::MAX).trace);
    }

    #[test]
    fn rule_4_any_cut_of_the_input_gives_the_same_conversation(
        steps in prop::collection::vec(step(), 0..60),
        cut in 1_usize..40,
    ) {
        let steps = [opening(), steps].concat();
        let (mut whole, mut cut) = (run(&steps, usize::MAX), run(&steps, cut));
        let people: Vec<_> = whole.streams.keys().copied().collect();
        for id in people {
            prop_assert_eq!(whole.heard(id), cut.heard(id));
        }
        prop_assert_eq!(whole.store.recovered(), cut.store.recovered());
    }

    #[test]
    fn rule_10_it_becomes_idle_and_lets_everything_go(steps in prop::collection::vec(step(), 0..60)) {
        let mut world = run(&[opening(), steps].concat(), usize::MAX);
        world.prompt = true;
        world.settle();
        world.stuck.clear();
        let people: Vec<_> = world.streams.keys().copied().collect();
        for id in people {
            world.send(id);
            world.cut(id);
        }
        world.pass(Duration::from_secs(3_600));
        let stats = world.server.stats();
        prop_assert_eq!(
            (stats.connections, stats.outbound_bytes, stats.shared_bytes, stats.inbound_bytes, stats.pending),
            (0, 0, 0, 0, 0)
        );
        prop_assert_eq!((stats.lost, stats.clients, stats.queued), (0, 0, 0));
        prop_assert!(world.server.poll_timeout().is_none(), "{:?}", world.server.poll_timeout());
    }
}

#[test]
fn rule_1_time_never_goes_back() {
    let mut world = World::new(Limits::default());
    let (id, _) = world.enter("ana");
    let earlier = Now { monotonic: Monotonic::ZERO, ..world.now };
    world.server.handle_received(id, &encode(wire::Ping { token: 1 }), earlier);
    world.settle();
    world.pass(Duration::from_secs(59));
    assert!(world.closed.is_empty());
}

#[test]
fn rule_3_a_deadline_that_came_gives_output_or_moves() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    world.cut(ana);
    while let Some((at, timer)) = world.server.poll_timeout() {
        world.now.monotonic = at.max(world.now.monotonic);
        world.server.handle_timeout(world.now);
        let output = world.server.poll_output();
        let moved = world.server.poll_timeout().is_none_or(|(next, _)| next > at);
        assert!(output.is_some() || moved, "{timer}");
        world.settle();
    }
}

#[test]
fn rule_5_after_close_only_what_remains_flows_until_the_deadline() {
    let mut world = World::new(Limits::default());
    let (ana, _) = world.enter("ana");
    world.join(ana, "#lobby");
    world.stuck.push(ana);
    world.say_bytes(ana, &[0, 0, 0, 0]);
    assert_eq!(world.closed, [ana]);
    let rest = world.server.sendable(ana).len();
    assert!(rest > 0);
    world.say_bytes(ana, &encode(wire::Ping { token: 1 }));
    world.pass(Duration::from_secs(4));
    assert_eq!(world.server.sendable(ana).len(), rest, "nothing is added");
    assert!(world.dropped.is_empty());
    world.pass(Duration::from_secs(2));
    assert_eq!(world.dropped, [ana]);
}

#[test]
fn rule_7_work_per_call_is_bounded_and_the_rest_is_due_at_once() {
    let limits = Limits { frames_per_call_max: 10, requests_per_second: 0, ..Limits::default() };
    let mut world = World::new(limits);
    let (id, _) = world.enter("ana");
    world.heard(id);
    let flood: Vec<u8> = (0..35).flat_map(|token| encode(wire::Ping { token })).collect();
    world.server.handle_received(id, &flood, world.now);
    world.send(id);
    assert_eq!(world.heard(id).len(), 10);
    assert_eq!(world.server.poll_timeout(), Some((world.now.monotonic, "work")));
    world.settle();
    assert_eq!(world.heard(id).len(), 25);
}
