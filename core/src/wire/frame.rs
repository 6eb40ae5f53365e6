//! Frames: a length, a kind and a body (`PROTOCOL.md` F1–F3).

use alloc::vec::Vec;

use crate::error::ProtocolError;

/// The bytes before a frame's kind: its length.
pub const HEADER_BYTES: usize = 4;

/// The longest length a frame to the server may announce before `Ready` (F2).
pub const FRAME_BYTES_MAX_BEFORE_READY: u32 = 4_096;

/// The longest length any other frame may announce (F2): 64 KiB and what surrounds them.
pub const FRAME_BYTES_MAX: u32 = 66_560;

/// Frames that a client may send before `Ready` (F8).
pub const FRAMES_BEFORE_READY_MAX: u32 = 32;

/// A whole frame, borrowed from the bytes it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the body is.
    pub kind: u8,
    /// The body, not looked at yet.
    pub body: &'a [u8],
}

/// Takes the first frame off `bytes`: the frame and the bytes after it, or `None` while it is incomplete.
///
/// Looks at the header only, so calling it again with more bytes repeats no work.
///
/// # Errors
/// `frame-empty` and `frame-too-long` as soon as the length is there (F2).
#[inline]
pub fn split_frame(bytes: &[u8], frame_bytes_max: u32) -> Result<Option<(Frame<'_>, &[u8])>, ProtocolError> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return Ok(None) };
    let length = u32::from_be_bytes(*header);
    if length == 0 {
        return Err(ProtocolError::FrameEmpty);
    }
    let longest_refused = crate::seeded_bug!("longest-frame-refused") && length == frame_bytes_max;
    if length > frame_bytes_max || longest_refused {
        return Err(ProtocolError::FrameTooLong);
    }
    let Some((frame, rest)) = rest.split_at_checked(length as usize) else { return Ok(None) };
    let Some((kind, body)) = frame.split_first() else { return Ok(None) };
    Ok(Some((Frame { kind: *kind, body }, rest)))
}

/// How many bytes are missing to the header, or to the frame, that `bytes` begin with; `None` if it is whole, or none that is taken.
#[inline]
pub(crate) fn missing_bytes(bytes: &[u8], frame_bytes_max: u32) -> Option<usize> {
    let Ok(None) = split_frame(bytes, frame_bytes_max) else { return None };
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Some(HEADER_BYTES.saturating_sub(bytes.len()));
    };
    Some((u32::from_be_bytes(*header) as usize).saturating_sub(rest.len()))
}

/// Appends a frame whose body `write` appends.
#[inline]
pub(super) fn write_frame(out: &mut Vec<u8>, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, kind]);
    write(out);
    let length = out.len().saturating_sub(start).saturating_sub(HEADER_BYTES);
    let length = u32::try_from(length).expect("a body is made of limited parts");
    if let Some(header) = out.get_mut(start..).and_then(<[u8]>::first_chunk_mut::<HEADER_BYTES>) {
        *header = length.to_be_bytes();
    }
}

/// Frames out of a stream that arrives in any cut.
///
/// It holds what has arrived and was not taken yet, and no memory when that is nothing.
#[derive(Clone, Debug)]
pub struct FrameDecoder {
    buffer: Vec<u8>,
    taken: usize,
    frame_bytes_max: u32,
}

impl FrameDecoder {
    /// A decoder for frames of at most this length.
    #[must_use]
    pub const fn new(frame_bytes_max: u32) -> Self {
        Self { buffer: Vec::new(), taken: 0, frame_bytes_max }
    }

    /// Changes the longest length, for frames not taken yet.
    pub const fn limit(&mut self, frame_bytes_max: u32) {
        self.frame_bytes_max = frame_bytes_max;
    }

    /// Adds bytes as they arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.forget_taken();
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes the next frame, or `None` until more bytes arrive.
    ///
    /// # Errors
    /// As [`split_frame`]; the error stays, since nothing after it can be understood.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, ProtocolError> {
        let bytes = self.buffer.get(self.taken..).unwrap_or_default();
        let Some((frame, rest)) = split_frame(bytes, self.frame_bytes_max)? else { return Ok(None) };
        self.taken = self.buffer.len().saturating_sub(rest.len());
        Ok(Some(frame))
    }

    /// How many bytes have arrived that are not part of a frame taken.
    #[must_use]
    pub const fn waiting_bytes(&self) -> usize {
        self.buffer.len().saturating_sub(self.taken)
    }

    /// How many bytes of memory are held.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// Gives memory back that frames already taken occupy.
    pub fn forget_taken(&mut self) {
        if self.taken == 0 {
            return;
        }
        if self.taken >= self.buffer.len() {
            self.buffer = Vec::new();
        } else {
            self.buffer.drain(..self.taken);
        }
        self.taken = 0;
    }
}
