//! Drives the real server the way its documentation says, with perfect clients and a perfect storage.

use std::{sync::Arc, time::Duration};

use palabre_core::{
    channel::Channel,
    config::ServerConfig,
    ids::{ConnectionId, Incarnation, Nonce, RoomId, UserId},
    output::{Output, Source},
    rights::{RightChange, Role, RoomChange},
    server::Server,
    storage::{
        About, EventKind, NewEvent, RoomKey, RoomRecord, StorageOperation, StorageOutcome, StorageReply,
    },
    time::Now,
    wire::{FRAME_BYTES_MAX, FrameDecoder, Pong, ToClient, ToServer},
};

use super::{
    ConnectionKey, Divergence,
    operators::{APPOINTED, OPERATORS},
};
use crate::store::Tables;

/// A server that is not idle after so many steps never is.
const STEPS_MAX: usize = 100_000;

/// The real server, its storage and its clients' ends of the connections.
pub(super) struct Driver {
    config: ServerConfig,
    server: Server,
    pub(super) store: Tables,
    pub(super) now: Now,
    lines: Vec<Line>,
    /// Of the server's random numbers: another after each start.
    seed: u8,
    /// How often bytes were sent, so that they are cut differently each time.
    sends: usize,
    /// How often an operator was made.
    appointed: u64,
}

/// A client's end of a connection.
struct Line {
    id: ConnectionId,
    open: bool,
    /// Sent by the client and not taken by the server.
    unread: Vec<u8>,
    decoder: FrameDecoder,
    /// Received: kind and body of each frame.
    frames: Vec<(u8, Vec<u8>)>,
}

impl Driver {
    pub(super) fn new(config: ServerConfig, now: Now) -> Self {
        let store = Tables::new(Incarnation::new(4_711));
        let seed = 7;
        let server = Server::new(config.clone(), [seed; 32], store.recovered(), now);
        Self { config, server, store, now, lines: Vec::new(), seed, sends: 0, appointed: 0 }
    }

    pub(super) fn connect(&mut self) -> Result<(), Divergence> {
        let id = self.server.handle_connected(Source::V4([127, 0, 0, 1]), self.now);
        let id = id.map_err(|error| Divergence(format!("a connection was not taken: {error}")))?;
        self.server.handle_secured(id, Channel::Plain, self.now);
        let decoder = FrameDecoder::new(FRAME_BYTES_MAX);
        self.lines.push(Line { id, open: true, unread: Vec::new(), decoder, frames: Vec::new() });
        Ok(())
    }

    pub(super) fn send(&mut self, at: ConnectionKey, bytes: &[u8]) {
        self.lines[at.0].unread.extend_from_slice(bytes);
    }

    /// The connection ends without a word; what was not read yet is lost.
    pub(super) fn cut(&mut self, at: ConnectionKey) {
        let line = &mut self.lines[at.0];
        if line.open {
            line.open = false;
            line.frames.clear();
            self.server.handle_disconnected(line.id, self.now);
        }
    }

    pub(super) fn shut_down(&mut self) {
        self.server.shut_down("The server restarts.", self.now);
    }

    /// The process ends, and another starts on the same database.
    pub(super) fn restart(&mut self, now: Now) {
        self.now = now;
        for line in &mut self.lines {
            line.open = false;
            line.frames.clear();
        }
        self.seed = self.seed.wrapping_add(1);
        self.server = Server::new(self.config.clone(), [self.seed; 32], self.store.recovered(), now);
    }

    /// What `runtime-server operator add NAME` does to the database (O1).
    pub(super) fn appoint(&mut self, user: UserId, nick: &str) -> RoomId {
        self.appointed += 1;
        let name: Arc<str> = nick.into();
        let event = NewEvent {
            author: user,
            nick: Arc::clone(&name),
            nonce: Nonce::new(u64::MAX - self.appointed),
            at: self.now.wall,
            kind: EventKind::Owned,
            text: APPOINTED.into(),
            about: Some(About { id: user.get(), name, until: None }),
        };
        let change = Some(RoomChange::Right(user, RightChange::Role(Role::Owner)));
        let key = RoomKey::Named(OPERATORS.into());
        let opened = self.store.execute(&StorageOperation::OpenRoom { key, owner: None });
        let Ok(StorageOutcome::RoomOpened(RoomRecord { id: room, .. })) = opened else {
            unreachable!("a perfect storage opens rooms: {opened:?}");
        };
        for operation in [
            StorageOperation::SetMember { user, room, member: true },
            StorageOperation::Append { room, event, change },
        ] {
            self.store.execute(&operation).expect("a perfect storage");
        }
        room
    }

    pub(super) fn is_closed(&self, at: ConnectionKey) -> bool {
        !self.lines[at.0].open
    }

    /// What a connection received since this was last asked.
    pub(super) fn take_frames(&mut self, at: ConnectionKey) -> Vec<(u8, Vec<u8>)> {
        std::mem::take(&mut self.lines[at.0].frames)
    }

    /// Lets time pass until everything has happened that is due.
    pub(super) fn settle(&mut self, passed: Duration, answering: bool) -> Result<(), Divergence> {
        let start = self.now;
        let until = start.monotonic.after(passed);
        for _ in 0..STEPS_MAX {
            if self.drain(answering)? || self.feed() {
                continue;
            }
            match self.server.poll_timeout() {
                Some((deadline, _)) if deadline <= until => {
                    let monotonic = deadline.max(self.now.monotonic);
                    let wall = start.wall.after(monotonic.since(start.monotonic));
                    self.now = Now { monotonic, wall };
                    self.server.handle_timeout(self.now);
                }
                Some(_) | None => {
                    self.now = Now { monotonic: until, wall: start.wall.after(passed) };
                    return Ok(());
                }
            }
        }
        Err(Divergence(format!("contract: never idle; next is {:?}", self.server.poll_timeout())))
    }

    /// Does what the server asks; whether it asked for anything.
    fn drain(&mut self, answering: bool) -> Result<bool, Divergence> {
        let mut any = false;
        while let Some(output) = self.server.poll_output() {
            any = true;
            match output {
                Output::Interest(id) => self.collect(id, answering)?,
                Output::Storage(request) => {
                    let result = self.store.execute(&request.operation);
                    let reply = StorageReply { ticket: request.ticket, result };
                    self.server.handle_storage(reply, self.now);
                }
                Output::Blob(request) => unreachable!("no files are taken: {request:?}"),
                Output::Close(id) => {
                    self.collect(id, answering)?;
                    if let Some(line) = self.lines.iter_mut().find(|line| line.open && line.id == id) {
                        line.open = false;
                        self.server.handle_disconnected(id, self.now);
                    }
                }
                Output::Work(verification) => self.server.handle_work(verification.run(), self.now),
                Output::Drop(id) => {
                    self.lines.iter_mut().filter(|line| line.id == id).for_each(|line| line.open = false);
                }
                Output::Event(_) => {}
            }
        }
        Ok(any)
    }

    /// Takes all that waits to be sent on a connection.
    fn collect(&mut self, id: ConnectionId, answering: bool) -> Result<(), Divergence> {
        let Some(line) = self.lines.iter_mut().find(|line| line.open && line.id == id) else { return Ok(()) };
        loop {
            let bytes = self.server.sendable(id);
            if bytes.is_empty() {
                break;
            }
            let count = bytes.len();
            line.decoder.push(bytes);
            self.server.handle_sent(id, count, self.now);
        }
        let broken = |error| Divergence(format!("a client finds {error}"));
        while let Some(frame) = line.decoder.next_frame().map_err(broken)? {
            let message = ToClient::decode(frame).map_err(broken)?;
            if let Some(ToClient::Ping(ping)) = message
                && answering
            {
                ToServer::Pong(Pong { token: ping.token }).encode(&mut line.unread);
            }
            line.frames.push((frame.kind, frame.body.to_vec()));
        }
        Ok(())
    }

    /// Hands the server as much as it takes, cut one way or another; whether it took anything.
    fn feed(&mut self) -> bool {
        let mut any = false;
        for line in self.lines.iter_mut().filter(|line| line.open && !line.unread.is_empty()) {
            self.sends += 1;
            let piece = [usize::MAX, 1, 7][self.sends % 3];
            let count = self.server.interest(line.id).receive_bytes.min(line.unread.len()).min(piece);
            if count > 0 {
                let bytes: Vec<_> = line.unread.drain(..count).collect();
                self.server.handle_received(line.id, &bytes, self.now);
                any = true;
            }
        }
        any
    }
}
