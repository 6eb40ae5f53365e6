//! The text that is being typed, and the keys that change it.

use unicode_segmentation::UnicodeSegmentation as _;

/// Steps that can be undone.
const UNDO_MAX: usize = 200;
/// Bytes that can be typed; a message may have less.
pub(crate) const TEXT_BYTES_MAX: usize = 256 * 1024;

/// A text with a cursor, which stands between two characters as they are seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    text: String,
    cursor: usize,
    undo: Vec<(String, usize)>,
    /// Whether the last change was a typed character: a run of them is undone together.
    is_typing: bool,
}

/// From the cursor to where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Motion {
    Left,
    Right,
    WordLeft,
    WordRight,
    /// The start of this line of several.
    Home,
    End,
}

impl Line {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Where the cursor is, in bytes.
    pub(crate) const fn cursor(&self) -> usize {
        self.cursor
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Another text, with the cursor behind it.
    pub(crate) fn set(&mut self, text: impl Into<String>) {
        self.remember(false);
        self.text = text.into();
        self.cursor = self.text.len();
    }

    /// Takes the text out; what was is forgotten.
    pub(crate) fn take(&mut self) -> String {
        std::mem::take(self).text
    }

    pub(crate) fn insert(&mut self, text: &str) {
        if self.text.len() + text.len() > TEXT_BYTES_MAX {
            return;
        }
        let is_typed = text.graphemes(true).count() == 1 && !text.starts_with(char::is_whitespace);
        self.remember(is_typed);
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
        // What was typed may have joined with what follows.
        self.cursor = self.boundary_at_or_after(self.cursor);
    }

    /// Puts a text in place of what is between a place and the cursor.
    pub(crate) fn replace_from(&mut self, start: usize, text: &str) {
        if !self.text.is_char_boundary(start) || start > self.cursor {
            return;
        }
        self.remember(false);
        self.text.replace_range(start..self.cursor, text);
        self.cursor = start + text.len();
    }

    pub(crate) fn go(&mut self, motion: Motion) {
        self.is_typing = false;
        self.cursor = self.target(motion);
    }

    /// To the row above or below, of several; whether there is one.
    pub(crate) fn go_row(&mut self, down: bool) -> bool {
        let start = self.target(Motion::Home);
        let column = self.text[start..self.cursor].graphemes(true).count();
        let from = if down {
            let end = self.target(Motion::End);
            if end == self.text.len() {
                return false;
            }
            end + 1
        } else {
            if start == 0 {
                return false;
            }
            self.text[..start - 1].rfind('\n').map_or(0, |at| at + 1)
        };
        let row = self.text[from..].split('\n').next().unwrap_or_default();
        let length: usize = row.graphemes(true).take(column).map(str::len).sum();
        self.cursor = from + length;
        self.is_typing = false;
        true
    }

    /// Removes what is between here and there, and answers what it was.
    pub(crate) fn cut(&mut self, motion: Motion) -> String {
        let target = self.target(motion);
        let (start, end) = (self.cursor.min(target), self.cursor.max(target));
        if start == end {
            return String::new();
        }
        self.remember(false);
        self.cursor = start;
        self.text.drain(start..end).collect()
    }

    pub(crate) fn undo(&mut self) {
        if let Some((text, cursor)) = self.undo.pop() {
            (self.text, self.cursor) = (text, cursor);
            self.is_typing = false;
        }
    }

    /// Swaps the characters around the cursor.
    pub(crate) fn transpose(&mut self) {
        if self.cursor == self.text.len() {
            self.go(Motion::Left);
        }
        let (start, end) = (self.target(Motion::Left), self.target(Motion::Right));
        if start < self.cursor && self.cursor < end {
            self.remember(false);
            let swapped = format!("{}{}", &self.text[self.cursor..end], &self.text[start..self.cursor]);
            self.text.replace_range(start..end, &swapped);
            self.cursor = end;
        }
    }

    fn remember(&mut self, is_typing: bool) {
        if !(is_typing && self.is_typing) {
            if self.undo.len() == UNDO_MAX {
                self.undo.remove(0);
            }
            self.undo.push((self.text.clone(), self.cursor));
        }
        self.is_typing = is_typing;
    }

    fn target(&self, motion: Motion) -> usize {
        let (before, after) = self.text.split_at(self.cursor);
        match motion {
            Motion::Left => before.grapheme_indices(true).next_back().map_or(0, |(at, _)| at),
            Motion::Right => {
                after.graphemes(true).next().map_or(self.cursor, |next| self.cursor + next.len())
            }
            Motion::WordLeft => {
                let trimmed = before.trim_end_matches(|char: char| !char.is_alphanumeric());
                trimmed
                    .rfind(|char: char| !char.is_alphanumeric())
                    .map_or(0, |at| at + trimmed[at..].chars().next().map_or(0, char::len_utf8))
            }
            Motion::WordRight => {
                let skipped =
                    after.len() - after.trim_start_matches(|char: char| !char.is_alphanumeric()).len();
                let word = &after[skipped..];
                let length = word.find(|char: char| !char.is_alphanumeric()).unwrap_or(word.len());
                self.cursor + skipped + length
            }
            Motion::Home => before.rfind('\n').map_or(0, |at| at + 1),
            Motion::End => after.find('\n').map_or(self.text.len(), |at| self.cursor + at),
        }
    }

    fn boundary_at_or_after(&self, at: usize) -> usize {
        let mut boundaries = self.text.grapheme_indices(true).map(|(start, _)| start);
        boundaries.find(|start| *start >= at).unwrap_or(self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(text: &str) -> Line {
        let mut line = Line::default();
        line.insert(text);
        line
    }

    #[test]
    fn words_are_moved_over_and_cut() {
        let mut line = line("one, two three");
        line.go(Motion::WordLeft);
        assert_eq!(line.cursor(), 9);
        line.go(Motion::WordLeft);
        line.go(Motion::WordLeft);
        assert_eq!(line.cursor(), 0);
        line.go(Motion::WordRight);
        assert_eq!(line.cut(Motion::End), ", two three");
        assert_eq!(line.text(), "one");
        line.undo();
        assert_eq!(line.text(), "one, two three");
    }

    #[test]
    fn a_character_as_seen_is_one_step() {
        let mut line = line("e\u{301}👩\u{200d}👧");
        line.go(Motion::Left);
        assert_eq!(line.cursor(), 3);
        assert_eq!(line.cut(Motion::Left), "e\u{301}");
    }

    #[test]
    fn a_run_of_typing_is_undone_by_words() {
        let mut line = Line::default();
        "hello you".chars().for_each(|char| line.insert(&char.to_string()));
        line.undo();
        assert_eq!(line.text(), "hello ");
        line.undo();
        line.undo();
        assert_eq!(line.text(), "");
        line.undo();
    }

    #[test]
    fn rows_are_moved_between() {
        let mut line = line("one\nto\nthree");
        assert!(line.go_row(false));
        assert_eq!(line.cursor(), 6);
        assert!(line.go_row(false));
        assert_eq!(line.cursor(), 2);
        assert!(!line.go_row(false));
        assert!(line.go_row(true) && line.go_row(true) && !line.go_row(true));
        assert_eq!(line.cursor(), 9);
    }

    #[test]
    fn neighbours_are_swapped() {
        let mut line = line("teh");
        line.transpose();
        assert_eq!(line.text(), "the");
    }

    proptest! {
        #[test]
        fn the_cursor_stays_between_characters(
            steps in proptest::collection::vec((0..12_u8, "\\PC{0,3}|\n|\u{301}|\u{200d}"), 0..40),
        ) {
            let mut line = Line::default();
            for (step, text) in steps {
                match step {
                    0..=3 => line.insert(&text),
                    4 => line.go(Motion::Left),
                    5 => line.go(Motion::WordLeft),
                    6 => line.go(Motion::Right),
                    7 => { line.cut(Motion::Left); }
                    8 => { line.cut(Motion::WordRight); }
                    9 => { line.go_row(false); }
                    10 => line.undo(),
                    _ => line.transpose(),
                }
                prop_assert!(line.text().is_char_boundary(line.cursor()));
            }
        }
    }
}
