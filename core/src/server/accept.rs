//! New connections, and which of them are turned away (`PROTOCOL.md` K6).

use rand_core::RngCore;

use super::{Server, sources::counted_as};
use crate::{
    channel::Channel,
    connection::{Connection, Phase},
    error::ProtocolError,
    ids::ConnectionId,
    output::Source,
};

impl Server {
    pub(super) fn accept(&mut self, source: Source) -> Result<ConnectionId, ProtocolError> {
        if self.drain.is_some() || self.drops_early() {
            return Err(ProtocolError::TooManyConnections);
        }
        let limits = &self.config.limits;
        let now = self.peers.now.monotonic;
        let exempt = limits.loopback_exempt && source.is_loopback();
        let source = if exempt { None } else { Some(counted_as(source)) };
        if source.is_some_and(|source| !self.sources.admit(source, limits, now)) {
            return Err(ProtocolError::TooManyFromAddress);
        }
        let id = self.peers.connections.insert(|id| Connection::new(id, source, now));
        self.peers.entering += 1;
        self.peers.rearm(id, limits);
        self.peers.note_interest(id);
        Ok(id)
    }

    /// The conversation may begin. The time to enter runs since the connection was accepted (V5).
    pub(super) fn secured(&mut self, id: ConnectionId, channel: Channel) {
        let Some(connection) = self.peers.connections.get_mut(id) else { return };
        if matches!(connection.phase, Phase::Securing) {
            connection.channel = channel;
            self.peers.move_to(id, Phase::Greeting, &self.config.limits);
        }
    }

    /// Past some connections that have not entered, the more there are the likelier one more is dropped: an honest
    /// newcomer then gets in by trying again, which a flood does not keep it from.
    fn drops_early(&mut self) -> bool {
        let limits = &self.config.limits;
        let over = self.peers.entering.saturating_sub(limits.entering_free);
        if over == 0 {
            return false;
        }
        let span = limits.entering_full.saturating_sub(limits.entering_free).max(1);
        self.rng.next_u32() % span < over
    }
}
