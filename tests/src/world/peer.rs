//! Raw peers: they speak to the server without a `Client`, and not as they should.

use std::time::Duration;

use palabre_core::{
    ids::{Nonce, RoomId, Seq},
    wire::{
        FRAME_BYTES_MAX, FrameDecoder, Goodbye, Guest, Hello, Join, Pong, Post, Resume, Rooms, ToClient,
        ToServer, Token,
    },
};

use super::{
    Phase, Task, Transfer, World,
    later::check_accusation,
    lies::{RAW_NICKS, RAW_TEXTS},
};
use crate::{
    choices::Subsystem,
    network::{End, LinkId, Owner},
    oracle::Violation,
    plan::{Fault, Plan},
    sometimes,
};

/// Bytes a peer has ready at most.
const OUTBOUND_BYTES_MAX: usize = 256 << 10;

/// What a peer is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Intent {
    /// Frames of any kind in any state, well-formed or not.
    Lie,
    /// What an honest client sent, changed.
    Mutate,
    /// As much as possible.
    Flood,
    /// Never reads.
    Deaf,
    /// Resumes as somebody else.
    Steal,
    /// Speaks a later version of the protocol.
    SpeakLater,
    /// Says what a test made it say.
    Recite,
}

/// A raw peer.
pub(super) struct Peer {
    intent: Intent,
    link: Option<LinkId>,
    connected: bool,
    pub(super) outbound: Vec<u8>,
    decoder: FrameDecoder,
    entered: bool,
    /// Whether it says nothing for which it would be accused at once.
    pub(super) is_gentle: bool,
    pub(super) rooms: Vec<RoomId>,
    pub(super) requests: u32,
    pub(super) nonces: u64,
}

impl Peer {
    /// The peers that the plan asks for.
    pub(super) fn draw_all(plan: &Plan) -> Vec<Self> {
        let intents = [
            (Fault::Liars, Intent::Lie),
            (Fault::Mutators, Intent::Mutate),
            (Fault::Floods, Intent::Flood),
            (Fault::Deaf, Intent::Deaf),
            (Fault::Thieves, Intent::Steal),
        ];
        let count = |fault| usize::try_from(plan.strength(fault)).unwrap_or(0);
        let later = plan.has(Fault::Liars).then_some(Intent::SpeakLater);
        let peers = intents.iter().flat_map(|(fault, intent)| std::iter::repeat_n(*intent, count(*fault)));
        peers.chain(later).map(Self::new).collect()
    }

    fn new(intent: Intent) -> Self {
        Self {
            intent,
            link: None,
            connected: false,
            outbound: Vec::new(),
            decoder: FrameDecoder::new(FRAME_BYTES_MAX),
            entered: false,
            is_gentle: false,
            rooms: Vec::new(),
            requests: 0,
            nonces: 0,
        }
    }

    /// A peer that says these bytes once it is connected.
    pub(super) fn reciting(bytes: &[u8]) -> Self {
        Self { outbound: bytes.to_vec(), ..Self::new(Intent::Recite) }
    }

    /// The peer has asked for this link.
    pub(super) const fn hold(&mut self, link: LinkId) {
        self.link = Some(link);
    }

    pub(super) const fn is_deaf(&self) -> bool {
        matches!(self.intent, Intent::Deaf) && self.entered
    }

    pub(super) fn sendable(&self) -> &[u8] {
        &self.outbound
    }

    pub(super) fn sent(&mut self, count: usize) {
        self.outbound.drain(..count);
    }

    pub(super) fn send(&mut self, message: impl Into<ToServer<'static>>) {
        if self.outbound.len() < OUTBOUND_BYTES_MAX {
            message.into().encode(&mut self.outbound);
        }
    }

    pub(super) fn next_request(&mut self) -> u32 {
        self.requests += 1;
        self.requests
    }

    fn say_hello(&mut self) {
        self.send(Hello { first: 1, last: 1, client: "raw", features: 0, session: None });
    }
}

impl World {
    /// A raw peer's turn.
    pub(super) fn peer_turn(&mut self, peer: usize) -> Result<(), Violation> {
        if self.phase > Phase::Safety {
            return Ok(());
        }
        // While nobody can connect, trying at every turn would be most of what happens.
        let hopeless = self.host.server.is_none() || self.now < self.partitioned_until;
        match self.peers[peer].link {
            None if hopeless && !self.choices.chance(Subsystem::Peers, 1, 16) => {}
            None => {
                let link = self.connect(Owner::Peer(peer));
                self.peers[peer].link = Some(link);
            }
            Some(link) if self.peers[peer].connected => self.peer_acts(peer, link),
            Some(_) => {}
        }
        let pace = match self.peers[peer].intent {
            Intent::Flood => Duration::from_millis(50),
            Intent::Steal => Duration::from_secs(5),
            Intent::Lie | Intent::Mutate | Intent::Deaf | Intent::SpeakLater | Intent::Recite => {
                Duration::from_millis(500)
            }
        };
        let after = self.choices.duration(Subsystem::Peers, pace.max(self.plan.operation_every / 2));
        self.agenda.add(self.now.after(after), Task::Peer(peer));
        Ok(())
    }

    pub(super) fn peer_connected(&mut self, peer: usize, link: LinkId) {
        let intent = self.peers[peer].intent;
        if intent == Intent::Recite {
            self.peers[peer].connected = true;
            return self.wake(link, Transfer::ClientWrite, self.now);
        }
        if intent == Intent::SpeakLater {
            self.peers[peer] = Peer { link: Some(link), connected: true, ..Peer::new(intent) };
            self.say_hello_of_later(peer);
            return self.wake(link, Transfer::ClientWrite, self.now);
        }
        let hello_first = intent != Intent::Mutate && !self.choices.chance(Subsystem::Peers, 1, 16);
        let is_gentle = self.choices.chance(Subsystem::Peers, 1, 2);
        let state = &mut self.peers[peer];
        *state =
            Peer { is_gentle, link: Some(link), connected: true, nonces: state.nonces, ..Peer::new(intent) };
        if hello_first {
            state.say_hello();
            let token = self.stolen_token(peer);
            let state = &mut self.peers[peer];
            let id = state.next_request();
            match token {
                Some(token) => state.send(Resume { id, token }),
                None => state.send(Guest { id, nick: RAW_NICKS[peer % RAW_NICKS.len()] }),
            }
        }
        self.wake(link, Transfer::ClientWrite, self.now);
    }

    fn stolen_token(&mut self, peer: usize) -> Option<Token> {
        if self.peers[peer].intent != Intent::Steal {
            return None;
        }
        let victim = self.choices.index(Subsystem::Peers, self.actors.len());
        let token = self.actors[victim].saved.as_ref().map(|saved| saved.token);
        sometimes!("a token was stolen", token.is_some());
        token
    }

    pub(super) fn peer_disconnected(&mut self, peer: usize) {
        let state = &mut self.peers[peer];
        (state.link, state.connected) = (None, false);
        state.outbound.clear();
    }

    /// Raw peers read well enough to know when they are in and in which rooms.
    ///
    /// # Errors
    /// One that breaks no rule is accused of it.
    pub(super) fn peer_received(&mut self, peer: usize, bytes: &[u8]) -> Result<(), Violation> {
        let state = &mut self.peers[peer];
        state.decoder.push(bytes);
        let mut pongs = Vec::new();
        while let Ok(Some(frame)) = state.decoder.next_frame() {
            match ToClient::decode(frame) {
                Ok(Some(ToClient::Ready(_))) => state.entered = true,
                Ok(Some(ToClient::Joined(joined))) => state.rooms.push(joined.room.room),
                Ok(Some(ToClient::Error(error))) if state.intent == Intent::SpeakLater => {
                    check_accusation(peer, &error)?;
                }
                Ok(Some(ToClient::Ping(ping))) => pongs.push(Pong { token: ping.token }),
                Ok(_) | Err(_) => {}
            }
        }
        for pong in pongs {
            state.send(pong);
        }
        Ok(())
    }

    fn peer_acts(&mut self, peer: usize, link: LinkId) {
        if self.choices.chance(Subsystem::Peers, 1, 64) {
            self.let_go(link, End::Reset);
            self.peer_disconnected(peer);
            return;
        }
        match self.peers[peer].intent {
            Intent::Lie => self.lie(peer),
            Intent::Mutate => self.mutate(peer),
            Intent::Flood => self.flood(peer),
            Intent::Deaf => {
                if self.peers[peer].rooms.is_empty() && self.peers[peer].requests < 6 {
                    let id = self.peers[peer].next_request();
                    self.peers[peer].send(Join { id, name: "#lobby", after: Some(Seq::new(0)) });
                    // It reads until it is in the room, and from then on nothing.
                    self.peers[peer].requests += 1;
                }
            }
            Intent::SpeakLater if self.peers[peer].entered && self.peers[peer].outbound.is_empty() => {
                self.speak_later(peer);
            }
            Intent::SpeakLater | Intent::Recite => {}
            Intent::Steal => {
                if self.choices.chance(Subsystem::Peers, 1, 2) {
                    self.peers[peer].send(Goodbye { reason: 1, text: "" });
                }
            }
        }
        self.wake(link, Transfer::ClientWrite, self.now);
    }

    fn flood(&mut self, peer: usize) {
        let state = &mut self.peers[peer];
        if !state.entered {
            return;
        }
        let Some(room) = state.rooms.last().copied() else {
            let id = state.next_request();
            return state.send(Join { id, name: "#lobby", after: None });
        };
        sometimes!("a flood of posts");
        for number in 0..10 {
            let id = state.next_request();
            state.nonces += 1;
            // The last of ten has the nonce of the first, and says something else.
            let (nonce, text) =
                if number < 9 { (state.nonces, RAW_TEXTS[0]) } else { (state.nonces - 9, "again") };
            let nonce = Nonce::new(nonce);
            state.send(Post { id, room, nonce, kind: 1, text, to: None });
            state.send(Rooms { id, after: None });
        }
    }
}
