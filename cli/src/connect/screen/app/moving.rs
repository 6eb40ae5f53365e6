//! Going to rooms, and through what was said in one.

use palabre_core::ids::RoomId;

use super::{Anchor, App, Effect, Line, Overlay, Past, What};
use crate::connect::screen::{draw, keys::Action, terminal::Key};

/// Rows of a page that stay when it is turned.
const ROWS_KEPT: usize = 2;

impl App {
    /// Looks at a room.
    pub(crate) fn go_to(&mut self, id: RoomId) {
        if self.current == Some(id) || !self.rooms.iter().any(|room| room.id == id) {
            return;
        }
        let left = self.room_mut();
        left.unread_from = None;
        let left_id = left.id;
        let forgot = left.trim(false).map(|earliest| Effect::Forgot { room: left_id, earliest });
        self.effects.extend(forgot);
        self.overlay = Overlay::None;
        self.current = Some(id);
        self.see();
        self.effects.push(Effect::Look(id));
        self.teach();
    }

    /// What is on the screen is read, if somebody looks at it.
    pub(super) fn see(&mut self) {
        if self.is_focused && self.room().anchor == Anchor::Bottom {
            self.room_mut().read();
        }
    }

    pub(super) fn step(&mut self, back: bool) {
        let count = self.rooms.len();
        let here = self.rooms.iter().position(|room| Some(room.id) == self.current);
        let Some(here) = here else { return };
        let next = if back { here + count - 1 } else { here + 1 } % count;
        self.go_to(self.rooms[next].id);
    }

    /// The next room in which somebody spoke to us, else with anything unread.
    pub(super) fn next_unread(&mut self) {
        let here = self.rooms.iter().position(|room| Some(room.id) == self.current).unwrap_or(0);
        let (before, after) = self.rooms.split_at(here);
        let others: Vec<_> = after.iter().skip(1).chain(before).collect();
        let next =
            others.iter().find(|room| room.mentions > 0 || (room.unread > 0 && room.is_conversation()));
        let next = next.or_else(|| others.iter().find(|room| room.unread > 0));
        if let Some(id) = next.map(|room| room.id) {
            self.go_to(id);
        }
    }

    pub(super) fn go_to_bottom(&mut self) {
        let room = self.room_mut();
        room.anchor = Anchor::Bottom;
        (room.wanted, room.pointed_at) = (None, None);
        self.see();
    }

    pub(super) fn scroll_page(&mut self, up: bool) {
        let rows = draw::panes(self).messages.height;
        self.scroll(up, usize::from(rows).saturating_sub(ROWS_KEPT).max(1));
    }

    /// Goes through the messages by rows. Near the oldest that are here, older ones are asked for.
    pub(super) fn scroll(&mut self, up: bool, rows: usize) {
        let panes = draw::panes(self);
        let height = usize::from(panes.messages.height);
        let room = self.room();
        let (first, last) = (room.log.first(), room.log.end() - 1);
        if last < first {
            return;
        }
        let count = |entry| draw::entry_rows(self, room, entry, panes.messages.width).len();
        let extent = Extent { first, last, count: &count };
        let position = match room.anchor {
            Anchor::Bottom => Position { entry: last, hidden: 0 },
            Anchor::At { entry, hidden } => Position { entry: entry.clamp(first, last), hidden },
        };
        let position = if up { extent.up(position, rows) } else { extent.down(position, rows) };
        // The oldest row does not go below the top of the pane.
        let missing = height.saturating_sub(extent.rows_above(position, height));
        let position = extent.down(position, missing);
        let is_near_the_oldest = extent.rows_above(position, 2 * height) < 2 * height;
        let room = self.room_mut();
        room.anchor = if position == (Position { entry: last, hidden: 0 }) {
            Anchor::Bottom
        } else {
            Anchor::At { entry: position.entry, hidden: position.hidden }
        };
        if up && is_near_the_oldest {
            self.ask_older();
        }
        self.see();
    }

    pub(super) fn ask_older(&mut self) {
        let room = self.room().id;
        self.ask_older_of(room);
    }

    pub(super) fn ask_older_of(&mut self, id: RoomId) {
        let Some(room) = self.rooms.iter_mut().find(|room| room.id == id) else { return };
        if let (Past::More, Some(before)) = (room.past, room.earliest()) {
            room.past = Past::Asked;
            let room = room.id;
            self.effects.push(Effect::Older { room, before });
        }
    }

    pub(super) fn press_while_finding(&mut self, mut line: Line, key: Key, action: Option<Action>) {
        match action {
            Some(Action::Bottom | Action::Interrupt) => return,
            Some(Action::Send | Action::Up | Action::Find) => self.find(line.text(), true),
            Some(Action::Down) => self.find(line.text(), false),
            Some(Action::PageUp) => self.scroll_page(true),
            Some(Action::PageDown) => self.scroll_page(false),
            _ => self.type_in(&mut line, key, action),
        }
        self.overlay = Overlay::Finding(line);
    }

    /// Goes to the next message before or after the one at the bottom that contains this.
    fn find(&mut self, wanted: &str, up: bool) {
        if wanted.is_empty() {
            return;
        }
        let wanted = wanted.to_lowercase();
        let room = self.room();
        let (first, last) = (room.log.first(), room.log.end() - 1);
        let here = match room.anchor {
            Anchor::Bottom => last + 1,
            Anchor::At { entry, .. } => entry,
        };
        let contains = |entry: &i64| match room.log.get(*entry).map(|entry| &entry.what) {
            Some(What::Said(said)) => said.text.to_lowercase().contains(&wanted),
            Some(What::Told { .. } | What::Traffic(_)) | None => false,
        };
        let found = if up { (first..here).rev().find(contains) } else { (here + 1..=last).find(contains) };
        match found {
            Some(entry) => self.room_mut().anchor = Anchor::At { entry, hidden: 0 },
            None if up => self.ask_older(),
            None => {}
        }
    }

    /// What a click on a place does.
    pub(super) fn point(&mut self, column: u16, row: u16) {
        let panes = draw::panes(self);
        let at = ratatui::layout::Position { x: column, y: row };
        if let Some(rooms) = panes.rooms.filter(|pane| pane.contains(at)) {
            let index = draw::first_room(self, rooms.height) + usize::from(row - rooms.y);
            if let Some(id) = self.rooms.get(index).map(|room| room.id) {
                self.go_to(id);
            }
        } else if let Some(people) = panes.people.filter(|pane| pane.contains(at)) {
            let name = self.room().people.get(usize::from(row - people.y)).map(|(name, _)| name.clone());
            if let Some(name) = name {
                let mark = if self.room().line.is_empty() { ": " } else { " " };
                self.room_mut().line.insert(&format!("{name}{mark}"));
            }
        }
    }
}

/// The last row that is seen: so many rows of an entry are below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    entry: i64,
    hidden: usize,
}

/// The rows of a room: of each entry it can be said how many it has.
struct Extent<'a> {
    first: i64,
    last: i64,
    count: &'a dyn Fn(i64) -> usize,
}

impl Extent<'_> {
    fn up(&self, mut position: Position, rows: usize) -> Position {
        position.hidden += rows;
        loop {
            let count = (self.count)(position.entry);
            if position.hidden < count {
                return position;
            }
            if position.entry == self.first {
                return Position { hidden: count.saturating_sub(1), ..position };
            }
            position = Position { entry: position.entry - 1, hidden: position.hidden - count };
        }
    }

    fn down(&self, mut position: Position, mut rows: usize) -> Position {
        while rows > position.hidden && position.entry < self.last {
            rows -= position.hidden + 1;
            let entry = position.entry + 1;
            position = Position { entry, hidden: (self.count)(entry).saturating_sub(1) };
        }
        Position { hidden: position.hidden.saturating_sub(rows), ..position }
    }

    /// How many rows there are from there on upwards, as far as they are wanted.
    fn rows_above(&self, position: Position, wanted: usize) -> usize {
        let mut rows = (self.count)(position.entry).saturating_sub(position.hidden);
        let mut entry = position.entry;
        while rows < wanted && entry > self.first {
            entry -= 1;
            rows += (self.count)(entry);
        }
        rows.min(wanted)
    }
}
