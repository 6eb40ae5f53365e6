//! Honest people who govern rooms, as far as they are let: those without the right try it, too.

use palabre_core::{
    client::{Governance, ModeChange, RoomInfo},
    name::OPERATORS,
    rights::Act,
};

use super::{World, operations::Request};
use crate::{choices::Subsystem, oracle::Violation};

/// What is tried: taking more often than giving back, as it is what races with posts.
const ACTS: &[Act] = &[
    Act::Kick,
    Act::Mute,
    Act::Ban,
    Act::Kick,
    Act::Unmute,
    Act::Unban,
    Act::Invite,
    Act::Uninvite,
    Act::Promote,
    Act::Demote,
    Act::Own,
];

impl World {
    pub(super) fn govern(&mut self, actor: usize) -> Result<(), Violation> {
        let Some(room) = self.some_room_to_govern(actor) else { return Ok(()) };
        let act = *self.choices.pick(Subsystem::Operations, ACTS);
        let ends = act.may_end() && self.choices.chance(Subsystem::Operations, 1, 2);
        let governance = Governance {
            room: room.id,
            act,
            name: self.some_nick(actor),
            seconds: ends.then(|| *self.choices.pick(Subsystem::Operations, &[1, 20, 600])),
            reason: "it had to be".to_owned(),
        };
        self.verb(actor, Request::Govern, |client, now| client.govern(governance, now))
    }

    /// Those who operate the server do that as often as they govern another room.
    fn some_room_to_govern(&mut self, actor: usize) -> Option<RoomInfo> {
        let client = self.actors[actor].client.as_ref()?;
        let house = client.joined().find(|room| &*room.name == OPERATORS).cloned();
        match house.filter(|_| self.choices.chance(Subsystem::Operations, 1, 2)) {
            Some(house) => Some(house),
            None => self.some_room(actor),
        }
    }

    pub(super) fn change_mode(&mut self, actor: usize) -> Result<(), Violation> {
        let Some(room) = self.some_room_to_govern(actor) else { return Ok(()) };
        let mut flag = || Some(self.choices.chance(Subsystem::Operations, 1, 4));
        let mut change = ModeChange::default();
        (change.private, change.read_only, change.topic_locked) = (flag(), flag(), flag());
        change.closed = flag();
        change.slow_seconds = Some(*self.choices.pick(Subsystem::Operations, &[0, 0, 1, 30]));
        self.verb(actor, Request::Mode, |client, now| client.set_mode(room.id, change, now))
    }
}
