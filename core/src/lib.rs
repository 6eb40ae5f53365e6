//! Palabre's protocol as deterministic state machines.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod commands;
pub mod error;
pub mod ids;
pub mod name;
pub mod storage;
pub mod time;
pub mod wire;
