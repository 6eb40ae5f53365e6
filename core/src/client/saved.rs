//! What has to survive the process.

use alloc::{string::String, vec::Vec};

use crate::{
    ids::{Incarnation, Nonce, RoomId, Seq, UserId},
    name::Nick,
    storage::EventKind,
    time::WallTime,
    wire::Token,
};

/// Who the client is, where it has read to, and what it has not heard back about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedSession {
    /// Of which database all this is.
    pub incarnation: Incarnation,
    /// Who.
    pub user: UserId,
    /// By which name.
    pub nick: Nick,
    /// To resume with.
    pub token: Token,
    /// Whether it is an account.
    pub is_account: bool,
    /// The rooms followed: id, name (empty for a direct conversation) and the last number seen.
    pub rooms: Vec<(RoomId, String, Seq)>,
    /// The posts not answered yet, oldest first.
    pub outbox: Vec<SavedPost>,
}

/// A post that was not answered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedPost {
    /// Where.
    pub room: RoomId,
    /// Its number.
    pub nonce: Nonce,
    /// Of which kind.
    pub kind: EventKind,
    /// What.
    pub text: String,
    /// The message that it is about: that it answers, edits, deletes or reacts to.
    pub to: Option<Seq>,
    /// When it was written, by the wall clock.
    pub written: WallTime,
}
