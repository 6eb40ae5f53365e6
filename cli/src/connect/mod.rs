//! A chat, line by line: what others say is printed as it happens, what is typed is said.

mod answers;
mod editor;
mod events;
mod gate;
mod input;
mod lines;
mod views;
mod vocabulary;

use std::{collections::BTreeMap, time::Duration};

use palabre_core::{
    client::{Client, ClientConfig, RequestId},
    error::Misuse,
    ids::{RoomId, Seq},
    name::{Nick, RoomName},
    time::{Monotonic, Now},
};
use palabre_runtime::{client::ClientDriver, clock::Clock};

use self::{
    answers::Pending,
    editor::LineEditor,
    input::{Input, Question},
    views::Views,
};
use crate::{
    arguments::parse_room,
    context::Context,
    failure::{ExitStatus, Failure},
    interrupts::Interrupts,
    output::{Layout, Printable},
    session::{Connection, SaveError, client_config, new_driver, resume, undriven},
    state::{Slot, State},
    trust::Contact,
};

/// A post that takes longer is worth a word.
const SLOW: Duration = Duration::from_secs(1);

/// How long saying goodbye may take.
const LEAVE_MAX: Duration = Duration::from_secs(2);

/// Chats until the person leaves, the lines end or the server is gone for good.
pub(crate) fn run(context: &mut Context, room: Option<RoomName>) -> Result<(), Failure> {
    let mut chat = Chat::start(context, room)?;
    let result = chat.converse();
    chat.end(result)
}

struct Chat<'a> {
    context: &'a mut Context,
    driver: ClientDriver,
    interrupts: Interrupts,
    clock: Clock,
    connection: Connection,
    save_error: SaveError,
    input: Input,
    stage: Stage,
    /// The room to enter first.
    wanted: RoomName,
    wished: Nick,
    views: Views,
    /// Up to where rooms were read in an earlier run.
    read_before: BTreeMap<RoomId, Seq>,
    pending: BTreeMap<RequestId, Pending>,
    /// What stands on the input line when it is asked for the next time.
    initial: String,
    slow: Slowness,
    is_away: bool,
    /// What failed; a script is told by the exit code.
    failures: Failures,
}

/// What could not be done of what a script asked for.
#[derive(Debug, Default)]
struct Failures {
    first: Option<Failure>,
    count: u32,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
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

impl<'a> Chat<'a> {
    fn start(context: &'a mut Context, room: Option<RoomName>) -> Result<Self, Failure> {
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
        let config = ClientConfig { nick: nick.clone(), take_suggestion, saved, ..client_config() };
        let save_error = SaveError::default();
        let driver = new_driver(&contact, config, slot, &save_error)?;
        let interrupts =
            Interrupts::install(driver.waker()).map_err(|error| Failure::local("signals", &error))?;
        let input = open_input(context, &driver)?;
        let clock = Clock::start();
        let until = clock.monotonic().after(context.common.connect_timeout);
        let reconnect_for = (!input.is_person()).then_some(context.common.reconnect_for);
        Ok(Self {
            connection: Connection::new(contact, until, reconnect_for),
            context,
            driver,
            interrupts,
            clock,
            save_error,
            input,
            stage: Stage::Entering,
            wanted,
            wished: nick,
            views: Views::default(),
            read_before,
            pending: BTreeMap::new(),
            initial: String::new(),
            slow: Slowness::Nothing,
            is_away: false,
            failures: Failures::default(),
        })
    }

    fn converse(&mut self) -> Result<(), Failure> {
        loop {
            while let Some(event) = self.driver.next_event() {
                self.handle(event)?;
            }
            self.take_lines()?;
            if self.interrupts.requested() {
                return Err(Failure::interrupted());
            }
            if self.stage == Stage::Finishing && self.waiting_posts() == 0 && !self.is_switching() {
                return Ok(());
            }
            self.tell_what_goes_wrong()?;
            self.context.output.flush()?;
            let timeout = self.next_deadline().map(|deadline| deadline.since(self.clock.monotonic()));
            self.driver.turn(timeout).map_err(|error| undriven(self.connection.server(), error))?;
        }
    }

    fn tell_what_goes_wrong(&mut self) -> Result<(), Failure> {
        let now = self.clock.monotonic();
        if let Some(error) = self.save_error.borrow_mut().take() {
            self.context.output.warning(format_args!("cannot save the session: {error}"));
        }
        self.slow = match (self.waiting_posts(), self.slow) {
            (0, _) => Slowness::Nothing,
            (_, Slowness::Nothing) => Slowness::Since(now),
            (count, Slowness::Since(since)) if now.since(since) >= SLOW => {
                let reason =
                    if self.driver.client().is_ready() { "" } else { " until there is a connection" };
                self.context.output.status(format_args!("waiting to send ({count}){reason}"));
                Slowness::Told
            }
            (_, slow) => slow,
        };
        self.connection.check(&self.driver, now)
    }

    fn next_deadline(&self) -> Option<Monotonic> {
        let slow = match self.slow {
            Slowness::Since(since) => Some(since.after(SLOW)),
            Slowness::Nothing | Slowness::Told => None,
        };
        slow.into_iter().chain(self.connection.deadline()).min()
    }

    /// Says goodbye and gives the terminal back.
    fn end(mut self, result: Result<(), Failure>) -> Result<(), Failure> {
        let unsent: Vec<String> = self.driver.client().outbox().map(|post| post.text.to_owned()).collect();
        self.driver.with_client(|client, now| client.leave(false, now));
        let deadline = self.clock.monotonic().after(LEAVE_MAX);
        while !self.driver.is_ended() && self.clock.monotonic() < deadline {
            if self.driver.turn(Some(deadline.since(self.clock.monotonic()))).is_err() {
                break;
            }
            while self.driver.next_event().is_some() {}
        }
        let shown = self.context.output.leave_screen();
        if let Input::Person { editor, .. } = self.input {
            editor.end();
        }
        for text in &unsent {
            self.context.output.warning(format_args!("not acknowledged: {}", Printable::new(text)));
        }
        let unsent = if unsent.is_empty() { Ok(()) } else { Err(not_acknowledged(unsent.len())) };
        result.and(shown).and(unsent).and_then(|()| self.failures.verdict())
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

    /// Tells a failure that does not end the chat.
    fn fail(&mut self, failure: Failure) {
        if self.input.is_person() {
            self.context.output.warning(Printable::new(&failure.sentence));
        } else {
            self.context.output.failure(&failure);
            self.failures.add(failure);
        }
    }

    /// The posts that are not acknowledged yet.
    fn waiting_posts(&self) -> usize {
        self.driver.client().outbox().count()
    }

    fn layout(&self) -> Layout {
        Layout { style: self.context.output.style(), now: self.clock.now().wall }
    }

    fn question(&self) -> Question {
        let prompt = match (&self.stage, self.views.current()) {
            (Stage::Naming { suggestion: Some(name) }, _) => {
                format!("another name [{}]: ", Printable::new(name))
            }
            (Stage::Naming { suggestion: None }, _) => "another name: ".into(),
            (Stage::Entering | Stage::Arriving | Stage::Chatting | Stage::Finishing, Some(view)) => {
                format!("{}> ", Printable::new(&view.place))
            }
            (Stage::Entering | Stage::Arriving | Stage::Chatting | Stage::Finishing, None) => "> ".into(),
        };
        Question { prompt, initial: self.initial.clone() }
    }
}

impl Failures {
    fn add(&mut self, failure: Failure) {
        self.count += 1;
        self.first.get_or_insert(failure);
    }

    /// Each was told when it happened; the exit code is that of the first.
    fn verdict(self) -> Result<(), Failure> {
        let Some(first) = self.first else { return Ok(()) };
        let what = if self.count == 1 { "1 thing".into() } else { format!("{} things", self.count) };
        Err(Failure::new(first.status, first.code, format!("{what} could not be done")))
    }
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

/// A person at a terminal gets a line editor; anything else is a stream of lines.
fn open_input(context: &mut Context, driver: &ClientDriver) -> Result<Input, Failure> {
    let terminals = context.environment.terminals;
    let is_person = terminals.input && terminals.output && !context.environment.dumb_terminal;
    if !is_person || context.output.is_json() {
        return Input::stream(driver.waker()).map_err(|error| Failure::local("standard input", &error));
    }
    let history = match context.state.as_ref().map(State::line_history) {
        Some(Ok(file)) => Some(file),
        Some(Err(error)) => {
            context.output.warning(format_args!("typed lines are not remembered: {error}"));
            None
        }
        None => None,
    };
    let editor =
        LineEditor::start(history, driver.waker()).map_err(|error| Failure::local("the terminal", &error))?;
    Ok(Input::Person { editor, is_asked: false })
}

fn not_acknowledged(count: usize) -> Failure {
    let sentence = format!("{count} messages were not acknowledged; they may or may not be stored");
    Failure::new(ExitStatus::Unavailable, "not-acknowledged", sentence)
}
