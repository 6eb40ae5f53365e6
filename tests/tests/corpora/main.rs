//! The committed seeds of the fuzz targets, replayed: what a fuzzer once found stays found.
#![allow(missing_docs)]

use std::path::Path;

use palabre_tests::fuzzing;

fn replay(target: &str, body: impl Fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut seeds = 0;
    for entry in std::fs::read_dir(&corpus).expect("the corpus is committed") {
        body(&std::fs::read(entry.expect("readable").path()).expect("readable"));
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
