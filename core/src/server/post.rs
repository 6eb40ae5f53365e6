//! The road of a message: submitted, committed, acknowledged, delivered (`PROTOCOL.md` section P).

use alloc::{boxed::Box, format, sync::Arc};

use super::{Pending, Server, pending::Asked, receive::Taken, rights::waits_in_slow_rooms};
use crate::{
    connection::{Admission, Pause},
    error::{ProtocolError, Refusal, RefusalCode},
    ids::{ConnectionId, RoomId, Seq, UserId},
    output::{EndCause, Event},
    storage::{
        About, Appended, EventKind, FoundEvent, NewEvent, StorageFailure, StorageOperation, StoredEvent,
        Unfit,
    },
    text::check_text,
    time::WallTime,
    wire,
};

impl Server {
    pub(super) fn post(&mut self, id: ConnectionId, post: &wire::Post<'_>) -> Taken {
        let kind = EventKind::from_number(post.kind).filter(|kind| kind.is_post() && kind.takes(post.to));
        let Some(kind) = kind else { return self.accuse(id, ProtocolError::MalformedBody) };
        match self.admits_post(id, post.text.len()) {
            Admission::Now => {}
            Admission::At(again) => {
                self.peers.pause(id, Pause::Until(again), &self.config.limits);
                return Taken::NotYet;
            }
            Admission::Later => {
                self.peers.pause(id, Pause::Answers, &self.config.limits);
                return Taken::NotYet;
            }
            Admission::Exceeded => return self.accuse(id, ProtocolError::CreditExceeded),
        }
        // What was admitted may have spent credit that is to be announced again.
        self.peers.rearm(id, &self.config.limits);
        self.submit(id, post, kind);
        Taken::Yes
    }

    fn admits_post(&mut self, id: ConnectionId, bytes: usize) -> Admission {
        let limits = &self.config.limits;
        let now = self.peers.now.monotonic;
        let Some(connection) = self.peers.connections.get_mut(id) else { return Admission::Later };
        let backlog = connection.outbound.replies_bytes() > limits.outbound_own_bytes;
        match connection.ready_mut() {
            Some(_) if backlog => Admission::Later,
            Some(ready) => ready.posting.admit(bytes, limits, now),
            None => Admission::Later,
        }
    }

    /// A post is looked up before it is judged (P6): storage does that when it appends, so that only one that
    /// would be refused is looked up by itself.
    fn submit(&mut self, id: ConnectionId, post: &wire::Post<'_>, kind: EventKind) {
        let limits = &self.config.limits;
        let asked = Asked { connection: id, request: post.id };
        let bytes = post.text.len();
        if let Err(refusal) = check_text(kind, post.text, limits.text_bytes_max, limits.topic_bytes_max) {
            self.post_answered(id, bytes);
            return self.refuse(id, post.id, &refusal);
        }
        let text: Arc<str> = post.text.into();
        let Some(author) = self.user_of(id) else { return };
        let Some(user) = self.users.get(author) else { return };
        let event = NewEvent {
            author,
            nick: user.nick.shared(),
            nonce: post.nonce,
            at: self.peers.now.wall,
            kind,
            text,
            about: post.to.map(|to| About { id: to.get(), name: "".into(), until: None }),
        };
        match self.judge(id, post.room, kind) {
            Ok(()) => {
                if crate::seeded_bug!("acknowledged-before-commit") {
                    let seq = self.rooms.get(post.room).map_or_else(Seq::default, |room| room.tail.next());
                    self.acknowledge(asked, post.room, seq, event.at);
                }
                self.hold(post.room, 1);
                let operation = match post.to {
                    None => StorageOperation::Append { room: post.room, event: event.clone(), change: None },
                    Some(_) => {
                        let whose = self.whose(author, post.room, kind);
                        StorageOperation::AppendAbout { room: post.room, event: event.clone(), whose }
                    }
                };
                self.ask_storage(Pending::Post { asked, room: post.room, event }, operation);
            }
            Err(refusal) => self.look_up(asked, post.room, event, refusal),
        }
    }

    /// Looks for a post that is refused if it is not found.
    fn look_up(&mut self, asked: Asked, room: RoomId, event: NewEvent, refusal: Refusal) {
        let operation = StorageOperation::FindNonce { author: event.author, nonce: event.nonce };
        self.ask_storage(Pending::Lookup { asked, room, event, refusal: Box::new(refusal) }, operation);
    }

    /// Whether the user of a connection may post into a room.
    fn judge(&mut self, id: ConnectionId, room: RoomId, kind: EventKind) -> Result<(), Refusal> {
        let user = self.membership(id, room)?;
        self.may_post(user, room, kind)?;
        self.has_partner(user, room)
    }

    /// Whether the other one of a direct conversation is still known.
    pub(super) fn has_partner(&self, user: UserId, room: RoomId) -> Result<(), Refusal> {
        let other = self.rooms.get(room).and_then(|room| room.other(user));
        match other {
            Some((other, nick)) if self.users.get(*other).is_none() => {
                let text = format!("{nick} has left; the message was not sent.");
                Err(Refusal::new(RefusalCode::NoSuchUser, text).about(nick.as_ref()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Storage has appended an event, or has not.
    pub(super) fn appended(
        &mut self,
        asked: Asked,
        room: RoomId,
        event: NewEvent,
        result: Result<Appended, StorageFailure>,
    ) {
        self.hold(room, -1);
        let bytes = event.text.len();
        if !matches!(result, Ok(Appended::Stored { .. })) {
            self.unsaid(room, &event);
        }
        match result {
            Ok(Appended::Stored { seq, first }) => {
                self.post_answered(asked.connection, bytes);
                if !crate::seeded_bug!("acknowledged-before-commit") {
                    self.acknowledge(asked, room, seq, event.at);
                }
                self.append(room, seq, first, event);
            }
            Ok(Appended::Repeated { seq, at }) => {
                self.post_answered(asked.connection, bytes);
                if !crate::seeded_bug!("repeat-not-acknowledged") {
                    self.acknowledge(asked, room, seq, at);
                }
                self.append_unseen(room, seq, NewEvent { at, ..event });
            }
            Ok(Appended::NonceReused) => {
                self.post_answered(asked.connection, bytes);
                self.refuse_nonce(asked);
            }
            Ok(Appended::Unfit(unfit)) => {
                self.post_answered(asked.connection, bytes);
                self.refuse(asked.connection, asked.request, &unfit_refusal(event.kind, unfit));
            }
            Err(failure) => {
                // This copy is not stored, but one sent earlier may be: only then is it certain that none is (P10).
                let refusal = self.storage_refusal("store the message", failure);
                if crate::seeded_bug!("failed-repeat-refused") {
                    self.post_answered(asked.connection, bytes);
                    return self.refuse(asked.connection, asked.request, &refusal);
                }
                self.look_up(asked, room, event, refusal);
            }
        }
        self.drop_if_deserted(room);
    }

    /// A message that is not new in its room is not counted where that is slow (G3).
    fn unsaid(&mut self, room: RoomId, event: &NewEvent) {
        if waits_in_slow_rooms(event.kind)
            && let Some(room) = self.rooms.get_mut(room)
        {
            room.rights.unsaid(event.author);
        }
    }

    /// A storage that was in doubt about a commit and asked again may answer that an event is stored already which
    /// nobody has been told of.
    pub(super) fn append_unseen(&mut self, id: RoomId, seq: Seq, event: NewEvent) {
        if let Some(room) = self.rooms.get(id)
            && seq > room.tail
        {
            self.append(id, seq, room.first, event);
        }
    }

    /// Storage has looked for a post that would be refused.
    pub(super) fn looked_up(
        &mut self,
        asked: Asked,
        room: RoomId,
        event: &NewEvent,
        refusal: &Refusal,
        result: Result<Option<FoundEvent>, StorageFailure>,
    ) {
        self.post_answered(asked.connection, event.text.len());
        match result {
            Ok(Some(found)) if found.room == room && found.is(event) => {
                self.acknowledge(asked, room, found.seq, found.at);
            }
            Ok(Some(_)) => self.refuse_nonce(asked),
            Ok(None) => self.refuse(asked.connection, asked.request, refusal),
            Err(failure) => {
                self.storage_refusal("look for the message", failure);
                self.leave_open(asked.connection);
            }
        }
    }

    /// Nobody can say whether a post is stored: its author is not told anything false, but connects again and asks.
    fn leave_open(&mut self, id: ConnectionId) {
        let text = "The server's storage cannot say whether your message is stored; connect again to ask.";
        let farewell = wire::Goodbye { reason: wire::goodbye::TIMED_OUT, text };
        self.close(id, EndCause::TimedOut, Some(farewell.into()));
    }

    pub(super) fn acknowledge(&mut self, asked: Asked, room: RoomId, seq: Seq, at: WallTime) {
        let posted = wire::Posted { id: asked.request, room, seq, at };
        self.peers.answer(asked.connection, posted, &self.config.limits);
    }

    fn refuse_nonce(&mut self, asked: Asked) {
        let text = "The message has the number of another one that was sent before; it was not stored.";
        self.refuse(asked.connection, asked.request, &Refusal::new(RefusalCode::NonceReused, text));
    }

    /// A post of a connection is no longer under way.
    fn post_answered(&mut self, id: ConnectionId, bytes: usize) {
        let Some(connection) = self.peers.connections.get_mut(id) else { return };
        if let Some(ready) = connection.ready_mut() {
            ready.posting.answered(bytes);
            self.peers.unpause_answered(id);
        }
    }

    /// Announces what credit a connection has now, if it has grown (P8).
    pub(super) fn announce_credit(&mut self, id: ConnectionId) {
        let limits = &self.config.limits;
        let now = self.peers.now.monotonic;
        let Some(connection) = self.peers.connections.get_mut(id) else { return };
        if connection.outbound.len() > limits.outbound_own_bytes {
            // A peer that does not read learns of its credit when it does.
            if let Some(ready) = connection.ready_mut() {
                ready.posting.put_off(limits, now);
            }
            return;
        }
        if let Some(credit) = connection.ready_mut().and_then(|ready| ready.posting.announcement(limits, now))
        {
            self.peers.tell(id, credit, limits);
        }
        self.peers.rearm(id, &self.config.limits);
    }

    pub(super) fn storage_refusal(&mut self, action: &'static str, failure: StorageFailure) -> Refusal {
        let no_space = failure == StorageFailure::NoSpace;
        if failure != StorageFailure::NoSuchRoom {
            self.report(Event::StorageFailed { operation: action, no_space });
        }
        match failure {
            StorageFailure::NoSpace => {
                let text = format!("The server is out of space and could not {action}; tell its operator.");
                Refusal::new(RefusalCode::NoSpace, text)
            }
            StorageFailure::Failed => {
                let text = format!("The server's storage failed, it could not {action}; try again later.");
                Refusal::new(RefusalCode::StorageFailed, text)
            }
            StorageFailure::NoSuchRoom => {
                Refusal::new(RefusalCode::NoSuchRoom, "The room has ceased; join it again.")
            }
            StorageFailure::NoSuchUser => {
                Refusal::new(RefusalCode::NoSuchUser, "The account is no more; register again.")
            }
        }
    }

    /// Refuses because storage failed.
    pub(super) fn refuse_failed(&mut self, asked: Asked, action: &'static str, failure: StorageFailure) {
        let refusal = self.storage_refusal(action, failure);
        self.refuse(asked.connection, asked.request, &refusal);
    }

    /// Ends a request because storage failed.
    pub(super) fn storage_refused(&mut self, asked: Asked, action: &'static str, failure: StorageFailure) {
        self.finish(asked);
        self.refuse_failed(asked, action, failure);
    }

    /// The author of an event, as shown to those who read it.
    pub(super) fn log_event<'a>(seq: Seq, author: UserId, event: &'a NewEvent) -> wire::LogEvent<'a> {
        wire::LogEvent {
            seq,
            at: event.at,
            author,
            nick: &event.nick,
            kind: event.kind.number(),
            text: &event.text,
            about: event.about.as_ref().map(wire_about),
            revised: None,
        }
    }
}

/// An event that storage read, as shown to those who read it.
pub(super) fn wire_event(event: &StoredEvent) -> wire::LogEvent<'_> {
    wire::LogEvent {
        seq: event.seq,
        at: event.at,
        author: event.author,
        nick: &event.nick,
        kind: event.kind.number(),
        text: &event.text,
        about: event.about.as_ref().map(wire_about),
        revised: event.revised,
    }
}

/// What somebody is told who is about a message that is none, or not theirs (N2).
fn unfit_refusal(kind: EventKind, unfit: Unfit) -> Refusal {
    match unfit {
        Unfit::NoSuchMessage => {
            let text = "There is no such message in the room; look its number up again.";
            Refusal::new(RefusalCode::NoSuchMessage, text)
        }
        Unfit::Deleted => Refusal::new(RefusalCode::MessageDeleted, "That message was deleted."),
        Unfit::NotTheirs if kind == EventKind::Deleted => {
            let text = "That message is another's; its author or a moderator may delete it.";
            Refusal::new(RefusalCode::NotYours, text)
        }
        Unfit::NotTheirs => {
            Refusal::new(RefusalCode::NotYours, "That message is another's; answer it instead.")
        }
        Unfit::Outranked => {
            let text = "The author's role is not below yours; ask an owner.";
            Refusal::new(RefusalCode::Outranked, text)
        }
    }
}

fn wire_about(about: &About) -> wire::About<'_> {
    wire::About { id: about.id, name: &about.name, until: about.until }
}
