//! What the fuzz targets do with the fuzzer's bytes: `fuzz/` calls them in a line each, `cargo test` replays the corpora.
//!
//! Each panics with a report where an invariant does not hold, as fuzzers want it.

pub mod duet;
pub mod frame_decoder;

pub use self::{duet::disconnects, frame_decoder::frame_decoder};
use palabre_core::{
    channel::Channel,
    client::{Client, ClientConfig, ClientOutput},
    error::ProtocolError,
    ids::Seq,
    name::{Nick, RoomName},
    password::Stretching,
    storage::EventKind,
    time::{Monotonic, Now, WallTime},
    wire::{FRAME_BYTES_MAX, FrameDecoder, Guest, Hello, Join, ToClient, ToServer, Token, Welcome},
};

use crate::{
    choices::Choices,
    oracle::Violation,
    report::Failure,
    run,
    world::{Options, World},
};

const OUTPUTS_MAX: usize = 100_000;

/// Raw bytes to a server with two honest clients in a room, who must not be harmed.
///
/// The first byte says how far the peer gets before: not at all, entered, or in the same room.
///
/// # Panics
/// If an invariant does not hold.
pub fn server_bytes(data: &[u8]) {
    let Some((mode, bytes)) = data.split_first() else { return };
    let mut said = Vec::new();
    if mode % 3 > 0 {
        ToServer::from(Hello { first: 1, last: 1, client: "fuzz", features: 0, session: None })
            .encode(&mut said);
        ToServer::from(Guest { id: 1, nick: "fuzz" }).encode(&mut said);
    }
    if mode % 3 > 1 {
        ToServer::from(Join { id: 2, name: "#lobby", after: Some(Seq::new(0)) }).encode(&mut said);
    }
    said.extend_from_slice(bytes);
    in_quiet_world(|world| {
        world.recite(&said);
        world.say(0, "before")?;
        world.steps(200)?;
        world.say(1, "after")?;
        world.wait("both have read it")
    });
}

/// Bytes as the decisions of a world.
///
/// # Panics
/// If an invariant does not hold.
pub fn world(data: &[u8]) {
    let options = Options { events_max: 3_000, ..Options::default() };
    let outcome = run::run(Choices::from_bytes(data), &options);
    if let Some(failure) = outcome.failure {
        panic!("{}", failure.text());
    }
}

/// What a malicious server says to our client: it may be told nonsense, but stays whole and sends only messages.
///
/// The first byte says how far the server was honest before: not at all, up to `Welcome`, up to `Ready`.
///
/// # Panics
/// If the client does not hold to its contract.
pub fn client_bytes(data: &[u8]) {
    let Some((mode, bytes)) = data.split_first() else { return };
    let mut victim = Victim::new();
    victim.hear(&honest_beginning(mode % 3));
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first() {
        let (piece, after) = after.split_at((usize::from(*length) + 1).min(after.len()));
        victim.hear(piece);
        victim.act(*length);
        rest = after;
    }
    victim.cut();
}

fn in_quiet_world(script: impl FnOnce(&mut World) -> Result<(), Violation>) {
    let mut world = World::quiet().expect("nothing is wrong with a quiet world");
    let result = script(&mut world).and_then(|()| world.conclude());
    if let Err(violation) = result {
        panic!("{}", Failure::of(&world, crate::report::Verdict::of(violation)).text());
    }
}

fn honest_beginning(steps: u8) -> Vec<u8> {
    let mut said = Vec::new();
    if steps > 0 {
        let limits = palabre_core::limits::Limits::default().announced();
        let incarnation = palabre_core::ids::Incarnation::new(1);
        let welcome = Welcome { version: 1, server: "fuzz", incarnation, mechanisms: 1, features: 0, limits };
        ToClient::from(welcome).encode(&mut said);
    }
    if steps > 1 {
        let ready = palabre_core::wire::Ready {
            id: 1,
            user: palabre_core::ids::UserId::new(1),
            nick: "victim",
            token: Token([7; 32]),
            keep_seconds: 600,
            rooms: Vec::new(),
            account: false,
        };
        ToClient::from(ready).encode(&mut said);
        ToClient::from(palabre_core::wire::Credit { posts: 10, bytes: 65_536 }).encode(&mut said);
    }
    said
}

/// A client in the hands of a malicious server.
struct Victim {
    client: Client,
    millis: u64,
    sent: FrameDecoder,
}

impl Victim {
    fn new() -> Self {
        let config = ClientConfig {
            program: "victim".to_owned(),
            nick: Nick::parse("victim").expect("a name"),
            take_suggestion: true,
            asks: false,
            account: None,
            stretching_min: Stretching::LEAST,
            saved: None,
            reconnect: true,
            outbox_posts_max: 8,
        };
        let mut victim = Self {
            client: Client::new(config, [1; 32], now(0)),
            millis: 0,
            sent: FrameDecoder::new(FRAME_BYTES_MAX),
        };
        victim.drain();
        victim.client.handle_connected(Channel::Plain, now(0));
        victim.drain();
        let lobby = RoomName::lobby();
        drop(victim.client.join(&lobby, None, now(0)));
        victim.drain();
        victim
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.millis += 1;
        self.client.handle_received(bytes, now(self.millis));
        self.drain();
    }

    /// The application does something too, so that answers have something to answer.
    fn act(&mut self, which: u8) {
        let now = now(self.millis);
        let room = self.client.joined().next().map(|room| room.id);
        if let Some(room) = room {
            drop(match which % 4 {
                0 => self.client.post(room, EventKind::Posted, "hello", None, now).map(drop),
                1 => self.client.history(room, None, 0, now).map(drop),
                2 => self.client.members(room, now).map(drop),
                _ => self.client.part(room, now).map(drop),
            });
        }
        self.drain();
    }

    fn cut(&mut self) {
        self.client.handle_disconnected(now(self.millis));
        self.drain();
    }

    fn drain(&mut self) {
        let latest = now(self.millis).monotonic;
        let deadline = self.client.poll_timeout();
        let mut outputs = 0;
        while let Some(output) = self.client.poll_output() {
            assert!(outputs > 0 || deadline.is_some_and(|(at, _)| at <= latest), "rule 2: {output:?} waits");
            outputs += 1;
            assert!(outputs < OUTPUTS_MAX, "outputs without end");
            if output == ClientOutput::Connect {
                self.sent = FrameDecoder::new(FRAME_BYTES_MAX);
                self.client.handle_connected(Channel::Plain, now(self.millis));
            }
        }
        let count = self.client.sendable().len();
        self.sent.push(self.client.sendable());
        while let Some(frame) = self.sent.next_frame().expect("frames are well formed") {
            let message: Result<_, ProtocolError> = ToServer::decode(frame).map(drop);
            message.expect("what a client sends is a message");
        }
        self.client.handle_sent(count, now(self.millis));
    }
}

fn now(millis: u64) -> Now {
    let wall = WallTime::from_millis(1_704_067_200_000 + millis);
    Now { monotonic: Monotonic::from_millis(millis), wall }
}
