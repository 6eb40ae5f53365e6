//! Who is there.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use crate::{
    ids::{ConnectionId, RoomId, UserId},
    name::{NameKey, Nick},
    storage::TokenHash,
    time::Monotonic,
    wire::state,
};

/// A guest. Accounts will be another kind of user.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) nick: Nick,
    pub(crate) key: NameKey,
    pub(crate) token_hash: TokenHash,
    pub(crate) standing: Standing,
    pub(crate) away: bool,
    /// The state that members were told last.
    pub(crate) shown: u8,
    /// Named rooms it is a member of.
    pub(crate) rooms: BTreeSet<RoomId>,
    /// Its direct conversations.
    pub(crate) directs: BTreeSet<RoomId>,
    /// Memberships that are being written.
    pub(crate) joining: usize,
    /// Rooms whose membership is being deleted, once for each request under way.
    pub(crate) leaving: Vec<RoomId>,
}

/// Whether a user is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// On this connection.
    Connected(ConnectionId),
    /// Lost, but on its way back on this connection: it does not expire.
    Returning(ConnectionId),
    /// Lost; it expires at this time.
    Lost(Monotonic),
}

impl User {
    /// The state other members see.
    pub(crate) const fn state(&self) -> u8 {
        match self.standing {
            Standing::Connected(_) if self.away => state::AWAY,
            Standing::Connected(_) => state::HERE,
            Standing::Returning(_) | Standing::Lost(_) => state::LOST,
        }
    }

    /// The connection it is on.
    pub(crate) const fn connection(&self) -> Option<ConnectionId> {
        match self.standing {
            Standing::Connected(id) => Some(id),
            Standing::Returning(_) | Standing::Lost(_) => None,
        }
    }

    pub(crate) fn is_member(&self, room: RoomId) -> bool {
        self.rooms.contains(&room) || self.directs.contains(&room)
    }

    pub(crate) fn all_rooms(&self) -> impl Iterator<Item = RoomId> {
        self.rooms.iter().chain(&self.directs).copied()
    }
}

/// All users, connected or lost.
#[derive(Debug, Default)]
pub(crate) struct Users {
    by_id: BTreeMap<UserId, User>,
    by_token: BTreeMap<TokenHash, UserId>,
}

impl Users {
    pub(crate) fn insert(&mut self, user: User) {
        self.by_token.insert(user.token_hash, user.id);
        self.by_id.insert(user.id, user);
    }

    pub(crate) fn remove(&mut self, id: UserId) -> Option<User> {
        let user = self.by_id.remove(&id)?;
        self.by_token.remove(&user.token_hash);
        Some(user)
    }

    pub(crate) fn get(&self, id: UserId) -> Option<&User> {
        self.by_id.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: UserId) -> Option<&mut User> {
        self.by_id.get_mut(&id)
    }

    pub(crate) fn by_token(&self, hash: TokenHash) -> Option<UserId> {
        self.by_token.get(&hash).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &User> {
        self.by_id.values()
    }
}
