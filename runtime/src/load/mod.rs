//! Many peers on one thread, to load a server with and to measure it from outside.
//!
//! A [`Load`] is not a client: it knows only how to enter, to join a room, to post as fast as it is let or at a
//! steady pace, and to check that each peer gets every event of its room once and in order. It keeps to the
//! protocol and to the credit it is given; what it costs per event received is small, so that the server is what
//! is measured.

mod latency;
mod peer;
#[cfg(all(test, feature = "server"))]
mod tests;
mod traffic;

use std::{io, net::SocketAddr, num::NonZeroUsize, sync::Arc, time::Duration};

use palabre_core::{error::ProtocolError, time::Monotonic};
use polling::{Events, Poller};

pub use self::{latency::Latencies, traffic::Traffic};
use self::{
    peer::{Observer, Peer},
    traffic::Posting,
};
use crate::{
    client::{Securing, Security},
    clock::Clock,
};

/// Sockets that one turn serves.
const EVENTS_PER_TURN_MAX: usize = 1_024;
/// What one read takes in at most, beside a frame of which the rest is missing.
const READ_BYTES_MAX: usize = 256 << 10;
/// How long nothing at all may happen before it is given up.
const STALLED_MAX: Duration = Duration::from_secs(20);
/// How long peers that said goodbye are waited for.
const LEAVING_MAX: Duration = Duration::from_secs(5);
/// How many peers join or leave at the same time.
const AT_A_TIME: usize = 64;

/// Many peers of one server.
///
/// ```no_run
/// use std::time::Duration;
///
/// use palabre_runtime::{
///     client::Security,
///     load::{Load, Traffic},
/// };
///
/// let mut load = Load::new(([127, 0, 0, 1], 4000).into(), Security::Plain, "bench")?;
/// load.enter(100, 64)?;
/// load.join(1, 100)?;
/// load.start(Traffic { senders: 1, text_bytes: 64, window: 256, per_second: None });
/// load.run(Duration::from_secs(1))?;
/// let measured = load.run(Duration::from_secs(5))?;
/// load.finish()?;
/// println!("{:.0} deliveries a second", measured.deliveries_per_second());
/// load.leave()?;
/// # Ok::<(), palabre_runtime::load::LoadError>(())
/// ```
pub struct Load {
    server: SocketAddr,
    /// What protects connections; nothing in plaintext.
    securing: Option<Securing>,
    /// What names of peers and rooms begin with.
    name: String,
    clock: Clock,
    poller: Arc<Poller>,
    ready: Events,
    buffer: Box<[u8]>,
    peers: Vec<Peer>,
    members_per_room: usize,
    posting: Option<Posting>,
    observer: Observer,
    served: Vec<usize>,
    /// When something last happened.
    moved: Monotonic,
}

/// What happened within a time.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The time.
    pub elapsed: Duration,
    /// Events that came back to their authors.
    pub messages: u64,
    /// Events that came to somebody else than their author.
    pub deliveries: u64,
    /// How long events took from being handed to the author's socket to having been read from another's. Empty
    /// without a pace: where the server is saturated, they wait for as long as there is room to wait in.
    pub latencies: Latencies,
    /// How late posts were handed to the socket, measured against the pace: if this is not small, the load could not
    /// keep its own pace, and `latencies` are too good to be true.
    pub lateness: Latencies,
}

/// Why a load could not be put on a server, or what is wrong with the server.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The system did not do something.
    #[error("{action} failed: {source}")]
    System {
        /// What.
        action: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The server did not grant something.
    #[error("the server refused: {0} Start it with --limits open, and with --max-clients if there are many")]
    Refused(String),
    /// The server ended a connection.
    #[error("the server ended a connection: {0}")]
    Ended(String),
    /// The server broke the protocol.
    #[error("the server broke the protocol ({0})")]
    Protocol(ProtocolError),
    /// An event is missing, or came twice.
    #[error("a peer got event {found} of its room instead of {expected}")]
    Hole {
        /// Which should have come.
        expected: u64,
        /// Which did.
        found: u64,
    },
    /// Nothing happened for a long time.
    #[error("nothing came from the server for {} s", STALLED_MAX.as_secs())]
    Stalled,
}

impl Measured {
    /// Events a second that came to somebody else than their author.
    #[must_use]
    pub fn deliveries_per_second(&self) -> f64 {
        self.deliveries as f64 / self.elapsed.as_secs_f64()
    }

    /// Events a second that came back to their authors.
    #[must_use]
    pub fn messages_per_second(&self) -> f64 {
        self.messages as f64 / self.elapsed.as_secs_f64()
    }
}

impl Load {
    /// A load without peers. Names of its peers and rooms begin with `name`, which should not be in use there.
    ///
    /// # Errors
    /// The system has no poller, or not what TLS needs.
    pub fn new(server: SocketAddr, security: Security, name: &str) -> Result<Self, LoadError> {
        let clock = Clock::start();
        let poller =
            Poller::new().map_err(|source| LoadError::System { action: "watching sockets", source })?;
        Ok(Self {
            server,
            securing: security
                .securing(&server.ip().to_string())
                .map_err(|source| LoadError::System { action: "preparing TLS", source })?,
            name: name.to_owned(),
            clock,
            poller: Arc::new(poller),
            ready: Events::with_capacity(NonZeroUsize::new(EVENTS_PER_TURN_MAX).expect("it is not 0")),
            buffer: vec![0; READ_BYTES_MAX + peer::PARTIAL_BYTES_MAX].into_boxed_slice(),
            peers: Vec::new(),
            members_per_room: 0,
            posting: None,
            observer: Observer::default(),
            served: Vec::new(),
            moved: clock.monotonic(),
        })
    }

    /// Connects `count` peers and has them enter as guests, `at_a_time` under way at once; how long it took.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn enter(&mut self, count: usize, at_a_time: usize) -> Result<Duration, LoadError> {
        let start = self.clock.monotonic();
        let before = self.peers.len();
        while self.observer.entered < before + count {
            while self.peers.len() < before + count && self.peers.len() < self.observer.entered + at_a_time {
                let index = self.peers.len();
                let nick = format!("{}-{index}", self.name);
                self.peers.push(Peer::connect(
                    self.server,
                    self.securing.as_ref(),
                    &self.poller,
                    index,
                    nick,
                )?);
            }
            self.turn(None)?;
        }
        Ok(self.clock.monotonic().since(start))
    }

    /// Has the peers join `rooms` rooms, the first `members` of them the first room and so on.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn join(&mut self, rooms: usize, members: usize) -> Result<(), LoadError> {
        self.members_per_room = members;
        let count = self.peers.len().min(rooms * members);
        for first in (0..count).step_by(AT_A_TIME) {
            let last = count.min(first + AT_A_TIME);
            for index in first..last {
                let room = format!("#{}-{}", self.name, index / members);
                self.peers[index].join(&room);
                self.peers[index].send()?;
            }
            while self.observer.joined < last {
                self.turn(None)?;
            }
        }
        Ok(())
    }

    /// Lets peers begin to post, in the turns to come.
    pub fn start(&mut self, traffic: Traffic) {
        let senders = (0..self.peers.len())
            .filter(|index| index % self.members_per_room.max(1) < traffic.senders)
            .collect::<Vec<_>>();
        self.posting = Some(Posting::new(traffic, senders, self.clock.monotonic()));
        self.observer.measures_latency = traffic.per_second.is_some();
    }

    /// Goes on for this long, and tells what happened in that time.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn run(&mut self, duration: Duration) -> Result<Measured, LoadError> {
        self.observer.begin();
        if let Some(posting) = &mut self.posting {
            posting.lateness = Latencies::default();
        }
        let start = self.clock.monotonic();
        let until = start.after(duration);
        let mut now = start;
        while now < until {
            self.turn(Some(until))?;
            now = self.clock.monotonic();
        }
        Ok(Measured {
            elapsed: now.since(start),
            messages: self.observer.echoes,
            deliveries: self.observer.deliveries,
            latencies: std::mem::take(&mut self.observer.latencies),
            lateness: self.posting.as_ref().map(|posting| posting.lateness.clone()).unwrap_or_default(),
        })
    }

    /// Posts no more, and waits until every member of every room has every event of it.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn finish(&mut self) -> Result<(), LoadError> {
        self.posting = None;
        while !self.is_even() {
            self.turn(None)?;
        }
        Ok(())
    }

    /// Whether all posts came back, and the members of each room have seen the same events.
    fn is_even(&self) -> bool {
        self.peers.iter().all(Peer::has_all_back)
            && self
                .peers
                .chunks(self.members_per_room.max(1))
                .all(|room| room.windows(2).all(|pair| pair[0].next() == pair[1].next()))
    }

    /// Has all peers say goodbye and leave.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn leave(mut self) -> Result<(), LoadError> {
        let until = self.clock.monotonic().after(LEAVING_MAX);
        for first in (0..self.peers.len()).step_by(AT_A_TIME) {
            let last = self.peers.len().min(first + AT_A_TIME);
            for peer in &mut self.peers[first..last] {
                peer.leave();
                peer.send()?;
            }
            while self.observer.left < last && self.clock.monotonic() < until {
                self.turn(Some(until))?;
            }
        }
        Ok(())
    }

    /// Waits for sockets, until `until` at the latest; reads from those that have something, and writes once to
    /// each that there is something for.
    fn turn(&mut self, until: Option<Monotonic>) -> Result<(), LoadError> {
        self.ready.clear();
        let now = self.clock.monotonic();
        let until = until.unwrap_or_else(|| now.after(STALLED_MAX));
        let timeout =
            self.posting.as_ref().map_or_else(|| until.since(now), |posting| posting.wait(now, until));
        self.poller
            .wait(&mut self.ready, Some(timeout))
            .map_err(|source| LoadError::System { action: "watching sockets", source })?;
        self.observer.now = self.clock.monotonic();
        self.note_progress()?;
        for event in self.ready.iter() {
            let Some(peer) = self.peers.get_mut(event.key) else { continue };
            if event.writable {
                peer.unblock()?;
            }
            if event.readable {
                if self.observer.measures_latency {
                    self.observer.now = self.clock.monotonic();
                }
                peer.receive(&mut self.buffer, &mut self.observer)?;
            }
            self.served.push(event.key);
        }
        if let Some(posting) = &mut self.posting {
            posting.post(&mut self.peers, &mut self.served, self.clock.monotonic());
        }
        for index in self.served.drain(..) {
            self.peers[index].send()?;
        }
        Ok(())
    }

    fn note_progress(&mut self) -> Result<(), LoadError> {
        let now = self.observer.now;
        if !self.ready.is_empty() {
            self.moved = now;
        } else if now.since(self.moved) > STALLED_MAX {
            return Err(LoadError::Stalled);
        }
        Ok(())
    }
}
