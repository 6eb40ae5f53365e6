//! A chat, whoever shows it: what is asked of the server, what becomes of the answers, and what a typed line does.
//!
//! It is handed what the client tells and what a person types, and answers with what is to be [shown](Shown).

mod answers;
mod commands;
mod events;
mod messages;
mod paths;
mod shown;
mod transfers;
mod views;
mod vocabulary;

use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    time::Duration,
};

use palabre_core::{
    client::{Client, ClientConfig, ClientEvent, RequestId},
    error::Misuse,
    ids::{RoomId, Seq},
    name::{Nick, RoomName},
    time::{Monotonic, Now},
};
use palabre_runtime::{
    client::{ClientDriver, Waker},
    clock::Clock,
};

use self::{answers::Pending, transfers::Transfers};
pub(super) use self::{
    shown::{Shown, Time},
    transfers::Step,
    views::Views,
    vocabulary::Vocabulary,
};
use crate::{
    arguments::parse_room,
    context::Context,
    failure::{ExitStatus, Failure, OfflineSentence},
    interrupts::Interrupts,
    output::{Output, Printable},
    session::{Connection, Keeping, client_config, new_driver, resume, undriven},
    state::{Slot, State},
    trust::Contact,
};

/// A post that takes longer is worth a word.
const SLOW: Duration = Duration::from_secs(1);

/// How long saying goodbye may take.
const LEAVE_MAX: Duration = Duration::from_secs(2);

/// A chat.
pub(super) struct Chat {
    driver: ClientDriver,
    interrupts: Interrupts,
    clock: Clock,
    connection: Connection,
    keeping: Rc<Keeping>,
    /// Whether a person types, and not a script.
    is_person: bool,
    stage: Stage,
    /// The room to enter first.
    wanted: RoomName,
    wished: Nick,
    views: Views,
    /// Up to where rooms were read in an earlier run.
    read_before: BTreeMap<RoomId, Seq>,
    pending: BTreeMap<RequestId, Pending>,
    slow: Slowness,
    is_away: bool,
    /// Messages of before that are asked for on entering a room, and unless said.
    past_events: u16,
    shown: VecDeque<Shown>,
    transfers: Transfers,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not there yet.
    Entering,
    /// The name was refused and a person is asked for another.
    Naming {
        /// One that would do.
        suggestion: Option<String>,
    },
    /// In, and about to enter the first room.
    Arriving,
    Chatting,
    /// Nothing more is read; what was typed is still being sent.
    Finishing,
}

/// Whether posts wait for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slowness {
    /// None wait.
    Nothing,
    /// Some have been waiting from then on.
    Since(Monotonic),
    /// It was told that some wait.
    Told,
}

impl Chat {
    /// Begins to enter the server and a room.
    pub(super) fn start(
        context: &mut Context,
        room: Option<RoomName>,
        is_person: bool,
        past_events: u16,
    ) -> Result<Self, Failure> {
        let mut contact = context.contact()?;
        let identity = context.identity()?;
        let wanted = match room {
            Some(room) => room,
            None => configured_room(context)?,
        };
        let slot = match &context.state {
            Some(state) => acquire(state, &contact, &identity.nick)?,
            None => None,
        };
        let saved = resume(slot.as_ref(), &mut contact, context)?;
        let read_before =
            saved.iter().flat_map(|saved| &saved.rooms).map(|(id, _, seen)| (*id, *seen)).collect();
        let nick = saved.as_ref().map_or(identity.nick, |saved| saved.nick.clone());
        let take_suggestion = !identity.is_explicit;
        let keeping = Keeping::of(slot, saved.as_ref(), &contact, context);
        let keeps_tokens = keeping.keeps_tokens();
        let config =
            ClientConfig { nick: nick.clone(), take_suggestion, keeps_tokens, saved, ..client_config() };
        let driver = new_driver(&contact, config, &keeping)?;
        let interrupts =
            Interrupts::install(driver.waker()).map_err(|error| Failure::local("signals", &error))?;
        let clock = Clock::start();
        let until = clock.monotonic().after(context.common.connect_timeout);
        let reconnect_for = (!is_person).then_some(context.common.reconnect_for);
        Ok(Self {
            connection: Connection::new(contact, until, reconnect_for),
            driver,
            interrupts,
            clock,
            keeping,
            is_person,
            stage: Stage::Entering,
            wanted,
            wished: nick,
            views: Views::default(),
            read_before,
            pending: BTreeMap::new(),
            slow: Slowness::Nothing,
            is_away: false,
            past_events,
            shown: VecDeque::new(),
            transfers: Transfers::new(context),
        })
    }

    /// Takes in the next thing that happened, if any did.
    pub(super) fn take_event(&mut self) -> Result<bool, Failure> {
        let Some(event) = self.driver.next_event() else { return Ok(false) };
        self.handle(event)?;
        Ok(true)
    }

    /// The next thing to show.
    pub(super) fn next_shown(&mut self) -> Option<Shown> {
        self.shown.pop_front()
    }

    /// Tells what takes too long. Fails when the chat is to end: nobody waits any longer, or somebody asked for it.
    pub(super) fn check(&mut self) -> Result<(), Failure> {
        if self.interrupts.requested() {
            return Err(Failure::interrupted());
        }
        let now = self.clock.monotonic();
        let keeping = Rc::clone(&self.keeping);
        if let Some(error) = keeping.mind(&mut self.driver) {
            self.show(Shown::Warning(error));
        }
        self.slow = match (self.waiting_posts(), self.slow) {
            (0, _) => Slowness::Nothing,
            (_, Slowness::Nothing) => Slowness::Since(now),
            (count, Slowness::Since(since)) if now.since(since) >= SLOW => {
                let reason = if self.is_ready() { "" } else { " until there is a connection" };
                self.show(Shown::Status(format!("waiting to send ({count}){reason}")));
                Slowness::Told
            }
            (_, slow) => slow,
        };
        self.connection.check(&self.driver, now)
    }

    /// Waits until something happens, at most until then.
    pub(super) fn wait(&mut self, until: Option<Monotonic>) -> Result<(), Failure> {
        let slow = match self.slow {
            Slowness::Since(since) => Some(since.after(SLOW)),
            Slowness::Nothing | Slowness::Told => None,
        };
        let deadline = [slow, self.connection.deadline(), until].into_iter().flatten().min();
        let timeout = deadline.map(|deadline| deadline.since(self.clock.monotonic()));
        self.driver.turn(timeout).map_err(|error| undriven(self.connection.server(), error))
    }

    /// Whether all is said.
    pub(super) fn is_finished(&self) -> bool {
        // What a script asked for it is told; a person leaves, and goes on with files another time.
        let is_owed = !self.is_person && (self.transfers().count() > 0 || !self.pending.is_empty());
        self.stage == Stage::Finishing && self.waiting_posts() == 0 && !self.is_switching() && !is_owed
    }

    /// Says goodbye, and to the user what is left undone.
    pub(super) fn leave(mut self, output: &mut Output) -> Result<(), Failure> {
        let unsent: Vec<String> = self.driver.client().outbox().map(|post| post.text.to_owned()).collect();
        self.driver.with_client(|client, now| client.leave(false, now));
        let deadline = self.clock.monotonic().after(LEAVE_MAX);
        while !self.driver.is_ended() && self.clock.monotonic() < deadline {
            if self.driver.turn(Some(deadline.since(self.clock.monotonic()))).is_err() {
                break;
            }
            while self.driver.next_event().is_some() {}
        }
        for text in &unsent {
            output.warning(format_args!("not acknowledged: {}", Printable::new(text)));
        }
        if let Some(to_go_on) = self.transfers.to_go_on() {
            output.warning(format_args!("not all files are through. {to_go_on}"));
        }
        if unsent.is_empty() { Ok(()) } else { Err(not_acknowledged(unsent.len())) }
    }

    pub(super) fn waker(&self) -> Waker {
        self.driver.waker()
    }

    pub(super) fn now(&self) -> Now {
        self.clock.now()
    }

    pub(super) const fn client(&self) -> &Client {
        self.driver.client()
    }

    pub(super) const fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) const fn stage(&self) -> &Stage {
        &self.stage
    }

    pub(super) const fn views(&self) -> &Views {
        &self.views
    }

    pub(super) const fn is_ready(&self) -> bool {
        self.driver.client().is_ready()
    }

    /// The posts that are not acknowledged yet.
    pub(super) fn waiting_posts(&self) -> usize {
        self.driver.client().outbox().count()
    }

    fn show(&mut self, shown: Shown) {
        self.shown.push_back(shown);
    }

    fn status(&mut self, sentence: impl ToString) {
        self.show(Shown::Status(sentence.to_string()));
    }

    /// Tells a failure that does not end the chat.
    fn fail(&mut self, failure: Failure) {
        self.show(Shown::Failed(failure));
    }

    /// Does something with the client.
    fn act<R>(&mut self, act: impl FnOnce(&mut Client, Now) -> Result<R, Misuse>) -> Result<R, Failure> {
        self.driver.with_client(act).map_err(Failure::from)
    }

    /// Asks the server; the answer is taken care of as is said.
    fn ask(&mut self, pending: Pending, ask: impl FnOnce(&mut Client, Now) -> Result<RequestId, Misuse>) {
        match self.act(ask) {
            Ok(request) => {
                self.pending.insert(request, pending);
            }
            Err(failure) => self.fail(failure),
        }
    }

    /// Takes note of how the connection is.
    fn note(&mut self, event: &ClientEvent) -> Result<(), Failure> {
        let now = self.clock.monotonic();
        let mut told = Vec::new();
        self.connection.note(event, &self.driver, now, &mut told)?;
        self.shown.extend(told);
        if let ClientEvent::Ready { .. } = event {
            self.show(Shown::Online);
        } else if let ClientEvent::Waiting { position } = event {
            self.show(Shown::Queued(*position));
        } else if let ClientEvent::Offline { cause, retry_in } = event {
            let why = OfflineSentence(cause).to_string();
            self.show(Shown::Offline { why, retry_in: *retry_in });
        }
        Ok(())
    }
}

/// Why what was typed is not all sent.
pub(super) fn not_acknowledged(count: usize) -> Failure {
    let sentence = format!("{count} messages were not acknowledged; they may or may not be stored");
    Failure::new(ExitStatus::Unavailable, "not-acknowledged", sentence)
}

fn configured_room(context: &Context) -> Result<RoomName, Failure> {
    match &context.config.room {
        Some(room) => parse_room(room).map_err(|error| Failure::usage(format!("room: {room}: {error}"))),
        None => Ok(RoomName::lobby()),
    }
}

/// A place for the session; without one it is not saved, and one can chat as well.
fn acquire(state: &State, contact: &Contact, nick: &Nick) -> Result<Option<Slot>, Failure> {
    Slot::acquire(state, contact, nick)
        .map_err(|error| Failure::local("the folder of saved sessions", &error))
}
