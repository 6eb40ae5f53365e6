//! The world of files: one server with its disk and its journal, some clients, and everything that can go wrong between
//! them, in any order. What must hold is checked after every crash and at the end (`docs/TESTING.md`, "Files").

mod actor;
mod disk;
mod liar;
mod script;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use palabre_core::{
    channel::Channel,
    client::{
        ClientEvent, ClientOutput, DownloadWish, Governance, LocalFailure, OfflineCause, TransferEvent,
        TransferFailure, TransferId, UploadWish,
    },
    config::{FilesConfig, ServerConfig},
    error::RefusalCode,
    ids::{Incarnation, Nonce, RoomId},
    limits::Limits,
    name::{Nick, RoomName},
    output::{Output, Source},
    rights::Act,
    server::Server,
    storage::{
        EventKind, FileOperation, Place, PutContent, StorageOperation, StorageReply, StorageRequest,
        StoredEvent, Ticket,
    },
    time::{Monotonic, Now, WallTime},
    transfer::{BlobHash, FileName, SUBTREE_BYTES, UploadKey, Version},
};

pub use self::script::{Mishap, Played, Way, play};
use self::{
    actor::{Actor, Link, Transfer, account, hash},
    disk::Disk,
    liar::Liar,
};
use crate::{
    choices::{Choices, Subsystem},
    oracle::Rights,
    store::Tables,
};

/// The names that files are given: few, so that they meet.
const NAMES: [&str; 3] = ["a", "b.txt", "c/d"];

/// How long a server keeps files, if not for ever: longer than faults last, shorter than what comes after.
const FILE_KEPT: Duration = Duration::from_secs(3_600);

/// What is wrong, in a sentence, if anything is.
type Found = Result<(), String>;

/// What rare situations a run met.
#[derive(Clone, Debug, Default)]
pub struct Marks(BTreeSet<&'static str>);

impl Marks {
    fn note(&mut self, mark: &'static str, met: bool) {
        if met {
            self.0.insert(mark);
        }
    }

    /// Adds those of another run.
    pub fn merge(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    /// Whether a situation was met.
    #[must_use]
    pub fn has(&self, mark: &str) -> bool {
        self.0.contains(mark)
    }
}

/// Runs the world with a seed: so many steps with faults, then as many as it takes to become quiet.
///
/// # Errors
/// What does not hold.
pub fn run(seed: u64, steps: u32) -> Result<Marks, String> {
    let mut world = World::new(seed, limits())?;
    world.run(steps).map_err(|reason| format!("seed {seed}: {reason}"))?;
    let mut marks = world.marks;
    marks.merge(&world.disk.marks);
    marks.merge(&world.liar.marks);
    Ok(marks)
}

struct World {
    choices: Choices,
    limits: Limits,
    now: Now,
    server: Option<Server>,
    starts: u8,
    tables: Tables,
    /// Requests that storage has not executed.
    asked: VecDeque<StorageRequest>,
    disk: Disk,
    actors: Vec<Actor>,
    liar: Liar,
    healthy: bool,
    keys: u8,
    /// Contents that were ever uploaded, by hash.
    contents: BTreeMap<BlobHash, Vec<u8>>,
    /// Uploads of which content was sent in parts.
    opened: BTreeSet<UploadKey>,
    /// Uploads that their clients were told to be files.
    told: Vec<(UploadKey, BlobHash, Option<RoomId>)>,
    rights: Rights,
    /// The checkpoint that the journal was last asked for, and for how many turns it still does not answer.
    slow_ticket: Option<Ticket>,
    slow_for: u64,
    deleted: u32,
    renames: u32,
    marks: Marks,
}

fn limits() -> Limits {
    Limits {
        window_bytes: 16 << 10,
        window_bytes_max: 64 << 10,
        windows_bytes_max: 96 << 10,
        checkpoint_bytes: 32 << 10,
        undurable_bytes_max: 96 << 10,
        user_files_bytes_max: 1 << 20,
        reserved_step_bytes: 64 << 10,
        read_bytes: 16 << 10,
        ..Limits::open()
    }
}

impl World {
    fn new(seed: u64, limits: Limits) -> Result<Self, String> {
        let now = Now { monotonic: Monotonic::from_millis(1_000), wall: WallTime::from_millis(1_000_000) };
        let mut tables = Tables::new(Incarnation::new(7));
        let owner = account("c1", &mut tables)?;
        // Every third server keeps files for a time only.
        let file_kept = seed.is_multiple_of(3).then_some(FILE_KEPT);
        let limits = Limits { file_kept, ..limits };
        let mut world = Self {
            choices: Choices::seeded(seed),
            limits,
            now,
            server: None,
            starts: 0,
            tables,
            asked: VecDeque::new(),
            disk: Disk::default(),
            actors: vec![Actor::new(1, Some(owner), now), Actor::new(2, None, now), Actor::new(3, None, now)],
            liar: Liar::default(),
            healthy: false,
            keys: 0,
            contents: BTreeMap::new(),
            opened: BTreeSet::new(),
            told: Vec::new(),
            rights: Rights::default(),
            slow_ticket: None,
            slow_for: 0,
            deleted: 0,
            renames: 0,
            marks: Marks::default(),
        };
        world.start();
        Ok(world)
    }

    fn start(&mut self) {
        self.starts = self.starts.wrapping_add(1);
        let limits = self.limits.clone();
        let config = ServerConfig { limits, files: FilesConfig::Everybody, ..ServerConfig::default() };
        // What nobody knows of is tidied away.
        let known: Vec<_> = self.tables.uploads().map(|upload| upload.id).collect();
        self.disk.uploads.retain(|id, _| known.contains(id));
        let used: Vec<_> = self.tables.files().map(|file| file.hash).collect();
        self.disk.blobs.retain(|hash, _| used.contains(hash));
        let recovered = self.tables.recovered();
        self.server = Some(Server::new(config, [self.starts; 32], recovered, self.now));
    }

    fn run(&mut self, steps: u32) -> Found {
        for _ in 0..steps {
            self.step()?;
        }
        self.healthy = true;
        self.disk.healthy = true;
        self.liar.leave(self.server.as_mut(), self.now);
        for round in 0.. {
            if round > 40_000 {
                return Err(format!("it does not become quiet: {}", self.what_is_left()));
            }
            if !self.settle()? {
                if self.actors.iter().all(|actor| actor.transfers.is_empty()) {
                    break;
                }
                self.pass(Duration::from_millis(500))?;
            }
        }
        // Uploads that nobody goes on with expire.
        for _ in 0..5 {
            self.pass(Duration::from_secs(6 * 3_600))?;
            while self.settle()? {}
        }
        self.marks.note("files were deleted", self.deleted > 0);
        self.check_all(true)
    }

    fn what_is_left(&self) -> String {
        let stats = self.server.as_ref().map(Server::stats);
        let mut text = format!("{} requests, {stats:?}", self.asked.len());
        for actor in &self.actors {
            let steps: Vec<_> = actor.transfers.keys().map(|id| actor.client.transfer(*id)).collect();
            let lines = actor.link.as_ref().map(|link| (link.up.len(), link.down.len(), link.closing));
            let (ready, local) = (actor.client.is_ready(), actor.local.len());
            text.push_str(&format!("; ready {ready}, link {lines:?}, {local} local, {steps:?}"));
        }
        text
    }

    /// Everything that can happen by itself happens, once. Whether there was anything.
    fn settle(&mut self) -> Result<bool, String> {
        let mut any = false;
        for actor in 0..self.actors.len() {
            any |= self.move_bytes(actor, usize::MAX)?;
            any |= self.work_locally(actor)?;
        }
        while self.answer_storage()? || self.answer_disk()? {
            any = true;
        }
        Ok(any)
    }

    fn step(&mut self) -> Found {
        let actor = self.choices.index(Subsystem::Operations, self.actors.len());
        match self.choices.below(Subsystem::Process, 64) {
            0..20 => {
                let most = 1 + self.choices.index(Subsystem::Network, 70_000);
                self.move_bytes(actor, most).map(drop)
            }
            20..32 => self.work_locally(actor).map(drop),
            32..42 => self.answer_storage().map(drop),
            42..54 => self.answer_disk().map(drop),
            54..57 => self.operate(actor),
            57..60 => {
                let millis = self.choices.below(Subsystem::Process, 900);
                self.pass(Duration::from_millis(millis))
            }
            60 if self.choices.chance(Subsystem::Network, 1, 4) => self.cut(actor),
            61 if self.choices.chance(Subsystem::Process, 1, 8) => self.crash(),
            62 => {
                let server = self.server.as_mut().ok_or("no server")?;
                self.liar.act(server, &mut self.choices, self.now)?;
                self.drain_server()
            }
            _ => Ok(()),
        }
    }

    fn pass(&mut self, duration: Duration) -> Found {
        self.now.monotonic = self.now.monotonic.after(duration);
        self.now.wall = self.now.wall.after(duration);
        if let Some(server) = &mut self.server {
            server.handle_timeout(self.now);
        }
        self.drain_server()?;
        for index in 0..self.actors.len() {
            let now = self.now;
            let client = &mut self.actors[index].client;
            if client.poll_timeout().is_some_and(|(at, _)| at <= now.monotonic) {
                client.handle_timeout(now);
            }
            self.drain_client(index)?;
        }
        Ok(())
    }

    fn drain_server(&mut self) -> Found {
        loop {
            let Some(server) = &mut self.server else { return Ok(()) };
            let Some(output) = server.poll_output() else { break };
            match output {
                Output::Storage(request) => self.submit(request)?,
                Output::Blob(request) => self.disk.submit(request),
                Output::Interest(id) => self.collect(id)?,
                Output::Close(id) => {
                    self.collect(id)?;
                    if let Some(link) = self.link(id) {
                        link.closing = true;
                    }
                }
                Output::Drop(id) => {
                    for actor in &mut self.actors {
                        if actor.link.as_ref().is_some_and(|link| link.id == id) {
                            actor.link = None;
                            actor.client.handle_disconnected(self.now);
                        }
                    }
                }
                Output::Event(_) => {}
                Output::Work(_) => return Err("a guest has no password".into()),
            }
        }
        let stats = self.server.as_ref().map(Server::stats).unwrap_or_default();
        if stats.window_bytes > self.limits.windows_bytes_max {
            return Err(format!("{} bytes of windows were promised", stats.window_bytes));
        }
        Ok(())
    }

    fn submit(&mut self, request: StorageRequest) -> Found {
        let StorageRequest { ticket, operation } = &request;
        self.rights
            .submitted(ticket.get(), operation, &self.tables)
            .map_err(|violation| violation.to_string())?;
        if let StorageOperation::Files(operation) = operation
            && let FileOperation::Delete { by, event: Some(event), .. } = &**operation
        {
            self.marks.note("a moderator deleted the file of somebody else", event.author != *by);
        }
        if let StorageOperation::Files(operation) = operation
            && let FileOperation::Put { file, content: PutContent::OfFileIn(places), .. } = &**operation
        {
            let may_read = |place: &Place| match place {
                Place::Room(room) => self.tables.is_member(file.by, *room),
                Place::Shelf(user) => *user == file.by,
            };
            if let Some(place) = places.iter().find(|place| !may_read(place)) {
                return Err(format!("user {} is let know what is in {place:?}", file.by));
            }
        }
        self.asked.push_back(request);
        Ok(())
    }

    fn link(&mut self, id: palabre_core::ids::ConnectionId) -> Option<&mut Link> {
        self.actors.iter_mut().filter_map(|actor| actor.link.as_mut()).find(|link| link.id == id)
    }

    /// What a connection has to say is on its way, if its peer takes it.
    fn collect(&mut self, id: palabre_core::ids::ConnectionId) -> Found {
        let now = self.now;
        let Some(server) = &mut self.server else { return Ok(()) };
        if self.liar.id() == Some(id) {
            return self.liar.hear(server, now);
        }
        let bytes = server.sendable(id).to_vec();
        let Some(link) =
            self.actors.iter_mut().filter_map(|actor| actor.link.as_mut()).find(|link| link.id == id)
        else {
            return Ok(());
        };
        let room = (256_usize << 10).saturating_sub(link.down.len()).min(bytes.len());
        if room > 0 {
            link.down.extend(&bytes[..room]);
            server.handle_sent(id, room, now);
        }
        Ok(())
    }

    fn drain_client(&mut self, index: usize) -> Found {
        while let Some(output) = self.actors[index].client.poll_output() {
            match output {
                ClientOutput::Connect => self.connect(index),
                ClientOutput::Drop => self.hang_up(index),
                ClientOutput::Close => {
                    if let Some(link) = &mut self.actors[index].link {
                        link.closing = true;
                    }
                }
                ClientOutput::File(request) => self.actors[index].local.push_back(request),
                ClientOutput::Event(event) => self.heard(index, event)?,
                ClientOutput::Send | ClientOutput::Save => {}
                ClientOutput::Work(_) => return Err("a guest has no password".into()),
            }
        }
        let actor = &mut self.actors[index];
        if let Some(link) = &mut actor.link {
            let bytes = actor.client.sendable().to_vec();
            let room = (256_usize << 10).saturating_sub(link.up.len()).min(bytes.len());
            if room > 0 {
                link.up.extend(&bytes[..room]);
                actor.client.handle_sent(room, self.now);
                return self.drain_client(index);
            }
        }
        Ok(())
    }

    fn connect(&mut self, index: usize) {
        let now = self.now;
        let Some(server) = &mut self.server else { return };
        if let Ok(id) = server.handle_connected(Source::V4([127, 0, 0, 1]), now) {
            server.handle_secured(id, Channel::Plain, now);
            self.actors[index].link =
                Some(Link { id, up: VecDeque::new(), down: VecDeque::new(), closing: false });
            self.actors[index].client.handle_connected(Channel::Plain, now);
        }
    }

    fn hang_up(&mut self, index: usize) {
        if let (Some(link), Some(server)) = (self.actors[index].link.take(), &mut self.server) {
            server.handle_disconnected(link.id, self.now);
        }
    }

    /// A connection is cut: what is on its way is lost.
    fn cut(&mut self, index: usize) -> Found {
        if self.actors[index].link.is_some() {
            self.marks.note("a connection with transfers was cut", !self.actors[index].transfers.is_empty());
            self.hang_up(index);
            self.actors[index].client.handle_disconnected(self.now);
        }
        self.drain_server()?;
        self.drain_client(index)
    }

    /// The server's power is gone, at any moment: what was not safe is lost, and it starts again.
    fn crash(&mut self) -> Found {
        self.marks.note("a server with uploads crashed", self.tables.uploads().next().is_some());
        self.server = None;
        let done = self.choices.index(Subsystem::Store, self.asked.len() + 1);
        // The journal and the disk go down together; which of them had done more is anybody's guess.
        for request in self.asked.drain(..done).collect::<Vec<_>>() {
            let _ = self.tables.execute(&request.operation);
        }
        self.asked.clear();
        self.rights.crashed(&self.tables);
        self.disk.cut_power(&mut self.choices);
        self.check_all(false)?;
        self.liar.leave(None, self.now);
        self.start();
        for actor in &mut self.actors {
            if actor.link.take().is_some() {
                actor.client.handle_disconnected(self.now);
            }
        }
        self.drain_server()?;
        (0..self.actors.len()).try_for_each(|index| self.drain_client(index))
    }

    fn move_bytes(&mut self, index: usize, most: usize) -> Result<bool, String> {
        self.carry(index, most, most).map(|(up, down, over)| over || up + down > 0)
    }

    /// Carries some of what is on its way from a client and to it: how much it was, and whether the connection is over.
    fn carry(&mut self, index: usize, up: usize, down: usize) -> Result<(usize, usize, bool), String> {
        let now = self.now;
        let mut carried = (0, 0);
        if let Some(link) = &mut self.actors[index].link {
            let (id, count) = (link.id, down.min(link.down.len()));
            let down: Vec<u8> = link.down.drain(..count).collect();
            if let Some(server) = &mut self.server {
                let taken = up.min(link.up.len()).min(server.interest(id).receive_bytes);
                let up: Vec<u8> = link.up.drain(..taken).collect();
                carried = (up.len(), down.len());
                if !up.is_empty() {
                    server.handle_received(id, &up, now);
                }
            }
            if !down.is_empty() {
                self.actors[index].client.handle_received(&down, now);
            }
            self.collect(id)?;
        }
        self.drain_server()?;
        self.drain_client(index)?;
        let over = self.actors[index]
            .link
            .as_ref()
            .is_some_and(|link| link.closing && link.down.is_empty() && link.up.is_empty());
        if over {
            self.hang_up(index);
            self.actors[index].client.handle_disconnected(now);
            self.drain_server()?;
            self.drain_client(index)?;
        }
        Ok((carried.0, carried.1, over))
    }

    fn work_locally(&mut self, index: usize) -> Result<bool, String> {
        let Some(done) = self.actors[index].work() else { return Ok(false) };
        self.actors[index].client.handle_local(done, self.now);
        self.drain_client(index)?;
        Ok(true)
    }

    fn answer_storage(&mut self) -> Result<bool, String> {
        if self.journal_is_slow() {
            return Ok(false);
        }
        let Some(request) = self.asked.pop_front() else { return Ok(false) };
        let drops = matches!(&request.operation, StorageOperation::Files(operation)
            if matches!(**operation, FileOperation::DropUpload { .. }));
        let fails = !self.healthy && !drops && self.choices.chance(Subsystem::Store, 1, 96);
        let result = if fails {
            self.marks.note("storage failed about a file", true);
            Err(palabre_core::storage::StorageFailure::Failed)
        } else {
            // A doubtful commit is executed once more.
            if !self.healthy && self.choices.chance(Subsystem::Store, 1, 16) {
                let _ = self.tables.execute(&request.operation);
            }
            self.tables.execute(&request.operation)
        };
        self.rights.answered(request.ticket.get(), result.is_ok(), &self.tables);
        if let Some(server) = &mut self.server {
            server.handle_storage(StorageReply { ticket: request.ticket, result }, self.now);
        }
        self.drain_server()?;
        Ok(true)
    }

    /// Now and then the journal takes long, so that the disk may fail and the upload be asked for again meanwhile.
    fn journal_is_slow(&mut self) -> bool {
        let checkpoint = self.asked.front().filter(|request| {
            matches!(&request.operation, StorageOperation::Files(operation)
                if matches!(**operation, FileOperation::Checkpoint { .. }))
        });
        let Some(ticket) = checkpoint.map(|request| request.ticket).filter(|_| !self.healthy) else {
            return false;
        };
        if self.slow_ticket != Some(ticket) {
            self.slow_ticket = Some(ticket);
            let slow = self.choices.chance(Subsystem::Store, 1, 4);
            self.slow_for = if slow { self.choices.between(Subsystem::Store, 1, 60) } else { 0 };
        }
        let slow = self.slow_for > 0;
        self.slow_for = self.slow_for.saturating_sub(1);
        slow
    }

    fn answer_disk(&mut self) -> Result<bool, String> {
        let Some(reply) = self.disk.work(&mut self.choices) else { return Ok(false) };
        if let Some(server) = &mut self.server {
            server.handle_blob(reply, self.now);
        }
        self.drain_server()?;
        Ok(true)
    }

    /// Somebody does something with files.
    fn operate(&mut self, index: usize) -> Found {
        let Some(lobby) = self.actors[index].lobby else {
            let _ = self.actors[index].client.join(&RoomName::lobby(), None, self.now);
            return self.drain_client(index);
        };
        let room = match self.choices.below(Subsystem::Operations, 4) {
            0 => None,
            1 | 2 => Some(lobby),
            _ => match self.actors[index].tea {
                Some(tea) => Some(tea),
                None => {
                    let name = RoomName::parse("#tea").map_err(|error| error.to_string())?;
                    let _ = self.actors[index].client.join(&name, None, self.now);
                    return self.drain_client(index);
                }
            },
        };
        let name = NAMES[self.choices.index(Subsystem::Operations, NAMES.len())];
        let name = FileName::parse(name).map_err(|error| error.to_string())?;
        match self.choices.below(Subsystem::Operations, 9) {
            0..4 if self.actors[index].transfers.len() < 4 => self.begin_upload(index, room, name),
            4 | 5 if self.actors[index].transfers.len() < 4 => {
                // Some ask for what it takes to verify a part.
                let end = name.as_str().len().is_multiple_of(2).then_some(SUBTREE_BYTES);
                let wish = DownloadWish { room, name, hash: None, offset: 0, end };
                if let Ok(id) = self.actors[index].client.download(wish, self.now) {
                    self.actors[index].transfers.insert(id, Transfer::Download { content: Vec::new() });
                }
            }
            6 => {
                let _ = self.actors[index].client.delete_file(room, name, None, self.now);
            }
            7 => self.govern(index)?,
            _ => self.give_up(index),
        }
        self.drain_client(index)
    }

    fn begin_upload(&mut self, index: usize, room: Option<RoomId>, name: FileName) {
        let resumes = self.choices.chance(Subsystem::Operations, 1, 2);
        let unfinished = self.actors[index].unfinished.pop().filter(|_| resumes);
        // It goes on where it was to go, whatever is said now.
        let (key, content, room) = match unfinished {
            Some(unfinished) => {
                self.marks.note("an upload that had failed was gone on with", true);
                unfinished
            }
            None => {
                self.keys += 1;
                let size =
                    [0, 1, 1_000, 40_000, 65_536, 150_000][self.choices.index(Subsystem::Operations, 6)];
                let salt = self.choices.below(Subsystem::Operations, 4) as usize;
                let content: Vec<u8> =
                    (0..size).map(|at: usize| ((at * 7 + at / 251 + salt) % 256) as u8).collect();
                (UploadKey([self.keys; 16]), content, room)
            }
        };
        self.contents.insert(hash(&content), content.clone());
        let size =
            if self.choices.chance(Subsystem::Operations, 1, 3) { None } else { Some(content.len() as u64) };
        let over =
            if self.choices.chance(Subsystem::Operations, 1, 2) { None } else { Some(Version::default()) };
        let ask_first = self.choices.chance(Subsystem::Operations, 1, 2);
        let wish = UploadWish { key, room, name, size, executable: false, over, ask_first };
        if let Ok(id) = self.actors[index].client.upload(wish, self.now) {
            self.actors[index].transfers.insert(id, Transfer::Upload { key, content, room });
        }
    }

    /// Somebody keeps order in the room that has an owner, or tries to.
    fn govern(&mut self, index: usize) -> Found {
        let Some(room) = self.actors[index].tea else { return Ok(()) };
        let acts = [Act::Kick, Act::Kick, Act::Mute, Act::Unmute, Act::Promote];
        let act = acts[self.choices.index(Subsystem::Operations, acts.len())];
        let whom = 1 + self.choices.index(Subsystem::Operations, self.actors.len());
        let name = Nick::parse(&format!("c{whom}")).map_err(|error| error.to_string())?;
        let governance = Governance { room, act, name, seconds: None, reason: String::new() };
        let _ = self.actors[index].client.govern(governance, self.now);
        Ok(())
    }

    fn give_up(&mut self, index: usize) {
        let actor = &mut self.actors[index];
        let Some(id) = actor.transfers.keys().next().copied() else { return };
        actor.client.cancel(id, self.now);
        if let Some(Transfer::Upload { key, .. }) = actor.transfers.remove(&id) {
            let _ = actor.client.discard_upload(key, self.now);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest is of no interest to files")]
    fn heard(&mut self, index: usize, event: ClientEvent) -> Found {
        match event {
            ClientEvent::Ready { resumed, .. } => {
                if !resumed {
                    self.actors[index].lobby = None;
                    self.actors[index].tea = None;
                }
                Ok(())
            }
            ClientEvent::Joined { room, .. } => {
                let actor = &mut self.actors[index];
                let known = if &*room.name == "#lobby" { &mut actor.lobby } else { &mut actor.tea };
                *known = Some(room.id);
                Ok(())
            }
            ClientEvent::Removed { .. } => {
                let transfers = !self.actors[index].transfers.is_empty();
                self.marks.note("somebody with transfers was put out of a room", transfers);
                self.actors[index].tea = None;
                Ok(())
            }
            ClientEvent::FileDeleted { .. } => {
                self.deleted += 1;
                Ok(())
            }
            ClientEvent::Transfer(event) => self.transferred(index, event),
            ClientEvent::Ended { cause } => Err(format!("client {index} ended: {cause:?}")),
            ClientEvent::Offline { cause, .. } => match cause {
                OfflineCause::Broke(error) => {
                    Err(format!("client {index} says that the server broke the protocol: {error}"))
                }
                OfflineCause::Accused { code, text } => {
                    Err(format!("the server accuses client {index} of {code}: {text}"))
                }
                OfflineCause::Unreachable
                | OfflineCause::Cut
                | OfflineCause::TimedOut
                | OfflineCause::Goodbye { .. }
                | OfflineCause::ServerFull(_)
                | OfflineCause::Left => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn transferred(&mut self, index: usize, event: TransferEvent) -> Found {
        match event {
            TransferEvent::Begun { transfer, offset, .. } => {
                if let Some(Transfer::Upload { key, .. }) = self.actors[index].transfers.get(&transfer) {
                    self.opened.insert(*key);
                }
                self.check_offset(index, transfer, offset)
            }
            TransferEvent::Found { .. } => Ok(()),
            TransferEvent::Uploaded { transfer, file } => {
                let Some(Transfer::Upload { key, content, room }) =
                    self.actors[index].transfers.remove(&transfer)
                else {
                    return Err("an upload ended that was none".into());
                };
                if hash(&content) != file.hash || content.len() as u64 != file.size {
                    return Err(format!("{} is another content than was sent", file.name));
                }
                let is_small = self.tables.content(file.hash).is_some();
                self.marks.note("a small file was stored in one request", is_small);
                let is_there = !is_small && !self.opened.contains(&key);
                self.marks.note("a content that was there already was not sent again", is_there);
                self.told.push((key, file.hash, room));
                Ok(())
            }
            TransferEvent::Downloaded { transfer, file } => {
                let Some(Transfer::Download { content }) = self.actors[index].transfers.remove(&transfer)
                else {
                    return Err("a download ended that was none".into());
                };
                if self.contents.get(&file.hash) != Some(&content) {
                    return Err(format!("{} came as a mixture", file.name));
                }
                self.marks.note("a file was downloaded whole", !content.is_empty());
                Ok(())
            }
            TransferEvent::Conflict { transfer, .. } => {
                let there =
                    self.actors[index].client.transfer(transfer).is_some_and(|progress| progress.is_open);
                self.marks.note("an upload met a conflict when it was all there", there);
                self.marks.note("an upload met a conflict before it began", !there);
                // One that nobody has: the same again would meet the same conflict for ever.
                self.renames += 1;
                let name =
                    FileName::parse(&format!("other {}", self.renames)).map_err(|error| error.to_string())?;
                self.actors[index].client.finish_as(transfer, name, None, self.now);
                Ok(())
            }
            TransferEvent::Failed { transfer, failure } => self.failed(index, transfer, &failure),
        }
    }

    /// What a client is told to be safe is, or it is a file already.
    fn check_offset(&self, index: usize, transfer: TransferId, offset: u64) -> Found {
        let Some(Transfer::Upload { key, .. }) = self.actors[index].transfers.get(&transfer) else {
            return Ok(());
        };
        let journaled = self.tables.uploads().find(|upload| upload.key == *key).map(|upload| upload.durable);
        if offset > journaled.unwrap_or(u64::MAX) {
            return Err(format!("an upload goes on at {offset}, but {journaled:?} are in the journal"));
        }
        Ok(())
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else has to do with files")]
    fn failed(&mut self, index: usize, transfer: TransferId, failure: &TransferFailure) -> Found {
        let justified = match failure {
            TransferFailure::Refused(refusal) => match refusal.code {
                // Told late, perhaps, of what failed before. And a file may be replaced or deleted at any time; a guest may have been forgotten, and its shelf with it.
                RefusalCode::NoSpace
                | RefusalCode::StorageFailed
                | RefusalCode::Conflict
                | RefusalCode::NoSuchFile
                | RefusalCode::FileChanged
                | RefusalCode::Quota
                | RefusalCode::NoSuchUpload
                | RefusalCode::Superseded
                | RefusalCode::Muted
                | RefusalCode::NotAMember => true,
                _ => false,
            },
            TransferFailure::Local(LocalFailure::Failed(_)) => true,
            TransferFailure::Local(_) => false,
        };
        if !justified {
            return Err(format!("a transfer of client {index} failed without reason: {failure:?}"));
        }
        if let Some(Transfer::Upload { key, content, room }) = self.actors[index].transfers.remove(&transfer)
        {
            self.actors[index].unfinished.push((key, content, room));
        }
        Ok(())
    }

    /// What must hold of what is stored, whatever happened.
    fn check_all(&self, at_end: bool) -> Found {
        for file in self.tables.files() {
            let blob = self.tables.content(file.hash);
            let blob = blob.or_else(|| self.disk.blobs.get(&file.hash).map(Vec::as_slice));
            let Some(blob) = blob else { return Err(format!("{} has lost its content", file.name)) };
            if hash(blob) != file.hash || blob.len() as u64 != file.size {
                return Err(format!("{} has another content than its hash says", file.name));
            }
        }
        for upload in self.tables.uploads() {
            let there = self.disk.uploads.get(&upload.id).map_or(0, |file| file.durable as u64);
            if upload.durable > there {
                return Err(format!(
                    "the journal has {} bytes of an upload, the disk {there}",
                    upload.durable
                ));
            }
        }
        for (key, hash, room) in &self.told {
            // A room without members is gone, and its log with it.
            let Some(room) = room.and_then(|room| self.tables.room(room)) else { continue };
            let nonce = u64::from_le_bytes([key.0[0]; 8]);
            let of_it = |(event, of): &&(StoredEvent, Nonce)| {
                event.kind == EventKind::FileShared && of.get() == nonce
            };
            let times = room.log.iter().filter(of_it).count();
            if times != 1 {
                return Err(format!("an upload was told of {times} times, of content {hash}"));
            }
        }
        if at_end { self.check_end() } else { Ok(()) }
    }

    fn check_end(&self) -> Found {
        if self.limits.file_kept.is_some() && self.tables.files().next().is_some() {
            return Err("files are there although their time is over".into());
        }
        let stored: u64 = self.tables.files().map(|file| file.size).sum();
        let stats = self.server.as_ref().map(Server::stats).unwrap_or_default();
        if (stats.uploads, stats.files_bytes, stats.window_bytes) != (0, stored, 0) {
            return Err(format!(
                "at the end {} uploads and {} bytes of windows are left, and {} bytes are counted where {stored} are stored",
                stats.uploads, stats.window_bytes, stats.files_bytes
            ));
        }
        if !self.disk.is_idle() || !self.disk.uploads.is_empty() {
            return Err(format!("{} uploads are left on the disk", self.disk.uploads.len()));
        }
        Ok(())
    }
}
