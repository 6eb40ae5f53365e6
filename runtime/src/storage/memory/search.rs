//! Searching without an index: by looking at events, a bounded number for each request.

use palabre_core::{
    ids::{Position, RoomId},
    search::{Query, searched},
    storage::{Hit, StorageOutcome, StoredEvent},
};

use super::MemoryStorage;

/// So many events of the rooms that are asked about are looked at for one request, on the poll loop: some milliseconds.
const EVENTS_MAX: usize = 4_096;

/// So many events in all.
const POSITIONS_MAX: usize = 65_536;

impl MemoryStorage {
    pub(super) fn search(
        &self,
        rooms: &[RoomId],
        query: &Query,
        before: Option<Position>,
        hits_max: u32,
        bytes_max: u32,
    ) -> StorageOutcome {
        let (mut hits, mut last, mut bytes) = (Vec::new(), None, 0);
        let mut events = 0;
        let before = before.map_or(u64::MAX, Position::get);
        for (passed, (position, (room, seq))) in self.positions.range(..before).rev().enumerate() {
            if passed == POSITIONS_MAX || events == EVENTS_MAX {
                // Everything from here on upwards was passed.
                return StorageOutcome::Hits { hits, next: Some(Position::new(position + 1)) };
            }
            if rooms.binary_search(room).is_err() {
                continue;
            }
            events += 1;
            let event = self.rooms.get(room).and_then(|room| room.event(*seq));
            let Some(event) = event.filter(|event| is_hit(query, event)) else { continue };
            bytes += event.readable_bytes() as u64;
            if bytes > u64::from(bytes_max) && !hits.is_empty() {
                return StorageOutcome::Hits { hits, next: last };
            }
            hits.push(Hit { room: *room, event: event.clone() });
            last = Some(Position::new(*position));
            if hits.len() >= hits_max as usize {
                return StorageOutcome::Hits { hits, next: last };
            }
        }
        StorageOutcome::Hits { hits, next: None }
    }
}

fn is_hit(query: &Query, event: &StoredEvent) -> bool {
    searched(event.kind, &event.text).is_some_and(|text| query.matches(text))
}
