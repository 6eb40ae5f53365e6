//! Who is told what about whom (W).
//!
//! Changes may be coalesced, so what counts is what they add up to: a connection that follows a room knows after
//! every operation who is in it, by which name and in which state.

use std::collections::BTreeMap;

use palabre_core::wire::{Change, Presence, state};

use super::{ConnectionKey, Divergence, Model, Phase, RoomKey, Standing, UserKey};

/// A member of a room as others see it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seen {
    pub(super) nick: String,
    pub(super) state: u8,
    pub(super) role: u8,
}

/// The members of a room.
pub(super) type Roster = BTreeMap<UserKey, Seen>;

/// What a connection knows about the members of a room that it follows.
#[derive(Clone, Debug)]
pub(super) struct View {
    roster: Roster,
    /// Changes were left out since it last agreed.
    stale: bool,
    /// What the last notice gave as their number.
    members: Option<u32>,
}

impl View {
    pub(super) const fn new(roster: Roster) -> Self {
        Self { roster, stale: false, members: None }
    }
}

impl Model {
    pub(super) fn roster(&self, room: RoomKey) -> Roster {
        let seen = |user: UserKey| Seen {
            nick: self[user].nick.clone(),
            state: self.state_of(user),
            role: self.role_number(room, user),
        };
        self[room].members.iter().map(|user| (*user, seen(*user))).collect()
    }

    /// A notice that the server sent.
    pub(super) fn take_presence(
        &mut self,
        at: ConnectionKey,
        presence: &Presence<'_>,
    ) -> Result<(), Divergence> {
        if self[at].phase == Phase::Closed {
            // It was told before it ended; nobody can tell what it followed then.
            return Ok(());
        }
        let unexpected = |why: &str| Err(Divergence(format!("W1: {why}: {presence:?}")));
        let Some(room) = self.known.room(presence.room) else { return unexpected("unknown room") };
        let Some(mut view) = self[at].follows.get(&room).cloned() else {
            return unexpected("a room that is not followed");
        };
        if presence.stale {
            let members_most = view.roster.len().max(self[room].members.len());
            if members_most <= self.limits.presence_members_max {
                return unexpected("stale without need (W2)");
            }
            view.stale = true;
        }
        for change in &presence.changes {
            self.take_change(room, &mut view, change)?;
        }
        view.members = Some(presence.members);
        self[at].follows.insert(room, view);
        Ok(())
    }

    fn take_change(&self, room: RoomKey, view: &mut View, change: &Change<'_>) -> Result<(), Divergence> {
        let Some(user) = self.known.user(change.user) else {
            return Err(Divergence(format!("W1: change of an unknown user: {change:?}")));
        };
        let before = view.roster.get(&user).map(|seen| seen.nick.as_str());
        let was = before.filter(|nick| *nick != change.nick);
        if was != change.was && !view.stale {
            return Err(Divergence(format!("W1: `was` should be {was:?}: {change:?}")));
        }
        if change.state <= state::LOST {
            let seen = Seen { nick: change.nick.into(), state: change.state, role: change.role };
            view.roster.insert(user, seen);
            return Ok(());
        }
        let left = match self[user].standing {
            Standing::Gone { state } => state,
            Standing::Present
            | Standing::Lost { .. }
            | Standing::Returning { .. }
            | Standing::Absent
            | Standing::Newcomer => state::LEFT,
        };
        if self[room].members.contains(&user) || change.state != left {
            return Err(Divergence(format!("W1: {user:?} should have state {left} if any: {change:?}")));
        }
        view.roster.remove(&user);
        Ok(())
    }

    /// After an operation, when all notices are out: whether each view agrees with what is.
    pub(super) fn check_views(&mut self, at: ConnectionKey) -> Result<(), Divergence> {
        let rooms: Vec<_> = self[at].follows.keys().copied().collect();
        for room in rooms {
            let roster = self.roster(room);
            let count = self.member_count(room);
            let view = &self[at].follows[&room];
            if view.members.is_some_and(|members| members != count) {
                return Err(Divergence(format!("W1: {room:?} has {count} members, told {:?}", view.members)));
            }
            if !view.stale && view.roster != roster {
                let told = &view.roster;
                return Err(Divergence(format!("W1: {room:?} is told {told:?}, but has {roster:?}")));
            }
            self[at].follows.insert(room, View::new(roster));
        }
        Ok(())
    }
}
