//! Palabre's protocol as deterministic state machines.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod client;
pub mod commands;
pub mod config;
pub mod error;
pub mod ids;
pub mod limits;
pub mod name;
pub mod output;
pub mod server;
pub mod storage;
pub mod time;
pub mod wire;
