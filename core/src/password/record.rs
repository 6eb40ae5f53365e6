//! What is stored of a password.

use alloc::sync::Arc;
use core::fmt;

use super::{REGISTRATION_UPLOAD_BYTES, Stretching};

/// Names the setup that a record opens with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetupId(pub [u8; 8]);

impl fmt::Display for SetupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SetupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The record of a password: who has it cannot log in with it, only check guesses, each at the cost of the stretching,
/// and only with the server's setup.
///
/// Stored as a version (1 byte, 1), the setup's id (8), memory in KiB, passes and lanes (4 each, big-endian), and the
/// RFC 9807 `RegistrationRecord` (192).
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordRecord {
    /// Which setup it was made with.
    pub setup: SetupId,
    /// How its client stretches.
    pub stretching: Stretching,
    pub(super) registration: Arc<[u8; REGISTRATION_UPLOAD_BYTES]>,
}

/// Bytes of a stored record.
const STORED_BYTES: usize = 1 + 8 + 12 + REGISTRATION_UPLOAD_BYTES;
const VERSION: u8 = 1;

impl PasswordRecord {
    /// As it is stored.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; STORED_BYTES] {
        let mut bytes = [0; STORED_BYTES];
        let Stretching { memory_kib, passes, lanes } = self.stretching;
        let parts: [&[u8]; 6] = [
            &[VERSION],
            &self.setup.0,
            &memory_kib.to_be_bytes(),
            &passes.to_be_bytes(),
            &lanes.to_be_bytes(),
            self.registration.as_slice(),
        ];
        let mut rest = bytes.as_mut_slice();
        for part in parts {
            let (to, after) = rest.split_at_mut(part.len());
            to.copy_from_slice(part);
            rest = after;
        }
        bytes
    }

    /// From storage, or from an exported file.
    ///
    /// # Errors
    /// It is of another version, or not a record.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        let (&version, rest) = bytes.split_first().ok_or(RecordError::Damaged)?;
        if version != VERSION {
            return Err(RecordError::Version(version));
        }
        let mut number = [0; 4];
        let (setup, rest) = rest.split_first_chunk::<8>().ok_or(RecordError::Damaged)?;
        let (costs, rest) = rest.split_first_chunk::<12>().ok_or(RecordError::Damaged)?;
        let mut cost = |at: usize| {
            number.copy_from_slice(&costs[at..at + 4]);
            u32::from_be_bytes(number)
        };
        let stretching = Stretching { memory_kib: cost(0), passes: cost(4), lanes: cost(8) };
        let registration: &[u8; REGISTRATION_UPLOAD_BYTES] =
            rest.try_into().map_err(|_| RecordError::Damaged)?;
        if !stretching.is_possible() || super::server::parse_registration(registration).is_err() {
            return Err(RecordError::Damaged);
        }
        Ok(Self { setup: SetupId(*setup), stretching, registration: Arc::new(*registration) })
    }
}

impl fmt::Debug for PasswordRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordRecord").field("setup", &self.setup).finish_non_exhaustive()
    }
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// A version that this program does not know.
    Version(u8),
    /// Not the bytes of a record.
    Damaged,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => {
                write!(f, "a password record of version {version}, which this program does not know")
            }
            Self::Damaged => f.write_str("a password record that is damaged"),
        }
    }
}

impl core::error::Error for RecordError {}
