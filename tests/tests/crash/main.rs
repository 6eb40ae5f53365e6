//! The real storage on a disk that loses what was not synced, fails, and is full.
#![allow(missing_docs)]

/// Bits that turn over.
mod bit_flips;
/// The disk.
mod disk;
/// Every call in turn.
mod failing_calls;
mod files;
/// What the storage runs on.
mod machine;
/// What is asked of it.
mod operations;
/// Power cuts and kills in any weather.
mod power_cuts;
/// A disk through many machines.
mod story;
/// The disk, for SQLite.
mod vfs;
