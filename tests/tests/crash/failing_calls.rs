//! The same short life over and over, and each time the next call is the one that goes wrong.

use std::thread;

use crate::{
    disk::{Cut, DiskError, Failure, Trouble},
    story::{Plot, Story, Weather},
};

/// Lives through it with the trouble at the first call and each so many further on, until there are not so many; the
/// number of the last.
fn at_calls(seed: u64, step: usize, trouble: impl Fn(u64) -> Trouble, counts_changes: bool) -> u64 {
    for number in (1..).step_by(step) {
        let weather = if trouble(number).fails() { Weather::Foul } else { Weather::Fair };
        let story = Story::new(Plot::new(seed, 1, weather));
        let after = if number % 2 == 0 { Cut::Power } else { Cut::Process };
        match story.tell_of(trouble(number), after) {
            Ok(counts) if number > if counts_changes { counts.changes } else { counts.calls } => {
                return number;
            }
            Ok(_) => {}
            Err(violation) => panic!("call {number}: {violation}"),
        }
    }
    unreachable!("a life ends");
}

fn failing(error: DiskError, calls: u64) -> impl Fn(u64) -> Trouble {
    move |first| Trouble { failure: Some(Failure { first, calls, error }), ..Trouble::default() }
}

fn cut(cut: Cut) -> impl Fn(u64) -> Trouble {
    move |number| Trouble { cut: Some((number, cut)), ..Trouble::default() }
}

/// A part of them each time; `tests/crash` tries all.
const STEP: usize = 11;

#[test]
fn an_error_of_the_device_at_any_call_loses_nothing_that_was_answered() {
    assert!(at_calls(3, STEP, failing(DiskError::Io, 1), false) > 50);
}

#[test]
fn no_space_from_any_call_on_loses_nothing_that_was_answered() {
    assert!(at_calls(3, STEP, failing(DiskError::Full, u64::MAX), false) > 50);
}

#[test]
fn a_power_cut_at_any_change_loses_nothing_that_was_answered() {
    assert!(at_calls(3, STEP, cut(Cut::Power), true) > 20);
}

/// Lives of which each call is in trouble in every way.
const LIVES: u64 = 3;

/// A trouble by the number of the call it strikes, and whether that is counted in changes instead of calls.
type Kind = (Box<dyn Fn(u64) -> Trouble + Sync>, bool);

/// Run by `tests/crash`.
#[test]
#[ignore = "takes minutes; run by tests/crash"]
fn each_call_of_many_lives_may_fail() {
    let io = [1, 2, 4].map(|calls| (failing(DiskError::Io, calls), false));
    let full = [1, u64::MAX].map(|calls| (failing(DiskError::Full, calls), false));
    let cuts = [Cut::Power, Cut::Process].map(|kind| (cut(kind), true));
    let troubles: Vec<Kind> = io
        .into_iter()
        .chain(full)
        .map(|(trouble, counts)| (Box::new(trouble) as Box<dyn Fn(u64) -> Trouble + Sync>, counts))
        .chain(cuts.into_iter().map(|(trouble, counts)| (Box::new(trouble) as Box<_>, counts)))
        .collect();
    // A storage that opens its database again pauses in between, so that they go side by side.
    let lives: u64 = thread::scope(|scope| {
        let all = (1..=LIVES).flat_map(|seed| troubles.iter().map(move |trouble| (seed, trouble)));
        let running: Vec<_> = all
            .map(|(seed, (trouble, counts))| scope.spawn(move || at_calls(seed, 1, trouble, *counts)))
            .collect();
        running.into_iter().map(|thread| thread.join().expect("no violation")).sum()
    });
    println!("each call of {LIVES} short lives in trouble, {lives} lives in all: 0 violations");
}
