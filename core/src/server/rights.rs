//! What the rights in a room let somebody do (`PROTOCOL.md` G1 to G3, G8).

use alloc::{format, string::String, vec::Vec};
use core::time::Duration;

use super::Server;
use crate::{
    error::{Refusal, RefusalCode},
    hub::{Held, Room, User, Who},
    ids::{ConnectionId, RoomId, UserId},
    rights::{Role, Standing},
    storage::{EventFamily, EventKind, Whose},
    time::{Monotonic, WallTime},
    wire,
};

impl Server {
    /// Whether somebody who is no member may become one.
    pub(super) fn may_join(&self, user: UserId, room: RoomId) -> Result<(), Refusal> {
        let (Some(user), Some(room)) = (self.users.get(user), self.rooms.get(room)) else { return Ok(()) };
        let now = self.peers.now.monotonic;
        let role = self.role_in(user.id, room.id);
        if let Some(until) = room.rights.ban(Who::of(user), now).filter(|_| role < Role::Moderator) {
            let text = format!("You are banned from {}{}.", room.name(), self.for_how_long(until));
            return Err(Refusal::new(RefusalCode::Banned, text).about(room.name()));
        }
        if room.rights.mode().closed && role < Role::Moderator {
            let text = format!("{} is closed: nobody joins it for the time being.", room.name());
            return Err(Refusal::new(RefusalCode::InviteOnly, text).about(room.name()));
        }
        let is_let_in = room.rights.is_invited(user.id) || role >= Role::Moderator;
        if room.rights.mode().private && !is_let_in && !crate::seeded_bug!("private-room-joined-uninvited") {
            let text = format!("{} is private; ask one of its moderators to invite you.", room.name());
            return Err(Refusal::new(RefusalCode::InviteOnly, text).about(room.name()));
        }
        Ok(())
    }

    /// Whether a member may add anything to a room, a post or a file.
    pub(super) fn may_add(&self, user: UserId, room: RoomId) -> Result<(), Refusal> {
        self.may_speak(user)?;
        let now = self.peers.now.monotonic;
        let (Some(user), Some(room)) = (self.users.get(user), self.rooms.get(room)) else { return Ok(()) };
        let (mode, role) = (room.rights.mode(), self.role_in(user.id, room.id));
        if let Some(until) = room.rights.mute(Who::of(user), now)
            && !crate::seeded_bug!("muted-still-posts")
        {
            let text =
                format!("You are muted in {}{}; nobody was told.", room.name(), self.for_how_long(until));
            return Err(Refusal::new(RefusalCode::Muted, text).about(room.name()));
        }
        if mode.read_only && role < Role::Moderator {
            let text = format!("{} is read-only: its moderators and owners post there.", room.name());
            return Err(Refusal::new(RefusalCode::ReadOnly, text).about(room.name()));
        }
        Ok(())
    }

    /// Whether a member may post this now.
    pub(super) fn may_post(&mut self, user: UserId, room: RoomId, kind: EventKind) -> Result<(), Refusal> {
        self.may_add(user, room)?;
        let now = self.peers.now.monotonic;
        let (Some(user), Some(room)) = (self.users.get(user), self.rooms.get(room)) else { return Ok(()) };
        let (mode, role) = (room.rights.mode(), self.role_in(user.id, room.id));
        if kind == EventKind::Topic && mode.topic_locked && role < Role::Moderator {
            let text = format!("In {} moderators and owners set the topic; ask one of them.", room.name());
            return Err(Refusal::new(RefusalCode::RoleNeeded, text).about(room.name()));
        }
        if !waits_in_slow_rooms(kind) || role >= Role::Moderator {
            return Ok(());
        }
        let (user, room) = (user.id, room.id);
        let most = self.config.limits.slowed_users_max;
        let Some(room) = self.rooms.get_mut(room) else { return Ok(()) };
        match room.rights.slow_down(user, most, now) {
            Some(wait) => {
                let (name, seconds) = (room.name(), wait.as_secs().saturating_add(1));
                let text = format!("{name} is slow: try again in {seconds} s.");
                Err(Refusal::new(RefusalCode::SlowDown, text).about(name))
            }
            None => Ok(()),
        }
    }

    /// Whose messages a post of this kind may be about (N2, N3).
    pub(super) fn whose(&self, user: UserId, id: RoomId, kind: EventKind) -> Whose {
        let Some(room) = self.rooms.get(id) else { return Whose::Own };
        let (is_operator, role) = self.rank_in(user, id);
        let may_any = matches!(kind.family(), EventFamily::Message | EventFamily::Reaction);
        if may_any || crate::seeded_bug!("anybody-deletes") {
            Whose::Anybodys
        } else if kind == EventKind::Deleted && role >= Role::Moderator && room.is_named() {
            let above = self.operators_but_in(id);
            let beside = (!is_operator).then(|| room.rights.not_below(role));
            Whose::AllBut(above.chain(beside.into_iter().flatten()).collect())
        } else {
            Whose::Own
        }
    }

    /// Whether somebody is told that a room exists.
    pub(super) fn may_know_of(&self, user: &User, room: &Room) -> bool {
        !room.rights.mode().private
            || user.is_member(room.id)
            || room.rights.is_invited(user.id)
            || self.role_in(user.id, room.id) >= Role::Moderator
    }

    pub(super) fn is_being_put_out(&self, user: UserId, room: RoomId) -> bool {
        self.rooms.get(room).is_some_and(|room| room.rights.is_being_put_out(user))
    }

    /// For sentences: how much of a ban or mute is left.
    pub(super) fn for_how_long(&self, until: Option<Monotonic>) -> String {
        match until {
            Some(until) => format!(" for another {}", rough(until.since(self.peers.now.monotonic))),
            None => String::new(),
        }
    }

    /// Members are told who keeps order, those who do are told all that is particular.
    pub(super) fn list_rights(&mut self, id: ConnectionId, rights: &wire::Rights) {
        let user = match self.membership(id, rights.room) {
            Ok(user) => user,
            Err(refusal) => return self.refuse(id, rights.id, &refusal),
        };
        let (Some(user), Some(room)) = (self.users.get(user), self.rooms.get(rights.room)) else { return };
        let now = self.peers.now;
        let (mode, own_role) = (room.rights.stored_mode(), self.role_in(user.id, room.id));
        let ends = |until: Option<Option<Monotonic>>| -> Option<WallTime> {
            until.flatten().map(|until| now.wall.after(until.since(now.monotonic)))
        };
        let shown = room.rights.standings_after(rights.after.unwrap_or_default());
        // Somebody of whom only a ban or a mute was particular is nobody special when that is over.
        let is_particular = |held: &&Held| {
            let Standing { role, invited, .. } = held.standing;
            let kept = held.ban(now.monotonic).is_some() || held.mute(now.monotonic).is_some();
            role > Role::Member || (own_role >= Role::Moderator && (invited || kept))
        };
        let shown = shown.filter(is_particular);
        let mut rest = shown.map(|held| {
            let standing = &held.standing;
            let (ban, mute) = (held.ban(now.monotonic), held.mute(now.monotonic));
            wire::Standing {
                user: standing.user,
                name: &standing.name,
                role: room.rights.shown_role(standing.user).unwrap_or_else(|| self.role_of(standing.user)),
                invited: standing.invited,
                banned: ban.is_some(),
                banned_until: ends(ban),
                muted: mute.is_some(),
                muted_until: ends(mute),
            }
        });
        let standings: Vec<_> = rest.by_ref().take(self.config.limits.standings_page_max).collect();
        let next = rest.next().and_then(|_| standings.last().map(|standing| standing.user));
        let page = wire::RightsPage {
            id: rights.id,
            room: room.id,
            mode: mode.bits(),
            slow_seconds: mode.slow_seconds,
            role: room.shown_role(user),
            standings,
            next,
        };
        self.peers.answer(id, page, &self.config.limits);
    }

    fn role_of(&self, user: UserId) -> u8 {
        self.users.get(user).map_or(wire::role::GUEST, |user| user.role())
    }
}

/// A time as people say it.
fn rough(time: Duration) -> String {
    let seconds = time.as_secs().saturating_add(1);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} minutes", seconds / 60),
        7_200..172_800 => format!("{} hours", seconds / 3_600),
        172_800.. => format!("{} days", seconds / 86_400),
    }
}

/// Whether posts of this kind are counted where a room is slow (G3, N3).
pub(super) const fn waits_in_slow_rooms(kind: EventKind) -> bool {
    kind.is_message() || matches!(kind, EventKind::Edited)
}
