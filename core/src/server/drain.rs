//! An orderly shutdown: what was taken is answered, what is stored is delivered, everybody is told, all within a
//! deadline (`PROTOCOL.md` K4).

use alloc::string::String;

use super::Server;
use crate::{
    output::{EndCause, Event},
    timer::Timer,
    wire,
};

/// A shutdown under way.
#[derive(Debug)]
pub(super) struct Drain {
    text: String,
    /// Whether everybody has been told.
    told: bool,
    /// Whether the driver has been told that all is over.
    reported: bool,
}

impl Server {
    pub(super) fn start_drain(&mut self, text: &str) {
        if self.drain.is_some() {
            return;
        }
        self.drain = Some(Drain { text: text.into(), told: false, reported: false });
        let until = self.peers.now.monotonic.after(self.config.limits.drain_max);
        self.peers.timers.arm(until, Timer::Drain);
        for id in self.peers.connections.ids() {
            self.peers.note_interest(id);
        }
        self.check_drained();
    }

    /// Says goodbye once all posts are answered, and reports once all connections have ended.
    pub(super) fn check_drained(&mut self) {
        let Some(drain) = &mut self.drain else { return };
        if !drain.told {
            if self.pending.posts > 0 {
                return;
            }
            drain.told = true;
            let text = drain.text.clone();
            self.say_goodbye(&text);
        }
        let Some(drain) = &mut self.drain else { return };
        if drain.told && !drain.reported && self.peers.connections.len() == 0 {
            drain.reported = true;
            self.report(Event::Drained);
        }
    }

    fn say_goodbye(&mut self, text: &str) {
        // What is stored is delivered before the last word.
        while let Some(room) = self.uneven.pop_front() {
            self.deliver(room);
        }
        for id in self.peers.connections.ids() {
            let farewell = wire::Goodbye { reason: wire::goodbye::SHUTTING_DOWN, text };
            self.close(id, EndCause::ShuttingDown, Some(farewell.into()));
        }
    }

    /// Nobody is waited for any longer.
    pub(super) fn end_drain(&mut self) {
        if let Some(drain) = &mut self.drain {
            drain.told = true;
        }
        for id in self.peers.connections.ids() {
            self.drop_connection(id);
        }
        self.check_drained();
    }
}
