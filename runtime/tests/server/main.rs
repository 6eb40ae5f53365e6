//! A server with real sockets, in-process and as a process, and the client's driver against it.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking, its helpers too")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for one message among all")]
#![allow(
    clippy::unwrap_in_result,
    clippy::print_stdout,
    reason = "the same; and some say what they saw or skipped"
)]

/// Exporting and importing accounts, and the secret of their passwords.
mod accounts;
/// The client's driver.
mod client;
/// What is typed and written into files.
mod configuration;
/// Sessions that end after any byte.
mod cuts;
/// Descriptors running out.
mod descriptors;
/// Uploads: what strangers would call them, and a disk that they fill.
mod files;
/// Disks that are full or broken.
mod full_disk;
/// TLS as the server has it: what it takes, what it refuses, what that costs.
mod handshakes;
/// The key of a server: made, kept, replaced.
mod identity;
/// `kill -9` under load.
mod kills;
/// Where a server listens, and what it says when it cannot.
mod listening;
/// Logins by strangers.
mod logins;
/// Signals, exit codes, and what survives them.
mod process;
/// Bytes in awkward portions, half-closed and hung-up sockets.
mod sockets;
/// Shared by the others.
mod support;
/// Deliveries a second; run by hand.
mod throughput;
/// Certificates and configurations of others.
mod tls;
/// Connections under TLS that are cut.
mod torn;
/// TLS as the client has it: whom it talks to, and what others can read of that.
mod trust;
