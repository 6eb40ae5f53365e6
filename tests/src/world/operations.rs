//! What honest people do, at their own pace.

use std::{fmt::Write as _, time::Duration};

use palabre_core::{
    client::{Client, RequestId, RoomInfo},
    error::{Misuse, RefusalCode},
    ids::{Nonce, RoomId, Seq},
    name::{Nick, OPERATORS, RoomName},
    storage::{EventFamily, EventKind},
    text::REACTION_BYTES_MAX,
    time::Now,
};

use super::{
    Phase, Task, World,
    actor::{name, some_seq},
};
use crate::{
    choices::Subsystem,
    oracle::{Invariant, PostNumber, Said, Violation, ensure},
    plan::Fault,
    sometimes,
    trace::Step,
};

/// What an honest client may do; nothing first, as the quietest.
pub const OPERATIONS: &[Operation] = &[
    Operation::Nothing,
    Operation::Post,
    Operation::Burst,
    Operation::Topic,
    Operation::Join,
    Operation::JoinFrom,
    Operation::Part,
    Operation::Direct,
    Operation::Rename,
    Operation::Members,
    Operation::Rooms,
    Operation::History,
    Operation::Away,
    Operation::Ping,
    Operation::Manual,
    Operation::ConnectNow,
    Operation::Rest,
    Operation::Devices,
    Operation::Password,
    Operation::Govern,
    Operation::Mode,
    Operation::Rights,
    Operation::Reply,
    Operation::Edit,
    Operation::Delete,
    Operation::React,
    Operation::Search,
];

/// How much likelier than by its drawn weight an operation is.
const LIKELIHOODS: &[u64] =
    &[1, 12, 4, 1, 4, 2, 1, 2, 1, 2, 1, 4, 1, 1, 1, 1, 1, 1, 1, 4, 1, 1, 3, 3, 2, 2, 3];

/// Something an honest client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Wait.
    Nothing,
    /// Say something, or do something.
    Post,
    /// Say a lot at once.
    Burst,
    /// Set or clear a topic.
    Topic,
    /// Join a room for what is new.
    Join,
    /// Join a room and read from a place.
    JoinFrom,
    /// Leave a room.
    Part,
    /// Open a direct conversation.
    Direct,
    /// Take another name.
    Rename,
    /// Ask who is there.
    Members,
    /// Ask which rooms there are.
    Rooms,
    /// Ask for the past.
    History,
    /// Be away, or back.
    Away,
    /// Measure.
    Ping,
    /// Read the manual.
    Manual,
    /// Be impatient.
    ConnectNow,
    /// Say nothing for minutes.
    Rest,
    /// Look where one is logged in, and perhaps end that somewhere.
    Devices,
    /// Take another password.
    Password,
    /// Do something to somebody in a room.
    Govern,
    /// Change what kind of room it is.
    Mode,
    /// Ask who has which rights.
    Rights,
    /// Answer a message.
    Reply,
    /// Write a message anew.
    Edit,
    /// Delete a message.
    Delete,
    /// React to a message, or take that back.
    React,
    /// Search what was said.
    Search,
}

/// A request under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Join {
        after: Option<Seq>,
    },
    Direct,
    Part,
    Members,
    Rooms,
    History,
    Rename,
    Away,
    Ping,
    Manual,
    Devices,
    Revoke,
    Govern,
    Mode,
    Rights,
    Search,
    /// By the number of the new one.
    Password(u32),
}

/// Exactly as long as the name of a room may be.
const LONG_ROOM: &str = "#a-name-of-a-room.that_has_exactly-the-64-bytes-that-it-may-have";
const _: () = assert!(LONG_ROOM.len() == 64);
const ROOMS: &[&str] = &["#lobby", "#rust", "#Café", "#a", LONG_ROOM, OPERATORS];
const NAMES: &[&str] =
    &["ana", "bob", "carol", "dave", "eve", "рaypal", "ANA", "zoe", "fresh-reader-2", "nobody"];

/// What is searched for; nothing stands for the number of a post.
const QUERIES: &[&str] = &["", "1*", "\"to go\"", "worth bytes", "read", "reading*", "\" OR a"];

fn room_name(text: &str) -> RoomName {
    RoomName::parse(text).expect("a name of the list")
}

impl World {
    /// A client's turn.
    pub(super) fn operation(&mut self, actor: usize) -> Result<(), Violation> {
        self.actors[actor].has_turn = false;
        if self.phase > Phase::Safety || self.actors[actor].client.is_none() {
            return Ok(());
        }
        let weights: Vec<_> = self
            .plan
            .operation_weights
            .iter()
            .zip(LIKELIHOODS)
            .map(|(weight, factor)| weight * factor)
            .collect();
        let operation = OPERATIONS[self.choices.weighted(Subsystem::Operations, &weights)];
        let mut pause = self.choices.duration(Subsystem::Operations, self.plan.operation_every);
        if operation == Operation::Rest {
            let rests = [Duration::from_secs(5), Duration::from_secs(70), Duration::from_secs(200)];
            pause = *self.choices.pick(Subsystem::Operations, &rests);
        }
        self.operations += 1;
        if !self.options.skip.operations.contains(self.operations) {
            self.note(Step::Operation(actor, format!("{operation:?}")));
            self.operate(actor, operation)?;
        }
        self.actors[actor].has_turn = true;
        self.agenda.add(self.now.after(pause), Task::Operation(actor));
        Ok(())
    }

    fn operate(&mut self, actor: usize, operation: Operation) -> Result<(), Violation> {
        match operation {
            Operation::Nothing | Operation::Rest => Ok(()),
            Operation::Post => {
                let action = self.choices.chance(Subsystem::Operations, 1, 5);
                self.post(actor, if action { EventKind::Action } else { EventKind::Posted })
            }
            Operation::Burst => {
                for _ in 0..self.choices.between(Subsystem::Operations, 2, 30) {
                    self.post(actor, EventKind::Posted)?;
                }
                Ok(())
            }
            Operation::Topic => self.post(actor, EventKind::Topic),
            Operation::Join => self.join(actor, None),
            Operation::JoinFrom => {
                let last = self.some_room(actor).map_or(Seq::new(0), |room| room.last);
                let after = some_seq(last, &mut self.choices);
                self.join(actor, after)
            }
            Operation::Part => match self.some_room(actor) {
                Some(room) => {
                    self.actors[actor].parted.push(room.id);
                    self.verb(actor, Request::Part, |client, now| client.part(room.id, now))
                }
                None => Ok(()),
            },
            Operation::Direct => {
                let nick = self.some_nick(actor);
                self.verb(actor, Request::Direct, |client, now| client.direct(&nick, now))
            }
            Operation::Rename => match Nick::parse(self.choices.pick::<&str>(Subsystem::Operations, NAMES)) {
                Ok(nick) => self.rename(actor, &nick),
                Err(_) => Ok(()),
            },
            Operation::Members => {
                self.in_some_room(actor, Request::Members, |client, room, now| client.members(room.id, now))
            }
            Operation::Rooms => self.verb(actor, Request::Rooms, Client::rooms),
            Operation::History => {
                let before = self.some_room(actor).and_then(|room| some_seq(room.last, &mut self.choices));
                let before = before.filter(|before| before.get() > 0);
                let limit = *self.choices.pick(Subsystem::Operations, &[0, 1, 5, 200, u16::MAX]);
                self.in_some_room(actor, Request::History, |client, room, now| {
                    client.history(room.id, before, limit, now)
                })
            }
            Operation::Away => {
                let away = self.choices.chance(Subsystem::Operations, 1, 2);
                self.verb(actor, Request::Away, |client, now| client.away(away, now))
            }
            Operation::Ping => self.verb(actor, Request::Ping, Client::ping),
            Operation::Manual => self.verb(actor, Request::Manual, Client::manual),
            Operation::Devices => self.verb(actor, Request::Devices, Client::devices),
            Operation::Password => self.change_password(actor),
            Operation::Govern => self.govern(actor),
            Operation::Mode => self.change_mode(actor),
            Operation::Rights => {
                self.in_some_room(actor, Request::Rights, |client, room, now| client.rights(room.id, now))
            }
            Operation::Reply => self.post_about(actor, EventKind::Posted),
            Operation::Edit => self.post_about(actor, EventKind::Edited),
            Operation::Delete => self.post_about(actor, EventKind::Deleted),
            Operation::React => {
                let take_back = self.choices.chance(Subsystem::Operations, 1, 4);
                self.post_about(actor, if take_back { EventKind::Unreacted } else { EventKind::Reacted })
            }
            Operation::Search => self.search(actor),
            Operation::ConnectNow => self.client_input(actor, Client::connect_now),
        }
    }

    /// Calls a verb of a client and remembers what it is to answer.
    pub(super) fn verb(
        &mut self,
        actor: usize,
        request: Request,
        verb: impl FnOnce(&mut Client, Now) -> Result<RequestId, Misuse>,
    ) -> Result<(), Violation> {
        self.ask(actor, request, verb).map(drop)
    }

    /// Another name, be it to enter by.
    pub(super) fn rename(&mut self, actor: usize, nick: &Nick) -> Result<(), Violation> {
        // Whose account is not let in does not come as a guest instead.
        let state = &self.actors[actor];
        if state.holding.name.is_some() && !state.client.as_ref().is_some_and(Client::is_ready) {
            return Ok(());
        }
        self.ask(actor, Request::Rename, |client, now| client.rename(nick, now)).map(drop)
    }

    /// Calls a verb: the request, if the client took it.
    fn ask(
        &mut self,
        actor: usize,
        request: Request,
        verb: impl FnOnce(&mut Client, Now) -> Result<RequestId, Misuse>,
    ) -> Result<Option<RequestId>, Violation> {
        let now = self.client_now();
        let Some(client) = self.actors[actor].client.as_mut() else { return Ok(None) };
        let taken = verb(client, now).ok();
        if let Some(id) = taken {
            let again = self.actors[actor].requests.insert(id, request);
            ensure(again.is_none(), Invariant::Contract, || format!("c{actor} gives {id:?} twice"))?;
        }
        self.drain_client(actor)?;
        Ok(taken)
    }

    fn in_some_room(
        &mut self,
        actor: usize,
        request: Request,
        verb: impl FnOnce(&mut Client, RoomInfo, Now) -> Result<RequestId, Misuse>,
    ) -> Result<(), Violation> {
        match self.some_room(actor) {
            Some(room) => self.verb(actor, request, |client, now| verb(client, room, now)),
            None => Ok(()),
        }
    }

    fn join(&mut self, actor: usize, after: Option<Seq>) -> Result<(), Violation> {
        let name = room_name(self.choices.pick::<&str>(Subsystem::Operations, ROOMS));
        self.verb(actor, Request::Join { after }, |client, now| client.join(&name, after, now))
    }

    pub(super) fn some_room(&mut self, actor: usize) -> Option<RoomInfo> {
        let client = self.actors[actor].client.as_ref()?;
        let rooms: Vec<_> = client.joined().cloned().collect();
        (!rooms.is_empty()).then(|| self.choices.pick(Subsystem::Operations, &rooms).clone())
    }

    /// Searches for a post by its number, or for what many say, in a room or in all.
    fn search(&mut self, actor: usize) -> Result<(), Violation> {
        let number = self.choices.below(Subsystem::Operations, self.ledger.next_number().0 as u64 + 1);
        let text = *self.choices.pick::<&str>(Subsystem::Operations, QUERIES);
        let text = if text.is_empty() { number.to_string() } else { text.to_owned() };
        let limit = *self.choices.pick(Subsystem::Operations, &[0, 1, 5, 200]);
        if self.choices.chance(Subsystem::Operations, 1, 2) {
            return self
                .verb(actor, Request::Search, |client, now| client.search(&text, None, None, limit, now));
        }
        self.in_some_room(actor, Request::Search, |client, room, now| {
            client.search(&text, Some(room.id), None, limit, now)
        })
    }

    pub(super) fn some_nick(&mut self, actor: usize) -> Nick {
        let other = self.choices.index(Subsystem::Operations, self.actors.len());
        let known = self.actors[other].client.as_ref().map(|client| client.nick().clone());
        let stranger = self.choices.chance(Subsystem::Operations, 1, 6);
        known.filter(|_| other != actor && !stranger).unwrap_or_else(|| name("nobody"))
    }

    pub(super) fn post(&mut self, actor: usize, kind: EventKind) -> Result<(), Violation> {
        let Some(room) = self.some_room(actor) else { return Ok(()) };
        let number = self.ledger.next_number();
        let (text, valid) = self.draw_text(number, kind);
        self.post_text(actor, room.id, Said { kind, to: None, text }, valid)
    }

    /// Posts about one of the last messages of a room, mostly about one's own; sometimes about a number that may be anything.
    fn post_about(&mut self, actor: usize, kind: EventKind) -> Result<(), Violation> {
        let Some(room) = self.some_room(actor) else { return Ok(()) };
        let user = self.actors[actor].client.as_ref().and_then(Client::user).unwrap_or_default();
        let any = self.choices.chance(Subsystem::Operations, 1, 4);
        let log = self.store.durable().room(room.id).map(|room| room.log.as_slice()).unwrap_or_default();
        // A number that is given later would be one of something else by then.
        let given = Seq::new(log.len() as u64);
        let last = log.iter().rev().take(30).map(|(event, _)| event);
        let fitting: Vec<Seq> = last
            .filter(|event| {
                event.kind.is_message()
                    && (any || kind.family() != EventFamily::Revision || event.author == user)
            })
            .map(|event| event.seq)
            .collect();
        let to = if fitting.is_empty() || self.choices.chance(Subsystem::Operations, 1, 20) {
            some_seq(room.last, &mut self.choices).unwrap_or_default().min(given)
        } else {
            *self.choices.pick(Subsystem::Operations, &fitting)
        };
        let number = self.ledger.next_number();
        let is_deletion = kind == EventKind::Deleted;
        let (text, valid) = if is_deletion { (String::new(), true) } else { self.draw_text(number, kind) };
        self.post_text(actor, room.id, Said { kind, to: Some(to), text }, valid)
    }

    pub(super) fn post_text(
        &mut self,
        actor: usize,
        room: RoomId,
        said: Said,
        valid: bool,
    ) -> Result<(), Violation> {
        let nonce = said.kind == EventKind::Deleted || self.choices.chance(Subsystem::Operations, 1, 2);
        let nonce = nonce.then(|| Nonce::new(self.ledger.next_number().0 as u64));
        let now = self.client_now();
        let number = self.ledger.next_number();
        let state = &mut self.actors[actor];
        let Some(client) = state.client.as_mut() else { return Ok(()) };
        let user = client.user();
        let Said { kind, to, text } = &said;
        let taken = match (kind, to) {
            (EventKind::Edited, Some(to)) => client.edit(room, *to, text, nonce, now),
            (EventKind::Deleted, Some(to)) => client.delete(room, *to, nonce, now),
            (EventKind::Reacted | EventKind::Unreacted, Some(to)) => {
                client.react(room, *to, text, *kind == EventKind::Unreacted, now)
            }
            (kind, Some(to)) => client.reply(room, *to, *kind, text, nonce, now),
            (kind, None) => client.post(room, *kind, text, nonce, now),
        };
        match taken {
            Ok(post) => {
                ensure(valid, Invariant::Peaceful, || format!("c{actor} takes the invalid text {text:?}"))?;
                state.posts.insert(post, number);
                self.ledger.written(actor, user.unwrap_or_default(), room, said);
            }
            Err(misuse) => {
                let text_refused =
                    matches!(&misuse, Misuse::Text(refusal) if refusal.code != RefusalCode::SlowDown);
                ensure(!valid || !text_refused, Invariant::Peaceful, || {
                    format!("c{actor} refuses the valid text {text:?}: {misuse:?}")
                })?;
            }
        }
        self.drain_client(actor)
    }

    /// A text that begins with the post's number, and whether it is valid.
    fn draw_text(&mut self, number: PostNumber, kind: EventKind) -> (String, bool) {
        let limits = &self.plan.limits;
        let bytes_max = match kind.family() {
            EventFamily::Topic => limits.topic_bytes_max,
            EventFamily::Reaction => REACTION_BYTES_MAX,
            EventFamily::Message | EventFamily::Revision | EventFamily::Act | EventFamily::File => {
                limits.text_bytes_max
            }
        };
        let mut text = format!("{}:", number.0);
        if self.choices.chance(Subsystem::Operations, 1, 40) {
            sometimes!("an invalid text was tried");
            text.push('\u{7}');
            return (text, false);
        }
        let long = self.plan.has(Fault::LongTexts) && self.choices.chance(Subsystem::Operations, 1, 3);
        let bytes = if long {
            let sizes = [bytes_max, bytes_max - 1, bytes_max / 2, bytes_max / 10, bytes_max + 1];
            *self.choices.pick(Subsystem::Operations, &sizes)
        } else {
            text.len() + self.choices.index(Subsystem::Operations, 60)
        };
        sometimes!("a text of exactly the limit", bytes == bytes_max);
        while text.len() + 64 < bytes {
            let left = bytes - text.len();
            write!(text, "{left} bytes to go, all of them worth reading.").expect("memory");
        }
        while text.len() < bytes {
            text.push('.');
        }
        (text, bytes <= bytes_max)
    }
}
