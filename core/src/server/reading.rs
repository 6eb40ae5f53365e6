//! Up to where accounts have read rooms, the same on all their devices (`PROTOCOL.md` A14).

use alloc::vec::Vec;

use super::{Pending, Server, pending::Asked};
use crate::{
    error::{Refusal, RefusalCode},
    ids::{ConnectionId, RoomId, Seq, UserId},
    storage::{StorageFailure, StorageOperation},
    wire,
};

impl Server {
    pub(super) fn mark_read(&mut self, id: ConnectionId, mark: &wire::MarkRead) {
        let user = match self.membership(id, mark.room) {
            Ok(user) => user,
            Err(refusal) => return self.refuse(id, mark.id, &refusal),
        };
        let Some(user) = self.users.get(user).filter(|user| user.is_account()) else {
            let text = "Of guests nobody remembers what they have read; log in, or register, first.";
            return self.refuse(id, mark.id, &Refusal::new(RefusalCode::NotAllowed, text));
        };
        let tail = self.rooms.get(mark.room).map_or_else(Seq::default, |room| room.tail);
        let (user, seq, before) = (user.id, mark.seq.min(tail), user.read.get(&mark.room).copied());
        if before.is_some_and(|before| seq <= before) {
            return self.peers.answer(id, wire::Done { id: mark.id }, &self.config.limits);
        }
        let asked = self.begin(id, mark.id);
        self.hold(mark.room, 1);
        let operation = StorageOperation::SetRead { user, room: mark.room, seq };
        self.ask_storage(Pending::MarkRead { asked, user, room: mark.room, seq }, operation);
    }

    /// Storage has written up to where a room was read, or has not.
    pub(super) fn marked_read(
        &mut self,
        asked: Asked,
        user: UserId,
        room: RoomId,
        seq: Seq,
        result: Result<(), StorageFailure>,
    ) {
        self.hold(room, -1);
        self.finish(asked);
        match result {
            Ok(()) => {
                self.has_read(user, room, seq);
                let connections = self.users.get(user).into_iter().flat_map(|user| user.connections());
                let others: Vec<ConnectionId> =
                    connections.filter(|other| *other != asked.connection).collect();
                self.tell_read(&others, &[room]);
                self.peers.answer(asked.connection, wire::Done { id: asked.request }, &self.config.limits);
            }
            Err(failure) => self.refuse_failed(asked, "mark the room as read", failure),
        }
        self.drop_if_deserted(room);
    }

    /// Who joins a room has read what was said before.
    pub(super) fn read_on_joining(&mut self, user: UserId, room: RoomId) {
        let Some(seq) = self.rooms.get(room).map(|room| room.tail) else { return };
        let is_new =
            self.users.get(user).is_some_and(|user| user.is_account() && !user.read.contains_key(&room));
        if is_new {
            self.has_read(user, room, seq);
            self.ask_storage(Pending::Background, StorageOperation::SetRead { user, room, seq });
            let connections = self.users.get(user).into_iter().flat_map(|user| user.connections());
            let all: Vec<ConnectionId> = connections.collect();
            self.tell_read(&all, &[room]);
        }
    }

    fn has_read(&mut self, user: UserId, room: RoomId, seq: Seq) {
        if let Some(user) = self.users.get_mut(user).filter(|user| user.is_member(room)) {
            let read = user.read.entry(room).or_insert(seq);
            *read = seq.max(*read);
        }
    }

    /// Who enters is told up to where it has read.
    pub(super) fn tell_all_read(&mut self, id: ConnectionId, user: UserId) {
        let Some(user) = self.users.get(user) else { return };
        let rooms: Vec<RoomId> = user.read.keys().copied().collect();
        self.tell_read(&[id], &rooms);
    }

    fn tell_read(&mut self, connections: &[ConnectionId], rooms: &[RoomId]) {
        for id in connections {
            if let Some(ready) = self.peers.connections.get_mut(*id).and_then(|found| found.ready_mut()) {
                ready.untold_reads.extend(rooms);
                self.tell_untold_reads(*id);
            }
        }
    }

    /// Tells a connection what it was not told yet, as far as it takes it now; of each room only the latest.
    pub(super) fn tell_untold_reads(&mut self, id: ConnectionId) {
        loop {
            let own = self.config.limits.outbound_own_bytes;
            let Some(connection) = self.peers.connections.get_mut(id) else { return };
            if connection.outbound.len() > own {
                return;
            }
            let Some(ready) = connection.ready_mut() else { return };
            let Some(room) = ready.untold_reads.pop_first() else { return };
            let seq = self.users.get(ready.user).and_then(|user| user.read.get(&room)).copied();
            if let Some(seq) = seq {
                self.peers.tell(id, wire::ReadUpTo { room, seq }, &self.config.limits);
            }
        }
    }
}
