//! The faults that happen by themselves, each class at its own pace.

use std::time::Duration;

use palabre_core::time::Monotonic;

use super::{Phase, Task, Transfer, World};
use crate::{
    choices::Subsystem,
    network::{ClientEnd, End, LinkId, Owner, ServerEnd, Way},
    oracle::Violation,
    plan::Fault,
    sometimes,
    trace::Step,
};

/// The classes that have turns of their own, and how long it typically takes at the lowest strength.
const PACES: &[(Fault, Duration)] = &[
    (Fault::Freeze, Duration::from_secs(5)),
    (Fault::Stall, Duration::from_secs(30)),
    (Fault::Reset, Duration::from_secs(5)),
    (Fault::HalfClose, Duration::from_secs(10)),
    (Fault::Partition, Duration::from_secs(20)),
    (Fault::Storm, Duration::from_secs(20)),
    (Fault::StoreFull, Duration::from_secs(15)),
    (Fault::Crash, Duration::from_secs(10)),
    (Fault::PowerCut, Duration::from_secs(15)),
    (Fault::ShutDown, Duration::from_secs(20)),
    (Fault::Pause, Duration::from_secs(15)),
    (Fault::Descriptors, Duration::from_secs(20)),
    (Fault::Leap, Duration::from_secs(60)),
    (Fault::WallJump, Duration::from_secs(10)),
    (Fault::ClientCrash, Duration::from_secs(5)),
    (Fault::Leave, Duration::from_secs(10)),
];

impl World {
    /// The first turn of each class that exists.
    pub(super) fn schedule_faults(&mut self) {
        for (fault, pace) in PACES {
            if self.plan.has(*fault) {
                self.schedule_fault(*fault, *pace);
            }
        }
    }

    fn schedule_fault(&mut self, fault: Fault, pace: Duration) {
        let strength = u32::try_from(self.plan.strength(fault)).unwrap_or(1).max(1);
        let busy = self.plan.operation_every.as_secs().max(1);
        let typical = pace * u32::try_from(busy).unwrap_or(1) / strength;
        let after = self.choices.duration(Subsystem::Process, typical);
        self.agenda.add(self.now.after(after), Task::Fault(fault));
    }

    /// A class of faults has its turn.
    pub(super) fn fault(&mut self, fault: Fault) -> Result<(), Violation> {
        if self.phase > Phase::Safety {
            return Ok(());
        }
        self.faults += 1;
        if !self.options.skip.faults.contains(self.faults) {
            self.note(Step::Fault(fault.name().to_owned()));
            self.inject(fault)?;
        }
        if let Some((_, pace)) = PACES.iter().find(|(paced, _)| *paced == fault) {
            self.schedule_fault(fault, *pace);
        }
        Ok(())
    }

    fn inject(&mut self, fault: Fault) -> Result<(), Violation> {
        match fault {
            Fault::Freeze => {
                let (from, to) = (100, 20_000);
                let until =
                    self.now.after(Duration::from_millis(self.choices.between(Subsystem::Network, from, to)));
                self.hold_some_way(until);
            }
            Fault::Stall => {
                sometimes!("a direction stalled for ever");
                self.hold_some_way(Monotonic::from_micros(u64::MAX / 4));
            }
            Fault::Reset => self.reset_some_link(),
            Fault::HalfClose => self.half_close_some_link(),
            Fault::Partition => self.partition(),
            Fault::Storm => {
                sometimes!("all connections were reset at once");
                for link in self.live_links() {
                    self.reset_link(link);
                }
            }
            Fault::StoreFull => {
                let full = Duration::from_millis(self.choices.between(Subsystem::Store, 100, 20_000));
                self.store.fill_until(self.now.after(full));
            }
            Fault::Crash => self.crash_server(true)?,
            Fault::PowerCut => {
                sometimes!("the power went");
                self.crash_server(false)?;
            }
            Fault::ShutDown => self.shut_server_down()?,
            Fault::Pause => self.pause_for_a_while(),
            Fault::Descriptors => {
                let full = Duration::from_millis(self.choices.between(Subsystem::Process, 100, 60_000));
                self.host.full_until = self.now.after(full);
            }
            Fault::Leap => {
                sometimes!("clocks leapt");
                let leap = Duration::from_secs(*self.choices.pick(Subsystem::Process, &[90, 10, 700, 8_000]));
                self.now = self.now.after(leap);
            }
            Fault::WallJump => self.jump_wall_clocks(),
            Fault::ClientCrash => self.crash_some_client(),
            Fault::Leave => self.leave_some_client()?,
            Fault::Cut
            | Fault::ShortWrite
            | Fault::Delay
            | Fault::SlowReader
            | Fault::SlowWriter
            | Fault::SlowStore
            | Fault::StoreFails
            | Fault::StoreFailsOnce
            | Fault::StoreDoubt
            | Fault::Trim
            | Fault::CrashMidway
            | Fault::Recrash
            | Fault::RepeatedSeeds
            | Fault::EarlierNow
            | Fault::Liars
            | Fault::Mutators
            | Fault::Floods
            | Fault::Deaf
            | Fault::Thieves
            | Fault::Crowding
            | Fault::SmallBuffers
            | Fault::Rates
            | Fault::LongTexts => {}
        }
        Ok(())
    }

    /// Links of which both ends are held.
    pub(super) fn live_links(&self) -> Vec<LinkId> {
        let live = |wire: &super::Wire| {
            wire.link.client == ClientEnd::Open && matches!(wire.link.server, ServerEnd::Open(_))
        };
        self.wires.iter().filter(|(_, wire)| live(wire)).map(|(link, _)| *link).collect()
    }

    fn some_link(&mut self) -> Option<LinkId> {
        let links = self.live_links();
        (!links.is_empty()).then(|| *self.choices.pick(Subsystem::Network, &links))
    }

    fn hold_some_way(&mut self, until: Monotonic) {
        let Some(link) = self.some_link() else { return };
        let ways = self.choices.below(Subsystem::Network, 3);
        if ways != 1 {
            self.hold(link, Way::Up, until);
        }
        if ways != 0 {
            self.hold(link, Way::Down, until);
        }
    }

    fn hold(&mut self, link: LinkId, way: Way, until: Monotonic) {
        let Some(wire) = self.wire(link) else { return };
        wire.link.pipe(way).hold(until);
        self.wake_reader(link, way, until);
    }

    fn wake_reader(&mut self, link: LinkId, way: Way, at: Monotonic) {
        let transfer = match way {
            Way::Up => Transfer::ServerRead,
            Way::Down => Transfer::ClientRead,
        };
        self.wake(link, transfer, at);
    }

    fn reset_some_link(&mut self) {
        if let Some(link) = self.some_link() {
            self.reset_link(link);
        }
    }

    pub(super) fn reset_link(&mut self, link: LinkId) {
        let now = self.now;
        if let Some(wire) = self.wire(link) {
            wire.link.reset(now);
        }
        self.wake_reader(link, Way::Up, now);
        self.wake_reader(link, Way::Down, now);
    }

    fn half_close_some_link(&mut self) {
        let Some(link) = self.some_link() else { return };
        let ways: &[Way] = match self.choices.below(Subsystem::Network, 3) {
            0 => &[Way::Up],
            1 => &[Way::Down],
            _ => &[Way::Up, Way::Down],
        };
        sometimes!("a half-close towards the server", ways == [Way::Up]);
        sometimes!("a half-close towards a client", ways == [Way::Down]);
        sometimes!("a half-close both ways", ways.len() == 2);
        let now = self.now;
        for way in ways.iter().copied() {
            let Some(wire) = self.wire(link) else { return };
            wire.link.pipe(way).end(End::Finished, now);
            let arrival = wire.link.pipe(way).next_arrival().unwrap_or(now);
            self.wake_reader(link, way, arrival);
        }
    }

    fn partition(&mut self) {
        let until =
            self.now.after(Duration::from_millis(self.choices.between(Subsystem::Network, 500, 150_000)));
        self.partitioned_until = until;
        let ways = self.choices.below(Subsystem::Network, 3);
        let links = self.live_links();
        sometimes!("a partition both ways", ways == 2 && !links.is_empty());
        sometimes!("a partition one way", ways != 2 && !links.is_empty());
        for link in links {
            if ways != 1 {
                self.hold(link, Way::Up, until);
            }
            if ways != 0 {
                self.hold(link, Way::Down, until);
            }
        }
    }

    fn pause_for_a_while(&mut self) {
        let pauses = [
            Duration::from_millis(500),
            Duration::from_secs(20),
            Duration::from_secs(130),
            Duration::from_secs(7_200),
        ];
        let pause = *self.choices.pick(Subsystem::Process, &pauses);
        sometimes!("the server was paused for minutes", pause == Duration::from_secs(130));
        sometimes!("the server was paused for hours", pause == Duration::from_secs(7_200));
        self.pause_server(self.now.after(pause));
    }

    fn jump_wall_clocks(&mut self) {
        const HOUR: i64 = 3_600_000;
        const YEARS: i64 = 10 * 365 * 24 * HOUR;
        let jumps = [HOUR, -HOUR, 40 * 24 * HOUR, YEARS, -YEARS, 1_000, -1_000];
        let jump = *self.choices.pick(Subsystem::Process, &jumps);
        sometimes!("the wall clock jumped back", jump < 0);
        sometimes!("the wall clock jumped by ten years", jump.abs() == YEARS);
        if self.choices.chance(Subsystem::Process, 1, 4) {
            self.client_wall_offset = clamp_offset(self.client_wall_offset + jump);
        } else {
            self.host.wall_offset = clamp_offset(self.host.wall_offset + jump);
        }
    }

    fn crash_some_client(&mut self) {
        let actor = self.choices.index(Subsystem::Process, self.actors.len());
        if self.actors[actor].client.is_none() {
            return;
        }
        sometimes!("a client process was killed");
        self.crash_client(actor);
    }

    fn leave_some_client(&mut self) -> Result<(), Violation> {
        let actor = self.choices.index(Subsystem::Process, self.actors.len());
        let keep = self.choices.chance(Subsystem::Process, 1, 2);
        sometimes!("a client detached", keep);
        sometimes!("a client left for good", !keep);
        self.note(Step::Fault(format!("c{actor} leaves, keep {keep}")));
        let dies = self.choices.chance(Subsystem::Process, self.plan.strength(Fault::ClientCrash), 6);
        if dies && self.actors[actor].client.is_some() {
            let outputs = self.choices.between(Subsystem::Process, 1, 4);
            self.actors[actor].outputs_to_crash = Some(outputs);
        }
        self.leave(actor, keep)
    }

    /// A client says goodbye.
    pub(super) fn leave(&mut self, actor: usize, keep: bool) -> Result<(), Violation> {
        self.actors[actor].has_left = true;
        self.client_input(actor, |client, now| client.leave(keep, now))
    }

    /// Every link of raw peers ends.
    pub(super) fn end_peers(&mut self) {
        let is_peer = |wire: &super::Wire| matches!(wire.link.owner, Owner::Peer(_));
        let links: Vec<_> =
            self.wires.iter().filter(|(_, wire)| is_peer(wire)).map(|(link, _)| *link).collect();
        for link in links {
            self.let_go(link, End::Reset);
        }
    }
}

/// Within 50 years, so that no reading is before 1970.
fn clamp_offset(offset: i64) -> i64 {
    const FIFTY_YEARS: i64 = 50 * 365 * 24 * 3_600_000;
    offset.clamp(-FIFTY_YEARS, FIFTY_YEARS)
}
