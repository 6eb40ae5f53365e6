//! Who has which right, judged when the server hands requests to storage and when its bytes reach somebody.
//!
//! What is durable is never behind what the server was told, and what an act under way takes is taken: so a server that
//! asks for something that neither allows has overstepped (G2), whatever it thought.

use std::collections::{BTreeMap, BTreeSet};

use palabre_core::{
    ids::{RoomId, Seq, UserId},
    name::OPERATORS,
    rights::{RightChange, Role, RoomChange, RoomMode},
    storage::{
        DeviceRecord, EventFamily, EventKind, FileOperation, NewEvent, NewFile, Place, RoomKey,
        StorageOperation, TokenHash, Whose,
    },
    wire::Token,
};

use super::{Invariant, Violation, ensure};
use crate::{sometimes, store::Tables};

/// The ends of logs at some moment: what was there by then may still be on its way.
type Ends = BTreeMap<RoomId, Seq>;

/// What is under way, and what was taken.
#[derive(Debug, Default)]
pub struct Rights {
    acts: BTreeMap<u64, (RoomId, RoomChange, NewEvent)>,
    /// Whether the server knows of the operators' room: it is told of it at its start.
    has_house: bool,
    /// Who was put out of which room, and the last event that may still be on its way to it.
    put_out: BTreeMap<(UserId, RoomId), Seq>,
    /// Who was banned from the server for good, and the last events that may still be on their way to it.
    shut_out: BTreeMap<UserId, Ends>,
    /// Acts that stand in their rooms' logs, and are to be noted in that of the operators.
    unnoted: Vec<(RoomId, NewEvent)>,
    governed: BTreeSet<RoomId>,
    /// Tokens that are being revoked, by the request that does it.
    revoking: BTreeMap<u64, Vec<TokenHash>>,
    revoked: BTreeMap<TokenHash, Ends>,
}

impl Rights {
    /// The server asks something of storage.
    ///
    /// # Errors
    /// It asks for what somebody has no right to.
    pub fn submitted(
        &mut self,
        ticket: u64,
        operation: &StorageOperation,
        durable: &Tables,
    ) -> Result<(), Violation> {
        match operation {
            StorageOperation::SetMember { user, room, member: true } => {
                self.check_join(*user, *room, durable)?;
                let came_back = self.put_out.remove(&(*user, *room)).is_some();
                sometimes!("somebody who was put out of a room joined it again", came_back);
                Ok(())
            }
            StorageOperation::Append { room, event, change: None } if event.kind == EventKind::Noted => {
                self.check_note(*room, event, durable)
            }
            StorageOperation::Append { room, event, change: None } => self.check_post(*room, event, durable),
            StorageOperation::AppendAbout { room, event, whose } => {
                self.check_post(*room, event, durable)?;
                self.check_whose(*room, event, whose, durable)
            }
            StorageOperation::Append { room, event, change: Some(change) } => {
                self.check_act(*room, event, *change, durable)?;
                self.governed.insert(*room);
                self.acts.insert(ticket, (*room, *change, event.clone()));
                if let RoomChange::Right(user, change) = change
                    && change.ends_membership()
                {
                    let last = durable.room_ever(*room).map_or(Seq::new(0), crate::store::Room::last);
                    self.put_out.insert((*user, *room), last);
                }
                Ok(())
            }
            StorageOperation::Files(operation) => self.check_file(operation, durable),
            StorageOperation::RemoveDevice { device } => {
                let devices = durable.recovered().accounts.into_iter().flat_map(|account| account.devices);
                let tokens = devices.filter(|known| known.device == *device).flat_map(tokens_of);
                self.revoking.insert(ticket, tokens.collect());
                Ok(())
            }
            StorageOperation::SetPassword { user, keep, .. } => {
                let accounts =
                    durable.recovered().accounts.into_iter().filter(|account| account.user == *user);
                let devices = accounts.flat_map(|account| account.devices);
                let tokens = devices.filter(|known| known.device != *keep).flat_map(tokens_of);
                self.revoking.insert(ticket, tokens.collect());
                Ok(())
            }
            StorageOperation::CreateGuest { nick, .. } | StorageOperation::CreateAccount { nick, .. } => {
                let closed = house(durable).is_some_and(|house| self.mode(house, durable).closed);
                ensure(!closed, Invariant::Private, || format!("{nick} is let in while the server is closed"))
            }
            StorageOperation::SetMember { member: false, .. }
            | StorageOperation::OpenRoom { .. }
            | StorageOperation::DropRoom { .. }
            | StorageOperation::FindNonce { .. }
            | StorageOperation::ReadPage { .. }
            | StorageOperation::Search { .. }
            | StorageOperation::UpdateGuest { .. }
            | StorageOperation::RemoveGuest { .. }
            | StorageOperation::AddDevice { .. }
            | StorageOperation::SeeDevice { .. }
            | StorageOperation::ForgetInvitation { .. }
            | StorageOperation::SetRead { .. } => Ok(()),
        }
    }

    /// The server hears what became of a request.
    pub fn answered(&mut self, ticket: u64, done: bool, durable: &Tables) {
        if let Some((room, change, event)) = self.acts.remove(&ticket) {
            self.act_answered(room, change, event, done, durable);
        }
        if let Some(tokens) = self.revoking.remove(&ticket)
            && done
        {
            let ends = ends(durable);
            self.revoked.extend(tokens.into_iter().map(|token| (token, ends.clone())));
        }
    }

    fn act_answered(
        &mut self,
        room: RoomId,
        change: RoomChange,
        event: NewEvent,
        done: bool,
        durable: &Tables,
    ) {
        let of_house = house(durable) == Some(room);
        if let RoomChange::Right(user, change) = change {
            if change.ends_membership() {
                sometimes!("an act that puts somebody out failed", !done);
                sometimes!("somebody was put out of a room", done);
                if !done {
                    self.put_out.remove(&(user, room));
                }
            }
            if let RightChange::Banned(term) = change
                && of_house
                && done
            {
                sometimes!("somebody was banned from the server", term.is_some());
                self.shut_out.remove(&user);
                if term.is_some_and(|term| term.until.is_none()) {
                    self.shut_out.insert(user, ends(durable));
                }
            }
        }
        if done && self.has_house && !of_house {
            self.unnoted.push((room, event));
        }
    }

    /// The server starts, and is told what is stored.
    pub fn started(&mut self, durable: &Tables) {
        self.has_house = house(durable).is_some();
        // A ban may have been lifted durably, and nobody was told before the crash.
        let house = house(durable).and_then(|house| durable.room(house));
        let standing = |user: &UserId| house.and_then(|house| house.rights.standing(*user));
        self.shut_out.retain(|user, _| standing(user).is_some_and(|standing| standing.banned.is_some()));
    }

    /// The server has done all that was to be done about an input.
    ///
    /// # Errors
    /// It has not noted an act that is durable (O5).
    pub fn check_noted(&self) -> Result<(), Violation> {
        ensure(self.unnoted.is_empty(), Invariant::Kept, || {
            format!("the operators' log is not told of {:?}", self.unnoted)
        })
    }

    /// The server is gone, and with it whatever was not durable.
    pub fn crashed(&mut self, durable: &Tables) {
        self.acts.clear();
        self.unnoted.clear();
        self.revoking.clear();
        self.put_out.retain(|(user, room), _| !durable.is_member(*user, *room));
    }

    /// Whether an event may reach a user by this token.
    ///
    /// # Errors
    /// It may not.
    pub fn check_shown(
        &self,
        user: Option<UserId>,
        token: Option<Token>,
        room: RoomId,
        seq: Seq,
    ) -> Result<(), Violation> {
        let put_out = user.and_then(|user| self.put_out.get(&(user, room)));
        ensure(put_out.is_none_or(|last| seq <= *last), Invariant::Private, || {
            format!(
                "user {user:?} was sent number {seq} of room {room}, which it was put out of after {put_out:?}"
            )
        })?;
        if let Some(ends) = user.and_then(|user| self.shut_out.get(&user)) {
            let last = ends.get(&room).copied().unwrap_or_default();
            ensure(seq <= last, Invariant::Private, || {
                format!(
                    "user {user:?} was sent number {seq} of room {room}, banned from the server after {last}"
                )
            })?;
        }
        let hash = token.map(|token| TokenHash(*blake3::hash(&token.0).as_bytes()));
        let Some(ends) = hash.and_then(|hash| self.revoked.get(&hash)) else { return Ok(()) };
        let last = ends.get(&room).copied().unwrap_or_default();
        ensure(seq <= last, Invariant::Private, || {
            format!("a revoked device of user {user:?} was sent number {seq} of room {room}, after {last}")
        })
    }

    /// Whether anybody has ever governed a room: then posts are refused for other reasons, too.
    #[must_use]
    pub fn is_governed(&self, room: RoomId) -> bool {
        self.governed.contains(&room)
    }

    /// Whether the server has operators: then people may be refused everywhere.
    #[must_use]
    pub const fn is_operated(&self) -> bool {
        self.has_house
    }

    /// All bans from the server were lifted while it was down.
    pub fn pardoned(&mut self) {
        self.shut_out.clear();
    }

    fn is_operator(&self, user: UserId, durable: &Tables) -> bool {
        house(durable).is_some_and(|house| self.own_role(user, house, durable) >= Role::Moderator)
    }

    /// What is done in the operators' room is done everywhere (O3, O4).
    fn check_speech(&self, user: UserId, durable: &Tables) -> Result<(), Violation> {
        let Some(house) = house(durable) else { return Ok(()) };
        let facts = |why: &str| format!("user {user} posts, and {why}");
        let standing = durable.room(house).and_then(|room| room.rights.standing(user));
        let for_good =
            |term: Option<palabre_core::rights::Term>| term.is_some_and(|term| term.until.is_none());
        let is_being = |taken: fn(RightChange) -> bool| self.about(user, house).any(taken);
        let muted = standing.is_some_and(|standing| for_good(standing.muted))
            || is_being(|change| matches!(change, RightChange::Muted(Some(_))));
        ensure(!muted, Invariant::Private, || facts("is muted on the server"))?;
        let banned = standing.is_some_and(|standing| for_good(standing.banned))
            || is_being(|change| matches!(change, RightChange::Banned(Some(_))));
        ensure(!banned, Invariant::Private, || facts("is banned from the server"))?;
        let locked_down = self.mode(house, durable).read_only;
        let is_operator = self.is_operator(user, durable);
        sometimes!("an operator posted while the server was read-only", locked_down && is_operator);
        ensure(!locked_down || is_operator, Invariant::Private, || facts("the server is read-only"))
    }

    /// A note tells of an act that is durable in another room (O5).
    fn check_note(&mut self, id: RoomId, note: &NewEvent, durable: &Tables) -> Result<(), Violation> {
        let told = |act: &NewEvent| {
            (act.author, act.at, &act.about) == (note.author, note.at, &note.about)
                && note.text.ends_with(&*act.text)
        };
        let found = self.unnoted.iter().position(|(_, act)| told(act));
        let Some(found) = found.filter(|_| house(durable) == Some(id)) else {
            let facts = format!("a note in room {id} tells of no act: {note:?}");
            return Err(Violation::new(Invariant::Private, facts));
        };
        sometimes!("an act was noted in the operators' log");
        self.unnoted.remove(found);
        Ok(())
    }

    fn check_join(&self, user: UserId, id: RoomId, durable: &Tables) -> Result<(), Violation> {
        let Some(room) = durable.room(id) else { return Ok(()) };
        let standing = room.rights.standing(user);
        let banned =
            standing.is_some_and(|standing| standing.banned.is_some_and(|term| term.until.is_none()));
        let is_being_banned =
            self.about(user, id).any(|change| matches!(change, RightChange::Banned(Some(_))));
        let role = self.role(user, id, durable);
        ensure((!banned && !is_being_banned) || role >= Role::Moderator, Invariant::Private, || {
            format!("user {user} is banned from room {id}, and was let in")
        })?;
        ensure(!self.mode(id, durable).closed || role >= Role::Moderator, Invariant::Private, || {
            format!("user {user} was let into the closed room {id}")
        })?;
        ensure(!self.shut_out.contains_key(&user), Invariant::Private, || {
            format!("user {user} is banned from the server, and was let into room {id}")
        })?;
        let invited = standing.is_some_and(|standing| standing.invited)
            && !self.about(user, id).any(|change| {
                matches!(
                    change,
                    RightChange::Invited(false) | RightChange::Kicked | RightChange::Banned(Some(_))
                )
            });
        let let_in = invited || role >= Role::Moderator;
        sometimes!("a private room was joined by somebody invited", room.rights.mode.private && invited);
        let private = self.mode(id, durable).private || house(durable) == Some(id);
        ensure(let_in || !private, Invariant::Private, || {
            format!("user {user} was let into the private room {id} uninvited")
        })
    }

    fn check_post(&self, id: RoomId, event: &NewEvent, durable: &Tables) -> Result<(), Violation> {
        let user = event.author;
        self.check_speech(user, durable)?;
        let Some(room) = durable.room(id) else { return Ok(()) };
        let facts = |why: &str| format!("user {user} posts into room {id}: {why}");
        ensure(!self.put_out.contains_key(&(user, id)), Invariant::Private, || facts("it was put out"))?;
        let standing = room.rights.standing(user);
        let muted = standing.is_some_and(|standing| standing.muted.is_some_and(|term| term.until.is_none()));
        let is_being_muted = self.about(user, id).any(|change| matches!(change, RightChange::Muted(Some(_))));
        ensure(!muted && !is_being_muted, Invariant::Private, || facts("it is muted"))?;
        let (mode, role) = (self.mode(id, durable), self.role(user, id, durable));
        ensure(!mode.read_only || role >= Role::Moderator, Invariant::Private, || facts("it is read-only"))?;
        let may_set_topic = event.kind != EventKind::Topic || !mode.topic_locked || role >= Role::Moderator;
        ensure(may_set_topic, Invariant::Private, || facts("its topic is locked"))
    }

    /// Authors write their messages anew, they and moderators delete them, and nobody those of somebody not below (N2, N3).
    fn check_whose(
        &self,
        id: RoomId,
        event: &NewEvent,
        whose: &Whose,
        durable: &Tables,
    ) -> Result<(), Violation> {
        let message = Seq::new(event.about.as_ref().map_or(0, |about| about.id));
        let Some(found) = durable.room(id).and_then(|room| room.event(message)) else { return Ok(()) };
        let (user, author) = (event.author, found.author);
        let takes = whose.allows(user, author).is_ok();
        let outranks = self.outranks(user, author, id, durable);
        let anybody = matches!(event.kind.family(), EventFamily::Message | EventFamily::Reaction);
        let may = user == author || anybody || (event.kind == EventKind::Deleted && outranks);
        sometimes!(
            "a moderator deleted a message of somebody else",
            takes && may && user != author && event.kind == EventKind::Deleted
        );
        ensure(may || !takes, Invariant::Private, || {
            format!(
                "user {user} does {:?} to number {message} of room {id}, which is user {author}'s",
                event.kind
            )
        })
    }

    /// Whether somebody may delete what another said in a room (N3): whose role there is below, whatever an act under way gives.
    fn outranks(&self, user: UserId, other: UserId, id: RoomId, durable: &Tables) -> bool {
        let is_named = durable.room(id).is_some_and(|room| matches!(room.key, RoomKey::Named(_)));
        let house = house(durable).filter(|house| *house != id);
        let is_above = |user| house.is_some() && self.is_operator(user, durable);
        let settled = |room| self.about(other, room).next().is_none();
        let other_is_above = house.is_some_and(settled) && is_above(other);
        let role = self.role(user, id, durable);
        let other_role = durable_role(other, id, durable);
        let is_below = is_above(user) || !settled(id) || other_role < role;
        is_named && role >= Role::Moderator && is_below && !other_is_above
    }

    fn check_file(&self, operation: &FileOperation, durable: &Tables) -> Result<(), Violation> {
        match operation {
            FileOperation::Commit {
                file: NewFile { place: Place::Room(room), .. },
                event: Some(event),
                ..
            }
            | FileOperation::Put {
                file: NewFile { place: Place::Room(room), .. }, event: Some(event), ..
            } => self.check_post(*room, event, durable),
            FileOperation::Delete { place: Place::Room(room), name, by, event: Some(event), .. } => {
                let user = event.author;
                let may = *by == user || self.role(user, *room, durable) >= Role::Moderator;
                ensure(may, Invariant::Private, || {
                    format!("user {user} deletes {name} of user {by} in room {room}")
                })
            }
            FileOperation::Commit { .. }
            | FileOperation::Put { .. }
            | FileOperation::Delete { .. }
            | FileOperation::LookUp { .. }
            | FileOperation::OpenUpload { .. }
            | FileOperation::Checkpoint { .. }
            | FileOperation::DropUpload { .. }
            | FileOperation::Find { .. }
            | FileOperation::List { .. }
            | FileOperation::Older { .. }
            | FileOperation::IsUsed { .. } => Ok(()),
        }
    }

    fn check_act(
        &self,
        id: RoomId,
        event: &NewEvent,
        change: RoomChange,
        durable: &Tables,
    ) -> Result<(), Violation> {
        let role = self.role(event.author, id, durable);
        let needed = match change {
            RoomChange::Mode(_) | RoomChange::Right(_, RightChange::Role(_)) => Role::Owner,
            RoomChange::Right(
                _,
                RightChange::Invited(_)
                | RightChange::Kicked
                | RightChange::Banned(_)
                | RightChange::Muted(_),
            ) => Role::Moderator,
        };
        let outranks = match change {
            RoomChange::Mode(_) => true,
            RoomChange::Right(user, _) => {
                user == event.author || durable_role(user, id, durable) < Role::Owner || role == Role::Owner
            }
        };
        let house = house(durable).filter(|house| *house != id);
        let by_operator = house.is_some() && self.is_operator(event.author, durable);
        if let (Some(house), RoomChange::Right(user, _)) = (house, change)
            && user != event.author
        {
            // What an act under way gives it has not yet, and the database may have it already.
            let settled = self.about(user, house).next().is_none();
            let above = settled && self.is_operator(user, durable);
            ensure(!above, Invariant::Private, || {
                format!("user {} does {:?} to the operator {user} in room {id}", event.author, event.kind)
            })?;
        }
        sometimes!(
            "an operator governed a room that is not its own",
            by_operator && durable_role(event.author, id, durable) < needed
        );
        ensure(role >= needed && outranks, Invariant::Private, || {
            format!("user {} is {role} of room {id}, and does {:?}", event.author, event.kind)
        })
    }

    fn about(&self, user: UserId, room: RoomId) -> impl Iterator<Item = RightChange> {
        self.acts.values().filter_map(move |(id, change, _)| match change {
            RoomChange::Right(about, change) if *about == user && *id == room => Some(*change),
            RoomChange::Right(..) | RoomChange::Mode(_) => None,
        })
    }

    /// An operator is an owner of every room but its own (O2).
    fn role(&self, user: UserId, room: RoomId, durable: &Tables) -> Role {
        let elsewhere = house(durable) != Some(room);
        if elsewhere && self.is_operator(user, durable) {
            Role::Owner
        } else {
            self.own_role(user, room, durable)
        }
    }

    fn own_role(&self, user: UserId, room: RoomId, durable: &Tables) -> Role {
        let coming = self.about(user, room).filter_map(|change| match change {
            RightChange::Role(role) => Some(role),
            RightChange::Banned(Some(_)) => Some(Role::Member),
            RightChange::Banned(None)
            | RightChange::Invited(_)
            | RightChange::Kicked
            | RightChange::Muted(_) => None,
        });
        coming.fold(durable_role(user, room, durable), Role::min)
    }

    fn mode(&self, room: RoomId, durable: &Tables) -> RoomMode {
        let stored = durable.room(room).map(|room| room.rights.mode).unwrap_or_default();
        let coming = self.acts.values().filter_map(|(id, change, _)| match change {
            RoomChange::Mode(mode) if *id == room => Some(*mode),
            RoomChange::Mode(_) | RoomChange::Right(..) => None,
        });
        coming.fold(stored, RoomMode::stricter)
    }
}

fn durable_role(user: UserId, room: RoomId, durable: &Tables) -> Role {
    let standing = durable.room(room).and_then(|room| room.rights.standing(user));
    standing.map_or(Role::Member, |standing| standing.role)
}

/// The operators' room, where there is one.
fn house(durable: &Tables) -> Option<RoomId> {
    durable.room_named(OPERATORS)
}

fn ends(durable: &Tables) -> Ends {
    durable.rooms().map(|(id, room)| (id, room.last())).collect()
}

/// The hashes of the tokens that a device may be entered by.
fn tokens_of(device: DeviceRecord) -> impl Iterator<Item = TokenHash> {
    std::iter::once(device.token.hash).chain(device.token.next)
}
