//! Rooms, direct conversations and cursors (R, C).

use std::collections::BTreeSet;

use palabre_core::{
    error::RefusalCode,
    ids::{RoomId, Seq},
    wire::{Direct, Follow, Join, Members, Part, Rooms},
};

use super::{
    About, ConnectionKey, Expected, Model, Refusal, Room, RoomKey, RoomKind, Suggestion, UserKey,
    expected::Face,
    names,
    presence::View,
    rights::{Rights, Role, Standing},
};

/// The room that always exists (R3).
const LOBBY: RoomKey = RoomKey(0);

impl Model {
    /// R1, R2, R7.
    pub(super) fn join(&mut self, at: ConnectionKey, user: UserKey, join: &Join<'_>) -> Result<(), Refusal> {
        let about = About::Perhaps(join.name.into());
        if !names::is_valid_room(join.name, names::ROOM_BYTES_MAX) {
            return Err(Refusal::new(RefusalCode::NameInvalid).about(about));
        }
        let existing = self.room_named(join.name, names::fold);
        if existing.is_none() && Self::is_operators_name(join.name) {
            return Err(Refusal::new(RefusalCode::NotAllowed));
        }
        let is_member = existing.is_some_and(|room| self[room].members.contains(&user));
        let named = self.rooms_of(user).iter().filter(|room| self[**room].name().is_some()).count();
        let full = !is_member && named >= self.limits.user_rooms_max;
        let alike = existing.is_none() && self.room_named(join.name, names::skeleton).is_some();
        if let Some(room) = existing.filter(|_| !is_member) {
            let mut codes = self.why_not_join(room, user);
            if !codes.is_empty() {
                codes.extend(full.then_some(RefusalCode::RoomLimit));
                return Err(Refusal::any_of(codes));
            }
        }
        let refusal = match (alike, full) {
            (false, false) => None,
            (true, false) => Some(Refusal::new(RefusalCode::NameLooksAlike).about(about)),
            (false, true) => {
                let whose = About::OneOf(vec![self[user].nick.clone()]);
                Some(Refusal::new(RefusalCode::RoomLimit).about(whose))
            }
            (true, true) => Some(Refusal::any_of(vec![RefusalCode::NameLooksAlike, RefusalCode::RoomLimit])),
        };
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        let room = existing.unwrap_or_else(|| self.create_owned(join.name, user));
        if self[room].members.insert(user) {
            self.mark_joined(user, room);
            self.tell_opened(room, user, Some(at));
        }
        self.joined(at, user, join.id, room, join.after);
        Ok(())
    }

    /// R5.
    pub(super) fn part(&mut self, at: ConnectionKey, user: UserKey, part: &Part) -> Result<(), Refusal> {
        let room = self.existing_room(part.room)?;
        let is_member = self[room].members.contains(&user);
        if self[room].name().is_none() {
            let mut codes = vec![RefusalCode::NotPossible];
            codes.extend((!is_member).then_some(RefusalCode::NotAMember));
            return Err(Refusal::any_of(codes));
        }
        self.member_room(user, part.room)?;
        self[room].members.remove(&user);
        self.unmark(user, room);
        for connection in self.ready_connections_of(user) {
            self[connection].follows.remove(&room);
            self.excuse_events(connection, room);
            if connection != at {
                self.expect(connection, Expected::Parted { room });
            }
        }
        self.cease_if_empty(room);
        self.expect(at, Expected::Done { id: part.id });
        Ok(())
    }

    /// R5: what was posted just before may reach the one who parts, or not.
    fn excuse_events(&mut self, at: ConnectionKey, room: RoomKey) {
        let is_event =
            |expected: &mut Expected| matches!(expected, Expected::Event { room: of, .. } if *of == room);
        let excused: Vec<_> = self[at].expected.extract_if(.., is_event).collect();
        self[at].optional.extend(excused);
    }

    /// C1.
    pub(super) fn follow(
        &mut self,
        at: ConnectionKey,
        user: UserKey,
        follow: &Follow,
    ) -> Result<(), Refusal> {
        let room = self.member_room(user, follow.room)?;
        self.joined(at, user, follow.id, room, follow.after);
        Ok(())
    }

    /// R6, R7.
    pub(super) fn direct(
        &mut self,
        at: ConnectionKey,
        user: UserKey,
        direct: &Direct<'_>,
    ) -> Result<(), Refusal> {
        let Some(other) = self.user_named(direct.nick) else {
            let mut codes = vec![RefusalCode::NoSuchUser];
            let valid = names::is_valid(direct.nick, names::NICK_BYTES_MAX);
            codes.extend((!valid).then_some(RefusalCode::NameInvalid));
            let refusal = Refusal::any_of(codes).about(About::Perhaps(direct.nick.into()));
            return Err(refusal.suggesting(Suggestion::Somebody(user)));
        };
        if other == user {
            return Err(Refusal::new(RefusalCode::NotPossible));
        }
        let pair = (user.min(other), user.max(other));
        let existing = self.live_rooms().find(|room| self[*room].pair() == Some(pair));
        let room = match existing {
            Some(room) => room,
            None => self.open_direct(at, user, other)?,
        };
        self.joined(at, user, direct.id, room, direct.after);
        Ok(())
    }

    fn open_direct(&mut self, at: ConnectionKey, user: UserKey, other: UserKey) -> Result<RoomKey, Refusal> {
        let directs =
            |of: UserKey| self.rooms_of(of).iter().filter(|room| self[**room].name().is_none()).count();
        let full = |of: &UserKey| directs(*of) >= self.limits.user_directs_max;
        let whose: Vec<_> = [user, other].into_iter().filter(full).collect();
        if !whose.is_empty() {
            let nicks = whose.into_iter().map(|of| self[of].nick.clone()).collect();
            return Err(Refusal::new(RefusalCode::RoomLimit).about(About::OneOf(nicks)));
        }
        let room = self.create(RoomKind::Direct(user.min(other), user.max(other)));
        self[room].members = BTreeSet::from([user, other]);
        self.tell_opened(room, other, None);
        self.tell_opened(room, user, Some(at));
        Ok(room)
    }

    /// R6, A9: all connections of a user but one are told of a room that it is in now.
    fn tell_opened(&mut self, room: RoomKey, user: UserKey, but: Option<ConnectionKey>) {
        for connection in self.ready_connections_of(user) {
            if Some(connection) != but {
                let face = self.face(room, user);
                self.expect(connection, Expected::Opened { room: face });
            }
        }
    }

    /// R4, C1, C3, C4: the snapshot, then the events after the cursor.
    fn joined(&mut self, at: ConnectionKey, user: UserKey, id: u32, room: RoomKey, after: Option<Seq>) {
        let face = self.face(room, user);
        let (first, last) = (face.first, face.last);
        let members = self.member_count(room);
        self.expect(at, Expected::Joined { id, room: face, members });
        let view = View::new(self.roster(room));
        self[at].follows.insert(room, view);
        let mut after = after.map_or(last, |after| after.get().min(last));
        if after + 1 < first {
            self.expect(at, Expected::Trimmed { room, first });
            after = first - 1;
        }
        for seq in after + 1..=last {
            let event = self[room].event(seq).clone();
            self.expect(at, Expected::Event { room, seq, event });
        }
    }

    /// R8.
    pub(super) fn members(
        &mut self,
        at: ConnectionKey,
        user: UserKey,
        members: &Members,
    ) -> Result<(), Refusal> {
        let room = self.member_room(user, members.room)?;
        let after = members.after.map_or(0, |after| after.get());
        let roster = self.roster(room).into_iter();
        let mut rest: Vec<_> = roster.map(|(key, seen)| (self.known.user_id(key), seen)).collect();
        rest.retain(|(id, ..)| *id > after);
        rest.sort();
        self.expect(at, Expected::MembersPage { id: members.id, room, rest });
        Ok(())
    }

    /// R8.
    pub(super) fn list_rooms(
        &mut self,
        at: ConnectionKey,
        user: UserKey,
        rooms: &Rooms,
    ) -> Result<(), Refusal> {
        let after = rooms.after.map_or(0, RoomId::get);
        let named =
            self.live_rooms().filter(|room| self[*room].name().is_some() && self.is_shown(*room, user));
        let mut rest: Vec<_> = named.filter(|room| self.known.room_id(*room) > after).collect();
        rest.sort_by_key(|room| self.known.room_id(*room));
        let listed = |room: RoomKey| (self.face(room, UserKey(0)), self.member_count(room));
        let rest = rest.into_iter().map(listed).collect();
        self.expect(at, Expected::RoomsPage { id: rooms.id, rest });
        Ok(())
    }

    /// R9: the room, for a member.
    pub(super) fn member_room(&self, user: UserKey, id: RoomId) -> Result<RoomKey, Refusal> {
        let room = self.existing_room(id)?;
        if self[room].members.contains(&user) { Ok(room) } else { Err(Refusal::new(RefusalCode::NotAMember)) }
    }

    fn existing_room(&self, id: RoomId) -> Result<RoomKey, Refusal> {
        let room = self.known.room(id).filter(|room| !self[*room].ceased);
        room.ok_or_else(|| Refusal::new(RefusalCode::NoSuchRoom))
    }

    fn live_rooms(&self) -> impl Iterator<Item = RoomKey> {
        (0..self.rooms.len()).map(RoomKey).filter(|room| !self[*room].ceased)
    }

    fn room_named(&self, name: &str, same: fn(&str) -> String) -> Option<RoomKey> {
        self.live_rooms().find(|room| self[*room].name().is_some_and(|other| same(other) == same(name)))
    }

    pub(super) fn rooms_of(&self, user: UserKey) -> Vec<RoomKey> {
        self.live_rooms().filter(|room| self[*room].members.contains(&user)).collect()
    }

    pub(super) fn member_count(&self, room: RoomKey) -> u32 {
        u32::try_from(self[room].members.len()).unwrap_or(u32::MAX)
    }

    /// G1: an account that creates a room owns it.
    fn create_owned(&mut self, name: &str, user: UserKey) -> RoomKey {
        let room = self.create(RoomKind::Named(name.into()));
        if self.is_account(user) {
            let name = self[user].nick.clone();
            self.write_standing(room, user, Standing { name, role: Role::Owner, ..Standing::default() });
        }
        room
    }

    fn create(&mut self, kind: RoomKind) -> RoomKey {
        self.rooms.push(Room::new(kind));
        RoomKey(self.rooms.len() - 1)
    }

    /// The room as `reader` sees it.
    pub(super) fn face(&self, room: RoomKey, reader: UserKey) -> Face {
        let with = self[room].pair().map(|(one, two)| {
            let other = if one == reader { two } else { one };
            let gone = self.is_gone(other);
            (other, (!gone).then(|| self[other].nick.clone()))
        });
        Face {
            room,
            name: self[room].name().unwrap_or_default().into(),
            topic: self[room].topic.clone(),
            first: self[room].first,
            last: self[room].last(),
            with,
        }
    }

    /// The user is no more; `state` says why in a `Change`.
    pub(super) fn remove_user(&mut self, user: UserKey, state: u8) {
        let rooms = self.rooms_of(user);
        self[user].standing = super::Standing::Gone { state };
        for room in rooms {
            self[room].members.remove(&user);
            self.cease_if_empty(room);
        }
    }

    /// R3, R6.
    fn cease_if_empty(&mut self, room: RoomKey) {
        let kept = room == LOBBY
            || self.is_operators(room)
            || (self[room].name().is_some() && self[room].last() > 0);
        if self[room].members.is_empty() && !kept {
            self[room].ceased = true;
        }
    }
}

impl Room {
    pub(super) fn new(kind: RoomKind) -> Self {
        Self {
            kind,
            topic: String::new(),
            members: BTreeSet::new(),
            rights: Rights::default(),
            first: 1,
            log: Vec::new(),
            ceased: false,
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        match &self.kind {
            RoomKind::Named(name) => Some(name),
            RoomKind::Direct(..) => None,
        }
    }

    pub(super) const fn pair(&self) -> Option<(UserKey, UserKey)> {
        match self.kind {
            RoomKind::Named(_) => None,
            RoomKind::Direct(one, two) => Some((one, two)),
        }
    }

    pub(super) const fn last(&self) -> u64 {
        self.log.len() as u64
    }

    pub(super) fn event(&self, seq: u64) -> &super::Logged {
        &self.log[usize::try_from(seq - 1).expect("a log fits into memory")]
    }
}
