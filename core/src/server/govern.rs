//! Acts upon the rights in a room (`PROTOCOL.md` section G).
//!
//! An act is judged, appended to the room's log together with what it changes, and done when storage says so. What it
//! takes away is taken when it is submitted: posts of its subject that were submitted before stand before it in the log,
//! later ones are refused.

use alloc::{format, string::ToString as _, sync::Arc, vec::Vec};
use core::time::Duration;

use rand_core::RngCore;

use super::{Pending, Server, pending::Asked};
use crate::{
    error::{Refusal, RefusalCode},
    hub::{Ends, MemberChange, Rights, UnderWay},
    ids::{ConnectionId, Nonce, RoomId, Seq, UserId},
    name::Nick,
    rights::{Act, RightChange, Role, RoomChange, RoomMode, Term},
    storage::{About, Appended, EventKind, NewEvent, StorageFailure, StorageOperation},
    text::check_text,
    wire,
};

/// Whom an act is about.
struct Target {
    user: UserId,
    name: Arc<str>,
}

impl Server {
    pub(super) fn govern(&mut self, id: ConnectionId, govern: &wire::Govern<'_>) {
        let judged = self.judge_act(id, govern);
        let (user, act, target) = match judged {
            Ok(judged) => judged,
            Err(refusal) => return self.refuse(id, govern.id, &refusal),
        };
        let since = self.peers.now.wall;
        let lasts = govern.seconds.filter(|_| act.may_end()).map(Duration::from_secs);
        let until = lasts.map(|lasts| since.after(lasts));
        let change = act.change(Term { since, until });
        let about = About { id: target.user.get(), name: target.name, until };
        let change = RoomChange::Right(target.user, change);
        self.submit_act(
            id,
            govern.id,
            govern.room,
            user,
            (act.event(), govern.reason.into(), Some(about)),
            change,
        );
    }

    pub(super) fn set_mode(&mut self, id: ConnectionId, wish: &wire::SetMode) {
        match self.judge_mode(id, wish) {
            Ok((user, mode)) => {
                let said = (EventKind::Mode, mode.to_string().into(), None);
                self.submit_act(id, wish.id, wish.room, user, said, RoomChange::Mode(mode));
            }
            Err(refusal) => self.refuse(id, wish.id, &refusal),
        }
    }

    /// Hands an act to storage; what it takes is taken from now on.
    fn submit_act(
        &mut self,
        id: ConnectionId,
        request: u32,
        room: RoomId,
        author: UserId,
        (kind, text, about): (EventKind, Arc<str>, Option<About>),
        change: RoomChange,
    ) {
        let Some(nick) = self.users.get(author).map(|user| user.nick.shared()) else { return };
        let nonce = Nonce::new(self.rng.next_u64());
        let event = NewEvent { author, nick, nonce, at: self.peers.now.wall, kind, text, about };
        let (was_member, followed) = match change {
            RoomChange::Right(user, change)
                if change.ends_membership() && !crate::seeded_bug!("kicked-only-when-stored") =>
            {
                if let Some(user) = self.users.get_mut(user) {
                    user.leaving.push(room);
                }
                self.put_out(user, room)
            }
            RoomChange::Right(..) | RoomChange::Mode(_) => (false, Vec::new()),
        };
        let Some(found) = self.rooms.get_mut(room) else { return };
        let number = found.rights.submit(change, was_member, followed);
        self.hold(room, 1);
        let asked = self.begin(id, request);
        let operation = StorageOperation::Append { room, event: event.clone(), change: Some(change) };
        self.ask_storage(Pending::Govern { asked, room, number, event, change }, operation);
    }

    /// Storage has appended an act, or has not.
    pub(super) fn governed(
        &mut self,
        asked: Asked,
        room: RoomId,
        number: u64,
        event: NewEvent,
        change: RoomChange,
        result: Result<Appended, StorageFailure>,
    ) {
        self.hold(room, -1);
        self.finish(asked);
        let Some(act) = self.rooms.get_mut(room).and_then(|room| room.rights.answered(number)) else {
            return;
        };
        if let RoomChange::Right(user, change) = change
            && change.ends_membership()
            && let Some(user) = self.users.get_mut(user)
            && let Some(index) = user.leaving.iter().position(|leaving| *leaving == room)
        {
            user.leaving.remove(index);
        }
        match result {
            Ok(Appended::Stored { seq, first }) => {
                self.acknowledge(asked, room, seq, event.at);
                self.acted(room, &event, change);
                self.append(room, seq, first, event);
            }
            Ok(Appended::Repeated { seq, at }) => {
                self.acknowledge(asked, room, seq, at);
                self.acted(room, &event, change);
                self.append_unseen(room, seq, NewEvent { at, ..event });
            }
            // What is not asked is not answered: an act is about no message.
            Ok(Appended::NonceReused | Appended::Unfit(_)) => {
                self.undo_act(room, change, act);
                let text = "The number drawn for this was used before; ask again.";
                self.refuse(asked.connection, asked.request, &Refusal::new(RefusalCode::SlowDown, text));
            }
            Err(failure) => {
                self.undo_act(room, change, act);
                self.refuse_failed(asked, "change the rights in the room", failure);
            }
        }
        self.drop_if_deserted(room);
    }

    /// An act is durable: what it gives is given from now on, and whom it is about is told.
    fn acted(&mut self, id: RoomId, event: &NewEvent, change: RoomChange) {
        let guest = match change {
            RoomChange::Right(user, _) => self.users.get(user).is_none_or(|user| !user.is_account()),
            RoomChange::Mode(_) => false,
        };
        let about = event.about.as_ref();
        let name = about.map_or_else(|| "".into(), |about| Arc::clone(&about.name));
        let guest_name = Nick::parse(&name).ok().filter(|_| guest).map(|name| name.key().folded().clone());
        let lasts = about.and_then(|about| about.until).map(|until| until.since(event.at));
        let ends = lasts.map(|lasts| self.peers.now.monotonic.after(lasts));
        let Some(room) = self.rooms.get_mut(id) else { return };
        room.rights.apply(change, name, guest_name, Ends { banned: ends, muted: ends });
        if let RoomChange::Right(user, change) = change {
            self.tell_subject(id, event, user, change);
        }
        self.note_act(id, event);
    }

    fn tell_subject(&mut self, id: RoomId, event: &NewEvent, user: UserId, change: RightChange) {
        match change {
            RightChange::Kicked | RightChange::Banned(Some(_)) => {
                self.put_out(user, id);
                if let Some(user) = self.users.get_mut(user) {
                    user.read.remove(&id);
                }
                self.tell_removed(id, event, user);
                if Some(id) == self.operators && change.ends_entry() {
                    self.shut_out(user);
                }
            }
            RightChange::Invited(true) => self.tell_invited(id, event, user),
            RightChange::Role(_) => {
                let Some(user) = self.users.get(user).filter(|user| user.is_member(id)) else { return };
                let change = MemberChange::of(user, user.state());
                self.change(id, change);
            }
            RightChange::Invited(false) | RightChange::Banned(None) | RightChange::Muted(_) => {}
        }
    }

    fn tell_removed(&mut self, room: RoomId, event: &NewEvent, user: UserId) {
        let connections = self.connections_of(user);
        let until = event.about.as_ref().and_then(|about| about.until);
        for connection in &connections {
            let removed = wire::Removed {
                room,
                kind: event.kind.number(),
                by: &event.nick,
                reason: &event.text,
                until,
            };
            self.peers.answer(*connection, removed, &self.config.limits);
        }
        self.end_overfull(&connections);
    }

    fn tell_invited(&mut self, room: RoomId, event: &NewEvent, user: UserId) {
        let connections = self.connections_of(user);
        let Some(name) = self.rooms.get(room).map(|room| room.name()) else { return };
        for connection in &connections {
            let invited = wire::Invited { room, name, by: &event.nick, reason: &event.text };
            self.peers.answer(*connection, invited, &self.config.limits);
        }
        self.end_overfull(&connections);
    }

    fn connections_of(&self, user: UserId) -> Vec<ConnectionId> {
        self.users.get(user).into_iter().flat_map(|user| user.connections()).collect()
    }

    /// Ends a membership, not another byte of the room being sent: whether there was one, and where the cursors stood.
    fn put_out(&mut self, id: UserId, room: RoomId) -> (bool, Vec<(ConnectionId, Seq)>) {
        let mut followed = Vec::new();
        if !crate::seeded_bug!("cursor-kept-after-kick") {
            for connection in self.connections_of(id) {
                followed.extend(self.unfollow(connection, room).map(|next| (connection, next)));
            }
        }
        let Some(user) = self.users.get_mut(id) else { return (false, followed) };
        if !user.rooms.remove(&room) {
            return (false, followed);
        }
        let change = MemberChange::of(user, wire::state::LEFT);
        self.change(room, change);
        if let Some(room) = self.rooms.get_mut(room) {
            room.members.remove(&id);
        }
        self.stop_downloads(id, room);
        (true, followed)
    }

    /// An act is certainly not stored: who was put out by it is back where it was.
    fn undo_act(&mut self, room: RoomId, change: RoomChange, act: UnderWay) {
        let RoomChange::Right(user, _) = change else { return };
        if !act.was_member {
            return;
        }
        if self.is_being_put_out(user, room) {
            if let Some(room) = self.rooms.get_mut(room) {
                room.rights.note_member(user);
            }
            return;
        }
        self.add_member(user, room);
        for (connection, next) in act.followed {
            self.follow_again(connection, user, room, next);
        }
    }

    /// Whether somebody may do this to somebody, and who they are.
    fn judge_act(
        &mut self,
        id: ConnectionId,
        govern: &wire::Govern<'_>,
    ) -> Result<(UserId, Act, Target), Refusal> {
        let not_possible = |text: &str| Refusal::new(RefusalCode::NotPossible, text);
        let user = self.may_govern(id, govern.room)?;
        let act = Act::from_number(govern.act)
            .ok_or_else(|| not_possible("This server knows no such act; ask for one of section G."))?;
        let limits = &self.config.limits;
        check_text(act.event(), govern.reason, limits.text_bytes_max, limits.topic_bytes_max)?;
        if govern.seconds.is_some_and(|seconds| seconds == 0 || !act.may_end()) {
            return Err(not_possible(
                "Only bans and mutes end by themselves, and after a second at the earliest.",
            ));
        }
        let needed = if act.is_about_roles() { Role::Owner } else { Role::Moderator };
        self.needs_role(user, govern.room, needed)?;
        let target = self.target(user, govern, act)?;
        self.check_rank(govern.room, user, act, &target)?;
        self.check_sense(govern.room, act, &target, govern.seconds.is_none())?;
        let (most, now) = (self.config.limits.standings_max, self.peers.now.monotonic);
        let Some(room) = self.rooms.get_mut(govern.room) else {
            return Err(Refusal::new(RefusalCode::NoSuchRoom, "The room has ceased; join it again."));
        };
        if act != Act::Kick && !room.rights.has_space(target.user, most, now) {
            let text = format!(
                "{} has rights of {most} users written down, which is the most there may be; take some back first.",
                room.name()
            );
            return Err(Refusal::new(RefusalCode::RightsFull, text).about(room.name()));
        }
        Ok((user, act, target))
    }

    /// Whoever governs a room is in it, and a direct conversation is not governed.
    fn may_govern(&self, id: ConnectionId, room: RoomId) -> Result<UserId, Refusal> {
        let user = self.membership(id, room)?;
        if self.rooms.get(room).is_some_and(|room| room.is_named()) {
            return Ok(user);
        }
        let text = "In a direct conversation nobody has more rights than the other.";
        Err(Refusal::new(RefusalCode::NotPossible, text))
    }

    fn needs_role(&self, user: UserId, room: RoomId, needed: Role) -> Result<(), Refusal> {
        let role = self.role_in(user, room);
        let Some(room) = self.rooms.get(room) else { return Ok(()) };
        if role >= needed {
            return Ok(());
        }
        let text = match needed {
            Role::Member | Role::Moderator => {
                format!("Only moderators and owners of {} may do that; ask one of them.", room.name())
            }
            Role::Owner => format!("Only owners of {} may do that; ask one of them.", room.name()),
        };
        Err(Refusal::new(RefusalCode::RoleNeeded, text).about(room.name()))
    }

    /// Whom an act is about: a user there is, or one of whom something is to be taken back.
    fn target(&self, asker: UserId, govern: &wire::Govern<'_>, act: Act) -> Result<Target, Refusal> {
        let found = self.find_user(govern.name, asker);
        let Some(room) = self.rooms.get(govern.room) else {
            return Err(Refusal::new(RefusalCode::NoSuchRoom, "The room has ceased; join it again."));
        };
        let known = found.as_ref().ok().is_some_and(|user| room.rights.standing(*user).is_some());
        let folded = Nick::parse(govern.name).ok().map(|name| name.key().folded().clone());
        let noted = folded.as_ref().and_then(|folded| room.rights.named(folded));
        if act.takes_back()
            && !known
            && let Some(standing) = noted
        {
            return Ok(Target { user: standing.user, name: Arc::clone(&standing.name) });
        }
        let user = found?;
        let name = self.users.get(user).map_or_else(|| "".into(), |user| user.nick.shared());
        Ok(Target { user, name })
    }

    fn check_rank(&self, room: RoomId, user: UserId, act: Act, target: &Target) -> Result<(), Refusal> {
        if target.user == user {
            let text = "That is you; you can only give up your own role.";
            let refusal = Refusal::new(RefusalCode::NotPossible, text).about(&*target.name);
            return if act == Act::Demote { Ok(()) } else { Err(refusal) };
        }
        let (own, other) = (self.rank_in(user, room), self.rank_in(target.user, room));
        if other < own {
            return Ok(());
        }
        let other = other.1;
        let text = format!(
            "{} is {} there as you are; you cannot decide about each other.",
            target.name,
            article(other)
        );
        Err(Refusal::new(RefusalCode::Outranked, text).about(&*target.name))
    }

    /// Whether an act changes anything.
    fn check_sense(&self, room: RoomId, act: Act, target: &Target, for_good: bool) -> Result<(), Refusal> {
        let Some(room) = self.rooms.get(room) else { return Ok(()) };
        let now = self.peers.now.monotonic;
        let user = self.users.get(target.user);
        let held = room.rights.standing(target.user);
        let is_member = room.members.contains(&target.user);
        let (ban, mute) = (held.and_then(|held| held.ban(now)), held.and_then(|held| held.mute(now)));
        let (banned, muted) = (ban.is_some(), mute.is_some());
        let role = room.rights.role(target.user);
        let problem = match act {
            Act::Invite if is_member => "is in the room already",
            Act::Invite if banned => "is banned; take the ban back first",
            Act::Invite if room.rights.is_invited(target.user) => "is invited already",
            Act::Uninvite if !room.rights.is_invited(target.user) => "is not invited",
            Act::Kick if !is_member => "is not in the room",
            // An operator may be in a room that it is banned from.
            Act::Ban if for_good && ban == Some(None) && !is_member => "is banned for good already",
            Act::Mute if for_good && mute == Some(None) => "is muted for good already",
            Act::Unban if !banned => "is not banned",
            Act::Unmute if !muted => "is not muted",
            Act::Promote | Act::Own if !user.is_some_and(|user| user.is_account()) => {
                "is a guest, whose name anybody may have tomorrow; only accounts have roles"
            }
            Act::Promote | Act::Own if banned => "is banned; take the ban back first",
            Act::Promote if role == Role::Moderator => "is a moderator already",
            Act::Own if role == Role::Owner => "is an owner already",
            Act::Demote if role == Role::Member => "has no role to lose",
            Act::Invite
            | Act::Uninvite
            | Act::Kick
            | Act::Ban
            | Act::Unban
            | Act::Mute
            | Act::Unmute
            | Act::Promote
            | Act::Demote
            | Act::Own => return Ok(()),
        };
        let text = format!("{} {problem}.", target.name);
        Err(Refusal::new(RefusalCode::NotPossible, text).about(&*target.name))
    }

    fn judge_mode(&self, id: ConnectionId, wish: &wire::SetMode) -> Result<(UserId, RoomMode), Refusal> {
        let user = self.may_govern(id, wish.room)?;
        self.needs_role(user, wish.room, Role::Owner)?;
        let most = self.config.limits.slow_seconds_max;
        if wish.slow_seconds.is_some_and(|seconds| seconds > most) {
            let text = format!("A room may ask for {most} s between two messages at the most.");
            return Err(Refusal::new(RefusalCode::NotPossible, text));
        }
        let rights = self.rooms.get(wish.room).map(|room| &room.rights);
        let before = rights.map(Rights::coming_mode).unwrap_or_default();
        let mode = RoomMode {
            private: wish.private.unwrap_or(before.private),
            read_only: wish.read_only.unwrap_or(before.read_only),
            topic_locked: wish.topic_locked.unwrap_or(before.topic_locked),
            closed: wish.closed.unwrap_or(before.closed),
            slow_seconds: wish.slow_seconds.unwrap_or(before.slow_seconds),
        };
        // What its log says is what it will be.
        let mode = rights.map_or(mode, |rights| rights.possible(mode));
        if mode == before {
            let text = format!("The room is so already: {mode}.");
            return Err(Refusal::new(RefusalCode::NotPossible, text));
        }
        Ok((user, mode))
    }
}

const fn article(role: Role) -> &'static str {
    match role {
        Role::Member => "a member",
        Role::Moderator => "a moderator",
        Role::Owner => "an owner",
    }
}
