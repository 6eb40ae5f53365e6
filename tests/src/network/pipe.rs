//! One direction of a link.

use std::{collections::VecDeque, time::Duration};

use palabre_core::time::Monotonic;

use crate::{
    choices::{Choices, Subsystem},
    plan::{Fault, Plan},
    sometimes,
};

/// How a direction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The writer has said all.
    Finished,
    /// The connection was reset.
    Reset,
}

/// What a reader finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// Bytes.
    Bytes(Vec<u8>),
    /// No more will come.
    Ended(End),
    /// Nothing yet.
    Nothing,
}

/// Bytes on their way, a socket's buffer at each end included.
#[derive(Debug)]
pub struct Pipe {
    writes: VecDeque<(Monotonic, Vec<u8>)>,
    taken_of_first: usize,
    waiting_bytes: usize,
    capacity_bytes: usize,
    latency: Duration,
    jitter: bool,
    cut_of_8: u64,
    short_of_8: u64,
    held_until: Monotonic,
    last_arrival: Monotonic,
    end: Option<(Monotonic, End)>,
    finished: bool,
    reset_after: Option<usize>,
}

impl Pipe {
    pub(super) fn draw(latency: Duration, plan: &Plan, choices: &mut Choices) -> Self {
        let mut capacity_bytes = 64 << 10;
        if plan.has(Fault::ShortWrite) {
            capacity_bytes = *choices.pick(Subsystem::Network, &[64 << 10, 4 << 10, 500, 60]);
        }
        let reset_after = choices
            .chance(Subsystem::Network, plan.strength(Fault::Reset), 16)
            .then(|| draw_reset_after(choices));
        Self {
            writes: VecDeque::new(),
            taken_of_first: 0,
            waiting_bytes: 0,
            capacity_bytes,
            latency,
            jitter: plan.has(Fault::Delay),
            cut_of_8: plan.strength(Fault::Cut) * 2,
            short_of_8: plan.strength(Fault::ShortWrite) * 2,
            held_until: Monotonic::ZERO,
            last_arrival: Monotonic::ZERO,
            end: None,
            finished: false,
            reset_after,
        }
    }

    /// How long bytes take at least.
    #[must_use]
    pub const fn latency(&self) -> Duration {
        self.latency
    }

    /// How many bytes are on their way.
    #[must_use]
    pub const fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// How many bytes would be taken.
    #[must_use]
    pub const fn free_bytes(&self) -> usize {
        self.capacity_bytes.saturating_sub(self.waiting_bytes)
    }

    /// Whether the writer has said all.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.finished
    }

    pub(super) fn write(&mut self, bytes: &[u8], now: Monotonic, choices: &mut Choices) -> usize {
        if matches!(self.end, Some((_, End::Reset))) {
            // What was on its way is lost: nothing may arrive in its place.
            return bytes.len();
        }
        let mut count = bytes.len().min(self.free_bytes());
        if count > 1 && choices.chance(Subsystem::Network, self.short_of_8, 8) {
            sometimes!("short write");
            count = count - 1 - choices.index(Subsystem::Network, count - 1);
        }
        if count == 0 {
            return 0;
        }
        let mut latency = self.latency;
        if self.jitter {
            latency += choices.duration(Subsystem::Network, self.latency);
        }
        self.last_arrival = self.last_arrival.max(now.after(latency));
        self.writes.push_back((self.last_arrival, bytes[..count].to_vec()));
        self.waiting_bytes += count;
        count
    }

    /// Reads at most `bytes_max` of what has arrived.
    pub fn read(&mut self, bytes_max: usize, now: Monotonic, choices: &mut Choices) -> Read {
        if now < self.held_until {
            return Read::Nothing;
        }
        if self.reset_after == Some(0) {
            sometimes!("reset at a byte");
            return Read::Ended(End::Reset);
        }
        let mut bytes = self.take_arrived(bytes_max.min(self.reset_after.unwrap_or(usize::MAX)), now);
        if bytes.len() > 1 && choices.chance(Subsystem::Network, self.cut_of_8, 8) {
            let keep = 1 + choices.index(Subsystem::Network, bytes.len() - 1);
            self.put_back(bytes.split_off(keep), now);
        }
        if let Some(left) = &mut self.reset_after {
            *left -= bytes.len();
        }
        match self.end {
            Some((at, end)) if bytes.is_empty() && self.writes.is_empty() && at <= now => Read::Ended(end),
            Some(_) | None if bytes.is_empty() => Read::Nothing,
            Some(_) | None => Read::Bytes(bytes),
        }
    }

    /// When there will be something to read next; `None` while nothing is on its way.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Monotonic> {
        let first = self.writes.front().map(|(at, _)| *at);
        first.or_else(|| self.end.map(|(at, _)| at)).map(|at| at.max(self.held_until))
    }

    /// Nothing arrives before `until`.
    pub fn hold(&mut self, until: Monotonic) {
        self.held_until = self.held_until.max(until);
    }

    /// Undoes every hold.
    pub fn release(&mut self, now: Monotonic) {
        self.held_until = self.held_until.min(now);
    }

    /// No byte follows what was written. The first end stands, except that a reset overtakes.
    pub fn end(&mut self, end: End, at: Monotonic) {
        self.finished = true;
        let at = match end {
            End::Finished => self.last_arrival.max(at),
            End::Reset => at,
        };
        match (self.end, end) {
            (None, _) | (Some((_, End::Finished)), End::Reset) => self.end = Some((at, end)),
            (Some(_), _) => {}
        }
        if end == End::Reset {
            self.discard();
        }
    }

    /// Drops what is on its way.
    pub fn discard(&mut self) {
        self.writes.clear();
        self.taken_of_first = 0;
        self.waiting_bytes = 0;
    }

    /// Every weakness is gone, except that what is held stays held.
    pub fn heal(&mut self) {
        self.cut_of_8 = 0;
        self.short_of_8 = 0;
        self.reset_after = None;
        self.jitter = false;
        self.latency = self.latency.min(Duration::from_millis(20));
        self.capacity_bytes = 64 << 10;
    }

    /// It breaks after so many bytes more.
    pub fn break_after(&mut self, bytes: usize) {
        self.reset_after = Some(bytes);
    }

    fn take_arrived(&mut self, bytes_max: usize, now: Monotonic) -> Vec<u8> {
        let mut taken = Vec::new();
        while let Some((at, bytes)) = self.writes.front() {
            if *at > now || taken.len() == bytes_max {
                break;
            }
            let rest = &bytes[self.taken_of_first..];
            let count = rest.len().min(bytes_max - taken.len());
            taken.extend_from_slice(&rest[..count]);
            self.taken_of_first += count;
            if self.taken_of_first == bytes.len() {
                self.writes.pop_front();
                self.taken_of_first = 0;
            }
        }
        self.waiting_bytes -= taken.len();
        taken
    }

    fn put_back(&mut self, mut bytes: Vec<u8>, now: Monotonic) {
        self.waiting_bytes += bytes.len();
        if let Some((_, first)) = self.writes.front_mut().filter(|_| self.taken_of_first > 0) {
            bytes.extend_from_slice(&first[self.taken_of_first..]);
            *first = bytes;
        } else {
            self.writes.push_front((now, bytes));
        }
        self.taken_of_first = 0;
    }
}

/// After how many bytes a direction breaks: often among the first frames, at any byte of them.
fn draw_reset_after(choices: &mut Choices) -> usize {
    let most = *choices.pick(Subsystem::Network, &[1 << 16, 4_096, 512, 64]);
    choices.index(Subsystem::Network, most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    fn pipe(seed: u64) -> (Pipe, Choices) {
        let mut choices = Choices::seeded(seed);
        let mut plan = Plan::draw(&mut choices, 1);
        plan.remove(Fault::Reset);
        (Pipe::draw(Duration::from_millis(1), &plan, &mut choices), choices)
    }

    #[test]
    fn bytes_come_out_as_they_went_in_however_they_are_cut() {
        for seed in 0..300 {
            let (mut pipe, mut choices) = pipe(seed);
            let sent: Vec<u8> = (0..5_000_u32).map(|number| number.to_le_bytes()[0]).collect();
            let (mut written, mut received, mut now) = (0, Vec::new(), Monotonic::ZERO);
            while received.len() < sent.len() {
                written += pipe.write(&sent[written..], now, &mut choices);
                if written == sent.len() && !pipe.is_finished() {
                    pipe.end(End::Finished, now);
                }
                now = now.after(Duration::from_millis(3));
                if let Read::Bytes(bytes) = pipe.read(97, now, &mut choices) {
                    assert!(bytes.len() <= 97);
                    received.extend(bytes);
                }
            }
            assert_eq!(received, sent, "seed {seed}");
            now = now.after(Duration::from_secs(60));
            assert_eq!(pipe.read(1, now, &mut choices), Read::Ended(End::Finished));
        }
    }

    #[test]
    fn nothing_written_later_takes_the_place_of_what_a_reset_lost() {
        let (mut pipe, mut choices) = pipe(0);
        pipe.heal();
        pipe.write(b"lost", Monotonic::ZERO, &mut choices);
        pipe.end(End::Reset, Monotonic::from_millis(50));
        assert_eq!(pipe.write(b"too late", Monotonic::from_millis(1), &mut choices), 8);
        assert_eq!(pipe.read(99, Monotonic::from_millis(40), &mut choices), Read::Nothing);
        assert_eq!(pipe.read(99, Monotonic::from_millis(50), &mut choices), Read::Ended(End::Reset));
    }

    #[test]
    fn what_is_held_bursts_later() {
        let (mut pipe, mut choices) = pipe(0);
        pipe.heal();
        pipe.write(b"one", Monotonic::ZERO, &mut choices);
        pipe.hold(Monotonic::from_millis(500));
        pipe.write(b"two", Monotonic::from_millis(100), &mut choices);
        assert_eq!(pipe.read(99, Monotonic::from_millis(400), &mut choices), Read::Nothing);
        assert_eq!(pipe.next_arrival(), Some(Monotonic::from_millis(500)));
        let burst = pipe.read(99, Monotonic::from_millis(500), &mut choices);
        assert_eq!(burst, Read::Bytes(b"onetwo".to_vec()));
    }
}
