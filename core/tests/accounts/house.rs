//! Clients and a server in one room, with wires that carry everything at once.

use std::{collections::VecDeque, time::Duration};

use palabre_core::{
    channel::Channel,
    client::{AccountEntry, Client, ClientConfig, ClientEvent, ClientOutput, RequestId, SavedSession},
    config::{AccountsConfig, Registration, ServerConfig},
    ids::{ConnectionId, RoomId},
    limits::Limits,
    name::{Nick, RoomName},
    output::{Event, Output, Source},
    password::{Password, Setup, Stretching, Verification},
    server::Server,
    storage::{EventKind, StorageReply, StorageRequest},
    time::{Monotonic, Now, WallTime},
};

use crate::store::Store;

/// A server, its storage and its clients.
pub(crate) struct House {
    pub(crate) config: ServerConfig,
    pub(crate) server: Server,
    pub(crate) store: Store,
    pub(crate) now: Now,
    pub(crate) ends: Vec<End>,
    /// Where clients come from: somewhere that is not exempt from limits.
    pub(crate) source: Source,
    /// Whether storage answers at once.
    pub(crate) prompt: bool,
    pub(crate) asked: VecDeque<StorageRequest>,
    links: u8,
    between: Option<Channel>,
    /// Whether clients stretch their passwords.
    pub(crate) works: bool,
    pub(crate) to_check: VecDeque<Verification>,
    /// What the server reported.
    pub(crate) reported: Vec<Event>,
    /// Whether clients keep the tokens they are given.
    pub(crate) keeps_tokens: bool,
}

/// A client, its connection and what it was told.
pub(crate) struct End {
    pub(crate) client: Client,
    pub(crate) link: Option<ConnectionId>,
    pub(crate) events: Vec<ClientEvent>,
}

pub(crate) fn password(text: &str) -> Password {
    Password::parse(text).expect("long enough")
}

pub(crate) fn entry(make: bool, text: &str) -> AccountEntry {
    AccountEntry { make, password: password(text), device: "laptop".into(), invitation: None }
}

pub(crate) fn nick(name: &str) -> Nick {
    Nick::parse(name).expect("a name")
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default(), Registration::Open, true)
    }

    pub(crate) fn with(limits: Limits, registration: Registration, guests: bool) -> Self {
        let setup = Setup::generate([5; 32]);
        let accounts =
            Some(AccountsConfig { setup, registration, plain: true, stretching: Stretching::CHEAPEST });
        Self::of(ServerConfig { limits, guests, accounts, ..ServerConfig::default() }, Store::default())
    }

    pub(crate) fn of(config: ServerConfig, store: Store) -> Self {
        let now =
            Now { monotonic: Monotonic::from_millis(1_000), wall: WallTime::from_millis(1_000_000_000) };
        let server = Server::new(config.clone(), [7; 32], store.recovered(), now);
        let mut house = Self {
            config,
            server,
            store,
            now,
            ends: Vec::new(),
            source: Source::V4([10, 0, 0, 1]),
            prompt: true,
            asked: VecDeque::new(),
            links: 0,
            between: None,
            works: true,
            to_check: VecDeque::new(),
            reported: Vec::new(),
            keeps_tokens: true,
        };
        house.settle();
        house
    }

    /// The server starts again on what was stored; all connections are cut.
    pub(crate) fn restart(&mut self) {
        self.server = Server::new(self.config.clone(), [8; 32], self.store.recovered(), self.now);
        for end in &mut self.ends {
            if end.link.take().is_some() {
                end.client.handle_disconnected(self.now);
            }
        }
        self.settle();
    }

    /// A client that enters so; its number.
    pub(crate) fn client(
        &mut self,
        name: &str,
        account: Option<AccountEntry>,
        saved: Option<SavedSession>,
    ) -> usize {
        let config = ClientConfig {
            program: "test".into(),
            nick: nick(name),
            take_suggestion: false,
            asks: false,
            keeps_tokens: self.keeps_tokens,
            account,
            stretching_min: Stretching::CHEAPEST,
            saved,
            reconnect: true,
            outbox_posts_max: 10,
        };
        let seed = [u8::try_from(self.ends.len() + 1).expect("few clients"); 32];
        let client = Client::new(config, seed, self.now);
        self.ends.push(End { client, link: None, events: Vec::new() });
        self.settle();
        self.ends.len() - 1
    }

    /// An account that is made, with this password; its first client.
    pub(crate) fn register(&mut self, name: &str, text: &str) -> usize {
        let client = self.client(name, Some(entry(true, text)), None);
        assert!(self.ends[client].client.is_ready(), "{:?}", self.ends[client].events);
        client
    }

    pub(crate) fn log_in(&mut self, name: &str, text: &str) -> usize {
        self.client(name, Some(entry(false, text)), None)
    }

    pub(crate) fn act(&mut self, end: usize, act: impl FnOnce(&mut Client, Now) -> RequestId) -> RequestId {
        let request = act(&mut self.ends[end].client, self.now);
        self.settle();
        request
    }

    pub(crate) fn join(&mut self, end: usize, room: &str) -> RoomId {
        let name = RoomName::parse(room).expect("a name");
        self.act(end, |client, now| client.join(&name, None, now).expect("it may"));
        let client = &self.ends[end].client;
        client.joined().find(|known| &*known.name == room).expect("it joined").id
    }

    pub(crate) fn say(&mut self, end: usize, room: RoomId, text: &str) {
        self.ends[end].client.post(room, EventKind::Posted, text, None, self.now).expect("it may");
        self.settle();
    }

    /// The texts a client was told.
    pub(crate) fn heard(&self, end: usize) -> Vec<String> {
        let happened = self.ends[end].events.iter().filter_map(|event| {
            let ClientEvent::Happened(happening) = event else { return None };
            Some(happening.event.text.to_string())
        });
        happened.collect()
    }

    /// The code a client was last refused entry with.
    pub(crate) fn refused(&self, end: usize) -> Option<&'static str> {
        self.ends[end].events.iter().rev().find_map(|event| {
            let (ClientEvent::EnterRefused { refusal, .. } | ClientEvent::Refused { refusal, .. }) = event
            else {
                return None;
            };
            Some(refusal.code.name())
        })
    }

    /// Somebody sits between the next client and the server, who sees this.
    pub(crate) fn links_between(&mut self, channel: Channel) {
        self.between = Some(channel);
    }

    pub(crate) fn cut(&mut self, end: usize) {
        if let Some(id) = self.ends[end].link.take() {
            self.server.handle_disconnected(id, self.now);
            self.ends[end].client.handle_disconnected(self.now);
        }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = Now { monotonic: self.now.monotonic.after(time), wall: self.now.wall.after(time) };
        self.server.handle_timeout(self.now);
        for end in &mut self.ends {
            end.client.handle_timeout(self.now);
        }
        self.settle();
    }

    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut busy = self.drain_server();
            for end in 0..self.ends.len() {
                busy |= self.drain_client(end) | self.carry(end);
            }
            if !busy {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    fn drain_server(&mut self) -> bool {
        let mut busy = false;
        while self.server.poll_timeout().is_some_and(|(at, _)| at <= self.now.monotonic) {
            busy = true;
            while let Some(output) = self.server.poll_output() {
                match output {
                    Output::Storage(request) => self.asked.push_back(request),
                    Output::Blob(request) => panic!("no files are taken: {request:?}"),
                    Output::Close(_) | Output::Interest(_) => {}
                    Output::Event(event) => self.reported.push(event),
                    Output::Work(verification) => self.to_check.push_back(verification),
                    Output::Drop(id) => self.hang_up(id),
                }
            }
            self.server.handle_timeout(self.now);
        }
        while self.prompt && (self.answer_one() || self.check_one()) {
            busy = true;
        }
        busy
    }

    /// The password that was sent first is checked.
    pub(crate) fn check_one(&mut self) -> bool {
        let Some(verification) = self.to_check.pop_front() else { return false };
        self.server.handle_work(verification.run(), self.now);
        true
    }

    /// Storage answers what it was asked first.
    pub(crate) fn answer_one(&mut self) -> bool {
        let Some(StorageRequest { ticket, operation }) = self.asked.pop_front() else { return false };
        let result = self.store.execute(operation);
        self.server.handle_storage(StorageReply { ticket, result }, self.now);
        true
    }

    fn hang_up(&mut self, id: ConnectionId) {
        for end in self.ends.iter_mut().filter(|end| end.link == Some(id)) {
            end.link = None;
            end.client.handle_disconnected(self.now);
        }
    }

    fn drain_client(&mut self, index: usize) -> bool {
        let mut busy = false;
        while let Some(output) = self.ends[index].client.poll_output() {
            busy = true;
            match output {
                ClientOutput::Connect => self.connect(index),
                ClientOutput::Work(_) if !self.works => {}
                ClientOutput::Work(work) => self.ends[index].client.handle_work(work.run(), self.now),
                ClientOutput::Event(event) => self.ends[index].events.push(event),
                ClientOutput::Drop => {
                    if let Some(id) = self.ends[index].link.take() {
                        self.server.handle_disconnected(id, self.now);
                    }
                }
                ClientOutput::File(request) => panic!("nothing is transferred: {request:?}"),
                ClientOutput::Send | ClientOutput::Save | ClientOutput::Close => {}
            }
        }
        busy
    }

    fn connect(&mut self, index: usize) {
        self.links += 1;
        let channel = Channel::Tls { exporter: [self.links; 32], server_key: [1; 32] };
        let end = &mut self.ends[index];
        match self.server.handle_connected(self.source, self.now) {
            Ok(id) => {
                self.server.handle_secured(id, self.between.take().unwrap_or(channel), self.now);
                end.link = Some(id);
                end.client.handle_connected(channel, self.now);
            }
            Err(_) => end.client.handle_disconnected(self.now),
        }
    }

    fn carry(&mut self, index: usize) -> bool {
        let end = &mut self.ends[index];
        let Some(id) = end.link else { return false };
        let up = end.client.sendable().to_vec();
        end.client.handle_sent(up.len(), self.now);
        let taken = self.server.interest(id).receive_bytes.min(up.len());
        assert!(taken == up.len() || taken == 0, "nobody says so much at once");
        self.server.handle_received(id, &up[..taken], self.now);
        let down = self.server.sendable(id).to_vec();
        self.server.handle_sent(id, down.len(), self.now);
        end.client.handle_received(&down, self.now);
        !up.is_empty() || !down.is_empty()
    }
}
