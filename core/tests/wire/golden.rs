//! The messages of the golden vectors, as values: written down apart from the bytes, so that each checks the other.

use palabre_core::{
    ids::{DeviceId, Incarnation, Nonce, Position, RoomId, Seq, UserId},
    time::WallTime,
    transfer::{BlobHash, UploadKey, Version},
    wire::{
        About, Accepted, Away, Challenge, Change, Credit, Data, Delete, Device, DeviceList, Devices, Direct,
        Discard, Done, Download, Durable, Enrol, Error, Event, File, Files, FilesPage, Finish, Follow,
        Goodbye, Govern, Guest, Hello, History, HistoryPage, Hit, Invited, Join, Joined, Limits, Listed,
        LogEvent, Login, Manual, ManualText, MarkRead, Member, Members, MembersPage, NewPassword, Opened,
        Part, Parted, Ping, Plain, Pong, Post, Posted, Presence, Prove, Put, ReadUpTo, Ready, Refused,
        Register, Removed, Rename, Resume, Revoke, Rights, RightsPage, Room, Rooms, RoomsPage, Search,
        SearchPage, Sending, SetMode, SetPassword, Standing, Stop, Stopped, Stored, Stretching, ToClient,
        ToServer, Token, Trimmed, Upload, Waiting, Welcome, Window, kind, role, state,
    },
};

/// A message under the name of its vector.
pub(crate) type Named<M> = (&'static str, M);

const TEA: RoomId = RoomId::new(7);
const ANA: UserId = UserId::new(12);
const LIMITS: Limits = Limits {
    text_bytes: 16_384,
    nick_bytes: 32,
    room_bytes: 64,
    topic_bytes: 400,
    page_events: 200,
    requests: 32,
    posts: 64,
    silence_seconds: 60,
};

const SHELF: RoomId = RoomId::new(0);

fn key() -> UploadKey {
    UploadKey(core::array::from_fn(|index| u8::try_from(index).unwrap()))
}

fn hash() -> BlobHash {
    BlobHash(token().0)
}

fn file() -> File<'static> {
    File {
        name: "report.iso",
        version: Version::new(300),
        size: 5,
        hash: hash(),
        executable: true,
        by: ANA,
        nick: "ana",
        at: at(0),
    }
}

fn token() -> Token {
    Token(core::array::from_fn(|index| u8::try_from(index).unwrap()))
}

fn at(millis: u64) -> WallTime {
    WallTime::from_millis(1_795_292_400_123 + millis)
}

fn seq(number: u64) -> Seq {
    Seq::new(number)
}

fn both_directions<M: From<Ping> + From<Pong> + From<Goodbye<'static>> + From<Error<'static>>>()
-> Vec<Named<M>> {
    vec![
        ("ping", Ping { token: 0 }.into()),
        ("ping-largest", Ping { token: u64::MAX }.into()),
        ("pong-23", Pong { token: 23 }.into()),
        ("pong-24", Pong { token: 24 }.into()),
        ("pong-255", Pong { token: 255 }.into()),
        ("pong-256", Pong { token: 256 }.into()),
        ("pong-65535", Pong { token: 65_535 }.into()),
        ("pong-65536", Pong { token: 65_536 }.into()),
        ("pong-4294967295", Pong { token: 4_294_967_295 }.into()),
        ("pong-4294967296", Pong { token: 4_294_967_296 }.into()),
        ("goodbye", Goodbye { reason: 0, text: "" }.into()),
        ("goodbye-of-the-future", Goodbye { reason: 255, text: "until later" }.into()),
        ("error", Error { code: 5, text: "trailing-bytes" }.into()),
        ("error-of-the-future", Error { code: u16::MAX, text: "" }.into()),
    ]
}

/// `to_server.txt`.
pub(crate) fn to_server() -> Vec<Named<ToServer<'static>>> {
    let post = |nonce, kind, text| Post { id: 6, room: TEA, nonce: Nonce::new(nonce), kind, text, to: None };
    let mut messages = both_directions();
    messages.extend([
        (
            "hello",
            Hello { first: 1, last: 1, client: "palabre-cli 0.1.0", features: 0, session: None }.into(),
        ),
        (
            "hello-largest",
            Hello { first: 0, last: u16::MAX, client: "", features: u64::MAX, session: None }.into(),
        ),
        ("guest", Guest { id: 1, nick: "ana" }.into()),
        ("guest-other-script", Guest { id: u32::MAX, nick: "Ольга" }.into()),
        ("resume", Resume { id: 1, token: token() }.into()),
        ("join", Join { id: 2, name: "#lobby", after: None }.into()),
        ("join-after", Join { id: 2, name: "#café", after: Some(seq(41)) }.into()),
        ("part", Part { id: 3, room: TEA }.into()),
        ("follow", Follow { id: 4, room: TEA, after: None }.into()),
        ("follow-after-nothing", Follow { id: 4, room: TEA, after: Some(seq(0)) }.into()),
        ("direct", Direct { id: 5, nick: "zoë", after: None }.into()),
        ("direct-after", Direct { id: 5, nick: "bo", after: Some(seq(u64::MAX)) }.into()),
        ("post", post(0x0123_4567_89ab_cdef, kind::POSTED, "hello").into()),
        ("post-lines", post(u64::MAX, kind::ACTION, "a line\n\tand another ☕").into()),
        ("post-clears-topic", post(1, kind::TOPIC, "").into()),
        ("post-edit", Post { to: Some(seq(42)), ..post(2, kind::EDITED, "hello again") }.into()),
        ("members", Members { id: 7, room: TEA, after: None }.into()),
        ("members-after", Members { id: 7, room: TEA, after: Some(UserId::new(500)) }.into()),
        ("rooms", Rooms { id: 8, after: None }.into()),
        ("rooms-after", Rooms { id: 8, after: Some(RoomId::new(100)) }.into()),
        ("history", History { id: 9, room: TEA, before: None, limit: 0 }.into()),
        ("history-before", History { id: 9, room: TEA, before: Some(seq(1000)), limit: 200 }.into()),
        ("search", Search { id: 9, text: "tea", room: None, before: None, limit: 0 }.into()),
        (
            "search-before",
            Search {
                id: 9,
                text: "\"green tea\" pot*",
                room: Some(TEA),
                before: Some(Position::new(1_000)),
                limit: 20,
            }
            .into(),
        ),
        ("rename", Rename { id: 10, nick: "Ana.2" }.into()),
        ("manual", Manual { id: 11 }.into()),
        ("away", Away { id: 12, away: true }.into()),
        ("back", Away { id: 13, away: false }.into()),
    ]);
    messages.extend(accounts_to_server());
    messages
}

/// `to_client.txt`.
pub(crate) fn to_client() -> Vec<Named<ToClient<'static>>> {
    let mut messages = both_directions();
    messages.extend(entering());
    messages.extend(replies());
    messages.extend(notices());
    messages.extend(accounts_to_client());
    messages
}

fn counting<const N: usize>() -> [u8; N] {
    core::array::from_fn(|index| (index % 256) as u8)
}

fn accounts_to_server() -> Vec<Named<ToServer<'static>>> {
    let mode = SetMode {
        id: 10,
        room: TEA,
        private: Some(true),
        read_only: None,
        topic_locked: Some(false),
        slow_seconds: Some(30),
        closed: None,
    };
    vec![
        ("register", Register { id: 1, name: "Zoë", request: counting(), invitation: None }.into()),
        (
            "register-invited",
            Register { id: 1, name: "Zoë", request: counting(), invitation: Some("k3w0") }.into(),
        ),
        ("enrol", Enrol { id: 2, upload: counting(), device: "laptop" }.into()),
        ("login", Login { id: 3, name: "ana", start: counting() }.into()),
        ("prove", Prove { id: 4, finish: counting(), device: "" }.into()),
        ("new-password", NewPassword { id: 5, request: counting() }.into()),
        ("set-password", SetPassword { id: 6, upload: counting() }.into()),
        ("devices", Devices { id: 7 }.into()),
        ("plain", Plain { id: 9, name: "ana", password: "correct horse", device: "" }.into()),
        ("mark-read", MarkRead { id: 9, room: RoomId::new(3), seq: Seq::new(500) }.into()),
        ("revoke", Revoke { id: 8, device: DeviceId::new(70_000) }.into()),
        (
            "govern",
            Govern { id: 9, room: TEA, act: 8, name: "bo", seconds: Some(3_600), reason: "spam" }.into(),
        ),
        (
            "govern-for-good",
            Govern { id: 9, room: TEA, act: 5, name: "zoë", seconds: None, reason: "" }.into(),
        ),
        ("set-mode", mode.into()),
        ("rights", Rights { id: 11, room: TEA, after: None }.into()),
        (
            "upload",
            Upload {
                id: 1,
                transfer: 1,
                key: key(),
                room: TEA,
                name: "report.iso",
                size: Some(5_000_000_000),
                executable: false,
                over: Some(Version::default()),
            }
            .into(),
        ),
        (
            "upload-of-unknown-size",
            Upload {
                id: 2,
                transfer: 2,
                key: key(),
                room: SHELF,
                name: "a/b",
                size: None,
                executable: true,
                over: None,
            }
            .into(),
        ),
        ("finish", Finish { id: 3, transfer: 1, size: 5, hash: hash(), name: None, over: None }.into()),
        (
            "finish-as",
            Finish {
                id: 4,
                transfer: 1,
                size: 5,
                hash: hash(),
                name: Some("b"),
                over: Some(Version::new(70_000)),
            }
            .into(),
        ),
        ("stop", Stop { transfer: 1 }.into()),
        ("discard", Discard { id: 5, key: key() }.into()),
        (
            "download",
            Download {
                id: 6,
                transfer: 3,
                room: TEA,
                name: "b",
                hash: None,
                offset: 0,
                limit: 1 << 20,
                outline: None,
            }
            .into(),
        ),
        (
            "download-of-the-same",
            Download {
                id: 7,
                transfer: 4,
                room: SHELF,
                name: "b",
                hash: Some(hash()),
                offset: 65_536,
                limit: 65_536,
                outline: Some(true),
            }
            .into(),
        ),
        ("window-of-a-download", Window { transfer: 3, limit: 2 << 20 }.into()),
        ("files", Files { id: 8, room: TEA, after: None }.into()),
        ("files-after", Files { id: 9, room: SHELF, after: Some("a") }.into()),
        ("delete", Delete { id: 10, room: TEA, name: "b", version: Some(Version::new(300)) }.into()),
        (
            "put",
            Put {
                id: 11,
                key: key(),
                room: TEA,
                name: "b",
                size: 5,
                hash: hash(),
                executable: true,
                over: None,
                content: Some(b"hello"),
            }
            .into(),
        ),
        (
            "put-of-what-is-there",
            Put {
                id: 12,
                key: key(),
                room: SHELF,
                name: "b",
                size: 300,
                hash: hash(),
                executable: false,
                over: Some(Version::default()),
                content: None,
            }
            .into(),
        ),
        ("data-to-the-server", Data { transfer: 1, offset: 65_536, bytes: b"hello" }.into()),
    ]
}

fn accounts_to_client() -> Vec<Named<ToClient<'static>>> {
    const REGISTRATION: [u8; 64] = {
        let mut bytes = [0; 64];
        let mut index = 0;
        while index < bytes.len() {
            bytes[index] = index as u8;
            index += 1;
        }
        bytes
    };
    let login: &'static [u8] = (0..320).map(|index| (index % 256) as u8).collect::<Vec<_>>().leak();
    let usual = Stretching { memory_kib: 65_536, passes: 3, lanes: 1 };
    let largest = Stretching { memory_kib: u32::MAX, passes: u32::MAX, lanes: u32::MAX };
    let laptop = Device { device: DeviceId::new(1), name: "laptop", since: at(0), seen: at(1), this: true };
    let (since, seen) = (WallTime::from_millis(0), WallTime::from_millis(0));
    let other = Device { device: DeviceId::new(70_000), name: "", since, seen, this: false };
    let ready = Ready {
        id: 1,
        user: ANA,
        nick: "ana",
        token: token(),
        keep_seconds: 7_776_000,
        rooms: vec![],
        account: true,
    };
    let owner = Standing {
        user: ANA,
        name: "ana",
        role: role::OWNER,
        invited: false,
        banned: false,
        banned_until: None,
        muted: false,
        muted_until: None,
    };
    let banned = Standing {
        user: UserId::new(13),
        name: "bo",
        role: role::GUEST,
        banned: true,
        banned_until: Some(at(0)),
        muted: true,
        ..owner
    };
    let rights = RightsPage {
        id: 11,
        room: TEA,
        mode: 5,
        slow_seconds: 30,
        role: role::OWNER,
        standings: vec![owner, banned],
        next: Some(UserId::new(13)),
    };
    vec![
        ("challenge", Challenge { id: 1, response: &REGISTRATION, stretching: usual }.into()),
        ("challenge-to-login", Challenge { id: 3, response: login, stretching: largest }.into()),
        ("device-list", DeviceList { id: 7, devices: vec![laptop, other] }.into()),
        ("device-list-empty", DeviceList { id: 7, devices: vec![] }.into()),
        ("parted", Parted { room: TEA }.into()),
        ("read-up-to", ReadUpTo { room: TEA, seq: Seq::new(500) }.into()),
        ("ready-as-account", ready.into()),
        ("rights-page", rights.into()),
        (
            "rights-page-empty",
            RightsPage {
                id: 11,
                room: TEA,
                mode: 0,
                slow_seconds: 0,
                role: role::GUEST,
                standings: vec![],
                next: None,
            }
            .into(),
        ),
        ("removed", Removed { room: TEA, kind: 8, by: "ana", reason: "spam", until: Some(at(0)) }.into()),
        ("removed-for-good", Removed { room: TEA, kind: 7, by: "ana", reason: "", until: None }.into()),
        ("invited", Invited { room: TEA, name: "#tea", by: "ana", reason: "come in" }.into()),
        ("accepted", Accepted { id: 1, transfer: 1, offset: 65_536, limit: 1_114_112 }.into()),
        ("stored", Stored { id: 3, room: TEA, file: file() }.into()),
        ("window-of-an-upload", Window { transfer: 1, limit: 2 << 20 }.into()),
        ("durable", Durable { transfer: 1, offset: 1_000_000 }.into()),
        ("sending", Sending { id: 6, transfer: 3, file: file(), offset: 0, outline: None }.into()),
        (
            "sending-outline",
            Sending { id: 7, transfer: 4, file: file(), offset: 65_536, outline: Some(&[7; 64]) }.into(),
        ),
        ("stopped", Stopped { transfer: 1, code: 67, text: "elsewhere" }.into()),
        ("files-page", FilesPage { id: 8, room: TEA, files: vec![file()], next: Some("report.iso") }.into()),
        ("files-page-last", FilesPage { id: 9, room: SHELF, files: vec![], next: None }.into()),
        ("data-to-the-client", Data { transfer: 3, offset: 0, bytes: b"hello" }.into()),
    ]
}

fn entering() -> [Named<ToClient<'static>>; 5] {
    let largest = Limits {
        text_bytes: u32::MAX,
        nick_bytes: u32::MAX,
        room_bytes: u32::MAX,
        topic_bytes: u32::MAX,
        page_events: u32::MAX,
        requests: u32::MAX,
        posts: u32::MAX,
        silence_seconds: u32::MAX,
    };
    let ready = |rooms| Ready {
        id: 1,
        user: ANA,
        nick: "ana",
        token: token(),
        keep_seconds: 600,
        rooms,
        account: false,
    };
    [
        ("welcome", welcome(1, "palabre 0.1.0", 0xfeed_c0de, 1, 0, LIMITS).into()),
        ("welcome-largest", welcome(u16::MAX, "", u64::MAX, u64::MAX, u64::MAX, largest).into()),
        ("waiting", Waiting { position: 1 }.into()),
        ("ready", ready(vec![]).into()),
        ("ready-with-rooms", ready(vec![lobby("what ever"), direct(UserId::new(7), "zoë")]).into()),
    ]
}

fn welcome(
    version: u16,
    server: &str,
    incarnation: u64,
    mechanisms: u64,
    features: u64,
    limits: Limits,
) -> Welcome<'_> {
    Welcome { version, server, incarnation: Incarnation::new(incarnation), mechanisms, features, limits }
}

fn replies() -> Vec<Named<ToClient<'static>>> {
    let taken = "The name 'ana' is taken.";
    let tea = Room {
        room: TEA,
        name: "#tea",
        topic: "",
        first: seq(1),
        last: seq(0),
        with_user: None,
        with_nick: None,
    };
    let member = |user, nick, state| Member { user: UserId::new(user), nick, state, role: role::GUEST };
    let members =
        vec![member(12, "ana", state::HERE), member(13, "bo", state::AWAY), member(14, "zoë", state::LOST)];
    let listed = vec![
        Listed { room: RoomId::new(1), name: "#lobby", topic: "", members: 2_000, last: seq(u64::MAX) },
        Listed { room: TEA, name: "#tea", topic: "green", members: 0, last: seq(1) },
    ];
    let events = vec![
        event(1, 12, "ana", kind::POSTED, "hello"),
        event(2, 12, "ana", kind::TOPIC, ""),
        event(3, 13, "bo", kind::ACTION, "waves"),
    ];
    let hit = Hit { room: TEA, event: event(1, 12, "ana", kind::POSTED, "green tea in the pot") };
    vec![
        ("done", Done { id: 3 }.into()),
        ("refused", Refused { id: 1, code: 1, text: taken, about: "ana", suggestion: Some("ana2") }.into()),
        (
            "refused-without-suggestion",
            Refused { id: u32::MAX, code: u16::MAX, text: "", about: "", suggestion: None }.into(),
        ),
        ("joined", Joined { id: 2, room: tea, members: 1 }.into()),
        ("posted", Posted { id: 6, room: TEA, seq: seq(1), at: at(0) }.into()),
        ("members-page", MembersPage { id: 7, room: TEA, members, next: Some(UserId::new(14)) }.into()),
        ("members-page-last", MembersPage { id: 7, room: TEA, members: vec![], next: None }.into()),
        ("rooms-page", RoomsPage { id: 8, rooms: listed, next: Some(TEA) }.into()),
        ("rooms-page-last", RoomsPage { id: 8, rooms: vec![], next: None }.into()),
        ("history-page", HistoryPage { id: 9, room: TEA, first: seq(1), events }.into()),
        ("history-page-empty", HistoryPage { id: 9, room: TEA, first: seq(4), events: vec![] }.into()),
        ("search-page", SearchPage { id: 9, hits: vec![hit], next: Some(Position::new(999)) }.into()),
        ("search-page-last", SearchPage { id: 9, hits: vec![], next: None }.into()),
        ("manual-text", ManualText { id: 11, text: "PALABRE\n" }.into()),
    ]
}

fn notices() -> Vec<Named<ToClient<'static>>> {
    let largest = LogEvent {
        seq: seq(u64::MAX),
        at: WallTime::from_millis(u64::MAX),
        author: UserId::new(u64::MAX),
        nick: "",
        kind: 255,
        text: "",
        about: Some(About { id: u64::MAX, name: "", until: Some(WallTime::from_millis(u64::MAX)) }),
        revised: Some(seq(u64::MAX)),
    };
    let changes = vec![
        Change { user: ANA, nick: "Ana.2", state: state::HERE, was: Some("ana"), role: role::GUEST },
        Change { user: UserId::new(14), nick: "zoë", state: state::EXPIRED, was: None, role: role::GUEST },
    ];
    vec![
        ("event", Event { room: TEA, event: event(1, 12, "ana", kind::POSTED, "hello") }.into()),
        ("event-of-the-future", Event { room: RoomId::new(u64::MAX), event: largest }.into()),
        ("presence", Presence { room: TEA, members: 2, stale: false, changes }.into()),
        ("presence-stale", Presence { room: TEA, members: 501, stale: true, changes: vec![] }.into()),
        ("opened", Opened { room: direct(ANA, "ana") }.into()),
        ("trimmed", Trimmed { room: TEA, first: seq(1000) }.into()),
        ("credit", Credit { posts: 10, bytes: 65_536 }.into()),
    ]
}

fn lobby(topic: &str) -> Room<'_> {
    let room = RoomId::new(1);
    Room { room, name: "#lobby", topic, first: seq(1), last: seq(41), with_user: None, with_nick: None }
}

fn direct(user: UserId, nick: &str) -> Room<'_> {
    Room {
        room: RoomId::new(9),
        name: "",
        topic: "",
        first: seq(1),
        last: seq(0),
        with_user: Some(user),
        with_nick: Some(nick),
    }
}

fn event<'a>(number: u64, author: u64, nick: &'a str, kind: u8, text: &'a str) -> LogEvent<'a> {
    LogEvent {
        seq: seq(number),
        at: at(number - 1),
        author: UserId::new(author),
        nick,
        kind,
        text,
        about: None,
        revised: None,
    }
}

/// A frame of the worked session in `docs/PROTOCOL.md`.
#[derive(Debug, PartialEq)]
pub(crate) enum Worked {
    ToServer(ToServer<'static>),
    ToClient(ToClient<'static>),
    /// To the client, and skipped.
    Nothing,
}

/// The worked session.
pub(crate) fn worked() -> Vec<Worked> {
    let server = |message: ToServer<'static>| Worked::ToServer(message);
    let client = |message: ToClient<'static>| Worked::ToClient(message);
    let (main, user) = (RoomId::new(1), ANA);
    let said = LogEvent {
        seq: seq(42),
        at: at(0),
        author: user,
        nick: "Zoë",
        kind: kind::POSTED,
        text: "hello",
        about: None,
        revised: None,
    };
    let change =
        Change { user: UserId::new(7), nick: "Bo", state: state::HERE, was: Some("bob"), role: role::GUEST };
    vec![
        server(Hello { first: 1, last: 1, client: "palabre-cli 0.1.0", features: 0, session: None }.into()),
        client(welcome(1, "palabre 0.1.0", 0xfeed_c0de, 1, 0, LIMITS).into()),
        server(Guest { id: 1, nick: "ana" }.into()),
        client(
            Refused {
                id: 1,
                code: 1,
                text: "Somebody here is called ana.",
                about: "ana",
                suggestion: Some("ana2"),
            }
            .into(),
        ),
        server(Guest { id: 2, nick: "Zoë" }.into()),
        client(
            Ready {
                id: 2,
                user,
                nick: "Zoë",
                token: token(),
                keep_seconds: 600,
                rooms: vec![],
                account: false,
            }
            .into(),
        ),
        client(Credit { posts: 10, bytes: 65_536 }.into()),
        server(Join { id: 3, name: "#lobby", after: None }.into()),
        client(Joined { id: 3, room: lobby(""), members: 3 }.into()),
        server(
            Post {
                id: 4,
                room: main,
                nonce: Nonce::new(0x0123_4567_89ab_cdef),
                kind: kind::POSTED,
                text: "hello",
                to: None,
            }
            .into(),
        ),
        client(Posted { id: 4, room: main, seq: seq(42), at: at(0) }.into()),
        client(Event { room: main, event: said }.into()),
        client(Presence { room: main, members: 3, stale: false, changes: vec![change] }.into()),
        server(Ping { token: 7 }.into()),
        client(Pong { token: 7 }.into()),
        server(Goodbye { reason: 0, text: "" }.into()),
        server(Ping { token: 7 }.into()),
        Worked::Nothing,
    ]
}
