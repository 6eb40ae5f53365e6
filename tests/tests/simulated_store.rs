//! The simulated store beside the real one: the same requests, the same answers, also after opening again.

use palabre_core::{
    ids::{DeviceId, Incarnation, Nonce, Position, RoomId, Seq, UserId},
    password::PasswordRecord,
    rights::{RightChange, Role, RoomChange, RoomMode, Term},
    search::Query,
    storage::{
        About, DeviceToken, EventKind, FileOperation, InvitationId, InvitationUse, NewDevice, NewEvent,
        NewFile, PageRange, Place, PutContent, RoomKey, StorageOperation, StorageRequest, Ticket, TokenHash,
        UploadRecord, Whose,
    },
    time::WallTime,
    transfer::{BlobHash, FileName, UploadId, UploadKey, Version},
};
use palabre_runtime::storage::{SqliteOptions, SqliteStorage};
use palabre_tests::store::Tables;
use proptest::{collection::vec, option, prelude::*, sample::subsequence};

/// Few ids, so that requests meet.
fn room() -> impl Strategy<Value = RoomId> {
    (1_u64..5).prop_map(RoomId::new)
}

fn user() -> impl Strategy<Value = UserId> {
    (1_u64..5).prop_map(UserId::new)
}

fn seq() -> impl Strategy<Value = Seq> {
    (0_u64..12).prop_map(Seq::new)
}

fn key() -> impl Strategy<Value = RoomKey> {
    prop_oneof![
        (0..3).prop_map(|number| RoomKey::Named(format!("#room{number}").into())),
        (user(), user()).prop_map(|(one, other)| RoomKey::Direct(one.min(other), one.max(other))),
    ]
}

fn new_event() -> impl Strategy<Value = NewEvent> {
    let kind = prop_oneof![Just(EventKind::Posted), Just(EventKind::Action), Just(EventKind::Topic)];
    (user(), 0_u64..10, kind, 0_usize..4, 0_u64..100, about()).prop_map(
        |(author, nonce, kind, text, at, about)| NewEvent {
            author,
            nick: format!("user{author}").into(),
            nonce: Nonce::new(nonce),
            at: WallTime::from_millis(1_704_067_200_000 + at),
            kind,
            text: ["", "short", "Another text", "a rather longer text that takes some room in a page"][text]
                .into(),
            about,
        },
    )
}

fn about_kind() -> impl Strategy<Value = EventKind> {
    prop_oneof![
        Just(EventKind::Posted),
        Just(EventKind::Edited),
        Just(EventKind::Deleted),
        Just(EventKind::Reacted)
    ]
}

fn whose() -> impl Strategy<Value = Whose> {
    prop_oneof![
        2 => Just(Whose::Anybodys),
        1 => Just(Whose::Own),
        1 => user().prop_map(|user| Whose::AllBut([user].into())),
    ]
}

/// Words of the texts and others, also such as have a meaning to the index.
fn query() -> impl Strategy<Value = Query> {
    let texts = [
        "short",
        "text",
        "TEXT",
        "tex*",
        "\"longer text\"",
        "\"text longer\"",
        "a",
        "a*",
        "\"another t\"*",
        "page room",
        "text another",
        "\" OR room:1 NEAR(",
        "te\"xt",
        "00000000text",
        "words: text*",
        "rather NOT page",
    ];
    prop::sample::select(texts.to_vec()).prop_map(|text| Query::parse(text).expect("a query"))
}

/// An act's change, with terms that end and terms that do not.
fn change() -> impl Strategy<Value = RoomChange> {
    let term = (0_u64..3, option::of(0_u64..3)).prop_map(|(since, until)| Term {
        since: WallTime::from_millis(since),
        until: until.map(WallTime::from_millis),
    });
    let right = prop_oneof![
        prop_oneof![Just(Role::Member), Just(Role::Moderator), Just(Role::Owner)].prop_map(RightChange::Role),
        any::<bool>().prop_map(RightChange::Invited),
        Just(RightChange::Kicked),
        option::of(term.clone()).prop_map(RightChange::Banned),
        option::of(term).prop_map(RightChange::Muted),
    ];
    prop_oneof![
        1 => (0_u8..8, 0_u32..3).prop_map(|(bits, slow)| RoomChange::Mode(RoomMode::from_bits(bits, slow))),
        5 => (user(), right).prop_map(|(user, change)| RoomChange::Right(user, change)),
    ]
}

fn about() -> impl Strategy<Value = Option<About>> {
    let about = (0_u64..2, 0_u64..3).prop_map(|(id, until)| About {
        id,
        name: format!("user{until}").into(),
        until: until.checked_sub(1).map(WallTime::from_millis),
    });
    option::weighted(0.3, about)
}

/// One of three records, each of a password that nobody knows.
fn record() -> impl Strategy<Value = PasswordRecord> {
    // The base point of ristretto255 (RFC 9496, section 4): any public key must be a point.
    const POINT: [u8; 32] = [
        0xe2, 0xf2, 0xae, 0x0a, 0x6a, 0xbc, 0x4e, 0x71, 0xa8, 0x84, 0xa9, 0x61, 0xc5, 0x00, 0x51, 0x5f, 0x58,
        0xe3, 0x0b, 0x6a, 0xa5, 0x82, 0xdd, 0x8d, 0xb6, 0xa6, 0x59, 0x45, 0xe0, 0x8d, 0x2d, 0x76,
    ];
    (0_u8..3).prop_map(|number| {
        let costs = [19 * 1_024_u32, 2, 1].map(u32::to_be_bytes);
        let parts = [&[1], [7; 8].as_slice(), costs.as_flattened(), &POINT, &[number; 160]];
        PasswordRecord::from_bytes(&parts.concat()).expect("a record in its stored form")
    })
}

fn device() -> impl Strategy<Value = DeviceId> {
    (1_u64..8).prop_map(DeviceId::new)
}

fn new_device() -> impl Strategy<Value = NewDevice> {
    (0_u8..6, 0_u64..9).prop_map(|(token, at)| NewDevice {
        name: format!("device{token}").into(),
        token_hash: TokenHash([token; 32]),
        at: WallTime::from_millis(at),
    })
}

fn invitation() -> impl Strategy<Value = Option<InvitationId>> {
    option::of((0_u8..3).prop_map(|number| InvitationId([number; 16])))
}

/// What is asked about accounts.
fn account_operation() -> impl Strategy<Value = StorageOperation> {
    let nick = (0..3).prop_map(|number| format!("name{number}").into());
    prop_oneof![
        2 => (nick, record(), new_device(), invitation()).prop_map(|(nick, record, device, id)| {
            let invitation = id.map(|id| InvitationUse { id, expires: WallTime::from_millis(7) });
            StorageOperation::CreateAccount { nick, record, device, invitation }
        }),
        1 => invitation().prop_map(|id| {
            StorageOperation::ForgetInvitation { id: id.unwrap_or(InvitationId([9; 16])) }
        }),
        2 => (user(), room(), seq()).prop_map(|(user, room, seq)| StorageOperation::SetRead { user, room, seq }),
        2 => (user(), new_device()).prop_map(|(user, device)| StorageOperation::AddDevice { user, device }),
        1 => (device(), 0_u64..9, option::of(0_u8..2)).prop_map(|(device, seen, next)| {
            let (seen, own) = (WallTime::from_millis(seen), 100 + u8::try_from(device.get()).expect("a small number"));
            let next = next.map(|next| [TokenHash([own; 32]), TokenHash([own + 50; 32])][usize::from(next)]);
            let token = next.map(|next| DeviceToken { hash: TokenHash([own; 32]), since: seen, next: Some(next) });
            StorageOperation::SeeDevice { device, seen, token }
        }),
        1 => device().prop_map(|device| StorageOperation::RemoveDevice { device }),
        1 => (user(), record(), device()).prop_map(|(user, record, keep)| {
            StorageOperation::SetPassword { user, record, keep }
        }),
    ]
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![3 => room().prop_map(Place::Room), 1 => user().prop_map(Place::Shelf)]
}

/// Few names, some of which are between others in the order of their bytes only.
fn file_name() -> impl Strategy<Value = FileName> {
    (0_usize..5).prop_map(|number| {
        FileName::parse(["a", "a/b", "B", "é.txt", "a rather longer name.txt"][number]).expect("a name")
    })
}

fn version() -> impl Strategy<Value = Version> {
    (0_u64..6).prop_map(Version::new)
}

fn hash() -> impl Strategy<Value = BlobHash> {
    (0_u8..3).prop_map(|number| BlobHash([number; 32]))
}

/// Some days, so that what is remembered for a week is forgotten.
fn day() -> impl Strategy<Value = WallTime> {
    (0_u64..12).prop_map(|day| WallTime::from_millis(1_704_067_200_000 + day * 24 * 3_600 * 1_000))
}

/// An upload by its number: whose it is and its key follow from that, as no two have the same.
fn upload() -> impl Strategy<Value = (UploadId, UserId, UploadKey)> {
    (1_u8..8).prop_map(|number| {
        (UploadId([number; 16]), UserId::new(u64::from(number % 4) + 1), UploadKey([number; 16]))
    })
}

/// What is asked about files.
fn file_operation() -> impl Strategy<Value = StorageOperation> {
    let opened = (upload(), place(), file_name(), option::of(0_u64..9), option::of(version()), day());
    let opened = opened.prop_map(|((id, user, key), place, name, size, over, at)| {
        let (executable, durable) = (size == Some(1), 0);
        FileOperation::OpenUpload {
            upload: UploadRecord { id, user, key, place, name, size, executable, over, durable, at },
        }
    });
    let committed = (upload(), place(), file_name(), option::of(version()), hash(), new_event(), day());
    let committed = committed.prop_map(|((upload, by, _), place, name, over, hash, event, at)| {
        let (size, nick) = (1_000 + u64::from(hash.0[0]), format!("user{by}").into());
        let event = NewEvent { author: by, kind: EventKind::FileShared, about: None, ..event };
        let event = matches!(place, Place::Room(_)).then_some(event);
        let file = NewFile { place, name, over, size, hash, executable: size == 1_001, by, nick, at };
        FileOperation::Commit { upload, file, event }
    });
    let put = (upload(), place(), file_name(), option::of(version()), hash(), new_event(), day());
    let put = (put, option::of(vec(place(), 0..3))).prop_map(
        |(((upload, by, key), place, name, over, hash, event, at), places)| {
            let (size, nick) = (1_000 + u64::from(hash.0[0]), format!("user{by}").into());
            let event = NewEvent { author: by, kind: EventKind::FileShared, about: None, ..event };
            let event = matches!(place, Place::Room(_)).then_some(event);
            let file = NewFile { place, name, over, size, hash, executable: false, by, nick, at };
            let content =
                places.map_or_else(|| PutContent::Bytes(hash.0[..2].to_vec()), PutContent::OfFileIn);
            FileOperation::Put { upload, key, file, content, event }
        },
    );
    let deleted = (place(), file_name(), version(), user(), new_event());
    let deleted = deleted.prop_map(|(place, name, version, by, event)| {
        let event = NewEvent { kind: EventKind::FileDeleted, about: None, ..event };
        let event = matches!(place, Place::Room(_)).then_some(event);
        FileOperation::Delete { place, name, version, by, event }
    });
    prop_oneof![
        4 => opened,
        6 => committed,
        5 => put,
        3 => deleted,
        1 => (upload(), 0_u64..9, day())
            .prop_map(|((upload, ..), durable, at)| FileOperation::Checkpoint { upload, durable, at }),
        1 => upload().prop_map(|(upload, ..)| FileOperation::DropUpload { upload }),
        1 => (upload(), place(), file_name())
            .prop_map(|((_, user, key), place, name)| FileOperation::LookUp { user, key, place, name }),
        2 => (place(), file_name(), any::<bool>())
            .prop_map(|(place, name, content)| FileOperation::Find { place, name, content }),
        2 => (place(), option::of(file_name()), 1_u32..4, 1_u32..60).prop_map(
            |(place, after, files_max, bytes_max)| FileOperation::List { place, after, files_max, bytes_max }
        ),
        2 => (day(), 1_u32..4).prop_map(|(than, files_max)| FileOperation::Older { than, files_max }),
        1 => hash().prop_map(|hash| FileOperation::IsUsed { hash }),
    ]
    .prop_map(|operation| StorageOperation::Files(operation.into()))
}

fn operation() -> impl Strategy<Value = StorageOperation> {
    let range = prop_oneof![seq().prop_map(PageRange::After), option::of(seq()).prop_map(PageRange::Before),];
    let nick = (0..4).prop_map(|number| format!("nick{number}").into());
    let expires = option::of((0_u64..9).prop_map(WallTime::from_millis));
    prop_oneof![
        3 => (key(), option::of(user().prop_map(|user| (user, "ana".into()))))
            .prop_map(|(key, owner)| StorageOperation::OpenRoom { key, owner }),
        1 => room().prop_map(|room| StorageOperation::DropRoom { room }),
        8 => (room(), new_event())
            .prop_map(|(room, event)| StorageOperation::Append { room, event, change: None }),
        4 => (room(), new_event(), change())
            .prop_map(|(room, event, change)| StorageOperation::Append { room, event, change: Some(change) }),
        8 => (room(), new_event(), seq(), about_kind(), whose()).prop_map(|(room, event, to, kind, whose)| {
            let text = if kind == EventKind::Deleted { "".into() } else { event.text };
            let about = Some(About { id: to.get(), name: "".into(), until: None });
            StorageOperation::AppendAbout { room, event: NewEvent { kind, text, about, ..event }, whose }
        }),
        2 => (user(), 0_u64..10).prop_map(|(author, nonce)| {
            StorageOperation::FindNonce { author, nonce: Nonce::new(nonce) }
        }),
        6 => (subsequence((1..5).map(RoomId::new).collect::<Vec<_>>(), 1..=4), query(), option::weighted(0.3, 0_u64..40))
            .prop_flat_map(|(rooms, query, before)| (Just((rooms, query, before)), 1_u32..5, 1_u32..160))
            .prop_map(|((rooms, query, before), hits_max, bytes_max)| StorageOperation::Search {
                rooms,
                query,
                before: before.map(Position::new),
                hits_max,
                bytes_max,
            }),
        4 => (room(), range, 1_u32..8, 1_u32..120).prop_map(|(room, range, events_max, bytes_max)| {
            StorageOperation::ReadPage { room, range, events_max, bytes_max }
        }),
        2 => (nick, 0_u8..6).prop_map(|(nick, token)| {
            StorageOperation::CreateGuest { nick, token_hash: TokenHash([token; 32]) }
        }),
        1 => (user(), expires).prop_map(|(user, expires)| {
            StorageOperation::UpdateGuest { user, nick: "renamed".into(), expires }
        }),
        1 => user().prop_map(|user| StorageOperation::RemoveGuest { user }),
        3 => (user(), room(), any::<bool>()).prop_map(|(user, room, member)| {
            StorageOperation::SetMember { user, room, member }
        }),
        7 => account_operation(),
    ]
}

/// As many rooms as there may be, and then mostly files.
fn operations_on_files() -> impl Strategy<Value = Vec<StorageOperation>> {
    let room = (key(), option::of(user().prop_map(|user| (user, "ana".into()))))
        .prop_map(|(key, owner)| StorageOperation::OpenRoom { key, owner });
    vec(prop_oneof![2 => room, 12 => file_operation(), 1 => operation()], 1..12)
}

/// A database on its directory, opened again whenever the test says so.
fn open(directory: &tempfile::TempDir) -> (SqliteStorage, palabre_core::storage::Recovered) {
    SqliteStorage::open(SqliteOptions::new(directory.path()), 7).expect("a database in an empty directory")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_simulated_store_answers_like_the_real_one(groups in vec(vec(operation(), 1..12), 1..10)) {
        compare(groups)?;
    }

    #[test]
    fn the_simulated_store_knows_files_like_the_real_one(groups in vec(operations_on_files(), 1..10)) {
        compare(groups)?;
    }
}

/// Has both do the same, group by group, and opens the real one again after each.
#[allow(clippy::unwrap_in_result, reason = "the result is what contradicts; a test that cannot go on panics")]
fn compare(groups: Vec<Vec<StorageOperation>>) -> Result<(), TestCaseError> {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut real, _) = open(&directory);
    let mut simulated = Tables::new(Incarnation::new(7));
    let mut ticket = 0;
    for group in groups {
        let requests: Vec<_> = group
            .into_iter()
            .map(|operation| {
                ticket += 1;
                StorageRequest { ticket: Ticket::from_number(ticket), operation }
            })
            .collect();
        let replies = real.execute_batch(&requests).expect("nothing is wrong with the disk");
        for (request, reply) in requests.iter().zip(replies) {
            let expected = simulated.execute(&request.operation);
            prop_assert_eq!(reply.result, expected, "{:?}", request.operation);
        }
        drop(real);
        let (reopened, recovered) = open(&directory);
        prop_assert_eq!(recovered, simulated.recovered());
        real = reopened;
    }
    Ok(())
}

/// Any letters, marks and digits, and what stands between words.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-cA-C\\-_'* \"]{1,12}",
        "\\PC{1,20}",
        "[\\p{L}\\p{M}\\p{N} ]{1,12}",
        "[é e\u{301}ßΣς漢字がｶﾞ๒ก็ \"*]{1,10}"
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// What the index finds is what matches: for any texts, and any pieces of them searched for.
    #[test]
    fn the_index_finds_what_matches(
        texts in vec(any_text(), 1..8),
        pieces in vec((any::<prop::sample::Index>(), 0_usize..12, 1_usize..8, 0_u8..4), 1..24),
    ) {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut real, _) = open(&directory);
        let mut simulated = Tables::new(Incarnation::new(7));
        let mut operations =
            vec![StorageOperation::OpenRoom { key: RoomKey::Named("#room".into()), owner: None }];
        for (nonce, text) in (1..).zip(&texts) {
            let event = NewEvent {
                author: UserId::new(1),
                nick: "ana".into(),
                nonce: Nonce::new(nonce),
                at: WallTime::from_millis(1),
                kind: EventKind::Posted,
                text: text.as_str().into(),
                about: None,
            };
            operations.push(StorageOperation::Append { room: RoomId::new(1), event, change: None });
        }
        for (text, skip, take, form) in pieces {
            let piece: String = text.get(&texts).chars().skip(skip).take(take).collect();
            let text = match form {
                0 => piece,
                1 => format!("{piece}*"),
                2 => format!("\"{piece}\""),
                _ => format!("\"{piece}\"*"),
            };
            let Ok(query) = Query::parse(&text) else { continue };
            operations.push(StorageOperation::Search {
                rooms: vec![RoomId::new(1)],
                query,
                before: None,
                hits_max: 50,
                bytes_max: 10_000,
            });
        }
        let requests: Vec<_> = (1..)
            .zip(operations)
            .map(|(ticket, operation)| StorageRequest { ticket: Ticket::from_number(ticket), operation })
            .collect();
        let replies = real.execute_batch(&requests).expect("nothing is wrong with the disk");
        for (request, reply) in requests.iter().zip(replies) {
            prop_assert_eq!(reply.result, simulated.execute(&request.operation), "{:?}", request.operation);
        }
    }
}
