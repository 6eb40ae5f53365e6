//! How connections end, and what becomes of what they held (`PROTOCOL.md` section K).

use super::{NameHolder, Server};
use crate::{
    connection::{Closing, Following, Phase},
    hub::Holder,
    ids::{ConnectionId, RoomId, Seq, UserId},
    output::{EndCause, Event, Output},
    wire::{self, ToClient},
};

impl Server {
    /// Says a last word and ends a connection; what remains is still sent.
    pub(super) fn close(&mut self, id: ConnectionId, cause: EndCause, farewell: Option<ToClient<'_>>) {
        self.end(id, cause, farewell);
        self.promote();
    }

    /// Ends the older connection of a user who has a newer one (E7). Its place is left for the newer one.
    pub(super) fn supersede(&mut self, older: ConnectionId) {
        let text = "You are connected from elsewhere now.";
        let farewell = wire::Goodbye { reason: wire::goodbye::SUPERSEDED, text };
        self.end(older, EndCause::Superseded, Some(farewell.into()));
    }

    fn end(&mut self, id: ConnectionId, cause: EndCause, farewell: Option<ToClient<'_>>) {
        if self.peers.connections.get(id).is_none_or(|connection| connection.is_closing()) {
            return;
        }
        // A connection that is not protected yet carries no frames.
        let farewell = farewell.filter(|_| !self.is_securing(id));
        if let Some(farewell) = farewell {
            self.peers.answer(id, farewell, &self.config.limits);
        }
        self.let_go(id, cause);
        let limits = &self.config.limits;
        let until = self.peers.now.monotonic.after(limits.linger_max);
        if let Some(connection) = self.peers.connections.get_mut(id) {
            connection.inbound = alloc::vec::Vec::new();
            connection.paused = None;
        }
        self.peers.move_to(id, Phase::Closing(Closing { until }), limits);
        self.outputs.push_back(Output::Close(id));
    }

    fn is_securing(&self, id: ConnectionId) -> bool {
        self.peers.connections.get(id).is_some_and(|found| matches!(found.phase, Phase::Securing))
    }

    /// The driver says that a connection is no more.
    pub(super) fn disconnected(&mut self, id: ConnectionId) {
        let Some(connection) = self.peers.connections.get(id) else { return };
        if !connection.is_closing() {
            self.let_go(id, EndCause::Cut);
        }
        self.forget(id);
        self.peers.connections.release(id);
        self.promote();
    }

    /// The core has the driver let go of a connection. Its slot is used again once the driver has heard.
    pub(super) fn drop_connection(&mut self, id: ConnectionId) {
        self.forget(id);
        self.outputs.push_back(Output::Drop(id));
    }

    fn forget(&mut self, id: ConnectionId) {
        self.peers.remove(id, &self.config.limits);
        self.check_drained();
    }

    /// Takes from a connection all that it held: its name or user, its place, its rooms.
    fn let_go(&mut self, id: ConnectionId, cause: EndCause) {
        let Some(connection) = self.peers.connections.get_mut(id) else { return };
        let source = connection.source.take();
        // The phase is replaced by the caller; until then it holds nothing any more.
        let was_entering = connection.is_entering();
        let phase = core::mem::replace(&mut connection.phase, Phase::Greeting);
        let user = phase.user();
        if !was_entering {
            self.peers.entering += 1;
        }
        if let Some(source) = source {
            self.sources.ended(source);
        }
        match phase {
            Phase::Securing | Phase::Greeting | Phase::Choosing | Phase::Verifying(_) | Phase::Closing(_) => {
            }
            Phase::Proving(_) => {
                if let Some(source) = source {
                    self.login_abandoned(source);
                }
            }
            Phase::Enrolling(enrolling) => {
                self.user_names.free(&enrolling.key, NameHolder::Connection(id));
            }
            Phase::Entering(entering) => {
                self.release_newcomer(id, &entering.newcomer, cause == EndCause::Left);
                if !crate::seeded_bug!("place-never-freed") {
                    self.places.taken -= 1;
                }
            }
            Phase::Waiting(waiting) => {
                self.release_newcomer(id, &waiting.newcomer, cause == EndCause::Left);
                self.places.leave(id);
                self.tell_positions();
            }
            Phase::Ready(ready) => {
                self.end_transfers(&ready);
                for following in ready.following {
                    self.remove_listener(following.room, following.listener);
                }
                self.places.taken -= 1;
                self.leave_user(id, ready.user, cause);
            }
        }
        self.report(Event::Ended { connection: id, user, cause });
    }

    /// A user's connection has ended: a guest leaves, or is lost, or is on another connection already.
    fn leave_user(&mut self, id: ConnectionId, user: UserId, cause: EndCause) {
        let Some(found) = self.users.get_mut(user) else { return };
        let account = found.is_account();
        let Some(device) = found.carried_by(id).map(|device| device.id) else { return };
        if cause == EndCause::Left && !account {
            self.remove_guest(user, wire::state::GONE);
        } else {
            self.lose(Holder { user, device }, id);
        }
    }

    /// Stops following a room; the number of the first event that was not sent.
    pub(super) fn unfollow(&mut self, id: ConnectionId, room: RoomId) -> Option<Seq> {
        let ready = self.peers.connections.get_mut(id)?.ready_mut()?;
        let index = ready.following(room)?;
        let Following { listener, .. } = ready.following.remove(index);
        ready.behind.retain(|behind| *behind != room);
        self.remove_listener(room, listener)
    }

    /// Takes a listener out of a room's list, whose last one takes its place.
    fn remove_listener(&mut self, room: RoomId, listener: usize) -> Option<Seq> {
        let room = self.rooms.get_mut(room)?;
        if listener >= room.listeners.len() {
            return None;
        }
        let removed = room.listeners.swap_remove(listener);
        if let Some(moved) = room.listeners.get(listener) {
            let connection = self.peers.connections.get_mut(moved.connection);
            if let Some(ready) = connection.and_then(|connection| connection.ready_mut())
                && let Some(index) = ready.following(room.id)
            {
                ready.following[index].listener = listener;
            }
        }
        Some(removed.next)
    }
}
