//! The world of files: transfers with cuts, crashes and failing disks, by many seeds.
#![allow(missing_docs)]

use palabre_tests::files::{Marks, Mishap, Played, Way, play, run};

fn played(way: Way, mishap: Mishap, seed: u64) -> Played {
    play(way, mishap, seed).unwrap_or_else(|reason| panic!("{reason}"))
}

#[test]
fn a_cut_after_any_byte_of_an_upload_and_a_download_loses_nothing() {
    for way in [Way::InParts, Way::AtOnce] {
        let whole = played(way, Mishap::None, 0);
        assert!(whole.up > 2_500 && whole.down > 2_500, "{whole:?}");
        for bytes in 0..whole.up {
            played(way, Mishap::CutUp(bytes), 0);
        }
        for bytes in 0..whole.down {
            played(way, Mishap::CutDown(bytes), 0);
        }
    }
}

#[test]
fn a_crash_between_any_two_steps_of_an_upload_and_a_download_loses_nothing() {
    for (way, least) in [(Way::InParts, 40), (Way::AtOnce, 12)] {
        // Seeds draw what of the journal's and the disk's work a crash leaves, and which of them is ahead.
        for seed in 0..24 {
            let whole = played(way, Mishap::None, seed);
            assert!(whole.steps > least, "{whole:?}");
            for steps in 1..=whole.steps {
                played(way, Mishap::Crash(steps), seed);
            }
        }
    }
}

#[test]
fn whatever_goes_wrong_files_are_whole_counted_and_told_once() {
    let mut marks = Marks::default();
    for seed in 1..=400 {
        match run(seed, 1_000) {
            Ok(met) => marks.merge(&met),
            Err(reason) => panic!("{reason}; run it again: palabre_tests::files::run({seed}, 1_000)"),
        }
    }
    for mark in [
        "the disk for files failed",
        "storage failed about a file",
        "a connection with transfers was cut",
        "a server with uploads crashed",
        "an upload that had failed was gone on with",
        "a small file was stored in one request",
        "a content that was there already was not sent again",
        "an upload met a conflict when it was all there",
        "an upload met a conflict before it began",
        "a file was downloaded whole",
        "a content was removed that no file had any more",
        "a peer that went past its credit was accused",
        "files were deleted",
        "a moderator deleted the file of somebody else",
        "somebody with transfers was put out of a room",
    ] {
        assert!(marks.has(mark), "never: {mark}");
    }
}
