//! A client, the driver's part of the contract, and what both of them did.

use std::{collections::VecDeque, time::Duration};

use palabre_core::{
    channel::Channel,
    client::{Client, ClientConfig, ClientEvent, ClientOutput, SavedSession},
    ids::{Incarnation, Nonce, RoomId, Seq, UserId},
    name::{Nick, RoomName},
    password::Stretching,
    time::{Monotonic, Now, WallTime},
    wire::{
        Event, FRAME_BYTES_MAX, Frame, FrameDecoder, Guest, Joined, Limits, LogEvent, Ready, Resume, Room,
        ToClient, ToServer, Token, Welcome,
    },
};

pub(crate) const LIMITS: Limits = Limits {
    text_bytes: 16_384,
    nick_bytes: 32,
    room_bytes: 64,
    topic_bytes: 400,
    page_events: 200,
    requests: 64,
    posts: 256,
    silence_seconds: 60,
};
pub(crate) const TOKEN: Token = Token([7; 32]);
pub(crate) const LOBBY: RoomId = RoomId::new(1);
pub(crate) const ME: UserId = UserId::new(11);

/// A frame the client sent.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    kind: u8,
    body: Vec<u8>,
}

impl Sent {
    pub(crate) fn message(&self) -> ToServer<'_> {
        ToServer::decode(Frame { kind: self.kind, body: &self.body })
            .expect("the client breaks no rule")
            .expect("known")
    }
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.message().fmt(f)
    }
}

/// A client under test.
pub(crate) struct Bench {
    pub(crate) client: Client,
    pub(crate) now: Now,
    /// Events and connection outputs not looked at yet.
    pub(crate) outputs: VecDeque<ClientOutput>,
    /// Frames not looked at yet.
    pub(crate) frames: VecDeque<Sent>,
    /// All bytes ever sent.
    pub(crate) sent_bytes: Vec<u8>,
    pub(crate) saved: Option<SavedSession>,
    decoder: FrameDecoder,
    /// The id of the last request to enter.
    entry: u32,
}

pub(crate) fn nick(name: &str) -> Nick {
    Nick::parse(name).expect("a name")
}

pub(crate) fn room_name(name: &str) -> RoomName {
    RoomName::parse(name).expect("a name")
}

pub(crate) fn config() -> ClientConfig {
    ClientConfig {
        program: "bench".into(),
        nick: nick("ana"),
        take_suggestion: false,
        asks: false,
        keeps_tokens: false,
        account: None,
        stretching_min: Stretching::LEAST,
        saved: None,
        reconnect: true,
        outbox_posts_max: 100,
    }
}

pub(crate) fn bytes_of<'a>(message: impl Into<ToClient<'a>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.into().encode(&mut bytes);
    bytes
}

pub(crate) fn welcome() -> Welcome<'static> {
    let incarnation = Incarnation::new(5);
    Welcome { version: 1, server: "fake", incarnation, mechanisms: 1, features: 0, limits: LIMITS }
}

pub(crate) fn ready_in(rooms: Vec<Room<'_>>) -> Ready<'_> {
    Ready { id: 1, user: ME, nick: "ana", token: TOKEN, keep_seconds: 600, rooms, account: false }
}

pub(crate) fn lobby(last: u64) -> Room<'static> {
    named(LOBBY, "#lobby", last)
}

pub(crate) fn named(room: RoomId, name: &str, last: u64) -> Room<'_> {
    Room { room, name, topic: "", first: Seq::new(1), last: Seq::new(last), with_user: None, with_nick: None }
}

pub(crate) fn direct(room: u64, with: &str, last: u64) -> Room<'_> {
    let (with_user, with_nick) = (Some(UserId::new(22)), Some(with));
    Room { with_user, with_nick, ..named(RoomId::new(room), "", last) }
}

pub(crate) fn event(room: RoomId, seq: u64, text: &str) -> Event<'_> {
    let (seq, at, author) = (Seq::new(seq), WallTime::from_millis(1), UserId::new(22));
    Event { room, event: LogEvent { seq, at, author, nick: "bo", kind: 1, text, about: None, revised: None } }
}

impl Bench {
    pub(crate) fn new(config: ClientConfig) -> Self {
        let now =
            Now { monotonic: Monotonic::from_millis(1_000), wall: WallTime::from_millis(1_000_000_000_000) };
        let saved = config.saved.clone();
        let mut bench = Self {
            client: Client::new(config, [3; 32], now),
            now,
            outputs: VecDeque::new(),
            frames: VecDeque::new(),
            sent_bytes: Vec::new(),
            saved,
            decoder: FrameDecoder::new(FRAME_BYTES_MAX),
            entry: 0,
        };
        bench.drain();
        bench
    }

    /// One that is connected, and has said hello.
    pub(crate) fn connected(config: ClientConfig) -> Self {
        let mut bench = Self::new(config);
        bench.connect();
        assert!(matches!(bench.next_frame().message(), ToServer::Hello(_)));
        bench
    }

    /// One that has entered, and is in the lobby up to number `last`.
    pub(crate) fn in_lobby(last: u64) -> Self {
        let mut bench = Self::connected(config());
        bench.receive(welcome());
        bench.next_frame();
        bench.receive(ready_in(vec![]));
        bench.client.join(&room_name("#lobby"), None, bench.now).expect("running");
        bench.drain();
        let id = bench.asked();
        bench.receive(Joined { id, room: lobby(last), members: 1 });
        bench.outputs.clear();
        bench
    }

    pub(crate) fn connect(&mut self) {
        self.take_connect();
        self.decoder = FrameDecoder::new(FRAME_BYTES_MAX);
        self.client.handle_connected(Channel::Plain, self.now);
        self.drain();
    }

    /// Waits for the back-off, connects, and takes `Hello`.
    pub(crate) fn reconnect(&mut self) {
        while !self.outputs.contains(&ClientOutput::Connect) {
            self.wait_for_deadline();
        }
        self.connect();
        assert!(matches!(self.next_frame().message(), ToServer::Hello(_)));
    }

    /// Comes back as the same user, which is in these rooms.
    pub(crate) fn reconnect_into(&mut self, rooms: Vec<Room<'_>>) {
        self.reconnect();
        self.receive(welcome());
        self.next_frame();
        self.receive(ready_in(rooms));
    }

    pub(crate) fn disconnect(&mut self) {
        self.client.handle_disconnected(self.now);
        self.drain();
    }

    pub(crate) fn receive<'a>(&mut self, message: impl Into<ToClient<'a>>) {
        let mut message = message.into();
        if let ToClient::Ready(ready) = &mut message {
            ready.id = self.entry;
        }
        self.receive_bytes(&bytes_of(message));
    }

    pub(crate) fn receive_bytes(&mut self, bytes: &[u8]) {
        self.client.handle_received(bytes, self.now);
        self.drain();
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now.monotonic = self.now.monotonic.after(time);
        self.now.wall = self.now.wall.after(time);
    }

    /// Lets the time pass until something is due, and checks that it does not stay due.
    pub(crate) fn wait_for_deadline(&mut self) -> &'static str {
        let (deadline, timer) = self.client.poll_timeout().expect("something is due");
        self.pass(deadline.since(self.now.monotonic));
        self.client.handle_timeout(self.now);
        let later = self.client.poll_timeout();
        let outputs = self.drain();
        assert!(
            outputs > 0 || later.is_none_or(|(later, _)| later > deadline),
            "{timer} stays due without output"
        );
        timer
    }

    /// Takes the outputs as a driver does: in order, everything sent at once. Says how many there were.
    pub(crate) fn drain(&mut self) -> usize {
        let mut count = 0;
        loop {
            let due = self.client.poll_timeout();
            let Some(output) = self.client.poll_output() else { break };
            count += 1;
            assert!(due.is_some_and(|(due, _)| due <= self.now.monotonic), "queued output is due");
            if output == ClientOutput::Save {
                self.saved = self.client.saved();
            }
            if !matches!(output, ClientOutput::Save | ClientOutput::Send) {
                self.outputs.push_back(output);
            }
        }
        self.send();
        count
    }

    fn send(&mut self) {
        let bytes = self.client.sendable().to_vec();
        if bytes.is_empty() {
            return;
        }
        self.client.handle_sent(bytes.len(), self.now);
        self.sent_bytes.extend_from_slice(&bytes);
        self.decoder.push(&bytes);
        while let Some(frame) = self.decoder.next_frame().expect("the client breaks no rule") {
            let sent = Sent { kind: frame.kind, body: frame.body.to_vec() };
            if let ToServer::Post(post) = sent.message() {
                assert!(self.saved_nonces().contains(&post.nonce), "a post left before it was saved");
            }
            if let ToServer::Guest(Guest { id, .. }) | ToServer::Resume(Resume { id, .. }) = sent.message() {
                self.entry = id;
            }
            self.frames.push_back(sent);
        }
        self.drain();
    }

    fn saved_nonces(&self) -> Vec<Nonce> {
        self.saved.iter().flat_map(|saved| &saved.outbox).map(|post| post.nonce).collect()
    }

    pub(crate) fn next_frame(&mut self) -> Sent {
        self.frames.pop_front().expect("the client said something")
    }

    /// The number of the next request.
    pub(crate) fn asked(&mut self) -> u32 {
        let sent = self.next_frame();
        match sent.message() {
            ToServer::Guest(message) => message.id,
            ToServer::Resume(message) => message.id,
            ToServer::Join(message) => message.id,
            ToServer::Part(message) => message.id,
            ToServer::Follow(message) => message.id,
            ToServer::Direct(message) => message.id,
            ToServer::Post(message) => message.id,
            ToServer::Members(message) => message.id,
            ToServer::Rooms(message) => message.id,
            ToServer::History(message) => message.id,
            ToServer::Search(message) => message.id,
            ToServer::Rename(message) => message.id,
            ToServer::Manual(message) => message.id,
            ToServer::Away(message) => message.id,
            ToServer::Register(message) => message.id,
            ToServer::Enrol(message) => message.id,
            ToServer::Login(message) => message.id,
            ToServer::Prove(message) => message.id,
            ToServer::NewPassword(message) => message.id,
            ToServer::SetPassword(message) => message.id,
            ToServer::Devices(message) => message.id,
            ToServer::Revoke(message) => message.id,
            ToServer::MarkRead(message) => message.id,
            ToServer::Plain(message) => message.id,
            ToServer::Govern(message) => message.id,
            ToServer::SetMode(message) => message.id,
            ToServer::Rights(message) => message.id,
            ToServer::Upload(message) => message.id,
            ToServer::Finish(message) => message.id,
            ToServer::Discard(message) => message.id,
            ToServer::Download(message) => message.id,
            ToServer::Files(message) => message.id,
            ToServer::Delete(message) => message.id,
            ToServer::Put(message) => message.id,
            ToServer::Ping(_)
            | ToServer::Pong(_)
            | ToServer::Goodbye(_)
            | ToServer::Error(_)
            | ToServer::Stop(_)
            | ToServer::Window(_)
            | ToServer::Data(_)
            | ToServer::Hello(_) => panic!("no request: {sent:?}"),
        }
    }

    pub(crate) fn next_event(&mut self) -> ClientEvent {
        loop {
            match self.outputs.pop_front() {
                Some(ClientOutput::Event(event)) => return event,
                Some(_) => {}
                None => panic!("no event"),
            }
        }
    }

    pub(crate) fn events(&mut self) -> Vec<ClientEvent> {
        let outputs = std::mem::take(&mut self.outputs);
        outputs
            .into_iter()
            .filter_map(|output| match output {
                ClientOutput::Event(event) => Some(event),
                ClientOutput::Connect
                | ClientOutput::Send
                | ClientOutput::Close
                | ClientOutput::Drop
                | ClientOutput::Work(_)
                | ClientOutput::File(_)
                | ClientOutput::Save => None,
            })
            .collect()
    }

    /// Takes the order to connect, and those about the connection before; events stay.
    fn take_connect(&mut self) {
        assert!(self.outputs.contains(&ClientOutput::Connect), "a connection was asked for");
        self.outputs.retain(|output| matches!(output, ClientOutput::Event(_)));
    }

    /// The code of the `Error` the client closed with.
    pub(crate) fn accusation(&mut self) -> Option<u16> {
        let code = self.frames.iter().find_map(|sent| match sent.message() {
            ToServer::Error(error) => Some(error.code),
            _ => None,
        });
        if code.is_some() {
            assert!(self.outputs.contains(&ClientOutput::Close), "who accuses closes");
        }
        code
    }
}
