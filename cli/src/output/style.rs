//! Colours: few, steady and only where they are wanted.

use std::fmt::{self, Display};

/// The colours that names take: readable on light and on dark.
const NAME_COLOURS: [u8; 6] = [31, 32, 33, 34, 35, 36];

/// Whether and how to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    coloured: bool,
}

impl Style {
    pub(crate) const fn new(coloured: bool) -> Self {
        Self { coloured }
    }

    /// A name, in the colour that this name always has.
    pub(crate) fn name(self, name: &str, shown: impl Display) -> impl Display {
        self.paint(name_colour(name), shown)
    }

    /// What need not catch the eye.
    pub(crate) fn quiet(self, shown: impl Display) -> impl Display {
        self.paint(2, shown)
    }

    /// What must be seen.
    pub(crate) fn alarm(self, shown: impl Display) -> impl Display {
        self.paint(31, shown)
    }

    const fn paint<D: Display>(self, code: u8, shown: D) -> Painted<D> {
        Painted { code: if self.coloured { Some(code) } else { None }, shown }
    }
}

fn name_colour(name: &str) -> u8 {
    NAME_COLOURS[name_hash(name) as usize % NAME_COLOURS.len()]
}

/// FNV-1a: the same name has the same colour in every run, on every machine.
pub(crate) fn name_hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// A line that was painted here, as it was before.
pub(super) fn without_colours(line: &str) -> String {
    let mut pieces = line.split("\x1b[");
    let mut clean = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        clean.push_str(piece.split_once('m').map_or(piece, |(_, rest)| rest));
    }
    clean
}

struct Painted<D> {
    code: Option<u8>,
    shown: D,
}

impl<D: Display> Display for Painted<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "\x1b[{code}m{}\x1b[0m", self.shown),
            None => self.shown.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_colour() {
        let style = Style::new(true);
        assert_eq!(style.name("ana", "ana").to_string(), style.name("ana", "ana").to_string());
        assert!(style.name("ana", "ana").to_string().starts_with("\x1b[3"));
    }

    #[test]
    fn without_colour_there_is_only_text() {
        assert_eq!(Style::new(false).alarm("no").to_string(), "no");
        assert_eq!(without_colours(&format!("a {} b", Style::new(true).alarm("no"))), "a no b");
    }
}
