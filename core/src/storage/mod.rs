//! What the server asks of its storage, and what it hears back. Types only: storage itself is the driver's.
//!
//! The port is narrow on purpose. An atomic request touches one log. Requests are executed in the order they
//! were handed out, and each is answered exactly once, after it is durable or has certainly failed. Every
//! request is idempotent: a storage that does not know whether a commit succeeded opens again and executes the
//! request once more before it answers. One that cannot find out must stop the server rather than guess.

mod files;

use alloc::{boxed::Box, sync::Arc, vec::Vec};

pub use self::files::{
    FileOperation, FileOutcome, FileRecord, NewFile, Place, PutContent, RecoveredFiles, UploadRecord, Usage,
};
use crate::{
    ids::{DeviceId, Incarnation, Nonce, Position, RoomId, Seq, UserId},
    password::PasswordRecord,
    rights::{RoomChange, RoomMode, Standing},
    search::Query,
    time::WallTime,
};

/// Names a request, so that its answer is recognised. Never reused while the server lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(crate) u64);

impl Ticket {
    /// The number of the ticket, for traces and for tests of a storage.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// A ticket with a number of the caller's: for tests of a storage.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }
}

/// A request to storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageRequest {
    /// To be carried back by the answer.
    pub ticket: Ticket,
    /// What is asked.
    pub operation: StorageOperation,
}

/// The operations of the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageOperation {
    /// Find the room of this key, or create it with the next room id. Answer: [`StorageOutcome::RoomOpened`].
    OpenRoom {
        /// What the room is found by.
        key: RoomKey,
        /// Who owns it if it is created now: an account, by id and name.
        owner: Option<(UserId, Arc<str>)>,
    },
    /// Delete a room, its log and its member list. A room that does not exist is deleted already.
    /// Answer: [`StorageOutcome::Done`].
    DropRoom {
        /// Which.
        room: RoomId,
    },
    /// Append an event to a room's log under the next sequence number, unless `(author, nonce)` is stored
    /// already (in any room). A [`EventKind::Topic`] also becomes the room's topic, in the same transaction, and the
    /// `change` is made: to the room's mode, or to the [`Standing`] and the membership of the user that the event is
    /// about. It is made again where the same event is stored already: what came before it is executed once more, too.
    /// Answer: [`StorageOutcome::Appended`], or [`StorageFailure::NoSuchRoom`].
    Append {
        /// Whose log.
        room: RoomId,
        /// What.
        event: NewEvent,
        /// What the event changes about rights.
        change: Option<RoomChange>,
    },
    /// Append an event that is about a message of the room, the number in its `about`: as [`Self::Append`], but judged
    /// in the same step, where it is not stored already (`PROTOCOL.md` N). The message must be kept, be of kind
    /// [`EventKind::Posted`] or [`EventKind::Action`], not be deleted, and be theirs who may be meant. An
    /// [`EventKind::Edited`] becomes the text of the message, an [`EventKind::Deleted`] empties it and the texts of all its
    /// edits; `revised` of each then is the number of this event. Answer: [`StorageOutcome::Appended`], or
    /// [`StorageFailure::NoSuchRoom`].
    AppendAbout {
        /// Whose log.
        room: RoomId,
        /// What.
        event: NewEvent,
        /// Whose message it may be.
        whose: Whose,
    },
    /// Look for a stored event by its author's nonce. Answer: [`StorageOutcome::Found`].
    FindNonce {
        /// The author.
        author: UserId,
        /// The author's number for the event.
        nonce: Nonce,
    },
    /// Read part of a log. Answer: [`StorageOutcome::Page`] (empty for a room that does not exist).
    ReadPage {
        /// Whose log.
        room: RoomId,
        /// Which end of the log to read from.
        range: PageRange,
        /// At most so many events.
        events_max: u32,
        /// Stop before the event whose text and names would go past so many bytes, but read at least one.
        bytes_max: u32,
    },
    /// Find events whose [searched](crate::search::searched) text matches, the newest first, by when they were stored. It may
    /// look at only some of the events and say where to go on; going on until it says no more finds all. Answer:
    /// [`StorageOutcome::Hits`].
    Search {
        /// Only in these, ascending. Those that do not exist have no events.
        rooms: Vec<RoomId>,
        /// What to look for.
        query: Query,
        /// Only events that stand before this.
        before: Option<Position>,
        /// At most so many, at least one.
        hits_max: u32,
        /// Stop before the event whose text and names would go past so many bytes, but find at least one.
        bytes_max: u32,
    },
    /// Store a new guest with the next user id. The token hash is unique: one that is stored already is
    /// answered with its guest's id. Answer: [`StorageOutcome::GuestCreated`].
    CreateGuest {
        /// Its name.
        nick: Arc<str>,
        /// The hash of its resume token.
        token_hash: TokenHash,
    },
    /// Write a guest's name and expiry. One that does not exist stays so. Answer: [`StorageOutcome::Done`].
    UpdateGuest {
        /// Who.
        user: UserId,
        /// Its name from now on.
        nick: Arc<str>,
        /// When it expires; `None` while it is connected.
        expires: Option<WallTime>,
    },
    /// Delete a guest (never an account) and its memberships; its events stay. Answer: [`StorageOutcome::Done`].
    RemoveGuest {
        /// Who.
        user: UserId,
    },
    /// Store a new account with the next user id (guests and accounts are numbered together), and its first device. A token
    /// hash that is stored already is answered with its account and device, and nothing is changed; a name that another
    /// account has fails. Answer:
    /// [`StorageOutcome::AccountCreated`].
    CreateAccount {
        /// Its name: unique letter for letter among accounts (the core takes care of look-alikes).
        nick: Arc<str>,
        /// What is kept of its password.
        record: PasswordRecord,
        /// The device it was made on.
        device: NewDevice,
        /// The invitation it was made by, whose uses are counted in the same step.
        invitation: Option<InvitationUse>,
    },
    /// Forget how often an invitation was used. One that is not known is forgotten already. Answer:
    /// [`StorageOutcome::Done`].
    ForgetInvitation {
        /// Which.
        id: InvitationId,
    },
    /// Store a new device of an account with the next device id. A token hash that is stored already is answered with
    /// its device. Answer: [`StorageOutcome::DeviceAdded`], or [`StorageFailure::NoSuchUser`].
    AddDevice {
        /// Whose.
        user: UserId,
        /// What it is.
        device: NewDevice,
    },
    /// Write when a device was last seen, and its token where that changes. One that does not exist stays so. Answer:
    /// [`StorageOutcome::Done`].
    SeeDevice {
        /// Which.
        device: DeviceId,
        /// When.
        seen: WallTime,
        /// What is known of its token from now on; nothing if that stays.
        token: Option<DeviceToken>,
    },
    /// Delete a device. One that does not exist is deleted already. Answer: [`StorageOutcome::Done`].
    RemoveDevice {
        /// Which.
        device: DeviceId,
    },
    /// Write another password of an account, and delete its devices but one, in one step. Answer:
    /// [`StorageOutcome::Done`], or [`StorageFailure::NoSuchUser`].
    SetPassword {
        /// Whose.
        user: UserId,
        /// What is kept of it.
        record: PasswordRecord,
        /// The device that stays.
        keep: DeviceId,
    },
    /// Write up to where an account has read a room; a lower number than the one stored changes nothing. It is forgotten with
    /// the account's membership and with the room. Answer: [`StorageOutcome::Done`], or [`StorageFailure::NoSuchRoom`].
    SetRead {
        /// Who.
        user: UserId,
        /// Which room.
        room: RoomId,
        /// The last event read.
        seq: Seq,
    },
    /// Write whether a user is a member of a room. Answer: [`StorageOutcome::Done`], or
    /// [`StorageFailure::NoSuchRoom`].
    SetMember {
        /// Who.
        user: UserId,
        /// Of which room.
        room: RoomId,
        /// Whether it is one from now on.
        member: bool,
    },
    /// Something about files. Answer: [`StorageOutcome::Files`], or `Done` where the operation says so.
    Files(Box<FileOperation>),
}

/// Whose message an event may be about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Anybody's.
    Anybodys,
    /// That of the event's author.
    Own,
    /// That of the event's author, and of anybody but these.
    AllBut(Arc<[UserId]>),
}

impl Whose {
    /// Whether an event of `author` may be about a message of `other`.
    ///
    /// # Errors
    /// Why it may not.
    pub fn allows(&self, author: UserId, other: UserId) -> Result<(), Unfit> {
        match self {
            Self::Own if author != other => Err(Unfit::NotTheirs),
            Self::AllBut(users) if author != other && users.contains(&other) => Err(Unfit::Outranked),
            Self::Anybodys | Self::Own | Self::AllBut(_) => Ok(()),
        }
    }
}

/// A device that has no id yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDevice {
    /// As its client calls it.
    pub name: Arc<str>,
    /// The hash of its token; unique among all devices.
    pub token_hash: TokenHash,
    /// When it logged in.
    pub at: WallTime,
}

/// What storage keeps of a device's token (`PROTOCOL.md` A13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceToken {
    /// The hash of the token in force.
    pub hash: TokenHash,
    /// Since when it is.
    pub since: WallTime,
    /// The hash of the one that takes its place when it is first used, once it was given.
    pub next: Option<TokenHash>,
}

/// The hash of an invitation that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvitationId(pub [u8; 16]);

/// One use of an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvitationUse {
    /// Which.
    pub id: InvitationId,
    /// Until when it is good.
    pub expires: WallTime,
}

/// What a room is found by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RoomKey {
    /// A room with a name, unique letter for letter (the core takes care of look-alikes).
    Named(Arc<str>),
    /// The conversation of two users, the one with the lower id first.
    Direct(UserId, UserId),
}

/// An event that has no sequence number yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Who caused it.
    pub author: UserId,
    /// The author's name at that moment.
    pub nick: Arc<str>,
    /// The author's number for it.
    pub nonce: Nonce,
    /// When the server heard of it.
    pub at: WallTime,
    /// What happened.
    pub kind: EventKind,
    /// The text of a post or the topic.
    pub text: Arc<str>,
    /// Whom or what it is about beside its author, where there is such.
    pub about: Option<About>,
}

/// Whom or what an event is about. What the fields mean is the event's kind's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The number of a user or of another event of the room.
    pub id: u64,
    /// A name as it was then.
    pub name: Arc<str>,
    /// When what the event says ends, if it does.
    pub until: Option<WallTime>,
}

/// What an event of a room's log says. The numbers are those on the wire and in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EventKind {
    /// Somebody said something.
    Posted = 1,
    /// Somebody did something (`/me`).
    Action = 2,
    /// Somebody changed the topic.
    Topic = 3,
    /// Somebody changed what kind of room it is.
    Mode = 4,
    /// Somebody was invited.
    Invited = 5,
    /// An invitation was taken back.
    Uninvited = 6,
    /// Somebody was put out.
    Kicked = 7,
    /// Somebody was put out and is kept out.
    Banned = 8,
    /// Somebody is kept out no more.
    Unbanned = 9,
    /// Somebody is kept from posting.
    Muted = 10,
    /// Somebody is kept from posting no more.
    Unmuted = 11,
    /// Somebody was made a moderator.
    Promoted = 12,
    /// Somebody was made an ordinary member.
    Demoted = 13,
    /// Somebody was made an owner.
    Owned = 14,
    /// Somebody did something about rights in another room (only in the operators' log).
    Noted = 15,
    /// Somebody shared a file.
    FileShared = 20,
    /// Somebody deleted a file.
    FileDeleted = 21,
    /// Somebody wrote a message anew.
    Edited = 30,
    /// Somebody deleted a message.
    Deleted = 31,
    /// Somebody reacted to a message.
    Reacted = 32,
    /// Somebody took a reaction back.
    Unreacted = 33,
}

impl EventKind {
    /// The number of the kind.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The kind with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Posted),
            2 => Some(Self::Action),
            3 => Some(Self::Topic),
            4 => Some(Self::Mode),
            5 => Some(Self::Invited),
            6 => Some(Self::Uninvited),
            7 => Some(Self::Kicked),
            8 => Some(Self::Banned),
            9 => Some(Self::Unbanned),
            10 => Some(Self::Muted),
            11 => Some(Self::Unmuted),
            12 => Some(Self::Promoted),
            13 => Some(Self::Demoted),
            14 => Some(Self::Owned),
            15 => Some(Self::Noted),
            20 => Some(Self::FileShared),
            21 => Some(Self::FileDeleted),
            30 => Some(Self::Edited),
            31 => Some(Self::Deleted),
            32 => Some(Self::Reacted),
            33 => Some(Self::Unreacted),
            _ => None,
        }
    }

    /// What an act is called, as a slash command is; nothing for other events.
    #[must_use]
    pub const fn act_name(self) -> &'static str {
        match self {
            Self::Posted
            | Self::Action
            | Self::Topic
            | Self::Edited
            | Self::Deleted
            | Self::Reacted
            | Self::Unreacted => "",
            Self::Mode => "mode",
            Self::Invited => "invite",
            Self::Uninvited => "uninvite",
            Self::Kicked => "kick",
            Self::Banned => "ban",
            Self::Unbanned => "unban",
            Self::Muted => "mute",
            Self::Unmuted => "unmute",
            Self::Promoted => "op",
            Self::Demoted => "deop",
            Self::Owned => "owner",
            Self::Noted => "noted",
            Self::FileShared => "share",
            Self::FileDeleted => "rm",
        }
    }

    /// Whether a client may post it: the others come of requests of their own.
    #[must_use]
    pub const fn is_post(self) -> bool {
        match self.family() {
            EventFamily::Message | EventFamily::Revision | EventFamily::Reaction | EventFamily::Topic => true,
            EventFamily::Act | EventFamily::File => false,
        }
    }

    /// What sort of event it is, for all that need not know more.
    #[must_use]
    pub const fn family(self) -> EventFamily {
        match self {
            Self::Posted | Self::Action => EventFamily::Message,
            Self::Edited | Self::Deleted => EventFamily::Revision,
            Self::Reacted | Self::Unreacted => EventFamily::Reaction,
            Self::Topic => EventFamily::Topic,
            Self::Mode
            | Self::Invited
            | Self::Uninvited
            | Self::Kicked
            | Self::Banned
            | Self::Unbanned
            | Self::Muted
            | Self::Unmuted
            | Self::Promoted
            | Self::Demoted
            | Self::Owned
            | Self::Noted => EventFamily::Act,
            Self::FileShared | Self::FileDeleted => EventFamily::File,
        }
    }

    /// Whether a post of this kind may be about a message, or must: the number of one is taken (`PROTOCOL.md` N1).
    #[must_use]
    pub const fn takes(self, to: Option<Seq>) -> bool {
        match self.family() {
            EventFamily::Message => true,
            EventFamily::Revision | EventFamily::Reaction => to.is_some(),
            EventFamily::Topic | EventFamily::Act | EventFamily::File => to.is_none(),
        }
    }

    /// Whether it is a message, that others may be about.
    #[must_use]
    pub const fn is_message(self) -> bool {
        matches!(self.family(), EventFamily::Message)
    }
}

/// What events are about, as far as kinds have it in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventFamily {
    /// Something that somebody said or did.
    Message,
    /// What became of a message.
    Revision,
    /// What somebody thinks of a message.
    Reaction,
    /// The room's topic.
    Topic,
    /// Who may do what in the room.
    Act,
    /// The room's files.
    File,
}

/// An event of a room's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its place in the log.
    pub seq: Seq,
    /// Who caused it.
    pub author: UserId,
    /// The author's name at that moment.
    pub nick: Arc<str>,
    /// When the server heard of it.
    pub at: WallTime,
    /// What happened.
    pub kind: EventKind,
    /// The text of a post or the topic.
    pub text: Arc<str>,
    /// Whom or what it is about beside its author, where there is such.
    pub about: Option<About>,
    /// The last event that changed its text (`PROTOCOL.md` N4).
    pub revised: Option<Seq>,
}

impl StoredEvent {
    /// The message that it is about: that it answers, edits, deletes or reacts to.
    #[must_use]
    pub fn to(&self) -> Option<Seq> {
        let is_about_message = match self.kind.family() {
            EventFamily::Message | EventFamily::Revision | EventFamily::Reaction => true,
            EventFamily::Topic | EventFamily::Act | EventFamily::File => false,
        };
        self.about.as_ref().filter(|_| is_about_message).map(|about| Seq::new(about.id))
    }

    /// Whether it is a message that was deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.kind.is_message() && self.revised.is_some() && self.text.is_empty()
    }

    /// Whether its author wrote it anew.
    #[must_use]
    pub fn is_edited(&self) -> bool {
        self.kind.is_message() && self.revised.is_some() && !self.text.is_empty()
    }

    /// Takes over what an edit or a deletion says, where that is later than what it says itself (`PROTOCOL.md` N5). Whether
    /// anything changed.
    pub fn revise(&mut self, by: &Self) -> bool {
        let is_revision = by.kind.family() == EventFamily::Revision;
        if !is_revision || by.to() != Some(self.seq) || self.revised >= Some(by.seq) {
            return false;
        }
        self.text = Arc::clone(&by.text);
        self.revised = Some(by.seq);
        true
    }

    /// The bytes of its text and names: what pages of a log are measured by.
    #[must_use]
    pub fn readable_bytes(&self) -> usize {
        self.text.len() + self.nick.len() + self.about.as_ref().map_or(0, |about| about.name.len())
    }
}

/// An event that was searched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// In which room it is.
    pub room: RoomId,
    /// It.
    pub event: StoredEvent,
}

/// Which part of a log to read. Events always come in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageRange {
    /// The first events with a higher number.
    After(Seq),
    /// The last events with a lower number; `None` reads up to the end.
    Before(Option<Seq>),
}

/// The BLAKE3 hash of a guest's or device's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash(pub [u8; 32]);

/// An answer of storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageReply {
    /// The ticket of the request.
    pub ticket: Ticket,
    /// How it ended: durably done, or certainly without effect.
    pub result: Result<StorageOutcome, StorageFailure>,
}

/// The answers of the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageOutcome {
    /// To [`StorageOperation::OpenRoom`].
    RoomOpened(RoomRecord),
    /// To [`StorageOperation::Append`] and [`StorageOperation::AppendAbout`].
    Appended(Appended),
    /// To [`StorageOperation::FindNonce`].
    Found(Option<FoundEvent>),
    /// To [`StorageOperation::ReadPage`].
    Page {
        /// The room's first number that is still kept; one more than its last where none is.
        first: Seq,
        /// Ascending and without holes.
        events: Vec<StoredEvent>,
    },
    /// To [`StorageOperation::Search`].
    Hits {
        /// The newest first.
        hits: Vec<Hit>,
        /// Before which position there may be more.
        next: Option<Position>,
    },
    /// To [`StorageOperation::CreateGuest`].
    GuestCreated {
        /// Its id, never given before.
        user: UserId,
    },
    /// To [`StorageOperation::CreateAccount`].
    AccountCreated {
        /// Its id, never given before.
        user: UserId,
        /// The id of its device, never given before.
        device: DeviceId,
    },
    /// To [`StorageOperation::AddDevice`].
    DeviceAdded {
        /// Its id, never given before.
        device: DeviceId,
    },
    /// To [`StorageOperation::Files`].
    Files(Box<FileOutcome>),
    /// To the operations that only do something.
    Done,
}

/// What became of an event that was to be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is in the log now.
    Stored {
        /// Its number.
        seq: Seq,
        /// The room's first number that is still kept.
        first: Seq,
    },
    /// The same event (room, kind, text, and the number of what it is about) was stored earlier.
    Repeated {
        /// Its number then.
        seq: Seq,
        /// Its time then.
        at: WallTime,
    },
    /// The nonce was used for another event earlier; nothing was stored.
    NonceReused,
    /// The message that it is about is none, or not theirs; nothing was stored.
    Unfit(Unfit),
}

/// Why an event may not be about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// No message of this number is kept.
    NoSuchMessage,
    /// It was deleted.
    Deleted,
    /// It is somebody else's.
    NotTheirs,
    /// It is of one of those who were left out.
    Outranked,
}

/// Where an event was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundEvent {
    /// In which room.
    pub room: RoomId,
    /// Under which number.
    pub seq: Seq,
    /// From when.
    pub at: WallTime,
    /// Of which kind.
    pub kind: EventKind,
    /// With which text.
    pub text: Arc<str>,
    /// The number of what it is about.
    pub about: Option<u64>,
    /// Whether its text was changed since.
    pub revised: bool,
}

impl FoundEvent {
    /// Whether it says the same as an event, wherever it is (P6). What it said before it was changed is not known any more.
    #[must_use]
    pub fn is(&self, event: &NewEvent) -> bool {
        let about = event.about.as_ref().map(|about| about.id);
        self.kind == event.kind && (self.revised || self.text == event.text) && self.about == about
    }
}

/// Why storage did nothing. Whatever it did before stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageFailure {
    /// There is no room left on the device, or the quota is used up.
    NoSpace,
    /// The device refused to write or to read.
    Failed,
    /// There is no such room.
    NoSuchRoom,
    /// There is no such account.
    NoSuchUser,
}

/// A room as storage keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomRecord {
    /// Its id.
    pub id: RoomId,
    /// What it is found by.
    pub key: RoomKey,
    /// Its topic, empty at first.
    pub topic: Arc<str>,
    /// The first number that is still kept; one more than `last` where none is.
    pub first: Seq,
    /// The last number given; 0 before the first event.
    pub last: Seq,
    /// What kind of room it is.
    pub mode: RoomMode,
    /// What is particular about whom, ascending by id.
    pub standings: Vec<Standing>,
}

/// A guest as storage keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestRecord {
    /// Its id.
    pub user: UserId,
    /// Its name.
    pub nick: Arc<str>,
    /// The hash of its resume token.
    pub token_hash: TokenHash,
    /// When it expires; `None` if it was connected when this was written.
    pub expires: Option<WallTime>,
    /// The rooms it is a member of, ascending.
    pub rooms: Vec<RoomId>,
}

/// An account as storage keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRecord {
    /// Its id.
    pub user: UserId,
    /// Its name.
    pub nick: Arc<str>,
    /// What is kept of its password.
    pub record: PasswordRecord,
    /// The rooms it is a member of, ascending.
    pub rooms: Vec<RoomId>,
    /// Its devices, ascending by id.
    pub devices: Vec<DeviceRecord>,
    /// Up to where it has read rooms, ascending by room.
    pub read: Vec<(RoomId, Seq)>,
}

/// An invitation that was used, as storage keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvitationRecord {
    /// Which.
    pub id: InvitationId,
    /// How often.
    pub uses: u32,
    /// Until when it is good.
    pub expires: WallTime,
}

/// A device as storage keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRecord {
    /// Its id.
    pub device: DeviceId,
    /// As its client calls it.
    pub name: Arc<str>,
    /// Its token; at first since it logged in, and without a next.
    pub token: DeviceToken,
    /// When it logged in.
    pub since: WallTime,
    /// When it last entered; at first as `since`.
    pub seen: WallTime,
}

impl DeviceRecord {
    /// A device as it is at first.
    #[must_use]
    pub fn new(device: DeviceId, new: NewDevice) -> Self {
        let NewDevice { name, token_hash, at } = new;
        let token = DeviceToken { hash: token_hash, since: at, next: None };
        Self { device, name, token, since: at, seen: at }
    }
}

/// All that storage knows at start, handed to the server's constructor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Which database this is: drawn at random when it was made.
    pub incarnation: Incarnation,
    /// Ascending by id.
    pub rooms: Vec<RoomRecord>,
    /// Ascending by id.
    pub guests: Vec<GuestRecord>,
    /// Ascending by id.
    pub accounts: Vec<AccountRecord>,
    /// Those that were used, ascending by id.
    pub invitations: Vec<InvitationRecord>,
    /// Uploads, and what users have stored.
    pub files: RecoveredFiles,
}
