//! Making an account and logging in (A1–A6). What OPAQUE puts into a message says one thing to the model: by which
//! password it was made.

use palabre_core::{
    config::Registration,
    error::{ProtocolError, RefusalCode},
    wire::{Enrol, Login, Prove, Register},
};

use super::{ConnectionKey, Expected, Hold, Model, Refusal, Standing, User, UserKey, names};

/// The reason of a server's `Goodbye` to one who failed too often (K3).
pub(super) const REFUSED: u8 = 8;

/// One of the passwords that people choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Password(pub u8);

impl Password {
    /// As it is typed.
    #[must_use]
    pub fn text(self) -> String {
        format!("password number {}", self.0)
    }
}

/// What makes a user an account (A1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) password: Password,
    /// How often it was set: even one that was there before is another.
    pub(super) changes: u32,
}

/// What was challenged, and is to be ended by the client (A6).
#[derive(Clone, Debug)]
pub(super) enum Exchange {
    /// A3: the name is reserved.
    Register { name: String },
    /// A4: by this name, and by what the client sent; whoever has the name then, and its password.
    Login { account: Option<(UserKey, Account)>, start: Vec<u8> },
    /// A11.
    NewPassword,
}

/// How many bytes a `Challenge` has for a registration and for a login (A2).
pub(super) const REGISTRATION_RESPONSE_BYTES: usize = 64;
const LOGIN_RESPONSE_BYTES: usize = 320;

impl Model {
    /// A3.
    pub(super) fn register(&mut self, at: ConnectionKey, register: &Register<'_>) -> bool {
        self.abandon(at);
        let refused = self.judge_nick(register.name, None).err();
        let mut codes = self.why_not_register();
        codes.extend(self.why_nobody_by_name(register.name));
        codes.extend(self.why_not_challenge(at));
        let refusal = match refused {
            Some(refusal) if codes.is_empty() => refusal,
            Some(refusal) => Refusal::any_of([codes, refusal.codes].concat()),
            None if codes.is_empty() => {
                self[at].exchange = Some(Exchange::Register { name: register.name.into() });
                return self.challenge(at, register.id, REGISTRATION_RESPONSE_BYTES);
            }
            None => Refusal::any_of(codes),
        };
        self.refuse(at, register.id, refusal)
    }

    fn why_not_register(&self) -> Vec<RefusalCode> {
        match self.registration {
            Registration::Open => Vec::new(),
            Registration::Invite => vec![RefusalCode::InvitationNeeded],
            Registration::Closed => vec![RefusalCode::NotAllowed],
        }
    }

    /// A3: the account is made when its user enters.
    pub(super) fn enrol(&mut self, at: ConnectionKey, enrol: &Enrol<'_>) -> bool {
        let password = self.known.password_in(&enrol.upload);
        let name = match (&self[at].exchange, password) {
            (Some(Exchange::Register { name }), Some(_)) => name.clone(),
            (Some(Exchange::Register { .. }), None) => return self.fail(at, ProtocolError::MalformedBody),
            (_, password) => return self.fail_exchange(at, password.is_none()),
        };
        self[at].exchange = None;
        let codes = self.why_nobody_by_name(&name);
        if !codes.is_empty() {
            return self.refuse(at, enrol.id, Refusal::any_of(codes));
        }
        if self.is_full() {
            return self.turn_away(at, enrol.id);
        }
        let account = password.map(|password| Account { password, changes: 0 });
        self.users.push(User { nick: name, away: false, standing: Standing::Newcomer, account });
        self[at].hold = account.map(|by| Hold::New { name: enrol.device.into(), by });
        self[at].proved = true;
        self.enter_or_wait(at, UserKey(self.users.len() - 1), enrol.id);
        true
    }

    /// A4: whether there is such an account is not told.
    pub(super) fn login(&mut self, at: ConnectionKey, login: &Login<'_>) -> bool {
        self.abandon(at);
        let mut codes = self.why_not_challenge(at);
        let is_name = names::is_valid(login.name, names::NICK_BYTES_MAX);
        codes.extend((!is_name).then_some(RefusalCode::NameInvalid));
        if !codes.is_empty() {
            return self.refuse(at, login.id, Refusal::any_of(codes));
        }
        let user = self.account_named(login.name);
        let account = user.and_then(|user| Some((user, self[user].account?)));
        self[at].exchange = Some(Exchange::Login { account, start: login.start.to_vec() });
        self.challenge(at, login.id, LOGIN_RESPONSE_BYTES)
    }

    /// A4.
    pub(super) fn prove(&mut self, at: ConnectionKey, prove: &Prove<'_>) -> bool {
        let Some(Exchange::Login { account, start }) = self[at].exchange.clone() else {
            return self.fail_exchange(at, false);
        };
        self[at].exchange = None;
        let typed = self.known.password_in(&start);
        let right = |(_, account): &(UserKey, Account)| Some(account.password) == typed;
        match account.filter(right).filter(|_| self.known.is_proof(&prove.finish, &start)) {
            Some((user, by)) if self.is_still(user, by) => {
                let hold = Hold::New { name: prove.device.into(), by };
                self.enter_by_account(at, user, hold, prove.id)
            }
            Some(_) | None => self.login_failed(at, prove.id),
        }
    }

    /// A11: whether its password was not set since.
    pub(super) fn is_still(&self, user: UserKey, account: Account) -> bool {
        self[user].account == Some(account)
    }

    /// A5.
    pub(super) fn login_failed(&mut self, at: ConnectionKey, id: u32) -> bool {
        self[at].failures += 1;
        self.refuse(at, id, Refusal::new(RefusalCode::LoginFailed));
        if self[at].failures >= self.limits.logins_failed_max {
            self.expect(at, Expected::Goodbye { reason: REFUSED });
            self.end(at, false);
        }
        false
    }

    /// A6: what answers the latest challenge ends it, and nothing else does.
    fn fail_exchange(&mut self, at: ConnectionKey, unreadable: bool) -> bool {
        let mut codes = vec![ProtocolError::UnexpectedKind];
        codes.extend(unreadable.then_some(ProtocolError::MalformedBody));
        self.fail_with(at, codes)
    }

    /// A6: what was begun before is over.
    pub(super) fn abandon(&mut self, at: ConnectionKey) {
        self[at].exchange = None;
    }

    /// A6: a connection is challenged so often and no more.
    pub(super) fn why_not_challenge(&self, at: ConnectionKey) -> Vec<RefusalCode> {
        let enough = self[at].challenges >= self.limits.challenges_max;
        enough.then_some(RefusalCode::SlowDown).into_iter().collect()
    }

    pub(super) fn challenge(&mut self, at: ConnectionKey, id: u32, bytes: usize) -> bool {
        self[at].challenges += 1;
        self.expect(at, Expected::Challenge { id, bytes })
    }

    pub(super) fn refuse(&mut self, at: ConnectionKey, id: u32, refusal: Refusal) -> bool {
        self.expect(at, Expected::Refused { id, refusal });
        false
    }

    /// The account of this name, connected or not.
    pub(super) fn account_named(&self, name: &str) -> Option<UserKey> {
        let same = |user: &User| user.account.is_some() && names::fold(&user.nick) == names::fold(name);
        let found = self.entered_but(None).find(|(_, user)| same(user));
        found.map(|(key, _)| key)
    }

    /// A3: the names that are reserved for whoever was challenged.
    pub(super) fn reserved_names(&self) -> impl Iterator<Item = &str> {
        self.connections.iter().filter_map(|one| match &one.exchange {
            Some(Exchange::Register { name }) => Some(name.as_str()),
            Some(Exchange::Login { .. } | Exchange::NewPassword) | None => None,
        })
    }
}
