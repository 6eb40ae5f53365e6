//! The connections and what is said to them, apart from the hub, so that one can be told about the other.

use alloc::{collections::VecDeque, vec::Vec};

use crate::{
    connection::{BufferPool, Connection, Connections, Pause, Phase},
    ids::ConnectionId,
    limits::Limits,
    time::{Monotonic, Now},
    timer::{Timer, Timers},
    wire::ToClient,
};

/// All connections, their buffers and deadlines, and the lists of those that want attention.
#[derive(Debug)]
pub(crate) struct Peers {
    pub(crate) connections: Connections,
    pub(crate) pool: BufferPool,
    pub(crate) timers: Timers,
    pub(crate) now: Now,
    /// What is used of the outbound memory that all connections share.
    pub(crate) shared_bytes: usize,
    /// Connections that have not entered.
    pub(crate) entering: u32,
    /// Connections whose interest may have changed.
    pub(crate) interest: VecDeque<ConnectionId>,
    /// Connections with room for what they missed.
    pub(crate) refill: VecDeque<ConnectionId>,
    /// Connections with content to send.
    pub(crate) bulk: VecDeque<ConnectionId>,
    /// Connections with inbound bytes that may be handled again.
    pub(crate) resume: VecDeque<ConnectionId>,
}

impl Peers {
    pub(crate) fn new(now: Now) -> Self {
        Self {
            connections: Connections::default(),
            pool: BufferPool::default(),
            timers: Timers::default(),
            now,
            shared_bytes: 0,
            entering: 0,
            interest: VecDeque::new(),
            refill: VecDeque::new(),
            bulk: VecDeque::new(),
            resume: VecDeque::new(),
        }
    }

    /// Says something nobody asked for.
    pub(crate) fn tell<'a>(&mut self, id: ConnectionId, message: impl Into<ToClient<'a>>, limits: &Limits) {
        let message = message.into();
        self.append(id, limits, |buffer| message.encode(buffer));
    }

    /// Answers a request. Replies are bounded by the requests that are taken (K1).
    pub(crate) fn answer<'a>(&mut self, id: ConnectionId, message: impl Into<ToClient<'a>>, limits: &Limits) {
        let id = if crate::seeded_bug!("answered-whoever-has-the-slot") {
            self.connections.now_in_slot_of(id)
        } else {
            id
        };
        let message = message.into();
        let count = self.append(id, limits, |buffer| message.encode(buffer));
        if let Some(connection) = self.connections.get_mut(id) {
            connection.outbound.count_reply(count);
        }
    }

    /// Appends what `write` does to what waits for a connection that is still spoken to; how much that was.
    pub(crate) fn append(
        &mut self,
        id: ConnectionId,
        limits: &Limits,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> usize {
        let Some(connection) = self.connections.get_mut(id).filter(|connection| !connection.is_closing())
        else {
            return 0;
        };
        let was_empty = connection.outbound.is_empty();
        let buffer = connection.outbound.buffer(&mut self.pool);
        let before = buffer.len();
        write(buffer);
        let count = buffer.len() - before;
        connection.outbound.account(limits.outbound_own_bytes, &mut self.shared_bytes);
        if was_empty {
            connection.took = self.now.monotonic;
            rearm(&mut self.timers, connection, limits);
        }
        note_interest(&mut self.interest, connection);
        count
    }

    /// How many more bytes of events a connection may have waiting: its own, and what is left of the shared part.
    pub(crate) fn event_space(&self, connection: &Connection, limits: &Limits) -> usize {
        let left = limits.outbound_shared_bytes_max.saturating_sub(self.shared_bytes);
        let extra = limits.outbound_extra_bytes_max.min(connection.outbound.extra().saturating_add(left));
        (limits.outbound_own_bytes + extra).saturating_sub(connection.outbound.chat_bytes())
    }

    /// Asks the driver to look at a connection's interest.
    pub(crate) fn note_interest(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            note_interest(&mut self.interest, connection);
        }
    }

    /// Handles no more frames of a connection for a while.
    pub(crate) fn pause(&mut self, id: ConnectionId, pause: Pause, limits: &Limits) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.paused = Some(pause);
            note_interest(&mut self.interest, connection);
            rearm(&mut self.timers, connection, limits);
        }
    }

    /// Handles a connection's frames again. The time in which it was not listened to counts as heard (K2).
    pub(crate) fn unpause(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.paused.take().is_some() {
            connection.heard = self.now.monotonic;
            note_interest(&mut self.interest, connection);
            queue_resume(&mut self.resume, connection);
        }
    }

    /// Has the inbound bytes of a connection handled at the next timeout, which is due at once.
    pub(crate) fn queue_resume(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            queue_resume(&mut self.resume, connection);
        }
    }

    /// Unpauses a connection that waits for answers.
    pub(crate) fn unpause_answered(&mut self, id: ConnectionId) {
        let waits = self.connections.get(id).is_some_and(|found| found.paused == Some(Pause::Answers));
        if waits && !crate::seeded_bug!("pause-never-ends") {
            self.unpause(id);
        }
    }

    /// Has a connection filled with what it missed when outputs are next polled.
    pub(crate) fn queue_refill(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if !connection.refilling {
            connection.refilling = true;
            self.refill.push_back(id);
        }
    }

    /// Has content put into a connection's buffer when outputs are next polled, behind what is delivered by then.
    pub(crate) fn queue_bulk(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if !connection.sends_bulk {
            connection.sends_bulk = true;
            self.bulk.push_back(id);
        }
    }

    /// Arms the deadline of a connection anew if it is due earlier than armed.
    pub(crate) fn rearm(&mut self, id: ConnectionId, limits: &Limits) {
        if let Some(connection) = self.connections.get_mut(id) {
            rearm(&mut self.timers, connection, limits);
        }
    }

    /// Moves a connection to another phase.
    pub(crate) fn move_to(&mut self, id: ConnectionId, phase: Phase, limits: &Limits) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let was_entering = connection.is_entering();
        connection.phase = phase;
        match (was_entering, connection.is_entering()) {
            (true, false) => self.entering -= 1,
            (false, true) => self.entering += 1,
            (true, true) | (false, false) => {}
        }
        note_interest(&mut self.interest, connection);
        rearm(&mut self.timers, connection, limits);
    }

    /// Takes a connection out, with its memory and its deadline.
    pub(crate) fn remove(&mut self, id: ConnectionId, limits: &Limits) {
        let Some(mut connection) = self.connections.remove(id) else { return };
        if connection.is_entering() {
            self.entering -= 1;
        }
        if let Some(at) = connection.armed {
            self.timers.disarm(at, Timer::Connection(id));
        }
        connection.outbound.clear(&mut self.pool);
        if !crate::seeded_bug!("shared-memory-kept") {
            connection.outbound.account(limits.outbound_own_bytes, &mut self.shared_bytes);
        }
    }

    /// Whether something is to be done before time passes.
    pub(crate) fn has_work(&self) -> bool {
        !self.interest.is_empty()
            || !self.refill.is_empty()
            || !self.bulk.is_empty()
            || !self.resume.is_empty()
    }
}

fn note_interest(interest: &mut VecDeque<ConnectionId>, connection: &mut Connection) {
    if !connection.told {
        connection.told = true;
        interest.push_back(connection.id);
    }
}

fn queue_resume(resume: &mut VecDeque<ConnectionId>, connection: &mut Connection) {
    if !connection.resuming {
        connection.resuming = true;
        resume.push_back(connection.id);
    }
}

/// Deadlines that move later are left armed and looked at when they come: most never do.
fn rearm(timers: &mut Timers, connection: &mut Connection, limits: &Limits) {
    let at: Monotonic = connection.deadline(limits);
    if connection.armed.is_some_and(|armed| armed <= at) {
        return;
    }
    let timer = Timer::Connection(connection.id);
    if let Some(armed) = connection.armed.replace(at) {
        timers.disarm(armed, timer);
    }
    timers.arm(at, timer);
}
