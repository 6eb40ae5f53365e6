//! What a chat has to show, whoever shows it.

use std::{fmt::Display, time::Duration};

use palabre_core::{
    client::{MemberInfo, RoomListed, StandingInfo},
    ids::{RoomId, Seq},
    rights::RoomMode,
    storage::{Hit, StoredEvent},
};

use crate::{failure::Failure, output::Tell, roster::Came};

/// One thing to show. Sentences are fit for a terminal; names and texts in the other fields are as others wrote them.
#[derive(Clone, Debug)]
pub(in crate::connect) enum Shown {
    /// How things are.
    Status(String),
    /// How things are, for who wants to know everything.
    Detail(String),
    /// What does not end the chat but should be known.
    Warning(String),
    /// What was asked for and concerns no room: help, a topic.
    Text(String),
    /// What was asked for could not be done.
    Failed(Failure),
    /// A line that could not be done; it is to be mended.
    Mend(String),
    /// The client has entered.
    Entered,
    /// Another room is the current one now.
    Switched(RoomId),
    /// Something happened in a room.
    Event { room: RoomId, event: StoredEvent, time: Time },
    /// A room was read up to here in an earlier run.
    Read { room: RoomId, up_to: Seq },
    /// What was asked of a room's past has been shown.
    PastEnd { room: RoomId, first: Seq },
    /// Somebody came or went.
    Came { room: RoomId, name: String, came: Came },
    /// It is known who is in a room; with whether this is to be told.
    People { room: RoomId, tell: bool },
    /// A room was left.
    Parted,
    /// Somebody opened a conversation.
    Opened,
    /// Events before a number are not kept any more.
    Trimmed { room: RoomId, first: u64 },
    /// A post of ours is stored.
    Posted { room: RoomId, seq: Seq },
    /// A post of ours was refused, or nobody can say what became of it.
    NotPosted { room: RoomId, failure: Failure },
    /// Who is in a room, as was asked for.
    Members { room: RoomId, members: Vec<MemberInfo> },
    /// What kind of room it is, and who has which rights there, as was asked for.
    Rights { place: String, mode: RoomMode, standings: Vec<StandingInfo> },
    /// What was found for a text, the newest first, and whether there is more.
    Found { text: String, hits: Vec<Hit>, more: bool },
    /// Which rooms there are, as was asked for.
    Rooms(Vec<RoomListed>),
    /// Which rooms there are, to complete their names.
    RoomNames(Vec<RoomListed>),
    /// How long the way to the server and back takes.
    Pong(Duration),
    /// There is a connection, and we have entered.
    Online,
    /// All places are taken; 1 for who is next.
    Queued(u32),
    /// There is no connection.
    Offline { why: String, retry_in: Duration },
}

/// When something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::connect) enum Time {
    /// Before what is shown already, as was asked for.
    Before,
    /// Just now, or while there was no connection.
    Now,
}

/// What is told about the connection goes the same way as everything else.
impl Tell for Vec<Shown> {
    fn status(&mut self, sentence: impl Display) {
        self.push(Shown::Status(sentence.to_string()));
    }

    fn detail(&mut self, sentence: impl Display) {
        self.push(Shown::Detail(sentence.to_string()));
    }
}
