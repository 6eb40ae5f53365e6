//! Keys that change the line.

use super::{App, Choosing, Line, Overlay, line::Motion, overlay::fit};
use crate::connect::screen::{keys::Action, terminal::Key};

impl App {
    /// Changes the line that is being typed.
    #[allow(clippy::wildcard_enum_match_arm, reason = "all other actions change it in the same way")]
    pub(super) fn edit(&mut self, action: Action) {
        if action == Action::DeleteRight && self.room().line.is_empty() {
            return self.effects.push(super::Effect::Leave);
        }
        if action == Action::Up && self.edits_last() {
            return;
        }
        let mut cut = std::mem::take(&mut self.cut);
        let room = self.room_mut();
        match action {
            Action::Up | Action::Down if room.is_aim_changed() => {
                room.line.go_row(action == Action::Down);
            }
            Action::Up if !room.line.go_row(false) => {
                room.give_up_aim();
                room.recall(true);
            }
            Action::Down if !room.line.go_row(true) => room.recall(false),
            _ => change(&mut room.line, action, &mut cut),
        }
        self.cut = cut;
    }

    /// What was sent before, by what is typed.
    pub(crate) fn recalled(&self, choosing: &Choosing) -> Vec<&str> {
        let typed = choosing.line.text().to_lowercase();
        self.room().sent().filter(|line| line.to_lowercase().contains(&typed)).collect()
    }

    pub(super) fn press_while_recalling(&mut self, mut choosing: Choosing, key: Key, action: Option<Action>) {
        match action {
            Some(Action::Bottom | Action::Interrupt) => return,
            Some(Action::Send | Action::Complete) => {
                let line = self.recalled(&choosing).get(choosing.chosen).map(|line| (*line).to_owned());
                if let Some(line) = line {
                    self.room_mut().line.set(line);
                }
                return;
            }
            Some(Action::SearchSent | Action::Up) => choosing.chosen += 1,
            Some(Action::Down) => choosing.chosen = choosing.chosen.saturating_sub(1),
            _ => self.type_into(&mut choosing, key, action),
        }
        let count = self.recalled(&choosing).len();
        choosing.chosen = choosing.chosen.min(count.saturating_sub(1));
        self.overlay = Overlay::Recalling(choosing);
    }

    /// The rooms, by what is typed, the best fit first.
    pub(crate) fn switchable(&self, choosing: &Choosing) -> Vec<usize> {
        let typed = choosing.line.text();
        let mut fitting: Vec<(usize, bool, usize)> = self
            .rooms
            .iter()
            .enumerate()
            .filter_map(|(index, room)| Some((fit(&room.place, typed)?, room.unread == 0, index)))
            .collect();
        if !typed.is_empty() {
            fitting.sort_unstable();
        }
        fitting.into_iter().map(|(_, _, index)| index).collect()
    }

    pub(super) fn press_while_switching(&mut self, mut choosing: Choosing, key: Key, action: Option<Action>) {
        match action {
            Some(Action::Bottom | Action::Interrupt) => return,
            Some(Action::Send) => {
                let index = self.switchable(&choosing).get(choosing.chosen).copied();
                if let Some(room) = index.and_then(|index| self.rooms.get(index)).map(|room| room.id) {
                    self.go_to(room);
                }
                return;
            }
            Some(Action::Down | Action::Complete | Action::Switcher) => choosing.chosen += 1,
            Some(Action::Up | Action::CompleteBack) => choosing.chosen = choosing.chosen.saturating_sub(1),
            _ => self.type_into(&mut choosing, key, action),
        }
        let count = self.switchable(&choosing).len();
        choosing.chosen = choosing.chosen.min(count.saturating_sub(1));
        self.overlay = Overlay::Switching(choosing);
    }

    fn type_into(&mut self, choosing: &mut Choosing, key: Key, action: Option<Action>) {
        let before = choosing.line.text().to_owned();
        self.type_in(&mut choosing.line, key, action);
        if choosing.line.text() != before {
            choosing.chosen = 0;
        }
    }

    /// Changes a line other than that of the room.
    pub(super) fn type_in(&mut self, line: &mut Line, key: Key, action: Option<Action>) {
        match (action, key.typed()) {
            (Some(action), _) => change(line, action, &mut self.cut),
            (None, Some(char)) => line.insert(char.encode_utf8(&mut [0; 4])),
            (None, None) => {}
        }
    }
}

/// What an action does to a line.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "an action that is about something else does nothing to it"
)]
fn change(line: &mut Line, action: Action, cut: &mut String) {
    let mut take = |line: &mut Line, motion| {
        let text = line.cut(motion);
        if !text.is_empty() {
            *cut = text;
        }
    };
    match action {
        Action::NewLine => line.insert("\n"),
        Action::Left => line.go(Motion::Left),
        Action::Right => line.go(Motion::Right),
        Action::WordLeft => line.go(Motion::WordLeft),
        Action::WordRight => line.go(Motion::WordRight),
        Action::LineStart => line.go(Motion::Home),
        Action::LineEnd => line.go(Motion::End),
        Action::DeleteLeft => {
            line.cut(Motion::Left);
        }
        Action::DeleteRight => {
            line.cut(Motion::Right);
        }
        Action::CutWordLeft => take(line, Motion::WordLeft),
        Action::CutWordRight => take(line, Motion::WordRight),
        Action::CutToStart => take(line, Motion::Home),
        Action::CutToEnd => take(line, Motion::End),
        Action::PutBack => line.insert(cut),
        Action::Transpose => line.transpose(),
        Action::Undo => line.undo(),
        _ => {}
    }
}
