//! Direct conversations (`PROTOCOL.md` R6).

use alloc::{format, vec::Vec};

use super::{NameHolder, Pending, Server, pending::Asked};
use crate::{
    error::{Refusal, RefusalCode},
    ids::{ConnectionId, RoomId, Seq, UserId},
    name::{Nick, nearest, printable},
    storage::{RoomKey, StorageFailure, StorageOperation, StorageOutcome},
    wire,
};

/// How many names are looked at for the one somebody may have meant.
const NEAREST_OF_MAX: usize = 2_000;

impl Server {
    pub(super) fn direct(&mut self, id: ConnectionId, direct: &wire::Direct<'_>) {
        let Some(user) = self.user_of(id) else { return };
        let other = match self.find_user(direct.nick, user) {
            Ok(other) => other,
            Err(refusal) => return self.refuse(id, direct.id, &refusal),
        };
        if other == user {
            let text = "That is you; choose somebody else to talk to.";
            let refusal = Refusal::new(RefusalCode::NotPossible, text).about(direct.nick);
            return self.refuse(id, direct.id, &refusal);
        }
        let (low, high) = (user.min(other), user.max(other));
        if let Some(room) = self.rooms.direct(low, high) {
            return self.joined(id, direct.id, room, direct.after);
        }
        if let Err(refusal) = self.has_direct_left(user, other) {
            return self.refuse(id, direct.id, &refusal);
        }
        let asked = self.begin(id, direct.id);
        let operation = StorageOperation::OpenRoom { key: RoomKey::Direct(low, high), owner: None };
        self.ask_storage(Pending::OpenForDirect { asked, user, other, after: direct.after }, operation);
    }

    /// Whether both have a conversation left to begin.
    fn has_direct_left(&self, user: UserId, other: UserId) -> Result<(), Refusal> {
        let limits = &self.config.limits;
        let most = limits.user_directs_max;
        for user in [user, other].into_iter().filter_map(|id| self.users.get(id)) {
            if user.directs.len() >= most {
                let text = format!("{} has {most} conversations, which is the most there may be.", user.nick);
                return Err(Refusal::new(RefusalCode::RoomLimit, text).about(user.nick.as_str()));
            }
        }
        if self.rooms.len() + self.opening.len() >= limits.rooms_max {
            let text = "The server has as many conversations as it may have; try again later.";
            return Err(Refusal::new(RefusalCode::RoomLimit, text));
        }
        Ok(())
    }

    /// The user with a name (R6), or else the nearest name of somebody other than the `asker`.
    pub(super) fn find_user(&self, nick: &str, asker: UserId) -> Result<UserId, Refusal> {
        let found = Nick::parse(nick).ok().and_then(|nick| self.user_names.find(&nick.key()));
        if let Some(NameHolder::User(user)) = found {
            return Ok(user);
        }
        let others = self.users.iter().filter(|user| user.id != asker).take(NEAREST_OF_MAX);
        let near = nearest(nick, others.map(|user| user.nick.as_str()));
        let shown = printable(nick);
        let text = match near {
            Some(near) => format!("There is nobody called {shown}; did you mean {near}?"),
            None => format!("There is nobody called {shown}; list the members to see who is there."),
        };
        Err(Refusal::new(RefusalCode::NoSuchUser, text).about(shown).suggesting(near.map(Into::into)))
    }

    /// Storage has opened a direct conversation, or has not.
    pub(super) fn opened_direct(
        &mut self,
        asked: Asked,
        user: UserId,
        other: UserId,
        after: Option<Seq>,
        result: Result<StorageOutcome, StorageFailure>,
    ) {
        let record = match result {
            Ok(StorageOutcome::RoomOpened(record)) => record,
            Ok(_) => return self.storage_refused(asked, "open the conversation", StorageFailure::Failed),
            Err(failure) => return self.storage_refused(asked, "open the conversation", failure),
        };
        let is_new = self.rooms.get(record.id).is_none();
        let room = self.add_if_new(record);
        self.finish(asked);
        if self.users.get(other).is_none() {
            let text = "Whom you wanted to talk to has left meanwhile.";
            self.refuse(asked.connection, asked.request, &Refusal::new(RefusalCode::NoSuchUser, text));
            return self.drop_if_deserted(room);
        }
        if is_new && self.has_too_many_directs(user, other) {
            // Others were opened while this one was on its way.
            self.remove_room(room);
            let text = "One of you has as many conversations as there may be.";
            let refusal = Refusal::new(RefusalCode::RoomLimit, text);
            return self.refuse(asked.connection, asked.request, &refusal);
        }
        self.joined(asked.connection, asked.request, room, after);
        if is_new {
            self.tell_opened(other, room);
            self.tell_other_devices(asked.connection, user, room);
        }
        self.drop_if_deserted(room);
    }

    fn has_too_many_directs(&self, user: UserId, other: UserId) -> bool {
        let most = self.config.limits.user_directs_max;
        [user, other].into_iter().filter_map(|id| self.users.get(id)).any(|user| user.directs.len() > most)
    }

    /// Tells a user that it has a conversation it did not open.
    fn tell_opened(&mut self, user: UserId, room: RoomId) {
        let connections: Vec<_> =
            self.users.get(user).into_iter().flat_map(|user| user.connections()).collect();
        self.tell_opened_to(&connections, user, room);
    }
}
