//! The world of files: transfers with cuts, crashes and failing disks, by many seeds.
#![allow(missing_docs)]

use palabre_tests::files::{Marks, run};

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
