//! The server's process as its machine treats it: it is killed, paused and goes on.

use std::time::Duration;

use palabre_core::time::Monotonic;

use super::{Task, Transfer, World};
use crate::{
    choices::Subsystem,
    network::{ClientEnd, End, LinkId, ServerEnd},
    oracle::Violation,
    trace::Step,
};

impl World {
    /// The server's process is gone: with a reset for its peers if its machine is there to send one.
    pub(super) fn crash_server(&mut self, powered: bool) -> Result<(), Violation> {
        if self.host.server.take().is_none() {
            return Ok(());
        }
        self.note(Step::Fault(format!("the server {}", if powered { "crashes" } else { "loses power" })));
        if powered {
            self.store.crash(&mut self.choices);
        } else {
            self.store.cut_power(&mut self.choices);
        }
        self.ledger.rights.crashed(self.store.durable());
        self.ledger.inspect_logs(self.store.durable())?;
        self.ledger.check_nothing_lost(self.store.durable())?;
        self.end_all_links(powered);
        self.host.connections.clear();
        self.host.dead.clear();
        self.host.timer_wake = None;
        self.resume_server();
        let down = self.choices.duration(Subsystem::Process, Duration::from_secs(1));
        self.agenda.add(self.now.after(down), Task::StartServer);
        Ok(())
    }

    /// A paused process does nothing: what is to be done, it does later.
    pub(super) fn put_off_while_paused(&mut self, task: Task) -> bool {
        let paused = self.now < self.host.paused_until;
        if paused {
            self.host.put_off.push(task);
        }
        paused
    }

    pub(super) fn pause_server(&mut self, until: Monotonic) {
        self.host.paused_until = until;
        self.agenda.add(until, Task::Resume);
    }

    pub(super) fn resume_server_if_due(&mut self) {
        if self.now >= self.host.paused_until {
            self.resume_server();
        }
    }

    /// A paused process goes on: everything that came meanwhile comes at once.
    pub(super) fn resume_server(&mut self) {
        self.host.paused_until = Monotonic::ZERO;
        for task in std::mem::take(&mut self.host.put_off) {
            if let Task::Transfer(link, transfer) = task {
                self.wake(link, transfer, self.now);
            } else {
                self.agenda.add(self.now, task);
            }
        }
    }

    fn end_all_links(&mut self, powered: bool) {
        let now = self.now;
        let links: Vec<LinkId> = self.wires.keys().copied().collect();
        for link in links {
            let Some(wire) = self.wire(link) else { continue };
            // Who was connected but not yet accepted goes as well; who is on the way comes later.
            let held = match wire.link.server {
                ServerEnd::Gone => false,
                ServerEnd::Connecting => wire.link.client != ClientEnd::Connecting,
                ServerEnd::Open(_) | ServerEnd::Closing(_) | ServerEnd::Refusing => true,
            };
            if !held {
                continue;
            }
            wire.link.server = ServerEnd::Gone;
            wire.link.up.discard();
            if powered {
                let at = now.after(wire.link.down.latency());
                wire.link.down.end(End::Reset, at);
                self.wake(link, Transfer::ClientRead, at);
            }
        }
    }
}
