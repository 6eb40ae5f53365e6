//! The story of a disk and the machines it was in: requests, cuts, and what each machine found of what the last one
//! had answered.

use std::fmt;

use palabre_core::{
    ids::{Incarnation, Seq},
    search::Query,
    storage::{
        PageRange, Place, Recovered, RoomRecord, StorageFailure, StorageOperation, StorageOutcome,
        StorageReply, StorageRequest, Ticket,
    },
};
use palabre_runtime::storage::{SqliteLimits, Synchronous};
use palabre_tests::{
    choices::{Choices, Subsystem::Process},
    store::Tables,
};

use crate::{
    disk::{Counts, Cut, Disk, DiskError, Failure, Trouble},
    files,
    machine::{End, Machine, Setup},
    operations::Generator,
};

/// What may go wrong beside cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Nothing.
    Fair,
    /// Syncs fail and are not made good by the next.
    FailingSyncs,
    /// Anything: syncs, calls that fail for some time, a full disk.
    Foul,
}

/// What happens in a story.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plot {
    pub(crate) seed: u64,
    pub(crate) cuts: u64,
    pub(crate) weather: Weather,
    pub(crate) synchronous: Synchronous,
    /// See [`Setup::rewrites_log`].
    pub(crate) rewrites_log: bool,
}

impl Plot {
    /// With a storage that does all it can.
    pub(crate) const fn new(seed: u64, cuts: u64, weather: Weather) -> Self {
        Self { seed, cuts, weather, synchronous: Synchronous::Full, rewrites_log: true }
    }
}

/// What did happen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) power_cuts: u64,
    pub(crate) kills: u64,
    pub(crate) cuts_in_recovery: u64,
    pub(crate) stops: u64,
    pub(crate) failed_syncs: u64,
    pub(crate) acknowledged: u64,
    pub(crate) refused: u64,
    pub(crate) in_flight_kept: u64,
    pub(crate) in_flight_lost: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.power_cuts += other.power_cuts;
        self.kills += other.kills;
        self.cuts_in_recovery += other.cuts_in_recovery;
        self.stops += other.stops;
        self.failed_syncs += other.failed_syncs;
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.in_flight_kept += other.in_flight_kept;
        self.in_flight_lost += other.in_flight_lost;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { power_cuts, kills, cuts_in_recovery, stops, failed_syncs, .. } = self;
        let Self { acknowledged, refused, in_flight_kept, in_flight_lost, .. } = self;
        write!(
            f,
            "{power_cuts} power cuts, {kills} kills, {cuts_in_recovery} cuts in recovery, {stops} stops, \
             {failed_syncs} failed syncs; {acknowledged} requests acknowledged and found again, {refused} refused, \
             of those cut {in_flight_kept} batches kept and {in_flight_lost} lost"
        )
    }
}

/// What contradicts what was answered.
pub(crate) type Violation = String;

/// Tells a story to its end.
pub(crate) fn tell(plot: Plot) -> (Tally, Result<(), Violation>) {
    let mut story = Story::new(plot);
    let result = story.tell().map_err(|what| format!("seed {}, {:?}: {what}", plot.seed, plot.weather));
    (story.tally, result)
}

pub(crate) struct Story {
    plot: Plot,
    setup: Setup,
    choices: Choices,
    generator: Generator,
    /// What is stored for sure; nothing before the first machine has opened its storage.
    held: Option<Tables>,
    /// What was asked and not answered when the last machine ended.
    in_flight: Vec<StorageRequest>,
    seeds: u64,
    tally: Tally,
}

impl Story {
    pub(crate) fn new(plot: Plot) -> Self {
        let mut choices = Choices::seeded(plot.seed);
        let limits = SqliteLimits {
            cache_bytes: *choices.pick(Process, &[32 << 20, 16 << 10]),
            log_bytes: *choices.pick(Process, &[64 << 20, 64 << 10, 16 << 10]),
            database_bytes_max: None,
        };
        Self {
            plot,
            setup: Setup { synchronous: plot.synchronous, limits, rewrites_log: plot.rewrites_log },
            choices,
            generator: Generator::default(),
            held: None,
            in_flight: Vec::new(),
            seeds: 0,
            tally: Tally::default(),
        }
    }

    fn tell(&mut self) -> Result<(), Violation> {
        let mut disk = Disk::new(self.seed());
        for _ in 0..self.plot.cuts {
            let mut machine = self.recover(disk)?;
            let trouble = self.trouble(160);
            let faulty = trouble.fails();
            machine.suffer(trouble);
            let end = self.work(&mut machine, faulty)?;
            let cut = self.end(&end);
            self.tally.failed_syncs += machine.counts().failed_syncs;
            disk = machine.stop(cut, self.seed());
        }
        let machine = self.recover(disk)?;
        let closed = machine.close(self.seed());
        self.recover(closed).map(drop)
    }

    /// One machine in one kind of trouble from its start on, and what is found afterwards; what its disk was asked.
    pub(crate) fn tell_of(mut self, trouble: Trouble, after: Cut) -> Result<Counts, Violation> {
        let disk = Disk::new(self.seed());
        let incarnation = self.seed();
        let faulty = trouble.fails();
        let (mut machine, opened) = Machine::start(disk, self.setup, incarnation, trouble);
        let mut cut = after;
        match opened {
            Ok(_) => {
                self.held = Some(Tables::new(Incarnation::new(incarnation)));
                if let End::Cut(by_trouble) = self.work(&mut machine, faulty)? {
                    cut = by_trouble;
                }
            }
            Err(End::Cut(by_trouble)) => cut = by_trouble,
            Err(End::NotOpened(_)) if faulty => {}
            Err(end) => return Err(format!("it does not open: {end:?}")),
        }
        let counts = machine.counts();
        let disk = machine.stop(cut, self.seed());
        self.recover(disk)?;
        Ok(counts)
    }

    /// A machine to which nothing happens but batches, and then the end of its process: its disk, and what its storage
    /// showed from the beginning on and after each batch, without what is known by questions.
    pub(crate) fn history(&mut self, batches: u32) -> Result<(Disk, Vec<Shown>), Violation> {
        let mut machine = self.recover(Disk::new(1))?;
        let mut states = Vec::new();
        for _ in 0..=batches {
            let held = self.held.clone().expect("it was opened");
            states.push(Shown::of(held));
            let batch = self.next_batch();
            let replies = machine.execute(batch.clone()).map_err(|end| format!("it ends: {end:?}"))?;
            self.note(&batch, replies, false)?;
        }
        states.push(Shown::of(self.held.clone().expect("it was opened")));
        Ok((machine.stop(Cut::Process, 1), states))
    }

    pub(crate) const fn setup(&self) -> Setup {
        self.setup
    }

    pub(crate) fn next_batch(&mut self) -> Vec<StorageRequest> {
        let held = self.held.as_ref().expect("a machine works when its storage was opened");
        self.generator.batch(held, &mut self.choices)
    }

    /// What the end of a machine does to its disk.
    fn end(&mut self, end: &End) -> Cut {
        let cut = match end {
            End::Cut(cut) => *cut,
            End::NotOpened(_) | End::Stopped(_) => {
                self.tally.stops += 1;
                *self.choices.pick(Process, &[Cut::Process, Cut::Power])
            }
        };
        match cut {
            Cut::Power => self.tally.power_cuts += 1,
            Cut::Process => self.tally.kills += 1,
        }
        cut
    }

    /// Works on a machine until it ends.
    fn work(&mut self, machine: &mut Machine, faulty: bool) -> Result<End, Violation> {
        let batches = self.choices.between(Process, 1, 16);
        for _ in 0..batches {
            let batch = if !self.in_flight.is_empty() && self.choices.chance(Process, 3, 4) {
                // What a cut left unanswered is asked once more.
                std::mem::take(&mut self.in_flight)
            } else {
                self.next_batch()
            };
            match machine.execute(batch.clone()) {
                Ok(replies) => self.note(&batch, replies, faulty)?,
                Err(end) => {
                    self.in_flight = batch;
                    if let (End::Stopped(reason), false) = (&end, faulty) {
                        return Err(format!("it stopped on a healthy disk: {reason}"));
                    }
                    return Ok(end);
                }
            }
        }
        self.in_flight.clear();
        Ok(End::Cut(*self.choices.pick(Process, &[Cut::Power, Cut::Process])))
    }

    /// Compares answers with what they should be, and takes note of what is stored now.
    fn note(
        &mut self,
        batch: &[StorageRequest],
        replies: Vec<StorageReply>,
        faulty: bool,
    ) -> Result<(), Violation> {
        let held = self.held.as_mut().expect("a machine works when its storage was opened");
        for (request, reply) in batch.iter().zip(replies) {
            let failed = matches!(reply.result, Err(StorageFailure::NoSpace | StorageFailure::Failed));
            if failed && faulty {
                self.tally.refused += 1;
                continue;
            }
            let expected = held.execute(&request.operation);
            if reply.result != expected || reply.ticket != request.ticket {
                return Err(format!("{request:?} was answered {reply:?} and not {expected:?}"));
            }
            self.tally.acknowledged += 1;
        }
        Ok(())
    }

    /// Opens the storage on what an end has left, and compares what it shows with what was answered.
    fn recover(&mut self, disk: Disk) -> Result<Machine, Violation> {
        // The same disk in two machines: one recovers at once, the other is cut while it does, some times over.
        let (mut first, found) = self.open(disk.after(Cut::Process, self.seeds))?;
        let shown = Shown::by(&mut first, found, self.generator.questions())?;
        let durable = first.stop(Cut::Power, self.seed());
        let (mut again, found) = self.open(durable)?;
        if Shown::by(&mut again, found, self.generator.questions())? != shown {
            return Err("recovering twice shows something else than recovering once".into());
        }
        drop(again.close(0));

        let mut disk = disk;
        while self.choices.chance(Process, 1, 2) {
            let trouble = self.trouble(24);
            let faulty = trouble.fails();
            let (machine, opened) = Machine::start(disk, self.setup, self.seeds, trouble);
            if let (Err(End::NotOpened(error)), false) = (&opened, faulty) {
                return Err(format!("it did not open on a healthy disk: {error}"));
            }
            let end = opened.err().unwrap_or(End::Cut(Cut::Power));
            let cut = self.end(&end);
            self.tally.cuts_in_recovery += 1;
            disk = machine.stop(cut, self.seed());
        }
        let (mut machine, found) = self.open(disk)?;
        let last = Shown::by(&mut machine, found, self.generator.questions())?;
        self.judge(&shown)?;
        self.held = Some(self.judge(&last)?);
        Ok(machine)
    }

    fn open(&mut self, disk: Disk) -> Result<(Machine, Recovered), Violation> {
        let incarnation = self.seed();
        let (machine, opened) = Machine::start(disk, self.setup, incarnation, Trouble::default());
        match opened {
            Ok(recovered) => Ok((machine, recovered)),
            Err(end) => Err(format!("the storage does not open on a healthy disk: {end:?}")),
        }
    }

    /// Which contents agree with what was answered: what was held, and any of the requests that were not answered.
    fn judge(&mut self, shown: &Shown) -> Result<Tables, Violation> {
        let Some(held) = &self.held else {
            let empty = Tables::new(shown.recovered.incarnation);
            return if shown.recovered == empty.recovered() {
                Ok(empty)
            } else {
                Err(format!("a new storage is not empty: {:?}", shown.recovered))
            };
        };
        // All of them first, then none: batches are one transaction where nothing is wrong.
        let all = (1_u32 << self.in_flight.len()) - 1;
        let possible = [all, 0].into_iter().chain((1..all).rev());
        for kept in possible {
            if self.plot.weather == Weather::Fair && (kept + 1) & kept != 0 {
                // Not from the front.
                continue;
            }
            let mut tables = held.clone();
            for (index, request) in self.in_flight.iter().enumerate() {
                if kept & 1 << index != 0 {
                    let _ = tables.execute(&request.operation);
                }
            }
            if tables.recovered() == shown.recovered && shown.differs_from(&mut tables).is_none() {
                match kept {
                    _ if self.in_flight.is_empty() => {}
                    0 => self.tally.in_flight_lost += 1,
                    _ => self.tally.in_flight_kept += 1,
                }
                return Ok(tables);
            }
        }
        let difference = shown.differs_from(&mut held.clone()).unwrap_or_default();
        Err(format!("what was answered is not there: {difference}; not answered: {:?}", self.in_flight))
    }

    /// What goes wrong in the life of a machine that makes about so many changes.
    fn trouble(&mut self, changes: u64) -> Trouble {
        let choices = &mut self.choices;
        // Many early, so that every step of a commit and a recovery is met.
        let changes = choices.between(Process, 1, changes);
        let at = choices.between(Process, 1, changes);
        let cut = *choices.pick(Process, &[Cut::Power, Cut::Power, Cut::Process]);
        let mut trouble = Trouble { cut: Some((at, cut)), ..Trouble::default() };
        let syncs = match self.plot.weather {
            Weather::Fair => false,
            Weather::FailingSyncs => true,
            Weather::Foul => choices.chance(Process, 1, 2),
        };
        if syncs {
            trouble.failing_syncs = Some(*choices.pick(Process, &[8, 4, 2]));
        }
        if self.plot.weather == Weather::Foul {
            trouble.full = choices.chance(Process, 1, 4);
            trouble.failure = choices.chance(Process, 1, 2).then(|| Failure {
                first: choices.between(Process, 1, 100),
                calls: *choices.pick(Process, &[1, 1, 3, 20]),
                error: *choices.pick(Process, &[DiskError::Io, DiskError::Full]),
            });
        }
        trouble
    }

    fn seed(&mut self) -> u64 {
        self.seeds += 1;
        self.plot.seed.wrapping_mul(1_000_003).wrapping_add(self.seeds)
    }
}

/// All that a storage shows.
#[derive(Debug, PartialEq)]
pub(crate) struct Shown {
    recovered: Recovered,
    /// Every log and all files, by questions and answers.
    logs: Vec<Asked>,
    /// Every nonce and upload that may be known, by questions and answers.
    known: Vec<Asked>,
}

type Asked = (StorageOperation, Result<StorageOutcome, StorageFailure>);

impl Shown {
    /// Asks the storage of a machine that was just opened for its logs, and these questions.
    pub(crate) fn by(
        machine: &mut Machine,
        recovered: Recovered,
        questions: impl Iterator<Item = StorageOperation>,
    ) -> Result<Self, Violation> {
        let mut ask = |questions: Vec<StorageOperation>| {
            let tickets = (0..).map(Ticket::from_number);
            let requests = tickets.zip(questions.iter().cloned());
            let batch = requests.map(|(ticket, operation)| StorageRequest { ticket, operation }).collect();
            let replies = machine.execute(batch).map_err(|end| format!("it cannot be read: {end:?}"))?;
            Ok::<_, Violation>(
                questions.into_iter().zip(replies.into_iter().map(|reply| reply.result)).collect(),
            )
        };
        let logs = ask(logs_of(&recovered))?;
        let known = ask(questions.collect())?;
        Ok(Self { recovered, logs, known })
    }

    /// What a storage with these contents shows that is not asked for nonces.
    pub(crate) fn of(mut tables: Tables) -> Self {
        let recovered = tables.recovered();
        let logs = logs_of(&recovered).into_iter().map(|question| {
            let answer = tables.execute(&question);
            (question, answer)
        });
        Self { logs: logs.collect(), recovered, known: Vec::new() }
    }

    /// Whether something could not be read.
    pub(crate) fn has_failures(&self) -> bool {
        self.logs.iter().chain(&self.known).any(|(_, answer)| answer.is_err())
    }

    /// The first answer that these contents would not have given.
    fn differs_from(&self, tables: &mut Tables) -> Option<String> {
        if tables.recovered() != self.recovered {
            return Some(format!("{:?} was recovered and not {:?}", self.recovered, tables.recovered()));
        }
        self.logs.iter().chain(&self.known).find_map(|(question, answer)| {
            let expected = tables.execute(question);
            (expected != *answer).then(|| format!("{question:?} is answered {answer:?} and not {expected:?}"))
        })
    }
}

fn logs_of(recovered: &Recovered) -> Vec<StorageOperation> {
    let whole = |room: &RoomRecord| StorageOperation::ReadPage {
        room: room.id,
        range: PageRange::After(Seq::new(0)),
        events_max: u32::MAX,
        bytes_max: u32::MAX,
    };
    let files = files::listings(recovered.rooms.iter().map(|room| Place::Room(room.id)));
    let rooms: Vec<_> = recovered.rooms.iter().map(|room| room.id).collect();
    // Texts are numbers; what the index of words has of them has to go with what the logs have.
    let searched = ["1*", "2*"].map(|text| StorageOperation::Search {
        rooms: rooms.clone(),
        query: Query::parse(text).expect("a word"),
        before: None,
        hits_max: u32::MAX,
        bytes_max: u32::MAX,
    });
    recovered.rooms.iter().map(whole).chain(searched).chain(files).collect()
}
