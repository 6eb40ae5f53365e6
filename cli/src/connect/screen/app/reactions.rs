//! What people think of messages: folded from the events that said so, in whatever order they came.

use std::{collections::BTreeMap, sync::Arc};

use palabre_core::ids::{Seq, UserId};

/// Messages whose reactions are remembered; those of the oldest are forgotten first.
const MESSAGES_MAX: usize = 12_000;

/// Reactions of one message that are remembered, by whom and with what.
const REACTIONS_MAX: usize = 500;

/// The reactions of a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reactions {
    messages: BTreeMap<Seq, BTreeMap<(Arc<str>, UserId), Last>>,
}

/// The last event about a reaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Last {
    seq: Seq,
    stands: bool,
}

/// How often there is a reaction to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) reaction: Arc<str>,
    pub(crate) people: usize,
    /// Whether it is one's own as well.
    pub(crate) is_own: bool,
}

impl Reactions {
    /// Takes in an event: somebody reacted to a message, or took that back (`PROTOCOL.md` N6).
    pub(crate) fn note(&mut self, message: Seq, reaction: &Arc<str>, user: UserId, seq: Seq, stands: bool) {
        let known = self.messages.entry(message).or_default();
        let key = (Arc::clone(reaction), user);
        if known.len() >= REACTIONS_MAX && !known.contains_key(&key) {
            return;
        }
        let last = known.entry(key).or_insert(Last { seq, stands });
        if last.seq < seq {
            *last = Last { seq, stands };
        }
        if self.messages.len() > MESSAGES_MAX {
            self.messages.pop_first();
        }
    }

    /// The reactions to a message, those that came first before others.
    pub(crate) fn of(&self, message: Seq, ourselves: Option<UserId>) -> Vec<Count> {
        let mut counts: Vec<(Seq, Count)> = Vec::new();
        let standing = self.messages.get(&message).into_iter().flatten().filter(|(_, last)| last.stands);
        for ((reaction, user), last) in standing {
            let is_own = Some(*user) == ourselves;
            match counts.last_mut().filter(|(_, count)| count.reaction == *reaction) {
                Some((first, count)) => {
                    count.people += 1;
                    count.is_own |= is_own;
                    *first = (*first).min(last.seq);
                }
                None => counts.push((last.seq, Count { reaction: Arc::clone(reaction), people: 1, is_own })),
            }
        }
        counts.sort_by_key(|(first, _)| *first);
        counts.into_iter().map(|(_, count)| count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reactions_are_counted_by_their_last_events_in_whatever_order_they_come() {
        let (tea, heart): (Arc<str>, Arc<str>) = (":tea:".into(), "♥".into());
        let events = [(&heart, 1, 2, true), (&tea, 1, 3, true), (&tea, 2, 4, true), (&heart, 1, 5, false)];
        let mut reactions = Reactions::default();
        let mut backwards = Reactions::default();
        for (reaction, user, seq, stands) in events {
            reactions.note(Seq::new(1), reaction, UserId::new(user), Seq::new(seq), stands);
        }
        for (reaction, user, seq, stands) in events.into_iter().rev() {
            backwards.note(Seq::new(1), reaction, UserId::new(user), Seq::new(seq), stands);
        }
        assert_eq!(reactions, backwards);
        let counts = reactions.of(Seq::new(1), Some(UserId::new(2)));
        assert_eq!(counts, [Count { reaction: tea, people: 2, is_own: true }]);
        assert!(reactions.of(Seq::new(2), None).is_empty());
    }
}
