//! What happened, as it is shown.

use palabre_core::{
    client::{ClientEvent, MemberChange, RoomInfo},
    error::Refusal,
    ids::{RoomId, Seq},
    name::{Nick, RoomName},
    storage::{EventKind, StoredEvent},
};

use super::{
    Chat, Stage,
    answers::Pending,
    shown::{Shown, Time},
    views::Past,
};
use crate::{
    failure::{ExitStatus, Failure, put_out},
    habit,
    output::Printable,
    session::request_answered,
};

impl Chat {
    /// Takes an event in and shows what is to be seen of it.
    pub(super) fn handle(&mut self, event: ClientEvent) -> Result<(), Failure> {
        self.keeping.note(&event, &mut self.driver);
        self.note(&event)?;
        match event {
            ClientEvent::EnterRefused { refusal, .. } => self.enter_refused(&refusal)?,
            ClientEvent::Ready { nick, resumed, rooms, .. } => self.entered(&nick, resumed, &rooms),
            ClientEvent::Joined { request, room, .. } => self.joined(request, room),
            ClientEvent::Opened { room } => self.opened(room),
            ClientEvent::Unfollowed { room, refusal } => {
                self.fail(Failure::refused(&refusal));
                self.parted(room);
            }
            ClientEvent::Happened(happening) => self.happened(happening.room, happening.event),
            ClientEvent::Trimmed { room, first } => self.show(Shown::Trimmed { room, first: first.get() }),
            ClientEvent::Presence { room, changes, stale, .. } => self.changed(room, &changes, stale),
            ClientEvent::Posted { room, seq, .. } => self.show(Shown::Posted { room, seq }),
            ClientEvent::PostRefused { room, kind, text, refusal, .. } => {
                let mut failure = Failure::refused(&refusal);
                failure.sentence = if kind == EventKind::Deleted {
                    format!("not deleted: {}", failure.sentence)
                } else {
                    format!("not sent: {} The text was: {text}", failure.sentence)
                };
                self.show(Shown::NotPosted { room, failure });
            }
            ClientEvent::PostIndeterminate { room, text, .. } => {
                let sentence = format!("nobody can say any more whether this was sent: {text}");
                let failure = Failure::new(ExitStatus::Other, "indeterminate", sentence);
                self.show(Shown::NotPosted { room, failure });
            }
            ClientEvent::Refused { request, refusal } => self.refused(request, &refusal),
            ClientEvent::Interrupted { request } => self.interrupted(request),
            ClientEvent::Left { room } => self.parted(room),
            ClientEvent::Removed { room, name, banned, by, reason, until } => {
                self.fail(put_out(&name, banned, &by, &reason, until));
                self.parted(room);
            }
            ClientEvent::Invited { name, by, reason } => {
                let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
                let sentence = format!("{by} invites you to {name}{why}; /join {name} enters it");
                self.status(Printable::new(&sentence));
            }
            ClientEvent::Parted { .. }
            | ClientEvent::Devices { .. }
            | ClientEvent::Revoked { .. }
            | ClientEvent::PasswordChanged { .. }
            | ClientEvent::Governed { .. }
            | ClientEvent::Rights { .. }
            | ClientEvent::Members { .. }
            | ClientEvent::Rooms { .. }
            | ClientEvent::History { .. }
            | ClientEvent::Found { .. }
            | ClientEvent::Manual { .. }
            | ClientEvent::Renamed { .. }
            | ClientEvent::AwaySet { .. }
            | ClientEvent::Files { .. }
            | ClientEvent::UploadDiscarded { .. }
            | ClientEvent::Pong { .. } => {
                if let Some(request) = request_answered(&event) {
                    self.answered(request, event);
                }
            }
            ClientEvent::Transfer(event) => self.transferred(event),
            // The chat deletes no files.
            ClientEvent::FileDeleted { .. }
            | ClientEvent::Connected { .. }
            | ClientEvent::Waiting { .. }
            | ClientEvent::Read { .. }
            | ClientEvent::Offline { .. }
            | ClientEvent::Ended { .. } => {}
        }
        Ok(())
    }

    fn enter_refused(&mut self, refusal: &Refusal) -> Result<(), Failure> {
        // Another name would make a guest of who has an account, and lose what waits to be sent.
        if !self.is_person || self.driver.client().is_account() {
            return Err(habit::not_entered(self.driver.client(), self.connection.server(), refusal));
        }
        self.fail(Failure::refused(refusal));
        self.stage = Stage::Naming { suggestion: refusal.suggestion.clone() };
        Ok(())
    }

    fn entered(&mut self, nick: &Nick, resumed: bool, rooms: &[RoomInfo]) {
        match self.stage {
            Stage::Arriving | Stage::Chatting | Stage::Finishing => {
                if !resumed {
                    self.status(format_args!("the server forgot who you were; you are {nick}, a new guest"));
                }
                return;
            }
            Stage::Entering | Stage::Naming { .. } => self.stage = Stage::Arriving,
        }
        self.show(Shown::Entered);
        if resumed {
            self.status(format_args!("you are {nick}, as before"));
        } else if *nick != self.wished {
            let wished = self.wished.clone();
            self.status(format_args!("{wished} is taken; you are {nick}"));
        }
        // A room one is in is followed again without asking.
        if !rooms.iter().any(|room| self.is_wanted(room)) {
            let room = self.wanted.clone();
            self.ask(Pending::Enter, |client, now| client.join(&room, None, now));
        }
        if self.is_person {
            self.ask(Pending::RoomNames, |client, now| client.rooms(now));
        }
    }

    /// Whether it is the room to enter first.
    pub(super) fn is_wanted(&self, room: &RoomInfo) -> bool {
        RoomName::parse(&room.name).is_ok_and(|name| name.key().folded() == self.wanted.key().folded())
    }

    fn happened(&mut self, room: RoomId, event: StoredEvent) {
        match self.views.find(room).map(|view| &mut view.past) {
            Some(Past::Asked(waiting)) => waiting.push(event),
            Some(Past::Shown) => {
                if self.views.is_current(room) {
                    self.mark_read(room, event.seq);
                }
                self.show_event(room, event, Time::Now);
            }
            None => {}
        }
    }

    /// The account's other devices are told what was seen here.
    pub(super) fn mark_read(&mut self, room: RoomId, seq: Seq) {
        // A room that was left meanwhile needs no mark.
        let _ = self.driver.with_client(|client, now| client.mark_read(room, seq, now));
    }

    pub(super) fn show_event(&mut self, room: RoomId, event: StoredEvent, time: Time) {
        let Some(view) = self.views.find(room) else { return };
        view.earliest = view.earliest.min(event.seq);
        view.messages.note(&event);
        self.show(Shown::Event { room, event, time });
    }

    fn changed(&mut self, room: RoomId, changes: &[MemberChange], stale: bool) {
        let ourselves = self.driver.client().user();
        let Some(view) = self.views.find(room) else { return };
        let mut came = Vec::new();
        for change in changes {
            let Some(what) = view.roster.apply(change) else { continue };
            if Some(change.user) != ourselves {
                came.push(Shown::Came { room, name: change.nick.clone(), came: what });
            }
        }
        self.shown.extend(came);
        self.show(Shown::People { room, tell: false });
        if stale {
            self.ask(Pending::Refresh(room), |client, now| client.members(room, now));
        }
    }
}
