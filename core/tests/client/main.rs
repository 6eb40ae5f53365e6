//! The client against a scripted server.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it expects")]

/// A client with a driver that checks the contract at every step.
mod bench;
/// What the contract of the core demands: cuts, seeds, hostile bytes.
mod contract;
/// Hello, names, tokens, places.
mod entering;
/// A server that behaves, small enough to be believed.
mod fake;
/// The outbox: credit, cuts, resends, ends.
mod outbox;
/// Every frame in every phase.
mod phases;
/// When the client connects again, and when not.
mod reconnect;
/// Requests and their answers.
mod requests;
/// Rooms and the order of their events.
mod rooms;
