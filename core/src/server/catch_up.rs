//! Readers that are behind: slow ones, reconnecting ones, those who asked for the past. One road for all
//! (`PROTOCOL.md` C1–C5): what they lack is read from the recent events, or from storage, as they take it.

use alloc::vec::Vec;

use super::{Pending, Server, post::wire_event};
use crate::{
    hub::Listener,
    ids::{ConnectionId, RoomId, Seq},
    output::Event,
    storage::{PageRange, StorageFailure, StorageOperation, StoredEvent, Ticket},
    wire::{self, FRAME_BYTES_MAX, HEADER_BYTES, ToClient},
};

impl Server {
    /// Fills a connection whose buffer has drained with what it lacks: one room's share, in turn.
    pub(super) fn refill(&mut self, id: ConnectionId) {
        let Some(connection) = self.peers.connections.get_mut(id) else { return };
        connection.refilling = false;
        let Some(ready) = connection.ready() else { return };
        if ready.changes_held_back {
            self.tell_held_back(id);
        }
        self.tell_untold_reads(id);
        let own = self.config.limits.outbound_own_bytes;
        for _ in 0..self.config.limits.user_rooms_max + self.config.limits.user_directs_max {
            let Some(connection) = self.peers.connections.get_mut(id) else { return };
            let full = connection.outbound.chat_bytes() > own / 2;
            let Some(ready) = connection.ready_mut() else { return };
            if full || ready.reading.is_some() || ready.read_again.is_some() || ready.behind.is_empty() {
                return;
            }
            let room = ready.behind.remove(0);
            self.continue_reader(id, room);
        }
        // Rooms that got their share without filling the buffer: the rest comes in the next round.
        self.peers.queue_refill(id);
    }

    /// Gives a reader its next share: from the recent events if they reach back far enough.
    fn continue_reader(&mut self, id: ConnectionId, room_id: RoomId) {
        // At least one event must fit, or the reader would never get on.
        let share =
            (self.config.limits.catch_up_bytes_max as usize).max(HEADER_BYTES + FRAME_BYTES_MAX as usize);
        let Some(mut listener) = self.listener(id, room_id) else { return };
        let Some(room) = self.rooms.get(room_id) else { return };
        if listener.next < room.first {
            let trimmed = wire::Trimmed { room: room_id, first: room.first };
            listener.next = room.first;
            self.peers.tell(id, trimmed, &self.config.limits);
        }
        match room.recent.from(listener.next, share) {
            Some((bytes, next)) => {
                self.peers.append(id, &self.config.limits, |buffer| buffer.extend_from_slice(bytes));
                self.counters.deliveries += next.get() - listener.next.get();
                listener.next = next;
                self.advance_reader(id, room_id, listener);
            }
            None => self.read_for(id, room_id, listener),
        }
    }

    fn read_for(&mut self, id: ConnectionId, room: RoomId, mut listener: Listener) {
        let limits = &self.config.limits;
        if self.pending.catch_ups >= limits.catch_ups_max {
            // Too many are read for already; this one is tried again like after a failure.
            self.put_off_reader(id, room, listener);
            return;
        }
        let operation = StorageOperation::ReadPage {
            room,
            range: PageRange::After(listener.next.previous()),
            events_max: limits.page_events_max,
            bytes_max: limits.catch_up_bytes_max,
        };
        let ticket = self.ask_storage(Pending::CatchUp { connection: id, room }, operation);
        listener.reading = Some(ticket);
        self.set_listener(id, room, listener);
        if let Some(ready) = self.peers.connections.get_mut(id).and_then(|connection| connection.ready_mut())
        {
            ready.reading = Some(ticket);
            ready.behind.insert(0, room);
        }
    }

    /// Storage has read events for a reader, or has not.
    pub(super) fn read_back(
        &mut self,
        ticket: Ticket,
        id: ConnectionId,
        room: RoomId,
        result: Result<(Seq, Vec<StoredEvent>), StorageFailure>,
    ) {
        let Some(ready) = self.peers.connections.get_mut(id).and_then(|connection| connection.ready_mut())
        else {
            return;
        };
        if ready.reading != Some(ticket) {
            return;
        }
        ready.reading = None;
        // The cursor may have been set anew, or the membership have ended, since the read began.
        let current =
            |found: &Listener| found.reading == Some(ticket) || crate::seeded_bug!("page-of-an-old-cursor");
        let Some(mut listener) = self.listener(id, room).filter(current) else {
            return self.peers.queue_refill(id);
        };
        listener.reading = None;
        if let Some(ready) = self.peers.connections.get_mut(id).and_then(|connection| connection.ready_mut())
        {
            ready.behind.retain(|behind| *behind != room);
        }
        match result {
            Ok((first, events)) => {
                self.copy_page(id, room, first, &events, &mut listener);
                self.advance_reader(id, room, listener);
                self.peers.queue_refill(id);
            }
            Err(failure) => {
                self.storage_refusal("read the log", failure);
                self.put_off_reader(id, room, listener);
            }
        }
    }

    fn copy_page(
        &mut self,
        id: ConnectionId,
        room: RoomId,
        first: Seq,
        events: &[StoredEvent],
        listener: &mut Listener,
    ) {
        if let Some(found) = self.rooms.get_mut(room) {
            found.first = found.first.max(first);
        }
        if first > listener.next {
            listener.next = first;
            self.peers.tell(id, wire::Trimmed { room, first }, &self.config.limits);
        }
        for event in events {
            if event.seq < listener.next {
                continue;
            }
            let event = wire_event(event);
            listener.next = event.seq.next();
            let message = ToClient::from(wire::Event { room, event });
            self.peers.append(id, &self.config.limits, |buffer| message.encode(buffer));
            listener.read_back = listener.read_back.map(|count| count + 1);
            self.counters.deliveries += 1;
            self.counters.events_read_back += 1;
        }
    }

    /// Notes how far a reader is: live again, or behind for another round.
    fn advance_reader(&mut self, id: ConnectionId, room_id: RoomId, mut listener: Listener) {
        let Some(room) = self.rooms.get(room_id) else { return };
        if crate::seeded_bug!("live-one-event-early") && listener.next == room.tail {
            listener.next = room.tail.next();
        }
        if listener.next <= room.tail {
            self.set_listener(id, room_id, listener);
            if let Some(ready) =
                self.peers.connections.get_mut(id).and_then(|connection| connection.ready_mut())
            {
                ready.behind.push(room_id);
            }
            return;
        }
        listener.behind = false;
        let read_back = listener.read_back.take();
        self.set_listener(id, room_id, listener);
        if let Some(from_storage) = read_back {
            self.counters.caught_up += 1;
            self.report(Event::CaughtUp { connection: id, room: room_id, from_storage });
        }
    }

    /// Has a reader wait before storage is asked for it again.
    fn put_off_reader(&mut self, id: ConnectionId, room: RoomId, listener: Listener) {
        let again = self.peers.now.monotonic.after(self.config.limits.read_again);
        self.set_listener(id, room, listener);
        if let Some(ready) = self.peers.connections.get_mut(id).and_then(|connection| connection.ready_mut())
        {
            ready.behind.push(room);
            ready.read_again = Some(again);
        }
        self.peers.rearm(id, &self.config.limits);
    }

    fn listener(&self, id: ConnectionId, room: RoomId) -> Option<Listener> {
        let ready = self.peers.connections.get(id)?.ready()?;
        let following = ready.following[ready.following(room)?];
        self.rooms.get(room)?.listeners.get(following.listener).copied()
    }

    pub(super) fn set_listener(&mut self, id: ConnectionId, room: RoomId, listener: Listener) {
        let Some(ready) = self.peers.connections.get(id).and_then(|connection| connection.ready()) else {
            return;
        };
        let Some(index) = ready.following(room) else { return };
        let place = ready.following[index].listener;
        if let Some(found) = self.rooms.get_mut(room).and_then(|room| room.listeners.get_mut(place)) {
            *found = listener;
        }
    }
}
