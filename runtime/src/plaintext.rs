//! Doing without encryption, which has to be asked for.

use std::str::FromStr;

/// Whether to do without encryption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plaintext {
    /// No.
    #[default]
    No,
    /// Yes, within this machine alone.
    Loopback,
    /// Yes, between machines too: whoever is on the way reads along.
    Anywhere,
}

/// A text that does not say whether to do without encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is true, false or anywhere")]
pub struct PlaintextError;

impl Plaintext {
    /// What several mentions come to, since `--plaintext` said twice means anywhere; nothing if there is none.
    #[must_use]
    pub const fn of(mentions: &[Self]) -> Option<Self> {
        match mentions {
            [] => None,
            [.., Self::Anywhere] | [.., Self::Loopback, Self::Loopback] => Some(Self::Anywhere),
            [.., last] => Some(*last),
        }
    }
}

impl FromStr for Plaintext {
    type Err = PlaintextError;

    fn from_str(text: &str) -> Result<Self, PlaintextError> {
        match text {
            "false" => Ok(Self::No),
            "true" => Ok(Self::Loopback),
            "anywhere" => Ok(Self::Anywhere),
            _ => Err(PlaintextError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_twice_in_a_row_means_anywhere() {
        use Plaintext::{Anywhere, Loopback, No};
        for (mentions, meaning) in [
            (&[][..], None),
            (&[Loopback], Some(Loopback)),
            (&[Loopback, Loopback], Some(Anywhere)),
            (&[Loopback, No], Some(No)),
            (&[Loopback, No, Loopback], Some(Loopback)),
            (&[Anywhere], Some(Anywhere)),
        ] {
            assert_eq!(Plaintext::of(mentions), meaning, "{mentions:?}");
        }
    }
}
