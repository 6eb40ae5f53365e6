//! How rooms come to be and cease (`PROTOCOL.md` R3, R6).

use alloc::sync::Arc;

use super::{Opening, Pending, Server};
use crate::{
    hub::RoomKind,
    ids::{RoomId, Seq, UserId},
    name::{LOBBY, NameKey, OPERATORS, RoomName},
    output::Event,
    storage::{RoomKey, RoomRecord, StorageFailure, StorageOperation, StorageOutcome},
};

impl Server {
    /// Reserves a room's name while it is being opened: the operation to ask of storage. Whoever opens the same
    /// room at the same time does so under the spelling of the first, since storage compares letter for letter.
    pub(super) fn begin_opening(
        &mut self,
        name: &RoomName,
        key: &NameKey,
        owner: Option<(UserId, Arc<str>)>,
    ) -> StorageOperation {
        if self.room_names.find(key).is_none() {
            self.room_names.take(key, None);
        }
        let opening = self.opening.entry(key.folded().clone());
        let opening = opening.or_insert_with(|| Opening { name: name.clone(), requests: 0 });
        opening.requests += 1;
        StorageOperation::OpenRoom { key: RoomKey::Named(opening.name.shared()), owner }
    }

    /// Storage has opened a named room, or has not; the room, if there is one now.
    pub(super) fn opened_named(
        &mut self,
        key: &NameKey,
        result: Result<StorageOutcome, StorageFailure>,
    ) -> Result<RoomId, StorageFailure> {
        let mut last = true;
        if let Some(opening) = self.opening.get_mut(key.folded()) {
            opening.requests -= 1;
            last = opening.requests == 0;
        }
        if last {
            self.opening.remove(key.folded());
        }
        let opened = match result {
            Ok(StorageOutcome::RoomOpened(record)) => Ok(self.add_if_new(record)),
            Ok(_) => Err(StorageFailure::Failed),
            Err(failure) => Err(failure),
        };
        if last {
            self.room_names.free(key, None);
        }
        opened
    }

    pub(super) fn add_if_new(&mut self, record: RoomRecord) -> RoomId {
        let id = record.id;
        if self.rooms.get(id).is_none() {
            self.add_room(record);
            self.report(Event::RoomCreated { room: id });
        }
        id
    }

    /// Counts a storage request that names a room.
    pub(super) fn hold(&mut self, room: RoomId, by: i32) {
        if let Some(room) = self.rooms.get_mut(room) {
            room.holds = room.holds.saturating_add_signed(by);
        }
    }

    /// Has a room cease if nothing is left of it (R3, R6).
    pub(super) fn drop_if_deserted(&mut self, id: RoomId) {
        let Some(room) = self.rooms.get(id) else { return };
        let deserted = match &room.kind {
            RoomKind::Named(name, key) => {
                let opening = self.opening.contains_key(key.folded());
                room.tail == Seq::default() && ![LOBBY, OPERATORS].contains(&name.as_str()) && !opening
            }
            RoomKind::Direct(_) => true,
        };
        if deserted && room.members.is_empty() && room.holds == 0 {
            self.remove_room(id);
        }
    }

    pub(super) fn remove_room(&mut self, id: RoomId) {
        let Some(room) = self.rooms.remove(id) else { return };
        for listener in &room.listeners {
            let connection = self.peers.connections.get_mut(listener.connection);
            if let Some(ready) = connection.and_then(|connection| connection.ready_mut()) {
                ready.following.retain(|following| following.room != id);
                ready.behind.retain(|behind| *behind != id);
            }
        }
        match &room.kind {
            RoomKind::Named(_, key) => self.room_names.free(key, Some(id)),
            RoomKind::Direct(pair) => {
                for (user, _) in pair {
                    if let Some(user) = self.users.get_mut(*user) {
                        user.directs.remove(&id);
                    }
                }
            }
        }
        self.ask_storage(Pending::Background, StorageOperation::DropRoom { room: id });
    }
}
