//! What the application of an honest client was told of its rooms: each event once, in order, without holes.

use std::collections::BTreeMap;

use palabre_core::{
    client::{Happening, SavedSession},
    ids::{RoomId, Seq, UserId},
    storage::StoredEvent,
};

use super::{Invariant, Violation, ensure};
use crate::store::{Room, Tables};

/// One room as an application was told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follower {
    /// The number of the next event; `None` while any may be the first.
    pub next: Option<Seq>,
}

/// The rooms one application follows.
#[derive(Clone, Debug, Default)]
pub struct Followers {
    rooms: BTreeMap<RoomId, Follower>,
}

impl Followers {
    /// What a client process that starts from saved state has been told.
    #[must_use]
    pub fn from_saved(saved: &SavedSession) -> Self {
        let followers =
            saved.rooms.iter().map(|(room, _, seen)| (*room, Follower { next: Some(seen.next()) }));
        Self { rooms: followers.collect() }
    }

    /// The application joined a room by itself, asking for events after a number or for what is new.
    pub fn joined(&mut self, room: RoomId, after: Option<Seq>, last: Seq) {
        match after {
            Some(after) => {
                self.rooms.insert(room, Follower { next: Some(after.min(last).next()) });
            }
            None => self.opened(room),
        }
    }

    /// The client follows a room on its own account.
    pub fn opened(&mut self, room: RoomId) {
        self.rooms.entry(room).or_insert(Follower { next: None });
    }

    /// The application was told that events are missing.
    pub fn trimmed(&mut self, room: RoomId, first: Seq) {
        if let Some(follower) = self.rooms.get_mut(&room) {
            follower.next = Some(first);
        }
    }

    /// The room was left.
    pub fn parted(&mut self, room: RoomId) {
        self.rooms.remove(&room);
    }

    /// The rooms followed.
    pub fn iter(&self) -> impl Iterator<Item = (RoomId, Follower)> + '_ {
        self.rooms.iter().map(|(room, follower)| (*room, *follower))
    }

    /// Judges an event that the application was told (I4, I6, I7).
    ///
    /// # Errors
    /// It is not the next one, or not what is durable.
    pub fn happened(
        &mut self,
        actor: usize,
        happening: &Happening,
        durable: &Tables,
    ) -> Result<(), Violation> {
        let Happening { room, event } = happening;
        let Some(follower) = self.rooms.get_mut(room) else {
            let facts = format!("c{actor} does not follow room {room}, but was told {event:?}");
            return Err(Violation::new(Invariant::Private, facts));
        };
        ensure(follower.next.is_none_or(|next| next == event.seq), Invariant::Ordered, || {
            format!("c{actor} was told number {} of room {room}, next was {:?}", event.seq, follower.next)
        })?;
        follower.next = Some(event.seq.next());
        check_durable(*room, event, durable, || format!("c{actor} was told"))
    }
}

/// An event that somebody was shown is durable, and is what is durable (I4, I6).
pub(super) fn check_durable(
    room: RoomId,
    event: &StoredEvent,
    durable: &Tables,
    who: impl Fn() -> String,
) -> Result<(), Violation> {
    // As it read when it was changed last, or at first: what it read in between was never told by anybody (N4).
    let as_shown = |room: &Room| {
        let stored = room.event(event.seq)?;
        Some(room.revisions.as_of(stored, event.revised.unwrap_or(event.seq)))
    };
    match durable.room_ever(room).and_then(as_shown) {
        Some(stored) if stored == *event => Ok(()),
        Some(stored) => Err(Violation::new(
            Invariant::Ordered,
            format!("{} {event:?} in room {room}; durable under that number is {stored:?}", who()),
        )),
        None => Err(Violation::new(
            Invariant::Durable,
            format!("{} {event:?} in room {room}; nothing is durable under that number", who()),
        )),
    }
}

impl Followers {
    /// Everything was told up to the end of every room (L).
    ///
    /// # Errors
    /// Something was not.
    pub fn check_caught_up(&self, actor: usize, user: UserId, durable: &Tables) -> Result<(), Violation> {
        for (id, follower) in self.iter() {
            let Some(room) = durable.room(id) else { continue };
            let behind = follower.next.is_some_and(|next| next != room.last().next());
            ensure(!behind, Invariant::Live, || {
                format!(
                    "c{actor} (user {user}) waits for number {:?} of room {id}, which has {}",
                    follower.next,
                    room.last()
                )
            })?;
        }
        Ok(())
    }
}
