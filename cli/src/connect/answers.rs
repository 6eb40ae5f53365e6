//! What was asked of the server, and what becomes of the answers.

use std::time::Duration;

use palabre_core::{
    client::{ClientEvent, MemberInfo, RequestId, RoomInfo, RoomListed},
    commands,
    error::Refusal,
    ids::{RoomId, Seq},
    storage::{EventKind, StoredEvent},
    wire::state,
};

use super::{Chat, Stage, views::Past};
use crate::{
    failure::Failure,
    output::{Body, Printable, place, state_name},
};

/// Messages of before that are shown on entering a room, and by `/history` unless said.
pub(super) const PAST_EVENTS: u16 = 20;

/// What an answer is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pending {
    /// To write in the room from now on.
    Enter,
    /// To say this in a conversation.
    Say(String),
    /// To leave a room.
    Part,
    /// To show what was said before in a room that was entered.
    Past(RoomId),
    /// To show who is in a room that was entered.
    Here(RoomId),
    /// To know who is in a room.
    Refresh(RoomId),
    /// To show who is in a room.
    Members(RoomId),
    /// To show what was said before.
    History(RoomId),
    /// To show the rooms.
    Rooms,
    /// To complete the names of rooms.
    RoomNames,
    /// To show the manual.
    Manual,
    /// To take another name.
    Rename,
    /// To be away or back.
    Away,
    /// To measure the way.
    Ping,
}

impl Pending {
    /// Whether it decides where the next line goes.
    pub(super) const fn is_switching(&self) -> bool {
        match self {
            Self::Enter | Self::Say(_) | Self::Part | Self::Past(_) | Self::Here(_) => true,
            Self::Refresh(_)
            | Self::Members(_)
            | Self::History(_)
            | Self::Rooms
            | Self::RoomNames
            | Self::Manual
            | Self::Rename
            | Self::Away
            | Self::Ping => false,
        }
    }
}

impl Chat<'_> {
    /// Whether it is not decided yet where the next line goes.
    pub(super) fn is_switching(&self) -> bool {
        self.pending.values().any(Pending::is_switching)
    }

    /// A room was entered or is followed again.
    pub(super) fn joined(&mut self, request: Option<RequestId>, room: RoomInfo) -> Result<(), Failure> {
        let pending = request.and_then(|request| self.pending.remove(&request));
        let (id, last) = (room.id, room.last);
        let is_new = self.views.update(room);
        let enters = pending == Some(Pending::Enter);
        if enters {
            self.views.switch_to(id);
        }
        let is_first = matches!(self.stage, Stage::Chatting) && self.views.current().is_none();
        if is_first {
            self.views.switch_to(id);
        }
        self.teach();
        if let Some(Pending::Say(text)) = pending {
            self.post(id, EventKind::Posted, &text);
        } else if is_new {
            self.head(id);
            self.ask_past(id, last);
        } else if enters {
            self.head(id);
            self.ask(Pending::Here(id), |client, now| client.members(id, now));
        } else {
            self.ask(Pending::Refresh(id), |client, now| client.members(id, now));
        }
        Ok(())
    }

    fn head(&mut self, room: RoomId) {
        let Some(view) = self.views.find(room) else { return };
        let (place, topic) = (Printable::new(&view.place), Printable::new(&view.info.topic));
        if view.info.topic.is_empty() {
            self.context.output.status(format_args!("— {place} —"));
        } else {
            self.context.output.status(format_args!("— {place}: {topic} —"));
        }
    }

    /// Asks for what was said before; what happens meanwhile waits behind it.
    fn ask_past(&mut self, room: RoomId, last: Seq) {
        let read = self.read_before.remove(&room).unwrap_or(last);
        let Some(view) = self.views.find(room) else { return };
        view.earliest = read.next();
        if read == Seq::default() {
            self.ask(Pending::Here(room), |client, now| client.members(room, now));
            return;
        }
        view.past = Past::Asked(Vec::new());
        self.ask(Pending::Past(room), |client, now| {
            client.history(room, Some(read.next()), PAST_EVENTS, now)
        });
    }

    /// Shows what was said before, then what waited behind it.
    pub(super) fn show_past(&mut self, room: RoomId, events: &[StoredEvent]) -> Result<(), Failure> {
        self.show_earlier(room, events)?;
        let Some(view) = self.views.find(room) else { return Ok(()) };
        if let Past::Asked(waiting) = std::mem::replace(&mut view.past, Past::Shown) {
            waiting.iter().try_for_each(|event| self.show(room, event))?;
        }
        self.ask(Pending::Here(room), |client, now| client.members(room, now));
        Ok(())
    }

    fn show_earlier(&mut self, room: RoomId, events: &[StoredEvent]) -> Result<(), Failure> {
        if let (Some(view), Some(first)) = (self.views.find(room), events.first()) {
            view.earliest = view.earliest.min(first.seq);
        }
        events.iter().try_for_each(|event| self.show(room, event))
    }

    /// Takes the answer to a request of ours in.
    pub(super) fn answered(&mut self, request: RequestId, answer: ClientEvent) -> Result<(), Failure> {
        let Some(pending) = self.pending.remove(&request) else { return Ok(()) };
        match (pending, answer) {
            (Pending::Past(room), ClientEvent::History { events, .. }) => self.show_past(room, &events)?,
            (Pending::History(room), ClientEvent::History { events, .. }) => {
                if events.is_empty() {
                    self.context.output.status("nothing was said before");
                }
                self.show_earlier(room, &events)?;
            }
            (Pending::Here(room), ClientEvent::Members { members, .. }) => self.know(room, &members, true),
            (Pending::Refresh(room), ClientEvent::Members { members, .. }) => self.know(room, &members, false),
            (Pending::Members(room), ClientEvent::Members { members, .. }) => self.show_members(room, &members)?,
            (Pending::Rooms, ClientEvent::Rooms { rooms, .. }) => self.show_rooms(&rooms)?,
            (Pending::RoomNames, ClientEvent::Rooms { rooms, .. }) => self.teach_rooms(&rooms),
            (_, ClientEvent::Parted { room, .. }) => self.parted(room),
            (_, ClientEvent::Manual { text, .. }) => self.show_manual(&text)?,
            (_, ClientEvent::Renamed { nick, .. }) => {
                self.context.output.status(format_args!("you are {nick} now"));
            }
            (_, ClientEvent::AwaySet { away, .. }) => {
                self.is_away = away;
                self.context.output.status(if away { "you are away" } else { "you are here again" });
            }
            (_, ClientEvent::Pong { round_trip, .. }) => self.show_pong(round_trip)?,
            (_, _) => {}
        }
        Ok(())
    }

    /// A request was refused.
    pub(super) fn refused(&mut self, request: RequestId, refusal: &Refusal) -> Result<(), Failure> {
        let pending = self.pending.remove(&request);
        if pending != Some(Pending::RoomNames) {
            self.fail(Failure::refused(refusal));
        }
        match pending {
            Some(Pending::Past(room)) => self.show_past(room, &[]),
            Some(Pending::Say(text)) => {
                self.initial = text;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The connection was lost before an answer: what nobody typed is asked again, the rest is told.
    pub(super) fn interrupted(&mut self, request: RequestId) {
        let Some(pending) = self.pending.remove(&request) else { return };
        match pending {
            Pending::Past(room) => {
                if let Some(view) = self.views.find(room) {
                    let before = Some(view.earliest);
                    self.ask(pending, |client, now| client.history(room, before, PAST_EVENTS, now));
                }
            }
            Pending::Here(room) | Pending::Refresh(room) => {
                self.ask(pending, |client, now| client.members(room, now));
            }
            Pending::RoomNames => {}
            Pending::Enter
            | Pending::Say(_)
            | Pending::Part
            | Pending::Members(_)
            | Pending::History(_)
            | Pending::Rooms
            | Pending::Manual
            | Pending::Rename
            | Pending::Away
            | Pending::Ping => self.context.output.status("the connection was lost before the answer; try again"),
        }
    }

    fn know(&mut self, room: RoomId, members: &[MemberInfo], tell: bool) {
        let Some(view) = self.views.find(room) else { return };
        view.roster.replace(members);
        if tell {
            let names: Vec<String> = view.roster.names().into_iter().map(|(nick, state)| here(nick, state)).collect();
            self.context.output.status(format_args!("here: {}", names.join(", ")));
        }
        self.teach();
    }

    fn show_members(&mut self, room: RoomId, members: &[MemberInfo]) -> Result<(), Failure> {
        let Some(view) = self.views.find(room) else { return Ok(()) };
        view.roster.replace(members);
        let place = view.place.clone();
        for member in members {
            self.context.output.result(Body::member(&place, member), here(&member.nick, member.state))?;
        }
        self.teach();
        Ok(())
    }

    fn show_rooms(&mut self, rooms: &[RoomListed]) -> Result<(), Failure> {
        for room in rooms {
            let (name, topic) = (Printable::new(&room.name), Printable::new(&room.topic));
            let line = format!("{name}  {} here  {topic}", room.members);
            self.context.output.result(Body::room(room), line.trim_end())?;
        }
        self.teach_rooms(rooms);
        Ok(())
    }

    fn show_manual(&mut self, text: &str) -> Result<(), Failure> {
        text.lines().try_for_each(|line| self.context.output.line(Printable::new(line)))
    }

    fn show_pong(&mut self, round_trip: Duration) -> Result<(), Failure> {
        let microseconds = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
        let line = format!("the server answered in {:.2} ms", round_trip.as_secs_f64() * 1_000.0);
        self.context.output.result(Body::Pong { seq: 1, microseconds }, line)
    }

    pub(super) fn parted(&mut self, room: RoomId) {
        let Some(view) = self.views.remove(room) else { return };
        self.context.output.status(format_args!("you left {}", Printable::new(&view.place)));
        self.teach();
    }

    /// Shows the commands, then asks for the manual.
    pub(super) fn help(&mut self) -> Result<(), Failure> {
        self.context.output.line(commands::help().trim_end())?;
        self.ask(Pending::Manual, |client, now| client.manual(now));
        Ok(())
    }

    /// A conversation was opened by somebody else.
    pub(super) fn opened(&mut self, room: RoomInfo) {
        let place = place(&room);
        if self.views.update(room) {
            let shown = Printable::new(&place);
            let name = place.trim_start_matches('@');
            self.context.output.status(format_args!("{shown} writes to you; /msg {} answers", Printable::new(name)));
        }
    }
}

/// A name, with what is special about it.
fn here(nick: &str, member_state: u8) -> String {
    let name = Printable::new(nick);
    match member_state {
        state::AWAY | state::LOST => format!("{name} ({})", state_name(member_state)),
        _ => name.to_string(),
    }
}
