//! From `Hello` to `Ready` (`PROTOCOL.md` sections V and E).

use alloc::{boxed::Box, format, vec, vec::Vec};

use rand_core::RngCore;

use super::{NameHolder, Pending, Server, receive::Taken};
use crate::{
    config::Registration,
    connection::{Entering, Newcomer, Phase, Posting, Ready, Requests, Transfers, Waiting, hash_token},
    error::{ProtocolError, Refusal, RefusalCode},
    hub::{Clash, Device, Holder, Seat, User},
    ids::{ConnectionId, DeviceId, UserId},
    name::{NameKey, Nick, suggest},
    output::{EndCause, Event},
    rate::Bucket,
    storage::{DeviceToken, StorageFailure, StorageOperation, StorageOutcome, Ticket},
    timer::Timer,
    wire::{
        self, FEATURE_RENEWAL, MECHANISM_ACCOUNT, MECHANISM_GUEST, MECHANISM_INVITED, MECHANISM_PLAIN,
        MECHANISM_REGISTER, Token, VERSION,
    },
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
        if let Some(connection) = self.peers.connections.get_mut(id) {
            connection.session = hello.session.unwrap_or_default();
            connection.renews = hello.features & FEATURE_RENEWAL != 0;
        }
        let welcome = wire::Welcome {
            version: VERSION,
            server: &self.config.program,
            incarnation: self.incarnation,
            mechanisms: self.mechanisms(),
            features: 0,
            limits: self.config.limits.announced(),
        };
        self.peers.answer(id, welcome, &self.config.limits);
        self.peers.move_to(id, Phase::Choosing, &self.config.limits);
        Taken::Yes
    }

    fn mechanisms(&self) -> u64 {
        let accounts = self.config.accounts.as_ref();
        let makes = |by| accounts.is_some_and(|accounts| accounts.registration == by);
        let bits = [
            (self.config.guests, MECHANISM_GUEST),
            (accounts.is_some(), MECHANISM_ACCOUNT),
            (makes(Registration::Open), MECHANISM_REGISTER),
            (makes(Registration::Invite), MECHANISM_INVITED),
            (accounts.is_some_and(|accounts| accounts.plain), MECHANISM_PLAIN),
        ];
        bits.into_iter().filter(|(offered, _)| *offered).fold(0, |all, (_, bit)| all | bit)
    }

    pub(super) fn enter_as_guest(&mut self, id: ConnectionId, guest: &wire::Guest<'_>) -> Taken {
        self.leave_enrolment(id);
        if !self.config.guests {
            let text = "This server lets no guests in; log in, or register.";
            self.refuse(id, guest.id, &Refusal::new(RefusalCode::NotAllowed, text));
            return Taken::Yes;
        }
        match self.new_name(guest.nick, id) {
            Ok((nick, key)) => {
                self.user_names.take(&key, NameHolder::Connection(id));
                self.seek_place(id, guest.id, Newcomer::Guest { nick, key }, false);
            }
            Err(refusal) => self.refuse(id, guest.id, &refusal),
        }
        Taken::Yes
    }

    /// The name as somebody new may come by it on a connection.
    pub(super) fn new_name(&self, name: &str, id: ConnectionId) -> Result<(Nick, NameKey), Refusal> {
        let (nick, key) = self.free_name(name, NameHolder::Connection(id))?;
        self.may_begin(key.folded())?;
        Ok((nick, key))
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
        self.leave_enrolment(id);
        let now = self.peers.now.monotonic;
        let (holder, token) = self.holder_of(resume.token);
        let device = holder.and_then(|holder| self.users.device(holder));
        let (Some(holder), Some(device)) = (holder, device) else {
            let text = "The server does not know this token any more; log in again, or enter as a new guest.";
            self.refuse(id, resume.id, &Refusal::new(RefusalCode::TokenUnknown, text));
            return Taken::Yes;
        };
        if let Err(refusal) = self.may_enter(holder.user) {
            self.refuse(id, resume.id, &refusal);
            return Taken::Yes;
        }
        let account = self.users.get(holder.user).is_some_and(|user| user.is_account());
        // A guest is on one connection; of an account's device, a run of its client is.
        let session = self.session_of(id);
        let older = device.seats.iter().position(|seat| !account || seat.session == session);
        let (lost, expires) = (device.seats.is_empty(), device.expires);
        if account && lost && expires <= now {
            self.remove_device(holder);
            let text = "This device was not used for long; log in again.";
            self.refuse(id, resume.id, &Refusal::new(RefusalCode::TokenUnknown, text));
            return Taken::Yes;
        }
        if account && older.is_none() && self.has_too_many_connected(holder.user) {
            let text = "The account has as many connections as may be; end one of them first.";
            self.refuse(id, resume.id, &Refusal::new(RefusalCode::SlowDown, text));
            return Taken::Yes;
        }
        if older.is_none() && !self.has_place_or_queue() {
            // It is as lost as before: being turned away does not give it more time.
            self.turn_away(id, resume.id);
            return Taken::Yes;
        }
        if let Some(device) = self.users.device_mut(holder) {
            let seat = Seat { connection: id, session, entered: false };
            match older {
                Some(at) => {
                    let older = core::mem::replace(&mut device.seats[at], seat);
                    self.supersede(older.connection);
                }
                None => {
                    device.seats.push(seat);
                    self.peers.timers.disarm(expires, Timer::Guest(holder.user));
                }
            }
        }
        let newcomer = Newcomer::Returning { holder, token };
        self.seek_place(id, resume.id, newcomer, older.is_some());
        self.promote();
        Taken::Yes
    }

    /// Of which run of its client a connection is.
    pub(super) fn session_of(&self, id: ConnectionId) -> u64 {
        self.peers.connections.get(id).map_or(0, |connection| connection.session)
    }

    /// Gives a newcomer a place, lets it wait for one, or turns it away. One who takes the place of its older
    /// connection stands before those who wait.
    pub(super) fn seek_place(
        &mut self,
        id: ConnectionId,
        request: u32,
        newcomer: Newcomer,
        superseding: bool,
    ) {
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
        if let Some(connection) = self.peers.connections.get_mut(id)
            && matches!(connection.phase, Phase::Waiting(_))
        {
            // The time it waited is not the time it has to enter.
            connection.entering = self.peers.now.monotonic;
        }
        let may = self.may_still_enter(&newcomer).and_then(|()| match &newcomer {
            Newcomer::Account(account) => self.spend(account),
            Newcomer::Guest { .. } | Newcomer::Returning { .. } | Newcomer::Device { .. } => Ok(()),
        });
        if let Err(refusal) = may {
            self.refuse(id, request, &refusal);
            self.release_newcomer(id, &newcomer, false);
            return self.peers.move_to(id, Phase::Choosing, &self.config.limits);
        }
        self.places.taken += 1;
        let token;
        let ticket = match &newcomer {
            Newcomer::Guest { nick, .. } => {
                token = self.draw_token();
                let operation =
                    StorageOperation::CreateGuest { nick: nick.shared(), token_hash: hash_token(token) };
                self.ask_storage(Pending::Create { connection: id }, operation)
            }
            Newcomer::Returning { holder, token: own } => {
                let written;
                (token, written) = self.renewal(id, *holder, *own);
                let operation = self.return_of(*holder, written);
                let written = written.map(|written| (*holder, written));
                self.ask_storage(Pending::Return { connection: id, token: written }, operation)
            }
            Newcomer::Account(account) => {
                token = self.draw_token();
                self.create_account(id, account, token)
            }
            Newcomer::Device { user, version, name } => {
                token = self.draw_token();
                self.create_device(id, (*user, *version), name, token)
            }
        };
        let entering = Entering { newcomer, token, ticket, request };
        self.peers.move_to(id, Phase::Entering(entering), &self.config.limits);
    }

    /// What storage writes of one who comes back.
    fn return_of(&mut self, holder: Holder, token: Option<DeviceToken>) -> StorageOperation {
        let wall = self.peers.now.wall;
        let account = self.users.get(holder.user).is_some_and(|user| user.is_account());
        if account {
            if let Some(device) = self.users.device_mut(holder) {
                device.seen = wall;
            }
            return StorageOperation::SeeDevice { device: holder.device, seen: wall, token };
        }
        let nick = self.users.get(holder.user).map_or_else(|| "".into(), |user| user.nick.shared());
        StorageOperation::UpdateGuest { user: holder.user, nick, expires: None }
    }

    /// The request and the token of a connection that is entering, if this ticket is what it waits for.
    pub(super) fn entering_by(&self, id: ConnectionId, ticket: Ticket) -> Option<(u32, Token)> {
        match &self.peers.connections.get(id)?.phase {
            Phase::Entering(entering) if entering.ticket == ticket => {
                Some((entering.request, entering.token))
            }
            Phase::Entering(_)
            | Phase::Securing
            | Phase::Greeting
            | Phase::Choosing
            | Phase::Enrolling(_)
            | Phase::Proving(_)
            | Phase::Verifying(_)
            | Phase::Waiting(_)
            | Phase::Ready(_)
            | Phase::Closing(_) => None,
        }
    }

    /// A token that no user has. Random numbers that repeat (a machine restored from a snapshot) must not make a
    /// newcomer somebody who is there already.
    fn draw_token(&mut self) -> Token {
        let mut token = Token([0; 32]);
        loop {
            self.rng.fill_bytes(&mut token.0);
            if self.users.by_token(hash_token(token)).is_none() {
                return token;
            }
        }
    }

    /// Storage has written a guest, or has not.
    pub(super) fn written(
        &mut self,
        id: ConnectionId,
        ticket: Ticket,
        result: Result<StorageOutcome, StorageFailure>,
    ) {
        let Some((request, token)) = self.entering_by(id, ticket) else { return self.nobody_enters(result) };
        let newcomer = match self.peers.connections.get(id).map(|connection| &connection.phase) {
            Some(Phase::Entering(entering)) => entering.newcomer.clone(),
            Some(_) | None => return,
        };
        match (newcomer, result) {
            (Newcomer::Guest { nick, key }, Ok(StorageOutcome::GuestCreated { user })) => {
                self.add_guest(id, user, nick, key, token);
                self.ready(id, request, Holder { user, device: DeviceId::default() }, token, false);
            }
            (Newcomer::Returning { holder, .. }, Ok(StorageOutcome::Done)) => {
                self.ready(id, request, holder, token, true);
            }
            (_, result) => self.not_written(id, request, result.err().unwrap_or(StorageFailure::Failed)),
        }
    }

    /// Storage could not write a newcomer: it may try again.
    pub(super) fn not_written(&mut self, id: ConnectionId, request: u32, failure: StorageFailure) {
        let refusal = self.storage_refusal("enter", failure);
        self.refuse(id, request, &refusal);
        self.give_up_entering(id);
    }

    /// A connection that was entering is as it was before it asked to.
    pub(super) fn give_up_entering(&mut self, id: ConnectionId) {
        let newcomer = match self.peers.connections.get(id).map(|connection| &connection.phase) {
            Some(Phase::Entering(entering)) => entering.newcomer.clone(),
            Some(_) | None => return,
        };
        self.release_newcomer(id, &newcomer, false);
        self.places.taken -= 1;
        self.peers.move_to(id, Phase::Choosing, &self.config.limits);
        self.promote();
    }

    /// A guest whose connection is gone before it was welcomed has never existed for anybody.
    fn nobody_enters(&mut self, result: Result<StorageOutcome, StorageFailure>) {
        if let Ok(StorageOutcome::GuestCreated { user }) = result {
            self.ask_storage(Pending::Background, StorageOperation::RemoveGuest { user });
        }
    }

    fn add_guest(&mut self, id: ConnectionId, user: UserId, nick: Nick, key: NameKey, token: Token) {
        let seat = Seat { connection: id, session: self.session_of(id), entered: true };
        self.user_names.take(&key, NameHolder::User(user));
        self.users.insert(User {
            id: user,
            nick,
            key,
            password: None,
            password_version: 0,
            devices: vec![Device::of_guest(hash_token(token), self.peers.now.monotonic, vec![seat])],
            away: false,
            shown: wire::state::HERE,
            rooms: Default::default(),
            directs: Default::default(),
            read: Default::default(),
            joining: 0,
            leaving: Vec::new(),
        });
    }

    pub(super) fn ready(
        &mut self,
        id: ConnectionId,
        request: u32,
        holder: Holder,
        token: Token,
        resumed: bool,
    ) {
        let now = self.peers.now.monotonic;
        let user_id = holder.user;
        let Some(user) = self.users.get_mut(user_id) else { return };
        if let Some(seat) = user.device_mut(holder.device).and_then(|device| device.seat(id)) {
            seat.entered = true;
        }
        user.away = false;
        let proved = user.is_account() && !resumed;
        let nick = user.nick.clone();
        let limits = &self.config.limits;
        let ready = Ready {
            user: user_id,
            posting: Posting::new(limits, now),
            requests: Requests {
                bucket: Bucket::new(limits.request_burst, limits.requests_per_second, now),
                in_flight: 0,
                history: false,
                search: false,
            },
            following: Vec::new(),
            behind: Vec::new(),
            reading: None,
            read_again: None,
            changes_held_back: false,
            untold_reads: Default::default(),
            rooms_created: 0,
            proved,
            changing_password: false,
            transfers: Transfers::default(),
        };
        self.peers.move_to(id, Phase::Ready(Box::new(ready)), limits);
        self.say_ready(id, request, user_id, token);
        self.announce_credit(id);
        self.tell_all_read(id, user_id);
        self.show(user_id);
        self.report(Event::Entered { connection: id, user: user_id, nick: nick.as_str().into(), resumed });
    }

    fn say_ready(&mut self, id: ConnectionId, request: u32, user_id: UserId, token: Token) {
        let Some(user) = self.users.get(user_id) else { return };
        let mut rooms: Vec<_> = user.all_rooms().filter_map(|room| self.rooms.get(room)).collect();
        rooms.sort_by_key(|room| room.id);
        let limits = &self.config.limits;
        let account = user.is_account();
        let kept = if account { limits.device_kept } else { limits.guest_kept }.as_secs();
        let ready = wire::Ready {
            id: request,
            user: user_id,
            nick: user.nick.as_str(),
            token,
            keep_seconds: u32::try_from(kept).unwrap_or(u32::MAX),
            rooms: rooms.into_iter().map(|room| room.part(user_id)).collect(),
            account,
        };
        self.peers.answer(id, ready, &self.config.limits);
    }

    /// Gives back what a newcomer had reserved; one who came back `leaves` for good or is lost again.
    pub(super) fn release_newcomer(&mut self, id: ConnectionId, newcomer: &Newcomer, leaves: bool) {
        match newcomer {
            Newcomer::Guest { key, .. } => self.user_names.free(key, NameHolder::Connection(id)),
            // Nothing is held by the connection once storage is writing the account.
            Newcomer::Account(account) => self.user_names.free(&account.key, NameHolder::Connection(id)),
            Newcomer::Device { .. } => {}
            Newcomer::Returning { holder, .. } => {
                let seat = self.users.device_mut(*holder).and_then(|device| device.seat(id).copied());
                if seat.is_none() {
                    return;
                }
                let account = self.users.get(holder.user).is_some_and(|user| user.is_account());
                if leaves && !account {
                    self.remove_guest(holder.user, wire::state::GONE);
                } else {
                    self.lose(*holder, id);
                }
            }
        }
    }
}
