//! Whether a page of what was searched for is what it should be: what matches, in order, and all of it.

use palabre_core::{
    ids::{Position, RoomId, Seq},
    search::{Query, searched},
    storage::{EventKind, StoredEvent},
    wire::{Search, SearchPage},
};

use super::Ledger;
use crate::{sometimes, store::Tables};

/// What was searched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    text: String,
    room: Option<RoomId>,
    before: Option<Position>,
    limit: u16,
    /// Up to where the room had been acknowledged to somebody.
    acknowledged: Seq,
}

impl Asked {
    pub(super) fn new(search: &Search<'_>, ledger: &Ledger) -> Self {
        let Search { id: _, text, room, before, limit } = *search;
        let acknowledged = room.map(|room| ledger.acknowledged_in(room)).unwrap_or_default();
        Self { text: text.into(), room, before, limit, acknowledged }
    }

    /// Says what is wrong with a page, if anything is.
    pub(super) fn judge(&self, page: &SearchPage<'_>, durable: &Tables) -> Result<(), String> {
        let query =
            Query::parse(&self.text).map_err(|refusal| format!("{self:?} was granted: {refusal:?}"))?;
        sometimes!("something that was searched for was found", !page.hits.is_empty());
        sometimes!("a search had another page", page.next.is_some());
        let within = self.limit == 0 || page.hits.len() <= usize::from(self.limit);
        require(within, || format!("{} hits answer {self:?}", page.hits.len()))?;
        let mut before = self.before;
        for hit in &page.hits {
            let (room, seq) = (hit.room, hit.event.seq);
            let text = EventKind::from_number(hit.event.kind).and_then(|kind| searched(kind, hit.event.text));
            let matches = text.is_some_and(|text| query.matches(text));
            require(matches, || format!("number {seq} of room {room} answers {self:?}"))?;
            require(self.room.is_none_or(|asked| asked == room), || {
                format!("a hit of room {room} answers {self:?}")
            })?;
            let known = durable.room_ever(room).filter(|_| self.room.is_some());
            let stored = known.and_then(|found| Some((found, found.event(seq)?)));
            let revised =
                stored.and_then(|(found, event)| found.revisions.as_of(event, self.acknowledged).revised);
            require(hit.event.revised >= revised, || {
                format!(
                    "number {seq} of room {room} answers {self:?} as before it was revised by {revised:?}"
                )
            })?;
            let position = durable.position_of(room, seq);
            let is_next = position.is_some_and(|position| before.is_none_or(|before| position < before));
            require(is_next, || format!("number {seq} of room {room} comes after {before:?} for {self:?}"))?;
            before = position;
        }
        let goes_on = page.next.is_none_or(|next| self.before.is_none_or(|before| next < before));
        require(goes_on, || format!("{:?} goes on from {self:?}", page.next))?;
        self.judge_missing(&query, page, durable)
    }

    /// What was acknowledged in a room before it was searched is found, unless it is on a later page.
    fn judge_missing(&self, query: &Query, page: &SearchPage<'_>, durable: &Tables) -> Result<(), String> {
        let Some((room, kept)) = self.room.and_then(|id| Some((id, durable.room(id)?))) else {
            return Ok(());
        };
        let is_hit =
            |event: &StoredEvent| searched(event.kind, &event.text).is_some_and(|text| query.matches(text));
        // One that was changed since may be found or not: nobody knows which text was looked at.
        let is_settled = |event: &StoredEvent| {
            kept.revisions.as_of(event, self.acknowledged) == kept.revisions.current(event)
        };
        let due = kept
            .log
            .iter()
            .map(|(event, _)| event)
            .filter(|event| event.seq >= kept.first && event.seq <= self.acknowledged && is_settled(event))
            .map(|event| kept.revisions.current(event))
            .filter(is_hit);
        for event in due {
            let position = durable.position_of(room, event.seq);
            let is_asked =
                self.before.is_none_or(|before| position.is_some_and(|position| position < before));
            let is_later = page.next.is_some_and(|next| position.is_some_and(|position| position < next));
            let is_there = page.hits.iter().any(|hit| hit.event.seq == event.seq);
            require(!is_asked || is_later || is_there, || {
                format!("number {} of room {room} is missing for {self:?}", event.seq)
            })?;
        }
        Ok(())
    }
}

fn require(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}
