//! What may be said (`PROTOCOL.md` P2).

use alloc::format;

use crate::{
    error::{Refusal, RefusalCode},
    storage::{EventFamily, EventKind},
};

/// The longest reaction, in bytes: enough for a character that is put together of many.
pub const REACTION_BYTES_MAX: usize = 48;

/// Checks the text of a post against the limits of its kind, in bytes.
///
/// # Errors
/// `text-empty`, `text-too-long` with both lengths, `text-invalid`.
pub fn check_text(
    kind: EventKind,
    text: &str,
    text_bytes_max: usize,
    topic_bytes_max: usize,
) -> Result<(), Refusal> {
    let (what, bytes_max, lines) = match kind.family() {
        EventFamily::Revision if kind == EventKind::Deleted => {
            let refusal = || Refusal::new(RefusalCode::TextInvalid, "A deletion has no text; leave it out.");
            return if text.is_empty() { Ok(()) } else { Err(refusal()) };
        }
        EventFamily::Reaction => return check_reaction(text),
        EventFamily::Message | EventFamily::Revision => ("message", text_bytes_max, true),
        EventFamily::Topic => ("topic", topic_bytes_max, false),
        EventFamily::Act => ("reason", topic_bytes_max, false),
        // The text of these is the server's own.
        EventFamily::File => ("name of the file", text_bytes_max, true),
    };
    let longest_refused = crate::seeded_bug!("longest-text-refused") && text.len() == bytes_max;
    if text.len() > bytes_max || longest_refused {
        let length = text.len();
        let text =
            format!("The {what} has {length} bytes, at most {bytes_max} are taken; shorten or split it.");
        return Err(Refusal::new(RefusalCode::TextTooLong, text));
    }
    if text.chars().any(|char| char.is_control() && !(lines && matches!(char, '\n' | '\t'))) {
        let text = format!("The {what} has control characters in it; remove them.");
        return Err(Refusal::new(RefusalCode::TextInvalid, text));
    }
    if lines && text.trim_start().is_empty() {
        return Err(Refusal::new(RefusalCode::TextEmpty, "The message is empty; say something."));
    }
    Ok(())
}

/// Checks a reaction: a few characters without space (`PROTOCOL.md` N6).
///
/// # Errors
/// `text-empty`, `text-too-long`, `text-invalid`.
pub fn check_reaction(text: &str) -> Result<(), Refusal> {
    if text.is_empty() {
        return Err(Refusal::new(RefusalCode::TextEmpty, "The reaction is empty; react with something."));
    }
    if text.len() > REACTION_BYTES_MAX {
        let length = text.len();
        let text = format!(
            "The reaction has {length} bytes, at most {REACTION_BYTES_MAX} are taken; take a shorter one."
        );
        return Err(Refusal::new(RefusalCode::TextTooLong, text));
    }
    if text.chars().any(|char| char.is_control() || char.is_whitespace()) {
        let text = "A reaction has no space and no control characters in it; remove them.";
        return Err(Refusal::new(RefusalCode::TextInvalid, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    fn code(kind: EventKind, text: &str) -> Option<RefusalCode> {
        check_text(kind, text, 10, 5).err().map(|refusal| refusal.code)
    }

    #[test]
    fn messages_have_lines_and_topics_have_not() {
        assert_eq!(code(EventKind::Posted, "a\n\tb"), None);
        assert_eq!(code(EventKind::Topic, "a\tb"), Some(RefusalCode::TextInvalid));
        assert_eq!(code(EventKind::Topic, ""), None);
        assert_eq!(code(EventKind::Action, " \n\u{2003}"), Some(RefusalCode::TextEmpty));
    }

    #[test]
    fn lengths_are_taken_up_to_the_limit() {
        let long = |length| String::from_iter(core::iter::repeat_n('x', length));
        assert_eq!(code(EventKind::Posted, &long(10)), None);
        assert_eq!(code(EventKind::Posted, &long(11)), Some(RefusalCode::TextTooLong));
        assert_eq!(code(EventKind::Topic, &long(6)), Some(RefusalCode::TextTooLong));
    }

    #[test]
    fn a_reaction_is_short_and_in_one_piece() {
        let family = "👨‍👩‍👧‍👦";
        for text in [":tea:", "+1", family] {
            assert_eq!(code(EventKind::Reacted, text), None, "{text}");
        }
        let refused = [
            ("", RefusalCode::TextEmpty),
            ("two words", RefusalCode::TextInvalid),
            ("\u{7}", RefusalCode::TextInvalid),
            ("a word that is far too long to be a reaction to it", RefusalCode::TextTooLong),
        ];
        for (text, refused) in refused {
            assert_eq!(code(EventKind::Unreacted, text), Some(refused), "{text}");
        }
    }

    #[test]
    fn no_control_character_is_taken() {
        for char in (0..0x20).chain(0x7f..0xa0).filter_map(char::from_u32) {
            let text = format!("a{char}b");
            let expected = if matches!(char, '\n' | '\t') { None } else { Some(RefusalCode::TextInvalid) };
            assert_eq!(code(EventKind::Posted, &text), expected, "{char:?}");
        }
    }
}
