//! Users: lost, gone, renamed, away (`PROTOCOL.md` E6, E11, W3).

use alloc::vec::Vec;

use super::{NameHolder, Pending, Server};
use crate::{
    hub::{MemberChange, Standing},
    ids::{ConnectionId, RoomId, UserId},
    output::Event,
    storage::{StorageFailure, StorageOperation},
    timer::Timer,
    wire,
};

impl Server {
    /// A user has no connection any more; it is kept for a while.
    pub(super) fn lose(&mut self, id: UserId) {
        let kept = self.config.limits.guest_kept;
        let now = self.peers.now;
        let Some(user) = self.users.get_mut(id) else { return };
        let expires = now.monotonic.after(kept);
        user.standing = Standing::Lost(expires);
        let nick = user.nick.shared();
        self.peers.timers.arm(expires, Timer::Guest(id));
        // Whoever was connected when the server shut down has the whole time from its next start (E8).
        if self.drain.is_none() {
            let expires = Some(now.wall.after(kept));
            self.ask_storage(Pending::Background, StorageOperation::UpdateGuest { user: id, nick, expires });
        }
        self.show(id);
    }

    /// A lost user was lost for too long.
    pub(super) fn expire(&mut self, id: UserId) {
        let Some(user) = self.users.get(id) else { return };
        match user.standing {
            Standing::Lost(at) if at <= self.peers.now.monotonic => {
                self.remove_user(id, wire::state::EXPIRED)
            }
            Standing::Lost(at) => self.peers.timers.arm(at, Timer::Guest(id)),
            Standing::Connected(_) | Standing::Returning(_) => {}
        }
    }

    /// A user is no more: its name is free, its rooms are told, its id is never given again.
    pub(super) fn remove_user(&mut self, id: UserId, state: u8) {
        let Some(user) = self.users.remove(id) else { return };
        if let Standing::Lost(at) = user.standing {
            self.peers.timers.disarm(at, Timer::Guest(id));
        }
        self.user_names.free(&user.key, NameHolder::User(id));
        for room in user.all_rooms() {
            let change = MemberChange { user: id, nick: user.nick.shared(), state, was: None };
            self.change(room, change);
            if let Some(room) = self.rooms.get_mut(room) {
                room.members.remove(&id);
            }
        }
        self.ask_storage(Pending::Background, StorageOperation::RemoveGuest { user: id });
        let rooms: Vec<RoomId> = user.all_rooms().collect();
        for room in rooms {
            self.drop_if_deserted(room);
        }
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
        let change = MemberChange { user: id, nick: user.nick.shared(), state, was: None };
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
        let lost = matches!(user.standing, Standing::Lost(_));
        let state = user.state();
        let rooms: Vec<RoomId> = user.all_rooms().collect();
        self.user_names.free(&key_before, NameHolder::User(id));
        self.user_names.take(&key, NameHolder::User(id));
        for room in rooms {
            if was != nick {
                let (nick, was) = (nick.shared(), Some(was.shared()));
                self.change(room, MemberChange { user: id, nick, state, was });
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
        let Standing::Lost(at) = user.standing else { return };
        let expires = Some(self.peers.now.wall.after(at.since(self.peers.now.monotonic)));
        let operation = StorageOperation::UpdateGuest { user: id, nick: user.nick.shared(), expires };
        self.ask_storage(Pending::Background, operation);
    }

    /// The user that a connection carries.
    pub(super) fn user_of(&self, id: ConnectionId) -> Option<UserId> {
        self.peers.connections.get(id)?.user()
    }
}
