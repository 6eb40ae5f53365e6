//! A server that behaves: it stores posts once, numbers them, and tells every follower. One client at a time.

use std::collections::BTreeMap;

use palabre_core::{
    error::RefusalCode,
    ids::{Nonce, RoomId, Seq, UserId},
    time::WallTime,
    wire::{
        Credit, Done, Event, FRAME_BYTES_MAX, FrameDecoder, Joined, LogEvent, Posted, Ready, Refused, Room,
        ToClient, ToServer, Token,
    },
};

use crate::bench::{named, welcome};

#[derive(Default)]
pub(crate) struct FakeServer {
    guests: BTreeMap<[u8; 32], (UserId, String)>,
    pub(crate) rooms: BTreeMap<RoomId, FakeRoom>,
    /// Every post ever received, stored or repeated.
    pub(crate) received: Vec<Nonce>,
    pub(crate) credit: (u64, u64),
}

#[derive(Default)]
pub(crate) struct FakeRoom {
    name: String,
    members: Vec<UserId>,
    pub(crate) log: Vec<(UserId, Nonce, String)>,
}

/// One connection.
pub(crate) struct FakeConnection {
    decoder: FrameDecoder,
    user: Option<UserId>,
    cursors: BTreeMap<RoomId, usize>,
    out: Vec<u8>,
}

impl FakeConnection {
    pub(crate) fn new() -> Self {
        Self {
            decoder: FrameDecoder::new(FRAME_BYTES_MAX),
            user: None,
            cursors: BTreeMap::new(),
            out: Vec::new(),
        }
    }

    fn say<'a>(&mut self, message: impl Into<ToClient<'a>>) {
        message.into().encode(&mut self.out);
    }
}

impl FakeServer {
    pub(crate) fn new() -> Self {
        Self { credit: (1_000, 1_000_000), ..Self::default() }
    }

    /// What the server answers to bytes.
    pub(crate) fn receive(&mut self, connection: &mut FakeConnection, bytes: &[u8]) -> Vec<u8> {
        connection.decoder.push(bytes);
        let mut decoder = std::mem::replace(&mut connection.decoder, FrameDecoder::new(FRAME_BYTES_MAX));
        while let Some(frame) = decoder.next_frame().expect("the client breaks no rule") {
            let message = ToServer::decode(frame).expect("the client breaks no rule").expect("known");
            self.handle(connection, message);
            self.deliver(connection);
        }
        connection.decoder = decoder;
        std::mem::take(&mut connection.out)
    }

    fn handle(&mut self, to: &mut FakeConnection, message: ToServer<'_>) {
        match message {
            ToServer::Hello(_) => to.say(welcome()),
            ToServer::Guest(guest) => {
                let number = self.guests.len() as u8 + 1;
                self.guests.insert([number; 32], (UserId::new(u64::from(number)), guest.nick.into()));
                self.enter(to, guest.id, [number; 32]);
            }
            ToServer::Resume(resume) if self.guests.contains_key(&resume.token.0) => {
                self.enter(to, resume.id, resume.token.0)
            }
            ToServer::Resume(resume) => refuse(to, resume.id, RefusalCode::TokenUnknown),
            ToServer::Join(join) => self.join(to, join.id, join.name, join.after),
            ToServer::Follow(follow) => self.joined(to, follow.id, follow.room, follow.after),
            ToServer::Part(part) => {
                to.cursors.remove(&part.room);
                let user = to.user.expect("entered");
                self.rooms.get_mut(&part.room).expect("a room").members.retain(|member| *member != user);
                to.say(Done { id: part.id });
            }
            ToServer::Post(post) => {
                self.received.push(post.nonce);
                let author = to.user.expect("entered");
                let log = &mut self.rooms.get_mut(&post.room).expect("a room").log;
                let stored = log.iter().position(|(_, nonce, _)| *nonce == post.nonce);
                let at = stored.unwrap_or(log.len());
                if stored.is_none() {
                    log.push((author, post.nonce, post.text.into()));
                }
                let (seq, at) = (Seq::new(at as u64 + 1), WallTime::from_millis(1));
                to.say(Posted { id: post.id, room: post.room, seq, at });
            }
            ToServer::Goodbye(_) | ToServer::Pong(_) => {}
            other => panic!("not for this server: {}", other.name()),
        }
    }

    fn enter(&self, to: &mut FakeConnection, id: u32, token: [u8; 32]) {
        let (user, nick) = &self.guests[&token];
        to.user = Some(*user);
        let rooms = self.rooms.iter().filter(|(_, room)| room.members.contains(user));
        let rooms = rooms.map(|(id, room)| room.part(*id)).collect();
        to.say(Ready {
            id,
            user: *user,
            nick,
            token: Token(token),
            keep_seconds: 600,
            rooms,
            account: false,
        });
        to.say(Credit { posts: self.credit.0, bytes: self.credit.1 });
    }

    fn join(&mut self, to: &mut FakeConnection, id: u32, name: &str, after: Option<Seq>) {
        let found = self.rooms.iter().find(|(_, room)| room.name == name).map(|(id, _)| *id);
        let room = found.unwrap_or_else(|| RoomId::new(self.rooms.len() as u64 + 1));
        let entry = self.rooms.entry(room).or_default();
        entry.name = name.into();
        entry.members.push(to.user.expect("entered"));
        self.joined(to, id, room, after);
    }

    fn joined(&self, to: &mut FakeConnection, id: u32, room: RoomId, after: Option<Seq>) {
        let log = self.rooms[&room].log.len();
        to.cursors.insert(room, after.map_or(log, |after| log.min(after.get() as usize)));
        to.say(Joined { id, room: self.rooms[&room].part(room), members: 1 });
    }

    fn deliver(&self, to: &mut FakeConnection) {
        for (room, mut cursor) in to.cursors.clone() {
            for (author, _, text) in &self.rooms[&room].log[cursor..] {
                cursor += 1;
                let (seq, at) = (Seq::new(cursor as u64), WallTime::from_millis(1));
                let event = LogEvent {
                    seq,
                    at,
                    author: *author,
                    nick: "ana",
                    kind: 1,
                    text,
                    about: None,
                    revised: None,
                };
                to.say(Event { room, event });
            }
            to.cursors.insert(room, cursor);
        }
    }
}

impl FakeRoom {
    fn part(&self, id: RoomId) -> Room<'_> {
        named(id, &self.name, self.log.len() as u64)
    }
}

fn refuse(to: &mut FakeConnection, id: u32, code: RefusalCode) {
    to.say(Refused { id, code: code.number(), text: "no", about: "", suggestion: None });
}
