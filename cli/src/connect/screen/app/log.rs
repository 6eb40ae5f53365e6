//! What was said in a room, as far as it is kept here.

use std::{collections::VecDeque, sync::Arc};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use palabre_core::{
    ids::{Seq, UserId},
    storage::{EventKind, StoredEvent},
    time::WallTime,
};

use crate::{output::act_sentence, roster::Came};

/// Entries of a room that are kept here; older ones are on the server and come when they are scrolled to.
pub(crate) const ENTRIES_MAX: usize = 12_000;

/// Comings and goings that one line tells of.
const TRAFFIC_MAX: usize = 200;

/// The entries of a room, each with a number that stays while older ones come and go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    entries: VecDeque<Entry>,
    /// The number of the first.
    base: i64,
}

/// Something in a room that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) stamp: Stamp,
    pub(crate) what: What,
}

/// What it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// An event of the room.
    Said(Said),
    /// Who came and went in between.
    Traffic(Vec<(String, Came)>),
    /// What the client has to say.
    Told { text: String, tone: Tone },
}

/// An event of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) seq: Seq,
    pub(crate) author: UserId,
    pub(crate) nick: Arc<str>,
    pub(crate) kind: EventKind,
    pub(crate) text: Arc<str>,
    /// The message that it answers.
    pub(crate) to: Option<Seq>,
    /// The last event that changed its text.
    pub(crate) revised: Option<Seq>,
    /// Whether it was said by ourselves.
    pub(crate) is_own: bool,
    /// Whether it speaks to us.
    pub(crate) is_mention: bool,
}

/// How something is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Quiet,
    /// What was asked for.
    Plain,
    Alarm,
}

/// A time as it is shown here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) date: Date,
    pub(crate) hour: i8,
    pub(crate) minute: i8,
}

impl Stamp {
    /// A time in a zone; what no calendar has is shown as the last day of it.
    pub(crate) fn new(at: WallTime, zone: &TimeZone) -> Self {
        let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
        let at = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX).to_zoned(zone.clone());
        Self { date: at.date(), hour: at.hour(), minute: at.minute() }
    }
}

impl Log {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The number of the first entry.
    pub(crate) const fn first(&self) -> i64 {
        self.base
    }

    /// The number after that of the last entry.
    pub(crate) fn end(&self) -> i64 {
        self.base + i64::try_from(self.entries.len()).unwrap_or(i64::MAX)
    }

    pub(crate) fn get(&self, number: i64) -> Option<&Entry> {
        self.entries.get(usize::try_from(number - self.base).ok()?)
    }

    /// The lowest number of an event that is kept.
    pub(crate) fn earliest(&self) -> Option<Seq> {
        self.entries.iter().find_map(|entry| match &entry.what {
            What::Said(said) => Some(said.seq),
            What::Traffic(_) | What::Told { .. } => None,
        })
    }

    /// A message that is here, by its number in the room.
    pub(crate) fn message(&self, seq: Seq) -> Option<&Said> {
        self.entries.iter().rev().find_map(|entry| match &entry.what {
            What::Said(said) if said.seq == seq => Some(said),
            What::Said(_) | What::Traffic(_) | What::Told { .. } => None,
        })
    }

    /// A message reads like this from now on, if it is here and nothing later changed it.
    pub(crate) fn revise(&mut self, message: Seq, text: &Arc<str>, revision: Seq) {
        let said = self.entries.iter_mut().rev().find_map(|entry| match &mut entry.what {
            What::Said(said) if said.seq == message => Some(said),
            What::Said(_) | What::Traffic(_) | What::Told { .. } => None,
        });
        if let Some(said) = said.filter(|said| said.revised < Some(revision)) {
            said.text = Arc::clone(text);
            said.revised = Some(revision);
        }
    }

    /// Adds what is new. Comings and goings in a row are one entry.
    pub(crate) fn push(&mut self, entry: Entry) {
        if let (Some(Entry { what: What::Traffic(before), .. }), What::Traffic(new)) =
            (self.entries.back_mut(), &entry.what)
            && before.len() < TRAFFIC_MAX
        {
            before.extend(new.iter().cloned());
            return;
        }
        self.entries.push_back(entry);
    }

    /// Adds what was before, in order.
    pub(crate) fn put_before(&mut self, entries: Vec<Entry>) {
        for entry in entries.into_iter().rev() {
            self.entries.push_front(entry);
            self.base -= 1;
        }
    }

    /// Forgets the oldest of more than so many.
    pub(crate) fn trim(&mut self, entries_max: usize) {
        while self.entries.len() > entries_max {
            self.entries.pop_front();
            self.base += 1;
        }
    }
}

impl Said {
    pub(crate) fn new(event: StoredEvent, ourselves: Option<UserId>, name: &str) -> Self {
        let is_own = Some(event.author) == ourselves;
        let is_said = matches!(event.kind, EventKind::Posted | EventKind::Action);
        let is_mention = !is_own && is_said && mentions(&event.text, name).next().is_some();
        // An act about rights reads as a sentence; its own time is near enough to say when it ends.
        let is_act = !event.kind.is_post();
        let sentence = is_act.then(|| act_sentence(&event, event.at).into());
        let to = event.to();
        let StoredEvent { seq, author, nick, kind, text, revised, .. } = event;
        let text = sentence.unwrap_or(text);
        Self { seq, author, nick, kind, text, to, revised, is_own, is_mention }
    }

    /// Whether it is a message, and not what happened to one.
    pub(crate) const fn is_message(&self) -> bool {
        self.kind.is_message()
    }

    /// Whether it is a message that was deleted.
    pub(crate) fn is_deleted(&self) -> bool {
        self.is_message() && self.revised.is_some() && self.text.is_empty()
    }
}

/// Where a text names somebody: as a word of its own, whatever its case, with or without `@`.
pub(crate) fn mentions<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = (usize, usize)> + 'a {
    let is_part = |char: char| char.is_alphanumeric() || matches!(char, '-' | '_');
    let wanted = name.to_lowercase();
    let mut from = 0;
    std::iter::from_fn(move || {
        while from < text.len() {
            let rest = &text[from..];
            let start = from + rest.find(is_part)?;
            let word = &text[start..];
            let end = start + word.find(|char| !is_part(char)).unwrap_or(word.len());
            from = end;
            // A name may contain a dot, a word ends with one.
            let longer = text.get(start..start + name.len());
            if text[start..end].to_lowercase() == wanted {
                return Some((start, end));
            }
            if name.contains('.') && longer.is_some_and(|longer| longer.to_lowercase() == wanted) {
                from = start + name.len();
                return Some((start, from));
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Entry {
        let stamp = Stamp::new(WallTime::from_millis(0), &TimeZone::UTC);
        Entry { stamp, what: What::Told { text: text.into(), tone: Tone::Quiet } }
    }

    #[test]
    fn numbers_stay_while_older_entries_come_and_go() {
        let mut log = Log::default();
        log.push(told("b"));
        log.put_before(vec![told("-"), told("a")]);
        assert_eq!((log.first(), log.end()), (-2, 1));
        assert_eq!(log.get(0), Some(&told("b")));
        log.trim(2);
        assert_eq!((log.first(), log.get(0)), (-1, Some(&told("b"))));
        assert_eq!(log.get(-2), None);
    }

    #[test]
    fn comings_and_goings_in_a_row_are_one_entry() {
        let mut log = Log::default();
        for name in ["ana", "bob"] {
            let what = What::Traffic(vec![(name.into(), Came::Joined)]);
            log.push(Entry { what, ..told("") });
        }
        assert_eq!(log.len(), 1);
    }

    #[test]
    fn a_name_is_mentioned_as_a_word() {
        let found = |text| mentions(text, "Ana").collect::<Vec<_>>();
        assert_eq!(found("ana: look"), [(0, 3)]);
        assert_eq!(found("hey @ANA, bana, anab ana."), [(5, 8), (21, 24)]);
        assert!(found("").is_empty());
        assert_eq!(mentions("ask a.b. now", "a.b").collect::<Vec<_>>(), [(4, 7)]);
    }
}
