//! The core needs no operating system: built for a machine without one, it imports nothing.
#![allow(missing_docs)]

use std::{path::Path, process::Command};

/// The section of a WebAssembly module that lists what it imports.
const IMPORT_SECTION: u8 = 2;

/// Needs `rustup target add wasm32v1-none`, so it is run by `.ci/run` and not by `cargo test`.
#[test]
#[ignore = "needs the target wasm32v1-none; .ci/run installs it"]
fn the_core_imports_nothing_when_built_for_bare_wasm() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = root.join("../target/purity");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--target", "wasm32v1-none", "--manifest-path"])
        .arg(root.join("purity/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .status()
        .expect("cargo runs");
    assert!(status.success(), "the module does not build");
    let module =
        std::fs::read(target.join("wasm32v1-none/release/palabre_purity.wasm")).expect("it was built");
    assert!(module.len() > 10_000, "a module of {} bytes drives no server", module.len());
    assert_eq!(sections(&module).find(|id| *id == IMPORT_SECTION), None, "the module imports something");
}

/// The ids of a module's sections, each after its 8 bytes of header: an id, a length in LEB128, the content.
fn sections(module: &[u8]) -> impl Iterator<Item = u8> {
    assert!(module.starts_with(b"\0asm"), "not a module");
    let mut rest = &module[8..];
    core::iter::from_fn(move || {
        let (id, after) = rest.split_first()?;
        let (mut length, mut shift, mut bytes) = (0_usize, 0, after.iter());
        for byte in bytes.by_ref() {
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        rest = bytes.as_slice().get(length..)?;
        Some(*id)
    })
}

#[test]
fn the_reader_of_sections_finds_imports() {
    let module = [b"\0asm\x01\0\0\0".as_slice(), &[1, 1, 0], &[2, 0x83, 0x00, 0, 0, 0], &[3, 0]].concat();
    assert_eq!(sections(&module).collect::<Vec<_>>(), [1, 2, 3]);
}
