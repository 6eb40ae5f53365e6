//! Up to where accounts have read rooms (A14). Marks are told as connections take them, so what counts is that each
//! connection knows them in the end.

use palabre_core::{
    error::RefusalCode,
    wire::{MarkRead, ReadUpTo},
};

use super::{ConnectionKey, Divergence, Expected, Model, Phase, Refusal, RoomKey, UserKey};

impl Model {
    /// A14.
    pub(super) fn mark_read(
        &mut self,
        at: ConnectionKey,
        user: UserKey,
        mark: &MarkRead,
    ) -> Result<(), Refusal> {
        let room = self.member_room(user, mark.room);
        let room = match (room, self.is_account(user)) {
            (Ok(room), true) => room,
            (Ok(_), false) => return Err(Refusal::new(RefusalCode::NotAllowed)),
            (Err(refusal), true) => return Err(refusal),
            (Err(refusal), false) => {
                return Err(Refusal::any_of([refusal.codes, vec![RefusalCode::NotAllowed]].concat()));
            }
        };
        let seq = mark.seq.get().min(self[room].last()).max(self.mark(user, room));
        self.marks.insert((user, room), seq);
        self[at].marks.insert(room, seq);
        self.expect(at, Expected::Done { id: mark.id });
        Ok(())
    }

    fn mark(&self, user: UserKey, room: RoomKey) -> u64 {
        self.marks.get(&(user, room)).copied().unwrap_or_default()
    }

    /// A14: who joins has read what was said before.
    pub(super) fn mark_joined(&mut self, user: UserKey, room: RoomKey) {
        if self.is_account(user) {
            let last = self[room].last();
            self.marks.insert((user, room), last);
            for at in self.connections_of(user).collect::<Vec<_>>() {
                self[at].marks.insert(room, last);
            }
        }
    }

    /// A14: with the membership the mark ends.
    pub(super) fn unmark(&mut self, user: UserKey, room: RoomKey) {
        self.marks.remove(&(user, room));
        for at in self.connections_of(user).collect::<Vec<_>>() {
            self[at].marks.remove(&room);
        }
    }

    pub(super) fn take_mark(&mut self, at: ConnectionKey, told: &ReadUpTo) -> Result<(), Divergence> {
        let Phase::Ready { user } = self[at].phase else { return Ok(()) };
        let room = self.known.room(told.room);
        let Some(room) = room.filter(|room| told.seq.get() <= self.mark(user, *room)) else {
            return Err(Divergence(format!("A14: {at:?} is told {told:?}")));
        };
        self[at].marks.insert(room, told.seq.get());
        Ok(())
    }

    /// After an operation: whether each connection of an account knows its marks.
    pub(super) fn check_marks(&self, at: ConnectionKey) -> Result<(), Divergence> {
        let Phase::Ready { user } = self[at].phase else { return Ok(()) };
        for room in self.rooms_of(user) {
            let (mark, known) =
                (self.mark(user, room), self[at].marks.get(&room).copied().unwrap_or_default());
            if mark != known {
                let why = format!("A14: {at:?} has read {room:?} up to {mark}, and knows of {known}");
                return Err(Divergence(why));
            }
        }
        Ok(())
    }
}
