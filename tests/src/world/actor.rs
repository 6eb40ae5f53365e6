//! Honest clients: the real `Client` and an application that believes what it is told, and writes down what it is
//! told to.

use std::{collections::BTreeMap, time::Duration};

use palabre_core::{
    client::{Client, ClientConfig, ClientEvent, ClientOutput, PostId, RequestId, SavedSession},
    ids::{RoomId, Seq, UserId},
    name::Nick,
    password::Stretching,
    time::{Monotonic, Now},
};

use super::{Phase, Task, Transfer, World, accounts::Holding, operations::Request};
use crate::{
    choices::{Choices, Subsystem},
    network::{End, LinkId, Owner},
    oracle::{Followers, Invariant, Outcome, PostNumber, Violation, ensure},
    plan::{Fault, OUTBOX_POSTS_MAX, Plan},
    sometimes,
    trace::Step,
};

const RECORDED_BYTES_MAX: usize = 4 << 10;

/// An honest client and its application.
pub(super) struct Actor {
    pub(super) client: Option<Client>,
    pub(super) link: Option<LinkId>,
    pub(super) saved: Option<SavedSession>,
    pub(super) followers: Followers,
    pub(super) posts: BTreeMap<PostId, PostNumber>,
    pub(super) requests: BTreeMap<RequestId, Request>,
    pub(super) is_slow: bool,
    pub(super) writes_slowly: bool,
    /// Whether it enters by the name that is suggested when its own is refused.
    takes_suggestions: bool,
    /// The user it knows to be.
    pub(super) known: Option<UserId>,
    /// Since when the server may count that user as lost.
    pub(super) lost_since: Option<Monotonic>,
    /// Whether it ended by its own wish.
    pub(super) has_left: bool,
    /// What it sent, for peers that repeat it.
    pub(super) recorded: Vec<u8>,
    /// Rooms that it has left at some time.
    pub(super) parted: Vec<RoomId>,
    pub(super) names_tried: u64,
    pub(super) holding: Holding,
    /// The page of history it was told last, for the fresh reader.
    pub(super) page: Option<ClientEvent>,
    pub(super) timer_wake: Option<Monotonic>,
    /// Whether its next operation is on the agenda.
    pub(super) has_turn: bool,
    /// After how many outputs more it is killed, if that is certain.
    pub(super) outputs_to_crash: Option<u64>,
    nick: String,
}

impl Actor {
    pub(super) fn new(number: usize, plan: &Plan, choices: &mut Choices) -> Self {
        let (slow, slow_writer) = (plan.strength(Fault::SlowReader), plan.strength(Fault::SlowWriter));
        // Some have an account, and some of these share it.
        let account = choices.chance(Subsystem::Plan, 1, 3).then(|| {
            if choices.chance(Subsystem::Plan, 1, 2) {
                "shared".to_owned()
            } else {
                format!("account{number}")
            }
        });
        let account_name = account.clone().unwrap_or_else(|| NICKS[number % NICKS.len()].to_owned());
        Self {
            client: None,
            link: None,
            saved: None,
            followers: Followers::default(),
            posts: BTreeMap::new(),
            requests: BTreeMap::new(),
            is_slow: choices.chance(Subsystem::Plan, slow, 5),
            takes_suggestions: !choices.chance(Subsystem::Plan, 1, 4),
            writes_slowly: choices.chance(Subsystem::Plan, slow_writer, 5),
            known: None,
            lost_since: None,
            has_left: false,
            recorded: Vec::new(),
            parted: Vec::new(),
            names_tried: 0,
            holding: Holding::of(account),
            page: None,
            timer_wake: None,
            has_turn: false,
            outputs_to_crash: None,
            nick: account_name,
        }
    }

    /// A client that only looks, with a name that nobody has.
    pub(super) fn reader(plan: &Plan, choices: &mut Choices) -> Self {
        let mut reader = Self::new(0, plan, choices);
        (reader.is_slow, reader.writes_slowly) = (false, false);
        reader.holding = Holding::default();
        reader.nick = "fresh-reader".to_owned();
        reader
    }

    pub(super) fn sendable(&self) -> &[u8] {
        self.client.as_ref().map_or(&[], Client::sendable)
    }

    pub(super) fn record_sent(&mut self, bytes: &[u8]) {
        let room = RECORDED_BYTES_MAX.saturating_sub(self.recorded.len());
        self.recorded.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Whether it may rest: it has ended, or has entered and nothing of it waits.
    pub(super) fn is_settled(&self) -> bool {
        self.client.as_ref().is_some_and(|client| {
            client.is_ready() && client.outbox().next().is_none() && self.requests.is_empty()
        })
    }
}

/// A name of ours.
///
/// # Panics
/// If it is none.
pub(super) fn name(text: &str) -> Nick {
    Nick::parse(text).expect("letters and digits")
}

/// Names, some of which look alike or are the same in another case.
const NICKS: &[&str] = &["ana", "bob", "carol", "Ana", "paypal", "paypa1", "zoë", "dave"];

impl World {
    /// A client process starts, from what it saved.
    pub(super) fn start_client(&mut self, actor: usize) -> Result<(), Violation> {
        if self.actors[actor].client.is_some() || self.actors[actor].has_left && self.phase > Phase::Safety {
            return Ok(());
        }
        let now = self.client_now();
        let saved = self.actors[actor].saved.clone();
        // What an earlier process was working on is gone with it.
        self.actors[actor].holding.forget_work();
        let account = self.account_entry(actor);
        let config = ClientConfig {
            program: "simulated".to_owned(),
            nick: name(&self.actors[actor].nick),
            take_suggestion: self.actors[actor].takes_suggestions,
            asks: false,
            keeps_tokens: true,
            account,
            stretching_min: Stretching::CHEAPEST,
            saved: saved.clone(),
            reconnect: true,
            outbox_posts_max: OUTBOX_POSTS_MAX,
        };
        let seed = self.seed();
        let client = Client::new(config, seed, now);
        self.note(Step::Fault(format!("c{actor} starts")));
        sometimes!("a client process started with an outbox", client.outbox().next().is_some());
        let state = &mut self.actors[actor];
        state.has_left = false;
        state.known = saved.as_ref().map(|saved| saved.user);
        state.followers = saved.as_ref().map_or_else(Followers::default, Followers::from_saved);
        let ledger = &self.ledger;
        let posts = saved.iter().flat_map(|saved| &saved.outbox).zip(client.outbox());
        state.posts = posts.filter_map(|(saved, post)| Some((post.post, ledger.number_of(saved)?))).collect();
        state.client = Some(client);
        self.check_outbox_survived(actor)?;
        self.drain_client(actor)?;
        if !std::mem::replace(&mut self.actors[actor].has_turn, true) {
            let after = self.choices.duration(Subsystem::Operations, self.plan.operation_every);
            self.agenda.add(self.now.after(after), Task::Operation(actor));
        }
        Ok(())
    }

    /// What was written down is in the outbox again; what was not is forgotten.
    fn check_outbox_survived(&mut self, actor: usize) -> Result<(), Violation> {
        let state = &self.actors[actor];
        let kept: Vec<_> = state.posts.values().copied().collect();
        let saved = state.saved.iter().flat_map(|saved| &saved.outbox);
        let saved: Vec<_> = saved.filter_map(|post| self.ledger.number_of(post)).collect();
        for number in saved {
            ensure(kept.contains(&number), Invariant::Kept, || {
                format!("c{actor} saved post {} in its outbox, but has it no more after starting", number.0)
            })?;
        }
        self.forget_posts_but(actor, &kept);
        Ok(())
    }

    fn forget_posts_but(&mut self, actor: usize, kept: &[PostNumber]) {
        let open: Vec<_> = self.ledger.open_posts(actor).filter(|number| !kept.contains(number)).collect();
        for number in open {
            self.ledger.give_up(number, Outcome::Forgotten);
        }
    }

    /// A client process is killed, and starts again after a while.
    pub(super) fn crash_client(&mut self, actor: usize) {
        self.note(Step::Fault(format!("c{actor} is killed")));
        // Its machine still sends what it had handed over, unless it had something unread.
        let how = if self.choices.chance(Subsystem::Process, 1, 2) { End::Reset } else { End::Finished };
        self.kill_client(actor, how);
        let saved = self.actors[actor].saved.iter().flat_map(|saved| &saved.outbox);
        let kept: Vec<_> = saved.filter_map(|post| self.ledger.number_of(post)).collect();
        self.forget_posts_but(actor, &kept);
        let down = self.choices.duration(Subsystem::Process, Duration::from_secs(3));
        self.agenda.add(self.now.after(down), Task::StartClient(actor));
    }

    /// A client process is gone, and with it all it has not saved.
    pub(super) fn kill_client(&mut self, actor: usize, how: End) {
        let state = &mut self.actors[actor];
        state.client = None;
        state.outputs_to_crash = None;
        state.holding.forget_work();
        state.requests.clear();
        state.timer_wake = None;
        if let Some(link) = state.link.take() {
            self.let_go(link, how);
        }
    }

    /// Hands an input to a client, and does what it asks for.
    pub(super) fn client_input(
        &mut self,
        actor: usize,
        input: impl FnOnce(&mut Client, Now),
    ) -> Result<(), Violation> {
        let now = self.client_now();
        let Some(client) = self.actors[actor].client.as_mut() else { return Ok(()) };
        input(client, now);
        self.events += 1;
        self.drain_client(actor)
    }

    pub(super) fn drain_client(&mut self, actor: usize) -> Result<(), Violation> {
        let Some(client) = self.actors[actor].client.as_mut() else { return Ok(()) };
        let deadline = client.poll_timeout();
        let mut first = true;
        while let Some(output) = self.actors[actor].client.as_mut().and_then(Client::poll_output) {
            let due = deadline.is_some_and(|(at, _)| at <= self.now);
            ensure(due || !first, Invariant::Contract, || {
                format!(
                    "rule 2: {output:?} of c{actor} waits at {:?}, but the deadline is {deadline:?}",
                    self.now
                )
            })?;
            first = false;
            self.client_output(actor, output)?;
            if self.client_dies_midway(actor) {
                sometimes!("a client process was killed between two outputs");
                self.crash_client(actor);
                return Ok(());
            }
        }
        let deadline = self.actors[actor].client.as_ref().and_then(Client::poll_timeout);
        if let Some((deadline, _)) = deadline {
            let at = deadline.max(self.now);
            if self.actors[actor].timer_wake.is_none_or(|wake| at < wake) {
                self.actors[actor].timer_wake = Some(at);
                self.agenda.add(at, Task::ClientTimer(actor));
            }
        }
        Ok(())
    }

    /// Whether the process is killed after this output: its driver has carried out those before, and none after.
    fn client_dies_midway(&mut self, actor: usize) -> bool {
        if self.phase > Phase::Safety {
            return false;
        }
        if let Some(left) = &mut self.actors[actor].outputs_to_crash {
            *left -= 1;
            return *left == 0;
        }
        self.choices.chance(Subsystem::Process, self.plan.strength(Fault::ClientCrash), 4_096)
    }

    pub(super) fn client_timer(&mut self, actor: usize, at: Monotonic) -> Result<(), Violation> {
        if self.actors[actor].timer_wake != Some(at) {
            return Ok(());
        }
        self.actors[actor].timer_wake = None;
        let due = self.actors[actor].client.as_ref().and_then(Client::poll_timeout);
        if let Some((deadline, name)) = due.filter(|(deadline, _)| *deadline <= self.now) {
            self.note(Step::ClientTimer(actor, name));
            let outputs = self.trace.count();
            self.client_input(actor, |client, now| client.handle_timeout(now))?;
            let after = self.actors[actor].client.as_ref().and_then(Client::poll_timeout);
            let moved = after.is_none_or(|(after, _)| after > deadline) || self.trace.count() > outputs;
            return ensure(moved, Invariant::Contract, || {
                format!("rule 3: after {name} of c{actor} at {deadline:?} the deadline is {after:?}")
            });
        }
        self.drain_client(actor)
    }

    fn client_output(&mut self, actor: usize, output: ClientOutput) -> Result<(), Violation> {
        match output {
            ClientOutput::Connect => {
                let link = self.connect(Owner::Actor(actor));
                if let Some(old) = self.actors[actor].link.replace(link) {
                    self.let_go(old, End::Reset);
                }
                Ok(())
            }
            ClientOutput::Send => {
                if let Some(link) = self.actors[actor].link {
                    self.wake(link, Transfer::ClientWrite, self.now);
                }
                Ok(())
            }
            ClientOutput::Close => {
                let rest = self.actors[actor].sendable().to_vec();
                let now = self.client_now();
                if let Some(client) = self.actors[actor].client.as_mut() {
                    client.handle_sent(rest.len(), now);
                }
                match self.actors[actor].link.take() {
                    Some(link) => self.begin_closing(link, rest),
                    None => Ok(()),
                }
            }
            ClientOutput::Drop => {
                if let Some(link) = self.actors[actor].link.take() {
                    self.let_go(link, End::Reset);
                }
                Ok(())
            }
            ClientOutput::Save => {
                let saved = self.actors[actor].client.as_ref().and_then(Client::saved);
                for post in saved.iter().flat_map(|saved| &saved.outbox) {
                    self.ledger.saved(&post.text);
                }
                self.actors[actor].saved = saved;
                Ok(())
            }
            ClientOutput::Work(work) => {
                self.start_work(actor, work);
                Ok(())
            }
            ClientOutput::File(request) => unreachable!("nothing is transferred: {request:?}"),
            ClientOutput::Event(event) => self.told(actor, event),
        }
    }
}

/// A number to ask for: sometimes exactly where a client stands, sometimes the beginning.
pub(super) fn some_seq(last: Seq, choices: &mut Choices) -> Option<Seq> {
    match choices.below(Subsystem::Operations, 4) {
        0 => None,
        1 => Some(Seq::new(0)),
        2 => Some(Seq::new(choices.below(Subsystem::Operations, last.get() + 2))),
        _ => Some(last),
    }
}
