//! What a `Server` asks of its driver.

use alloc::string::String;

use crate::{
    blob::BlobRequest,
    error::ProtocolError,
    ids::{ConnectionId, DeviceId, RoomId, Seq, UserId},
    password::Verification,
    storage::StorageRequest,
};

/// One thing for the driver to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The answer of `Server::interest` for this connection may have changed: ask again, and send what waits.
    Interest(ConnectionId),
    /// Hand this to storage, after all requests handed out before.
    Storage(StorageRequest),
    /// Computation that would stall the loop: have it done elsewhere, and hand what it gives to `Server::handle_work`. There are
    /// never more than [`Limits::verifications_max`](crate::limits::Limits) under way.
    Work(Verification),
    /// Hand this to the disk that keeps the content of files.
    Blob(BlobRequest),
    /// Send what remains, then shut the connection's sending side down, and drop what arrives until it ends.
    Close(ConnectionId),
    /// Let go of the connection's socket now. The id is dead.
    Drop(ConnectionId),
    /// Something an operator may want to know.
    Event(Event),
}

/// How much a connection takes and gives at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// How many bytes the core takes in; 0 while it wants none.
    pub receive_bytes: usize,
    /// Whether bytes wait to be sent.
    pub send: bool,
}

/// Where a connection comes from, for the limits by source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// An IPv4 address.
    V4([u8; 4]),
    /// An IPv6 address; sources are told apart by its first 64 bits.
    V6([u8; 16]),
}

impl Source {
    /// Whether it is this machine: `127.0.0.0/8`, `::1`, or the former written as IPv6.
    #[must_use]
    pub const fn is_loopback(self) -> bool {
        match self {
            Self::V4([first, ..]) => first == 127,
            Self::V6(bytes) => {
                matches!(bytes, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
                    || matches!(bytes, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, _, _, _])
            }
        }
    }
}

/// What happened, for logs and counters. Names are those of users who entered; texts never appear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A user has entered.
    Entered {
        /// On which connection.
        connection: ConnectionId,
        /// Who.
        user: UserId,
        /// By which name.
        nick: String,
        /// Whether it came back.
        resumed: bool,
    },
    /// A user waits for a place.
    Queued {
        /// On which connection.
        connection: ConnectionId,
        /// At which position.
        position: u32,
    },
    /// A connection ended.
    Ended {
        /// Which.
        connection: ConnectionId,
        /// Who, if it had entered.
        user: Option<UserId>,
        /// Why.
        cause: EndCause,
    },
    /// A guest is no more: it left, or was lost for too long.
    GuestRemoved {
        /// Who.
        user: UserId,
    },
    /// A token was shown that another had taken the place of: somebody has a copy. The device was logged out.
    TokenReused {
        /// Whose.
        user: UserId,
        /// Which device.
        device: DeviceId,
    },
    /// A room was created.
    RoomCreated {
        /// Which.
        room: RoomId,
    },
    /// A reader no longer keeps up with a room; it is being caught up as it reads.
    Lagging {
        /// Which connection.
        connection: ConnectionId,
        /// In which room.
        room: RoomId,
        /// The first event it has not been sent.
        next: Seq,
    },
    /// A reader keeps up with a room again.
    CaughtUp {
        /// Which connection.
        connection: ConnectionId,
        /// In which room.
        room: RoomId,
        /// How many of the events it missed were read from storage.
        from_storage: u64,
    },
    /// Storage could not do something. The peer concerned was told.
    StorageFailed {
        /// What was asked.
        operation: &'static str,
        /// Whether it is for lack of space.
        no_space: bool,
    },
    /// A file was stored.
    FileStored {
        /// By whom.
        user: UserId,
        /// How many bytes it has.
        size: u64,
    },
    /// The disk that keeps the content of files could not do something.
    DiskFailed {
        /// What was asked.
        operation: &'static str,
        /// Whether it is for lack of space.
        no_space: bool,
    },
    /// All connections have ended after a shutdown; the driver may stop.
    Drained,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// It said goodbye; its user left.
    Left,
    /// It said goodbye; its user means to come back.
    Detached,
    /// It was cut.
    Cut,
    /// It did not enter in time, or was silent for too long.
    TimedOut,
    /// It took nothing for too long.
    TooSlow,
    /// A newer connection took its place.
    Superseded,
    /// There was neither a place nor room in the queue.
    ServerFull,
    /// Its device was logged out.
    Revoked,
    /// It was refused too often.
    Refused,
    /// The server shuts down.
    ShuttingDown,
    /// It broke the protocol.
    Broke(ProtocolError),
    /// It said that we broke the protocol.
    Accused(u16),
}

/// Counters since start and gauges, for operators and tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Open connections.
    pub connections: u64,
    /// Users who have entered and are connected.
    pub clients: u64,
    /// Users who wait for a place.
    pub queued: u64,
    /// Guests that are lost and kept.
    pub lost: u64,
    /// Accounts, connected or not.
    pub accounts: u64,
    /// Rooms and direct conversations.
    pub rooms: u64,
    /// Events stored since start.
    pub events_stored: u64,
    /// Copies of events put into outbound buffers since start.
    pub deliveries: u64,
    /// How often a reader began to lag since start.
    pub lagged: u64,
    /// How often a lagging reader kept up again since start.
    pub caught_up: u64,
    /// Events read back from storage for lagging or reconnecting readers since start.
    pub events_read_back: u64,
    /// Bytes that wait to be sent.
    pub outbound_bytes: u64,
    /// Bytes of recent events at hand.
    pub recent_bytes: u64,
    /// What of them is over the connections' own shares, as accounted to the shared part.
    pub shared_bytes: u64,
    /// Storage requests under way.
    pub pending: u64,
    /// Bytes received that wait to be handled.
    pub inbound_bytes: u64,
    /// Uploads that are not files yet.
    pub uploads: u64,
    /// What they, and files, count against quotas.
    pub files_bytes: u64,
    /// Memory that senders of uploads were promised.
    pub window_bytes: u64,
    /// Memory of content that was read for downloads and waits to be sent.
    pub read_ahead_bytes: u64,
}
