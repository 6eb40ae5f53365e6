//! A connection for a command: it enters, asks and answers, and gives up in time.

mod asking;
mod connection;
mod files;
mod keeping;

use std::{collections::VecDeque, rc::Rc, time::Duration};

use palabre_core::{
    client::{AccountEntry, Client, ClientConfig, ClientEvent, SavedSession},
    error::{Misuse, Refusal, RefusalCode},
    name::Nick,
    password::Stretching,
    time::{Monotonic, Now},
};
use palabre_runtime::{
    client::{ClientDriver, DriveError, Security, Trust},
    clock::Clock,
    server_key::ServerKey,
};

pub(crate) use self::{
    asking::{request_answered, unexpected},
    connection::Connection,
    keeping::Keeping,
};
use crate::{
    arguments::Address,
    context::Context,
    failure::{ExitStatus, Failure},
    habit::{self, Answer, Choice},
    interrupts::Interrupts,
    output::{Layout, Output, Printable},
    portable_token::PortableToken,
    state::Slot,
    trust::{self, Contact},
};

/// Posts that wait for an answer at a time.
pub(crate) const OUTBOX_POSTS_MAX: usize = 256;

/// How long saying goodbye may take.
const LEAVE_MAX: Duration = Duration::from_secs(2);

/// What the program says it is.
pub(crate) const PROGRAM: &str = concat!("palabre-cli/", env!("CARGO_PKG_VERSION"));

/// Who may do what is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Guests and accounts.
    Anybody,
    /// Accounts alone.
    Account,
    /// Who gave a password on purpose.
    Password,
}

/// A guest of our own, or the account logged in, for the time of a command.
pub(crate) struct Session<'a> {
    context: &'a mut Context,
    driver: ClientDriver,
    interrupts: Interrupts,
    clock: Clock,
    connection: Connection,
    /// What came while an answer to something else was waited for.
    backlog: VecDeque<ClientEvent>,
    keeping: Rc<Keeping>,
}

/// What a person answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Account,
    Guest,
}

impl<'a> Session<'a> {
    /// Enters the server: by the session in the slot, by the account logged in, or as a new guest, who leaves at the end
    /// unless it is kept.
    pub(crate) fn open(context: &'a mut Context, slot: Option<Slot>) -> Result<Self, Failure> {
        Self::open_as(context, slot, Need::Anybody)
    }

    /// Enters the server by the account logged in. A person who is not is asked.
    pub(crate) fn open_account(context: &'a mut Context) -> Result<Self, Failure> {
        Self::open_as(context, None, Need::Account)
    }

    fn open_as(context: &'a mut Context, slot: Option<Slot>, need: Need) -> Result<Self, Failure> {
        let mut contact = context.contact()?;
        let identity = context.identity()?;
        let saved = resume(slot.as_ref(), &mut contact, context)?;
        let asks = need == Need::Account && saved.is_none();
        if asks && !context.can_ask() {
            return Err(habit::not_logged_in(&contact.server));
        }
        let keeping = Keeping::of(slot, saved.as_ref(), &contact, context);
        let config = ClientConfig {
            nick: saved.as_ref().map_or(identity.nick, |saved| saved.nick.clone()),
            take_suggestion: !identity.is_explicit,
            asks,
            keeps_tokens: keeping.keeps_tokens(),
            saved,
            ..client_config()
        };
        let mut session = Self::start(context, contact, config, keeping)?;
        session.enter(need)?;
        Ok(session)
    }

    /// Enters the server by a password.
    pub(crate) fn open_by_account(
        context: &'a mut Context,
        name: Nick,
        entry: AccountEntry,
    ) -> Result<Self, Failure> {
        let contact = context.contact()?;
        let config = ClientConfig { nick: name, account: Some(entry), ..client_config() };
        let mut session = Self::start(context, contact, config, Keeping::nothing())?;
        session.enter(Need::Password)?;
        Ok(session)
    }

    /// Asks a person who to be, and keeps the account if it is one.
    pub(crate) fn settle_who(context: &'a mut Context) -> Result<(), Failure> {
        let contact = context.contact()?;
        let nick = context.identity()?.nick;
        let config = ClientConfig { nick, asks: true, ..client_config() };
        let mut session = Self::start(context, contact, config, Keeping::nothing())?;
        let settled = session.enter_settling();
        session.leave(false);
        settled
    }

    fn start(
        context: &'a mut Context,
        contact: Contact,
        config: ClientConfig,
        keeping: Rc<Keeping>,
    ) -> Result<Self, Failure> {
        let driver = new_driver(&contact, config, &keeping)?;
        let interrupts =
            Interrupts::install(driver.waker()).map_err(|error| Failure::local("signals", &error))?;
        let clock = Clock::start();
        let until = clock.monotonic().after(context.common.connect_timeout);
        let connection = Connection::new(contact, until, Some(context.common.reconnect_for));
        let backlog = VecDeque::new();
        Ok(Self { context, driver, interrupts, clock, connection, backlog, keeping })
    }

    fn enter(&mut self, need: Need) -> Result<(), Failure> {
        let entered = self.enter_asking(need);
        if entered.is_err() {
            self.leave(false);
        }
        entered
    }

    fn enter_asking(&mut self, need: Need) -> Result<(), Failure> {
        let mut asked = false;
        loop {
            match self.next_of_all(None)? {
                Some(ClientEvent::Ready { nick, .. }) => return self.entered(&nick, asked),
                Some(ClientEvent::Connected { .. }) if need == Need::Account && !asked => {
                    if self.driver.client().user().is_none() {
                        self.ask_who(false)?;
                        asked = true;
                    }
                }
                Some(ClientEvent::EnterRefused { refusal, .. }) => {
                    let failure = self.not_entered(&refusal);
                    if !self.is_worth_asking(&refusal, need, asked) {
                        return Err(failure);
                    }
                    self.context.output.warning(Printable::new(&failure.sentence));
                    self.ask_who(need == Need::Anybody)?;
                    asked = true;
                }
                Some(_) | None => {}
            }
        }
    }

    /// As [`enter_asking`](Self::enter_asking), but a guest enters later.
    fn enter_settling(&mut self) -> Result<(), Failure> {
        loop {
            match self.next_of_all(None)? {
                Some(ClientEvent::Ready { nick, .. }) => return self.entered(&nick, true),
                Some(ClientEvent::Connected { .. }) if !self.driver.client().is_logging_in() => {
                    if self.ask_who(true)? == Who::Guest {
                        return Ok(());
                    }
                }
                Some(ClientEvent::EnterRefused { refusal, .. }) => {
                    let failure = self.not_entered(&refusal);
                    self.context.output.warning(Printable::new(&failure.sentence));
                    if self.ask_who(true)? == Who::Guest {
                        return Ok(());
                    }
                }
                Some(_) | None => {}
            }
        }
    }

    fn entered(&mut self, nick: &Nick, asked: bool) -> Result<(), Failure> {
        let server = self.connection.server();
        self.context.output.detail(format_args!("{server}: entered as {nick}"));
        self.context.remember_server(server);
        if asked { self.keep_credential() } else { Ok(()) }
    }

    /// Whether a person could make good for a refusal by saying who to be.
    fn is_worth_asking(&self, refusal: &Refusal, need: Need, asked: bool) -> bool {
        let client = self.driver.client();
        let has_ended = refusal.code == RefusalCode::TokenUnknown && client.is_account();
        let needs_account = refusal.code == RefusalCode::NotAllowed && !client.offers().guests;
        need != Need::Password
            && (asked || has_ended || needs_account)
            && self.context.can_ask()
            && !self.context.has_token()
    }

    fn not_entered(&self, refusal: &Refusal) -> Failure {
        habit::not_entered(self.driver.client(), self.connection.server(), refusal)
    }

    /// Asks a person who to be, and enters so.
    fn ask_who(&mut self, guest_will_do: bool) -> Result<Who, Failure> {
        let choice = Choice { offers: self.driver.client().offers(), guest_will_do };
        let answer = habit::ask(self.context, self.connection.server(), choice)?;
        // The server may have given up waiting meanwhile.
        self.turn(Some(Duration::ZERO))?;
        self.connection.expect(self.clock.monotonic().after(self.context.common.connect_timeout));
        match answer {
            Answer::Account { name, entry } => {
                self.act(|client, now| client.log_in(&name, entry, now))?;
                Ok(Who::Account)
            }
            Answer::Guest => {
                let nick = self.context.identity()?.nick;
                self.act(|client, now| client.rename(&nick, now))?;
                Ok(Who::Guest)
            }
        }
    }

    /// The login as a text, for a script elsewhere.
    pub(crate) fn portable_token(&self) -> Option<PortableToken> {
        let session = self.client().saved().filter(|saved| saved.is_account)?;
        Some(PortableToken { session, server_key: self.driver.server_key() })
    }

    /// Keeps the account for the commands to come.
    pub(crate) fn keep_credential(&mut self) -> Result<(), Failure> {
        let Some(saved) = self.client().saved().filter(|saved| saved.is_account) else { return Ok(()) };
        let contact = self.context.contact()?;
        self.context.keep_credential(&contact, &saved, self.driver.server_key())
    }

    pub(crate) const fn output(&mut self) -> &mut Output {
        &mut self.context.output
    }

    pub(crate) const fn server(&self) -> &Address {
        self.connection.server()
    }

    pub(crate) const fn client(&self) -> &Client {
        self.driver.client()
    }

    pub(crate) const fn driver(&self) -> &ClientDriver {
        &self.driver
    }

    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// How messages are laid out at this moment.
    pub(crate) fn layout(&self) -> Layout {
        Layout { style: self.context.output.style(), now: self.clock.now().wall }
    }

    /// Does something with the client.
    pub(crate) fn act<R>(
        &mut self,
        act: impl FnOnce(&mut Client, Now) -> Result<R, Misuse>,
    ) -> Result<R, Failure> {
        self.driver.with_client(act).map_err(Failure::from)
    }

    /// The next thing that happened, or nothing when `until` has come or somebody woke the driver.
    ///
    /// What was printed is shown before anything is waited for. Fails when the connection is gone for too long,
    /// or the program was asked to end.
    pub(crate) fn next_event(&mut self, until: Option<Monotonic>) -> Result<Option<ClientEvent>, Failure> {
        match self.next_of_all(until)? {
            Some(ClientEvent::EnterRefused { refusal, .. }) => Err(self.not_entered(&refusal)),
            event => Ok(event),
        }
    }

    fn next_of_all(&mut self, until: Option<Monotonic>) -> Result<Option<ClientEvent>, Failure> {
        if let Some(event) = self.backlog.pop_front() {
            return Ok(Some(event));
        }
        if let Some(event) = self.next_arrival()? {
            return Ok(Some(event));
        }
        self.context.output.flush()?;
        let now = self.clock.monotonic();
        self.connection.check(&self.driver, now)?;
        let deadline = until.into_iter().chain(self.connection.deadline()).min();
        if until.is_some_and(|until| until <= now) {
            return Ok(None);
        }
        self.turn(deadline.map(|deadline| deadline.since(now)))?;
        self.next_arrival()
    }

    fn next_arrival(&mut self) -> Result<Option<ClientEvent>, Failure> {
        if self.interrupts.requested() {
            return Err(Failure::interrupted());
        }
        if let Some(error) = self.keeping.mind(&mut self.driver) {
            self.context.output.warning(error);
        }
        let event = self.driver.next_event();
        if let Some(event) = &event {
            let now = self.clock.monotonic();
            self.keeping.note(event, &mut self.driver);
            self.connection.note(event, &self.driver, now, &mut self.context.output)?;
        }
        Ok(event)
    }

    fn turn(&mut self, timeout: Option<Duration>) -> Result<(), Failure> {
        self.driver.turn(timeout).map_err(|error| undriven(self.connection.server(), error))
    }

    /// Says goodbye; `keep` leaves the guest on the server, to be resumed.
    pub(crate) fn leave(&mut self, keep: bool) {
        self.driver.with_client(|client, now| client.leave(keep, now));
        let deadline = self.clock.monotonic().after(LEAVE_MAX);
        while !self.driver.is_ended() {
            let now = self.clock.monotonic();
            if now >= deadline || self.driver.turn(Some(deadline.since(now))).is_err() {
                return;
            }
            while self.driver.next_event().is_some() {}
        }
    }
}

/// Runs a command as a guest that leaves at its end, however it ends.
pub(crate) fn with_session(
    context: &mut Context,
    run: impl FnOnce(&mut Session<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut session = Session::open(context, None)?;
    finish(&mut session, run)
}

/// Runs a command that needs an account.
pub(crate) fn with_account(
    context: &mut Context,
    run: impl FnOnce(&mut Session<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut session = Session::open_account(context)?;
    finish(&mut session, run)
}

fn finish(
    session: &mut Session<'_>,
    run: impl FnOnce(&mut Session<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let result = run(session).and_then(|()| session.output().flush());
    session.leave(false);
    result
}

/// What every client of the program has in common.
pub(crate) fn client_config() -> ClientConfig {
    ClientConfig {
        program: PROGRAM.into(),
        nick: Nick::parse("guest").expect("a name"),
        take_suggestion: false,
        asks: false,
        keeps_tokens: false,
        account: None,
        stretching_min: Stretching::LEAST,
        saved: None,
        reconnect: true,
        outbox_posts_max: OUTBOX_POSTS_MAX,
    }
}

/// A driver whose client has what is to be kept written down.
pub(crate) fn new_driver(
    contact: &Contact,
    config: ClientConfig,
    keeping: &Rc<Keeping>,
) -> Result<ClientDriver, Failure> {
    let keeping = Rc::clone(keeping);
    let save = move |session: Option<&_>, server_key| keeping.save(session, server_key);
    let Contact { server, security } = contact;
    ClientDriver::new(&server.host, server.port, *security, config, Box::new(save))
        .map_err(|error| Failure::local("the network", &error))
}

/// Why the driver cannot go on.
pub(crate) fn undriven(server: &Address, error: DriveError) -> Failure {
    match error {
        DriveError::System(error) => Failure::local("waiting for the network", &error),
        DriveError::Distrusted(distrust) => trust::distrusted(server, &distrust),
    }
}

/// Who to be: the account logged in, with what an earlier run of it has left in the slot, or the guest of an earlier run;
/// but only where that was told to the server that is talked to: what is in it is shown to no other. From now on the
/// server has to be that one. What cannot be read is told and forgotten.
pub(crate) fn resume(
    slot: Option<&Slot>,
    contact: &mut Contact,
    context: &mut Context,
) -> Result<Option<SavedSession>, Failure> {
    let saved = slot.and_then(|slot| {
        slot.read().unwrap_or_else(|reason| {
            context
                .output
                .warning(format_args!("a saved session cannot be read and is not resumed: {reason}"));
            None
        })
    });
    let saved = admit(saved, "a session saved for its former key is not resumed", contact, context)?;
    let credential = context.credential(contact);
    let refused = "the login was for its former key; log in again";
    let credential = admit(credential, refused, contact, context)?;
    Ok(match (saved, credential) {
        (Some(saved), Some(credential)) if saved.is_account && saved.user == credential.user => {
            Some(SavedSession { token: credential.token, ..saved })
        }
        (_, Some(credential)) => Some(credential),
        // An account that was logged out.
        (Some(saved), None) if saved.is_account => None,
        (saved, None) => saved,
    })
}

/// A session, if it was told to the server that is talked to.
fn admit(
    read: Option<(SavedSession, Option<ServerKey>)>,
    refused: &str,
    contact: &mut Contact,
    context: &mut Context,
) -> Result<Option<SavedSession>, Failure> {
    let Some((session, told_to)) = read else { return Ok(None) };
    let key = match contact.security {
        Security::Plain => None,
        Security::Tls(Trust::Key(key)) => Some(key),
        // Its key may have been renewed since; better to know before than to be stopped by it.
        Security::Tls(Trust::Authorities { last: None }) => {
            Some(trust::look_at(context, &contact.server)?.key)
        }
        Security::Tls(Trust::Authorities { last: Some(key) }) => Some(key),
    };
    if let (Security::Tls(Trust::Authorities { last }), Some(key)) = (&mut contact.security, key) {
        *last = Some(key);
    }
    if key != told_to && context.has_token() && session.is_account {
        return Err(token_of_another_server(&contact.server));
    }
    if key != told_to {
        context.output.warning(format_args!("{}: {refused}", contact.server));
        return Ok(None);
    }
    Ok(Some(session))
}

fn token_of_another_server(server: &Address) -> Failure {
    let sentence = format!(
        "{server}: the token is for a server with another key, and was not shown to this one. Somebody may be in \
         between; if its operator says that the key was changed, get a new token: cli login NAME --print-token"
    );
    Failure::new(ExitStatus::Identity, "server-identity-changed", sentence)
}
