//! The client's end of the network: at most one connection that is made or open, and at most one that closes.

use std::{io, net::TcpStream, sync::Arc};

use palabre_core::{channel::Channel, time::Monotonic};
use polling::{Events, Poller};

use super::{
    READ_BYTES_MAX,
    closing::Closing,
    connecting::{Attempts, Connecting},
    trust::{Distrust, Securing},
};
use crate::{
    readiness::{Readiness, Watched},
    server_key::ServerKey,
    transport::{Flushed, Progress, TlsStream, Transport},
};

/// Reads in one turn, so that a flood does not keep the application from its turn.
const READS_PER_TURN_MAX: usize = 16;

/// The network as the client's driver sees it.
#[derive(Debug)]
pub(super) struct Link {
    host: String,
    port: u16,
    poller: Arc<Poller>,
    /// What protects connections; nothing in plaintext.
    securing: Option<Securing>,
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
    /// Under TLS, until the handshake is over.
    Securing(Transport),
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    Nothing,
    Connected(Channel),
    Disconnected,
    /// It is not the server it should be.
    Distrusted(Distrust),
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
    pub(super) fn new(host: &str, port: u16, securing: Option<Securing>, poller: &Arc<Poller>) -> Self {
        Self {
            host: host.to_owned(),
            port,
            poller: Arc::clone(poller),
            securing,
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
            state @ (State::None | State::Connecting(_) | State::Securing(_) | State::Open(_)) => {
                self.state = state;
            }
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

    /// The server is from now on the one with this key.
    pub(super) fn remember(&self, channel: Channel) {
        if let (Some(securing), Channel::Tls { server_key, .. }) = (&self.securing, channel) {
            securing.remember(ServerKey(server_key));
        }
    }

    /// Goes on with connections that are made or closed.
    pub(super) fn advance(&mut self, now: Monotonic) -> Arrived {
        if self.closing.as_mut().is_some_and(|closing| closing.advance(&mut self.scratch, now)) {
            self.closing = None;
        }
        match std::mem::replace(&mut self.state, State::None) {
            State::Connecting(mut connecting) => match connecting.advance(&mut self.last_key, now) {
                Attempts::Pending => {
                    self.state = State::Connecting(connecting);
                    Arrived::Nothing
                }
                Attempts::Connected(stream) => self.secure(stream),
                Attempts::Failed(error) => self.fail(error),
            },
            State::Securing(transport) => self.shake_hands(transport),
            state @ (State::None | State::Open(_)) => {
                self.state = state;
                Arrived::Nothing
            }
        }
    }

    fn secure(&mut self, stream: Watched<TcpStream>) -> Arrived {
        let Some(securing) = &self.securing else {
            return self.open(Transport::Plaintext(stream), Channel::Plain);
        };
        match TlsStream::client(stream, Arc::clone(&securing.config), securing.name.clone()) {
            Ok(stream) => self.shake_hands(Transport::Tls(Box::new(stream))),
            Err(error) => self.fail(io::Error::other(error)),
        }
    }

    /// Goes on with the handshake. How long it may take is the client's to say.
    fn shake_hands(&mut self, mut transport: Transport) -> Arrived {
        let flushed = match transport.flush() {
            Ok(flushed) => flushed,
            Err(error) => return self.fail(error),
        };
        match transport.read(&mut self.scratch) {
            Progress::Secured(channel) => self.open(transport, channel),
            Progress::Blocked | Progress::Moved(_) => {
                let wanted =
                    Readiness { read: true, write: flushed == Flushed::Blocked || transport.wants_write() };
                match transport.watch(wanted) {
                    Ok(()) => self.state = State::Securing(transport),
                    Err(error) => return self.fail(error),
                }
                Arrived::Nothing
            }
            Progress::End => self.fail(io::ErrorKind::UnexpectedEof.into()),
            Progress::Failed(error) => self.judge(error),
        }
    }

    /// What a handshake failed by: the server, which another try would not mend, or the way to it.
    fn judge(&mut self, error: io::Error) -> Arrived {
        let reason = error.get_ref().and_then(|reason| reason.downcast_ref::<rustls::Error>());
        let distrust =
            reason.zip(self.securing.as_ref()).and_then(|(reason, securing)| securing.distrust(reason));
        match distrust {
            Some(distrust) => Arrived::Distrusted(distrust),
            // So does a server that takes no more connections (K6).
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                let reason = "it ended the connection before that was encrypted, perhaps because it is full";
                self.fail(io::Error::new(error.kind(), reason))
            }
            None => self.fail(error),
        }
    }

    fn fail(&mut self, error: io::Error) -> Arrived {
        self.connect_error = Some(error);
        Arrived::Disconnected
    }

    fn open(&mut self, transport: Transport, channel: Channel) -> Arrived {
        self.connect_error = None;
        // What came with the end of the handshake may not be reported as readable any more.
        let readable = transport.may_hold_more();
        self.state =
            State::Open(Open { transport, readable, send_blocked: false, broken: false, last_words: false });
        Arrived::Connected(channel)
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
                Progress::Secured(_) => {}
                Progress::Blocked => return !open.broken,
                Progress::End => return false,
                Progress::Failed(error) => {
                    tracing::debug!(%error, "the connection failed");
                    return false;
                }
            }
        }
        open.readable = open.transport.may_hold_more();
        true
    }

    /// Whether something is to be read although no socket says so.
    pub(super) const fn has_unread(&self) -> bool {
        match &self.state {
            State::Open(open) => open.readable,
            State::None | State::Connecting(_) | State::Securing(_) => false,
        }
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
            Progress::End | Progress::Secured(_) | Progress::Failed(_) => {
                open.broken = true;
                Sent::Nothing
            }
        }
    }

    /// Has the open connection watched for what it waits for.
    pub(super) fn mind(&mut self) {
        let State::Open(open) = &mut self.state else { return };
        if !open.send_blocked {
            open.broken |= open.transport.flush().is_err();
        }
        let wanted = Readiness { read: true, write: open.send_blocked || open.transport.wants_write() };
        // A connection that cannot be watched is as good as cut.
        open.broken |= open.transport.watch(wanted).is_err();
    }

    /// When to go on although nothing is ready.
    pub(super) fn deadline(&self) -> Option<Monotonic> {
        let state = match &self.state {
            State::Connecting(connecting) => Some(connecting.deadline()),
            State::Open(open) => open.broken.then_some(Monotonic::ZERO),
            State::None | State::Securing(_) => None,
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
