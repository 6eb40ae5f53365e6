//! The transfers of a client (`PROTOCOL.md` section U): they outlive connections, and go on by themselves.
//!
//! ```text
//! upload:    Waiting ─▶ Preparing ─▶ Putting ─▶ a file        small, or there already
//!               ▲                       ├─▶ Refused, Waiting      finish_as; in parts
//!               └──────── cut ──────────┘
//!            Waiting ─▶ Opening ─▶ Sending ─▶ Finishing ─▶ a file
//!               ▲                    │            │  ▲
//!               └───── cut ──────────┴────────────┤  │ finish_as
//!                           │                     └─▶ Conflicting
//!                           └─▶ Refused ─▶ Waiting, likewise
//! download:  Waiting ─▶ Opening ─▶ Receiving ─▶ Keeping ─▶ in its place
//! ```

mod download;
mod event;
mod upload;

use alloc::{collections::BTreeMap, vec::Vec};
use core::time::Duration;

pub use self::event::{
    DownloadWish, FileInfo, LocalDone, LocalFailure, LocalOperation, LocalOutcome, LocalRequest,
    TransferEvent, TransferFailure, TransferId, TransferProgress, UploadWish,
};
use self::{download::Download, upload::Upload};
use super::{ClientEvent, ClientOutput, session::Session};
use crate::{
    error::{ProtocolError, Refusal, RefusalCode},
    ids::RoomId,
    rate::Bucket,
    time::Monotonic,
    transfer::Version,
    wire::{self, Stopped},
};

/// Files of at most so many bytes are stored in one request each: they are there in one step, and there is nothing to resume.
pub const PUT_BYTES_MAX: u64 = wire::PUT_BYTES_MAX as u64;

/// Transfers that go on at a time; others wait.
const OPEN_MAX: usize = 4;

/// Files that are stored in one request each at a time, beside those. A server takes 64 requests before it answers any.
const PUTS_MAX: usize = 48;

/// Content is sent while less than this waits to be sent (U14).
const BULK_BYTES_MAX: usize = 64 << 10;

/// After how long a transfer is begun again that the server could not begin.
const AGAIN: Duration = Duration::from_secs(1);

/// All transfers.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    entries: BTreeMap<TransferId, Entry>,
    /// By the number on the wire.
    open: BTreeMap<u32, TransferId>,
    /// Requests that are not answered; nothing for those whose transfer has ended meanwhile.
    asked: BTreeMap<u32, Option<TransferId>>,
    last: u32,
    last_wire: u32,
    /// Who sent last.
    turn: Option<TransferId>,
    rate: Option<Bucket>,
    /// When the rate lets something more through.
    rate_at: Option<Monotonic>,
}

#[derive(Debug)]
struct Entry {
    kind: Kind,
    /// When to begin again, after the server could not.
    again_at: Option<Monotonic>,
}

#[derive(Debug)]
enum Kind {
    Upload(Upload),
    Download(Download),
}

impl Transfers {
    fn add(&mut self, kind: Kind) -> TransferId {
        self.last += 1;
        let id = TransferId(self.last);
        self.entries.insert(id, Entry { kind, again_at: None });
        id
    }

    const fn next_wire(&mut self) -> u32 {
        self.last_wire += 1;
        self.last_wire
    }

    /// When something is to be done although nothing happened.
    pub(super) fn deadline(&self) -> Option<Monotonic> {
        let again = self.entries.values().filter_map(|entry| entry.again_at).min();
        again.into_iter().chain(self.rate_at).min()
    }

    pub(super) fn progress(&self, id: TransferId) -> Option<TransferProgress> {
        match &self.entries.get(&id)?.kind {
            Kind::Upload(upload) => Some(upload.progress()),
            Kind::Download(download) => Some(download.progress()),
        }
    }

    /// The connection is gone: all of them wait for another.
    pub(super) fn interrupt(&mut self) {
        self.open.clear();
        self.asked.clear();
        self.rate_at = None;
        for entry in self.entries.values_mut() {
            match &mut entry.kind {
                Kind::Upload(upload) => upload.interrupt(),
                Kind::Download(download) => download.interrupt(),
            }
        }
    }

    /// How many go on or are being opened; and how many are being stored in one request.
    fn open_count(&self) -> (usize, usize) {
        let (mut open, mut puts) = (0, 0);
        for entry in self.entries.values() {
            match &entry.kind {
                Kind::Upload(upload) if upload.is_put() => puts += usize::from(upload.is_open()),
                Kind::Upload(upload) => open += usize::from(upload.is_open()),
                Kind::Download(download) => open += usize::from(download.is_open()),
            }
        }
        (open, puts)
    }

    fn upload_mut(&mut self, id: TransferId) -> Option<&mut Upload> {
        match &mut self.entries.get_mut(&id)?.kind {
            Kind::Upload(upload) => Some(upload),
            Kind::Download(_) => None,
        }
    }

    fn download_mut(&mut self, id: TransferId) -> Option<&mut Download> {
        match &mut self.entries.get_mut(&id)?.kind {
            Kind::Download(download) => Some(download),
            Kind::Upload(_) => None,
        }
    }

    /// Lets at most so many bytes through a second.
    pub(super) fn limit_rate(&mut self, bytes_per_second: Option<u64>, now: Monotonic) {
        let bucket = |rate: u64| Bucket::new((rate / 8).max(BULK_BYTES_MAX as u64), rate, now);
        self.rate = bytes_per_second.filter(|rate| *rate > 0).map(bucket);
        self.rate_at = None;
    }

    /// How many bytes the rate lets through now; what is asked for later is told a deadline.
    fn rate_allows(&mut self, wanted: u64, now: Monotonic) -> u64 {
        let Some(bucket) = &mut self.rate else { return wanted };
        bucket.refill(now);
        let level = bucket.level();
        if level >= wanted {
            return wanted;
        }
        let at = now.after(bucket.wait(wanted));
        self.rate_at = Some(self.rate_at.map_or(at, |before| before.min(at)));
        level
    }

    fn rate_takes(&mut self, count: u64) {
        if let Some(bucket) = &mut self.rate {
            bucket.take(count);
        }
    }
}

impl Session {
    /// Begins to upload.
    pub(super) fn add_upload(&mut self, wish: UploadWish) -> TransferId {
        self.transfers.add(Kind::Upload(Upload::new(wish)))
    }

    /// Begins to download.
    pub(super) fn add_download(&mut self, wish: DownloadWish) -> TransferId {
        self.transfers.add(Kind::Download(Download::new(wish)))
    }

    /// Ends a transfer.
    pub(super) fn cancel_transfer(&mut self, id: TransferId) {
        let Some(entry) = self.transfers.entries.remove(&id) else { return };
        let wire = match entry.kind {
            Kind::Upload(upload) => upload.wire(),
            Kind::Download(download) => download.wire(),
        };
        for asked in self.transfers.asked.values_mut().filter(|asked| **asked == Some(id)) {
            *asked = None;
        }
        if let Some(transfer) = wire.filter(|wire| self.transfers.open.remove(wire).is_some()) {
            self.send(wire::Stop { transfer });
        }
    }

    /// Ends a transfer that cannot go on.
    fn fail_transfer(&mut self, transfer: TransferId, failure: TransferFailure) {
        self.cancel_transfer(transfer);
        self.tell(ClientEvent::Transfer(TransferEvent::Failed { transfer, failure }));
    }

    /// The database is another: what rooms and uploads there are is not known any more.
    pub(super) fn forget_transfers(&mut self) {
        let text = "The server's data is new; nothing of the transfer is known there any more.";
        let refusal = Refusal::new(RefusalCode::NoSuchUpload, text);
        let ids: Vec<_> = self.transfers.entries.keys().copied().collect();
        for id in ids {
            self.fail_transfer(id, TransferFailure::Refused(refusal.clone()));
        }
    }

    /// Begins transfers that wait, and sends content behind everything else.
    pub(super) fn send_transfers(&mut self) {
        if self.transfers.entries.is_empty() {
            return;
        }
        let now = self.now.monotonic;
        self.transfers.rate_at = None;
        let (open, puts) = self.transfers.open_count();
        let (mut free, mut free_puts) = (OPEN_MAX.saturating_sub(open), PUTS_MAX.saturating_sub(puts));
        let (mut waiting, mut waiting_puts) = (Vec::new(), Vec::new());
        for (id, entry) in &mut self.transfers.entries {
            entry.again_at = entry.again_at.filter(|at| *at > now);
            let (waits, list) = match &entry.kind {
                Kind::Upload(upload) if upload.is_put() => (upload.waits(), &mut waiting_puts),
                Kind::Upload(upload) => (upload.waits(), &mut waiting),
                Kind::Download(download) => (download.waits(), &mut waiting),
            };
            if waits && entry.again_at.is_none() {
                list.push(*id);
            }
        }
        for id in waiting_puts {
            if free_puts == 0 || !self.link.has_room() {
                break;
            }
            free_puts -= 1;
            self.prepare_put(id);
        }
        for id in waiting {
            if free == 0 || !self.link.has_room() {
                break;
            }
            free -= 1;
            self.open_transfer(id);
        }
        self.grant_all();
        while self.link.sendable().len() < BULK_BYTES_MAX && self.link.is_open() && self.send_one() {}
    }

    fn open_transfer(&mut self, id: TransferId) {
        let wire = self.transfers.next_wire();
        let request = self.requests.next_wire_id();
        let Some(entry) = self.transfers.entries.get_mut(&id) else { return };
        let message: wire::ToServer<'_> = match &mut entry.kind {
            Kind::Upload(upload) => upload.open(request, wire).into(),
            Kind::Download(download) => download.open(request, wire).into(),
        };
        self.link.send(&message, &mut self.outputs);
        self.transfers.asked.insert(request, Some(id));
        self.transfers.open.insert(wire, id);
    }

    /// Sends one frame of content of whoever comes next in turn. Whether there was one.
    fn send_one(&mut self) -> bool {
        use core::ops::Bound::{Excluded, Unbounded};
        let after = self.transfers.turn.map_or(Unbounded, Excluded);
        let later = self.transfers.entries.range((after, Unbounded));
        let all = self.transfers.entries.range((Unbounded::<TransferId>, Unbounded));
        let ready = |(_, entry): &(&TransferId, &Entry)| match &entry.kind {
            Kind::Upload(upload) => upload.can_send(),
            Kind::Download(_) => false,
        };
        let Some(id) = later.chain(all).find(ready).map(|(id, _)| *id) else { return false };
        self.transfers.turn = Some(id);
        self.send_data(id)
    }

    /// Something at this end was done.
    pub(super) fn local_done(&mut self, done: LocalDone) -> Result<(), ProtocolError> {
        let LocalDone { transfer, attempt, result } = done;
        let Some(entry) = self.transfers.entries.get(&transfer) else { return Ok(()) };
        if let Kind::Upload(upload) = &entry.kind
            && upload.attempt() != attempt
        {
            return Ok(());
        }
        match result {
            Ok(LocalOutcome::Read(bytes)) => self.was_read(transfer, bytes),
            Ok(LocalOutcome::Hashed(hash)) => self.was_hashed(transfer, hash),
            Ok(LocalOutcome::Begun) => {}
            Ok(LocalOutcome::Written) => self.was_written(transfer),
            Ok(LocalOutcome::Kept) => self.was_kept(transfer),
            Err(failure) => self.fail_transfer(transfer, TransferFailure::Local(failure)),
        }
        Ok(())
    }

    fn ask_file(&mut self, transfer: TransferId, attempt: u32, operation: LocalOperation) {
        self.outputs.push(ClientOutput::File(LocalRequest { transfer, attempt, operation }));
    }

    /// Whether a refusal answers a transfer; if so it is dealt with.
    pub(super) fn transfer_refused(&mut self, request: u32, refusal: &Refusal) -> bool {
        let Some(asked) = self.transfers.asked.remove(&request) else { return false };
        let Some(id) = asked else { return true };
        let now = self.now.monotonic;
        let Some(entry) = self.transfers.entries.get_mut(&id) else { return true };
        match &mut entry.kind {
            Kind::Upload(upload) if upload.may_be_renamed() && refusal.code == RefusalCode::Conflict => {
                let ended = upload.conflict();
                self.transfers.open.retain(|number, _| Some(*number) != ended);
                let (transfer, refusal) = (id, refusal.clone());
                self.tell(ClientEvent::Transfer(TransferEvent::Conflict { transfer, refusal }));
            }
            Kind::Upload(upload) if upload.is_put() && refusal.code == RefusalCode::NoSuchContent => {
                upload.go_in_parts();
            }
            // It was never opened, or is not any more; both pass.
            Kind::Upload(Upload { .. }) | Kind::Download(_)
                if matches!(refusal.code, RefusalCode::SlowDown | RefusalCode::TransferLimit) =>
            {
                let wire = match &mut entry.kind {
                    Kind::Upload(upload) => upload.put_off(),
                    Kind::Download(download) => download.put_off(),
                };
                entry.again_at = Some(now.after(AGAIN));
                self.transfers.open.retain(|number, _| Some(*number) != wire);
            }
            Kind::Upload(_) | Kind::Download(_) => {
                self.fail_transfer(id, TransferFailure::Refused(refusal.clone()));
            }
        }
        true
    }

    /// The server has ended a transfer.
    pub(super) fn transfer_stopped(&mut self, stopped: &Stopped<'_>) {
        let Some(id) = self.transfers.open.remove(&stopped.transfer) else { return };
        let code = RefusalCode::from_number(stopped.code).unwrap_or(RefusalCode::NotPossible);
        let refusal = Refusal::new(code, stopped.text);
        self.fail_transfer(id, TransferFailure::Refused(refusal));
    }

    /// The server takes more of an upload.
    pub(super) fn transfer_window(&mut self, window: &wire::Window) {
        let id = self.transfers.open.get(&window.transfer).copied();
        if let Some(upload) = id.and_then(|id| self.transfers.upload_mut(id)) {
            upload.grant(window.limit);
        }
    }

    /// So much of an upload is durable.
    pub(super) fn transfer_durable(&mut self, durable: &wire::Durable) {
        let id = self.transfers.open.get(&durable.transfer).copied();
        if let Some(upload) = id.and_then(|id| self.transfers.upload_mut(id)) {
            upload.durable(durable.offset);
        }
    }

    /// Finishes an upload that met a conflict, under this name and over this version.
    pub(super) fn finish_as(
        &mut self,
        id: TransferId,
        name: crate::transfer::FileName,
        over: Option<Version>,
    ) -> bool {
        let Some(upload) = self.transfers.upload_mut(id) else { return false };
        if !upload.rename(name, over) {
            return false;
        }
        if upload.is_finishing() {
            self.send_finish(id);
        }
        true
    }
}

/// The room of a place on the wire.
fn room_number(room: Option<RoomId>) -> RoomId {
    room.unwrap_or_default()
}
