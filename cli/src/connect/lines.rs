//! What was typed, and what is done about it.

use palabre_core::{
    commands::{self, Command, CommandError},
    ids::{RoomId, Seq},
    name::{Nick, RoomName},
    storage::EventKind,
};

use super::{
    Chat, Stage,
    answers::{PAST_EVENTS, Pending},
    input::{Input, Typed},
};
use crate::{
    failure::{ExitStatus, Failure},
    output::Printable,
    session::OUTBOX_POSTS_MAX,
};

impl Chat<'_> {
    /// Takes what was typed, as far as it may be taken now.
    pub(super) fn take_lines(&mut self) -> Result<(), Failure> {
        while self.may_take_a_line() {
            self.show_above_the_line()?;
            let question = self.question();
            let Some(typed) = self.input.next(|| question) else { return Ok(()) };
            self.initial.clear();
            self.take(typed)?;
        }
        Ok(())
    }

    /// A person is not kept from typing by a connection that is not there; a stream waits for it, as a line may
    /// decide where the next one goes.
    fn may_take_a_line(&self) -> bool {
        match self.stage {
            Stage::Naming { .. } => true,
            Stage::Entering | Stage::Arriving => false,
            Stage::Finishing => self.input.is_person() && self.waiting_posts() > 0,
            Stage::Chatting if self.input.is_person() => {
                !self.is_switching() || !self.driver.client().is_ready()
            }
            Stage::Chatting => !self.is_switching() && self.waiting_posts() < OUTBOX_POSTS_MAX,
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
        match (typed, &self.stage) {
            (Typed::Line(line), Stage::Naming { suggestion }) => {
                let suggestion = suggestion.clone();
                self.take_name(line.trim(), suggestion)
            }
            (Typed::Line(line), Stage::Entering | Stage::Arriving | Stage::Chatting | Stage::Finishing) => {
                self.take_line(&line)
            }
            (Typed::Discarded, _) => Ok(()),
            (Typed::Interrupt, _) => Err(Failure::interrupted()),
            (Typed::End, Stage::Naming { .. }) => Err(Failure::interrupted()),
            (Typed::End, Stage::Entering | Stage::Arriving | Stage::Chatting | Stage::Finishing) => {
                self.quit()
            }
        }
    }

    fn take_name(&mut self, typed: &str, suggestion: Option<String>) -> Result<(), Failure> {
        let name = if typed.is_empty() { suggestion.as_deref().unwrap_or_default() } else { typed };
        match Nick::parse(name) {
            Ok(nick) => {
                self.wished = nick.clone();
                self.stage = Stage::Entering;
                self.act(|client, now| client.rename(&nick, now)).map(drop)
            }
            Err(error) => {
                self.context.output.warning(error);
                Ok(())
            }
        }
    }

    fn take_line(&mut self, line: &str) -> Result<(), Failure> {
        match commands::parse(line) {
            Ok(commands::Input::Nothing) => Ok(()),
            Ok(commands::Input::Say { text }) => {
                self.say(EventKind::Posted, &text, line);
                Ok(())
            }
            Ok(commands::Input::Command(command)) => self.obey(command, line),
            Err(error) => {
                self.not_understood(&error, line);
                Ok(())
            }
        }
    }

    /// A line that is no command is not sent: it stays, to be mended.
    fn not_understood(&mut self, error: &CommandError, line: &str) {
        line.clone_into(&mut self.initial);
        self.fail(Failure::usage(error.to_string()));
    }

    /// Says something in the current room. What cannot be said stays, to be mended.
    fn say(&mut self, kind: EventKind, text: &str, line: &str) {
        let Some(room) = self.views.current().map(|view| view.info.id) else {
            line.clone_into(&mut self.initial);
            return self.nowhere();
        };
        if !self.post(room, kind, text) {
            line.clone_into(&mut self.initial);
        }
    }

    /// Posts in a room. Whether the client took it.
    pub(super) fn post(&mut self, room: RoomId, kind: EventKind, text: &str) -> bool {
        match self.act(|client, now| client.post(room, kind, text, None, now)) {
            Ok(_) => {
                if self.input.is_person() && !self.driver.client().is_ready() {
                    let output = &mut self.context.output;
                    output.status(format_args!("to be sent later: {}", Printable::new(text)));
                }
                true
            }
            Err(failure) => {
                self.fail(failure);
                false
            }
        }
    }

    fn nowhere(&mut self) {
        let sentence = "you are in no room; /join one first, /rooms lists them";
        self.fail(Failure::new(ExitStatus::NotAllowed, "not-a-member", sentence));
    }

    fn obey(&mut self, command: Command, line: &str) -> Result<(), Failure> {
        match command {
            Command::Me { text } => self.say(EventKind::Action, &text, line),
            Command::SetTopic { text } => self.say(EventKind::Topic, &text, line),
            Command::Topic => self.show_topic()?,
            Command::Message { to, text } => {
                let pending = text.map_or(Pending::Enter, Pending::Say);
                self.ask(pending, |client, now| client.direct(&to, now));
            }
            Command::Join { room } => self.join(&room),
            Command::Part { room } => {
                if let Some(room) = self.room_or_current(room.as_ref()) {
                    self.ask(Pending::Part, |client, now| client.part(room, now));
                }
            }
            Command::Rooms => self.ask(Pending::Rooms, |client, now| client.rooms(now)),
            Command::Members { room } => {
                if let Some(room) = self.room_or_current(room.as_ref()) {
                    self.ask(Pending::Members(room), |client, now| client.members(room, now));
                }
            }
            Command::History { events } => self.history(events.map_or(PAST_EVENTS, u16::from)),
            Command::Nick { nick } => self.ask(Pending::Rename, |client, now| client.rename(&nick, now)),
            Command::ToggleAway => {
                let away = !self.is_away;
                self.ask(Pending::Away, |client, now| client.away(away, now));
            }
            Command::Back => self.ask(Pending::Away, |client, now| client.away(false, now)),
            Command::Ping => self.ask(Pending::Ping, |client, now| client.ping(now)),
            Command::Help { command: None } => self.help()?,
            Command::Help { command: Some(entry) } => self.context.output.text(entry.help_line(0))?,
            Command::Quit => self.quit()?,
        }
        Ok(())
    }

    fn show_topic(&mut self) -> Result<(), Failure> {
        let Some(view) = self.views.current() else {
            self.nowhere();
            return Ok(());
        };
        // The client's is up to date, ours is as of joining.
        let room = self.driver.client().joined().find(|room| room.id == view.info.id);
        let topic = room.map(|room| room.topic.as_ref()).filter(|topic| !topic.is_empty());
        match topic {
            Some(topic) => self.context.output.text(Printable::new(topic)),
            None => self.context.output.text("no topic is set"),
        }
    }

    /// A room one is in is shown without asking the server.
    fn join(&mut self, room: &RoomName) {
        self.ask(Pending::Enter, |client, now| client.join(room, None, now));
    }

    fn room_or_current(&mut self, name: Option<&RoomName>) -> Option<RoomId> {
        let room = match name {
            Some(name) => self.views.called(name.as_str()),
            None => self.views.current().map(|view| view.info.id),
        };
        match (room, name) {
            (None, Some(name)) => {
                let sentence = format!("you are not in {name}; /join it first");
                self.fail(Failure::new(ExitStatus::NotAllowed, "not-a-member", sentence));
            }
            (None, None) => self.nowhere(),
            (Some(_), _) => {}
        }
        room
    }

    /// Shows what was said before what is shown already.
    fn history(&mut self, events: u16) {
        let Some((room, before)) = self.views.current().map(|view| (view.info.id, view.earliest)) else {
            return self.nowhere();
        };
        if before <= Seq::new(1) {
            return self.context.output.status("nothing was said before");
        }
        self.ask(Pending::History(room), |client, now| client.history(room, Some(before), events, now));
    }

    /// Leaves once everything is sent; the second time at once.
    fn quit(&mut self) -> Result<(), Failure> {
        if self.stage == Stage::Finishing {
            let posts = self.waiting_posts();
            return if posts == 0 { Ok(()) } else { Err(super::not_acknowledged(posts)) };
        }
        self.stage = Stage::Finishing;
        let posts = self.waiting_posts();
        if posts > 0 && self.input.is_person() {
            self.context.output.status(format_args!("sending {posts} more; /quit again leaves at once"));
        }
        Ok(())
    }
}
