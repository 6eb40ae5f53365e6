//! Text of others as rows of a pane: printable, broken at words, as wide as terminals show it, and from right to left
//! where it is written so.

use ratatui::style::Style;
use unicode_bidi::{BidiInfo, Level};
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use crate::output::Printable;

/// Code points of one character on the screen; what piles up more on it is left out.
const CLUSTER_CHARS_MAX: usize = 8;

/// Text in one style, fit for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    text: String,
    pub(crate) style: Style,
}

/// A row of a pane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) glyphs: Vec<Glyph>,
}

/// What a terminal shows as one character, in one or two columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glyph {
    pub(crate) symbol: String,
    pub(crate) width: usize,
    pub(crate) style: Style,
}

impl Span {
    /// Text as somebody wrote it, made printable; it must not contain line feeds that mean something.
    pub(crate) fn new(text: &str, style: Style) -> Self {
        Self { text: Printable::new(text).to_string(), style }
    }
}

impl Row {
    pub(crate) fn width(&self) -> usize {
        self.glyphs.iter().map(|glyph| glyph.width).sum()
    }

    /// As text, without styles.
    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        self.glyphs.iter().map(|glyph| glyph.symbol.as_str()).collect()
    }

    /// One that is not broken: what does not fit is cut off, with a sign that it was.
    pub(crate) fn cut(spans: &[Span], width: usize) -> Self {
        let mut row = Self { glyphs: in_visual_order(&glyphs(spans)) };
        if row.width() <= width {
            return row;
        }
        let mut left = row.width();
        while left + 1 > width {
            let Some(glyph) = row.glyphs.pop() else { break };
            left -= glyph.width;
        }
        if width > 0 {
            let style = row.glyphs.last().map(|glyph| glyph.style).unwrap_or_default();
            row.glyphs.push(Glyph { symbol: "…".into(), width: 1, style });
        }
        row
    }

    /// Adds another behind it.
    pub(crate) fn then(mut self, other: Self) -> Self {
        self.glyphs.extend(other.glyphs);
        self
    }

    /// Fills up with spaces.
    pub(crate) fn padded(mut self, width: usize, style: Style) -> Self {
        let missing = width.saturating_sub(self.width());
        self.glyphs.extend((0..missing).map(|_| Glyph { symbol: " ".into(), width: 1, style }));
        self
    }
}

/// A line of text as rows that are at most so wide; at least one.
pub(crate) fn wrap(spans: &[Span], width: usize) -> Vec<Row> {
    break_lines(glyphs(spans), width.max(1))
        .into_iter()
        .map(|row| Row { glyphs: in_visual_order(&row) })
        .collect()
}

/// The characters of a text as a terminal shows them, and how wide each is.
pub(crate) fn clusters(text: &str) -> impl Iterator<Item = (usize, &str, usize)> {
    text.grapheme_indices(true).map(|(at, cluster)| (at, cluster, cluster.width()))
}

fn glyphs(spans: &[Span]) -> Vec<Glyph> {
    let mut glyphs: Vec<Glyph> = Vec::new();
    for span in spans {
        for cluster in span.text.graphemes(true) {
            let symbol: String = match cluster.char_indices().nth(CLUSTER_CHARS_MAX) {
                Some((end, _)) => cluster[..end].into(),
                None => cluster.into(),
            };
            let width = symbol.width();
            match glyphs.last_mut() {
                // What has no width of its own belongs to what is before it.
                Some(before) if width == 0 => {
                    if before.symbol.chars().count() < CLUSTER_CHARS_MAX {
                        before.symbol.push_str(&symbol);
                    }
                }
                // And at the start it stands on a space.
                None if width == 0 => {
                    glyphs.push(Glyph { symbol: format!(" {symbol}"), width: 1, style: span.style });
                }
                Some(_) | None => glyphs.push(Glyph { symbol, width, style: span.style }),
            }
        }
    }
    glyphs
}

/// Breaks after a space where there is one, else within the word.
fn break_lines(glyphs: Vec<Glyph>, width: usize) -> Vec<Vec<Glyph>> {
    let mut rows = Vec::new();
    let mut row: Vec<Glyph> = Vec::new();
    let mut row_width = 0;
    let mut after_space = 0;
    for mut glyph in glyphs {
        if glyph.width > width {
            glyph = Glyph { symbol: "?".into(), width: 1, ..glyph };
        }
        if row_width + glyph.width > width {
            let is_space = glyph.symbol == " ";
            // A space at the end of a row needs no place.
            let at = if is_space || after_space == 0 { row.len() } else { after_space };
            let rest = row.split_off(at);
            rows.push(std::mem::replace(&mut row, rest));
            row_width = row.iter().map(|glyph| glyph.width).sum();
            after_space = 0;
            if is_space {
                continue;
            }
        }
        let is_space = glyph.symbol == " ";
        row_width += glyph.width;
        row.push(glyph);
        if is_space {
            after_space = row.len();
        }
    }
    rows.push(row);
    rows
}

/// As it is to be written from left to right (Unicode's bidirectional algorithm, rules L2 and L4).
///
/// A row is ordered by itself, from the direction of its first letter that has one.
fn in_visual_order(row: &[Glyph]) -> Vec<Glyph> {
    if !row.iter().any(|glyph| glyph.symbol.chars().any(is_right_to_left)) {
        return row.to_vec();
    }
    let text: String = row.iter().map(|glyph| glyph.symbol.as_str()).collect();
    let info = BidiInfo::new(&text, None);
    let mut at = 0;
    let mut levelled: Vec<(Level, Glyph)> = Vec::with_capacity(row.len());
    for glyph in row {
        let level = info.levels.get(at).copied().unwrap_or_else(Level::ltr);
        at += glyph.symbol.len();
        let mirrored = if level.is_rtl() { mirror(&glyph.symbol) } else { None };
        let symbol = mirrored.map_or_else(|| glyph.symbol.clone(), Into::into);
        levelled.push((level, Glyph { symbol, ..glyph.clone() }));
    }
    let highest = levelled.iter().map(|(level, _)| level.number()).max().unwrap_or(0);
    for number in (1..=highest).rev() {
        let mut start = 0;
        while start < levelled.len() {
            if levelled[start].0.number() < number {
                start += 1;
                continue;
            }
            let run = levelled[start..].iter().take_while(|(level, _)| level.number() >= number).count();
            levelled[start..start + run].reverse();
            start += run;
        }
    }
    levelled.into_iter().map(|(_, glyph)| glyph).collect()
}

const fn is_right_to_left(char: char) -> bool {
    matches!(char,
        '\u{590}'..='\u{8ff}'
        | '\u{fb1d}'..='\u{fdff}'
        | '\u{fe70}'..='\u{feff}'
        | '\u{10800}'..='\u{10fff}'
        | '\u{1e800}'..='\u{1efff}')
}

fn mirror(symbol: &str) -> Option<&'static str> {
    Some(match symbol {
        "(" => ")",
        ")" => "(",
        "[" => "]",
        "]" => "[",
        "{" => "}",
        "}" => "{",
        "<" => ">",
        ">" => "<",
        "«" => "»",
        "»" => "«",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(text: &str, width: usize) -> Vec<String> {
        wrap(&[Span::new(text, Style::new())], width).iter().map(Row::text).collect()
    }

    #[test]
    fn a_row_is_cut_in_steps_as_many_as_it_has_characters() {
        let row = Row::cut(&[Span::new(&"x".repeat(500_000), Style::new())], 5);
        assert_eq!(row.text(), "xxxx…");
    }

    #[test]
    fn lines_break_after_words() {
        assert_eq!(rows("one two three", 8), ["one two ", "three"]);
        assert_eq!(rows("one two three", 7), ["one two", "three"]);
        assert_eq!(rows("", 5), [""]);
    }

    #[test]
    fn a_long_word_is_broken_where_the_row_ends() {
        assert_eq!(rows("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(rows("ab cdefgh", 4), ["ab ", "cdef", "gh"]);
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(rows("你好吗", 5), ["你好", "吗"]);
        assert_eq!(rows("a🙂b", 2), ["a", "🙂", "b"]);
        assert_eq!(rows("你", 1), ["?"]);
    }

    #[test]
    fn combining_characters_stay_with_theirs() {
        assert_eq!(rows("e\u{301}e\u{301}", 1), ["e\u{301}", "e\u{301}"]);
        assert_eq!(rows("\u{301}a", 2), [" \u{301}a"]);
        let pile = format!("a{}b", "\u{301}".repeat(200));
        assert!(rows(&pile, 5)[0].chars().count() < 12);
    }

    #[test]
    fn a_family_is_one_character() {
        assert_eq!(rows("👩\u{200d}👩\u{200d}👧x", 2), ["👩\u{200d}👩\u{200d}👧", "x"]);
    }

    #[test]
    fn right_to_left_text_is_ordered_for_the_eye() {
        assert_eq!(rows("abc אבג def", 20), ["abc גבא def"]);
        assert_eq!(rows("שלום (עולם)", 20), ["(םלוע) םולש"]);
        assert_eq!(rows("אבג 123", 20), ["123 גבא"]);
    }

    #[test]
    fn what_does_not_fit_is_cut_with_a_sign() {
        let cut = |text: &str, width| Row::cut(&[Span::new(text, Style::new())], width).text();
        assert_eq!(cut("topic", 5), "topic");
        assert_eq!(cut("topics", 5), "topi…");
        assert_eq!(cut("你好", 3), "你…");
        assert_eq!(cut("你好", 2), "…");
        assert_eq!(cut("x", 0), "");
    }

    proptest! {
        #[test]
        fn no_row_is_wider_than_it_may_be_and_nothing_in_it_is_obeyed(text in any::<String>(), width in 1..40_usize) {
            for row in wrap(&[Span::new(&text, Style::new())], width) {
                prop_assert!(row.width() <= width, "{row:?}");
                prop_assert!(!row.text().chars().any(char::is_control));
            }
        }
    }
}
