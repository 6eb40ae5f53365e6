//! What clients say, as frames.

use palabre_core::{
    ids::{DeviceId, Nonce, Position, RoomId, Seq, UserId},
    wire::{
        Away, Devices, Direct, Enrol, Error, Follow, Goodbye, Govern, Guest, Hello, History, Join, Login,
        Manual, MarkRead, Members, NewPassword, Part, Ping, Pong, Post, Prove, Register, Rename, Resume,
        Revoke, Rights, Rooms, Search, SetMode, SetPassword, ToServer, Token,
    },
};

use super::{
    ConnectionKey, Divergence, Logged, Model, Name, Password, Phase, RoomKey, Speech, UserKey, Word,
    operation::{query, text},
    secrets::Secrets,
};

/// A room that does not exist, and the first of the nonces that are used once.
const NO_ROOM: RoomId = RoomId::new(999_999);
const FIRST_FRESH_NONCE: u64 = 1_000;
/// Numbers below this one, out of 256, stand for something that makes sense.
const MOSTLY: usize = 208;

/// Puts things that are said into frames, with a request id and, where wished, a nonce of their own.
pub(super) struct Words {
    text_bytes_max: usize,
    said: u32,
    pub(super) secrets: Secrets,
}

impl Words {
    pub(super) fn new(text_bytes_max: usize) -> Self {
        Self { text_bytes_max, said: 0, secrets: Secrets::default() }
    }

    pub(super) fn encode(&mut self, at: ConnectionKey, speech: &Speech, model: &mut Model) -> Vec<u8> {
        self.said += 1;
        let id = self.said;
        let seq = |number: Option<u8>| number.map(|number| Seq::new(number.into()));
        let mut frame = Vec::new();
        match *speech {
            Speech::Hello { first, last, session } => {
                ToServer::Hello(Hello { first, last, client: "model", features: 0, session })
            }
            Speech::Guest(name) => ToServer::Guest(Guest { id, nick: name.nick() }),
            Speech::Resume(user) => ToServer::Resume(Resume { id, token: model.token_numbered(user) }),
            Speech::Register(name, password) => {
                let request = self.secrets.request(at, password);
                ToServer::Register(Register { id, name: name.nick(), request, invitation: None })
            }
            Speech::Enrol => {
                ToServer::Enrol(Enrol { id, upload: self.secrets.upload(at, model), device: "one" })
            }
            Speech::Login(name, word) => {
                let start = self.secrets.start(at, model.password_typed(name, word), model);
                ToServer::Login(Login { id, name: name.nick(), start })
            }
            Speech::Prove => {
                ToServer::Prove(Prove { id, finish: self.secrets.finish(at, model), device: "two" })
            }
            Speech::NewPassword(password) => {
                ToServer::NewPassword(NewPassword { id, request: self.secrets.request(at, password) })
            }
            Speech::SetPassword => {
                ToServer::SetPassword(SetPassword { id, upload: self.secrets.upload(at, model) })
            }
            Speech::Devices => ToServer::Devices(Devices { id }),
            Speech::Revoke(number) => {
                ToServer::Revoke(Revoke { id, device: model.device_numbered(at, number) })
            }
            Speech::MarkRead(room, seq) => {
                let seq = Seq::new(seq.into());
                ToServer::MarkRead(MarkRead { id, room: model.room_numbered(at, room), seq })
            }
            Speech::Join(name, after) => ToServer::Join(Join { id, name: name.room(), after: seq(after) }),
            Speech::Part(room) => ToServer::Part(Part { id, room: model.room_numbered(at, room) }),
            Speech::Follow(room, after) => {
                ToServer::Follow(Follow { id, room: model.room_numbered(at, room), after: seq(after) })
            }
            Speech::Direct(name) => {
                ToServer::Direct(Direct { id, nick: name.nick(), after: Some(Seq::new(0)) })
            }
            Speech::Post { room, nonce, kind, text: number } => {
                let nonce = nonce.map_or_else(|| FIRST_FRESH_NONCE + u64::from(id), u64::from);
                let text = &text(number, self.text_bytes_max);
                let room = model.room_numbered(at, room);
                ToServer::Post(Post { id, room, nonce: Nonce::new(nonce), kind, text, to: None })
                    .encode(&mut frame);
                return frame;
            }
            Speech::PostAgain(number) => match model.stored_post(at, number) {
                Some(post) => ToServer::Post(Post { id, ..post }),
                None => ToServer::Manual(Manual { id }),
            },
            Speech::Members(room, after) => {
                let after = after.map(|number| UserId::new(number.into()));
                ToServer::Members(Members { id, room: model.room_numbered(at, room), after })
            }
            Speech::Rooms(after) => {
                ToServer::Rooms(Rooms { id, after: after.map(|number| RoomId::new(number.into())) })
            }
            Speech::History { room, before, limit } => {
                let room = model.room_numbered(at, room);
                ToServer::History(History { id, room, before: seq(before), limit: limit.into() })
            }
            Speech::Search { query: number, room, before, limit } => ToServer::Search(Search {
                id,
                text: query(number),
                room: room.map(|room| model.room_numbered(at, room)),
                before: before.and_then(|before| model.position_numbered(before)),
                limit: limit.into(),
            }),
            Speech::Rename(name) => ToServer::Rename(Rename { id, nick: name.nick() }),
            Speech::Manual => ToServer::Manual(Manual { id }),
            Speech::Govern { room, act, name, seconds } => ToServer::Govern(Govern {
                id,
                room: model.room_numbered(at, room),
                act,
                name: name.nick(),
                seconds: seconds.map(u64::from),
                reason: if act % 2 == 0 { "because" } else { "" },
            }),
            Speech::SetMode { room, flags, slow } => {
                let wish = |digit| [None, Some(true), Some(false)][usize::from(flags / 3_u8.pow(digit) % 3)];
                ToServer::SetMode(SetMode {
                    id,
                    room: model.room_numbered(at, room),
                    private: wish(0),
                    read_only: wish(1),
                    topic_locked: wish(2),
                    slow_seconds: slow.map(|slow| [0, 1, 2, 30, 100_000][usize::from(slow) % 5]),
                    closed: wish(3),
                })
            }
            Speech::Rights(room, after) => {
                let after = after.map(|number| UserId::new(number.into()));
                ToServer::Rights(Rights { id, room: model.room_numbered(at, room), after })
            }
            Speech::Away(away) => ToServer::Away(Away { id, away }),
            Speech::Ping(token) => ToServer::Ping(Ping { token: token.into() }),
            Speech::Pong => ToServer::Pong(Pong { token: 3 }),
            Speech::Goodbye(reason) => ToServer::Goodbye(Goodbye { reason, text: "" }),
            Speech::Error => ToServer::Error(Error { code: 12, text: "" }),
        }
        .encode(&mut frame);
        frame
    }
}

/// What a client, or somebody who has seen all clients, knows to ask for.
impl Model {
    /// The room that a number stands for: mostly one that the user is in, else any there has been, or none.
    fn room_numbered(&self, at: ConnectionKey, number: u8) -> RoomId {
        let number = usize::from(number);
        if let Phase::Ready { user } = self[at].phase
            && let own = self.rooms_of(user)
            && !own.is_empty()
            && number < MOSTLY
        {
            return RoomId::new(self.known.room_id(own[number % own.len()]));
        }
        let rooms = self.known.all_rooms();
        rooms.get(number % (rooms.len() + 1)).copied().unwrap_or(NO_ROOM)
    }

    /// The place of a page's end that a number stands for, if any page ended before the last hit.
    fn position_numbered(&self, number: u8) -> Option<Position> {
        let positions = self.known.all_positions();
        positions.get(usize::from(number).checked_rem(positions.len())?).copied()
    }

    /// The token that a number stands for; one number stands for a token that nobody has.
    fn token_numbered(&self, number: u8) -> Token {
        let tokens = self.known.all_tokens();
        tokens.get(usize::from(number) % (tokens.len() + 1)).copied().unwrap_or(Token([0; 32]))
    }

    /// What somebody types to log in by this name.
    fn password_typed(&self, name: Name, word: Word) -> Password {
        let account = self.account_named(name.nick()).and_then(|user| self[user].account);
        let right = account.map_or(Password(0), |account| account.password);
        match word {
            Word::Right => right,
            Word::Wrong => Password(right.0 + 1),
        }
    }

    /// The device that a number stands for: mostly one of the account, else any there has been, or none.
    fn device_numbered(&self, at: ConnectionKey, number: u8) -> DeviceId {
        let number = usize::from(number);
        let own = match self[at].phase {
            Phase::Ready { user } => self.known.devices_of(&self.devices_of(user)),
            Phase::Connected | Phase::Greeted | Phase::Waiting { .. } | Phase::Closed => Vec::new(),
        };
        let devices = if number < MOSTLY { own } else { self.known.all_devices() };
        let device = number.checked_rem(devices.len()).and_then(|index| devices.get(index));
        device.copied().unwrap_or(DeviceId::new(999_999))
    }

    /// The stored post of whoever is on a connection that a number stands for.
    fn stored_post(&self, at: ConnectionKey, number: u8) -> Option<Post<'_>> {
        let Phase::Ready { user } = self[at].phase else { return None };
        let own: Vec<_> = self.stored.iter().filter(|((author, _), _)| *author == user).collect();
        let ((_, nonce), (room, seq)) = own.get(usize::from(number).checked_rem(own.len())?)?;
        let Logged { kind, ref text, .. } = *self[*room].event(seq.get());
        let room = RoomId::new(self.known.room_id(*room));
        Some(Post { id: 0, room, nonce: *nonce, kind, text, to: None })
    }

    /// Storage forgets all events of a room but the last: the room that the number stands for, and the first number
    /// that is kept.
    pub(super) fn trim(&mut self, number: u8) -> Option<(RoomId, u64)> {
        let full = |room: &RoomKey| !self[*room].ceased && self[*room].last() > 0;
        let full: Vec<_> = (0..self.rooms.len()).map(RoomKey).filter(full).collect();
        let room = *full.get(usize::from(number).checked_rem(full.len())?)?;
        self[room].first = self[room].last();
        Some((RoomId::new(self.known.room_id(room)), self[room].first))
    }

    /// The server's id of a user.
    pub(super) fn id_of(&self, user: UserKey) -> UserId {
        UserId::new(self.known.user_id(user))
    }

    /// R3: the room that exists from the start.
    pub(super) fn learn_lobby(&mut self, id: Option<RoomId>) -> Result<(), Divergence> {
        let id = id.ok_or_else(|| Divergence("R3: there is no lobby".into()))?;
        self.known.learn_room(RoomKey(0), id)
    }

    /// Every user id there has been, and the one before the first.
    pub(super) fn all_user_ids(&self) -> Vec<UserId> {
        [vec![UserId::new(0)], self.known.all_users()].concat()
    }

    /// Every room id there has been, and the one before the first.
    pub(super) fn all_room_ids(&self) -> Vec<RoomId> {
        [vec![RoomId::new(0)], self.known.all_rooms()].concat()
    }

    pub(super) fn all_tokens(&self) -> Vec<Token> {
        self.known.all_tokens()
    }

    /// The names of the rooms that exist.
    pub(super) fn all_room_names(&self) -> Vec<String> {
        let live = self.rooms.iter().filter(|room| !room.ceased);
        live.filter_map(|room| room.name().map(String::from)).collect()
    }

    /// The rooms of a user, each with the last number given in it.
    pub(super) fn rooms_and_ends_of(&self, user: UserKey) -> Vec<(RoomId, u64)> {
        let rooms = self.rooms_of(user).into_iter();
        rooms.map(|room| (RoomId::new(self.known.room_id(room)), self[room].last())).collect()
    }
}
