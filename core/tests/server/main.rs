//! The server alone: each promise of the contract and of `PROTOCOL.md`, as frames in and frames out.
//!
//! * `bounds`: limits at their edge
//! * `contract`: the ten rules of `Server`'s documentation
//! * `entering`: names, tokens, places, the queue
//! * `rooms`: joining, leaving, members, direct conversations
//! * `road`: posts, from submission to delivery, and what happens when storage fails
//! * `cursors`: slow readers, reconnects, history
//! * `search`: who finds what
//! * `hostile`: frames, lengths, floods, silence
//! * `shutdown`: how it ends
#![allow(missing_docs)]

mod bounds;
mod contract;
mod cursors;
mod entering;
mod hostile;
mod road;
mod rooms;
mod search;
mod shutdown;
mod store;
mod support;
