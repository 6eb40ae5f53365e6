//! Properties of encoding and decoding.

use palabre_core::{
    error::ProtocolError,
    wire::{FRAME_BYTES_MAX, Frame, FrameDecoder, ToClient, ToServer, split_frame},
};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::any_message;

fn only_frame(bytes: &[u8]) -> Frame<'_> {
    match split_frame(bytes, FRAME_BYTES_MAX) {
        Ok(Some((frame, []))) => frame,
        other => panic!("not one frame: {other:?}"),
    }
}

/// Everything that comes out of a stream.
#[derive(Debug, Default, PartialEq)]
struct Decoded {
    frames: Vec<(u8, Vec<u8>)>,
    error: Option<ProtocolError>,
    waiting_bytes: usize,
}

/// What comes out of a stream that arrives in these pieces.
fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Decoded {
    let mut decoder = FrameDecoder::new(FRAME_BYTES_MAX);
    let mut decoded = Decoded::default();
    for piece in pieces {
        decoder.push(piece);
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

/// The pieces of a stream cut at these places.
fn cut<'a>(stream: &'a [u8], places: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = places.iter().map(|place| place.index(stream.len() + 1)).collect();
    places.sort_unstable();
    let mut pieces = Vec::new();
    let mut start = 0;
    for place in places {
        pieces.push(&stream[start..place]);
        start = place;
    }
    pieces.push(&stream[start..]);
    pieces
}

/// Frames of either direction, and sometimes what is none.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let message = prop_oneof![
        any_message::to_server().prop_map(|message| {
            let mut bytes = Vec::new();
            message.encode(&mut bytes);
            bytes
        }),
        any_message::to_client().prop_map(|message| {
            let mut bytes = Vec::new();
            message.encode(&mut bytes);
            bytes
        }),
    ];
    (vec(message, 0..6), prop_oneof![3 => Just(Vec::new()), 1 => vec(any::<u8>(), 0..20)]).prop_map(
        |(frames, rest)| {
            let mut stream = frames.concat();
            stream.extend(rest);
            stream
        },
    )
}

/// CBOR that a later version may append to a body.
fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(vec![0xf6]),
        Just(vec![0x20]),
        Just(vec![0xf9, 0x3c, 0x00]),
        (0..24_u8).prop_map(|number| vec![number]),
        any::<u64>().prop_map(|number| [&[0x1b], &number.to_be_bytes()[..]].concat()),
        vec(any::<u8>(), 0..200).prop_map(|bytes| [&[0x58, bytes.len() as u8], &bytes[..]].concat()),
        Just(vec![0x83, 0x01, 0xa1, 0x61, 0x61, 0x80, 0x9f, 0x60, 0xff]),
    ]
}

/// The frame with elements appended to its array, whose header takes one byte.
fn append(bytes: &[u8], elements: &[Vec<u8>]) -> Vec<u8> {
    let mut longer = bytes.to_vec();
    longer[5] += u8::try_from(elements.len()).unwrap();
    longer.extend(elements.concat());
    let length = u32::try_from(longer.len() - 4).unwrap();
    longer[..4].copy_from_slice(&length.to_be_bytes());
    longer
}

proptest! {
    #[test]
    fn any_message_to_the_server_comes_back(message in any_message::to_server(), more in vec(element(), 0..4)) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        prop_assert_eq!(ToServer::decode(only_frame(&bytes)), Ok(Some(message.clone())));
        let longer = append(&bytes, &more);
        prop_assert_eq!(ToServer::decode(only_frame(&longer)), Ok(Some(message)));
    }

    #[test]
    fn any_message_to_the_client_comes_back(message in any_message::to_client(), more in vec(element(), 0..4)) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        prop_assert_eq!(ToClient::decode(only_frame(&bytes)), Ok(Some(message.clone())));
        let longer = append(&bytes, &more);
        prop_assert_eq!(ToClient::decode(only_frame(&longer)), Ok(Some(message)));
    }

    #[test]
    fn content_of_files_comes_back_in_both_directions(data in any_message::data()) {
        let mut bytes = Vec::new();
        ToServer::from(data).encode(&mut bytes);
        prop_assert_eq!(ToServer::decode(only_frame(&bytes)), Ok(Some(data.into())));
        bytes.clear();
        ToClient::from(data).encode(&mut bytes);
        prop_assert_eq!(ToClient::decode(only_frame(&bytes)), Ok(Some(data.into())));
    }

    #[test]
    fn any_cut_gives_the_same_frames(stream in stream(), places in vec(any::<Index>(), 0..10)) {
        let whole = decode([&*stream]);
        prop_assert_eq!(&decode(cut(&stream, &places)), &whole);
        prop_assert_eq!(&decode(stream.chunks(1)), &whole);
    }

    #[test]
    fn a_body_cut_short_is_malformed(message in any_message::to_client(), at in any::<Index>()) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        let frame = only_frame(&bytes);
        let body = &frame.body[..at.index(frame.body.len())];
        prop_assert_eq!(ToClient::decode(Frame { kind: frame.kind, body }), Err(ProtocolError::MalformedBody));
    }

    #[test]
    fn bytes_after_a_body_are_refused(message in any_message::to_server(), more in vec(any::<u8>(), 1..20)) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        let frame = only_frame(&bytes);
        let body = &[frame.body, &more[..]].concat();
        prop_assert_eq!(ToServer::decode(Frame { kind: frame.kind, body }), Err(ProtocolError::TrailingBytes));
    }

    #[test]
    fn garbage_never_panics(kind in any::<u8>(), body in vec(any::<u8>(), 0..200)) {
        let _ = ToServer::decode(Frame { kind, body: &body });
        let _ = ToClient::decode(Frame { kind, body: &body });
        let _ = decode([&*body]);
    }

    #[test]
    fn a_flipped_byte_never_panics_and_what_decodes_comes_back(
        stream in stream(), at in any::<Index>(), by in 1..=u8::MAX,
    ) {
        prop_assume!(!stream.is_empty());
        let mut stream = stream;
        let at = at.index(stream.len());
        stream[at] ^= by;
        for (kind, body) in decode([&*stream]).frames {
            let frame = Frame { kind, body: &body };
            let mut bytes = Vec::new();
            if let Ok(Some(message)) = ToServer::decode(frame) {
                message.encode(&mut bytes);
                prop_assert_eq!(ToServer::decode(only_frame(&bytes)), Ok(Some(message)));
            }
            bytes.clear();
            if let Ok(Some(message)) = ToClient::decode(frame) {
                message.encode(&mut bytes);
                prop_assert_eq!(ToClient::decode(only_frame(&bytes)), Ok(Some(message)));
            }
        }
    }
}

#[test]
fn every_kind_belongs_to_a_direction_or_is_skipped_or_unknown() {
    for kind in 0..=u8::MAX {
        let frame = Frame { kind, body: &[0xff] };
        // The content of a file may be anything, but there is a place for it before.
        let expected = |mine: &[u8], theirs: &[u8]| match kind {
            _ if mine.contains(&kind) => Err(ProtocolError::MalformedBody),
            _ if theirs.contains(&kind) => Err(ProtocolError::UnexpectedKind),
            0x80.. => Ok(()),
            _ => Err(ProtocolError::UnknownKind),
        };
        let (server, client) = (ToServer::KINDS, ToClient::KINDS);
        assert_eq!(
            ToServer::decode(frame).map(|message| assert_eq!(message, None)),
            expected(server, client)
        );
        assert_eq!(
            ToClient::decode(frame).map(|message| assert_eq!(message, None)),
            expected(client, server)
        );
    }
}
