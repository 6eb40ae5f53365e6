//! Names close to a name: free ones for somebody whose wish is taken, and the one somebody may have meant.

use alloc::format;

use super::{NICK_BYTES_MAX, NameKey, Nick};

/// The highest number that is tried behind a name.
const SUGGESTIONS_MAX: u32 = 99;

/// The longest text whose distance to another is measured, in characters.
const CHARS_MAX: usize = 64;

/// The most slips of the finger between two names for one to be meant by the other.
const DISTANCE_MAX: u8 = 2;

/// A free name like `nick`: with the first number from 2 that makes it so, or `None` after 98 tries.
///
/// `taken` says whether a name with that key would be refused; it must look at both, folded and skeleton.
#[must_use]
pub fn suggest(nick: &Nick, mut taken: impl FnMut(&NameKey) -> bool) -> Option<Nick> {
    let name = nick.as_str();
    let base = match name.trim_end_matches(|char: char| char.is_ascii_digit()) {
        "" => name,
        letters => letters,
    };
    (2..=SUGGESTIONS_MAX).find_map(|number| {
        let number = format!("{number}");
        let base = base.get(..base.floor_char_boundary(NICK_BYTES_MAX.saturating_sub(number.len())))?;
        let candidate = Nick::parse(&format!("{base}{number}")).ok()?;
        (candidate != *nick && !taken(&candidate.key())).then_some(candidate)
    })
}

/// The candidate that was most likely meant by `wanted`, or `None` if none is close: at most two letters are wrong,
/// missing, too many or swapped, and less than half of them. Case does not matter; of equals the first wins.
///
/// Bounded by 64 × 64 steps a candidate, without allocation; longer ones are passed over.
#[must_use]
pub fn nearest<'a>(wanted: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = Letters::of(wanted)?;
    let mut best = None;
    let mut distance_best = DISTANCE_MAX.saturating_add(1);
    for candidate in candidates {
        let Some(letters) = Letters::of(candidate) else { continue };
        let distance = wanted.distance(&letters);
        if distance < distance_best && usize::from(distance) * 2 < wanted.length.max(1) {
            best = Some(candidate);
            distance_best = distance;
        }
    }
    best
}

/// A short text in lower case, in place.
struct Letters {
    chars: [char; CHARS_MAX],
    length: usize,
}

impl Letters {
    fn of(text: &str) -> Option<Self> {
        let mut letters = Self { chars: ['\0'; CHARS_MAX], length: 0 };
        for char in text.chars().flat_map(char::to_lowercase) {
            *letters.chars.get_mut(letters.length)? = char;
            letters.length += 1;
        }
        Some(letters)
    }

    fn as_slice(&self) -> &[char] {
        &self.chars[..self.length]
    }

    /// The optimal string alignment distance: letters replaced, added, left out, or swapped with their neighbour.
    fn distance(&self, other: &Self) -> u8 {
        if self.length.abs_diff(other.length) > usize::from(DISTANCE_MAX) {
            return u8::MAX;
        }
        let (mine, theirs) = (self.as_slice(), other.as_slice());
        let mut before = [0_u8; CHARS_MAX + 1];
        let mut above = [0_u8; CHARS_MAX + 1];
        for (column, cell) in (0_u8..).zip(&mut above) {
            *cell = column;
        }
        for (row, (number, char)) in (1_u8..).zip(mine).enumerate() {
            let mut current = [number; CHARS_MAX + 1];
            for (column, their) in theirs.iter().enumerate() {
                let replaced = above[column] + u8::from(char != their);
                let mut least = replaced.min(above[column + 1] + 1).min(current[column] + 1);
                if row > 0 && column > 0 && *char == theirs[column - 1] && mine[row - 1] == *their {
                    least = least.min(before[column - 1] + 1);
                }
                current[column + 1] = least;
            }
            before = above;
            above = current;
        }
        above[theirs.len()]
    }
}
