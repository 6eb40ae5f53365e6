//! A storage as plain maps, for tests of the core.

// Said so that whoever takes this file from elsewhere finds it, too.
#[path = "store/files.rs"]
mod files;

use std::{collections::BTreeMap, sync::Arc};

use palabre_core::{
    ids::{DeviceId, Incarnation, Nonce, Position, RoomId, Seq, UserId},
    rights::{Role, RoomChange, RoomMode, Standing},
    search::{Query, searched},
    storage::{
        About, AccountRecord, Appended, DeviceRecord, EventKind, FoundEvent, GuestRecord, Hit,
        InvitationRecord, InvitationUse, NewDevice, NewEvent, PageRange, Recovered, RoomKey, RoomRecord,
        StorageFailure, StorageOperation, StorageOutcome, StoredEvent, TokenHash, Unfit,
    },
    time::WallTime,
};

/// A storage that answers at once, or when it is told to, and forgets nothing.
#[derive(Clone, Default)]
pub(crate) struct Store {
    rooms: BTreeMap<RoomId, (RoomRecord, Vec<StoredEvent>)>,
    guests: BTreeMap<UserId, GuestRecord>,
    pub(crate) accounts: BTreeMap<UserId, AccountRecord>,
    pub(crate) invitations: Vec<InvitationRecord>,
    pub(crate) files: files::Files,
    device_ids: u64,
    nonces: BTreeMap<(UserId, Nonce), (RoomId, Seq)>,
    /// All events, by when they were stored.
    positions: Vec<(RoomId, Seq)>,
    room_ids: u64,
    user_ids: u64,
    pub(crate) failing: Option<StorageFailure>,
}

impl Store {
    pub(crate) fn recovered(&self) -> Recovered {
        Recovered {
            incarnation: Incarnation::new(7),
            rooms: self.rooms.values().map(|(record, _)| record.clone()).collect(),
            guests: self.guests.values().cloned().collect(),
            accounts: self.accounts.values().cloned().collect(),
            invitations: self.invitations.clone(),
            files: self.files.recovered(),
        }
    }

    pub(crate) fn log(&self, room: RoomId) -> Vec<StoredEvent> {
        self.rooms.get(&room).map(|(_, log)| log.clone()).unwrap_or_default()
    }

    pub(crate) fn set_expires(&mut self, expires: Option<WallTime>) {
        for guest in self.guests.values_mut() {
            guest.expires = expires;
        }
    }

    pub(crate) fn trim(&mut self, room: RoomId, first: Seq) {
        let (record, log) = self.rooms.get_mut(&room).expect("room");
        record.first = first;
        log.retain(|event| event.seq >= first);
    }

    pub(crate) fn execute(&mut self, operation: StorageOperation) -> Result<StorageOutcome, StorageFailure> {
        match (&operation, self.failing) {
            (
                StorageOperation::ReadPage { .. }
                | StorageOperation::FindNonce { .. }
                | StorageOperation::Search { .. },
                _,
            )
            | (_, None) => {}
            (_, Some(failure)) => return Err(failure),
        }
        match operation {
            StorageOperation::OpenRoom { key, owner } => {
                Ok(StorageOutcome::RoomOpened(self.open_room(key, owner)))
            }
            StorageOperation::DropRoom { room } => {
                self.rooms.remove(&room);
                Ok(StorageOutcome::Done)
            }
            StorageOperation::Append { room, event, change } => {
                if let Some((stored_room, seq)) = self.nonces.get(&(event.author, event.nonce)) {
                    let stored =
                        self.log(*stored_room).into_iter().find(|stored| stored.seq == *seq).expect("kept");
                    let about = |about: &Option<About>| about.as_ref().map(|about| about.id);
                    let same_text = stored.revised.is_some() || stored.text == event.text;
                    let same = *stored_room == room
                        && (stored.kind, same_text) == (event.kind, true)
                        && about(&stored.about) == about(&event.about);
                    let repeated = Appended::Repeated { seq: *seq, at: stored.at };
                    return Ok(StorageOutcome::Appended(if same { repeated } else { Appended::NonceReused }));
                }
                if let Some(change) = change {
                    self.make_change(room, &event, change);
                }
                let (record, log) = self.rooms.get_mut(&room).ok_or(StorageFailure::NoSuchRoom)?;
                let seq = record.last.next();
                record.last = seq;
                self.nonces.insert((event.author, event.nonce), (room, seq));
                self.positions.push((room, seq));
                log.push(StoredEvent {
                    seq,
                    author: event.author,
                    nick: event.nick,
                    at: event.at,
                    kind: event.kind,
                    text: event.text,
                    about: event.about,
                    revised: None,
                });
                Ok(StorageOutcome::Appended(Appended::Stored { seq, first: record.first }))
            }
            StorageOperation::AppendAbout { room, event, whose } => {
                let to = Seq::new(event.about.as_ref().map_or(0, |about| about.id));
                let is_new = !self.nonces.contains_key(&(event.author, event.nonce));
                let found =
                    self.log(room).into_iter().find(|found| found.seq == to && found.kind.is_message());
                let fit = match found {
                    Some(found) if found.is_deleted() => Err(Unfit::Deleted),
                    Some(found) => whose.allows(event.author, found.author),
                    None => Err(Unfit::NoSuchMessage),
                };
                if let (true, Err(unfit)) = (is_new, fit) {
                    return Ok(StorageOutcome::Appended(Appended::Unfit(unfit)));
                }
                let kind = event.kind;
                let appended = self.execute(StorageOperation::Append { room, event, change: None })?;
                let (_, log) = self.rooms.get_mut(&room).ok_or(StorageFailure::NoSuchRoom)?;
                let Some(by) = log.last().cloned().filter(|_| is_new) else { return Ok(appended) };
                for event in log.iter_mut() {
                    event.revise(&by);
                    if kind == EventKind::Deleted && event.kind == EventKind::Edited && event.to() == Some(to)
                    {
                        (event.text, event.revised) = ("".into(), Some(by.seq));
                    }
                }
                Ok(appended)
            }
            StorageOperation::FindNonce { author, nonce } => {
                let found = self.nonces.get(&(author, nonce)).map(|(room, seq)| {
                    let event = self.log(*room).into_iter().find(|event| event.seq == *seq).expect("kept");
                    FoundEvent {
                        room: *room,
                        seq: *seq,
                        at: event.at,
                        kind: event.kind,
                        text: event.text,
                        about: event.about.map(|about| about.id),
                        revised: event.revised.is_some(),
                    }
                });
                Ok(StorageOutcome::Found(found))
            }
            StorageOperation::ReadPage { room, range, events_max, bytes_max } => {
                let first = self.rooms.get(&room).map(|(record, _)| record.first).unwrap_or_default();
                Ok(StorageOutcome::Page {
                    first,
                    events: page(&self.log(room), range, events_max, bytes_max),
                })
            }
            StorageOperation::Search { rooms, query, before, hits_max, bytes_max } => {
                Ok(self.search(&rooms, &query, before, hits_max, bytes_max))
            }
            StorageOperation::CreateGuest { nick, token_hash } => Ok(self.create_guest(nick, token_hash)),
            StorageOperation::UpdateGuest { user, nick, expires } => {
                if let Some(guest) = self.guests.get_mut(&user) {
                    guest.nick = nick;
                    guest.expires = expires;
                }
                Ok(StorageOutcome::Done)
            }
            StorageOperation::RemoveGuest { user } => {
                self.guests.remove(&user);
                Ok(StorageOutcome::Done)
            }
            StorageOperation::SetMember { user, room, member } => {
                if !self.rooms.contains_key(&room) {
                    return Err(StorageFailure::NoSuchRoom);
                }
                let guest = self.guests.get_mut(&user).map(|guest| &mut guest.rooms);
                if let Some(account) = self.accounts.get_mut(&user).filter(|_| !member) {
                    account.read.retain(|(read, _)| *read != room);
                }
                if let Some(rooms) =
                    guest.or_else(|| self.accounts.get_mut(&user).map(|account| &mut account.rooms))
                {
                    rooms.retain(|other| *other != room);
                    if member {
                        rooms.push(room);
                        rooms.sort();
                    }
                }
                self.set_member(user, room, member);
                Ok(StorageOutcome::Done)
            }
            StorageOperation::Files(operation) => self.execute_on_files(*operation),
            StorageOperation::CreateAccount { nick, record, device, invitation } => {
                if let Some(used) = invitation {
                    self.use_invitation(used);
                }
                self.user_ids += 1;
                let user = UserId::new(self.user_ids);
                let device = self.new_device(device);
                let outcome = StorageOutcome::AccountCreated { user, device: device.device };
                let (rooms, devices, read) = (Vec::new(), vec![device], Vec::new());
                self.accounts.insert(user, AccountRecord { user, nick, record, rooms, devices, read });
                Ok(outcome)
            }
            StorageOperation::ForgetInvitation { id } => {
                self.invitations.retain(|known| known.id != id);
                Ok(StorageOutcome::Done)
            }
            StorageOperation::SetRead { user, room, seq } => {
                if !self.rooms.contains_key(&room) {
                    return Err(StorageFailure::NoSuchRoom);
                }
                if let Some(account) = self.accounts.get_mut(&user) {
                    let before = account.read.iter().find(|(read, _)| *read == room).map(|(_, seq)| *seq);
                    account.read.retain(|(read, _)| *read != room);
                    account.read.push((room, before.unwrap_or_default().max(seq)));
                    account.read.sort();
                }
                Ok(StorageOutcome::Done)
            }
            StorageOperation::AddDevice { user, device } => {
                let device = self.new_device(device);
                let account = self.accounts.get_mut(&user).ok_or(StorageFailure::NoSuchUser)?;
                account.devices.push(device.clone());
                Ok(StorageOutcome::DeviceAdded { device: device.device })
            }
            StorageOperation::SeeDevice { device, seen, token } => {
                let devices = self.accounts.values_mut().flat_map(|account| &mut account.devices);
                for known in devices.filter(|known| known.device == device) {
                    (known.seen, known.token) = (seen, token.unwrap_or(known.token));
                }
                Ok(StorageOutcome::Done)
            }
            StorageOperation::RemoveDevice { device } => {
                for account in self.accounts.values_mut() {
                    account.devices.retain(|known| known.device != device);
                }
                Ok(StorageOutcome::Done)
            }
            StorageOperation::SetPassword { user, record, keep } => {
                let account = self.accounts.get_mut(&user).ok_or(StorageFailure::NoSuchUser)?;
                account.record = record;
                account.devices.retain(|known| known.device == keep);
                Ok(StorageOutcome::Done)
            }
        }
    }

    fn search(
        &self,
        rooms: &[RoomId],
        query: &Query,
        before: Option<Position>,
        hits_max: u32,
        bytes_max: u32,
    ) -> StorageOutcome {
        let stood = (1..).map(Position::new).zip(&self.positions).collect::<Vec<_>>().into_iter().rev();
        let asked = stood.filter(|(position, (room, _))| {
            before.is_none_or(|before| *position < before) && rooms.contains(room)
        });
        let (mut hits, mut next, mut bytes) = (Vec::new(), None, 0);
        for (position, (room, seq)) in asked {
            let Some(event) = self.log(*room).into_iter().find(|event| event.seq == *seq) else { continue };
            if !searched(event.kind, &event.text).is_some_and(|text| query.matches(text)) {
                continue;
            }
            bytes += event.readable_bytes();
            if hits.len() == hits_max as usize || (bytes > bytes_max as usize && !hits.is_empty()) {
                return StorageOutcome::Hits { hits, next };
            }
            hits.push(Hit { room: *room, event });
            next = Some(position);
        }
        StorageOutcome::Hits { hits, next: None }
    }

    fn new_device(&mut self, device: NewDevice) -> DeviceRecord {
        self.device_ids += 1;
        DeviceRecord::new(DeviceId::new(self.device_ids), device)
    }

    fn use_invitation(&mut self, used: InvitationUse) {
        match self.invitations.iter_mut().find(|known| known.id == used.id) {
            Some(known) => known.uses += 1,
            None => self.invitations.push(InvitationRecord { id: used.id, uses: 1, expires: used.expires }),
        }
        self.invitations.sort_by_key(|known| known.id);
    }

    fn make_change(&mut self, id: RoomId, event: &NewEvent, change: RoomChange) {
        let Some((room, _)) = self.rooms.get_mut(&id) else { return };
        let (user, change) = match change {
            RoomChange::Mode(mode) => return room.mode = mode,
            RoomChange::Right(user, change) => (user, change),
        };
        let about = event.about.as_ref().expect("an act upon somebody says upon whom");
        let place = room.standings.iter().position(|standing| standing.user == user);
        let mut standing = place.map_or_else(
            || Standing::new(user, Arc::clone(&about.name)),
            |place| room.standings.remove(place),
        );
        standing.apply(change);
        if !standing.is_ordinary() {
            room.standings.push(standing);
            room.standings.sort_by_key(|standing| standing.user);
        }
        if change.ends_membership() {
            self.set_member(user, id, false);
        }
    }

    fn set_member(&mut self, user: UserId, room: RoomId, member: bool) {
        let guest = self.guests.get_mut(&user).map(|guest| &mut guest.rooms);
        if let Some(rooms) = guest.or_else(|| self.accounts.get_mut(&user).map(|account| &mut account.rooms))
        {
            rooms.retain(|other| *other != room);
            if member {
                rooms.push(room);
                rooms.sort();
            }
        }
    }

    fn open_room(&mut self, key: RoomKey, owner: Option<(UserId, Arc<str>)>) -> RoomRecord {
        if let Some((record, _)) = self.rooms.values().find(|(record, _)| record.key == key) {
            return record.clone();
        }
        self.room_ids += 1;
        let id = RoomId::new(self.room_ids);
        let owner = owner.map(|(user, name)| Standing { role: Role::Owner, ..Standing::new(user, name) });
        let record = RoomRecord {
            id,
            key,
            topic: "".into(),
            first: Seq::new(1),
            last: Seq::new(0),
            mode: RoomMode::default(),
            standings: owner.into_iter().collect(),
        };
        self.rooms.insert(id, (record.clone(), Vec::new()));
        record
    }

    fn create_guest(&mut self, nick: Arc<str>, token_hash: TokenHash) -> StorageOutcome {
        self.user_ids += 1;
        let user = UserId::new(self.user_ids);
        self.guests.insert(user, GuestRecord { user, nick, token_hash, expires: None, rooms: Vec::new() });
        StorageOutcome::GuestCreated { user }
    }
}

fn page(log: &[StoredEvent], range: PageRange, events_max: u32, bytes_max: u32) -> Vec<StoredEvent> {
    let mut bytes = 0;
    let mut fits = |event: &&StoredEvent| {
        let first = bytes == 0;
        bytes += event.readable_bytes();
        first || bytes <= bytes_max as usize
    };
    let most = events_max as usize;
    match range {
        PageRange::After(seq) => {
            log.iter().filter(|event| event.seq > seq).take(most).take_while(&mut fits).cloned().collect()
        }
        PageRange::Before(seq) => {
            let earlier = log.iter().rev().filter(|event| seq.is_none_or(|seq| event.seq < seq));
            let mut events: Vec<_> = earlier.take(most).take_while(&mut fits).cloned().collect();
            events.reverse();
            events
        }
    }
}
