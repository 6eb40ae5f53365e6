//! Telling members what changes among them (`PROTOCOL.md` W1, W2).

use alloc::vec::Vec;

use super::Server;
use crate::{
    hub::{Changes, MemberChange, Room},
    ids::{ConnectionId, RoomId},
    timer::Timer,
    wire::{self, ToClient},
};

/// How much longer changes are collected in a room that is told only that there were some.
const LARGE_ROOM_FACTOR: u32 = 50;

impl Server {
    /// Notes a change among a room's members, to be told soon together with others.
    pub(super) fn change(&mut self, id: RoomId, mut change: MemberChange) {
        let limits = &self.config.limits;
        let Some(room) = self.rooms.get_mut(id) else { return };
        change.role = room.rights.shown_role(change.user).unwrap_or(change.role);
        let large = room.members.len() > limits.presence_members_max;
        room.changes.push(change, if large { 0 } else { limits.presence_changes_max });
        if !room.changes.armed && !room.listeners.is_empty() {
            room.changes.armed = true;
            let wait = limits.presence_interval * if large { LARGE_ROOM_FACTOR } else { 1 };
            self.peers.timers.arm(self.peers.now.monotonic.after(wait), Timer::Presence(id));
        }
    }

    /// Tells those who follow a room what changed since they were told last.
    pub(super) fn tell_changes(&mut self, id: RoomId) {
        let Some(room) = self.rooms.get_mut(id) else { return };
        room.changes.armed = false;
        let latest = room.changes.next();
        let mut listeners = core::mem::take(&mut room.listeners);
        let mut told_by_all = latest;
        let mut frame = Vec::new();
        let mut frame_from = None;
        for listener in listeners.iter_mut().filter(|listener| listener.next_change < latest) {
            if self.holds_changes_back(listener.connection) {
                told_by_all = told_by_all.min(listener.next_change);
                continue;
            }
            if frame_from != Some(listener.next_change)
                && let Some(room) = self.rooms.get(id)
            {
                frame.clear();
                encode_changes(room, listener.next_change, &mut frame);
                frame_from = Some(listener.next_change);
            }
            self.peers
                .append(listener.connection, &self.config.limits, |buffer| buffer.extend_from_slice(&frame));
            listener.next_change = latest;
        }
        if let Some(room) = self.rooms.get_mut(id) {
            room.listeners = listeners;
            room.changes.forget_before(told_by_all);
        }
    }

    /// A reader whose buffer is over its own part is told of changes when it has drained.
    fn holds_changes_back(&mut self, id: ConnectionId) -> bool {
        let own = self.config.limits.outbound_own_bytes;
        let Some(connection) = self.peers.connections.get_mut(id) else { return true };
        if connection.outbound.len() <= own {
            return false;
        }
        if let Some(ready) = connection.ready_mut() {
            ready.changes_held_back = true;
        }
        true
    }

    /// Tells a reader that has drained what was held back.
    pub(super) fn tell_held_back(&mut self, id: ConnectionId) {
        let Some(ready) = self.peers.connections.get_mut(id).and_then(|connection| connection.ready_mut())
        else {
            return;
        };
        ready.changes_held_back = false;
        let following = ready.following.clone();
        for following in following {
            if self.holds_changes_back(id) {
                return;
            }
            let Some(room) = self.rooms.get_mut(following.room) else { continue };
            let latest = room.changes.next();
            let Some(listener) = room.listeners.get_mut(following.listener) else { continue };
            let from = core::mem::replace(&mut listener.next_change, latest);
            if from < latest {
                let room = &*room;
                self.peers.append(id, &self.config.limits, |buffer| encode_changes(room, from, buffer));
            }
        }
    }
}

/// Appends the notice of a room's changes from the `first` on.
fn encode_changes(room: &Room, first: u64, out: &mut Vec<u8>) {
    let (changes, stale) = Changes::from(&room.changes, first);
    let changes = changes.map(|change| wire::Change {
        user: change.user,
        nick: &change.nick,
        state: change.state,
        was: change.was.as_deref(),
        role: change.role,
    });
    let presence =
        wire::Presence { room: room.id, members: room.members_count(), stale, changes: changes.collect() };
    ToClient::from(presence).encode(out);
}
