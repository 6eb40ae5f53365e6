//! Rooms and direct conversations.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};

use super::{Changes, Recent, Rights, User};
use crate::{
    ids::{ConnectionId, RoomId, Seq, UserId},
    name::{NameKey, Nick, RoomName},
    storage::Ticket,
    wire,
};

/// A room as the server keeps it at hand: its log is in storage.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) id: RoomId,
    pub(crate) kind: RoomKind,
    pub(crate) topic: Arc<str>,
    pub(crate) rights: Rights,
    /// The first number still kept.
    pub(crate) first: Seq,
    /// The last number given.
    pub(crate) tail: Seq,
    pub(crate) members: BTreeSet<UserId>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) recent: Recent,
    pub(crate) changes: Changes,
    /// Storage requests under way that name this room.
    pub(crate) holds: u32,
    /// Whether it is queued to have its events copied to its listeners.
    pub(crate) queued: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum RoomKind {
    /// A room with a name.
    Named(RoomName, NameKey),
    /// A direct conversation of two users; their names as last known.
    Direct([(UserId, Arc<str>); 2]),
}

/// A connection that follows a room: its cursor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listener {
    pub(crate) connection: ConnectionId,
    /// The first event it was not sent.
    pub(crate) next: Seq,
    /// Whether it has fallen behind and is served from its connection's list instead of with the room.
    pub(crate) behind: bool,
    /// The read that is to continue it.
    pub(crate) reading: Option<Ticket>,
    /// Events read back for it from storage since it fell behind; `None` if it never was live.
    pub(crate) read_back: Option<u64>,
    /// The first change it was not told.
    pub(crate) next_change: u64,
}

impl Room {
    pub(crate) const fn is_named(&self) -> bool {
        matches!(self.kind, RoomKind::Named(..))
    }

    /// Its name, empty for a direct conversation.
    pub(crate) fn name(&self) -> &str {
        match &self.kind {
            RoomKind::Named(name, _) => name.as_str(),
            RoomKind::Direct(_) => "",
        }
    }

    /// The other user of a direct conversation, by id and name.
    pub(crate) fn other(&self, user: UserId) -> Option<&(UserId, Arc<str>)> {
        match &self.kind {
            RoomKind::Named(..) => None,
            RoomKind::Direct(pair) => pair.iter().find(|(id, _)| *id != user),
        }
    }

    /// Notes the new name of a user, where it is part of what the room is.
    pub(crate) fn renamed(&mut self, user: UserId, nick: &Nick) {
        match &mut self.kind {
            RoomKind::Named(..) => {}
            RoomKind::Direct(pair) => {
                for (_, name) in pair.iter_mut().filter(|(id, _)| *id == user) {
                    *name = nick.shared();
                }
            }
        }
    }

    /// What a user is shown of it.
    pub(crate) fn part(&self, viewer: UserId) -> wire::Room<'_> {
        let other = self.other(viewer);
        wire::Room {
            room: self.id,
            name: self.name(),
            topic: &self.topic,
            first: self.first,
            last: self.tail,
            with_user: other.map(|(id, _)| *id),
            with_nick: other.map(|(_, nick)| nick.as_ref()),
        }
    }

    /// What members are shown that somebody is here.
    pub(crate) fn shown_role(&self, user: &User) -> u8 {
        self.rights.shown_role(user.id).unwrap_or_else(|| user.role())
    }

    pub(crate) fn members_count(&self) -> u32 {
        u32::try_from(self.members.len()).unwrap_or(u32::MAX)
    }
}

/// How many rooms are swept for one event: more than that are left for the next.
const ROOMS_SWEPT_MAX: usize = 64;

/// All rooms.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    by_id: BTreeMap<RoomId, Room>,
    named: BTreeSet<RoomId>,
    directs: BTreeMap<(UserId, UserId), RoomId>,
    /// Bytes of recent events of all rooms.
    pub(crate) recent_bytes: usize,
    /// The room whose recent events are dropped next when there are too many.
    sweep: RoomId,
}

impl Rooms {
    pub(crate) fn insert(&mut self, room: Room) {
        match &room.kind {
            RoomKind::Named(..) => {
                self.named.insert(room.id);
            }
            RoomKind::Direct([(low, _), (high, _)]) => {
                self.directs.insert((*low, *high), room.id);
            }
        }
        self.by_id.insert(room.id, room);
    }

    pub(crate) fn remove(&mut self, id: RoomId) -> Option<Room> {
        let room = self.by_id.remove(&id)?;
        self.named.remove(&id);
        if let RoomKind::Direct([(low, _), (high, _)]) = &room.kind {
            self.directs.remove(&(*low, *high));
        }
        self.recent_bytes -= room.recent.len();
        Some(room)
    }

    pub(crate) fn get(&self, id: RoomId) -> Option<&Room> {
        self.by_id.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: RoomId) -> Option<&mut Room> {
        self.by_id.get_mut(&id)
    }

    pub(crate) fn direct(&self, low: UserId, high: UserId) -> Option<RoomId> {
        self.directs.get(&(low, high)).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = RoomId> {
        self.by_id.keys().copied()
    }

    /// Named rooms with a higher id, ascending.
    pub(crate) fn named_after(&self, after: RoomId) -> impl Iterator<Item = &Room> {
        use core::ops::Bound::{Excluded, Unbounded};
        self.named.range((Excluded(after), Unbounded)).filter_map(|id| self.by_id.get(id))
    }

    /// Drops the recent events of some rooms, one after the other, while there are too many. Whoever misses them
    /// reads them back from storage.
    pub(crate) fn sweep_recent(&mut self, recent_bytes_max: usize) {
        for _ in 0..ROOMS_SWEPT_MAX {
            if self.recent_bytes <= recent_bytes_max {
                return;
            }
            self.sweep_one();
        }
    }

    fn sweep_one(&mut self) {
        use core::ops::Bound::{Excluded, Unbounded};
        let next = self.by_id.range_mut((Excluded(self.sweep), Unbounded)).next();
        let Some((id, room)) = next else {
            self.sweep = RoomId::default();
            return;
        };
        self.sweep = *id;
        self.recent_bytes -= room.recent.len();
        room.recent.clear(room.tail.next());
    }
}
