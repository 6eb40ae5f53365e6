//! The server as one state machine.

mod accept;
mod account;
mod answer;
mod attempts;
mod catch_up;
mod close;
mod deliver;
mod devices;
mod direct;
mod drain;
mod enter;
mod files;
mod govern;
mod invitations;
mod join;
mod operators;
mod peers;
mod pending;
mod people;
mod places;
mod plain;
mod post;
mod presence;
mod read;
mod reading;
mod receive;
mod recover;
mod renewal;
mod rights;
mod search;
mod sources;
mod timeout;
mod upkeep;

use alloc::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    vec::Vec,
};

use rand_chacha::ChaCha12Rng;

use self::{
    attempts::Attempts,
    drain::Drain,
    files::Files,
    invitations::Invitations,
    peers::Peers,
    pending::{Pending, PendingTable},
    places::Places,
    sources::Sources,
};
use crate::{
    blob::BlobReply,
    channel::Channel,
    config::ServerConfig,
    error::ProtocolError,
    hub::{NameTable, Rooms, Users},
    ids::{ConnectionId, Incarnation, RoomId, UserId},
    name::RoomName,
    output::{Event, Interest, Output, Source, Stats},
    password::Verified,
    storage::{Recovered, StorageOperation, StorageReply, StorageRequest, Ticket},
    time::{Monotonic, Now},
    wire,
};

/// The server: all connections, users and rooms, driven by inputs and drained of outputs.
///
/// # How to drive it
/// 1. Hand in what happened, each with the time: [`handle_connected`](Self::handle_connected),
///    [`handle_secured`](Self::handle_secured), [`handle_received`](Self::handle_received), [`handle_sent`](Self::handle_sent),
///    [`handle_disconnected`](Self::handle_disconnected), [`handle_storage`](Self::handle_storage),
///    [`handle_work`](Self::handle_work), [`handle_blob`](Self::handle_blob), and
///    [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) says so.
/// 2. Drain [`poll_output`](Self::poll_output) until it answers `None`.
/// 3. Write [`sendable`](Self::sendable) of the connections named by [`Output::Interest`], and say how much was
///    taken with [`handle_sent`](Self::handle_sent); read at most [`interest`](Self::interest)`.receive_bytes`.
///
/// What was copied for delivery is collected until outputs are polled: hand in all that happened in a turn before
/// draining, and each connection is written once.
///
/// # What holds
/// 1. `now` never goes back: an earlier monotonic value counts as the latest seen.
/// 2. Queued output means `poll_timeout()` is not later than the last `now`.
/// 3. After `handle_timeout(t)` at or past the deadline, output exists or the deadline moved later, unless work
///    left over by rule 7 is still due at once.
/// 4. Any cut of the input bytes gives the same conversation.
/// 5. After [`Output::Close`] only remaining bytes flow, until the linger deadline; later calls with that id do
///    nothing. Ids carry a generation.
/// 6. The same seed and the same inputs give the same outputs, byte for byte, in debug and in release.
/// 7. Work per call is bounded; what is left over shows as an immediate deadline.
/// 8. Every buffer and table has a cap in [`limits`](crate::limits); an announced length never allocates.
/// 9. Two Palabre ends on any delaying, cutting network never accuse each other of a protocol error.
/// 10. Once nothing happens any more, it becomes idle in a bounded number of steps.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    incarnation: Incarnation,
    rng: ChaCha12Rng,
    peers: Peers,
    users: Users,
    user_names: NameTable<NameHolder>,
    rooms: Rooms,
    /// The operators' room, where there is one (O1).
    operators: Option<RoomId>,
    /// Names of rooms; `None` while a room is being opened.
    room_names: NameTable<Option<RoomId>>,
    /// Named rooms that are being opened, by folded name.
    opening: BTreeMap<Arc<str>, Opening>,
    places: Places,
    sources: Sources,
    attempts: Attempts,
    invitations: Invitations,
    /// How many passwords were handed out to be checked, and how many are under way.
    verifications: u64,
    verifying: u32,
    pending: PendingTable,
    outputs: VecDeque<Output>,
    /// Kept for its memory alone.
    spare_inbound: Vec<u8>,
    /// Rooms with events or readers that are to be brought together.
    uneven: VecDeque<RoomId>,
    drain: Option<Drain>,
    files: Files,
    counters: Stats,
}

/// A room that is being opened.
#[derive(Debug)]
struct Opening {
    /// As the first who opens it spells it.
    name: RoomName,
    /// Requests under way.
    requests: u32,
}

/// Who holds a nickname.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NameHolder {
    /// A connection that is entering with it.
    Connection(ConnectionId),
    /// An account that storage is writing.
    Enrolment(Ticket),
    /// A user.
    User(UserId),
}

impl Server {
    /// A server on what storage recovered. The seed is 32 random bytes.
    #[must_use]
    pub fn new(config: ServerConfig, seed: [u8; 32], recovered: Recovered, now: Now) -> Self {
        recover::recover(config, seed, recovered, now)
    }

    /// A connection was accepted.
    ///
    /// # Errors
    /// It is over a cap: write [`refusal_frame`] to it if it takes that at once, and close it.
    pub fn handle_connected(&mut self, source: Source, now: Now) -> Result<ConnectionId, ProtocolError> {
        self.observe(now);
        self.accept(source)
    }

    /// A connection can carry frames: what protects it is in place, or nothing does and both ends want it so. Until then
    /// it has [`Limits::securing_max`](crate::limits::Limits), and bytes handed in for it are dropped.
    pub fn handle_secured(&mut self, id: ConnectionId, channel: Channel, now: Now) {
        self.observe(now);
        self.secured(id, channel);
    }

    /// Bytes arrived, at most `interest(id).receive_bytes` of them.
    pub fn handle_received(&mut self, id: ConnectionId, bytes: &[u8], now: Now) {
        self.observe(now);
        self.receive(id, bytes);
    }

    /// The first `count` bytes of `sendable(id)` were taken by the socket.
    pub fn handle_sent(&mut self, id: ConnectionId, count: usize, now: Now) {
        self.observe(now);
        self.sent(id, count);
    }

    /// The connection ended: end of stream, a reset, or any other failure. The id is dead.
    pub fn handle_disconnected(&mut self, id: ConnectionId, now: Now) {
        self.observe(now);
        self.disconnected(id);
    }

    /// Storage answered.
    pub fn handle_storage(&mut self, reply: StorageReply, now: Now) {
        self.observe(now);
        self.stored(reply);
    }

    /// What [`Output::Work`] gave.
    pub fn handle_work(&mut self, verified: Verified, now: Now) {
        self.observe(now);
        self.verified(verified);
    }

    /// The disk that keeps the content of files answered.
    pub fn handle_blob(&mut self, reply: BlobReply, now: Now) {
        self.observe(now);
        self.disk_answered(reply);
    }

    /// The deadline of `poll_timeout` has come.
    pub fn handle_timeout(&mut self, now: Now) {
        self.observe(now);
        self.timeout();
    }

    /// Begins an orderly shutdown (K4); it ends with [`Event::Drained`]. `text` is for people.
    pub fn shut_down(&mut self, text: &str, now: Now) {
        self.observe(now);
        self.start_drain(text);
    }

    /// The next thing to do; `None` when drained.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                if let Output::Drop(id) = output {
                    self.peers.connections.release(id);
                }
                return Some(output);
            }
            if let Some(room) = self.uneven.pop_front() {
                self.deliver(room);
            } else if let Some(id) = self.peers.refill.pop_front() {
                self.refill(id);
            } else if let Some(id) = self.peers.bulk.pop_front() {
                self.send_bulk(id);
            } else {
                let id = self.peers.interest.pop_front()?;
                if let Some(connection) = self.peers.connections.get_mut(id) {
                    connection.told = false;
                    return Some(Output::Interest(id));
                }
            }
        }
    }

    /// When to call `handle_timeout`, and which timer that is for; `None` when nothing waits.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Monotonic, &'static str)> {
        if !self.outputs.is_empty() || !self.uneven.is_empty() || self.peers.has_work() {
            return Some((self.peers.now.monotonic, "work"));
        }
        self.peers.timers.next()
    }

    /// The bytes that wait to be sent on a connection.
    #[must_use]
    pub fn sendable(&self, id: ConnectionId) -> &[u8] {
        self.peers.connections.get(id).map_or(&[], |connection| connection.outbound.as_slice())
    }

    /// How much a connection takes and gives at the moment.
    #[must_use]
    pub fn interest(&self, id: ConnectionId) -> Interest {
        match self.peers.connections.get(id) {
            Some(connection) => Interest {
                receive_bytes: if self.drain.is_some() { 0 } else { connection.receive_bytes() },
                send: !connection.outbound.is_empty(),
            },
            None => Interest { receive_bytes: 0, send: false },
        }
    }

    /// Counters and gauges. Walks over all connections.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            connections: self.peers.connections.len() as u64,
            queued: self.places.queued() as u64,
            rooms: self.rooms.len() as u64,
            recent_bytes: self.rooms.recent_bytes as u64,
            pending: self.pending.len() as u64,
            shared_bytes: self.peers.shared_bytes as u64,
            uploads: self.files.uploads.len() as u64,
            files_bytes: self.files.bytes(),
            window_bytes: self.files.windows_bytes,
            ..self.counters
        };
        for connection in self.peers.connections.iter() {
            stats.clients += u64::from(connection.ready().is_some());
            stats.outbound_bytes += connection.outbound.len() as u64;
            stats.inbound_bytes += connection.inbound.len() as u64;
            stats.read_ahead_bytes +=
                connection.ready().map_or(0, |ready| ready.transfers.read_ahead_bytes());
        }
        stats.lost = self.users.iter().filter(|user| user.expires().is_some()).count() as u64;
        stats.accounts = self.users.iter().filter(|user| user.is_account()).count() as u64;
        stats
    }

    fn observe(&mut self, now: Now) {
        let mut monotonic = now.monotonic.max(self.peers.now.monotonic);
        if crate::seeded_bug!("deadlines-by-the-wall-clock") {
            let passed = now.monotonic.since(self.peers.now.monotonic);
            let leapt = now.wall.since(self.peers.now.wall).saturating_sub(passed);
            if leapt > core::time::Duration::from_secs(1) {
                monotonic = monotonic.after(leapt);
            }
        }
        self.peers.now = Now { monotonic, ..now };
    }

    fn ask_storage(&mut self, pending: Pending, operation: StorageOperation) -> Ticket {
        let ticket = self.pending.insert(pending);
        self.outputs.push_back(Output::Storage(StorageRequest { ticket, operation }));
        ticket
    }

    fn report(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}

/// The frame to send to a connection that [`Server::handle_connected`] did not take.
#[must_use]
pub fn refusal_frame(error: ProtocolError) -> Vec<u8> {
    let text = if error == ProtocolError::TooManyFromAddress {
        "There are too many connections from your address; try again later."
    } else {
        "The server has too many connections; try again later."
    };
    let mut frame = Vec::new();
    wire::ToClient::from(wire::Error { code: error.number(), text }).encode(&mut frame);
    frame
}
