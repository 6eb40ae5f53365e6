//! An upload of a client (`PROTOCOL.md` U3–U8).

use alloc::{collections::VecDeque, vec::Vec};

use super::{
    LocalFailure, LocalOperation, PUT_BYTES_MAX, TransferEvent, TransferFailure, TransferId,
    TransferProgress, UploadWish, room_number,
};
use crate::{
    client::{ClientEvent, convert, session::Session},
    error::ProtocolError,
    transfer::{BlobHash, FileName, Sending, Version},
    wire::{self, Accepted, DATA_BYTES_MAX, Stored},
};

/// What is read at a time, and sent as one frame.
const READ_BYTES: u32 = DATA_BYTES_MAX as u32;

/// How many reads are on their way or wait to be sent.
const READS_MAX: usize = 8;

#[derive(Debug)]
pub(super) struct Upload {
    wish: UploadWish,
    state: State,
    /// Counts connections, so that what was read for an earlier one is not taken for this one's.
    attempt: u32,
    durable: u64,
    from: u64,
    /// Of the whole, once all of it was read, and its size.
    whole: Option<(u64, BlobHash)>,
    /// It cannot be stored in one request: it was tried.
    in_parts: bool,
}

#[derive(Debug)]
enum State {
    /// For a connection, or its turn.
    Waiting,
    /// Being read, to be stored in one request (U15). A small one is sent with it; once there is a hash, all was read.
    Preparing {
        content: Option<Vec<u8>>,
        hash: Option<BlobHash>,
    },
    /// Being stored in one request.
    Putting,
    Opening {
        wire: u32,
    },
    Sending(Flow),
    Finishing {
        wire: u32,
    },
    /// For another name, refused before anything was sent.
    Refused,
    /// For another name, all being there.
    Conflicting {
        wire: u32,
    },
}

#[derive(Debug)]
struct Flow {
    wire: u32,
    sending: Sending,
    /// Up to where it was asked to be read.
    asked: u64,
    reading: usize,
    chunks: VecDeque<Vec<u8>>,
    /// How many bytes of the first chunk were sent.
    sent: usize,
    /// Where it ends, once that is known.
    end: Option<u64>,
    hashing: bool,
}

impl Upload {
    pub(super) const fn new(wish: UploadWish) -> Self {
        Self { wish, state: State::Waiting, attempt: 0, durable: 0, from: 0, whole: None, in_parts: false }
    }

    pub(super) const fn attempt(&self) -> u32 {
        self.attempt
    }

    pub(super) const fn waits(&self) -> bool {
        matches!(self.state, State::Waiting)
    }

    pub(super) const fn is_open(&self) -> bool {
        !self.waits()
    }

    pub(super) const fn is_finishing(&self) -> bool {
        matches!(self.state, State::Finishing { .. })
    }

    /// Whether a conflict is answered by another name.
    pub(super) const fn may_be_renamed(&self) -> bool {
        matches!(self.state, State::Putting | State::Opening { .. } | State::Finishing { .. })
    }

    /// Whether it is to be stored in one request.
    pub(super) const fn is_put(&self) -> bool {
        !self.in_parts && (self.is_small() || self.wish.ask_first && self.wish.size.is_some())
    }

    /// Whether its content is sent with the one request, rather than asked for.
    const fn is_small(&self) -> bool {
        !self.wish.ask_first && matches!(self.wish.size, Some(size) if size <= PUT_BYTES_MAX)
    }

    /// The server wants it in parts.
    pub(super) fn go_in_parts(&mut self) {
        self.interrupt();
        self.in_parts = true;
        // Whether it has changed is looked at once more when all of it was sent.
        self.whole = None;
    }

    pub(super) const fn wire(&self) -> Option<u32> {
        match &self.state {
            State::Waiting | State::Refused | State::Preparing { .. } | State::Putting => None,
            State::Opening { wire }
            | State::Finishing { wire }
            | State::Conflicting { wire }
            | State::Sending(Flow { wire, .. }) => Some(*wire),
        }
    }

    pub(super) fn progress(&self) -> TransferProgress {
        let moved = match &self.state {
            State::Sending(flow) => flow.sending.next(),
            State::Finishing { .. } | State::Conflicting { .. } => self.whole.map_or(0, |(size, _)| size),
            State::Waiting
            | State::Refused
            | State::Preparing { .. }
            | State::Putting
            | State::Opening { .. } => self.durable,
        };
        TransferProgress {
            done: self.durable,
            moved,
            from: self.from,
            size: self.wish.size.or_else(|| self.whole.map(|(size, _)| size)),
            is_open: matches!(
                self.state,
                State::Sending(_) | State::Finishing { .. } | State::Conflicting { .. }
            ),
        }
    }

    pub(super) fn interrupt(&mut self) {
        self.attempt += 1;
        self.state = State::Waiting;
    }

    /// Waits again; the number of the transfer that did not come about.
    pub(super) fn put_off(&mut self) -> Option<u32> {
        let wire = self.wire();
        self.interrupt();
        wire
    }

    pub(super) fn open(&mut self, id: u32, wire: u32) -> wire::Upload<'_> {
        self.attempt += 1;
        self.state = State::Opening { wire };
        wire::Upload {
            id,
            transfer: wire,
            key: self.wish.key,
            room: room_number(self.wish.room),
            name: self.wish.name.as_str(),
            size: self.wish.size,
            executable: self.wish.executable,
            over: self.wish.over,
        }
    }

    pub(super) fn grant(&mut self, limit: u64) {
        if let State::Sending(flow) = &mut self.state {
            flow.sending.grant(limit);
        }
    }

    pub(super) fn durable(&mut self, offset: u64) {
        self.durable = self.durable.max(offset);
    }

    pub(super) fn can_send(&self) -> bool {
        match &self.state {
            State::Sending(flow) => !flow.chunks.is_empty() && flow.sending.credit() > 0,
            State::Preparing { hash, .. } => hash.is_some(),
            State::Waiting
            | State::Refused
            | State::Putting
            | State::Opening { .. }
            | State::Finishing { .. }
            | State::Conflicting { .. } => false,
        }
    }

    /// Waits for another name; the number of the transfer that did not come about.
    pub(super) fn conflict(&mut self) -> Option<u32> {
        match self.state {
            State::Finishing { wire } => self.state = State::Conflicting { wire },
            State::Opening { wire } => {
                self.state = State::Refused;
                return Some(wire);
            }
            State::Putting => self.state = State::Refused,
            State::Waiting
            | State::Refused
            | State::Preparing { .. }
            | State::Sending(_)
            | State::Conflicting { .. } => {}
        }
        None
    }

    /// Takes another name. Whether it waited for one.
    pub(super) fn rename(&mut self, name: FileName, over: Option<Version>) -> bool {
        self.state = match self.state {
            State::Conflicting { wire } => State::Finishing { wire },
            State::Refused => State::Waiting,
            State::Waiting
            | State::Preparing { .. }
            | State::Putting
            | State::Opening { .. }
            | State::Sending(_)
            | State::Finishing { .. } => {
                return false;
            }
        };
        self.wish.name = name;
        self.wish.over = over;
        true
    }
}

impl Session {
    /// Has a file read that is to be stored in one request.
    pub(super) fn prepare_put(&mut self, id: TransferId) {
        let Some(upload) = self.transfers.upload_mut(id) else { return };
        let Some(size) = upload.wish.size else { return };
        upload.attempt += 1;
        upload.state = State::Preparing { content: None, hash: None };
        let (attempt, is_small) = (upload.attempt, upload.is_small());
        if is_small && size > 0 {
            let count = u32::try_from(size).unwrap_or(u32::MAX);
            self.ask_file(id, attempt, LocalOperation::Read { offset: 0, count });
        }
        self.ask_file(id, attempt, LocalOperation::Hash { size });
    }

    /// Stores a file in one request, if the rate allows it; all of it was read. Whether it did.
    fn send_put(&mut self, id: TransferId) -> bool {
        let now = self.now.monotonic;
        let Some(upload) = self.transfers.upload_mut(id) else { return false };
        let count = if upload.is_small() { upload.wish.size.unwrap_or(0) } else { 0 };
        if self.transfers.rate_allows(count, now) < count {
            return false;
        }
        self.transfers.rate_takes(count);
        let request = self.requests.next_wire_id();
        let Some(upload) = self.transfers.upload_mut(id) else { return false };
        let (is_small, Some(size)) = (upload.is_small(), upload.wish.size) else { return false };
        let State::Preparing { content, hash: Some(hash) } = &mut upload.state else { return false };
        let (content, hash) = (is_small.then(|| content.take().unwrap_or_default()), *hash);
        upload.state = State::Putting;
        upload.whole = Some((size, hash));
        let put = wire::Put {
            id: request,
            key: upload.wish.key,
            room: room_number(upload.wish.room),
            name: upload.wish.name.as_str(),
            size,
            hash,
            executable: upload.wish.executable,
            over: upload.wish.over,
            content: content.as_deref(),
        };
        self.link.send(&put.into(), &mut self.outputs);
        self.transfers.asked.insert(request, Some(id));
        true
    }

    /// The server takes an upload from an offset on (U4).
    pub(in crate::client) fn upload_accepted(&mut self, accepted: &Accepted) -> Result<(), ProtocolError> {
        let asked = self.transfers.asked.remove(&accepted.id).ok_or(ProtocolError::SequenceBroken)?;
        let Some(id) = asked else {
            self.send(wire::Stop { transfer: accepted.transfer });
            return Ok(());
        };
        let Some(upload) = self.transfers.upload_mut(id) else { return Ok(()) };
        let expected = matches!(upload.state, State::Opening { wire } if wire == accepted.transfer);
        if !expected || upload.wish.size.is_some_and(|size| accepted.offset > size) {
            return Err(ProtocolError::SequenceBroken);
        }
        let offset = accepted.offset;
        upload.durable = offset;
        upload.from = offset;
        upload.state = State::Sending(Flow {
            wire: accepted.transfer,
            sending: Sending::new(offset, accepted.limit),
            asked: offset,
            reading: 0,
            chunks: VecDeque::new(),
            sent: 0,
            end: upload.wish.size,
            hashing: false,
        });
        let size = upload.wish.size;
        self.tell(ClientEvent::Transfer(TransferEvent::Begun { transfer: id, offset, size }));
        self.read_on(id);
        Ok(())
    }

    /// Has more read, or, at the end, has all that was read summed up.
    fn read_on(&mut self, id: TransferId) {
        loop {
            let Some(upload) = self.transfers.upload_mut(id) else { return };
            let (attempt, whole) = (upload.attempt, upload.whole);
            let State::Sending(flow) = &mut upload.state else { return };
            if flow.end.is_some_and(|end| flow.sending.next() == end && flow.chunks.is_empty()) {
                let end = flow.sending.next();
                if whole.is_some_and(|(size, _)| size == end) {
                    let wire = flow.wire;
                    upload.state = State::Finishing { wire };
                    return self.send_finish(id);
                }
                if !set(&mut flow.hashing) {
                    self.ask_file(id, attempt, LocalOperation::Hash { size: end });
                }
                return;
            }
            let left = flow.end.map_or(u64::MAX, |end| end.saturating_sub(flow.asked));
            if left == 0 || flow.reading + flow.chunks.len() >= READS_MAX {
                return;
            }
            let count = u32::try_from(left).unwrap_or(u32::MAX).min(READ_BYTES);
            let offset = flow.asked;
            flow.asked += u64::from(count);
            flow.reading += 1;
            self.ask_file(id, attempt, LocalOperation::Read { offset, count });
        }
    }

    pub(super) fn was_read(&mut self, id: TransferId, bytes: Vec<u8>) {
        let Some(upload) = self.transfers.upload_mut(id) else { return };
        if let State::Preparing { content, .. } = &mut upload.state {
            if upload.wish.size != Some(bytes.len() as u64) {
                return self.fail_transfer(id, TransferFailure::Local(LocalFailure::Changed));
            }
            *content = Some(bytes);
            return;
        }
        let State::Sending(flow) = &mut upload.state else { return };
        flow.reading = flow.reading.saturating_sub(1);
        let waiting: u64 = flow.chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>() - flow.sent as u64;
        let start = flow.sending.next() + waiting;
        let most = u64::from(READ_BYTES);
        let wanted = flow.end.map_or(most, |end| (end - start).min(most));
        if (bytes.len() as u64) < wanted {
            if flow.end.is_some_and(|_| upload.wish.size.is_some()) {
                return self.fail_transfer(id, TransferFailure::Local(LocalFailure::Changed));
            }
            flow.end = Some(start + bytes.len() as u64);
        }
        if !bytes.is_empty() {
            flow.chunks.push_back(bytes);
        }
        self.read_on(id);
    }

    /// Sends a frame of content, as much as there is credit for, or all of it in one request. Whether it did.
    pub(super) fn send_data(&mut self, id: TransferId) -> bool {
        let now = self.now.monotonic;
        let Some(upload) = self.transfers.upload_mut(id) else { return false };
        if matches!(upload.state, State::Preparing { .. }) {
            return self.send_put(id);
        }
        let State::Sending(flow) = &upload.state else { return false };
        let Some(chunk) = flow.chunks.front() else { return false };
        let ready = (chunk.len() - flow.sent) as u64;
        let ready = ready.min(flow.sending.credit());
        let allowed = self.transfers.rate_allows(ready, now);
        if allowed < ready {
            return false;
        }
        let Some(upload) = self.transfers.upload_mut(id) else { return false };
        let State::Sending(flow) = &mut upload.state else { return false };
        let Some(chunk) = flow.chunks.front() else { return false };
        let count = usize::try_from(ready).unwrap_or(usize::MAX);
        let data = wire::Data {
            transfer: flow.wire,
            offset: flow.sending.next(),
            bytes: &chunk[flow.sent..flow.sent + count],
        };
        self.link.send(&data.into(), &mut self.outputs);
        flow.sending.sent(ready);
        flow.sent += count;
        if flow.sent == chunk.len() {
            flow.chunks.pop_front();
            flow.sent = 0;
        }
        self.transfers.rate_takes(ready);
        self.read_on(id);
        true
    }

    pub(super) fn was_hashed(&mut self, id: TransferId, hash: BlobHash) {
        let Some(upload) = self.transfers.upload_mut(id) else { return };
        if let State::Preparing { hash: known, .. } = &mut upload.state {
            *known = Some(hash);
            return;
        }
        let State::Sending(flow) = &upload.state else { return };
        let (wire, size) = (flow.wire, flow.sending.next());
        upload.whole = Some((size, hash));
        upload.state = State::Finishing { wire };
        self.send_finish(id);
    }

    pub(super) fn send_finish(&mut self, id: TransferId) {
        let request = self.requests.next_wire_id();
        let Some(upload) = self.transfers.upload_mut(id) else { return };
        let (State::Finishing { wire }, Some((size, hash))) = (&upload.state, upload.whole) else { return };
        let finish = wire::Finish {
            id: request,
            transfer: *wire,
            size,
            hash,
            name: Some(upload.wish.name.as_str()),
            over: upload.wish.over,
        };
        let message = finish.into();
        self.link.send(&message, &mut self.outputs);
        self.transfers.asked.insert(request, Some(id));
    }

    /// An upload is a file (U7).
    pub(in crate::client) fn upload_stored(&mut self, stored: &Stored<'_>) -> Result<(), ProtocolError> {
        let asked = self.transfers.asked.remove(&stored.id).ok_or(ProtocolError::SequenceBroken)?;
        let file = convert::file(&stored.file)?;
        let Some(id) = asked else { return Ok(()) };
        let Some(upload) = self.transfers.upload_mut(id) else { return Ok(()) };
        if upload.whole.is_some_and(|(size, hash)| (size, hash) != (file.size, file.hash)) {
            return Err(ProtocolError::SequenceBroken);
        }
        let wire = upload.wire();
        self.transfers.open.retain(|number, _| Some(*number) != wire);
        self.transfers.entries.remove(&id);
        self.tell(ClientEvent::Transfer(TransferEvent::Uploaded { transfer: id, file }));
        Ok(())
    }
}

/// Sets a flag; what it was.
const fn set(flag: &mut bool) -> bool {
    core::mem::replace(flag, true)
}
