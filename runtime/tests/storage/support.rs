use std::{fs, path::Path};

use palabre_core::{
    ids::{Incarnation, Nonce, RoomId, Seq, UserId},
    storage::{
        Appended, EventKind, NewEvent, PageRange, Recovered, RoomKey, StorageFailure, StorageOperation,
        StorageOutcome, StorageRequest, StoredEvent, Ticket, TokenHash,
    },
    time::WallTime,
};
use palabre_runtime::storage::{MemoryStorage, SqliteOptions, SqliteStorage};
use tempfile::TempDir;

pub(crate) type Answer = Result<StorageOutcome, StorageFailure>;

/// Either storage.
pub(crate) trait Subject {
    fn execute(&mut self, operation: StorageOperation) -> Answer;
}

impl Subject for MemoryStorage {
    fn execute(&mut self, operation: StorageOperation) -> Answer {
        Self::execute(self, operation)
    }
}

impl Subject for SqliteStorage {
    fn execute(&mut self, operation: StorageOperation) -> Answer {
        execute_batch(self, vec![operation]).remove(0)
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
    StorageOperation::OpenRoom { key: RoomKey::Named(name.into()) }
}

pub(crate) fn open_direct(lower: u64, higher: u64) -> StorageOperation {
    StorageOperation::OpenRoom { key: RoomKey::Direct(UserId::new(lower), UserId::new(higher)) }
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
        },
    }
}

pub(crate) fn find(author: u64, nonce: u64) -> StorageOperation {
    StorageOperation::FindNonce { author: UserId::new(author), nonce: Nonce::new(nonce) }
}

pub(crate) fn read(room: u64, range: PageRange, events_max: u32, bytes_max: u32) -> StorageOperation {
    StorageOperation::ReadPage { room: RoomId::new(room), range, events_max, bytes_max }
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
