//! What a connection must be sent, with room for what the protocol leaves open.

use std::fmt;

use palabre_core::{
    error::{ProtocolError, RefusalCode},
    time::WallTime,
};

use super::{DeviceKey, Logged, RoomKey, UserKey, known::Holder, presence::Seen, rights::Standing};

/// A message that a connection must be sent.
///
/// `Presence` and `Credit` are not among them: they are judged by what they add up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// To `Hello`, with the limits of the server.
    Welcome,
    /// All places are taken.
    Waiting {
        /// 1 for the next.
        position: u32,
    },
    /// The user has entered. `Credit` follows at once.
    Ready {
        /// Of the request.
        id: u32,
        /// Who entered.
        user: UserKey,
        /// What the token is of.
        holder: Holder,
        /// By which name.
        nick: String,
        /// Its rooms, ascending by id.
        rooms: Vec<Face>,
    },
    /// Done.
    Done {
        /// Of the request.
        id: u32,
    },
    /// Not granted.
    Refused {
        /// Of the request.
        id: u32,
        /// Why.
        refusal: Refusal,
    },
    /// A room was entered or is followed.
    Joined {
        /// Of the request.
        id: u32,
        /// The room.
        room: Face,
        /// How many members it has.
        members: u32,
    },
    /// A post is stored.
    Posted {
        /// Of the request.
        id: u32,
        /// Where.
        room: RoomKey,
        /// Under which number.
        seq: u64,
    },
    /// Members, a page of them.
    MembersPage {
        /// Of the request.
        id: u32,
        /// Of which room.
        room: RoomKey,
        /// All that come after the place asked for, ascending, each with its id.
        rest: Vec<(u64, Seen)>,
    },
    /// Named rooms, a page of them.
    RoomsPage {
        /// Of the request.
        id: u32,
        /// All that come after the place asked for, ascending, each with the number of its members.
        rest: Vec<(Face, u32)>,
    },
    /// Who has which rights in a room, a page of it.
    RightsPage {
        /// Of the request.
        id: u32,
        /// Of which room.
        room: RoomKey,
        /// What is told of it.
        listing: Listing,
    },
    /// Events of the past.
    HistoryPage {
        /// Of the request.
        id: u32,
        /// Of which room.
        room: RoomKey,
        /// The first number kept.
        first: u64,
        /// The events and their numbers.
        events: Vec<(u64, Logged)>,
    },
    /// What was searched for, a page of it.
    SearchPage {
        /// Of the request.
        id: u32,
        /// The events, the newest first, each with its place among all there have been.
        hits: Vec<(usize, Logged)>,
        /// Whether there are more.
        more: bool,
    },
    /// The manual.
    ManualText {
        /// Of the request.
        id: u32,
        /// The whole of it.
        text: String,
    },
    /// Something happened in a room that is followed.
    Event {
        /// Where.
        room: RoomKey,
        /// Under which number.
        seq: u64,
        /// What.
        event: Logged,
    },
    /// Earlier events are not kept.
    Trimmed {
        /// Where.
        room: RoomKey,
        /// The first number kept.
        first: u64,
    },
    /// The answer to what was begun by OPAQUE.
    Challenge {
        /// Of the request.
        id: u32,
        /// How long it is.
        bytes: usize,
    },
    /// The devices of an account.
    DeviceList {
        /// Of the request.
        id: u32,
        /// In any order.
        devices: Vec<DeviceKey>,
        /// The one that asks.
        this: DeviceKey,
    },
    /// A room was left on another connection of the account.
    Parted {
        /// Which.
        room: RoomKey,
    },
    /// A room that one is in now: somebody opened a direct conversation, or it was joined on another connection of the account.
    Opened {
        /// It.
        room: Face,
    },
    /// One was put out of a room.
    Removed {
        /// Which.
        room: RoomKey,
        /// Kicked or banned.
        kind: u8,
        /// By whom.
        by: String,
        /// Why.
        reason: String,
        /// When a ban ends.
        until: Option<WallTime>,
    },
    /// One was invited to a room.
    Invited {
        /// Which.
        room: RoomKey,
        /// By whom.
        by: String,
        /// Why.
        reason: String,
    },
    /// A question for a sign of life.
    Ping,
    /// An answer to one.
    Pong {
        /// From the question.
        token: u64,
    },
    /// The last frame.
    Goodbye {
        /// Why.
        reason: u8,
    },
    /// The last frame, after a breach.
    Error {
        /// Any of these: where several apply, the protocol does not say which comes first.
        codes: Vec<ProtocolError>,
    },
}

/// Rights in a room as one of its members sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listing {
    /// Of the room.
    pub(super) mode: u8,
    /// Of the room.
    pub(super) slow_seconds: u32,
    /// Of the one who asks.
    pub(super) role: u8,
    /// All that come after the place asked for, ascending: id, role and the rest.
    pub(super) rest: Vec<(u64, u8, Standing)>,
}

/// A room as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Face {
    /// Which.
    pub room: RoomKey,
    /// Its name as first written, or nothing for a direct conversation.
    pub name: String,
    /// Its topic.
    pub topic: String,
    /// The first number kept.
    pub first: u64,
    /// The last number given.
    pub last: u64,
    /// With whom, and that user's name unless it is gone.
    pub with: Option<(UserKey, Option<String>)>,
}

/// Why a request is not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Any of these codes: where several apply, the protocol does not say which comes first.
    pub codes: Vec<RefusalCode>,
    /// The name involved.
    pub about: About,
    /// A name that would do.
    pub suggestion: Suggestion,
}

/// What may stand in `about`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// Anything.
    Open,
    /// This name, made printable, or nothing.
    Perhaps(String),
    /// One of these names.
    OneOf(Vec<String>),
}

/// What may stand in `suggestion`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suggestion {
    /// Anything.
    Open,
    /// A nickname that this user, or a newcomer, could take, or nothing.
    FreeNick(Option<UserKey>),
    /// The name of a user other than this one, or nothing.
    Somebody(UserKey),
}

impl Refusal {
    /// For one reason, without more.
    #[must_use]
    pub fn new(code: RefusalCode) -> Self {
        Self::any_of(vec![code])
    }

    /// For any of several reasons that hold at once.
    #[must_use]
    pub fn any_of(codes: Vec<RefusalCode>) -> Self {
        Self { codes, about: About::Open, suggestion: Suggestion::Open }
    }

    /// With what may stand in `about`.
    #[must_use]
    pub fn about(mut self, about: About) -> Self {
        self.about = about;
        self
    }

    /// With what may stand in `suggestion`.
    #[must_use]
    pub fn suggesting(mut self, suggestion: Suggestion) -> Self {
        self.suggestion = suggestion;
        self
    }
}

/// Where the real server did something else than the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence(pub String);

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Divergence {}
