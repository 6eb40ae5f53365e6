//! What may happen to a server, small enough to be drawn at random and to shrink.
//!
//! Numbers that choose among connections, users or rooms are taken modulo how many there are at that moment.

use super::Password;

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Somebody connects and says nothing.
    Connect,
    /// Somebody connects, says hello and asks to enter by this name.
    Enter(Name),
    /// Somebody connects, says hello and resumes as a user there has been.
    Return(u8),
    /// Somebody connects, says hello and makes an account.
    Register(Name, Password),
    /// Somebody connects, says hello and logs in.
    LogIn(Name, Word),
    /// One who has entered asks for another password, and sets it.
    ChangePassword(u8, Password),
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
    /// The server stops, the account of this name is made an operator on its own machine, and it starts again.
    Appoint(Name),
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
        session: Option<u64>,
    },
    Guest(Name),
    Resume(u8),
    Register(Name, Password),
    /// What ends a registration that was challenged.
    Enrol,
    Login(Name, Word),
    /// What ends a login that was challenged.
    Prove,
    NewPassword(Password),
    /// What ends a change of password that was challenged.
    SetPassword,
    Devices,
    Revoke(u8),
    MarkRead(u8, u8),
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
    /// Try to make a room another kind of room.
    SetMode {
        /// Which.
        room: u8,
        /// What it shall be: a wish in each digit to base 3.
        flags: u8,
        /// How slow.
        slow: Option<u8>,
    },
    /// Ask who has which rights in a room.
    Rights(u8, Option<u8>),
    Ping(u8),
    Pong,
    Goodbye(u8),
    Error,
}

/// A password that is typed to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The right one.
    Right,
    /// Another.
    Wrong,
}

/// A place in the list of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name(pub u8);

/// What a client says that has only just connected.
pub(super) const HELLO: Speech = Speech::Hello { first: 1, last: 1, session: None };

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
const ROOMS: &[&str] = &[
    "#lobby",
    "#one",
    "#two",
    "#tea",
    "#six",
    "#LOBBY",
    "#One",
    "#operators",
    "#l0bby",
    "#0ne",
    "#",
    "one",
    "##",
    "#a b",
    "#0perators",
];

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
