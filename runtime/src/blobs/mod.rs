//! The disk that keeps the content of files, behind the port of [`palabre_core::blob`].
//!
//! ```text
//! files/uploads/<upload>         what has arrived of an upload
//! files/uploads/<upload>.sums   what that comes to, in stretches, so that little of it is read again
//! files/blobs/ab/cd/<hash>       contents, called by their hash: written once, never changed
//! files/blobs/ab/cd/<hash>.sums  what stretches of it come to, so that one can be verified without the rest
//! ```
//!
//! Threads of their own wait for it, so that neither the poll loop nor the database ever does.

mod directory;
mod removal;
mod threads;
mod upload;

pub(crate) use self::threads::refused;
pub use self::{directory::BlobDirectory, threads::BlobThreads};
