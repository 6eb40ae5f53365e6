//! What the protocol leaves to the server, learned from its messages: ids, tokens and times.

use std::{collections::BTreeMap, fmt::Debug};

use palabre_core::{
    ids::{DeviceId, Position, RoomId, UserId},
    time::WallTime,
    wire::Token,
};

use super::{DeviceKey, Divergence, Model, Password, RoomKey, UserKey};

/// What a token is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holder {
    Guest(UserKey),
    Device(DeviceKey),
}

/// Who and what the server's numbers stand for. What is learned once must stay so.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    users: BTreeMap<UserKey, UserId>,
    rooms: BTreeMap<RoomKey, RoomId>,
    tokens: BTreeMap<Holder, Token>,
    devices: BTreeMap<DeviceKey, DeviceId>,
    /// By which password what OPAQUE sends was made.
    passwords: BTreeMap<Vec<u8>, Password>,
    /// What proves to know the password that a login was begun with.
    proofs: BTreeMap<[u8; 64], Vec<u8>>,
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

    pub(super) fn learn_token(&mut self, holder: Holder, token: Token) -> Result<(), Divergence> {
        learn(&mut self.tokens, "token of", holder, token)
    }

    pub(super) fn learn_device(&mut self, device: DeviceKey, id: DeviceId) -> Result<(), Divergence> {
        learn(&mut self.devices, "device", device, id)
    }

    pub(super) fn device(&self, id: DeviceId) -> Option<DeviceKey> {
        self.devices.iter().find(|known| *known.1 == id).map(|known| *known.0)
    }

    /// The ids of those of these devices that were listed.
    pub(super) fn devices_of(&self, devices: &[DeviceKey]) -> Vec<DeviceId> {
        devices.iter().filter_map(|device| self.devices.get(device)).copied().collect()
    }

    pub(super) fn all_devices(&self) -> Vec<DeviceId> {
        self.devices.values().copied().collect()
    }

    pub(super) fn password_in(&self, bytes: &[u8]) -> Option<Password> {
        self.passwords.get(bytes).copied()
    }

    /// Whether this proves to know the password that a login was begun with.
    pub(super) fn is_proof(&self, finish: &[u8; 64], start: &[u8]) -> bool {
        self.proofs.get(finish).is_some_and(|proved| proved == start)
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

    pub(super) fn holder(&self, token: Token) -> Option<Holder> {
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

impl Model {
    /// What OPAQUE sends that was made by this password.
    pub(super) fn learn_password(&mut self, bytes: &[u8], password: Password) {
        self.known.passwords.insert(bytes.to_vec(), password);
    }

    /// The answer of one who knows the password to a login that was begun so.
    pub(super) fn learn_proof(&mut self, finish: [u8; 64], start: Vec<u8>) {
        self.known.proofs.insert(finish, start);
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
