//! Honest people with accounts: they make one, log in, use it on several machines, change its password and forget
//! which one it was.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use palabre_core::{
    client::{AccountEntry, Client, DeviceInfo},
    config::{AccountsConfig, Registration},
    error::{Refusal, RefusalCode},
    ids::UserId,
    invitation::Invitation,
    password::{Password, Setup, Stretching, Work, WorkDone},
    time::WallTime,
};

use super::{EPOCH_WALL_MILLIS, Task, World, actor::name, operations::Request};
use crate::{
    choices::Subsystem,
    oracle::{Invariant, Violation, ensure},
    sometimes,
};

/// What is known of accounts by those who have them.
#[derive(Default)]
pub(super) struct Accounts {
    by_name: BTreeMap<String, Account>,
    passwords: u32,
}

/// An account, by its people.
#[derive(Default)]
struct Account {
    /// The passwords that may be the right one, the latest last.
    passwords: Vec<String>,
    /// Whether the last of them is the right one for sure.
    certain: bool,
    /// Who it is, once somebody was told.
    user: Option<UserId>,
}

/// What one client does about its account.
#[derive(Default)]
pub(super) struct Holding {
    /// The name of the account; without one, it is a guest.
    pub(super) name: Option<String>,
    /// How often it tried to log in.
    tries: usize,
    /// The password given last, if the account was not to be made, and whether it was certainly right then.
    given: Option<(String, bool)>,
    work: VecDeque<WorkDone>,
}

/// What every simulated server keeps its passwords by.
pub(super) fn config(registration: Registration) -> AccountsConfig {
    AccountsConfig { setup: setup(), registration, plain: true, stretching: Stretching::CHEAPEST }
}

fn setup() -> Setup {
    Setup::generate([9; 32])
}

/// The one invitation that everybody has, good for as many as there are and for as long as a run lasts.
fn invitation() -> String {
    let number = [1; 6];
    Invitation::new(u16::MAX, 100 * 366 * 24, number, WallTime::from_millis(EPOCH_WALL_MILLIS)).code(&setup())
}

impl Accounts {
    /// Whether it is an account of honest people, who were told of it.
    pub(super) fn is_known(&self, user: UserId) -> bool {
        self.by_name.values().any(|account| account.user == Some(user))
    }
}

impl Holding {
    pub(super) fn of(account: Option<String>) -> Self {
        Self { name: account, ..Self::default() }
    }

    /// What was being worked on is gone with the process.
    pub(super) fn forget_work(&mut self) {
        self.work.clear();
    }
}

/// A password of ours.
///
/// # Panics
/// If it is none.
fn password(text: &str) -> Password {
    Password::parse(text).expect("long enough")
}

impl World {
    /// How a client is to enter that has no account's token: it makes the account, or tries one of its passwords.
    pub(super) fn account_entry(&mut self, actor: usize) -> Option<AccountEntry> {
        let name = self.actors[actor].holding.name.clone()?;
        if self.actors[actor].saved.as_ref().is_some_and(|saved| saved.is_account) {
            return None;
        }
        Some(self.next_entry(actor, &name))
    }

    fn next_entry(&mut self, actor: usize, name: &str) -> AccountEntry {
        let account = self.accounts.by_name.entry(name.to_owned()).or_default();
        if account.passwords.is_empty() {
            account.passwords.push("the first password".to_owned());
        }
        let holding = &mut self.actors[actor].holding;
        // First it is made, then each password is tried, the latest first, and so on.
        let turn = holding.tries % (account.passwords.len() + 1);
        let make = turn == 0;
        let chosen = &account.passwords[account.passwords.len() - turn.max(1)];
        holding.given = (!make).then(|| (chosen.clone(), account.certain));
        let invitation = make.then(invitation);
        AccountEntry { make, password: password(chosen), device: format!("machine {actor}"), invitation }
    }

    /// A client with an account was not let in: it will try again.
    pub(super) fn login_refused(&mut self, actor: usize, refusal: &Refusal) -> Result<(), Violation> {
        sometimes!("a login was refused", refusal.code == RefusalCode::LoginFailed);
        let holding = &mut self.actors[actor].holding;
        let account = holding.name.as_ref().and_then(|name| self.accounts.by_name.get(name));
        let given = holding.given.as_ref().filter(|(_, certain)| *certain).map(|(text, _)| text);
        let right = account
            .is_some_and(|account| account.certain && given.is_some() && account.passwords.last() == given);
        let refused = refusal.code == RefusalCode::LoginFailed && right;
        ensure(!refused, Invariant::Peaceful, || {
            format!("c{actor} gave the right password and was refused")
        })?;
        holding.tries += 1;
        let slow = refusal.code == RefusalCode::SlowDown;
        let most = if slow { Duration::from_secs(120) } else { Duration::from_secs(1) };
        let pause = self.choices.duration(Subsystem::Operations, most);
        self.agenda.add(self.now.after(pause), Task::Rename(actor));
        Ok(())
    }

    pub(super) fn try_to_log_in(&mut self, actor: usize, account: &str) -> Result<(), Violation> {
        if self.actors[actor].client.as_ref().is_none_or(Client::is_ready) {
            return Ok(());
        }
        let entry = self.next_entry(actor, account);
        let account = name(account);
        self.client_input(actor, |client, now| {
            // It may be on its way already, by the entry given before.
            let _ = client.log_in(&account, entry, now);
        })
    }

    /// Somebody is in by an account: always the same user.
    pub(super) fn account_ready(&mut self, actor: usize) -> Result<(), Violation> {
        let state = &self.actors[actor];
        let Some(name) = &state.holding.name else { return Ok(()) };
        let client = state.client.as_ref().filter(|client| client.is_account());
        let user = client.and_then(Client::user);
        ensure(user.is_some(), Invariant::Contract, || format!("c{actor} logged in and is no account"))?;
        let account = self.accounts.by_name.entry(name.clone()).or_default();
        let before = std::mem::replace(&mut account.user, user);
        ensure(before.is_none() || before == user, Invariant::GuestKept, || {
            format!("the account {name} was user {before:?} and is {user:?} now")
        })?;
        sometimes!("an account was made", before.is_none());
        sometimes!("an account was logged into", self.actors[actor].holding.given.is_some());
        let others = self.actors.iter().filter(|other| {
            let same = other.client.as_ref().filter(|client| client.is_ready());
            same.is_some_and(|client| client.user() == user)
        });
        sometimes!("an account was here on two machines", others.count() > 1);
        if account.passwords.len() == 1 {
            account.certain = true;
        }
        if before.is_none() {
            self.want_operator();
        }
        Ok(())
    }

    /// Another password is asked for.
    pub(super) fn change_password(&mut self, actor: usize) -> Result<(), Violation> {
        if self.actors[actor].client.as_ref().is_none_or(|client| !client.is_ready()) {
            return Ok(());
        }
        self.accounts.passwords += 1;
        let text = format!("password number {}", self.accounts.passwords);
        let is_account = self.actors[actor].client.as_ref().is_some_and(Client::is_account);
        if let Some(name) = self.actors[actor].holding.name.as_ref().filter(|_| is_account) {
            let account = self.accounts.by_name.entry(name.clone()).or_default();
            // Who does not know the password for sure does not change it.
            if !account.certain {
                return Ok(());
            }
            account.certain = false;
            account.passwords.push(text.clone());
        }
        let password = password(&text);
        self.verb(actor, Request::Password(self.accounts.passwords), |client, now| {
            client.change_password(password, now)
        })
    }

    /// A password was changed: unless others change it too, it is the one.
    pub(super) fn password_changed(&mut self, actor: usize, number: u32) {
        sometimes!("a password was changed");
        let Some(name) = self.actors[actor].holding.name.clone() else { return };
        let alone = self
            .actors
            .iter()
            .filter(|other| other.holding.name.as_ref() == Some(&name))
            .all(|other| !other.requests.values().any(|request| matches!(request, Request::Password(_))));
        let Some(account) = self.accounts.by_name.get_mut(&name) else { return };
        // One that was interrupted may yet be done, but not after this one if it was asked for before.
        if alone && account.passwords.last() == Some(&format!("password number {number}")) {
            account.passwords.drain(..account.passwords.len() - 1);
            account.certain = true;
        }
    }

    /// Sometimes a device of the list is logged out.
    pub(super) fn devices_told(&mut self, actor: usize, devices: &[DeviceInfo]) -> Result<(), Violation> {
        if devices.is_empty() || !self.choices.chance(Subsystem::Operations, 1, 2) {
            return Ok(());
        }
        let device = self.choices.pick(Subsystem::Operations, devices).device;
        self.verb(actor, Request::Revoke, |client, now| client.revoke(device, now))
    }

    /// A password is stretched, which takes its time.
    pub(super) fn start_work(&mut self, actor: usize, work: Work) {
        self.actors[actor].holding.work.push_back(work.run());
        let took = self.choices.duration(Subsystem::Process, Duration::from_secs(2));
        self.agenda.add(self.now.after(took), Task::Worked(actor));
    }

    pub(super) fn worked(&mut self, actor: usize) -> Result<(), Violation> {
        let Some(done) = self.actors[actor].holding.work.pop_front() else { return Ok(()) };
        self.client_input(actor, |client, now| client.handle_work(done, now))
    }
}
