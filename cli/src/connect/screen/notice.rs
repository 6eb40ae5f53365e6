//! Notices: a bell, and what terminals make a notice on the desktop of.

use crate::output::Printable;

/// How the terminal is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Way {
    #[default]
    Direct,
    /// Through tmux, which passes on what is wrapped for it.
    Tmux,
}

/// What tells the terminal. Both words for it are sent; a terminal knows one of them, or none.
pub(super) fn bytes(way: Way, bell: bool, title: &str, text: &str) -> Vec<u8> {
    let mut bytes = if bell { b"\x07".to_vec() } else { Vec::new() };
    let clean = |text: &str| Printable::new(text).to_string().replace(';', ",");
    let (title, text) = (clean(title), clean(text));
    for notice in [format!("\x1b]9;{title}: {text}\x1b\\"), format!("\x1b]777;notify;{title};{text}\x1b\\")] {
        match way {
            Way::Direct => bytes.extend(notice.as_bytes()),
            Way::Tmux => {
                let wrapped = notice.replace('\x1b', "\x1b\x1b");
                bytes.extend(format!("\x1bPtmux;{wrapped}\x1b\\").as_bytes());
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_carries_no_sequence_of_others() {
        let bytes = bytes(Way::Direct, true, "ana in #tea", "a\x1b]0;x\x07;b");
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.matches('\x1b').count(), 4);
        assert_eq!(text.matches('\x07').count(), 1);
        assert!(text.contains("a␛]0,x␇,b"));
    }
}
