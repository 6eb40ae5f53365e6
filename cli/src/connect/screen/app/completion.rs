//! Completing what is typed, from a list.

use super::{App, Overlay, overlay::Completing};
use crate::connect::screen::{
    keys::Action,
    terminal::{Code, Key},
};

/// Candidates that are offered.
const CANDIDATES_MAX: usize = 200;

impl App {
    pub(super) fn complete(&mut self) {
        let room = self.room();
        let (start, mut candidates) = self.vocabulary.complete(room.line.text(), room.line.cursor());
        candidates.truncate(CANDIDATES_MAX);
        let Some(typed) = room.line.text().get(start..room.line.cursor()).map(str::to_owned) else { return };
        let Some(first) = candidates.first().cloned() else { return };
        self.room_mut().line.replace_from(start, &first);
        if candidates.len() > 1 {
            self.overlay = Overlay::Completing(Completing { start, typed, candidates, chosen: 0 });
        }
    }

    pub(super) fn press_while_completing(
        &mut self,
        mut completing: Completing,
        key: Key,
        action: Option<Action>,
    ) {
        let is_back = matches!(action, Some(Action::CompleteBack | Action::Up));
        match action {
            Some(Action::Complete | Action::Down | Action::CompleteBack | Action::Up) => {
                let start = completing.start;
                let chosen = completing.turn(is_back).to_owned();
                self.room_mut().line.replace_from(start, &chosen);
                self.overlay = Overlay::Completing(completing);
            }
            Some(Action::Bottom) => {
                self.room_mut().line.replace_from(completing.start, &completing.typed);
            }
            // It is chosen; the message is not sent by the same key.
            Some(Action::Send) => {}
            _ if key.code == Code::Escape => {}
            _ => self.press_in_line(key, action),
        }
    }
}
