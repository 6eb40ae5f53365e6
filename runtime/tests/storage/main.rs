//! Both storages seen from outside.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking, its helpers too")]

/// The clauses of the port about accounts, one by one, for both.
mod accounts;
/// What small files hold.
mod contents;
/// Events about messages: answers, edits, deletions.
mod conversation;
/// The two storages answer any sequence of operations alike, across restarts.
mod differential;
/// A full disk, and a device that refuses to write.
mod disk_full;
/// Databases of earlier versions, from the SQL that made them.
mod migration;
/// The lock, foreign and future files, and what survives.
mod opening;
mod operators;
/// The clauses of the port, one by one, for both.
mod port;
/// What the memory storage throws away.
mod retention;
/// Searching: who finds what, and how much is looked at for it.
mod search;
/// Shared by the others.
mod support;
/// Appends a second; run by hand.
mod throughput;
/// Accounts on their way to another server, and the secret they need.
mod transfer;
/// The storage thread and the handle on it.
mod worker;
