//! What became of the texts of a room: edits and deletions, laid over what was first said.

use std::{collections::BTreeMap, sync::Arc};

use palabre_core::{
    ids::Seq,
    storage::{EventKind, StoredEvent},
};

/// Every revision of every message of a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revisions {
    /// Of each message, the events that changed it and what it read from then on; nothing is a deletion.
    of: BTreeMap<Seq, BTreeMap<Seq, Option<Arc<str>>>>,
}

impl Revisions {
    pub(super) fn edit(&mut self, message: Seq, revision: Seq, text: &Arc<str>) {
        self.of.entry(message).or_default().insert(revision, Some(Arc::clone(text)));
    }

    pub(super) fn delete(&mut self, message: Seq, revision: Seq) {
        self.of.entry(message).or_default().insert(revision, None);
    }

    /// Whether a message was deleted.
    #[must_use]
    pub fn is_deleted(&self, message: Seq) -> bool {
        self.deletion(message).is_some()
    }

    /// The event that deleted a message.
    #[must_use]
    pub fn deletion(&self, message: Seq) -> Option<Seq> {
        let (revision, text) = self.of.get(&message)?.last_key_value()?;
        text.is_none().then_some(*revision)
    }

    /// An event as it reads now.
    #[must_use]
    pub fn current(&self, event: &StoredEvent) -> StoredEvent {
        self.as_of(event, Seq::new(u64::MAX))
    }

    /// An event as it read when `last` was the last number.
    #[must_use]
    pub fn as_of(&self, event: &StoredEvent, last: Seq) -> StoredEvent {
        let mut event = event.clone();
        let revisions = self.of.get(&event.seq);
        if let Some((revision, text)) = revisions.and_then(|of| of.range(..=last).next_back()) {
            event.text = text.clone().unwrap_or_default();
            event.revised = Some(*revision);
        } else if event.kind == EventKind::Edited
            && let Some(message) = event.about.as_ref().map(|about| Seq::new(about.id))
            && let Some(deletion) = self.deletion(message).filter(|deletion| *deletion <= last)
        {
            event.text = "".into();
            event.revised = Some(deletion);
        }
        event
    }
}
