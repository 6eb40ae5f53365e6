//! The simulated network: links between clients and the server, without sockets and without time of its own.
//!
//! A [`Link`] is two [`Pipe`]s, `up` to the server and `down` to the client. Whoever writes is told how much was
//! taken; whoever reads asks what has arrived by now. The world schedules both.

mod pipe;

use std::time::Duration;

use palabre_core::{channel::Channel, ids::ConnectionId, time::Monotonic};

pub use self::pipe::{End, Pipe, Read};
use crate::{
    choices::{Choices, Subsystem},
    plan::{Fault, Plan},
    sometimes,
};

/// A direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// To the server.
    Up,
    /// To the client.
    Down,
}

impl Way {
    /// The other one.
    #[must_use]
    pub const fn back(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }
}

/// Names a link. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub usize);

impl LinkId {
    /// What both ends of the link know of its protection: they export what no other link does.
    #[must_use]
    pub fn channel(self) -> Channel {
        let mut exporter = [0; 32];
        exporter[..8].copy_from_slice(&(self.0 as u64).to_le_bytes());
        Channel::Tls { exporter, server_key: [1; 32] }
    }
}

/// Who holds the client's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// An honest client, by its number.
    Actor(usize),
    /// A raw peer, by its number.
    Peer(usize),
}

/// The state of the client's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEnd {
    /// The connection was asked for.
    Connecting,
    /// It is there.
    Open,
    /// The client has let go of it; what remains is being sent.
    Closing,
    /// Nobody holds it.
    Gone,
}

/// The state of the server's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerEnd {
    /// The server has not heard of it yet.
    Connecting,
    /// It is a connection of the core.
    Open(ConnectionId),
    /// The core has closed it: what remains is being sent, what arrives is dropped.
    Closing(ConnectionId),
    /// The driver alone sends what remains; the core knows nothing of it (any more).
    Refusing,
    /// Nobody holds it.
    Gone,
}

/// A connection between a client and the server.
#[derive(Debug)]
pub struct Link {
    /// To the server.
    pub up: Pipe,
    /// To the client.
    pub down: Pipe,
    /// Who holds the client's end.
    pub owner: Owner,
    /// How far the client's end is.
    pub client: ClientEnd,
    /// How far the server's end is.
    pub server: ServerEnd,
    /// What a closing client still has to send.
    pub client_rest: Vec<u8>,
    /// What a refusing driver still has to send.
    pub server_rest: Vec<u8>,
}

impl Link {
    /// A link whose weaknesses are drawn from the plan.
    pub fn draw(owner: Owner, plan: &Plan, choices: &mut Choices) -> Self {
        let latency = if plan.has(Fault::Delay) {
            let millis = *choices.pick(Subsystem::Network, &[1, 20, 150, 600]);
            Duration::from_millis(millis * plan.strength(Fault::Delay))
        } else {
            Duration::from_micros(200)
        };
        let mut pipe = || Pipe::draw(latency, plan, choices);
        Self {
            up: pipe(),
            down: pipe(),
            owner,
            client: ClientEnd::Connecting,
            server: ServerEnd::Connecting,
            client_rest: Vec::new(),
            server_rest: Vec::new(),
        }
    }

    /// A direction.
    pub const fn pipe(&mut self, way: Way) -> &mut Pipe {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }

    /// Whether nobody reads any more what goes this way. Who is closing reads on, so that nothing said last is lost
    /// to a reset.
    #[must_use]
    pub const fn is_deserted(&self, way: Way) -> bool {
        match way {
            Way::Up => matches!(self.server, ServerEnd::Gone),
            Way::Down => matches!(self.client, ClientEnd::Gone),
        }
    }

    /// Whether the link can be forgotten.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.client, ClientEnd::Gone) && matches!(self.server, ServerEnd::Gone)
    }

    /// Writes into a direction; how many bytes were taken. A direction that nobody reads answers with a reset, if
    /// a machine is there to answer.
    pub fn write(
        &mut self,
        way: Way,
        bytes: &[u8],
        now: Monotonic,
        answered: bool,
        choices: &mut Choices,
    ) -> usize {
        let deserted = self.is_deserted(way);
        let taken = self.pipe(way).write(bytes, now, choices);
        if deserted && taken > 0 {
            let latency = self.pipe(way).latency();
            self.pipe(way).discard();
            if answered {
                self.pipe(way.back()).end(End::Reset, now.after(latency * 2));
            }
        }
        taken
    }

    /// Resets both directions now, dropping what is on its way.
    pub fn reset(&mut self, now: Monotonic) {
        sometimes!("reset with bytes on their way", self.up.waiting_bytes() + self.down.waiting_bytes() > 0);
        for way in [Way::Up, Way::Down] {
            self.pipe(way).discard();
            self.pipe(way).release(now);
            self.pipe(way).end(End::Reset, now);
        }
    }
}
