//! What the contract of the core demands: cuts, seeds, hostile bytes.

use std::time::Duration;

use palabre_core::{
    channel::Channel,
    client::{Client, ClientEvent, ClientOutput},
    error::RefusalCode,
    ids::{Nonce, RoomId, Seq, UserId},
    storage::EventKind,
    time::{Monotonic, WallTime},
    wire::*,
};
use proptest::prelude::*;

use crate::{
    bench::*,
    fake::{FakeConnection, FakeServer},
};

/// Something that happens to a client, with the answers of a server that was recorded.
#[derive(Clone)]
enum Input {
    Bytes(Vec<u8>),
    Post(u64),
    Join(&'static str),
    Part,
}

/// A session against the fake server, recorded.
fn recording() -> Vec<Input> {
    let (mut server, mut connection) = (FakeServer::new(), FakeConnection::new());
    let mut bench = Bench::new(config());
    bench.connect();
    let mut inputs = Vec::new();
    let mut taken = 0;
    let verbs = [
        Input::Join("#lobby"),
        Input::Post(1),
        Input::Join("#b"),
        Input::Post(2),
        Input::Post(3),
        Input::Part,
    ];
    for verb in [None].into_iter().chain(verbs.into_iter().map(Some)) {
        if let Some(verb) = verb {
            apply(&mut bench, &verb, &[]);
            inputs.push(verb);
        }
        while bench.sent_bytes.len() > taken {
            let answer = server.receive(&mut connection, &bench.sent_bytes[taken..]);
            taken = bench.sent_bytes.len();
            bench.receive_bytes(&answer);
            inputs.push(Input::Bytes(answer));
        }
    }
    inputs
}

/// Bytes are cut at the given places.
fn apply(bench: &mut Bench, input: &Input, cuts: &[usize]) {
    match input {
        Input::Bytes(bytes) => {
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let mut from = 0;
            for cut in cuts.into_iter().chain([bytes.len()]) {
                bench.receive_bytes(&bytes[from..cut]);
                from = cut;
            }
        }
        Input::Post(nonce) => {
            let nonce = Some(Nonce::new(*nonce));
            bench.client.post(LOBBY, EventKind::Posted, "hello", nonce, bench.now).expect("in it");
        }
        Input::Join(name) => {
            bench.client.join(&room_name(name), None, bench.now).expect("running");
        }
        Input::Part => {
            bench.client.part(LOBBY, bench.now).expect("in it");
        }
    }
    bench.drain();
}

fn replay(inputs: &[Input], cuts: &[usize]) -> (Vec<ClientEvent>, Vec<u8>) {
    let mut bench = Bench::new(config());
    bench.connect();
    for input in inputs {
        apply(&mut bench, input, cuts);
    }
    (bench.events(), bench.sent_bytes)
}

#[test]
fn byte_by_byte_gives_the_same_outputs() {
    let inputs = recording();
    let whole = replay(&inputs, &[]);
    assert!(whole.0.len() > 8, "{:?}", whole.0);
    let every_byte: Vec<_> = (0..2_000).collect();
    assert_eq!(replay(&inputs, &every_byte), whole);
}

#[test]
fn the_same_seed_and_inputs_give_the_same_trace_and_another_seed_draws_other_nonces() {
    let trace = |seed: u8| {
        let mut bench = Bench::in_lobby(0);
        bench.client = Client::new(config(), [seed; 32], bench.now);
        bench.outputs.clear();
        bench.drain();
        bench.connect();
        bench.receive(welcome());
        bench.receive(ready_in(vec![lobby(0)]));
        bench.receive(Credit { posts: 9, bytes: 999 });
        bench.client.post(LOBBY, EventKind::Posted, "x", None, bench.now).expect("in it");
        bench.client.ping(bench.now).expect("running");
        bench.drain();
        bench.disconnect();
        (format!("{:?}", bench.outputs), bench.sent_bytes, bench.client.poll_timeout())
    };
    assert_eq!(trace(1), trace(1));
    assert_ne!(trace(1).1, trace(2).1);
    assert_ne!(trace(1).2, trace(2).2);
}

#[test]
fn time_never_goes_back() {
    let mut bench = Bench::in_lobby(0);
    let before = bench.client.poll_timeout();
    let mut early = bench.now;
    early.monotonic = Monotonic::ZERO;
    bench.client.handle_received(&bytes_of(Credit { posts: 1, bytes: 1 }), early);
    assert_eq!(bench.client.poll_timeout(), before);
}

#[test]
fn a_late_connection_and_a_second_one_change_nothing() {
    let mut bench = Bench::in_lobby(0);
    bench.client.handle_connected(Channel::Plain, bench.now);
    bench.drain();
    assert!(bench.frames.is_empty() && bench.client.is_ready());
    bench.disconnect();
    bench.outputs.clear();
    bench.client.handle_connected(Channel::Plain, bench.now);
    bench.client.handle_disconnected(bench.now);
    bench.drain();
    assert!(bench.frames.is_empty() && bench.outputs.is_empty());
}

/// Something a hostile server says, often with numbers that mean something.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let id = || 0_u32..12;
    let room = || (0_u64..4).prop_map(RoomId::new);
    let seq = || prop_oneof![0_u64..6, Just(u64::MAX)].prop_map(Seq::new);
    let text =
        || prop_oneof![Just("x".to_string()), Just("#lobby".into()), Just("#b".into()), any::<String>()];
    let a_room = || {
        (room(), text(), seq(), seq(), any::<Option<bool>>()).prop_map(|(id, name, first, last, with)| {
            (id, if with.is_some() { String::new() } else { name }, first, last, with.map(|_| UserId::new(2)))
        })
    };
    fn part<'a>(room: &'a (RoomId, String, Seq, Seq, Option<UserId>)) -> Room<'a> {
        let (room, name, first, last, with_user) = room;
        let (room, first, last, with_user) = (*room, *first, *last, *with_user);
        Room { room, name, topic: "", first, last, with_user, with_nick: with_user.map(|_| "bo") }
    }
    let code = || prop::sample::select(RefusalCode::ALL).prop_map(RefusalCode::number);
    prop_oneof![
        1 => any::<u64>().prop_map(|token| bytes_of(Ping { token })),
        1 => Just(bytes_of(Pong { token: 0 })),
        1 => (0_u8..8, text()).prop_map(|(reason, text)| bytes_of(Goodbye { reason, text: &text })),
        1 => (0_u16..14).prop_map(|code| bytes_of(Error { code, text: "" })),
        4 => (0_u64..2, any::<u32>(), any::<u32>()).prop_map(|(incarnation, requests, posts)| {
            let limits = Limits { requests, posts, silence_seconds: posts, text_bytes: requests, ..LIMITS };
            let incarnation = palabre_core::ids::Incarnation::new(incarnation);
            bytes_of(Welcome { incarnation, limits, ..welcome() })
        }),
        1 => any::<u32>().prop_map(|position| bytes_of(Waiting { position })),
        4 => (0_u64..3, prop::collection::vec(a_room(), 0..4)).prop_map(|(user, rooms)| {
            let rooms = rooms.iter().map(part).collect();
            bytes_of(Ready { user: UserId::new(user), ..ready_in(rooms) })
        }),
        2 => id().prop_map(|id| bytes_of(Done { id })),
        3 => (id(), code(), text()).prop_map(|(id, code, text)| {
            bytes_of(Refused { id, code, text: &text, about: "", suggestion: Some(&text) })
        }),
        4 => (id(), a_room()).prop_map(|(id, room)| bytes_of(Joined { id, room: part(&room), members: 1 })),
        2 => (id(), room(), seq()).prop_map(|(id, room, seq)| {
            bytes_of(Posted { id, room, seq, at: WallTime::from_millis(1) })
        }),
        1 => (id(), room(), any::<Option<u64>>()).prop_map(|(id, room, next)| {
            bytes_of(MembersPage { id, room, members: vec![], next: next.map(UserId::new) })
        }),
        1 => (id(), any::<Option<u64>>()).prop_map(|(id, next)| {
            bytes_of(RoomsPage { id, rooms: vec![], next: next.map(RoomId::new) })
        }),
        1 => (id(), room(), seq()).prop_map(|(id, room, first)| {
            let events = vec![event(room, first.get(), "x").event];
            bytes_of(HistoryPage { id, room, first, events })
        }),
        1 => id().prop_map(|id| bytes_of(ManualText { id, text: "" })),
        3 => (room(), seq(), any::<u8>()).prop_map(|(room, seq, kind)| {
            let mut event = event(room, seq.get(), "x");
            event.event.kind = kind;
            bytes_of(event)
        }),
        1 => (room(), any::<u8>()).prop_map(|(room, state)| {
            let changes = vec![Change { user: UserId::new(2), nick: "x", state, was: Some("y"), role: 1 }];
            bytes_of(Presence { room, members: 1, stale: false, changes })
        }),
        2 => a_room().prop_map(|room| bytes_of(Opened { room: part(&room) })),
        2 => (room(), seq()).prop_map(|(room, first)| bytes_of(Trimmed { room, first })),
        2 => any::<(u64, u64)>().prop_map(|(posts, bytes)| bytes_of(Credit { posts, bytes })),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

#[derive(Clone, Debug)]
enum Chaos {
    Server(Vec<u8>),
    Verb(u8),
    Wait,
    Pass(u32),
    Connect,
    Disconnect,
}

fn chaos() -> impl Strategy<Value = Chaos> {
    prop_oneof![
        8 => hostile().prop_map(Chaos::Server),
        3 => (0_u8..14).prop_map(Chaos::Verb),
        1 => Just(Chaos::Wait),
        1 => any::<u32>().prop_map(Chaos::Pass),
        2 => Just(Chaos::Connect),
        1 => Just(Chaos::Disconnect),
    ]
}

fn verb(bench: &mut Bench, which: u8) {
    let (client, now) = (&mut bench.client, bench.now);
    let room = RoomId::new(u64::from(which % 3));
    match which {
        0 => drop(client.join(&room_name("#lobby"), None, now)),
        1 => drop(client.join(&room_name("#b"), Some(Seq::new(2)), now)),
        2 => drop(client.direct(&nick("bo"), now)),
        3 => drop(client.part(room, now)),
        4 | 5 => drop(client.post(room, EventKind::Posted, "x", None, now)),
        6 => drop(client.members(room, now)),
        7 => drop(client.rooms(now)),
        8 => drop(client.history(room, Some(Seq::new(3)), 0, now)),
        9 => drop(client.rename(&nick("bea"), now)),
        10 => drop(client.manual(now)),
        11 => drop(client.ping(now)),
        12 => client.connect_now(now),
        _ => client.handle_timeout(now),
    }
    bench.drain();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_of_the_bytes_gives_the_same_outputs(cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        let inputs = recording();
        prop_assert_eq!(replay(&inputs, &cuts), replay(&inputs, &[]));
    }

    #[test]
    fn nothing_a_server_says_makes_the_client_panic(
        entered: bool,
        steps in prop::collection::vec(chaos(), 1..60),
    ) {
        let mut bench = if entered { Bench::in_lobby(0) } else { Bench::new(config()) };
        for step in steps {
            match step {
                Chaos::Server(bytes) => bench.receive_bytes(&bytes),
                Chaos::Verb(which) => verb(&mut bench, which),
                Chaos::Wait if bench.client.poll_timeout().is_some() => drop(bench.wait_for_deadline()),
                Chaos::Wait => {}
                Chaos::Pass(micros) => bench.pass(Duration::from_micros(u64::from(micros))),
                Chaos::Connect => {
                    bench.client.connect_now(bench.now);
                    bench.drain();
                    if bench.outputs.contains(&ClientOutput::Connect) {
                        bench.connect();
                    }
                }
                Chaos::Disconnect => bench.disconnect(),
            }
            prop_assert_eq!(bench.client.saved().is_some(), bench.client.user().is_some());
        }
        bench.client.leave(true, bench.now);
        bench.drain();
        prop_assert_eq!(bench.client.poll_timeout(), None);
    }
}
