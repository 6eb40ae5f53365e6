//! The screen as a state machine: what is shown and typed goes in, what is to be done comes out.
//!
//! It knows no terminal, no connection and no clock. What it looks like is a function of it alone (`draw`).

mod aim;
mod arrivals;
mod completion;
mod editing;
mod found;
mod line;
mod log;
mod moving;
mod overlay;
mod reactions;
mod room;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::tz::TimeZone;
use palabre_core::{
    ids::{RoomId, Seq, UserId},
    time::{Monotonic, Now},
};

pub(crate) use self::{
    aim::Purpose,
    arrivals::traffic,
    line::Line,
    log::{Entry, Said, Stamp, Tone, What, mentions},
    overlay::{Choosing, Found, FoundHit, Overlay},
    room::{Anchor, Notices, Past, Room, Waiting},
};
use super::{
    keys::{Action, Bindings},
    terminal::{Click, Code, Heard, Key},
    theme::Theme,
};
use crate::connect::chat::{Step, Vocabulary};

/// Lines of a paste that are taken as typed; more are asked about.
const PASTE_LINES_MAX: usize = 5;

/// All that is on the screen, and who looks at it.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) size: (u16, u16),
    pub(crate) now: Now,
    pub(crate) theme: Theme,
    pub(crate) bindings: Bindings,
    pub(crate) zone: TimeZone,
    pub(crate) server: String,
    pub(crate) me: Me,
    pub(crate) link: Link,
    pub(crate) naming: Option<Naming>,
    /// Rooms by name, then conversations.
    pub(crate) rooms: Vec<Room>,
    current: Option<RoomId>,
    /// What is told and typed while there is no room.
    pub(crate) nowhere: Room,
    /// Files on their way.
    pub(crate) transfers: Vec<Step>,
    pub(crate) overlay: Overlay,
    pub(crate) show_rooms: bool,
    pub(crate) show_people: bool,
    pub(crate) mouse: bool,
    pub(crate) bell: bool,
    is_focused: bool,
    pub(crate) vocabulary: Vocabulary,
    /// What was cut last.
    cut: String,
    /// What was searched for last.
    found: Option<Found>,
    effects: Vec<Effect>,
}

/// Who looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Me {
    pub(crate) user: Option<UserId>,
    pub(crate) nick: String,
}

/// How the connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Connecting,
    Ready,
    /// All places are taken.
    Waiting(u32),
    /// There is none, and when it is tried again.
    Offline {
        why: String,
        retry_at: Monotonic,
    },
}

/// The name was refused; another is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Naming {
    pub(crate) suggestion: Option<String>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Do what a line says, in a room.
    Line {
        room: Option<RoomId>,
        line: String,
    },
    /// Say a text in a room, whatever it begins with.
    Say {
        room: RoomId,
        text: String,
    },
    /// Enter by another name.
    Name(String),
    /// This is where one writes now.
    Look(RoomId),
    /// Ask for what was said before.
    Older {
        room: RoomId,
        before: Seq,
    },
    /// What is kept of a room begins with this number now.
    Forgot {
        room: RoomId,
        earliest: Seq,
    },
    /// Make a noise, and say why.
    Notify {
        title: String,
        text: String,
    },
    /// Write the line in another program.
    Edit(String),
    Mouse(bool),
    Redraw,
    Suspend,
    Leave,
    Interrupt,
}

impl App {
    pub(crate) fn new(theme: Theme, bindings: Bindings, zone: TimeZone, server: String, now: Now) -> Self {
        Self {
            size: (80, 24),
            now,
            theme,
            bindings,
            zone,
            server,
            me: Me::default(),
            link: Link::Connecting,
            naming: None,
            rooms: Vec::new(),
            current: None,
            nowhere: Room::new(RoomId::new(0), String::new()),
            transfers: Vec::new(),
            overlay: Overlay::None,
            show_rooms: true,
            show_people: true,
            mouse: true,
            bell: true,
            is_focused: true,
            vocabulary: Vocabulary::default(),
            cut: String::new(),
            found: None,
            effects: Vec::new(),
        }
    }

    /// What is to be done since it was asked for last.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The room that is looked at.
    pub(crate) fn room(&self) -> &Room {
        self.current.and_then(|id| self.rooms.iter().find(|room| room.id == id)).unwrap_or(&self.nowhere)
    }

    pub(crate) fn room_mut(&mut self) -> &mut Room {
        self.current
            .and_then(|id| self.rooms.iter_mut().find(|room| room.id == id))
            .unwrap_or(&mut self.nowhere)
    }

    pub(crate) const fn current(&self) -> Option<RoomId> {
        self.current
    }

    /// Takes in how far files on their way are. Whether that looks different now.
    pub(crate) fn follow_transfers(&mut self, steps: Vec<Step>) -> bool {
        let is_new = steps != self.transfers;
        self.transfers = steps;
        is_new
    }

    /// When it looks different though nothing happens: time that is counted down.
    pub(crate) fn changes_in(&self) -> Option<Duration> {
        match self.link {
            Link::Offline { .. } => Some(Duration::from_millis(500)),
            Link::Connecting | Link::Ready | Link::Waiting(_) => None,
        }
    }

    /// Takes in what a person did.
    pub(crate) fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Key(key) => self.press(key),
            Heard::Paste(text) => self.paste(text),
            Heard::Click(click) => self.click(click),
            Heard::Focus(is_focused) => {
                self.is_focused = is_focused;
                if is_focused {
                    self.see();
                }
            }
        }
    }

    /// Puts a text into the line, in place of what was there.
    pub(crate) fn edited(&mut self, text: &str) {
        self.room_mut().line.set(text.trim_end_matches('\n'));
    }

    fn press(&mut self, key: Key) {
        let action = self.bindings.action(key);
        match std::mem::take(&mut self.overlay) {
            Overlay::None => self.press_in_line(key, action),
            Overlay::Completing(completing) => self.press_while_completing(completing, key, action),
            Overlay::Switching(choosing) => self.press_while_switching(choosing, key, action),
            Overlay::Recalling(choosing) => self.press_while_recalling(choosing, key, action),
            Overlay::Finding(line) => self.press_while_finding(line, key, action),
            Overlay::Found(found) => self.press_while_found(found, action),
            Overlay::Help { scrolled } => self.press_in_help(scrolled, key, action),
            Overlay::Pasted(text) => self.press_after_pasting(text, key, action),
        }
    }

    fn press_in_line(&mut self, key: Key, action: Option<Action>) {
        if key.typed() == Some('?') && self.room().line.is_empty() {
            self.overlay = Overlay::Help { scrolled: 0 };
        } else if let Some(action) = action {
            self.act(action);
        } else if let Some(char) = key.typed() {
            self.room_mut().line.insert(char.encode_utf8(&mut [0; 4]));
        }
    }

    /// What an action does where nothing is open.
    fn act(&mut self, action: Action) {
        match action {
            Action::Send => self.send(),
            Action::Complete => self.complete(),
            Action::NewLine
            | Action::CompleteBack
            | Action::Left
            | Action::Right
            | Action::WordLeft
            | Action::WordRight
            | Action::LineStart
            | Action::LineEnd
            | Action::Up
            | Action::Down
            | Action::DeleteLeft
            | Action::DeleteRight
            | Action::CutWordLeft
            | Action::CutWordRight
            | Action::CutToStart
            | Action::CutToEnd
            | Action::PutBack
            | Action::Transpose
            | Action::Undo => self.edit(action),
            Action::SearchSent => self.overlay = Overlay::Recalling(Choosing::default()),
            Action::Edit => self.effects.push(Effect::Edit(self.room().line.text().to_owned())),
            Action::SelectUp => self.select(true),
            Action::SelectDown => self.select(false),
            Action::Reply => self.aim(Purpose::Reply),
            Action::EditMessage => self.aim(Purpose::Edit),
            Action::DeleteMessage => self.aim_to_delete(),
            Action::React => self.aim_to_react(),
            Action::PageUp => self.scroll_page(true),
            Action::PageDown => self.scroll_page(false),
            Action::ScrollUp => self.scroll(true, 1),
            Action::ScrollDown => self.scroll(false, 1),
            Action::Bottom => {
                let room = self.room_mut();
                let was_aimed = room.give_up_aim();
                if room.selected.take().is_none() && !was_aimed {
                    self.go_to_bottom();
                }
            }
            Action::NextRoom => self.step(false),
            Action::PreviousRoom => self.step(true),
            Action::NextUnread => self.next_unread(),
            Action::Switcher => self.overlay = Overlay::Switching(Choosing::default()),
            Action::Find => self.overlay = Overlay::Finding(Line::default()),
            Action::Found => self.open_found(),
            Action::Members => self.show_people = !self.show_people,
            Action::Rooms => self.show_rooms = !self.show_rooms,
            Action::Mouse => {
                self.mouse = !self.mouse;
                self.effects.push(Effect::Mouse(self.mouse));
            }
            Action::Notices => {
                let room = self.room_mut();
                room.notices = room.notices.next();
                let text = format!("notices of this room: {}", room.notices.name());
                self.tell(text, Tone::Quiet);
            }
            Action::Redraw => self.effects.push(Effect::Redraw),
            Action::Suspend => self.effects.push(Effect::Suspend),
            Action::Interrupt => {
                if self.room_mut().give_up_aim() {
                    // What was being typed before is there again.
                } else if self.room().line.is_empty() {
                    self.effects.push(Effect::Interrupt);
                } else {
                    let line = self.room_mut().line.take();
                    self.room_mut().remember(&line);
                }
            }
            Action::Help => self.overlay = Overlay::Help { scrolled: 0 },
            Action::Room1
            | Action::Room2
            | Action::Room3
            | Action::Room4
            | Action::Room5
            | Action::Room6
            | Action::Room7
            | Action::Room8
            | Action::Room9 => {
                let room = action.room().and_then(|number| self.rooms.get(number)).map(|room| room.id);
                if let Some(room) = room {
                    self.go_to(room);
                }
            }
        }
    }

    fn send(&mut self) {
        if let Some(naming) = self.naming.take() {
            let typed = self.room_mut().line.take();
            let name = if typed.trim().is_empty() { naming.suggestion.unwrap_or_default() } else { typed };
            return self.effects.push(Effect::Name(name.trim().to_owned()));
        }
        if self.room().line.text().trim().is_empty() {
            return;
        }
        let room = self.current;
        let shown = self.room_mut();
        shown.anchor = Anchor::Bottom;
        if let Some(line) = shown.take_line() {
            self.effects.push(Effect::Line { room, line });
        }
    }

    fn paste(&mut self, text: String) {
        let text = text.trim_end_matches('\n');
        match &mut self.overlay {
            Overlay::Switching(choosing) | Overlay::Recalling(choosing) => choosing.line.insert(text),
            Overlay::Finding(line) => line.insert(text),
            Overlay::None
            | Overlay::Completing(_)
            | Overlay::Found(_)
            | Overlay::Help { .. }
            | Overlay::Pasted(_) => {
                self.overlay = Overlay::None;
                if text.lines().count() > PASTE_LINES_MAX {
                    self.overlay = Overlay::Pasted(text.to_owned());
                } else {
                    self.room_mut().line.insert(text);
                }
            }
        }
    }

    fn press_after_pasting(&mut self, text: String, key: Key, action: Option<Action>) {
        match (key.code, action, self.current) {
            (Code::Char('m' | 'M'), _, Some(room)) => self.effects.push(Effect::Say { room, text }),
            (Code::Char('e' | 'E'), ..) => self.room_mut().line.insert(&text),
            (_, Some(Action::Bottom | Action::Interrupt), _) => {}
            (..) => self.overlay = Overlay::Pasted(text),
        }
    }

    fn press_in_help(&mut self, scrolled: usize, key: Key, action: Option<Action>) {
        let scrolled = match action {
            Some(Action::Up | Action::ScrollUp) => scrolled.saturating_sub(1),
            Some(Action::Down | Action::ScrollDown) => scrolled + 1,
            Some(Action::PageUp) => scrolled.saturating_sub(usize::from(self.size.1 / 2)),
            Some(Action::PageDown) => scrolled + usize::from(self.size.1 / 2),
            Some(Action::Suspend | Action::Redraw) => {
                self.act(action.expect("it was just looked at"));
                scrolled
            }
            Some(Action::Bottom | Action::Help | Action::Interrupt | Action::Send) => return,
            _ if matches!(key.typed(), Some('q' | '?')) => return,
            _ => scrolled,
        };
        self.overlay = Overlay::Help { scrolled: scrolled.min(self.bindings.help().len()) };
    }

    fn click(&mut self, click: Click) {
        match click {
            Click::WheelUp { .. } => self.scroll(true, 3),
            Click::WheelDown { .. } => self.scroll(false, 3),
            Click::Press { column, row } => self.point(column, row),
        }
    }
}
