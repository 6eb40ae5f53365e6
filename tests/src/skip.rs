//! Operations and faults that are left out of a run, to make a failing one small.

use std::{collections::BTreeSet, fmt, str::FromStr};

/// Numbers of operations and of faults, in the order they happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skip {
    /// Of operations.
    pub operations: Numbers,
    /// Of faults.
    pub faults: Numbers,
}

/// A set of numbers, written like `0-9,12`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers(BTreeSet<u64>);

impl Numbers {
    /// Whether a number is in it.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        self.0.contains(&number)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// With more numbers.
    #[must_use]
    pub fn with(&self, numbers: impl IntoIterator<Item = u64>) -> Self {
        let mut all = self.0.clone();
        all.extend(numbers);
        Self(all)
    }
}

impl FromStr for Numbers {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut numbers = BTreeSet::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            match part.split_once('-') {
                Some((first, last)) => numbers.extend(first.parse::<u64>()?..=last.parse()?),
                None => {
                    numbers.insert(part.parse()?);
                }
            }
        }
        Ok(Self(numbers))
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut numbers = self.0.iter().copied().peekable();
        let mut comma = "";
        while let Some(first) = numbers.next() {
            let mut last = first;
            while numbers.peek() == Some(&(last + 1)) {
                last += 1;
                numbers.next();
            }
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}-{last}")?;
            }
            comma = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_they_are_written() {
        let numbers: Numbers = "0-3,7,9-10".parse().expect("well formed");
        assert!(numbers.contains(2) && numbers.contains(7) && !numbers.contains(8));
        assert_eq!(numbers.to_string(), "0-3,7,9-10");
        assert_eq!("".parse(), Ok(Numbers::default()));
    }
}
