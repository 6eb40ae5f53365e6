//! Who posts when.

use std::time::Duration;

use palabre_core::time::Monotonic;

use super::{latency::Latencies, peer::Peer};

/// Below this it costs more to have the system wake us than to look again.
const SPIN_MAX: Duration = Duration::from_micros(500);

/// What peers post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// How many members of each room post.
    pub senders: usize,
    /// How long their texts are; with a pace at least 16 bytes, for the time stands in them.
    pub text_bytes: usize,
    /// How many posts of one sender may be under way, until they have come back to it.
    pub window: u64,
    /// Posts a second of all senders together; `None` for as many as the windows let.
    pub per_second: Option<u32>,
}

/// How far it is with that.
#[derive(Debug)]
pub(super) struct Posting {
    traffic: Traffic,
    text: String,
    senders: Vec<usize>,
    started: Monotonic,
    posted: u64,
    turn: usize,
    pub(super) lateness: Latencies,
}

impl Posting {
    pub(super) fn new(traffic: Traffic, senders: Vec<usize>, now: Monotonic) -> Self {
        Self {
            traffic,
            text: "x".repeat(traffic.text_bytes),
            senders,
            started: now,
            posted: 0,
            turn: 0,
            lateness: Latencies::default(),
        }
    }

    /// How long to wait for sockets: until the next post is due. Without a pace all that could be posted was.
    pub(super) fn wait(&self, now: Monotonic, until: Monotonic) -> Duration {
        let next = match self.due(self.posted) {
            Some(due) => due.min(until),
            None if self.posted == 0 => now,
            None => until,
        };
        let wait = next.since(now);
        if wait < SPIN_MAX { Duration::ZERO } else { wait }
    }

    /// Has peers post what they may; `served` are those that have received something, and those that post.
    pub(super) fn post(&mut self, peers: &mut [Peer], served: &mut Vec<usize>, now: Monotonic) {
        match self.traffic.per_second {
            None => self.post_all(peers, served),
            Some(_) => self.post_due(peers, served, now),
        }
    }

    fn post_all(&mut self, peers: &mut [Peer], served: &mut Vec<usize>) {
        if self.posted == 0 {
            served.extend_from_slice(&self.senders);
        }
        for index in served {
            if self.is_sender(*index) {
                while peers[*index].may_post(&self.text, self.traffic.window) {
                    peers[*index].post(&self.text);
                    self.posted += 1;
                }
            }
        }
    }

    fn is_sender(&self, index: usize) -> bool {
        self.senders.binary_search(&index).is_ok()
    }

    fn post_due(&mut self, peers: &mut [Peer], served: &mut Vec<usize>, now: Monotonic) {
        while let Some(due) = self.due(self.posted).filter(|due| *due <= now) {
            let Some(index) = self.next_sender(peers) else { return };
            self.text = stamped(now, self.traffic.text_bytes);
            peers[index].post(&self.text);
            self.lateness.record(now.since(due));
            self.posted += 1;
            served.push(index);
        }
    }

    /// The next sender, in turn, that may post.
    fn next_sender(&mut self, peers: &[Peer]) -> Option<usize> {
        for _ in 0..self.senders.len() {
            self.turn = (self.turn + 1) % self.senders.len();
            let index = self.senders[self.turn];
            if peers[index].may_post(&self.text, self.traffic.window) {
                return Some(index);
            }
        }
        None
    }

    /// When the post with this number, counted from 0, is due.
    fn due(&self, number: u64) -> Option<Monotonic> {
        let per_second = u64::from(self.traffic.per_second?.max(1));
        let (seconds, rest) = (number / per_second, number % per_second);
        Some(self.started.after(Duration::from_micros(seconds * 1_000_000 + rest * 1_000_000 / per_second)))
    }
}

/// How many digits a time has in a text.
const STAMP_DIGITS: usize = 16;

fn stamped(now: Monotonic, bytes: usize) -> String {
    let filler = bytes.saturating_sub(STAMP_DIGITS);
    format!("{:0STAMP_DIGITS$x}{:x<filler$}", now.as_micros(), "")
}

/// When a text was stamped.
pub(super) fn stamp(text: &str) -> Option<Monotonic> {
    let digits = text.get(..STAMP_DIGITS)?;
    u64::from_str_radix(digits, 16).ok().map(Monotonic::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_says_when_it_was_sent() {
        let now = Monotonic::from_micros(123_456_789);
        for bytes in [16, 64, 400] {
            let text = stamped(now, bytes);
            assert_eq!((text.len(), stamp(&text)), (bytes, Some(now)));
        }
        assert_eq!(stamp("x"), None);
    }

    #[test]
    fn posts_are_due_at_a_steady_pace() {
        let traffic = Traffic { senders: 1, text_bytes: 64, window: 1, per_second: Some(3) };
        let posting = Posting::new(traffic, vec![0], Monotonic::from_micros(7));
        let due = |number| posting.due(number).unwrap().as_micros() - 7;
        assert_eq!([due(0), due(1), due(2), due(3), due(30)], [0, 333_333, 666_666, 1_000_000, 10_000_000]);
    }
}
