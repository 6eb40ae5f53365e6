//! The server's ends of links: what a driver with sockets would do.

use std::time::Duration;

use palabre_core::{
    ids::ConnectionId,
    output::Source,
    server::{Server, refusal_frame},
    time::Monotonic,
};

use super::{Task, Transfer, World};
use crate::{
    choices::Subsystem,
    network::{ClientEnd, End, LinkId, Owner, Read, ServerEnd, Way},
    oracle::{Invariant, SessionFacts, Violation, ensure},
    plan::Fault,
    sometimes,
    trace::{Step, hash_of},
};

const READ_BYTES_MAX: usize = 16 << 10;

impl World {
    /// A link comes to the server.
    pub(super) fn arrive(&mut self, link: LinkId) -> Result<(), Violation> {
        if self.put_off_while_paused(Task::Arrive(link)) {
            return Ok(());
        }
        let Some(wire) = self.wire(link) else { return Ok(()) };
        let (owner, latency) = (wire.link.owner, wire.link.down.latency());
        if wire.link.server != ServerEnd::Connecting {
            return Ok(());
        }
        if self.host.server.is_none() || self.now < self.partitioned_until {
            self.turned_away(link, latency);
            return Ok(());
        }
        if self.now < self.host.full_until {
            // Its machine has answered already: the client may speak, and waits to be accepted.
            sometimes!("the server had no descriptors left");
            self.agenda.add(self.now.after(latency), Task::Connected(link));
            self.agenda.add(self.host.full_until, Task::Arrive(link));
            return Ok(());
        }
        let now = self.host.now(self.now);
        let Some(server) = self.host.server.as_mut() else { return Ok(()) };
        let accepted = server.handle_connected(source_of(owner), now);
        self.events += 1;
        match accepted {
            Ok(id) => self.accepted(link, owner, id)?,
            Err(error) => {
                self.note(Step::NotTaken(link, error.name()));
                let frame = refusal_frame(error);
                if let Some(wire) = self.wire(link) {
                    wire.link.server = ServerEnd::Refusing;
                    wire.link.server_rest = frame;
                }
                self.wake(link, Transfer::ServerWrite, self.now);
            }
        }
        self.drain_server()?;
        self.agenda.add(self.now.after(latency), Task::Connected(link));
        Ok(())
    }

    /// Nobody is there to accept a link.
    fn turned_away(&mut self, link: LinkId, latency: Duration) {
        let at = self.now.after(latency);
        let Some(wire) = self.wire(link) else { return };
        wire.link.server = ServerEnd::Gone;
        if wire.link.client == ClientEnd::Connecting {
            self.agenda.add(at, Task::Unreachable(link));
        } else {
            wire.link.up.discard();
            wire.link.down.end(End::Reset, at);
            self.wake(link, Transfer::ClientRead, at);
        }
    }

    fn accepted(&mut self, link: LinkId, owner: Owner, id: ConnectionId) -> Result<(), Violation> {
        self.note(Step::Accepted(link, owner, id));
        let known = self.host.connections.contains_key(&id) || self.host.dead.contains(&id);
        ensure(!known, Invariant::Contract, || format!("rule 5: {id} is given again"))?;
        let slot_taken = self.host.connections.keys().any(|other| other.slot() == id.slot());
        ensure(!slot_taken, Invariant::Contract, || format!("rule 5: the slot of {id} is taken"))?;
        sometimes!("a slot was used again", id.generation() > 0);
        self.host.connections.insert(id, link);
        let now = self.now;
        if let Some(wire) = self.wire(link) {
            wire.link.server = ServerEnd::Open(id);
            (wire.accepted_at, wire.heard_at, wire.took_at) = (now, now, now);
        }
        let at = self.host.now(now);
        if let Some(server) = self.host.server.as_mut() {
            server.handle_secured(id, link.channel(), at);
        }
        self.wake(link, Transfer::ServerRead, now);
        self.wake(link, Transfer::ServerWrite, now);
        self.check_accounting()
    }

    /// The server's driver reads, as far as the core wants.
    pub(super) fn server_read(&mut self, link: LinkId) -> Result<(), Violation> {
        if self.put_off_while_paused(Task::Transfer(link, Transfer::ServerRead)) {
            return Ok(());
        }
        let Some(wire) = self.wire(link) else { return Ok(()) };
        let (id, wanted) = match wire.link.server {
            ServerEnd::Connecting | ServerEnd::Gone => return Ok(()),
            ServerEnd::Open(id) => (Some(id), self.receive_bytes(id)),
            ServerEnd::Closing(id) => (Some(id), READ_BYTES_MAX),
            ServerEnd::Refusing => (None, READ_BYTES_MAX),
        };
        let now = self.now;
        let Some(wire) = self.wires.get_mut(&link) else { return Ok(()) };
        let read = wire.link.up.read(wanted, now, &mut self.choices);
        let next = wire.link.up.next_arrival();
        match read {
            Read::Bytes(bytes) => {
                let open = matches!(wire.link.server, ServerEnd::Open(_));
                if open {
                    wire.heard_at = now;
                }
                self.wake(link, Transfer::ClientWrite, now);
                if let Some(id) = id.filter(|_| open) {
                    self.note(Step::ServerReceived(link, bytes.len()));
                    self.server_input(|server, now| server.handle_received(id, &bytes, now))?;
                }
            }
            Read::Ended(end) => return self.server_end_ended(link, id, end),
            Read::Nothing => {}
        }
        if let Some(next) = next.filter(|next| *next > now || wanted > 0) {
            let next = if next <= now { now } else { next };
            self.wake_reader_if_wanted(link, next);
        }
        Ok(())
    }

    /// Reading goes on when bytes come; not while the core wants none, it says when it does.
    fn wake_reader_if_wanted(&mut self, link: LinkId, at: Monotonic) {
        let wanted = match self.server_end(link) {
            ServerEnd::Open(id) => {
                let wanted = self.receive_bytes(id) > 0 || at > self.now;
                sometimes!("reading was paused by the core", !wanted);
                wanted
            }
            ServerEnd::Closing(_) | ServerEnd::Refusing => true,
            ServerEnd::Connecting | ServerEnd::Gone => false,
        };
        if wanted {
            self.wake(link, Transfer::ServerRead, at);
        }
    }

    fn receive_bytes(&self, id: ConnectionId) -> usize {
        let wanted = self.host.server.as_ref().map_or(0, |server| server.interest(id).receive_bytes);
        wanted.min(READ_BYTES_MAX)
    }

    fn server_end(&mut self, link: LinkId) -> ServerEnd {
        self.wire(link).map_or(ServerEnd::Gone, |wire| wire.link.server)
    }

    fn server_end_ended(
        &mut self,
        link: LinkId,
        id: Option<ConnectionId>,
        end: End,
    ) -> Result<(), Violation> {
        self.note(Step::Ended(
            link,
            if end == End::Reset { "reset, at the server" } else { "at the server" },
        ));
        let now = self.now;
        if let Some(wire) = self.wire(link) {
            wire.link.server = ServerEnd::Gone;
            wire.link.down.end(End::Finished, now);
            let arrival = wire.link.down.next_arrival().unwrap_or(now);
            self.wake(link, Transfer::ClientRead, arrival);
        }
        let Some(id) = id else { return Ok(()) };
        self.lost(link);
        self.bury(id);
        self.server_input(|server, now| server.handle_disconnected(id, now))?;
        self.poke_dead()
    }

    /// The server's driver writes, as far as the network takes it.
    pub(super) fn server_write(&mut self, link: LinkId) -> Result<(), Violation> {
        if self.put_off_while_paused(Task::Transfer(link, Transfer::ServerWrite)) {
            return Ok(());
        }
        let now = self.now;
        let Some(wire) = self.wires.get_mut(&link) else { return Ok(()) };
        let (id, bytes) = match wire.link.server {
            ServerEnd::Connecting | ServerEnd::Gone => return Ok(()),
            ServerEnd::Open(id) | ServerEnd::Closing(id) => {
                (Some(id), self.host.server.as_ref().map_or(&[][..], |server| server.sendable(id)))
            }
            ServerEnd::Refusing => (None, wire.link.server_rest.as_slice()),
        };
        if bytes.is_empty() {
            if matches!(wire.link.server, ServerEnd::Closing(_) | ServerEnd::Refusing)
                && !wire.link.down.is_finished()
            {
                wire.link.down.end(End::Finished, now);
                let arrival = wire.link.down.next_arrival().unwrap_or(now);
                self.wake(link, Transfer::ClientRead, arrival);
            }
            return Ok(());
        }
        let bytes = bytes.to_vec();
        let taken = wire.link.write(Way::Down, &bytes, now, true, &mut self.choices);
        if taken == 0 {
            sometimes!("the server could not send");
            return Ok(());
        }
        wire.took_at = now;
        let (accepted_at, heard_at) = (wire.accepted_at, wire.heard_at);
        let mut facts = SessionFacts { ledger: &mut self.ledger, durable: self.store.durable() };
        let was_told = wire.session.told_goodbye();
        wire.session.server_sent(&bytes[..taken], &mut facts)?;
        if was_told.is_none() && wire.session.told_goodbye() == Some(TIMED_OUT) {
            self.check_timed_out(link, accepted_at, heard_at)?;
        }
        self.note(Step::ServerSent(link, taken, hash_of(&bytes[..taken])));
        self.after_server_write(link, id, taken)
    }

    fn after_server_write(
        &mut self,
        link: LinkId,
        id: Option<ConnectionId>,
        taken: usize,
    ) -> Result<(), Violation> {
        let now = self.now;
        if let Some(arrival) = self.wire(link).and_then(|wire| wire.link.down.next_arrival()) {
            self.wake(link, Transfer::ClientRead, arrival);
        }
        if let Some(arrival) = self.wire(link).and_then(|wire| wire.link.up.next_arrival()) {
            self.wake(link, Transfer::ServerRead, arrival);
        }
        match id {
            Some(id) => self.server_input(|server, now| server.handle_sent(id, taken, now))?,
            None => {
                if let Some(wire) = self.wire(link) {
                    wire.link.server_rest.drain(..taken);
                }
            }
        }
        self.wake(link, Transfer::ServerWrite, now);
        Ok(())
    }

    /// A peer is given up for silence only after that silence (K2, V5), or when storage cannot say what became of
    /// its post (P10).
    fn check_timed_out(&self, link: LinkId, accepted: Monotonic, heard: Monotonic) -> Result<(), Violation> {
        let silent = self.now.since(heard) + self.earlier_now_max();
        let uncertain = self.storage_may_fail();
        let entering = self.now.since(accepted) >= self.plan.limits.entering_max;
        ensure(silent >= self.plan.limits.silence_end || entering || uncertain, Invariant::GuestKept, || {
            format!(
                "{link} timed out after {silent:?} of silence, {:?} after it came",
                self.now.since(accepted)
            )
        })
    }

    /// The core has closed a connection: what remains is sent, what arrives is dropped.
    pub(super) fn close_connection(&mut self, id: ConnectionId, how: &'static str) {
        let Some(link) = self.link_of(id) else { return };
        self.note(Step::Closed(link, how));
        self.lost(link);
        if let Some(wire) = self.wire(link) {
            wire.link.server = ServerEnd::Closing(id);
        }
        self.wake(link, Transfer::ServerWrite, self.now);
        self.wake(link, Transfer::ServerRead, self.now);
    }

    /// The core wants a connection let go of at once.
    pub(super) fn drop_connection(&mut self, id: ConnectionId) {
        let Some(link) = self.link_of(id) else { return };
        sometimes!("the core let a connection go that did not end", !self.host.draining);
        sometimes!("a shutdown waited no longer", self.host.draining);
        self.note(Step::Closed(link, "drop"));
        self.lost(link);
        let now = self.now;
        if let Some(wire) = self.wire(link) {
            wire.link.server = ServerEnd::Gone;
            wire.link.up.discard();
            let at = now.after(wire.link.down.latency());
            wire.link.down.end(End::Reset, at);
            self.wake(link, Transfer::ClientRead, at);
        }
        self.bury(id);
    }

    /// The user of a link may count as lost from now on.
    fn lost(&mut self, link: LinkId) {
        let now = self.now;
        let Some(Owner::Actor(actor)) = self.wire(link).map(|wire| wire.link.owner) else { return };
        let user = self.wire(link).and_then(|wire| wire.session.user());
        let actor = &mut self.actors[actor];
        // A guest that its client was never told of comes back to nobody.
        if user.is_some() && user == actor.known && actor.link == Some(link) {
            actor.lost_since.get_or_insert(now);
        }
    }

    /// Calls with a dead id do nothing (rule 5).
    pub(super) fn poke_dead(&mut self) -> Result<(), Violation> {
        if self.host.dead.is_empty() || !self.choices.chance(Subsystem::Process, 1, 4) {
            return Ok(());
        }
        let id = *self.choices.pick(Subsystem::Process, &self.host.dead);
        let now = self.host.now(self.now);
        let Some(server) = self.host.server.as_mut() else { return Ok(()) };
        let before = server.stats();
        server.handle_received(id, &[0, 0, 0, 1, 1], now);
        server.handle_sent(id, 1, now);
        server.handle_disconnected(id, now);
        let quiet = server.sendable(id).is_empty() && server.interest(id).receive_bytes == 0;
        let output = server.poll_output();
        let unchanged = before == server.stats() && output.is_none() && quiet;
        sometimes!("a dead connection id was used");
        ensure(unchanged, Invariant::Contract, || {
            format!("rule 5: a call with the dead {id} had an effect: {output:?}")
        })
    }

    /// A server that was told to shut down begins; one that has drained exits.
    pub(super) fn shut_server_down(&mut self) -> Result<(), Violation> {
        if self.host.server.is_none() || self.host.draining {
            return Ok(());
        }
        self.host.draining = true;
        self.note(Step::Fault("the server is to shut down".to_owned()));
        self.server_input(|server, now| server.shut_down("The simulated operator says so.", now))
    }

    /// All connections have ended, and the process ends.
    pub(super) fn server_exits(&mut self) -> Result<(), Violation> {
        if !self.host.draining {
            return Ok(());
        }
        let open = self.host.connections.len();
        ensure(open == 0, Invariant::Contract, || format!("K4: drained, but {open} connections are open"))?;
        let idle = self.host.server.as_ref().is_none_or(|server: &Server| server.stats().outbound_bytes == 0);
        ensure(idle, Invariant::Accounted, || "drained, but bytes wait to be sent".to_owned())?;
        self.host.draining = false;
        self.crash_server(true)
    }

    /// How long a client's bytes are on their way at most, to wait for what cannot be observed.
    pub(super) fn connect_latency(&mut self) -> Duration {
        if self.plan.has(Fault::Delay) {
            self.choices.duration(Subsystem::Network, Duration::from_millis(50))
        } else {
            Duration::from_micros(200)
        }
    }
}

const TIMED_OUT: u8 = 4;

/// Honest clients come from addresses of their own, raw peers share a few.
fn source_of(owner: Owner) -> Source {
    let (net, number) = match owner {
        Owner::Actor(number) => (1, number),
        Owner::Peer(number) => (2, number % 2),
    };
    Source::V4([10, net, 0, u8::try_from(number % 200).unwrap_or(0)])
}
