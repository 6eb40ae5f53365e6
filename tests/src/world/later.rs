//! Peers of a later version: fields appended, kinds unknown that may be skipped, frames as long as the cap. All of it
//! is allowed (F2, F4, F6), so whoever accuses them is wrong.

use palabre_core::{
    error::ProtocolError,
    wire::{
        Error, FRAME_BYTES_MAX, FRAME_BYTES_MAX_BEFORE_READY, Guest, HEADER_BYTES, Hello, Ping, ToServer,
    },
};

use super::World;
use crate::{
    choices::Subsystem,
    oracle::{Invariant, Violation, ensure},
    sometimes,
};

/// A kind that no version knows yet, and that is skipped.
const LATER_KIND: u8 = 0x90;
const NICK: &str = "later";

impl World {
    pub(super) fn say_hello_of_later(&mut self, peer: usize) {
        let hello = Hello { first: 1, last: 9, client: "later", features: 1 << 40, session: None };
        let frames = [
            padded(hello, FRAME_BYTES_MAX_BEFORE_READY),
            unknown(FRAME_BYTES_MAX_BEFORE_READY),
            padded(Guest { id: 1, nick: NICK }, FRAME_BYTES_MAX_BEFORE_READY),
        ];
        self.peers[peer].outbound.extend(frames.concat());
    }

    /// Something that means nothing, of some length up to the cap.
    pub(super) fn speak_later(&mut self, peer: usize) {
        let lengths = [100, 1_000, 20_000, FRAME_BYTES_MAX - 1, FRAME_BYTES_MAX];
        let length = *self.choices.pick(Subsystem::Peers, &lengths);
        sometimes!("a frame as long as the cap was sent", length == FRAME_BYTES_MAX);
        let frame = if self.choices.chance(Subsystem::Peers, 1, 2) {
            unknown(length)
        } else {
            padded(Ping { token: 1 }, length)
        };
        self.peers[peer].outbound.extend(frame);
    }
}

/// Such a peer has broken no rule.
pub(super) fn check_accusation(peer: usize, error: &Error<'_>) -> Result<(), Violation> {
    let over_cap = [ProtocolError::TooManyConnections, ProtocolError::TooManyFromAddress];
    let allowed = over_cap.iter().any(|allowed| allowed.number() == error.code);
    ensure(allowed, Invariant::Peaceful, || {
        format!("the server accuses p{peer}, which speaks a later version: {error:?}")
    })
}

/// A message with a field more, which brings its frame's length to `length`.
fn padded<'a>(message: impl Into<ToServer<'a>>, length: u32) -> Vec<u8> {
    let mut frame = Vec::new();
    message.into().encode(&mut frame);
    let (array, bytes_more) = (HEADER_BYTES + 1, HEADER_BYTES + length as usize - frame.len());
    // One element more, of bytes: their header and as many as are left.
    frame[array] += 1;
    let header_bytes = if bytes_more - 3 <= usize::from(u16::MAX) { 3 } else { 5 };
    let count = u32::try_from(bytes_more - header_bytes).expect("within a frame");
    match u16::try_from(count) {
        Ok(count) if header_bytes == 3 => {
            frame.push(0x59);
            frame.extend(count.to_be_bytes());
        }
        Ok(_) | Err(_) => {
            frame.push(0x5a);
            frame.extend(count.to_be_bytes());
        }
    }
    frame.resize(HEADER_BYTES + length as usize, 0);
    frame[..HEADER_BYTES].copy_from_slice(&length.to_be_bytes());
    frame
}

fn unknown(length: u32) -> Vec<u8> {
    let mut frame = length.to_be_bytes().to_vec();
    frame.push(LATER_KIND);
    frame.resize(HEADER_BYTES + length as usize, 0);
    frame
}

#[cfg(test)]
mod tests {
    use palabre_core::wire::split_frame;

    use super::*;

    #[test]
    fn padded_messages_are_as_long_as_asked_and_mean_the_same() {
        for length in [100, 4_096, 65_545, 65_546, 65_547, 65_548, FRAME_BYTES_MAX] {
            let bytes = padded(Ping { token: 7 }, length);
            let (frame, rest) = split_frame(&bytes, length).expect("a frame").expect("a whole one");
            assert_eq!((frame.body.len() as u32 + 1, rest.len()), (length, 0));
            assert_eq!(ToServer::decode(frame), Ok(Some(Ping { token: 7 }.into())));
        }
    }
}
