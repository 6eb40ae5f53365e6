//! Bits that turn over on the disk. What SQLite can tell: a log is protected by checksums, so a flipped bit ends it
//! early and an earlier state is shown. The pages of a database are not: what is flipped in a text is another text.

use std::collections::BTreeMap;

use palabre_tests::choices::{Choices, Subsystem::Process};

use crate::{
    disk::{Cut, Disk, Trouble},
    machine::{End, Machine},
    story::{Plot, Shown, Story, Weather},
};

/// What became of a flipped bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Effect {
    /// None that can be seen.
    None,
    /// The storage did not open, and says why.
    RefusedAtStart,
    /// The storage opens; reading says that it failed.
    ReportedWhileReading,
    /// An earlier state is shown: what was answered last is not there.
    Earlier,
    /// Something else is shown than was ever stored.
    Altered,
}

/// Flips one bit in each of so many stories of one seed.
fn flip(seed: u64, name: &str, times: u64, effects: &mut BTreeMap<Effect, u64>) {
    let mut story = Story::new(Plot::new(seed, 1, Weather::Fair));
    let (disk, states) = story.history(12).expect("nothing goes wrong");
    let mut choices = Choices::seeded(seed);
    let bits = 8 * disk.length_of(name);
    for _ in 0..times.min(bits as u64) {
        let mut flipped = disk.after(Cut::Process, seed);
        flipped.flip(name, choices.index(Process, bits));
        *effects.entry(effect(&mut story, flipped, &states)).or_default() += 1;
    }
}

fn effect(story: &mut Story, disk: Disk, states: &[Shown]) -> Effect {
    let (mut machine, opened) = Machine::start(disk, story.setup(), 99, Trouble::default());
    let recovered = match opened {
        Ok(recovered) => recovered,
        Err(End::NotOpened(_)) => return Effect::RefusedAtStart,
        Err(end) => panic!("nobody has cut it: {end:?}"),
    };
    let Ok(shown) = Shown::by(&mut machine, recovered, std::iter::empty()) else {
        return Effect::ReportedWhileReading;
    };
    // Whatever is wrong with it, it takes requests and answers them or says that it cannot.
    let batch = story.next_batch();
    let count = batch.len();
    match machine.execute(batch) {
        Ok(replies) => assert_eq!(replies.len(), count),
        Err(End::Stopped(_)) => {}
        Err(end) => panic!("nobody has cut it: {end:?}"),
    }
    let (latest, earlier) = states.split_last().expect("there is a state");
    if shown == *latest {
        Effect::None
    } else if shown.has_failures() {
        Effect::ReportedWhileReading
    } else if earlier.contains(&shown) {
        Effect::Earlier
    } else {
        Effect::Altered
    }
}

#[test]
fn a_bit_that_flips_in_the_log_shows_an_earlier_state_and_never_another() {
    let mut effects = BTreeMap::new();
    for seed in 1..4 {
        flip(seed, "palabre.db-wal", 10, &mut effects);
    }
    assert!(effects.contains_key(&Effect::Earlier), "{effects:?}");
    assert!(!effects.contains_key(&Effect::Altered), "{effects:?}");
}

/// Run by `tests/crash`.
#[test]
#[ignore = "measures; run by tests/crash"]
fn what_becomes_of_flipped_bits() {
    for name in ["palabre.db-wal", "palabre.db"] {
        let mut effects = BTreeMap::new();
        for seed in 1..21 {
            flip(seed, name, 50, &mut effects);
        }
        println!("bits flipped in {name}: {effects:?}");
        assert!(name == "palabre.db" || !effects.contains_key(&Effect::Altered), "{effects:?}");
    }
}
