//! Asking the server and waiting for the answer.

use std::collections::VecDeque;

use palabre_core::{
    client::{Client, ClientEvent, RequestId, RoomInfo, RoomListed},
    error::Misuse,
    ids::{RoomId, Seq},
    name::{RoomName, nearest},
    storage::StoredEvent,
    time::Now,
};

use super::Session;
use crate::{
    arguments::Target,
    failure::{ExitStatus, Failure},
};

/// Events of a page of history.
const PAGE_EVENTS: u16 = 200;

impl Session<'_> {
    /// Asks, waits for the answer, and asks again when the connection was lost meanwhile.
    pub(crate) fn ask(
        &mut self,
        ask: impl Fn(&mut Client, Now) -> Result<RequestId, Misuse>,
    ) -> Result<ClientEvent, Failure> {
        let mut waiting = VecDeque::new();
        let answer = self.ask_past(&ask, &mut waiting);
        // What came meanwhile goes before what came after the answer.
        waiting.append(&mut self.backlog);
        self.backlog = waiting;
        answer
    }

    fn ask_past(
        &mut self,
        ask: impl Fn(&mut Client, Now) -> Result<RequestId, Misuse>,
        passed: &mut VecDeque<ClientEvent>,
    ) -> Result<ClientEvent, Failure> {
        passed.append(&mut self.backlog);
        let mut asked = self.act(&ask)?;
        loop {
            let Some(event) = self.next_event(None)? else { continue };
            if request_answered(&event) != Some(asked) {
                passed.push_back(event);
            } else if let ClientEvent::Refused { refusal, .. } = &event {
                return Err(Failure::refused(refusal));
            } else if let ClientEvent::Interrupted { .. } = &event {
                asked = self.act(&ask)?;
            } else {
                return Ok(event);
            }
        }
    }

    /// Enters a room or opens a conversation. A room that does not exist is made.
    pub(crate) fn join(&mut self, target: &Target, after: Option<Seq>) -> Result<RoomInfo, Failure> {
        let answer = self.ask(|client, now| match target {
            Target::Room(room) => client.join(room, after, now),
            Target::Person(nick) => client.direct(nick, now),
        })?;
        let ClientEvent::Joined { room, .. } = answer else { return Err(unexpected(&answer)) };
        Ok(room)
    }

    /// Enters a room that exists already, or opens a conversation.
    pub(crate) fn join_existing(&mut self, target: &Target, after: Option<Seq>) -> Result<RoomInfo, Failure> {
        if let Target::Room(wanted) = target {
            let rooms = self.rooms()?;
            let key = wanted.key();
            let is_wanted =
                |name: &str| RoomName::parse(name).is_ok_and(|name| name.key().folded() == key.folded());
            if !rooms.iter().any(|room| is_wanted(&room.name)) {
                return Err(no_such_room(wanted.as_str(), rooms.iter().map(|room| room.name.as_str())));
            }
        }
        self.join(target, after)
    }

    /// All named rooms.
    pub(crate) fn rooms(&mut self) -> Result<Vec<RoomListed>, Failure> {
        let answer = self.ask(Client::rooms)?;
        let ClientEvent::Rooms { rooms, .. } = answer else { return Err(unexpected(&answer)) };
        Ok(rooms)
    }

    /// The last `count` events before a number, ascending, less if there are not so many.
    pub(crate) fn read_back(
        &mut self,
        room: RoomId,
        before: Option<Seq>,
        count: usize,
    ) -> Result<Vec<StoredEvent>, Failure> {
        let mut pages = Vec::new();
        let mut before = before;
        let mut missing = count;
        while missing > 0 {
            let limit = u16::try_from(missing).unwrap_or(PAGE_EVENTS).min(PAGE_EVENTS);
            let answer = self.ask(|client, now| client.history(room, before, limit, now))?;
            let ClientEvent::History { first, events, .. } = answer else { return Err(unexpected(&answer)) };
            let Some(earliest) = events.first().map(|event| event.seq) else { break };
            missing = missing.saturating_sub(events.len());
            before = Some(earliest);
            pages.push(events);
            if earliest <= first {
                break;
            }
        }
        Ok(pages.into_iter().rev().flatten().collect())
    }
}

/// The request that an event answers.
pub(crate) const fn request_answered(event: &ClientEvent) -> Option<RequestId> {
    match event {
        ClientEvent::Joined { request, .. } => *request,
        ClientEvent::Parted { request, .. }
        | ClientEvent::Members { request, .. }
        | ClientEvent::Rooms { request, .. }
        | ClientEvent::History { request, .. }
        | ClientEvent::Found { request, .. }
        | ClientEvent::Manual { request, .. }
        | ClientEvent::Renamed { request, .. }
        | ClientEvent::AwaySet { request, .. }
        | ClientEvent::Pong { request, .. }
        | ClientEvent::Devices { request, .. }
        | ClientEvent::Revoked { request, .. }
        | ClientEvent::PasswordChanged { request }
        | ClientEvent::Governed { request, .. }
        | ClientEvent::Rights { request, .. }
        | ClientEvent::Files { request, .. }
        | ClientEvent::FileDeleted { request }
        | ClientEvent::UploadDiscarded { request }
        | ClientEvent::Refused { request, .. }
        | ClientEvent::Interrupted { request } => Some(*request),
        ClientEvent::Connected { .. }
        | ClientEvent::Waiting { .. }
        | ClientEvent::EnterRefused { .. }
        | ClientEvent::Ready { .. }
        | ClientEvent::Offline { .. }
        | ClientEvent::Ended { .. }
        | ClientEvent::Opened { .. }
        | ClientEvent::Unfollowed { .. }
        | ClientEvent::Left { .. }
        | ClientEvent::Read { .. }
        | ClientEvent::Removed { .. }
        | ClientEvent::Invited { .. }
        | ClientEvent::Happened(_)
        | ClientEvent::Transfer(_)
        | ClientEvent::Trimmed { .. }
        | ClientEvent::Presence { .. }
        | ClientEvent::Posted { .. }
        | ClientEvent::PostRefused { .. }
        | ClientEvent::PostIndeterminate { .. } => None,
    }
}

/// The client answers a request with the event of its kind; anything else is a bug of ours.
pub(crate) fn unexpected(event: &ClientEvent) -> Failure {
    Failure::new(ExitStatus::Other, "unexpected-answer", format!("an answer to something else: {event:?}"))
}

fn no_such_room<'a>(wanted: &str, rooms: impl Iterator<Item = &'a str>) -> Failure {
    let meant = nearest(wanted, rooms);
    let next_step = match meant {
        Some(name) => format!("did you mean {name}?"),
        None => "`cli rooms` lists those there are.".into(),
    };
    let mut failure = Failure::new(
        ExitStatus::NotFound,
        "no-such-room",
        format!("{wanted}: there is no such room; {next_step}"),
    );
    failure.suggestion = meant.map(Into::into);
    failure
}
