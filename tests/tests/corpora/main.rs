//! The committed seeds of the fuzz targets, replayed: what a fuzzer once found stays found.
#![allow(missing_docs)]

/// Seeds that are built.
mod golden;

use std::{
    fs,
    path::{Path, PathBuf},
};

use palabre_tests::fuzzing;

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target)
}

fn replay(target: &str, body: impl Fn(&[u8])) {
    let corpus = corpus(target);
    let mut seeds = 0;
    for entry in fs::read_dir(&corpus).expect("the corpus is committed") {
        body(&fs::read(entry.expect("readable").path()).expect("readable"));
        seeds += 1;
    }
    assert!(seeds > 0, "{} is empty", corpus.display());
}

#[test]
fn the_seeds_of_frame_decoder_find_nothing() {
    replay("frame_decoder", fuzzing::frame_decoder);
}

#[test]
fn the_seeds_of_disconnects_find_nothing() {
    replay("disconnects", fuzzing::disconnects);
}

#[test]
fn the_seeds_of_server_bytes_find_nothing() {
    replay("server_bytes", fuzzing::server_bytes);
}

#[test]
fn the_seeds_of_client_bytes_find_nothing() {
    replay("client_bytes", fuzzing::client_bytes);
}

#[test]
fn the_seeds_of_world_find_nothing() {
    replay("world", fuzzing::world);
}

#[test]
fn the_seeds_that_are_built_are_those_that_are_committed() {
    for (target, name, bytes) in golden::seeds() {
        let committed = fs::read(corpus(target).join(name)).unwrap_or_default();
        assert_eq!(committed, bytes, "{target}/{name}: run the_seeds_are_built_anew, and commit");
    }
}

/// After a change of the wire: `cargo test -p palabre-tests --test corpora -- --ignored`.
#[test]
#[ignore = "writes into fuzz/corpus"]
fn the_seeds_are_built_anew() {
    for (target, name, bytes) in golden::seeds() {
        fs::write(corpus(target).join(name), bytes).expect("it can be written");
    }
}
