//! Passwords by OPAQUE (RFC 9807): the server keeps a record from which nobody learns the password, and never sees it
//! (`PROTOCOL.md` section A).
//!
//! The suite is ristretto255 with SHA-512 and the triple Diffie-Hellman exchange, the client stretches by Argon2id.
//! Both ends mix the [`Channel`]'s exporter into the exchange, so that nobody in the middle can pass it on.

mod client;
mod record;
mod server;
mod stretching;
#[cfg(test)]
mod tests;
mod verification;

use alloc::{string::String, vec::Vec};
use core::fmt;

use argon2::Argon2;
use opaque_ke::{CipherSuite, Ristretto255, TripleDh};
use sha2::Sha512;
use zeroize::Zeroizing;

pub(crate) use self::{
    client::{Attempt, Enrolment, WorkNumber, WorkOutcome},
    server::Challenged,
};
pub use self::{
    client::{Work, WorkDone},
    record::{PasswordRecord, RecordError, SetupId},
    server::{Setup, SetupError},
    stretching::Stretching,
    verification::{Verification, Verified},
};
use crate::channel::Channel;

/// Bytes of a password.
pub const PASSWORD_BYTES_MIN: usize = 8;
/// Bytes of a password.
pub const PASSWORD_BYTES_MAX: usize = 1_024;

/// Bytes of the first message of a registration.
pub const REGISTRATION_REQUEST_BYTES: usize = 32;
/// Bytes of the answer to it.
pub const REGISTRATION_RESPONSE_BYTES: usize = 64;
/// Bytes of what a registration ends with.
pub const REGISTRATION_UPLOAD_BYTES: usize = 192;
/// Bytes of the first message of a login.
pub const LOGIN_START_BYTES: usize = 96;
/// Bytes of the answer to it.
pub const LOGIN_RESPONSE_BYTES: usize = 320;
/// Bytes of what a login ends with.
pub const LOGIN_FINISH_BYTES: usize = 64;

struct Suite;

impl CipherSuite for Suite {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, Sha512>;
    type Ksf = Argon2<'static>;
}

/// What both ends bind an exchange to: this protocol, and the one connection it runs over (A3).
fn context(channel: Channel) -> Vec<u8> {
    let exporter = match channel {
        Channel::Plain => [0; 32],
        Channel::Tls { exporter, .. } => exporter,
    };
    [b"palabre-1".as_slice(), &exporter].concat()
}

/// A message of the exchange, whose length the suite fixes.
fn sized<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the suite fixes every length")
}

/// A password, forgotten when dropped and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// A password of 8 to 1,024 bytes.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PasswordError> {
        if text.len() < PASSWORD_BYTES_MIN {
            return Err(PasswordError::TooShort);
        }
        if text.len() > PASSWORD_BYTES_MAX {
            return Err(PasswordError::TooLong);
        }
        Ok(Self(Zeroizing::new(text.into())))
    }

    fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Why a text is no password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordError {
    /// It has fewer than 8 bytes.
    TooShort,
    /// It has more than 1,024 bytes.
    TooLong,
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => {
                write!(f, "A password needs at least {PASSWORD_BYTES_MIN} bytes; choose a longer one.")
            }
            Self::TooLong => {
                write!(f, "A password has at most {PASSWORD_BYTES_MAX} bytes; choose a shorter one.")
            }
        }
    }
}

impl core::error::Error for PasswordError {}

/// Bytes of a peer that are no message of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;
