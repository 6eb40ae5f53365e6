//! A room or conversation on the screen: its messages, the line typed there, and what was not read.

use jiff::tz::TimeZone;
use palabre_core::{
    client::{OutboxState, PostId},
    ids::{RoomId, Seq},
    storage::{EventFamily, EventKind},
    time::WallTime,
};

use super::{
    aim::Aim,
    line::Line,
    log::{ENTRIES_MAX, Entry, Log, Said, Stamp, Tone, What},
    reactions::Reactions,
};

/// Lines sent in a room that are remembered.
const SENT_MAX: usize = 200;
/// Entries that are kept of a room that is not looked at.
const ENTRIES_ASIDE_MAX: usize = 2_000;

/// A room on the screen.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    pub(crate) id: RoomId,
    /// `#room` or `@name`.
    pub(crate) place: String,
    pub(crate) topic: String,
    /// Who is there, and how.
    pub(crate) people: Vec<(String, u8)>,
    /// Whether that has changed since.
    pub(crate) people_changed: bool,
    pub(crate) log: Log,
    pub(crate) reactions: Reactions,
    pub(crate) anchor: Anchor,
    pub(crate) line: Line,
    /// The message that the line is about.
    pub(crate) aim: Option<Aim>,
    /// The message that is selected.
    pub(crate) selected: Option<Seq>,
    sent: Vec<String>,
    /// Which of the lines sent is shown, and what was being typed before that.
    recalled: Option<(usize, String)>,
    pub(crate) unread: u32,
    pub(crate) mentions: u32,
    /// The first message that was not read when the room was gone to.
    pub(crate) unread_from: Option<Seq>,
    /// Our messages that are not stored yet.
    pub(crate) outbox: Vec<Waiting>,
    /// A page of the past that is still coming in.
    page: Vec<Entry>,
    /// The number of its first event, be it shown or not.
    page_first: Option<Seq>,
    /// The first number of the pages that were read.
    reached: Option<Seq>,
    pub(crate) past: Past,
    /// The message that is to be shown as soon as it is here.
    pub(crate) wanted: Option<Seq>,
    /// The message that was gone to from a list.
    pub(crate) pointed_at: Option<Seq>,
    pub(crate) notices: Notices,
}

/// A message of ours on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) post: PostId,
    pub(crate) text: String,
    pub(crate) state: OutboxState,
}

/// Which part of the messages is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// The newest.
    Bottom,
    /// This entry is the last, and so many rows of it are hidden.
    At { entry: i64, hidden: usize },
}

/// What is known of the past of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Past {
    /// There may be more.
    More,
    /// More was asked for.
    Asked,
    /// All of it is here.
    Whole,
}

/// What of a room makes a noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notices {
    All,
    Mentions,
    None,
}

impl Notices {
    pub(crate) const fn next(self) -> Self {
        match self {
            Self::All => Self::Mentions,
            Self::Mentions => Self::None,
            Self::None => Self::All,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Mentions => "mentions",
            Self::None => "none",
        }
    }
}

impl Room {
    pub(crate) fn new(id: RoomId, place: String) -> Self {
        let notices = if place.starts_with('@') { Notices::All } else { Notices::Mentions };
        Self {
            id,
            place,
            topic: String::new(),
            people: Vec::new(),
            people_changed: true,
            log: Log::default(),
            reactions: Reactions::default(),
            anchor: Anchor::Bottom,
            line: Line::default(),
            aim: None,
            selected: None,
            sent: Vec::new(),
            recalled: None,
            unread: 0,
            mentions: 0,
            unread_from: None,
            outbox: Vec::new(),
            page: Vec::new(),
            page_first: None,
            reached: None,
            past: Past::More,
            wanted: None,
            pointed_at: None,
            notices,
        }
    }

    pub(crate) fn is_conversation(&self) -> bool {
        self.place.starts_with('@')
    }

    /// Takes in an event that just happened; whether it was read is said.
    pub(crate) fn happened(&mut self, said: Said, stamp: Stamp, is_seen: bool) {
        match (said.kind.family(), said.to) {
            (EventFamily::Revision, Some(message)) => {
                return self.log.revise(message, &said.text, said.seq);
            }
            (EventFamily::Reaction, Some(message)) => return self.reacted(message, &said),
            (_, Some(_) | None) => {}
        }
        if said.kind == EventKind::Topic {
            self.topic = said.text.to_string();
        }
        if said.is_own {
            self.unread_from = None;
        } else if !is_seen && matches!(said.kind, EventKind::Posted | EventKind::Action) {
            if self.unread == 0 {
                self.unread_from.get_or_insert(said.seq);
            }
            self.unread += 1;
            self.mentions += u32::from(said.is_mention);
        }
        self.log.push(Entry { stamp, what: What::Said(said) });
    }

    /// Takes in an event of before what is here; it is shown when its page has ended.
    pub(crate) fn happened_before(&mut self, said: Said, stamp: Stamp) {
        self.page_first.get_or_insert(said.seq);
        match (said.kind.family(), said.to) {
            // The messages on pages read as they do now.
            (EventFamily::Revision, _) => {}
            (EventFamily::Reaction, Some(message)) => self.reacted(message, &said),
            (_, Some(_) | None) => self.page.push(Entry { stamp, what: What::Said(said) }),
        }
    }

    fn reacted(&mut self, message: Seq, said: &Said) {
        let stands = said.kind == EventKind::Reacted;
        self.reactions.note(message, &said.text, said.author, said.seq, stands);
    }

    /// A page of the past has ended. `first` is the first number still kept on the server.
    pub(crate) fn page_ended(&mut self, first: Seq) {
        let page = std::mem::take(&mut self.page);
        let page_first = self.page_first.take();
        self.log.put_before(page);
        self.reached = page_first.or(self.reached);
        let is_whole = page_first.is_none() || self.earliest().is_none_or(|earliest| earliest <= first);
        self.past = if is_whole { Past::Whole } else { Past::More };
    }

    /// The lowest number that is here, be it of an event that is not shown by itself.
    pub(crate) fn earliest(&self) -> Option<Seq> {
        self.reached.into_iter().chain(self.log.earliest()).min()
    }

    pub(crate) fn tell(&mut self, text: String, tone: Tone, at: WallTime, zone: &TimeZone) {
        self.log.push(Entry { stamp: Stamp::new(at, zone), what: What::Told { text, tone } });
    }

    /// Forgets what is too much; the first number that is left, if anything was forgotten.
    pub(crate) fn trim(&mut self, is_current: bool) -> Option<Seq> {
        let entries_max = if is_current { ENTRIES_MAX } else { ENTRIES_ASIDE_MAX };
        if self.log.len() <= entries_max {
            return None;
        }
        self.log.trim(entries_max);
        self.reached = None;
        if self.past == Past::Whole {
            self.past = Past::More;
        }
        self.log.earliest()
    }

    /// Everything is read.
    pub(crate) const fn read(&mut self) {
        self.unread = 0;
        self.mentions = 0;
    }

    /// Remembers a line that was sent.
    pub(crate) fn remember(&mut self, line: &str) {
        self.recalled = None;
        if self.sent.last().is_none_or(|last| last != line) {
            if self.sent.len() == SENT_MAX {
                self.sent.remove(0);
            }
            self.sent.push(line.to_owned());
        }
    }

    /// The lines that were sent, the newest first.
    pub(crate) fn sent(&self) -> impl Iterator<Item = &str> {
        self.sent.iter().rev().map(String::as_str)
    }

    /// Whether a line that was sent is shown.
    pub(super) const fn is_recalling(&self) -> bool {
        self.recalled.is_some()
    }

    /// Shows the line sent before the one that is shown, or after it.
    pub(crate) fn recall(&mut self, before: bool) {
        let (at, draft) = match self.recalled.take() {
            Some((at, draft)) => (at, draft),
            None if before => (self.sent.len(), self.line.text().to_owned()),
            None => return,
        };
        let to = if before { at.checked_sub(1) } else { Some(at + 1) };
        match to.map(|to| (to, self.sent.get(to))) {
            Some((to, Some(line))) => {
                self.line.set(line.clone());
                self.recalled = Some((to, draft));
            }
            // Past the newest is what was being typed.
            Some((_, None)) => self.line.set(draft),
            None => self.recalled = Some((at, draft)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_recalled_and_the_draft_kept() {
        let mut room = Room::new(RoomId::new(1), "#tea".into());
        room.remember("one");
        room.remember("two");
        room.remember("two");
        room.line.insert("draft");
        room.recall(true);
        room.recall(true);
        room.recall(true);
        assert_eq!(room.line.text(), "one");
        room.recall(false);
        assert_eq!(room.line.text(), "two");
        room.recall(false);
        assert_eq!(room.line.text(), "draft");
        room.recall(false);
        assert_eq!(room.line.text(), "draft");
    }
}
