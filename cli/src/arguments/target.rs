//! Where a message goes: a room or a person.

use std::{fmt, str::FromStr};

use palabre_core::name::{NameError, Nick, RoomName};

/// `#room` or `@name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A room.
    Room(RoomName),
    /// The direct conversation with somebody.
    Person(Nick),
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if let Some(nick) = text.strip_prefix('@') {
            return Ok(Self::Person(Nick::parse(nick)?));
        }
        if text.starts_with('#') {
            return Ok(Self::Room(RoomName::parse(text)?));
        }
        Err(TargetError::Neither)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Room(room) => room.fmt(f),
            Self::Person(nick) => write!(f, "@{nick}"),
        }
    }
}

/// Why a text is no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    /// It says neither.
    #[error("write #room or @name, and quote it: the shell takes a bare # for a comment")]
    Neither,
    /// The name is none.
    #[error("{0}")]
    Name(NameError),
}

impl From<NameError> for TargetError {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}

/// The name of a room, whose `#` may be left out where nothing else can be meant.
pub(crate) fn parse_room(text: &str) -> Result<RoomName, NameError> {
    match RoomName::parse(text) {
        Err(NameError::NoHash) => RoomName::parse(&format!("#{text}")),
        parsed => parsed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_and_people_are_told_apart() {
        assert_eq!("#lobby".parse(), Ok(Target::Room(RoomName::parse("#lobby").unwrap())));
        assert_eq!("@ana".parse(), Ok(Target::Person(Nick::parse("ana").unwrap())));
        assert_eq!("lobby".parse::<Target>(), Err(TargetError::Neither));
        assert!("@".parse::<Target>().is_err());
        assert!("#a b".parse::<Target>().is_err());
        assert_eq!("@ana".parse::<Target>().unwrap().to_string(), "@ana");
    }

    #[test]
    fn a_room_alone_needs_no_hash() {
        assert_eq!(parse_room("tea").unwrap().as_str(), "#tea");
        assert_eq!(parse_room("#tea").unwrap().as_str(), "#tea");
    }
}
