//! The rights in a room as they are at this moment (`PROTOCOL.md` G2): what storage has, less what acts under way take.

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use core::time::Duration;

use super::User;
use crate::{
    ids::{ConnectionId, Seq, UserId},
    rights::{RightChange, Role, RoomChange, RoomMode, Standing, Term},
    time::Monotonic,
    wire::role,
};

/// The rights in one room.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    mode: RoomMode,
    /// Whether it is private whatever its mode says: the operators' room.
    always_private: bool,
    standings: BTreeMap<UserId, Held>,
    /// Guests among them by folded name: a ban or a mute is of the name, too (G5).
    guests: BTreeMap<Arc<str>, UserId>,
    under_way: Vec<UnderWay>,
    last_act: u64,
    /// When somebody posted last, while the room is slow.
    posted: BTreeMap<UserId, Monotonic>,
}

/// A standing, with its ends in the time that only goes forward.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) standing: Standing,
    banned_until: Option<Monotonic>,
    muted_until: Option<Monotonic>,
}

/// When the ban and the mute of a change or a record end, by the monotonic clock; `None` for never.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ends {
    pub(crate) banned: Option<Monotonic>,
    pub(crate) muted: Option<Monotonic>,
}

/// An act that storage has not answered.
#[derive(Debug)]
pub(crate) struct UnderWay {
    /// Which, among those of the room.
    number: u64,
    change: RoomChange,
    /// Whether the user is a member again if it fails.
    pub(crate) was_member: bool,
    /// The connections that followed the room, and the first event each was not sent.
    pub(crate) followed: Vec<(ConnectionId, Seq)>,
}

/// Somebody as rights see them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who<'a> {
    pub(crate) user: UserId,
    /// The folded name of a guest; an account is known by its id alone.
    pub(crate) guest_name: Option<&'a Arc<str>>,
}

impl<'a> Who<'a> {
    pub(crate) fn of(user: &'a User) -> Self {
        Self { user: user.id, guest_name: (!user.is_account()).then(|| user.key.folded()) }
    }
}

impl Rights {
    pub(crate) fn new(mode: RoomMode, always_private: bool) -> Self {
        let rights = Self { always_private, ..Self::default() };
        Self { mode: rights.possible(mode), ..rights }
    }

    /// The mode, but for what the room is whatever its mode says.
    pub(crate) const fn possible(&self, mode: RoomMode) -> RoomMode {
        RoomMode { private: mode.private || self.always_private, ..mode }
    }

    /// Takes up what storage had.
    pub(crate) fn restore(&mut self, standing: Standing, guest_name: Option<Arc<str>>, ends: Ends) {
        if let Some(name) = guest_name {
            self.guests.insert(name, standing.user);
        }
        let Ends { banned: banned_until, muted: muted_until } = ends;
        self.standings.insert(standing.user, Held { standing, banned_until, muted_until });
    }

    /// What kind of room it is: as strict as it is, or is about to be.
    pub(crate) fn mode(&self) -> RoomMode {
        let about_to_be = self.under_way.iter().filter_map(|act| match act.change {
            RoomChange::Mode(mode) => Some(mode),
            RoomChange::Right(..) => None,
        });
        about_to_be.fold(self.mode, RoomMode::stricter)
    }

    /// What kind of room storage has it to be.
    pub(crate) const fn stored_mode(&self) -> RoomMode {
        self.mode
    }

    /// What somebody is: the least of what it is and is about to be.
    pub(crate) fn role(&self, user: UserId) -> Role {
        let held = self.stored_role(user);
        let about_to_be = self.about(user).filter_map(|change| match change {
            RightChange::Role(role) => Some(role),
            RightChange::Banned(Some(_)) => Some(Role::Member),
            RightChange::Banned(None)
            | RightChange::Invited(_)
            | RightChange::Kicked
            | RightChange::Muted(_) => None,
        });
        about_to_be.fold(held, Role::min)
    }

    fn stored_role(&self, user: UserId) -> Role {
        self.standings.get(&user).map_or(Role::Member, |held| held.standing.role)
    }

    /// Those whose role is not below this one.
    pub(crate) fn not_below(&self, role: Role) -> impl Iterator<Item = UserId> {
        let standings = self.standings.values().map(|held| &held.standing);
        standings.filter(move |standing| standing.role >= role).map(|standing| standing.user)
    }

    /// The number that members are shown, where a role says more than what kind of user it is.
    pub(crate) fn shown_role(&self, user: UserId) -> Option<u8> {
        match self.stored_role(user) {
            Role::Member => None,
            Role::Moderator => Some(role::MODERATOR),
            Role::Owner => Some(role::OWNER),
        }
    }

    pub(crate) fn is_invited(&self, user: UserId) -> bool {
        let taken_back = self.about(user).any(|change| {
            matches!(change, RightChange::Invited(false) | RightChange::Kicked | RightChange::Banned(Some(_)))
        });
        !taken_back && self.standings.get(&user).is_some_and(|held| held.standing.invited)
    }

    /// Whether somebody is kept out, and until when; `None` within for good or for a time not known yet.
    pub(crate) fn ban(&self, who: Who<'_>, now: Monotonic) -> Option<Option<Monotonic>> {
        if self.is_about(who, |change| matches!(change, RightChange::Banned(Some(_)))) {
            return Some(None);
        }
        self.held(who).find_map(|held| held.ban(now))
    }

    /// Whether somebody is kept from posting, and until when.
    pub(crate) fn mute(&self, who: Who<'_>, now: Monotonic) -> Option<Option<Monotonic>> {
        if self.is_about(who, |change| matches!(change, RightChange::Muted(Some(_)))) {
            return Some(None);
        }
        self.held(who).find_map(|held| held.mute(now))
    }

    /// What is known of somebody: by id, and by name where it is a guest.
    fn held(&self, who: Who<'_>) -> impl Iterator<Item = &Held> {
        let namesake = who.guest_name.and_then(|name| self.guests.get(name)).filter(|id| **id != who.user);
        [Some(who.user), namesake.copied()].into_iter().flatten().filter_map(|id| self.standings.get(&id))
    }

    fn about(&self, user: UserId) -> impl Iterator<Item = RightChange> {
        self.under_way.iter().filter_map(move |act| match act.change {
            RoomChange::Right(about, change) if about == user => Some(change),
            RoomChange::Right(..) | RoomChange::Mode(_) => None,
        })
    }

    /// Whether such a change is under way about somebody, or about a guest of the same name.
    fn is_about(&self, who: Who<'_>, is_such: impl Fn(RightChange) -> bool) -> bool {
        let namesake = who.guest_name.and_then(|name| self.guests.get(name)).copied();
        self.about(who.user).any(&is_such)
            || namesake.is_some_and(|namesake| self.about(namesake).any(&is_such))
    }

    /// The mode that acts under way lead to, if they all succeed.
    pub(crate) fn coming_mode(&self) -> RoomMode {
        let coming = self.under_way.iter().rev().find_map(|act| match act.change {
            RoomChange::Mode(mode) => Some(mode),
            RoomChange::Right(..) => None,
        });
        coming.unwrap_or(self.mode)
    }

    /// The user of this folded name that something is particular about: whom one means who takes something back.
    pub(crate) fn named(&self, folded: &Arc<str>) -> Option<&Standing> {
        let guest = self.guests.get(folded).and_then(|user| self.standings.get(user));
        guest.map(|held| &held.standing)
    }

    pub(crate) fn standing(&self, user: UserId) -> Option<&Held> {
        self.standings.get(&user)
    }

    /// Standings of users with a higher id, ascending.
    pub(crate) fn standings_after(&self, after: UserId) -> impl Iterator<Item = &Held> {
        use core::ops::Bound::{Excluded, Unbounded};
        self.standings.range((Excluded(after), Unbounded)).map(|(_, held)| held)
    }

    /// Whether there is space for a standing of one more user; those whose terms are over give way.
    pub(crate) fn has_space(&mut self, user: UserId, most: usize, now: Monotonic) -> bool {
        if self.standings.contains_key(&user) {
            return true;
        }
        if self.standings.len() + self.under_way.len() >= most {
            self.standings.retain(|_, held| !held.is_over(now));
            self.guests.retain(|_, user| self.standings.contains_key(user));
        }
        self.standings.len() + self.under_way.len() < most
    }

    /// An act is handed to storage: what it takes is taken from now on. Its number is for the answer.
    pub(crate) fn submit(
        &mut self,
        change: RoomChange,
        was_member: bool,
        followed: Vec<(ConnectionId, Seq)>,
    ) -> u64 {
        self.last_act += 1;
        let number = self.last_act;
        self.under_way.push(UnderWay { number, change, was_member, followed });
        number
    }

    /// Whether an act that puts somebody out is under way.
    pub(crate) fn is_being_put_out(&self, user: UserId) -> bool {
        self.about(user).any(RightChange::ends_membership)
    }

    /// A user that an act puts out turned out to have become a member before it.
    pub(crate) fn note_member(&mut self, user: UserId) {
        for act in &mut self.under_way {
            if matches!(act.change, RoomChange::Right(about, change) if about == user && change.ends_membership())
            {
                act.was_member = true;
            }
        }
    }

    /// A connection that followed the room is not to follow it again if the act fails.
    pub(crate) fn forget_cursor(&mut self, connection: ConnectionId) {
        for act in &mut self.under_way {
            act.followed.retain(|(followed, _)| *followed != connection);
        }
    }

    /// Storage has answered an act.
    pub(crate) fn answered(&mut self, number: u64) -> Option<UnderWay> {
        let index = self.under_way.iter().position(|act| act.number == number)?;
        Some(self.under_way.remove(index))
    }

    /// Storage has made a change.
    pub(crate) fn apply(
        &mut self,
        change: RoomChange,
        name: Arc<str>,
        guest_name: Option<Arc<str>>,
        ends: Ends,
    ) {
        match change {
            RoomChange::Mode(mode) => {
                self.mode = self.possible(mode);
                if mode.slow_seconds == 0 {
                    self.posted = BTreeMap::new();
                }
            }
            RoomChange::Right(user, change) => {
                let held = self.standings.entry(user).or_insert_with(|| Held {
                    standing: Standing::new(user, Arc::clone(&name)),
                    banned_until: None,
                    muted_until: None,
                });
                held.standing.name = name;
                held.standing.apply(change);
                match change {
                    RightChange::Banned(_) => held.banned_until = ends.banned,
                    RightChange::Muted(_) => held.muted_until = ends.muted,
                    RightChange::Role(_) | RightChange::Invited(_) | RightChange::Kicked => {}
                }
                if held.standing.is_ordinary() {
                    self.standings.remove(&user);
                    self.guests.retain(|_, guest| *guest != user);
                } else if let Some(guest_name) = guest_name {
                    self.guests.insert(guest_name, user);
                }
            }
        }
    }

    /// How long somebody has to wait until its next message; notes one that is sent now.
    pub(crate) fn slow_down(&mut self, user: UserId, users_max: usize, now: Monotonic) -> Option<Duration> {
        let slow = Duration::from_secs(u64::from(self.mode().slow_seconds));
        if slow.is_zero() {
            return None;
        }
        let free_at = self.posted.get(&user).map(|posted| posted.after(slow));
        if let Some(wait) = free_at.map(|at| at.since(now)).filter(|wait| !wait.is_zero()) {
            return Some(wait);
        }
        if self.posted.len() >= users_max {
            self.posted.retain(|_, posted| posted.after(slow) > now);
        }
        if self.posted.len() >= users_max && !self.posted.contains_key(&user) {
            return Some(slow);
        }
        self.posted.insert(user, now);
        None
    }

    /// What was noted by the last [`slow_down`](Self::slow_down) was nothing new, or is not stored: whoever sent it had
    /// waited long enough, and need not wait again.
    pub(crate) fn unsaid(&mut self, user: UserId) {
        self.posted.remove(&user);
    }
}

impl Held {
    pub(crate) fn ban(&self, now: Monotonic) -> Option<Option<Monotonic>> {
        running(self.standing.banned, self.banned_until, now)
    }

    pub(crate) fn mute(&self, now: Monotonic) -> Option<Option<Monotonic>> {
        running(self.standing.muted, self.muted_until, now)
    }

    /// Whether nothing particular is left.
    fn is_over(&self, now: Monotonic) -> bool {
        let Standing { role, invited, .. } = self.standing;
        role == Role::Member && !invited && self.ban(now).is_none() && self.mute(now).is_none()
    }
}

fn running(term: Option<Term>, until: Option<Monotonic>, now: Monotonic) -> Option<Option<Monotonic>> {
    term.filter(|_| until.is_none_or(|until| until > now)).map(|_| until)
}
