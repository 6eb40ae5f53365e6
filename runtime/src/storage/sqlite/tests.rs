//! Commits that fail in every way a commit can. What is refused by the disk itself is tested from outside.

use std::{cell::RefCell, collections::VecDeque, slice::from_ref, sync::Arc};

use palabre_core::{
    ids::{DeviceId, Nonce, RoomId, Seq, UserId},
    password::PasswordRecord,
    storage::{
        Appended, DeviceRecord, EventKind, NewDevice, NewEvent, PageRange, RoomKey, StorageFailure,
        StorageOperation, StorageOutcome, Ticket, TokenHash,
    },
    time::WallTime,
};
use proptest::{collection::vec, prelude::*};
use rusqlite::ffi;
use tempfile::TempDir;

use super::*;
use crate::storage::MemoryStorage;

/// What a commit does instead of its work.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Nothing is stored, and an error of the device is reported.
    Lost,
    /// All is stored, yet an error of the device is reported.
    Unnoticed,
    /// An error is reported and the transaction stays open.
    Stuck,
    /// Nothing is stored for want of space.
    Full,
    /// Nothing is stored because a write failed.
    Unwritten,
}

thread_local! {
    /// The faults of the next commits on this thread.
    static FAULTS: RefCell<VecDeque<Fault>> = const { RefCell::new(VecDeque::new()) };
}

fn faulty_commit(connection: &Connection) -> rusqlite::Result<()> {
    let Some(fault) = FAULTS.with_borrow_mut(VecDeque::pop_front) else {
        return connection.execute_batch("COMMIT");
    };
    let code = match fault {
        Fault::Lost => {
            connection.execute_batch("ROLLBACK")?;
            ffi::SQLITE_IOERR_FSYNC
        }
        Fault::Unnoticed => {
            connection.execute_batch("COMMIT")?;
            ffi::SQLITE_IOERR_FSYNC
        }
        Fault::Stuck => ffi::SQLITE_IOERR_WRITE,
        Fault::Full => {
            connection.execute_batch("ROLLBACK")?;
            ffi::SQLITE_FULL
        }
        Fault::Unwritten => {
            connection.execute_batch("ROLLBACK")?;
            ffi::SQLITE_IOERR_WRITE
        }
    };
    Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
}

/// An empty database with one room, whose next commits suffer the faults.
fn storage_with_room() -> (TempDir, SqliteStorage) {
    let directory = tempfile::tempdir().unwrap();
    let (mut storage, _) = SqliteStorage::open(SqliteOptions::new(directory.path()), 1).unwrap();
    storage.commit = faulty_commit;
    let open = StorageOperation::OpenRoom { key: RoomKey::Named("lobby".into()) };
    assert!(matches!(results(&mut storage, &[open])[..], [Ok(StorageOutcome::RoomOpened(_))]));
    (directory, storage)
}

fn suffer(faults: impl IntoIterator<Item = Fault>) {
    FAULTS.set(faults.into_iter().collect());
}

fn requests(operations: &[StorageOperation]) -> Vec<StorageRequest> {
    (0..)
        .zip(operations)
        .map(|(number, operation)| StorageRequest {
            ticket: Ticket::from_number(number),
            operation: operation.clone(),
        })
        .collect()
}

fn results(
    storage: &mut SqliteStorage,
    operations: &[StorageOperation],
) -> Vec<Result<StorageOutcome, StorageFailure>> {
    let replies = storage.execute_batch(&requests(operations)).unwrap();
    let tickets: Vec<_> = replies.iter().map(|reply| reply.ticket.get()).collect();
    assert_eq!(tickets, (0..operations.len() as u64).collect::<Vec<_>>());
    replies.into_iter().map(|reply| reply.result).collect()
}

fn post(nonce: u64) -> StorageOperation {
    post_in(1, nonce, "hello")
}

fn post_in(room: u64, nonce: u64, text: &str) -> StorageOperation {
    StorageOperation::Append {
        room: RoomId::new(room),
        event: NewEvent {
            author: UserId::new(1),
            nick: "ada".into(),
            nonce: Nonce::new(nonce),
            at: WallTime::from_millis(nonce),
            kind: EventKind::Posted,
            text: text.into(),
            about: None,
        },
    }
}

const READ_ALL: StorageOperation = StorageOperation::ReadPage {
    room: RoomId::new(1),
    range: PageRange::Before(None),
    events_max: 1_000,
    bytes_max: 1_000_000,
};

const fn stored(seq: u64) -> Result<StorageOutcome, StorageFailure> {
    Ok(StorageOutcome::Appended(Appended::Stored { seq: Seq::new(seq), first: Seq::new(1) }))
}

const fn repeated(seq: u64, at: u64) -> Result<StorageOutcome, StorageFailure> {
    let at = WallTime::from_millis(at);
    Ok(StorageOutcome::Appended(Appended::Repeated { seq: Seq::new(seq), at }))
}

fn length(storage: &mut SqliteStorage) -> usize {
    page_length(&results(storage, &[READ_ALL])[0])
}

fn page_length(answer: &Result<StorageOutcome, StorageFailure>) -> usize {
    let Ok(StorageOutcome::Page { events, .. }) = answer else {
        panic!("a page was asked for, not {answer:?}");
    };
    events.len()
}

#[test]
fn an_event_whose_commit_was_lost_is_stored_by_another_try() {
    for fault in [Fault::Lost, Fault::Stuck] {
        let (_directory, mut storage) = storage_with_room();
        suffer([fault]);
        assert_eq!(results(&mut storage, &[post(10), post(11)]), [stored(1), stored(2)]);
        assert_eq!(length(&mut storage), 2);
    }
}

#[test]
fn an_event_whose_commit_worked_unnoticed_is_stored_once_and_answered_as_new() {
    let (_directory, mut storage) = storage_with_room();
    suffer([Fault::Unnoticed]);
    let answers = results(&mut storage, &[post(10), post(11), post(10)]);
    assert_eq!(answers, [stored(1), stored(2), repeated(1, 10)]);
    assert_eq!(length(&mut storage), 2);
}

#[test]
fn a_page_read_again_after_doubt_does_not_show_what_came_after_it() {
    let (_directory, mut storage) = storage_with_room();
    suffer([Fault::Unnoticed]);
    let find = StorageOperation::FindNonce { author: UserId::new(1), nonce: Nonce::new(11) };
    let answers = results(&mut storage, &[post(10), READ_ALL, find.clone(), post(11), READ_ALL, find]);
    assert_eq!([&answers[1], &answers[4]].map(page_length), [1, 2]);
    assert_eq!(answers[2], Ok(StorageOutcome::Found(None)));
    assert!(matches!(answers[5], Ok(StorageOutcome::Found(Some(_)))));
}

#[test]
fn a_device_that_never_commits_stores_nothing_and_says_so() {
    let (_directory, mut storage) = storage_with_room();
    suffer([Fault::Lost; 2]);
    let answers = results(&mut storage, &[post(10), READ_ALL, post(11)]);
    assert_eq!(answers[0], Err(StorageFailure::Failed));
    let empty = StorageOutcome::Page { first: Seq::new(1), events: Vec::new() };
    assert_eq!(answers[1], Ok(empty));
    assert_eq!(answers[2], Err(StorageFailure::Failed));
    assert_eq!(results(&mut storage, &[post(10)]), [stored(1)]);
}

#[test]
fn a_device_that_commits_in_silence_is_found_out_without_writing() {
    let (_directory, mut storage) = storage_with_room();
    suffer([Fault::Unnoticed; 2]);
    let create = create_guest(1);
    let answers = results(&mut storage, &[post(10), create.clone(), post(11), post(10)]);
    assert_eq!(answers[0], stored(1));
    assert_eq!(answers[1], Ok(StorageOutcome::GuestCreated { user: UserId::new(1) }));
    assert_eq!([&answers[2], &answers[3]], [&stored(2), &repeated(1, 10)]);
    assert_eq!(results(&mut storage, &[create, post(12)])[1], stored(3));
}

#[test]
fn an_account_whose_commit_worked_unnoticed_is_created_once() {
    for faults in [&[Fault::Unnoticed][..], &[Fault::Unnoticed; 2], &[Fault::Lost], &[Fault::Stuck]] {
        let (directory, mut storage) = storage_with_room();
        suffer(faults.iter().copied());
        let answers = results(&mut storage, &[create_account("ada", 1), create_account("ada", 2)]);
        assert_eq!(answers, [account_created(1, 1), Err(StorageFailure::Failed)]);
        assert_eq!(
            results(&mut storage, &[add_device(1, 3), add_device(1, 3)]),
            [device_added(2), device_added(2)]
        );
        drop(storage);
        assert_eq!(devices_of(&reopened(&directory)), [(1, vec![1, 2])]);
    }
}

#[test]
fn a_device_that_cannot_commit_creates_no_account_and_says_so() {
    let (directory, mut storage) = storage_with_room();
    suffer([Fault::Lost; 2]);
    assert_eq!(results(&mut storage, &[create_account("ada", 1)]), [Err(StorageFailure::Failed)]);
    assert_eq!(results(&mut storage, &[create_account("ada", 2)]), [account_created(1, 1)]);
    drop(storage);
    assert_eq!(devices_of(&reopened(&directory)), [(1, vec![1])]);
}

#[test]
fn a_password_in_doubt_is_written_with_its_revocations_or_not_at_all() {
    let set_password =
        StorageOperation::SetPassword { user: UserId::new(1), record: record(9), keep: DeviceId::new(2) };
    let (old, new) = ((record(0), vec![1, 2, 3]), (record(9), vec![2]));
    for (faults, answer, left) in [
        (&[Fault::Lost][..], Ok(StorageOutcome::Done), &new),
        (&[Fault::Unnoticed], Ok(StorageOutcome::Done), &new),
        (&[Fault::Unnoticed; 2], Ok(StorageOutcome::Done), &new),
        (&[Fault::Lost; 2], Err(StorageFailure::Failed), &old),
        (&[Fault::Full], Err(StorageFailure::NoSpace), &old),
    ] {
        let (directory, mut storage) = storage_with_room();
        results(&mut storage, &[create_account("ada", 1), add_device(1, 2), add_device(1, 3)]);
        suffer(faults.iter().copied());
        assert_eq!(results(&mut storage, from_ref(&set_password)), [answer], "{faults:?}");
        drop(storage);
        let recovered = reopened(&directory);
        let devices = devices_of(&recovered).remove(0).1;
        assert_eq!((&recovered.accounts[0].record, &devices), (&left.0, &left.1), "{faults:?}");
    }
}

#[test]
fn a_commit_without_space_refuses_only_what_does_not_fit() {
    let (_directory, mut storage) = storage_with_room();
    // Four requests, then two, then one: the first alone is refused.
    suffer([Fault::Full; 3]);
    let answers = results(&mut storage, &[post(10), post(11), post(12), READ_ALL]);
    assert_eq!(answers[0], Err(StorageFailure::NoSpace));
    assert_eq!([&answers[1], &answers[2]], [&stored(1), &stored(2)]);
    assert_eq!(length(&mut storage), 2);
}

#[test]
fn a_write_over_quota_is_refused_for_want_of_space() {
    let (_directory, mut storage) = storage_with_room();
    storage.probe = |_| Err(io::ErrorKind::QuotaExceeded.into());
    suffer([Fault::Unwritten; 2]);
    // Two requests, then one: the first alone is refused, and nothing is in doubt.
    assert_eq!(results(&mut storage, &[post(10), post(11)]), [Err(StorageFailure::NoSpace), stored(1)]);
    assert!(FAULTS.with_borrow(VecDeque::is_empty));
}

#[test]
fn a_write_that_fails_where_there_is_space_leaves_doubt_and_is_tried_again() {
    let (_directory, mut storage) = storage_with_room();
    suffer([Fault::Unwritten]);
    assert_eq!(results(&mut storage, &[post(10), post(11)]), [stored(1), stored(2)]);
}

#[test]
fn a_database_that_cannot_be_opened_again_answers_nothing_ever_after() {
    let (directory, mut storage) = storage_with_room();
    suffer([Fault::Lost]);
    std::fs::remove_file(directory.path().join("palabre.db")).unwrap();
    let error = storage.execute_batch(&requests(&[post(10)])).unwrap_err();
    assert!(error.to_string().contains(&*directory.path().join("palabre.db").to_string_lossy()), "{error}");
    assert_eq!(storage.execute_batch(&requests(&[READ_ALL])), Err(error));
}

#[test]
fn another_database_in_the_place_of_the_opened_one_is_noticed() {
    let (directory, mut storage) = storage_with_room();
    let other = tempfile::tempdir().unwrap();
    drop(SqliteStorage::open(SqliteOptions::new(other.path()), 2).unwrap());
    std::fs::remove_file(directory.path().join("palabre.db-wal")).unwrap();
    std::fs::rename(other.path().join("palabre.db"), directory.path().join("palabre.db")).unwrap();
    let error = reopen::reopen(&mut storage, connection::PageCache::Doubtful).unwrap_err();
    assert!(error.reason.contains("was replaced"), "{error}");
}

fn create_guest(token: u8) -> StorageOperation {
    StorageOperation::CreateGuest { nick: "guest".into(), token_hash: TokenHash([token; 32]) }
}

/// A record that can be read, of a password that nobody knows.
fn record(number: u8) -> PasswordRecord {
    // The base point of ristretto255 (RFC 9496, section 4): any public key must be a point.
    const POINT: [u8; 32] = [
        0xe2, 0xf2, 0xae, 0x0a, 0x6a, 0xbc, 0x4e, 0x71, 0xa8, 0x84, 0xa9, 0x61, 0xc5, 0x00, 0x51, 0x5f, 0x58,
        0xe3, 0x0b, 0x6a, 0xa5, 0x82, 0xdd, 0x8d, 0xb6, 0xa6, 0x59, 0x45, 0xe0, 0x8d, 0x2d, 0x76,
    ];
    let costs = [19 * 1_024_u32, 2, 1].map(u32::to_be_bytes);
    let parts = [&[1], [7; 8].as_slice(), costs.as_flattened(), &POINT, &[number; 160]];
    PasswordRecord::from_bytes(&parts.concat()).unwrap()
}

fn new_device(token: u8) -> NewDevice {
    NewDevice {
        name: "laptop".into(),
        token_hash: TokenHash([token; 32]),
        at: WallTime::from_millis(u64::from(token)),
    }
}

fn create_account(nick: &str, token: u8) -> StorageOperation {
    StorageOperation::CreateAccount { nick: nick.into(), record: record(0), device: new_device(token) }
}

fn add_device(user: u64, token: u8) -> StorageOperation {
    StorageOperation::AddDevice { user: UserId::new(user), device: new_device(token) }
}

const fn account_created(user: u64, device: u64) -> Result<StorageOutcome, StorageFailure> {
    Ok(StorageOutcome::AccountCreated { user: UserId::new(user), device: DeviceId::new(device) })
}

const fn device_added(device: u64) -> Result<StorageOutcome, StorageFailure> {
    Ok(StorageOutcome::DeviceAdded { device: DeviceId::new(device) })
}

fn reopened(directory: &TempDir) -> Recovered {
    suffer([]);
    SqliteStorage::open(SqliteOptions::new(directory.path()), 9).unwrap().1
}

/// The numbers of all accounts and of their devices.
fn devices_of(recovered: &Recovered) -> Vec<(u64, Vec<u64>)> {
    let accounts = recovered.accounts.iter();
    let devices = |devices: &[DeviceRecord]| devices.iter().map(|device| device.device.get()).collect();
    accounts.map(|account| (account.user.get(), devices(&account.devices))).collect()
}

fn operation() -> impl Strategy<Value = StorageOperation> {
    let text = prop_oneof![Just(""), Just("hello"), Just("somewhat longer")];
    let room = prop_oneof![3 => 1..3_u64, 1 => Just(9)];
    let user = (1..3_u64).prop_map(UserId::new);
    let range = prop_oneof![
        (0..9_u64).prop_map(|seq| PageRange::After(Seq::new(seq))),
        proptest::option::of(0..9_u64).prop_map(|seq| PageRange::Before(seq.map(Seq::new))),
    ];
    prop_oneof![
        6 => (room.clone(), 0..12_u64, text).prop_map(|(room, nonce, text)| post_in(room, nonce, text)),
        1 => prop_oneof![Just("lobby"), Just("attic"), Just("cellar")]
            .prop_map(|name| StorageOperation::OpenRoom { key: RoomKey::Named(name.into()) }),
        1 => (0..12_u64).prop_map(|nonce| StorageOperation::FindNonce {
            author: UserId::new(1),
            nonce: Nonce::new(nonce),
        }),
        2 => (room.clone(), range, 1..5_u32).prop_map(|(room, range, events_max)| StorageOperation::ReadPage {
            room: RoomId::new(room),
            range,
            events_max,
            bytes_max: 40,
        }),
        1 => (0..4_u8).prop_map(create_guest),
        1 => (user.clone(), 0..3_u64).prop_map(|(user, expires)| StorageOperation::UpdateGuest {
            user,
            nick: Arc::from("renamed"),
            expires: (expires > 0).then(|| WallTime::from_millis(expires)),
        }),
        // Neither name nor token is ever free again, and the devices that are seen are there from the start or never.
        1 => (prop_oneof![Just("eve"), Just("mallory")], 1..8_u8)
            .prop_map(|(nick, token)| create_account(nick, token)),
        1 => (prop_oneof![Just(3_u64), Just(99)], 1..8_u8).prop_map(|(user, token)| add_device(user, token)),
        1 => (prop_oneof![Just(1_u64), Just(99)], 0..3_u64).prop_map(|(device, seen)| StorageOperation::SeeDevice {
            device: DeviceId::new(device),
            seen: WallTime::from_millis(seen),
        }),
        1 => (user, room, any::<bool>()).prop_map(|(user, room, member)| StorageOperation::SetMember {
            user,
            room: RoomId::new(room),
            member,
        }),
    ]
}

fn fault() -> impl Strategy<Value = Option<Fault>> {
    proptest::option::of(prop_oneof![Just(Fault::Lost), Just(Fault::Unnoticed), Just(Fault::Stuck)])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// What a batch executed once more may truthfully answer in another way is left out: deletions, topics, and
    /// whatever is made only after it was asked for in vain.
    #[test]
    fn commits_in_doubt_never_show_in_the_answers(
        batches in vec((fault(), vec(operation(), 1..12)), 1..8),
    ) {
        suffer([]);
        let (directory, mut storage) = storage_with_room();
        let mut model = MemoryStorage::new(Incarnation::new(1));
        let open = |name: &str| StorageOperation::OpenRoom { key: RoomKey::Named(name.into()) };
        let first = (None, vec![open("lobby"), open("attic"), create_guest(0), create_guest(1), create_account("ada", 0)]);
        for (fault, operations) in [first].into_iter().chain(batches) {
            suffer(fault);
            let expected: Vec<_> =
                operations.iter().map(|operation| model.execute(operation.clone())).collect();
            prop_assert_eq!(results(&mut storage, &operations), expected);
        }
        suffer([]);
        drop(storage);
        let (_, recovered) = SqliteStorage::open(SqliteOptions::new(directory.path()), 9).unwrap();
        prop_assert_eq!(recovered, model.recovered());
    }
}
