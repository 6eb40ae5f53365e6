//! Having entered: what the server tells unasked, and sending what waits (`PROTOCOL.md` C, W and P8).

use alloc::vec::Vec;

use super::{
    ClientEvent, Happening, OfflineCause, RoomInfo,
    arrival::{Arrival, Notice},
    convert,
    outbox::Allowance,
    phase::Phase,
    requests::Request,
    rooms::{FollowFrom, ROOMS_MAX},
    session::{Identity, Session},
};
use crate::{
    error::{ProtocolError, Refusal, RefusalCode},
    ids::RoomId,
    name::{Nick, RoomName},
    storage::EventKind,
    wire::{self, Limits, Presence, Trimmed},
};

/// The client has entered.
#[derive(Debug)]
pub(super) struct Ready {
    limits: Limits,
    allowance: Allowance,
}

impl Ready {
    /// Takes `Ready` over and has the rooms followed.
    pub(super) fn enter(
        ready: &wire::Ready<'_>,
        resumed: bool,
        limits: Limits,
        session: &mut Session,
    ) -> Result<Self, OfflineCause> {
        let nick = Nick::parse(ready.nick).map_err(|_| ProtocolError::MalformedBody)?;
        let rooms = believable(&ready.rooms)?.iter().map(convert::room).collect::<Result<Vec<_>, _>>()?;
        let (user, token) = (ready.user, ready.token);
        session.identity = Some(Identity { user, nick: nick.clone(), token, is_account: ready.account });
        session.wished.account = None;
        session.outputs.save();
        session.backoff.ready(session.now.monotonic);
        session.tell(ClientEvent::Ready { user, nick: nick.clone(), resumed, rooms: rooms.clone() });
        if let Some(request) = session.wished.request.take() {
            session.tell(ClientEvent::Renamed { request, nick });
        }
        session.take_up_rooms(&rooms)?;
        Ok(Self { limits, allowance: Allowance::default() })
    }

    /// Sends requests and posts that wait. Requests first: rooms are followed before anything is said in them.
    pub(super) fn send_waiting(&mut self, session: &mut Session) {
        session.queue_marks();
        session.send_requests(self.limits.requests);
        session.send_posts(&mut self.allowance, self.limits.posts);
        session.send_transfers();
    }

    pub(super) fn handle(
        mut self,
        arrival: Arrival<'_>,
        session: &mut Session,
    ) -> Result<Phase, OfflineCause> {
        match arrival {
            Arrival::Common(common) => session.handle_common(&common)?,
            Arrival::Refused(refused) => session.answer_refused(&refused)?,
            Arrival::Answer(answer) => session.handle_answer(&answer)?,
            Arrival::Notice(Notice::Credit(credit)) => self.allowance.announce(&credit),
            Arrival::Notice(Notice::Event(event)) => session.handle_event(&event)?,
            Arrival::Notice(Notice::Presence(presence)) => session.handle_presence(&presence),
            Arrival::Notice(Notice::Opened(opened)) => {
                session.handle_opened(&convert::room(&opened.room)?)?
            }
            Arrival::Notice(Notice::Trimmed(trimmed)) => session.handle_trimmed(&trimmed)?,
            Arrival::Notice(Notice::Parted(parted)) => session.handle_parted(parted.room),
            Arrival::Notice(Notice::Read(read)) => session.handle_read(read.room, read.seq),
            Arrival::Notice(Notice::Removed(removed)) => session.handle_removed(&removed),
            Arrival::Notice(Notice::Invited(invited)) => session.handle_invited(&invited)?,
            Arrival::Notice(Notice::Window(window)) => session.transfer_window(&window),
            Arrival::Notice(Notice::Durable(durable)) => session.transfer_durable(&durable),
            Arrival::Notice(Notice::Stopped(stopped)) => session.transfer_stopped(&stopped),
            Arrival::Notice(Notice::Data(data)) => session.download_data(&data)?,
            Arrival::Challenge(challenge) => session.password_challenged(&challenge)?,
            Arrival::Welcome(_) | Arrival::Waiting(_) | Arrival::Ready(_) => {
                return Err(ProtocolError::UnexpectedKind.into());
            }
        }
        Ok(Phase::Ready(self))
    }
}

/// More rooms than a user can be in are not even looked at.
fn believable<'a>(rooms: &'a [wire::Room<'a>]) -> Result<&'a [wire::Room<'a>], ProtocolError> {
    if rooms.len() <= ROOMS_MAX { Ok(rooms) } else { Err(ProtocolError::MalformedBody) }
}

impl Session {
    /// Follows the rooms the user is in from where the application has read to, and joins those again that it
    /// was in as a guest that is no more.
    fn take_up_rooms(&mut self, listed: &[RoomInfo]) -> Result<(), ProtocolError> {
        for room in self.rooms.keep_listed(listed) {
            let refusal = Refusal::new(RefusalCode::NotAMember, "You are not a member of the room any more.");
            let refusal = refusal.about(&*room.name);
            self.tell(ClientEvent::Unfollowed { room: room.id, refusal });
        }
        let mut requests = Vec::new();
        for info in listed {
            // Its membership was written, but the answer lost: asked again, it begins where the application wants.
            if !self.rooms.contains(info.id) && self.requests.is_to_join(&info.name) {
                continue;
            }
            let (follow, was_known) = self.rooms.list(info)?;
            requests.push(Request::Follow(follow));
            if !was_known && info.with.is_some() {
                self.tell(ClientEvent::Opened { room: info.clone() });
            }
        }
        requests.extend(self.rooms.wishes().cloned().map(Request::Rejoin));
        for request in requests.into_iter().rev() {
            self.requests.add_first(request);
        }
        Ok(())
    }

    pub(super) fn follow(&mut self, from: Option<FollowFrom>) {
        if let Some(from) = from {
            self.requests.add_first(Request::Follow(from));
        }
    }

    fn handle_event(&mut self, event: &wire::Event<'_>) -> Result<(), ProtocolError> {
        let told = self.rooms.happened(event.room, &event.event)?;
        if let Some(happened) = convert::event(&event.event).filter(|_| told) {
            self.tell(ClientEvent::Happened(Happening { room: event.room, event: happened }));
        }
        Ok(())
    }

    /// Presence has no order with answers, so that of a room just left is no mistake of the server.
    fn handle_presence(&mut self, presence: &Presence<'_>) {
        if !self.rooms.contains(presence.room) {
            return;
        }
        let changes = convert::changes(&presence.changes);
        self.rooms.rename_partner(presence.room, &changes);
        let (room, members, stale) = (presence.room, presence.members, presence.stale);
        self.tell(ClientEvent::Presence { room, members, stale, changes });
    }

    /// A room that is known already was answered to a request of our own at the same time.
    fn handle_opened(&mut self, info: &RoomInfo) -> Result<(), ProtocolError> {
        let is_account = self.identity.as_ref().is_some_and(|identity| identity.is_account);
        if info.with.is_none() && !is_account {
            return Err(ProtocolError::MalformedBody);
        }
        if self.rooms.contains(info.id) {
            return Ok(());
        }
        let (follow, _) = self.rooms.list(info)?;
        self.outputs.save();
        self.tell(ClientEvent::Opened { room: info.clone() });
        self.follow(Some(follow));
        Ok(())
    }

    /// Left on another device (A9).
    fn handle_parted(&mut self, room: RoomId) {
        if self.rooms.leave(room).is_some() {
            self.outputs.save();
            self.tell(ClientEvent::Left { room });
        }
    }

    /// Read on another device, or earlier (A14).
    fn handle_read(&mut self, room: RoomId, seq: crate::ids::Seq) {
        if self.rooms.has_read(room, seq) {
            self.tell(ClientEvent::Read { room, seq });
        }
    }

    /// Put out of a room (G6).
    fn handle_removed(&mut self, removed: &wire::Removed<'_>) {
        let name = self.rooms.leave(removed.room).map(|info| info.name);
        if name.is_some() {
            self.outputs.save();
        }
        self.tell(ClientEvent::Removed {
            room: removed.room,
            name: name.unwrap_or_else(|| "".into()),
            banned: removed.kind == EventKind::Banned.number(),
            by: removed.by.into(),
            reason: removed.reason.into(),
            until: removed.until,
        });
    }

    /// Invited to a room (G7).
    fn handle_invited(&mut self, invited: &wire::Invited<'_>) -> Result<(), ProtocolError> {
        let name = RoomName::parse(invited.name).map_err(|_| ProtocolError::MalformedBody)?;
        self.tell(ClientEvent::Invited { name, by: invited.by.into(), reason: invited.reason.into() });
        Ok(())
    }

    fn handle_trimmed(&mut self, trimmed: &Trimmed) -> Result<(), ProtocolError> {
        if self.rooms.trimmed(trimmed.room, trimmed.first)? {
            self.tell(ClientEvent::Trimmed { room: trimmed.room, first: trimmed.first });
        }
        Ok(())
    }
}
