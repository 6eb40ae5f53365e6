//! Who knows which password: makes what OPAQUE puts into messages (A2), by the client that people use.
//!
//! The client knows nothing of the server's connection: it is told of a server that answers as ours did, and what it
//! would send is taken out of its frames.

use std::collections::BTreeMap;

use palabre_core::{
    channel::Channel,
    client::{AccountEntry, Client, ClientConfig, ClientOutput},
    ids::Incarnation,
    name::Nick,
    password::{Password as Typed, Stretching},
    time::{Monotonic, Now, WallTime},
    wire::{Challenge, FRAME_BYTES_MAX, Limits, ToClient, ToServer, VERSION, Welcome, split_frame},
};

use super::{ConnectionKey, Model, Password};

const NOW: Now = Now { monotonic: Monotonic::from_millis(1), wall: WallTime::from_millis(1) };
const LIMITS: Limits = Limits {
    text_bytes: 16_384,
    nick_bytes: 32,
    room_bytes: 64,
    topic_bytes: 400,
    page_events: 200,
    requests: 32,
    posts: 64,
    silence_seconds: 60,
};

/// What the clients on all connections know.
#[derive(Default)]
pub(super) struct Secrets {
    begun: u64,
    exchanges: BTreeMap<ConnectionKey, Exchange>,
}

/// A client that has begun to make an account or to log in, and perhaps was answered.
struct Exchange {
    client: Client,
    id: u32,
    start: Vec<u8>,
    password: Password,
    answered: bool,
}

impl Secrets {
    /// A `RegistrationRequest`.
    pub(super) fn request(&mut self, at: ConnectionKey, password: Password) -> [u8; 32] {
        self.begin(at, true, password).try_into().expect("the suite fixes its length")
    }

    /// A `KE1`, of which the model knows by what password it was made.
    pub(super) fn start(&mut self, at: ConnectionKey, password: Password, model: &mut Model) -> [u8; 96] {
        let start = self.begin(at, false, password);
        model.learn_password(&start, password);
        start.try_into().expect("the suite fixes its length")
    }

    fn begin(&mut self, at: ConnectionKey, make: bool, password: Password) -> Vec<u8> {
        self.begun += 1;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.begun.to_le_bytes());
        let exchange = Exchange::begin(make, password, seed);
        let start = exchange.start.clone();
        self.exchanges.insert(at, exchange);
        start
    }

    /// The server has answered what was begun on a connection.
    pub(super) fn answer(&mut self, at: ConnectionKey, challenge: &Challenge<'_>) {
        if let Some(exchange) = self.exchanges.get_mut(&at) {
            exchange.answer(challenge);
        }
    }

    /// What ends a registration or a change of password: of the password that the model is told, if there is any.
    pub(super) fn upload(&mut self, at: ConnectionKey, model: &mut Model) -> [u8; 192] {
        let exchange = self.exchanges.remove(&at);
        let ended = exchange.and_then(|mut exchange| Some((exchange.end()?, exchange.password)));
        let Some((Sent::Upload(upload), password)) = ended else { return [0; 192] };
        model.learn_password(&upload, password);
        upload
    }

    /// What ends a login: 64 zero bytes unless it was answered, by a server where the password is right (A4).
    pub(super) fn finish(&mut self, at: ConnectionKey, model: &mut Model) -> [u8; 64] {
        let exchange = self.exchanges.remove(&at);
        let ended = exchange.and_then(|mut exchange| Some((exchange.end()?, exchange.start)));
        let Some((Sent::Finish(finish), start)) = ended else { return [0; 64] };
        if finish != [0; 64] {
            model.learn_proof(finish, start);
        }
        finish
    }
}

/// What a client's last message of an exchange has in it.
enum Sent {
    Upload([u8; 192]),
    Finish([u8; 64]),
}

impl Exchange {
    fn begin(make: bool, password: Password, seed: [u8; 32]) -> Self {
        let account = AccountEntry {
            make,
            password: Typed::parse(&password.text()).expect("it is long enough"),
            device: String::new(),
            invitation: None,
        };
        let config = ClientConfig {
            program: String::new(),
            nick: Nick::parse("somebody").expect("a name"),
            take_suggestion: false,
            asks: false,
            keeps_tokens: false,
            account: Some(account),
            stretching_min: Stretching::CHEAPEST,
            saved: None,
            reconnect: false,
            outbox_posts_max: 1,
        };
        let mut client = Client::new(config, seed, NOW);
        client.handle_connected(Channel::Plain, NOW);
        take_sent(&mut client);
        let welcome = Welcome {
            version: VERSION,
            server: "",
            incarnation: Incarnation::new(1),
            mechanisms: u64::MAX,
            features: 0,
            limits: LIMITS,
        };
        tell(&mut client, &ToClient::Welcome(welcome));
        let sent = take_sent(&mut client);
        let (id, start) = match decoded(&sent) {
            Some(ToServer::Register(register)) => (register.id, register.request.to_vec()),
            Some(ToServer::Login(login)) => (login.id, login.start.to_vec()),
            other => unreachable!("a client that is welcome begins: {other:?}"),
        };
        Self { client, id, start, password, answered: false }
    }

    fn answer(&mut self, challenge: &Challenge<'_>) {
        if !self.answered {
            self.answered = true;
            tell(&mut self.client, &ToClient::Challenge(Challenge { id: self.id, ..*challenge }));
        }
    }

    fn end(&mut self) -> Option<Sent> {
        while let Some(output) = self.client.poll_output() {
            if let ClientOutput::Work(work) = output {
                self.client.handle_work(work.run(), NOW);
            }
        }
        match decoded(&take_sent(&mut self.client)) {
            Some(ToServer::Enrol(enrol)) => Some(Sent::Upload(enrol.upload)),
            Some(ToServer::Prove(prove)) => Some(Sent::Finish(prove.finish)),
            _ => None,
        }
    }
}

fn tell(client: &mut Client, message: &ToClient<'_>) {
    let mut frame = Vec::new();
    message.encode(&mut frame);
    client.handle_received(&frame, NOW);
}

fn take_sent(client: &mut Client) -> Vec<u8> {
    let sent = client.sendable().to_vec();
    client.handle_sent(sent.len(), NOW);
    sent
}

fn decoded(frame: &[u8]) -> Option<ToServer<'_>> {
    let (frame, _) = split_frame(frame, FRAME_BYTES_MAX).ok()??;
    ToServer::decode(frame).ok()?
}
