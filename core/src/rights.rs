//! Who may do what in a room: what storage keeps of it, and how acts change it (`PROTOCOL.md` section G).

use alloc::{string::String, sync::Arc};
use core::fmt;

use crate::{ids::UserId, storage::EventKind, time::WallTime};

/// What somebody is in a room, ascending. The numbers are those in the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Role {
    /// Nothing more than anybody.
    #[default]
    Member = 0,
    /// Keeps order.
    Moderator = 1,
    /// Decides what the room is, and who keeps order in it.
    Owner = 2,
}

impl Role {
    /// The number of the role.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The role with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Member),
            1 => Some(Self::Moderator),
            2 => Some(Self::Owner),
            _ => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Member => "member",
            Self::Moderator => "moderator",
            Self::Owner => "owner",
        })
    }
}

/// What kind of room it is (G3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoomMode {
    /// Only who is invited may join.
    pub private: bool,
    /// Only moderators and owners post.
    pub read_only: bool,
    /// Only moderators and owners set the topic.
    pub topic_locked: bool,
    /// Nobody joins who is no member yet, invited or not.
    pub closed: bool,
    /// How long members wait between two messages, in seconds; 0 for not at all.
    pub slow_seconds: u32,
}

impl RoomMode {
    /// The flags as bits: 1 private, 2 read-only, 4 the topic is locked, 8 closed.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.private as u8
            | (self.read_only as u8) << 1
            | (self.topic_locked as u8) << 2
            | (self.closed as u8) << 3
    }

    /// The mode with these bits, others being ignored.
    #[must_use]
    pub const fn from_bits(bits: u8, slow_seconds: u32) -> Self {
        Self {
            private: bits & 1 != 0,
            read_only: bits & 2 != 0,
            topic_locked: bits & 4 != 0,
            closed: bits & 8 != 0,
            slow_seconds,
        }
    }

    /// All that either forbids.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        Self {
            private: self.private || other.private,
            read_only: self.read_only || other.read_only,
            topic_locked: self.topic_locked || other.topic_locked,
            closed: self.closed || other.closed,
            slow_seconds: self.slow_seconds.max(other.slow_seconds),
        }
    }
}

/// As it is written in the log: `private read-only topic-locked slow=30`, or `open`.
impl fmt::Display for RoomMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = [
            (self.private, "private"),
            (self.read_only, "read-only"),
            (self.topic_locked, "topic-locked"),
            (self.closed, "closed"),
        ];
        let mut text = String::new();
        for (_, word) in flags.into_iter().filter(|(set, _)| *set) {
            text.push_str(if text.is_empty() { "" } else { " " });
            text.push_str(word);
        }
        match (self.slow_seconds, text.is_empty()) {
            (0, true) => f.write_str("open"),
            (0, false) => f.write_str(&text),
            (seconds, true) => write!(f, "slow={seconds}"),
            (seconds, false) => write!(f, "{text} slow={seconds}"),
        }
    }
}

/// How long a ban or a mute lasts, by the wall clock (E8 says how far that is believed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// When it began.
    pub since: WallTime,
    /// When it ends; `None` for never.
    pub until: Option<WallTime>,
}

/// What is particular about a user in a room. Whoever has none is a stranger or an ordinary member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Who.
    pub user: UserId,
    /// By which name when it was last written.
    pub name: Arc<str>,
    /// What that user is there.
    pub role: Role,
    /// Whether that user may join while the room is private.
    pub invited: bool,
    /// Whether that user may not join.
    pub banned: Option<Term>,
    /// Whether that user may not post.
    pub muted: Option<Term>,
}

impl Standing {
    /// Nothing particular yet.
    #[must_use]
    pub const fn new(user: UserId, name: Arc<str>) -> Self {
        Self { user, name, role: Role::Member, invited: false, banned: None, muted: None }
    }

    /// Whether nothing is particular.
    #[must_use]
    pub fn is_ordinary(&self) -> bool {
        self.role == Role::Member && !self.invited && self.banned.is_none() && self.muted.is_none()
    }

    /// Makes a change to it.
    pub const fn apply(&mut self, change: RightChange) {
        match change {
            RightChange::Role(role) => self.role = role,
            RightChange::Invited(invited) => self.invited = invited,
            RightChange::Kicked => self.invited = false,
            RightChange::Banned(Some(term)) => {
                self.banned = Some(term);
                self.invited = false;
                self.role = Role::Member;
            }
            RightChange::Banned(None) => self.banned = None,
            RightChange::Muted(term) => self.muted = term,
        }
    }
}

/// What an act changes about a user in a room. Each is absolute, so that making it twice is making it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RightChange {
    /// Another role.
    Role(Role),
    /// An invitation given, or taken back.
    Invited(bool),
    /// The membership ends, and with it the invitation.
    Kicked,
    /// A ban, which ends membership, invitation and role; or its end.
    Banned(Option<Term>),
    /// A mute, or its end.
    Muted(Option<Term>),
}

impl RightChange {
    /// Whether the user may not come again.
    #[must_use]
    pub const fn ends_entry(self) -> bool {
        matches!(self, Self::Banned(Some(_)))
    }

    /// Whether the user is a member no more.
    #[must_use]
    pub const fn ends_membership(self) -> bool {
        matches!(self, Self::Kicked | Self::Banned(Some(_)))
    }
}

/// What an act changes about a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomChange {
    /// What kind of room it is.
    Mode(RoomMode),
    /// What is particular about the user that the event is about.
    Right(UserId, RightChange),
}

/// What one may do to another in a room; the numbers are those of the events in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Act {
    /// Let into a private room.
    Invite = 5,
    /// Let in no more.
    Uninvite = 6,
    /// Put out.
    Kick = 7,
    /// Put out and kept out.
    Ban = 8,
    /// Kept out no more.
    Unban = 9,
    /// Kept from posting.
    Mute = 10,
    /// Kept from posting no more.
    Unmute = 11,
    /// Made a moderator.
    Promote = 12,
    /// Made an ordinary member.
    Demote = 13,
    /// Made an owner.
    Own = 14,
}

impl Act {
    /// The number of the act.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The act with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            5 => Some(Self::Invite),
            6 => Some(Self::Uninvite),
            7 => Some(Self::Kick),
            8 => Some(Self::Ban),
            9 => Some(Self::Unban),
            10 => Some(Self::Mute),
            11 => Some(Self::Unmute),
            12 => Some(Self::Promote),
            13 => Some(Self::Demote),
            14 => Some(Self::Own),
            _ => None,
        }
    }

    /// The event that it becomes.
    #[must_use]
    pub const fn event(self) -> EventKind {
        match self {
            Self::Invite => EventKind::Invited,
            Self::Uninvite => EventKind::Uninvited,
            Self::Kick => EventKind::Kicked,
            Self::Ban => EventKind::Banned,
            Self::Unban => EventKind::Unbanned,
            Self::Mute => EventKind::Muted,
            Self::Unmute => EventKind::Unmuted,
            Self::Promote => EventKind::Promoted,
            Self::Demote => EventKind::Demoted,
            Self::Own => EventKind::Owned,
        }
    }

    /// What it changes, for this long where it ends by itself.
    #[must_use]
    pub const fn change(self, term: Term) -> RightChange {
        match self {
            Self::Invite => RightChange::Invited(true),
            Self::Uninvite => RightChange::Invited(false),
            Self::Kick => RightChange::Kicked,
            Self::Ban => RightChange::Banned(Some(term)),
            Self::Unban => RightChange::Banned(None),
            Self::Mute => RightChange::Muted(Some(term)),
            Self::Unmute => RightChange::Muted(None),
            Self::Promote => RightChange::Role(Role::Moderator),
            Self::Demote => RightChange::Role(Role::Member),
            Self::Own => RightChange::Role(Role::Owner),
        }
    }

    /// Whether it may be for a time only.
    #[must_use]
    pub const fn may_end(self) -> bool {
        matches!(self, Self::Ban | Self::Mute)
    }

    /// Whether only accounts can be meant: a role would end with a guest's id.
    #[must_use]
    pub const fn is_about_roles(self) -> bool {
        matches!(self, Self::Promote | Self::Demote | Self::Own)
    }

    /// Whether it takes something back that may outlast whom it is about.
    #[must_use]
    pub const fn takes_back(self) -> bool {
        matches!(self, Self::Uninvite | Self::Unban | Self::Unmute)
    }
}
