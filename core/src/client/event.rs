//! What a client tells its application.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::time::Duration;

use super::transfers::{FileInfo, LocalRequest, TransferEvent};
use crate::{
    error::{ProtocolError, Refusal},
    ids::{DeviceId, Position, RoomId, Seq, UserId},
    name::{Nick, RoomName},
    password::Work,
    rights::{Act, Role, RoomMode},
    storage::{EventKind, Hit, StoredEvent},
    time::WallTime,
};

/// Names a request of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(crate) u32);

/// Names a post of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PostId(pub(crate) u64);

/// One thing for the driver or the application to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientOutput {
    /// Make a connection, and answer with `handle_connected` or `handle_disconnected`.
    Connect,
    /// Bytes wait to be sent.
    Send,
    /// Send what remains, then close; no answer is expected.
    Close,
    /// Close at once; no answer is expected. It also ends the patience with a `Close` before.
    Drop,
    /// Computation that would stall the program: run it elsewhere, and hand what it gives to `Client::handle_work`.
    Work(Work),
    /// Something to be done with the file of a transfer, off this thread: hand what it gives to `Client::handle_local`.
    File(LocalRequest),
    /// `Client::saved` changed in a way that must survive the process. Write it down before sending on.
    Save,
    /// Something the application wants to know.
    Event(ClientEvent),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The server is there and speaks our version.
    Connected {
        /// What program it says it is.
        server: String,
    },
    /// All places are taken.
    Waiting {
        /// 1 for the next.
        position: u32,
    },
    /// The name or the password was refused, or an account's token is good no more; `Client::rename` tries another
    /// name as a guest, `Client::log_in` another password. Nothing happens until then, even if the connection
    /// ends in the meantime.
    EnterRefused {
        /// Why.
        refusal: Refusal,
        /// The `Client::rename` that is answered by it.
        request: Option<RequestId>,
    },
    /// The client has entered. Rooms followed before are followed again by itself.
    Ready {
        /// Who it is.
        user: UserId,
        /// By which name.
        nick: Nick,
        /// Whether it is the user it was before.
        resumed: bool,
        /// The rooms that user is a member of.
        rooms: Vec<RoomInfo>,
    },
    /// There is no connection.
    Offline {
        /// Why.
        cause: OfflineCause,
        /// When it will be tried again.
        retry_in: Duration,
    },
    /// It is over: after `leave`, or for a reason that a new connection would not mend.
    Ended {
        /// Why.
        cause: OfflineCause,
    },
    /// A room is followed; its events come after this.
    Joined {
        /// The request; `None` when it is followed again after a reconnect.
        request: Option<RequestId>,
        /// The room as it is.
        room: RoomInfo,
        /// How many members it has.
        members: u32,
    },
    /// Somebody opened a direct conversation, perhaps while there was no connection; it is followed by itself,
    /// from its first event.
    Opened {
        /// It.
        room: RoomInfo,
    },
    /// A room is not followed any more: after a reconnect the server did not let the user back into it.
    Unfollowed {
        /// Which it was; it is not joined any more.
        room: RoomId,
        /// Why, and about which name.
        refusal: Refusal,
    },
    /// A room was left.
    Parted {
        /// The request.
        request: RequestId,
        /// Which.
        room: RoomId,
    },
    /// An event of a room followed: each once, in order, without holes but for `Trimmed` and events of kinds that
    /// this version does not know.
    Happened(Happening),
    /// Events before this number are not kept any more; reading goes on there.
    Trimmed {
        /// In which room.
        room: RoomId,
        /// The first number there is.
        first: Seq,
    },
    /// Something changed among the members of a room.
    Presence {
        /// Of which.
        room: RoomId,
        /// How many members it has now.
        members: u32,
        /// Whether changes were left out.
        stale: bool,
        /// In order.
        changes: Vec<MemberChange>,
    },
    /// A post is durable.
    Posted {
        /// Which.
        post: PostId,
        /// In which room.
        room: RoomId,
        /// Under which number.
        seq: Seq,
    },
    /// A post was refused; it is certainly not stored.
    PostRefused {
        /// Which.
        post: PostId,
        /// Where it was to go.
        room: RoomId,
        /// Of which kind it was.
        kind: EventKind,
        /// What it said.
        text: String,
        /// Why.
        refusal: Refusal,
    },
    /// Nobody can say any more whether a post was stored (`PROTOCOL.md` P9).
    PostIndeterminate {
        /// Which.
        post: PostId,
        /// Where it was to go.
        room: RoomId,
        /// Of which kind it was.
        kind: EventKind,
        /// What it said.
        text: String,
    },
    /// Answers `members`: all of them, or the first hundred thousand.
    Members {
        /// The request.
        request: RequestId,
        /// Of which room.
        room: RoomId,
        /// Ascending by id.
        members: Vec<MemberInfo>,
    },
    /// Answers `rooms`: all of them, or the first hundred thousand.
    Rooms {
        /// The request.
        request: RequestId,
        /// Ascending by id.
        rooms: Vec<RoomListed>,
    },
    /// Answers `history`.
    History {
        /// The request.
        request: RequestId,
        /// Of which room.
        room: RoomId,
        /// The first number still kept.
        first: Seq,
        /// Ascending and without holes, but for events of kinds that this version does not know.
        events: Vec<StoredEvent>,
    },
    /// Answers `search`.
    Found {
        /// The request.
        request: RequestId,
        /// The newest first, without events of kinds that this version does not know.
        hits: Vec<Hit>,
        /// Before which there may be more.
        next: Option<Position>,
    },
    /// Answers `manual`.
    Manual {
        /// The request.
        request: RequestId,
        /// The manual.
        text: String,
    },
    /// Answers `rename`.
    Renamed {
        /// The request.
        request: RequestId,
        /// The name from now on.
        nick: Nick,
    },
    /// Answers `away`.
    AwaySet {
        /// The request.
        request: RequestId,
        /// Whether the user is away.
        away: bool,
    },
    /// Answers `ping`.
    Pong {
        /// The request.
        request: RequestId,
        /// There and back.
        round_trip: Duration,
    },
    /// A room was left on another device; it is not joined any more.
    Left {
        /// Which.
        room: RoomId,
    },
    /// A room was read on another device of the account, or earlier.
    Read {
        /// Which.
        room: RoomId,
        /// Up to where.
        seq: Seq,
    },
    /// The user was put out of a room; it is not joined any more.
    Removed {
        /// Which.
        room: RoomId,
        /// Its name, where it was known.
        name: Arc<str>,
        /// Whether the user is kept out.
        banned: bool,
        /// By whom.
        by: String,
        /// Why, or nothing.
        reason: String,
        /// When a ban ends; `None` for never.
        until: Option<WallTime>,
    },
    /// The user was invited to a room.
    Invited {
        /// Which.
        name: RoomName,
        /// By whom.
        by: String,
        /// Why, or nothing.
        reason: String,
    },
    /// Answers `govern` and `set_mode`: it is done, and an event of the room's log.
    Governed {
        /// The request.
        request: RequestId,
        /// In which room.
        room: RoomId,
        /// Under which number.
        seq: Seq,
    },
    /// Answers `rights`.
    Rights {
        /// The request.
        request: RequestId,
        /// Of which room.
        room: RoomId,
        /// What kind of room it is.
        mode: RoomMode,
        /// Whom something is particular about, as far as the user may know it; ascending by id.
        standings: Vec<StandingInfo>,
    },
    /// Answers `devices`.
    Devices {
        /// The request.
        request: RequestId,
        /// Ascending by id.
        devices: Vec<DeviceInfo>,
    },
    /// Answers `revoke`.
    Revoked {
        /// The request.
        request: RequestId,
        /// Which it was.
        device: DeviceId,
    },
    /// Answers `change_password`. All other devices are logged out.
    PasswordChanged {
        /// The request.
        request: RequestId,
    },
    /// Something happened to a transfer.
    Transfer(TransferEvent),
    /// Answers `files`: all of them, or the first hundred thousand.
    Files {
        /// The request.
        request: RequestId,
        /// Ascending by name.
        files: Vec<FileInfo>,
    },
    /// Answers `delete_file`.
    FileDeleted {
        /// The request.
        request: RequestId,
    },
    /// Answers `discard_upload`.
    UploadDiscarded {
        /// The request.
        request: RequestId,
    },
    /// A request was refused.
    Refused {
        /// Which.
        request: RequestId,
        /// Why.
        refusal: Refusal,
    },
    /// The connection was lost before a request was answered; it may or may not have been done.
    Interrupted {
        /// Which.
        request: RequestId,
    },
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfflineCause {
    /// The application said goodbye.
    Left,
    /// The connection could not be made.
    Unreachable,
    /// It was cut.
    Cut,
    /// The server was silent for too long.
    TimedOut,
    /// The server said goodbye.
    Goodbye {
        /// The number of K3.
        reason: u8,
        /// For people.
        text: String,
    },
    /// The server has no place, or cannot let anybody in for another reason that passes by itself.
    ServerFull(Refusal),
    /// The server said that we broke the protocol, or that it takes no connections.
    Accused {
        /// The number of section X.
        code: u16,
        /// For people.
        text: String,
    },
    /// The server broke the protocol.
    Broke(ProtocolError),
}

impl From<ProtocolError> for OfflineCause {
    fn from(error: ProtocolError) -> Self {
        Self::Broke(error)
    }
}

/// Reasons of a goodbye, as numbers on the wire (`PROTOCOL.md` K3).
pub mod goodbye {
    /// Of a client: the guest ends at once.
    pub const LEAVING: u8 = 0;
    /// Of a client: the guest is kept as if the connection had been cut.
    pub const DETACHING: u8 = 1;
    /// Of a server: it shuts down.
    pub const SHUTTING_DOWN: u8 = 2;
    /// Of a server: a newer connection took this one's place.
    pub const SUPERSEDED: u8 = 3;
    /// It heard nothing for too long.
    pub const TIMED_OUT: u8 = 4;
    /// Of a server: its words were not taken for too long.
    pub const TOO_SLOW: u8 = 5;
    /// Of a server: it has no place.
    pub const SERVER_FULL: u8 = 6;
    /// Of a server: the device was logged out.
    pub const REVOKED: u8 = 7;
    /// Of a server: it refused too often.
    pub const REFUSED: u8 = 8;
}

/// An event of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// In which.
    pub room: RoomId,
    /// What.
    pub event: StoredEvent,
}

/// A room or direct conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomInfo {
    /// Its id.
    pub id: RoomId,
    /// Its name with `#`; empty for a direct conversation.
    pub name: Arc<str>,
    /// Its topic, or nothing.
    pub topic: Arc<str>,
    /// The first number still kept.
    pub first: Seq,
    /// The last number known; 0 before the first event.
    pub last: Seq,
    /// With whom, in a direct conversation.
    pub with: Option<(UserId, Arc<str>)>,
}

/// A room in the list of rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomListed {
    /// Its id.
    pub id: RoomId,
    /// Its name with `#`.
    pub name: String,
    /// Its topic, or nothing.
    pub topic: String,
    /// How many members it has.
    pub members: u32,
    /// The last number given.
    pub last: Seq,
}

/// A member of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberInfo {
    /// Who.
    pub user: UserId,
    /// By which name.
    pub nick: String,
    /// A number of [`state`](crate::wire::state).
    pub state: u8,
    /// Whether it is a guest, with a name that anybody may have tomorrow.
    pub is_guest: bool,
    /// What it is in the room.
    pub role: Role,
}

/// What changed about a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberChange {
    /// Who.
    pub user: UserId,
    /// By which name now.
    pub nick: String,
    /// A number of [`state`](crate::wire::state).
    pub state: u8,
    /// Whether it is a guest, with a name that anybody may have tomorrow.
    pub is_guest: bool,
    /// What it is in the room.
    pub role: Role,
    /// The name before, where it changed.
    pub was: Option<String>,
}

/// What is to be done to somebody in a room (`PROTOCOL.md` G4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Governance {
    /// In which.
    pub room: RoomId,
    /// What.
    pub act: Act,
    /// To whom.
    pub name: Nick,
    /// For how long, where it ends by itself; `None` for good.
    pub seconds: Option<u64>,
    /// Why, or nothing.
    pub reason: String,
}

/// What is to change about what kind of room it is (`PROTOCOL.md` G3); `None` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModeChange {
    /// Whether only who is invited may join.
    pub private: Option<bool>,
    /// Whether only moderators and owners post.
    pub read_only: Option<bool>,
    /// Whether only moderators and owners set the topic.
    pub topic_locked: Option<bool>,
    /// How long members wait between two messages; 0 for not at all.
    pub slow_seconds: Option<u32>,
    /// Whether nobody joins any more.
    pub closed: Option<bool>,
}

/// One whom something is particular about in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingInfo {
    /// Who.
    pub user: UserId,
    /// By which name when that was written.
    pub name: String,
    /// Whether it is, or was, a guest.
    pub is_guest: bool,
    /// What it is in the room.
    pub role: Role,
    /// Whether it may join while the room is private.
    pub invited: bool,
    /// Whether it is kept out, and until when.
    pub banned: Option<Option<WallTime>>,
    /// Whether it is kept from posting, and until when.
    pub muted: Option<Option<WallTime>>,
}

/// A post of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxPost<'a> {
    /// Which.
    pub post: PostId,
    /// Where it goes.
    pub room: RoomId,
    /// Of which kind it is.
    pub kind: EventKind,
    /// The message that it is about: that it answers, edits, deletes or reacts to.
    pub to: Option<Seq>,
    /// What it says.
    pub text: &'a str,
    /// How far it is.
    pub state: OutboxState,
}

/// How far a post is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxState {
    /// It waits: for a connection, for credit, or for those before it.
    Waiting,
    /// It was sent and not answered yet.
    Sent,
}

/// A device of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its id.
    pub device: DeviceId,
    /// As it was named.
    pub name: String,
    /// When it logged in.
    pub since: WallTime,
    /// When it last entered.
    pub seen: WallTime,
    /// Whether it is this one.
    pub is_this: bool,
}

/// How a server may be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offers {
    /// As a guest.
    pub guests: bool,
    /// By an account.
    pub accounts: bool,
    /// By an account that is made on the spot.
    pub registration: bool,
    /// By an account that is made by invitation.
    pub invitation: bool,
}
