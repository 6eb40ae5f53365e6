use std::{fs, path::Path};

use palabre_core::{
    ids::{DeviceId, Incarnation, Nonce, Position, RoomId, Seq, UserId},
    password::PasswordRecord,
    rights::RoomChange,
    search::Query,
    storage::{
        About, AccountRecord, Appended, DeviceToken, EventKind, InvitationId, InvitationUse, NewDevice,
        NewEvent, PageRange, Recovered, RoomKey, StorageFailure, StorageOperation, StorageOutcome,
        StorageRequest, StoredEvent, Ticket, TokenHash, Whose,
    },
    time::WallTime,
};
use palabre_runtime::storage::{MemoryStorage, OpenError, SqliteOptions, SqliteStorage};
use tempfile::TempDir;

pub(crate) type Answer = Result<StorageOutcome, StorageFailure>;

/// Either storage.
pub(crate) trait Subject {
    fn execute(&mut self, operation: StorageOperation) -> Answer;

    /// All accounts, as the next start would find them.
    fn accounts(&self) -> Vec<AccountRecord>;
}

impl Subject for MemoryStorage {
    fn execute(&mut self, operation: StorageOperation) -> Answer {
        Self::execute(self, operation)
    }

    fn accounts(&self) -> Vec<AccountRecord> {
        self.recovered().accounts
    }
}

impl Subject for SqliteStorage {
    fn execute(&mut self, operation: StorageOperation) -> Answer {
        execute_batch(self, vec![operation]).remove(0)
    }

    fn accounts(&self) -> Vec<AccountRecord> {
        open(copy_without_closing(self.directory()).path()).1.accounts
    }
}

/// Shows a claim for both storages.
pub(crate) fn on_both(claim: impl Fn(&mut dyn Subject)) {
    claim(&mut MemoryStorage::new(Incarnation::new(1)));
    let directory = tempfile::tempdir().unwrap();
    claim(&mut open(directory.path()).0);
}

pub(crate) fn open(directory: &Path) -> (SqliteStorage, Recovered) {
    SqliteStorage::open(SqliteOptions::new(directory), 1).unwrap()
}

/// Why the database in the directory is not opened.
pub(crate) fn refusal(directory: &Path) -> OpenError {
    SqliteStorage::open(SqliteOptions::new(directory), 1).map(|(_, recovered)| recovered).unwrap_err()
}

/// Executes operations as one batch.
pub(crate) fn execute_batch(storage: &mut SqliteStorage, operations: Vec<StorageOperation>) -> Vec<Answer> {
    let batch = requests(operations);
    let replies = storage.execute_batch(&batch).unwrap();
    assert!(batch.iter().map(|request| request.ticket).eq(replies.iter().map(|reply| reply.ticket)));
    replies.into_iter().map(|reply| reply.result).collect()
}

pub(crate) fn requests(operations: Vec<StorageOperation>) -> Vec<StorageRequest> {
    let tickets = (0..).map(Ticket::from_number);
    tickets.zip(operations).map(|(ticket, operation)| StorageRequest { ticket, operation }).collect()
}

/// What a power cut would leave of a directory in which all that was written had been synced.
pub(crate) fn copy_without_closing(directory: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in ["palabre.db", "palabre.db-wal"] {
        if directory.join(name).exists() {
            fs::copy(directory.join(name), copy.path().join(name)).unwrap();
        }
    }
    copy
}

pub(crate) fn open_room(name: &str) -> StorageOperation {
    StorageOperation::OpenRoom { key: RoomKey::Named(name.into()), owner: None }
}

pub(crate) fn open_direct(lower: u64, higher: u64) -> StorageOperation {
    StorageOperation::OpenRoom { key: RoomKey::Direct(UserId::new(lower), UserId::new(higher)), owner: None }
}

pub(crate) fn drop_room(room: u64) -> StorageOperation {
    StorageOperation::DropRoom { room: RoomId::new(room) }
}

pub(crate) fn post(room: u64, nonce: u64, text: &str) -> StorageOperation {
    append(room, 1, nonce, EventKind::Posted, text)
}

pub(crate) fn append(room: u64, author: u64, nonce: u64, kind: EventKind, text: &str) -> StorageOperation {
    StorageOperation::Append {
        room: RoomId::new(room),
        event: NewEvent {
            author: UserId::new(author),
            nick: "ada".into(),
            nonce: Nonce::new(nonce),
            at: WallTime::from_millis(nonce),
            kind,
            text: text.into(),
            about: None,
        },
        change: None,
    }
}

/// A room that is owned by somebody if it is new.
pub(crate) fn open_owned(name: &str, owner: u64) -> StorageOperation {
    let owner = Some((UserId::new(owner), "ada".into()));
    StorageOperation::OpenRoom { key: RoomKey::Named(name.into()), owner }
}

/// An act upon a user, or upon the room.
pub(crate) fn act(room: u64, nonce: u64, change: RoomChange) -> StorageOperation {
    let user = match change {
        RoomChange::Mode(_) => 0,
        RoomChange::Right(user, _) => user.get(),
    };
    let mut operation = append_about(room, 1, nonce, user);
    if let StorageOperation::Append { event, change: made, .. } = &mut operation {
        event.kind = EventKind::Mode;
        *made = Some(change);
    }
    operation
}

/// A post about something: an end and a name's length go with its number.
pub(crate) fn append_about(room: u64, author: u64, nonce: u64, about: u64) -> StorageOperation {
    let mut operation = append(room, author, nonce, EventKind::Posted, "hello");
    if let StorageOperation::Append { event, .. } = &mut operation {
        let name = "a name".repeat(usize::try_from(about).unwrap()).into();
        event.about = Some(About { id: about, name, until: about.checked_sub(1).map(WallTime::from_millis) });
    }
    operation
}

/// An event about a message: an answer, an edit or a deletion.
pub(crate) fn about_message(
    room: u64,
    (author, nonce): (u64, u64),
    kind: EventKind,
    text: &str,
    message: u64,
    whose: Whose,
) -> StorageOperation {
    let StorageOperation::Append { room, mut event, .. } = append(room, author, nonce, kind, text) else {
        unreachable!("it appends")
    };
    event.about = Some(About { id: message, name: "".into(), until: None });
    StorageOperation::AppendAbout { room, event, whose }
}

pub(crate) fn find(author: u64, nonce: u64) -> StorageOperation {
    StorageOperation::FindNonce { author: UserId::new(author), nonce: Nonce::new(nonce) }
}

pub(crate) fn read(room: u64, range: PageRange, events_max: u32, bytes_max: u32) -> StorageOperation {
    StorageOperation::ReadPage { room: RoomId::new(room), range, events_max, bytes_max }
}

/// A search of rooms, ascending, for up to so many hits.
pub(crate) fn search(rooms: &[u64], text: &str, before: Option<u64>, hits_max: u32) -> StorageOperation {
    StorageOperation::Search {
        rooms: rooms.iter().copied().map(RoomId::new).collect(),
        query: Query::parse(text).unwrap(),
        before: before.map(Position::new),
        hits_max,
        bytes_max: 10_000,
    }
}

/// The rooms and numbers that were found, and where to go on.
pub(crate) fn hits(answer: Result<StorageOutcome, StorageFailure>) -> (Vec<(u64, u64)>, Option<u64>) {
    let Ok(StorageOutcome::Hits { hits, next }) = answer else { panic!("not hits: {answer:?}") };
    let places = hits.iter().map(|hit| (hit.room.get(), hit.event.seq.get())).collect();
    (places, next.map(Position::get))
}

pub(crate) fn read_all(room: u64) -> StorageOperation {
    read(room, PageRange::After(Seq::new(0)), u32::MAX, u32::MAX)
}

pub(crate) fn create_guest(nick: &str, token: u8) -> StorageOperation {
    StorageOperation::CreateGuest { nick: nick.into(), token_hash: TokenHash([token; 32]) }
}

pub(crate) fn update_guest(user: u64, nick: &str, expires: Option<u64>) -> StorageOperation {
    let expires = expires.map(WallTime::from_millis);
    StorageOperation::UpdateGuest { user: UserId::new(user), nick: nick.into(), expires }
}

pub(crate) fn remove_guest(user: u64) -> StorageOperation {
    StorageOperation::RemoveGuest { user: UserId::new(user) }
}

/// A record that can be read, of a password that nobody knows. Records of other numbers are other ones.
pub(crate) fn record(number: u8) -> PasswordRecord {
    PasswordRecord::from_bytes(&record_bytes(number)).unwrap()
}

pub(crate) fn record_bytes(number: u8) -> Vec<u8> {
    // The base point of ristretto255 (RFC 9496, section 4): any public key must be a point.
    const POINT: [u8; 32] = [
        0xe2, 0xf2, 0xae, 0x0a, 0x6a, 0xbc, 0x4e, 0x71, 0xa8, 0x84, 0xa9, 0x61, 0xc5, 0x00, 0x51, 0x5f, 0x58,
        0xe3, 0x0b, 0x6a, 0xa5, 0x82, 0xdd, 0x8d, 0xb6, 0xa6, 0x59, 0x45, 0xe0, 0x8d, 0x2d, 0x76,
    ];
    let costs = [19 * 1_024_u32, 2, 1].map(u32::to_be_bytes);
    [&[1], [7; 8].as_slice(), costs.as_flattened(), POINT.as_slice(), [number; 160].as_slice()].concat()
}

pub(crate) fn new_device(token: u8) -> NewDevice {
    NewDevice {
        name: "laptop".into(),
        token_hash: TokenHash([token; 32]),
        at: WallTime::from_millis(1_000 + u64::from(token)),
    }
}

pub(crate) fn create_account(nick: &str, token: u8) -> StorageOperation {
    StorageOperation::CreateAccount {
        nick: nick.into(),
        record: record(0),
        device: new_device(token),
        invitation: None,
    }
}

pub(crate) fn add_device(user: u64, token: u8) -> StorageOperation {
    StorageOperation::AddDevice { user: UserId::new(user), device: new_device(token) }
}

pub(crate) fn see_device(device: u64, seen: u64) -> StorageOperation {
    StorageOperation::SeeDevice {
        device: DeviceId::new(device),
        seen: WallTime::from_millis(seen),
        token: None,
    }
}

/// A device is given a token of its own, and perhaps the next.
pub(crate) fn renew(device: u64, next: bool) -> StorageOperation {
    let own = u8::try_from(device).unwrap_or(99);
    StorageOperation::SeeDevice {
        device: DeviceId::new(device),
        seen: WallTime::from_millis(3),
        token: Some(DeviceToken {
            hash: TokenHash([100 + own; 32]),
            since: WallTime::from_millis(2),
            next: next.then_some(TokenHash([200 + own % 50; 32])),
        }),
    }
}

pub(crate) fn create_invited(nick: &str, token: u8, invitation: u8) -> StorageOperation {
    let expires = WallTime::from_millis(9);
    StorageOperation::CreateAccount {
        nick: nick.into(),
        record: record(0),
        device: new_device(token),
        invitation: Some(InvitationUse { id: InvitationId([invitation; 16]), expires }),
    }
}

pub(crate) fn forget_invitation(invitation: u8) -> StorageOperation {
    StorageOperation::ForgetInvitation { id: InvitationId([invitation; 16]) }
}

pub(crate) fn set_read(user: u64, room: u64, seq: u64) -> StorageOperation {
    StorageOperation::SetRead { user: UserId::new(user), room: RoomId::new(room), seq: Seq::new(seq) }
}

pub(crate) fn remove_device(device: u64) -> StorageOperation {
    StorageOperation::RemoveDevice { device: DeviceId::new(device) }
}

pub(crate) fn set_password(user: u64, number: u8, keep: u64) -> StorageOperation {
    StorageOperation::SetPassword {
        user: UserId::new(user),
        record: record(number),
        keep: DeviceId::new(keep),
    }
}

pub(crate) fn set_member(user: u64, room: u64, member: bool) -> StorageOperation {
    StorageOperation::SetMember { user: UserId::new(user), room: RoomId::new(room), member }
}

pub(crate) const fn stored(seq: u64) -> Answer {
    stored_since(seq, 1)
}

pub(crate) const fn stored_since(seq: u64, first: u64) -> Answer {
    Ok(StorageOutcome::Appended(Appended::Stored { seq: Seq::new(seq), first: Seq::new(first) }))
}

pub(crate) const fn repeated(seq: u64, at: u64) -> Answer {
    let at = WallTime::from_millis(at);
    Ok(StorageOutcome::Appended(Appended::Repeated { seq: Seq::new(seq), at }))
}

pub(crate) const NONCE_REUSED: Answer = Ok(StorageOutcome::Appended(Appended::NonceReused));

pub(crate) const fn guest(user: u64) -> Answer {
    Ok(StorageOutcome::GuestCreated { user: UserId::new(user) })
}

pub(crate) const fn account(user: u64, device: u64) -> Answer {
    Ok(StorageOutcome::AccountCreated { user: UserId::new(user), device: DeviceId::new(device) })
}

pub(crate) const fn device(device: u64) -> Answer {
    Ok(StorageOutcome::DeviceAdded { device: DeviceId::new(device) })
}

pub(crate) const DONE: Answer = Ok(StorageOutcome::Done);

/// The numbers of an account's devices.
pub(crate) fn device_ids(account: &AccountRecord) -> Vec<u64> {
    account.devices.iter().map(|device| device.device.get()).collect()
}

/// The first number and the events of a page.
pub(crate) fn page(answer: Answer) -> (u64, Vec<StoredEvent>) {
    let Ok(StorageOutcome::Page { first, events }) = answer else {
        panic!("a page was asked for, not {answer:?}");
    };
    (first.get(), events)
}

/// The numbers of the events of a page.
pub(crate) fn seqs(answer: Answer) -> Vec<u64> {
    page(answer).1.iter().map(|event| event.seq.get()).collect()
}

/// The id of a room that was opened.
pub(crate) fn room_id(answer: Answer) -> u64 {
    let Ok(StorageOutcome::RoomOpened(record)) = answer else {
        panic!("a room was asked for, not {answer:?}");
    };
    record.id.get()
}

#[expect(clippy::disallowed_methods, reason = "a measurement is about real time")]
pub(crate) fn now() -> std::time::Instant {
    std::time::Instant::now()
}
