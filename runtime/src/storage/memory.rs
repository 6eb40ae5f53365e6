//! A storage that keeps everything in memory: for demonstrations, tests, and servers that shall forget.

mod accounts;
mod room;
mod room_sizes;
mod search;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use palabre_core::{
    ids::{Incarnation, Nonce, RoomId, Seq, UserId},
    rights::{Role, RoomChange, Standing},
    storage::{
        About, Appended, EventKind, FoundEvent, GuestRecord, NewEvent, PageRange, Recovered, RecoveredFiles,
        RoomKey, StorageFailure, StorageOperation, StorageOutcome, StoredEvent, TokenHash, Unfit, Whose,
    },
    time::WallTime,
};

use self::{
    accounts::Accounts,
    room::{LoggedEvent, Room},
    room_sizes::RoomSizes,
};

/// What the events of a [`MemoryStorage`] may cost unless it is told otherwise: 256 MiB.
pub const MEMORY_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// How many accounts a [`MemoryStorage`] keeps unless it is told otherwise. With as many devices as the core lets each
/// have (`PROTOCOL.md` A10) they cost less than the events may.
pub const MEMORY_ACCOUNTS_MAX: usize = 10_000;

/// The storage port in memory. Each call is answered at once.
///
/// All events together are kept within a number of bytes. Past it the oldest events of the largest room are
/// trimmed (the largest to within a factor of two), and their nonces forgotten: an append then answers with a
/// `first` that has moved. Room records and guests are not counted; the core bounds their number. Accounts, which last,
/// are bounded by their number here: one more is refused with [`StorageFailure::NoSpace`], as by a full disk.
#[derive(Debug)]
pub struct MemoryStorage {
    incarnation: Incarnation,
    bytes_max: u64,
    bytes: u64,
    last_room: u64,
    last_user: u64,
    rooms: HashMap<RoomId, Room>,
    rooms_by_key: BTreeMap<RoomKey, RoomId>,
    sizes: RoomSizes,
    nonces: HashMap<(UserId, Nonce), (RoomId, Seq)>,
    /// All events, by when they were stored.
    positions: BTreeMap<u64, (RoomId, Seq)>,
    last_position: u64,
    guests: BTreeMap<UserId, Guest>,
    guests_by_token: BTreeMap<TokenHash, UserId>,
    accounts: Accounts,
    members: BTreeMap<UserId, BTreeSet<RoomId>>,
    no_topic: Arc<str>,
}

#[derive(Debug)]
struct Guest {
    nick: Arc<str>,
    token_hash: TokenHash,
    expires: Option<WallTime>,
}

impl MemoryStorage {
    /// An empty storage that keeps events for at most [`MEMORY_BYTES_MAX`].
    #[must_use]
    pub fn new(incarnation: Incarnation) -> Self {
        Self::with_bytes_max(incarnation, MEMORY_BYTES_MAX)
    }

    /// An empty storage that keeps events for at most `bytes_max` bytes.
    #[must_use]
    pub fn with_bytes_max(incarnation: Incarnation, bytes_max: u64) -> Self {
        Self {
            incarnation,
            bytes_max,
            bytes: 0,
            last_room: 0,
            last_user: 0,
            rooms: HashMap::new(),
            rooms_by_key: BTreeMap::new(),
            sizes: RoomSizes::new(),
            nonces: HashMap::new(),
            positions: BTreeMap::new(),
            last_position: 0,
            guests: BTreeMap::new(),
            guests_by_token: BTreeMap::new(),
            accounts: Accounts::new(MEMORY_ACCOUNTS_MAX),
            members: BTreeMap::new(),
            no_topic: Arc::from(""),
        }
    }

    /// The same, with at most `accounts_max` accounts. To be said before there are any.
    #[must_use]
    pub fn with_accounts_max(mut self, accounts_max: usize) -> Self {
        self.accounts = Accounts::new(accounts_max);
        self
    }

    /// Executes one operation.
    ///
    /// # Errors
    ///
    /// [`StorageFailure::NoSuchRoom`] and [`StorageFailure::NoSuchUser`], where the operation says so;
    /// [`StorageFailure::NoSpace`] for one account too many, and [`StorageFailure::Failed`] for a second one of the same
    /// name, which the core never asks for.
    pub fn execute(&mut self, operation: StorageOperation) -> Result<StorageOutcome, StorageFailure> {
        match operation {
            StorageOperation::OpenRoom { key, owner } => Ok(self.open_room(key, owner)),
            StorageOperation::DropRoom { room } => Ok(self.drop_room(room)),
            StorageOperation::Append { room, event, change } => self.append(room, event, change),
            StorageOperation::AppendAbout { room, event, whose } => self.append_about(room, event, &whose),
            StorageOperation::FindNonce { author, nonce } => {
                Ok(StorageOutcome::Found(self.find_nonce(author, nonce)))
            }
            StorageOperation::ReadPage { room, range, events_max, bytes_max } => {
                Ok(self.read_page(room, range, events_max, bytes_max))
            }
            StorageOperation::Search { rooms, query, before, hits_max, bytes_max } => {
                Ok(self.search(&rooms, &query, before, hits_max, bytes_max))
            }
            StorageOperation::CreateGuest { nick, token_hash } => Ok(self.create_guest(nick, token_hash)),
            StorageOperation::UpdateGuest { user, nick, expires } => {
                Ok(self.update_guest(user, nick, expires))
            }
            StorageOperation::RemoveGuest { user } => Ok(self.remove_guest(user)),
            StorageOperation::CreateAccount { nick, record, device, invitation } => {
                let created = self.accounts.create(nick, record, device, invitation, &mut self.last_user);
                created.map(|(user, device)| StorageOutcome::AccountCreated { user, device })
            }
            StorageOperation::AddDevice { user, device } => {
                let added = self.accounts.add_device(user, device);
                added.map(|device| StorageOutcome::DeviceAdded { device })
            }
            StorageOperation::ForgetInvitation { id } => {
                self.accounts.forget_invitation(id);
                Ok(StorageOutcome::Done)
            }
            StorageOperation::SetRead { user, room, seq } => {
                if !self.rooms.contains_key(&room) {
                    return Err(StorageFailure::NoSuchRoom);
                }
                self.accounts.set_read(user, room, seq);
                Ok(StorageOutcome::Done)
            }
            StorageOperation::SeeDevice { device, seen, token } => {
                self.accounts.see_device(device, seen, token);
                Ok(StorageOutcome::Done)
            }
            StorageOperation::RemoveDevice { device } => {
                self.accounts.remove_device(device);
                Ok(StorageOutcome::Done)
            }
            StorageOperation::SetPassword { user, record, keep } => {
                self.accounts.set_password(user, record, keep).map(|()| StorageOutcome::Done)
            }
            StorageOperation::SetMember { user, room, member } => self.set_member(user, room, member),
            // Files need a disk: a server on this storage takes none.
            StorageOperation::Files(_) => Err(StorageFailure::Failed),
        }
    }

    /// All that it holds, as a durable storage would hand it over at the next start.
    #[must_use]
    pub fn recovered(&self) -> Recovered {
        let mut rooms: Vec<_> = self.rooms.iter().map(|(id, room)| room.record(*id)).collect();
        rooms.sort_by_key(|room| room.id);
        let guests = self.guests.iter().map(|(user, guest)| GuestRecord {
            user: *user,
            nick: Arc::clone(&guest.nick),
            token_hash: guest.token_hash,
            expires: guest.expires,
            rooms: self.rooms_of(*user),
        });
        let accounts = self.accounts.records(|user| self.rooms_of(user));
        let invitations = self.accounts.invitations();
        let files = RecoveredFiles::default();
        Recovered {
            incarnation: self.incarnation,
            rooms,
            guests: guests.collect(),
            accounts,
            invitations,
            files,
        }
    }

    /// What the events cost at present, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    fn rooms_of(&self, user: UserId) -> Vec<RoomId> {
        self.members.get(&user).into_iter().flatten().copied().collect()
    }

    fn open_room(&mut self, key: RoomKey, owner: Option<(UserId, Arc<str>)>) -> StorageOutcome {
        let id = self.rooms_by_key.get(&key).copied().unwrap_or_else(|| {
            self.last_room += 1;
            RoomId::new(self.last_room)
        });
        let room = self.rooms.entry(id).or_insert_with(|| {
            self.rooms_by_key.insert(key.clone(), id);
            let mut room = Room::new(key, Arc::clone(&self.no_topic));
            if let Some((user, name)) = owner {
                room.standings.insert(user, Standing { role: Role::Owner, ..Standing::new(user, name) });
            }
            room
        });
        StorageOutcome::RoomOpened(room.record(id))
    }

    fn drop_room(&mut self, id: RoomId) -> StorageOutcome {
        if let Some(room) = self.rooms.remove(&id) {
            self.rooms_by_key.remove(&room.key);
            self.sizes.change(id, room.bytes, 0);
            self.bytes -= room.bytes;
            for logged in room.events() {
                self.nonces.remove(&(logged.event.author, logged.nonce));
                self.positions.remove(&logged.position);
            }
            self.accounts.forget_room(id);
            self.members.retain(|_, rooms| {
                rooms.remove(&id);
                !rooms.is_empty()
            });
        }
        StorageOutcome::Done
    }

    fn append(
        &mut self,
        id: RoomId,
        new: NewEvent,
        change: Option<RoomChange>,
    ) -> Result<StorageOutcome, StorageFailure> {
        let name = new.about.as_ref().map_or_else(|| "".into(), |about| Arc::clone(&about.name));
        let outcome = self.append_event(id, new)?;
        if let Some(change) = change
            && !matches!(outcome, StorageOutcome::Appended(Appended::NonceReused))
        {
            self.make_change(id, name, change);
        }
        Ok(outcome)
    }

    fn append_about(
        &mut self,
        id: RoomId,
        new: NewEvent,
        whose: &Whose,
    ) -> Result<StorageOutcome, StorageFailure> {
        let Some(room) = self.rooms.get_mut(&id) else { return Err(StorageFailure::NoSuchRoom) };
        if self.nonces.contains_key(&(new.author, new.nonce)) {
            return self.append_event(id, new);
        }
        let message = Seq::new(about_number(new.about.as_ref()).unwrap_or_default());
        let fit = match room.event(message) {
            Some(found) if found.is_deleted() => Err(Unfit::Deleted),
            Some(found) if found.kind.is_message() => whose.allows(new.author, found.author),
            Some(_) | None => Err(Unfit::NoSuchMessage),
        };
        if let Err(unfit) = fit {
            return Ok(StorageOutcome::Appended(Appended::Unfit(unfit)));
        }
        let (revision, bytes) = (room.next_seq(), room.bytes);
        if new.kind == EventKind::Edited {
            room.revise(message, &new.text, revision);
        } else if new.kind == EventKind::Deleted {
            room.delete(message, &self.no_topic, revision);
        }
        let now_bytes = room.bytes;
        self.bytes = self.bytes + now_bytes - bytes;
        self.sizes.change(id, bytes, now_bytes);
        self.append_event(id, new)
    }

    fn make_change(&mut self, id: RoomId, name: Arc<str>, change: RoomChange) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        match change {
            RoomChange::Mode(mode) => room.mode = mode,
            RoomChange::Right(user, change) => {
                let standing =
                    room.standings.entry(user).or_insert_with(|| Standing::new(user, Arc::clone(&name)));
                standing.name = name;
                standing.apply(change);
                if standing.is_ordinary() {
                    room.standings.remove(&user);
                }
                if change.ends_membership() {
                    if let Some(rooms) = self.members.get_mut(&user) {
                        rooms.remove(&id);
                    }
                    self.accounts.forget_read(user, id);
                }
            }
        }
    }

    fn append_event(&mut self, id: RoomId, new: NewEvent) -> Result<StorageOutcome, StorageFailure> {
        let Some(room) = self.rooms.get_mut(&id) else { return Err(StorageFailure::NoSuchRoom) };
        if let Some((stored_in, seq)) = self.nonces.get(&(new.author, new.nonce)).copied() {
            return Ok(StorageOutcome::Appended(self.repeated(id, &new, stored_in, seq)));
        }
        let seq = room.next_seq();
        self.nonces.insert((new.author, new.nonce), (id, seq));
        if new.kind == EventKind::Topic {
            room.topic = Arc::clone(&new.text);
        }
        let NewEvent { author, nick, nonce, at, kind, text, about } = new;
        let bytes = room.bytes;
        self.last_position += 1;
        let position = self.last_position;
        self.positions.insert(position, (id, seq));
        let event = StoredEvent { seq, author, nick, at, kind, text, about, revised: None };
        room.push(LoggedEvent { event, nonce, position });
        self.bytes += room.bytes - bytes;
        self.sizes.change(id, bytes, room.bytes);
        self.trim();
        let first = self.rooms.get(&id).map_or(seq, Room::first);
        Ok(StorageOutcome::Appended(Appended::Stored { seq, first }))
    }

    fn repeated(&self, room: RoomId, new: &NewEvent, stored_in: RoomId, seq: Seq) -> Appended {
        match self.rooms.get(&stored_in).and_then(|room| room.event(seq)) {
            Some(event)
                if stored_in == room
                    && event.kind == new.kind
                    && (event.revised.is_some() || event.text == new.text)
                    && about_number(event.about.as_ref()) == about_number(new.about.as_ref()) =>
            {
                Appended::Repeated { seq, at: event.at }
            }
            Some(_) | None => Appended::NonceReused,
        }
    }

    /// Takes events away until the rest fits.
    fn trim(&mut self) {
        while self.bytes > self.bytes_max {
            let Some(id) = self.sizes.largest() else { return };
            let Some(room) = self.rooms.get_mut(&id) else { return };
            let Some(trimmed) = room.trim() else { return };
            let bytes = trimmed.bytes();
            self.bytes -= bytes;
            self.sizes.change(id, room.bytes + bytes, room.bytes);
            self.nonces.remove(&(trimmed.event.author, trimmed.nonce));
            self.positions.remove(&trimmed.position);
        }
    }

    fn find_nonce(&self, author: UserId, nonce: Nonce) -> Option<FoundEvent> {
        let (room, seq) = self.nonces.get(&(author, nonce)).copied()?;
        let event = self.rooms.get(&room)?.event(seq)?;
        let about = about_number(event.about.as_ref());
        let StoredEvent { at, kind, ref text, revised, .. } = *event;
        Some(FoundEvent { room, seq, at, kind, text: Arc::clone(text), about, revised: revised.is_some() })
    }

    fn read_page(&self, room: RoomId, range: PageRange, events_max: u32, bytes_max: u32) -> StorageOutcome {
        let room = self.rooms.get(&room);
        StorageOutcome::Page {
            first: room.map_or(Seq::new(1), Room::first),
            events: room.map_or_else(Vec::new, |room| room.page(range, events_max, bytes_max)),
        }
    }

    fn create_guest(&mut self, nick: Arc<str>, token_hash: TokenHash) -> StorageOutcome {
        let user = *self.guests_by_token.entry(token_hash).or_insert_with(|| {
            self.last_user += 1;
            let user = UserId::new(self.last_user);
            self.guests.insert(user, Guest { nick, token_hash, expires: None });
            user
        });
        StorageOutcome::GuestCreated { user }
    }

    fn update_guest(&mut self, user: UserId, nick: Arc<str>, expires: Option<WallTime>) -> StorageOutcome {
        if let Some(guest) = self.guests.get_mut(&user) {
            guest.nick = nick;
            guest.expires = expires;
        }
        StorageOutcome::Done
    }

    fn remove_guest(&mut self, user: UserId) -> StorageOutcome {
        if self.accounts.contains(user) {
            return StorageOutcome::Done;
        }
        if let Some(guest) = self.guests.remove(&user) {
            self.guests_by_token.remove(&guest.token_hash);
        }
        self.members.remove(&user);
        StorageOutcome::Done
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
        let rooms = self.members.entry(user).or_default();
        if member {
            rooms.insert(room);
        } else {
            rooms.remove(&room);
            self.accounts.forget_read(user, room);
        }
        if rooms.is_empty() {
            self.members.remove(&user);
        }
        Ok(StorageOutcome::Done)
    }
}

fn about_number(about: Option<&About>) -> Option<u64> {
    about.map(|about| about.id)
}
