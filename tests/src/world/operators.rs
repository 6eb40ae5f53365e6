//! The server's operators: the first is made by whoever has its machine, while it is down.

use std::sync::Arc;

use palabre_core::{
    ids::{Nonce, RoomId, Seq, UserId},
    name::OPERATORS,
    rights::{RightChange, Role, RoomChange, RoomMode, Standing},
    storage::{About, EventKind, NewEvent, RoomKey, StorageOperation, StorageOutcome},
};

use super::{Phase, Task, World};
use crate::{
    choices::Subsystem,
    oracle::{Invariant, Violation},
    sometimes,
    trace::Step,
};

/// Whoever has the machine writes under numbers that no client draws.
const FIRST_NONCE: u64 = u64::MAX - (1 << 20);

impl World {
    /// Somebody has an account: where there are to be operators, the server is shut down to make it one.
    pub(super) fn want_operator(&mut self) {
        if self.plan.operated && self.phase == Phase::Safety && self.house().is_none() {
            let after = self.choices.duration(Subsystem::Process, self.plan.operation_every * 20);
            self.agenda.add(self.now.after(after), Task::ShutDown);
        }
    }

    /// While no server runs, an account is made the first operator, as `runtime-server operator add` does it.
    pub(super) fn make_operator(&mut self) -> Result<(), Violation> {
        if !self.plan.operated || self.phase > Phase::Safety || self.house().is_some() {
            return Ok(());
        }
        let Some((user, nick)) = self.some_account() else { return Ok(()) };
        let key = RoomKey::Named(OPERATORS.into());
        let opened = self.write_at_rest(&StorageOperation::OpenRoom { key, owner: None })?;
        let StorageOutcome::RoomOpened(room) = opened else { return Ok(()) };
        self.note(Step::Fault(format!("{nick} is made an operator")));
        self.ledger.member(user, room.id);
        self.write_at_rest(&StorageOperation::SetMember { user, room: room.id, member: true })?;
        let about = Some((user, nick));
        let change = RoomChange::Right(user, RightChange::Role(Role::Owner));
        self.act_at_rest(room.id, user, EventKind::Owned, about, change)?;
        sometimes!("an operator was made");
        Ok(())
    }

    /// Whether anything keeps anybody from entering or speaking on the whole server.
    pub(super) fn is_locked_down(&self) -> bool {
        let house = self.house().and_then(|house| self.store.durable().room(house));
        house.is_some_and(|house| {
            let held = |standing: &Standing| standing.banned.is_some() || standing.muted.is_some();
            house.rights.mode != RoomMode::default() || house.rights.standings().any(held)
        })
    }

    /// Faults have stopped, but not what clients had still to ask for: whoever has the machine lifts what keeps people
    /// from entering and speaking.
    pub(super) fn lift_lockdown(&mut self) -> Result<(), Violation> {
        let Some(house) = self.house() else { return Ok(()) };
        self.crash_server(true)?;
        let Some(room) = self.store.durable().room(house) else { return Ok(()) };
        let Some(author) = room.event(Seq::new(1)).map(|event| event.author) else { return Ok(()) };
        let held: Vec<Standing> = room.rights.standings().cloned().collect();
        let locked = room.rights.mode != RoomMode::default();
        sometimes!("a lockdown was lifted", room.rights.mode.closed || room.rights.mode.read_only);
        if locked {
            self.act_at_rest(house, author, EventKind::Mode, None, RoomChange::Mode(RoomMode::default()))?;
        }
        for Standing { user, name, banned, muted, .. } in held {
            let lifted = [
                banned.map(|_| (EventKind::Unbanned, RightChange::Banned(None))),
                muted.map(|_| (EventKind::Unmuted, RightChange::Muted(None))),
            ];
            for (kind, change) in lifted.into_iter().flatten() {
                let about = Some((user, Arc::clone(&name)));
                self.act_at_rest(house, author, kind, about, RoomChange::Right(user, change))?;
            }
        }
        self.ledger.rights.pardoned();
        self.start_server()
    }

    fn act_at_rest(
        &mut self,
        room: RoomId,
        author: UserId,
        kind: EventKind,
        about: Option<(UserId, Arc<str>)>,
        change: RoomChange,
    ) -> Result<(), Violation> {
        let number = self.store.durable().positions().next().map_or(0, |(position, ..)| position.get());
        let event = NewEvent {
            author,
            nick: "the machine".into(),
            nonce: Nonce::new(FIRST_NONCE + number),
            at: super::wall(self.now, self.host.wall_offset),
            kind,
            text: "on the server's own machine".into(),
            about: about.map(|(user, name)| About { id: user.get(), name, until: None }),
        };
        self.write_at_rest(&StorageOperation::Append { room, event, change: Some(change) }).map(drop)
    }

    fn write_at_rest(&mut self, operation: &StorageOperation) -> Result<StorageOutcome, Violation> {
        let outcome = self.store.written_at_rest(operation);
        self.ledger.inspect_logs(self.store.durable())?;
        outcome.map_err(|failure| {
            Violation::new(Invariant::Recoverable, format!("{operation:?} fails at rest: {failure:?}"))
        })
    }

    fn house(&self) -> Option<RoomId> {
        self.store.durable().room_named(OPERATORS)
    }

    fn some_account(&self) -> Option<(UserId, Arc<str>)> {
        let accounts = self.store.durable().recovered().accounts;
        let mut ours = accounts.into_iter().filter(|account| self.accounts.is_known(account.user));
        ours.next().map(|account| (account.user, account.nick))
    }
}
