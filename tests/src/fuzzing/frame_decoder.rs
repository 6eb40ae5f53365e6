//! Frames: whatever the stream's bytes, any cut of it gives the same.

use palabre_core::{
    error::ProtocolError,
    wire::{
        FRAME_BYTES_MAX, FRAME_BYTES_MAX_BEFORE_READY, Frame, FrameDecoder, ToClient, ToServer, split_frame,
    },
};

/// The memory a decoder may hold beside twice the bytes that arrived, in bytes.
const HELD_BYTES_SPARE: usize = 64;

/// A stream arrives whole and in pieces: both give the same frames and the same error (`PROTOCOL.md` F3). What
/// decodes, in either direction, encodes to a frame that decodes to the same message.
///
/// `data` is a byte whose lowest bit chooses the cap, a byte whose lowest four bits say how many sizes of pieces
/// follow, these sizes, and the stream.
pub fn frame_decoder(data: &[u8]) {
    let Some((&[choices, sizes], rest)) = data.split_first_chunk::<2>() else { return };
    let Some((sizes, stream)) = rest.split_at_checked(usize::from(sizes & 0x0f)) else { return };
    let frame_bytes_max = if choices & 1 == 0 { FRAME_BYTES_MAX } else { FRAME_BYTES_MAX_BEFORE_READY };

    let whole = decode([stream], frame_bytes_max);
    let pieces = decode(cut(stream, sizes), frame_bytes_max);
    assert_eq!(whole, pieces, "the cut of the stream shows");

    for (kind, body) in &whole.frames {
        let frame = Frame { kind: *kind, body };
        round_trip_to_server(frame);
        round_trip_to_client(frame);
    }
}

/// What came out of a stream.
#[derive(Debug, Default, PartialEq)]
struct Decoded {
    frames: Vec<(u8, Vec<u8>)>,
    error: Option<ProtocolError>,
    waiting_bytes: usize,
}

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, frame_bytes_max: u32) -> Decoded {
    let mut decoder = FrameDecoder::new(frame_bytes_max);
    let mut decoded = Decoded::default();
    let mut arrived = 0;
    for piece in pieces {
        decoder.push(piece);
        arrived += piece.len();
        assert!(decoder.held_bytes() <= 2 * arrived + HELD_BYTES_SPARE, "memory follows bytes received");
        // An error stays, so it is met again with every later piece.
        decoded.error = loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => decoded.frames.push((frame.kind, frame.body.to_vec())),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
    }
    decoded.waiting_bytes = decoder.waiting_bytes();
    decoded
}

/// The stream in pieces of these sizes, over and over; byte by byte without any.
fn cut<'a>(stream: &'a [u8], sizes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let sizes = if sizes.is_empty() { &[1] } else { sizes };
    let mut sizes = sizes.iter().cycle();
    let mut rest = stream;
    std::iter::from_fn(move || {
        let size = usize::from(*sizes.next()?).clamp(1, rest.len().max(1));
        let (piece, after) = rest.split_at_checked(size)?;
        rest = after;
        Some(piece)
    })
}

fn round_trip_to_server(frame: Frame<'_>) {
    let Ok(Some(message)) = ToServer::decode(frame) else { return };
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    assert_eq!(ToServer::decode(only_frame(&bytes)), Ok(Some(message)));
}

fn round_trip_to_client(frame: Frame<'_>) {
    let Ok(Some(message)) = ToClient::decode(frame) else { return };
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    assert_eq!(ToClient::decode(only_frame(&bytes)), Ok(Some(message)));
}

fn only_frame(bytes: &[u8]) -> Frame<'_> {
    // Optional fields that were left out are written as null, so the frame may be longer than it was.
    match split_frame(bytes, u32::MAX) {
        Ok(Some((frame, []))) => frame,
        other => panic!("not one frame: {other:?}"),
    }
}
