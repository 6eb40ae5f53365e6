//! What drives Palabre's state machines: a poll loop over sockets, storage, clocks, signals, configuration.
//!
//! The rules of the protocol are all in `palabre-core`; here is only what touches the world. With the default
//! feature `server` a server can be started in-process, as the binary `runtime-server` does; without it there are the
//! [`client`]'s driver, and a [`load`] to measure servers with.

#[cfg(feature = "server")]
pub mod accounts;
#[cfg(feature = "server")]
pub mod blobs;
pub mod client;
pub mod clock;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
mod descriptors;
#[cfg(feature = "server")]
mod disk_space;
pub mod entropy;
#[cfg(feature = "server")]
pub mod listen;
pub mod load;
#[cfg(feature = "server")]
mod logging;
#[cfg(feature = "server")]
pub mod operators;
pub mod plaintext;
#[cfg(feature = "server")]
mod printable;
#[cfg(feature = "server")]
pub mod program;
mod readiness;
pub mod saved_hash;
#[cfg(feature = "server")]
pub mod server;
pub mod server_key;
pub mod storage;
mod tls;
mod transport;
pub mod write_behind;
