//! A naive server, written from `docs/PROTOCOL.md` alone, to hold the real one against (invariant I12).
//!
//! It keeps plain maps and vectors, knows neither bytes nor storage, and borrows nothing of the real server but the
//! wire types, ids, codes and limits. An input says what happened; the model then knows what every connection must
//! be sent ([`Expected`]), leaving open what the protocol leaves open: ids, tokens, times, sentences, suggestions.
//!
//! | File | Clauses |
//! |---|---|
//! | `mod` | F6–F8: what may be sent in which phase |
//! | `names` | E2, E3, R1 on plain ASCII |
//! | `entering` | V, E: hello, guests, resuming, places, the queue |
//! | `rooms` | R, C: membership, directs, cursors, lists |
//! | `posts` | P, H: posts, nonces, history |
//! | `presence` | W: who is told what about whom |
//! | `clock` | V5, E6, E8, K2, K4: time, restart, shutdown |
//! | `expected`, `known` | what must be sent, and what was learned of what is left open |
//! | `matching`, `comparing` | whether it was sent |
//! | `operation`, `words` | what may happen, drawn at random, and as messages |
//! | `store`, `driver`, `lockstep` | the real server on a perfect storage, side by side with the model |

mod clock;
mod comparing;
mod driver;
mod entering;
mod expected;
mod known;
mod lockstep;
mod matching;
mod names;
mod operation;
mod posts;
mod presence;
mod rooms;
mod store;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use palabre_core::{
    error::ProtocolError,
    ids::{Nonce, Seq},
    limits::Limits,
    time::{Monotonic, Now, WallTime},
    wire::{ToServer, state},
};

pub use self::{
    expected::{About, Divergence, Expected, Refusal, Suggestion},
    lockstep::Lockstep,
    operation::{Breakage, Name, Operation, Speech, operations},
    store::PerfectStore,
};
use self::{known::Known, presence::View};

/// The server as the protocol describes it.
#[derive(Clone, Debug)]
pub struct Model {
    limits: Limits,
    manual: String,
    now: Now,
    /// The latest the wall clock has shown.
    latest_wall: WallTime,
    connections: Vec<Connection>,
    /// Who waits for a place, the next one first.
    queue: Vec<ConnectionKey>,
    users: Vec<User>,
    rooms: Vec<Room>,
    /// What is stored under each author's nonces (P6).
    stored: BTreeMap<(UserKey, Nonce), (RoomKey, Seq)>,
    known: Known,
}

/// How the model judges an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is granted.
    Ok,
    /// It is refused, or breaks the protocol.
    Failed,
    /// The protocol does not say; the model has not changed and the input is better not sent.
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
    /// When something was last received.
    heard: Monotonic,
    /// Whether it was sent a `Ping` since.
    asked: bool,
    /// Frames received before `Ready` (F8).
    frames: u32,
    /// The rooms it follows, and what it was told about their members.
    follows: BTreeMap<RoomKey, View>,
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
    last_post: Monotonic,
    announced: Option<(u64, u64)>,
}

/// A user, present or not, or gone.
#[derive(Clone, Debug)]
pub struct User {
    nick: String,
    standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Here,
    Away,
    Lost {
        expires: Monotonic,
    },
    /// Waits for a place after `Resume`; to others it is still lost.
    Returning,
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
    /// The first number that is still kept.
    first: u64,
    /// All events there have been; the first has number 1.
    log: Vec<Logged>,
    ceased: bool,
}

#[derive(Clone, Debug)]
enum RoomKind {
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
}

impl Model {
    /// A server on a new database.
    #[must_use]
    pub fn new(limits: Limits, manual: &str, now: Now) -> Self {
        let lobby = Room {
            kind: RoomKind::Named("#lobby".into()),
            topic: String::new(),
            members: BTreeSet::new(),
            first: 1,
            log: Vec::new(),
            ceased: false,
        };
        Self {
            limits,
            manual: manual.into(),
            now,
            latest_wall: now.wall,
            connections: Vec::new(),
            queue: Vec::new(),
            users: Vec::new(),
            rooms: vec![lobby],
            stored: BTreeMap::new(),
            known: Known::default(),
        }
    }

    /// Somebody connects.
    pub fn connect(&mut self) -> ConnectionKey {
        self.connections.push(Connection {
            phase: Phase::Connected,
            opened: self.now.monotonic,
            heard: self.now.monotonic,
            asked: false,
            frames: 0,
            follows: BTreeMap::new(),
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

    /// A well-formed message arrives.
    pub fn receive(&mut self, at: ConnectionKey, message: &ToServer<'_>) -> Outcome {
        if self.is_left_open(message) {
            return Outcome::Indeterminate;
        }
        if !self.takes_frame(at) {
            return Outcome::Failed;
        }
        let accepted = match self[at].phase {
            Phase::Connected => self.receive_connected(at, message),
            Phase::Greeted => self.receive_greeted(at, message),
            Phase::Waiting { .. } => self.receive_waiting(at, message),
            Phase::Ready { user } => self.receive_ready(at, user, message),
            Phase::Closed => false,
        };
        if accepted { Outcome::Ok } else { Outcome::Failed }
    }

    /// A frame of an unknown kind with the top bit set arrives (F6).
    pub fn receive_skippable(&mut self, at: ConnectionKey) {
        self.takes_frame(at);
    }

    /// A frame arrives that is an error whatever the phase (F2, F5, F6).
    pub fn receive_broken(&mut self, at: ConnectionKey, error: ProtocolError) {
        let mut codes = vec![error];
        match self[at].phase {
            Phase::Connected => codes.push(ProtocolError::UnexpectedKind),
            Phase::Greeted | Phase::Waiting { .. } | Phase::Ready { .. } => {}
            Phase::Closed => return,
        }
        if !matches!(self[at].phase, Phase::Ready { .. }) {
            codes.extend((!self.within_frames(at)).then_some(ProtocolError::TooManyFrames));
        }
        self.fail_with(at, codes);
    }

    /// What the protocol does not decide, so that nobody should rely on it.
    fn is_left_open(&self, message: &ToServer<'_>) -> bool {
        if let ToServer::Post(post) = message {
            return !matches!(post.kind, 1..=3);
        }
        let ToServer::Direct(direct) = message else { return false };
        let same = |user: &&User| names::fold(&user.nick) == names::fold(direct.nick);
        self.users.iter().filter(same).any(|user| user.standing == Standing::Newcomer)
    }

    /// Notes that a frame came; false if the connection takes none any more (F8).
    fn takes_frame(&mut self, at: ConnectionKey) -> bool {
        let now = self.now.monotonic;
        self[at].heard = now;
        self[at].asked = false;
        match self[at].phase {
            Phase::Closed => false,
            Phase::Ready { .. } => true,
            Phase::Connected | Phase::Greeted | Phase::Waiting { .. } => {
                self.within_frames(at) || self.fail(at, ProtocolError::TooManyFrames)
            }
        }
    }

    /// F8: counts a frame before `Ready`.
    fn within_frames(&mut self, at: ConnectionKey) -> bool {
        self[at].frames += 1;
        self[at].frames <= self.limits.frames_before_ready_max
    }

    /// V1: `Hello` comes first.
    fn receive_connected(&mut self, at: ConnectionKey, message: &ToServer<'_>) -> bool {
        if let ToServer::Hello(hello) = message {
            return self.hello(at, hello);
        }
        if matches!(message, ToServer::Goodbye(_) | ToServer::Error(_)) {
            return self.hang_up(at, false);
        }
        self.fail(at, ProtocolError::UnexpectedKind)
    }

    /// E1: then `Guest` or `Resume`.
    fn receive_greeted(&mut self, at: ConnectionKey, message: &ToServer<'_>) -> bool {
        if let ToServer::Guest(guest) = message {
            return self.guest(at, guest);
        }
        if let ToServer::Resume(resume) = message {
            return self.resume(at, resume);
        }
        self.receive_waiting(at, message)
    }

    /// E9: only `Ping`, `Pong` and `Goodbye`, and `Error` as everywhere.
    fn receive_waiting(&mut self, at: ConnectionKey, message: &ToServer<'_>) -> bool {
        if let ToServer::Ping(ping) = message {
            return self.expect(at, Expected::Pong { token: ping.token });
        }
        if let ToServer::Goodbye(goodbye) = message {
            return self.hang_up(at, goodbye.reason == LEAVING);
        }
        if matches!(message, ToServer::Error(_)) {
            return self.hang_up(at, false);
        }
        matches!(message, ToServer::Pong(_)) || self.fail(at, ProtocolError::UnexpectedKind)
    }

    fn receive_ready(&mut self, at: ConnectionKey, user: UserKey, message: &ToServer<'_>) -> bool {
        let (id, result) = match message {
            ToServer::Join(join) => (join.id, self.join(at, user, join)),
            ToServer::Part(part) => (part.id, self.part(at, user, part)),
            ToServer::Follow(follow) => (follow.id, self.follow(at, user, follow)),
            ToServer::Direct(direct) => (direct.id, self.direct(at, user, direct)),
            ToServer::Post(post) => (post.id, self.post(at, user, post)),
            ToServer::Members(members) => (members.id, self.members(at, user, members)),
            ToServer::Rooms(rooms) => (rooms.id, self.list_rooms(at, rooms)),
            ToServer::History(history) => (history.id, self.history(at, user, history)),
            ToServer::Rename(rename) => (rename.id, self.rename(at, user, rename)),
            ToServer::Away(away) => (away.id, self.away(at, user, away)),
            ToServer::Manual(manual) => (manual.id, self.serve_manual(at, manual.id)),
            ToServer::Ping(_)
            | ToServer::Pong(_)
            | ToServer::Goodbye(_)
            | ToServer::Error(_)
            | ToServer::Hello(_)
            | ToServer::Guest(_)
            | ToServer::Resume(_) => return self.receive_waiting(at, message),
        };
        match result {
            Ok(()) => true,
            Err(refusal) => {
                self.expect(at, Expected::Refused { id, refusal });
                false
            }
        }
    }

    fn serve_manual(&mut self, at: ConnectionKey, id: u32) -> Result<(), Refusal> {
        let text = self.manual.clone();
        self.expect(at, Expected::ManualText { id, text });
        Ok(())
    }

    fn fail(&mut self, at: ConnectionKey, error: ProtocolError) -> bool {
        self.fail_with(at, vec![error])
    }

    /// F7: the peer is told of any of these breaches, and the connection closed.
    fn fail_with(&mut self, at: ConnectionKey, codes: Vec<ProtocolError>) -> bool {
        self.excuse(at);
        self.expect(at, Expected::Error { codes });
        self.end(at, false);
        false
    }

    /// The peer ends the connection, and need not be answered any more.
    fn hang_up(&mut self, at: ConnectionKey, leaving: bool) -> bool {
        self.excuse(at);
        self.end(at, leaving)
    }

    /// What the connection was to be sent need not reach it any more.
    fn excuse(&mut self, at: ConnectionKey) {
        let excused = std::mem::take(&mut self[at].expected);
        self[at].optional.extend(excused);
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
            Standing::Here | Standing::Newcomer => state::HERE,
            Standing::Away => state::AWAY,
            Standing::Lost { .. } | Standing::Returning => state::LOST,
            Standing::Gone { state } => state,
        }
    }
}

/// When a client that posts nothing has all its credit again, by the default rates and with a second to spare (P8).
const CREDIT_REFILLED_AFTER: Duration = Duration::from_secs(3);

/// The reason of a `Goodbye` that ends the guest at once (K3).
const LEAVING: u8 = 0;

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
