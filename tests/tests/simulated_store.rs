//! The simulated store beside the real one: the same requests, the same answers, also after opening again.

use palabre_core::{
    ids::{Incarnation, Nonce, RoomId, Seq, UserId},
    storage::{EventKind, NewEvent, PageRange, RoomKey, StorageOperation, StorageRequest, Ticket, TokenHash},
    time::WallTime,
};
use palabre_runtime::storage::{SqliteOptions, SqliteStorage};
use palabre_tests::store::Tables;
use proptest::{collection::vec, option, prelude::*};

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
    (user(), 0_u64..10, kind, 0_usize..4, 0_u64..100).prop_map(|(author, nonce, kind, text, at)| NewEvent {
        author,
        nick: format!("user{author}").into(),
        nonce: Nonce::new(nonce),
        at: WallTime::from_millis(1_704_067_200_000 + at),
        kind,
        text: ["", "short", "another text", "a rather longer text that takes some room in a page"][text]
            .into(),
    })
}

fn operation() -> impl Strategy<Value = StorageOperation> {
    let range = prop_oneof![seq().prop_map(PageRange::After), option::of(seq()).prop_map(PageRange::Before),];
    let nick = (0..4).prop_map(|number| format!("nick{number}").into());
    let expires = option::of((0_u64..9).prop_map(WallTime::from_millis));
    prop_oneof![
        3 => key().prop_map(|key| StorageOperation::OpenRoom { key }),
        1 => room().prop_map(|room| StorageOperation::DropRoom { room }),
        8 => (room(), new_event()).prop_map(|(room, event)| StorageOperation::Append { room, event }),
        2 => (user(), 0_u64..10).prop_map(|(author, nonce)| {
            StorageOperation::FindNonce { author, nonce: Nonce::new(nonce) }
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
    ]
}

/// A database on its directory, opened again whenever the test says so.
fn open(directory: &tempfile::TempDir) -> (SqliteStorage, palabre_core::storage::Recovered) {
    SqliteStorage::open(SqliteOptions::new(directory.path()), 7).expect("a database in an empty directory")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_simulated_store_answers_like_the_real_one(groups in vec(vec(operation(), 1..12), 1..10)) {
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
    }
}
