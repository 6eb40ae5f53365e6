//! What was typed, and what is done about it.

use palabre_core::{
    client::{Client, Governance, PostId},
    commands::{self, Command, CommandError, MessageChoice},
    error::Misuse,
    ids::{RoomId, Seq},
    name::{Nick, RoomName},
    storage::{EventKind, StoredEvent},
    time::Now,
};

use super::{Chat, Stage, answers::Pending, messages::Messages, not_acknowledged, shown::Shown};
use crate::{
    failure::{ExitStatus, Failure},
    output::Printable,
};

impl Chat {
    /// Enters by another name, where that was asked for; by the suggested one if nothing was typed.
    pub(in crate::connect) fn take_name(&mut self, typed: &str) -> Result<(), Failure> {
        let Stage::Naming { suggestion } = &self.stage else { return Ok(()) };
        let name = if typed.is_empty() { suggestion.as_deref().unwrap_or_default() } else { typed };
        match Nick::parse(name) {
            Ok(nick) => {
                self.wished = nick.clone();
                self.stage = Stage::Entering;
                self.act(|client, now| client.rename(&nick, now)).map(drop)
            }
            Err(error) => {
                self.show(Shown::Warning(error.to_string()));
                Ok(())
            }
        }
    }

    /// Does what a line says.
    pub(in crate::connect) fn take_line(&mut self, line: &str) -> Result<(), Failure> {
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
        self.show(Shown::Mend(line.to_owned()));
        self.fail(Failure::usage(error.to_string()));
    }

    /// Says something in the current room. What cannot be said stays, to be mended.
    fn say(&mut self, kind: EventKind, text: &str, line: &str) {
        let Some(room) = self.views.current().map(|view| view.info.id) else {
            self.show(Shown::Mend(line.to_owned()));
            return self.nowhere();
        };
        if !self.post(room, kind, text) {
            self.show(Shown::Mend(line.to_owned()));
        }
    }

    /// Posts in a room. Whether the client took it.
    pub(super) fn post(&mut self, room: RoomId, kind: EventKind, text: &str) -> bool {
        match self.act(|client, now| client.post(room, kind, text, None, now)) {
            Ok(_) => {
                if self.is_person && !self.is_ready() {
                    self.status(format_args!("to be sent later: {}", Printable::new(text)));
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
        self.fail(in_no_room());
    }

    fn obey(&mut self, command: Command, line: &str) -> Result<(), Failure> {
        match command {
            Command::Me { text } => self.say(EventKind::Action, &text, line),
            Command::Reply { message, text } => self.reply(message, &text, line),
            Command::Edit { message, text } => self.edit(message, &text, line),
            Command::Delete { message } => self.delete(message, line),
            Command::React { message, reaction, take_back } => {
                self.react(message, &reaction, take_back, line);
            }
            Command::SetTopic { text } => self.say(EventKind::Topic, &text, line),
            Command::Topic => self.show_topic(),
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
            Command::History { events } => self.history(events.map_or(self.past_events, u16::from)),
            Command::Upload { path } => self.upload(&path, line),
            Command::Download { name } => self.download(&name, line),
            Command::Files => {
                if let Some(room) = self.room_or_current(None) {
                    self.list_files(room);
                }
            }
            Command::Cancel { name } => self.cancel(name.as_deref()),
            Command::Search { text } => {
                self.ask(Pending::Search(text.clone()), |client, now| {
                    client.search(&text, None, None, 0, now)
                });
            }
            Command::Govern { act, name, seconds, reason } => {
                if let Some(room) = self.room_or_current(None) {
                    let governance = Governance { room, act, name, seconds, reason };
                    self.ask(Pending::Govern, |client, now| client.govern(governance, now));
                }
            }
            Command::SetMode { change } => {
                if let Some(room) = self.room_or_current(None) {
                    self.ask(Pending::Govern, |client, now| client.set_mode(room, change, now));
                }
            }
            Command::Rights => {
                if let Some(room) = self.room_or_current(None) {
                    self.ask(Pending::Rights(room), |client, now| client.rights(room, now));
                }
            }
            Command::Nick { nick } => self.ask(Pending::Rename, |client, now| client.rename(&nick, now)),
            Command::ToggleAway => {
                let away = !self.is_away;
                self.ask(Pending::Away, |client, now| client.away(away, now));
            }
            Command::Back => self.ask(Pending::Away, |client, now| client.away(false, now)),
            Command::Ping => self.ask(Pending::Ping, |client, now| client.ping(now)),
            Command::Help { command: None } => self.help(),
            Command::Help { command: Some(entry) } => self.show(Shown::Text(entry.help_line(0).to_string())),
            Command::Quit => self.quit()?,
        }
        Ok(())
    }

    fn reply(&mut self, choice: Option<MessageChoice>, text: &str, line: &str) {
        if let Some((room, message)) = self.choose_of_others(choice, line) {
            self.post_by(line, |client, now| client.reply(room, message, EventKind::Posted, text, None, now));
        }
    }

    fn react(&mut self, choice: Option<MessageChoice>, reaction: &str, take_back: bool, line: &str) {
        if let Some((room, message)) = self.choose_of_others(choice, line) {
            self.post_by(line, |client, now| client.react(room, message, reaction, take_back, now));
        }
    }

    fn edit(&mut self, choice: Option<MessageChoice>, text: &str, line: &str) {
        let is_own = Messages::is_by(self.driver.client().user());
        if self.is_unclear(choice, line) {
            return;
        }
        if let Some((room, message)) = self.choose(choice, line, is_own) {
            self.post_by(line, |client, now| client.edit(room, message, text, None, now));
        }
    }

    fn delete(&mut self, choice: Option<MessageChoice>, line: &str) {
        let is_own = Messages::is_by(self.driver.client().user());
        let fits = |message: &StoredEvent| choice.is_some() || is_own(message);
        if self.is_unclear(choice, line) {
            return;
        }
        if let Some((room, message)) = self.choose(choice, line, fits) {
            self.post_by(line, |client, now| client.delete(room, message, None, now));
        }
    }

    /// Whether one's last message has no number yet, and something that is meant from the end could be another.
    fn is_unclear(&mut self, choice: Option<MessageChoice>, line: &str) -> bool {
        let is_counted = !matches!(choice, Some(MessageChoice::Number(_)));
        let room = self.views.current().map(|view| view.info.id);
        let mut waiting = self.driver.client().outbox();
        let is_unclear = is_counted && waiting.any(|post| Some(post.room) == room && post.kind.is_message());
        drop(waiting);
        if is_unclear {
            self.show(Shown::Mend(line.to_owned()));
            let sentence = "your last message is not stored yet; try again when it is";
            self.fail(Failure::new(ExitStatus::Unavailable, "not-stored-yet", sentence));
        }
        is_unclear
    }

    /// The message that is meant; without a choice the last of somebody else.
    fn choose_of_others(&mut self, choice: Option<MessageChoice>, line: &str) -> Option<(RoomId, Seq)> {
        let is_own = Messages::is_by(self.driver.client().user());
        self.choose(choice, line, |message| choice.is_some() || !is_own(message))
    }

    /// The room one writes to, and the message there that is meant.
    fn choose(
        &mut self,
        choice: Option<MessageChoice>,
        line: &str,
        fits: impl Fn(&StoredEvent) -> bool,
    ) -> Option<(RoomId, Seq)> {
        let Some(view) = self.views.current() else {
            self.show(Shown::Mend(line.to_owned()));
            self.nowhere();
            return None;
        };
        let chosen = view.messages.choose(choice, fits).map(|message| (view.info.id, message));
        if chosen.is_none() {
            self.show(Shown::Mend(line.to_owned()));
            let sentence = "there is no such message among those shown; /history shows more";
            self.fail(Failure::new(ExitStatus::NotFound, "no-such-message", sentence));
        }
        chosen
    }

    /// Puts something into the outbox; what the client does not take stays, to be mended.
    fn post_by(&mut self, line: &str, post: impl FnOnce(&mut Client, Now) -> Result<PostId, Misuse>) {
        if let Err(failure) = self.act(post) {
            self.fail(failure);
            self.show(Shown::Mend(line.to_owned()));
        }
    }

    fn show_topic(&mut self) {
        let Some(view) = self.views.current() else { return self.nowhere() };
        // The client's is up to date, ours is as of joining.
        let room = self.driver.client().joined().find(|room| room.id == view.info.id);
        let topic = room.map(|room| room.topic.as_ref()).filter(|topic| !topic.is_empty());
        let topic = topic.map_or_else(|| "no topic is set".into(), |topic| Printable::new(topic).to_string());
        self.show(Shown::Text(topic));
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
            return self.status("nothing was said before");
        }
        self.older(room, before, events);
    }

    /// Asks for what was said before a number.
    pub(in crate::connect) fn older(&mut self, room: RoomId, before: Seq, events: u16) {
        self.ask(Pending::History(room), |client, now| client.history(room, Some(before), events, now));
    }

    /// Says a text in a room as it stands, whatever it begins with.
    pub(in crate::connect) fn say_in(&mut self, room: RoomId, text: &str) {
        if !self.post(room, EventKind::Posted, text) {
            self.show(Shown::Mend(text.to_owned()));
        }
    }

    /// What is shown of a room begins with this number.
    pub(in crate::connect) fn shown_from(&mut self, room: RoomId, earliest: Seq) {
        if let Some(view) = self.views.find(room) {
            view.earliest = earliest;
        }
    }

    /// This is the room that is written to.
    pub(in crate::connect) fn look_at(&mut self, room: RoomId) {
        self.views.switch_to(room);
    }

    /// Leaves once everything is sent; the second time at once.
    pub(in crate::connect) fn quit(&mut self) -> Result<(), Failure> {
        if self.stage == Stage::Finishing {
            let posts = self.waiting_posts();
            return if posts == 0 { Ok(()) } else { Err(not_acknowledged(posts)) };
        }
        self.stage = Stage::Finishing;
        let posts = self.waiting_posts();
        if posts > 0 && self.is_person {
            self.status(format_args!("sending {posts} more; /quit again leaves at once"));
        }
        Ok(())
    }
}

pub(super) fn in_no_room() -> Failure {
    let sentence = "you are in no room; /join one first, /rooms lists them";
    Failure::new(ExitStatus::NotAllowed, "not-a-member", sentence)
}
