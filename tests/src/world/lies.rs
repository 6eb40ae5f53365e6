//! What raw peers say that no client would.

use palabre_core::{
    ids::{DeviceId, Nonce, Position, RoomId, Seq, UserId},
    wire::{
        Away, Devices, Direct, FRAME_BYTES_MAX, Follow, Frame, FrameDecoder, Guest, Hello, History, Join,
        Login, Manual, MarkRead, Members, NewPassword, Part, Ping, Plain, Pong, Post, Prove, Register,
        Rename, Resume, Revoke, Rooms, Search, ToServer, Token,
    },
};

use super::World;
use crate::{
    choices::{Choices, Subsystem},
    sometimes,
};

impl World {
    pub(super) fn lie(&mut self, peer: usize) {
        for _ in 0..=self.choices.below(Subsystem::Peers, 4) {
            let what = self.choices.below(Subsystem::Peers, 64);
            match what {
                _ if self.peers[peer].is_gentle => self.any_message(peer),
                0..=7 => self.raw_bytes(peer),
                8..=15 => self.raw_frame(peer),
                16 => self.many_pings(peer),
                _ => self.any_message(peer),
            }
        }
    }

    fn raw_bytes(&mut self, peer: usize) {
        sometimes!("raw bytes were sent");
        for _ in 0..self.choices.below(Subsystem::Peers, 40) {
            let byte = self.choices.below(Subsystem::Peers, 256);
            self.peers[peer].outbound.push(u8::try_from(byte).unwrap_or(0));
        }
    }

    /// More than may come before entering.
    fn many_pings(&mut self, peer: usize) {
        for token in 0..40 {
            self.peers[peer].send(Ping { token });
        }
    }

    /// A frame whose header is right, and whose body need not be.
    fn raw_frame(&mut self, peer: usize) {
        let kinds = ToServer::KINDS.len() as u64;
        let kind = match self.choices.below(Subsystem::Peers, kinds + 3) {
            known if known < kinds => ToServer::KINDS[usize::try_from(known).unwrap_or(0)],
            other => [0x40, 0x7f, 0x99][usize::try_from(other - kinds).unwrap_or(0)],
        };
        let length = self.choices.between(Subsystem::Peers, 1, 30);
        let outbound = &mut self.peers[peer].outbound;
        outbound.extend_from_slice(&u32::try_from(length).unwrap_or(1).to_be_bytes());
        outbound.push(kind);
        for _ in 1..length {
            let byte = self.choices.below(Subsystem::Peers, 256);
            self.peers[peer].outbound.push(u8::try_from(byte).unwrap_or(0));
        }
    }

    /// A well-formed message with any numbers, in whatever state.
    fn any_message(&mut self, peer: usize) {
        let id = self.peers[peer].next_request();
        let room = self.some_number_of_a_room(peer);
        let number = some_number(&mut self.choices);
        let optional = self.choices.chance(Subsystem::Peers, 1, 2).then_some(number);
        let small = u16::try_from(number & 0xffff).unwrap_or(0);
        let nick = *self.choices.pick(Subsystem::Peers, RAW_NAMES);
        let name = *self.choices.pick(Subsystem::Peers, RAW_ROOMS);
        let text = match self.choices.below(Subsystem::Peers, 8) {
            0 => TOO_LONG,
            _ => *self.choices.pick(Subsystem::Peers, RAW_TEXTS),
        };
        let after = optional.map(Seq::new);
        let mut what = self.choices.below(Subsystem::Peers, 29);
        if self.peers[peer].is_gentle && (2..=4).contains(&what) {
            what = 8;
        }
        let message: ToServer<'static> = match what {
            0 => Ping { token: number }.into(),
            1 => Pong { token: number }.into(),
            2 => {
                Hello { first: small, last: small, client: nick, features: number, session: optional }.into()
            }
            3 => Guest { id, nick }.into(),
            4 => Resume { id, token: Token([small.to_le_bytes()[0]; 32]) }.into(),
            5 => Part { id, room }.into(),
            6 => Follow { id, room, after }.into(),
            7 => Direct { id, nick, after }.into(),
            8..=11 => {
                let kind = [1, 1, 2, 3, 9, 30, 31][usize::from(small % 7)];
                let to = after.filter(|_| kind != 3);
                let text = if kind == 31 && small % 2 == 0 { "" } else { text };
                self.peers[peer].nonces += u64::from(small % 3);
                Post { id, room, nonce: Nonce::new(self.peers[peer].nonces), kind, text, to }.into()
            }
            12 => Members { id, room, after: optional.map(UserId::new) }.into(),
            13 => Rooms { id, after: optional.map(RoomId::new) }.into(),
            14 => History { id, room, before: after, limit: small }.into(),
            15 => Rename { id, nick }.into(),
            16 => Manual { id }.into(),
            18 => {
                let invitation = (small % 3 == 0).then_some(nick);
                Register { id, name: nick, request: [small.to_le_bytes()[0]; 32], invitation }.into()
            }
            19 => Login { id, name: nick, start: [small.to_le_bytes()[0]; 96] }.into(),
            20 => Prove { id, finish: [0; 64], device: text }.into(),
            21 => NewPassword { id, request: [0; 32] }.into(),
            22 => Devices { id }.into(),
            23 => Revoke { id, device: DeviceId::new(number % 8) }.into(),
            25 => Plain { id, name: nick, password: text, device: nick }.into(),
            24 => MarkRead { id, room, seq: Seq::new(number) }.into(),
            26 | 27 => {
                let room = (small % 4 > 0).then_some(room);
                let before = optional.map(Position::new);
                Search {
                    id,
                    text: RAW_QUERIES[usize::from(small) % RAW_QUERIES.len()],
                    room,
                    before,
                    limit: small,
                }
                .into()
            }
            17 => Away { id, away: small % 2 == 0 }.into(),
            _ => Join { id, name, after }.into(),
        };
        self.peers[peer].send(message);
    }

    fn some_number_of_a_room(&mut self, peer: usize) -> RoomId {
        let own = &self.peers[peer].rooms;
        if !own.is_empty() && self.choices.chance(Subsystem::Peers, 3, 4) {
            return *self.choices.pick(Subsystem::Peers, own);
        }
        RoomId::new(self.choices.below(Subsystem::Peers, 12))
    }

    /// What some honest client sent, with other tokens and with mistakes.
    pub(super) fn mutate(&mut self, peer: usize) {
        if self.peers[peer].requests > 0 || self.actors.is_empty() {
            return;
        }
        self.peers[peer].requests = 1;
        let actor = self.choices.index(Subsystem::Peers, self.actors.len());
        let mut bytes = without_tokens(&self.actors[actor].recorded);
        sometimes!("a recorded session was repeated with mistakes", bytes.len() > 200);
        for _ in 0..self.choices.below(Subsystem::Peers, 4) {
            if bytes.is_empty() {
                break;
            }
            let at = self.choices.index(Subsystem::Peers, bytes.len());
            match self.choices.below(Subsystem::Peers, 4) {
                0 => bytes[at] ^= 1 << self.choices.below(Subsystem::Peers, 8),
                1 => bytes.truncate(at),
                2 => {
                    let to = at + self.choices.index(Subsystem::Peers, bytes.len() - at);
                    let piece = bytes[at..to].to_vec();
                    bytes.extend(piece);
                }
                _ => {
                    bytes.remove(at);
                }
            }
        }
        self.peers[peer].outbound.extend(bytes);
    }
}

/// Without the frames that would make the peer somebody else's.
fn without_tokens(recorded: &[u8]) -> Vec<u8> {
    let mut decoder = FrameDecoder::new(FRAME_BYTES_MAX);
    decoder.push(recorded);
    let mut bytes = Vec::new();
    while let Ok(Some(Frame { kind, body })) = decoder.next_frame() {
        let message = ToServer::decode(Frame { kind, body });
        // Nor may it make the account that an honest client is about to make: names are for who comes first.
        let id = match message {
            Ok(Some(ToServer::Resume(resume))) => Some(resume.id),
            Ok(Some(ToServer::Enrol(enrol))) => Some(enrol.id),
            Ok(_) | Err(_) => None,
        };
        if let Some(id) = id {
            ToServer::from(Guest { id, nick: "copycat" }).encode(&mut bytes);
            continue;
        }
        let length = u32::try_from(body.len() + 1).unwrap_or(1);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.push(kind);
        bytes.extend_from_slice(body);
    }
    bytes
}

fn some_number(choices: &mut Choices) -> u64 {
    match choices.below(Subsystem::Peers, 3) {
        0 => choices.below(Subsystem::Peers, 8),
        1 => choices.below(Subsystem::Peers, 1 << 20),
        _ => *choices.pick(Subsystem::Peers, &[u64::MAX, u64::MAX - 1, 1 << 32, 1 << 63]),
    }
}

pub(super) const RAW_NICKS: &[&str] =
    &["mallory", "trudy", "oscar", "sybil", "craig", "chuck", "faythe", "grace", "heidi"];
const RAW_NAMES: &[&str] = &[
    "mallory",
    "ana",
    "АNA",
    "",
    "x y",
    "\u{202e}evil",
    "b0b",
    "a-name-that-is-longer-than-thirty-two-bytes",
    "bob",
];
const RAW_ROOMS: &[&str] =
    &["#lobby", "#rust", "#", "lobby", "#LOBBY", "#l0bby", "#a b", "#mallory", "#Café"];
/// Longer than any text may be.
const TOO_LONG: &str = match std::str::from_utf8(&[b'!'; 16_385]) {
    Ok(text) => text,
    Err(_) => "",
};
const RAW_QUERIES: &[&str] = &[
    "said",
    "1*",
    "go",
    "said",
    "\" OR room:1 NEAR(",
    "",
    "a b c d e f g h i j k l m n o p q",
    "by \"a raw\"",
];

pub(super) const RAW_TEXTS: &[&str] =
    &["said by a raw peer", "", " ", "0:spoofed", "\u{7}", "line\nline", "said by a raw peer"];
