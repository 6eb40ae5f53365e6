//! Acts: what is done to somebody in a room, and to the room (G2–G8).

use std::time::Duration;

use palabre_core::{
    error::RefusalCode,
    ids::RoomId,
    wire::{Govern, Rights, SetMode, kind},
};

use super::{
    ConnectionKey, Expected, Logged, Model, Refusal, RoomKey, Suggestion, UserKey,
    expected::Listing,
    names,
    rights::{Mode, Role, Standing, Term, TermEnd},
};

/// The longest wait of a slow room (G3).
const SLOW_SECONDS_MAX: u32 = 86_400;

/// The numbers of the acts, which are those of the events.
mod act {
    pub(super) const MODE: u8 = 4;
    pub(super) const INVITE: u8 = 5;
    pub(super) const UNINVITE: u8 = 6;
    pub(super) const KICK: u8 = 7;
    pub(super) const BAN: u8 = 8;
    pub(super) const UNBAN: u8 = 9;
    pub(super) const MUTE: u8 = 10;
    pub(super) const UNMUTE: u8 = 11;
    pub(super) const PROMOTE: u8 = 12;
    pub(super) const DEMOTE: u8 = 13;
    pub(super) const OWN: u8 = 14;
}

impl Model {
    /// G4.
    pub(super) fn govern(
        &mut self,
        at: ConnectionKey,
        user: UserKey,
        govern: &Govern<'_>,
    ) -> Result<(), Refusal> {
        let mut codes = self.why_no_act(govern);
        let room = match self.governed_room(user, govern.room) {
            Ok(room) => room,
            Err(refusal) => return Err(Refusal::any_of([codes, refusal.codes].concat())),
        };
        let target = self.target_named(room, govern);
        codes.extend(self.why_not_act(room, user, target, govern.act));
        let Some(target) = target.filter(|_| codes.is_empty()) else {
            let open = codes != [RefusalCode::NoSuchUser];
            let refusal = Refusal::any_of(codes);
            let suggestion = if open { Suggestion::Open } else { Suggestion::Somebody(user) };
            return Err(refusal.suggesting(suggestion));
        };
        let before = self[room].rights.standings.get(&target).cloned().unwrap_or_default();
        let was_member = self[room].members.contains(&target);
        let (after, ends) = self.standing_after(before.clone(), govern);
        let joined = govern.act == act::INVITE && was_member;
        let is_out = govern.act == act::KICK && !was_member;
        let changes =
            Standing { name: before.name.clone(), ..after.clone() } != before || (ends && was_member);
        if !changes || joined || is_out {
            return Err(Refusal::new(RefusalCode::NotPossible));
        }
        let is_new = !self[room].rights.standings.contains_key(&target) && !after.is_ordinary();
        if is_new && self[room].rights.standings.len() >= self.limits.standings_max {
            return Err(Refusal::new(RefusalCode::RightsFull));
        }
        let name = self[target].nick.clone();
        self.write_standing(room, target, Standing { name: name.clone(), ..after.clone() });
        let until = match govern.act {
            act::BAN => after.banned.and_then(Term::until),
            act::MUTE => after.muted.and_then(Term::until),
            _ => None,
        };
        if ends && was_member {
            self.put_out(room, target);
        }
        let event = Logged {
            author: user,
            nick: self[user].nick.clone(),
            kind: govern.act,
            text: govern.reason.into(),
            about: Some((target, name, until)),
        };
        let seq = self.log(room, event.clone());
        self.expect(at, Expected::Posted { id: govern.id, room, seq });
        let (by, reason) = (self[user].nick.clone(), govern.reason.to_owned());
        for connection in self.ready_connections_of(target) {
            if ends {
                let (by, reason, kind) = (by.clone(), reason.clone(), govern.act);
                self.expect(connection, Expected::Removed { room, kind, by, reason, until });
            } else if govern.act == act::INVITE {
                let (by, reason) = (by.clone(), reason.clone());
                self.expect(connection, Expected::Invited { room, by, reason });
            }
        }
        if govern.act == act::BAN && self.is_operators(room) {
            self.expel(target);
        }
        self.note(room, event);
        Ok(())
    }

    /// G4: what is wrong with it whoever asks.
    fn why_no_act(&self, govern: &Govern<'_>) -> Vec<RefusalCode> {
        let mut codes = Vec::new();
        let is_act = (act::INVITE..=act::OWN).contains(&govern.act);
        let may_end = matches!(govern.act, act::BAN | act::MUTE);
        if !is_act || govern.seconds.is_some_and(|seconds| seconds == 0 || !may_end) {
            codes.push(RefusalCode::NotPossible);
        }
        if let Err(refusal) = self.judge_text(kind::TOPIC, govern.reason) {
            codes.extend(refusal.codes);
        }
        codes
    }

    /// G1, G4: who governs is a member, and only named rooms are governed.
    fn governed_room(&self, user: UserKey, room: RoomId) -> Result<RoomKey, Refusal> {
        let room = self.member_room(user, room)?;
        let named = self[room].name().is_some();
        if named { Ok(room) } else { Err(Refusal::new(RefusalCode::NotPossible)) }
    }

    /// G4: who is called so; who is gone by the name that is written down, to take something back.
    fn target_named(&self, room: RoomKey, govern: &Govern<'_>) -> Option<UserKey> {
        let gone = |model: &Self| {
            let standings = model[room].rights.standings.iter();
            let mut called = standings.filter(|(_, it)| names::fold(&it.name) == names::fold(govern.name));
            let undone = |standing: &Standing| match govern.act {
                act::UNINVITE => standing.invited,
                act::UNBAN => standing.banned.is_some(),
                act::UNMUTE => standing.muted.is_some(),
                _ => false,
            };
            called.find(|(_, standing)| undone(standing)).map(|(user, _)| *user)
        };
        self.user_named(govern.name).or_else(|| gone(self))
    }

    /// G4.
    fn why_not_act(
        &self,
        room: RoomKey,
        user: UserKey,
        target: Option<UserKey>,
        number: u8,
    ) -> Vec<RefusalCode> {
        let rank = self.rank(room, user);
        let gives_up = target == Some(user) && number == act::DEMOTE;
        let needed = if number >= act::PROMOTE && !gives_up { Role::Owner } else { Role::Moderator };
        let mut codes = Vec::new();
        codes.extend((rank < needed).then_some(RefusalCode::RoleNeeded));
        let Some(target) = target else {
            codes.push(RefusalCode::NoSuchUser);
            return codes;
        };
        let is_role = number >= act::PROMOTE;
        let given = is_role || number == act::INVITE;
        let banned = given && self.is_banned(room, target);
        let impossible = banned || (target == user && !gives_up) || (is_role && !self.is_account(target));
        codes.extend(impossible.then_some(RefusalCode::NotPossible));
        let outranked = target != user && self.rank(room, target) >= rank;
        codes.extend(outranked.then_some(RefusalCode::Outranked));
        codes
    }

    /// G4, G5: what an act makes of somebody's standing, and whether it ends the membership.
    fn standing_after(&self, before: Standing, govern: &Govern<'_>) -> (Standing, bool) {
        let now = self.now;
        let end = |seconds| {
            let whole = Duration::from_secs(seconds);
            TermEnd { whole, ends: now.monotonic.after(whole), until: now.wall.after(whole) }
        };
        let term = Some(Term { end: govern.seconds.map(end) });
        let after = match govern.act {
            act::INVITE => Standing { invited: true, ..before },
            act::UNINVITE | act::KICK => Standing { invited: false, ..before },
            act::BAN => Standing { role: Role::Member, invited: false, banned: term, ..before },
            act::UNBAN => Standing { banned: None, ..before },
            act::MUTE => Standing { muted: term, ..before },
            act::UNMUTE => Standing { muted: None, ..before },
            act::PROMOTE => Standing { role: Role::Moderator, ..before },
            act::DEMOTE => Standing { role: Role::Member, ..before },
            _ => Standing { role: Role::Owner, ..before },
        };
        (after, matches!(govern.act, act::KICK | act::BAN))
    }

    pub(super) fn write_standing(&mut self, room: RoomKey, target: UserKey, standing: Standing) {
        if standing.is_ordinary() {
            self[room].rights.standings.remove(&target);
        } else {
            self[room].rights.standings.insert(target, standing);
        }
    }

    /// G5, G6: not a byte more of the room reaches who is put out.
    fn put_out(&mut self, room: RoomKey, target: UserKey) {
        self[room].members.remove(&target);
        self.unmark(target, room);
        for connection in self.ready_connections_of(target) {
            self[connection].follows.remove(&room);
        }
    }

    /// G3.
    pub(super) fn set_mode(
        &mut self,
        at: ConnectionKey,
        user: UserKey,
        wish: &SetMode,
    ) -> Result<(), Refusal> {
        let room = self.governed_room(user, wish.room);
        let too_slow = wish.slow_seconds.is_some_and(|seconds| seconds > SLOW_SECONDS_MAX);
        let mut codes: Vec<_> = too_slow.then_some(RefusalCode::NotPossible).into_iter().collect();
        let room = match room {
            Ok(room) => room,
            Err(refusal) => return Err(Refusal::any_of([codes, refusal.codes].concat())),
        };
        codes.extend((self.rank(room, user) < Role::Owner).then_some(RefusalCode::RoleNeeded));
        let before = self[room].rights.mode;
        let mode = Mode {
            private: self.is_operators(room) || wish.private.unwrap_or(before.private),
            read_only: wish.read_only.unwrap_or(before.read_only),
            topic_locked: wish.topic_locked.unwrap_or(before.topic_locked),
            closed: wish.closed.unwrap_or(before.closed),
            slow_seconds: wish.slow_seconds.unwrap_or(before.slow_seconds),
        };
        codes.extend((mode == before).then_some(RefusalCode::NotPossible));
        if !codes.is_empty() {
            return Err(Refusal::any_of(codes));
        }
        self[room].rights.mode = mode;
        if mode.slow_seconds == 0 {
            self[room].rights.spoke.clear();
        }
        let (nick, text) = (self[user].nick.clone(), mode.text());
        let event = Logged { author: user, nick, kind: act::MODE, text, about: None };
        let seq = self.log(room, event.clone());
        self.expect(at, Expected::Posted { id: wish.id, room, seq });
        self.note(room, event);
        Ok(())
    }

    /// G8.
    pub(super) fn rights(
        &mut self,
        at: ConnectionKey,
        user: UserKey,
        rights: &Rights,
    ) -> Result<(), Refusal> {
        let room = self.member_room(user, rights.room)?;
        let after = rights.after.map_or(0, |after| after.get());
        let sees_all = self.may_moderate(room, user);
        let mut rest = Vec::new();
        for (about, standing) in &self[room].rights.standings {
            let id = self.known.user_id(*about);
            let shown = Standing { name: standing.name.clone(), role: standing.role, ..Standing::default() };
            let shown = if sees_all { standing.clone() } else { shown };
            if id > after && !shown.is_ordinary() {
                rest.push((id, self.role_number(room, *about), shown));
            }
        }
        rest.sort_by_key(|(id, ..)| *id);
        let Mode { slow_seconds, .. } = self[room].rights.mode;
        let listing = Listing {
            mode: self[room].rights.mode.bits(),
            slow_seconds,
            role: self.role_number(room, user),
            rest,
        };
        self.expect(at, Expected::RightsPage { id: rights.id, room, listing });
        Ok(())
    }
}
