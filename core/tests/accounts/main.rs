//! Accounts: clients and a server, both the machines that run in production (`PROTOCOL.md` section A).
//!
//! * `entering`: making an account, logging in, wrong passwords, limits
//! * `devices`: tokens, several devices at once, logging out, another password
//! * `conversation`: answers, edits and deletions
//! * `operators`: who may do what on the whole server
//! * `rights`: who may do what in a room
#![allow(missing_docs)]

mod conversation;
mod devices;
mod entering;
mod house;
mod invitations;
mod operators;
mod phases;
mod plain;
mod renewal;
mod rights;
mod stranger;
// The suite of the server needs more of it.
#[allow(dead_code)]
#[path = "../server/store.rs"]
mod store;
