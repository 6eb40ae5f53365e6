//! The last messages of a room, as they read now: to answer them, to write them anew and to delete them.

use std::collections::BTreeMap;

use palabre_core::{
    commands::MessageChoice,
    ids::{Seq, UserId},
    storage::StoredEvent,
};

use crate::output::{Printable, beginning};

/// How many are remembered. Older ones are meant by their number.
const MESSAGES_MAX: usize = 500;

/// How much of a message is quoted where it is answered.
const QUOTED_CHARS: usize = 40;

/// The messages of one room.
#[derive(Debug, Default)]
pub(in crate::connect) struct Messages {
    messages: BTreeMap<Seq, StoredEvent>,
}

impl Messages {
    /// Takes in an event that is shown.
    pub(super) fn note(&mut self, event: &StoredEvent) {
        if event.kind.is_message() {
            let newer = self.messages.get(&event.seq).is_none_or(|known| known.revised <= event.revised);
            if newer {
                self.messages.insert(event.seq, event.clone());
            }
            if self.messages.len() > MESSAGES_MAX {
                self.messages.pop_first();
            }
        } else if let Some(message) = event.to().and_then(|to| self.messages.get_mut(&to)) {
            message.revise(event);
        }
    }

    /// The message that is meant; without a choice the last that fits.
    pub(super) fn choose(
        &self,
        choice: Option<MessageChoice>,
        fits: impl Fn(&StoredEvent) -> bool,
    ) -> Option<Seq> {
        let back = match choice {
            Some(MessageChoice::Number(number)) => return Some(number),
            Some(MessageChoice::FromEnd(back)) => usize::from(back.get()),
            None => 1,
        };
        let fitting = self.messages.values().rev().filter(|message| !message.is_deleted() && fits(message));
        fitting.map(|message| message.seq).nth(back - 1)
    }

    /// Who said a message, and how it begins.
    pub(in crate::connect) fn quote(&self, message: Seq) -> Option<String> {
        let message = self.messages.get(&message)?;
        let nick = Printable::new(&message.nick);
        if message.is_deleted() {
            return Some(format!("{nick}: (deleted)"));
        }
        Some(format!("{nick}: {}", Printable::new(&beginning(&message.text, QUOTED_CHARS))))
    }

    /// Whether a message was said by this user.
    pub(super) fn is_by(user: Option<UserId>) -> impl Fn(&StoredEvent) -> bool {
        move |message| Some(message.author) == user
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use palabre_core::{
        storage::{About, EventKind},
        time::WallTime,
    };

    use super::*;

    fn event(seq: u64, author: u64, kind: EventKind, text: &str, to: Option<u64>) -> StoredEvent {
        StoredEvent {
            seq: Seq::new(seq),
            author: UserId::new(author),
            nick: "ana".into(),
            at: WallTime::from_millis(0),
            kind,
            text: text.into(),
            about: to.map(|id| About { id, name: "".into(), until: None }),
            revised: None,
        }
    }

    fn three() -> Messages {
        let mut messages = Messages::default();
        messages.note(&event(1, 1, EventKind::Posted, "one", None));
        messages.note(&event(2, 2, EventKind::Posted, "two", None));
        messages.note(&event(3, 1, EventKind::Action, "three", None));
        messages
    }

    #[test]
    fn a_message_is_meant_from_the_end_or_by_its_number() {
        let messages = three();
        let own = Messages::is_by(Some(UserId::new(1)));
        let back = |number| Some(MessageChoice::FromEnd(NonZeroU16::new(number).unwrap()));
        assert_eq!(messages.choose(None, &own), Some(Seq::new(3)));
        assert_eq!(messages.choose(back(2), &own), Some(Seq::new(1)));
        assert_eq!(messages.choose(back(2), |_| true), Some(Seq::new(2)));
        assert_eq!(messages.choose(back(4), |_| true), None);
        assert_eq!(messages.choose(Some(MessageChoice::Number(Seq::new(77))), own), Some(Seq::new(77)));
    }

    #[test]
    fn what_is_deleted_is_neither_meant_nor_quoted_and_what_is_edited_reads_anew() {
        let mut messages = three();
        messages.note(&event(4, 1, EventKind::Deleted, "", Some(3)));
        messages.note(&event(5, 2, EventKind::Edited, "two, rather", Some(2)));
        assert_eq!(messages.choose(None, |_| true), Some(Seq::new(2)));
        assert_eq!(messages.quote(Seq::new(3)).unwrap(), "ana: (deleted)");
        assert_eq!(messages.quote(Seq::new(2)).unwrap(), "ana: two, rather");
        // A page that was read before the edit changes nothing.
        messages.note(&event(2, 2, EventKind::Posted, "two", None));
        assert_eq!(messages.quote(Seq::new(2)).unwrap(), "ana: two, rather");
    }
}
