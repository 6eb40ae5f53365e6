//! What clients with files say to the server, and hear.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for some among many")]

use palabre_core::{
    config::FilesConfig,
    ids::{ConnectionId, Nonce, RoomId, UserId},
    limits::Limits,
    storage::{EventKind, NewEvent, RoomKey, StorageOperation},
    time::WallTime,
    transfer::{UploadKey, Version},
    wire::{self, ToClient},
};

use crate::{disk::hash_of, store::Store, support::World};

/// The room of the tests; the first guest owns it.
pub(crate) const TEA: RoomId = RoomId::new(1);
pub(crate) const SHELF: RoomId = RoomId::new(0);

/// Small windows, so that their edges are met by small files.
pub(crate) fn limits() -> Limits {
    Limits {
        window_bytes: 1_000,
        window_bytes_max: 4_000,
        windows_bytes_max: 16_000,
        checkpoint_bytes: 2_000,
        undurable_bytes_max: 6_000,
        file_bytes_max: 50_000,
        user_files_bytes_max: 100_000,
        reserved_step_bytes: 4_000,
        read_bytes: 500,
        ..Limits::open()
    }
}

/// A server that takes files from everybody, and a room that the first guest owns.
pub(crate) fn world(limits: Limits) -> World {
    world_of(limits, FilesConfig::Everybody)
}

pub(crate) fn world_of(limits: Limits, files: FilesConfig) -> World {
    let mut store = Store::default();
    let key = RoomKey::Named("#tea".into());
    let owner = Some((UserId::new(1), "ana".into()));
    store.execute(StorageOperation::OpenRoom { key, owner }).expect("a room");
    // A room without members and events would cease.
    let event = NewEvent {
        author: UserId::new(1),
        nick: "ana".into(),
        nonce: Nonce::new(1),
        at: WallTime::from_millis(0),
        kind: EventKind::Posted,
        text: "hello".into(),
        about: None,
    };
    store.execute(StorageOperation::Append { room: TEA, event, change: None }).expect("a room");
    World::taking_files(limits, store, files)
}

/// Somebody in the room.
pub(crate) fn guest(world: &mut World, nick: &str) -> ConnectionId {
    let (id, _) = world.enter(nick);
    world.join(id, "#tea");
    world.heard(id);
    id
}

/// Bytes that do not repeat soon.
pub(crate) fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 251) as u8).collect()
}

pub(crate) fn key(number: u8) -> UploadKey {
    UploadKey([number; 16])
}

/// A wish to upload, in place of nothing.
pub(crate) fn wish(transfer: u32, name: &str, size: Option<u64>) -> wire::Upload<'_> {
    let key = key(transfer.try_into().expect("few"));
    let over = Some(Version::default());
    wire::Upload { id: 100 + transfer, transfer, key, room: TEA, name, size, executable: false, over }
}

pub(crate) fn data(world: &mut World, id: ConnectionId, transfer: u32, offset: u64, bytes: &[u8]) {
    world.say(id, wire::Data { transfer, offset, bytes });
}

pub(crate) fn finish(transfer: u32, content: &[u8]) -> wire::Finish<'static> {
    let (size, hash) = (content.len() as u64, hash_of(content));
    wire::Finish { id: 200 + transfer, transfer, size, hash, name: None, over: None }
}

/// Brings a whole content by a transfer, within its credit; what the connection heard besides.
pub(crate) fn bring(world: &mut World, id: ConnectionId, transfer: u32, name: &str, bytes: &[u8]) -> Heard {
    world.say(id, wish(transfer, name, Some(bytes.len() as u64)));
    let mut heard = listen(world, id);
    send_rest(world, id, transfer, bytes, &mut heard);
    if heard.limit.is_some() {
        world.say(id, finish(transfer, bytes));
        heard.add(world, id);
    }
    heard
}

/// Sends what there is credit for, until everything is sent or nothing more may be.
pub(crate) fn send_rest(world: &mut World, id: ConnectionId, transfer: u32, bytes: &[u8], heard: &mut Heard) {
    let Some(mut at) = heard.offset else { return };
    while let Some(limit) = heard.limit.filter(|limit| at < *limit) {
        let end = usize::try_from(limit).expect("small").min(bytes.len());
        let start = usize::try_from(at).expect("small");
        if start == end {
            return;
        }
        data(world, id, transfer, at, &bytes[start..end]);
        at = end as u64;
        heard.add(world, id);
    }
}

/// Asks for a content from its beginning.
pub(crate) fn take(world: &mut World, id: ConnectionId, transfer: u32, name: &str, limit: u64) -> Heard {
    world.say(
        id,
        wire::Download {
            id: 300 + transfer,
            transfer,
            room: TEA,
            name,
            hash: None,
            offset: 0,
            limit,
            outline: None,
        },
    );
    listen(world, id)
}

/// What a connection was told about files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// From where on an upload goes on, and up to where it may.
    pub(crate) offset: Option<u64>,
    pub(crate) limit: Option<u64>,
    pub(crate) durable: Option<u64>,
    /// Names and versions of files that were stored.
    pub(crate) stored: Vec<(String, u64)>,
    /// Codes of refusals, of ends of transfers, and of errors.
    pub(crate) refused: Vec<u16>,
    pub(crate) stopped: Vec<(u32, u16)>,
    pub(crate) accused: Vec<u16>,
    /// The content that arrived, and its outline.
    pub(crate) content: Vec<u8>,
    pub(crate) outline: Option<Vec<u8>>,
    /// Texts of events about files, with their kind.
    pub(crate) told: Vec<(u8, String)>,
    /// Requests that were done.
    pub(crate) done: usize,
    /// The names of files that were listed.
    pub(crate) listed: Vec<String>,
}

pub(crate) fn listen(world: &mut World, id: ConnectionId) -> Heard {
    let mut heard = Heard::default();
    heard.add(world, id);
    heard
}

impl Heard {
    pub(crate) fn add(&mut self, world: &mut World, id: ConnectionId) {
        let Some(stream) = world.streams.get_mut(&id) else { return };
        while let Some(frame) = stream.next_frame().expect("what is emitted parses") {
            match ToClient::decode(frame).expect("what is emitted parses").expect("known") {
                ToClient::Accepted(accepted) => {
                    (self.offset, self.limit) = (Some(accepted.offset), Some(accepted.limit));
                }
                ToClient::Window(window) => self.limit = Some(window.limit),
                ToClient::Durable(durable) => self.durable = Some(durable.offset),
                ToClient::Stored(stored) => {
                    self.stored.push((stored.file.name.to_owned(), stored.file.version.get()));
                }
                ToClient::Sending(sending) => self.outline = sending.outline.map(<[u8]>::to_vec),
                ToClient::Refused(refused) => self.refused.push(refused.code),
                ToClient::Stopped(stopped) => self.stopped.push((stopped.transfer, stopped.code)),
                ToClient::Error(error) => self.accused.push(error.code),
                ToClient::Data(data) => {
                    assert_eq!(self.stopped, [], "nothing is sent of a transfer that was stopped");
                    assert_eq!(data.offset, self.content.len() as u64, "content comes in order");
                    self.content.extend(data.bytes);
                }
                ToClient::Event(event) if event.event.kind >= wire::kind::FILE_SHARED => {
                    self.told.push((event.event.kind, event.event.text.to_owned()));
                }
                ToClient::Done(_) => self.done += 1,
                ToClient::FilesPage(page) => {
                    self.listed.extend(page.files.iter().map(|file| file.name.to_owned()));
                }
                _ => {}
            }
        }
    }
}
