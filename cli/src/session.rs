//! A connection for a command: it enters, asks and answers, and gives up in time.

use std::{cell::RefCell, collections::VecDeque, rc::Rc, time::Duration};

use palabre_core::{
    client::{Client, ClientConfig, ClientEvent, OfflineCause, RequestId, RoomInfo},
    error::Misuse,
    ids::{RoomId, Seq},
    storage::StoredEvent,
    time::{Monotonic, Now},
};
use palabre_runtime::{client::ClientDriver, clock::Clock};

use crate::{
    arguments::{Address, Target},
    context::Context,
    failure::{ExitStatus, Failure, OfflineSentence},
    interrupts::Interrupts,
    output::{Layout, Output, Printable},
    state::Slot,
};

/// Posts that wait for an answer at a time.
pub(crate) const OUTBOX_POSTS_MAX: usize = 256;

/// How long saying goodbye may take.
const LEAVE_MAX: Duration = Duration::from_secs(2);

/// Events of a page of history.
const PAGE_EVENTS: u16 = 200;

/// What the program says it is.
pub(crate) const PROGRAM: &str = concat!("palabre-cli/", env!("CARGO_PKG_VERSION"));

/// A guest of our own for the time of a command.
pub(crate) struct Session<'a> {
    context: &'a mut Context,
    server: Address,
    driver: ClientDriver,
    interrupts: Interrupts,
    clock: Clock,
    presence: Presence,
    /// What came while an answer to something else was waited for.
    backlog: VecDeque<ClientEvent>,
    save_error: SaveError,
}

/// Where a write of the saved session leaves why it failed.
pub(crate) type SaveError = Rc<RefCell<Option<String>>>;

/// Whether the client has entered, and until when it may try.
#[derive(Clone, Debug)]
enum Presence {
    /// In, or waiting for a place.
    There,
    /// Without a connection.
    Missing { since_start: bool, until: Monotonic, cause: OfflineCause },
}

impl<'a> Session<'a> {
    /// Enters the server, and is resumed if the slot has a session. The guest leaves at the end unless it is kept.
    pub(crate) fn open(context: &'a mut Context, slot: Option<Slot>) -> Result<Self, Failure> {
        let server = context.server()?;
        let identity = context.identity()?;
        let saved = slot.as_ref().and_then(|slot| read_slot(slot, &mut context.output));
        let config = ClientConfig {
            program: PROGRAM.into(),
            nick: identity.nick,
            take_suggestion: !identity.is_explicit,
            saved,
            reconnect: true,
            outbox_posts_max: OUTBOX_POSTS_MAX,
        };
        let save_error = SaveError::default();
        let driver = new_driver(&server, config, slot, &save_error)?;
        let interrupts =
            Interrupts::install(driver.waker()).map_err(|error| Failure::local("signals", &error))?;
        let clock = Clock::start();
        let until = clock.monotonic().after(context.common.connect_timeout);
        let presence = Presence::Missing { since_start: true, until, cause: OfflineCause::Unreachable };
        let backlog = VecDeque::new();
        let mut session =
            Self { context, server, driver, interrupts, clock, presence, backlog, save_error };
        session.enter()?;
        Ok(session)
    }

    fn enter(&mut self) -> Result<(), Failure> {
        let entered = loop {
            match self.next_event(None) {
                Ok(Some(ClientEvent::Ready { nick, .. })) => break Ok(nick),
                Ok(_) => {}
                Err(failure) => break Err(failure),
            }
        };
        match entered {
            Ok(nick) => {
                self.context.output.detail(format_args!("{}: entered as {nick}", self.server));
                self.context.remember_server(&self.server);
                Ok(())
            }
            Err(failure) => {
                self.leave(false);
                Err(failure)
            }
        }
    }

    pub(crate) const fn output(&mut self) -> &mut Output {
        &mut self.context.output
    }

    pub(crate) const fn server(&self) -> &Address {
        &self.server
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
        if let Some(event) = self.backlog.pop_front() {
            return Ok(Some(event));
        }
        if let Some(event) = self.next_arrival()? {
            return Ok(Some(event));
        }
        self.context.output.flush()?;
        let now = self.clock.monotonic();
        let deadline = until.into_iter().chain(self.give_up_at(now)?).min();
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
        if let Some(error) = self.save_error.borrow_mut().take() {
            self.context.output.warning(format_args!("cannot save the session: {error}"));
        }
        let event = self.driver.next_event();
        if let Some(event) = &event {
            self.note(event)?;
        }
        Ok(event)
    }

    fn turn(&mut self, timeout: Option<Duration>) -> Result<(), Failure> {
        self.driver.turn(timeout).map_err(|error| Failure::local("waiting for the network", &error))
    }

    /// When to give up; the failure if that time has come.
    fn give_up_at(&self, now: Monotonic) -> Result<Option<Monotonic>, Failure> {
        match &self.presence {
            Presence::There => Ok(None),
            Presence::Missing { until, .. } if *until > now => Ok(Some(*until)),
            Presence::Missing { cause, .. } => Err(self.offline(cause)),
        }
    }

    fn offline(&self, cause: &OfflineCause) -> Failure {
        let mut failure = Failure::offline(&self.server.to_string(), cause);
        if let (OfflineCause::Unreachable, Some(error)) = (cause, self.driver.connect_error()) {
            failure.sentence = format!("{}: {error}", failure.sentence);
        }
        failure
    }

    /// Follows how the connection is, and tells it.
    fn note(&mut self, event: &ClientEvent) -> Result<(), Failure> {
        match event {
            ClientEvent::Ready { .. } => {
                if let Presence::Missing { since_start: false, .. } = self.presence {
                    self.context.output.status("connected again");
                }
                self.presence = Presence::There;
            }
            ClientEvent::Waiting { position } => {
                self.context.output.status(format_args!("waiting for a place, position {position}"));
                self.presence = Presence::There;
            }
            ClientEvent::Offline { cause, retry_in } => self.note_offline(cause, *retry_in),
            ClientEvent::EnterRefused { refusal } => return Err(Failure::refused(refusal)),
            ClientEvent::Ended { cause } => return Err(self.offline(cause)),
            ClientEvent::Connected { server } => {
                self.context.output.detail(format_args!(
                    "{}: connected to {}",
                    self.server,
                    Printable::new(server)
                ));
            }
            ClientEvent::Joined { .. }
            | ClientEvent::Opened { .. }
            | ClientEvent::Parted { .. }
            | ClientEvent::Happened(_)
            | ClientEvent::Trimmed { .. }
            | ClientEvent::Presence { .. }
            | ClientEvent::Posted { .. }
            | ClientEvent::PostRefused { .. }
            | ClientEvent::PostIndeterminate { .. }
            | ClientEvent::Members { .. }
            | ClientEvent::Rooms { .. }
            | ClientEvent::History { .. }
            | ClientEvent::Manual { .. }
            | ClientEvent::Renamed { .. }
            | ClientEvent::AwaySet { .. }
            | ClientEvent::Pong { .. }
            | ClientEvent::Refused { .. }
            | ClientEvent::Interrupted { .. } => {}
        }
        Ok(())
    }

    fn note_offline(&mut self, cause: &OfflineCause, retry_in: Duration) {
        let (since_start, until) = match self.presence {
            Presence::There => (false, self.clock.monotonic().after(self.context.common.reconnect_for)),
            Presence::Missing { since_start, until, .. } => (since_start, until),
        };
        self.presence = Presence::Missing { since_start, until, cause: cause.clone() };
        self.context.output.status(RetrySentence { server: &self.server, cause, retry_in });
    }

    /// Asks, waits for the answer, and asks again when the connection was lost meanwhile.
    pub(crate) fn ask(
        &mut self,
        ask: impl Fn(&mut Client, Now) -> Result<RequestId, Misuse>,
    ) -> Result<ClientEvent, Failure> {
        let mut waiting = VecDeque::new();
        let answer = self.ask_past(&ask, &mut waiting);
        // What came meanwhile goes before what came after the answer.
        waiting.append(&mut self.backlog);
        self.backlog = waiting;
        answer
    }

    fn ask_past(
        &mut self,
        ask: impl Fn(&mut Client, Now) -> Result<RequestId, Misuse>,
        passed: &mut VecDeque<ClientEvent>,
    ) -> Result<ClientEvent, Failure> {
        passed.append(&mut self.backlog);
        let mut asked = self.act(&ask)?;
        loop {
            let Some(event) = self.next_event(None)? else { continue };
            match event {
                ClientEvent::Interrupted { request } if request == asked => asked = self.act(&ask)?,
                ClientEvent::Refused { request, refusal } if request == asked => {
                    return Err(Failure::refused(&refusal));
                }
                event if request_answered(&event) == Some(asked) => return Ok(event),
                event => passed.push_back(event),
            }
        }
    }

    /// Enters a room or opens a conversation. A room that does not exist is made.
    pub(crate) fn join(&mut self, target: &Target, after: Option<Seq>) -> Result<RoomInfo, Failure> {
        let answer = self.ask(|client, now| match target {
            Target::Room(room) => client.join(room, after, now),
            Target::Person(nick) => client.direct(nick, now),
        })?;
        match answer {
            ClientEvent::Joined { room, .. } => Ok(room),
            other => Err(unexpected(&other)),
        }
    }

    /// Enters a room that exists already, or opens a conversation.
    pub(crate) fn join_existing(&mut self, target: &Target, after: Option<Seq>) -> Result<RoomInfo, Failure> {
        if let Target::Room(wanted) = target {
            let rooms = self.rooms()?;
            let key = wanted.key();
            let is_wanted = |name: &str| {
                palabre_core::name::RoomName::parse(name).is_ok_and(|name| name.key().folded() == key.folded())
            };
            if !rooms.iter().any(|room| is_wanted(&room.name)) {
                return Err(no_such_room(wanted.as_str(), rooms.iter().map(|room| room.name.as_str())));
            }
        }
        self.join(target, after)
    }

    /// All named rooms.
    pub(crate) fn rooms(&mut self) -> Result<Vec<palabre_core::client::RoomListed>, Failure> {
        match self.ask(Client::rooms)? {
            ClientEvent::Rooms { rooms, .. } => Ok(rooms),
            other => Err(unexpected(&other)),
        }
    }

    /// The last `count` events before a number, ascending, less if there are not so many.
    pub(crate) fn read_back(
        &mut self,
        room: RoomId,
        before: Option<Seq>,
        count: usize,
    ) -> Result<Vec<StoredEvent>, Failure> {
        let mut pages = Vec::new();
        let mut before = before;
        let mut missing = count;
        while missing > 0 {
            let limit = u16::try_from(missing).unwrap_or(PAGE_EVENTS).min(PAGE_EVENTS);
            let answer = self.ask(|client, now| client.history(room, before, limit, now))?;
            let ClientEvent::History { first, events, .. } = answer else { return Err(unexpected(&answer)) };
            let Some(earliest) = events.first().map(|event| event.seq) else { break };
            missing = missing.saturating_sub(events.len());
            before = Some(earliest);
            pages.push(events);
            if earliest <= first {
                break;
            }
        }
        Ok(pages.into_iter().rev().flatten().collect())
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
    let result = run(&mut session).and_then(|()| session.output().flush());
    session.leave(false);
    result
}

/// A driver whose client saves its session in a slot.
pub(crate) fn new_driver(
    server: &Address,
    config: ClientConfig,
    slot: Option<Slot>,
    save_error: &SaveError,
) -> Result<ClientDriver, Failure> {
    let save_error = Rc::clone(save_error);
    let save = move |session: Option<&_>| {
        if let Some(Err(error)) = slot.as_ref().map(|slot| slot.write(session)) {
            *save_error.borrow_mut() = Some(error.to_string());
        }
    };
    ClientDriver::new(&server.host, server.port, config, Box::new(save))
        .map_err(|error| Failure::local("the network", &error))
}

/// The session saved in a slot. One that cannot be read is told and forgotten.
pub(crate) fn read_slot(slot: &Slot, output: &mut Output) -> Option<palabre_core::client::SavedSession> {
    slot.read().unwrap_or_else(|reason| {
        output.warning(format_args!("a saved session cannot be read and is not resumed: {reason}"));
        None
    })
}

/// How a lost connection is told.
pub(crate) struct RetrySentence<'a> {
    pub(crate) server: &'a Address,
    pub(crate) cause: &'a OfflineCause,
    pub(crate) retry_in: Duration,
}

impl std::fmt::Display for RetrySentence<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let reason = OfflineSentence(self.cause).to_string();
        let seconds = self.retry_in.as_millis().div_ceil(1_000);
        write!(f, "{}: {}; trying again in {seconds} s", self.server, Printable::new(&reason))
    }
}

/// The request that an event answers.
pub(crate) const fn request_answered(event: &ClientEvent) -> Option<RequestId> {
    match event {
        ClientEvent::Joined { request, .. } => *request,
        ClientEvent::Parted { request, .. }
        | ClientEvent::Members { request, .. }
        | ClientEvent::Rooms { request, .. }
        | ClientEvent::History { request, .. }
        | ClientEvent::Manual { request, .. }
        | ClientEvent::Renamed { request, .. }
        | ClientEvent::AwaySet { request, .. }
        | ClientEvent::Pong { request, .. }
        | ClientEvent::Refused { request, .. }
        | ClientEvent::Interrupted { request } => Some(*request),
        ClientEvent::Connected { .. }
        | ClientEvent::Waiting { .. }
        | ClientEvent::EnterRefused { .. }
        | ClientEvent::Ready { .. }
        | ClientEvent::Offline { .. }
        | ClientEvent::Ended { .. }
        | ClientEvent::Opened { .. }
        | ClientEvent::Happened(_)
        | ClientEvent::Trimmed { .. }
        | ClientEvent::Presence { .. }
        | ClientEvent::Posted { .. }
        | ClientEvent::PostRefused { .. }
        | ClientEvent::PostIndeterminate { .. } => None,
    }
}

/// The client answers a request with the event of its kind; anything else is a bug of ours.
pub(crate) fn unexpected(event: &ClientEvent) -> Failure {
    Failure::new(ExitStatus::Other, "unexpected-answer", format!("an answer to something else: {event:?}"))
}

fn no_such_room<'a>(wanted: &str, rooms: impl Iterator<Item = &'a str>) -> Failure {
    let nearest = palabre_core::name::nearest(wanted, rooms);
    let next_step = match nearest {
        Some(name) => format!("did you mean {name}?"),
        None => "`cli rooms` lists those there are.".into(),
    };
    let mut failure =
        Failure::new(ExitStatus::NotFound, "no-such-room", format!("{wanted}: there is no such room; {next_step}"));
    failure.suggestion = nearest.map(Into::into);
    failure
}
