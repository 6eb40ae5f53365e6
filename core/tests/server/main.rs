//! The server alone: each promise of the contract and of `PROTOCOL.md`, as frames in and frames out.
//!
//! * `bounds`: limits at their edge
//! * `contract`: the ten rules of `Server`'s documentation
//! * `entering`: names, tokens, places, the queue
//! * `rooms`: joining, leaving, members, direct conversations
//! * `road`: posts, from submission to delivery, and what happens when storage fails
//! * `cursors`: slow readers, reconnects, history
//! * `uploads`: how content becomes a file, what of it is durable, what it counts
//! * `files`: who may take, see and delete files
//! * `search`: who finds what
//! * `hostile`: frames, lengths, floods, silence
//! * `shutdown`: how it ends
#![allow(missing_docs)]

mod bounds;
mod contract;
mod cursors;
mod disk;
mod entering;
mod files;
mod hostile;
mod puts;
mod road;
mod rooms;
mod search;
mod shutdown;
mod store;
mod support;
mod transfers;
mod uploads;
