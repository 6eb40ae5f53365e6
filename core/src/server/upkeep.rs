//! How rooms come to be and cease (`PROTOCOL.md` R3, R6).

use super::{Pending, Server};
use crate::{
    hub::RoomKind,
    ids::{RoomId, Seq},
    name::{LOBBY, NameKey},
    output::Event,
    storage::{RoomRecord, StorageFailure, StorageOperation, StorageOutcome},
};

impl Server {
    /// Reserves a room's name while it is being opened.
    pub(super) fn begin_opening(&mut self, key: &NameKey) {
        if self.room_names.find(key).is_none() {
            self.room_names.take(key, None);
        }
        *self.opening.entry(key.folded().clone()).or_insert(0) += 1;
    }

    /// Storage has opened a named room, or has not; the room, if there is one now.
    pub(super) fn opened_named(
        &mut self,
        key: &NameKey,
        result: Result<StorageOutcome, StorageFailure>,
    ) -> Result<RoomId, StorageFailure> {
        let left = self.opening.get(key.folded()).copied().unwrap_or(1) - 1;
        if left == 0 {
            self.opening.remove(key.folded());
        } else {
            self.opening.insert(key.folded().clone(), left);
        }
        let opened = match result {
            Ok(StorageOutcome::RoomOpened(record)) => Ok(self.add_if_new(record)),
            Ok(_) => Err(StorageFailure::Failed),
            Err(failure) => Err(failure),
        };
        if left == 0 {
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
            RoomKind::Named(name, _) => room.tail == Seq::default() && name.as_str() != LOBBY,
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
