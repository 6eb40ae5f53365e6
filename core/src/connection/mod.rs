//! One peer of the server: its bytes, its phase, its deadlines.

mod credit;
mod outbound;
mod phase;
mod table;
mod transfers;

use alloc::vec::Vec;

pub(crate) use self::{
    credit::{Admission, Posting},
    outbound::{BufferPool, Outbound},
    phase::{
        Closing, Enrolling, Entering, Following, Invited, NewAccount, Newcomer, Phase, Proving, Ready,
        Requests, Verifying, Waiting, hash_token,
    },
    table::Connections,
    transfers::{Chunk, Download, Transfers},
};
use crate::{
    channel::Channel,
    ids::{ConnectionId, UserId},
    limits::Limits,
    output::Source,
    time::Monotonic,
    wire::{FRAME_BYTES_MAX, FRAME_BYTES_MAX_BEFORE_READY, HEADER_BYTES},
};

/// One peer of the server.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    /// Counted under this source, if it counts.
    pub(crate) source: Option<Source>,
    pub(crate) phase: Phase,
    /// Of which run of its client it is (A8).
    pub(crate) session: u64,
    /// Whether it keeps the token it is given, in place of the one it showed (A13).
    pub(crate) renews: bool,
    /// What protects it, known once it is secured.
    pub(crate) channel: Channel,
    /// What arrived and was not handled yet.
    pub(crate) inbound: Vec<u8>,
    pub(crate) outbound: Outbound,
    pub(crate) connected: Monotonic,
    /// Since when it is entering.
    pub(crate) entering: Monotonic,
    /// When it was last heard, or not listened to.
    pub(crate) heard: Monotonic,
    /// Whether it has been asked for a sign of life since.
    pub(crate) asked: bool,
    /// When it last took bytes, or had none to take.
    pub(crate) took: Monotonic,
    /// Frames handled before `Ready`.
    pub(crate) frames: u32,
    /// Challenges it was sent before `Ready`.
    pub(crate) challenges: u32,
    pub(crate) logins_failed: u32,
    /// Why nothing more is handled at the moment.
    pub(crate) paused: Option<Pause>,
    /// The deadline armed for it.
    pub(crate) armed: Option<Monotonic>,
    /// Whether an `Output::Interest` is queued.
    pub(crate) told: bool,
    /// Whether it is queued to be filled with what it missed.
    pub(crate) refilling: bool,
    /// Whether it is queued to have content put into its buffer.
    pub(crate) sends_bulk: bool,
    /// Whether it is queued to have its inbound bytes handled.
    pub(crate) resuming: bool,
}

/// Why a connection's frames are not handled for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// Until this time.
    Until(Monotonic),
    /// Until a request under way is answered, or replies were taken.
    Answers,
}

impl Connection {
    pub(crate) const fn new(id: ConnectionId, source: Option<Source>, now: Monotonic) -> Self {
        Self {
            id,
            source,
            phase: Phase::Securing,
            session: 0,
            renews: false,
            channel: Channel::Plain,
            inbound: Vec::new(),
            outbound: Outbound::new(),
            connected: now,
            entering: now,
            heard: now,
            asked: false,
            took: now,
            frames: 0,
            challenges: 0,
            logins_failed: 0,
            paused: None,
            armed: None,
            told: false,
            refilling: false,
            sends_bulk: false,
            resuming: false,
        }
    }

    /// The user it carries since it entered.
    pub(crate) const fn user(&self) -> Option<UserId> {
        self.phase.user()
    }

    pub(crate) const fn ready(&self) -> Option<&Ready> {
        match &self.phase {
            Phase::Ready(ready) => Some(ready),
            Phase::Securing
            | Phase::Greeting
            | Phase::Choosing
            | Phase::Enrolling(_)
            | Phase::Proving(_)
            | Phase::Verifying(_)
            | Phase::Entering(_)
            | Phase::Waiting(_)
            | Phase::Closing(_) => None,
        }
    }

    pub(crate) const fn ready_mut(&mut self) -> Option<&mut Ready> {
        match &mut self.phase {
            Phase::Ready(ready) => Some(ready),
            Phase::Securing
            | Phase::Greeting
            | Phase::Choosing
            | Phase::Enrolling(_)
            | Phase::Proving(_)
            | Phase::Verifying(_)
            | Phase::Entering(_)
            | Phase::Waiting(_)
            | Phase::Closing(_) => None,
        }
    }

    pub(crate) const fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing(_))
    }

    /// Whether it counts as one that has not entered yet (a waiting one has been accepted).
    pub(crate) const fn is_entering(&self) -> bool {
        match &self.phase {
            Phase::Securing
            | Phase::Greeting
            | Phase::Choosing
            | Phase::Enrolling(_)
            | Phase::Proving(_)
            | Phase::Verifying(_)
            | Phase::Entering(_) => true,
            Phase::Waiting(_) | Phase::Ready(_) | Phase::Closing(_) => false,
        }
    }

    /// The longest frame it may send now (F2).
    pub(crate) const fn frame_bytes_max(&self) -> u32 {
        if self.ready().is_some() { FRAME_BYTES_MAX } else { FRAME_BYTES_MAX_BEFORE_READY }
    }

    /// How many bytes it takes in: two frames, less what waits.
    pub(crate) const fn receive_bytes(&self) -> usize {
        if self.paused.is_some() || self.is_closing() {
            return 0;
        }
        let most = 2 * (HEADER_BYTES + self.frame_bytes_max() as usize);
        most.saturating_sub(self.inbound.len())
    }

    /// When it is to be looked at next, if at all.
    pub(crate) fn deadline(&self, limits: &Limits) -> Monotonic {
        let mut next = match &self.phase {
            Phase::Securing => self.entering.after(limits.securing_max),
            Phase::Greeting
            | Phase::Choosing
            | Phase::Enrolling(_)
            | Phase::Proving(_)
            | Phase::Verifying(_)
            | Phase::Entering(_) => self.entering.after(limits.entering_max),
            Phase::Closing(closing) => return closing.until,
            Phase::Waiting(_) => self.silence_deadline(limits),
            Phase::Ready(ready) => {
                let mut next = self.silence_deadline(limits);
                for at in [ready.posting.announce_at(), ready.read_again].into_iter().flatten() {
                    next = next.min(at);
                }
                next
            }
        };
        if !self.outbound.is_empty() {
            next = next.min(self.took.after(limits.stalled_max));
        }
        if let Some(Pause::Until(at)) = self.paused {
            next = next.min(at);
        }
        next
    }

    fn silence_deadline(&self, limits: &Limits) -> Monotonic {
        self.heard.after(if self.asked { limits.silence_end } else { limits.silence_max })
    }
}
