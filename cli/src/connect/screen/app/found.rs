//! What was searched for on the server, and the way from there to the messages.

use palabre_core::{
    ids::{RoomId, Seq},
    search::Query,
    storage::Hit,
};

use super::{Anchor, App, Found, FoundHit, Overlay, Past, Tone, What, log::ENTRIES_MAX};
use crate::{
    connect::{chat::Views, screen::keys::Action},
    output::{LocalTime, found_sentence, hit_snippet},
};

/// Hits that PgUp and PgDn go over.
const PAGE_HITS: usize = 8;

/// Messages after one that was searched for that are on the screen with it.
const MESSAGES_AFTER: i64 = 4;

impl App {
    /// Takes in what the server found.
    pub(super) fn take_found(&mut self, text: &str, hits: &[Hit], more: bool, views: &Views) {
        let title = found_sentence(text, hits.len(), more);
        if hits.is_empty() {
            self.found = None;
            return self.tell(title, Tone::Plain);
        }
        let Ok(query) = Query::parse(text) else { return };
        let hit = |hit: &Hit| {
            let view = views.find_ref(hit.room)?;
            let time = LocalTime::new(hit.event.at, self.now.wall);
            let line =
                format!("{time} {} {}: {}", view.place, hit.event.nick, hit_snippet(&hit.event, &query));
            Some(FoundHit { room: hit.room, seq: hit.event.seq, line })
        };
        self.found = Some(Found { title, hits: hits.iter().filter_map(hit).collect(), chosen: 0 });
        self.open_found();
    }

    /// Opens the list of what was found last, where it was left.
    pub(super) fn open_found(&mut self) {
        match &self.found {
            Some(found) => self.overlay = Overlay::Found(found.clone()),
            None => self.tell("nothing was searched for yet; /search TEXT does".into(), Tone::Quiet),
        }
    }

    pub(super) fn press_while_found(&mut self, mut found: Found, action: Option<Action>) {
        let last = found.hits.len().saturating_sub(1);
        // The newest is the lowest, like in the room.
        match action {
            Some(Action::Bottom | Action::Interrupt) => return self.found = Some(found),
            Some(Action::Up | Action::ScrollUp) => found.chosen = (found.chosen + 1).min(last),
            Some(Action::Down | Action::ScrollDown) => found.chosen = found.chosen.saturating_sub(1),
            Some(Action::PageUp) => found.chosen = (found.chosen + PAGE_HITS).min(last),
            Some(Action::PageDown) => found.chosen = found.chosen.saturating_sub(PAGE_HITS),
            Some(Action::Send) => {
                let hit = found.hits.get(found.chosen).cloned();
                self.found = Some(found);
                if let Some(hit) = hit {
                    self.jump_to(hit.room, hit.seq);
                }
                return;
            }
            Some(action @ (Action::Suspend | Action::Redraw)) => self.act(action),
            _ => {}
        }
        self.overlay = Overlay::Found(found);
    }

    /// Shows a message with what was said around it, as soon as it is here.
    pub(super) fn jump_to(&mut self, room: RoomId, seq: Seq) {
        if !self.rooms.iter().any(|known| known.id == room) {
            return self.tell("you are not in that room any more".into(), Tone::Alarm);
        }
        self.go_to(room);
        self.room_mut().wanted = Some(seq);
        self.go_on_to_wanted(room);
    }

    /// Shows the message that is wanted in a room, or asks for what is missing up to it.
    pub(super) fn go_on_to_wanted(&mut self, id: RoomId) {
        let Some(room) = self.rooms.iter_mut().find(|room| room.id == id) else { return };
        let Some(wanted) = room.wanted else { return };
        let place = (room.log.first()..room.log.end()).find(|number| match room.log.get(*number) {
            Some(entry) => matches!(&entry.what, What::Said(said) if said.seq >= wanted),
            None => false,
        });
        let is_loaded = room.log.earliest().is_some_and(|earliest| earliest <= wanted);
        match (place.filter(|_| is_loaded), room.past) {
            (Some(entry), _) => {
                room.wanted = None;
                room.pointed_at = Some(wanted);
                let last = room.log.end() - 1;
                room.anchor = Anchor::At { entry: (entry + MESSAGES_AFTER).min(last), hidden: 0 };
            }
            (None, Past::Asked) => {}
            (None, Past::More) if room.log.len() < ENTRIES_MAX => self.ask_older_of(id),
            (None, Past::More) => {
                room.wanted = None;
                let text = format!(
                    "that is too far back to be shown here; `cli history {} --before {}` prints it",
                    room.place,
                    wanted.next()
                );
                self.tell(text, Tone::Alarm);
            }
            (None, Past::Whole) => {
                room.wanted = None;
                self.tell("that message is not kept any more".into(), Tone::Alarm);
            }
        }
    }
}
