//! The connection as bytes: what waits to be sent, what arrived in part, and how it is closed.

use alloc::{collections::VecDeque, vec::Vec};
use core::time::Duration;

use super::{ClientEvent, ClientOutput};
use crate::{
    time::Monotonic,
    wire::{FRAME_BYTES_MAX, FrameDecoder, Pong, ToServer},
};

/// How long a closed connection may take to send what remains.
const LINGER_MAX: Duration = Duration::from_secs(3);

/// Answers to `Ping` that may wait to be sent; a server that asks more often without listening gets no more.
const PONGS_UNSENT_MAX: u32 = 64;

/// Requests and posts are held back while so many bytes wait to be sent.
const UNSENT_BYTES_FULL: usize = 64 << 10;

/// The outputs that wait to be drained. `Send` and `Save` are not repeated while they wait.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    queue: VecDeque<ClientOutput>,
    send_waits: bool,
    save_waits: bool,
}

impl Outputs {
    pub(super) fn pop(&mut self) -> Option<ClientOutput> {
        let output = self.queue.pop_front()?;
        match output {
            ClientOutput::Send => self.send_waits = false,
            ClientOutput::Save => self.save_waits = false,
            ClientOutput::Connect
            | ClientOutput::Close
            | ClientOutput::Drop
            | ClientOutput::Work(_)
            | ClientOutput::File(_)
            | ClientOutput::Event(_) => {}
        }
        Some(output)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn push(&mut self, output: ClientOutput) {
        self.queue.push_back(output);
    }

    pub(super) fn tell(&mut self, event: ClientEvent) {
        self.queue.push_back(ClientOutput::Event(event));
    }

    /// Before all else: what is to be sent may depend on what is to be saved, never the other way round.
    pub(super) fn save(&mut self) {
        if !self.save_waits {
            self.save_waits = true;
            self.queue.push_front(ClientOutput::Save);
        }
    }

    fn send(&mut self) {
        if !self.send_waits {
            self.send_waits = true;
            self.queue.push_back(ClientOutput::Send);
        }
    }
}

/// The connection, if there is one.
///
/// ```text
/// Closed ──connect──▶ Opening ──opened──▶ Open ──close──▶ Closing ──all sent, or time──▶ Closed
/// ```
#[derive(Debug)]
pub(super) struct Link {
    state: LinkState,
    outbound: Vec<u8>,
    sent: usize,
    decoder: FrameDecoder,
    pongs_unsent: u32,
    frames_sent: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LinkState {
    Closed,
    Opening,
    Open,
    Closing { until: Monotonic },
}

impl Link {
    pub(super) const fn new() -> Self {
        Self {
            state: LinkState::Closed,
            outbound: Vec::new(),
            sent: 0,
            decoder: FrameDecoder::new(FRAME_BYTES_MAX),
            pongs_unsent: 0,
            frames_sent: 0,
        }
    }

    /// How many frames this connection was given to send.
    pub(super) const fn frames_sent(&self) -> u32 {
        self.frames_sent
    }

    /// Asks for a connection; what is left of the one before goes.
    pub(super) fn connect(&mut self, outputs: &mut Outputs) {
        self.drop_now(outputs);
        self.state = LinkState::Opening;
        outputs.queue.push_back(ClientOutput::Connect);
    }

    /// Whether this is the connection that was asked for.
    pub(super) fn opened(&mut self) -> bool {
        let opening = self.state == LinkState::Opening;
        if opening {
            self.state = LinkState::Open;
        }
        opening
    }

    /// The connection is gone by itself.
    pub(super) fn gone(&mut self) {
        let old = core::mem::replace(self, Self::new());
        if crate::seeded_bug!("outbound-kept-after-reset") {
            (self.outbound, self.sent) = (old.outbound, old.sent);
        } else if crate::seeded_bug!("inbound-kept-after-reset") {
            self.decoder = old.decoder;
        }
    }

    /// Lets go of the connection at once.
    pub(super) fn drop_now(&mut self, outputs: &mut Outputs) {
        match self.state {
            LinkState::Closed => {}
            LinkState::Opening | LinkState::Open | LinkState::Closing { .. } => {
                outputs.queue.push_back(ClientOutput::Drop);
                self.gone();
            }
        }
    }

    /// Closes the connection after what waits to be sent.
    pub(super) fn close(&mut self, now: Monotonic, outputs: &mut Outputs) {
        match self.state {
            LinkState::Closed | LinkState::Closing { .. } => {}
            LinkState::Opening => self.drop_now(outputs),
            LinkState::Open => {
                outputs.queue.push_back(ClientOutput::Close);
                self.state = LinkState::Closing { until: now.after(LINGER_MAX) };
                self.forget_if_all_sent();
            }
        }
    }

    /// Lets go of a closed connection that does not take what remains.
    pub(super) fn stop_lingering(&mut self, now: Monotonic, outputs: &mut Outputs) {
        if self.lingers_until().is_some_and(|until| until <= now) {
            self.drop_now(outputs);
        }
    }

    /// Until when a closed connection is waited for.
    pub(super) const fn lingers_until(&self) -> Option<Monotonic> {
        match self.state {
            LinkState::Closing { until } => Some(until),
            LinkState::Closed | LinkState::Opening | LinkState::Open => None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == LinkState::Open
    }

    pub(super) fn send(&mut self, message: &ToServer<'_>, outputs: &mut Outputs) {
        if self.is_open() {
            message.encode(&mut self.outbound);
            self.frames_sent = self.frames_sent.saturating_add(1);
            outputs.send();
        }
    }

    pub(super) fn answer_ping(&mut self, token: u64, outputs: &mut Outputs) {
        if self.pongs_unsent < PONGS_UNSENT_MAX {
            self.pongs_unsent += 1;
            self.send(&Pong { token }.into(), outputs);
        }
    }

    /// Whether more requests and posts may be added to what waits to be sent.
    pub(super) fn has_room(&self) -> bool {
        self.is_open() && self.sendable().len() < UNSENT_BYTES_FULL
    }

    pub(super) fn sendable(&self) -> &[u8] {
        self.outbound.get(self.sent..).unwrap_or_default()
    }

    pub(super) fn sent(&mut self, count: usize) {
        self.sent = self.sent.saturating_add(count).min(self.outbound.len());
        if self.sent == self.outbound.len() {
            self.outbound.clear();
            self.sent = 0;
            self.pongs_unsent = 0;
        } else if self.sent > UNSENT_BYTES_FULL {
            self.outbound.drain(..self.sent);
            self.sent = 0;
        }
        self.forget_if_all_sent();
    }

    fn forget_if_all_sent(&mut self) {
        if self.lingers_until().is_some() && self.outbound.is_empty() {
            self.gone();
        }
    }

    /// The decoder, so that its frames can be handled by those who also need the link. To be given back.
    pub(super) const fn take_decoder(&mut self) -> FrameDecoder {
        core::mem::replace(&mut self.decoder, FrameDecoder::new(FRAME_BYTES_MAX))
    }

    pub(super) fn give_back_decoder(&mut self, decoder: FrameDecoder) {
        if self.is_open() {
            self.decoder = decoder;
            self.decoder.forget_taken();
        }
    }
}
