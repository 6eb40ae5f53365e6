#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test may panic")]

use alloc::vec::Vec;

use super::*;
use crate::error::ProtocolError;

/// A header that announces `length`, and `received` bytes after it.
fn announced(length: u32, received: usize) -> Vec<u8> {
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.resize(HEADER_BYTES + received, 0);
    bytes
}

#[test]
fn a_length_is_judged_as_soon_as_it_is_there() {
    for cap in [FRAME_BYTES_MAX_BEFORE_READY, FRAME_BYTES_MAX] {
        for (length, expected) in [
            (0, Err(ProtocolError::FrameEmpty)),
            (1, Ok(None)),
            (cap, Ok(None)),
            (cap + 1, Err(ProtocolError::FrameTooLong)),
            (u32::MAX, Err(ProtocolError::FrameTooLong)),
        ] {
            let bytes = announced(length, 0);
            assert_eq!(split_frame(&bytes, cap), expected, "{length}");
            assert_eq!(split_frame(&bytes[..3], cap), Ok(None), "{length}");
        }
    }
}

#[test]
fn a_frame_of_the_longest_length_comes_through() {
    let bytes = announced(FRAME_BYTES_MAX, FRAME_BYTES_MAX as usize);
    let mut decoder = FrameDecoder::new(FRAME_BYTES_MAX);
    decoder.push(&bytes[..bytes.len() - 1]);
    assert_eq!(decoder.next_frame(), Ok(None));
    decoder.push(&bytes[bytes.len() - 1..]);
    assert_eq!(decoder.next_frame(), Ok(Some(Frame { kind: 0, body: &bytes[5..] })));
    assert_eq!(decoder.next_frame(), Ok(None));
}

#[test]
fn memory_follows_the_bytes_received_and_not_the_length_announced() {
    let mut decoder = FrameDecoder::new(FRAME_BYTES_MAX);
    assert_eq!(decoder.held_bytes(), 0);
    decoder.push(&announced(65_536, 10));
    assert_eq!(decoder.next_frame(), Ok(None));
    assert!(decoder.held_bytes() <= 64, "{} bytes held", decoder.held_bytes());
    for received in 15..4_000_usize {
        decoder.push(&[0]);
        assert_eq!(decoder.next_frame(), Ok(None));
        assert_eq!(decoder.waiting_bytes(), received);
        let held = decoder.held_bytes();
        assert!((received..=2 * received + 64).contains(&held), "{held} bytes held");
    }
}

#[test]
fn what_was_taken_is_given_back() {
    let mut decoder = FrameDecoder::new(FRAME_BYTES_MAX);
    let mut bytes = Vec::new();
    ToServer::from(Ping { token: 1 }).encode(&mut bytes);
    decoder.push(&bytes);
    assert!(matches!(decoder.next_frame(), Ok(Some(_))));
    decoder.forget_taken();
    assert_eq!((decoder.held_bytes(), decoder.waiting_bytes()), (0, 0));

    decoder.push(&[&bytes[..], &bytes[..3]].concat());
    assert!(matches!(decoder.next_frame(), Ok(Some(_))));
    assert_eq!(decoder.waiting_bytes(), 3);
    decoder.push(&bytes[3..]);
    assert!(matches!(decoder.next_frame(), Ok(Some(Frame { kind: 1, .. }))));
    assert_eq!(decoder.next_frame(), Ok(None));
}

#[test]
fn a_frame_error_stays() {
    let mut decoder = FrameDecoder::new(FRAME_BYTES_MAX);
    let mut bytes = Vec::new();
    ToServer::from(Ping { token: 1 }).encode(&mut bytes);
    bytes.extend([0, 0, 0, 0, 1]);
    decoder.push(&bytes);
    assert!(matches!(decoder.next_frame(), Ok(Some(_))), "what came before the error stands");
    for _ in 0..3 {
        assert_eq!(decoder.next_frame(), Err(ProtocolError::FrameEmpty));
        decoder.push(&bytes);
    }
}

#[test]
fn the_cap_may_change_between_frames() {
    let mut decoder = FrameDecoder::new(FRAME_BYTES_MAX_BEFORE_READY);
    decoder.push(&announced(FRAME_BYTES_MAX, FRAME_BYTES_MAX as usize));
    decoder.limit(FRAME_BYTES_MAX);
    assert!(matches!(decoder.next_frame(), Ok(Some(_))));
}

#[test]
fn a_token_is_never_printed() {
    let resume = Resume { id: 1, token: Token([0xab; 32]) };
    assert_eq!(alloc::format!("{resume:?}"), "Resume { id: 1, token: Token(…) }");
}
