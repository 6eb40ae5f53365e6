//! Palabre's protocol as deterministic state machines.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod blob;
pub mod channel;
pub mod client;
pub mod commands;
pub mod config;
mod connection;
pub mod error;
mod hub;
pub mod ids;
pub mod invitation;
pub mod limits;
pub mod name;
pub mod output;
pub mod password;
mod random;
mod rate;
pub mod rights;
pub mod search;
pub mod seeded;
pub mod server;
pub mod storage;
pub mod text;
pub mod time;
mod timer;
pub mod transfer;
pub mod wire;
