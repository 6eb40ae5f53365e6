//! What messages are made of (`PROTOCOL.md` section M, "Parts").

use core::fmt;

use minicbor::Decoder;

use super::field::{Field, Malformed, Writer, record};
use crate::{
    ids::{DeviceId, RoomId, Seq, UserId},
    time::WallTime,
    transfer::{BlobHash, Version},
};

/// What a guest resumes with. Whoever has it is the guest, so it is never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token(pub [u8; 32]);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl<'a> Field<'a> for Token {
    fn encode(&self, out: &mut Writer<'_>) {
        self.0.encode(out);
    }

    fn decode(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
        Field::decode(from).map(Self)
    }
}

/// States of a member, as numbers on the wire.
pub mod state {
    /// Connected.
    pub const HERE: u8 = 1;
    /// Connected, and said to be away.
    pub const AWAY: u8 = 2;
    /// Cut off; may come back.
    pub const LOST: u8 = 3;
    /// Left the room.
    pub const LEFT: u8 = 4;
    /// Left the server.
    pub const GONE: u8 = 5;
    /// Was lost for too long.
    pub const EXPIRED: u8 = 6;
}

/// Roles of a member, as numbers on the wire.
pub mod role {
    /// A guest.
    pub const GUEST: u8 = 1;
    /// An account.
    pub const ACCOUNT: u8 = 2;
    /// An account that keeps order in the room.
    pub const MODERATOR: u8 = 3;
    /// An account that owns the room.
    pub const OWNER: u8 = 4;
}

/// Kinds of log events, as numbers on the wire.
pub mod kind {
    /// Said.
    pub const POSTED: u8 = 1;
    /// Did (`/me`).
    pub const ACTION: u8 = 2;
    /// Set the topic.
    pub const TOPIC: u8 = 3;
    /// Shared a file.
    pub const FILE_SHARED: u8 = 20;
    /// Deleted a file.
    pub const FILE_DELETED: u8 = 21;
    /// Wrote a message anew.
    pub const EDITED: u8 = 30;
    /// Deleted a message.
    pub const DELETED: u8 = 31;
    /// Reacted to a message.
    pub const REACTED: u8 = 32;
    /// Took a reaction back.
    pub const UNREACTED: u8 = 33;
}

/// Reasons of a `Goodbye`, as numbers on the wire (K3).
pub mod goodbye {
    /// The user leaves; a guest ends at once.
    pub const LEAVING: u8 = 0;
    /// The user means to come back.
    pub const DETACHING: u8 = 1;
    /// The server shuts down.
    pub const SHUTTING_DOWN: u8 = 2;
    /// A newer connection took its place.
    pub const SUPERSEDED: u8 = 3;
    /// The peer did not enter in time, or was silent for too long.
    pub const TIMED_OUT: u8 = 4;
    /// The peer took nothing for too long.
    pub const TOO_SLOW: u8 = 5;
    /// There was neither a place nor room in the queue.
    pub const SERVER_FULL: u8 = 6;
    /// The device may not be connected any more.
    pub const REVOKED: u8 = 7;
    /// The peer was refused too often.
    pub const REFUSED: u8 = 8;
}

record! {
    /// What the server holds a client to.
    #[derive(Copy)]
    Limits {
        /// The longest text of a post, in bytes.
        text_bytes: u32,
        /// The longest nickname, in bytes.
        nick_bytes: u32,
        /// The longest room name with its `#`, in bytes.
        room_bytes: u32,
        /// The longest topic, in bytes.
        topic_bytes: u32,
        /// The most events of a history page.
        page_events: u32,
        /// How many requests may be unanswered.
        requests: u32,
        /// How many posts may be unanswered.
        posts: u32,
        /// After how much silence a peer is asked, in seconds.
        silence_seconds: u32,
    }
}

record! {
    /// A room or a direct conversation.
    Room<'a> {
        /// Its id.
        room: RoomId,
        /// Its name with `#`; empty for a direct conversation.
        name: &'a str,
        /// Its topic, or nothing.
        topic: &'a str,
        /// The first number still kept.
        first: Seq,
        /// The last number given; 0 before the first event.
        last: Seq,
        /// With whom, in a direct conversation.
        with_user: Option<UserId>,
        /// And that user's name.
        with_nick: Option<&'a str>,
    }
}

record! {
    /// A member of a room.
    Member<'a> {
        /// Who.
        user: UserId,
        /// By which name.
        nick: &'a str,
        /// A number of [`state`].
        state: u8,
        /// A number of [`role`].
        role: u8,
    }
}

record! {
    /// A room in the list of rooms.
    Listed<'a> {
        /// Its id.
        room: RoomId,
        /// Its name with `#`.
        name: &'a str,
        /// Its topic, or nothing.
        topic: &'a str,
        /// How many members it has.
        members: u32,
        /// The last number given.
        last: Seq,
    }
}

record! {
    /// An event of a room's log.
    LogEvent<'a> {
        /// Its number.
        seq: Seq,
        /// When the server heard of it.
        at: WallTime,
        /// Who caused it.
        author: UserId,
        /// That user's name then.
        nick: &'a str,
        /// A number of [`kind`].
        kind: u8,
        /// The text of the post or topic.
        text: &'a str,
        /// Whom or what it is about beside its author.
        about: Option<About<'a>>,
        /// The last event that changed its text (N4).
        revised: Option<Seq>,
    }
}

record! {
    /// An event that was searched for.
    Hit<'a> {
        /// In which room it is.
        room: RoomId,
        /// It.
        event: LogEvent<'a>,
    }
}

record! {
    /// Whom or what an event is about, and until when what it says holds.
    About<'a> {
        /// The number of a user or of another event of the room.
        id: u64,
        /// A name as it was then, or nothing.
        name: &'a str,
        /// When what the event says ends.
        until: Option<WallTime>,
    }
}

record! {
    /// What is particular about a user in a room (G8).
    Standing<'a> {
        /// Who.
        user: UserId,
        /// By which name when it was last written.
        name: &'a str,
        /// A number of [`role`].
        role: u8,
        /// Whether it may join while the room is private.
        invited: bool,
        /// Whether it is kept out.
        banned: bool,
        /// When that ends.
        banned_until: Option<WallTime>,
        /// Whether it is kept from posting.
        muted: bool,
        /// When that ends.
        muted_until: Option<WallTime>,
    }
}

record! {
    /// What changed about a member.
    Change<'a> {
        /// Who.
        user: UserId,
        /// By which name now.
        nick: &'a str,
        /// A number of [`state`].
        state: u8,
        /// The name before, where it changed.
        was: Option<&'a str>,
        /// A number of [`role`].
        role: u8,
    }
}

record! {
    /// How a client is to stretch its password (A2).
    #[derive(Copy)]
    Stretching {
        /// Memory, in KiB.
        memory_kib: u32,
        /// Passes over it.
        passes: u32,
        /// Lanes.
        lanes: u32,
    }
}

record! {
    /// A device of an account (A7).
    Device<'a> {
        /// Its id.
        device: DeviceId,
        /// As it was named.
        name: &'a str,
        /// When it logged in.
        since: WallTime,
        /// When it last entered.
        seen: WallTime,
        /// Whether it is the one that asks.
        this: bool,
    }
}

record! {
    /// A file of a place.
    File<'a> {
        /// What it is called.
        name: &'a str,
        /// Which version it is.
        version: Version,
        /// How many bytes it has.
        size: u64,
        /// Of its content.
        hash: BlobHash,
        /// Whether it is a program.
        executable: bool,
        /// Who stored it.
        by: UserId,
        /// That user's name then.
        nick: &'a str,
        /// When the server heard that it was all there.
        at: WallTime,
    }
}
