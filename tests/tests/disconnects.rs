//! Cuts, wherever they fall: the production machines at both ends, in memory, without a real clock.
#![allow(missing_docs)]

use palabre_tests::fuzzing::duet::{Cut, converse};
use proptest::prelude::*;

/// A piece so large that nothing is cut into pieces.
const WHOLE: usize = 65_536;

#[test]
fn a_cut_after_every_byte_of_a_session_loses_and_doubles_nothing() {
    let bytes = converse(&[], WHOLE);
    for (client, bytes) in bytes.into_iter().enumerate() {
        for after in 1..=bytes {
            converse(&[Cut { client, after }], WHOLE);
        }
    }
}

#[test]
fn both_links_cut_at_the_same_byte_come_right() {
    let bytes = converse(&[], WHOLE);
    for after in 1..=bytes.into_iter().max().expect("two clients") {
        converse(&[Cut { client: 0, after }, Cut { client: 1, after }], WHOLE);
    }
}

#[test]
fn a_session_byte_by_byte_is_the_session() {
    converse(&[], 1);
}

#[test]
fn cuts_of_both_links_in_the_middle_of_entering_and_joining_come_right() {
    let cuts = [(0, 171), (1, 148), (1, 165), (0, 238)].map(|(client, after)| Cut { client, after });
    converse(&cuts, 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn many_cuts_one_after_the_other_come_right(
        cuts in prop::collection::vec((0_usize..2, 1_usize..1_500), 0..12),
        piece in prop::sample::select(vec![1_usize, 7, 100, WHOLE]),
    ) {
        let cuts: Vec<_> = cuts.into_iter().map(|(client, after)| Cut { client, after }).collect();
        converse(&cuts, piece);
    }
}
