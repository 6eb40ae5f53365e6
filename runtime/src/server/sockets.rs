//! The sockets of all connections, found by the server's own numbers for them.

use std::io;

use palabre_core::{ids::ConnectionId, output::Interest};

use super::{
    keys,
    seam::{Input, Seam},
};
use crate::{
    readiness::Readiness,
    transport::{Flushed, Progress, Transport},
};

/// The open sockets, and which of them the core has something new for.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    slots: Vec<Option<Socket>>,
    open: usize,
    noted: Vec<ConnectionId>,
    unread: Vec<ConnectionId>,
}

/// The socket of one connection.
#[derive(Debug)]
pub(super) struct Socket {
    id: ConnectionId,
    transport: Transport,
    sending: Sending,
    receiving: Receiving,
    /// The socket took less than there was; it is watched until it takes more.
    blocked: bool,
    noted: bool,
    unread: bool,
}

/// What goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    /// Whatever the core has.
    Open,
    /// What the core has left, and no more.
    Rest,
    /// Nothing; the peer is being told so.
    Ending,
    /// Nothing, and the peer was told so.
    Shut,
}

/// What becomes of what comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receiving {
    /// The core takes it.
    Open,
    /// It is discarded. It has to be read nevertheless: a socket closed with something unread is reset, and what
    /// was sent last may be lost with it.
    Discarding,
    /// The peer said that there is nothing more.
    Ended,
}

/// What is to become of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes on.
    Kept,
    /// The peer has ended its side. What the core has to say to that in this turn still goes out.
    Ending,
    /// It is of no more use, or has done its duty.
    Over,
}

impl Sockets {
    /// How many there are.
    pub(super) const fn open(&self) -> usize {
        self.open
    }

    /// How many bytes wait in all of them, beside those of the core.
    pub(super) fn bytes_waiting(&self) -> usize {
        self.slots.iter().flatten().map(|socket| socket.transport.bytes_waiting()).sum()
    }

    /// Takes the socket of a connection that the core has accepted.
    pub(super) fn insert(&mut self, id: ConnectionId, transport: Transport) {
        if self.slots.len() <= id.slot() {
            self.slots.resize_with(id.slot() + 1, || None);
        }
        let socket = Socket {
            id,
            transport,
            sending: Sending::Open,
            receiving: Receiving::Open,
            blocked: false,
            noted: false,
            unread: false,
        };
        self.open += 1;
        let previous = self.slots.get_mut(id.slot()).and_then(|slot| slot.replace(socket));
        debug_assert!(previous.is_none(), "the slot of an open connection was given away");
        self.note(id);
    }

    /// The socket of a connection, unless that has ended.
    pub(super) fn find(&mut self, id: ConnectionId) -> Option<&mut Socket> {
        self.slots.get_mut(id.slot())?.as_mut().filter(|socket| socket.id == id)
    }

    /// The connection whose socket is watched with this key, unless that has ended.
    pub(super) fn id_of(&self, key: usize) -> Option<ConnectionId> {
        let socket = self.slots.get(keys::slot(key))?.as_ref()?;
        (socket.transport.key() == key).then_some(socket.id)
    }

    /// Closes the socket of a connection. Whether there was one.
    pub(super) fn remove(&mut self, id: ConnectionId) -> bool {
        let found = self.find(id).is_some();
        if found {
            self.slots[id.slot()] = None;
            self.open -= 1;
        }
        found
    }

    /// Remembers that there is something to do for a connection in this turn, or in the next.
    pub(super) fn note(&mut self, id: ConnectionId) {
        if let Some(socket) = self.find(id)
            && !std::mem::replace(&mut socket.noted, true)
        {
            self.noted.push(id);
        }
    }

    /// Remembers to go on reading from a connection that the core takes something from, if something was left that
    /// its socket does not report.
    pub(super) fn note_if_unread(&mut self, id: ConnectionId, interest: Interest) {
        if let Some(socket) = self.find(id)
            && socket.receiving == Receiving::Open
            && interest.receive_bytes > 0
            && socket.transport.may_hold_more()
            && !std::mem::replace(&mut socket.unread, true)
        {
            self.unread.push(id);
        }
    }

    /// Whether there is something left to read from any.
    pub(super) const fn any_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Those something is left to read from, in exchange for an empty list.
    pub(super) fn take_unread(&mut self, into: &mut Vec<ConnectionId>) {
        std::mem::swap(&mut self.unread, into);
        for id in into {
            if let Some(socket) = self.find(*id) {
                socket.unread = false;
            }
        }
    }

    /// Whether there is something to do for any.
    pub(super) const fn any_noted(&self) -> bool {
        !self.noted.is_empty()
    }

    /// Those there is something to do for, in exchange for an empty list.
    pub(super) fn take_noted(&mut self, into: &mut Vec<ConnectionId>) {
        std::mem::swap(&mut self.noted, into);
        for id in into {
            if let Some(socket) = self.find(*id) {
                socket.noted = false;
            }
        }
    }
}

impl Socket {
    /// The core has nothing more to say than what waits, and takes nothing more.
    pub(super) fn close(&mut self) {
        if self.sending == Sending::Open {
            self.sending = Sending::Rest;
        }
        if self.receiving == Receiving::Open {
            self.receiving = Receiving::Discarding;
        }
    }

    /// Whether all that the core had to say has been handed to the system.
    pub(super) fn has_said_all(&self) -> bool {
        self.sending == Sending::Shut
    }

    /// It takes bytes again.
    pub(super) const fn unblock(&mut self) {
        self.blocked = false;
    }

    /// Reads what has arrived, at most a bufferful, and no more than the core takes.
    pub(super) fn receive(&mut self, core: &mut Seam, buffer: &mut [u8]) -> Fate {
        let mut left = buffer.len();
        while left > 0 {
            let wanted = match self.receiving {
                Receiving::Open => core.interest(self.id).receive_bytes.min(left),
                Receiving::Discarding => left,
                Receiving::Ended => 0,
            };
            if wanted == 0 {
                return Fate::Kept;
            }
            let space = &mut buffer[..wanted];
            match self.read(space) {
                Progress::Moved(count) => {
                    if self.receiving == Receiving::Open {
                        core.feed(Input::Received(self.id, &space[..count]));
                    }
                    // There is no more: asking once again would only cost a system call.
                    if count < wanted && self.transport.is_emptied_by_a_short_read() {
                        return Fate::Kept;
                    }
                    left -= count;
                }
                Progress::Secured(channel) => {
                    core.feed(Input::Secured(self.id, channel));
                }
                Progress::Blocked => return Fate::Kept,
                Progress::End => return self.end_receiving(),
                Progress::Failed(error) => {
                    tracing::debug!(connection = %self.id, %error, "receiving failed");
                    return Fate::Over;
                }
            }
        }
        Fate::Kept
    }

    fn read(&mut self, space: &mut [u8]) -> Progress {
        match self.receiving {
            Receiving::Open | Receiving::Ended => self.transport.read(space),
            Receiving::Discarding => self.transport.discard(space),
        }
    }

    fn end_receiving(&mut self) -> Fate {
        self.receiving = Receiving::Ended;
        match self.sending {
            Sending::Open | Sending::Rest | Sending::Ending => Fate::Ending,
            Sending::Shut => Fate::Over,
        }
    }

    /// Writes once, if there is something and the socket is not known to be full.
    pub(super) fn send(&mut self, core: &mut Seam) -> Fate {
        if self.blocked || self.sending == Sending::Shut {
            return Fate::Kept;
        }
        let bytes = core.sendable(self.id);
        let sent = if bytes.is_empty() {
            self.transport.flush().map(|flushed| self.blocked = flushed == Flushed::Blocked)
        } else {
            self.write(bytes.len(), core)
        };
        if let Err(error) = sent {
            tracing::debug!(connection = %self.id, %error, "sending failed");
            return Fate::Over;
        }
        if self.sending == Sending::Rest && core.sendable(self.id).is_empty() {
            self.sending = Sending::Ending;
        }
        if self.sending == Sending::Ending { self.shut_down_sending() } else { Fate::Kept }
    }

    /// Has all of what the core has taken, or as much as is taken at once.
    fn write(&mut self, length: usize, core: &mut Seam) -> io::Result<()> {
        match self.transport.write(core.sendable(self.id)) {
            Progress::Moved(count) => {
                self.blocked = count < length || self.transport.wants_write();
                core.feed(Input::Sent(self.id, count));
            }
            Progress::Blocked => self.blocked = true,
            Progress::Failed(error) => return Err(error),
            Progress::End | Progress::Secured(_) => unreachable!("only reads are answered so"),
        }
        Ok(())
    }

    fn shut_down_sending(&mut self) -> Fate {
        match self.transport.shut_down_sending() {
            Ok(Flushed::Blocked) => {
                self.blocked = true;
                Fate::Kept
            }
            Ok(Flushed::All) if self.receiving != Receiving::Ended => {
                self.sending = Sending::Shut;
                Fate::Kept
            }
            Ok(Flushed::All) | Err(_) => Fate::Over,
        }
    }

    /// Has the socket watched for what it waits for.
    pub(super) fn mind(&mut self, interest: Interest) -> Fate {
        let read = match self.receiving {
            Receiving::Open => interest.receive_bytes > 0,
            Receiving::Discarding => true,
            Receiving::Ended => false,
        };
        match self.transport.watch(Readiness { read, write: self.blocked }) {
            Ok(()) => Fate::Kept,
            Err(error) => {
                tracing::error!(connection = %self.id, %error, "a socket cannot be watched and is closed");
                Fate::Over
            }
        }
    }

    /// What becomes of it at the end of a turn in which the peer ended its side.
    pub(super) fn fate_after_end(&self) -> Fate {
        match self.sending {
            Sending::Open | Sending::Shut => Fate::Over,
            Sending::Rest | Sending::Ending => Fate::Kept,
        }
    }
}
