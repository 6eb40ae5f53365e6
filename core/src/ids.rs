//! Identifiers: each a type of its own, so that none is passed for another.

use core::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The identifier with this number.
            #[must_use]
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// Its number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A person on a server. Numbered by storage, from 1, and never given again: names come back, ids never.
    UserId
}
number! {
    /// A room or a direct conversation on a server. Numbered by storage, from 1, and never given again.
    RoomId
}
number! {
    /// A device of an account. Numbered by storage, from 1, and never given again.
    DeviceId
}
number! {
    /// The place of an event in its room's log: 1, 2, 3, … without holes. 0 stands for "before the first".
    Seq
}
number! {
    /// Where an event stands among those of all rooms that can be searched: the later it was stored, the higher. From 1.
    Position
}
number! {
    /// Chosen by an author for each post, so that a resend is recognised (`PROTOCOL.md` P6).
    Nonce
}
number! {
    /// Which database a server runs on. Ids, sequence numbers and tokens mean nothing on another.
    Incarnation
}

impl Seq {
    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number before this one; 0 stays 0.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// One connection as the server knows it. Slots are used again, generations are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    slot: u32,
    generation: u32,
}

impl ConnectionId {
    pub(crate) const fn new(slot: u32, generation: u32) -> Self {
        Self { slot, generation }
    }

    /// A small number that no other *open* connection has: fit to index a table of sockets.
    #[must_use]
    pub const fn slot(self) -> usize {
        self.slot as usize
    }

    /// How often the slot had been used before.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}
