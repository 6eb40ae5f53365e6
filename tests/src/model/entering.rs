//! Hello, guests, resuming, places and the queue (V, E); how a connection and a user end (K3, K5).

use std::time::Duration;

use palabre_core::{
    error::{ProtocolError, RefusalCode},
    time::Now,
    wire::{Away, Guest, Hello, Rename, Resume, VERSION, state},
};

use super::{
    About, ConnectionKey, Expected, Hold, Model, Phase, Refusal, Standing, Suggestion, User, UserKey,
    known::Holder, names,
};

/// The reasons of a server's `Goodbye` (K3).
const SUPERSEDED: u8 = 3;
const SERVER_FULL: u8 = 6;

impl Model {
    /// V1, V2.
    pub(super) fn hello(&mut self, at: ConnectionKey, hello: &Hello<'_>) -> bool {
        if hello.first > hello.last {
            return self.fail(at, ProtocolError::MalformedBody);
        }
        if !(hello.first..=hello.last).contains(&VERSION) {
            return self.fail(at, ProtocolError::VersionUnsupported);
        }
        self[at].phase = Phase::Greeted;
        self[at].session = hello.session.unwrap_or_default();
        self.expect(at, Expected::Welcome)
    }

    /// E1–E4: a new guest.
    pub(super) fn guest(&mut self, at: ConnectionKey, guest: &Guest<'_>) -> bool {
        self.abandon(at);
        let mut codes = self.why_nobody_by_name(guest.nick);
        match self.judge_nick(guest.nick, None) {
            Err(refusal) if codes.is_empty() => return self.refuse(at, guest.id, refusal),
            Err(refusal) => codes.extend(refusal.codes),
            Ok(()) => {}
        }
        if !codes.is_empty() {
            return self.refuse(at, guest.id, Refusal::any_of(codes));
        }
        if self.is_full() {
            return self.turn_away(at, guest.id);
        }
        let nick = guest.nick.into();
        self.users.push(User { nick, away: false, standing: Standing::Newcomer, account: None });
        self.enter_or_wait(at, UserKey(self.users.len() - 1), guest.id);
        true
    }

    /// E6, E7, A7: a guest that comes back, or an account.
    pub(super) fn resume(&mut self, at: ConnectionKey, resume: &Resume) -> bool {
        self.abandon(at);
        let user = match self.known.holder(resume.token) {
            Some(Holder::Device(device)) if self.is_good(device) => {
                let user = self[device].user;
                return self.enter_by_account(at, user, Hold::Device(device), resume.id);
            }
            Some(Holder::Guest(user)) if !self.is_gone(user) => user,
            Some(_) | None => {
                return self.refuse(at, resume.id, Refusal::new(RefusalCode::TokenUnknown));
            }
        };
        if let Err(refusal) = self.judge_entry(user) {
            return self.refuse(at, resume.id, refusal);
        }
        let older = self.connections_of(user).next();
        if let Some(older) = older {
            self.supersede(older, at, user, resume.id);
        } else if self.is_full() {
            return self.turn_away(at, resume.id);
        } else {
            self.enter_or_wait(at, user, resume.id);
        }
        true
    }

    /// E9: at once, or when a place is free.
    pub(super) fn enter_or_wait(&mut self, at: ConnectionKey, user: UserKey, id: u32) {
        if self.has_place() {
            self.enter(at, user, id);
        } else if self.resumes(at, user) {
            self.wait_returning(at, user, id);
        } else {
            self.wait(at, user, id, self.queue.len());
        }
    }

    /// E10.
    pub(super) fn is_full(&self) -> bool {
        !self.has_place() && self.queue.len() >= self.limits.queue_max as usize
    }

    /// E7: the newer connection takes over the place, or waits at the end of those who resume.
    pub(super) fn supersede(
        &mut self,
        older: ConnectionKey,
        newer: ConnectionKey,
        user: UserKey,
        request: u32,
    ) {
        self.expect(older, Expected::Goodbye { reason: SUPERSEDED });
        self.close(older);
        match self.queue.iter().position(|waiting| *waiting == older) {
            None => self.enter(newer, user, request),
            Some(index) => {
                self.queue.remove(index);
                self.wait_returning(newer, user, request);
            }
        }
    }

    /// E11.
    pub(super) fn rename(
        &mut self,
        at: ConnectionKey,
        user: UserKey,
        rename: &Rename<'_>,
    ) -> Result<(), Refusal> {
        let judged = self.judge_nick(rename.nick, Some(user));
        if self.is_account(user) {
            let mut codes = vec![RefusalCode::NotPossible];
            codes.extend(judged.err().map(|refusal| refusal.codes).unwrap_or_default());
            return Err(Refusal::any_of(codes));
        }
        judged?;
        self[user].nick = rename.nick.into();
        self.expect(at, Expected::Done { id: rename.id });
        Ok(())
    }

    /// W3.
    pub(super) fn away(&mut self, at: ConnectionKey, user: UserKey, away: &Away) -> Result<(), Refusal> {
        self[user].away = away.away;
        self.expect(at, Expected::Done { id: away.id });
        Ok(())
    }

    /// E2, E3: whether `nick` may be the name of `owner`, or of a newcomer.
    pub(super) fn judge_nick(&self, nick: &str, owner: Option<UserKey>) -> Result<(), Refusal> {
        let about = About::Perhaps(nick.into());
        if !names::is_valid(nick, names::NICK_BYTES_MAX) {
            return Err(Refusal::new(RefusalCode::NameInvalid).about(about));
        }
        let taken = |same: fn(&str) -> String| {
            let users = self.present_but(owner).map(|(_, user)| user.nick.as_str());
            users.chain(self.reserved_names()).any(|taken| same(taken) == same(nick))
        };
        let code = if taken(names::fold) {
            RefusalCode::NameInUse
        } else if taken(names::skeleton) {
            RefusalCode::NameLooksAlike
        } else {
            return Ok(());
        };
        Err(Refusal::new(code).about(about).suggesting(Suggestion::FreeNick(owner)))
    }

    /// Whether a suggestion holds: `owner`, or a newcomer, could take it.
    pub(super) fn is_free(&self, nick: &str, owner: Option<UserKey>) -> bool {
        self.judge_nick(nick, owner).is_ok()
    }

    /// Everybody who is present, lost or waiting, but for one.
    pub(super) fn present_but(&self, one: Option<UserKey>) -> impl Iterator<Item = (UserKey, &User)> {
        let users = self.users.iter().enumerate().map(|(index, user)| (UserKey(index), user));
        users.filter(move |(key, user)| Some(*key) != one && !matches!(user.standing, Standing::Gone { .. }))
    }

    /// Who has this name, among those who have entered (R6).
    pub(super) fn user_named(&self, nick: &str) -> Option<UserKey> {
        let folded = names::fold(nick);
        self.entered_but(None).find(|(_, user)| names::fold(&user.nick) == folded).map(|(key, _)| key)
    }

    pub(super) fn is_gone(&self, user: UserKey) -> bool {
        matches!(self[user].standing, Standing::Gone { .. })
    }

    /// Everybody who has entered and is still present or lost, but for one.
    pub(super) fn entered_but(&self, one: Option<UserKey>) -> impl Iterator<Item = (UserKey, &User)> {
        self.present_but(one).filter(|(_, user)| user.standing != Standing::Newcomer)
    }

    /// The connections that a user is on, with a place or waiting for one: one of a guest, any number of an account.
    pub(super) fn connections_of(&self, wanted: UserKey) -> impl Iterator<Item = ConnectionKey> {
        let is_on = move |key: &ConnectionKey| match self[*key].phase {
            Phase::Ready { user } | Phase::Waiting { user, .. } => user == wanted,
            Phase::Connected | Phase::Greeted | Phase::Closed => false,
        };
        self.connection_keys().filter(is_on)
    }

    /// Those of them that have a place.
    pub(super) fn ready_connections_of(&self, user: UserKey) -> Vec<ConnectionKey> {
        self.connections_of(user).filter(|key| matches!(self[*key].phase, Phase::Ready { .. })).collect()
    }

    /// E9: whether a place is free.
    fn has_place(&self) -> bool {
        let taken = self.connections.iter().filter(|one| matches!(one.phase, Phase::Ready { .. })).count();
        taken < self.limits.clients_max as usize
    }

    /// E9: by a token, not by a name or a password.
    fn resumes(&self, at: ConnectionKey, user: UserKey) -> bool {
        self[user].standing != Standing::Newcomer && !matches!(self[at].hold, Some(Hold::New { .. }))
    }

    fn is_returning(&self, waiting: ConnectionKey) -> bool {
        match self[waiting].phase {
            Phase::Waiting { user, .. } => self.resumes(waiting, user),
            Phase::Connected | Phase::Greeted | Phase::Ready { .. } | Phase::Closed => false,
        }
    }

    /// E10.
    pub(super) fn turn_away(&mut self, at: ConnectionKey, id: u32) -> bool {
        self.expect(at, Expected::Refused { id, refusal: Refusal::new(RefusalCode::ServerFull) });
        self.expect(at, Expected::Goodbye { reason: SERVER_FULL });
        self.end(at, false);
        false
    }

    fn enter(&mut self, at: ConnectionKey, user: UserKey, request: u32) {
        self[user].away = false;
        self[user].standing = Standing::Present;
        self.see_device(at, user);
        self[at].phase = Phase::Ready { user };
        let mut rooms: Vec<_> = self.rooms_of(user).into_iter().map(|room| self.face(room, user)).collect();
        rooms.sort_by_key(|face| self.known.room_id(face.room));
        let nick = self[user].nick.clone();
        let holder = match self[at].hold {
            Some(Hold::Device(device)) => Holder::Device(device),
            Some(Hold::New { .. }) | None => Holder::Guest(user),
        };
        self.expect(at, Expected::Ready { id: request, user, holder, nick, rooms });
    }

    /// E9: those who resume stand before those who are new.
    fn wait_returning(&mut self, at: ConnectionKey, user: UserKey, request: u32) {
        let returning = self.queue.iter().filter(|other| self.is_returning(**other)).count();
        if let Standing::Lost { expires_wall, .. } = self[user].standing {
            self[user].standing = Standing::Returning { expires_wall };
        }
        self.wait(at, user, request, returning);
    }

    fn wait(&mut self, at: ConnectionKey, user: UserKey, request: u32, index: usize) {
        self.queue.insert(index, at);
        self[at].phase = Phase::Waiting { user, request, told: 0 };
        self.tell_positions();
    }

    /// E9: each is told when its position changed.
    fn tell_positions(&mut self) {
        for (waiting, position) in self.queue.clone().into_iter().zip(1..) {
            if let Phase::Waiting { user, request, told } = self[waiting].phase
                && told != position
            {
                self[waiting].phase = Phase::Waiting { user, request, told: position };
                self.expect(waiting, Expected::Waiting { position });
            }
        }
    }

    /// E9: places that are free go to those who wait.
    fn fill_places(&mut self) {
        while self.has_place() && !self.queue.is_empty() {
            let next = self.queue.remove(0);
            let Phase::Waiting { user, request, .. } = self[next].phase else { continue };
            let outdated = matches!(self[next].hold, Some(Hold::New { by, .. }) if !self.is_still(user, by));
            let judged = self.judge_again(user);
            if judged.is_ok() && !outdated {
                self.enter(next, user, request);
                continue;
            }
            self[next].phase = Phase::Greeted;
            self[next].entering = self.now.monotonic;
            if self[user].standing == Standing::Newcomer {
                self.remove_user(user, state::GONE);
            }
            match judged {
                Err(refusal) => self.refuse(next, request, refusal),
                Ok(()) => self.login_failed(next, request),
            };
        }
        self.tell_positions();
    }

    /// O4: whoever waited is judged again.
    fn judge_again(&self, user: UserKey) -> Result<(), Refusal> {
        if self[user].standing != Standing::Newcomer {
            return self.judge_entry(user);
        }
        let codes = self.why_nobody_by_name(&self[user].nick);
        if codes.is_empty() { Ok(()) } else { Err(Refusal::any_of(codes)) }
    }

    /// The end of a connection, and of its user's stay if it is leaving (K3) or nobody could come back (E6, K5).
    pub(super) fn end(&mut self, at: ConnectionKey, leaving: bool) -> bool {
        let user = match self[at].phase {
            Phase::Ready { user } | Phase::Waiting { user, .. } => Some(user),
            Phase::Connected | Phase::Greeted | Phase::Closed => None,
        };
        self.close(at);
        self.queue.retain(|waiting| *waiting != at);
        if let Some(user) = user {
            if self.is_account(user) && self[user].standing != Standing::Newcomer {
                self.leave_account(at, user);
            } else if leaving || self[user].standing == Standing::Newcomer {
                self.remove_user(user, state::GONE);
            } else {
                self[user].standing = self.lost_for(self.limits.guest_kept);
            }
        }
        self.fill_places();
        true
    }

    pub(super) fn close(&mut self, at: ConnectionKey) {
        self.abandon(at);
        self[at].phase = Phase::Closed;
        self[at].follows.clear();
    }

    /// Lost from now on, for so long (E6).
    pub(super) fn lost_for(&self, left: Duration) -> Standing {
        let Now { monotonic, wall } = self.now;
        Standing::Lost { expires: monotonic.after(left), expires_wall: wall.after(left) }
    }
}
