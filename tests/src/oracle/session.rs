//! One connection as seen on the wire: every frame parses, answers answer something, cursors have no holes.

use std::collections::BTreeMap;

use palabre_core::{
    error::ProtocolError,
    ids::{Nonce, RoomId, Seq, UserId},
    storage::{About, EventKind, StoredEvent},
    wire::{FRAME_BYTES_MAX, FrameDecoder, LogEvent, Room, SearchPage, ToClient, ToServer, Token},
};

use super::{Invariant, Ledger, Violation, followers::check_durable, rare, search};
use crate::{
    network::{LinkId, Owner},
    sometimes,
    store::Tables,
};

/// What a session is judged by.
#[derive(Debug)]
pub struct SessionFacts<'a> {
    /// All posts and members.
    pub ledger: &'a mut Ledger,
    /// What is durable.
    pub durable: &'a Tables,
}

/// The frames of one connection.
#[derive(Debug)]
pub struct Session {
    link: LinkId,
    owner: Owner,
    up: FrameDecoder,
    down: FrameDecoder,
    asked: BTreeMap<u32, Asked>,
    cursors: BTreeMap<RoomId, Seq>,
    /// The deletions that were told, by room and message.
    deleted: BTreeMap<(RoomId, Seq), Seq>,
    user: Option<UserId>,
    token: Option<Token>,
    credit: (u64, u64),
    goodbye: Option<u8>,
    has_waited: bool,
    down_over: bool,
    up_over: bool,
    /// The names of the messages of the last call, both ways, for a full log.
    pub names: Option<Vec<(&'static str, String)>>,
}

/// A request that was not answered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Follow { after: Option<Seq> },
    Part { room: RoomId },
    Post { room: RoomId, nonce: Nonce },
    Members { after: Option<UserId> },
    Rooms { after: Option<RoomId> },
    Act { room: RoomId },
    Rights { after: Option<UserId> },
    History { room: RoomId, before: Option<Seq>, limit: u16, acknowledged: Seq },
    Search(search::Asked),
    Resume,
    Other,
}

impl Session {
    /// A connection that was just made.
    #[must_use]
    pub fn new(link: LinkId, owner: Owner) -> Self {
        Self {
            link,
            owner,
            up: FrameDecoder::new(FRAME_BYTES_MAX),
            down: FrameDecoder::new(FRAME_BYTES_MAX),
            asked: BTreeMap::new(),
            cursors: BTreeMap::new(),
            deleted: BTreeMap::new(),
            user: None,
            token: None,
            credit: (0, 0),
            goodbye: None,
            has_waited: false,
            down_over: false,
            up_over: false,
            names: None,
        }
    }

    /// The user that entered.
    #[must_use]
    pub const fn user(&self) -> Option<UserId> {
        self.user
    }

    /// The token it was given.
    #[must_use]
    pub const fn token(&self) -> Option<Token> {
        self.token
    }

    /// The reason of the server's goodbye, if it said any.
    #[must_use]
    pub const fn told_goodbye(&self) -> Option<u8> {
        self.goodbye
    }

    fn is_honest(&self) -> bool {
        matches!(self.owner, Owner::Actor(_))
    }

    fn violation(&self, invariant: Invariant, facts: impl std::fmt::Display) -> Violation {
        Violation::new(invariant, format!("{} of {} (user {:?}): {facts}", self.link, self.owner, self.user))
    }

    fn require(
        &self,
        holds: bool,
        invariant: Invariant,
        facts: impl FnOnce() -> String,
    ) -> Result<(), Violation> {
        if holds { Ok(()) } else { Err(self.violation(invariant, facts())) }
    }

    /// A client's bytes were taken. Those of raw peers are not looked at.
    ///
    /// # Errors
    /// An honest client sent what is no message, or accuses the server.
    pub fn client_sent(&mut self, bytes: &[u8], facts: &mut SessionFacts<'_>) -> Result<(), Violation> {
        if !self.is_honest() {
            return Ok(());
        }
        let mut decoder = std::mem::replace(&mut self.up, FrameDecoder::new(FRAME_BYTES_MAX));
        decoder.push(bytes);
        while let Some(frame) = decoder.next_frame().map_err(|error| self.malformed("client", error))? {
            let message = ToServer::decode(frame).map_err(|error| self.malformed("client", error))?;
            let Some(message) = message else { continue };
            self.require(!self.up_over, Invariant::Peaceful, || {
                format!("sent {} after the end", message.name())
            })?;
            if let Some(names) = &mut self.names {
                names.push(("to server", format!("{message:?}")));
            }
            self.message_to_server(&message, facts)?;
        }
        self.up = decoder;
        Ok(())
    }

    /// The server's bytes were taken.
    ///
    /// # Errors
    /// What is no message, or says what is not so.
    pub fn server_sent(&mut self, bytes: &[u8], facts: &mut SessionFacts<'_>) -> Result<(), Violation> {
        let mut decoder = std::mem::replace(&mut self.down, FrameDecoder::new(FRAME_BYTES_MAX));
        decoder.push(bytes);
        while let Some(frame) = decoder.next_frame().map_err(|error| self.malformed("server", error))? {
            let message = ToClient::decode(frame).map_err(|error| self.malformed("server", error))?;
            let Some(message) = message else { continue };
            self.require(!self.down_over, Invariant::Contract, || {
                format!("was sent {} after the end", message.name())
            })?;
            if let Some(names) = &mut self.names {
                names.push(("to client", format!("{message:?}")));
            }
            self.message_to_client(&message, facts)?;
        }
        self.down = decoder;
        Ok(())
    }

    fn malformed(&self, who: &str, error: ProtocolError) -> Violation {
        self.violation(Invariant::WellFormed, format!("what the {who} sent does not parse: {error}"))
    }

    fn message_to_server(
        &mut self,
        message: &ToServer<'_>,
        facts: &mut SessionFacts<'_>,
    ) -> Result<(), Violation> {
        let (id, asked) = match message {
            ToServer::Ping(_)
            | ToServer::Pong(_)
            | ToServer::Hello(_)
            | ToServer::Stop(_)
            | ToServer::Window(_)
            | ToServer::Data(_) => return Ok(()),
            ToServer::Upload(upload) => (upload.id, Asked::Other),
            ToServer::Finish(finish) => (finish.id, Asked::Other),
            ToServer::Discard(discard) => (discard.id, Asked::Other),
            ToServer::Put(put) => (put.id, Asked::Other),
            ToServer::Download(download) => (download.id, Asked::Other),
            ToServer::Files(files) => (files.id, Asked::Other),
            ToServer::Delete(delete) => (delete.id, Asked::Other),
            ToServer::Goodbye(_) => {
                self.up_over = true;
                return Ok(());
            }
            ToServer::Error(error) => {
                return Err(
                    self.violation(Invariant::Peaceful, format!("the client accuses the server: {error:?}"))
                );
            }
            ToServer::Guest(guest) => (guest.id, Asked::Other),
            ToServer::Resume(resume) => (resume.id, Asked::Resume),
            ToServer::Join(join) => (join.id, Asked::Follow { after: join.after }),
            ToServer::Part(part) => (part.id, Asked::Part { room: part.room }),
            ToServer::Follow(follow) => (follow.id, Asked::Follow { after: follow.after }),
            ToServer::Direct(direct) => (direct.id, Asked::Follow { after: direct.after }),
            ToServer::Post(post) => {
                if let Some(user) = self.user {
                    facts.ledger.sent(user, post.nonce, post.text);
                }
                (post.id, Asked::Post { room: post.room, nonce: post.nonce })
            }
            ToServer::Members(members) => (members.id, Asked::Members { after: members.after }),
            ToServer::Rooms(rooms) => (rooms.id, Asked::Rooms { after: rooms.after }),
            ToServer::History(history) => {
                let acknowledged = facts.ledger.acknowledged_in(history.room);
                let (room, before, limit) = (history.room, history.before, history.limit);
                (history.id, Asked::History { room, before, limit, acknowledged })
            }
            ToServer::Search(search) => (search.id, Asked::Search(search::Asked::new(search, facts.ledger))),
            ToServer::Rename(rename) => (rename.id, Asked::Other),
            ToServer::Manual(manual) => (manual.id, Asked::Other),
            ToServer::Away(away) => (away.id, Asked::Other),
            ToServer::Register(register) => (register.id, Asked::Other),
            ToServer::Enrol(enrol) => (enrol.id, Asked::Other),
            ToServer::Login(login) => (login.id, Asked::Other),
            ToServer::Prove(prove) => (prove.id, Asked::Other),
            ToServer::NewPassword(wish) => (wish.id, Asked::Other),
            ToServer::SetPassword(set) => (set.id, Asked::Other),
            ToServer::Devices(devices) => (devices.id, Asked::Other),
            ToServer::Revoke(revoke) => (revoke.id, Asked::Other),
            ToServer::Plain(plain) => (plain.id, Asked::Other),
            ToServer::MarkRead(mark) => (mark.id, Asked::Other),
            ToServer::Govern(govern) => (govern.id, Asked::Act { room: govern.room }),
            ToServer::SetMode(wish) => (wish.id, Asked::Act { room: wish.room }),
            ToServer::Rights(rights) => (rights.id, Asked::Rights { after: rights.after }),
        };
        self.asked.insert(id, asked);
        Ok(())
    }

    fn message_to_client(
        &mut self,
        message: &ToClient<'_>,
        facts: &mut SessionFacts<'_>,
    ) -> Result<(), Violation> {
        match message {
            ToClient::Ping(_) | ToClient::Pong(_) | ToClient::Welcome(_) => Ok(()),
            ToClient::Challenge(challenge) => self.answer(challenge.id).map(drop),
            ToClient::DeviceList(list) => self.answer(list.id).map(drop),
            ToClient::ReadUpTo(_) => Ok(()),
            ToClient::Accepted(accepted) => self.answer(accepted.id).map(drop),
            ToClient::Stored(stored) => self.answer(stored.id).map(drop),
            ToClient::Sending(sending) => self.answer(sending.id).map(drop),
            ToClient::FilesPage(page) => self.answer(page.id).map(drop),
            ToClient::Window(_) | ToClient::Durable(_) | ToClient::Stopped(_) | ToClient::Data(_) => Ok(()),
            ToClient::Parted(parted) => {
                self.cursors.remove(&parted.room);
                Ok(())
            }
            ToClient::Removed(removed) => {
                sometimes!("a client was told that it was put out of a room");
                self.cursors.remove(&removed.room);
                Ok(())
            }
            ToClient::Invited(_) => {
                sometimes!("a client was invited to a room");
                Ok(())
            }
            ToClient::RightsPage(page) => {
                let asked = self.answer(page.id)?;
                let users = page.standings.iter().map(|standing| standing.user.get());
                let after = if let Some(Asked::Rights { after }) = asked { after } else { None };
                self.ascending(users, after.map(UserId::get))
            }
            ToClient::Waiting(_) => {
                let resumes = self.asked.values().any(|asked| *asked == Asked::Resume);
                sometimes!("a client waited for a place");
                sometimes!("a client waited to resume", resumes);
                self.has_waited = true;
                Ok(())
            }
            ToClient::Opened(_) => {
                sometimes!("a direct conversation was opened by another");
                Ok(())
            }
            ToClient::Goodbye(goodbye) => {
                sometimes!("goodbye shutting-down", goodbye.reason == 2);
                sometimes!("goodbye superseded", goodbye.reason == 3);
                sometimes!("goodbye timed-out", goodbye.reason == 4);
                sometimes!("goodbye too-slow", goodbye.reason == 5);
                sometimes!("goodbye server-full", goodbye.reason == 6);
                self.down_over = true;
                self.goodbye = Some(goodbye.reason);
                Ok(())
            }
            ToClient::Error(error) => self.accused(error.code),
            ToClient::Ready(ready) => {
                self.answer(ready.id)?;
                sometimes!("a client was given a place it had waited for", self.has_waited);
                self.user = Some(ready.user);
                self.token = Some(ready.token);
                if ready.account {
                    // Each device has a token of its own.
                    facts.ledger.may_speak(ready.user, self.owner);
                    return Ok(());
                }
                facts.ledger.entered(ready.user, self.owner, ready.token)
            }
            ToClient::Done(done) => {
                if let Some(Asked::Part { room }) = self.answer(done.id)? {
                    self.cursors.remove(&room);
                }
                Ok(())
            }
            ToClient::Refused(refused) => {
                rare::refused(refused);
                self.answer(refused.id).map(drop)
            }
            ToClient::Joined(joined) => self.joined(joined.id, &joined.room, facts),
            ToClient::Posted(posted) => self.posted(posted.id, posted.room, posted.seq, facts),
            ToClient::MembersPage(page) => {
                let asked = self.answer(page.id)?;
                sometimes!("members came in several pages", page.next.is_some());
                let users = page.members.iter().map(|member| member.user.get());
                let after = if let Some(Asked::Members { after }) = asked { after } else { None };
                self.ascending(users, after.map(UserId::get))
            }
            ToClient::RoomsPage(page) => {
                let asked = self.answer(page.id)?;
                sometimes!("rooms came in several pages", page.next.is_some());
                let rooms = page.rooms.iter().map(|room| room.room.get());
                let after = if let Some(Asked::Rooms { after }) = asked { after } else { None };
                self.ascending(rooms, after.map(RoomId::get))
            }
            ToClient::HistoryPage(page) => self.history(page.id, page.room, &page.events, facts),
            ToClient::SearchPage(page) => self.search(page, facts),
            ToClient::ManualText(manual) => self.answer(manual.id).map(drop),
            ToClient::Event(event) => self.event(event.room, &event.event, facts),
            ToClient::Presence(presence) => {
                rare::changed(presence);
                let follows = self.cursors.contains_key(&presence.room);
                self.require(follows || !self.is_honest(), Invariant::Private, || {
                    format!("was told who is in room {}, which it does not follow", presence.room)
                })
            }
            ToClient::Trimmed(trimmed) => {
                sometimes!("a reader was told of trimmed events");
                if let Some(next) = self.cursors.get_mut(&trimmed.room) {
                    *next = trimmed.first.max(*next);
                }
                Ok(())
            }
            ToClient::Credit(credit) => {
                let credit = (credit.posts, credit.bytes);
                let fell = credit.0 < self.credit.0 || credit.1 < self.credit.1;
                self.require(!fell, Invariant::Peaceful, || {
                    format!("credit fell from {:?} to {credit:?}", self.credit)
                })?;
                self.credit = credit;
                Ok(())
            }
        }
    }

    fn accused(&mut self, code: u16) -> Result<(), Violation> {
        self.down_over = true;
        let over_cap = [ProtocolError::TooManyConnections, ProtocolError::TooManyFromAddress];
        let error = ProtocolError::from_number(code);
        sometimes!(
            "a connection over a cap was not taken",
            error.is_some_and(|error| over_cap.contains(&error))
        );
        sometimes!("a raw peer was accused", !self.is_honest());
        error.into_iter().for_each(rare::accused);
        let allowed = !self.is_honest() || error.is_some_and(|error| over_cap.contains(&error));
        self.require(allowed, Invariant::Peaceful, || {
            format!("the server accuses the client: {error:?} ({code})")
        })
    }

    /// What a reply answers. A raw peer's requests are not known.
    fn answer(&mut self, id: u32) -> Result<Option<Asked>, Violation> {
        if !self.is_honest() {
            return Ok(None);
        }
        match self.asked.remove(&id) {
            Some(asked) => Ok(Some(asked)),
            None => {
                Err(self.violation(Invariant::Peaceful, format!("was answered {id}, which it did not ask")))
            }
        }
    }

    fn ascending(&self, numbers: impl Iterator<Item = u64>, after: Option<u64>) -> Result<(), Violation> {
        let mut previous = after;
        for number in numbers {
            self.require(previous.is_none_or(|previous| previous < number), Invariant::History, || {
                format!("a page has {number} after {previous:?}")
            })?;
            previous = Some(number);
        }
        Ok(())
    }

    fn joined(&mut self, id: u32, room: &Room<'_>, facts: &SessionFacts<'_>) -> Result<(), Violation> {
        let asked = self.answer(id)?;
        let last = facts.durable.room_ever(room.room).map(crate::store::Room::last);
        self.require(last.is_some_and(|last| room.last <= last), Invariant::Durable, || {
            format!("joined room {} up to {}, durable is {last:?}", room.room, room.last)
        })?;
        let after = match asked {
            Some(Asked::Follow { after }) => after,
            Some(_) => {
                return Err(self.violation(Invariant::Peaceful, format!("Joined does not answer {asked:?}")));
            }
            None => return Ok(()),
        };
        self.cursors.insert(room.room, after.unwrap_or(room.last).min(room.last).next());
        Ok(())
    }

    fn posted(&mut self, id: u32, room: RoomId, seq: Seq, facts: &SessionFacts<'_>) -> Result<(), Violation> {
        let asked = self.answer(id)?;
        let stored = facts
            .durable
            .room_ever(room)
            .and_then(|room| room.log.get(usize::try_from(seq.get()).ok()?.checked_sub(1)?));
        self.require(stored.is_some(), Invariant::Durable, || {
            format!("number {seq} of room {room} is not durable")
        })?;
        let Some(asked) = asked else { return Ok(()) };
        let nonce = stored.map(|(_, nonce)| *nonce).unwrap_or_default();
        let is_act = stored.is_some_and(|(event, _)| !event.kind.is_post());
        let matches = asked == Asked::Post { room, nonce } || (is_act && asked == Asked::Act { room });
        let author = stored.map(|(event, _)| event.author);
        self.require(matches && author == self.user, Invariant::Once, || {
            format!("number {seq} of room {room} answers {asked:?}, but has {nonce:?} of user {author:?}")
        })
    }

    fn event(
        &mut self,
        room: RoomId,
        event: &LogEvent<'_>,
        facts: &SessionFacts<'_>,
    ) -> Result<(), Violation> {
        self.shown(room, event, facts)?;
        if !self.is_honest() {
            return Ok(());
        }
        let Some(next) = self.cursors.get_mut(&room) else {
            return Err(self.violation(
                Invariant::Private,
                format!("was sent number {} of room {room} unasked", event.seq),
            ));
        };
        if let (true, Some(about)) = (event.kind == EventKind::Deleted.number(), &event.about) {
            self.deleted.insert((room, Seq::new(about.id)), event.seq);
        }
        let expected = std::mem::replace(next, event.seq.next());
        self.require(expected == event.seq, Invariant::Ordered, || {
            format!("was sent number {} of room {room}, next was {expected}", event.seq)
        })
    }

    fn history(
        &mut self,
        id: u32,
        room: RoomId,
        events: &[LogEvent<'_>],
        facts: &SessionFacts<'_>,
    ) -> Result<(), Violation> {
        let asked = self.answer(id)?;
        for event in events {
            self.shown(room, event, facts)?;
        }
        let holes = events.windows(2).any(|pair| pair[0].seq.next() != pair[1].seq);
        self.require(!holes, Invariant::History, || format!("a page of room {room} has holes"))?;
        let Some(asked) = asked else { return Ok(()) };
        let Asked::History { room: asked_room, before, limit, acknowledged } = asked else {
            return Err(self.violation(Invariant::Peaceful, format!("a page does not answer {asked:?}")));
        };
        self.require(asked_room == room, Invariant::History, || {
            format!("a page of room {room} answers {asked:?}")
        })?;
        for event in events {
            self.check_revised(room, event, acknowledged, facts)?;
        }
        let last = events.last().map_or(Seq::new(0), |event| event.seq);
        let in_range =
            before.is_none_or(|before| last < before) && (limit == 0 || events.len() <= usize::from(limit));
        self.require(in_range, Invariant::History, || format!("a page up to {last} answers {asked:?}"))?;
        let must_have = before.map_or(acknowledged, |before| acknowledged.min(before.previous()));
        let first = facts.durable.room(room).map_or(Seq::new(1), |room| room.first);
        self.require(last >= must_have || must_have < first, Invariant::History, || {
            format!("a page up to {last} answers {asked:?}")
        })
    }

    fn search(&mut self, page: &SearchPage<'_>, facts: &SessionFacts<'_>) -> Result<(), Violation> {
        let asked = self.answer(page.id)?;
        for hit in &page.hits {
            self.shown(hit.room, &hit.event, facts)?;
        }
        match asked {
            Some(Asked::Search(asked)) => {
                asked.judge(page, facts.durable).map_err(|why| self.violation(Invariant::History, why))
            }
            Some(asked) => Err(self.violation(Invariant::Peaceful, format!("hits do not answer {asked:?}"))),
            None => Ok(()),
        }
    }

    /// An event was shown to this user, one way or another (I4, I6, I7).
    fn shown(&self, room: RoomId, event: &LogEvent<'_>, facts: &SessionFacts<'_>) -> Result<(), Violation> {
        let was_member = self.user.is_some_and(|user| facts.ledger.was_member(user, room, facts.durable));
        self.require(was_member, Invariant::Private, || {
            format!("was sent number {} of room {room}", event.seq)
        })?;
        facts.ledger.rights.check_shown(self.user, self.token, room, event.seq)?;
        let Some(kind) = EventKind::from_number(event.kind) else {
            return Err(self.violation(Invariant::WellFormed, format!("an event of kind {}", event.kind)));
        };
        let shown = StoredEvent {
            seq: event.seq,
            author: event.author,
            nick: event.nick.into(),
            at: event.at,
            kind,
            text: event.text.into(),
            about: event.about.as_ref().map(|about| About {
                id: about.id,
                name: about.name.into(),
                until: about.until,
            }),
            revised: event.revised,
        };
        self.check_deleted(room, &shown)?;
        check_durable(room, &shown, facts.durable, || format!("{} was sent", self.link))
    }

    /// After a deletion nothing of its message is sent on this connection (N4).
    fn check_deleted(&self, room: RoomId, event: &StoredEvent) -> Result<(), Violation> {
        let is_edit = event.kind == EventKind::Edited;
        let message = if is_edit { event.to() } else { Some(event.seq) };
        let deletion = message.and_then(|message| self.deleted.get(&(room, message)));
        sometimes!("a deleted message was shown without its text", deletion.is_some());
        self.require(deletion.is_none() || event.text.is_empty(), Invariant::Private, || {
            format!("was sent {event:?} of room {room} after its deletion {deletion:?}")
        })
    }

    /// A page has the texts as they were when it was asked for, or later ones (H3, N4).
    fn check_revised(
        &self,
        room: RoomId,
        event: &LogEvent<'_>,
        acknowledged: Seq,
        facts: &SessionFacts<'_>,
    ) -> Result<(), Violation> {
        let Some(found) = facts.durable.room_ever(room) else { return Ok(()) };
        let revised =
            found.event(event.seq).and_then(|stored| found.revisions.as_of(stored, acknowledged).revised);
        sometimes!("a page showed a message that was edited or deleted", event.revised.is_some());
        self.require(event.revised >= revised, Invariant::History, || {
            format!("a page of room {room} has {event:?}, which had been revised by {revised:?}")
        })
    }
}
