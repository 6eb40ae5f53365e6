use palabre_core::{
    ids::{Incarnation, Seq, UserId},
    rights::{RightChange, Role, RoomChange, RoomMode, Term},
    storage::{EventKind, PageRange, StorageOperation, Whose},
    time::WallTime,
};
use palabre_runtime::storage::MemoryStorage;
use proptest::{collection::vec, prelude::*};

use crate::support::*;

/// What happens to both storages; the one in memory takes no notice of restarts.
#[derive(Clone, Debug)]
enum Step {
    Batch(Vec<StorageOperation>),
    /// The database is dropped without being told, and opened again.
    Reopen,
    /// A copy of the files takes its place, as after a power cut.
    PowerCut,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => vec(operation(), 1..16).prop_map(Step::Batch),
        1 => Just(Step::Reopen),
        1 => Just(Step::PowerCut),
    ]
}

/// Few rooms, authors, nonces and tokens, so that operations meet each other's traces.
fn operation() -> impl Strategy<Value = StorageOperation> {
    let room = 1..7_u64;
    let user = 1..6_u64;
    let nonce = prop_oneof![0..10_u64, Just(u64::MAX)];
    let kind = prop_oneof![
        3 => Just(EventKind::Posted),
        1 => Just(EventKind::Action),
        1 => Just(EventKind::Topic),
    ];
    let text = prop_oneof![Just(""), Just("hello"), Just("a text of some more bytes")];
    let name = prop_oneof![Just("lobby"), Just("attic"), Just("")];
    let seq = prop_oneof![4 => 0..8_u64, 1 => Just(u64::MAX)].prop_map(Seq::new);
    let range = prop_oneof![
        seq.clone().prop_map(PageRange::After),
        proptest::option::of(seq).prop_map(PageRange::Before),
    ];
    prop_oneof![
        8 => (room.clone(), 1..3_u64, nonce.clone(), kind, text)
            .prop_map(|(room, author, nonce, kind, text)| append(room, author, nonce, kind, text)),
        4 => (room.clone(), 1..3_u64, nonce.clone(), 0..3_u64)
            .prop_map(|(room, author, nonce, about)| append_about(room, author, nonce, about)),
        8 => about_some_message(room.clone(), nonce.clone()),
        2 => name.clone().prop_map(open_room),
        1 => (name, user.clone()).prop_map(|(name, owner)| open_owned(name, owner)),
        4 => (room.clone(), nonce.clone(), change(user.clone()))
            .prop_map(|(room, nonce, change)| act(room, nonce, change)),
        2 => (1..3_u64, 3..5_u64).prop_map(|(lower, higher)| open_direct(lower, higher)),
        1 => room.clone().prop_map(drop_room),
        2 => (1..3_u64, nonce).prop_map(|(author, nonce)| find(author, nonce)),
        4 => (room.clone(), range, 0..6_u32, 0..60_u32)
            .prop_map(|(room, range, events, bytes)| read(room, range, events, bytes)),
        4 => (room.clone(), prop::sample::select(vec!["hello", "text", "anew", "once", "\"some more\" by*", "a", "HEL*", "bytes text"]),
              proptest::option::weighted(0.3, 0..30_u64), 1..4_u32)
            .prop_map(|(room, text, before, hits)| search(&[1, 2, room + 2], text, before, hits)),
        2 => (0..4_u8).prop_map(|token| create_guest("ada", token)),
        2 => (user.clone(), proptest::option::of(0..3_u64))
            .prop_map(|(user, expires)| update_guest(user, "bob", expires)),
        1 => user.clone().prop_map(remove_guest),
        2 => (prop_oneof![Just("eve"), Just("Eve"), Just("mallory")], 0..6_u8)
            .prop_map(|(nick, token)| create_account(nick, token)),
        2 => (user.clone(), 0..6_u8).prop_map(|(user, token)| add_device(user, token)),
        1 => (1..8_u64, prop_oneof![0..3_u64, Just(u64::MAX)]).prop_map(|(device, seen)| see_device(device, seen)),
        1 => (1..8_u64, any::<bool>()).prop_map(|(device, next)| renew(device, next)),
        1 => (prop_oneof![Just("eve"), Just("trent")], 0..6_u8, 0..3_u8)
            .prop_map(|(nick, token, invitation)| create_invited(nick, token, invitation)),
        1 => (0..3_u8).prop_map(forget_invitation),
        2 => (user.clone(), room.clone(), 0..9_u64).prop_map(|(user, room, seq)| set_read(user, room, seq)),
        1 => (1..8_u64).prop_map(remove_device),
        1 => (user.clone(), 1..3_u8, 1..8_u64)
            .prop_map(|(user, number, keep)| set_password(user, number, keep)),
        3 => (user, room, any::<bool>()).prop_map(|(user, room, member)| set_member(user, room, member)),
    ]
}

fn about_some_message(
    room: impl Strategy<Value = u64>,
    nonce: impl Strategy<Value = u64>,
) -> impl Strategy<Value = StorageOperation> {
    let kind = prop_oneof![
        1 => Just((EventKind::Posted, "yes")),
        3 => prop_oneof![Just("anew"), Just("once more")].prop_map(|text| (EventKind::Edited, text)),
        2 => Just((EventKind::Deleted, "")),
    ];
    let whose = prop_oneof![
        Just(Whose::Anybodys),
        Just(Whose::Own),
        (1..3_u64).prop_map(|user| Whose::AllBut([UserId::new(user)].into())),
    ];
    (room, 1..3_u64, nonce, kind, 0..9_u64, whose).prop_map(
        |(room, author, nonce, (kind, text), message, whose)| {
            about_message(room, (author, nonce), kind, text, message, whose)
        },
    )
}

fn change(user: impl Strategy<Value = u64>) -> impl Strategy<Value = RoomChange> {
    let term = (0..3_u64, proptest::option::of(0..3_u64)).prop_map(|(since, until)| Term {
        since: WallTime::from_millis(since),
        until: until.map(WallTime::from_millis),
    });
    let right = prop_oneof![
        prop_oneof![Just(Role::Member), Just(Role::Moderator), Just(Role::Owner)].prop_map(RightChange::Role),
        any::<bool>().prop_map(RightChange::Invited),
        Just(RightChange::Kicked),
        proptest::option::of(term.clone()).prop_map(RightChange::Banned),
        proptest::option::of(term).prop_map(RightChange::Muted),
    ];
    prop_oneof![
        1 => (0..8_u8, 0..3_u32).prop_map(|(bits, slow)| RoomChange::Mode(RoomMode::from_bits(bits, slow))),
        5 => (user, right).prop_map(|(user, change)| RoomChange::Right(UserId::new(user), change)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_storages_answer_alike_across_restarts(steps in vec(step(), 1..16)) {
        let mut memory = MemoryStorage::new(Incarnation::new(1));
        let mut directory = tempfile::tempdir().unwrap();
        let (mut sqlite, _) = open(directory.path());
        for step in steps.into_iter().chain([Step::PowerCut]) {
            match step {
                Step::Batch(operations) => {
                    let expected: Vec<_> =
                        operations.iter().map(|operation| memory.execute(operation.clone())).collect();
                    prop_assert_eq!(execute_batch(&mut sqlite, operations), expected);
                    continue;
                }
                Step::Reopen => drop(sqlite),
                Step::PowerCut => {
                    let copy = copy_without_closing(directory.path());
                    drop(sqlite);
                    directory = copy;
                }
            }
            let (reopened, recovered) = open(directory.path());
            sqlite = reopened;
            prop_assert_eq!(recovered, memory.recovered());
        }
    }
}
