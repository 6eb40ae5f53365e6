//! The rooms the client is in, and how far the application has been told what happened there (`PROTOCOL.md` C).

use alloc::{
    collections::{BTreeMap, VecDeque},
    string::String,
    vec::Vec,
};

use super::{MemberChange, RoomInfo};
use crate::{
    error::ProtocolError,
    ids::{RoomId, Seq},
    name::RoomName,
    storage::EventKind,
    wire::LogEvent,
};

/// More rooms than any user can be in (R7): a server that puts us into more is not believed.
pub(super) const ROOMS_MAX: usize = 512;

/// The rooms the user is in, and those it was in as a guest that is no more.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    known: BTreeMap<RoomId, Room>,
    wishes: VecDeque<Wish>,
}

/// A room the user is in.
#[derive(Debug)]
struct Room {
    info: RoomInfo,
    /// The last event the application was told.
    seen: Seq,
    cursor: Cursor,
}

/// Where the server's cursor for this connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cursor {
    /// Nowhere yet: no event may come.
    Unset,
    /// After `position`. It may stand before what was seen, never after it.
    Live { position: Seq },
    /// After `position`, but events between what was seen and that would be missed: the room is followed again
    /// from there, and what comes until then is not told.
    Rewinding { position: Seq },
}

/// A room to be joined again by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) name: RoomName,
    /// Which room it was.
    pub(super) was: RoomId,
    /// Whether it was one of the database that the server runs on.
    pub(super) of_this_database: bool,
    pub(super) after: Seq,
}

/// A room to be followed from a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FollowFrom {
    pub(super) room: RoomId,
    pub(super) after: Seq,
}

/// Where the events are to begin that follow a `Joined`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// After this number, even if they were told already: the application asks for them.
    At(Seq),
    /// Where the application has read to; in a room that is new to it, after the last.
    WhereRead,
}

impl Rooms {
    /// Takes up what an earlier run saved.
    pub(super) fn restore(saved: Vec<(RoomId, String, Seq)>) -> Self {
        let mut rooms = Self::default();
        for (id, name, seen) in saved.into_iter().take(ROOMS_MAX) {
            let info = RoomInfo {
                id,
                name: name.into(),
                topic: "".into(),
                first: Seq::new(1),
                last: seen,
                with: None,
            };
            rooms.known.insert(id, Room { info, seen, cursor: Cursor::Unset });
        }
        rooms
    }

    pub(super) fn contains(&self, room: RoomId) -> bool {
        self.known.contains_key(&room)
    }

    pub(super) fn infos(&self) -> impl Iterator<Item = &RoomInfo> {
        self.known.values().map(|room| &room.info)
    }

    pub(super) fn to_save(&self) -> Vec<(RoomId, String, Seq)> {
        self.known.iter().map(|(id, room)| (*id, String::from(&*room.info.name), room.seen)).collect()
    }

    /// The connection is gone, and with it the server's cursors.
    pub(super) fn unset_cursors(&mut self) {
        for room in self.known.values_mut() {
            room.cursor = Cursor::Unset;
        }
    }

    /// The guest that was in the rooms is no more: those with a name are to be joined again.
    pub(super) fn become_wishes(&mut self) {
        for (was, room) in core::mem::take(&mut self.known) {
            if self.wishes.len() >= ROOMS_MAX {
                return;
            }
            if let Ok(name) = RoomName::parse(&room.info.name) {
                self.wishes.push_back(Wish { name, was, of_this_database: true, after: room.seen });
            }
        }
    }

    /// The database is another: whatever has a wished name there was never read.
    pub(super) fn forget_ids(&mut self) {
        for wish in &mut self.wishes {
            (wish.of_this_database, wish.after) = (false, Seq::new(0));
        }
    }

    pub(super) fn wishes(&self) -> impl Iterator<Item = &Wish> {
        self.wishes.iter()
    }

    /// A wish was answered.
    pub(super) fn forget_wish(&mut self, name: &RoomName) {
        self.wishes.retain(|wish| wish.name != *name);
    }

    /// The rooms that the server does not list any more; they are forgotten.
    pub(super) fn keep_listed(&mut self, listed: &[RoomInfo]) -> Vec<RoomInfo> {
        let is_listed = |id: &RoomId| listed.iter().any(|info| info.id == *id);
        let gone = self.known.extract_if(.., |id, _| !is_listed(id));
        gone.map(|(_, room)| room.info).collect()
    }

    /// A room the user turned out to be in: where to follow it from, and whether the application knew it.
    pub(super) fn list(&mut self, info: &RoomInfo) -> Result<(FollowFrom, bool), ProtocolError> {
        if let Some(room) = self.known.get_mut(&info.id) {
            room.info = info.clone();
            return Ok((FollowFrom { room: info.id, after: room.seen }, true));
        }
        let seen = self.first_unread(info);
        self.insert(info, seen, Cursor::Unset)?;
        Ok((FollowFrom { room: info.id, after: seen }, false))
    }

    /// Up to where a room is taken as read that the application does not know to be in: a direct conversation
    /// not at all, a wish as far as it was, any other as if it was just joined.
    fn first_unread(&mut self, info: &RoomInfo) -> Seq {
        if info.with.is_some() {
            return Seq::new(0);
        }
        let Some(at) = self.wishes.iter().position(|wish| wish.name.as_str() == &*info.name) else {
            return info.last;
        };
        match self.wishes.remove(at) {
            Some(wish) if wish.is(info.id) => wish.after,
            Some(_) | None => Seq::new(0),
        }
    }

    fn insert(&mut self, info: &RoomInfo, seen: Seq, cursor: Cursor) -> Result<(), ProtocolError> {
        if self.known.len() >= ROOMS_MAX {
            return Err(ProtocolError::MalformedBody);
        }
        self.known.insert(info.id, Room { info: info.clone(), seen, cursor });
        Ok(())
    }

    /// The application joined a room, asking for events after `after`: where it must be followed from so that
    /// nothing is missed, if the server's cursor does not stand there.
    pub(super) fn joined(
        &mut self,
        info: &RoomInfo,
        after: Option<Seq>,
        begin: Begin,
    ) -> Result<Option<FollowFrom>, ProtocolError> {
        let position = after.unwrap_or(info.last).min(info.last);
        let Some(room) = self.known.get_mut(&info.id) else {
            let seen = match begin {
                Begin::At(seen) => seen.min(info.last),
                Begin::WhereRead => position,
            };
            self.insert(info, seen, Cursor::Unset)?;
            return Ok(self.known.get_mut(&info.id).and_then(|room| room.settle(position)));
        };
        room.info = info.clone();
        match begin {
            Begin::At(seen) => room.seen = seen.min(info.last),
            Begin::WhereRead => {}
        }
        Ok(room.settle(position))
    }

    /// Where a room must be followed from, if the server's cursor does not stand where it was read to.
    pub(super) fn to_rewind(&self, id: RoomId) -> Option<FollowFrom> {
        let room = self.known.get(&id)?;
        match room.cursor {
            Cursor::Rewinding { .. } => Some(FollowFrom { room: id, after: room.seen }),
            Cursor::Unset | Cursor::Live { .. } => None,
        }
    }

    /// The user left a room, or is not let into it any more.
    pub(super) fn leave(&mut self, room: RoomId) -> Option<RoomInfo> {
        self.known.remove(&room).map(|room| room.info)
    }

    /// Counts an event: whether the application is to be told.
    pub(super) fn happened(&mut self, id: RoomId, event: &LogEvent<'_>) -> Result<bool, ProtocolError> {
        let room = self.known.get_mut(&id).ok_or(ProtocolError::SequenceBroken)?;
        let told = room.advance(event.seq)?;
        room.info.last = room.info.last.max(event.seq);
        if event.kind == EventKind::Topic.number() {
            room.info.topic = event.text.into();
        }
        Ok(told)
    }

    /// Events before `first` are no more: whether the application has to be told that it misses some.
    pub(super) fn trimmed(&mut self, id: RoomId, first: Seq) -> Result<bool, ProtocolError> {
        let room = self.known.get_mut(&id).ok_or(ProtocolError::SequenceBroken)?;
        room.info.first = room.info.first.max(first);
        room.skip_to(first)
    }

    /// Takes a new name of somebody over into the direct conversation with that user.
    pub(super) fn rename_partner(&mut self, id: RoomId, changes: &[MemberChange]) {
        let Some((user, nick)) = self.known.get_mut(&id).and_then(|room| room.info.with.as_mut()) else {
            return;
        };
        for change in changes.iter().filter(|change| change.user == *user && change.was.is_some()) {
            *nick = change.nick.as_str().into();
        }
    }
}

impl Wish {
    /// Whether it is this room, rather than another by the same name.
    pub(super) fn is(&self, room: RoomId) -> bool {
        self.of_this_database && self.was == room
    }
}

impl Room {
    /// The server's cursor stands after `position` from now on.
    fn settle(&mut self, position: Seq) -> Option<FollowFrom> {
        if position <= self.seen {
            self.cursor = Cursor::Live { position };
            return None;
        }
        self.cursor = Cursor::Rewinding { position };
        Some(FollowFrom { room: self.info.id, after: self.seen })
    }

    fn advance(&mut self, seq: Seq) -> Result<bool, ProtocolError> {
        let follows = |position: Seq| seq > position && seq == position.next();
        match &mut self.cursor {
            Cursor::Live { position } if follows(*position) => {
                *position = seq;
                let told = seq > self.seen || crate::seeded_bug!("told-again-after-reconnect");
                self.seen = self.seen.max(seq);
                Ok(told)
            }
            Cursor::Rewinding { position } if follows(*position) => {
                *position = seq;
                Ok(false)
            }
            Cursor::Unset | Cursor::Live { .. } | Cursor::Rewinding { .. } => {
                Err(ProtocolError::SequenceBroken)
            }
        }
    }

    fn skip_to(&mut self, first: Seq) -> Result<bool, ProtocolError> {
        match &mut self.cursor {
            Cursor::Live { position } if first > *position => {
                *position = first.previous();
                let told = *position > self.seen;
                self.seen = self.seen.max(*position);
                Ok(told)
            }
            Cursor::Rewinding { position } if first > *position => {
                *position = first.previous();
                Ok(false)
            }
            Cursor::Unset | Cursor::Live { .. } | Cursor::Rewinding { .. } => {
                Err(ProtocolError::SequenceBroken)
            }
        }
    }
}
