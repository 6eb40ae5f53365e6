//! Users: lost, gone, renamed, away (`PROTOCOL.md` E6, E11, W3, A1).

use alloc::{format, vec::Vec};

use super::{NameHolder, Pending, Server};
use crate::{
    error::{Refusal, RefusalCode},
    hub::{Holder, MemberChange},
    ids::{ConnectionId, RoomId, UserId},
    output::Event,
    storage::{StorageFailure, StorageOperation},
    timer::Timer,
    wire,
};

impl Server {
    /// A device of a user has lost a connection; a guest is kept for a while.
    pub(super) fn lose(&mut self, holder: Holder, connection: ConnectionId) {
        let now = self.peers.now;
        let limits = &self.config.limits;
        let Some(user) = self.users.get_mut(holder.user) else { return };
        let account = user.is_account();
        let kept = if account { limits.device_kept } else { limits.guest_kept };
        let nick = user.nick.shared();
        let expires = now.monotonic.after(kept);
        if let Some(device) = user.device_mut(holder.device) {
            device.seats.retain(|seat| seat.connection != connection);
            device.expires = expires;
        }
        if !account {
            self.peers.timers.arm(expires, Timer::Guest(holder.user));
            // Whoever was connected when the server shut down has the whole time from its next start (E8).
            if self.drain.is_none() {
                let (user, expires) = (holder.user, Some(now.wall.after(kept)));
                self.ask_storage(Pending::Background, StorageOperation::UpdateGuest { user, nick, expires });
            }
        }
        self.show(holder.user);
    }

    /// A lost guest was lost for too long.
    pub(super) fn expire(&mut self, id: UserId) {
        let Some(at) = self.users.get(id).and_then(|user| user.expires()) else { return };
        if at <= self.peers.now.monotonic {
            self.remove_guest(id, wire::state::EXPIRED);
        } else {
            self.peers.timers.arm(at, Timer::Guest(id));
        }
    }

    /// A guest is no more: its name is free, its rooms are told, its id is never given again.
    pub(super) fn remove_guest(&mut self, id: UserId, state: u8) {
        let Some(user) = self.users.remove(id) else { return };
        if let Some(at) = user.expires() {
            self.peers.timers.disarm(at, Timer::Guest(id));
        }
        self.user_names.free(&user.key, NameHolder::User(id));
        for room in user.all_rooms() {
            self.change(room, MemberChange::of(&user, state));
            if let Some(room) = self.rooms.get_mut(room) {
                room.members.remove(&id);
            }
        }
        self.ask_storage(Pending::Background, StorageOperation::RemoveGuest { user: id });
        let rooms: Vec<RoomId> = user.all_rooms().collect();
        for room in rooms {
            self.drop_if_deserted(room);
        }
        self.forget_uploads_of(id);
        self.report(Event::GuestRemoved { user: id });
    }

    /// Tells a user's rooms its state, if it is not what they were told last.
    pub(super) fn show(&mut self, id: UserId) {
        let Some(user) = self.users.get_mut(id) else { return };
        let state = user.state();
        if user.shown == state {
            return;
        }
        user.shown = state;
        let change = MemberChange::of(user, state);
        let rooms: Vec<RoomId> = user.all_rooms().collect();
        for room in rooms {
            self.change(room, change.clone());
        }
    }

    pub(super) fn away(&mut self, id: ConnectionId, away: &wire::Away) {
        let Some(user) = self.user_of(id) else { return };
        if let Some(user) = self.users.get_mut(user) {
            user.away = away.away;
        }
        self.show(user);
        self.peers.answer(id, wire::Done { id: away.id }, &self.config.limits);
    }

    pub(super) fn rename(&mut self, id: ConnectionId, rename: &wire::Rename<'_>) {
        let Some(user) = self.user_of(id) else { return };
        if let Some(account) = self.users.get(user).filter(|user| user.is_account()) {
            let text = format!("An account keeps its name; you are {}.", account.nick);
            let refusal = Refusal::new(RefusalCode::NotPossible, text).about(account.nick.as_str());
            return self.refuse(id, rename.id, &refusal);
        }
        let (nick, key) = match self.free_name(rename.nick, NameHolder::User(user)) {
            Ok(free) => free,
            Err(refusal) => return self.refuse(id, rename.id, &refusal),
        };
        self.user_names.take(&key, NameHolder::User(user));
        let asked = self.begin(id, rename.id);
        let operation = StorageOperation::UpdateGuest { user, nick: nick.shared(), expires: None };
        self.ask_storage(Pending::Rename { asked, user, nick, key }, operation);
    }

    /// Storage has written a new name, or has not.
    pub(super) fn renamed(
        &mut self,
        asked: super::pending::Asked,
        id: UserId,
        nick: crate::name::Nick,
        key: crate::name::NameKey,
        result: Result<(), StorageFailure>,
    ) {
        let Some(user) = self.users.get_mut(id) else {
            // It left meanwhile; the name it was to have is free.
            return self.user_names.free(&key, NameHolder::User(id));
        };
        if let Err(failure) = result {
            if user.key != key {
                let kept = user.key.clone();
                self.user_names.free(&key, NameHolder::User(id));
                // The two may share a skeleton, which stays taken.
                self.user_names.take(&kept, NameHolder::User(id));
            }
            let refusal = self.storage_refusal("rename", failure);
            return self.refuse(asked.connection, asked.request, &refusal);
        }
        let was = core::mem::replace(&mut user.nick, nick.clone());
        let key_before = core::mem::replace(&mut user.key, key.clone());
        // Lost while the name was being written: the expiry that was stored before is stored again, with the name.
        let lost = user.expires().is_some();
        let (state, role) = (user.state(), user.role());
        let rooms: Vec<RoomId> = user.all_rooms().collect();
        self.user_names.free(&key_before, NameHolder::User(id));
        self.user_names.take(&key, NameHolder::User(id));
        for room in rooms {
            if was != nick {
                let (nick, was) = (nick.shared(), Some(was.shared()));
                self.change(room, MemberChange { user: id, nick, state, was, role });
            }
            if let Some(room) = self.rooms.get_mut(room) {
                room.renamed(id, &nick);
            }
        }
        if lost {
            self.store_expiry(id);
        }
        self.peers.answer(asked.connection, wire::Done { id: asked.request }, &self.config.limits);
    }

    /// Writes when a lost user expires.
    pub(super) fn store_expiry(&mut self, id: UserId) {
        let Some(user) = self.users.get(id) else { return };
        let Some(at) = user.expires() else { return };
        let expires = Some(self.peers.now.wall.after(at.since(self.peers.now.monotonic)));
        let operation = StorageOperation::UpdateGuest { user: id, nick: user.nick.shared(), expires };
        self.ask_storage(Pending::Background, operation);
    }

    /// The user that a connection carries.
    pub(super) fn user_of(&self, id: ConnectionId) -> Option<UserId> {
        self.peers.connections.get(id)?.user()
    }
}
