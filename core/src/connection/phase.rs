//! How far a connection is. One struct per phase; what may be sent in which is F6 of `docs/PROTOCOL.md`.

use alloc::{boxed::Box, collections::BTreeSet, sync::Arc, vec::Vec};

use crate::{
    connection::{credit::Posting, transfers::Transfers},
    hub::Holder,
    ids::{RoomId, UserId},
    name::{NameKey, Nick},
    password::{Challenged, PasswordRecord},
    rate::Bucket,
    storage::{InvitationUse, Ticket, TokenHash},
    time::Monotonic,
    wire::Token,
};

/// The phases of a connection.
#[derive(Debug)]
pub(crate) enum Phase {
    /// Accepted; the driver is protecting it.
    Securing,
    /// Connected; `Hello` is expected.
    Greeting,
    /// Welcomed; `Guest` or `Resume` is expected.
    Choosing,
    /// Making an account; its `Challenge` was sent.
    Enrolling(Enrolling),
    /// Logging in; its `Challenge` was sent.
    Proving(Proving),
    /// Logging in; its password is being checked.
    Verifying(Verifying),
    /// A place is taken; storage is writing who it is.
    Entering(Entering),
    /// Accepted; all places are taken.
    Waiting(Waiting),
    /// Entered.
    Ready(Box<Ready>),
    /// Told why it ends; what remains is being sent.
    Closing(Closing),
}

impl Phase {
    /// The user that a connection carries since it entered.
    pub(crate) const fn user(&self) -> Option<UserId> {
        match self {
            Self::Ready(ready) => Some(ready.user),
            Self::Securing
            | Self::Greeting
            | Self::Choosing
            | Self::Enrolling(_)
            | Self::Proving(_)
            | Self::Verifying(_)
            | Self::Entering(_)
            | Self::Waiting(_)
            | Self::Closing(_) => None,
        }
    }

    /// Whom a connection is to carry, while it waits for a place or for storage.
    pub(crate) const fn newcomer(&self) -> Option<&Newcomer> {
        match self {
            Self::Entering(entering) => Some(&entering.newcomer),
            Self::Waiting(waiting) => Some(&waiting.newcomer),
            Self::Securing
            | Self::Greeting
            | Self::Choosing
            | Self::Enrolling(_)
            | Self::Proving(_)
            | Self::Verifying(_)
            | Self::Ready(_)
            | Self::Closing(_) => None,
        }
    }
}

/// Whom a connection is to carry.
#[derive(Clone, Debug)]
pub(crate) enum Newcomer {
    /// A new guest, whose name is reserved.
    Guest { nick: Nick, key: NameKey },
    /// A guest or device that was here before and is claimed by this connection.
    Returning { holder: Holder, token: Token },
    /// A new account, whose name is reserved.
    Account(Arc<NewAccount>),
    /// A new device of an account, whose password of this version was proved.
    Device { user: UserId, version: u32, name: Arc<str> },
}

/// An account that is to be made.
#[derive(Debug)]
pub(crate) struct NewAccount {
    pub(crate) nick: Nick,
    pub(crate) key: NameKey,
    pub(crate) record: PasswordRecord,
    /// What its first device is called.
    pub(crate) device: Arc<str>,
    pub(crate) invited: Option<Invited>,
}

/// An invitation that was shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Invited {
    pub(crate) one: InvitationUse,
    /// How many accounts it is good for.
    pub(crate) uses_max: u32,
}

#[derive(Debug)]
pub(crate) struct Enrolling {
    pub(crate) nick: Nick,
    pub(crate) key: NameKey,
    pub(crate) invited: Option<Invited>,
}

#[derive(Debug)]
pub(crate) struct Proving {
    /// The account and the version of its password, if there is such an account.
    pub(crate) user: Option<(UserId, u32)>,
    pub(crate) challenged: Challenged,
}

#[derive(Debug)]
pub(crate) struct Verifying {
    /// Of the check.
    pub(crate) number: u64,
    /// The account and the version of its password, if there is such an account.
    pub(crate) user: Option<(UserId, u32)>,
    pub(crate) request: u32,
    /// What its device is to be called.
    pub(crate) device: Arc<str>,
}

#[derive(Debug)]
pub(crate) struct Entering {
    pub(crate) newcomer: Newcomer,
    /// The token it will have.
    pub(crate) token: Token,
    pub(crate) ticket: Ticket,
    pub(crate) request: u32,
}

#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) newcomer: Newcomer,
    pub(crate) request: u32,
    /// The position told last.
    pub(crate) told: u32,
}

#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) user: UserId,
    pub(crate) posting: Posting,
    pub(crate) requests: Requests,
    /// The rooms followed, ascending by id.
    pub(crate) following: Vec<Following>,
    /// The rooms among them whose cursor is behind, in the order in which they are served.
    pub(crate) behind: Vec<RoomId>,
    /// A page being read for one of them.
    pub(crate) reading: Option<Ticket>,
    /// When to read again, after storage failed to.
    pub(crate) read_again: Option<Monotonic>,
    /// Whether a room's changes were held back for lack of space.
    pub(crate) changes_held_back: bool,
    /// Rooms of which it was not told yet up to where they were read.
    pub(crate) untold_reads: BTreeSet<RoomId>,
    pub(crate) rooms_created: u32,
    /// Whether the password was given on this connection.
    pub(crate) proved: bool,
    /// Whether a new password's `Challenge` was sent.
    pub(crate) changing_password: bool,
    pub(crate) transfers: Transfers,
}

/// A room that a connection follows, and its place in the room's list of listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Following {
    pub(crate) room: RoomId,
    pub(crate) listener: usize,
}

/// The requests of a connection, other than posts.
#[derive(Debug)]
pub(crate) struct Requests {
    pub(crate) bucket: Bucket,
    pub(crate) in_flight: u32,
    /// Whether a history page is being read.
    pub(crate) history: bool,
    /// Whether storage is searching.
    pub(crate) search: bool,
}

#[derive(Debug)]
pub(crate) struct Closing {
    /// When the connection is let go of, whatever remains.
    pub(crate) until: Monotonic,
}

impl Ready {
    pub(crate) fn following(&self, room: RoomId) -> Option<usize> {
        self.following.binary_search_by_key(&room, |following| following.room).ok()
    }
}

/// The hash of a token, as stored.
pub(crate) fn hash_token(token: Token) -> TokenHash {
    TokenHash(*blake3::hash(&token.0).as_bytes())
}
