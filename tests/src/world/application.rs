//! The application of an honest client: it hears what its client tells, and the oracle hears it too.

use std::time::Duration;

use palabre_core::{
    client::{Client, ClientEvent, OfflineCause, PostId, RequestId},
    error::{ProtocolError, Refusal, RefusalCode},
    ids::RoomId,
    storage::RoomKey,
    time::Monotonic,
};

use super::{Phase, Task, World, actor::name, operations::Request};
use crate::{
    choices::Subsystem,
    oracle::{Invariant, Outcome, Post, PostNumber, Violation, ensure},
    plan::Fault,
    sometimes,
    trace::Step,
};

impl World {
    pub(super) fn told(&mut self, actor: usize, event: ClientEvent) -> Result<(), Violation> {
        self.note(Step::Told(actor, brief(&event)));
        match event {
            ClientEvent::Connected { .. } | ClientEvent::Waiting { .. } | ClientEvent::Presence { .. } => {
                Ok(())
            }
            ClientEvent::EnterRefused { refusal, request } => {
                if let Some(request) = request {
                    self.answered(actor, request)?;
                }
                self.enter_refused(actor, &refusal)
            }
            ClientEvent::Ready { resumed, .. } => self.ready(actor, resumed),
            ClientEvent::Offline { cause, .. } => check_cause(actor, &cause),
            ClientEvent::Ended { cause } => self.ended(actor, &cause),
            ClientEvent::Joined { request, room, .. } => {
                match request {
                    Some(request) => {
                        let asked = self.answered(actor, request)?;
                        let after = if let Request::Join { after } = asked { after } else { None };
                        self.actors[actor].followers.joined(room.id, after, room.last);
                    }
                    None => self.actors[actor].followers.opened(room.id),
                }
                Ok(())
            }
            ClientEvent::Opened { room } => {
                self.actors[actor].followers.opened(room.id);
                Ok(())
            }
            ClientEvent::Unfollowed { room, .. } => {
                sometimes!("a client was not let back into a room");
                self.actors[actor].followers.parted(room);
                self.actors[actor].parted.push(room);
                Ok(())
            }
            ClientEvent::Left { room } => {
                sometimes!("a room was left on another machine");
                self.actors[actor].followers.parted(room);
                self.actors[actor].parted.push(room);
                Ok(())
            }
            ClientEvent::Read { .. } => {
                sometimes!("a room was read on another machine");
                Ok(())
            }
            ClientEvent::Removed { room, .. } => {
                self.actors[actor].followers.parted(room);
                self.actors[actor].parted.push(room);
                Ok(())
            }
            ClientEvent::Invited { .. } => Ok(()),
            ClientEvent::Governed { request, .. } | ClientEvent::Rights { request, .. } => {
                self.answered(actor, request).map(drop)
            }
            ClientEvent::Devices { request, devices } => {
                self.answered(actor, request)?;
                self.devices_told(actor, &devices)
            }
            ClientEvent::Revoked { request, .. } => {
                sometimes!("a device was logged out");
                self.answered(actor, request).map(drop)
            }
            ClientEvent::PasswordChanged { request } => {
                if let Request::Password(number) = self.answered(actor, request)? {
                    self.password_changed(actor, number);
                }
                Ok(())
            }
            ClientEvent::Parted { request, room } => {
                self.actors[actor].followers.parted(room);
                self.answered(actor, request).map(drop)
            }
            ClientEvent::Happened(happening) => {
                self.actors[actor].followers.happened(actor, &happening, self.store.durable())
            }
            ClientEvent::Trimmed { room, first } => {
                self.actors[actor].followers.trimmed(room, first);
                Ok(())
            }
            ClientEvent::Posted { post, seq, .. } => {
                let number = self.post_number(actor, post)?;
                self.ledger.acknowledge(number, seq, self.store.durable())
            }
            ClientEvent::PostRefused { post, refusal, .. } => {
                let number = self.post_number(actor, post)?;
                self.check_refusal(actor, number, &refusal)?;
                self.ledger.refuse(number, refusal.code.name())
            }
            ClientEvent::PostIndeterminate { post, .. } => {
                sometimes!("a post ended indeterminate");
                let number = self.post_number(actor, post)?;
                self.ledger.give_up(number, Outcome::Indeterminate);
                Ok(())
            }
            ClientEvent::Transfer(event) => unreachable!("nothing is transferred: {event:?}"),
            ClientEvent::Files { request, .. }
            | ClientEvent::FileDeleted { request }
            | ClientEvent::UploadDiscarded { request }
            | ClientEvent::Members { request, .. }
            | ClientEvent::Rooms { request, .. }
            | ClientEvent::Found { request, .. }
            | ClientEvent::Manual { request, .. }
            | ClientEvent::Renamed { request, .. }
            | ClientEvent::AwaySet { request, .. }
            | ClientEvent::Pong { request, .. } => self.answered(actor, request).map(drop),
            ClientEvent::History { request, ref events, first, .. } => {
                let reached = events.first().is_some_and(|event| event.seq == first);
                sometimes!("a page of history reached the first event", reached);
                self.actors[actor].page = Some(event);
                self.answered(actor, request).map(drop)
            }
            ClientEvent::Refused { request, .. } => self.answered(actor, request).map(drop),
            ClientEvent::Interrupted { request } => {
                sometimes!("a request was interrupted");
                self.answered(actor, request).map(drop)
            }
        }
    }

    /// What a request was, which is answered now: once.
    fn answered(&mut self, actor: usize, request: RequestId) -> Result<Request, Violation> {
        self.actors[actor].requests.remove(&request).ok_or_else(|| {
            Violation::new(
                Invariant::Live,
                format!("c{actor} was answered {request:?}, which waits for no answer"),
            )
        })
    }

    fn post_number(&mut self, actor: usize, post: PostId) -> Result<PostNumber, Violation> {
        self.actors[actor].posts.remove(&post).ok_or_else(|| {
            Violation::new(Invariant::Once, format!("c{actor} was told twice what became of {post:?}"))
        })
    }

    fn enter_refused(&mut self, actor: usize, refusal: &Refusal) -> Result<(), Violation> {
        if self.actors[actor].holding.name.is_some() {
            return self.login_refused(actor, refusal);
        }
        sometimes!("a name was refused", refusal.code != RefusalCode::ServerFull);
        let state = &mut self.actors[actor];
        state.names_tried += 1;
        let pause = self.choices.duration(Subsystem::Operations, Duration::from_secs(1));
        self.agenda.add(self.now.after(pause), Task::Rename(actor));
        Ok(())
    }

    /// A client whose name was refused tries another.
    pub(super) fn try_another_name(&mut self, actor: usize) -> Result<(), Violation> {
        if let Some(account) = self.actors[actor].holding.name.clone() {
            return self.try_to_log_in(actor, &account);
        }
        let nick = name(&format!("guest{}-{actor}", self.actors[actor].names_tried));
        let entered = self.actors[actor].client.as_ref().is_none_or(Client::is_ready);
        if entered { Ok(()) } else { self.rename(actor, &nick) }
    }

    fn ready(&mut self, actor: usize, resumed: bool) -> Result<(), Violation> {
        let lost_since = self.actors[actor].lost_since.take();
        sometimes!("a client resumed", resumed);
        let user = self.actors[actor].client.as_ref().and_then(Client::user);
        let known = std::mem::replace(&mut self.actors[actor].known, user);
        if let Some(lost_since) = lost_since.filter(|_| !resumed && known.is_some()) {
            self.check_guest_kept(actor, lost_since)?;
        }
        if !resumed {
            sometimes!("a client came back as somebody else", lost_since.is_some());
            let direct = |room: &RoomId| {
                self.store.durable().room(*room).is_none_or(|room| matches!(room.key, RoomKey::Direct(..)))
            };
            let gone: Vec<_> =
                self.actors[actor].followers.iter().map(|(room, _)| room).filter(direct).collect();
            for room in gone {
                self.actors[actor].followers.parted(room);
            }
        }
        ensure(user.is_some(), Invariant::Contract, || format!("c{actor} is ready as nobody"))?;
        self.account_ready(actor)
    }

    /// A guest that was not lost for long enough is still there (E6, E8).
    fn check_guest_kept(&self, actor: usize, lost_since: Monotonic) -> Result<(), Violation> {
        let excused = [Fault::WallJump, Fault::Leap, Fault::Leave, Fault::Thieves];
        // Who is banned from the server comes back as somebody else, if at all.
        let excused = excused.iter().any(|fault| self.plan.has(*fault)) || self.ledger.rights.is_operated();
        if excused || self.storage_may_fail() {
            return Ok(());
        }
        let lost = self.now.since(lost_since) + self.earlier_now_max();
        ensure(lost >= self.plan.limits.guest_kept, Invariant::GuestKept, || {
            format!(
                "the guest of c{actor} is gone after {lost:?}, promised were {:?}",
                self.plan.limits.guest_kept
            )
        })
    }

    fn ended(&mut self, actor: usize, cause: &OfflineCause) -> Result<(), Violation> {
        check_cause(actor, cause)?;
        let state = &mut self.actors[actor];
        state.requests.clear();
        state.client = None;
        state.timer_wake = None;
        if !state.has_left || self.phase == Phase::Safety {
            let after = self.choices.duration(Subsystem::Operations, Duration::from_secs(5));
            self.agenda.add(self.now.after(after), Task::StartClient(actor));
        }
        Ok(())
    }

    /// A refusal of a post has its reason.
    fn check_refusal(&self, actor: usize, number: PostNumber, refusal: &Refusal) -> Result<(), Violation> {
        sometimes!("a post was refused for lack of space", refusal.code == RefusalCode::NoSpace);
        let post = self.ledger.post(number);
        let storage = self.storage_may_fail();
        let justified = match refusal.code {
            RefusalCode::NoSpace | RefusalCode::StorageFailed => storage,
            RefusalCode::NotAMember | RefusalCode::NoSuchRoom => {
                self.actors[actor].parted.contains(&post.room) || self.ledger.rights.is_governed(post.room)
            }
            RefusalCode::ReadOnly | RefusalCode::RoleNeeded | RefusalCode::SlowDown => {
                self.ledger.rights.is_governed(post.room)
            }
            RefusalCode::Muted => {
                self.ledger.rights.is_governed(post.room) || self.ledger.rights.is_operated()
            }
            RefusalCode::Banned | RefusalCode::Lockdown => self.ledger.rights.is_operated(),
            RefusalCode::NoSuchUser => true,
            RefusalCode::NoSuchMessage
            | RefusalCode::MessageDeleted
            | RefusalCode::NotYours
            | RefusalCode::Outranked => self.is_unfit(post, refusal.code),
            RefusalCode::NameInUse
            | RefusalCode::NameInvalid
            | RefusalCode::NameLooksAlike
            | RefusalCode::NotPossible
            | RefusalCode::ServerFull
            | RefusalCode::InviteOnly
            | RefusalCode::RightsFull
            | RefusalCode::TextEmpty
            | RefusalCode::TextTooLong
            | RefusalCode::TextInvalid
            | RefusalCode::NonceReused
            | RefusalCode::TokenUnknown
            | RefusalCode::LoginFailed
            | RefusalCode::NotAllowed
            | RefusalCode::NoSuchDevice
            | RefusalCode::InvitationNeeded
            | RefusalCode::InvitationInvalid
            | RefusalCode::FileNameInvalid
            | RefusalCode::NoSuchFile
            | RefusalCode::Conflict
            | RefusalCode::Quota
            | RefusalCode::FileTooLarge
            | RefusalCode::FileChanged
            | RefusalCode::Integrity
            | RefusalCode::Superseded
            | RefusalCode::TransferLimit
            | RefusalCode::FilesOff
            | RefusalCode::NoSuchUpload
            | RefusalCode::NoSuchContent
            | RefusalCode::RoomLimit
            | RefusalCode::QueryEmpty
            | RefusalCode::QueryTooLong => false,
        };
        ensure(justified, Invariant::Peaceful, || {
            format!("post {} of c{actor} was refused without reason: {refusal:?}; {post:?}", number.0)
        })
    }
}

impl World {
    /// Whether the message that a post is about is what the refusal says.
    fn is_unfit(&self, post: &Post, code: RefusalCode) -> bool {
        let Some(to) = post.to else { return false };
        let Some(room) = self.store.durable().room_ever(post.room) else { return true };
        let found = room.event(to).filter(|found| found.kind.is_message());
        if code == RefusalCode::NoSuchMessage {
            found.is_none() || to < room.first
        } else if code == RefusalCode::MessageDeleted {
            room.revisions.is_deleted(to)
        } else {
            found.is_some_and(|found| found.author != post.user)
        }
    }
}

/// An honest end has nothing to reproach the other with (rule 9).
fn check_cause(actor: usize, cause: &OfflineCause) -> Result<(), Violation> {
    let over_cap = [ProtocolError::TooManyConnections, ProtocolError::TooManyFromAddress];
    let peaceful = match cause {
        OfflineCause::Left
        | OfflineCause::Unreachable
        | OfflineCause::Cut
        | OfflineCause::TimedOut
        | OfflineCause::Goodbye { .. }
        | OfflineCause::ServerFull(_) => true,
        OfflineCause::Accused { code, .. } => {
            ProtocolError::from_number(*code).is_some_and(|error| over_cap.contains(&error))
        }
        OfflineCause::Broke(_) => false,
    };
    sometimes!("a client gave a silent server up", *cause == OfflineCause::TimedOut);
    ensure(peaceful, Invariant::Peaceful, || format!("c{actor} is offline because of {cause:?}"))
}

/// An event in few words: long lists say nothing in a trace.
fn brief(event: &ClientEvent) -> String {
    let mut text = format!("{event:?}");
    if text.len() > 160 {
        let end = (0..=160).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
