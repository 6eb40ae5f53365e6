//! The simulated store: the storage port with a line between what was asked and what is durable.
//!
//! Requests wait, are committed in groups, and are answered after their commit, in order. When the power goes, what
//! was answered is there; of what was not, any number of requests from the front may be. Torn writes and flipped
//! bits are beneath this line: they are tried on the real store, under its SQLite.

mod accounts;
mod files;
mod rare;
mod revisions;
mod rights;
mod search;
mod tables;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use palabre_core::{
    ids::{Incarnation, RoomId, Seq},
    storage::{
        Appended, Recovered, StorageFailure, StorageOperation, StorageOutcome, StorageReply, StorageRequest,
    },
    time::Monotonic,
};

pub use self::{
    rights::Rights,
    tables::{Room, Tables},
};
use crate::{
    choices::{Choices, Subsystem},
    plan::{Fault, Plan},
    sometimes,
};

/// A store that takes simulated time.
#[derive(Debug)]
pub struct SimulatedStore {
    durable: Tables,
    queue: VecDeque<StorageRequest>,
    committing: Vec<StorageRequest>,
    answers: VecDeque<StorageReply>,
    full_until: Monotonic,
    /// The texts of events that could not be appended.
    failed_texts: Vec<Arc<str>>,
    healthy: bool,
    /// How many operations were executed, and which of them is to fail.
    calls: u64,
    fails_at: Option<u64>,
    may_fail_once: bool,
    /// What survives a power cut, if this store answers before it has synced: a liar, to test the tests with.
    synced: Option<Tables>,
}

impl SimulatedStore {
    /// An empty store.
    #[must_use]
    pub const fn new(incarnation: Incarnation) -> Self {
        Self {
            durable: Tables::new(incarnation),
            queue: VecDeque::new(),
            committing: Vec::new(),
            answers: VecDeque::new(),
            full_until: Monotonic::ZERO,
            failed_texts: Vec::new(),
            healthy: false,
            calls: 0,
            fails_at: None,
            may_fail_once: false,
            synced: None,
        }
    }

    /// From now on it answers what it has not synced, and loses that when the power goes.
    pub fn lie(&mut self) {
        self.synced = Some(self.durable.clone());
    }

    /// The operation with this number, the first being 1, fails.
    pub const fn fail_call(&mut self, number: u64) {
        self.fails_at = Some(number);
        self.may_fail_once = true;
    }

    /// Whether one operation fails, or has failed, by its number.
    #[must_use]
    pub const fn fails_once(&self) -> bool {
        self.may_fail_once
    }

    /// How many operations were executed.
    #[must_use]
    pub const fn calls(&self) -> u64 {
        self.calls
    }

    /// What is durable.
    #[must_use]
    pub const fn durable(&self) -> &Tables {
        &self.durable
    }

    /// Takes a request; whether a commit is to be begun (one is not under way).
    pub fn submit(&mut self, request: StorageRequest) -> bool {
        self.queue.push_back(request);
        self.committing.is_empty() && self.queue.len() == 1
    }

    /// Begins a commit with some of what waits: how long it takes, or `None` if nothing waits.
    pub fn begin(&mut self, plan: &Plan, choices: &mut Choices) -> Option<Duration> {
        if self.queue.is_empty() || !self.committing.is_empty() {
            return None;
        }
        let waiting = self.queue.len();
        let left_out = if self.healthy { 0 } else { choices.index(Subsystem::Store, waiting) };
        self.committing = self.queue.drain(..waiting - left_out).collect();
        sometimes!("a group commit took ten or more", self.committing.len() >= 10);
        if self.healthy {
            return Some(Duration::from_micros(500));
        }
        Some(draw_commit_time(plan.strength(Fault::SlowStore), choices))
    }

    /// Ends the commit that was begun: it is durable, and its answers are there to be taken.
    pub fn commit(&mut self, now: Monotonic, plan: &Plan, choices: &mut Choices) {
        for request in std::mem::take(&mut self.committing) {
            self.calls += 1;
            let result = match self.draw_failure(&request.operation, now, plan, choices) {
                Some(failure) => {
                    if let StorageOperation::Append { event, .. }
                    | StorageOperation::AppendAbout { event, .. } = &request.operation
                    {
                        self.failed_texts.push(Arc::clone(&event.text));
                    }
                    Err(failure)
                }
                None => self.execute(&request.operation, plan, choices),
            };
            rare::executed(&request.operation, &result);
            self.answers.push_back(StorageReply { ticket: request.ticket, result });
        }
        if self.synced.is_some() && choices.chance(Subsystem::Store, 1, 64) {
            self.synced = Some(self.durable.clone());
        }
    }

    /// The texts of events that could not be appended, since the last call.
    pub fn take_failed_texts(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.failed_texts)
    }

    /// The next answer.
    pub fn take_answer(&mut self) -> Option<StorageReply> {
        self.answers.pop_front()
    }

    /// Whether a commit is under way.
    #[must_use]
    pub const fn is_committing(&self) -> bool {
        !self.committing.is_empty()
    }

    /// Whether nothing waits, neither to be done nor to be told.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.committing.is_empty() && self.answers.is_empty()
    }

    /// There is no space before `until`.
    pub fn fill_until(&mut self, until: Monotonic) {
        self.full_until = until;
    }

    /// From now on nothing fails and nothing is slow.
    pub const fn heal(&mut self) {
        self.healthy = true;
        self.fails_at = None;
        self.full_until = Monotonic::ZERO;
    }

    /// The process or its power is gone: of what was not answered some was done, from the front.
    pub fn crash(&mut self, choices: &mut Choices) {
        sometimes!("crash with answers on their way", !self.answers.is_empty());
        sometimes!("crash in the middle of a commit", !self.committing.is_empty());
        self.answers.clear();
        let mut pending = std::mem::take(&mut self.committing);
        pending.extend(self.queue.drain(..));
        let survived = choices.index(Subsystem::Store, pending.len() + 1);
        for request in pending.drain(..survived) {
            let unanswered = self.durable.execute(&request.operation);
            sometimes!(
                "an unanswered append survived a crash",
                matches!(unanswered, Ok(StorageOutcome::Appended(Appended::Stored { .. })))
            );
        }
        self.durable.turn_counters_back();
    }

    /// The power is gone: like a crash, but a store that lies loses more.
    pub fn cut_power(&mut self, choices: &mut Choices) {
        self.crash(choices);
        if let Some(synced) = &self.synced {
            self.durable = synced.clone();
        }
    }

    /// Another program writes into it while no server runs.
    ///
    /// # Errors
    /// As for a server.
    pub fn written_at_rest(
        &mut self,
        operation: &StorageOperation,
    ) -> Result<StorageOutcome, StorageFailure> {
        let outcome = self.durable.execute(operation);
        if let Some(synced) = &mut self.synced {
            synced.clone_from(&self.durable);
        }
        outcome
    }

    /// What a server is told at start.
    #[must_use]
    pub fn recover(&self) -> Recovered {
        self.durable.recovered()
    }

    fn execute(
        &mut self,
        operation: &StorageOperation,
        plan: &Plan,
        choices: &mut Choices,
    ) -> Result<StorageOutcome, StorageFailure> {
        let mut result = self.durable.execute(operation);
        if !self.healthy && choices.chance(Subsystem::Store, plan.strength(Fault::StoreDoubt), 64) {
            result = self.durable.execute(operation);
            sometimes!(
                "a doubtful commit was executed once more",
                matches!(result, Ok(StorageOutcome::Appended(Appended::Repeated { .. })))
            );
        }
        if let StorageOperation::Append { room, .. } | StorageOperation::AppendAbout { room, .. } = operation
        {
            self.maybe_trim(*room, &mut result, plan, choices);
        }
        result
    }

    /// Retention runs in the transaction of an append, whose answer tells where the log begins.
    fn maybe_trim(
        &mut self,
        room: RoomId,
        result: &mut Result<StorageOutcome, StorageFailure>,
        plan: &Plan,
        choices: &mut Choices,
    ) {
        if self.healthy || !choices.chance(Subsystem::Store, plan.strength(Fault::Trim), 32) {
            return;
        }
        let Ok(StorageOutcome::Appended(Appended::Stored { first, .. })) = result else { return };
        let keep = choices.between(Subsystem::Store, 1, 40);
        let last = self.durable.room(room).map_or(0, |room| room.last().get());
        self.durable.trim(room, Seq::new((last + 1).saturating_sub(keep)));
        let now_first = self.durable.room(room).map_or(*first, |room| room.first);
        sometimes!("a log was trimmed", now_first > *first);
        *first = now_first;
    }

    fn draw_failure(
        &self,
        operation: &StorageOperation,
        now: Monotonic,
        plan: &Plan,
        choices: &mut Choices,
    ) -> Option<StorageFailure> {
        if self.fails_at == Some(self.calls) {
            sometimes!("one storage operation failed by its number");
            return Some(StorageFailure::Failed);
        }
        if self.healthy {
            return None;
        }
        let takes_space = !self.durable.is_done(operation);
        if now < self.full_until && takes_space {
            sometimes!("storage was full");
            return Some(StorageFailure::NoSpace);
        }
        if choices.chance(Subsystem::Store, plan.strength(Fault::StoreFails), 64) {
            sometimes!("a storage operation failed");
            let failures = [StorageFailure::Failed, StorageFailure::NoSpace];
            let number = if takes_space { choices.index(Subsystem::Store, 2) } else { 0 };
            return Some(failures[number]);
        }
        None
    }
}

fn draw_commit_time(slow: u64, choices: &mut Choices) -> Duration {
    if choices.chance(Subsystem::Store, slow, 256) {
        sometimes!("a commit took seconds");
        return Duration::from_millis(choices.between(Subsystem::Store, 1_000, 30_000));
    }
    let micros = if slow > 0 { 20_000 * slow } else { 2_000 };
    Duration::from_micros(choices.between(Subsystem::Store, 50, micros))
}
