//! The client's end of the network: at most one connection that is made or open, and at most one that closes.

use std::{io, net::TcpStream, sync::Arc};

use palabre_core::time::Monotonic;
use polling::{Events, Poller};

use super::{
    READ_BYTES_MAX,
    closing::Closing,
    connecting::{Attempts, Connecting},
};
use crate::{
    readiness::{Readiness, Watched},
    transport::{Progress, Transport},
};

/// Reads in one turn, so that a flood does not keep the application from its turn.
const READS_PER_TURN_MAX: usize = 16;

/// The network as the client's driver sees it.
#[derive(Debug)]
pub(super) struct Link {
    host: String,
    port: u16,
    poller: Arc<Poller>,
    /// Keys are not used twice, so that an event is never taken for one of a later socket.
    last_key: usize,
    state: State,
    closing: Option<Closing>,
    scratch: Vec<u8>,
    connect_error: Option<io::Error>,
}

#[derive(Debug)]
enum State {
    None,
    Connecting(Connecting),
    Open(Open),
}

#[derive(Debug)]
struct Open {
    transport: Transport,
    readable: bool,
    send_blocked: bool,
    /// It takes nothing any more, but what has arrived is still to be read.
    broken: bool,
    /// It is to be closed once all is sent.
    last_words: bool,
}

/// What became of the connection that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    Nothing,
    Connected,
    Disconnected,
}

/// What became of bytes that were to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// So many were taken.
    Some(usize),
    /// None can be taken now.
    Nothing,
}

impl Link {
    pub(super) fn new(host: &str, port: u16, poller: &Arc<Poller>) -> Self {
        Self {
            host: host.to_owned(),
            port,
            poller: Arc::clone(poller),
            last_key: 0,
            state: State::None,
            closing: None,
            scratch: vec![0; READ_BYTES_MAX],
            connect_error: None,
        }
    }

    /// Begins to make a connection, in place of any other.
    pub(super) fn connect(&mut self, now: Monotonic) {
        self.all_sent(now);
        self.state = State::Connecting(Connecting::new(&self.host, self.port, &self.poller, now));
    }

    /// Closes once all is sent.
    pub(super) const fn close(&mut self) {
        if let State::Open(open) = &mut self.state {
            open.last_words = true;
        }
    }

    /// All that there was is sent.
    pub(super) fn all_sent(&mut self, now: Monotonic) {
        match std::mem::replace(&mut self.state, State::None) {
            State::Open(open) if open.last_words => self.closing = Closing::begin(open.transport, now),
            state @ (State::None | State::Connecting(_) | State::Open(_)) => self.state = state,
        }
    }

    /// Closes at once.
    pub(super) fn release(&mut self) {
        self.state = State::None;
    }

    /// Gives an open connection up. Whether there was one.
    pub(super) fn disconnect(&mut self) -> bool {
        let open = matches!(self.state, State::Open(_));
        if open {
            self.state = State::None;
        }
        open
    }

    /// Takes note of which sockets are ready.
    pub(super) fn note_ready(&mut self, events: &Events) {
        let State::Open(open) = &mut self.state else { return };
        for event in events.iter().filter(|event| event.key == open.transport.key()) {
            open.readable |= event.readable;
            open.send_blocked &= !event.writable;
        }
    }

    /// Goes on with connections that are made or closed.
    pub(super) fn advance(&mut self, now: Monotonic) -> Arrived {
        if self.closing.as_ref().is_some_and(|closing| closing.advance(&mut self.scratch, now)) {
            self.closing = None;
        }
        let State::Connecting(connecting) = &mut self.state else { return Arrived::Nothing };
        match connecting.advance(&mut self.last_key, now) {
            Attempts::Pending => Arrived::Nothing,
            Attempts::Connected(stream) => self.open(stream),
            Attempts::Failed(error) => {
                self.connect_error = Some(error);
                self.state = State::None;
                Arrived::Disconnected
            }
        }
    }

    fn open(&mut self, stream: Watched<TcpStream>) -> Arrived {
        self.connect_error = None;
        let transport = Transport::Plaintext(stream);
        self.state = State::Open(Open {
            transport,
            readable: false,
            send_blocked: false,
            broken: false,
            last_words: false,
        });
        Arrived::Connected
    }

    /// Hands what has arrived to `take`. Whether the connection goes on.
    pub(super) fn receive(&mut self, mut take: impl FnMut(&[u8])) -> bool {
        let State::Open(open) = &mut self.state else { return true };
        if !std::mem::take(&mut open.readable) && !open.broken {
            return true;
        }
        for _ in 0..READS_PER_TURN_MAX {
            match open.transport.read(&mut self.scratch) {
                Progress::Moved(count) => take(self.scratch.get(..count).expect("it was read into")),
                Progress::Blocked => return !open.broken,
                Progress::End => return false,
                Progress::Failed(error) => {
                    tracing::debug!(%error, "the connection failed");
                    return false;
                }
            }
        }
        true
    }

    /// Sends as much of `bytes` as the connection takes at once.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Sent {
        let State::Open(open) = &mut self.state else { return Sent::Nothing };
        if open.send_blocked || open.broken {
            return Sent::Nothing;
        }
        match open.transport.write(bytes) {
            Progress::Moved(count) => {
                open.send_blocked = count < bytes.len();
                Sent::Some(count)
            }
            Progress::Blocked => {
                open.send_blocked = true;
                Sent::Nothing
            }
            Progress::End | Progress::Failed(_) => {
                open.broken = true;
                Sent::Nothing
            }
        }
    }

    /// Has the open connection watched for what it waits for.
    pub(super) fn mind(&mut self) {
        let State::Open(open) = &mut self.state else { return };
        let wanted = Readiness { read: true, write: open.send_blocked };
        // A connection that cannot be watched is as good as cut.
        open.broken |= open.transport.watch(wanted).is_err();
    }

    /// When to go on although nothing is ready.
    pub(super) fn deadline(&self) -> Option<Monotonic> {
        let state = match &self.state {
            State::Connecting(connecting) => Some(connecting.deadline()),
            State::Open(open) => open.broken.then_some(Monotonic::ZERO),
            State::None => None,
        };
        state.into_iter().chain(self.closing.as_ref().map(Closing::deadline)).min()
    }

    pub(super) const fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    pub(super) const fn connect_error(&self) -> Option<&io::Error> {
        self.connect_error.as_ref()
    }
}
