//! Names of users and rooms, and when two of them are too close (`PROTOCOL.md` E2, E3, R1).
//!
//! ```
//! use palabre_core::name::{Nick, RoomName};
//!
//! let nick = Nick::parse("Ana")?;
//! assert_eq!(nick.key().folded().as_ref(), "ana");
//! assert_eq!(RoomName::parse("#Ｃafé")?.as_str(), "#Café");
//! assert!(Nick::parse("ana\u{202e}").is_err());
//! # Ok::<(), palabre_core::name::NameError>(())
//! ```

mod near;
mod profile;
#[cfg(test)]
mod tests;

use alloc::{
    string::{String, ToString as _},
    sync::Arc,
};
use core::fmt;

pub use self::near::{nearest, suggest};
use crate::error::{Refusal, RefusalCode};

/// The longest nickname, in bytes after folding (E2).
pub const NICK_BYTES_MAX: usize = 32;

/// The longest room name with its `#`, in bytes after folding (R1).
pub const ROOM_NAME_BYTES_MAX: usize = 64;

/// The longest printable form of a name that is none, in bytes.
const PRINTABLE_BYTES_MAX: usize = 64;

/// The name of the room that always exists (R3).
pub const LOBBY: &str = "#lobby";

/// The room of the server's operators (O1).
pub const OPERATORS: &str = "#operators";

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as it is shown and sent.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The name, shared instead of copied.
            #[must_use]
            pub fn shared(&self) -> Arc<str> {
                self.0.clone()
            }

            /// What it is found by and compared with. Costs a few microseconds: keep it beside the name.
            #[must_use]
            pub fn key(&self) -> NameKey {
                NameKey::of(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// The name of a user: 1 to 32 bytes, folded (E2).
    Nick
}
name! {
    /// The name of a room with its `#`: 2 to 64 bytes, folded (R1).
    RoomName
}

impl Nick {
    /// Folds and checks a name.
    ///
    /// # Errors
    /// Why it is no name (`name-invalid`).
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let folded = profile::fold(text, NICK_BYTES_MAX)?;
        profile::check(&folded)?;
        Ok(Self(folded.into()))
    }
}

impl RoomName {
    /// Folds and checks a name that begins with `#`.
    ///
    /// # Errors
    /// Why it is no name of a room (`name-invalid`).
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let folded = profile::fold(text, ROOM_NAME_BYTES_MAX)?;
        profile::check(folded.strip_prefix('#').ok_or(NameError::NoHash)?)?;
        Ok(Self(folded.into()))
    }

    /// The room that always exists (R3).
    #[must_use]
    pub fn lobby() -> Self {
        Self(LOBBY.into())
    }
}

/// What a name is found by, and what it could be mistaken for (E3).
///
/// Names with the same `folded` are the same; names with the same `skeleton` look alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameKey {
    folded: Arc<str>,
    skeleton: Arc<str>,
}

impl NameKey {
    fn of(name: &str) -> Self {
        Self { folded: profile::lower(name).into(), skeleton: profile::skeleton(name).into() }
    }

    /// The name in lower case.
    #[must_use]
    pub const fn folded(&self) -> &Arc<str> {
        &self.folded
    }

    /// The lower case of the name's confusable skeleton: for comparing only, it reads as nothing.
    #[must_use]
    pub const fn skeleton(&self) -> &Arc<str> {
        &self.skeleton
    }
}

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// There is nothing, or nothing after the `#`.
    Empty,
    /// It has more bytes than this.
    TooLong {
        /// The most it may have.
        bytes_max: usize,
    },
    /// A room's name does not begin with `#`.
    NoHash,
    /// It begins with this character, which may only stand inside.
    Start(char),
    /// This character may not stand in a name.
    Character(char),
    /// It mixes scripts in a way no language does.
    MixedScripts,
}

impl NameError {
    /// The refusal of `name` for this reason.
    #[must_use]
    pub fn refusal(self, name: &str) -> Refusal {
        Refusal::new(RefusalCode::NameInvalid, self.to_string()).about(printable(name))
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Empty => f.write_str("A name needs at least one letter or digit."),
            Self::TooLong { bytes_max } => {
                write!(f, "This name is too long; it may have at most {bytes_max} bytes.")
            }
            Self::NoHash => f.write_str("The name of a room begins with '#', as in #lobby."),
            Self::Start(char) => {
                write!(f, "A name begins with a letter or digit, not with {}.", Quoted(char))
            }
            Self::Character(char) => {
                write!(f, "A name has letters, digits, '-', '_' and '.', but not {}.", Quoted(char))
            }
            Self::MixedScripts => {
                f.write_str("This name mixes scripts as no language does; use the letters of one of them.")
            }
        }
    }
}

impl core::error::Error for NameError {}

/// A character as people can read it, whatever it is.
struct Quoted(char);

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ' ' => f.write_str("a space"),
            char if is_printable(char) => write!(f, "'{char}'"),
            char => write!(f, "U+{:04X}", u32::from(char)),
        }
    }
}

/// A text that may be anything, made fit to be shown and logged: unprintable characters escaped, at most 64 bytes.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown = String::new();
    for char in text.chars() {
        let before = shown.len();
        if is_printable(char) {
            shown.push(char);
        } else {
            shown.extend(char.escape_unicode());
        }
        if shown.len() > PRINTABLE_BYTES_MAX {
            shown.truncate(before);
            break;
        }
    }
    shown
}

fn is_printable(char: char) -> bool {
    char == ' ' || char.is_ascii_graphic() || profile::is_name_character(char)
}
