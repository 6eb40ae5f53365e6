//! A download of a client (`PROTOCOL.md` U11, U17).

use super::{
    DownloadWish, FileInfo, LocalOperation, TransferEvent, TransferId, TransferProgress, room_number,
};
use crate::{
    client::{ClientEvent, convert, session::Session},
    error::ProtocolError,
    time::Monotonic,
    transfer::{Overrun, Receiving, Window},
    wire::{self, Data},
};

/// What may be on its way at first, and to what that grows.
const WINDOW_BYTES: u64 = 1 << 20;
const WINDOW_BYTES_MAX: u64 = 4 << 20;
/// The smallest window, where a rate is to be kept.
const WINDOW_BYTES_MIN: u64 = 64 << 10;

#[derive(Debug)]
pub(super) struct Download {
    wish: DownloadWish,
    state: State,
    file: Option<FileInfo>,
    from: u64,
    /// Writes at this end that are not done, and how many bytes each has.
    writing: alloc::collections::VecDeque<u64>,
    /// What was written at this end.
    written: u64,
}

#[derive(Debug)]
enum State {
    /// For a connection, or its turn.
    Waiting,
    Opening {
        wire: u32,
    },
    Receiving {
        wire: u32,
        receiving: Receiving,
    },
    /// All has arrived.
    Keeping,
}

impl Download {
    pub(super) const fn new(wish: DownloadWish) -> Self {
        let written = wish.offset;
        let writing = alloc::collections::VecDeque::new();
        Self { from: wish.offset, wish, state: State::Waiting, file: None, writing, written }
    }

    pub(super) const fn waits(&self) -> bool {
        matches!(self.state, State::Waiting)
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, State::Opening { .. } | State::Receiving { .. })
    }

    pub(super) const fn wire(&self) -> Option<u32> {
        match &self.state {
            State::Waiting | State::Keeping => None,
            State::Opening { wire } | State::Receiving { wire, .. } => Some(*wire),
        }
    }

    pub(super) fn progress(&self) -> TransferProgress {
        TransferProgress {
            done: self.written,
            moved: self.wish.offset,
            from: self.from,
            size: self.end(),
            is_open: matches!(self.state, State::Receiving { .. } | State::Keeping),
        }
    }

    pub(super) const fn interrupt(&mut self) {
        match self.state {
            State::Waiting | State::Opening { .. } | State::Receiving { .. } => self.state = State::Waiting,
            State::Keeping => {}
        }
    }

    pub(super) const fn put_off(&mut self) -> Option<u32> {
        let wire = self.wire();
        self.interrupt();
        wire
    }

    /// Where it ends, once the file is known.
    fn end(&self) -> Option<u64> {
        let file = self.file.as_ref()?;
        Some(self.wish.end.map_or(file.size, |end| end.min(file.size)))
    }

    pub(super) fn open(&mut self, id: u32, wire: u32) -> wire::Download<'_> {
        self.state = State::Opening { wire };
        let offset = self.wish.offset;
        wire::Download {
            id,
            transfer: wire,
            room: room_number(self.wish.room),
            name: self.wish.name.as_str(),
            hash: self.wish.hash,
            offset,
            // Nothing before the file is known: then the rate is kept from the first byte on.
            limit: offset,
            outline: self.wish.end.map(|_| true),
        }
    }
}

impl Session {
    /// The server sends a file (U11).
    pub(in crate::client) fn download_begun(
        &mut self,
        sending: &wire::Sending<'_>,
    ) -> Result<(), ProtocolError> {
        let asked = self.transfers.asked.remove(&sending.id).ok_or(ProtocolError::SequenceBroken)?;
        let file = convert::file(&sending.file)?;
        let Some(id) = asked else {
            self.send(wire::Stop { transfer: sending.transfer });
            return Ok(());
        };
        let now = self.now.monotonic;
        let rate = self.transfers.rate.is_some();
        let Some(download) = self.transfers.download_mut(id) else { return Ok(()) };
        let expected = matches!(download.state, State::Opening { wire } if wire == sending.transfer);
        let before = download.file.as_ref().map(|before| (before.size, before.hash));
        let same = download.wish.hash.is_none_or(|hash| hash == file.hash)
            && before.is_none_or(|before| before == (file.size, file.hash));
        if !expected || !same || sending.offset != download.wish.offset || sending.offset > file.size {
            return Err(ProtocolError::SequenceBroken);
        }
        let offset = sending.offset;
        download.from = offset;
        download.wish.hash = Some(file.hash);
        download.file = Some(file.clone());
        let window = if rate { WINDOW_BYTES_MIN } else { WINDOW_BYTES };
        let window = Window::new(window, if rate { window } else { WINDOW_BYTES_MAX }, now);
        let end = download.end().unwrap_or(file.size);
        let receiving = Receiving::new(offset, Some(end), window);
        download.state = State::Receiving { wire: sending.transfer, receiving };
        let begin = match download.wish.end {
            Some(_) => {
                let outline = convert::outline(sending.outline.unwrap_or_default())?;
                Some(LocalOperation::Begin { size: file.size, hash: file.hash, outline })
            }
            None => None,
        };
        let size = Some(end);
        self.tell(ClientEvent::Transfer(TransferEvent::Found { transfer: id, file }));
        if let Some(begin) = begin {
            self.ask_file(id, 0, begin);
        }
        self.tell(ClientEvent::Transfer(TransferEvent::Begun { transfer: id, offset, size }));
        self.keep_if_whole(id);
        Ok(())
    }

    /// Content of a download arrived.
    pub(in crate::client) fn download_data(&mut self, data: &Data<'_>) -> Result<(), ProtocolError> {
        if data.transfer > self.transfers.last_wire {
            return Err(ProtocolError::SequenceBroken);
        }
        let id = self.transfers.open.get(&data.transfer).copied();
        let Some((id, download)) = id.and_then(|id| Some((id, self.transfers.download_mut(id)?))) else {
            return Ok(());
        };
        let State::Receiving { receiving, .. } = &mut download.state else {
            return Err(ProtocolError::SequenceBroken);
        };
        let count = data.bytes.len() as u64;
        receiving.take(data.offset, count).map_err(|overrun| match overrun {
            Overrun::Misplaced => ProtocolError::SequenceBroken,
            Overrun::Uncredited => ProtocolError::CreditExceeded,
        })?;
        download.wish.offset = receiving.received();
        download.writing.push_back(count);
        let operation = LocalOperation::Write { offset: data.offset, bytes: data.bytes.to_vec() };
        self.ask_file(id, 0, operation);
        Ok(())
    }

    pub(super) fn was_written(&mut self, id: TransferId) {
        let Some(download) = self.transfers.download_mut(id) else { return };
        let count = download.writing.pop_front().unwrap_or(0);
        download.written += count;
        if let State::Receiving { receiving, .. } = &mut download.state {
            receiving.wrote(count);
        }
        self.keep_if_whole(id);
    }

    /// Lets the server send as much as there is room for at this end, and as the rate allows.
    pub(super) fn grant_all(&mut self) {
        let now = self.now.monotonic;
        let ids: alloc::vec::Vec<TransferId> = self.transfers.open.values().copied().collect();
        for id in ids {
            self.grant_download(id, now);
        }
    }

    fn grant_download(&mut self, id: TransferId, now: Monotonic) {
        let Some(download) = self.transfers.download_mut(id) else { return };
        let State::Receiving { receiving, .. } = &download.state else { return };
        let limit = receiving.limit();
        let wanted = receiving.window_bytes().saturating_sub(limit.saturating_sub(receiving.written()));
        let worth = wanted.min(receiving.window_bytes() / 2);
        let allowed = if wanted == 0 { 0 } else { self.transfers.rate_allows(wanted, now) };
        // What the rate lets through bit by bit is not worth a message each.
        if allowed < worth {
            return;
        }
        let Some(download) = self.transfers.download_mut(id) else { return };
        let State::Receiving { wire, receiving } = &mut download.state else { return };
        let transfer = *wire;
        // The whole of a larger window may be used where there is no rate.
        let ceiling = if allowed == wanted { u64::MAX } else { limit.saturating_add(allowed) };
        if let Some(raised) = receiving.grant(ceiling, &mut u64::from(u32::MAX), now) {
            self.transfers.rate_takes(raised.saturating_sub(limit));
            self.send(wire::Window { transfer, limit: raised });
        }
    }

    fn keep_if_whole(&mut self, id: TransferId) {
        let Some(download) = self.transfers.download_mut(id) else { return };
        let Some(file) = &download.file else { return };
        let (size, hash, executable) = (file.size, file.hash, file.executable);
        let end = download.end().unwrap_or(size);
        // A part may have begun behind the end of the file; who asked for it is told the size.
        let whole = download.wish.offset >= end && download.written == download.wish.offset;
        let State::Receiving { wire, .. } = download.state else { return };
        if whole {
            download.state = State::Keeping;
            self.transfers.open.remove(&wire);
            if end < size {
                self.send(wire::Stop { transfer: wire });
            }
            self.ask_file(id, 0, LocalOperation::Keep { size, hash, executable });
        }
    }

    pub(super) fn was_kept(&mut self, id: TransferId) {
        let Some(download) = self.transfers.download_mut(id) else { return };
        let Some(file) = download.file.take() else { return };
        self.transfers.entries.remove(&id);
        self.tell(ClientEvent::Transfer(TransferEvent::Downloaded { transfer: id, file }));
    }
}
