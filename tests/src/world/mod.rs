//! The simulated world: one server, a few clients and their network, storage and clocks, on one thread and without
//! any of the real ones.
//!
//! Everything that happens is a task of the agenda; whatever could go either way is asked of the
//! [`Choices`]. A run has a safety phase, in which the faults of its [`Plan`] happen, and a liveness phase, in which
//! they have stopped and everything must come to rest.

mod accounts;
mod actor;
mod agenda;
mod application;
mod client_end;
mod faults;
mod finish;
mod host;
mod later;
mod lies;
mod operations;
mod operators;
mod peer;
mod process;
mod rights;
mod script;
mod server_end;
mod storage_end;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use palabre_core::{
    ids::Incarnation,
    time::{Monotonic, Now, WallTime},
};

pub use self::operations::OPERATIONS;
use self::{
    accounts::Accounts,
    actor::Actor,
    agenda::{Agenda, Task, Transfer},
    host::Host,
    peer::Peer,
};
use crate::{
    choices::{Choices, Subsystem},
    network::{Link, LinkId, Owner, Way},
    oracle::{Ledger, Session, Violation},
    plan::{Fault, Plan},
    skip::Skip,
    store::SimulatedStore,
    trace::{Step, Trace},
};

/// 2024-01-01, when every world begins.
const EPOCH_WALL_MILLIS: u64 = 1_704_067_200_000;

/// How a run is to be done.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many inputs that changed a state the safety phase has.
    pub events_max: u64,
    /// Classes of faults that are left out although the seed drew them.
    pub without: Vec<Fault>,
    /// At most so many honest clients.
    pub clients_max: Option<usize>,
    /// Operations and faults that are left out, by number.
    pub skip: Skip,
    /// Whether every step is printed.
    pub log: bool,
    /// Whether storage answers before it has synced, which the oracle must find out.
    pub lying_store: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            events_max: 2_000,
            without: Vec::new(),
            clients_max: None,
            skip: Skip::default(),
            log: false,
            lying_store: false,
        }
    }
}

/// A link with what watches it.
struct Wire {
    link: Link,
    session: Session,
    wakes: [Option<Monotonic>; Transfer::COUNT],
    accepted_at: Monotonic,
    heard_at: Monotonic,
    took_at: Monotonic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Safety,
    Liveness,
    Rest,
}

/// A simulated world.
pub struct World {
    now: Monotonic,
    agenda: Agenda,
    choices: Choices,
    plan: Plan,
    options: Options,
    /// The links that are not over.
    wires: BTreeMap<LinkId, Wire>,
    links_made: usize,
    store: SimulatedStore,
    host: Host,
    actors: Vec<Actor>,
    peers: Vec<Peer>,
    accounts: Accounts,
    ledger: Ledger,
    trace: Trace,
    phase: Phase,
    events: u64,
    partitioned_until: Monotonic,
    client_wall_offset: i64,
    operations: u64,
    faults: u64,
    cuts: VecDeque<(Way, usize)>,
    /// After how many outputs more the server is killed, where a script says so.
    outputs_to_crash: Option<u64>,
}

impl World {
    /// A world whose plan is drawn, and in which nothing has happened yet.
    #[must_use]
    pub fn new(mut choices: Choices, options: Options) -> Self {
        let mut plan = Plan::draw(&mut choices, OPERATIONS.len());
        for fault in &options.without {
            plan.remove(*fault);
        }
        plan.clients = plan.clients.min(options.clients_max.unwrap_or(usize::MAX));
        let incarnation = Incarnation::new(choices.below(Subsystem::Seeds, u64::MAX));
        let mut store = SimulatedStore::new(incarnation);
        if options.lying_store {
            store.lie();
        }
        if plan.has(Fault::StoreFailsOnce) {
            store.fail_call(choices.between(Subsystem::Store, 1, 100));
        }
        let mut trace = Trace::default();
        trace.printed = options.log;
        let actors = (0..plan.clients).map(|number| Actor::new(number, &plan, &mut choices)).collect();
        let peers = Peer::draw_all(&plan);
        Self {
            now: Monotonic::from_millis(1),
            agenda: Agenda::default(),
            choices,
            plan,
            options,
            wires: BTreeMap::new(),
            links_made: 0,
            store,
            host: Host::default(),
            actors,
            peers,
            accounts: Accounts::default(),
            ledger: Ledger::default(),
            trace,
            phase: Phase::Safety,
            events: 0,
            partitioned_until: Monotonic::ZERO,
            client_wall_offset: 0,
            operations: 0,
            faults: 0,
            cuts: VecDeque::new(),
            outputs_to_crash: None,
        }
    }

    /// Runs all phases.
    ///
    /// # Errors
    /// An invariant did not hold.
    pub fn run(&mut self) -> Result<(), Violation> {
        self.begin()?;
        while self.events < self.options.events_max && !self.choices.is_exhausted() {
            self.step()?;
        }
        self.finish()
    }

    /// What was drawn.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What happened.
    #[must_use]
    pub const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// How many inputs changed a state.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// How many operations and faults there were, for minimising.
    #[must_use]
    pub const fn actions(&self) -> (u64, u64) {
        (self.operations, self.faults)
    }

    /// What was decided, if that is written down.
    #[must_use]
    pub fn recording(&self) -> Option<&[u8]> {
        self.choices.recording()
    }

    /// How much time has passed in the world.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now.since(Monotonic::ZERO)
    }

    fn begin(&mut self) -> Result<(), Violation> {
        self.phase("safety");
        self.start_server()?;
        for number in 0..self.actors.len() {
            let after = self.choices.duration(Subsystem::Operations, Duration::from_millis(200));
            self.agenda.add(self.now.after(after), Task::StartClient(number));
        }
        for number in 0..self.peers.len() {
            let after = self.choices.duration(Subsystem::Peers, Duration::from_secs(1));
            self.agenda.add(self.now.after(after), Task::Peer(number));
        }
        self.schedule_faults();
        Ok(())
    }

    fn step(&mut self) -> Result<(), Violation> {
        let Some((at, task)) = self.agenda.next() else { return Ok(()) };
        self.now = self.now.max(at);
        match task {
            Task::Transfer(link, transfer) => self.transfer(link, transfer, at),
            Task::Arrive(link) => self.arrive(link),
            Task::Connected(link) => self.connected(link),
            Task::Unreachable(link) => self.unreachable(link),
            Task::GiveUpClosing(link) => {
                self.give_up_closing(link);
                Ok(())
            }
            Task::ServerTimer => self.server_timer(at),
            Task::ClientTimer(actor) => self.client_timer(actor, at),
            Task::Resume => {
                self.resume_server_if_due();
                Ok(())
            }
            Task::ShutDown => self.shut_server_down(),
            Task::ServerExits => self.server_exits(),
            Task::StartServer => self.start_server(),
            Task::StartClient(actor) => self.start_client(actor),
            Task::LeaveDying(actor, keep) => self.leave_dying(actor, keep),
            Task::Rename(actor) => self.try_another_name(actor),
            Task::Worked(actor) => self.worked(actor),
            Task::Checked => self.checked(),
            Task::Commit => self.commit(),
            Task::Answer => self.answer(),
            Task::Operation(actor) => self.operation(actor),
            Task::Peer(peer) => self.peer_turn(peer),
            Task::Fault(fault) => self.fault(fault),
        }
    }

    fn phase(&mut self, name: &'static str) {
        self.trace.add(self.now, Step::Phase(name));
    }

    fn note(&mut self, step: Step) {
        self.trace.add(self.now, step);
    }

    /// What a server or client that starts takes its random numbers from. They repeat where the plan says so: a
    /// machine was restored from a snapshot.
    fn seed(&mut self) -> [u8; 32] {
        if self.phase == Phase::Safety && self.plan.has(Fault::RepeatedSeeds) {
            let seed = self.choices.below(Subsystem::Seeds, 2);
            return [u8::try_from(seed).unwrap_or(0); 32];
        }
        self.choices.seed()
    }

    /// Whether storage may refuse to do something.
    fn storage_may_fail(&self) -> bool {
        let faults = [Fault::StoreFails, Fault::StoreFailsOnce, Fault::StoreFull];
        faults.into_iter().any(|fault| self.plan.has(fault)) || self.store.fails_once()
    }

    /// What clients read on their clocks.
    fn client_now(&self) -> Now {
        Now { monotonic: self.now, wall: wall(self.now, self.client_wall_offset) }
    }

    fn wire(&mut self, link: LinkId) -> Option<&mut Wire> {
        self.wires.get_mut(&link)
    }

    fn new_link(&mut self, owner: Owner) -> LinkId {
        let id = LinkId(self.links_made);
        self.links_made += 1;
        let mut link = Link::draw(owner, &self.plan, &mut self.choices);
        if self.phase > Phase::Safety {
            link.up.heal();
            link.down.heal();
        }
        if let Some((way, bytes)) = self.cuts.pop_front() {
            link.pipe(way).break_after(bytes);
        }
        let mut session = Session::new(id, owner);
        session.names = self.options.log.then(Vec::new);
        let now = self.now;
        let wakes = [None; Transfer::COUNT];
        let wire = Wire { link, session, wakes, accepted_at: now, heard_at: now, took_at: now };
        self.wires.insert(id, wire);
        id
    }

    /// An end of a link is to try to read or write at this time, or earlier if it was to already.
    fn wake(&mut self, link: LinkId, transfer: Transfer, at: Monotonic) {
        let at = at.max(self.now);
        let Some(wire) = self.wire(link) else { return };
        let wake = &mut wire.wakes[transfer as usize];
        if wake.is_none_or(|earlier| at < earlier) {
            *wake = Some(at);
            self.agenda.add(at, Task::Transfer(link, transfer));
        }
    }

    fn transfer(&mut self, link: LinkId, transfer: Transfer, at: Monotonic) -> Result<(), Violation> {
        let Some(wire) = self.wire(link) else { return Ok(()) };
        let wake = &mut wire.wakes[transfer as usize];
        if *wake != Some(at) {
            return Ok(());
        }
        *wake = None;
        match transfer {
            Transfer::ServerRead => self.server_read(link)?,
            Transfer::ServerWrite => self.server_write(link)?,
            Transfer::ClientRead => self.client_read(link)?,
            Transfer::ClientWrite => self.client_write(link)?,
        }
        self.print_frames(link);
        self.forget_if_over(link);
        Ok(())
    }

    fn print_frames(&mut self, link: LinkId) {
        let Some(names) = self.wire(link).and_then(|wire| wire.session.names.as_mut()) else { return };
        for (way, message) in std::mem::take(names) {
            crate::report::line(&format!("                {link} {way} {message}"));
        }
    }

    fn forget_if_over(&mut self, link: LinkId) {
        if self.wire(link).is_some_and(|wire| wire.link.is_over()) {
            self.wires.remove(&link);
        }
    }
}

fn wall(now: Monotonic, offset_millis: i64) -> WallTime {
    let millis = EPOCH_WALL_MILLIS + now.as_micros() / 1_000;
    WallTime::from_millis(millis.saturating_add_signed(offset_millis))
}
