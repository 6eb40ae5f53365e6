//! Files on their way (`PROTOCOL.md` section U): what they are called, and the machines at either end of a transfer.
//!
//! The machines know offsets only. Bytes are read, written, hashed (by a [`ContentHasher`]) and made durable by whoever drives
//! the core, who says when that is done: see [`blob`](crate::blob) for the server, [`client`](crate::client) for the client.

mod hash;
mod name;
mod receive;
mod send;
mod share;

use core::fmt;

pub use self::{
    hash::{
        ContentHasher, SUBTREE_BYTES, Subtree, TreeHasher, hash_of_outline, outline_from_bytes,
        outline_length, outline_to_bytes,
    },
    name::{FILE_NAME_BYTES_MAX, FileName, FileNameError, PART_BYTES_MAX},
    share::SharedFile,
};
pub(crate) use self::{
    receive::{Checkpoints, Overrun, Receiving, Window},
    send::Sending,
};

/// What a file is known by: the BLAKE3 hash of its content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobHash(pub [u8; 32]);

/// What an upload is called by its user: drawn by the client at random (U3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadKey(pub [u8; 16]);

/// What an upload is called on the server and on its disk: drawn by the server at random.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(pub [u8; 16]);

macro_rules! hexadecimal {
    ($($type:ident)*) => {
        $(impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self)
            }
        })*
    };
}

hexadecimal!(BlobHash UploadKey UploadId);

impl BlobHash {
    /// The hash that these hexadecimal digits write.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

/// Which version of a file. Numbered by storage, from 1, and never given again; 0 stands for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u64);

impl Version {
    /// The version with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
