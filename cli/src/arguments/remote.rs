//! Files on a server: where they are, and which.

use std::{fmt, str::FromStr};

use palabre_core::{
    name::{LOBBY, RoomName},
    transfer::{FileName, FileNameError},
};

use super::{Target, target::TargetError};

/// Where files are: `#room`, `@name`, or `~`, one's own shelf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shelf {
    /// With a room or a person.
    With(Target),
    /// One's own.
    Own,
}

impl Default for Shelf {
    fn default() -> Self {
        Self::With(Target::Room(RoomName::lobby()))
    }
}

impl FromStr for Shelf {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if text == "~" { Ok(Self::Own) } else { text.parse().map(Self::With) }
    }
}

impl fmt::Display for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::With(target) => target.fmt(f),
            Self::Own => f.write_str("~"),
        }
    }
}

/// A file: `#room/name`, `@name/name`, `~/name`, or a bare name, which is in the lobby.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) shelf: Shelf,
    pub(crate) name: FileName,
}

impl FromStr for Remote {
    type Err = RemoteError;

    fn from_str(text: &str) -> Result<Self, RemoteError> {
        let (shelf, name) = match text.split_once('/') {
            Some((shelf, name)) if shelf == "~" || shelf.starts_with(['#', '@']) => (shelf.parse()?, name),
            Some(_) | None if text.starts_with(['#', '@', '~']) => return Err(RemoteError::NoName),
            Some(_) | None => (Shelf::default(), text),
        };
        Ok(Self { shelf, name: FileName::parse(name)? })
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.shelf, self.name)
    }
}

/// Why a text is no file on a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RemoteError {
    /// It says only where.
    #[error("say which file: #room/name, @name/name, ~/name, or only a name for one in {LOBBY}")]
    NoName,
    /// The place is none.
    #[error("{0}")]
    Place(#[from] TargetError),
    /// The name is none.
    #[error("{0}")]
    Name(FileNameError),
}

impl From<FileNameError> for RemoteError {
    fn from(error: FileNameError) -> Self {
        Self::Name(error)
    }
}

/// Reads a number of bytes: `500`, `64k`, `10M`, `1.5G`, by 1,024 each.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let bytes = parse_offset(text)?;
    if bytes == 0 { Err(format!("{text} is too little; write 500, 64k, 10M or 1G")) } else { Ok(bytes) }
}

/// The same, where 0 is as good as any.
pub(crate) fn parse_offset(text: &str) -> Result<u64, String> {
    let explain = || format!("{text} is no number of bytes; write 500, 64k, 10M or 1G");
    let (number, shift) = match text.char_indices().last() {
        Some((at, unit)) if !unit.is_ascii_digit() => {
            let shift = match unit.to_ascii_lowercase() {
                'k' => 10,
                'm' => 20,
                'g' => 30,
                _ => return Err(explain()),
            };
            (&text[..at], shift)
        }
        Some(_) | None => (text, 0),
    };
    let number: u64 = number.parse().map_err(|_| explain())?;
    number.checked_mul(1 << shift).ok_or_else(explain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, RemoteError> {
        text.parse::<Remote>().map(|remote| remote.to_string())
    }

    #[test]
    fn a_bare_name_is_in_the_lobby() {
        assert_eq!(shown("report.iso").unwrap(), "#lobby/report.iso");
        assert_eq!(shown("#tea/a/b").unwrap(), "#tea/a/b");
        assert_eq!(shown("@ana/x").unwrap(), "@ana/x");
        assert_eq!(shown("~/x").unwrap(), "~/x");
        assert_eq!(shown("a/b").unwrap(), "#lobby/a/b");
    }

    #[test]
    fn what_is_no_file_is_refused() {
        assert_eq!(shown("#tea"), Err(RemoteError::NoName));
        assert_eq!(shown("~"), Err(RemoteError::NoName));
        for text in ["../x", "/etc/passwd", "#tea/../x", "~/", "#tea/", "x\u{202e}y", "C:\\x", "~/CON"] {
            assert!(shown(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_rate_takes_a_unit() {
        assert_eq!(parse_bytes("500"), Ok(500));
        assert_eq!(parse_bytes("64k"), Ok(65_536));
        assert_eq!(parse_bytes("10M"), Ok(10 << 20));
        for text in ["", "0", "k", "1T", "-1", "99999999999999999999", "18446744073709551615k"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
