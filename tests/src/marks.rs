//! Marks of rare situations, so that a campaign can show that they happened.
//!
//! `sometimes!("name")` counts; [`CATALOGUE`] names every mark there is. A campaign in which one stays at zero has
//! not tested what it claims to test, and fails.

use std::cell::RefCell;

/// Every mark, one a line in `marks.txt`: its name, and in which situation it is hit.
pub static CATALOGUE: std::sync::LazyLock<Vec<Mark>> = std::sync::LazyLock::new(|| {
    include_str!("marks.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .map(|line| {
            let (name, situation) = line.split_once(": ").expect("`name: situation`");
            Mark { name, situation }
        })
        .collect()
});

/// A rare situation worth reaching.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// How it is called in `sometimes!`.
    pub name: &'static str,
    /// When it is hit.
    pub situation: &'static str,
}

thread_local! {
    static COUNTS: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// How often each mark of the [`CATALOGUE`] was hit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(Vec<u64>);

impl Counts {
    /// Adds what another thread or run has hit.
    pub fn add(&mut self, other: &Self) {
        self.0.resize(CATALOGUE.len(), 0);
        for (sum, count) in self.0.iter_mut().zip(&other.0) {
            *sum += count;
        }
    }

    /// Every mark with its count, in the order of the catalogue.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Mark, u64)> {
        let counts = self.0.iter().copied().chain(std::iter::repeat(0));
        CATALOGUE.iter().zip(counts)
    }

    /// The marks that were never hit.
    #[must_use]
    pub fn missed(&self) -> Vec<&'static Mark> {
        self.iter().filter(|(_, count)| *count == 0).map(|(mark, _)| mark).collect()
    }
}

/// The number of a mark in the catalogue.
///
/// # Panics
/// If it is not there: every mark is to be known beforehand.
#[must_use]
pub fn number_of(name: &str) -> usize {
    CATALOGUE
        .iter()
        .position(|mark| mark.name == name)
        .unwrap_or_else(|| panic!("no mark {name:?} in marks.txt"))
}

/// Counts a hit on this thread.
pub fn hit(number: usize) {
    COUNTS.with_borrow_mut(|counts| {
        if counts.is_empty() {
            counts.resize(CATALOGUE.len(), 0);
        }
        counts[number] += 1;
    });
}

/// What was hit on this thread since it was asked last.
#[must_use]
pub fn take() -> Counts {
    COUNTS.with_borrow_mut(|counts| Counts(std::mem::take(counts)))
}

/// Counts that a rare situation happened.
#[macro_export]
macro_rules! sometimes {
    ($name:literal) => {{
        static NUMBER: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
        $crate::marks::hit(*NUMBER.get_or_init(|| $crate::marks::number_of($name)));
    }};
    ($name:literal, $condition:expr) => {
        if $condition {
            $crate::sometimes!($name);
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_has_a_name_of_its_own() {
        let mut names: Vec<_> = CATALOGUE.iter().map(|mark| mark.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CATALOGUE.len());
    }
}
