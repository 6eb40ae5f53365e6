//! Bytes written in hexadecimal, with comments for people.

/// A block of bytes with a title.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) title: String,
    pub(crate) bytes: Vec<u8>,
}

/// The bytes of a text: digits in pairs, white space anywhere between pairs, comments from `#` to the end of a line.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in text.lines() {
        let code = line.split('#').next().unwrap();
        for word in code.split_whitespace() {
            for at in (0..word.len()).step_by(2) {
                let pair = word.get(at..at + 2).unwrap_or_else(|| panic!("half a byte in {line:?}"));
                bytes.push(u8::from_str_radix(pair, 16).unwrap_or_else(|_| panic!("no bytes: {line:?}")));
            }
        }
    }
    bytes
}

/// The blocks of a file of vectors: a title in brackets, then bytes.
pub(crate) fn blocks(file: &str) -> Vec<Block> {
    let blocks = file.split("\n[").skip(1);
    let blocks: Vec<_> = blocks
        .map(|block| {
            let (title, text) = block.split_once("]\n").expect("a title ends with ]");
            Block { title: title.to_owned(), bytes: bytes(text) }
        })
        .collect();
    assert!(!blocks.is_empty(), "a file of vectors has vectors");
    blocks
}
