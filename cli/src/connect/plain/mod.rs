//! A chat, line by line: what others say is printed as it happens, what is typed is said.

mod editor;
mod gate;
mod input;
mod print;

use palabre_core::{name::RoomName, wire::state};

use self::{
    editor::LineEditor,
    input::{Input, Question, Typed},
};
use super::chat::{Chat, Stage};
use crate::{
    context::Context,
    failure::Failure,
    output::{Printable, state_name},
    session::OUTBOX_POSTS_MAX,
    state::State,
};

/// Messages of before that are shown on entering a room, and by `/history` unless said.
const PAST_EVENTS: u16 = 20;

/// Chats until the person leaves, the lines end or the server is gone for good.
pub(super) fn run(context: &mut Context, room: Option<RoomName>) -> Result<(), Failure> {
    let mut plain = Plain::start(context, room)?;
    let result = plain.converse();
    plain.end(result)
}

struct Plain<'a> {
    context: &'a mut Context,
    chat: Chat,
    input: Input,
    /// What stands on the input line when it is asked for the next time.
    initial: String,
    /// What failed; a script is told by the exit code.
    failures: Failures,
}

/// What could not be done of what a script asked for.
#[derive(Debug, Default)]
struct Failures {
    first: Option<Failure>,
    count: u32,
}

impl<'a> Plain<'a> {
    fn start(context: &'a mut Context, room: Option<RoomName>) -> Result<Self, Failure> {
        let terminals = context.environment.terminals;
        let is_terminal = terminals.input && terminals.output && !context.environment.dumb_terminal;
        let is_person = is_terminal && !context.output.is_json();
        let chat = Chat::start(context, room, is_person, PAST_EVENTS)?;
        let input = if is_person {
            edit_lines(context, &chat)?
        } else {
            Input::stream(chat.waker()).map_err(|error| Failure::local("standard input", &error))?
        };
        Ok(Self { context, chat, input, initial: String::new(), failures: Failures::default() })
    }

    fn converse(&mut self) -> Result<(), Failure> {
        loop {
            while self.chat.take_event()? {
                self.print_all()?;
            }
            self.take_lines()?;
            let going_on = self.chat.check();
            self.print_all()?;
            going_on?;
            if self.chat.is_finished() {
                return Ok(());
            }
            self.context.output.flush()?;
            self.chat.wait(None)?;
        }
    }

    /// Says goodbye and gives the terminal back.
    fn end(mut self, result: Result<(), Failure>) -> Result<(), Failure> {
        // Why it ends may have been told.
        let printed = self.print_all();
        let shown = self.context.output.leave_screen();
        if let Input::Person { editor, .. } = self.input {
            editor.end();
        }
        let left = self.chat.leave(&mut self.context.output);
        result.and(printed).and(shown).and(left).and_then(|()| self.failures.verdict())
    }

    /// Takes what was typed, as far as it may be taken now.
    fn take_lines(&mut self) -> Result<(), Failure> {
        while self.may_take_a_line() {
            self.show_above_the_line()?;
            let question = self.question();
            let Some(typed) = self.input.next(|| question) else { return Ok(()) };
            self.initial.clear();
            let taken = self.take(typed);
            self.print_all()?;
            taken?;
        }
        Ok(())
    }

    /// A person is not kept from typing by a connection that is not there; a stream waits for it, as a line may
    /// decide where the next one goes.
    fn may_take_a_line(&self) -> bool {
        let chat = &self.chat;
        match chat.stage() {
            Stage::Naming { .. } => true,
            Stage::Entering | Stage::Arriving => false,
            Stage::Finishing => self.input.is_person() && chat.waiting_posts() > 0,
            Stage::Chatting if self.input.is_person() => !chat.is_switching() || !chat.is_ready(),
            Stage::Chatting => !chat.is_switching() && chat.waiting_posts() < OUTBOX_POSTS_MAX,
        }
    }

    fn show_above_the_line(&mut self) -> Result<(), Failure> {
        if let Input::Person { editor, is_asked: false } = &self.input {
            let screen = editor.screen();
            self.context.output.flush()?;
            self.context.output.use_screen(screen);
        }
        Ok(())
    }

    fn take(&mut self, typed: Typed) -> Result<(), Failure> {
        match (typed, self.chat.stage()) {
            (Typed::Line(line), Stage::Naming { .. }) => self.chat.take_name(line.trim()),
            (Typed::Line(line), Stage::Entering | Stage::Arriving | Stage::Chatting | Stage::Finishing) => {
                self.chat.take_line(&line)
            }
            (Typed::Discarded, _) => Ok(()),
            (Typed::Interrupt, _) => Err(Failure::interrupted()),
            (Typed::End, Stage::Naming { .. }) => Err(Failure::interrupted()),
            (Typed::End, Stage::Entering | Stage::Arriving | Stage::Chatting | Stage::Finishing) => {
                self.chat.quit()
            }
        }
    }

    fn question(&self) -> Question {
        let prompt = match (self.chat.stage(), self.chat.views().current()) {
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

/// A person at a terminal gets a line editor.
fn edit_lines(context: &mut Context, chat: &Chat) -> Result<Input, Failure> {
    let history = match context.state.as_ref().map(State::line_history) {
        Some(Ok(file)) => Some(file),
        Some(Err(error)) => {
            context.output.warning(format_args!("typed lines are not remembered: {error}"));
            None
        }
        None => None,
    };
    let editor =
        LineEditor::start(history, chat.waker()).map_err(|error| Failure::local("the terminal", &error))?;
    editor.teach(|vocabulary| vocabulary.set_paths(chat.paths()));
    Ok(Input::Person { editor, is_asked: false })
}

/// A name, with what is special about it.
fn here(nick: &str, member_state: u8) -> String {
    let name = Printable::new(nick);
    match member_state {
        state::AWAY | state::LOST => format!("{name} ({})", state_name(member_state)),
        _ => name.to_string(),
    }
}
