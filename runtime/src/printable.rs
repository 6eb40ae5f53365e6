//! Text from elsewhere, made fit for a log.

use std::fmt::{self, Write};

/// How many bytes of a text are shown.
const SHOWN_BYTES_MAX: usize = 64;

/// Shows the beginning of a text with everything escaped that a terminal or a log could trip over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printable<'a>(pub(crate) &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = SHOWN_BYTES_MAX;
        for character in self.0.chars() {
            if character.len_utf8() > left {
                return f.write_char('…');
            }
            left -= character.len_utf8();
            if character == '\'' || character == '"' {
                f.write_char(character)?;
            } else {
                write!(f, "{}", character.escape_debug())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_fool_a_terminal_is_escaped() {
        assert_eq!(Printable("a\x1b[31m\n\u{202e}é").to_string(), "a\\u{1b}[31m\\n\\u{202e}é");
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let shown = Printable(&"é".repeat(100)).to_string();
        assert_eq!(shown, format!("{}…", "é".repeat(32)));
    }
}
