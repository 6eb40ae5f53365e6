//! Any message, for properties.

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
        ToServer, Token, Trimmed, Upload, Waiting, Welcome, Window,
    },
};
use proptest::{collection::vec, option, prelude::*};

/// Any value of a struct, from any value of each field, made into what is asked for.
macro_rules! any_of {
    ($name:ident { $($field:ident: $strategy:expr),* $(,)? }) => {
        ($($strategy,)*).prop_map(|($($field,)*)| $name { $($field,)* }.into())
    };
}
/// A message to the server.
pub(crate) fn to_server() -> BoxedStrategy<ToServer<'static>> {
    prop_oneof![
        either_direction(),
        any_of!(Hello {
            first: any::<u16>(),
            last: any::<u16>(),
            client: text(),
            features: number(),
            session: option::of(number())
        }),
        any_of!(Guest { id: any::<u32>(), nick: text() }),
        any_of!(Resume { id: any::<u32>(), token: token() }),
        any_of!(Join { id: any::<u32>(), name: text(), after: option::of(seq()) }),
        any_of!(Part { id: any::<u32>(), room: room_id() }),
        any_of!(Follow { id: any::<u32>(), room: room_id(), after: option::of(seq()) }),
        any_of!(Direct { id: any::<u32>(), nick: text(), after: option::of(seq()) }),
        any_of!(Post {
            id: any::<u32>(),
            room: room_id(),
            nonce: nonce(),
            kind: any::<u8>(),
            text: text(),
            to: option::of(seq())
        }),
        any_of!(Members { id: any::<u32>(), room: room_id(), after: option::of(user_id()) }),
        any_of!(Rooms { id: any::<u32>(), after: option::of(room_id()) }),
        any_of!(Search {
            id: any::<u32>(),
            text: text(),
            room: option::of(room_id()),
            before: option::of(position()),
            limit: any::<u16>(),
        }),
        any_of!(History {
            id: any::<u32>(),
            room: room_id(),
            before: option::of(seq()),
            limit: any::<u16>()
        }),
        any_of!(Rename { id: any::<u32>(), nick: text() }),
        any_of!(Manual { id: any::<u32>() }),
        any_of!(Away { id: any::<u32>(), away: any::<bool>() }),
        any_of!(Register {
            id: any::<u32>(),
            name: text(),
            request: any::<[u8; 32]>(),
            invitation: option::of(text())
        }),
        any_of!(Enrol { id: any::<u32>(), upload: bytes::<192>(), device: text() }),
        any_of!(Login { id: any::<u32>(), name: text(), start: bytes::<96>() }),
        any_of!(Prove { id: any::<u32>(), finish: bytes::<64>(), device: text() }),
        any_of!(NewPassword { id: any::<u32>(), request: any::<[u8; 32]>() }),
        any_of!(SetPassword { id: any::<u32>(), upload: bytes::<192>() }),
        any_of!(Devices { id: any::<u32>() }),
        any_of!(Plain { id: any::<u32>(), name: text(), password: text(), device: text() }),
        any_of!(MarkRead { id: any::<u32>(), room: room_id(), seq: number().prop_map(Seq::new) }),
        any_of!(Revoke { id: any::<u32>(), device: number().prop_map(DeviceId::new) }),
        any_of!(Govern {
            id: any::<u32>(),
            room: room_id(),
            act: any::<u8>(),
            name: text(),
            seconds: option::of(number()),
            reason: text(),
        }),
        any_of!(SetMode {
            id: any::<u32>(),
            room: room_id(),
            private: option::of(any::<bool>()),
            read_only: option::of(any::<bool>()),
            topic_locked: option::of(any::<bool>()),
            slow_seconds: option::of(any::<u32>()),
            closed: option::of(any::<bool>()),
        }),
        any_of!(Rights { id: any::<u32>(), room: room_id(), after: option::of(user_id()) }),
        any_of!(Upload {
            id: any::<u32>(),
            transfer: any::<u32>(),
            key: any::<[u8; 16]>().prop_map(UploadKey),
            room: room_id(),
            name: text(),
            size: option::of(number()),
            executable: any::<bool>(),
            over: option::of(version()),
        }),
        any_of!(Finish {
            id: any::<u32>(),
            transfer: any::<u32>(),
            size: number(),
            hash: hash(),
            name: option::of(text()),
            over: option::of(version()),
        }),
        any_of!(Stop { transfer: any::<u32>() }),
        any_of!(Discard { id: any::<u32>(), key: any::<[u8; 16]>().prop_map(UploadKey) }),
        any_of!(Download {
            id: any::<u32>(),
            transfer: any::<u32>(),
            room: room_id(),
            name: text(),
            hash: option::of(hash()),
            offset: number(),
            limit: number(),
            outline: option::of(any::<bool>()),
        }),
        any_of!(Window { transfer: any::<u32>(), limit: number() }),
        any_of!(Files { id: any::<u32>(), room: room_id(), after: option::of(text()) }),
        any_of!(Delete { id: any::<u32>(), room: room_id(), name: text(), version: option::of(version()) }),
        any_of!(Put {
            id: any::<u32>(),
            key: any::<[u8; 16]>().prop_map(UploadKey),
            room: room_id(),
            name: text(),
            size: number(),
            hash: hash(),
            executable: any::<bool>(),
            over: option::of(version()),
            content: option::of(content()),
        }),
    ]
    .boxed()
}

/// A message to the client.
pub(crate) fn to_client() -> BoxedStrategy<ToClient<'static>> {
    prop_oneof![
        either_direction(),
        any_of!(Welcome {
            version: any::<u16>(),
            server: text(),
            incarnation: number().prop_map(Incarnation::new),
            mechanisms: number(),
            features: number(),
            limits: limits(),
        }),
        any_of!(Waiting { position: any::<u32>() }),
        any_of!(Ready {
            id: any::<u32>(),
            user: user_id(),
            nick: text(),
            token: token(),
            keep_seconds: any::<u32>(),
            rooms: vec(room(), 0..4),
            account: any::<bool>(),
        }),
        any_of!(Done { id: any::<u32>() }),
        any_of!(Refused {
            id: any::<u32>(),
            code: any::<u16>(),
            text: text(),
            about: text(),
            suggestion: option::of(text())
        }),
        any_of!(Joined { id: any::<u32>(), room: room(), members: any::<u32>() }),
        any_of!(Posted { id: any::<u32>(), room: room_id(), seq: seq(), at: time() }),
        any_of!(MembersPage {
            id: any::<u32>(),
            room: room_id(),
            members: vec(member(), 0..30),
            next: option::of(user_id())
        }),
        any_of!(RoomsPage { id: any::<u32>(), rooms: vec(listed(), 0..30), next: option::of(room_id()) }),
        any_of!(HistoryPage { id: any::<u32>(), room: room_id(), first: seq(), events: vec(event(), 0..30) }),
        any_of!(SearchPage {
            id: any::<u32>(),
            hits: vec(any_of!(Hit { room: room_id(), event: event() }), 0..30),
            next: option::of(position()),
        }),
        any_of!(ManualText { id: any::<u32>(), text: text() }),
        any_of!(Event { room: room_id(), event: event() }),
        any_of!(Presence {
            room: room_id(),
            members: any::<u32>(),
            stale: any::<bool>(),
            changes: vec(change(), 0..30)
        }),
        any_of!(Opened { room: room() }),
        any_of!(Trimmed { room: room_id(), first: seq() }),
        any_of!(Credit { posts: number(), bytes: number() }),
        any_of!(Challenge {
            id: any::<u32>(),
            response: vec(any::<u8>(), 0..400).prop_map(|bytes| &*bytes.leak()),
            stretching: stretching(),
        }),
        any_of!(DeviceList { id: any::<u32>(), devices: vec(device(), 0..5) }),
        any_of!(Parted { room: room_id() }),
        any_of!(ReadUpTo { room: room_id(), seq: number().prop_map(Seq::new) }),
        any_of!(RightsPage {
            id: any::<u32>(),
            room: room_id(),
            mode: any::<u8>(),
            slow_seconds: any::<u32>(),
            role: any::<u8>(),
            standings: vec(standing(), 0..5),
            next: option::of(user_id()),
        }),
        any_of!(Removed {
            room: room_id(),
            kind: any::<u8>(),
            by: text(),
            reason: text(),
            until: option::of(time()),
        }),
        any_of!(Invited { room: room_id(), name: text(), by: text(), reason: text() }),
        any_of!(Accepted { id: any::<u32>(), transfer: any::<u32>(), offset: number(), limit: number() }),
        any_of!(Stored { id: any::<u32>(), room: room_id(), file: file() }),
        any_of!(Window { transfer: any::<u32>(), limit: number() }),
        any_of!(Durable { transfer: any::<u32>(), offset: number() }),
        any_of!(Sending {
            id: any::<u32>(),
            transfer: any::<u32>(),
            file: file(),
            offset: number(),
            outline: option::of(content()),
        }),
        any_of!(Stopped { transfer: any::<u32>(), code: any::<u16>(), text: text() }),
        any_of!(FilesPage {
            id: any::<u32>(),
            room: room_id(),
            files: vec(file(), 0..10),
            next: option::of(text())
        }),
    ]
    .boxed()
}

fn either_direction<M>() -> BoxedStrategy<M>
where
    M: From<Ping> + From<Pong> + From<Goodbye<'static>> + From<Error<'static>> + std::fmt::Debug + 'static,
{
    prop_oneof![
        any_of!(Ping { token: number() }),
        any_of!(Pong { token: number() }),
        any_of!(Goodbye { reason: any::<u8>(), text: text() }),
        any_of!(Error { code: any::<u16>(), text: text() }),
    ]
    .boxed()
}

/// A number of any size: each of its encodings is as likely as the others.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..24_u64,
        any::<u8>().prop_map(Into::into),
        any::<u16>().prop_map(Into::into),
        any::<u32>().prop_map(Into::into),
        any::<u64>()
    ]
}

/// A text of any kind. It is never given back, which a test can bear.
fn text() -> impl Strategy<Value = &'static str> {
    prop_oneof!["[a-z ]{0,30}", ".{0,30}", "(?s).{0,10}", "x{200,300}"].prop_map(|text| &*text.leak())
}

fn content() -> impl Strategy<Value = &'static [u8]> {
    vec(any::<u8>(), 0..300).prop_map(|bytes| &*bytes.leak())
}

fn token() -> impl Strategy<Value = Token> {
    any::<[u8; 32]>().prop_map(Token)
}

fn bytes<const N: usize>() -> impl Strategy<Value = [u8; N]> {
    vec(any::<u8>(), N).prop_map(|bytes| bytes.try_into().expect("of this length"))
}

/// Content of a file, the one body that is no CBOR.
pub(crate) fn data() -> impl Strategy<Value = Data<'static>> {
    (any::<u32>(), any::<u64>(), vec(any::<u8>(), 1..300)).prop_map(|(transfer, offset, bytes)| Data {
        transfer,
        offset,
        bytes: bytes.leak(),
    })
}

fn file() -> impl Strategy<Value = File<'static>> {
    any_of!(File {
        name: text(),
        version: version(),
        size: number(),
        hash: hash(),
        executable: any::<bool>(),
        by: user_id(),
        nick: text(),
        at: time(),
    })
}

fn version() -> impl Strategy<Value = Version> {
    number().prop_map(Version::new)
}

fn hash() -> impl Strategy<Value = BlobHash> {
    any::<[u8; 32]>().prop_map(BlobHash)
}

fn stretching() -> impl Strategy<Value = Stretching> {
    any_of!(Stretching { memory_kib: any::<u32>(), passes: any::<u32>(), lanes: any::<u32>() })
}

fn device() -> impl Strategy<Value = Device<'static>> {
    any_of!(Device {
        device: number().prop_map(DeviceId::new),
        name: text(),
        since: time(),
        seen: time(),
        this: any::<bool>(),
    })
}

fn standing() -> impl Strategy<Value = Standing<'static>> {
    any_of!(Standing {
        user: user_id(),
        name: text(),
        role: any::<u8>(),
        invited: any::<bool>(),
        banned: any::<bool>(),
        banned_until: option::of(time()),
        muted: any::<bool>(),
        muted_until: option::of(time()),
    })
}

fn seq() -> impl Strategy<Value = Seq> {
    number().prop_map(Seq::new)
}

fn position() -> impl Strategy<Value = Position> {
    number().prop_map(Position::new)
}

fn user_id() -> impl Strategy<Value = UserId> {
    number().prop_map(UserId::new)
}

fn room_id() -> impl Strategy<Value = RoomId> {
    number().prop_map(RoomId::new)
}

fn nonce() -> impl Strategy<Value = Nonce> {
    number().prop_map(Nonce::new)
}

fn time() -> impl Strategy<Value = WallTime> {
    number().prop_map(WallTime::from_millis)
}

fn limits() -> impl Strategy<Value = Limits> {
    any_of!(Limits {
        text_bytes: any::<u32>(),
        nick_bytes: any::<u32>(),
        room_bytes: any::<u32>(),
        topic_bytes: any::<u32>(),
        page_events: any::<u32>(),
        requests: any::<u32>(),
        posts: any::<u32>(),
        silence_seconds: any::<u32>(),
    })
}

fn room() -> impl Strategy<Value = Room<'static>> {
    any_of!(Room {
        room: room_id(),
        name: text(),
        topic: text(),
        first: seq(),
        last: seq(),
        with_user: option::of(user_id()),
        with_nick: option::of(text()),
    })
}

fn member() -> impl Strategy<Value = Member<'static>> {
    any_of!(Member { user: user_id(), nick: text(), state: any::<u8>(), role: any::<u8>() })
}

fn listed() -> impl Strategy<Value = Listed<'static>> {
    any_of!(Listed { room: room_id(), name: text(), topic: text(), members: any::<u32>(), last: seq() })
}

fn event() -> impl Strategy<Value = LogEvent<'static>> {
    any_of!(LogEvent {
        seq: seq(),
        at: time(),
        author: user_id(),
        nick: text(),
        kind: any::<u8>(),
        text: text(),
        about: option::of(about()),
        revised: option::of(seq())
    })
}

fn about() -> impl Strategy<Value = About<'static>> {
    any_of!(About { id: any::<u64>(), name: text(), until: option::of(time()) })
}

fn change() -> impl Strategy<Value = Change<'static>> {
    any_of!(Change {
        user: user_id(),
        nick: text(),
        state: any::<u8>(),
        was: option::of(text()),
        role: any::<u8>()
    })
}
