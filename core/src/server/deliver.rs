//! Delivery: an event is encoded once, and its bytes are copied to each live reader (`PROTOCOL.md` C1, C2).
//!
//! Nothing is copied when an event is stored: its room is noted, and when outputs are polled each reader gets the
//! whole stretch it lacks in one copy. A reader without space for it falls behind and is served by `catch_up`.

use super::Server;
use crate::{
    hub::{Listener, Room},
    ids::{ConnectionId, RoomId, Seq},
    output::Event,
    storage::{EventKind, NewEvent},
    wire::{self, ToClient},
};

impl Server {
    /// A stored event becomes part of its room, to be delivered.
    pub(super) fn append(&mut self, id: RoomId, seq: Seq, first: Seq, event: NewEvent) {
        self.counters.events_stored += 1;
        let recent_max = self.config.limits.recent_room_bytes_max;
        let Some(room) = self.rooms.get_mut(id) else { return };
        debug_assert_eq!(seq, room.tail.next(), "storage numbers without holes");
        let before = room.recent.len();
        // What a deletion took is in none of the frames kept either: who lacks them reads from storage (N4).
        let takes_text = event.kind == EventKind::Deleted && !crate::seeded_bug!("deleted-text-at-hand");
        if room.recent.next() != seq || takes_text {
            room.recent.clear(seq);
        }
        room.recent.push(recent_max, |buffer| {
            let event = Self::log_event(seq, event.author, &event);
            ToClient::from(wire::Event { room: id, event }).encode(buffer);
        });
        room.tail = seq;
        room.first = first;
        let after = room.recent.len();
        if event.kind == EventKind::Topic {
            room.topic = event.text;
        }
        if !room.queued && !room.listeners.is_empty() {
            room.queued = true;
            self.uneven.push_back(id);
        }
        self.rooms.recent_bytes = self.rooms.recent_bytes + after - before;
        self.rooms.sweep_recent(self.config.limits.recent_bytes_max);
    }

    /// Copies to each live reader of a room what it lacks.
    pub(super) fn deliver(&mut self, id: RoomId) {
        let Some(mut room) = self.rooms.get_mut(id).map(|room| {
            room.queued = false;
            core::mem::take(&mut room.listeners)
        }) else {
            return;
        };
        for listener in &mut room {
            if !listener.behind {
                self.deliver_to(id, listener);
            } else if crate::seeded_bug!("newest-before-missed")
                && let Some(tail) = self.rooms.get(id).map(|room| room.tail)
            {
                let missed = core::mem::replace(&mut listener.next, tail);
                self.deliver_to(id, listener);
                listener.next = missed;
            }
        }
        if let Some(found) = self.rooms.get_mut(id) {
            found.listeners = room;
        }
    }

    fn deliver_to(&mut self, id: RoomId, listener: &mut Listener) {
        let limits = &self.config.limits;
        let Some(room) = self.rooms.get(id) else { return };
        let Some(connection) = self.peers.connections.get(listener.connection) else { return };
        let space = self.peers.event_space(connection, limits);
        let from = listener.next;
        if let Some((bytes, next)) = room.recent.from(from, space) {
            if next > from {
                self.peers.append(listener.connection, limits, |buffer| buffer.extend_from_slice(bytes));
                self.counters.deliveries += next.get() - from.get();
                listener.next = next;
            }
            if next > room.tail {
                return;
            }
        }
        fall_behind(room, listener, &mut self.peers);
        listener.read_back = Some(0);
        self.counters.lagged += 1;
        let event = Event::Lagging { connection: listener.connection, room: id, next: listener.next };
        self.report(event);
    }

    /// The socket took bytes of a connection.
    pub(super) fn sent(&mut self, id: ConnectionId, count: usize) {
        let limits = &self.config.limits;
        let peers = &mut self.peers;
        let Some(connection) = peers.connections.get_mut(id) else { return };
        if count > 0 {
            connection.took = peers.now.monotonic;
        }
        connection.outbound.advance(count, &mut peers.pool);
        connection.outbound.account(limits.outbound_own_bytes, &mut peers.shared_bytes);
        let drained = connection.outbound.chat_bytes() <= limits.outbound_own_bytes / 2;
        let bulk = connection.outbound.len() < limits.bulk_bytes_max;
        let replied = connection.outbound.replies_bytes() <= limits.outbound_own_bytes;
        let ready = connection.ready();
        let wants = ready.is_some_and(|ready| {
            !ready.behind.is_empty() || ready.changes_held_back || !ready.untold_reads.is_empty()
        });
        let content = bulk && ready.is_some_and(|ready| ready.transfers.has_content());
        if drained && wants {
            peers.queue_refill(id);
        }
        if content {
            peers.queue_bulk(id);
        }
        if replied {
            peers.unpause_answered(id);
        }
    }
}

/// From now on the listener is served with its connection.
fn fall_behind(room: &Room, listener: &mut Listener, peers: &mut super::Peers) {
    listener.behind = true;
    let Some(connection) = peers.connections.get_mut(listener.connection) else { return };
    let drained = connection.outbound.chat_bytes() == 0;
    if let Some(ready) = connection.ready_mut()
        && !ready.behind.contains(&room.id)
    {
        ready.behind.push(room.id);
    }
    if drained {
        peers.queue_refill(listener.connection);
    }
}
