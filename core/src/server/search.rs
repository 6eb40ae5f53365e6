//! Searching what was said (`PROTOCOL.md` section S).

use alloc::{vec, vec::Vec};

use super::{Pending, Server, pending::Asked, post::wire_event};
use crate::{
    error::Refusal,
    ids::{ConnectionId, Position, RoomId},
    search::Query,
    storage::{Hit, StorageFailure, StorageOperation},
    wire,
};

impl Server {
    pub(super) fn search(&mut self, id: ConnectionId, search: &wire::Search<'_>) {
        let (query, rooms) = match self.what_to_search(id, search) {
            Ok(found) => found,
            Err(refusal) => return self.refuse(id, search.id, &refusal),
        };
        if rooms.is_empty() {
            let page = wire::SearchPage { id: search.id, hits: Vec::new(), next: None };
            return self.peers.answer(id, page, &self.config.limits);
        }
        let limits = &self.config.limits;
        let most = limits.search_hits_max;
        let operation = StorageOperation::Search {
            rooms,
            query,
            before: search.before,
            hits_max: if search.limit == 0 { most } else { most.min(u32::from(search.limit)) },
            bytes_max: limits.page_bytes_max,
        };
        let asked = self.begin(id, search.id);
        self.note_searching(id, true);
        self.ask_storage(Pending::Search { asked, room: search.room }, operation);
    }

    /// What the asker may search for it: one room it is a member of, or all of them.
    fn what_to_search(
        &self,
        id: ConnectionId,
        search: &wire::Search<'_>,
    ) -> Result<(Query, Vec<RoomId>), Refusal> {
        let query = Query::parse(search.text)?;
        if let Some(room) = search.room {
            if !crate::seeded_bug!("searched-without-membership") {
                self.membership(id, room)?;
            }
            return Ok((query, vec![room]));
        }
        let user = self.user_of(id).and_then(|user| self.users.get(user));
        let mut rooms: Vec<_> = user.map(|user| user.all_rooms().collect()).unwrap_or_default();
        rooms.sort_unstable();
        Ok((query, rooms))
    }

    /// Storage has searched, or has not. Rights are looked at again: what the asker may not read by now is left out.
    pub(super) fn searched(
        &mut self,
        asked: Asked,
        room: Option<RoomId>,
        result: Result<(Vec<Hit>, Option<Position>), StorageFailure>,
    ) {
        let id = asked.connection;
        self.note_searching(id, false);
        self.finish(asked);
        if let Some(room) = room
            && let Err(refusal) = self.membership(id, room)
            && !crate::seeded_bug!("searched-without-membership")
        {
            return self.refuse(id, asked.request, &refusal);
        }
        let (hits, next) = match result {
            Ok(found) => found,
            Err(failure) => return self.refuse_failed(asked, "search", failure),
        };
        let user = self.user_of(id).and_then(|user| self.users.get(user));
        let may_read = |hit: &&Hit| {
            user.is_some_and(|user| user.is_member(hit.room))
                || crate::seeded_bug!("searched-without-membership")
        };
        let hits = hits.iter().filter(may_read);
        let hits = hits.map(|hit| wire::Hit { room: hit.room, event: wire_event(&hit.event) }).collect();
        let page = wire::SearchPage { id: asked.request, hits, next };
        self.peers.answer(id, page, &self.config.limits);
    }

    fn note_searching(&mut self, id: ConnectionId, search: bool) {
        if let Some(ready) = self.peers.connections.get_mut(id).and_then(|connection| connection.ready_mut())
        {
            ready.requests.search = search;
        }
    }
}
