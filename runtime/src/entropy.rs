//! The randomness of this machine: the one module that asks for it, and only for seeds.
#![allow(clippy::disallowed_methods)]

use std::io;

/// 32 random bytes, to seed a state machine with.
///
/// # Errors
/// The operating system gives no randomness.
pub fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}
