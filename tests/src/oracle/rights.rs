//! Who has which right, judged when the server hands requests to storage and when its bytes reach somebody.
//!
//! What is durable is never behind what the server was told, and what an act under way takes is taken: so a server that
//! asks for something that neither allows has overstepped (G2), whatever it thought.

use std::collections::{BTreeMap, BTreeSet};

use palabre_core::{
    ids::{RoomId, Seq, UserId},
    rights::{RightChange, Role, RoomChange, RoomMode},
    storage::{
        DeviceRecord, EventKind, FileOperation, NewEvent, NewFile, Place, StorageOperation, TokenHash, Whose,
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
    acts: BTreeMap<u64, (RoomId, RoomChange)>,
    /// Who was put out of which room, and the last event that may still be on its way to it.
    put_out: BTreeMap<(UserId, RoomId), Seq>,
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
            StorageOperation::Append { room, event, change: None } => self.check_post(*room, event, durable),
            StorageOperation::AppendAbout { room, event, whose } => {
                self.check_post(*room, event, durable)?;
                self.check_whose(*room, event, whose, durable)
            }
            StorageOperation::Append { room, event, change: Some(change) } => {
                self.check_act(*room, event, *change, durable)?;
                self.governed.insert(*room);
                self.acts.insert(ticket, (*room, *change));
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
            StorageOperation::SetMember { member: false, .. }
            | StorageOperation::OpenRoom { .. }
            | StorageOperation::DropRoom { .. }
            | StorageOperation::FindNonce { .. }
            | StorageOperation::ReadPage { .. }
            | StorageOperation::Search { .. }
            | StorageOperation::CreateGuest { .. }
            | StorageOperation::UpdateGuest { .. }
            | StorageOperation::RemoveGuest { .. }
            | StorageOperation::CreateAccount { .. }
            | StorageOperation::AddDevice { .. }
            | StorageOperation::SeeDevice { .. }
            | StorageOperation::ForgetInvitation { .. }
            | StorageOperation::SetRead { .. } => Ok(()),
        }
    }

    /// The server hears what became of a request.
    pub fn answered(&mut self, ticket: u64, done: bool, durable: &Tables) {
        if let Some((room, RoomChange::Right(user, change))) = self.acts.remove(&ticket)
            && change.ends_membership()
        {
            sometimes!("an act that puts somebody out failed", !done);
            sometimes!("somebody was put out of a room", done);
            if !done {
                self.put_out.remove(&(user, room));
            }
        }
        if let Some(tokens) = self.revoking.remove(&ticket)
            && done
        {
            let ends: Ends = durable.rooms().map(|(id, room)| (id, room.last())).collect();
            self.revoked.extend(tokens.into_iter().map(|token| (token, ends.clone())));
        }
    }

    /// The server is gone, and with it whatever was not durable.
    pub fn crashed(&mut self, durable: &Tables) {
        self.acts.clear();
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

    fn check_join(&self, user: UserId, id: RoomId, durable: &Tables) -> Result<(), Violation> {
        let Some(room) = durable.room(id) else { return Ok(()) };
        let standing = room.rights.standing(user);
        let banned =
            standing.is_some_and(|standing| standing.banned.is_some_and(|term| term.until.is_none()));
        let is_being_banned =
            self.about(user, id).any(|change| matches!(change, RightChange::Banned(Some(_))));
        ensure(!banned && !is_being_banned, Invariant::Private, || {
            format!("user {user} is banned from room {id}, and was let in")
        })?;
        let invited = standing.is_some_and(|standing| standing.invited)
            && !self.about(user, id).any(|change| {
                matches!(
                    change,
                    RightChange::Invited(false) | RightChange::Kicked | RightChange::Banned(Some(_))
                )
            });
        let let_in = invited || self.role(user, id, durable) >= Role::Moderator;
        sometimes!("a private room was joined by somebody invited", room.rights.mode.private && invited);
        ensure(let_in || !self.mode(id, durable).private, Invariant::Private, || {
            format!("user {user} was let into the private room {id} uninvited")
        })
    }

    fn check_post(&self, id: RoomId, event: &NewEvent, durable: &Tables) -> Result<(), Violation> {
        let user = event.author;
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
        let role = self.role(user, id, durable);
        let outranks = role >= Role::Moderator && durable_role(author, id, durable) < role;
        let may = user == author || event.kind.is_message() || (event.kind == EventKind::Deleted && outranks);
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

    fn check_file(&self, operation: &FileOperation, durable: &Tables) -> Result<(), Violation> {
        match operation {
            FileOperation::Commit {
                file: NewFile { place: Place::Room(room), .. },
                event: Some(event),
                ..
            } => self.check_post(*room, event, durable),
            FileOperation::Delete { place: Place::Room(room), name, by, event: Some(event), .. } => {
                let user = event.author;
                let may = *by == user || self.role(user, *room, durable) >= Role::Moderator;
                ensure(may, Invariant::Private, || {
                    format!("user {user} deletes {name} of user {by} in room {room}")
                })
            }
            FileOperation::Commit { .. }
            | FileOperation::Delete { .. }
            | FileOperation::LookUp { .. }
            | FileOperation::OpenUpload { .. }
            | FileOperation::Checkpoint { .. }
            | FileOperation::DropUpload { .. }
            | FileOperation::Find { .. }
            | FileOperation::List { .. }
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
        ensure(role >= needed && outranks, Invariant::Private, || {
            format!("user {} is {role} of room {id}, and does {:?}", event.author, event.kind)
        })
    }

    fn about(&self, user: UserId, room: RoomId) -> impl Iterator<Item = RightChange> {
        self.acts.values().filter_map(move |(id, change)| match change {
            RoomChange::Right(about, change) if *about == user && *id == room => Some(*change),
            RoomChange::Right(..) | RoomChange::Mode(_) => None,
        })
    }

    fn role(&self, user: UserId, room: RoomId, durable: &Tables) -> Role {
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
        let coming = self.acts.values().filter_map(|(id, change)| match change {
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

/// The hashes of the tokens that a device may be entered by.
fn tokens_of(device: DeviceRecord) -> impl Iterator<Item = TokenHash> {
    std::iter::once(device.token.hash).chain(device.token.next)
}
