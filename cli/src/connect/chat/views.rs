//! The rooms and conversations of a chat, as they are shown.

use std::collections::BTreeMap;

use palabre_core::{
    client::RoomInfo,
    ids::{RoomId, Seq},
    storage::StoredEvent,
};

use super::messages::Messages;
use crate::{output::place, roster::Roster};

/// A room or conversation, as it is shown.
#[derive(Debug)]
pub(in crate::connect) struct View {
    pub(in crate::connect) info: RoomInfo,
    /// What it is called: `#room` or `@name`.
    pub(in crate::connect) place: String,
    pub(in crate::connect) roster: Roster,
    /// The lowest number shown, from which one can go further back.
    pub(in crate::connect) earliest: Seq,
    pub(in crate::connect) past: Past,
    /// The last messages that were shown, for who means one of them.
    pub(in crate::connect) messages: Messages,
}

/// Whether what was said before is shown already.
#[derive(Debug)]
pub(in crate::connect) enum Past {
    /// It was asked for; what has happened since waits behind it.
    Asked(Vec<StoredEvent>),
    /// It is shown, or not wanted.
    Shown,
}

/// All of them, and which is the current one.
#[derive(Debug, Default)]
pub(in crate::connect) struct Views {
    views: BTreeMap<RoomId, View>,
    current: Option<RoomId>,
}

impl View {
    fn new(info: RoomInfo) -> Self {
        let earliest = info.last.next();
        Self {
            place: place(&info),
            info,
            roster: Roster::default(),
            earliest,
            past: Past::Shown,
            messages: Messages::default(),
        }
    }
}

impl Views {
    /// Takes in how a room is. Whether it is new.
    pub(in crate::connect) fn update(&mut self, info: RoomInfo) -> bool {
        self.adopt(&info);
        match self.views.get_mut(&info.id) {
            Some(view) => {
                view.place = place(&info);
                view.info = info;
                false
            }
            None => {
                self.views.insert(info.id, View::new(info));
                true
            }
        }
    }

    /// A room by the name of one that is shown takes its place: it was made anew on the server.
    fn adopt(&mut self, info: &RoomInfo) {
        let is_same =
            |view: &View| info.with.is_none() && view.info.name == info.name && view.info.id != info.id;
        let Some(old) = self.views.values().find(|view| is_same(view)).map(|view| view.info.id) else {
            return;
        };
        self.views.remove(&old);
        if self.current == Some(old) {
            self.current = Some(info.id);
        }
    }

    pub(in crate::connect) fn find(&mut self, room: RoomId) -> Option<&mut View> {
        self.views.get_mut(&room)
    }

    pub(in crate::connect) fn find_ref(&self, room: RoomId) -> Option<&View> {
        self.views.get(&room)
    }

    /// The room that is written to.
    pub(in crate::connect) fn current(&self) -> Option<&View> {
        self.current.and_then(|room| self.views.get(&room))
    }

    pub(in crate::connect) fn is_current(&self, room: RoomId) -> bool {
        self.current == Some(room)
    }

    pub(in crate::connect) fn switch_to(&mut self, room: RoomId) {
        self.current = Some(room);
    }

    /// The room is left. Where it was the current one, the last of the others becomes it.
    pub(in crate::connect) fn remove(&mut self, room: RoomId) -> Option<View> {
        let view = self.views.remove(&room);
        if self.current == Some(room) {
            self.current = self.views.keys().next_back().copied();
        }
        view
    }

    /// The room that is called so, whatever its case.
    pub(in crate::connect) fn called(&self, name: &str) -> Option<RoomId> {
        let name = name.to_lowercase();
        self.views.values().find(|view| view.place.to_lowercase() == name).map(|view| view.info.id)
    }

    /// All of them.
    pub(in crate::connect) fn iter(&self) -> impl Iterator<Item = &View> {
        self.views.values()
    }

    pub(in crate::connect) fn places(&self) -> impl Iterator<Item = &str> {
        self.views.values().map(|view| view.place.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(id: u64, name: &str) -> RoomInfo {
        RoomInfo {
            id: RoomId::new(id),
            name: name.into(),
            topic: "".into(),
            first: Seq::new(1),
            last: Seq::new(0),
            with: None,
        }
    }

    #[test]
    fn leaving_the_current_room_shows_another() {
        let mut views = Views::default();
        assert!(views.update(info(1, "#lobby")));
        assert!(views.update(info(2, "#tea")));
        assert!(!views.update(info(2, "#tea")));
        views.switch_to(RoomId::new(2));
        views.remove(RoomId::new(2));
        assert_eq!(views.current().unwrap().place, "#lobby");
        views.remove(RoomId::new(1));
        assert!(views.current().is_none());
    }

    #[test]
    fn a_room_made_anew_takes_the_place_of_the_old() {
        let mut views = Views::default();
        views.update(info(7, "#lobby"));
        views.switch_to(RoomId::new(7));
        assert!(views.update(info(1, "#lobby")));
        assert!(views.is_current(RoomId::new(1)));
        assert_eq!(views.called("#LOBBY"), Some(RoomId::new(1)));
        assert!(views.find(RoomId::new(7)).is_none());
    }
}
