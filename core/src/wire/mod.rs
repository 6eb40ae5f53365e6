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

pub(crate) use self::frame::missing_bytes;
pub use self::{
    frame::{
        FRAME_BYTES_MAX, FRAME_BYTES_MAX_BEFORE_READY, FRAMES_BEFORE_READY_MAX, Frame, FrameDecoder,
        HEADER_BYTES, split_frame,
    },
    head::EventHead,
    message::{
        Accepted, Away, Challenge, Credit, DATA_BYTES_MAX, Data, Delete, DeviceList, Devices, Direct,
        Discard, Done, Download, Durable, Enrol, Error, Event, Files, FilesPage, Finish, Follow, Goodbye,
        Govern, Guest, Hello, History, HistoryPage, Invited, Join, Joined, Login, Manual, ManualText,
        MarkRead, Members, MembersPage, NewPassword, Opened, PUT_BYTES_MAX, Part, Parted, Ping, Plain, Pong,
        Post, Posted, Presence, Prove, Put, ReadUpTo, Ready, Refused, Register, Removed, Rename, Resume,
        Revoke, Rights, RightsPage, Rooms, RoomsPage, Search, SearchPage, Sending, SetMode, SetPassword,
        Stop, Stopped, Stored, ToClient, ToServer, Trimmed, Upload, Waiting, Welcome, Window,
    },
    part::{
        About, Change, Device, File, Hit, Limits, Listed, LogEvent, Member, Room, Standing, Stretching,
        Token, goodbye, kind, role, state,
    },
};

/// The version of the protocol that this crate speaks.
pub const VERSION: u16 = 1;

/// The bit of `Welcome.mechanisms` that says guests may enter.
pub const MECHANISM_GUEST: u64 = 1;

/// The bit of `Welcome.mechanisms` that says accounts may log in.
pub const MECHANISM_ACCOUNT: u64 = 2;

/// The bit of `Welcome.mechanisms` that says accounts may be made.
pub const MECHANISM_REGISTER: u64 = 4;

/// The bit of `Welcome.mechanisms` that says accounts may be made by invitation.
pub const MECHANISM_INVITED: u64 = 8;

/// The bit of `Hello.features` that says the client keeps the token of `Ready`, whatever it resumed with (A13).
pub const FEATURE_RENEWAL: u64 = 1;

/// The bit of `Welcome.mechanisms` that says accounts may log in with their password as it is, inside TLS.
pub const MECHANISM_PLAIN: u64 = 16;
