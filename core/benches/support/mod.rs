//! A server with a room full of members, and a storage that answers at once and keeps nothing.
#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::{collections::BTreeMap, hint::black_box, time::Duration};

use palabre_core::{
    channel::Channel,
    config::ServerConfig,
    ids::{ConnectionId, Incarnation, Nonce, RoomId, Seq, UserId},
    limits::Limits,
    output::{Output, Source},
    server::Server,
    storage::{
        Appended, Recovered, RecoveredFiles, RoomKey, RoomRecord, StorageFailure, StorageOperation,
        StorageOutcome, StorageReply, StorageRequest,
    },
    time::{Monotonic, Now, WallTime},
    wire::{self, FRAME_BYTES_MAX, ToClient, ToServer, split_frame},
};

/// How much time passes from one turn of the loop to the next while a room fills.
const FILLING_TURN: Duration = Duration::from_micros(200);
/// And later: so little that nobody is silent for too long, however many turns are measured.
const TURN: Duration = Duration::from_micros(1);
/// How many turns it takes until the members of a full room have been told of each other.
const FILLING_TURNS: usize = 10_000;
/// A text as long as that of the comparisons with other servers.
pub const TEXT: &str = "The quick brown fox jumps over the lazy dog, and the dog sleeps.";

/// A server as a poll loop would drive it, in turns.
pub struct Hall {
    server: Server,
    now: Now,
    turn: Duration,
    store: Store,
    requests: Vec<StorageRequest>,
    writable: Vec<ConnectionId>,
    posts: Vec<u8>,
    posted: u64,
}

#[derive(Default)]
struct Store {
    rooms: BTreeMap<RoomKey, RoomRecord>,
    logs: BTreeMap<RoomId, Seq>,
    users: u64,
}

/// Who is in the room.
pub struct Room {
    pub id: RoomId,
    pub members: Vec<ConnectionId>,
}

impl Hall {
    pub fn new() -> Self {
        let now =
            Now { monotonic: Monotonic::from_millis(1), wall: WallTime::from_millis(1_750_000_000_000) };
        let config = ServerConfig {
            limits: Limits { clients_max: 100_000, ..Limits::open() },
            ..ServerConfig::default()
        };
        let recovered = Recovered {
            incarnation: Incarnation::new(1),
            rooms: Vec::new(),
            guests: Vec::new(),
            accounts: Vec::new(),
            invitations: Vec::new(),
            files: RecoveredFiles::default(),
        };
        let mut hall = Self {
            server: Server::new(config, [7; 32], recovered, now),
            now,
            turn: FILLING_TURN,
            store: Store::default(),
            requests: Vec::new(),
            writable: Vec::new(),
            posts: Vec::new(),
            posted: 0,
        };
        hall.settle();
        hall.send();
        hall
    }

    /// A room with so many members, who have been told of each other.
    pub fn room(&mut self, name: &str, members: usize) -> Room {
        let members: Vec<_> =
            (0..members).map(|number| self.enter(&format!("{}-{number}", &name[1..]))).collect();
        for member in &members {
            self.say(*member, wire::Join { id: 2, name, after: None });
        }
        for _ in 0..FILLING_TURNS {
            self.settle();
            self.send();
        }
        self.turn = TURN;
        let id = self.store.rooms[&RoomKey::Named(name.into())].id;
        Room { id, members }
    }

    fn enter(&mut self, nick: &str) -> ConnectionId {
        let id = self.server.handle_connected(Source::V4([127, 0, 0, 1]), self.now).expect("no limits");
        self.server.handle_secured(id, Channel::Plain, self.now);
        self.say(id, wire::Hello { first: 1, last: 1, client: "bench", features: 0, session: None });
        self.say(id, wire::Guest { id: 1, nick });
        id
    }

    fn say<'a>(&mut self, id: ConnectionId, message: impl Into<ToServer<'a>>) {
        let mut frame = Vec::new();
        message.into().encode(&mut frame);
        self.server.handle_received(id, &frame, self.now);
        self.settle();
        self.send();
    }

    /// Frames of so many posts with new nonces, as one read would bring them.
    pub fn prepare(&mut self, room: &Room, count: u64) {
        self.posts.clear();
        for _ in 0..count {
            self.posted += 1;
            let nonce = Nonce::new(self.posted);
            let post =
                wire::Post { id: 3, room: room.id, nonce, kind: wire::kind::POSTED, text: TEXT, to: None };
            ToServer::from(post).encode(&mut self.posts);
        }
    }

    /// The first member sends what was prepared, and the server turns it into storage requests.
    pub fn submit(&mut self, room: &Room) -> usize {
        self.server.handle_received(room.members[0], &self.posts, self.now);
        self.drain();
        self.requests.len()
    }

    /// Storage answers until nothing is asked any more, and deadlines that have come are kept.
    pub fn settle(&mut self) {
        self.drain();
        loop {
            let answered = !self.requests.is_empty();
            for request in self.requests.drain(..) {
                let result = self.store.execute(request.operation);
                self.server.handle_storage(StorageReply { ticket: request.ticket, result }, self.now);
            }
            let due = self.server.poll_timeout().is_some_and(|(at, _)| at <= self.now.monotonic);
            if due {
                self.server.handle_timeout(self.now);
            }
            self.drain();
            if !answered && !due {
                return;
            }
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Interest(id) => self.writable.push(id),
                Output::Storage(request) => self.requests.push(request),
                Output::Blob(_) => panic!("nobody shares files"),
                Output::Close(_) | Output::Drop(_) | Output::Work(_) => panic!("nobody ends"),
                Output::Event(event) => drop(black_box(event)),
            }
        }
    }

    /// Every connection takes what waits for it; how many bytes that was. Then the next turn begins.
    pub fn send(&mut self) -> usize {
        let mut sent = 0;
        for id in self.writable.drain(..) {
            let bytes = black_box(self.server.sendable(id));
            let count = bytes.len();
            sent += count;
            if count > 0 {
                self.server.handle_sent(id, count, self.now);
            }
        }
        self.now.monotonic = self.now.monotonic.after(self.turn);
        sent
    }

    /// As [`send`](Self::send), counting the events among what is sent.
    pub fn send_counting_events(&mut self) -> u64 {
        let mut events = 0;
        for id in &self.writable {
            let mut rest = self.server.sendable(*id);
            while let Some((frame, after)) = split_frame(rest, FRAME_BYTES_MAX).expect("it is ours") {
                events += u64::from(matches!(ToClient::decode(frame), Ok(Some(ToClient::Event(_)))));
                rest = after;
            }
        }
        self.send();
        events
    }
}

impl Store {
    fn execute(&mut self, operation: StorageOperation) -> Result<StorageOutcome, StorageFailure> {
        Ok(match operation {
            StorageOperation::OpenRoom { key, .. } => {
                let id = RoomId::new(self.rooms.len() as u64 + 1);
                let new = || RoomRecord {
                    id,
                    key: key.clone(),
                    topic: "".into(),
                    first: Seq::new(1),
                    last: Seq::new(0),
                    mode: Default::default(),
                    standings: Vec::new(),
                };
                let record = self.rooms.entry(key.clone()).or_insert_with(new).clone();
                self.logs.entry(record.id).or_default();
                StorageOutcome::RoomOpened(record)
            }
            StorageOperation::Append { room, event, .. } => {
                drop(event);
                let seq = self.logs.get_mut(&room).ok_or(StorageFailure::NoSuchRoom)?;
                *seq = seq.next();
                StorageOutcome::Appended(Appended::Stored { seq: *seq, first: Seq::new(1) })
            }
            StorageOperation::AppendAbout { .. } => panic!("nobody changes what was said"),
            StorageOperation::CreateGuest { .. } => {
                self.users += 1;
                StorageOutcome::GuestCreated { user: UserId::new(self.users) }
            }
            StorageOperation::CreateAccount { .. }
            | StorageOperation::AddDevice { .. }
            | StorageOperation::SeeDevice { .. }
            | StorageOperation::RemoveDevice { .. }
            | StorageOperation::SetPassword { .. }
            | StorageOperation::ForgetInvitation { .. }
            | StorageOperation::SetRead { .. } => panic!("everybody is a guest"),
            StorageOperation::Files(_) => panic!("nobody shares files"),
            StorageOperation::FindNonce { .. } => StorageOutcome::Found(None),
            StorageOperation::ReadPage { .. } | StorageOperation::Search { .. } => {
                panic!("everybody keeps up, so that nothing is read back")
            }
            StorageOperation::DropRoom { .. }
            | StorageOperation::UpdateGuest { .. }
            | StorageOperation::RemoveGuest { .. }
            | StorageOperation::SetMember { .. } => StorageOutcome::Done,
        })
    }
}
