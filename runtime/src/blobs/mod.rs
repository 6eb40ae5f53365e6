//! The disk that keeps the content of files, behind the port of [`palabre_core::blob`].
//!
//! ```text
//! files/uploads/<upload>        what has arrived of an upload
//! files/blobs/ab/cd/<hash>      contents, called by their hash: written once, never changed
//! ```
//!
//! Threads of their own wait for it, so that neither the poll loop nor the database ever does.

mod directory;
mod threads;
mod upload;

pub(crate) use self::threads::refused;
pub use self::{directory::BlobDirectory, threads::BlobThreads};
