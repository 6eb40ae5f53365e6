//! What an event is, without what it says.

use minicbor::Decoder;

use super::{field::Malformed, frame::Frame};
use crate::{
    error::ProtocolError,
    ids::{RoomId, Seq, UserId},
    time::WallTime,
};

/// The kind of `Event` (`PROTOCOL.md` section M).
const EVENT: u8 = 0x50;

/// The numbers at the head of an `Event`: enough to count events and to find holes, at a fraction of the cost of
/// decoding the whole.
///
/// ```
/// use palabre_core::{
///     ids::{RoomId, Seq, UserId},
///     time::WallTime,
///     wire::{self, Event, EventHead, FRAME_BYTES_MAX, LogEvent, ToClient, split_frame},
/// };
///
/// let event = LogEvent {
///     seq: Seq::new(7),
///     at: WallTime::from_millis(1),
///     author: UserId::new(3),
///     nick: "ana",
///     kind: wire::kind::POSTED,
///     text: "hello",
///     about: None,
///     revised: None,
/// };
/// let mut bytes = Vec::new();
/// ToClient::from(Event { room: RoomId::new(2), event }).encode(&mut bytes);
/// let (frame, _) = split_frame(&bytes, FRAME_BYTES_MAX)?.expect("it is whole");
/// let head = EventHead::decode(frame)?.expect("it is an event");
/// assert_eq!((head.room, head.seq, head.author), (RoomId::new(2), Seq::new(7), UserId::new(3)));
/// # Ok::<(), palabre_core::error::ProtocolError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventHead {
    /// In which room.
    pub room: RoomId,
    /// Its number.
    pub seq: Seq,
    /// When the server heard of it.
    pub at: WallTime,
    /// Who caused it.
    pub author: UserId,
}

impl EventHead {
    /// Reads the head of a frame; `None` if it is no `Event`. What follows the head is not looked at.
    ///
    /// # Errors
    /// `malformed-body`.
    #[inline]
    pub fn decode(frame: Frame<'_>) -> Result<Option<Self>, ProtocolError> {
        if frame.kind != EVENT {
            return Ok(None);
        }
        decode_head(frame.body).map(Some).map_err(|_| ProtocolError::MalformedBody)
    }
}

#[inline]
fn decode_head(body: &[u8]) -> Result<EventHead, Malformed> {
    let mut from = Decoder::new(body);
    from.array()?;
    let room = RoomId::new(from.u64()?);
    from.array()?;
    Ok(EventHead {
        room,
        seq: Seq::new(from.u64()?),
        at: WallTime::from_millis(from.u64()?),
        author: UserId::new(from.u64()?),
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::wire::{self, FRAME_BYTES_MAX, LogEvent, ToClient, split_frame};

    fn head_of(message: ToClient<'_>) -> Option<EventHead> {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        let (frame, _) = split_frame(&bytes, FRAME_BYTES_MAX).ok().flatten()?;
        EventHead::decode(frame).ok().flatten()
    }

    #[test]
    fn the_head_is_what_the_whole_says() {
        for number in [0, 1, 23, 24, 255, 256, 65_536, u64::MAX] {
            let event = LogEvent {
                seq: Seq::new(number),
                at: WallTime::from_millis(number / 2),
                author: UserId::new(number / 3),
                nick: "ana",
                kind: wire::kind::ACTION,
                text: "waves",
                about: None,
                revised: None,
            };
            let head = EventHead {
                room: RoomId::new(number / 5),
                seq: event.seq,
                at: event.at,
                author: event.author,
            };
            assert_eq!(head_of(wire::Event { room: head.room, event }.into()), Some(head));
        }
    }

    #[test]
    fn other_messages_have_no_such_head_and_broken_ones_are_malformed() {
        assert_eq!(head_of(wire::Pong { token: 1 }.into()), None);
        let cut = Frame { kind: EVENT, body: &[0x82, 0x01] };
        assert_eq!(EventHead::decode(cut), Err(ProtocolError::MalformedBody));
    }
}
