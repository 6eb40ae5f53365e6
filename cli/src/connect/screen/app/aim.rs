//! What the line is about, beside being a message of its own: another text for one, or an answer to one. And which message
//! is selected.

use palabre_core::ids::Seq;

use super::{Anchor, App, Room, What};
use crate::connect::screen::draw;

/// A message that the line is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aim {
    pub(crate) message: Seq,
    pub(crate) purpose: Purpose,
    /// What the line began with.
    first: String,
    /// What was being typed before.
    draft: String,
}

/// What is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It is written anew.
    Edit,
    /// It is answered.
    Reply,
}

impl Aim {
    /// The command that a line stands for; nothing where nothing was changed.
    fn command(&self, line: &str) -> Option<String> {
        let name = match self.purpose {
            Purpose::Edit => "edit",
            Purpose::Reply => "reply",
        };
        (line != self.first).then(|| format!("/{name} ={} {line}", self.message))
    }
}

impl Room {
    /// Makes the line another text for a message, or an answer.
    fn take_aim(&mut self, message: Seq, purpose: Purpose) {
        self.give_up_aim();
        let text = match purpose {
            Purpose::Edit => self.log.message(message).map(|said| said.text.to_string()),
            Purpose::Reply => None,
        };
        let first = text.unwrap_or_default();
        let draft = self.line.take();
        self.line.set(first.clone());
        self.aim = Some(Aim { message, purpose, first, draft });
    }

    /// The line is what it was before. Whether it was about a message.
    pub(super) fn give_up_aim(&mut self) -> bool {
        let Some(aim) = self.aim.take() else { return false };
        self.line.set(aim.draft);
        true
    }

    /// Whether the line is about a message, and something was typed since.
    pub(super) fn is_aim_changed(&self) -> bool {
        self.aim.as_ref().is_some_and(|aim| self.line.text() != aim.first)
    }

    /// Takes the line to send it: as the command that it stands for, where it is about a message.
    pub(super) fn take_line(&mut self) -> Option<String> {
        let line = self.line.take();
        self.selected = None;
        match self.aim.take() {
            Some(aim) => {
                let command = aim.command(&line);
                self.line.set(aim.draft);
                command
            }
            None => {
                self.remember(&line);
                Some(line)
            }
        }
    }

    /// The last message that fits, of those that can be answered.
    fn last_message(&self, is_own: bool) -> Option<Seq> {
        if is_own && !self.outbox.is_empty() {
            // The last one has no number yet.
            return None;
        }
        let numbers = (self.log.first()..self.log.end()).rev();
        numbers
            .filter_map(|number| self.message_at(number))
            .find(|(_, own)| *own == is_own)
            .map(|(seq, _)| seq)
    }

    /// The message that an entry is, and whether it is one's own. One that was deleted is none.
    fn message_at(&self, number: i64) -> Option<(Seq, bool)> {
        match &self.log.get(number)?.what {
            What::Said(said) if said.is_message() && !said.is_deleted() => Some((said.seq, said.is_own)),
            What::Said(_) | What::Traffic(_) | What::Told { .. } => None,
        }
    }
}

impl App {
    /// Writes the selected message anew, or answers it; unless one is selected, the last that fits.
    pub(super) fn aim(&mut self, purpose: Purpose) {
        let room = self.room_mut();
        let message = room.selected.or_else(|| room.last_message(purpose == Purpose::Edit));
        if let Some(message) = message {
            room.take_aim(message, purpose);
        }
    }

    /// What is typed becomes the command that deletes the selected message, or the last of one's own: Enter does it.
    pub(super) fn aim_to_delete(&mut self) {
        let room = self.room_mut();
        if let Some(message) = room.selected.or_else(|| room.last_message(true)) {
            room.give_up_aim();
            room.line.set(format!("/delete ={message}"));
        }
    }

    /// What is typed becomes the command that reacts to the selected message, or to the last of somebody else; with what is
    /// yet to be typed.
    pub(super) fn aim_to_react(&mut self) {
        let room = self.room_mut();
        if let Some(message) = room.selected.or_else(|| room.last_message(false)) {
            room.give_up_aim();
            room.line.set(format!("/react ={message} "));
        }
    }

    /// Whether Up on an empty line means the last message of one's own, and then that is written anew. A command that was
    /// sent after it is recalled instead.
    pub(super) fn edits_last(&mut self) -> bool {
        let room = self.room_mut();
        let follows_command = room.sent().next().is_some_and(|line| line.starts_with('/'));
        if room.aim.is_some() || !room.line.is_empty() || room.is_recalling() || follows_command {
            return false;
        }
        let last = room.last_message(true);
        if let Some(message) = last {
            room.take_aim(message, Purpose::Edit);
        }
        last.is_some()
    }

    /// Selects the message before the one selected, or the one after it.
    pub(super) fn select(&mut self, up: bool) {
        let room = self.room();
        let (first, end) = (room.log.first(), room.log.end());
        let is_selected = |number: &i64| room.message_at(*number).map(|(seq, _)| seq) == room.selected;
        let here = room.selected.and_then(|_| (first..end).rev().find(is_selected));
        let below = match room.anchor {
            Anchor::Bottom => end,
            Anchor::At { entry, .. } => (entry + 1).min(end),
        };
        let is_message = |number: &i64| room.message_at(*number).is_some();
        let next = match (here, up) {
            (None, false) => return,
            (here, true) => (first..here.unwrap_or(below)).rev().find(is_message),
            (Some(here), false) => (here + 1..end).find(is_message),
        };
        let selected = next.and_then(|number| room.message_at(number)).map(|(seq, _)| seq);
        match (next, up) {
            (Some(number), _) => {
                self.room_mut().selected = selected;
                self.bring_into_sight(number);
            }
            (None, true) => self.ask_older(),
            (None, false) => {
                self.room_mut().selected = None;
                self.go_to_bottom();
            }
        }
    }

    /// Scrolls to an entry, unless all of it is seen.
    fn bring_into_sight(&mut self, number: i64) {
        let messages = draw::panes(self).messages;
        let room = self.room();
        let last = room.log.end() - 1;
        let (bottom, hidden) = match room.anchor {
            Anchor::Bottom => (last, 0),
            Anchor::At { entry, hidden } => (entry, hidden),
        };
        let height = usize::from(messages.height);
        let mut rows = 0_usize;
        for entry in (number..=bottom).rev() {
            rows += draw::entry_rows(self, room, entry, messages.width).len();
            if rows > height + hidden {
                break;
            }
        }
        if number > bottom || rows > height + hidden {
            let anchor =
                if number == last { Anchor::Bottom } else { Anchor::At { entry: number, hidden: 0 } };
            self.room_mut().anchor = anchor;
            // As far as there is something to show above it.
            self.scroll(false, 0);
        }
    }
}
