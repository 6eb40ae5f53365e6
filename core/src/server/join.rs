//! Rooms: becoming a member, following, leaving (`PROTOCOL.md` sections R and C1).

use alloc::format;

use super::{Pending, Server, pending::Asked};
use crate::{
    connection::Following,
    error::{Refusal, RefusalCode},
    hub::{Clash, Listener, MemberChange},
    ids::{ConnectionId, RoomId, Seq, UserId},
    name::{NameKey, RoomName},
    storage::{StorageFailure, StorageOperation},
    wire,
};

impl Server {
    pub(super) fn join(&mut self, id: ConnectionId, join: &wire::Join<'_>) {
        let Some(user) = self.user_of(id) else { return };
        let name = match RoomName::parse(join.name) {
            Ok(name) => name,
            Err(error) => return self.refuse(id, join.id, &error.refusal(join.name)),
        };
        let key = name.key();
        match self.room_names.find(&key) {
            Some(Some(room)) => self.join_room(id, join.id, user, room, join.after),
            Some(None) => self.open_for_join(id, join.id, user, name, key, join.after),
            None => match self.may_create(id, &name, &key) {
                Ok(()) => self.open_for_join(id, join.id, user, name, key, join.after),
                Err(refusal) => self.refuse(id, join.id, &refusal),
            },
        }
    }

    fn join_room(&mut self, id: ConnectionId, request: u32, user: UserId, room: RoomId, after: Option<Seq>) {
        if self.users.get(user).is_some_and(|user| user.is_member(room)) {
            return self.joined(id, request, room, after);
        }
        if let Err(refusal) = self.may_join(user, room).and_then(|()| self.has_room_left(user)) {
            return self.refuse(id, request, &refusal);
        }
        let asked = self.begin(id, request);
        self.write_membership(asked, user, room, after);
    }

    fn write_membership(&mut self, asked: Asked, user: UserId, room: RoomId, after: Option<Seq>) {
        self.hold(room, 1);
        if let Some(user) = self.users.get_mut(user) {
            user.joining += 1;
        }
        let operation = StorageOperation::SetMember { user, room, member: true };
        self.ask_storage(Pending::Join { asked, user, room, after }, operation);
    }

    fn has_room_left(&self, user: UserId) -> Result<(), Refusal> {
        let most = self.config.limits.user_rooms_max;
        let Some(user) = self.users.get(user) else { return Ok(()) };
        if user.rooms.len() + user.joining < most {
            return Ok(());
        }
        let text = format!("You are in {most} rooms, which is the most there may be; leave one first.");
        Err(Refusal::new(RefusalCode::RoomLimit, text).about(user.nick.as_str()))
    }

    /// Whether a room of this name may be created now, on this connection.
    fn may_create(&self, id: ConnectionId, name: &RoomName, key: &NameKey) -> Result<(), Refusal> {
        self.may_be_made(key.folded())?;
        let limits = &self.config.limits;
        if let Some(Clash::LooksAlike(room)) = self.room_names.clash(key, None) {
            let other = room.and_then(|room| self.rooms.get(room)).map(|room| room.name());
            let text = match other {
                Some(other) => {
                    format!("The name {name} looks like {other}; join that, or choose another name.")
                }
                None => format!("The name {name} looks like another room's; choose another."),
            };
            let refusal = Refusal::new(RefusalCode::NameLooksAlike, text).about(name.as_str());
            return Err(refusal.suggesting(other.map(Into::into)));
        }
        if self.rooms.len() + self.opening.len() >= limits.rooms_max {
            let text = format!("The server has as many rooms as it may have; {name} was not created.");
            return Err(Refusal::new(RefusalCode::RoomLimit, text).about(name.as_str()));
        }
        let ready = self.peers.connections.get(id).and_then(|connection| connection.ready());
        if ready.is_some_and(|ready| ready.rooms_created >= limits.rooms_created_max) {
            let text =
                format!("You have created many rooms already; {name} was not created. Try again later.");
            return Err(Refusal::new(RefusalCode::SlowDown, text).about(name.as_str()));
        }
        Ok(())
    }

    fn open_for_join(
        &mut self,
        id: ConnectionId,
        request: u32,
        user: UserId,
        name: RoomName,
        key: NameKey,
        after: Option<Seq>,
    ) {
        if let Err(refusal) = self.has_room_left(user) {
            return self.refuse(id, request, &refusal);
        }
        if let Some(ready) = self.peers.connections.get_mut(id).and_then(|connection| connection.ready_mut())
        {
            ready.rooms_created += 1;
        }
        let owner = self.users.get(user).filter(|user| user.is_account());
        let owner = owner.map(|user| (user.id, user.nick.shared()));
        let operation = self.begin_opening(&name, &key, owner);
        let asked = self.begin(id, request);
        self.ask_storage(Pending::OpenForJoin { asked, user, key, after }, operation);
    }

    pub(super) fn opened_for_join(
        &mut self,
        asked: Asked,
        user: UserId,
        after: Option<Seq>,
        opened: Result<RoomId, StorageFailure>,
    ) {
        let room = match opened {
            Ok(room) => room,
            Err(failure) => return self.storage_refused(asked, "create the room", failure),
        };
        match self.users.get(user) {
            Some(user) if user.is_member(room) => {
                self.finish(asked);
                self.joined(asked.connection, asked.request, room, after);
            }
            Some(_) => match self.may_join(user, room) {
                Ok(()) => self.write_membership(asked, user, room, after),
                Err(refusal) => {
                    self.finish(asked);
                    self.refuse(asked.connection, asked.request, &refusal);
                }
            },
            None => self.drop_if_deserted(room),
        }
    }

    /// Storage has written a membership, or has not.
    pub(super) fn membership_written(
        &mut self,
        asked: Asked,
        user: UserId,
        room: RoomId,
        after: Option<Seq>,
        result: Result<(), StorageFailure>,
    ) {
        self.hold(room, -1);
        if let Some(user) = self.users.get_mut(user) {
            user.joining = user.joining.saturating_sub(1);
        }
        // Storage answers in order: a deletion still under way was asked for after this.
        let left = self.users.get(user).is_some_and(|user| user.leaving.contains(&room));
        match result {
            Ok(()) if left && !crate::seeded_bug!("joined-after-leaving") => {
                self.finish(asked);
                if let Some(room) = self.rooms.get_mut(room) {
                    room.rights.note_member(user);
                }
                let text = "You left the room, or were put out of it, before you had joined it.";
                self.refuse(asked.connection, asked.request, &Refusal::new(RefusalCode::NotPossible, text));
            }
            Ok(()) => {
                self.finish(asked);
                self.add_member(user, room);
                self.joined(asked.connection, asked.request, room, after);
                self.tell_other_devices(asked.connection, user, room);
                self.read_on_joining(user, room);
            }
            Err(failure) => self.storage_refused(asked, "join the room", failure),
        }
        self.drop_if_deserted(room);
    }

    /// Makes a user a member and tells the room, unless it was one.
    pub(super) fn add_member(&mut self, id: UserId, room: RoomId) {
        let Some(user) = self.users.get_mut(id) else { return };
        let Some(found) = self.rooms.get_mut(room) else { return };
        user.rooms.insert(room);
        if found.members.insert(id) {
            let change = MemberChange::of(user, user.state());
            self.change(room, change);
        }
    }

    /// Answers with a snapshot and sets the cursor (R4, C1).
    pub(super) fn joined(&mut self, id: ConnectionId, request: u32, room: RoomId, after: Option<Seq>) {
        let Some(user) = self.user_of(id) else { return };
        self.unfollow(id, room);
        let Some(found) = self.rooms.get(room) else { return };
        let joined = wire::Joined { id: request, room: found.part(user), members: found.members_count() };
        self.peers.answer(id, joined, &self.config.limits);
        let next = after.unwrap_or(found.tail).min(found.tail).next();
        self.set_cursor(id, room, next);
    }

    fn set_cursor(&mut self, id: ConnectionId, room: RoomId, next: Seq) {
        let Some(found) = self.rooms.get_mut(room) else { return };
        let Some(ready) = self.peers.connections.get_mut(id).and_then(|connection| connection.ready_mut())
        else {
            return;
        };
        let behind = next <= found.tail;
        let following = Following { room, listener: found.listeners.len() };
        found.listeners.push(Listener {
            connection: id,
            next,
            behind,
            reading: None,
            read_back: None,
            next_change: found.changes.next(),
        });
        let place = ready.following.partition_point(|following| following.room < room);
        ready.following.insert(place, following);
        if behind {
            ready.behind.push(room);
            self.peers.queue_refill(id);
        }
    }

    pub(super) fn follow(&mut self, id: ConnectionId, follow: &wire::Follow) {
        match self.membership(id, follow.room) {
            Ok(_) => self.joined(id, follow.id, follow.room, follow.after),
            Err(refusal) => {
                // It takes itself to be out, so it is not followed for again.
                if let Some(room) = self.rooms.get_mut(follow.room) {
                    room.rights.forget_cursor(id);
                }
                self.refuse(id, follow.id, &refusal);
            }
        }
    }

    /// The user of a connection, if it is a member of a room.
    pub(super) fn membership(&self, id: ConnectionId, room: RoomId) -> Result<UserId, Refusal> {
        let user = self.user_of(id).and_then(|user| self.users.get(user));
        let Some(found) = self.rooms.get(room) else {
            let text = "There is no such room; list the rooms to see which there are.";
            return Err(Refusal::new(RefusalCode::NoSuchRoom, text));
        };
        match user {
            Some(user) if user.is_member(room) => Ok(user.id),
            Some(_) | None if found.is_named() => {
                let text = format!("You are not a member of {}; join it first.", found.name());
                Err(Refusal::new(RefusalCode::NotAMember, text).about(found.name()))
            }
            Some(_) | None => {
                Err(Refusal::new(RefusalCode::NotAMember, "You are not part of that conversation."))
            }
        }
    }

    pub(super) fn part(&mut self, id: ConnectionId, part: &wire::Part) {
        let user = match self.membership(id, part.room) {
            Ok(user) => user,
            Err(refusal) => return self.refuse(id, part.id, &refusal),
        };
        if self.rooms.get(part.room).is_some_and(|room| !room.is_named()) {
            let text = "A direct conversation cannot be left; it ends when you both have gone.";
            return self.refuse(id, part.id, &Refusal::new(RefusalCode::NotPossible, text));
        }
        let following =
            if crate::seeded_bug!("cursor-kept-after-part") { None } else { self.unfollow(id, part.room) };
        let Some(found) = self.users.get_mut(user) else { return };
        found.rooms.remove(&part.room);
        found.leaving.push(part.room);
        let change = MemberChange::of(found, wire::state::LEFT);
        self.change(part.room, change);
        if let Some(room) = self.rooms.get_mut(part.room) {
            room.members.remove(&user);
        }
        self.stop_downloads(user, part.room);
        self.tell_parted(id, user, part.room);
        self.hold(part.room, 1);
        let asked = self.begin(id, part.id);
        let operation = StorageOperation::SetMember { user, room: part.room, member: false };
        self.ask_storage(Pending::Part { asked, user, room: part.room, following }, operation);
    }

    /// Storage has deleted a membership, or has not: then the member is one as before.
    pub(super) fn membership_deleted(
        &mut self,
        asked: Asked,
        user: UserId,
        room: RoomId,
        following: Option<Seq>,
        result: Result<(), StorageFailure>,
    ) {
        self.hold(room, -1);
        if let Some(user) = self.users.get_mut(user)
            && let Some(index) = user.leaving.iter().position(|leaving| *leaving == room)
        {
            user.leaving.remove(index);
        }
        match result {
            Ok(()) => {
                self.finish(asked);
                if let Some(user) = self.users.get_mut(user).filter(|user| !user.is_member(room)) {
                    user.read.remove(&room);
                }
                self.peers.answer(asked.connection, wire::Done { id: asked.request }, &self.config.limits);
            }
            // It was put out meanwhile, which storage has not answered yet: that is what counts, unless it fails as well.
            Err(failure) if self.is_being_put_out(user, room) => {
                if let Some(room) = self.rooms.get_mut(room) {
                    room.rights.note_member(user);
                }
                self.storage_refused(asked, "leave the room", failure);
            }
            Err(failure) => {
                self.add_member(user, room);
                self.storage_refused(asked, "leave the room", failure);
                self.tell_other_devices(asked.connection, user, room);
                if let Some(next) = following {
                    self.follow_again(asked.connection, user, room, next);
                }
            }
        }
        self.drop_if_deserted(room);
    }

    pub(super) fn follow_again(&mut self, id: ConnectionId, user: UserId, room: RoomId, next: Seq) {
        let followed = self.peers.connections.get(id).and_then(|connection| connection.ready());
        if followed.is_some_and(|ready| ready.user == user && ready.following(room).is_none()) {
            self.set_cursor(id, room, next);
        }
    }
}
