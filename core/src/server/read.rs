//! Questions that change nothing: members, rooms, history, the manual (`PROTOCOL.md` R8, R9, H).

use alloc::vec::Vec;

use super::{Pending, Server, pending::Asked, post::wire_event};
use crate::{
    ids::{ConnectionId, RoomId, Seq},
    storage::{PageRange, StorageFailure, StorageOperation, StoredEvent},
    wire,
};

impl Server {
    pub(super) fn members(&mut self, id: ConnectionId, members: &wire::Members) {
        use core::ops::Bound::{Excluded, Unbounded};
        if let Err(refusal) = self.membership(id, members.room) {
            return self.refuse(id, members.id, &refusal);
        }
        let Some(room) = self.rooms.get(members.room) else { return };
        let most = self.config.limits.members_page_max;
        let from = members.after.map_or(Unbounded, Excluded);
        let mut rest = room.members.range((from, Unbounded));
        let page: Vec<_> = rest
            .by_ref()
            .take(most)
            .filter_map(|user| self.users.get(*user))
            .map(|user| wire::Member {
                user: user.id,
                nick: user.nick.as_str(),
                state: user.state(),
                role: room.shown_role(user),
            })
            .collect();
        let next = if rest.next().is_some() { page.last().map(|member| member.user) } else { None };
        let page = wire::MembersPage { id: members.id, room: members.room, members: page, next };
        self.peers.answer(id, page, &self.config.limits);
    }

    pub(super) fn list_rooms(&mut self, id: ConnectionId, rooms: &wire::Rooms) {
        let most = self.config.limits.rooms_page_max;
        let Some(user) = self.user_of(id).and_then(|user| self.users.get(user)) else { return };
        let rest = self.rooms.named_after(rooms.after.unwrap_or_default());
        let mut rest = rest.filter(|room| self.may_know_of(user, room));
        let page: Vec<_> = rest
            .by_ref()
            .take(most)
            .map(|room| wire::Listed {
                room: room.id,
                name: room.name(),
                topic: &room.topic,
                members: room.members_count(),
                last: room.tail,
            })
            .collect();
        let next = if rest.next().is_some() { page.last().map(|room| room.room) } else { None };
        self.peers.answer(id, wire::RoomsPage { id: rooms.id, rooms: page, next }, &self.config.limits);
    }

    pub(super) fn history(&mut self, id: ConnectionId, history: &wire::History) {
        if let Err(refusal) = self.membership(id, history.room) {
            return self.refuse(id, history.id, &refusal);
        }
        let limits = &self.config.limits;
        let most = limits.page_events_max;
        let before = match history.before {
            Some(before) if crate::seeded_bug!("page-overlaps") => Some(before.next()),
            before => before,
        };
        let operation = StorageOperation::ReadPage {
            room: history.room,
            range: PageRange::Before(before),
            events_max: if history.limit == 0 { most } else { most.min(u32::from(history.limit)) },
            bytes_max: limits.page_bytes_max,
        };
        let asked = self.begin(id, history.id);
        if let Some(ready) = self.peers.connections.get_mut(id).and_then(|connection| connection.ready_mut())
        {
            ready.requests.history = true;
        }
        self.ask_storage(Pending::History { asked, room: history.room }, operation);
    }

    /// Storage has read a page of history, or has not. Rights are looked at again: time has passed.
    pub(super) fn history_read(
        &mut self,
        asked: Asked,
        room: RoomId,
        result: Result<(Seq, Vec<StoredEvent>), StorageFailure>,
    ) {
        let id = asked.connection;
        if let Some(ready) = self.peers.connections.get_mut(id).and_then(|connection| connection.ready_mut())
        {
            ready.requests.history = false;
        }
        self.finish(asked);
        if let Err(refusal) = self.membership(id, room) {
            return self.refuse(id, asked.request, &refusal);
        }
        let (first, events) = match result {
            Ok(page) => page,
            Err(failure) => return self.refuse_failed(asked, "read the log", failure),
        };
        let events = events.iter().map(wire_event).collect();
        let page = wire::HistoryPage { id: asked.request, room, first, events };
        self.peers.answer(id, page, &self.config.limits);
    }

    pub(super) fn manual(&mut self, id: ConnectionId, manual: &wire::Manual) {
        let text = wire::ManualText { id: manual.id, text: &self.config.manual };
        self.peers.answer(id, text, &self.config.limits);
    }
}
