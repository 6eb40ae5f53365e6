//! The clients' ends of links: connecting, reading and writing for honest clients and raw peers alike.

use std::time::Duration;

use super::{Phase, Task, Transfer, World};
use crate::{
    choices::Subsystem,
    network::{ClientEnd, End, LinkId, Owner, Read, Way},
    oracle::{SessionFacts, Violation},
    plan::Fault,
    sometimes,
    trace::{Step, hash_of},
};

const READ_BYTES_MAX: usize = 16 << 10;
/// What a slow writer sends at once.
const SLOW_BYTES_MAX: usize = 40;
/// How long a closing client waits for the server to have received what was said last.
const CLOSING_MAX: Duration = Duration::from_secs(2);

impl World {
    /// A client asks for a connection.
    pub(super) fn connect(&mut self, owner: Owner) -> LinkId {
        let link = self.new_link(owner);
        let after = self.connect_latency();
        self.agenda.add(self.now.after(after), Task::Arrive(link));
        link
    }

    /// The client learns that its link is there.
    pub(super) fn connected(&mut self, link: LinkId) -> Result<(), Violation> {
        let Some(wire) = self.wire(link) else { return Ok(()) };
        let owner = wire.link.owner;
        if wire.link.client != ClientEnd::Connecting {
            return Ok(());
        }
        wire.link.client = ClientEnd::Open;
        let arrival = wire.link.down.next_arrival();
        self.note(Step::Connected(link, owner));
        let channel = link.channel();
        match owner {
            Owner::Actor(actor) => {
                self.client_input(actor, |client, now| client.handle_connected(channel, now))?;
            }
            Owner::Peer(peer) => self.peer_connected(peer, link),
        }
        if let Some(arrival) = arrival {
            self.wake(link, Transfer::ClientRead, arrival);
        }
        Ok(())
    }

    /// The client learns that its link will never be there.
    pub(super) fn unreachable(&mut self, link: LinkId) -> Result<(), Violation> {
        let Some(wire) = self.wire(link) else { return Ok(()) };
        let owner = wire.link.owner;
        let held = wire.link.client == ClientEnd::Connecting;
        self.wires.remove(&link);
        if held {
            self.note(Step::Unreachable(owner));
            self.client_end_ended(link, owner)?;
        }
        Ok(())
    }

    fn client_end_ended(&mut self, link: LinkId, owner: Owner) -> Result<(), Violation> {
        match owner {
            Owner::Actor(actor) => {
                if self.actors[actor].link != Some(link) {
                    return Ok(());
                }
                self.actors[actor].link = None;
                self.client_input(actor, |client, now| client.handle_disconnected(now))
            }
            Owner::Peer(peer) => {
                self.peer_disconnected(peer);
                Ok(())
            }
        }
    }

    /// A client reads what has arrived.
    pub(super) fn client_read(&mut self, link: LinkId) -> Result<(), Violation> {
        let now = self.now;
        let Some(wire) = self.wires.get_mut(&link) else { return Ok(()) };
        let owner = wire.link.owner;
        let slow = match owner {
            Owner::Actor(actor) => self.phase == Phase::Safety && self.actors[actor].is_slow,
            Owner::Peer(peer) => {
                if self.peers[peer].is_deaf() && self.phase == Phase::Safety {
                    return Ok(());
                }
                false
            }
        };
        match wire.link.client {
            ClientEnd::Connecting | ClientEnd::Gone => return Ok(()),
            ClientEnd::Open | ClientEnd::Closing => {}
        }
        let bytes_max = if slow { 300 } else { READ_BYTES_MAX };
        let read = wire.link.down.read(bytes_max, now, &mut self.choices);
        let next = wire.link.down.next_arrival();
        let listening = wire.link.client == ClientEnd::Open;
        match read {
            Read::Bytes(bytes) => {
                self.wake(link, Transfer::ServerWrite, now);
                if listening {
                    self.note(Step::ClientReceived(link, bytes.len()));
                    self.client_received(owner, &bytes)?;
                }
            }
            Read::Ended(end) => return self.client_end_read_end(link, owner, end, listening),
            Read::Nothing => {}
        }
        if let Some(next) = next {
            let pause = if slow {
                self.choices.duration(Subsystem::Network, Duration::from_millis(200))
            } else {
                Duration::ZERO
            };
            self.wake(link, Transfer::ClientRead, next.max(now).after(pause));
        }
        Ok(())
    }

    fn client_received(&mut self, owner: Owner, bytes: &[u8]) -> Result<(), Violation> {
        match owner {
            Owner::Actor(actor) => self.client_input(actor, |client, now| client.handle_received(bytes, now)),
            Owner::Peer(peer) => self.peer_received(peer, bytes),
        }
    }

    fn client_end_read_end(
        &mut self,
        link: LinkId,
        owner: Owner,
        end: End,
        listening: bool,
    ) -> Result<(), Violation> {
        self.note(Step::Ended(
            link,
            if end == End::Reset { "reset, at the client" } else { "at the client" },
        ));
        self.let_go(link, End::Finished);
        if listening { self.client_end_ended(link, owner) } else { Ok(()) }
    }

    /// Nobody holds the client's end any more; the server learns it if the network lets it.
    pub(super) fn let_go(&mut self, link: LinkId, how: End) {
        let now = self.now;
        let Some(wire) = self.wire(link) else { return };
        wire.link.client = ClientEnd::Gone;
        wire.link.down.discard();
        let at = now.after(wire.link.up.latency());
        wire.link.up.end(how, at);
        let arrival = wire.link.up.next_arrival().unwrap_or(at);
        self.wake(link, Transfer::ServerRead, arrival);
    }

    /// A client writes, as far as the network takes it.
    pub(super) fn client_write(&mut self, link: LinkId) -> Result<(), Violation> {
        let now = self.now;
        let answered = self.host.server.is_some();
        let Some(wire) = self.wires.get_mut(&link) else { return Ok(()) };
        let owner = wire.link.owner;
        let bytes = match (wire.link.client, owner) {
            (ClientEnd::Connecting | ClientEnd::Gone, _) => return Ok(()),
            (ClientEnd::Closing, _) => wire.link.client_rest.clone(),
            (ClientEnd::Open, Owner::Actor(actor)) => self.actors[actor].sendable().to_vec(),
            (ClientEnd::Open, Owner::Peer(peer)) => self.peers[peer].sendable().to_vec(),
        };
        if bytes.is_empty() {
            if wire.link.client == ClientEnd::Closing && !wire.link.up.is_finished() {
                wire.link.up.end(End::Finished, now);
                let arrival = wire.link.up.next_arrival().unwrap_or(now);
                self.wake(link, Transfer::ServerRead, arrival);
            }
            return Ok(());
        }
        let slow = match owner {
            Owner::Actor(actor) => self.phase == Phase::Safety && self.actors[actor].writes_slowly,
            Owner::Peer(_) => false,
        };
        sometimes!("a client sent a long message slowly", slow && bytes.len() > 10 * SLOW_BYTES_MAX);
        let bytes_max = if slow { SLOW_BYTES_MAX } else { usize::MAX };
        let bytes = &bytes[..bytes.len().min(bytes_max)];
        let taken = wire.link.write(Way::Up, bytes, now, answered, &mut self.choices);
        if taken == 0 {
            sometimes!("a client could not send");
            return Ok(());
        }
        let closing = wire.link.client == ClientEnd::Closing;
        if closing {
            wire.link.client_rest.drain(..taken);
        } else {
            let mut facts = SessionFacts { ledger: &mut self.ledger, durable: self.store.durable() };
            wire.session.client_sent(&bytes[..taken], &mut facts)?;
        }
        for (transfer, arrival) in [
            (Transfer::ServerRead, wire.link.up.next_arrival()),
            (Transfer::ClientRead, wire.link.down.next_arrival()),
        ] {
            if let Some(arrival) = arrival {
                self.wake(link, transfer, arrival);
            }
        }
        self.note(Step::ClientSent(link, taken, hash_of(&bytes[..taken])));
        if !closing {
            self.client_sent(owner, &bytes[..taken])?;
        }
        let pause = if slow {
            self.choices.duration(Subsystem::Network, Duration::from_millis(100))
        } else {
            Duration::ZERO
        };
        self.wake(link, Transfer::ClientWrite, now.after(pause));
        Ok(())
    }

    fn client_sent(&mut self, owner: Owner, bytes: &[u8]) -> Result<(), Violation> {
        match owner {
            Owner::Actor(actor) => {
                if self.plan.has(Fault::Mutators) {
                    self.actors[actor].record_sent(bytes);
                }
                self.client_input(actor, |client, now| client.handle_sent(bytes.len(), now))
            }
            Owner::Peer(peer) => {
                self.peers[peer].sent(bytes.len());
                Ok(())
            }
        }
    }

    /// A client says no more: what remains is sent by its driver, which then closes.
    pub(super) fn begin_closing(&mut self, link: LinkId, rest: Vec<u8>) -> Result<(), Violation> {
        let Some(wire) = self.wires.get_mut(&link) else { return Ok(()) };
        if wire.link.client != ClientEnd::Open {
            self.let_go(link, End::Finished);
            return Ok(());
        }
        let mut facts = SessionFacts { ledger: &mut self.ledger, durable: self.store.durable() };
        wire.session.client_sent(&rest, &mut facts)?;
        wire.link.client = ClientEnd::Closing;
        wire.link.client_rest = rest;
        let arrival = wire.link.down.next_arrival();
        self.wake(link, Transfer::ClientWrite, self.now);
        if let Some(arrival) = arrival {
            self.wake(link, Transfer::ClientRead, arrival);
        }
        self.agenda.add(self.now.after(CLOSING_MAX), Task::GiveUpClosing(link));
        Ok(())
    }

    /// A closing client waits no longer.
    pub(super) fn give_up_closing(&mut self, link: LinkId) {
        if self.wire(link).is_some_and(|wire| wire.link.client == ClientEnd::Closing) {
            self.let_go(link, End::Reset);
        }
    }
}
