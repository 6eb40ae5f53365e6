//! The server as one state machine.

use crate::{
    config::ServerConfig,
    error::ProtocolError,
    ids::ConnectionId,
    output::{Interest, Output, Source, Stats},
    storage::{Recovered, StorageReply},
    time::{Monotonic, Now},
};

/// The server: all connections, users and rooms, driven by inputs and drained of outputs.
///
/// # How to drive it
/// 1. Hand in what happened, each with the time: [`handle_connected`](Self::handle_connected),
///    [`handle_received`](Self::handle_received), [`handle_sent`](Self::handle_sent),
///    [`handle_disconnected`](Self::handle_disconnected), [`handle_storage`](Self::handle_storage), and
///    [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) says so.
/// 2. Drain [`poll_output`](Self::poll_output) until it answers `None`.
/// 3. Write [`sendable`](Self::sendable) of the connections named by [`Output::Interest`], and say how much was
///    taken with [`handle_sent`](Self::handle_sent); read at most [`interest`](Self::interest)`.receive_bytes`.
pub struct Server {
    _private: (),
}

#[allow(clippy::missing_const_for_fn, unused_variables, clippy::todo)]
impl Server {
    /// A server on what storage recovered. The seed is 32 random bytes.
    #[must_use]
    pub fn new(config: ServerConfig, seed: [u8; 32], recovered: Recovered, now: Now) -> Self {
        todo!()
    }

    /// A connection was accepted.
    ///
    /// # Errors
    /// It is over a cap: write [`crate::server::refusal_frame`] to it if it takes that at once, and close it.
    pub fn handle_connected(&mut self, source: Source, now: Now) -> Result<ConnectionId, ProtocolError> {
        todo!()
    }

    /// Bytes arrived, at most `interest(id).receive_bytes` of them.
    pub fn handle_received(&mut self, id: ConnectionId, bytes: &[u8], now: Now) {
        todo!()
    }

    /// The first `count` bytes of `sendable(id)` were taken by the socket.
    pub fn handle_sent(&mut self, id: ConnectionId, count: usize, now: Now) {
        todo!()
    }

    /// The connection ended: end of stream, a reset, or any other failure. The id is dead.
    pub fn handle_disconnected(&mut self, id: ConnectionId, now: Now) {
        todo!()
    }

    /// Storage answered.
    pub fn handle_storage(&mut self, reply: StorageReply, now: Now) {
        todo!()
    }

    /// The deadline of `poll_timeout` has come.
    pub fn handle_timeout(&mut self, now: Now) {
        todo!()
    }

    /// Begin an orderly shutdown (K4); ends with [`Event::Drained`](crate::output::Event::Drained).
    pub fn shut_down(&mut self, text: &str, now: Now) {
        todo!()
    }

    /// The next thing to do; `None` when drained.
    pub fn poll_output(&mut self) -> Option<Output> {
        todo!()
    }

    /// When to call `handle_timeout`, and which timer that is for; `None` when nothing waits.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Monotonic, &'static str)> {
        todo!()
    }

    /// The bytes that wait to be sent on a connection.
    #[must_use]
    pub fn sendable(&self, id: ConnectionId) -> &[u8] {
        todo!()
    }

    /// How much a connection takes and gives at the moment.
    #[must_use]
    pub fn interest(&self, id: ConnectionId) -> Interest {
        todo!()
    }

    /// Counters and gauges.
    #[must_use]
    pub fn stats(&self) -> Stats {
        todo!()
    }
}

/// The frame to send to a connection that [`Server::handle_connected`] did not take.
#[must_use]
pub fn refusal_frame(error: ProtocolError) -> alloc::vec::Vec<u8> {
    let mut out = alloc::vec::Vec::new();
    let text = "The server has too many connections; try again later.";
    crate::wire::ToClient::from(crate::wire::Error { code: error.number(), text }).encode(&mut out);
    out
}
