//! What the fuzz targets of the client do with the fuzzer's bytes: `fuzz/` calls them in a line each, the corpora are
//! replayed here.

/// Others' text, keys and sizes to the whole screen, which must not panic and tells the terminal nothing that is not ours.
///
/// # Panics
/// If it does.
pub fn screen(data: &[u8]) {
    crate::connect::fuzz_screen(data);
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn the_seeds_of_screen_find_nothing() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/screen");
        let mut seeds = 0;
        for entry in fs::read_dir(&corpus).expect("the corpus is committed") {
            screen(&fs::read(entry.unwrap().path()).unwrap());
            seeds += 1;
        }
        assert!(seeds > 0, "{} is empty", corpus.display());
    }
}
