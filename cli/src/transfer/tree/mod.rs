//! Folders. One travels as a tar stream in one transfer and is stored as `NAME.tar`, so that it is whole or not there at all by the
//! very rules of any file, and can be gone on with like any file.
//!
//! The stream is never made as a whole: the table of what is in a folder tells what stands at any place of it ([`TreeSource`]). What
//! was downloaded is a part as of any file, is verified, and only then unpacked beside its place ([`TreeDestination`]).

mod growing;
mod header;
mod sink;
mod source;
#[cfg(test)]
mod tests;
mod unpack;
mod walk;

use std::sync::{Arc, OnceLock};

use clap::ValueEnum;
use palabre_core::transfer::{FileName, FileNameError};
use serde::{Deserialize, Serialize};

pub(super) use self::growing::remove;
pub(crate) use self::{sink::TreeDestination, source::TreeSource};

/// What may be in a folder, and how deep folders may be: each takes a descriptor while it is unpacked.
const ENTRIES_MAX: usize = 1_000_000;
const DEPTH_MAX: usize = 100;

/// What the name of a stored folder ends in.
pub(super) const ENDING: &str = ".tar";

/// What becomes of symbolic links in a folder that is uploaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Links {
    /// They are left out
    #[default]
    Skip,
    /// What they lead to is taken
    Follow,
    /// They are kept, where they stay inside of the folder
    Keep,
}

/// Why something that arrived is no folder that may be made here; told to whoever shows the failure, which itself has no words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict(Arc<OnceLock<String>>);

impl Verdict {
    fn set(&self, sentence: String) {
        // The first is the one that counts.
        let _ = self.0.set(sentence);
    }

    pub(super) fn sentence(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

/// What a folder is called on a server, whether its ending is said or not.
pub(crate) fn stored_name(name: &str) -> Result<FileName, FileNameError> {
    if name.ends_with(ENDING) { FileName::parse(name) } else { FileName::parse(&format!("{name}{ENDING}")) }
}

/// What a folder of this name on a server is called here, and in its own stream.
pub(crate) fn folder_name(stored: &FileName) -> &str {
    let name = stored.parts().last().unwrap_or_default();
    name.strip_suffix(ENDING).filter(|stem| !stem.is_empty()).unwrap_or(name)
}

/// Whether a link that stands so many folders deep leads nowhere outside. It may begin with `..`, each of which is a folder it
/// stands in; once it went down, the way may be through other links, behind which `..` is anywhere.
fn stays_inside(target: &str, depth: usize) -> bool {
    let down = target.trim_start_matches("../");
    let mut up = (target.len() - down.len()) / "../".len();
    if down == ".." {
        up += 1;
    }
    up <= depth && (down == ".." || FileName::parse(down).is_ok())
}
