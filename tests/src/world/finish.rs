//! The end of a run: faults stop, everything must get done, and a fresh reader must find what was acknowledged.

use std::time::Duration;

use palabre_core::{
    client::ClientEvent,
    ids::{RoomId, Seq},
    name::RoomName,
    output::Stats,
    storage::RoomKey,
};

use super::{Phase, Task, Wire, World, actor::Actor, operations::Request};
use crate::{
    network::{End, Link, LinkId, ServerEnd},
    oracle::{Invariant, Violation, ensure},
    sometimes,
};

/// How long after the faults everything may take, in simulated time: a stalled connection is noticed after two
/// minutes at the latest, and held-back posts flow at a few a second.
const SETTLE_MAX: Duration = Duration::from_secs(1_800);
/// How many inputs that may take.
const SETTLE_EVENTS_MAX: u64 = 400_000;
/// How many inputs a server without connections may need to come to rest.
const REST_EVENTS_MAX: u64 = 20_000;

/// A room to be read afresh.
struct NamedRoom {
    id: RoomId,
    name: RoomName,
    first: Seq,
    last: Seq,
}

impl World {
    /// The liveness phase.
    pub(super) fn finish(&mut self) -> Result<(), Violation> {
        self.stop_faults()?;
        self.settle("everybody settles", Self::all_settled)?;
        self.check_converged()?;
        self.everybody_leaves()?;
        self.read_afresh()?;
        self.come_to_rest()
    }

    fn stop_faults(&mut self) -> Result<(), Violation> {
        self.phase("liveness");
        self.phase = Phase::Liveness;
        self.store.heal();
        self.partitioned_until = self.now;
        self.host.full_until = self.now;
        self.resume_server();
        for wire in self.wires.values_mut() {
            wire.link.up.heal();
            wire.link.down.heal();
        }
        self.end_peers();
        for actor in 0..self.actors.len() {
            self.actors[actor].is_slow = false;
            self.actors[actor].has_left = false;
            self.start_client(actor)?;
        }
        self.start_server()?;
        self.agenda.add(self.now, Task::Answer);
        self.drain_server().map(drop)
    }

    /// Runs until `done`, within bounds.
    pub(super) fn settle(
        &mut self,
        what: &str,
        done: impl Fn(&mut Self) -> Result<bool, Violation>,
    ) -> Result<(), Violation> {
        let (until, events_max) = (self.now.after(SETTLE_MAX), self.events + SETTLE_EVENTS_MAX);
        let mut steps: u64 = 0;
        loop {
            steps += 1;
            let pause = self.agenda.next_at().is_none_or(|at| at > self.now.after(Duration::from_millis(1)));
            if (pause || steps.is_multiple_of(16)) && done(self)? {
                return Ok(());
            }
            let late = self.now > until || self.events > events_max;
            ensure(!late, Invariant::Live, || {
                format!(
                    "{what}: not after {SETTLE_MAX:?} or {SETTLE_EVENTS_MAX} events without faults; {}",
                    self.waiting()
                )
            })?;
            ensure(!self.agenda.is_empty(), Invariant::Live, || {
                format!("{what}: nothing is left to happen; {}", self.waiting())
            })?;
            self.step()?;
        }
    }

    /// Everybody has entered, heard of everything, and read everything. Those who have make place for others.
    fn all_settled(&mut self) -> Result<bool, Violation> {
        if self.host.server.is_none() || !self.store.is_idle() {
            return Ok(false);
        }
        if self.is_locked_down() {
            self.lift_lockdown()?;
            return Ok(false);
        }
        let mut all = true;
        for actor in 0..self.actors.len() {
            if self.actors[actor].has_left && self.actors[actor].client.is_none() {
                continue;
            }
            let settled = self.actors[actor].is_settled() && self.is_caught_up(actor);
            all &= settled;
            if settled
                && self.plan.limits.clients_max <= self.actors.len() as u32
                && !self.actors[actor].has_left
            {
                self.leave(actor, true)?;
            }
        }
        Ok(all)
    }

    pub(super) fn is_caught_up(&self, actor: usize) -> bool {
        self.check_caught_up(actor).is_ok()
    }

    fn check_caught_up(&self, actor: usize) -> Result<(), Violation> {
        let state = &self.actors[actor];
        let user = state.client.as_ref().and_then(palabre_core::client::Client::user).unwrap_or_default();
        state.followers.check_caught_up(actor, user, self.store.durable())
    }

    fn waiting(&self) -> String {
        let mut waiting = Vec::new();
        if self.host.server.is_none() {
            waiting.push("the server is down".to_owned());
        }
        if !self.store.is_idle() {
            waiting.push(format!("storage is busy: {:?}", self.store));
        }
        if self.phase == Phase::Rest {
            waiting.push(format!("connections {:?}", self.host.connections));
        }
        for (id, Wire { link, .. }) in self.wires.iter().filter(|_| self.phase == Phase::Rest) {
            let Link { owner, client, server, .. } = link;
            waiting.push(format!("{id} of {owner}: client {client:?}, server {server:?}"));
        }
        for (number, actor) in self.actors.iter().enumerate() {
            let Some(client) = &actor.client else {
                waiting.push(format!("c{number} is not running"));
                continue;
            };
            let behind = self.check_caught_up(number).err().map(|violation| violation.facts);
            if !actor.is_settled() || behind.is_some() {
                waiting.push(format!(
                    "c{number}: ready {}, outbox {}, requests {:?}, {}",
                    client.is_ready(),
                    client.outbox().count(),
                    actor.requests.values().collect::<Vec<_>>(),
                    behind.unwrap_or_default(),
                ));
            }
        }
        waiting.join("; ")
    }

    /// All posts have an outcome, nothing acknowledged is lost.
    fn check_converged(&mut self) -> Result<(), Violation> {
        self.ledger.check_nothing_lost(self.store.durable())?;
        for actor in 0..self.actors.len() {
            let running = self.actors[actor].client.is_some();
            let open = self.ledger.open_posts(actor).next();
            ensure(open.is_none() || !running, Invariant::Live, || {
                format!("c{actor} was never told what became of post {open:?}")
            })?;
        }
        self.check_accounting()
    }

    fn everybody_leaves(&mut self) -> Result<(), Violation> {
        self.phase("everybody leaves");
        self.phase = Phase::Rest;
        for actor in 0..self.actors.len() {
            if self.actors[actor].client.is_some() && !self.actors[actor].has_left {
                self.leave(actor, true)?;
            }
        }
        self.settle("every connection ends", |world| Ok(world.is_deserted()))?;
        let stats = self.host.server.as_ref().map(palabre_core::server::Server::stats).unwrap_or_default();
        let Stats { connections, clients, queued, outbound_bytes, inbound_bytes, .. } = stats;
        let sum = connections + clients + queued + outbound_bytes + inbound_bytes;
        ensure(sum == 0, Invariant::Accounted, || format!("all connections have ended, stats say {stats:?}"))
    }

    /// Nobody runs, and the server has no connection.
    fn is_deserted(&mut self) -> bool {
        let running = self.actors.iter().any(|actor| actor.client.is_some());
        let connected = self.wires.values().any(|wire| {
            matches!(wire.link.server, ServerEnd::Open(_) | ServerEnd::Closing(_) | ServerEnd::Connecting)
        });
        !running && !connected && self.host.connections.is_empty() && self.store.is_idle()
    }

    /// A fresh client reads every named room from its beginning, by cursor and by pages (I1, I5).
    fn read_afresh(&mut self) -> Result<(), Violation> {
        self.phase("a fresh client reads");
        let reader = self.actors.len();
        self.actors.push(Actor::reader(&self.plan, &mut self.choices));
        self.start_client(reader)?;
        self.settle("the reader enters", |world| Ok(world.actors[reader].is_settled()))?;
        let rooms = self.named_rooms();
        // As many at a time as a user may be in.
        for rooms in rooms.chunks(self.plan.limits.user_rooms_max) {
            self.read_rooms(reader, rooms)?;
        }
        self.leave(reader, false)?;
        self.settle("the reader leaves", |world| Ok(world.is_deserted()))
    }

    fn read_rooms(&mut self, reader: usize, rooms: &[NamedRoom]) -> Result<(), Violation> {
        for NamedRoom { name, .. } in rooms {
            self.verb(reader, Request::Join { after: Some(Seq::new(0)) }, |client, now| {
                client.join(name, Some(Seq::new(0)), now)
            })?;
        }
        self.settle("the reader reads", |world| {
            Ok(world.actors[reader].is_settled() && world.is_caught_up(reader))
        })?;
        for NamedRoom { id, first, last, .. } in rooms {
            let follower = self.actors[reader].followers.iter().find(|(room, _)| room == id);
            ensure(follower.is_some() || first > last, Invariant::Kept, || {
                format!("a fresh client could not read room {id}, which has {first} to {last}")
            })?;
            self.page_back(reader, *id, *first, *last)?;
            self.verb(reader, Request::Part, |client, now| client.part(*id, now))?;
        }
        self.settle("the reader leaves the rooms", |world| Ok(world.actors[reader].is_settled()))
    }

    fn named_rooms(&self) -> Vec<NamedRoom> {
        let rooms = self.store.durable().rooms().filter_map(|(id, room)| match &room.key {
            // Into a private or closed room the reader is not let.
            RoomKey::Named(name) if !room.rights.is_open_to_all(name) => None,
            RoomKey::Named(name) => {
                let name = RoomName::parse(name).ok()?;
                Some(NamedRoom { id, name, first: room.first, last: room.last() })
            }
            RoomKey::Direct(..) => None,
        });
        rooms.take(60).collect()
    }

    /// Pages through a room from its end to its beginning: no gap, no overlap (I5).
    fn page_back(&mut self, reader: usize, room: RoomId, first: Seq, last: Seq) -> Result<(), Violation> {
        let mut before: Option<Seq> = None;
        for page in 0..10_000 {
            let expected_last = before.map_or(last, Seq::previous);
            if expected_last < first {
                sometimes!("history was read in several pages", page > 1);
                return Ok(());
            }
            let page = self.page_before(reader, room, before)?;
            let Some(ClientEvent::History { events, .. }) = page else {
                return Err(Violation::new(
                    Invariant::History,
                    format!("no page of room {room} before {before:?}: {page:?}"),
                ));
            };
            let found = events.first().map(|event| event.seq).zip(events.last().map(|event| event.seq));
            let Some((page_first, page_last)) = found.filter(|(_, page_last)| *page_last == expected_last)
            else {
                let facts = format!(
                    "a page of room {room} before {before:?} has {found:?}, the last is {expected_last}"
                );
                return Err(Violation::new(Invariant::History, facts));
            };
            ensure(page_first <= page_last, Invariant::History, || {
                format!("a page of room {room} goes backwards")
            })?;
            before = Some(page_first);
        }
        Ok(())
    }

    /// A page of history, asked for again when the connection was lost meanwhile.
    fn page_before(
        &mut self,
        reader: usize,
        room: RoomId,
        before: Option<Seq>,
    ) -> Result<Option<ClientEvent>, Violation> {
        self.actors[reader].page = None;
        for _ in 0..10 {
            self.verb(reader, Request::History, |client, now| client.history(room, before, 0, now))?;
            self.settle("a page of history comes", |world| Ok(world.actors[reader].is_settled()))?;
            if self.actors[reader].page.is_some() {
                break;
            }
        }
        Ok(self.actors[reader].page.take())
    }

    /// With nobody there, the server comes to rest (rule 10).
    fn come_to_rest(&mut self) -> Result<(), Violation> {
        self.phase("the server rests");
        let events_max = self.events + REST_EVENTS_MAX;
        let links: Vec<LinkId> = self.wires.keys().copied().collect();
        for link in links {
            self.let_go(link, End::Reset);
        }
        while self.host.server.as_ref().and_then(palabre_core::server::Server::poll_timeout).is_some() {
            ensure(self.events < events_max && !self.agenda.is_empty(), Invariant::Live, || {
                let timer = self.host.server.as_ref().and_then(palabre_core::server::Server::poll_timeout);
                format!("nobody is there, but the server does not come to rest: {timer:?}")
            })?;
            self.step()?;
            if self.now > self.partitioned_until.after(Duration::from_secs(400 * 24 * 3_600)) {
                break;
            }
        }
        self.check_accounting()?;
        self.ledger.check_nothing_lost(self.store.durable())
    }
}
