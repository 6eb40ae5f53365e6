//! From `Hello` to `Ready` (`PROTOCOL.md` sections V and E).

use alloc::{format, vec::Vec};

use rand_core::RngCore;

use super::{NameHolder, Pending, Server, receive::Taken};
use crate::{
    connection::{Entering, Newcomer, Phase, Posting, Ready, Requests, Waiting, hash_token},
    error::{ProtocolError, Refusal, RefusalCode},
    hub::{Clash, Standing, User},
    ids::{ConnectionId, UserId},
    name::{NameKey, Nick, suggest},
    output::{EndCause, Event},
    rate::Bucket,
    storage::{StorageFailure, StorageOperation, StorageOutcome, Ticket},
    timer::Timer,
    wire::{self, MECHANISM_GUEST, Token, VERSION},
};

impl Server {
    pub(super) fn welcome(&mut self, id: ConnectionId, hello: &wire::Hello<'_>) -> Taken {
        if hello.first > hello.last {
            return self.accuse(id, ProtocolError::MalformedBody);
        }
        if !(hello.first..=hello.last).contains(&VERSION) {
            let text =
                format!("This server speaks version {VERSION} of the protocol; use a client that does.");
            return self.accuse_saying(id, ProtocolError::VersionUnsupported, &text);
        }
        let welcome = wire::Welcome {
            version: VERSION,
            server: &self.config.program,
            incarnation: self.incarnation,
            mechanisms: MECHANISM_GUEST,
            features: 0,
            limits: self.config.limits.announced(),
        };
        self.peers.answer(id, welcome, &self.config.limits);
        self.peers.move_to(id, Phase::Choosing, &self.config.limits);
        Taken::Yes
    }

    pub(super) fn enter_as_guest(&mut self, id: ConnectionId, guest: &wire::Guest<'_>) -> Taken {
        match self.free_name(guest.nick, NameHolder::Connection(id)) {
            Ok((nick, key)) => {
                self.user_names.take(&key, NameHolder::Connection(id));
                self.seek_place(id, guest.id, Newcomer::Guest { nick, key }, false);
            }
            Err(refusal) => self.refuse(id, guest.id, &refusal),
        }
        Taken::Yes
    }

    /// The name as `holder` may have it.
    pub(super) fn free_name(&self, name: &str, holder: NameHolder) -> Result<(Nick, NameKey), Refusal> {
        let nick = Nick::parse(name).map_err(|error| error.refusal(name))?;
        let key = nick.key();
        let Some(clash) = self.user_names.clash(&key, Some(holder)) else { return Ok((nick, key)) };
        let free = suggest(&nick, |key| self.user_names.clash(key, Some(holder)).is_some());
        let next = match &free {
            Some(free) => format!("try {free}"),
            None => "choose another".into(),
        };
        let refusal = match clash {
            Clash::Same(_) => {
                Refusal::new(RefusalCode::NameInUse, format!("The name {nick} is taken; {next}."))
            }
            Clash::LooksAlike(_) => Refusal::new(
                RefusalCode::NameLooksAlike,
                format!("The name {nick} looks like one that is taken; {next}."),
            ),
        };
        Err(refusal.about(nick.as_str()).suggesting(free.map(|free| free.as_str().into())))
    }

    pub(super) fn enter_again(&mut self, id: ConnectionId, resume: &wire::Resume) -> Taken {
        let found = self.users.by_token(hash_token(resume.token));
        let Some(user) = found.and_then(|user| self.users.get(user)) else {
            let text = "The server does not know this token any more; enter as a new guest.";
            self.refuse(id, resume.id, &Refusal::new(RefusalCode::TokenUnknown, text));
            return Taken::Yes;
        };
        let lost = matches!(user.standing, Standing::Lost(_));
        if lost && !self.has_place_or_queue() {
            // It is as lost as before: being turned away does not give it more time.
            self.turn_away(id, resume.id);
            return Taken::Yes;
        }
        let Some(user) = found.and_then(|user| self.users.get_mut(user)) else { return Taken::Yes };
        let newcomer = Newcomer::Returning { user: user.id, token: resume.token };
        let previous = core::mem::replace(&mut user.standing, Standing::Returning(id));
        let user = user.id;
        let superseded = match previous {
            Standing::Lost(at) => {
                self.peers.timers.disarm(at, Timer::Guest(user));
                false
            }
            Standing::Connected(older) | Standing::Returning(older) => {
                self.supersede(older);
                true
            }
        };
        self.seek_place(id, resume.id, newcomer, superseded);
        self.promote();
        Taken::Yes
    }

    /// Gives a newcomer a place, lets it wait for one, or turns it away. One who takes the place of its older
    /// connection stands before those who wait.
    fn seek_place(&mut self, id: ConnectionId, request: u32, newcomer: Newcomer, superseding: bool) {
        let limits = &self.config.limits;
        let free = self.places.taken < limits.clients_max;
        if free && (superseding || self.places.queued() == 0) {
            self.take_place(id, request, newcomer);
        } else if self.places.queued() < limits.queue_max as usize {
            let returning = matches!(newcomer, Newcomer::Returning { .. });
            self.places.enqueue(id, returning);
            self.peers.move_to(id, Phase::Waiting(Waiting { newcomer, request, told: 0 }), limits);
            self.tell_positions();
        } else {
            self.release_newcomer(id, &newcomer, false);
            self.turn_away(id, request);
        }
    }

    fn has_place_or_queue(&self) -> bool {
        let limits = &self.config.limits;
        self.places.taken < limits.clients_max || self.places.queued() < limits.queue_max as usize
    }

    fn turn_away(&mut self, id: ConnectionId, request: u32) {
        let text = "The server is full, and so is its queue; try again later.";
        self.refuse(id, request, &Refusal::new(RefusalCode::ServerFull, text));
        let farewell = wire::Goodbye { reason: wire::goodbye::SERVER_FULL, text };
        self.close(id, EndCause::ServerFull, Some(farewell.into()));
    }

    /// Tells everybody who waits its position, where it changed.
    pub(super) fn tell_positions(&mut self) {
        let waiting: Vec<ConnectionId> = self.places.waiting().collect();
        for (position, id) in (1..).zip(waiting) {
            let Some(connection) = self.peers.connections.get_mut(id) else { continue };
            let Phase::Waiting(waiting) = &mut connection.phase else { continue };
            if waiting.told == position {
                continue;
            }
            let first = waiting.told == 0;
            waiting.told = position;
            self.peers.tell(id, wire::Waiting { position }, &self.config.limits);
            if first {
                self.report(Event::Queued { connection: id, position });
            }
        }
    }

    /// Gives the places that are free to those who wait.
    pub(super) fn promote(&mut self) {
        while self.places.taken < self.config.limits.clients_max && self.drain.is_none() {
            let Some(id) = self.places.dequeue() else { return };
            let Some(connection) = self.peers.connections.get(id) else { continue };
            let Phase::Waiting(waiting) = &connection.phase else { continue };
            let (newcomer, request) = (waiting.newcomer.clone(), waiting.request);
            self.take_place(id, request, newcomer);
            self.tell_positions();
        }
    }

    /// Takes a place and has storage write who it is for: only then is it welcome (E4).
    fn take_place(&mut self, id: ConnectionId, request: u32, newcomer: Newcomer) {
        self.places.taken += 1;
        if let Some(connection) = self.peers.connections.get_mut(id)
            && matches!(connection.phase, Phase::Waiting(_))
        {
            // The time it waited is not the time it has to enter.
            connection.entering = self.peers.now.monotonic;
        }
        let (token, ticket) = match &newcomer {
            Newcomer::Guest { nick, .. } => {
                let mut token = Token([0; 32]);
                self.rng.fill_bytes(&mut token.0);
                let operation =
                    StorageOperation::CreateGuest { nick: nick.shared(), token_hash: hash_token(token) };
                (token, self.ask_storage(Pending::Create { connection: id }, operation))
            }
            Newcomer::Returning { user, token } => {
                let nick = self.users.get(*user).map_or_else(|| "".into(), |user| user.nick.shared());
                let operation = StorageOperation::UpdateGuest { user: *user, nick, expires: None };
                (*token, self.ask_storage(Pending::Return { connection: id }, operation))
            }
        };
        let entering = Entering { newcomer, token, ticket, request };
        self.peers.move_to(id, Phase::Entering(entering), &self.config.limits);
    }

    /// Storage has written a newcomer, or has not.
    pub(super) fn written(
        &mut self,
        id: ConnectionId,
        ticket: Ticket,
        result: Result<StorageOutcome, StorageFailure>,
    ) {
        let entering = self.peers.connections.get(id).and_then(|connection| match &connection.phase {
            Phase::Entering(entering) if entering.ticket == ticket => Some(entering),
            Phase::Entering(_)
            | Phase::Securing
            | Phase::Greeting
            | Phase::Choosing
            | Phase::Waiting(_)
            | Phase::Ready(_)
            | Phase::Closing(_) => None,
        });
        let Some(entering) = entering else { return self.nobody_enters(result) };
        let (newcomer, token, request) = (entering.newcomer.clone(), entering.token, entering.request);
        match (newcomer, result) {
            (Newcomer::Guest { nick, key }, Ok(StorageOutcome::GuestCreated { user })) => {
                self.add_guest(id, user, nick, key, token);
                self.ready(id, request, user, token, false);
            }
            (Newcomer::Returning { user, .. }, Ok(StorageOutcome::Done)) => {
                self.ready(id, request, user, token, true)
            }
            (newcomer, result) => {
                let failure = result.err().unwrap_or(StorageFailure::Failed);
                let refusal = self.storage_refusal("enter", failure);
                self.refuse(id, request, &refusal);
                self.release_newcomer(id, &newcomer, false);
                self.places.taken -= 1;
                self.peers.move_to(id, Phase::Choosing, &self.config.limits);
                self.promote();
            }
        }
    }

    /// A guest whose connection is gone before it was welcomed has never existed for anybody.
    fn nobody_enters(&mut self, result: Result<StorageOutcome, StorageFailure>) {
        if let Ok(StorageOutcome::GuestCreated { user }) = result {
            self.ask_storage(Pending::Background, StorageOperation::RemoveGuest { user });
        }
    }

    fn add_guest(&mut self, id: ConnectionId, user: UserId, nick: Nick, key: NameKey, token: Token) {
        self.user_names.take(&key, NameHolder::User(user));
        self.users.insert(User {
            id: user,
            nick,
            key,
            token_hash: hash_token(token),
            standing: Standing::Connected(id),
            away: false,
            shown: wire::state::HERE,
            rooms: Default::default(),
            directs: Default::default(),
            joining: 0,
            leaving: Vec::new(),
        });
    }

    fn ready(&mut self, id: ConnectionId, request: u32, user_id: UserId, token: Token, resumed: bool) {
        let now = self.peers.now.monotonic;
        let Some(user) = self.users.get_mut(user_id) else { return };
        user.standing = Standing::Connected(id);
        user.away = false;
        let nick = user.nick.clone();
        let limits = &self.config.limits;
        let ready = Ready {
            user: user_id,
            posting: Posting::new(limits, now),
            requests: Requests {
                bucket: Bucket::new(limits.request_burst, limits.requests_per_second, now),
                in_flight: 0,
                history: false,
            },
            following: Vec::new(),
            behind: Vec::new(),
            reading: None,
            read_again: None,
            changes_held_back: false,
            rooms_created: 0,
        };
        self.peers.move_to(id, Phase::Ready(ready), limits);
        self.say_ready(id, request, user_id, token);
        self.announce_credit(id);
        self.show(user_id);
        self.report(Event::Entered { connection: id, user: user_id, nick: nick.as_str().into(), resumed });
    }

    fn say_ready(&mut self, id: ConnectionId, request: u32, user_id: UserId, token: Token) {
        let Some(user) = self.users.get(user_id) else { return };
        let mut rooms: Vec<_> = user.all_rooms().filter_map(|room| self.rooms.get(room)).collect();
        rooms.sort_by_key(|room| room.id);
        let kept = self.config.limits.guest_kept.as_secs();
        let ready = wire::Ready {
            id: request,
            user: user_id,
            nick: user.nick.as_str(),
            token,
            keep_seconds: u32::try_from(kept).unwrap_or(u32::MAX),
            rooms: rooms.into_iter().map(|room| room.part(user_id)).collect(),
        };
        self.peers.answer(id, ready, &self.config.limits);
    }

    /// Gives back what a newcomer had reserved; one who came back `leaves` for good or is lost again.
    pub(super) fn release_newcomer(&mut self, id: ConnectionId, newcomer: &Newcomer, leaves: bool) {
        match newcomer {
            Newcomer::Guest { key, .. } => self.user_names.free(key, NameHolder::Connection(id)),
            Newcomer::Returning { user, .. } => {
                let standing = self.users.get(*user).map(|user| user.standing);
                if standing != Some(Standing::Returning(id)) {
                    return;
                }
                if leaves {
                    self.remove_user(*user, wire::state::GONE);
                } else {
                    self.lose(*user);
                }
            }
        }
    }
}
