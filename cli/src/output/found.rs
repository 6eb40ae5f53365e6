//! An event that was searched for, as a line.

use std::fmt;

use palabre_core::{
    search::Query,
    storage::{EventKind, StoredEvent},
};

use super::{Layout, MessageLines, Printable, about_file};

/// Characters of a text that are shown of what was found.
const SNIPPET_CHARS_MAX: usize = 160;

/// Characters before the first word that was found.
const BEFORE_CHARS_MAX: usize = 40;

/// `12:03 #tea 1234 ana: … text …`: where it is, and the part of its text that was searched for.
pub(crate) struct FoundLine<'a> {
    place: &'a str,
    event: &'a StoredEvent,
    query: &'a Query,
    layout: Layout,
}

impl<'a> FoundLine<'a> {
    pub(crate) const fn new(
        place: &'a str,
        event: &'a StoredEvent,
        query: &'a Query,
        layout: Layout,
    ) -> Self {
        Self { place, event, query, layout }
    }
}

impl fmt::Display for FoundLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = format!("{} {}", self.place, self.event.seq);
        let mut event = self.event.clone();
        if event.kind.is_post() {
            event.text = snippet(&event.text, self.query).into();
        }
        MessageLines::new(&event, Some(&place), self.layout).fmt(f)
    }
}

/// What is shown of a hit in a list: of a post its part that was searched for, else what happened.
pub(crate) fn hit_snippet(event: &StoredEvent, query: &Query) -> String {
    if event.kind == EventKind::FileShared {
        about_file(event.kind, &event.text)
    } else {
        snippet(&event.text, query)
    }
}

/// The line of a text that has the first word that was searched for, and of a long one the part around it.
fn snippet(text: &str, query: &Query) -> String {
    let mark = query.marks(text).next().map_or(0, |mark| mark.start);
    let (before, after) = text.split_at_checked(mark).unwrap_or(("", text));
    let line_before = before.rsplit('\n').next().unwrap_or_default();
    let rest = after.split('\n').next().unwrap_or_default();
    let skipped = line_before.chars().count().saturating_sub(BEFORE_CHARS_MAX);
    let line = line_before.chars().skip(skipped).chain(rest.chars());
    let mut shown: String = line.clone().take(SNIPPET_CHARS_MAX).collect();
    if skipped > 0 || before.len() > line_before.len() {
        shown.insert(0, '…');
    }
    if line.count() > SNIPPET_CHARS_MAX || after.len() > rest.len() {
        shown.push('…');
    }
    shown
}

/// How many were found, for people.
pub(crate) fn found_sentence(text: &str, hits: usize, more: bool) -> String {
    let text = Printable::new(text);
    match (hits, more) {
        (0, false) => format!("nothing was found for {text}"),
        (0, true) => format!("nothing was found for {text} so far; there is more that was said before"),
        (_, false) => format!("that is all for {text} ({hits})"),
        (_, true) => format!("these are the newest {hits} for {text}; there are more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, query: &str) -> String {
        snippet(text, &Query::parse(query).unwrap())
    }

    #[test]
    fn a_short_text_is_shown_whole() {
        assert_eq!(shown("the build is green", "green"), "the build is green");
    }

    #[test]
    fn of_many_lines_the_one_with_the_word_is_shown() {
        assert_eq!(shown("one\ntwo words\nthree", "words"), "…two words…");
        assert_eq!(shown("one\ntwo", "one"), "one…");
    }

    #[test]
    fn of_a_long_line_the_part_around_the_word_is_shown() {
        let text = format!("{}needle{}", "x ".repeat(100), " y".repeat(200));
        let shown = shown(&text, "needle");
        assert!(shown.starts_with('…') && shown.ends_with('…') && shown.contains("needle"), "{shown}");
        assert_eq!(shown.chars().count(), SNIPPET_CHARS_MAX + 2);
    }

    #[test]
    fn a_word_that_is_written_otherwise_is_found_in_the_text() {
        assert_eq!(shown("a\nCAFÉ au lait", "cafe"), "…CAFÉ au lait");
    }
}
