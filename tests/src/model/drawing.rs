//! Runs of operations, drawn at random.

use proptest::{collection::vec, option, prelude::*};

use super::{Breakage, Name, Operation, Password, Speech, Word};

/// Runs of at most so many operations, after three users, some of them accounts, have entered and joined.
pub fn operations(most: usize) -> impl Strategy<Value = Vec<Operation>> {
    (0..4_u8, any::<bool>(), vec(operation(), 1..most)).prop_map(|(accounts, operated, random)| {
        let enter = |number| match number {
            _ if number < accounts => Operation::Register(Name(number), Password(0)),
            _ => Operation::Enter(Name(number)),
        };
        let mut operations: Vec<_> = (0..3).map(enter).collect();
        operations.extend((0..3).map(|who| Operation::Speak(who, Speech::Join(Name(1), None))));
        operations.extend(operated.then_some(Operation::Appoint(Name(0))));
        operations.extend((0..2).filter(|_| operated).map(Operation::Return));
        operations.extend(random);
        operations
    })
}

fn operation() -> BoxedStrategy<Operation> {
    let millis = prop_oneof![Just(300), Just(2_000), Just(20_000), Just(61_000), Just(400_000)];
    let seconds = prop_oneof![Just(1), Just(200), Just(500), Just(700)];
    prop_oneof![
        60 => (any::<u8>(), request()).prop_map(|(who, speech)| Operation::Speak(who, speech)),
        6 => name().prop_map(Operation::Enter),
        8 => (0..6_u8).prop_map(Operation::Return),
        2 => (name(), password()).prop_map(|(name, password)| Operation::Register(name, password)),
        4 => (name(), word()).prop_map(|(name, word)| Operation::LogIn(name, word)),
        1 => (any::<u8>(), password()).prop_map(|(who, password)| Operation::ChangePassword(who, password)),
        2 => Just(Operation::Connect),
        8 => (any::<u8>(), knock()).prop_map(|(who, speech)| Operation::Interrupt(who, speech)),
        1 => (any::<u8>(), request()).prop_map(|(who, speech)| Operation::Interrupt(who, speech)),
        2 => (any::<u8>(), any::<u8>(), 1..4_u8)
            .prop_map(|(who, room, posts)| Operation::PostAndPart { who, room, posts }),
        1 => (any::<u8>(), breakage()).prop_map(|(who, breakage)| Operation::Break(who, breakage)),
        1 => (any::<u8>(), 1..40_u8).prop_map(|(who, count)| Operation::Flood(who, count)),
        3 => any::<u8>().prop_map(Operation::Cut),
        4 => millis.prop_map(|millis| Operation::Sleep { millis, answering: true }),
        1 => prop_oneof![Just(70_000), Just(130_000)]
            .prop_map(|millis| Operation::Sleep { millis, answering: false }),
        1 => name().prop_map(Operation::Appoint),
        1 => (any::<bool>(), seconds, option::of(any::<u8>()))
            .prop_map(|(orderly, seconds, trimmed)| Operation::Restart { orderly, seconds, trimmed }),
    ]
    .boxed()
}

/// What is said after entering.
fn request() -> BoxedStrategy<Speech> {
    let place = || option::of(0..8_u8);
    let posted = prop_oneof![3 => 0..4_u8, 1 => any::<u8>()];
    let kind =
        prop_oneof![40 => Just(1), 10 => Just(2), 10 => Just(3), 1 => prop_oneof![Just(0), 4..=255_u8]];
    let reason = prop_oneof![Just(0), Just(1), 2..10_u8];
    prop_oneof![
        10 => (name(), place()).prop_map(|(name, after)| Speech::Join(name, after)),
        2 => any::<u8>().prop_map(Speech::Part),
        6 => (any::<u8>(), place()).prop_map(|(room, after)| Speech::Follow(room, after)),
        6 => name().prop_map(Speech::Direct),
        30 => (any::<u8>(), option::weighted(0.2, 0..4_u8), kind, posted)
            .prop_map(|(room, nonce, kind, text)| Speech::Post { room, nonce, kind, text }),
        4 => any::<u8>().prop_map(Speech::PostAgain),
        4 => (any::<u8>(), place()).prop_map(|(room, after)| Speech::Members(room, after)),
        3 => place().prop_map(Speech::Rooms),
        8 => (any::<u8>(), option::weighted(0.3, 0..8_u8), 0..8_u8)
            .prop_map(|(room, before, limit)| Speech::History { room, before, limit }),
        8 => (any::<u8>(), option::of(any::<u8>()), option::weighted(0.3, any::<u8>()), 0..5_u8)
            .prop_map(|(query, room, before, limit)| Speech::Search { query, room, before, limit }),
        4 => name().prop_map(Speech::Rename),
        1 => Just(Speech::Manual),
        1 => password().prop_map(Speech::NewPassword),
        1 => Just(Speech::SetPassword),
        2 => Just(Speech::Devices),
        2 => any::<u8>().prop_map(Speech::Revoke),
        3 => (any::<u8>(), 0..6_u8).prop_map(|(room, seq)| Speech::MarkRead(room, seq)),
        4 => any::<bool>().prop_map(Speech::Away),
        10 => (any::<u8>(), prop_oneof![20 => 5..=14_u8, 1 => any::<u8>()], name(), option::weighted(0.2, 0..30_u8))
            .prop_map(|(room, act, name, seconds)| Speech::Govern { room, act, name, seconds }),
        4 => (any::<u8>(), any::<u8>(), option::weighted(0.4, 0..5_u8))
            .prop_map(|(room, flags, slow)| Speech::SetMode { room, flags, slow }),
        3 => (any::<u8>(), place()).prop_map(|(room, after)| Speech::Rights(room, after)),
        1 => any::<u8>().prop_map(Speech::Ping),
        1 => Just(Speech::Pong),
        2 => reason.prop_map(Speech::Goodbye),
        1 => Just(Speech::Error),
    ]
    .boxed()
}

/// What is said before entering.
fn knock() -> BoxedStrategy<Speech> {
    prop_oneof![
        4 => (0..3_u16, 0..3_u16, session())
            .prop_map(|(first, last, session)| Speech::Hello { first, last, session }),
        6 => session().prop_map(|session| Speech::Hello { first: 1, last: 7, session }),
        3 => name().prop_map(Speech::Guest),
        3 => any::<u8>().prop_map(Speech::Resume),
        2 => (name(), password()).prop_map(|(name, password)| Speech::Register(name, password)),
        2 => Just(Speech::Enrol),
        3 => (name(), word()).prop_map(|(name, word)| Speech::Login(name, word)),
        3 => Just(Speech::Prove),
        1 => any::<u8>().prop_map(Speech::Ping),
        1 => (0..3_u8).prop_map(Speech::Goodbye),
    ]
    .boxed()
}

fn password() -> impl Strategy<Value = Password> {
    (0..3_u8).prop_map(Password)
}

fn word() -> impl Strategy<Value = Word> {
    prop_oneof![4 => Just(Word::Right), 1 => Just(Word::Wrong)]
}

fn session() -> impl Strategy<Value = Option<u64>> {
    option::of(0..3_u64)
}

fn name() -> impl Strategy<Value = Name> {
    prop_oneof![3 => 0..5_u8, 2 => any::<u8>()].prop_map(Name)
}

fn breakage() -> BoxedStrategy<Breakage> {
    prop_oneof![
        Just(Breakage::Empty),
        Just(Breakage::TooLong),
        Just(Breakage::UnknownKind),
        Just(Breakage::Skippable),
        Just(Breakage::WrongDirection),
        Just(Breakage::Malformed),
        Just(Breakage::Trailing),
    ]
    .boxed()
}
