//! What there is to show, as lines for people and records for programs.

use std::time::Duration;

use palabre_core::{
    client::{MemberInfo, RoomListed, StandingInfo},
    ids::RoomId,
    rights::RoomMode,
    search::Query,
    storage::{Hit, StoredEvent},
};

use super::{Input, Plain, here};
use crate::{
    connect::chat::{Shown, Time},
    failure::Failure,
    output::{Body, FoundLine, Layout, MessageLines, Printable, found_sentence, presence, rights_lines},
    roster::Came,
};

impl Plain<'_> {
    /// Prints all that is to be shown.
    pub(super) fn print_all(&mut self) -> Result<(), Failure> {
        while let Some(shown) = self.chat.next_shown() {
            self.print(shown)?;
        }
        Ok(())
    }

    fn print(&mut self, shown: Shown) -> Result<(), Failure> {
        let output = &mut self.context.output;
        match shown {
            Shown::Status(sentence) => output.status(sentence),
            Shown::Detail(sentence) => output.detail(sentence),
            Shown::Warning(sentence) => output.warning(Printable::new(&sentence)),
            Shown::Text(text) => text.lines().try_for_each(|line| output.text(line))?,
            Shown::Failed(failure) | Shown::NotPosted { failure, .. } => self.fail(failure),
            Shown::Mend(line) => self.initial = line,
            Shown::Entered => self.context.remember_server(self.chat.connection().server()),
            Shown::Switched(room) => self.print_head(room),
            Shown::Event { room, event, time } => self.print_event(room, &event, time)?,
            Shown::Came { room, name, came } => self.print_came(room, &name, &came)?,
            Shown::People { room, tell } => self.print_people(room, tell),
            Shown::Trimmed { room, first } => self.print_trimmed(room, first)?,
            Shown::Posted { room, seq, .. } => {
                if let (Some(view), true) = (self.chat.views().find_ref(room), output.is_json()) {
                    output.result(Body::posted(&view.place, seq), "")?;
                }
            }
            Shown::Members { room, members } => self.print_members(room, &members)?,
            Shown::Rights { place, mode, standings } => self.print_rights(&place, mode, &standings)?,
            Shown::Rooms(rooms) => self.print_rooms(&rooms)?,
            Shown::Found { text, hits, more } => self.print_found(&text, &hits, more)?,
            Shown::RoomNames(rooms) => self.teach_rooms(&rooms),
            Shown::Pong(round_trip) => self.print_pong(round_trip)?,
            Shown::Parted => self.teach(),
            // What is told about the connection says as much.
            Shown::Read { .. }
            | Shown::PastEnd { .. }
            | Shown::Opened
            | Shown::Online
            | Shown::Queued(_)
            | Shown::Offline { .. } => {}
        }
        Ok(())
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

    fn print_head(&mut self, room: RoomId) {
        let Some(view) = self.chat.views().find_ref(room) else { return };
        let (place, topic) = (Printable::new(&view.place), Printable::new(&view.info.topic));
        if view.info.topic.is_empty() {
            self.context.output.status(format_args!("— {place} —"));
        } else {
            self.context.output.status(format_args!("— {place}: {topic} —"));
        }
        self.teach();
    }

    /// Prints an event; with its place, unless that is where one writes.
    fn print_event(&mut self, room: RoomId, event: &StoredEvent, time: Time) -> Result<(), Failure> {
        // What was said before reads as it does now: what changed it is no news.
        let is_told = event.kind.is_message() || event.to().is_none();
        if time == Time::Before && !is_told && !self.context.output.is_json() {
            return Ok(());
        }
        let layout = Layout { style: self.context.output.style(), now: self.chat.now().wall };
        let is_current = self.chat.views().is_current(room);
        let Some(view) = self.chat.views().find_ref(room) else { return Ok(()) };
        let place = (!is_current).then_some(view.place.as_str());
        let quoted = event.to().filter(|_| event.kind.is_message()).and_then(|to| view.messages.quote(to));
        let lines = MessageLines::new(event, place, layout).quoting(quoted);
        self.context.output.result(Body::event(&view.place, event), lines)
    }

    /// Who came and went: quiet lines about the current room, records about all.
    fn print_came(&mut self, room: RoomId, name: &str, came: &Came) -> Result<(), Failure> {
        let is_current = self.chat.views().is_current(room);
        let Some(view) = self.chat.views().find_ref(room) else { return Ok(()) };
        let (body, line) = presence(&view.place, name, came);
        let output = &mut self.context.output;
        if output.is_json() {
            output.result(body, "")?;
        } else if is_current {
            output.status(line);
        }
        Ok(())
    }

    fn print_people(&mut self, room: RoomId, tell: bool) {
        if let (Some(view), true) = (self.chat.views().find_ref(room), tell) {
            let names: Vec<String> =
                view.roster.names().into_iter().map(|(nick, state)| here(nick, state)).collect();
            self.context.output.status(format_args!("here: {}", names.join(", ")));
        }
        self.teach();
    }

    fn print_trimmed(&mut self, room: RoomId, first: u64) -> Result<(), Failure> {
        let Some(view) = self.chat.views().find_ref(room) else { return Ok(()) };
        let output = &mut self.context.output;
        if output.is_json() {
            return output.result(Body::Trimmed { r#in: &view.place, first }, "");
        }
        let place = Printable::new(&view.place);
        output.status(format_args!("{place}: messages before number {first} are not kept any more"));
        Ok(())
    }

    fn print_rights(
        &mut self,
        place: &str,
        mode: RoomMode,
        standings: &[StandingInfo],
    ) -> Result<(), Failure> {
        let lines = rights_lines(place, mode, standings, self.chat.now().wall);
        let bodies = standings.iter().map(|standing| Body::right(place, standing));
        for (body, line) in std::iter::once(Body::mode(place, mode)).chain(bodies).zip(lines) {
            self.context.output.result(body, line)?;
        }
        Ok(())
    }

    fn print_members(&mut self, room: RoomId, members: &[MemberInfo]) -> Result<(), Failure> {
        let Some(view) = self.chat.views().find_ref(room) else { return Ok(()) };
        for member in members {
            let body = Body::member(&view.place, member);
            self.context.output.result(body, here(&member.nick, member.state))?;
        }
        Ok(())
    }

    fn print_rooms(&mut self, rooms: &[RoomListed]) -> Result<(), Failure> {
        for room in rooms {
            let (name, topic) = (Printable::new(&room.name), Printable::new(&room.topic));
            let line = format!("{name}  {} here  {topic}", room.members);
            self.context.output.result(Body::room(room), line.trim_end())?;
        }
        Ok(())
    }

    /// Prints what was found, the newest last.
    fn print_found(&mut self, text: &str, hits: &[Hit], more: bool) -> Result<(), Failure> {
        let Ok(query) = Query::parse(text) else { return Ok(()) };
        let layout = Layout { style: self.context.output.style(), now: self.chat.now().wall };
        for hit in hits.iter().rev() {
            let Some(view) = self.chat.views().find_ref(hit.room) else { continue };
            let line = FoundLine::new(&view.place, &hit.event, &query, layout);
            self.context.output.result(Body::event(&view.place, &hit.event), line)?;
        }
        self.context.output.status(found_sentence(text, hits.len(), more));
        Ok(())
    }

    fn print_pong(&mut self, round_trip: Duration) -> Result<(), Failure> {
        let microseconds = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
        let line = format!("the server answered in {:.2} ms", round_trip.as_secs_f64() * 1_000.0);
        self.context.output.result(Body::Pong { seq: 1, microseconds }, line)
    }

    /// Tells the line editor the names that can be completed now.
    fn teach(&self) {
        let Input::Person { editor, .. } = &self.input else { return };
        if let Some(view) = self.chat.views().current() {
            let ourselves = self.chat.client().nick().as_str();
            let names = view.roster.names();
            editor.teach(|vocabulary| {
                vocabulary
                    .set_people(names.into_iter().map(|(nick, _)| nick).filter(|nick| *nick != ourselves));
            });
        }
    }

    fn teach_rooms(&self, rooms: &[RoomListed]) {
        if let Input::Person { editor, .. } = &self.input {
            let listed = rooms.iter().map(|room| room.name.as_str());
            editor.teach(|vocabulary| vocabulary.set_rooms(listed.chain(self.chat.views().places())));
        }
    }
}
