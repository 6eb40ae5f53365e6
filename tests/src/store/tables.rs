//! What the storage port means, as plainly as it can be written down. Speed is no concern here.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use palabre_core::{
    ids::{Incarnation, Nonce, Position, RoomId, Seq, UserId},
    rights::RoomChange,
    seeded_bug,
    storage::{
        Appended, EventKind, FoundEvent, GuestRecord, NewEvent, PageRange, Recovered, RoomKey, RoomRecord,
        StorageFailure, StorageOperation, StorageOutcome, StoredEvent, TokenHash, Unfit, Whose,
    },
    time::WallTime,
};

use super::{
    accounts::Accounts,
    files::{self, FileTables},
    revisions::Revisions,
    rights::Rights,
};
use crate::plan::OUTBOX_POSTS_MAX;

/// All that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    incarnation: Incarnation,
    rooms_given: u64,
    users_given: u64,
    rooms: BTreeMap<RoomId, Room>,
    /// Rooms that have ceased: bytes about them may still be on their way.
    ceased: BTreeMap<RoomId, Room>,
    guests: BTreeMap<UserId, Guest>,
    accounts: Accounts,
    members: BTreeSet<(UserId, RoomId)>,
    nonces: BTreeMap<(UserId, Nonce), (RoomId, Seq)>,
    /// All events ever stored, the one at position 1 first.
    positions: Vec<(RoomId, Seq)>,
    pub(super) files: FileTables,
}

/// A room and its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// What it is found by.
    pub key: RoomKey,
    /// Its topic.
    pub topic: Arc<str>,
    /// Who may do what there.
    pub rights: Rights,
    /// The first number still kept.
    pub first: Seq,
    /// Everything ever stored, the event with number 1 first; what was trimmed is here still.
    pub log: Vec<(StoredEvent, Nonce)>,
    /// What was written anew or deleted since.
    pub revisions: Revisions,
}

impl Room {
    /// The last number given.
    #[must_use]
    pub const fn last(&self) -> Seq {
        Seq::new(self.log.len() as u64)
    }

    /// The event with a number as it reads now, trimmed or not.
    #[must_use]
    pub fn current(&self, seq: Seq) -> Option<StoredEvent> {
        self.event(seq).map(|event| self.revisions.current(event))
    }

    /// The event with a number as it was appended, trimmed or not.
    #[must_use]
    pub fn event(&self, seq: Seq) -> Option<&StoredEvent> {
        let index = usize::try_from(seq.get().checked_sub(1)?).ok()?;
        self.log.get(index).map(|(event, _)| event)
    }

    fn kept(&self) -> &[(StoredEvent, Nonce)] {
        let trimmed = usize::try_from(self.first.get() - 1).expect("an index of the log");
        &self.log[trimmed..]
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Guest {
    nick: Arc<str>,
    token_hash: TokenHash,
    expires: Option<WallTime>,
}

impl Tables {
    /// An empty database.
    #[must_use]
    pub const fn new(incarnation: Incarnation) -> Self {
        Self {
            incarnation,
            rooms_given: 0,
            users_given: 0,
            rooms: BTreeMap::new(),
            ceased: BTreeMap::new(),
            guests: BTreeMap::new(),
            accounts: Accounts::new(),
            members: BTreeSet::new(),
            nonces: BTreeMap::new(),
            positions: Vec::new(),
            files: FileTables::new(),
        }
    }

    /// Executes one operation.
    ///
    /// # Errors
    /// [`StorageFailure::NoSuchRoom`] and [`StorageFailure::NoSuchUser`] as the operation says, and
    /// [`StorageFailure::Failed`] for a second account of one name, which the core never asks for.
    pub fn execute(&mut self, operation: &StorageOperation) -> Result<StorageOutcome, StorageFailure> {
        match operation {
            StorageOperation::OpenRoom { key, owner } => {
                Ok(StorageOutcome::RoomOpened(self.open_room(key, owner.as_ref())))
            }
            StorageOperation::DropRoom { room } => {
                self.drop_room(*room);
                Ok(StorageOutcome::Done)
            }
            StorageOperation::Append { room, event, change } => {
                self.append(*room, event, *change).map(StorageOutcome::Appended)
            }
            StorageOperation::AppendAbout { room, event, whose } => {
                self.append_about(*room, event, whose).map(StorageOutcome::Appended)
            }
            StorageOperation::FindNonce { author, nonce } => {
                Ok(StorageOutcome::Found(self.find_nonce(*author, *nonce)))
            }
            StorageOperation::ReadPage { room, range, events_max, bytes_max } => {
                Ok(self.read_page(*room, *range, *events_max as usize, *bytes_max as usize))
            }
            StorageOperation::Search { rooms, query, before, hits_max, bytes_max } => {
                Ok(self.search(rooms, query, *before, *hits_max, *bytes_max))
            }
            StorageOperation::CreateGuest { nick, token_hash } => {
                Ok(StorageOutcome::GuestCreated { user: self.create_guest(nick, *token_hash) })
            }
            StorageOperation::UpdateGuest { user, nick, expires } => {
                if let Some(guest) = self.guests.get_mut(user) {
                    guest.nick = Arc::clone(nick);
                    guest.expires = *expires;
                }
                Ok(StorageOutcome::Done)
            }
            StorageOperation::RemoveGuest { user } => {
                if !self.accounts.contains(*user) {
                    self.guests.remove(user);
                    self.members.retain(|(member, _)| member != user);
                }
                Ok(StorageOutcome::Done)
            }
            StorageOperation::CreateAccount { nick, record, device, invitation } => {
                let users_given = &mut self.users_given;
                let created =
                    self.accounts.create(nick, record, device, *invitation, || next_user(users_given));
                created.map(|(user, device)| StorageOutcome::AccountCreated { user, device })
            }
            StorageOperation::AddDevice { user, device } => {
                let added = self.accounts.add_device(*user, device);
                added.map(|device| StorageOutcome::DeviceAdded { device })
            }
            StorageOperation::ForgetInvitation { id } => {
                self.accounts.forget_invitation(*id);
                Ok(StorageOutcome::Done)
            }
            StorageOperation::SetRead { user, room, seq } => {
                if !self.rooms.contains_key(room) {
                    return Err(StorageFailure::NoSuchRoom);
                }
                self.accounts.set_read(*user, *room, *seq);
                Ok(StorageOutcome::Done)
            }
            StorageOperation::SeeDevice { device, seen, token } => {
                self.accounts.see_device(*device, *seen, *token);
                Ok(StorageOutcome::Done)
            }
            StorageOperation::RemoveDevice { device } => {
                self.accounts.remove_device(*device);
                Ok(StorageOutcome::Done)
            }
            StorageOperation::SetPassword { user, record, keep } => {
                self.accounts.set_password(*user, record, *keep).map(|()| StorageOutcome::Done)
            }
            StorageOperation::SetMember { user, room, member } => self.set_member(*user, *room, *member),
            StorageOperation::Files(operation) => files::execute(self, operation),
        }
    }

    /// Forgets the events of a room before a number, as retention does. Their nonces stay known (P6).
    pub fn trim(&mut self, room: RoomId, first: Seq) {
        if let Some(room) = self.rooms.get_mut(&room) {
            room.first = room.first.max(first);
        }
    }

    /// What a crash must never do: the counters are those of a moment before it.
    pub(super) fn turn_counters_back(&mut self) {
        if seeded_bug!("number-given-again-after-crash") {
            for room in self.rooms.values_mut() {
                room.log.pop();
            }
        }
        if seeded_bug!("id-given-again-after-crash") {
            self.users_given = self.guests.keys().last().map_or(0, |user| user.get());
        }
    }

    /// The id of a room with this name.
    #[must_use]
    pub fn room_named(&self, name: &str) -> Option<RoomId> {
        self.rooms.iter().find(|(_, room)| room.key == RoomKey::Named(name.into())).map(|(id, _)| *id)
    }

    /// Whether an operation would find all it asks for done already, and need no space.
    #[must_use]
    pub fn is_done(&self, operation: &StorageOperation) -> bool {
        match operation {
            StorageOperation::Append { event, .. } | StorageOperation::AppendAbout { event, .. } => {
                self.find_nonce(event.author, event.nonce).is_some()
            }
            StorageOperation::OpenRoom { key, .. } => self.rooms.values().any(|room| room.key == *key),
            StorageOperation::FindNonce { .. }
            | StorageOperation::ReadPage { .. }
            | StorageOperation::Search { .. } => true,
            StorageOperation::CreateAccount { device, .. } | StorageOperation::AddDevice { device, .. } => {
                self.accounts.find_token(device.token_hash).is_some()
            }
            StorageOperation::SeeDevice { device, .. } | StorageOperation::RemoveDevice { device } => {
                !self.accounts.has_device(*device)
            }
            StorageOperation::DropRoom { .. }
            | StorageOperation::CreateGuest { .. }
            | StorageOperation::UpdateGuest { .. }
            | StorageOperation::RemoveGuest { .. }
            | StorageOperation::SetPassword { .. }
            | StorageOperation::ForgetInvitation { .. }
            | StorageOperation::SetRead { .. }
            | StorageOperation::Files(_)
            | StorageOperation::SetMember { .. } => false,
        }
    }

    /// What a server is told at start.
    #[must_use]
    pub fn recovered(&self) -> Recovered {
        let rooms = self.rooms.iter().map(|(id, room)| record(*id, room)).collect();
        let guests = self.guests.iter().map(|(user, guest)| GuestRecord {
            user: *user,
            nick: Arc::clone(&guest.nick),
            token_hash: guest.token_hash,
            expires: guest.expires,
            rooms: self.rooms_of(*user).collect(),
        });
        let accounts = self.accounts.records(|user| self.rooms_of(user).collect());
        let invitations = self.accounts.invitations();
        let files = self.files.recovered();
        Recovered {
            incarnation: self.incarnation,
            rooms,
            guests: guests.collect(),
            accounts,
            invitations,
            files,
        }
    }

    /// A room.
    #[must_use]
    pub fn room(&self, id: RoomId) -> Option<&Room> {
        self.rooms.get(&id)
    }

    /// A room, be it that it has ceased.
    #[must_use]
    pub fn room_ever(&self, id: RoomId) -> Option<&Room> {
        self.rooms.get(&id).or_else(|| self.ceased.get(&id))
    }

    /// All rooms, ascending by id.
    pub fn rooms(&self) -> impl Iterator<Item = (RoomId, &Room)> {
        self.rooms.iter().map(|(id, room)| (*id, room))
    }

    /// All events ever stored, the newest first, with where they stand.
    pub fn positions(&self) -> impl Iterator<Item = (Position, RoomId, Seq)> + '_ {
        let numbered = self.positions.iter().enumerate().rev();
        numbered.map(|(index, (room, seq))| (Position::new(index as u64 + 1), *room, *seq))
    }

    /// Where an event stands among all there have been.
    #[must_use]
    pub fn position_of(&self, room: RoomId, seq: Seq) -> Option<Position> {
        self.positions().find(|(_, of, number)| (*of, *number) == (room, seq)).map(|(position, ..)| position)
    }

    /// Whether a user is a member of a room, be it named or a direct conversation.
    #[must_use]
    pub fn is_member(&self, user: UserId, room: RoomId) -> bool {
        let direct = self.rooms.get(&room).is_some_and(|room| match room.key {
            RoomKey::Direct(one, other) => user == one || user == other,
            RoomKey::Named(_) => false,
        });
        direct || self.members.contains(&(user, room))
    }

    /// Whether there is an account of this id.
    #[must_use]
    pub fn has_account(&self, user: UserId) -> bool {
        self.accounts.contains(user)
    }

    /// Whether a guest is kept.
    #[must_use]
    pub fn has_guest(&self, user: UserId) -> bool {
        self.guests.contains_key(&user)
    }

    fn rooms_of(&self, user: UserId) -> impl Iterator<Item = RoomId> + '_ {
        let rooms = (user, RoomId::new(0))..=(user, RoomId::new(u64::MAX));
        self.members.range(rooms).map(|(_, room)| *room)
    }

    fn open_room(&mut self, key: &RoomKey, owner: Option<&(UserId, Arc<str>)>) -> RoomRecord {
        if let Some((id, room)) = self.rooms.iter().find(|(_, room)| room.key == *key) {
            return record(*id, room);
        }
        self.rooms_given += 1;
        let id = RoomId::new(self.rooms_given);
        let rights = Rights::new(owner);
        let room = Room {
            key: key.clone(),
            topic: "".into(),
            rights,
            first: Seq::new(1),
            log: Vec::new(),
            revisions: Revisions::default(),
        };
        record(id, self.rooms.entry(id).or_insert(room))
    }

    fn drop_room(&mut self, id: RoomId) {
        if let Some(room) = self.rooms.remove(&id) {
            self.ceased.insert(id, room);
            self.files.drop_of_room(id);
        }
        self.members.retain(|(_, room)| *room != id);
        self.accounts.forget_read(|_, room| room == id);
        self.nonces.retain(|_, (room, _)| *room != id);
    }

    fn append(
        &mut self,
        id: RoomId,
        new: &NewEvent,
        change: Option<RoomChange>,
    ) -> Result<Appended, StorageFailure> {
        let appended = self.append_event(id, new)?;
        if let Some(change) = change
            && appended != Appended::NonceReused
            && let Some(room) = self.rooms.get_mut(&id)
        {
            let name = new.about.as_ref().map_or_else(|| "".into(), |about| Arc::clone(&about.name));
            if let Some(user) = room.rights.change(&name, change) {
                self.members.remove(&(user, id));
                self.accounts.forget_read(|reader, read| (reader, read) == (user, id));
            }
        }
        Ok(appended)
    }

    pub(super) fn append_event(&mut self, id: RoomId, new: &NewEvent) -> Result<Appended, StorageFailure> {
        if !self.rooms.contains_key(&id) {
            return Err(StorageFailure::NoSuchRoom);
        }
        if let Some(found) = self.find_nonce(new.author, new.nonce) {
            let about = new.about.as_ref().map(|about| about.id);
            let same = (found.room, found.kind, found.about) == (id, new.kind, about)
                && (found.revised || found.text == new.text);
            let repeated = Appended::Repeated { seq: found.seq, at: found.at };
            return Ok(if same { repeated } else { Appended::NonceReused });
        }
        let room = self.rooms.get_mut(&id).ok_or(StorageFailure::NoSuchRoom)?;
        let seq = room.last().next();
        let event = StoredEvent {
            seq,
            author: new.author,
            nick: Arc::clone(&new.nick),
            at: new.at,
            kind: new.kind,
            text: Arc::clone(&new.text),
            about: new.about.clone(),
            revised: None,
        };
        room.log.push((event, new.nonce));
        self.positions.push((id, seq));
        if new.kind == EventKind::Topic {
            room.topic = Arc::clone(&new.text);
        }
        let first = room.first;
        self.nonces.insert((new.author, new.nonce), (id, seq));
        if seeded_bug!("nonce-window-one-too-small") {
            self.forget_oldest_nonce(new.author, OUTBOX_POSTS_MAX - 1);
        }
        Ok(Appended::Stored { seq, first })
    }

    fn append_about(
        &mut self,
        id: RoomId,
        new: &NewEvent,
        whose: &Whose,
    ) -> Result<Appended, StorageFailure> {
        if self.find_nonce(new.author, new.nonce).is_some() {
            return self.append_event(id, new);
        }
        let room = self.rooms.get_mut(&id).ok_or(StorageFailure::NoSuchRoom)?;
        let message = Seq::new(new.about.as_ref().map_or(0, |about| about.id));
        let found = room.event(message).filter(|_| message >= room.first);
        let is_message =
            found.is_some_and(|found| matches!(found.kind, EventKind::Posted | EventKind::Action));
        let Some(found) = found.filter(|_| is_message) else {
            return Ok(Appended::Unfit(Unfit::NoSuchMessage));
        };
        if room.revisions.is_deleted(message) {
            return Ok(Appended::Unfit(Unfit::Deleted));
        }
        if found.author != new.author {
            match whose {
                Whose::Anybodys => {}
                Whose::Own => return Ok(Appended::Unfit(Unfit::NotTheirs)),
                Whose::AllBut(users) if users.contains(&found.author) => {
                    return Ok(Appended::Unfit(Unfit::Outranked));
                }
                Whose::AllBut(_) => {}
            }
        }
        let revision = room.last().next();
        if new.kind == EventKind::Edited {
            room.revisions.edit(message, revision, &new.text);
        } else if new.kind == EventKind::Deleted {
            room.revisions.delete(message, revision);
        }
        self.append_event(id, new)
    }

    /// What no storage may do while a nonce can come again: so many as an outbox holds.
    fn forget_oldest_nonce(&mut self, author: UserId, nonces_max: usize) {
        let of_author = (author, Nonce::new(0))..=(author, Nonce::new(u64::MAX));
        let written = |(room, seq): &(RoomId, Seq)| self.rooms.get(room)?.event(*seq).map(|event| event.at);
        let mut nonces: Vec<_> =
            self.nonces.range(of_author).map(|(nonce, place)| (written(place), *nonce)).collect();
        nonces.sort_unstable();
        if nonces.len() > nonces_max {
            self.nonces.remove(&nonces[0].1);
        }
    }

    pub(super) fn find_nonce(&self, author: UserId, nonce: Nonce) -> Option<FoundEvent> {
        let (room, seq) = *self.nonces.get(&(author, nonce))?;
        let StoredEvent { at, kind, text, about, revised, .. } = self.rooms.get(&room)?.current(seq)?;
        let about = about.map(|about| about.id);
        Some(FoundEvent { room, seq, at, kind, text, about, revised: revised.is_some() })
    }

    fn read_page(&self, id: RoomId, range: PageRange, events_max: usize, bytes_max: usize) -> StorageOutcome {
        let Some(room) = self.rooms.get(&id) else {
            return StorageOutcome::Page { first: Seq::new(1), events: Vec::new() };
        };
        let current: Vec<_> = room.kept().iter().map(|(event, _)| room.revisions.current(event)).collect();
        let kept = current.iter();
        let events = match range {
            PageRange::After(seq) => fill(kept.filter(|event| event.seq > seq), events_max, bytes_max),
            PageRange::Before(end) => {
                let before = kept.filter(|event| end.is_none_or(|end| event.seq < end));
                let mut events = fill(before.rev(), events_max, bytes_max);
                events.reverse();
                events
            }
        };
        StorageOutcome::Page { first: room.first, events }
    }

    fn create_guest(&mut self, nick: &Arc<str>, token_hash: TokenHash) -> UserId {
        if let Some((user, _)) = self.guests.iter().find(|(_, guest)| guest.token_hash == token_hash) {
            return *user;
        }
        let user = next_user(&mut self.users_given);
        self.guests.insert(user, Guest { nick: Arc::clone(nick), token_hash, expires: None });
        user
    }

    fn set_member(
        &mut self,
        user: UserId,
        room: RoomId,
        member: bool,
    ) -> Result<StorageOutcome, StorageFailure> {
        if !self.rooms.contains_key(&room) {
            return Err(StorageFailure::NoSuchRoom);
        }
        if member {
            self.members.insert((user, room));
        } else {
            self.members.remove(&(user, room));
            self.accounts.forget_read(|reader, read| (reader, read) == (user, room));
        }
        Ok(StorageOutcome::Done)
    }
}

/// Guests and accounts are numbered together.
const fn next_user(users_given: &mut u64) -> UserId {
    *users_given += 1;
    UserId::new(*users_given)
}

fn record(id: RoomId, room: &Room) -> RoomRecord {
    RoomRecord {
        id,
        key: room.key.clone(),
        topic: Arc::clone(&room.topic),
        first: room.first,
        last: room.last(),
        mode: room.rights.mode,
        standings: room.rights.standings().cloned().collect(),
    }
}

fn fill<'log>(
    events: impl Iterator<Item = &'log StoredEvent>,
    events_max: usize,
    bytes_max: usize,
) -> Vec<StoredEvent> {
    let mut bytes = 0;
    let mut page = Vec::new();
    for event in events.take(events_max) {
        bytes += event.readable_bytes();
        if bytes > bytes_max && !page.is_empty() {
            break;
        }
        page.push(event.clone());
    }
    page
}
