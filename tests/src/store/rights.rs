//! What an act changes about a room, written once more: nothing is taken from the core's own rules.

use std::{collections::BTreeMap, sync::Arc};

use palabre_core::{
    ids::UserId,
    name::OPERATORS,
    rights::{RightChange, Role, RoomChange, RoomMode, Standing},
};

/// The rights in one room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// What kind of room it is.
    pub mode: RoomMode,
    standings: BTreeMap<UserId, Standing>,
}

impl Rights {
    /// A new room's, with its owner.
    pub(super) fn new(owner: Option<&(UserId, Arc<str>)>) -> Self {
        let mut rights = Self::default();
        if let Some((user, name)) = owner {
            rights.write(*user, name, |standing| standing.role = Role::Owner);
        }
        rights
    }

    /// Whether anybody may join a room of this name.
    #[must_use]
    pub fn is_open_to_all(&self, name: &str) -> bool {
        !self.mode.private && !self.mode.closed && name != OPERATORS
    }

    /// Makes a change; whoever is a member no more.
    pub(super) fn change(&mut self, name: &Arc<str>, change: RoomChange) -> Option<UserId> {
        let (user, change) = match change {
            RoomChange::Mode(mode) => {
                self.mode = mode;
                return None;
            }
            RoomChange::Right(user, change) => (user, change),
        };
        self.write(user, name, |standing| match change {
            RightChange::Role(role) => standing.role = role,
            RightChange::Invited(invited) => standing.invited = invited,
            RightChange::Kicked => standing.invited = false,
            RightChange::Banned(None) => standing.banned = None,
            RightChange::Banned(term) => {
                (standing.role, standing.invited, standing.banned) = (Role::Member, false, term);
            }
            RightChange::Muted(term) => standing.muted = term,
        });
        match change {
            RightChange::Kicked | RightChange::Banned(Some(_)) => Some(user),
            RightChange::Role(_)
            | RightChange::Invited(_)
            | RightChange::Banned(None)
            | RightChange::Muted(_) => None,
        }
    }

    fn write(&mut self, user: UserId, name: &Arc<str>, change: impl FnOnce(&mut Standing)) {
        let nothing = Standing {
            user,
            name: Arc::clone(name),
            role: Role::Member,
            invited: false,
            banned: None,
            muted: None,
        };
        let mut standing = self.standings.remove(&user).unwrap_or_else(|| nothing.clone());
        standing.name = Arc::clone(name);
        change(&mut standing);
        if standing != nothing {
            self.standings.insert(user, standing);
        }
    }

    /// What is particular about whom, ascending by id.
    pub fn standings(&self) -> impl Iterator<Item = &Standing> {
        self.standings.values()
    }

    /// What is particular about a user.
    #[must_use]
    pub fn standing(&self, user: UserId) -> Option<&Standing> {
        self.standings.get(&user)
    }
}
