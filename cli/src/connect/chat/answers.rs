//! What was asked of the server, and what becomes of the answers.

use palabre_core::{
    client::{ClientEvent, MemberInfo, RequestId, RoomInfo},
    commands,
    error::Refusal,
    ids::{RoomId, Seq},
    storage::{EventKind, StoredEvent},
};

use super::{
    Chat, Stage,
    shown::{Shown, Time},
    views::Past,
};
use crate::{
    failure::Failure,
    output::{Printable, place},
};

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
    /// To show what was found for this.
    Search(String),
    /// To show the rooms.
    Rooms,
    /// To complete the names of rooms.
    RoomNames,
    /// To show the manual.
    Manual,
    /// To do something about rights: the log tells.
    Govern,
    /// To show who has which rights.
    Rights(RoomId),
    /// To take another name.
    Rename,
    /// To be away or back.
    Away,
    /// To measure the way.
    Ping,
    /// To show the files of a room.
    Files,
    /// To have the server forget an upload.
    Discard,
}

impl Pending {
    /// Whether it decides where the next line goes.
    pub(super) const fn is_switching(&self) -> bool {
        match self {
            Self::Enter | Self::Say(_) | Self::Part | Self::Past(_) | Self::Here(_) => true,
            Self::Refresh(_)
            | Self::Members(_)
            | Self::History(_)
            | Self::Search(_)
            | Self::Rooms
            | Self::RoomNames
            | Self::Manual
            | Self::Govern
            | Self::Rights(_)
            | Self::Rename
            | Self::Away
            | Self::Ping
            | Self::Files
            | Self::Discard => false,
        }
    }
}

impl Chat {
    /// Whether it is not decided yet where the next line goes.
    pub(in crate::connect) fn is_switching(&self) -> bool {
        self.pending.values().any(Pending::is_switching)
    }

    /// A room was entered or is followed again.
    pub(super) fn joined(&mut self, request: Option<RequestId>, room: RoomInfo) {
        let pending = request.and_then(|request| self.pending.remove(&request));
        let (id, last) = (room.id, room.last);
        let arrives = self.stage == Stage::Arriving && (pending.is_some() || self.is_wanted(&room));
        let enters = arrives || pending == Some(Pending::Enter);
        let is_new = self.views.update(room);
        if enters {
            self.views.switch_to(id);
            self.mark_read(id, last);
            self.show(Shown::Switched(id));
        }
        if arrives {
            self.stage = Stage::Chatting;
        }
        match pending {
            Some(Pending::Say(text)) => {
                self.post(id, EventKind::Posted, &text);
            }
            _ if enters && is_new => self.ask_past(id, last),
            _ if enters => self.ask(Pending::Here(id), |client, now| client.members(id, now)),
            _ => self.ask(Pending::Refresh(id), |client, now| client.members(id, now)),
        }
    }

    /// Asks for what was said before; what happens meanwhile waits behind it.
    fn ask_past(&mut self, room: RoomId, last: Seq) {
        let read = self.read_before.remove(&room);
        if let Some(up_to) = read.filter(|read| *read < last) {
            self.show(Shown::Read { room, up_to });
        }
        let read = read.unwrap_or(last);
        let Some(view) = self.views.find(room) else { return };
        view.earliest = read.next();
        if read == Seq::default() {
            self.ask(Pending::Here(room), |client, now| client.members(room, now));
            return;
        }
        view.past = Past::Asked(Vec::new());
        let events = self.past_events;
        self.ask(Pending::Past(room), |client, now| client.history(room, Some(read.next()), events, now));
    }

    /// Shows what was said before, then what waited behind it.
    pub(super) fn show_past(&mut self, room: RoomId, first: Seq, events: Vec<StoredEvent>) {
        self.show_earlier(room, first, events);
        let Some(view) = self.views.find(room) else { return };
        if let Past::Asked(waiting) = std::mem::replace(&mut view.past, Past::Shown) {
            waiting.into_iter().for_each(|event| self.show_event(room, event, Time::Now));
        }
        self.ask(Pending::Here(room), |client, now| client.members(room, now));
    }

    fn show_earlier(&mut self, room: RoomId, first: Seq, events: Vec<StoredEvent>) {
        events.into_iter().for_each(|event| self.show_event(room, event, Time::Before));
        self.show(Shown::PastEnd { room, first });
    }

    /// Takes the answer to a request of ours in.
    pub(super) fn answered(&mut self, request: RequestId, answer: ClientEvent) {
        let Some(pending) = self.pending.remove(&request) else { return };
        match (pending, answer) {
            (Pending::Past(room), ClientEvent::History { events, first, .. }) => {
                self.show_past(room, first, events);
            }
            (Pending::History(room), ClientEvent::History { events, first, .. }) => {
                if events.is_empty() {
                    self.status("nothing was said before");
                }
                self.show_earlier(room, first, events);
            }
            (Pending::Search(text), ClientEvent::Found { hits, next, .. }) => {
                self.show(Shown::Found { text, hits, more: next.is_some() });
            }
            (Pending::Here(room), ClientEvent::Members { members, .. }) => self.know(room, &members, true),
            (Pending::Refresh(room), ClientEvent::Members { members, .. }) => {
                self.know(room, &members, false)
            }
            (Pending::Members(room), ClientEvent::Members { members, .. }) => {
                self.know(room, &members, false);
                self.show(Shown::Members { room, members });
            }
            (Pending::Rooms, ClientEvent::Rooms { rooms, .. }) => {
                self.show(Shown::RoomNames(rooms.clone()));
                self.show(Shown::Rooms(rooms));
            }
            (Pending::RoomNames, ClientEvent::Rooms { rooms, .. }) => self.show(Shown::RoomNames(rooms)),
            (Pending::Rights(room), ClientEvent::Rights { mode, standings, .. }) => {
                let place = self.views.find(room).map(|view| view.place.clone()).unwrap_or_default();
                self.show(Shown::Rights { place, mode, standings });
            }
            (Pending::Files, answer) => self.files_told(answer),
            (_, ClientEvent::Parted { room, .. }) => self.parted(room),
            (_, ClientEvent::Manual { text, .. }) => {
                let lines: Vec<String> = text.lines().map(|line| Printable::new(line).to_string()).collect();
                self.show(Shown::Text(lines.join("\n")));
            }
            (_, ClientEvent::Renamed { nick, .. }) => self.status(format_args!("you are {nick} now")),
            (_, ClientEvent::AwaySet { away, .. }) => {
                self.is_away = away;
                self.status(if away { "you are away" } else { "you are here again" });
            }
            (_, ClientEvent::Pong { round_trip, .. }) => self.show(Shown::Pong(round_trip)),
            (_, _) => {}
        }
    }

    /// A request was refused.
    pub(super) fn refused(&mut self, request: RequestId, refusal: &Refusal) {
        let pending = self.pending.remove(&request);
        if pending != Some(Pending::RoomNames) && !Self::is_forgotten(pending.as_ref(), refusal.code) {
            self.fail(Failure::refused(refusal));
        }
        if self.stage == Stage::Arriving && pending == Some(Pending::Enter) {
            self.stage = Stage::Chatting;
        }
        match pending {
            Some(Pending::Past(room)) => self.show_past(room, Seq::new(1), Vec::new()),
            Some(Pending::Say(text)) => self.show(Shown::Mend(text)),
            _ => {}
        }
    }

    /// The connection was lost before an answer: what nobody typed is asked again, the rest is told.
    pub(super) fn interrupted(&mut self, request: RequestId) {
        let Some(pending) = self.pending.remove(&request) else { return };
        match pending {
            Pending::Past(room) => {
                if let Some(view) = self.views.find(room) {
                    let (before, events) = (Some(view.earliest), self.past_events);
                    self.ask(pending, |client, now| client.history(room, before, events, now));
                }
            }
            Pending::Here(room) | Pending::Refresh(room) => {
                self.ask(pending, |client, now| client.members(room, now));
            }
            Pending::RoomNames | Pending::Discard => {}
            Pending::Enter
            | Pending::Say(_)
            | Pending::Part
            | Pending::Members(_)
            | Pending::History(_)
            | Pending::Search(_)
            | Pending::Rooms
            | Pending::Manual
            | Pending::Govern
            | Pending::Rights(_)
            | Pending::Rename
            | Pending::Away
            | Pending::Files
            | Pending::Ping => self.status("the connection was lost before the answer; try again"),
        }
    }

    fn know(&mut self, room: RoomId, members: &[MemberInfo], tell: bool) {
        let Some(view) = self.views.find(room) else { return };
        view.roster.replace(members);
        let tell = tell && view.info.with.is_none();
        self.show(Shown::People { room, tell });
    }

    pub(super) fn parted(&mut self, room: RoomId) {
        let Some(view) = self.views.remove(room) else { return };
        self.status(format_args!("you left {}", Printable::new(&view.place)));
        self.show(Shown::Parted);
    }

    /// Shows the commands, then asks for the manual.
    pub(super) fn help(&mut self) {
        self.show(Shown::Text(commands::help().trim_end().to_owned()));
        self.ask(Pending::Manual, |client, now| client.manual(now));
    }

    /// A conversation was opened by somebody else.
    pub(super) fn opened(&mut self, room: RoomInfo) {
        let place = place(&room);
        if self.views.update(room) {
            let shown = Printable::new(&place);
            let name = place.trim_start_matches('@');
            self.status(format_args!("{shown} writes to you; /msg {} answers", Printable::new(name)));
        }
        self.show(Shown::Opened);
    }
}
