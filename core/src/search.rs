//! What is searched for, and what matches (`PROTOCOL.md` S2, S3).
//!
//! ```
//! use palabre_core::search::Query;
//!
//! let query = Query::parse("\"the build\" gree*")?;
//! assert!(query.matches("The BUILD is green again"));
//! assert!(!query.matches("is the green build red?"));
//! # Ok::<(), palabre_core::error::Refusal>(())
//! ```
//!
//! Words are made here and nowhere else. A storage indexes what [`words`] makes of a text and looks for the words of a
//! [`Query`]; one without an index asks [`Query::matches`]. Nothing else decides what is found.

use alloc::{borrow::Cow, format, string::String, vec::Vec};
use core::ops::Range;

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

use crate::{
    error::{Refusal, RefusalCode},
    storage::{EventFamily, EventKind},
};

/// The longest query, in bytes.
pub const QUERY_BYTES_MAX: usize = 256;

/// The most words of a query.
pub const QUERY_WORDS_MAX: usize = 16;

/// So many bytes of a word count, in a text as in a query.
pub const WORD_BYTES_MAX: usize = 64;

/// What is searched for: all of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    phrases: Vec<Phrase>,
}

/// Words that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase {
    /// At least one, as [`words`] makes them.
    pub words: Vec<String>,
    /// Whether the last one may go on.
    pub is_prefix: bool,
}

impl Query {
    /// Reads what somebody typed.
    ///
    /// # Errors
    /// `query-empty` where there is no word in it, `query-too-long`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.len() > QUERY_BYTES_MAX {
            return Err(too_long());
        }
        let mut phrases = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (piece, is_prefix, after) = first_piece(rest);
            let words = words(piece);
            if !words.is_empty() {
                phrases.push(Phrase { words, is_prefix });
            }
            rest = after.trim_start();
        }
        if phrases.iter().map(|phrase| phrase.words.len()).sum::<usize>() > QUERY_WORDS_MAX {
            return Err(too_long());
        }
        if phrases.is_empty() {
            let text = "There is no word in what you search for; give one with letters or digits.";
            return Err(Refusal::new(RefusalCode::QueryEmpty, text));
        }
        Ok(Self { phrases })
    }

    /// What all has to be there.
    #[must_use]
    pub fn phrases(&self) -> &[Phrase] {
        &self.phrases
    }

    /// Whether a text has all that is searched for.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let words = words(text);
        self.phrases.iter().all(|phrase| words.windows(phrase.words.len()).any(|found| phrase.is(found)))
    }

    /// The parts of a text that make it match: each of its words that is one of those searched for.
    pub fn marks<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        pieces(text).filter(|piece| {
            let found = text.get(piece.clone()).map(words).unwrap_or_default();
            self.phrases.iter().any(|phrase| phrase.has_one_of(&found))
        })
    }
}

impl Phrase {
    fn is(&self, found: &[String]) -> bool {
        let Some((last, others)) = self.words.split_last() else { return false };
        let Some((found_last, found_others)) = found.split_last() else { return false };
        others == found_others && self.is_last(last, found_last)
    }

    fn has_one_of(&self, found: &[String]) -> bool {
        let Some((last, others)) = self.words.split_last() else { return false };
        found.iter().any(|found| others.contains(found) || self.is_last(last, found))
    }

    fn is_last(&self, last: &str, found: &str) -> bool {
        if self.is_prefix { found.starts_with(last) } else { found == last }
    }
}

/// What of an event can be found by its words: what was said and done, topics, and the names of files that were shared.
#[must_use]
pub fn searched(kind: EventKind, text: &str) -> Option<&str> {
    match kind.family() {
        EventFamily::Message | EventFamily::Topic => Some(text),
        EventFamily::File if kind == EventKind::FileShared => text.lines().next(),
        // What an edit says is the text of the message itself.
        EventFamily::Revision | EventFamily::Reaction | EventFamily::File | EventFamily::Act => None,
    }
}

/// The words of a text, in order. Of ASCII they have small letters and digits alone, so that any other ASCII character
/// parts them.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for piece in pieces(text).filter_map(|piece| text.get(piece)) {
        let folded = fold(piece);
        words.extend(pieces(&folded).filter_map(|word| folded.get(word)).map(shorten));
    }
    words
}

/// Up to the quote that ends it, or to the next white space; with whether its last word may go on, and what is left.
fn first_piece(text: &str) -> (&str, bool, &str) {
    if let Some(quoted) = text.strip_prefix('"') {
        let (piece, after) = quoted.split_once('"').unwrap_or((quoted, ""));
        return match after.strip_prefix('*') {
            Some(after) => (piece, true, after),
            None => (piece, piece.ends_with('*'), after),
        };
    }
    let end = text.find(|char: char| char.is_whitespace() || char == '"').unwrap_or(text.len());
    let (piece, after) = text.split_at(end);
    (piece, piece.ends_with('*'), after)
}

fn too_long() -> Refusal {
    let text = format!(
        "You search for too much at once: at most {QUERY_WORDS_MAX} words in {QUERY_BYTES_MAX} bytes are taken."
    );
    Refusal::new(RefusalCode::QueryTooLong, text)
}

/// Where the words of a text are.
fn pieces(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut from = 0;
    core::iter::from_fn(move || {
        let rest = text.get(from..)?;
        let (skipped, first) = rest.char_indices().find(|(_, char)| is_of_word(*char))?;
        let start = from + skipped;
        let body = start + first.len_utf8();
        let stands_alone = stands_alone(first);
        let mut others = text.get(body..)?.char_indices();
        let end = others.find(|(_, char)| !goes_on(stands_alone, *char));
        from = end.map_or(text.len(), |(length, _)| body + length);
        Some(start..from)
    })
}

fn is_of_word(char: char) -> bool {
    char.is_alphanumeric() || (!char.is_ascii() && is_combining_mark(char))
}

/// Whether a character belongs to the word before it, of which is said whether it is a character that stands alone.
fn goes_on(stands_alone_before: bool, char: char) -> bool {
    if char.is_ascii() {
        return char.is_ascii_alphanumeric() && !stands_alone_before;
    }
    is_combining_mark(char) || (char.is_alphanumeric() && !stands_alone_before && !stands_alone(char))
}

/// Characters of scripts that put no space between words: each is a word, and a run of them is searched for as a phrase.
const fn stands_alone(char: char) -> bool {
    matches!(
        char,
        '\u{0e00}'..='\u{0eff}' // Thai, Lao
            | '\u{1000}'..='\u{109f}' // Burmese
            | '\u{1780}'..='\u{17ff}' // Khmer
            | '\u{3040}'..='\u{30ff}' // Hiragana, Katakana
            | '\u{31f0}'..='\u{31ff}'
            | '\u{3400}'..='\u{4dbf}' // Han
            | '\u{4e00}'..='\u{9fff}'
            | '\u{20000}'..='\u{3ffff}'
    )
}

/// Small letters without the accents of Latin, Greek and Cyrillic, and without the distinctions that Unicode calls those of
/// compatibility (NFKD).
fn fold(word: &str) -> Cow<'_, str> {
    if word.is_ascii() {
        if word.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return word.to_ascii_lowercase().into();
        }
        return word.into();
    }
    let bare = word.nfkd().filter(|char| !('\u{300}'..='\u{36f}').contains(char)).nfc();
    let folded = bare.flat_map(char::to_lowercase).map(|char| if char == 'ς' { 'σ' } else { char });
    folded.collect::<String>().into()
}

fn shorten(word: &str) -> String {
    let end = (0..=WORD_BYTES_MAX).rev().find(|end| word.is_char_boundary(*end)).unwrap_or_default();
    word.get(..end).unwrap_or(word).into()
}

#[cfg(test)]
mod tests;
