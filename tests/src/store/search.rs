//! What searching means, as plainly as it can be written down: all that stands before, looked at one by one.

use palabre_core::{
    ids::{Position, RoomId},
    search::{Query, searched},
    storage::{Hit, StorageOutcome},
};

use super::Tables;

impl Tables {
    pub(super) fn search(
        &self,
        rooms: &[RoomId],
        query: &Query,
        before: Option<Position>,
        hits_max: u32,
        bytes_max: u32,
    ) -> StorageOutcome {
        let (mut hits, mut bytes) = (Vec::new(), 0);
        let mut next = None;
        let asked =
            |position: Position, room| before.is_none_or(|before| position < before) && rooms.contains(&room);
        for (position, room, seq) in self.positions().filter(|(position, room, _)| asked(*position, *room)) {
            let Some(kept) = self.room(room).filter(|kept| seq >= kept.first) else { continue };
            let Some(event) = kept.current(seq) else { continue };
            if !searched(event.kind, &event.text).is_some_and(|text| query.matches(text)) {
                continue;
            }
            bytes += event.readable_bytes();
            if bytes > bytes_max as usize && !hits.is_empty() {
                return StorageOutcome::Hits { hits, next };
            }
            hits.push(Hit { room, event });
            next = Some(position);
            if hits.len() == hits_max as usize {
                return StorageOutcome::Hits { hits, next };
            }
        }
        StorageOutcome::Hits { hits, next: None }
    }
}
