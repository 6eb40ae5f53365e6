//! The server's process: starting it, feeding it, draining it, and holding it to the contract of the core.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use palabre_core::{
    config::ServerConfig,
    ids::ConnectionId,
    output::{Event, Output},
    password::Verified,
    server::Server,
    time::{Monotonic, Now},
};

use super::{Phase, Task, Transfer, World, accounts, wall};
use crate::{
    choices::Subsystem,
    network::LinkId,
    oracle::{Invariant, Violation, ensure},
    plan::Fault,
    sometimes,
    trace::Step,
};

/// Outputs that one input may cause, past which the core does not bound its work.
const OUTPUTS_MAX: usize = 50_000;
/// How far a time that goes back does so.
const EARLIER_NOW_MICROS_MAX: u64 = 5_000_000;
/// Timers that may fire without time passing, past which the core spins.
const TIMERS_AT_ONCE_MAX: u32 = 5_000;

/// The server's process and what its driver keeps.
#[derive(Default)]
pub(super) struct Host {
    pub(super) server: Option<Server>,
    /// What the world's clock showed when the server's monotonic clock showed 0.
    started: u64,
    pub(super) wall_offset: i64,
    pub(super) paused_until: Monotonic,
    /// Until when nobody is accepted for lack of descriptors.
    pub(super) full_until: Monotonic,
    /// What came while the process was paused.
    pub(super) put_off: Vec<Task>,
    pub(super) connections: BTreeMap<ConnectionId, LinkId>,
    pub(super) dead: Vec<ConnectionId>,
    pub(super) timer_wake: Option<Monotonic>,
    timers_at_once: (Monotonic, u32),
    /// Passwords that were checked; the server has yet to hear of it.
    pub(super) checked: VecDeque<Verified>,
    pub(super) draining: bool,
    pub(super) starts: u64,
}

impl Host {
    pub(super) fn now(&self, now: Monotonic) -> Now {
        let monotonic = Monotonic::from_micros(now.as_micros() - self.started);
        Now { monotonic, wall: wall(now, self.wall_offset) }
    }

    fn world_time(&self, deadline: Monotonic) -> Monotonic {
        Monotonic::from_micros(deadline.as_micros().saturating_add(self.started))
    }
}

impl World {
    /// Starts the server on what storage recovers.
    pub(super) fn start_server(&mut self) -> Result<(), Violation> {
        if self.host.server.is_some() {
            return Ok(());
        }
        self.make_operator()?;
        self.ledger.rights.started(self.store.durable());
        let recovered = self.store.recover();
        ensure(recovered == self.store.recover(), Invariant::Recoverable, || {
            "two recoveries of the same store differ".to_owned()
        })?;
        let long_up = Duration::from_secs(self.choices.below(Subsystem::Seeds, 1 << 20));
        self.host.started =
            self.now.as_micros().saturating_sub(u64::try_from(long_up.as_micros()).unwrap_or(0));
        self.host.starts += 1;
        self.host.draining = false;
        // Whoever checked them is gone with the process.
        self.host.checked.clear();
        let again = self.phase == Phase::Safety && self.host.starts > 1;
        let config = ServerConfig {
            limits: self.plan.limits.clone(),
            manual: "Manual of the simulated server.".into(),
            accounts: Some(accounts::config(self.plan.registration)),
            ..ServerConfig::default()
        };
        let seed = self.seed();
        sometimes!(
            "a server started with a seed it had before",
            self.plan.has(Fault::RepeatedSeeds) && again
        );
        self.note(Step::Fault(format!("server starts for the {}. time", self.host.starts)));
        sometimes!("a server started with guests to recover", !recovered.guests.is_empty());
        let now = self.host.now(self.now);
        self.host.server = Some(Server::new(config, seed, recovered, now));
        self.drain_server()?;
        let recrash = self.plan.strength(Fault::Recrash);
        if again && self.choices.chance(Subsystem::Process, recrash, 6) {
            sometimes!("crash during recovery");
            self.crash_server(true)?;
        }
        Ok(())
    }

    /// Hands an input to the server, and does what it asks for.
    pub(super) fn server_input(&mut self, input: impl FnOnce(&mut Server, Now)) -> Result<(), Violation> {
        let now = self.server_now();
        let Some(server) = self.host.server.as_mut() else { return Ok(()) };
        input(server, now);
        self.events += 1;
        self.drain_server()?;
        self.ledger.rights.check_noted()
    }

    /// The time to hand in: now and then one that went back, which counts as the latest.
    fn server_now(&mut self) -> Now {
        let mut now = self.host.now(self.now);
        if self.phase == Phase::Safety
            && self.choices.chance(Subsystem::Process, self.plan.strength(Fault::EarlierNow), 32)
        {
            let back = self.choices.below(Subsystem::Process, EARLIER_NOW_MICROS_MAX);
            now.monotonic = Monotonic::from_micros(now.monotonic.as_micros().saturating_sub(back));
            sometimes!("the monotonic clock went back");
        }
        now
    }

    /// How much earlier than it was the server may believe something to have happened.
    pub(super) fn earlier_now_max(&self) -> Duration {
        let there_is = self.plan.has(Fault::EarlierNow);
        Duration::from_micros(if there_is { EARLIER_NOW_MICROS_MAX } else { 0 })
    }

    /// Takes all outputs. While there are any, the server's deadline is now (rule 2).
    pub(super) fn drain_server(&mut self) -> Result<usize, Violation> {
        let now = self.host.now(self.now).monotonic;
        let Some(server) = self.host.server.as_mut() else { return Ok(0) };
        let deadline = server.poll_timeout();
        let mut outputs = 0;
        while let Some(output) = self.host.server.as_mut().and_then(Server::poll_output) {
            ensure(outputs > 0 || deadline.is_some_and(|(at, _)| at <= now), Invariant::Contract, || {
                format!("rule 2: {output:?} waits at {now:?}, but the deadline is {deadline:?}")
            })?;
            outputs += 1;
            ensure(outputs < OUTPUTS_MAX, Invariant::Bounded, || {
                "one input causes outputs without end".to_owned()
            })?;
            let is_storage = matches!(output, Output::Storage(_));
            self.server_output(output)?;
            if self.dies_midway() {
                sometimes!("crash between two outputs");
                sometimes!("crash after a storage call", is_storage);
                self.crash_server(true)?;
            }
        }
        self.watch_server_deadline();
        if self.events.is_multiple_of(16) {
            self.check_accounting()?;
        }
        Ok(outputs)
    }

    /// Whether the process is killed after this output: the driver has carried out those before, and none after.
    fn dies_midway(&mut self) -> bool {
        if let Some(left) = &mut self.outputs_to_crash {
            *left = left.saturating_sub(1);
            let dies = *left == 0;
            if dies {
                self.outputs_to_crash = None;
            }
            return dies;
        }
        let strength = self.plan.strength(Fault::CrashMidway);
        self.phase == Phase::Safety && self.choices.chance(Subsystem::Process, strength, 4_096)
    }

    fn server_output(&mut self, output: Output) -> Result<(), Violation> {
        match output {
            Output::Interest(id) => {
                if let Some(link) = self.host.connections.get(&id).copied() {
                    self.wake(link, Transfer::ServerWrite, self.now);
                    self.wake(link, Transfer::ServerRead, self.now);
                }
                Ok(())
            }
            Output::Storage(request) => {
                self.ask_storage(request)?;
                Ok(())
            }
            Output::Work(verification) => {
                sometimes!("a password that was sent as it is was checked");
                self.host.checked.push_back(verification.run());
                let took = self.choices.duration(Subsystem::Process, Duration::from_secs(2));
                self.agenda.add(self.now.after(took), Task::Checked);
                Ok(())
            }
            // Its guests may not upload.
            Output::Blob(request) => unreachable!("no files are taken: {request:?}"),
            Output::Close(id) => {
                self.close_connection(id, "close");
                Ok(())
            }
            Output::Drop(id) => {
                self.drop_connection(id);
                Ok(())
            }
            Output::Event(event) => self.reported(&event),
        }
    }

    /// A worker's answer may come late, or after the connection went.
    pub(super) fn checked(&mut self) -> Result<(), Violation> {
        if self.put_off_while_paused(Task::Checked) {
            return Ok(());
        }
        match self.host.checked.pop_front() {
            Some(verified) => self.server_input(|server, now| server.handle_work(verified, now)),
            None => Ok(()),
        }
    }

    fn reported(&mut self, event: &Event) -> Result<(), Violation> {
        match event {
            Event::Lagging { .. } => sometimes!("a reader lagged"),
            Event::CaughtUp { from_storage, .. } => {
                sometimes!("a reader caught up from recent events", *from_storage == 0);
                sometimes!("a reader caught up from storage", *from_storage > 0);
            }
            Event::GuestRemoved { .. } => sometimes!("a guest was removed"),
            Event::Entered { connection, user, resumed, .. } => {
                sometimes!("a guest came back", *resumed);
                // It may speak before it has been told.
                let link = self.link_of(*connection);
                if let Some(owner) = link.and_then(|link| self.wire(link)).map(|wire| wire.link.owner) {
                    self.ledger.may_speak(*user, owner);
                }
            }
            Event::Drained => {
                sometimes!("a server drained");
                self.agenda.add(self.now, Task::ServerExits);
            }
            Event::TokenReused { .. } => sometimes!("a token that was replaced was shown"),
            Event::Queued { .. }
            | Event::Ended { .. }
            | Event::RoomCreated { .. }
            | Event::FileStored { .. }
            | Event::DiskFailed { .. }
            | Event::StorageFailed { .. } => {}
        }
        self.note(Step::Reported(format!("{event:?}")));
        Ok(())
    }

    fn watch_server_deadline(&mut self) {
        let deadline = self.host.server.as_ref().and_then(Server::poll_timeout);
        let Some((deadline, _)) = deadline else { return };
        let at = self.host.world_time(deadline).max(self.now).max(self.host.paused_until);
        if self.host.timer_wake.is_none_or(|wake| at < wake) {
            self.host.timer_wake = Some(at);
            self.agenda.add(at, Task::ServerTimer);
        }
    }

    /// The server's deadline may have come. Afterwards there is an output, a later deadline, or work left (rule 3).
    pub(super) fn server_timer(&mut self, at: Monotonic) -> Result<(), Violation> {
        if self.host.timer_wake != Some(at) {
            return Ok(());
        }
        self.host.timer_wake = None;
        let now = self.host.now(self.now);
        let due = self.host.server.as_ref().and_then(Server::poll_timeout);
        let Some((deadline, name)) = due.filter(|(deadline, _)| *deadline <= now.monotonic) else {
            self.watch_server_deadline();
            return Ok(());
        };
        if self.now < self.host.paused_until {
            self.watch_server_deadline();
            return Ok(());
        }
        self.note(Step::ServerTimer(name));
        self.events += 1;
        let Some(server) = self.host.server.as_mut() else { return Ok(()) };
        server.handle_timeout(now);
        let outputs = self.drain_server()?;
        let after = self.host.server.as_ref().and_then(Server::poll_timeout);
        let left_over = after.is_some_and(|(_, name)| name == "work");
        let moved = left_over || after.is_none_or(|(after, _)| after > deadline);
        ensure(outputs > 0 || moved, Invariant::Contract, || {
            format!("rule 3: after {name} at {deadline:?} nothing came out, and the deadline is {after:?}")
        })?;
        self.count_timer()
    }

    fn count_timer(&mut self) -> Result<(), Violation> {
        let (at, count) = self.host.timers_at_once;
        self.host.timers_at_once = if at == self.now { (at, count + 1) } else { (self.now, 1) };
        ensure(count < TIMERS_AT_ONCE_MAX, Invariant::Bounded, || {
            format!("{count} deadlines came while no time passed: the server spins")
        })
    }

    /// The server's own sums equal those seen from outside (I9).
    pub(super) fn check_accounting(&self) -> Result<(), Violation> {
        let Some(server) = &self.host.server else { return Ok(()) };
        let stats = server.stats();
        let outbound: usize = self.host.connections.keys().map(|id| server.sendable(*id).len()).sum();
        ensure(stats.outbound_bytes == outbound as u64, Invariant::Accounted, || {
            format!("{outbound} bytes wait to be sent, stats say {}", stats.outbound_bytes)
        })?;
        let connections = self.host.connections.len() as u64;
        ensure(stats.connections == connections, Invariant::Accounted, || {
            format!("{connections} connections are open, stats say {}", stats.connections)
        })?;
        let own = self.plan.limits.outbound_own_bytes;
        let extra = self.host.connections.keys().map(|id| server.sendable(*id).len().saturating_sub(own));
        let shared: usize = extra.sum();
        ensure(stats.shared_bytes == shared as u64, Invariant::Accounted, || {
            format!(
                "{shared} bytes are over what each connection has of its own, stats say {}",
                stats.shared_bytes
            )
        })?;
        // Each room keeps its newest event whatever the cap, and one room a call is swept.
        let limits = &self.plan.limits;
        let room_max = limits.recent_room_bytes_max.max(limits.text_bytes_max + 256) as u64;
        let recent_max = limits.recent_bytes_max as u64 + stats.rooms * room_max;
        ensure(stats.recent_bytes <= recent_max, Invariant::Accounted, || {
            format!("{} bytes of recent events are kept, at most {recent_max} may be", stats.recent_bytes)
        })
    }

    /// The connection of a link has ended for the core; its id is remembered to be tried again.
    pub(super) fn bury(&mut self, id: ConnectionId) {
        self.host.connections.remove(&id);
        if self.host.dead.len() == 8 {
            self.host.dead.remove(0);
        }
        self.host.dead.push(id);
    }

    pub(super) fn link_of(&self, id: ConnectionId) -> Option<LinkId> {
        self.host.connections.get(&id).copied()
    }
}
