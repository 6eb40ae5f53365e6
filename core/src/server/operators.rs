//! Operators: who has a role in `#operators` has an owner's rights in every room, and what is done there is done on the
//! whole server (`PROTOCOL.md` section O).

use alloc::{format, sync::Arc};

use rand_core::RngCore;

use super::{Pending, Server};
use crate::{
    connection::Newcomer,
    error::{Refusal, RefusalCode},
    hub::{Rights, Who},
    ids::{Nonce, RoomId, UserId},
    name::OPERATORS,
    output::EndCause,
    rights::Role,
    storage::{Appended, EventKind, NewEvent, StorageFailure, StorageOperation},
    wire,
};

/// How much somebody may, ascending: an operator is above every owner.
pub(super) type Rank = (bool, Role);

impl Server {
    /// The rights in the operators' room, where there is one.
    fn house(&self) -> Option<&Rights> {
        self.operators.and_then(|room| self.rooms.get(room)).map(|room| &room.rights)
    }

    pub(super) fn is_operator(&self, user: UserId) -> bool {
        self.house().is_some_and(|house| house.role(user) >= Role::Moderator)
    }

    /// All operators, for a room that they are above the owners of.
    pub(super) fn operators_but_in(&self, room: RoomId) -> impl Iterator<Item = UserId> {
        let house = self.house().filter(|_| Some(room) != self.operators);
        house.into_iter().flat_map(|house| house.not_below(Role::Moderator))
    }

    /// What somebody is in a room; in that of the operators, what it is there and nothing more.
    pub(super) fn role_in(&self, user: UserId, room: RoomId) -> Role {
        let own = self.rooms.get(room).map_or(Role::Member, |room| room.rights.role(user));
        if Some(room) != self.operators && self.is_operator(user) { Role::Owner } else { own }
    }

    pub(super) fn rank_in(&self, user: UserId, room: RoomId) -> Rank {
        (Some(room) != self.operators && self.is_operator(user), self.role_in(user, room))
    }

    /// Whether somebody who is known may enter.
    pub(super) fn may_enter(&self, user: UserId) -> Result<(), Refusal> {
        match self.users.get(user) {
            Some(user) => self.may_come(Who::of(user)),
            None => Ok(()),
        }
    }

    /// Whether somebody may come by a name that is new.
    pub(super) fn may_begin(&self, folded: &Arc<str>) -> Result<(), Refusal> {
        if self.house().is_some_and(|house| house.mode().closed) {
            let text = "The server is closed to newcomers for the time being; try again later.";
            return Err(Refusal::new(RefusalCode::Lockdown, text));
        }
        // Nobody has number 0: only the name can be known.
        self.may_come(Who { user: UserId::new(0), guest_name: Some(folded) })
    }

    /// Whether somebody may take a place: what was allowed when it asked may not be any more after it has waited.
    pub(super) fn may_still_enter(&self, newcomer: &Newcomer) -> Result<(), Refusal> {
        match newcomer {
            Newcomer::Guest { key, .. } => self.may_begin(key.folded()),
            Newcomer::Account(account) => self.may_begin(account.key.folded()),
            Newcomer::Returning { holder, .. } => self.may_enter(holder.user),
            Newcomer::Device { user, .. } => self.may_enter(*user),
        }
    }

    fn may_come(&self, who: Who<'_>) -> Result<(), Refusal> {
        let now = self.peers.now.monotonic;
        match self.house().and_then(|house| house.ban(who, now)) {
            Some(until) => {
                let text = format!("You are banned from this server{}.", self.for_how_long(until));
                Err(Refusal::new(RefusalCode::Banned, text))
            }
            None => Ok(()),
        }
    }

    /// Whether somebody may say anything anywhere.
    pub(super) fn may_speak(&self, user: UserId) -> Result<(), Refusal> {
        let (Some(house), Some(found)) = (self.house(), self.users.get(user)) else { return Ok(()) };
        let now = self.peers.now.monotonic;
        self.may_come(Who::of(found))?;
        if let Some(until) = house.mute(Who::of(found), now) {
            let text = format!("You are muted on this server{}; nobody was told.", self.for_how_long(until));
            return Err(Refusal::new(RefusalCode::Muted, text));
        }
        if house.mode().read_only && !self.is_operator(user) && !crate::seeded_bug!("spoken-in-lockdown") {
            let text = "The server is locked down: only its operators write for the time being.";
            return Err(Refusal::new(RefusalCode::Lockdown, text));
        }
        Ok(())
    }

    /// Ends all connections of somebody who was banned from the server.
    pub(super) fn shut_out(&mut self, user: UserId) {
        if crate::seeded_bug!("shut-out-stays-connected") {
            return;
        }
        for connection in self.seats_of(user) {
            let text = "You are banned from this server.";
            let farewell = wire::Goodbye { reason: wire::goodbye::REFUSED, text };
            self.close(connection, EndCause::Revoked, Some(farewell.into()));
        }
    }

    fn seats_of(&self, user: UserId) -> alloc::vec::Vec<crate::ids::ConnectionId> {
        let devices = self.users.get(user).into_iter().flat_map(|user| &user.devices);
        devices.flat_map(|device| &device.seats).map(|seat| seat.connection).collect()
    }

    /// Has an act of another room stand in the operators' log as well.
    pub(super) fn note_act(&mut self, room: RoomId, act: &NewEvent) {
        if crate::seeded_bug!("act-not-noted") {
            return;
        }
        let Some(operators) = self.operators.filter(|operators| *operators != room) else { return };
        let Some(name) = self.rooms.get(room).map(|room| room.name()) else { return };
        let what = act.kind.act_name();
        let text = match &*act.text {
            "" => format!("{name} {what}"),
            reason => format!("{name} {what}: {reason}"),
        };
        let event = NewEvent {
            kind: EventKind::Noted,
            nonce: Nonce::new(self.rng.next_u64()),
            text: text.into(),
            ..act.clone()
        };
        self.hold(operators, 1);
        let operation = StorageOperation::Append { room: operators, event: event.clone(), change: None };
        self.ask_storage(Pending::Note { room: operators, event }, operation);
    }

    /// Storage has appended such a note, or has not: the act stands in its room's log in any case.
    pub(super) fn noted(&mut self, room: RoomId, event: NewEvent, result: Result<Appended, StorageFailure>) {
        self.hold(room, -1);
        match result {
            Ok(Appended::Stored { seq, first }) => self.append(room, seq, first, event),
            Ok(Appended::Repeated { seq, at }) => self.append_unseen(room, seq, NewEvent { at, ..event }),
            Ok(Appended::NonceReused | Appended::Unfit(_)) => {}
            Err(failure) => drop(self.storage_refusal("note an act for the operators", failure)),
        }
    }

    /// Nobody makes the operators' room but the server's operator on its own machine.
    pub(super) fn may_be_made(&self, folded: &str) -> Result<(), Refusal> {
        if folded != OPERATORS {
            return Ok(());
        }
        let text = "#operators is for the server's operators, and it has none yet.";
        Err(Refusal::new(RefusalCode::NotAllowed, text).about(OPERATORS))
    }
}
