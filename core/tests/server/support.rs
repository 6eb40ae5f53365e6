//! A server without sockets, disk or real time: frames in, frames out.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use palabre_core::{
    channel::Channel,
    config::{FilesConfig, ServerConfig},
    ids::{ConnectionId, Nonce, RoomId},
    limits::Limits,
    output::{Event, Output, Source},
    server::Server,
    storage::{StorageReply, StorageRequest},
    time::{Monotonic, Now, WallTime},
    wire::{self, FRAME_BYTES_MAX, FrameDecoder, ToClient, ToServer, Token},
};

use crate::{disk::Disk, store::Store};

/// A server and what it has said so far.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) store: Store,
    pub(crate) disk: Disk,
    pub(crate) now: Now,
    /// Whether storage answers at once.
    pub(crate) prompt: bool,
    pub(crate) waiting: VecDeque<StorageRequest>,
    /// What each connection was sent and has not looked at, by id.
    pub(crate) streams: BTreeMap<ConnectionId, FrameDecoder>,
    pub(crate) closed: Vec<ConnectionId>,
    pub(crate) dropped: Vec<ConnectionId>,
    pub(crate) events: Vec<Event>,
    /// Connections whose socket takes nothing.
    pub(crate) stuck: Vec<ConnectionId>,
    /// Every output and every byte, for comparing runs.
    pub(crate) trace: Vec<String>,
}

impl World {
    pub(crate) fn new(limits: Limits) -> Self {
        Self::on(limits, Store::default())
    }

    pub(crate) fn on(limits: Limits, store: Store) -> Self {
        Self::taking_files(limits, store, FilesConfig::Off)
    }

    pub(crate) fn taking_files(limits: Limits, store: Store, files: FilesConfig) -> Self {
        let now = Now { monotonic: Monotonic::from_millis(1_000), wall: WallTime::from_millis(1_000_000) };
        let config = ServerConfig { limits, files, ..ServerConfig::default() };
        let mut world = Self {
            server: Server::new(config, [7; 32], store.recovered(), now),
            store,
            disk: Disk::default(),
            now,
            prompt: true,
            waiting: VecDeque::new(),
            streams: BTreeMap::new(),
            closed: Vec::new(),
            dropped: Vec::new(),
            events: Vec::new(),
            stuck: Vec::new(),
            trace: Vec::new(),
        };
        world.settle();
        world
    }

    /// Drains outputs, answers storage and takes what is to be sent, until nothing is left to do now.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut idle = true;
            while let Some(output) = self.server.poll_output() {
                idle = false;
                self.trace.push(format!("{output:?}"));
                self.carry_out(output);
            }
            if self.prompt {
                while let Some(request) = self.waiting.pop_front() {
                    idle = false;
                    self.answer(request);
                }
            }
            while !self.disk.slow
                && let Some(reply) = self.disk.work()
            {
                idle = false;
                self.server.handle_blob(reply, self.now);
            }
            if let Some((at, _)) = self.server.poll_timeout()
                && at <= self.now.monotonic
            {
                idle = false;
                self.server.handle_timeout(self.now);
            }
            if idle {
                return;
            }
        }
        panic!("the server does not become idle");
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Interest(id) => self.send(id),
            Output::Storage(request) => self.waiting.push_back(request),
            Output::Blob(request) => self.disk.waiting.push_back(request),
            Output::Close(id) => {
                self.closed.push(id);
                self.send(id);
            }
            Output::Work(_) => panic!("there are no accounts"),
            Output::Drop(id) => self.dropped.push(id),
            Output::Event(event) => self.events.push(event),
        }
    }

    pub(crate) fn answer(&mut self, request: StorageRequest) {
        let result = self.store.execute(request.operation);
        self.server.handle_storage(StorageReply { ticket: request.ticket, result }, self.now);
    }

    /// Answers the request that waits longest.
    pub(crate) fn answer_one(&mut self) {
        let request = self.waiting.pop_front().expect("a request waits");
        self.answer(request);
        self.settle();
    }

    /// Has the disk do what it was asked first.
    pub(crate) fn work_one(&mut self) {
        let reply = self.disk.work().expect("something waits for the disk");
        self.server.handle_blob(reply, self.now);
        self.settle();
    }

    pub(crate) fn send(&mut self, id: ConnectionId) {
        if self.stuck.contains(&id) {
            return;
        }
        let bytes = self.server.sendable(id).to_vec();
        if bytes.is_empty() {
            return;
        }
        self.trace.push(format!("{id} {bytes:?}"));
        self.streams.entry(id).or_insert_with(|| FrameDecoder::new(FRAME_BYTES_MAX)).push(&bytes);
        self.server.handle_sent(id, bytes.len(), self.now);
    }

    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now.monotonic.after(duration);
        while let Some((at, _)) = self.server.poll_timeout().filter(|(at, _)| *at <= end) {
            self.move_to(at.max(self.now.monotonic));
            self.server.handle_timeout(self.now);
            self.settle();
        }
        self.move_to(end);
    }

    fn move_to(&mut self, at: Monotonic) {
        self.now.wall = self.now.wall.after(at.since(self.now.monotonic));
        self.now.monotonic = at;
    }

    pub(crate) fn connect(&mut self) -> ConnectionId {
        let id = self.server.handle_connected(Source::V4([127, 0, 0, 1]), self.now).expect("not over a cap");
        self.server.handle_secured(id, Channel::Plain, self.now);
        self.settle();
        id
    }

    pub(crate) fn say<'a>(&mut self, id: ConnectionId, message: impl Into<ToServer<'a>>) {
        let mut frame = Vec::new();
        message.into().encode(&mut frame);
        self.say_bytes(id, &frame);
    }

    pub(crate) fn say_bytes(&mut self, id: ConnectionId, bytes: &[u8]) {
        self.server.handle_received(id, bytes, self.now);
        self.settle();
    }

    pub(crate) fn cut(&mut self, id: ConnectionId) {
        self.server.handle_disconnected(id, self.now);
        self.settle();
    }

    /// What a connection was told since it was last asked, in words.
    pub(crate) fn heard(&mut self, id: ConnectionId) -> Vec<String> {
        let Some(stream) = self.streams.get_mut(&id) else { return Vec::new() };
        let mut heard = Vec::new();
        while let Some(frame) = stream.next_frame().expect("what is emitted parses") {
            let message = ToClient::decode(frame).expect("what is emitted parses").expect("known");
            heard.push(format!("{message:?}"));
        }
        heard
    }

    /// The numbers of the events a connection was told since it was last asked.
    pub(crate) fn seqs(&mut self, id: ConnectionId) -> Vec<u64> {
        let number = |text: &str| {
            let start = text.find("seq: Seq(")? + "seq: Seq(".len();
            text[start..].split(')').next()?.parse().ok()
        };
        self.heard(id)
            .iter()
            .filter(|text| text.starts_with("Event("))
            .filter_map(|text| number(text))
            .collect()
    }

    /// Says hello and enters as a guest; the token to come back with.
    pub(crate) fn enter(&mut self, nick: &str) -> (ConnectionId, Token) {
        let id = self.connect();
        self.greet(id);
        self.say(id, wire::Guest { id: 1, nick });
        (id, self.token(id).expect("ready"))
    }

    pub(crate) fn greet(&mut self, id: ConnectionId) {
        self.say(id, wire::Hello { first: 1, last: 1, client: "test", features: 0, session: None });
    }

    /// The token of the `Ready` that a connection was told, dropping what it heard besides.
    pub(crate) fn token(&mut self, id: ConnectionId) -> Option<Token> {
        let stream = self.streams.get_mut(&id)?;
        let mut token = None;
        while let Some(frame) = stream.next_frame().expect("what is emitted parses") {
            if let Some(ToClient::Ready(ready)) = ToClient::decode(frame).expect("parses") {
                token = Some(ready.token);
            }
        }
        token
    }

    pub(crate) fn resume(&mut self, token: Token) -> ConnectionId {
        let id = self.connect();
        self.greet(id);
        self.say(id, wire::Resume { id: 1, token });
        id
    }

    pub(crate) fn join(&mut self, id: ConnectionId, name: &str) {
        self.say(id, wire::Join { id: 2, name, after: None });
    }

    pub(crate) fn post(&mut self, id: ConnectionId, room: u64, nonce: u64, text: &str) {
        self.say(
            id,
            wire::Post {
                id: 3,
                room: RoomId::new(room),
                nonce: Nonce::new(nonce),
                kind: wire::kind::POSTED,
                text,
                to: None,
            },
        );
    }
}

/// Whether some text of several has a part.
pub(crate) fn has(heard: &[String], part: &str) -> bool {
    heard.iter().any(|text| text.contains(part))
}
