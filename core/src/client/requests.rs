//! Requests of the application and of the client itself: those that wait, and those the server has not answered.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    string::String,
    vec::Vec,
};

use super::{
    ClientEvent, FileInfo, Governance, MemberInfo, ModeChange, RequestId, RoomListed, StandingInfo,
    rooms::{FollowFrom, Wish},
    session::Session,
};
use crate::{
    error::{Misuse, ProtocolError, Refusal, RefusalCode},
    ids::{DeviceId, Position, RoomId, Seq, UserId},
    name::{Nick, RoomName},
    password::{Enrolment, REGISTRATION_REQUEST_BYTES, REGISTRATION_UPLOAD_BYTES},
    storage::Hit,
    time::Monotonic,
    transfer::{FileName, UploadKey, Version},
    wire::{self, SearchPage},
};

/// Requests of the application that may wait; more are a [`Misuse`].
const WAITING_MAX: usize = 1_024;

/// Requests that are sent and unanswered at most, whatever more the server allows.
const SENT_MAX: u32 = 64;

/// Pages of a search that are read one after the other; then the application is told how far it came.
const SEARCH_PAGES_MAX: u32 = 64;

/// Hits of a search, unless the application says.
const SEARCH_HITS_DEFAULT: u16 = 50;

/// Entries of a list that is read page by page; a longer list ends there.
pub(super) const LISTED_MAX: usize = 100_000;

/// A request, and who wants it.
#[derive(Debug)]
pub(super) enum Request {
    /// The application.
    Verb(RequestId, Ask),
    /// The client: a room the user is in is to be followed.
    Follow(FollowFrom),
    /// The client: a room is to be joined again by a new guest.
    Rejoin(Wish),
    /// The client: a room was read up to there.
    Mark(RoomId, Seq),
}

/// What the application asks.
#[derive(Debug)]
pub(super) enum Ask {
    Join {
        name: RoomName,
        after: Option<Seq>,
    },
    Direct {
        nick: Nick,
    },
    Part {
        room: RoomId,
    },
    Members {
        room: RoomId,
        after: Option<UserId>,
        gathered: Vec<MemberInfo>,
    },
    Rooms {
        after: Option<RoomId>,
        gathered: Vec<RoomListed>,
    },
    History {
        room: RoomId,
        before: Option<Seq>,
        limit: u16,
    },
    Search(Box<Search>),
    Rename {
        nick: Nick,
    },
    Manual,
    Away {
        away: bool,
    },
    Devices,
    Revoke {
        device: DeviceId,
    },
    Govern(Governance),
    SetMode {
        room: RoomId,
        change: ModeChange,
    },
    Rights {
        room: RoomId,
        after: Option<UserId>,
        gathered: Vec<StandingInfo>,
    },
    /// A new password is begun; what is kept is used when the server has answered.
    NewPassword {
        request: [u8; REGISTRATION_REQUEST_BYTES],
        enrolment: Enrolment,
    },
    SetPassword {
        upload: Box<[u8; REGISTRATION_UPLOAD_BYTES]>,
    },
    Files {
        room: Option<RoomId>,
        after: Option<FileName>,
        gathered: Vec<FileInfo>,
    },
    DeleteFile {
        room: Option<RoomId>,
        name: FileName,
        version: Option<Version>,
    },
    DiscardUpload {
        key: UploadKey,
    },
    /// Its number on the wire is its token.
    Ping {
        sent: Monotonic,
    },
}

/// A search, page by page.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) text: String,
    pub(super) room: Option<RoomId>,
    pub(super) before: Option<Position>,
    /// How many hits are wanted in all.
    pub(super) hits_max: u16,
    pub(super) gathered: Vec<Hit>,
    /// How many pages there were.
    pub(super) pages: u32,
}

impl Search {
    pub(super) fn new(text: &str, room: Option<RoomId>, before: Option<Position>, hits_max: u16) -> Self {
        let hits_max = if hits_max == 0 { SEARCH_HITS_DEFAULT } else { hits_max };
        Self { text: text.into(), room, before, hits_max, gathered: Vec::new(), pages: 0 }
    }

    fn hits_left(&self) -> u16 {
        let gathered = u16::try_from(self.gathered.len()).unwrap_or(u16::MAX);
        self.hits_max.saturating_sub(gathered)
    }

    /// Whether a page is one of those that were asked for.
    pub(super) fn takes(&self, page: &SearchPage<'_>) -> bool {
        let is_before = match (page.next, self.before) {
            (Some(next), Some(before)) => next < before,
            (Some(_) | None, None) | (None, Some(_)) => true,
        };
        let is_there = |hit: &wire::Hit<'_>| self.room.is_none_or(|room| room == hit.room);
        is_before && page.hits.len() <= usize::from(self.hits_left()) && page.hits.iter().all(is_there)
    }

    pub(super) fn wants_more(&self) -> bool {
        self.hits_left() > 0 && self.pages < SEARCH_PAGES_MAX
    }
}

/// The requests that are not answered yet.
#[derive(Debug, Default)]
pub(super) struct Requests {
    waiting: VecDeque<Request>,
    sent: BTreeMap<u32, Request>,
    last_request: u32,
    last_wire_id: u32,
}

impl Requests {
    /// The next name for a request of the application.
    pub(super) const fn next_request_id(&mut self) -> RequestId {
        self.last_request = self.last_request.wrapping_add(1);
        RequestId(self.last_request)
    }

    /// The number of the next request on the wire.
    pub(super) const fn next_wire_id(&mut self) -> u32 {
        self.last_wire_id = self.last_wire_id.wrapping_add(1);
        self.last_wire_id
    }

    /// Whether a request to join a room of this name waits.
    pub(super) fn is_to_join(&self, room: &str) -> bool {
        self.waiting.iter().any(
            |request| matches!(request, Request::Verb(_, Ask::Join { name, .. }) if name.as_str() == room),
        )
    }

    /// Whether the server has not answered yet that a room is to be left.
    pub(super) fn is_parting(&self, from: RoomId) -> bool {
        let parts =
            |request: &Request| matches!(request, Request::Verb(_, Ask::Part { room }) if *room == from);
        self.sent.values().any(parts)
    }

    /// Whether another password is on its way.
    pub(super) fn changes_password(&self) -> bool {
        self.waiting.iter().chain(self.sent.values()).any(|request| {
            matches!(request, Request::Verb(_, Ask::NewPassword { .. } | Ask::SetPassword { .. }))
        })
    }

    /// Puts a request of the application behind those that wait.
    pub(super) fn add(&mut self, ask: Ask) -> Result<RequestId, Misuse> {
        if self.waiting.len() >= WAITING_MAX {
            let text = alloc::format!("{WAITING_MAX} requests already wait for the server; try again later.");
            return Err(Misuse::Text(Refusal::new(RefusalCode::SlowDown, text)));
        }
        let request = self.next_request_id();
        self.waiting.push_back(Request::Verb(request, ask));
        Ok(request)
    }

    /// Puts a request before those that wait: one of the client's own, or one that goes on.
    pub(super) fn add_first(&mut self, request: Request) {
        self.waiting.push_front(request);
    }

    /// The request with this number on the wire, which is answered now.
    pub(super) fn take(&mut self, wire_id: u32) -> Result<Request, ProtocolError> {
        self.sent.remove(&wire_id).ok_or(ProtocolError::SequenceBroken)
    }

    /// The ping with this token, and when it was sent.
    pub(super) fn take_ping(&mut self, token: u64) -> Option<(RequestId, Monotonic)> {
        let wire_id = u32::try_from(token).ok()?;
        let Request::Verb(request, Ask::Ping { sent }) = self.sent.get(&wire_id)? else { return None };
        let ping = (*request, *sent);
        self.sent.remove(&wire_id);
        Some(ping)
    }

    /// The connection is gone: joins wait to be repeated, the client's own requests are made anew, and of the
    /// others nobody can say whether they were done. A new password answers a challenge of this connection: on another
    /// it would be out of place (A11).
    pub(super) fn interrupt(&mut self) -> Vec<ClientEvent> {
        let mut interrupted = Vec::new();
        let mut repeated = VecDeque::new();
        self.waiting.retain(|request| match request {
            Request::Verb(id, Ask::SetPassword { .. }) => {
                interrupted.push(*id);
                false
            }
            Request::Verb(..) => true,
            Request::Follow(_) | Request::Rejoin(_) | Request::Mark(..) => false,
        });
        for request in core::mem::take(&mut self.sent).into_values() {
            match request {
                Request::Verb(_, Ask::Join { .. } | Ask::Direct { .. }) => repeated.push_back(request),
                Request::Verb(id, _) => interrupted.push(id),
                Request::Follow(_) | Request::Rejoin(_) | Request::Mark(..) => {}
            }
        }
        repeated.append(&mut self.waiting);
        self.waiting = repeated;
        interrupted_events(interrupted)
    }

    /// It is over: nothing will be answered.
    pub(super) fn end(&mut self) -> Vec<ClientEvent> {
        let mut interrupted = Vec::new();
        let sent = core::mem::take(&mut self.sent).into_values();
        for request in sent.chain(core::mem::take(&mut self.waiting)) {
            match request {
                Request::Verb(id, _) => interrupted.push(id),
                Request::Follow(_) | Request::Rejoin(_) | Request::Mark(..) => {}
            }
        }
        interrupted_events(interrupted)
    }

    /// The database is another: what waits and names a room by its id means nothing any more.
    pub(super) fn forget_rooms(&mut self) -> Vec<ClientEvent> {
        let mut forgotten = Vec::new();
        self.waiting.retain(|request| match request {
            Request::Verb(
                id,
                Ask::Part { .. }
                | Ask::Members { .. }
                | Ask::History { .. }
                | Ask::Search(_)
                | Ask::Govern(_)
                | Ask::SetMode { .. }
                | Ask::Rights { .. }
                | Ask::Files { .. }
                | Ask::DeleteFile { .. }
                | Ask::DiscardUpload { .. },
            ) => {
                forgotten.push(*id);
                false
            }
            Request::Verb(
                _,
                Ask::Join { .. }
                | Ask::Direct { .. }
                | Ask::Rooms { .. }
                | Ask::Rename { .. }
                | Ask::Manual
                | Ask::Away { .. }
                | Ask::Devices
                | Ask::Revoke { .. }
                | Ask::NewPassword { .. }
                | Ask::SetPassword { .. }
                | Ask::Ping { .. },
            ) => true,
            Request::Follow(_) | Request::Rejoin(_) | Request::Mark(..) => false,
        });
        interrupted_events(forgotten)
    }
}

fn interrupted_events(mut requests: Vec<RequestId>) -> Vec<ClientEvent> {
    requests.sort_unstable();
    requests.into_iter().map(|request| ClientEvent::Interrupted { request }).collect()
}

impl Session {
    /// Has the server told up to where rooms were read.
    pub(super) fn queue_marks(&mut self) {
        while let Some((room, seq)) = self.rooms.next_mark() {
            self.requests.waiting.push_back(Request::Mark(room, seq));
        }
    }

    /// Sends requests that wait, as many as may be unanswered at a time.
    pub(super) fn send_requests(&mut self, unanswered_max: u32) {
        let unanswered_max = unanswered_max.min(SENT_MAX) as usize;
        while self.requests.sent.len() < unanswered_max && self.link.has_room() {
            let Some(request) = self.requests.waiting.pop_front() else { return };
            self.send_request(request);
        }
    }

    fn send_request(&mut self, mut request: Request) {
        let id = self.requests.next_wire_id();
        if let Request::Verb(_, Ask::Ping { sent }) = &mut request {
            *sent = self.now.monotonic;
        }
        self.link.send(&request.message(id), &mut self.outputs);
        self.requests.sent.insert(id, request);
    }
}

impl Request {
    fn message(&self, id: u32) -> wire::ToServer<'_> {
        match self {
            Self::Verb(_, ask) => ask.message(id),
            Self::Follow(FollowFrom { room, after }) => {
                wire::Follow { id, room: *room, after: Some(*after) }.into()
            }
            Self::Mark(room, seq) => wire::MarkRead { id, room: *room, seq: *seq }.into(),
            Self::Rejoin(Wish { name, after, .. }) => {
                wire::Join { id, name: name.as_str(), after: Some(*after) }.into()
            }
        }
    }
}

impl Ask {
    fn message(&self, id: u32) -> wire::ToServer<'_> {
        match self {
            Self::Join { name, after } => wire::Join { id, name: name.as_str(), after: *after }.into(),
            Self::Direct { nick } => wire::Direct { id, nick: nick.as_str(), after: None }.into(),
            Self::Part { room } => wire::Part { id, room: *room }.into(),
            Self::Members { room, after, .. } => wire::Members { id, room: *room, after: *after }.into(),
            Self::Rooms { after, .. } => wire::Rooms { id, after: *after }.into(),
            Self::History { room, before, limit } => {
                wire::History { id, room: *room, before: *before, limit: *limit }.into()
            }
            Self::Search(search) => {
                let Search { text, room, before, .. } = &**search;
                wire::Search { id, text, room: *room, before: *before, limit: search.hits_left() }.into()
            }
            Self::Rename { nick } => wire::Rename { id, nick: nick.as_str() }.into(),
            Self::Manual => wire::Manual { id }.into(),
            Self::Away { away } => wire::Away { id, away: *away }.into(),
            Self::Devices => wire::Devices { id }.into(),
            Self::Revoke { device } => wire::Revoke { id, device: *device }.into(),
            Self::Govern(Governance { room, act, name, seconds, reason }) => wire::Govern {
                id,
                room: *room,
                act: act.number(),
                name: name.as_str(),
                seconds: *seconds,
                reason,
            }
            .into(),
            Self::SetMode { room, change } => {
                let ModeChange { private, read_only, topic_locked, slow_seconds, closed } = *change;
                wire::SetMode { id, room: *room, private, read_only, topic_locked, slow_seconds, closed }
                    .into()
            }
            Self::Rights { room, after, .. } => wire::Rights { id, room: *room, after: *after }.into(),
            Self::NewPassword { request, .. } => wire::NewPassword { id, request: *request }.into(),
            Self::SetPassword { upload } => wire::SetPassword { id, upload: **upload }.into(),
            Self::Files { room, after, .. } => {
                let after = after.as_ref().map(FileName::as_str);
                wire::Files { id, room: room.unwrap_or_default(), after }.into()
            }
            Self::DeleteFile { room, name, version } => {
                let (room, name) = (room.unwrap_or_default(), name.as_str());
                wire::Delete { id, room, name, version: *version }.into()
            }
            Self::DiscardUpload { key } => wire::Discard { id, key: *key }.into(),
            Self::Ping { .. } => wire::Ping { token: u64::from(id) }.into(),
        }
    }
}
