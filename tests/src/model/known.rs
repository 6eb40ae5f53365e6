//! What the protocol leaves to the server, learned from its messages: ids, tokens and times.

use std::{collections::BTreeMap, fmt::Debug};

use palabre_core::{
    ids::{Position, RoomId, UserId},
    time::WallTime,
    wire::Token,
};

use super::{Divergence, RoomKey, UserKey};

/// Who and what the server's numbers stand for. What is learned once must stay so.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    users: BTreeMap<UserKey, UserId>,
    rooms: BTreeMap<RoomKey, RoomId>,
    tokens: BTreeMap<UserKey, Token>,
    times: BTreeMap<(RoomKey, u64), WallTime>,
    /// Where pages of what was searched for ended, by the place of their last hit.
    positions: BTreeMap<usize, Position>,
}

impl Known {
    pub(super) fn learn_user(&mut self, user: UserKey, id: UserId) -> Result<(), Divergence> {
        learn(&mut self.users, "user", user, id)
    }

    pub(super) fn learn_room(&mut self, room: RoomKey, id: RoomId) -> Result<(), Divergence> {
        learn(&mut self.rooms, "room", room, id)
    }

    pub(super) fn learn_token(&mut self, user: UserKey, token: Token) -> Result<(), Divergence> {
        learn(&mut self.tokens, "token of", user, token)
    }

    /// An event has one time, whoever is told; different events may share it.
    pub(super) fn learn_time(&mut self, room: RoomKey, seq: u64, at: WallTime) -> Result<(), Divergence> {
        let before = *self.times.entry((room, seq)).or_insert(at);
        if before == at {
            Ok(())
        } else {
            Err(Divergence(format!("{room:?} {seq}: at {at:?}, and {before:?}")))
        }
    }

    pub(super) fn learn_position(&mut self, place: usize, position: Position) -> Result<(), Divergence> {
        learn(&mut self.positions, "the position of", place, position)
    }

    pub(super) fn place_of(&self, position: Position) -> Option<usize> {
        self.positions.iter().find(|known| *known.1 == position).map(|known| *known.0)
    }

    pub(super) fn all_positions(&self) -> Vec<Position> {
        self.positions.values().copied().collect()
    }

    pub(super) fn user(&self, id: UserId) -> Option<UserKey> {
        self.users.iter().find(|known| *known.1 == id).map(|known| *known.0)
    }

    pub(super) fn room(&self, id: RoomId) -> Option<RoomKey> {
        self.rooms.iter().find(|known| *known.1 == id).map(|known| *known.0)
    }

    pub(super) fn owner(&self, token: Token) -> Option<UserKey> {
        self.tokens.iter().find(|known| *known.1 == token).map(|known| *known.0)
    }

    /// The user's id; 0 before it is known, which is before anybody else can see it.
    pub(super) fn user_id(&self, user: UserKey) -> u64 {
        self.users.get(&user).map_or(0, |id| id.get())
    }

    /// The room's id; a room not seen yet is the newest.
    pub(super) fn room_id(&self, room: RoomKey) -> u64 {
        self.rooms.get(&room).map_or(u64::MAX, |id| id.get())
    }

    pub(super) fn all_users(&self) -> Vec<UserId> {
        self.users.values().copied().collect()
    }

    pub(super) fn all_rooms(&self) -> Vec<RoomId> {
        self.rooms.values().copied().collect()
    }

    pub(super) fn all_tokens(&self) -> Vec<Token> {
        self.tokens.values().copied().collect()
    }
}

fn learn<K: Copy + Debug + Ord, V: Copy + Debug + PartialEq>(
    known: &mut BTreeMap<K, V>,
    what: &str,
    key: K,
    value: V,
) -> Result<(), Divergence> {
    match known.get(&key) {
        Some(before) if *before == value => Ok(()),
        Some(before) => Err(Divergence(format!("{what} {key:?} was {before:?} and is {value:?}"))),
        None if known.values().any(|taken| *taken == value) => {
            Err(Divergence(format!("{what} {key:?} is {value:?}, which was another's")))
        }
        None => {
            known.insert(key, value);
            Ok(())
        }
    }
}
