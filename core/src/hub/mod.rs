//! What the connections share: who is there, and the rooms.

mod names;
mod presence;
mod recent;
mod rights;
mod room;
mod user;

pub(crate) use self::{
    names::{Clash, NameTable},
    presence::{Changes, MemberChange},
    recent::Recent,
    rights::{Ends, Held, Rights, UnderWay, Who},
    room::{Listener, Room, RoomKind, Rooms},
    user::{Device, Holder, Seat, User, Users},
};
