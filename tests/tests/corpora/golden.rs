//! The seeds that a fuzzer begins with, built: whole sessions, so that it need not find out how to enter first.

use palabre_core::{
    ids::{Nonce, RoomId, Seq, UserId},
    time::WallTime,
    wire::{
        Away, Change, Direct, Event, Follow, Goodbye, Guest, Hello, History, HistoryPage, Join, Joined,
        LogEvent, Member, Members, MembersPage, Opened, Part, Ping, Pong, Post, Posted, Presence, Refused,
        Rename, Room, Rooms, ToClient, ToServer, Trimmed, Waiting, role,
    },
};

const LOBBY: RoomId = RoomId::new(1);

/// A seed: its target, its name among that target's, its bytes.
pub(crate) type Seed = (&'static str, &'static str, Vec<u8>);

/// All that are built.
pub(crate) fn seeds() -> Vec<Seed> {
    to_server().into_iter().chain(to_client()).collect()
}

/// A byte that says how far the peer gets before, then what it says.
fn to_server() -> Vec<Seed> {
    let posts: Vec<ToServer<'_>> = (1..5).map(|nonce| post(nonce, 1, "hello").into()).collect();
    let rooms = vec![
        Join { id: 2, name: "#kitchen", after: None }.into(),
        Join { id: 3, name: "#lobby", after: Some(Seq::new(0)) }.into(),
        Follow { id: 4, room: LOBBY, after: Some(Seq::new(1)) }.into(),
        Part { id: 5, room: LOBBY }.into(),
        post(9, 1, "not there any more").into(),
        Join { id: 6, name: "#lobby", after: Some(Seq::new(0)) }.into(),
    ];
    let questions = vec![
        Members { id: 2, room: LOBBY, after: None }.into(),
        Rooms { id: 3, after: None }.into(),
        History { id: 4, room: LOBBY, before: None, limit: 10 }.into(),
        Ping { token: 5 }.into(),
        Pong { token: 6 }.into(),
    ];
    let people = vec![
        Direct { id: 2, nick: "ana", after: None }.into(),
        Rename { id: 3, nick: "other" }.into(),
        Away { id: 4, away: true }.into(),
        Away { id: 5, away: false }.into(),
        post(1, 2, "waves").into(),
        post(2, 3, "a topic").into(),
    ];
    let whole = vec![
        Hello { first: 1, last: 1, client: "fuzz", features: 0, session: None }.into(),
        Guest { id: 1, nick: "fuzz" }.into(),
        Join { id: 2, name: "#lobby", after: None }.into(),
        post(1, 1, "hello").into(),
        Goodbye { reason: 0, text: "" }.into(),
    ];
    [
        ("posts", 2, posts),
        ("rooms", 1, rooms),
        ("questions", 2, questions),
        ("people", 2, people),
        ("whole", 0, whole),
    ]
    .map(|(name, mode, messages): (_, u8, Vec<ToServer<'_>>)| {
        let mut bytes = vec![mode];
        messages.iter().for_each(|message| message.encode(&mut bytes));
        ("server_bytes", name, bytes)
    })
    .into()
}

fn post(nonce: u64, kind: u8, text: &str) -> Post<'_> {
    Post { id: 10 + nonce as u32, room: LOBBY, nonce: Nonce::new(nonce), kind, text, to: None }
}

/// A byte that says how far the server was honest before, then pieces: a byte with their length less one, which also
/// says what the application does afterwards.
fn to_client() -> Vec<Seed> {
    let joined = || Joined { id: 2, room: room(3), members: 2 }.into();
    let events = || (4..8).map(|seq| Event { room: LOBBY, event: event(seq) }.into());
    let talk = [joined()].into_iter().chain(events()).chain([
        Posted { id: 3, room: LOBBY, seq: Seq::new(8), at: WallTime::from_millis(1) }.into(),
        Presence {
            room: LOBBY,
            members: 3,
            stale: false,
            changes: vec![Change {
                user: UserId::new(2),
                nick: "bob",
                state: 1,
                was: Some("rob"),
                role: role::GUEST,
            }],
        }
        .into(),
    ]);
    let past = [
        joined(),
        Trimmed { room: LOBBY, first: Seq::new(7) }.into(),
        HistoryPage { id: 3, room: LOBBY, first: Seq::new(1), events: (1..4).map(event).collect() }.into(),
        MembersPage {
            id: 4,
            room: LOBBY,
            members: vec![Member { user: UserId::new(1), nick: "victim", state: 1, role: role::ACCOUNT }],
            next: None,
        }
        .into(),
        Opened {
            room: Room {
                room: RoomId::new(2),
                with_user: Some(UserId::new(2)),
                with_nick: Some("bob"),
                ..room(0)
            },
        }
        .into(),
    ];
    let refusals = [
        joined(),
        Refused { id: 3, code: 9, text: "later", about: "#lobby", suggestion: None }.into(),
        Goodbye { reason: 2, text: "" }.into(),
    ];
    let waiting = [Waiting { position: 2 }.into(), Waiting { position: 1 }.into(), Ping { token: 1 }.into()];
    [
        ("talk", 2, talk.collect::<Vec<_>>()),
        ("past", 2, past.into()),
        ("refusals", 2, refusals.into()),
        ("waiting", 1, waiting.into()),
    ]
    .map(|(name, mode, messages): (_, u8, Vec<ToClient<'_>>)| {
        let mut bytes = vec![mode];
        for message in &messages {
            let mut frame = Vec::new();
            message.encode(&mut frame);
            bytes.push(u8::try_from(frame.len() - 1).expect("a short frame"));
            bytes.extend(frame);
        }
        ("client_bytes", name, bytes)
    })
    .into()
}

fn room(last: u64) -> Room<'static> {
    Room {
        room: LOBBY,
        name: "#lobby",
        topic: "",
        first: Seq::new(1),
        last: Seq::new(last),
        with_user: None,
        with_nick: None,
    }
}

fn event(seq: u64) -> LogEvent<'static> {
    LogEvent {
        seq: Seq::new(seq),
        at: WallTime::from_millis(1),
        author: UserId::new(2),
        nick: "bob",
        kind: 1,
        text: "hello",
        about: None,
        revised: None,
    }
}
