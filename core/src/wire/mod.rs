//! The bytes of the protocol: frames and messages. Nothing here holds state (`PROTOCOL.md` sections F and M).
//!
//! Whatever can be built can be encoded and decoded back; whatever decodes was well formed. Decoding borrows from
//! the bytes and reserves no memory by what a peer announces.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod field;
mod frame;
mod head;
mod message;
mod part;
#[cfg(test)]
mod tests;

pub use self::{
    frame::{FRAME_BYTES_MAX, FRAME_BYTES_MAX_BEFORE_READY, Frame, FrameDecoder, HEADER_BYTES, split_frame},
    head::EventHead,
    message::{
        Away, Credit, Direct, Done, Error, Event, Follow, Goodbye, Guest, Hello, History, HistoryPage, Join,
        Joined, Manual, ManualText, Members, MembersPage, Opened, Part, Ping, Pong, Post, Posted, Presence,
        Ready, Refused, Rename, Resume, Rooms, RoomsPage, ToClient, ToServer, Trimmed, Waiting, Welcome,
    },
    part::{Change, Limits, Listed, LogEvent, Member, Room, Token, goodbye, kind, state},
};

/// The version of the protocol that this crate speaks.
pub const VERSION: u16 = 1;

/// The bit of `Welcome.mechanisms` that says guests may enter.
pub const MECHANISM_GUEST: u64 = 1;
