//! `#operators`: what is done there is done on the whole server (O).

use palabre_core::{error::RefusalCode, ids::RoomId};

use super::{
    ConnectionKey, Divergence, Expected, Hold, Logged, Model, Refusal, Room, RoomKey, RoomKind, UserKey,
    accounts::REFUSED,
    names,
    rights::{Role, Standing},
};

/// The name of the operators' room (O1).
pub(super) const OPERATORS: &str = "#operators";
/// What is written where the first operator is made.
pub(super) const APPOINTED: &str = "on the server's own machine";

/// The kinds of two events (M).
const OWNED: u8 = 14;
const NOTED: u8 = 15;
/// What acts are called (O5), by their number.
const NAMES: [&str; 15] = [
    "", "", "", "", "mode", "invite", "uninvite", "kick", "ban", "unban", "mute", "unmute", "op", "deop",
    "owner",
];

impl Model {
    pub(super) fn operators(&self) -> Option<RoomKey> {
        (0..self.rooms.len()).map(RoomKey).find(|room| self.is_operators(*room))
    }

    pub(super) fn is_operators(&self, room: RoomKey) -> bool {
        self[room].name() == Some(OPERATORS)
    }

    /// O1: whether it would be taken for the name of the operators' room.
    pub(super) fn is_operators_name(name: &str) -> bool {
        names::fold(name) == OPERATORS
    }

    /// O1.
    pub(super) fn is_operator(&self, user: UserKey) -> bool {
        self.operators().is_some_and(|room| self.role(room, user) > Role::Member)
    }

    /// O1: on the server's own machine an account is made an owner of the room, which there is from then on.
    pub(super) fn appoint(&mut self, user: UserKey, id: RoomId) -> Result<(), Divergence> {
        let room = self.operators().unwrap_or_else(|| {
            self.rooms.push(Room::new(RoomKind::Named(OPERATORS.into())));
            RoomKey(self.rooms.len() - 1)
        });
        self[room].rights.mode.private = true;
        self[room].members.insert(user);
        let name = self[user].nick.clone();
        let before = self[room].rights.standings.get(&user).cloned().unwrap_or_default();
        self.write_standing(room, user, Standing { name: name.clone(), role: Role::Owner, ..before });
        let about = Some((user, name.clone(), None));
        self.log(room, Logged { author: user, nick: name, kind: OWNED, text: APPOINTED.into(), about });
        self.known.learn_room(room, id)
    }

    /// O3: whether somebody is kept from the server.
    pub(super) fn judge_entry(&self, user: UserKey) -> Result<(), Refusal> {
        let banned = self.operators().is_some_and(|room| self.is_banned(room, user));
        if banned { Err(Refusal::new(RefusalCode::Banned)) } else { Ok(()) }
    }

    /// O3, O4: why nobody new may come by this name.
    pub(super) fn why_nobody_by_name(&self, nick: &str) -> Vec<RefusalCode> {
        let banned = self.operators().is_some_and(|room| self.is_name_banned(room, nick));
        let closed = self.operators().is_some_and(|room| self[room].rights.mode.closed);
        let mut codes = Vec::new();
        codes.extend(closed.then_some(RefusalCode::Lockdown));
        codes.extend(banned.then_some(RefusalCode::Banned));
        codes
    }

    /// O3, O4: why somebody posts nowhere.
    pub(super) fn why_not_post_anywhere(&self, user: UserKey) -> Vec<RefusalCode> {
        let Some(operators) = self.operators() else { return Vec::new() };
        let mut codes = Vec::new();
        codes.extend(self.is_banned(operators, user).then_some(RefusalCode::Banned));
        codes.extend(self.is_muted(operators, user).then_some(RefusalCode::Muted));
        let locked = self[operators].rights.mode.read_only && !self.is_operator(user);
        codes.extend(locked.then_some(RefusalCode::Lockdown));
        codes
    }

    /// O3: who is banned from the server is put out of it; who waits by a password is judged when its turn comes (O4).
    pub(super) fn expel(&mut self, user: UserKey) {
        let is_in = |key: &ConnectionKey| !matches!(self[*key].hold, Some(Hold::New { .. }));
        for connection in self.connections_of(user).filter(is_in).collect::<Vec<_>>() {
            self.expect(connection, Expected::Goodbye { reason: REFUSED });
            self.end(connection, false);
        }
    }

    /// O5.
    pub(super) fn note(&mut self, room: RoomKey, done: Logged) {
        let Some(operators) = self.operators().filter(|operators| *operators != room) else { return };
        let (name, act) = (self[room].name().unwrap_or_default(), NAMES[usize::from(done.kind)]);
        let colon = if done.text.is_empty() { "" } else { ": " };
        let text = format!("{name} {act}{colon}{}", done.text);
        self.log(operators, Logged { kind: NOTED, text, ..done });
    }
}
