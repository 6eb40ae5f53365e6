//! The one way into the server's state machine.

use palabre_core::{
    blob::BlobReply,
    channel::Channel,
    config::ServerConfig,
    error::ProtocolError,
    ids::ConnectionId,
    output::{Interest, Output, Source, Stats},
    password::Verified,
    server::Server,
    storage::{Recovered, StorageReply},
    time::{Monotonic, Now},
};

/// Everything that a server ever hears after it was made. Whoever writes these down, with the times and what it
/// was made of, can replay the server exactly.
#[derive(Debug)]
pub(super) enum Input<'a> {
    /// A connection was accepted.
    Connected(Source),
    /// A connection can carry frames.
    Secured(ConnectionId, Channel),
    /// Bytes arrived.
    Received(ConnectionId, &'a [u8]),
    /// The socket took so many bytes of what waits.
    Sent(ConnectionId, usize),
    /// A connection ended.
    Disconnected(ConnectionId),
    /// Storage answered.
    Storage(StorageReply),
    /// A password was checked.
    Work(Verified),
    /// The disk that keeps the content of files answered.
    Blob(BlobReply),
    /// The deadline has come.
    Timeout,
    /// The operator wants it to end, and tells the peers this.
    ShutDown(&'a str),
}

/// What comes back at once; all else comes out as [`Output`].
#[derive(Debug)]
pub(super) enum Heard {
    /// Nothing.
    Taken,
    /// To [`Input::Connected`]: what the connection is called from now on.
    Accepted(ConnectionId),
    /// To [`Input::Connected`]: the connection is one too many.
    Refused(ProtocolError),
}

/// The server's state machine, with nothing but [`feed`](Self::feed) to change it by.
pub(super) struct Seam {
    server: Server,
    now: Now,
}

impl Seam {
    pub(super) fn new(config: ServerConfig, seed: [u8; 32], recovered: Recovered, now: Now) -> Self {
        Self { server: Server::new(config, seed, recovered, now), now }
    }

    /// The time of all that is fed from now on.
    pub(super) const fn set_now(&mut self, now: Now) {
        self.now = now;
    }

    pub(super) const fn now(&self) -> Now {
        self.now
    }

    /// Tells the server what happened.
    pub(super) fn feed(&mut self, input: Input<'_>) -> Heard {
        let (server, now) = (&mut self.server, self.now);
        match input {
            Input::Connected(source) => {
                return match server.handle_connected(source, now) {
                    Ok(id) => Heard::Accepted(id),
                    Err(error) => Heard::Refused(error),
                };
            }
            Input::Secured(id, channel) => server.handle_secured(id, channel, now),
            Input::Received(id, bytes) => server.handle_received(id, bytes, now),
            Input::Sent(id, count) => server.handle_sent(id, count, now),
            Input::Disconnected(id) => server.handle_disconnected(id, now),
            Input::Storage(reply) => server.handle_storage(reply, now),
            Input::Work(verified) => server.handle_work(verified, now),
            Input::Blob(reply) => server.handle_blob(reply, now),
            Input::Timeout => server.handle_timeout(now),
            Input::ShutDown(text) => server.shut_down(text, now),
        }
        Heard::Taken
    }

    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.server.poll_output()
    }

    pub(super) fn deadline(&self) -> Option<Monotonic> {
        self.server.poll_timeout().map(|(deadline, _)| deadline)
    }

    pub(super) fn sendable(&self, id: ConnectionId) -> &[u8] {
        self.server.sendable(id)
    }

    pub(super) fn interest(&self, id: ConnectionId) -> Interest {
        self.server.interest(id)
    }

    pub(super) fn stats(&self) -> Stats {
        self.server.stats()
    }
}
