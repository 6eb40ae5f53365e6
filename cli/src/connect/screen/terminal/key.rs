//! Keys, and how they are written: `ctrl-a`, `alt-enter`, `f1`.

use std::{fmt, str::FromStr};

/// A key with what was held down beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) code: Code,
    pub(crate) modifiers: Modifiers,
}

/// What was held down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Modifiers {
    pub(crate) control: bool,
    pub(crate) alt: bool,
    /// Of keys that have no capital; of those that have, it is in the character.
    pub(crate) shift: bool,
}

/// Which key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Code {
    Char(char),
    Enter,
    Tab,
    Backspace,
    Escape,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    Insert,
    Delete,
    Function(u8),
}

/// What a person did at a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Key(Key),
    /// Text that was pasted, with line feeds.
    Paste(String),
    Click(Click),
    /// Whether the terminal's window has the focus now.
    Focus(bool),
}

/// What was done with the mouse, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Click {
    Press { column: u16, row: u16 },
    WheelUp { column: u16, row: u16 },
    WheelDown { column: u16, row: u16 },
}

impl Key {
    /// A key alone.
    pub(crate) const fn plain(code: Code) -> Self {
        Self { code, modifiers: Modifiers::NONE }
    }

    /// A shifted letter is its capital.
    pub(super) fn normal(self) -> Self {
        match (self.code, self.modifiers.shift) {
            (Code::Char(char), true) => {
                let mut capital = char.to_uppercase();
                let code = match (capital.next(), capital.next()) {
                    (Some(capital), None) => Code::Char(capital),
                    (_, _) => self.code,
                };
                Self { code, modifiers: Modifiers { shift: false, ..self.modifiers } }
            }
            (_, _) => self,
        }
    }

    /// The character that it types, if it types one.
    pub(crate) const fn typed(self) -> Option<char> {
        match (self.code, self.modifiers) {
            (Code::Char(char), Modifiers { control: false, alt: false, .. }) => Some(char),
            (_, _) => None,
        }
    }
}

impl Modifiers {
    pub(crate) const NONE: Self = Self { control: false, alt: false, shift: false };

    /// As terminals write them: one more than the sum of shift 1, alt 2 and control 4.
    pub(super) const fn from_number(number: u32, alt: bool) -> Self {
        let bits = number.saturating_sub(1);
        Self { shift: bits & 1 != 0, alt: alt || bits & 2 != 0, control: bits & 4 != 0 }
    }
}

const NAMED: [(&str, Code); 15] = [
    ("enter", Code::Enter),
    ("tab", Code::Tab),
    ("backspace", Code::Backspace),
    ("escape", Code::Escape),
    ("up", Code::Up),
    ("down", Code::Down),
    ("left", Code::Left),
    ("right", Code::Right),
    ("home", Code::Home),
    ("end", Code::End),
    ("pageup", Code::PageUp),
    ("pagedown", Code::PageDown),
    ("insert", Code::Insert),
    ("delete", Code::Delete),
    ("space", Code::Char(' ')),
];

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Modifiers { control, alt, shift } = self.modifiers;
        for (held, name) in [(control, "ctrl-"), (alt, "alt-"), (shift, "shift-")] {
            if held {
                f.write_str(name)?;
            }
        }
        match (NAMED.iter().find(|(_, code)| *code == self.code), self.code) {
            (Some((name, _)), _) => f.write_str(name),
            (None, Code::Char(char)) => char.fmt(f),
            (None, Code::Function(number)) => write!(f, "f{number}"),
            (None, other) => write!(f, "{other:?}"),
        }
    }
}

/// A text that names no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no key; keys are written like ctrl-a, alt-left, shift-tab or f1")]
pub(crate) struct NoKey(String);

impl FromStr for Key {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        let mut modifiers = Modifiers::NONE;
        let lower = text.to_ascii_lowercase();
        let mut rest = lower.as_str();
        loop {
            let (held, name) = if let Some(name) = rest.strip_prefix("ctrl-") {
                (&mut modifiers.control, name)
            } else if let Some(name) = rest.strip_prefix("alt-") {
                (&mut modifiers.alt, name)
            } else if let Some(name) = rest.strip_prefix("shift-") {
                (&mut modifiers.shift, name)
            } else {
                break;
            };
            if name.is_empty() {
                break;
            }
            *held = true;
            rest = name;
        }
        // A capital without a modifier is another key than the small letter.
        let name = &text[text.len().saturating_sub(rest.len())..];
        let mut chars = name.chars();
        let code = match (NAMED.iter().find(|(known, _)| *known == rest), chars.next(), chars.next()) {
            (Some((_, code)), _, _) => *code,
            (None, Some(char), None) => Code::Char(char),
            (None, Some('f' | 'F'), Some(_)) => match rest[1..].parse() {
                Ok(number @ 1..=12) => Code::Function(number),
                Ok(_) | Err(_) => return Err(NoKey(text.into())),
            },
            _ => return Err(NoKey(text.into())),
        };
        Ok(Self { code, modifiers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written() {
        for name in ["a", "A", "ctrl-a", "alt-enter", "ctrl-alt-x", "shift-tab", "f12", "alt--", "?", "space"]
        {
            assert_eq!(name.parse::<Key>().unwrap().to_string(), name);
        }
        assert_eq!("Ctrl-Left".parse::<Key>().unwrap().to_string(), "ctrl-left");
        for name in ["", "ctrl-", "f13", "enterr", "hyper-a"] {
            assert!(name.parse::<Key>().is_err(), "{name}");
        }
    }
}
