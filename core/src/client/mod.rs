//! The client as one state machine: one user's end of the conversation, over as many connections as it takes.

mod event;

use core::time::Duration;

use alloc::{string::String, vec::Vec};

pub use self::event::{
    ClientEvent, ClientOutput, Happening, MemberChange, MemberInfo, OfflineCause, OutboxPost, OutboxState,
    PostId, RequestId, RoomInfo, RoomListed,
};
use crate::{
    error::Misuse,
    ids::{Incarnation, Nonce, RoomId, Seq, UserId},
    name::{Nick, RoomName},
    storage::EventKind,
    time::{Monotonic, Now, WallTime},
    wire::Token,
};

/// What a client is to be.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// What program it says it is, at most 64 bytes.
    pub program: String,
    /// The name to enter by as a new guest.
    pub nick: Nick,
    /// Whether to take the suggestion when that name is taken, instead of asking.
    pub take_suggestion: bool,
    /// What an earlier run saved for this server.
    pub saved: Option<SavedSession>,
    /// Whether to connect again when the connection is lost or cannot be made. Without, the first failure ends it.
    pub reconnect: bool,
    /// Posts that may wait in the outbox; more are a [`Misuse`].
    pub outbox_posts_max: usize,
}

/// What has to survive the process: who the client is, where it has read to, and what it has not heard back about.
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
    /// When it was written, by the wall clock.
    pub written: WallTime,
}

/// The client: driven by inputs and drained of outputs, like the [`Server`](crate::server::Server), and with
/// verbs for what its application wants.
pub struct Client {
    _private: (),
}

#[allow(
    clippy::missing_const_for_fn,
    unused_variables,
    clippy::todo,
    missing_docs,
    clippy::missing_errors_doc
)]
impl Client {
    /// A client that will ask to be connected at once. The seed is 32 random bytes.
    #[must_use]
    pub fn new(config: ClientConfig, seed: [u8; 32], now: Now) -> Self {
        todo!()
    }

    // Inputs
    /// The connection asked for by [`ClientOutput::Connect`] is there.
    pub fn handle_connected(&mut self, now: Now) {
        todo!()
    }
    /// Bytes arrived.
    pub fn handle_received(&mut self, bytes: &[u8], now: Now) {
        todo!()
    }
    /// The first `count` bytes of `sendable` were taken by the socket.
    pub fn handle_sent(&mut self, count: usize, now: Now) {
        todo!()
    }
    /// The connection could not be made, or ended.
    pub fn handle_disconnected(&mut self, now: Now) {
        todo!()
    }
    /// The deadline of `poll_timeout` has come.
    pub fn handle_timeout(&mut self, now: Now) {
        todo!()
    }

    // Outputs
    pub fn poll_output(&mut self) -> Option<ClientOutput> {
        todo!()
    }
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Monotonic, &'static str)> {
        todo!()
    }
    #[must_use]
    pub fn sendable(&self) -> &[u8] {
        todo!()
    }

    // Verbs. Each answers with an id by which the events that answer it are recognised. Requests made while not
    // ready wait until the client is; requests under way when the connection is lost end as `Interrupted`,
    // except joins, which are repeated, and posts, which are resent.
    pub fn join(&mut self, room: &RoomName, after: Option<Seq>, now: Now) -> Result<RequestId, Misuse> {
        todo!()
    }
    pub fn direct(&mut self, nick: &Nick, now: Now) -> Result<RequestId, Misuse> {
        todo!()
    }
    pub fn part(&mut self, room: RoomId, now: Now) -> Result<RequestId, Misuse> {
        todo!()
    }
    /// Says something in a room (or sets its topic). The post is in the outbox, to be saved, before it is sent.
    pub fn post(
        &mut self,
        room: RoomId,
        kind: EventKind,
        text: &str,
        nonce: Option<Nonce>,
        now: Now,
    ) -> Result<PostId, Misuse> {
        todo!()
    }
    pub fn members(&mut self, room: RoomId, now: Now) -> Result<RequestId, Misuse> {
        todo!()
    }
    pub fn rooms(&mut self, now: Now) -> Result<RequestId, Misuse> {
        todo!()
    }
    pub fn history(
        &mut self,
        room: RoomId,
        before: Option<Seq>,
        limit: u16,
        now: Now,
    ) -> Result<RequestId, Misuse> {
        todo!()
    }
    /// Another name: also the way on after [`ClientEvent::EnterRefused`].
    pub fn rename(&mut self, nick: &Nick, now: Now) -> Result<RequestId, Misuse> {
        todo!()
    }
    pub fn manual(&mut self, now: Now) -> Result<RequestId, Misuse> {
        todo!()
    }
    pub fn away(&mut self, away: bool, now: Now) -> Result<RequestId, Misuse> {
        todo!()
    }
    pub fn ping(&mut self, now: Now) -> Result<RequestId, Misuse> {
        todo!()
    }
    /// Try to connect now instead of after the back-off.
    pub fn connect_now(&mut self, now: Now) {
        todo!()
    }
    /// Says goodbye and ends: for good, or `keep`ing the guest on the server to resume later.
    pub fn leave(&mut self, keep: bool, now: Now) {
        todo!()
    }

    // What is known
    #[must_use]
    pub fn user(&self) -> Option<UserId> {
        todo!()
    }
    #[must_use]
    pub fn nick(&self) -> &Nick {
        todo!()
    }
    #[must_use]
    pub fn is_ready(&self) -> bool {
        todo!()
    }
    /// The rooms joined, by id.
    pub fn joined(&self) -> impl Iterator<Item = &RoomInfo> {
        [].iter()
    }
    /// The posts not answered yet, oldest first.
    pub fn outbox(&self) -> impl Iterator<Item = OutboxPost<'_>> {
        [].into_iter()
    }
    /// What has to survive the process; `None` before the first `Ready` and after the guest left.
    #[must_use]
    pub fn saved(&self) -> Option<SavedSession> {
        todo!()
    }
    #[must_use]
    pub fn silence(&self) -> Duration {
        todo!()
    }
}
