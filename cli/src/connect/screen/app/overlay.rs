//! What lies over the messages or takes the place of the line for a while.

use palabre_core::ids::{RoomId, Seq};

use super::line::Line;

/// What is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Overlay {
    /// Nothing: keys go to the line.
    #[default]
    None,
    /// A list of what the word before the cursor may become.
    Completing(Completing),
    /// A list of rooms, by what is typed.
    Switching(Choosing),
    /// A list of lines sent, by what is typed.
    Recalling(Choosing),
    /// What is looked for in the messages.
    Finding(Line),
    /// What was searched for on the server.
    Found(Found),
    /// The keys.
    Help { scrolled: usize },
    /// A text of many lines was pasted.
    Pasted(String),
}

/// A completion that is being chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Completing {
    pub(crate) start: usize,
    /// What stood there.
    pub(crate) typed: String,
    pub(crate) candidates: Vec<String>,
    pub(crate) chosen: usize,
}

/// What was found on the server, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// How many, of what.
    pub(crate) title: String,
    pub(crate) hits: Vec<FoundHit>,
    pub(crate) chosen: usize,
}

/// A message that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundHit {
    pub(crate) room: RoomId,
    pub(crate) seq: Seq,
    pub(crate) line: String,
}

/// Something that is chosen from a list that what is typed makes shorter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choosing {
    pub(crate) line: Line,
    pub(crate) chosen: usize,
}

impl Completing {
    pub(crate) fn turn(&mut self, back: bool) -> &str {
        let count = self.candidates.len().max(1);
        self.chosen = if back { self.chosen + count - 1 } else { self.chosen + 1 } % count;
        self.candidates.get(self.chosen).map_or("", String::as_str)
    }
}

/// How well a text fits what is typed: all its letters in order, better at the start and in a row.
pub(crate) fn fit(text: &str, typed: &str) -> Option<usize> {
    let (text, typed) = (text.to_lowercase(), typed.to_lowercase());
    if let Some(at) = text.find(&typed) {
        return Some(at);
    }
    let mut chars = text.chars().enumerate();
    let mut last = 0;
    for wanted in typed.chars() {
        last = chars.find(|(_, char)| *char == wanted)?.0;
    }
    Some(100 + last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_fit_comes_first() {
        assert!(fit("#tea", "tea") < fit("#the-sea", "tea"));
        assert!(fit("#the-sea", "tea").is_some());
        assert_eq!(fit("#tea", "x"), None);
        assert_eq!(fit("#tea", "teax"), None);
    }
}
