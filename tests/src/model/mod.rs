//! A naive server, written from `docs/PROTOCOL.md` alone, to hold the real one against (invariant I12).
//!
//! It keeps plain maps and vectors, knows neither bytes nor storage, and borrows nothing of the real server but the
//! wire types, ids, codes, limits and configuration. An input says what happened; the model then knows what every connection must
//! be sent (`Expected`), leaving open what the protocol leaves open: ids, tokens, times, sentences, suggestions.
//!
//! | File | Clauses |
//! |---|---|
//! | `mod` | M: what there is |
//! | `phases` | F6–F8: what may be sent in which phase |
//! | `names` | E2, E3, R1 on plain ASCII |
//! | `entering` | V, E: hello, guests, resuming, places, the queue |
//! | `accounts` | A1–A6: making an account, logging in |
//! | `devices` | A7–A11: tokens, several connections, another password |
//! | `reading` | A14: what was read |
//! | `rooms` | R, C: membership, directs, cursors, lists |
//! | `posts` | P, H: posts, nonces, history |
//! | `search` | S on texts without accents |
//! | `rights`, `governing` | G: who may do what in a room, and does it |
//! | `operators` | O: the whole server |
//! | `presence` | W: who is told what about whom |
//! | `clock` | V5, E6, E8, K2, K4: time, restart, shutdown |
//! | `expected`, `known` | what must be sent, and what was learned of what is left open |
//! | `matching`, `comparing` | whether it was sent |
//! | `operation`, `drawing`, `words` | what may happen, drawn at random, and as messages |
//! | `secrets` | what is OPAQUE about those messages |
//! | `driver`, `lockstep` | the real server on a perfect storage, side by side with the model |

mod accounts;
mod clock;
mod comparing;
mod devices;
mod drawing;
mod driver;
mod entering;
mod expected;
mod governing;
mod known;
mod lockstep;
mod matching;
mod names;
mod operation;
mod operators;
mod phases;
mod posts;
mod presence;
mod reading;
mod rights;
mod rooms;
mod search;
mod secrets;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use palabre_core::{
    config::Registration,
    ids::{Nonce, Seq},
    limits::Limits,
    time::{Monotonic, Now, WallTime},
    wire::state,
};

pub use self::{
    accounts::Password,
    drawing::operations,
    expected::{About, Divergence, Refusal, Suggestion},
    lockstep::Lockstep,
    operation::{Breakage, Name, Operation, Speech, Word},
};
use self::{
    accounts::{Account, Exchange},
    devices::{Device, DeviceKey, Hold},
    expected::Expected,
    known::Known,
    presence::View,
    rights::Rights,
};

/// What whoever runs the server has decided.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What it holds itself and its peers to.
    pub limits: Limits,
    /// Who may make an account.
    pub registration: Registration,
}

/// The server as the protocol describes it.
#[derive(Clone, Debug)]
pub struct Model {
    limits: Limits,
    registration: Registration,
    manual: String,
    now: Now,
    /// The latest the wall clock has shown.
    latest_wall: WallTime,
    connections: Vec<Connection>,
    /// Who waits for a place, the next one first.
    queue: Vec<ConnectionKey>,
    users: Vec<User>,
    devices: Vec<Device>,
    /// Up to where accounts have read rooms (A14).
    marks: BTreeMap<(UserKey, RoomKey), u64>,
    rooms: Vec<Room>,
    /// What is stored under each author's nonces (P6).
    stored: BTreeMap<(UserKey, Nonce), (RoomKey, Seq)>,
    /// All events there have been, by when they were stored.
    said: Vec<(RoomKey, u64)>,
    known: Known,
}

/// How the model judges an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is granted.
    Ok,
    /// It is refused, or breaks the protocol.
    Failed,
    /// The connection has ended: nobody answers, and the client cannot know.
    Indeterminate,
}

/// A connection, as the model numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionKey(pub usize);

/// A user, as the model numbers them; the server's id is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserKey(pub usize);

/// A room, as the model numbers them; the server's id is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoomKey(pub usize);

/// A connection, and what its client must be sent.
#[derive(Clone, Debug)]
pub struct Connection {
    phase: Phase,
    opened: Monotonic,
    /// Since when it is to enter (V5).
    entering: Monotonic,
    /// When something was last received.
    heard: Monotonic,
    /// Whether it was sent a `Ping` since.
    asked: bool,
    /// Frames received before `Ready` (F8).
    frames: u64,
    /// The rooms it follows, and what it was told about their members.
    follows: BTreeMap<RoomKey, View>,
    /// Of which run of a client it is (A8).
    session: u64,
    /// What it comes by, where that is an account.
    hold: Option<Hold>,
    /// Whether it logged in or enrolled itself (A11).
    proved: bool,
    /// What was challenged last and not answered (A6).
    exchange: Option<Exchange>,
    challenges: u32,
    /// How often it was told `login-failed` (A5).
    failures: u32,
    /// The marks of its account that it knows (A14).
    marks: BTreeMap<RoomKey, u64>,
    credit: Credit,
    expected: Vec<Expected>,
    /// What it may be sent besides.
    optional: Vec<Expected>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connected,
    Greeted,
    Waiting { user: UserKey, request: u32, told: u32 },
    Ready { user: UserKey },
    Closed,
}

/// What a connection has posted since `Ready`, and what it was last allowed (P8).
#[derive(Clone, Copy, Debug, Default)]
struct Credit {
    posts: u64,
    bytes: u64,
    /// How many of the posts were sent without credit.
    over: u32,
    last_post: Monotonic,
    announced: Option<(u64, u64)>,
}

/// A user, present or not, or gone.
#[derive(Clone, Debug)]
pub struct User {
    nick: String,
    /// Its own word (W3), until it resumes (E6).
    away: bool,
    standing: Standing,
    account: Option<Account>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Present,
    Lost {
        expires: Monotonic,
        expires_wall: WallTime,
    },
    /// Waits for a place after `Resume`; to others it is still lost, but it does not expire (E9).
    Returning {
        expires_wall: WallTime,
    },
    /// An account that is not connected (A1).
    Absent,
    /// Waits for a place for the first time; in no room, and without a token.
    Newcomer,
    /// Left the server or expired; the number is its last state in a `Change`.
    Gone {
        state: u8,
    },
}

/// A room or a direct conversation, or what was one.
#[derive(Clone, Debug)]
pub struct Room {
    kind: RoomKind,
    topic: String,
    members: BTreeSet<UserKey>,
    rights: Rights,
    /// The first number that is still kept.
    first: u64,
    /// All events there have been; the first has number 1.
    log: Vec<Logged>,
    ceased: bool,
}

#[derive(Clone, Debug)]
pub(super) enum RoomKind {
    Named(String),
    Direct(UserKey, UserKey),
}

/// An event of a room's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    author: UserKey,
    nick: String,
    kind: u8,
    text: String,
    /// Whom it is about, by which name, and until when (G4).
    about: Option<(UserKey, String, Option<WallTime>)>,
}

impl Model {
    /// A server on a new database.
    #[must_use]
    pub fn new(rules: Rules, manual: &str, now: Now) -> Self {
        let lobby = Room::new(RoomKind::Named("#lobby".into()));
        Self {
            limits: rules.limits,
            registration: rules.registration,
            manual: manual.into(),
            now,
            latest_wall: now.wall,
            connections: Vec::new(),
            queue: Vec::new(),
            users: Vec::new(),
            devices: Vec::new(),
            marks: BTreeMap::new(),
            rooms: vec![lobby],
            stored: BTreeMap::new(),
            said: Vec::new(),
            known: Known::default(),
        }
    }

    /// Somebody connects.
    pub fn connect(&mut self) -> ConnectionKey {
        self.connections.push(Connection {
            phase: Phase::Connected,
            opened: self.now.monotonic,
            entering: self.now.monotonic,
            heard: self.now.monotonic,
            asked: false,
            frames: 0,
            follows: BTreeMap::new(),
            session: 0,
            hold: None,
            proved: false,
            exchange: None,
            challenges: 0,
            failures: 0,
            marks: BTreeMap::new(),
            credit: Credit::default(),
            expected: Vec::new(),
            optional: Vec::new(),
        });
        ConnectionKey(self.connections.len() - 1)
    }

    /// A connection ends without a word (K5).
    pub fn cut(&mut self, at: ConnectionKey) {
        self.hang_up(at, false);
    }

    /// The next thing the connection must be sent.
    fn expect(&mut self, at: ConnectionKey, expected: Expected) -> bool {
        self[at].expected.push(expected);
        true
    }

    pub(super) fn connection_keys(&self) -> impl Iterator<Item = ConnectionKey> + use<> {
        (0..self.connections.len()).map(ConnectionKey)
    }

    fn state_of(&self, user: UserKey) -> u8 {
        match self[user].standing {
            Standing::Present | Standing::Newcomer if self[user].away => state::AWAY,
            Standing::Present | Standing::Newcomer => state::HERE,
            Standing::Lost { .. } | Standing::Returning { .. } | Standing::Absent => state::LOST,
            Standing::Gone { state } => state,
        }
    }
}

/// When a client that posts nothing has all its credit again, by the default rates and with a second to spare (P8).
const CREDIT_REFILLED_AFTER: Duration = Duration::from_secs(3);

macro_rules! indexed {
    ($key:ident, $field:ident, $item:ident) => {
        impl std::ops::Index<$key> for Model {
            type Output = $item;

            fn index(&self, key: $key) -> &$item {
                &self.$field[key.0]
            }
        }

        impl std::ops::IndexMut<$key> for Model {
            fn index_mut(&mut self, key: $key) -> &mut $item {
                &mut self.$field[key.0]
            }
        }
    };
}

indexed!(ConnectionKey, connections, Connection);
indexed!(UserKey, users, User);
indexed!(RoomKey, rooms, Room);
indexed!(DeviceKey, devices, Device);
