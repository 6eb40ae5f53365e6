//! Making an account and logging in (`PROTOCOL.md` A3 to A6).

use alloc::{format, sync::Arc, vec};

use super::{NameHolder, Pending, Server, receive::Taken};
use crate::{
    config::{AccountsConfig, Registration},
    connection::{Connection, Enrolling, NewAccount, Newcomer, Phase, Proving},
    error::{ProtocolError, Refusal, RefusalCode},
    hub::{Device, Holder, Seat, User},
    ids::{ConnectionId, DeviceId, RoomId, Seq, UserId},
    name::{NameKey, Nick},
    output::{EndCause, Source},
    password::PasswordRecord,
    storage::{DeviceRecord, NewDevice, StorageFailure, StorageOperation, StorageOutcome, Ticket},
    time::Monotonic,
    wire::{self, Token},
};

/// The most that is kept of what a client calls its device.
const DEVICE_NAME_BYTES_MAX: usize = 64;

impl Server {
    pub(super) fn register(&mut self, id: ConnectionId, register: &wire::Register<'_>) -> Taken {
        self.leave_enrolment(id);
        let Some(accounts) = self.accounts_open() else {
            let text = "This server makes no accounts; ask its operator for one.";
            self.refuse(id, register.id, &Refusal::new(RefusalCode::NotAllowed, text));
            return Taken::Yes;
        };
        let (nick, key) = match self.new_name(register.name, id) {
            Ok(free) => free,
            Err(refusal) => return self.refuse_attempt(id, register.id, &refusal),
        };
        // A name that is taken costs nothing. Wrong codes count: nobody finds one by trying.
        let invited = self.may_register(id).and_then(|()| self.invited(register.invitation));
        let invited = match invited {
            Ok(invited) => invited,
            Err(refusal) => return self.refuse_attempt(id, register.id, &refusal),
        };
        let Ok(response) = accounts.setup.begin_registration(&key, &register.request) else {
            return self.accuse(id, ProtocolError::MalformedBody);
        };
        if !self.count_challenge(id) {
            return Taken::Yes;
        }
        self.user_names.take(&key, NameHolder::Connection(id));
        self.challenge(id, register.id, &response, accounts.stretching);
        let enrolling = Enrolling { nick, key, invited };
        self.peers.move_to(id, Phase::Enrolling(enrolling), &self.config.limits);
        Taken::Yes
    }

    pub(super) fn enrol(&mut self, id: ConnectionId, enrol: &wire::Enrol<'_>) -> Taken {
        let Some(accounts) = self.config.accounts.clone() else { return Taken::Yes };
        let Some(Phase::Enrolling(enrolling)) = self.peers.connections.get(id).map(|found| &found.phase)
        else {
            return self.accuse(id, ProtocolError::UnexpectedKind);
        };
        let (nick, key, invited) = (enrolling.nick.clone(), enrolling.key.clone(), enrolling.invited);
        let Ok(record) = accounts.setup.record(&enrol.upload, accounts.stretching) else {
            return self.accuse(id, ProtocolError::MalformedBody);
        };
        let account = NewAccount { nick, key, record, device: device_name(enrol.device), invited };
        self.seek_place(id, enrol.id, Newcomer::Account(Arc::new(account)), false);
        Taken::Yes
    }

    pub(super) fn login(&mut self, id: ConnectionId, login: &wire::Login<'_>) -> Taken {
        self.leave_enrolment(id);
        let Some(accounts) = self.config.accounts.clone() else {
            let text = "This server has no accounts; enter as a guest.";
            self.refuse(id, login.id, &Refusal::new(RefusalCode::NotAllowed, text));
            return Taken::Yes;
        };
        let key = match Nick::parse(login.name) {
            Ok(nick) => nick.key(),
            Err(error) => return self.refuse_attempt(id, login.id, &error.refusal(login.name)),
        };
        if let Err(refusal) = self.may_log_in(id, key.folded()) {
            return self.refuse_attempt(id, login.id, &refusal);
        }
        let Some(channel) = self.peers.connections.get(id).map(|found| found.channel) else {
            return Taken::Yes;
        };
        let account = self.account_named(&key);
        let record = account.and_then(|user| user.password.clone());
        let stretching = record.as_ref().map_or(accounts.stretching, |record| record.stretching);
        let user = account.map(|user| (user.id, user.password_version));
        let begun = accounts.setup.begin_login(record.as_ref(), &key, &login.start, channel, &mut self.rng);
        let Ok((response, challenged)) = begun else {
            return self.accuse(id, ProtocolError::MalformedBody);
        };
        if !self.count_challenge(id) {
            return Taken::Yes;
        }
        self.challenge(id, login.id, &response, stretching);
        self.peers.move_to(id, Phase::Proving(Proving { user, challenged }), &self.config.limits);
        Taken::Yes
    }

    /// The account of this name, if there is one.
    pub(super) fn account_named(&self, key: &NameKey) -> Option<&User> {
        match self.user_names.find(key) {
            Some(NameHolder::User(user)) => self.users.get(user).filter(|user| user.is_account()),
            Some(NameHolder::Connection(_) | NameHolder::Enrolment(_)) | None => None,
        }
    }

    pub(super) fn prove(&mut self, id: ConnectionId, prove: &wire::Prove<'_>) -> Taken {
        let limits = &self.config.limits;
        let Some(connection) = self.peers.connections.get_mut(id) else { return Taken::Yes };
        if !matches!(connection.phase, Phase::Proving(_)) {
            return self.accuse(id, ProtocolError::UnexpectedKind);
        }
        let channel = connection.channel;
        let Phase::Proving(proving) = core::mem::replace(&mut connection.phase, Phase::Choosing) else {
            return Taken::Yes;
        };
        // An unknown account's proof is checked as well: it takes the same time, and is never right.
        let proved = proving.challenged.proves(&prove.finish, channel);
        self.peers.rearm(id, limits);
        self.judge_login(id, prove.id, proving.user.filter(|_| proved), device_name(prove.device));
        Taken::Yes
    }

    /// Who proved the password of an account, of this version, may enter.
    pub(super) fn judge_login(
        &mut self,
        id: ConnectionId,
        request: u32,
        proved: Option<(UserId, u32)>,
        device: Arc<str>,
    ) {
        let proved = proved.filter(|(user, version)| self.has_password(*user, *version));
        if let Some((user, _)) = proved
            && let Err(refusal) = self.may_enter(user)
        {
            return self.refuse(id, request, &refusal);
        }
        match proved {
            Some((user, _)) if self.has_too_many_connected(user) => {
                let text = "The account has as many connections as may be; end one of them first.";
                self.refuse(id, request, &Refusal::new(RefusalCode::SlowDown, text));
            }
            Some((user, version)) => {
                self.seek_place(id, request, Newcomer::Device { user, version, name: device }, false);
            }
            None => self.login_failed(id, request),
        }
    }

    pub(super) fn login_failed(&mut self, id: ConnectionId, request: u32) {
        let limits = &self.config.limits;
        let Some(connection) = self.peers.connections.get_mut(id) else { return };
        connection.logins_failed += 1;
        let (failed, source) = (connection.logins_failed, connection.source);
        if let Some(source) = source {
            self.attempts.failed(source, limits, self.peers.now.monotonic);
        }
        let text = "The name or the password is wrong; check both and try again.";
        self.refuse(id, request, &Refusal::new(RefusalCode::LoginFailed, text));
        if failed >= self.config.limits.logins_failed_max {
            self.close_refused(id);
        }
    }

    /// A challenge lets its client try one password by itself. Who asks for one and does not answer counts as having failed.
    pub(super) fn login_abandoned(&mut self, source: Source) {
        self.attempts.failed(source, &self.config.limits, self.peers.now.monotonic);
    }

    fn accounts_open(&self) -> Option<AccountsConfig> {
        self.config.accounts.clone().filter(|accounts| accounts.registration != Registration::Closed)
    }

    fn may_register(&mut self, id: ConnectionId) -> Result<(), Refusal> {
        let now = self.peers.now.monotonic;
        let Some(source) = self.peers.connections.get(id).and_then(|found| found.source) else {
            return Ok(());
        };
        self.attempts.registration(source, &self.config.limits, now).map_err(|wait| {
            let text =
                format!("Too many accounts were made from your address; try again in {} s.", seconds(wait));
            Refusal::new(RefusalCode::SlowDown, text)
        })
    }

    pub(super) fn may_log_in(&mut self, id: ConnectionId, name: &Arc<str>) -> Result<(), Refusal> {
        let now = self.peers.now.monotonic;
        let Some(source) = self.peers.connections.get(id).and_then(|found| found.source) else {
            return Ok(());
        };
        self.attempts.login(source, name, &self.config.limits, now).map_err(|wait| {
            let text = format!("Too many logins; try again in {} s.", seconds(wait));
            Refusal::new(RefusalCode::SlowDown, text)
        })
    }

    /// A refusal of somebody who has not entered leaves the connection as it was before (E1).
    pub(super) fn refuse_attempt(&mut self, id: ConnectionId, request: u32, refusal: &Refusal) -> Taken {
        self.refuse(id, request, refusal);
        Taken::Yes
    }

    /// Counts a challenge; a connection that asks for too many is closed.
    pub(super) fn count_challenge(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.peers.connections.get_mut(id) else { return false };
        connection.challenges += 1;
        if connection.challenges > self.config.limits.challenges_max {
            self.close_refused(id);
            return false;
        }
        true
    }

    fn close_refused(&mut self, id: ConnectionId) {
        let text = "You were refused too often.";
        let farewell = wire::Goodbye { reason: wire::goodbye::REFUSED, text };
        self.close(id, EndCause::Refused, Some(farewell.into()));
    }

    pub(super) fn challenge(
        &mut self,
        id: ConnectionId,
        request: u32,
        response: &[u8],
        stretching: crate::password::Stretching,
    ) {
        let crate::password::Stretching { memory_kib, passes, lanes } = stretching;
        let stretching = wire::Stretching { memory_kib, passes, lanes };
        let challenge = wire::Challenge { id: request, response, stretching };
        self.peers.answer(id, challenge, &self.config.limits);
    }

    /// Another way to enter is tried: a name that was reserved for an account is free again.
    pub(super) fn leave_enrolment(&mut self, id: ConnectionId) {
        let limits = &self.config.limits;
        let Some(connection) = self.peers.connections.get_mut(id) else { return };
        match core::mem::replace(&mut connection.phase, Phase::Choosing) {
            Phase::Enrolling(enrolling) => {
                self.user_names.free(&enrolling.key, NameHolder::Connection(id));
                self.peers.rearm(id, limits);
            }
            Phase::Proving(_) => {
                let source = connection.source;
                self.peers.rearm(id, limits);
                if let Some(source) = source {
                    self.login_abandoned(source);
                }
            }
            phase @ (Phase::Securing
            | Phase::Greeting
            | Phase::Choosing
            | Phase::Verifying(_)
            | Phase::Entering(_)
            | Phase::Waiting(_)
            | Phase::Ready(_)
            | Phase::Closing(_)) => connection.phase = phase,
        }
    }

    /// Whether an account's password is still the one of this version.
    fn has_password(&self, user: UserId, version: u32) -> bool {
        self.users.get(user).is_some_and(|user| user.password_version == version)
    }

    /// Whether an account has as many connections as it may; those that logged in and wait for a place count.
    pub(super) fn has_too_many_connected(&self, user: UserId) -> bool {
        let coming = self.coming_by_password(user).count();
        let connected = |user: &User| user.devices.iter().map(|device| device.seats.len()).sum::<usize>();
        let most = self.config.limits.devices_connected_max;
        self.users.get(user).is_some_and(|user| connected(user) + coming >= most)
    }

    /// The connections that have proved the password of an account and wait to enter: they are of no device yet.
    pub(super) fn coming_by_password(&self, user: UserId) -> impl Iterator<Item = ConnectionId> {
        let comes = move |connection: &&Connection| {
            let newcomer = connection.phase.newcomer();
            matches!(newcomer, Some(Newcomer::Device { user: coming, .. }) if *coming == user)
        };
        self.peers.connections.iter().filter(comes).map(|connection| connection.id)
    }

    /// Has storage write an account. Its name stays reserved until storage has answered, whatever becomes of the
    /// connection.
    pub(super) fn create_account(
        &mut self,
        id: ConnectionId,
        account: &Arc<NewAccount>,
        token: Token,
    ) -> Ticket {
        let device = self.new_device(&account.device, token);
        let operation = StorageOperation::CreateAccount {
            nick: account.nick.shared(),
            record: account.record.clone(),
            device: device.clone(),
            invitation: account.invited.map(|invited| invited.one),
        };
        let pending = Pending::CreateAccount { connection: id, account: Arc::clone(account), device };
        let ticket = self.ask_storage(pending, operation);
        self.user_names.take(&account.key, NameHolder::Enrolment(ticket));
        ticket
    }

    pub(super) fn create_device(
        &mut self,
        id: ConnectionId,
        (user, version): (UserId, u32),
        name: &Arc<str>,
        token: Token,
    ) -> Ticket {
        let device = self.new_device(name, token);
        let operation = StorageOperation::AddDevice { user, device: device.clone() };
        self.ask_storage(Pending::AddDevice { connection: id, user, version, device }, operation)
    }

    fn new_device(&self, name: &Arc<str>, token: Token) -> NewDevice {
        let token_hash = crate::connection::hash_token(token);
        NewDevice { name: Arc::clone(name), token_hash, at: self.peers.now.wall }
    }

    /// Storage has written an account, or has not. It exists from now on, also if nobody is there any more to be told.
    pub(super) fn account_written(
        &mut self,
        id: ConnectionId,
        ticket: Ticket,
        account: &NewAccount,
        device: NewDevice,
        result: Result<StorageOutcome, StorageFailure>,
    ) {
        let result = match result {
            Ok(StorageOutcome::AccountCreated { user, device: device_id }) => {
                let device = known(device_id, device, self.seat_of(id, ticket));
                let (nick, record) = (account.nick.clone(), account.record.clone());
                self.add_account(user, nick, record, vec![device], vec![], vec![]);
                Ok(Holder { user, device: device_id })
            }
            other => {
                self.unspend(account);
                Err(other.err().unwrap_or(StorageFailure::Failed))
            }
        };
        self.user_names.free(&account.key, NameHolder::Enrolment(ticket));
        if let Ok(Holder { user, .. }) = result {
            // The two share a name, which stays taken.
            self.user_names.take(&account.key, NameHolder::User(user));
        }
        self.device_written(id, ticket, result);
    }

    /// Storage has written a device, or has not.
    pub(super) fn device_added(
        &mut self,
        id: ConnectionId,
        ticket: Ticket,
        (user, version): (UserId, u32),
        device: NewDevice,
        result: Result<StorageOutcome, StorageFailure>,
    ) {
        let result = match result {
            Ok(StorageOutcome::DeviceAdded { device: device_id }) => {
                let device = known(device_id, device, self.seat_of(id, ticket));
                self.users.add_device(user, device);
                self.drop_oldest_device(user);
                let holder = Holder { user, device: device_id };
                if !self.has_password(user, version) {
                    // Another password was asked for since this one was proved.
                    self.remove_device(holder);
                    return self.outdated(id, ticket);
                }
                Ok(holder)
            }
            other => Err(other.err().unwrap_or(StorageFailure::Failed)),
        };
        self.device_written(id, ticket, result);
    }

    /// The connection of a device that was just written, if it is still there.
    fn seat_of(&self, id: ConnectionId, ticket: Ticket) -> Option<Seat> {
        self.entering_by(id, ticket)?;
        Some(Seat { connection: id, session: self.session_of(id), entered: true })
    }

    fn device_written(&mut self, id: ConnectionId, ticket: Ticket, result: Result<Holder, StorageFailure>) {
        match (self.entering_by(id, ticket), result) {
            (Some((request, token)), Ok(holder)) => self.ready(id, request, holder, token, false),
            (Some((request, _)), Err(failure)) => self.not_written(id, request, failure),
            // Nobody has the token of this device.
            (None, Ok(holder)) => self.remove_device(holder),
            (None, Err(_)) => {}
        }
    }

    /// A login by a password that is none any more.
    fn outdated(&mut self, id: ConnectionId, ticket: Ticket) {
        let Some((request, _)) = self.entering_by(id, ticket) else { return };
        self.give_up_entering(id);
        self.login_failed(id, request);
    }

    /// Makes an account known: new, or recovered.
    pub(super) fn add_account(
        &mut self,
        id: UserId,
        nick: Nick,
        record: PasswordRecord,
        devices: vec::Vec<Device>,
        rooms: vec::Vec<RoomId>,
        read: vec::Vec<(RoomId, Seq)>,
    ) {
        let key = nick.key();
        self.user_names.take(&key, NameHolder::User(id));
        let connected = devices.iter().any(|device| !device.seats.is_empty());
        self.users.insert(User {
            id,
            nick,
            key,
            password: Some(record),
            password_version: 0,
            devices,
            away: false,
            shown: if connected { wire::state::HERE } else { wire::state::LOST },
            rooms: rooms.into_iter().collect(),
            directs: Default::default(),
            read: read.into_iter().collect(),
            joining: 0,
            leaving: vec![],
        });
    }

    /// The device not used for longest gives way, where an account has too many.
    fn drop_oldest_device(&mut self, id: UserId) {
        let Some(user) = self.users.get(id) else { return };
        if user.devices.len() <= self.config.limits.devices_max {
            return;
        }
        let unused = user.devices.iter().filter(|device| device.seats.is_empty());
        if let Some(oldest) = unused.min_by_key(|device| (device.seen, device.id)).map(|device| device.id) {
            self.remove_device(Holder { user: id, device: oldest });
        }
    }

    /// Forgets a device that nobody is told of.
    pub(super) fn remove_device(&mut self, holder: Holder) {
        self.users.remove_device(holder);
        let operation = StorageOperation::RemoveDevice { device: holder.device };
        self.ask_storage(Pending::Background, operation);
    }
}

fn known(id: DeviceId, device: NewDevice, seat: Option<Seat>) -> Device {
    let DeviceRecord { name, token, since, seen, .. } = DeviceRecord::new(id, device);
    let seats = seat.into_iter().collect();
    // Until its connection ends, when it is told how long it is kept, it does not expire.
    Device { id, name, token, renewed: None, since, seen, expires: Monotonic::default(), seats }
}

/// What a client calls its device: 64 bytes of it, without control characters.
pub(super) fn device_name(name: &str) -> Arc<str> {
    let kept: alloc::string::String = name.chars().filter(|char| !char.is_control()).collect();
    kept[..kept.floor_char_boundary(DEVICE_NAME_BYTES_MAX)].into()
}

fn seconds(wait: core::time::Duration) -> u64 {
    wait.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX)
}
