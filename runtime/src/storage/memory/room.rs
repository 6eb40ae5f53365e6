//! The log of one room, and reading pages of it.

use std::{
    collections::{BTreeMap, VecDeque, vec_deque},
    sync::Arc,
};

use palabre_core::{
    ids::{Nonce, RoomId, Seq, UserId},
    rights::{RoomMode, Standing},
    storage::{EventKind, PageRange, RoomKey, RoomRecord, StoredEvent},
};

/// What an event costs beside its text and name: its place in the log (which may be half empty), its entries in
/// the maps of nonces and positions, and the headers of the shared strings.
const EVENT_OVERHEAD_BYTES: u64 = 320;

#[derive(Debug)]
pub(super) struct Room {
    pub(super) key: RoomKey,
    pub(super) topic: Arc<str>,
    pub(super) mode: RoomMode,
    pub(super) standings: BTreeMap<UserId, Standing>,
    /// What the events cost, in bytes.
    pub(super) bytes: u64,
    last: Seq,
    events: VecDeque<LoggedEvent>,
}

/// An event with the nonce and the position that must be forgotten together with it.
#[derive(Debug)]
pub(super) struct LoggedEvent {
    pub(super) event: StoredEvent,
    pub(super) nonce: Nonce,
    pub(super) position: u64,
}

impl LoggedEvent {
    /// What it costs to keep.
    pub(super) fn bytes(&self) -> u64 {
        EVENT_OVERHEAD_BYTES + readable_bytes(&self.event)
    }
}

impl Room {
    pub(super) const fn new(key: RoomKey, topic: Arc<str>) -> Self {
        Self {
            key,
            topic,
            mode: RoomMode::from_bits(0, 0),
            standings: BTreeMap::new(),
            bytes: 0,
            last: Seq::new(0),
            events: VecDeque::new(),
        }
    }

    pub(super) const fn next_seq(&self) -> Seq {
        self.last.next()
    }

    pub(super) fn first(&self) -> Seq {
        Seq::new(self.last.get() - self.events.len() as u64 + 1)
    }

    pub(super) fn record(&self, id: RoomId) -> RoomRecord {
        RoomRecord {
            id,
            key: self.key.clone(),
            topic: Arc::clone(&self.topic),
            first: self.first(),
            last: self.last,
            mode: self.mode,
            standings: self.standings.values().cloned().collect(),
        }
    }

    /// Adds an event that carries [`Room::next_seq`].
    pub(super) fn push(&mut self, logged: LoggedEvent) {
        self.last = logged.event.seq;
        self.bytes += logged.bytes();
        self.events.push_back(logged);
    }

    /// A message has this text from now on.
    pub(super) fn revise(&mut self, message: Seq, text: &Arc<str>, revision: Seq) {
        if let Some(event) = self.event_mut(message) {
            let (before, after) = (event.text.len() as u64, text.len() as u64);
            (event.text, event.revised) = (Arc::clone(text), Some(revision));
            self.bytes = self.bytes + after - before;
        }
    }

    /// A message and its edits have no text any more.
    pub(super) fn delete(&mut self, message: Seq, nothing: &Arc<str>, revision: Seq) {
        let is_edit = |event: &StoredEvent| event.kind == EventKind::Edited && event.to() == Some(message);
        let edits = self.events.iter().map(|logged| &logged.event).filter(|event| is_edit(event));
        let emptied: Vec<Seq> = edits.map(|event| event.seq).chain([message]).collect();
        for seq in emptied {
            self.revise(seq, nothing, revision);
        }
    }

    /// Takes the oldest event away.
    pub(super) fn trim(&mut self) -> Option<LoggedEvent> {
        let logged = self.events.pop_front()?;
        self.bytes -= logged.bytes();
        Some(logged)
    }

    pub(super) fn event(&self, seq: Seq) -> Option<&StoredEvent> {
        let index = seq.get().checked_sub(self.first().get())?;
        self.events.get(usize::try_from(index).ok()?).map(|logged| &logged.event)
    }

    fn event_mut(&mut self, seq: Seq) -> Option<&mut StoredEvent> {
        let index = seq.get().checked_sub(self.first().get())?;
        self.events.get_mut(usize::try_from(index).ok()?).map(|logged| &mut logged.event)
    }

    pub(super) fn events(&self) -> vec_deque::Iter<'_, LoggedEvent> {
        self.events.iter()
    }

    pub(super) fn page(&self, range: PageRange, events_max: u32, bytes_max: u32) -> Vec<StoredEvent> {
        match range {
            PageRange::After(seq) => {
                let events = self.events.range(self.index_of(seq.next())..);
                fill_page(events, events_max, bytes_max)
            }
            PageRange::Before(end) => {
                let end = end.map_or(self.events.len(), |seq| self.index_of(seq));
                let mut page = fill_page(self.events.range(..end).rev(), events_max, bytes_max);
                page.reverse();
                page
            }
        }
    }

    /// Where in `events` the first event is whose number is `seq` or higher.
    fn index_of(&self, seq: Seq) -> usize {
        let index = seq.get().saturating_sub(self.first().get());
        usize::try_from(index).map_or(self.events.len(), |index| index.min(self.events.len()))
    }
}

fn fill_page<'log>(
    events: impl Iterator<Item = &'log LoggedEvent>,
    events_max: u32,
    bytes_max: u32,
) -> Vec<StoredEvent> {
    let mut page = Vec::new();
    let mut bytes = 0;
    for LoggedEvent { event, .. } in events.take(events_max as usize) {
        bytes += readable_bytes(event);
        if bytes > u64::from(bytes_max) && !page.is_empty() {
            break;
        }
        page.push(event.clone());
    }
    page
}

fn readable_bytes(event: &StoredEvent) -> u64 {
    event.readable_bytes() as u64
}
