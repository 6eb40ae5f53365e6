//! What happened, in order: hashed in full, the last lines kept for a report.

use std::{
    collections::{VecDeque, hash_map::DefaultHasher},
    fmt,
    hash::{Hash as _, Hasher as _},
};

use palabre_core::{ids::ConnectionId, time::Monotonic};

use crate::network::{LinkId, Owner};

const LINES_KEPT: usize = 50;

/// A step of the world, small and cheap to write down.
#[derive(Clone, Debug, Hash)]
pub enum Step {
    /// A link came to the server.
    Accepted(LinkId, Owner, ConnectionId),
    /// The server did not take a link.
    NotTaken(LinkId, &'static str),
    /// A client learned that it is connected.
    Connected(LinkId, Owner),
    /// A client could not connect.
    Unreachable(Owner),
    /// The server received so many bytes.
    ServerReceived(LinkId, usize),
    /// The server's bytes were taken: how many, and their hash.
    ServerSent(LinkId, usize, u64),
    /// A client received so many bytes.
    ClientReceived(LinkId, usize),
    /// A client's bytes were taken: how many, and their hash.
    ClientSent(LinkId, usize, u64),
    /// An end of a link learned that it ended.
    Ended(LinkId, &'static str),
    /// The core closed or dropped a connection.
    Closed(LinkId, &'static str),
    /// A timer of the server fired.
    ServerTimer(&'static str),
    /// A timer of a client fired.
    ClientTimer(usize, &'static str),
    /// The server asked storage for something.
    Asked(u64, &'static str),
    /// Storage answered a ticket.
    Answered(u64, String),
    /// An honest client was asked to do something.
    Operation(usize, String),
    /// A client told its application something.
    Told(usize, String),
    /// The server told its operator something.
    Reported(String),
    /// A fault.
    Fault(String),
    /// A frame seen on the wire, in a full log only.
    Frame(LinkId, &'static str, String),
    /// A phase began.
    Phase(&'static str),
}

/// The steps so far.
#[derive(Debug, Default)]
pub struct Trace {
    hasher: DefaultHasher,
    last: VecDeque<(Monotonic, Step)>,
    count: u64,
    /// Whether every line is printed as it comes.
    pub printed: bool,
}

impl Trace {
    /// Adds a step.
    pub fn add(&mut self, at: Monotonic, step: Step) {
        if self.printed {
            crate::report::line(&Line(at, &step).to_string());
        }
        self.count += 1;
        at.hash(&mut self.hasher);
        step.hash(&mut self.hasher);
        if self.last.len() == LINES_KEPT {
            self.last.pop_front();
        }
        self.last.push_back((at, step));
    }

    /// How many steps there were.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// A hash of all steps so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// The last lines.
    pub fn last_lines(&self) -> impl Iterator<Item = String> + '_ {
        self.last.iter().map(|(at, step)| Line(*at, step).to_string())
    }
}

/// The hash of some bytes.
#[must_use]
pub fn hash_of(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

struct Line<'a>(Monotonic, &'a Step);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        write!(f, "{:>6}.{:06} {}", micros / 1_000_000, micros % 1_000_000, self.1)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(link, owner, id) => write!(f, "server accepts {link} of {owner} as {id}"),
            Self::NotTaken(link, error) => write!(f, "server does not take {link}: {error}"),
            Self::Connected(link, owner) => write!(f, "{owner} is connected by {link}"),
            Self::Unreachable(owner) => write!(f, "{owner} cannot connect"),
            Self::ServerReceived(link, count) => write!(f, "server receives {count} bytes on {link}"),
            Self::ServerSent(link, count, _) => write!(f, "server sends {count} bytes on {link}"),
            Self::ClientReceived(link, count) => write!(f, "client receives {count} bytes on {link}"),
            Self::ClientSent(link, count, _) => write!(f, "client sends {count} bytes on {link}"),
            Self::Ended(link, how) => write!(f, "{link} ended: {how}"),
            Self::Closed(link, how) => write!(f, "{link} is let go: {how}"),
            Self::ServerTimer(name) => write!(f, "server's timer {name}"),
            Self::ClientTimer(actor, name) => write!(f, "c{actor}'s timer {name}"),
            Self::Asked(ticket, what) => write!(f, "storage is asked {ticket}: {what}"),
            Self::Answered(ticket, how) => write!(f, "storage answers {ticket}: {how}"),
            Self::Operation(actor, what) => write!(f, "c{actor} is to {what}"),
            Self::Told(actor, what) => write!(f, "c{actor} hears {what}"),
            Self::Reported(what) => write!(f, "server reports {what}"),
            Self::Fault(what) => write!(f, "FAULT {what}"),
            Self::Frame(link, way, what) => write!(f, "{link} {way} {what}"),
            Self::Phase(name) => write!(f, "PHASE {name}"),
        }
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link {}", self.0)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Actor(number) => write!(f, "c{number}"),
            Self::Peer(number) => write!(f, "peer {number}"),
        }
    }
}
