//! The same short life over and over, and each time the next call is the one that goes wrong.

use std::thread;

use crate::{
    disk::{Cut, DiskError, Failure, Trouble},
    story::{Plot, Story, Weather},
};

/// What goes wrong at a call.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    /// So many calls fail.
    Failing(DiskError, u64),
    /// A change is cut.
    Cut(Cut),
}

impl Mishap {
    fn at(self, number: u64) -> Trouble {
        match self {
            Self::Failing(error, calls) => {
                Trouble { failure: Some(Failure { first: number, calls, error }), ..Trouble::default() }
            }
            Self::Cut(cut) => Trouble { cut: Some((number, cut)), ..Trouble::default() },
        }
    }

    /// Lives through it at the first call and each so many further on, until there are not so many; the number of
    /// the last.
    fn at_calls(self, seed: u64, step: usize) -> u64 {
        for number in (1..).step_by(step) {
            let weather = match self {
                Self::Failing(..) => Weather::Foul,
                Self::Cut(_) => Weather::Fair,
            };
            let story = Story::new(Plot::new(seed, 1, weather));
            let after = if number % 2 == 0 { Cut::Power } else { Cut::Process };
            let counts = match story.tell_of(self.at(number), after) {
                Ok(counts) => counts,
                Err(violation) => panic!("{self:?} at call {number}: {violation}"),
            };
            let calls = match self {
                Self::Failing(..) => counts.calls,
                Self::Cut(_) => counts.changes,
            };
            if number > calls {
                return number;
            }
        }
        unreachable!("a life ends");
    }
}

/// A part of them each time; `tests/crash` tries all.
const STEP: usize = 11;

#[test]
fn an_error_of_the_device_at_any_call_loses_nothing_that_was_answered() {
    assert!(Mishap::Failing(DiskError::Io, 1).at_calls(3, STEP) > 50);
}

#[test]
fn no_space_from_any_call_on_loses_nothing_that_was_answered() {
    assert!(Mishap::Failing(DiskError::Full, u64::MAX).at_calls(3, STEP) > 50);
}

#[test]
fn a_power_cut_at_any_change_loses_nothing_that_was_answered() {
    assert!(Mishap::Cut(Cut::Power).at_calls(3, STEP) > 20);
}

/// Lives of which each call meets every mishap.
const LIVES: u64 = 3;

/// Run by `tests/crash`.
#[test]
#[ignore = "takes minutes; run by tests/crash"]
fn each_call_of_many_lives_may_fail() {
    let mishaps = [
        Mishap::Failing(DiskError::Io, 1),
        Mishap::Failing(DiskError::Io, 2),
        Mishap::Failing(DiskError::Io, 4),
        Mishap::Failing(DiskError::Full, 1),
        Mishap::Failing(DiskError::Full, u64::MAX),
        Mishap::Cut(Cut::Power),
        Mishap::Cut(Cut::Process),
    ];
    // A storage that opens its database again pauses in between, so that they go side by side.
    let all = (1..=LIVES).flat_map(|seed| mishaps.map(|mishap| (seed, mishap)));
    let running: Vec<_> = all.map(|(seed, mishap)| thread::spawn(move || mishap.at_calls(seed, 1))).collect();
    let lives: u64 = running.into_iter().map(|thread| thread.join().expect("no violation")).sum();
    println!("each call of {LIVES} short lives in trouble, {lives} lives in all: 0 violations");
}
