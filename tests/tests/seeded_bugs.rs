//! The list of seeded bugs and the places where they stand agree. `.ci/nightly seeded-bugs` has them found.
#![allow(missing_docs)]

use std::{fs, path::Path};

use palabre_core::seeded::SEEDED_BUGS;

/// One that is not listed does not compile.
#[test]
fn every_seeded_bug_that_is_listed_stands_where_the_list_says() {
    let house =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests live in a folder of the house");
    for bug in SEEDED_BUGS {
        let source = fs::read_to_string(house.join(bug.file)).expect("a file of the house");
        assert!(
            source.contains(&format!("seeded_bug!(\"{}\")", bug.name)),
            "{} is not in {}",
            bug.name,
            bug.file
        );
    }
}

#[test]
fn every_seeded_bug_is_listed_once() {
    for (number, bug) in SEEDED_BUGS.iter().enumerate() {
        assert!(SEEDED_BUGS[..number].iter().all(|earlier| earlier.name != bug.name), "{}", bug.name);
    }
}
