//! Who is there.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};

use crate::{
    ids::{ConnectionId, DeviceId, RoomId, Seq, UserId},
    name::{NameKey, Nick},
    password::PasswordRecord,
    storage::{DeviceToken, TokenHash},
    time::{Monotonic, WallTime},
    wire::{role, state},
};

/// A guest or an account.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) nick: Nick,
    pub(crate) key: NameKey,
    /// What is kept of an account's password; nothing for a guest.
    pub(crate) password: Option<PasswordRecord>,
    /// How often another one was asked for: what was begun with an earlier one ends.
    pub(crate) password_version: u32,
    /// What it may enter by, ascending: a guest's one token, an account's devices.
    pub(crate) devices: Vec<Device>,
    pub(crate) away: bool,
    /// The state that members were told last.
    pub(crate) shown: u8,
    /// Named rooms it is a member of.
    pub(crate) rooms: BTreeSet<RoomId>,
    /// Its direct conversations.
    pub(crate) directs: BTreeSet<RoomId>,
    /// Up to where an account has read its rooms.
    pub(crate) read: BTreeMap<RoomId, Seq>,
    /// Memberships that are being written.
    pub(crate) joining: usize,
    /// Rooms whose membership is being deleted, once for each request under way.
    pub(crate) leaving: Vec<RoomId>,
}

/// A token, and the connections that entered by it: a guest has one at most.
#[derive(Debug)]
pub(crate) struct Device {
    /// 0 for a guest.
    pub(crate) id: DeviceId,
    pub(crate) name: Arc<str>,
    pub(crate) token: DeviceToken,
    /// When its token took the place of another, while this server runs.
    pub(crate) renewed: Option<Monotonic>,
    pub(crate) since: WallTime,
    pub(crate) seen: WallTime,
    /// When the token ends, and a guest with it, while there are no connections.
    pub(crate) expires: Monotonic,
    pub(crate) seats: Vec<Seat>,
}

/// A connection of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) connection: ConnectionId,
    /// Of which run of the client it is (A8).
    pub(crate) session: u64,
    /// Whether it has entered; until then the device counts as lost, but does not expire.
    pub(crate) entered: bool,
}

/// Who a token is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) user: UserId,
    pub(crate) device: DeviceId,
}

impl Device {
    /// The one token of a guest.
    pub(crate) fn of_guest(token_hash: TokenHash, expires: Monotonic, seats: Vec<Seat>) -> Self {
        let (since, seen) = (WallTime::default(), WallTime::default());
        let token = DeviceToken { hash: token_hash, since, next: None };
        Self { id: DeviceId::default(), name: "".into(), token, renewed: None, since, seen, expires, seats }
    }

    /// The hashes of the tokens that it may be entered by.
    fn hashes(&self) -> impl Iterator<Item = TokenHash> {
        core::iter::once(self.token.hash).chain(self.token.next)
    }

    pub(crate) fn seat(&mut self, connection: ConnectionId) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.connection == connection)
    }
}

impl User {
    /// The state other members see.
    pub(crate) fn state(&self) -> u8 {
        match (self.is_connected(), self.away) {
            (true, true) => state::AWAY,
            (true, false) => state::HERE,
            (false, _) => state::LOST,
        }
    }

    /// The role other members see.
    pub(crate) const fn role(&self) -> u8 {
        if self.is_account() { role::ACCOUNT } else { role::GUEST }
    }

    pub(crate) const fn is_account(&self) -> bool {
        self.password.is_some()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connections().next().is_some()
    }

    /// The connections on which it has entered.
    pub(crate) fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        let seats = self.devices.iter().flat_map(|device| &device.seats);
        seats.filter(|seat| seat.entered).map(|seat| seat.connection)
    }

    /// When a lost guest expires.
    pub(crate) fn expires(&self) -> Option<Monotonic> {
        let device = self.devices.first().filter(|device| device.seats.is_empty() && !self.is_account());
        device.map(|device| device.expires)
    }

    pub(crate) fn device(&self, id: DeviceId) -> Option<&Device> {
        self.devices.iter().find(|device| device.id == id)
    }

    pub(crate) fn device_mut(&mut self, id: DeviceId) -> Option<&mut Device> {
        self.devices.iter_mut().find(|device| device.id == id)
    }

    /// The device that a connection carries, entered or entering.
    pub(crate) fn carried_by(&mut self, connection: ConnectionId) -> Option<&mut Device> {
        self.devices.iter_mut().find(|device| device.seats.iter().any(|seat| seat.connection == connection))
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
    by_token: BTreeMap<TokenHash, Holder>,
}

impl Users {
    pub(crate) fn insert(&mut self, user: User) {
        for device in &user.devices {
            let holder = Holder { user: user.id, device: device.id };
            self.by_token.extend(device.hashes().map(|hash| (hash, holder)));
        }
        self.by_id.insert(user.id, user);
    }

    pub(crate) fn remove(&mut self, id: UserId) -> Option<User> {
        let user = self.by_id.remove(&id)?;
        for hash in user.devices.iter().flat_map(Device::hashes) {
            self.by_token.remove(&hash);
        }
        Some(user)
    }

    pub(crate) fn add_device(&mut self, id: UserId, device: Device) {
        let Some(user) = self.by_id.get_mut(&id) else { return };
        let holder = Holder { user: id, device: device.id };
        self.by_token.extend(device.hashes().map(|hash| (hash, holder)));
        user.devices.push(device);
    }

    pub(crate) fn remove_device(&mut self, holder: Holder) -> Option<Device> {
        let user = self.by_id.get_mut(&holder.user)?;
        let index = user.devices.iter().position(|device| device.id == holder.device)?;
        let device = user.devices.remove(index);
        for hash in device.hashes() {
            self.by_token.remove(&hash);
        }
        Some(device)
    }

    /// What is known of a device's token from now on.
    pub(crate) fn set_token(&mut self, holder: Holder, token: DeviceToken, now: Monotonic) {
        let Some(device) = self.by_id.get_mut(&holder.user).and_then(|user| user.device_mut(holder.device))
        else {
            return;
        };
        for hash in device.hashes() {
            self.by_token.remove(&hash);
        }
        if device.token.hash != token.hash {
            device.renewed = Some(now);
        }
        device.token = token;
        self.by_token.extend(device.hashes().map(|hash| (hash, holder)));
    }

    pub(crate) fn get(&self, id: UserId) -> Option<&User> {
        self.by_id.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: UserId) -> Option<&mut User> {
        self.by_id.get_mut(&id)
    }

    pub(crate) fn device(&self, holder: Holder) -> Option<&Device> {
        self.get(holder.user)?.device(holder.device)
    }

    pub(crate) fn device_mut(&mut self, holder: Holder) -> Option<&mut Device> {
        self.get_mut(holder.user)?.device_mut(holder.device)
    }

    pub(crate) fn by_token(&self, hash: TokenHash) -> Option<Holder> {
        self.by_token.get(&hash).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &User> {
        self.by_id.values()
    }
}
