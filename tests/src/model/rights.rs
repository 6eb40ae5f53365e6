//! Who may do what in a room (G1–G3, G5), by its mode and by what is particular about somebody there.

use std::{collections::BTreeMap, time::Duration};

use palabre_core::{
    error::RefusalCode,
    time::{Monotonic, WallTime},
    wire::{kind, role},
};

use super::{Model, Refusal, RoomKey, UserKey, names};

/// What a room is, and what is particular about whom there.
#[derive(Clone, Debug, Default)]
pub(super) struct Rights {
    pub(super) mode: Mode,
    pub(super) standings: BTreeMap<UserKey, Standing>,
    /// When members last said something (G3).
    pub(super) spoke: BTreeMap<UserKey, Monotonic>,
}

/// What kind of room it is (G3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mode {
    pub(super) private: bool,
    pub(super) read_only: bool,
    pub(super) topic_locked: bool,
    pub(super) closed: bool,
    pub(super) slow_seconds: u32,
}

/// What an account is in a room (G1), or on the whole server (O2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    #[default]
    Member,
    Moderator,
    Owner,
    Operator,
}

/// What is particular about somebody in a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// As it was when this was last written.
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) invited: bool,
    pub(super) banned: Option<Term>,
    pub(super) muted: Option<Term>,
}

/// How long a ban or a mute holds; without an end, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) end: Option<TermEnd>,
}

/// When a ban or a mute ends, by both clocks (G5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TermEnd {
    pub(super) whole: Duration,
    pub(super) ends: Monotonic,
    pub(super) until: WallTime,
}

impl Mode {
    /// G8.
    pub(super) const fn bits(self) -> u8 {
        self.private as u8
            | (self.read_only as u8) << 1
            | (self.topic_locked as u8) << 2
            | (self.closed as u8) << 3
    }

    /// What an event says of it.
    pub(super) fn text(self) -> String {
        let slow = format!("slow={}", self.slow_seconds);
        let words = [
            (self.private, "private"),
            (self.read_only, "read-only"),
            (self.topic_locked, "topic-locked"),
            (self.closed, "closed"),
            (self.slow_seconds > 0, &slow),
        ];
        let words: Vec<_> = words.into_iter().filter(|(holds, _)| *holds).map(|(_, word)| word).collect();
        if words.is_empty() { "open".into() } else { words.join(" ") }
    }
}

impl Standing {
    /// Whether nothing is particular any more.
    pub(super) fn is_ordinary(&self) -> bool {
        self.role == Role::Member && !self.invited && self.banned.is_none() && self.muted.is_none()
    }
}

impl Term {
    pub(super) fn until(self) -> Option<WallTime> {
        self.end.map(|end| end.until)
    }
}

impl Model {
    /// G1: what an account was made in this room.
    pub(super) fn role(&self, room: RoomKey, user: UserKey) -> Role {
        self[room].rights.standings.get(&user).map_or(Role::Member, |standing| standing.role)
    }

    /// G1, O2: what counts when somebody governs.
    pub(super) fn rank(&self, room: RoomKey, user: UserKey) -> Role {
        let elsewhere = self[room].name().is_some() && !self.is_operators(room);
        if elsewhere && self.is_operator(user) { Role::Operator } else { self.role(room, user) }
    }

    pub(super) fn may_moderate(&self, room: RoomKey, user: UserKey) -> bool {
        self.rank(room, user) >= Role::Moderator
    }

    /// As it is on the wire.
    pub(super) fn role_number(&self, room: RoomKey, user: UserKey) -> u8 {
        match self.role(room, user) {
            Role::Member if self.is_account(user) => role::ACCOUNT,
            Role::Member => role::GUEST,
            Role::Moderator => role::MODERATOR,
            Role::Owner | Role::Operator => role::OWNER,
        }
    }

    /// G5: what holds of a user, and of a guest by its name also what holds of a guest who was called so.
    fn standings_of(&self, room: RoomKey, user: UserKey) -> impl Iterator<Item = &Standing> {
        let nick = names::fold(&self[user].nick);
        let means = move |(about, standing): &(&UserKey, &Standing)| {
            let namesake = !self.is_account(user) && !self.is_account(**about);
            **about == user || (namesake && names::fold(&standing.name) == nick)
        };
        self[room].rights.standings.iter().filter(means).map(|(_, standing)| standing)
    }

    pub(super) fn is_banned(&self, room: RoomKey, user: UserKey) -> bool {
        self.standings_of(room, user).any(|standing| standing.banned.is_some())
    }

    /// G5: whether a guest who is called so is banned by that name.
    pub(super) fn is_name_banned(&self, room: RoomKey, nick: &str) -> bool {
        let standings = self[room].rights.standings.iter().filter(|(about, _)| !self.is_account(**about));
        let mut called = standings.filter(|(_, standing)| names::fold(&standing.name) == names::fold(nick));
        called.any(|(_, standing)| standing.banned.is_some())
    }

    pub(super) fn is_muted(&self, room: RoomKey, user: UserKey) -> bool {
        self.standings_of(room, user).any(|standing| standing.muted.is_some())
    }

    pub(super) fn is_invited(&self, room: RoomKey, user: UserKey) -> bool {
        self[room].rights.standings.get(&user).is_some_and(|standing| standing.invited)
    }

    /// G3, G5: why somebody who is no member may not join.
    pub(super) fn why_not_join(&self, room: RoomKey, user: UserKey) -> Vec<RefusalCode> {
        if self.rank(room, user) == Role::Operator {
            return Vec::new();
        }
        let Mode { private, closed, .. } = self[room].rights.mode;
        let above = self.may_moderate(room, user);
        let kept_out = (private && !self.is_invited(room, user)) || closed;
        let mut codes = Vec::new();
        codes.extend(self.is_banned(room, user).then_some(RefusalCode::Banned));
        codes.extend((kept_out && !above).then_some(RefusalCode::InviteOnly));
        codes
    }

    /// G9: whether `Rooms` shows it.
    pub(super) fn is_shown(&self, room: RoomKey, user: UserKey) -> bool {
        !self[room].rights.mode.private
            || self[room].members.contains(&user)
            || self.is_invited(room, user)
            || self.may_moderate(room, user)
    }

    /// G3, G5: why a member may not post this.
    pub(super) fn judge_right_to_post(&self, room: RoomKey, user: UserKey, kind: u8) -> Result<(), Refusal> {
        let Mode { read_only, topic_locked, slow_seconds, .. } = self[room].rights.mode;
        let above = self.may_moderate(room, user);
        let mut codes = self.why_not_post_anywhere(user);
        codes.extend(self.is_muted(room, user).then_some(RefusalCode::Muted));
        if !above {
            codes.extend(read_only.then_some(RefusalCode::ReadOnly));
            codes.extend((topic_locked && kind == kind::TOPIC).then_some(RefusalCode::RoleNeeded));
            let wait = Duration::from_secs(slow_seconds.into());
            let spoke = self[room].rights.spoke.get(&user);
            let soon = spoke.is_some_and(|spoke| self.now.monotonic.since(*spoke) < wait);
            codes.extend((soon && kind != kind::TOPIC).then_some(RefusalCode::SlowDown));
        }
        if codes.is_empty() { Ok(()) } else { Err(Refusal::any_of(codes)) }
    }

    /// When the next ban or mute is over.
    pub(super) fn next_term(&self) -> Option<Monotonic> {
        let standings = self.rooms.iter().flat_map(|room| room.rights.standings.values());
        let terms = standings.flat_map(|standing| [standing.banned, standing.muted]).flatten();
        terms.filter_map(|term| Some(term.end?.ends)).min()
    }

    /// G5: bans and mutes that are over are so for good.
    pub(super) fn end_terms(&mut self) {
        let now = self.now.monotonic;
        let is_over = |term: &mut Term| term.end.is_some_and(|end| end.ends <= now);
        for room in &mut self.rooms {
            for standing in room.rights.standings.values_mut() {
                standing.banned.take_if(is_over);
                standing.muted.take_if(is_over);
            }
            room.rights.standings.retain(|_, standing| !standing.is_ordinary());
        }
    }

    /// G5, E8: after a restart, what is left of terms by the wall clock.
    pub(super) fn restart_terms(&mut self) {
        let (now, model) = (self.now, self.clone());
        let restart = |term: &mut Term| {
            if let Some(end) = &mut term.end {
                end.ends = now.monotonic.after(model.left_of(end.whole, end.until));
            }
        };
        for room in &mut self.rooms {
            room.rights.spoke.clear();
            for standing in room.rights.standings.values_mut() {
                standing.banned.iter_mut().chain(&mut standing.muted).for_each(restart);
            }
        }
        self.end_terms();
    }
}
