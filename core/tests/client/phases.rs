//! What each frame does in each phase, as one table.

use palabre_core::{
    channel::Channel,
    client::{AccountEntry, ClientConfig, ClientEvent, OfflineCause},
    error::{ProtocolError, RefusalCode},
    ids::{RoomId, Seq, UserId},
    password::Password,
    time::WallTime,
    transfer::{BlobHash, Version},
    wire::*,
};

use crate::bench::*;

/// What came of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is taken, and the connection stays.
    Taken,
    /// `Error unexpected-kind`.
    Unexpected,
    /// `Error sequence-broken`: an answer to nothing, or an event of no room.
    Broken,
    /// The connection ends without an accusation.
    Ends,
}
use Fate::{Broken, Ends, Taken, Unexpected};

const PHASES: [&str; 6] = ["greeting", "logging in", "entering", "naming", "waiting", "ready"];

#[rustfmt::skip]
const TABLE: [(&str, [Fate; 6]); 36] = [
    //              greeting    logging in  entering    naming      waiting     ready
    ("Ping",         [Taken,       Taken,       Taken,       Taken,       Taken,       Taken]),
    ("Pong",         [Taken,       Taken,       Taken,       Taken,       Taken,       Taken]),
    ("Goodbye",      [Ends,        Ends,        Ends,        Ends,        Ends,        Ends]),
    ("Error",        [Ends,        Ends,        Ends,        Ends,        Ends,        Ends]),
    ("Welcome",      [Taken,       Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected]),
    ("Waiting",      [Unexpected,  Unexpected,  Taken,       Unexpected,  Taken,       Unexpected]),
    ("Ready",        [Unexpected,  Unexpected,  Taken,       Unexpected,  Taken,       Unexpected]),
    ("Done",         [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Broken]),
    ("Refused",      [Unexpected,  Broken,      Broken,      Unexpected,  Broken,      Broken]),
    ("Joined",       [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Broken]),
    ("Posted",       [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Broken]),
    ("MembersPage",  [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Broken]),
    ("RoomsPage",    [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Broken]),
    ("HistoryPage",  [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Broken]),
    ("SearchPage",   [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Broken]),
    ("ManualText",   [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Broken]),
    ("Event",        [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Broken]),
    ("Presence",     [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Taken]),
    ("Opened",       [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Taken]),
    ("Trimmed",      [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Broken]),
    ("Credit",       [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Taken]),
    ("Challenge",    [Unexpected,  Broken,      Unexpected,  Unexpected,  Unexpected,  Broken]),
    ("DeviceList",   [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Broken]),
    ("RightsPage",   [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Broken]),
    ("Parted",       [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Taken]),
    ("ReadUpTo",     [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Taken]),
    ("Removed",       [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Taken]),
    ("Invited",       [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Taken]),
    ("Accepted",     [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Broken]),
    ("Stored",       [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Broken]),
    ("Window",       [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Taken]),
    ("Durable",      [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Taken]),
    ("Sending",      [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Broken]),
    ("Stopped",      [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Taken]),
    ("FilesPage",    [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Broken]),
    ("Data",         [Unexpected,  Unexpected,  Unexpected,  Unexpected,  Unexpected,  Broken]),
];

/// One of each kind, with numbers that answer nothing.
fn samples() -> Vec<ToClient<'static>> {
    let (id, room) = (999, RoomId::new(9));
    vec![
        Ping { token: 1 }.into(),
        Pong { token: 1 }.into(),
        Goodbye { reason: 2, text: "later" }.into(),
        Error { code: 4, text: "you" }.into(),
        welcome().into(),
        Waiting { position: 3 }.into(),
        ready_in(vec![]).into(),
        Done { id }.into(),
        Refused { id, code: 1, text: "no", about: "", suggestion: None }.into(),
        Joined { id, room: lobby(0), members: 1 }.into(),
        Posted { id, room, seq: Seq::new(1), at: WallTime::from_millis(1) }.into(),
        MembersPage { id, room, members: vec![], next: None }.into(),
        RoomsPage { id, rooms: vec![], next: None }.into(),
        HistoryPage { id, room, first: Seq::new(1), events: vec![] }.into(),
        SearchPage { id, hits: vec![], next: None }.into(),
        ManualText { id, text: "read" }.into(),
        event(room, 1, "hello").into(),
        Presence { room, members: 1, stale: false, changes: vec![] }.into(),
        Opened { room: direct(9, "bo", 0) }.into(),
        Trimmed { room, first: Seq::new(2) }.into(),
        Credit { posts: 1, bytes: 1 }.into(),
        Challenge { id, response: &[0; 64], stretching: Stretching { memory_kib: 8, passes: 1, lanes: 1 } }
            .into(),
        DeviceList { id, devices: vec![] }.into(),
        Parted { room }.into(),
        ReadUpTo { room, seq: Seq::new(1) }.into(),
        RightsPage { id, room, mode: 0, slow_seconds: 0, role: 1, standings: vec![], next: None }.into(),
        Removed { room, kind: 7, by: "bo", reason: "", until: None }.into(),
        Invited { room, name: "#tea", by: "bo", reason: "" }.into(),
        Accepted { id, transfer: 999, offset: 0, limit: 1 }.into(),
        Stored { id, room, file: file() }.into(),
        Window { transfer: 999, limit: 1 }.into(),
        Durable { transfer: 999, offset: 1 }.into(),
        Sending { id, transfer: 999, file: file(), offset: 0, outline: None }.into(),
        Stopped { transfer: 999, code: 67, text: "elsewhere" }.into(),
        FilesPage { id, room, files: vec![], next: None }.into(),
        Data { transfer: 999, offset: 0, bytes: b"x" }.into(),
    ]
}

fn file() -> File<'static> {
    File {
        name: "a",
        version: Version::new(1),
        size: 0,
        hash: BlobHash([0; 32]),
        executable: false,
        by: UserId::new(1),
        nick: "ana",
        at: WallTime::from_millis(1),
    }
}

fn bench_in(phase: &str) -> Bench {
    let password = Password::parse("correct horse").expect("long enough");
    let account = AccountEntry { make: false, password, device: String::new(), invitation: None };
    let account = Some(account).filter(|_| phase == "logging in");
    let mut bench = Bench::connected(ClientConfig { account, ..config() });
    if phase != "greeting" {
        bench.receive(welcome());
        let id = bench.asked();
        match phase {
            "logging in" | "entering" => {}
            "naming" => {
                let code = RefusalCode::NameInUse.number();
                bench.receive(Refused { id, code, text: "taken", about: "ana", suggestion: None });
            }
            "waiting" => bench.receive(Waiting { position: 4 }),
            "ready" => bench.receive(ready_in(vec![])),
            other => panic!("no such phase: {other}"),
        }
    }
    bench.outputs.clear();
    bench
}

fn fate_of(bench: &mut Bench) -> Fate {
    match bench.accusation() {
        Some(code) if code == ProtocolError::UnexpectedKind.number() => Unexpected,
        Some(code) if code == ProtocolError::SequenceBroken.number() => Broken,
        Some(code) => panic!("accused of {code}"),
        None if bench.events().iter().any(is_the_end) => Ends,
        None => Taken,
    }
}

fn is_the_end(event: &ClientEvent) -> bool {
    matches!(event, ClientEvent::Offline { .. } | ClientEvent::Ended { .. })
}

#[test]
fn each_frame_in_each_phase_does_what_the_table_says() {
    for (at, phase) in PHASES.into_iter().enumerate() {
        for sample in samples() {
            let (_, fates) = TABLE.iter().find(|(name, _)| *name == sample.name()).expect("in the table");
            let mut bench = bench_in(phase);
            bench.receive(sample.clone());
            assert_eq!(fate_of(&mut bench), fates[at], "{} while {phase}", sample.name());
        }
    }
}

#[test]
fn the_table_has_every_kind() {
    assert_eq!(samples().len(), ToClient::KINDS.len());
    assert_eq!(TABLE.len(), ToClient::KINDS.len());
}

#[test]
fn unknown_kinds_with_the_top_bit_are_skipped_and_others_are_not() {
    for phase in PHASES {
        let mut bench = bench_in(phase);
        bench.receive_bytes(&[0, 0, 0, 2, 0x81, 0x80]);
        assert_eq!(fate_of(&mut bench), Taken, "while {phase}");
        bench.receive_bytes(&[0, 0, 0, 2, 0x0f, 0x80]);
        assert_eq!(bench.accusation(), Some(ProtocolError::UnknownKind.number()), "while {phase}");
    }
}

#[test]
fn nothing_received_without_a_connection_has_an_effect() {
    let mut bench = Bench::new(config());
    bench.outputs.clear();
    for sample in samples() {
        bench.receive(sample);
    }
    assert!(bench.outputs.is_empty() && bench.frames.is_empty());
}

#[test]
fn after_the_end_nothing_has_an_effect() {
    let mut bench = Bench::in_lobby(0);
    bench.client.leave(true, bench.now);
    bench.drain();
    assert_eq!(bench.events(), [ClientEvent::Ended { cause: OfflineCause::Left }]);
    bench.frames.clear();
    bench.client.handle_connected(Channel::Plain, bench.now);
    bench.client.handle_disconnected(bench.now);
    bench.client.connect_now(bench.now);
    bench.client.leave(false, bench.now);
    bench.client.handle_timeout(bench.now);
    bench.receive(Ping { token: 1 });
    bench.drain();
    assert!(bench.outputs.is_empty() && bench.frames.is_empty());
    assert_eq!(bench.client.poll_timeout(), None);
    assert!(bench.client.saved().is_some(), "a kept guest can be resumed by a later run");
    assert_eq!(bench.client.rooms(bench.now), Err(palabre_core::error::Misuse::Ended));
}
