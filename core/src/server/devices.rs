//! What an account does about its own devices and password (`PROTOCOL.md` A9 to A11).

use alloc::vec::Vec;

use super::{Pending, Server, pending::Asked, receive::Taken};
use crate::{
    error::{ProtocolError, Refusal, RefusalCode},
    hub::{Device, Holder},
    ids::{ConnectionId, DeviceId, RoomId, UserId},
    output::EndCause,
    password::PasswordRecord,
    storage::{StorageFailure, StorageOperation},
    wire::{self, ToClient},
};

/// A device may have so many times its own memory of notices waiting.
const NOTICES_OVER_OWN: usize = 4;

impl Server {
    pub(super) fn devices(&mut self, id: ConnectionId, devices: &wire::Devices) {
        let own = match self.own_device(id) {
            Ok(own) => own,
            Err(refusal) => return self.refuse(id, devices.id, &refusal),
        };
        self.forget_devices_over(own.user);
        let Some(user) = self.users.get(own.user) else { return };
        let mut listed: Vec<_> = user
            .devices
            .iter()
            .map(|device| wire::Device {
                device: device.id,
                name: &device.name,
                since: device.since,
                seen: device.seen,
                this: device.id == own.device,
            })
            .collect();
        listed.sort_by_key(|device| device.device);
        let list = wire::DeviceList { id: devices.id, devices: listed };
        self.peers.answer(id, list, &self.config.limits);
    }

    /// Devices that were not used for too long are none any more (A7), whether anybody tried them or not.
    fn forget_devices_over(&mut self, user: UserId) {
        let now = self.peers.now.monotonic;
        let Some(found) = self.users.get(user) else { return };
        let over = found.devices.iter().filter(|device| device.seats.is_empty() && device.expires <= now);
        let over: Vec<_> = over.map(|device| Holder { user, device: device.id }).collect();
        for holder in over {
            self.remove_device(holder);
        }
    }

    /// The account and device of a connection that has entered by one.
    fn own_device(&mut self, id: ConnectionId) -> Result<Holder, Refusal> {
        let user = self.user_of(id).and_then(|user| self.users.get_mut(user));
        let account = user.filter(|user| user.is_account());
        let holder = account.and_then(|user| {
            let (user_id, device) = (user.id, user.carried_by(id)?.id);
            Some(Holder { user: user_id, device })
        });
        let text = "Only accounts have devices and passwords; log in, or register, first.";
        holder.ok_or_else(|| Refusal::new(RefusalCode::NotAllowed, text))
    }

    /// Ends a device: at once for its connection, for good once storage has it.
    pub(super) fn revoke(&mut self, id: ConnectionId, revoke: &wire::Revoke) {
        let own = match self.own_device(id) {
            Ok(own) => own,
            Err(refusal) => return self.refuse(id, revoke.id, &refusal),
        };
        self.forget_devices_over(own.user);
        let holder = Holder { user: own.user, device: revoke.device };
        if self.users.device(holder).is_none() {
            let text = "Your account has no such device; list its devices to see which there are.";
            return self.refuse(id, revoke.id, &Refusal::new(RefusalCode::NoSuchDevice, text));
        }
        let asked = self.begin(id, revoke.id);
        let operation = StorageOperation::RemoveDevice { device: revoke.device };
        let own = revoke.device == own.device;
        let removed = if own { None } else { self.end_device(holder) };
        self.ask_storage(Pending::Revoke { asked, holder, removed }, operation);
    }

    /// Closes a device's connection and forgets its token.
    fn end_device(&mut self, holder: Holder) -> Option<Device> {
        self.end_device_saying(holder, "This device was logged out.")
    }

    pub(super) fn end_device_saying(&mut self, holder: Holder, text: &str) -> Option<Device> {
        let device = self.users.remove_device(holder)?;
        for seat in &device.seats {
            let farewell = wire::Goodbye { reason: wire::goodbye::REVOKED, text };
            self.close(seat.connection, EndCause::Revoked, Some(farewell.into()));
        }
        self.show(holder.user);
        Some(device)
    }

    /// Storage has deleted a device, or has not: then it is one as before.
    pub(super) fn revoked(
        &mut self,
        asked: Asked,
        holder: Holder,
        removed: Option<Device>,
        result: Result<(), StorageFailure>,
    ) {
        self.finish(asked);
        if let Err(failure) = result {
            if let Some(mut device) = removed {
                device.expires = self.peers.now.monotonic.after(self.config.limits.device_kept);
                device.seats.clear();
                self.users.add_device(holder.user, device);
            }
            return self.refuse_failed(asked, "end the device", failure);
        }
        self.peers.answer(asked.connection, wire::Done { id: asked.request }, &self.config.limits);
        self.end_device(holder);
    }

    pub(super) fn new_password(&mut self, id: ConnectionId, wish: &wire::NewPassword) -> Taken {
        let holder = match self.own_device(id) {
            Ok(holder) => holder,
            Err(refusal) => {
                self.refuse(id, wish.id, &refusal);
                return Taken::Yes;
            }
        };
        let Some(accounts) = self.config.accounts.clone() else { return Taken::Yes };
        let Some(key) = self.users.get(holder.user).map(|user| user.key.clone()) else { return Taken::Yes };
        let Some(ready) = self.peers.connections.get_mut(id).and_then(|found| found.ready_mut()) else {
            return Taken::Yes;
        };
        if !ready.proved {
            let text = "Log in with your present password first, then change it.";
            self.refuse(id, wish.id, &Refusal::new(RefusalCode::NotAllowed, text));
            return Taken::Yes;
        }
        let Ok(response) = accounts.setup.begin_registration(&key, &wish.request) else {
            return self.accuse(id, ProtocolError::MalformedBody);
        };
        ready.changing_password = true;
        self.challenge(id, wish.id, &response, accounts.stretching);
        Taken::Yes
    }

    pub(super) fn set_password(&mut self, id: ConnectionId, set: &wire::SetPassword) -> Taken {
        let Some(accounts) = self.config.accounts.clone() else {
            return self.accuse(id, ProtocolError::UnexpectedKind);
        };
        let Some(ready) = self.peers.connections.get_mut(id).and_then(|found| found.ready_mut()) else {
            return Taken::Yes;
        };
        if !core::mem::take(&mut ready.changing_password) {
            return self.accuse(id, ProtocolError::UnexpectedKind);
        }
        let Ok(record) = accounts.setup.record(&set.upload, accounts.stretching) else {
            return self.accuse(id, ProtocolError::MalformedBody);
        };
        let Ok(holder) = self.own_device(id) else { return Taken::Yes };
        if let Some(user) = self.users.get_mut(holder.user) {
            user.password_version = user.password_version.wrapping_add(1);
        }
        let asked = self.begin(id, set.id);
        let operation =
            StorageOperation::SetPassword { user: holder.user, record: record.clone(), keep: holder.device };
        self.ask_storage(Pending::SetPassword { asked, holder, record }, operation);
        Taken::Yes
    }

    /// Storage has written another password, or has not.
    pub(super) fn password_set(
        &mut self,
        asked: Asked,
        holder: Holder,
        record: PasswordRecord,
        result: Result<(), StorageFailure>,
    ) {
        self.finish(asked);
        if let Err(failure) = result {
            return self.refuse_failed(asked, "change the password", failure);
        }
        let Some(user) = self.users.get_mut(holder.user) else { return };
        user.password = Some(record);
        // Logins begun while it was being written were begun with the one before.
        user.password_version = user.password_version.wrapping_add(1);
        let others: Vec<DeviceId> =
            user.devices.iter().map(|device| device.id).filter(|id| *id != holder.device).collect();
        for device in others {
            self.end_device(Holder { device, ..holder });
        }
        self.peers.answer(asked.connection, wire::Done { id: asked.request }, &self.config.limits);
    }

    /// Tells the other devices of a user that it is in a room now (A9).
    pub(super) fn tell_other_devices(&mut self, id: ConnectionId, user: UserId, room: RoomId) {
        let others = self.other_connections(id, user);
        self.tell_opened_to(&others, user, room);
    }

    /// Tells the other devices of a user that it is in a room no more (A9).
    pub(super) fn tell_parted(&mut self, id: ConnectionId, user: UserId, room: RoomId) {
        let others = self.other_connections(id, user);
        for connection in &others {
            self.unfollow(*connection, room);
            self.peers.answer(*connection, wire::Parted { room }, &self.config.limits);
        }
        self.end_overfull(&others);
    }

    /// Notices that cannot be left out must not pile up for a device that reads nothing.
    pub(super) fn end_overfull(&mut self, connections: &[ConnectionId]) {
        let most = self.config.limits.outbound_own_bytes * NOTICES_OVER_OWN;
        for id in connections {
            let waiting = self.peers.connections.get(*id).map_or(0, |found| found.outbound.replies_bytes());
            if waiting > most {
                let text = "You have read too little.";
                let farewell = wire::Goodbye { reason: wire::goodbye::TOO_SLOW, text };
                self.close(*id, EndCause::TooSlow, Some(farewell.into()));
            }
        }
    }

    fn other_connections(&self, id: ConnectionId, user: UserId) -> Vec<ConnectionId> {
        let user = self.users.get(user).filter(|user| user.is_account());
        user.into_iter().flat_map(|user| user.connections()).filter(|other| *other != id).collect()
    }

    pub(super) fn tell_opened_to(&mut self, connections: &[ConnectionId], user: UserId, room: RoomId) {
        let Some(room) = self.rooms.get(room) else { return };
        let opened = ToClient::from(wire::Opened { room: room.part(user) });
        for connection in connections {
            self.peers.answer(*connection, opened.clone(), &self.config.limits);
        }
        self.end_overfull(connections);
    }
}
