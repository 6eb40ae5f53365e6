//! What happened, as it is shown.

use palabre_core::{
    client::{ClientEvent, MemberChange, RoomInfo, RoomListed},
    error::Refusal,
    ids::{RoomId, Seq},
    name::{Nick, RoomName},
    storage::StoredEvent,
};

use super::{Chat, Stage, answers::Pending, input::Input, views::Past};
use crate::{
    failure::{ExitStatus, Failure},
    output::{Body, MessageLines, Printable, presence},
    session::request_answered,
};

impl Chat<'_> {
    /// Takes an event in and shows what is to be seen of it.
    pub(super) fn handle(&mut self, event: ClientEvent) -> Result<(), Failure> {
        let now = self.clock.monotonic();
        self.connection.note(&event, &self.driver, now, &mut self.context.output)?;
        match event {
            ClientEvent::EnterRefused { refusal } => self.enter_refused(&refusal)?,
            ClientEvent::Ready { nick, resumed, rooms, .. } => self.entered(&nick, resumed, &rooms),
            ClientEvent::Joined { request, room, .. } => self.joined(request, room),
            ClientEvent::Opened { room } => self.opened(room),
            ClientEvent::Unfollowed { room, refusal } => {
                self.fail(Failure::refused(&refusal));
                self.parted(room);
            }
            ClientEvent::Happened(happening) => self.happened(happening.room, happening.event)?,
            ClientEvent::Trimmed { room, first } => self.trimmed(room, first.get())?,
            ClientEvent::Presence { room, changes, stale, .. } => self.changed(room, &changes, stale)?,
            ClientEvent::Posted { room, seq, .. } => self.posted(room, seq)?,
            ClientEvent::PostRefused { text, refusal, .. } => self.post_refused(&text, &refusal),
            ClientEvent::PostIndeterminate { text, .. } => self.post_indeterminate(&text),
            ClientEvent::Refused { request, refusal } => self.refused(request, &refusal)?,
            ClientEvent::Interrupted { request } => self.interrupted(request),
            ClientEvent::Left { room } => self.parted(room),
            ClientEvent::Parted { .. }
            | ClientEvent::Devices { .. }
            | ClientEvent::Revoked { .. }
            | ClientEvent::PasswordChanged { .. }
            | ClientEvent::Members { .. }
            | ClientEvent::Rooms { .. }
            | ClientEvent::History { .. }
            | ClientEvent::Manual { .. }
            | ClientEvent::Renamed { .. }
            | ClientEvent::AwaySet { .. }
            | ClientEvent::Pong { .. } => {
                if let Some(request) = request_answered(&event) {
                    self.answered(request, event)?;
                }
            }
            // The chat begins no transfers.
            ClientEvent::Transfer(_)
            | ClientEvent::Files { .. }
            | ClientEvent::FileDeleted { .. }
            | ClientEvent::UploadDiscarded { .. }
            | ClientEvent::Connected { .. }
            | ClientEvent::Waiting { .. }
            | ClientEvent::Offline { .. }
            | ClientEvent::Ended { .. } => {}
        }
        Ok(())
    }

    fn enter_refused(&mut self, refusal: &Refusal) -> Result<(), Failure> {
        if !self.input.is_person() {
            return Err(Failure::refused(refusal));
        }
        self.fail(Failure::refused(refusal));
        self.stage = Stage::Naming { suggestion: refusal.suggestion.clone() };
        Ok(())
    }

    fn entered(&mut self, nick: &Nick, resumed: bool, rooms: &[RoomInfo]) {
        match self.stage {
            Stage::Arriving | Stage::Chatting | Stage::Finishing => {
                if !resumed {
                    let output = &mut self.context.output;
                    output
                        .status(format_args!("the server forgot who you were; you are {nick}, a new guest"));
                }
                return;
            }
            Stage::Entering | Stage::Naming { .. } => self.stage = Stage::Arriving,
        }
        self.context.remember_server(self.connection.server());
        if resumed {
            self.context.output.status(format_args!("you are {nick}, as before"));
        } else if *nick != self.wished {
            self.context.output.status(format_args!("{} is taken; you are {nick}", self.wished));
        }
        // A room one is in is followed again without asking.
        if !rooms.iter().any(|room| self.is_wanted(room)) {
            let room = self.wanted.clone();
            self.ask(Pending::Enter, |client, now| client.join(&room, None, now));
        }
        if self.input.is_person() {
            self.ask(Pending::RoomNames, |client, now| client.rooms(now));
        }
    }

    /// Whether it is the room to enter first.
    pub(super) fn is_wanted(&self, room: &RoomInfo) -> bool {
        RoomName::parse(&room.name).is_ok_and(|name| name.key().folded() == self.wanted.key().folded())
    }

    fn happened(&mut self, room: RoomId, event: StoredEvent) -> Result<(), Failure> {
        match self.views.find(room).map(|view| &mut view.past) {
            Some(Past::Asked(waiting)) => {
                waiting.push(event);
                Ok(())
            }
            Some(Past::Shown) => self.show(room, &event),
            None => Ok(()),
        }
    }

    /// Shows an event; with its place, unless that is where one writes.
    pub(super) fn show(&mut self, room: RoomId, event: &StoredEvent) -> Result<(), Failure> {
        let layout = self.layout();
        let is_current = self.views.is_current(room);
        let Some(view) = self.views.find(room) else { return Ok(()) };
        view.earliest = view.earliest.min(event.seq);
        let place = (!is_current).then_some(view.place.as_str());
        let lines = MessageLines::new(event, place, layout);
        self.context.output.result(Body::event(&view.place, event), lines)
    }

    fn trimmed(&mut self, room: RoomId, first: u64) -> Result<(), Failure> {
        let Some(view) = self.views.find(room) else { return Ok(()) };
        let output = &mut self.context.output;
        if output.is_json() {
            return output.result(Body::Trimmed { r#in: &view.place, first }, "");
        }
        let place = Printable::new(&view.place);
        output.status(format_args!("{place}: messages before number {first} are not kept any more"));
        Ok(())
    }

    /// Who came and went: quiet lines about the current room, records about all.
    fn changed(&mut self, room: RoomId, changes: &[MemberChange], stale: bool) -> Result<(), Failure> {
        let ourselves = self.driver.client().user();
        let is_current = self.views.is_current(room);
        let Some(view) = self.views.find(room) else { return Ok(()) };
        for change in changes {
            let Some(came) = view.roster.apply(change) else { continue };
            if Some(change.user) == ourselves {
                continue;
            }
            let (body, line) = presence(&view.place, &change.nick, &came);
            let output = &mut self.context.output;
            if output.is_json() {
                output.result(body, "")?;
            } else if is_current {
                output.status(line);
            }
        }
        if stale {
            self.ask(Pending::Refresh(room), |client, now| client.members(room, now));
        }
        self.teach();
        Ok(())
    }

    fn posted(&mut self, room: RoomId, seq: Seq) -> Result<(), Failure> {
        match self.views.find(room) {
            Some(view) if self.context.output.is_json() => {
                self.context.output.result(Body::posted(&view.place, seq), "")
            }
            Some(_) | None => Ok(()),
        }
    }

    fn post_refused(&mut self, text: &str, refusal: &Refusal) {
        let mut failure = Failure::refused(refusal);
        failure.sentence = format!("not sent: {} The text was: {text}", failure.sentence);
        self.fail(failure);
    }

    fn post_indeterminate(&mut self, text: &str) {
        let sentence = format!("nobody can say any more whether this was sent: {text}");
        self.fail(Failure::new(ExitStatus::Other, "indeterminate", sentence));
    }

    /// Tells the line editor the names that can be completed now.
    pub(super) fn teach(&self) {
        let Input::Person { editor, .. } = &self.input else { return };
        if let Some(view) = self.views.current() {
            let ourselves = self.driver.client().nick().as_str();
            let names = view.roster.names();
            editor.teach(|vocabulary| {
                vocabulary
                    .set_people(names.into_iter().map(|(nick, _)| nick).filter(|nick| *nick != ourselves));
            });
        }
    }

    pub(super) fn teach_rooms(&self, rooms: &[RoomListed]) {
        if let Input::Person { editor, .. } = &self.input {
            let listed = rooms.iter().map(|room| room.name.as_str());
            editor.teach(|vocabulary| vocabulary.set_rooms(listed.chain(self.views.places())));
        }
    }
}
