//! A storage that answers at once and never fails: plain maps, as the storage port documents them.

use std::collections::{BTreeMap, BTreeSet};

use palabre_core::{
    ids::{Incarnation, Nonce, RoomId, Seq, UserId},
    storage::{
        Appended, EventKind, FoundEvent, GuestRecord, NewEvent, PageRange, Recovered, RoomKey, RoomRecord,
        StorageFailure, StorageOperation, StorageOutcome, StoredEvent, TokenHash,
    },
};

/// The database.
#[derive(Clone, Debug)]
pub struct PerfectStore {
    rooms: BTreeMap<RoomId, StoredRoom>,
    guests: BTreeMap<UserId, GuestRecord>,
    nonces: BTreeMap<(UserId, Nonce), FoundEvent>,
    rooms_given: u64,
    users_given: u64,
}

#[derive(Clone, Debug)]
struct StoredRoom {
    record: RoomRecord,
    members: BTreeSet<UserId>,
    log: Vec<StoredEvent>,
}

impl Default for PerfectStore {
    fn default() -> Self {
        Self::new()
    }
}

impl PerfectStore {
    /// An empty database.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            rooms: BTreeMap::new(),
            guests: BTreeMap::new(),
            nonces: BTreeMap::new(),
            rooms_given: 0,
            users_given: 0,
        }
    }

    /// All that a server is started with.
    #[must_use]
    pub fn recover(&self) -> Recovered {
        let guests = self.guests.values().map(|guest| {
            let rooms = self.rooms.values().filter(|room| room.members.contains(&guest.user));
            GuestRecord { rooms: rooms.map(|room| room.record.id).collect(), ..guest.clone() }
        });
        Recovered {
            incarnation: Incarnation::new(4_711),
            rooms: self.rooms.values().map(|room| room.record.clone()).collect(),
            guests: guests.collect(),
        }
    }

    /// The id of a room with this name.
    #[must_use]
    pub fn room_named(&self, name: &str) -> Option<RoomId> {
        let key = RoomKey::Named(name.into());
        self.rooms.values().find(|room| room.record.key == key).map(|room| room.record.id)
    }

    /// Forgets the events of a room before this number, as retention does.
    pub fn trim(&mut self, room: RoomId, first: Seq) {
        if let Some(room) = self.rooms.get_mut(&room) {
            room.record.first = first;
            room.log.retain(|event| event.seq >= first);
        }
    }

    /// Executes an operation.
    ///
    /// # Errors
    /// Only where the port says that the operation makes no sense.
    pub fn execute(&mut self, operation: StorageOperation) -> Result<StorageOutcome, StorageFailure> {
        match operation {
            StorageOperation::OpenRoom { key } => Ok(StorageOutcome::RoomOpened(self.open_room(key))),
            StorageOperation::DropRoom { room } => {
                self.rooms.remove(&room);
                Ok(StorageOutcome::Done)
            }
            StorageOperation::Append { room, event } => {
                self.append(room, event).map(StorageOutcome::Appended)
            }
            StorageOperation::FindNonce { author, nonce } => {
                Ok(StorageOutcome::Found(self.nonces.get(&(author, nonce)).cloned()))
            }
            StorageOperation::ReadPage { room, range, events_max, bytes_max } => {
                Ok(self.read_page(room, range, events_max as usize, bytes_max as usize))
            }
            StorageOperation::CreateGuest { nick, token_hash } => {
                let user = self.create_guest(&nick, token_hash);
                Ok(StorageOutcome::GuestCreated { user })
            }
            StorageOperation::UpdateGuest { user, nick, expires } => {
                if let Some(guest) = self.guests.get_mut(&user) {
                    guest.nick = nick;
                    guest.expires = expires;
                }
                Ok(StorageOutcome::Done)
            }
            StorageOperation::RemoveGuest { user } => {
                self.guests.remove(&user);
                self.rooms.values_mut().for_each(|room| {
                    room.members.remove(&user);
                });
                Ok(StorageOutcome::Done)
            }
            StorageOperation::SetMember { user, room, member } => self.set_member(user, room, member),
        }
    }

    fn open_room(&mut self, key: RoomKey) -> RoomRecord {
        if let Some(room) = self.rooms.values().find(|room| room.record.key == key) {
            return room.record.clone();
        }
        self.rooms_given += 1;
        let record = RoomRecord {
            id: RoomId::new(self.rooms_given),
            key,
            topic: "".into(),
            first: Seq::new(1),
            last: Seq::new(0),
        };
        let room = StoredRoom { record: record.clone(), members: BTreeSet::new(), log: Vec::new() };
        self.rooms.insert(record.id, room);
        record
    }

    fn append(&mut self, id: RoomId, event: NewEvent) -> Result<Appended, StorageFailure> {
        if let Some(found) = self.nonces.get(&(event.author, event.nonce)) {
            let same = found.room == id && found.kind == event.kind && found.text == event.text;
            let repeated = Appended::Repeated { seq: found.seq, at: found.at };
            return Ok(if same { repeated } else { Appended::NonceReused });
        }
        let room = self.rooms.get_mut(&id).ok_or(StorageFailure::NoSuchRoom)?;
        let seq = room.record.last.next();
        room.record.last = seq;
        if event.kind == EventKind::Topic {
            room.record.topic = event.text.clone();
        }
        let NewEvent { author, nick, nonce, at, kind, text } = event;
        let found = FoundEvent { room: id, seq, at, kind, text: text.clone() };
        self.nonces.insert((author, nonce), found);
        room.log.push(StoredEvent { seq, author, nick, at, kind, text });
        Ok(Appended::Stored { seq, first: room.record.first })
    }

    fn read_page(
        &self,
        room: RoomId,
        range: PageRange,
        events_max: usize,
        bytes_max: usize,
    ) -> StorageOutcome {
        let Some(room) = self.rooms.get(&room) else {
            return StorageOutcome::Page { first: Seq::new(1), events: Vec::new() };
        };
        let mut candidates: Vec<_> = match range {
            PageRange::After(after) => room.log.iter().filter(|event| event.seq > after).collect(),
            PageRange::Before(before) => {
                room.log.iter().rev().filter(|event| before.is_none_or(|before| event.seq < before)).collect()
            }
        };
        candidates.truncate(events_max);
        let mut bytes = 0;
        let fitting = candidates.iter().take_while(|event| {
            bytes += event.text.len() + event.nick.len();
            bytes <= bytes_max
        });
        let count = fitting.count().max(1).min(candidates.len());
        let mut events: Vec<_> = candidates.into_iter().take(count).cloned().collect();
        events.sort_by_key(|event| event.seq);
        StorageOutcome::Page { first: room.record.first, events }
    }

    fn create_guest(&mut self, nick: &std::sync::Arc<str>, token_hash: TokenHash) -> UserId {
        if let Some(guest) = self.guests.values().find(|guest| guest.token_hash == token_hash) {
            return guest.user;
        }
        self.users_given += 1;
        let user = UserId::new(self.users_given);
        let guest = GuestRecord { user, nick: nick.clone(), token_hash, expires: None, rooms: Vec::new() };
        self.guests.insert(user, guest);
        user
    }

    fn set_member(
        &mut self,
        user: UserId,
        room: RoomId,
        member: bool,
    ) -> Result<StorageOutcome, StorageFailure> {
        let room = self.rooms.get_mut(&room).ok_or(StorageFailure::NoSuchRoom)?;
        if member {
            room.members.insert(user);
        } else {
            room.members.remove(&user);
        }
        Ok(StorageOutcome::Done)
    }
}
