//! Text of others, made fit for a terminal.

use std::fmt::{self, Write as _};

use palabre_core::name::{Nick, RoomName};

/// A text that comes from somebody else (or may), as it may reach a terminal: without control characters, escape
/// sequences, bidirectional overrides and invisible characters, each of which is shown as what it is.
///
/// All such text is printed through this type. A line feed is shown like any control character: whoever lays out
/// several lines splits them first.
///
/// C0 and DEL are shown by their control pictures (`␛`), the others by their numbers (`<202E>`); a tab is four
/// spaces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printable<'a>(&'a str);

impl<'a> Printable<'a> {
    /// Any text.
    pub(crate) const fn new(text: &'a str) -> Self {
        Self(text)
    }
}

impl<'a> From<&'a Nick> for Printable<'a> {
    fn from(nick: &'a Nick) -> Self {
        Self(nick.as_str())
    }
}

impl<'a> From<&'a RoomName> for Printable<'a> {
    fn from(name: &'a RoomName) -> Self {
        Self(name.as_str())
    }
}

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut clean_from = 0;
        for (at, char) in self.0.char_indices() {
            if !is_hidden(char) {
                continue;
            }
            f.write_str(&self.0[clean_from..at])?;
            write_visibly(char, f)?;
            clean_from = at + char.len_utf8();
        }
        f.write_str(&self.0[clean_from..])
    }
}

fn write_visibly(char: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match char {
        '\t' => f.write_str("    "),
        '\0'..='\x1f' => f.write_char(char::from_u32(0x2400 + u32::from(char)).unwrap_or('\u{fffd}')),
        '\x7f' => f.write_char('␡'),
        other => write!(f, "<{:04X}>", u32::from(other)),
    }
}

/// Whether a terminal would obey it, or nobody would see it.
///
/// Joiners (U+200C, U+200D) and variation selectors stay: scripts and emoji are made with them, and they change no
/// other character's place.
const fn is_hidden(char: char) -> bool {
    matches!(char,
        '\0'..='\x1f'
        | '\x7f'..='\u{9f}'
        | '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'
        | '\u{200e}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e00ff}'
        | '\u{e01f0}'..='\u{e0fff}')
}

/// How a text begins: so many characters of its first line, and whether there is more.
pub(crate) fn beginning(text: &str, chars: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut cut: String = line.chars().take(chars).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        Printable::new(text).to_string()
    }

    #[test]
    fn escape_sequences_are_shown_not_obeyed() {
        assert_eq!(shown("\x1b[2J\x1b]0;title\x07"), "␛[2J␛]0;title␇");
        assert_eq!(shown("a\u{9b}31mb"), "a<009B>31mb");
        assert_eq!(shown("one\r\ntwo\x7f"), "one␍␊two␡");
        assert_eq!(shown("a\tb"), "a    b");
    }

    #[test]
    fn overrides_and_invisibles_are_shown() {
        assert_eq!(shown("\u{202e}gnp.exe"), "<202E>gnp.exe");
        assert_eq!(shown("a\u{200b}b\u{feff}\u{2066}"), "a<200B>b<FEFF><2066>");
        assert_eq!(shown("\u{e0041}"), "<E0041>");
    }

    #[test]
    fn what_people_write_stays_as_it_is() {
        for text in ["héllo, мир, 你好", "👩\u{200d}👩\u{200d}👧 ❤\u{fe0f}", "שלום", "می\u{200c}خواهم"]
        {
            assert_eq!(shown(text), text);
        }
    }

    proptest! {
        #[test]
        fn no_control_byte_gets_through(text in any::<String>()) {
            let shown = shown(&text);
            prop_assert!(!shown.chars().any(char::is_control));
            prop_assert!(!shown.chars().any(is_hidden));
        }

        #[test]
        fn control_characters_anywhere_are_shown(
            parts in proptest::collection::vec(
                prop_oneof![Just("\x1b".to_owned()), Just("\u{202e}".to_owned()), Just("\u{9b}".to_owned()), "[a-z]{0,3}"],
                0..20,
            ),
        ) {
            prop_assert!(!shown(&parts.concat()).chars().any(is_hidden));
        }
    }
}
