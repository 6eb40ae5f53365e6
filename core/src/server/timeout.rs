//! Deadlines that have come.

use super::Server;
use crate::{
    connection::{Pause, Phase},
    ids::ConnectionId,
    output::EndCause,
    timer::Timer,
    wire,
};
use rand_core::RngCore;

/// Timers handled in one call; those left over are due at once (contract rule 7).
const TIMERS_PER_CALL: usize = 1_024;

impl Server {
    pub(super) fn timeout(&mut self) {
        for _ in 0..self.peers.resume.len() {
            let Some(id) = self.peers.resume.pop_front() else { break };
            self.resume(id);
        }
        for _ in 0..TIMERS_PER_CALL {
            let Some(timer) = self.peers.timers.pop_due(self.peers.now.monotonic) else { return };
            match timer {
                Timer::Connection(id) => self.look_at(id),
                Timer::Guest(user) => self.expire(user),
                Timer::Presence(room) => self.tell_changes(room),
                Timer::Upload(upload) => self.look_at_upload(upload),
                Timer::Files => self.look_for_old_files(),
                Timer::Drain => self.end_drain(),
            }
        }
    }

    /// A connection's deadline has come: whatever is due is done, and the next deadline armed.
    fn look_at(&mut self, id: ConnectionId) {
        let now = self.peers.now.monotonic;
        let Some(connection) = self.peers.connections.get_mut(id) else { return };
        connection.armed = None;
        if matches!(connection.paused, Some(Pause::Until(at)) if at <= now) {
            self.peers.unpause(id);
        }
        self.look_at_phase(id);
        self.look_at_outbound(id);
        self.peers.rearm(id, &self.config.limits);
    }

    fn look_at_phase(&mut self, id: ConnectionId) {
        let limits = &self.config.limits;
        let now = self.peers.now.monotonic;
        let Some(connection) = self.peers.connections.get_mut(id) else { return };
        match &mut connection.phase {
            Phase::Securing => {
                if connection.entering.after(limits.securing_max) <= now {
                    self.time_out(id, "");
                }
            }
            Phase::Greeting
            | Phase::Choosing
            | Phase::Enrolling(_)
            | Phase::Proving(_)
            | Phase::Verifying(_)
            | Phase::Entering(_) => {
                if connection.entering.after(limits.entering_max) <= now {
                    self.time_out(id, "You did not enter in time.");
                }
            }
            Phase::Closing(closing) => {
                if closing.until <= now {
                    self.drop_connection(id);
                }
            }
            Phase::Waiting(_) => self.look_at_silence(id),
            Phase::Ready(ready) => {
                let credit = ready.posting.announce_at().is_some_and(|at| at <= now);
                if ready.read_again.is_some_and(|at| at <= now) {
                    ready.read_again = None;
                    self.peers.queue_refill(id);
                }
                if credit {
                    self.announce_credit(id);
                }
                self.look_at_silence(id);
            }
        }
    }

    fn look_at_silence(&mut self, id: ConnectionId) {
        let limits = &self.config.limits;
        let now = self.peers.now.monotonic;
        let Some(connection) = self.peers.connections.get_mut(id) else { return };
        if connection.paused.is_some() {
            connection.heard = now;
            connection.asked = false;
        }
        if connection.heard.after(limits.silence_end) <= now {
            self.time_out(id, "You were silent for too long.");
        } else if connection.heard.after(limits.silence_max) <= now && !connection.asked {
            connection.asked = true;
            let token = self.rng.next_u64();
            self.peers.tell(id, wire::Ping { token }, limits);
        }
    }

    fn look_at_outbound(&mut self, id: ConnectionId) {
        let stalled = self.config.limits.stalled_max;
        let Some(connection) = self.peers.connections.get(id) else { return };
        let slow =
            !connection.outbound.is_empty() && connection.took.after(stalled) <= self.peers.now.monotonic;
        if slow && !connection.is_closing() {
            let text = "You have read nothing for too long.";
            let farewell = wire::Goodbye { reason: wire::goodbye::TOO_SLOW, text };
            self.close(id, EndCause::TooSlow, Some(farewell.into()));
        }
    }

    fn time_out(&mut self, id: ConnectionId, text: &str) {
        let farewell = wire::Goodbye { reason: wire::goodbye::TIMED_OUT, text };
        self.close(id, EndCause::TimedOut, Some(farewell.into()));
    }
}
