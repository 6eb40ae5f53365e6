//! What may happen to a server, small enough to be drawn at random and to shrink.
//!
//! Numbers that choose among connections, users or rooms are taken modulo how many there are at that moment.

use proptest::{collection::vec, option, prelude::*};

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Somebody connects and says nothing.
    Connect,
    /// Somebody connects, says hello and asks to enter by this name.
    Enter(Name),
    /// Somebody connects, says hello and resumes as a user there has been.
    Return(u8),
    /// One who has entered says something.
    Speak(u8, Speech),
    /// Any connection says something, be it the time or not.
    Interrupt(u8, Speech),
    /// One who has entered posts so many times, and then parts, in one go.
    PostAndPart {
        /// Who.
        who: u8,
        /// Where.
        room: u8,
        /// How often.
        posts: u8,
    },
    /// Any connection sends bytes that no client should send.
    Break(u8, Breakage),
    /// Any connection sends so many pings in one go.
    Flood(u8, u8),
    /// Any connection is cut.
    Cut(u8),
    /// Time passes, and clients answer the server's pings or not.
    Sleep {
        /// How long.
        millis: u32,
        /// Whether they answer.
        answering: bool,
    },
    /// The server stops and starts again after so many seconds.
    Restart {
        /// Whether it is told to stop, or dies.
        orderly: bool,
        /// How long it is down.
        seconds: u32,
        /// A room that loses all events but its last meanwhile.
        trimmed: Option<u8>,
    },
}

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Speech {
    Hello {
        first: u16,
        last: u16,
    },
    Guest(Name),
    Resume(u8),
    Join(Name, Option<u8>),
    Part(u8),
    Follow(u8, Option<u8>),
    Direct(Name),
    Post {
        room: u8,
        nonce: Option<u8>,
        kind: u8,
        text: u8,
    },
    /// A post of this author that is stored already, once more.
    PostAgain(u8),
    Members(u8, Option<u8>),
    Rooms(Option<u8>),
    History {
        room: u8,
        before: Option<u8>,
        limit: u8,
    },
    Search {
        query: u8,
        room: Option<u8>,
        /// A place where an earlier page ended.
        before: Option<u8>,
        limit: u8,
    },
    Rename(Name),
    Manual,
    Away(bool),
    /// Try to do something to somebody in a room.
    Govern {
        /// Which.
        room: u8,
        /// What.
        act: u8,
        /// To whom.
        name: Name,
        /// For how long.
        seconds: Option<u8>,
    },
    /// Try to make a room private, and perhaps too slow.
    SetMode {
        /// Which.
        room: u8,
        /// Whether it shall be slow.
        slow: bool,
    },
    /// Ask who has which rights in a room.
    Rights(u8, Option<u8>),
    Ping(u8),
    Pong,
    Goodbye(u8),
    Error,
}

/// A place in the list of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name(pub u8);

/// Bytes that no client should send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breakage {
    /// A length of 0 (F2).
    Empty,
    /// A length one over the cap (F2).
    TooLong,
    /// A kind that nobody knows (F6).
    UnknownKind,
    /// A kind that nobody knows and nobody need know (F6).
    Skippable,
    /// A message of the server (F6).
    WrongDirection,
    /// A body that is too short (F5).
    Malformed,
    /// Bytes after a body (F5).
    Trailing,
}

/// Names that fold together, look alike, are free, or are none.
const NAMES: &[&str] = &[
    "ana",
    "bob",
    "lia",
    "zoe",
    "Ana",
    "an0",
    "ano",
    "Iia",
    "1ia",
    "mia",
    "rnia",
    "b0b",
    "x.y-z_9",
    "",
    "-a",
    "a b",
    "ana!",
    "ana_",
    "bob.",
    "a\n",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

/// Room names: the lobby, few others, and the same traps.
const ROOMS: &[&str] =
    &["#lobby", "#one", "#two", "#tea", "#six", "#LOBBY", "#One", "#l0bby", "#0ne", "#", "one", "##", "#a b"];

/// Texts, by what is wrong with them; `TEXT_LONGEST` and the one after it are made to measure.
const TEXTS: &[&str] = &[
    "hello",
    "good morning",
    "é ñ 漢",
    "a\nb\tc",
    "",
    "   ",
    "\u{3000}\n",
    "bell \u{7}",
    "next \u{85} line",
    "\r",
    "rubout \u{7f}",
];

/// What is searched for: words of the texts and others, and what is no query.
const QUERIES: &[&str] = &[
    "hello",
    "HELLO",
    "good morning",
    "morning good",
    "\"good morning\"",
    "\"morning good\"",
    "mor*",
    "\"good m\"*",
    "mor",
    "漢",
    "b c",
    "x*",
    "hell* \"",
    "\" OR hello NEAR(",
    "",
    "- * \"\"",
    "a b c d e f g h i j k l m n o p q",
];

/// The query of this number.
#[must_use]
pub(super) fn query(number: u8) -> &'static str {
    QUERIES[usize::from(number) % QUERIES.len()]
}

impl Name {
    /// As a nickname.
    #[must_use]
    pub fn nick(self) -> &'static str {
        NAMES[usize::from(self.0) % NAMES.len()]
    }

    /// As a room's name.
    #[must_use]
    pub fn room(self) -> &'static str {
        ROOMS[usize::from(self.0) % ROOMS.len()]
    }
}

/// The text of this number, where texts have at most so many bytes.
#[must_use]
pub(super) fn text(number: u8, bytes_max: usize) -> String {
    let number = usize::from(number) % (TEXTS.len() + 2);
    TEXTS.get(number).map_or_else(|| "x".repeat(bytes_max + number - TEXTS.len()), |text| (*text).into())
}

/// Runs of at most so many operations, after three users have entered and joined.
pub fn operations(most: usize) -> impl Strategy<Value = Vec<Operation>> {
    vec(operation(), 1..most).prop_map(|random| {
        let mut operations: Vec<_> = (0..3).map(|number| Operation::Enter(Name(number))).collect();
        operations.extend((0..3).map(|who| Operation::Speak(who, Speech::Join(Name(1), None))));
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
        1 => Just(Operation::Connect),
        3 => (any::<u8>(), knock()).prop_map(|(who, speech)| Operation::Interrupt(who, speech)),
        1 => (any::<u8>(), request()).prop_map(|(who, speech)| Operation::Interrupt(who, speech)),
        2 => (any::<u8>(), any::<u8>(), 1..4_u8)
            .prop_map(|(who, room, posts)| Operation::PostAndPart { who, room, posts }),
        1 => (any::<u8>(), breakage()).prop_map(|(who, breakage)| Operation::Break(who, breakage)),
        1 => (any::<u8>(), 1..40_u8).prop_map(|(who, count)| Operation::Flood(who, count)),
        3 => any::<u8>().prop_map(Operation::Cut),
        4 => millis.prop_map(|millis| Operation::Sleep { millis, answering: true }),
        1 => prop_oneof![Just(70_000), Just(130_000)]
            .prop_map(|millis| Operation::Sleep { millis, answering: false }),
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
        4 => any::<bool>().prop_map(Speech::Away),
        2 => (any::<u8>(), prop_oneof![4 => 5..=14_u8, 1 => any::<u8>()], name(), option::weighted(0.2, 0..3_u8))
            .prop_map(|(room, act, name, seconds)| Speech::Govern { room, act, name, seconds }),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(room, slow)| Speech::SetMode { room, slow }),
        1 => (any::<u8>(), place()).prop_map(|(room, after)| Speech::Rights(room, after)),
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
        4 => (0..3_u16, 0..3_u16).prop_map(|(first, last)| Speech::Hello { first, last }),
        2 => Just(Speech::Hello { first: 1, last: 7 }),
        3 => name().prop_map(Speech::Guest),
        3 => any::<u8>().prop_map(Speech::Resume),
        1 => any::<u8>().prop_map(Speech::Ping),
        1 => (0..3_u8).prop_map(Speech::Goodbye),
    ]
    .boxed()
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
